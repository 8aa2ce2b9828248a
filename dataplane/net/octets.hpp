// Big-endian fields in link-layer frames, by offset: no struct is ever laid over a frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "engine/types.hpp"

namespace fanfare::dataplane::net {

inline std::uint16_t load16(const std::byte* p) {
    std::uint16_t v;
    std::memcpy(&v, p, sizeof v);
    return __builtin_bswap16(v);
}
inline std::uint32_t load32(const std::byte* p) {
    std::uint32_t v;
    std::memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}
inline Address load_address(const std::byte* p) {
    return Address{load32(p)};
}

inline void store16(std::byte* p, std::uint16_t value) {
    value = __builtin_bswap16(value);
    std::memcpy(p, &value, sizeof value);
}
inline void store32(std::byte* p, std::uint32_t value) {
    value = __builtin_bswap32(value);
    std::memcpy(p, &value, sizeof value);
}
inline void store_address(std::byte* p, Address address) {
    store32(p, address.v4);
}

}  // namespace fanfare::dataplane::net

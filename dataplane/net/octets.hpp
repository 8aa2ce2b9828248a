// Big-endian fields in link-layer frames, by offset: no struct is ever laid over a frame.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/types.hpp"

namespace fanfare::dataplane::net {

inline std::uint16_t load16(const std::byte* p) {
    return static_cast<std::uint16_t>((std::to_integer<unsigned>(p[0]) << 8) |
                                      std::to_integer<unsigned>(p[1]));
}
inline std::uint32_t load32(const std::byte* p) {
    return (std::uint32_t{load16(p)} << 16) | load16(p + 2);
}
inline Address load_address(const std::byte* p) {
    return Address{load32(p)};
}

inline void store16(std::byte* p, std::uint16_t value) {
    p[0] = static_cast<std::byte>(value >> 8);
    p[1] = static_cast<std::byte>(value);
}
inline void store32(std::byte* p, std::uint32_t value) {
    store16(p, static_cast<std::uint16_t>(value >> 16));
    store16(p + 2, static_cast<std::uint16_t>(value));
}
inline void store_address(std::byte* p, Address address) {
    store32(p, address.v4);
}

}  // namespace fanfare::dataplane::net

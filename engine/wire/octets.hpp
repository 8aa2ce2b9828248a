// Big-endian fields by offset: no struct is ever laid over a packet. The caller has checked the
// bounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fanfare::wire {

inline std::uint8_t get8(const std::byte* p) {
    return std::to_integer<std::uint8_t>(*p);
}
inline std::uint16_t get16(const std::byte* p) {
    std::uint16_t v;
    std::memcpy(&v, p, sizeof v);
    return __builtin_bswap16(v);
}
inline std::uint32_t get32(const std::byte* p) {
    std::uint32_t v;
    std::memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}
inline void put8(std::byte* p, std::uint8_t v) {
    *p = std::byte{v};
}
inline void put16(std::byte* p, std::uint16_t v) {
    v = __builtin_bswap16(v);
    std::memcpy(p, &v, sizeof v);
}
inline void put32(std::byte* p, std::uint32_t v) {
    v = __builtin_bswap32(v);
    std::memcpy(p, &v, sizeof v);
}

}  // namespace fanfare::wire

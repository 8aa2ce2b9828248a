// Reading memory that somebody else may be overwriting: a reader of a receive region copies first
// and asks afterwards whether what it copied was still whole (MessageReader). Such a copy is a data
// race by the letter of C++; what makes it sound is that nothing of it is believed, and no address
// computed from it left unchecked, before the check. The functions here are the only places that
// read so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ipc/receive_region.hpp"

#if defined(__SANITIZE_THREAD__)
#define FANFARE_UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FANFARE_UNDER_TSAN 1
#endif
#endif

namespace fanfare::client {

// What the sanitizer shall not look into can't be part of a function that it looks into.
#ifdef FANFARE_UNDER_TSAN
#define FANFARE_RACY __attribute__((no_sanitize("thread"), noinline))
#else
#define FANFARE_RACY
#endif

// Volatile loads are neither merged, repeated nor invented by the compiler; 8-aligned 8-octet loads
// do not tear.
FANFARE_RACY inline IndexEntry racy_load(const IndexEntry* entry) {
    const auto* words = reinterpret_cast<const volatile std::uint64_t*>(entry);
    const std::uint64_t raw[2] = {words[0], words[1]};
    IndexEntry copy;
    static_assert(sizeof raw == sizeof copy);
#ifdef FANFARE_UNDER_TSAN
    copy.sqn = static_cast<std::uint32_t>(raw[0]);
    copy.place = static_cast<std::uint32_t>(raw[0] >> 32);
    copy.length = static_cast<std::uint16_t>(raw[1]);
    copy.flags = static_cast<std::uint16_t>(raw[1] >> 16);
    copy.apdu_length = static_cast<std::uint32_t>(raw[1] >> 32);
#else
    std::memcpy(&copy, raw, sizeof copy);
#endif
    return copy;
}

#ifdef FANFARE_UNDER_TSAN
// memcpy is watched by the sanitizer even here, so under it the octets go one by one.
FANFARE_RACY inline void racy_copy(std::byte* to, const std::byte* from, std::size_t bytes) {
    const auto* octets = reinterpret_cast<const volatile unsigned char*>(from);
    for (std::size_t i = 0; i < bytes; ++i) to[i] = std::byte{octets[i]};
}
#else
inline void racy_copy(std::byte* to, const std::byte* from, std::size_t bytes) {
    if (bytes != 0) std::memcpy(to, from, bytes);
}
#endif

// The big-endian 16-bit number at `from`.
FANFARE_RACY inline std::uint16_t racy_load_u16(const std::byte* from) {
    const auto* octets = reinterpret_cast<const volatile unsigned char*>(from);
    const unsigned high = octets[0];
    return static_cast<std::uint16_t>(high << 8 | octets[1]);
}

}  // namespace fanfare::client

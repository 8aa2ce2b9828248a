#include "control/send_window_rule.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace fanfare::control {
namespace {
constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kBitsPerByte = 8;
constexpr std::uint64_t kBitsPerKbit = 1000;
}  // namespace

std::optional<RmSendWindow> resolve_send_window(const RmSendWindow& asked,
                                                const RmSendWindow& in_force, std::uint32_t mtu) {
    std::uint64_t rate = asked.rate_kbits_per_s;
    std::uint64_t ms = asked.window_ms;
    std::uint64_t bytes = asked.window_bytes;
    if (rate == 0 && ms == 0 && bytes == 0) return std::nullopt;
    if (rate != 0 && ms != 0 && bytes == 0) {
        bytes = rate * ms / kBitsPerByte;
    } else if (rate == 0 && ms != 0 && bytes != 0) {
        rate = bytes * kBitsPerByte / ms;
    } else if (rate == 0 && ms != 0) {
        rate = in_force.rate_kbits_per_s;
        bytes = rate * ms / kBitsPerByte;
    } else {
        // Only the rate, only the bytes, both, or all three: rate and bytes are limits of resources
        // and win.
        if (rate == 0) rate = in_force.rate_kbits_per_s;
        if (bytes == 0) bytes = in_force.window_bytes;
        if (rate == 0) return std::nullopt;
        ms = bytes * kBitsPerByte / rate;
    }
    if (rate == 0 || ms == 0 || bytes == 0) return std::nullopt;
    if (rate > kMax32 || ms > kMax32 || bytes > kMax32) return std::nullopt;
    if (bytes < mtu) return std::nullopt;
    return RmSendWindow{static_cast<std::uint32_t>(rate), static_cast<std::uint32_t>(ms),
                        static_cast<std::uint32_t>(bytes)};
}

RmSendWindow send_window_of(const engine::SourceParameters& p) {
    const auto clamp32 = [](std::uint64_t v) {
        return static_cast<std::uint32_t>(std::min(v, kMax32));
    };
    return {clamp32(p.rate_bits_per_s / kBitsPerKbit),
            clamp32(static_cast<std::uint64_t>(p.window_ns / kMillisecond)),
            clamp32(p.window_bytes)};
}

void apply_send_window(const RmSendWindow& window, engine::SourceParameters& p) {
    p.rate_bits_per_s = std::uint64_t{window.rate_kbits_per_s} * kBitsPerKbit;
    p.window_ns = Nanos{window.window_ms} * kMillisecond;
    p.window_bytes = window.window_bytes;
    p.window_packets = window_packets_for(p.window_bytes);
}

std::uint32_t window_packets_for(std::uint64_t window_bytes) {
    constexpr std::uint64_t kOctetsPerEntry = 128, kLeast = 1u << 12, kMost = 1u << 20;
    return static_cast<std::uint32_t>(
        std::bit_ceil(std::clamp(window_bytes / kOctetsPerEntry, kLeast, kMost)));
}

}  // namespace fanfare::control

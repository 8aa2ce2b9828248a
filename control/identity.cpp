#include "control/identity.hpp"

#include <algorithm>
#include <string>

namespace fanfare::control {
namespace {

// FNV-1a followed by the finisher of splitmix64: spreads a few changed characters over all octets.
// It has to be stable and even, not secret.
std::uint64_t stable_hash(std::string_view text, std::uint64_t seed) {
    std::uint64_t h = 0xCBF29CE484222325ull ^ seed;
    for (const unsigned char c : text) h = (h ^ c) * 0x100000001B3ull;
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9ull;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBull;
    return h ^ (h >> 31);
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

Gsi derive_gsi(std::string_view machine_id, Address first_interface) {
    const std::uint64_t h = stable_hash(machine_id, first_interface.v4);
    Gsi gsi;
    for (std::size_t i = 0; i < gsi.octets.size(); ++i)
        gsi.octets[i] = static_cast<std::uint8_t>(h >> (8 * i));
    return gsi;
}

std::optional<Gsi> parse_gsi(std::string_view text) {
    Gsi gsi;
    if (text.size() != gsi.octets.size() * 2) return std::nullopt;
    for (std::size_t i = 0; i < gsi.octets.size(); ++i) {
        const int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        gsi.octets[i] = static_cast<std::uint8_t>(high * 16 + low);
    }
    return gsi;
}

std::string to_string(const Gsi& gsi) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (const auto o : gsi.octets) {
        text += kDigits[o >> 4];
        text += kDigits[o & 15];
    }
    return text;
}

std::optional<std::uint16_t> SourcePorts::take(std::uint64_t random, Nanos now) {
    while (!resting_.empty() && resting_.front().until <= now) {
        taken_.erase(resting_.front().port);
        resting_.pop_front();
    }
    auto port = static_cast<std::uint16_t>(random);
    for (std::uint32_t tries = 0; tries <= 0xFFFF; ++tries, ++port)
        if (port != 0 && taken_.insert(port).second) return port;
    return std::nullopt;
}

void SourcePorts::give_back(std::uint16_t port, Nanos now) {
    resting_.push_back({port, now + std::max(longest_window_ns_, kLeastRestNanos)});
}

}  // namespace fanfare::control

#include "sim/loss_pattern.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>

namespace fanfare::sim {
namespace {

// Numbers between the lowest and the highest: more is no session's capture but an attack on memory.
constexpr std::int64_t kLongestPattern = 1 << 24;

std::optional<Tsi> busiest(std::span<const CapturedData> data) {
    std::map<std::uint64_t, std::uint64_t> counts;
    for (const CapturedData& packet : data) ++counts[packet.tsi.key()];
    std::uint64_t most = 0;
    std::optional<Tsi> tsi;
    for (const CapturedData& packet : data) {
        const std::uint64_t count = counts[packet.tsi.key()];
        if (count <= most) continue;
        most = count;
        tsi = packet.tsi;
    }
    return tsi;
}

}  // namespace

LossPattern loss_pattern(std::span<const CapturedData> data, std::optional<Tsi> tsi) {
    LossPattern pattern;
    if (!tsi) tsi = busiest(data);
    if (!tsi) {
        pattern.fault = "it holds no PGM data packet (ODATA)";
        return pattern;
    }
    pattern.tsi = *tsi;
    // Places relative to the first packet; each is taken nearest to the one before.
    std::vector<std::int64_t> places;
    std::int64_t place = 0, low = 0, high = 0;
    Sqn before = 0;
    for (const CapturedData& packet : data) {
        if (packet.tsi != *tsi) continue;
        if (!places.empty()) place += sqn_distance(before, packet.sqn);
        before = packet.sqn;
        low = std::min(low, place);
        high = std::max(high, place);
        if (high - low >= kLongestPattern) {
            pattern.fault = "its numbers lie more than " + std::to_string(kLongestPattern) +
                            " apart: not one session's packets";
            return pattern;
        }
        places.push_back(place);
    }
    if (places.empty()) {
        pattern.fault = "it holds no data packet of " + to_string(*tsi);
        return pattern;
    }
    pattern.lost.assign(static_cast<std::size_t>(high - low + 1), true);
    for (const std::int64_t seen : places)
        pattern.lost[static_cast<std::size_t>(seen - low)] = false;
    pattern.missing =
        static_cast<std::uint64_t>(std::count(pattern.lost.begin(), pattern.lost.end(), true));
    return pattern;
}

std::string to_string(const Tsi& tsi) {
    char text[32];
    const auto& o = tsi.gsi.octets;
    std::snprintf(text, sizeof text, "%02x%02x%02x%02x%02x%02x:%u", o[0], o[1], o[2], o[3], o[4],
                  o[5], unsigned{tsi.source_port});
    return text;
}

std::optional<Tsi> tsi_from(std::string_view text) {
    constexpr std::size_t kGsiDigits = 12;
    if (text.size() < kGsiDigits + 2 || text[kGsiDigits] != ':') return std::nullopt;
    Tsi tsi;
    for (std::size_t i = 0; i < tsi.gsi.octets.size(); ++i) {
        const char* const begin = text.data() + 2 * i;
        const auto result = std::from_chars(begin, begin + 2, tsi.gsi.octets[i], 16);
        if (result.ec != std::errc{} || result.ptr != begin + 2) return std::nullopt;
    }
    const char* const end = text.data() + text.size();
    const auto result = std::from_chars(text.data() + kGsiDigits + 1, end, tsi.source_port);
    if (result.ec != std::errc{} || result.ptr != end) return std::nullopt;
    return tsi;
}

}  // namespace fanfare::sim

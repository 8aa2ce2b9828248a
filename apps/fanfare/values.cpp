#include "apps/fanfare/values.hpp"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <optional>

#include "apps/fanfare/failure.hpp"

namespace fanfare::tool {

namespace {

template <typename Number>
std::optional<Number> number_from(std::string_view text, auto... base) {
    Number value{};
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, base...);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::optional<std::uint32_t> ipv4_from(std::string_view text) {
    in_addr address{};
    if (::inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) return std::nullopt;
    return ntohl(address.s_addr);
}

bool is_multicast(std::uint32_t address) {
    return (address >> 28) == 0xE;
}

[[noreturn]] void out_of_range(std::string_view flag, std::string_view text, std::uint64_t lowest,
                               std::uint64_t highest) {
    throw UsageFailure(
        fmt::format("{}: '{}' is no whole number from {} to {}", flag, text, lowest, highest));
}

}  // namespace

GroupPort group_port(std::string_view text) {
    constexpr const char* kExample = "write GROUP:PORT, for example 239.1.1.1:7500";
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos)
        throw UsageFailure(fmt::format("'{}' has no port: {}", text, kExample));
    const auto group = text.substr(0, colon), port = text.substr(colon + 1);
    const auto address = ipv4_from(group);
    if (!address) throw UsageFailure(fmt::format("'{}' is no IPv4 address: {}", group, kExample));
    if (!is_multicast(*address))
        throw UsageFailure(fmt::format(
            "'{}' is no multicast group: take one from 224.0.1.0 to 239.255.255.255", group));
    const auto number = number_from<std::uint32_t>(port);
    if (!number || *number == 0 || *number > 65535)
        throw UsageFailure(fmt::format("port '{}' of '{}' is not from 1 to 65535", port, text));
    return {std::string(group), static_cast<std::uint16_t>(*number)};
}

std::uint32_t unicast_address(std::string_view flag, std::string_view text) {
    const auto address = ipv4_from(text);
    if (!address)
        throw UsageFailure(
            fmt::format("{}: '{}' is no IPv4 address, for example 10.0.0.1", flag, text));
    if (*address == 0 || *address >= 0xE0000000u)
        throw UsageFailure(fmt::format("{}: '{}' is no host's address", flag, text));
    return *address;
}

std::string address_text(std::uint32_t host_order) {
    return fmt::format("{}.{}.{}.{}", host_order >> 24, host_order >> 16 & 0xFF,
                       host_order >> 8 & 0xFF, host_order & 0xFF);
}

std::uint64_t whole_number(std::string_view flag, std::string_view text, std::uint64_t lowest,
                           std::uint64_t highest) {
    const auto value = number_from<std::uint64_t>(text);
    if (!value || *value < lowest || *value > highest) out_of_range(flag, text, lowest, highest);
    return *value;
}

std::uint64_t octets(std::string_view flag, std::string_view text, std::uint64_t lowest,
                     std::uint64_t highest) {
    unsigned shift = 0;
    std::string_view digits = text;
    if (!digits.empty()) {
        switch (digits.back() | 0x20) {
            case 'k':
                shift = 10;
                break;
            case 'm':
                shift = 20;
                break;
            case 'g':
                shift = 30;
                break;
            default:
                break;
        }
        if (shift != 0) digits.remove_suffix(1);
    }
    const auto value = number_from<std::uint64_t>(digits);
    if (!value || *value > (~std::uint64_t{0} >> shift) || (*value << shift) < lowest ||
        (*value << shift) > highest)
        out_of_range(flag, text, lowest, highest);
    return *value << shift;
}

std::uint64_t rate_bits(std::string_view flag, std::string_view text) {
    // 10 Tbit/s: far above every port, far below overflow.
    constexpr double kHighestMbit = 10'000'000;
    const auto value = number_from<double>(text);
    if (!value || !std::isfinite(*value) || *value < 0 || *value > kHighestMbit ||
        (*value > 0 && *value < 0.001))
        throw UsageFailure(fmt::format(
            "{}: '{}' is no rate in Mbit/s from 0.001 to {}, or 0 for as fast as the port takes",
            flag, text, static_cast<std::uint64_t>(kHighestMbit)));
    return static_cast<std::uint64_t>(*value * 1e6);
}

double share(std::string_view flag, std::string_view text) {
    const auto value = number_from<double>(text);
    if (!value || !(*value >= 0 && *value <= 100))
        throw UsageFailure(fmt::format("{}: '{}' is no percentage from 0 to 100", flag, text));
    return *value / 100;
}

std::string unescaped(std::string_view flag, std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\') {
            out += text[i];
            continue;
        }
        const char next = i + 1 < text.size() ? text[++i] : '\0';
        switch (next) {
            case 'n':
                out += '\n';
                break;
            case 't':
                out += '\t';
                break;
            case 'r':
                out += '\r';
                break;
            case '0':
                out += '\0';
                break;
            case '\\':
                out += '\\';
                break;
            case 'x': {
                const auto octet = number_from<std::uint8_t>(text.substr(i + 1, 2), 16);
                if (octet && text.size() - i > 2) {
                    out += static_cast<char>(*octet);
                    i += 2;
                    break;
                }
                [[fallthrough]];
            }
            default:
                throw UsageFailure(fmt::format(
                    "{}: '{}' has an unknown escape; known are \\n \\t \\r \\0 \\\\ and \\xHH",
                    flag, text));
        }
    }
    return out;
}

}  // namespace fanfare::tool

#include "control/text.hpp"

#include <charconv>

namespace fanfare::control {

std::string to_string(Address address) {
    std::string text;
    for (int shift = 24; shift >= 0; shift -= 8) {
        text += std::to_string((address.v4 >> shift) & 0xFF);
        if (shift != 0) text += '.';
    }
    return text;
}

std::optional<Address> parse_address(std::string_view text) {
    std::uint32_t v4 = 0;
    const char* at = text.data();
    const char* const end = at + text.size();
    for (int i = 0; i < 4; ++i) {
        if (i > 0 && (at == end || *at++ != '.')) return std::nullopt;
        unsigned octet = 0;
        const auto [next, error] = std::from_chars(at, end, octet);
        if (error != std::errc{} || octet > 255 || next - at > 3) return std::nullopt;
        v4 = (v4 << 8) | octet;
        at = next;
    }
    if (at != end) return std::nullopt;
    return Address{v4};
}

std::optional<AddressAndPrefix> parse_prefix(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const auto address = parse_address(text.substr(0, slash));
    if (!address) return std::nullopt;
    const auto rest = text.substr(slash + 1);
    unsigned prefix = 0;
    const auto [next, error] = std::from_chars(rest.data(), rest.data() + rest.size(), prefix);
    if (error != std::errc{} || next != rest.data() + rest.size() || prefix < 1 || prefix > 32)
        return std::nullopt;
    return AddressAndPrefix{*address, static_cast<std::uint8_t>(prefix)};
}

}  // namespace fanfare::control

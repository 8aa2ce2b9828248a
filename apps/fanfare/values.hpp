// Values of flags, from text. Each throws UsageFailure with a line that names flag, value and what
// would be right.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fanfare::tool {

// GROUP:PORT, the group a multicast address.
struct GroupPort {
    std::string group;
    std::uint16_t port = 0;
    std::string text() const { return group + ":" + std::to_string(port); }
};
GroupPort group_port(std::string_view text);

// A unicast IPv4 address, in host byte order.
std::uint32_t unicast_address(std::string_view flag, std::string_view text);
std::string address_text(std::uint32_t host_order);

// A whole number in [lowest, highest].
std::uint64_t whole_number(std::string_view flag, std::string_view text, std::uint64_t lowest,
                           std::uint64_t highest);
// A whole number of octets in [lowest, highest], with k, m or g for 2^10, 2^20, 2^30.
std::uint64_t octets(std::string_view flag, std::string_view text, std::uint64_t lowest,
                     std::uint64_t highest);
// Mbit/s, decimal fractions allowed, as bit/s; 0 is 0.
std::uint64_t rate_bits(std::string_view flag, std::string_view text);
// Percent, decimal fractions allowed, as a share 0..1.
double share(std::string_view flag, std::string_view text);
// Text with \n, \t, \r, \0, \\ and \xHH put in.
std::string unescaped(std::string_view flag, std::string_view text);

}  // namespace fanfare::tool

// Addresses as people write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/types.hpp"

namespace fanfare::control {

std::string to_string(Address address);
// Four decimal octets, nothing before or after.
std::optional<Address> parse_address(std::string_view text);

struct AddressAndPrefix {
    Address address;
    std::uint8_t prefix = 0;
};
// ADDRESS/PREFIX with a prefix of 1 to 32.
std::optional<AddressAndPrefix> parse_prefix(std::string_view text);

}  // namespace fanfare::control

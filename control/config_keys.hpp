// Which key of the configuration file fills which member of Config, and what it may hold.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>

#include "control/config.hpp"

namespace fanfare::control {

using ConfigMember =
    std::variant<std::string Config::*, bool Config::*, std::uint64_t Config::*,
                 std::optional<std::uint64_t> Config::*, std::optional<bool> Config::*,
                 std::vector<std::string> Config::*>;

struct ConfigKey {
    const char* name;  // section.key
    ConfigMember member;
    std::uint64_t least = 0, most = 0;  // of a number
    const char* choices = nullptr;      // of a text: words parted by '|', or any text
};

std::span<const ConfigKey> config_keys();
const ConfigKey* find_config_key(std::string_view name);
// Whether `value` is one of the key's choices.
bool is_choice(const ConfigKey& key, std::string_view value);

}  // namespace fanfare::control

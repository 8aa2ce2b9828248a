// Reading the TOML file into Config.
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <toml++/toml.h>

#include "control/config_keys.hpp"
#include "control/text.hpp"

namespace fanfare::control {
namespace {

// Says where a node stands in front of what is wrong with it.
std::string at(const std::string& path, const toml::node& node, std::string_view what) {
    return fmt::format("{}:{}: {}", path, node.source().begin.line, what);
}
std::string at_key(const std::string& path, const toml::key& key, std::string_view what) {
    return fmt::format("{}:{}: {}", path, key.source().begin.line, what);
}

// The key of the list that is nearest to a mistyped one: same section first, then most leading
// letters.
std::string hint(std::string_view wrong) {
    std::string_view best;
    std::size_t best_length = 0;
    for (const auto& key : config_keys()) {
        const std::string_view name = key.name;
        std::size_t n = 0;
        while (n < name.size() && n < wrong.size() && name[n] == wrong[n]) ++n;
        if (n > best_length) {
            best_length = n;
            best = name;
        }
    }
    const auto dot = wrong.find('.');
    if (dot == std::string_view::npos || best_length <= dot + 1) return {};
    return fmt::format("; did you mean {}?", best);
}

class FileReader {
  public:
    FileReader(const std::string& path, Config& config, std::string& error)
        : path_(path), config_(config), error_(error) {}

    bool read(const toml::table& root) {
        for (const auto& [key, node] : root) {
            const std::string name(key.str());
            if (name == "interface") {
                if (!read_interfaces(node)) return false;
                continue;
            }
            const auto* section = node.as_table();
            if (section == nullptr || !is_section(name)) {
                error_ =
                    at_key(path_, key,
                           fmt::format(
                               "no section [{}]; sections are [daemon], [[interface]], [identity], "
                               "[memory], [limits], [sender], [receiver], [repairer]",
                               name));
                return false;
            }
            for (const auto& [inner, value] : *section)
                if (!read_key(name + "." + std::string(inner.str()), inner, value)) return false;
        }
        return true;
    }

  private:
    static bool is_section(const std::string& name) {
        for (const auto& key : config_keys())
            if (std::string_view(key.name).starts_with(name + ".")) return true;
        return false;
    }

    bool fail(const toml::node& node, std::string_view what) {
        error_ = at(path_, node, what);
        return false;
    }

    bool read_key(const std::string& name, const toml::key& where, const toml::node& node) {
        const ConfigKey* key = find_config_key(name);
        if (key == nullptr) {
            error_ = at_key(path_, where, fmt::format("no key {}{}", name, hint(name)));
            return false;
        }
        return std::visit([&](auto member) { return take(*key, node, config_.*member); },
                          key->member);
    }

    bool take(const ConfigKey& key, const toml::node& node, std::string& out) {
        const auto value = node.value_exact<std::string>();
        if (!value) return fail(node, fmt::format("{} takes a text in quotes", key.name));
        if (!is_choice(key, *value))
            return fail(node,
                        fmt::format("{} = \"{}\" is none of {}", key.name, *value, key.choices));
        out = *value;
        return true;
    }
    bool take(const ConfigKey& key, const toml::node& node, bool& out) {
        const auto value = node.value_exact<bool>();
        if (!value) return fail(node, fmt::format("{} takes true or false", key.name));
        out = *value;
        return true;
    }
    bool take(const ConfigKey& key, const toml::node& node, std::uint64_t& out) {
        const auto value = node.value_exact<std::int64_t>();
        if (!value) return fail(node, fmt::format("{} takes a whole number", key.name));
        if (*value < 0 || static_cast<std::uint64_t>(*value) < key.least ||
            static_cast<std::uint64_t>(*value) > key.most)
            return fail(node, fmt::format("{} = {} is outside {} to {}", key.name, *value,
                                          key.least, key.most));
        out = static_cast<std::uint64_t>(*value);
        return true;
    }
    template <typename T>
    bool take(const ConfigKey& key, const toml::node& node, std::optional<T>& out) {
        T value{};
        if (!take(key, node, value)) return false;
        out = value;
        return true;
    }
    bool take(const ConfigKey& key, const toml::node& node, std::vector<std::string>& out) {
        const auto* list = node.as_array();
        if (list == nullptr) return fail(node, fmt::format("{} takes a list of texts", key.name));
        out.clear();
        for (const auto& element : *list) {
            const auto value = element.value_exact<std::string>();
            if (!value) return fail(element, fmt::format("{} takes a list of texts", key.name));
            out.push_back(*value);
        }
        return true;
    }

    bool read_interfaces(const toml::node& node) {
        const auto* list = node.as_array();
        if (list == nullptr)
            return fail(node, "interfaces are written [[interface]], one block for each");
        for (const auto& element : *list) {
            const auto* table = element.as_table();
            if (table == nullptr)
                return fail(element, "interfaces are written [[interface]], one block for each");
            if (!read_interface(*table)) return false;
        }
        return true;
    }

    bool read_interface(const toml::table& table) {
        InterfaceConfig out;
        out.where = fmt::format("{}:{}", path_, table.source().begin.line);
        for (const auto& [key, node] : table) {
            const std::string_view name = key.str();
            const std::string full = fmt::format("interface.{}", name);
            const auto number = [&](std::uint64_t least, std::uint64_t most, std::uint64_t& value) {
                return take({full.c_str(), {}, least, most}, node, value);
            };
            std::string text;
            if (name == "mtu") {
                if (!number(576, 9000, out.mtu)) return false;
            } else if (name == "vlan") {
                if (!number(1, 4094, out.vlan)) return false;
            } else if (name == "dscp") {
                if (!number(0, 63, out.dscp)) return false;
            } else if (name == "name" || name == "address" || name == "device" ||
                       name == "gateway") {
                if (!take({full.c_str(), {}}, node, text)) return false;
                if (name == "name") out.name = text;
                if (name == "device") out.device = text;
                if (name == "address") {
                    const auto parsed = parse_prefix(text);
                    if (!parsed)
                        return fail(
                            node,
                            fmt::format("interface.address = \"{}\" is no ADDRESS/PREFIX such as "
                                        "10.0.0.1/24",
                                        text));
                    out.address = parsed->address;
                    out.prefix = parsed->prefix;
                }
                if (name == "gateway") {
                    const auto parsed = parse_address(text);
                    if (!parsed)
                        return fail(
                            node,
                            fmt::format("interface.gateway = \"{}\" is no IPv4 address", text));
                    out.gateway = *parsed;
                }
            } else {
                error_ = at_key(
                    path_, key,
                    fmt::format(
                        "no key interface.{}; an interface has name, address, device, gateway, "
                        "mtu, vlan, dscp",
                        name));
                return false;
            }
        }
        const char* missing = out.name.empty()        ? "name"
                              : out.address.is_none() ? "address"
                              : out.device.empty()    ? "device"
                                                      : nullptr;
        if (missing != nullptr) return fail(table, fmt::format("interface.{} is missing", missing));
        config_.interfaces.push_back(std::move(out));
        return true;
    }

    const std::string& path_;
    Config& config_;
    std::string& error_;
};

}  // namespace

bool read_config_text(std::string_view text, const std::string& path, Config& config,
                      std::string& error) {
    try {
        return FileReader(path, config, error).read(toml::parse(text, path));
    } catch (const toml::parse_error& wrong) {
        error = fmt::format("{}:{}: {}", path, wrong.source().begin.line, wrong.description());
        return false;
    }
}

bool read_config_file(const std::string& path, Config& config, std::string& error) {
    // A folder opens as a file does, and reads as an empty one.
    std::error_code ignored;
    errno = std::filesystem::is_directory(path, ignored) ? EISDIR : 0;
    std::ifstream file;
    if (errno == 0) file.open(path, std::ios::binary);
    std::ostringstream text;
    if (file.is_open()) text << file.rdbuf();
    if (!file.is_open() || file.bad()) {
        error = fmt::format("cannot read the configuration file {}: {}; check --config", path,
                            std::strerror(errno != 0 ? errno : EIO));
        return false;
    }
    return read_config_text(text.str(), path, config, error);
}

}  // namespace fanfare::control

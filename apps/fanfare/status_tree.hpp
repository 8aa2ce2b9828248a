// What a daemon says of itself, from its flat records to a tree, a table and JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "ipc/messages.hpp"

namespace fanfare::tool {

// One member a kind ("interfaces", "workers", "sources", "receivers", "listeners", "clients", and
// "control"), each an array of objects with their fields; objects that belong to another one stand
// inside it ("readers" of a receiver). Every number stands once. Records come from another process:
// any content is taken.
nlohmann::ordered_json status_json(std::span<const ipc::StatusRecord> records);

// The same for people: counters that are 0 are left out.
std::string status_text(const nlohmann::ordered_json& tree);

}  // namespace fanfare::tool

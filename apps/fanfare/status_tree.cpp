#include "apps/fanfare/status_tree.hpp"

#include <fmt/core.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

namespace fanfare::tool {

namespace {

using nlohmann::ordered_json;

const char* plural_of(ipc::StatusKind kind) {
    switch (kind) {
        case ipc::StatusKind::interface:
            return "interfaces";
        case ipc::StatusKind::worker:
            return "workers";
        case ipc::StatusKind::source:
            return "sources";
        case ipc::StatusKind::receiver:
            return "receivers";
        case ipc::StatusKind::reader:
            return "readers";
        case ipc::StatusKind::listener:
            return "listeners";
        case ipc::StatusKind::client:
            return "clients";
        case ipc::StatusKind::datagram:
            return "datagrams";
        case ipc::StatusKind::membership:
            return "memberships";
        case ipc::StatusKind::counter:
            return "control";
    }
    return "others";
}

template <std::size_t N>
std::string_view text_of(const char (&text)[N]) {
    return {text, ::strnlen(text, N)};
}

// Names come from the daemon, hence from the network in part; JSON wants valid text.
std::string clean(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7F) c = '?';
    return out;
}

struct Object {
    ipc::StatusKind kind{};
    std::uint32_t parent = 0;  // a record's index
    std::string name, first_field;
    ordered_json fields = ordered_json::object();
    std::vector<std::size_t> children;
    bool inside = false;  // another object holds it
};

void add_field(ordered_json& fields, const std::string& name, ordered_json value) {
    if (!fields.contains(name)) {
        fields[name] = std::move(value);
        return;
    }
    if (!fields[name].is_array()) fields[name] = ordered_json::array({fields[name]});
    fields[name].push_back(std::move(value));
}

ordered_json tree_of(const std::vector<Object>& objects, const Object& object) {
    ordered_json out;
    out["name"] = object.name;
    for (const auto& [name, value] : object.fields.items()) out[name] = value;
    // Children always have a higher index than their parent, so that this ends.
    for (const std::size_t child : object.children)
        out[plural_of(objects[child].kind)].push_back(tree_of(objects, objects[child]));
    return out;
}

bool is_zero(const ordered_json& value) {
    return value.is_number() && value.get<double>() == 0;
}

std::string value_text(const ordered_json& value) {
    if (value.is_string()) return value.get<std::string>();
    return value.dump();
}

// Settings that mean something at 0 too, or that tell one object from another.
bool always_shown(std::string_view field) {
    return field == "uid" || field == "lag_packets" || field == "worker";
}

void write_object(const ordered_json& object, const std::string& margin, std::string& out) {
    constexpr std::size_t kColumns = 100;
    out += margin + value_text(object.at("name")) + "\n";
    const std::string inner = margin + "    ";
    std::string line = inner;
    const auto flush = [&] {
        if (line.size() > inner.size()) out += line + "\n";
        line = inner;
    };
    for (const auto& [name, value] : object.items()) {
        const bool nested = value.is_array() && !value.empty() && value.front().is_object();
        if (name == "name" || nested || (is_zero(value) && !always_shown(name))) continue;
        std::string word = name + " " + value_text(value);
        if (line.size() > inner.size() && line.size() + 2 + word.size() > kColumns) flush();
        line += line.size() > inner.size() ? "  " + word : word;
    }
    flush();
    for (const auto& [name, value] : object.items()) {
        if (!value.is_array() || value.empty() || !value.front().is_object()) continue;
        for (const auto& child : value) {
            out += inner + name.substr(0, name.size() - 1) + "\n";
            write_object(child, inner + "  ", out);
        }
    }
}

}  // namespace

ordered_json status_json(std::span<const ipc::StatusRecord> records) {
    std::vector<Object> objects;
    std::vector<std::size_t> object_of_record(records.size());
    for (std::size_t i = 0; i < records.size(); ++i) {
        const ipc::StatusRecord& record = records[i];
        const std::string name = clean(text_of(record.object)),
                          field = clean(text_of(record.field));
        // Two objects may share a name; the second begins where the first field comes again.
        const bool same = !objects.empty() && objects.back().kind == record.kind &&
                          objects.back().parent == record.parent && objects.back().name == name &&
                          objects.back().first_field != field;
        if (!same) {
            Object object;
            object.kind = record.kind;
            object.parent = record.parent;
            object.name = name;
            object.first_field = field;
            if (record.parent < i) {
                object.inside = true;
                objects[object_of_record[record.parent]].children.push_back(objects.size());
            }
            objects.push_back(std::move(object));
        }
        object_of_record[i] = objects.size() - 1;
        const auto text = text_of(record.text);
        add_field(objects.back().fields, field,
                  text.empty() ? ordered_json(record.value) : ordered_json(clean(text)));
    }
    ordered_json out = ordered_json::object();
    for (const auto kind :
         {ipc::StatusKind::interface, ipc::StatusKind::worker, ipc::StatusKind::source,
          ipc::StatusKind::receiver, ipc::StatusKind::listener, ipc::StatusKind::datagram,
          ipc::StatusKind::client})
        out[plural_of(kind)] = ordered_json::array();
    for (const Object& object : objects) {
        if (object.inside) continue;
        if (object.kind == ipc::StatusKind::counter)
            out["control"] = tree_of(objects, object);
        else
            out[plural_of(object.kind)].push_back(tree_of(objects, object));
    }
    return out;
}

std::string status_text(const ordered_json& tree) {
    std::string out;
    for (const auto& [kind, value] : tree.items()) {
        if (value.is_array() && value.empty()) continue;
        out += kind + "\n";
        if (value.is_array())
            for (const auto& object : value) write_object(object, "  ", out);
        else
            write_object(value, "  ", out);
    }
    return out;
}

}  // namespace fanfare::tool

// What a worker is asked to receive, and which UDP ports carry PGM on an interface.
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/commands.hpp"

namespace fanfare::dataplane {

class ListenTable {
  public:
    explicit ListenTable(std::size_t listens_max) { listens_.reserve(listens_max); }

    // False when full.
    bool add(const ListenSpec& listen) {
        if (listens_.size() == listens_.capacity()) return false;
        listens_.push_back(listen);
        return true;
    }
    // Takes one wish back; false when there is none of that id. One command removes all interfaces
    // of an id, one call one of them.
    bool remove(std::uint64_t listen_id, ListenSpec& removed) {
        for (ListenSpec& listen : listens_) {
            if (listen.listen_id != listen_id) continue;
            removed = listen;
            listen = listens_.back();
            listens_.pop_back();
            return true;
        }
        return false;
    }
    // Whether a session of that group, ports and source shall be opened. The walk happens only for
    // packets of unknown TSIs.
    bool wants(std::uint32_t interface, Address group, std::uint16_t destination_port,
               std::uint16_t udp_port, Address source) const {
        for (const ListenSpec& listen : listens_) {
            if (matches(listen, interface, group, destination_port, udp_port, source)) return true;
        }
        return false;
    }
    // Whether one of the listens that want it has this host repair it.
    bool repairs(std::uint32_t interface, Address group, std::uint16_t destination_port,
                 std::uint16_t udp_port, Address source) const {
        for (const ListenSpec& listen : listens_) {
            if (listen.repairs &&
                matches(listen, interface, group, destination_port, udp_port, source)) {
                return true;
            }
        }
        return false;
    }
    // Whom alone those who want that session want: its source, or none when somebody wants any.
    Address only_source(std::uint32_t interface, Address group, std::uint16_t destination_port,
                        std::uint16_t udp_port, Address source) const {
        Address only;
        for (const ListenSpec& listen : listens_) {
            if (listen.group != group || listen.destination_port != destination_port ||
                listen.udp_port != udp_port || listen.interface != interface) {
                continue;
            }
            if (listen.source.is_none()) return {};
            if (listen.source == source) only = source;
        }
        return only;
    }
    template <typename Visit>
    void for_each(Visit&& visit) const {
        for (const ListenSpec& listen : listens_) visit(listen);
    }

  private:
    static bool matches(const ListenSpec& listen, std::uint32_t interface, Address group,
                        std::uint16_t destination_port, std::uint16_t udp_port, Address source) {
        const bool port = listen.destination_port == destination_port ||
                          (listen.repairs && listen.destination_port == 0);
        return listen.group == group && port && listen.udp_port == udp_port &&
               listen.interface == interface &&
               (listen.source.is_none() || listen.source == source);
    }

    std::vector<ListenSpec> listens_;
};

// UDP ports in use on one interface, counted.
class UdpPorts {
  public:
    static constexpr std::size_t kPortsMax = 64;
    bool contains(std::uint16_t port) const {
        for (const Entry& entry : entries_) {
            if (entry.port == port) return true;
        }
        return false;
    }
    // Port 0 (raw IP) needs no entry. False when full.
    bool add(std::uint16_t port) {
        if (port == 0) return true;
        for (Entry& entry : entries_) {
            if (entry.port == port) {
                ++entry.users;
                return true;
            }
        }
        if (entries_.size() == kPortsMax) return false;
        entries_.push_back({port, 1});
        return true;
    }
    void remove(std::uint16_t port) {
        for (Entry& entry : entries_) {
            if (entry.port != port) continue;
            if (--entry.users == 0) {
                entry = entries_.back();
                entries_.pop_back();
            }
            return;
        }
    }
    template <typename Visit>
    void for_each(Visit&& visit) const {
        for (const Entry& entry : entries_) visit(entry.port);
    }
    UdpPorts() { entries_.reserve(kPortsMax); }

  private:
    struct Entry {
        std::uint16_t port;
        std::uint32_t users;
    };
    std::vector<Entry> entries_;
};

}  // namespace fanfare::dataplane

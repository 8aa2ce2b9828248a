#include "dataplane/net/arp_table.hpp"

#include <algorithm>

#include "dataplane/net/multicast_mac.hpp"

namespace fanfare::dataplane::net {

ArpTable::ArpTable(std::size_t capacity) : entries_(capacity) {
    given_up_.reserve(2 * capacity * kFramesPerEntry);
}

// Unicast next hops are few (sources and gateways), so a walk is as good as a hash.
ArpTable::Entry* ArpTable::find(Address address) {
    for (std::size_t i = 0; i < used_; ++i) {
        if (entries_[i].state != State::free && entries_[i].address == address) return &entries_[i];
    }
    return nullptr;
}

// A free entry, or the one used longest ago that holds no frame.
ArpTable::Entry* ArpTable::take(Address address, Nanos now) {
    Entry* entry = used_ < entries_.size() ? &entries_[used_++] : nullptr;
    if (entry == nullptr) {
        for (Entry& candidate : entries_) {
            if (candidate.held_count > 0) continue;
            if (entry == nullptr || candidate.used_at < entry->used_at) entry = &candidate;
        }
    }
    if (entry == nullptr) return nullptr;
    *entry = Entry{};
    entry->address = address;
    entry->used_at = now;
    return entry;
}

void ArpTable::ask(Entry& entry, Nanos now) {
    entry.tries = 0;
    entry.ask_at = now;
    deadline_ = std::min(deadline_, now);
}

void ArpTable::give_up_oldest(Entry& entry, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) given_up_.push_back(entry.held[i].frame);
    std::move(entry.held.begin() + count, entry.held.begin() + entry.held_count,
              entry.held.begin());
    entry.held_count -= count;
}

ArpTable::Answer ArpTable::resolve(Address next_hop, const engine::TxFrame& frame, Nanos now,
                                   MacAddress& mac) {
    Entry* entry = find(next_hop);
    if (entry == nullptr) {
        entry = take(next_hop, now);
        if (entry == nullptr) return Answer::refused;
        entry->state = State::asking;
        ask(*entry, now);
    }
    entry->used_at = now;
    if (entry->state == State::known) {
        const Nanos age = now - entry->confirmed_at;
        if (age < kExpireAfter) {
            if (age >= kRefreshAfter && !entry->refreshing) {
                entry->refreshing = true;
                ask(*entry, now);
            }
            mac = entry->mac;
            return Answer::resolved;
        }
        entry->state = State::asking;
        entry->refreshing = false;
        ask(*entry, now);
    }
    if (entry->state == State::failed) {
        if (now < entry->ask_at) return Answer::refused;
        entry->state = State::asking;
        ask(*entry, now);
    }
    // The list is emptied every turn; a full one means that nobody does.
    if (given_up_.size() == given_up_.capacity()) return Answer::refused;
    // The newest frame says best what is missing now.
    if (entry->held_count == kFramesPerEntry) give_up_oldest(*entry, 1);
    entry->held[entry->held_count++] = Held{frame, now};
    deadline_ = std::min(deadline_, now + kFrameAge);
    return Answer::kept;
}

void ArpTable::heard(Address sender, const MacAddress& mac, bool for_us, Nanos now) {
    if (sender.is_none() || sender.is_multicast() || is_group_mac(mac) || is_zero_mac(mac)) return;
    Entry* entry = find(sender);
    if (entry == nullptr) {
        if (!for_us) return;
        entry = take(sender, now);
        if (entry == nullptr) return;
    }
    entry->state = State::known;
    entry->refreshing = false;
    entry->mac = mac;
    entry->confirmed_at = now;
    entry->ask_at = kNever;
    entry->tries = 0;
    if (entry->held_count > 0) any_ready_ = true;
    update_deadline();
}

bool ArpTable::next_ready(engine::TxFrame& frame, MacAddress& mac) {
    if (!any_ready_) return false;
    for (std::size_t i = 0; i < used_; ++i) {
        Entry& entry = entries_[i];
        if (entry.state != State::known || entry.held_count == 0) continue;
        frame = entry.held[0].frame;
        mac = entry.mac;
        std::move(entry.held.begin() + 1, entry.held.begin() + entry.held_count,
                  entry.held.begin());
        --entry.held_count;
        return true;
    }
    any_ready_ = false;
    update_deadline();
    return false;
}

bool ArpTable::next_given_up(engine::TxFrame& frame, Nanos now) {
    if (given_up_.empty() && deadline_ <= now) {
        for (std::size_t i = 0; i < used_; ++i) {
            Entry& entry = entries_[i];
            std::uint32_t old = 0;
            while (old < entry.held_count && now - entry.held[old].since >= kFrameAge) ++old;
            if (old > 0) give_up_oldest(entry, old);
        }
        update_deadline();
    }
    if (given_up_.empty()) return false;
    frame = given_up_.back();
    given_up_.pop_back();
    return true;
}

bool ArpTable::next_request(Address& target, Nanos now) {
    if (deadline_ > now) return false;
    for (std::size_t i = 0; i < used_; ++i) {
        Entry& entry = entries_[i];
        const bool asking = entry.state == State::asking || entry.refreshing;
        if (!asking || entry.ask_at > now) continue;
        if (entry.tries >= kTries) {
            if (entry.state == State::asking) {
                give_up_oldest(entry, entry.held_count);
                entry.state = State::failed;
                entry.ask_at = now + kFailedFor;
            } else {
                entry.refreshing = false;  // used until it expires
                entry.ask_at = kNever;
            }
            continue;
        }
        const std::size_t step = std::min<std::size_t>(entry.tries, kRetryIntervals.size() - 1);
        entry.ask_at = now + kRetryIntervals[step];
        ++entry.tries;
        target = entry.address;
        return true;
    }
    update_deadline();
    return false;
}

Nanos ArpTable::entry_deadline(const Entry& entry) {
    Nanos at = kNever;
    if (entry.state == State::asking || entry.refreshing) at = entry.ask_at;
    if (entry.held_count > 0) at = std::min(at, entry.held[0].since + kFrameAge);
    return at;
}

void ArpTable::update_deadline() {
    deadline_ = kNever;
    for (std::size_t i = 0; i < used_; ++i) {
        deadline_ = std::min(deadline_, entry_deadline(entries_[i]));
    }
}

void ArpTable::clear() {
    for (std::size_t i = 0; i < used_; ++i) {
        give_up_oldest(entries_[i], entries_[i].held_count);
        entries_[i] = Entry{};
    }
    used_ = 0;
    any_ready_ = false;
    deadline_ = kNever;
}

}  // namespace fanfare::dataplane::net

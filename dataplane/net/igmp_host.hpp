// The host side of IGMP on one interface (RFC 3376 section 5, older queriers section 7.2.1):
// reports of joins and leaves with robustness repeats, and answers to queries after a random delay.
//
// Groups are joined from any source (EXCLUDE with an empty list); which sources a session believes
// is judged above. Pure: time is an argument, randomness a seed, messages are asked for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/net/igmp.hpp"
#include "engine/core/random.hpp"
#include "engine/types.hpp"

namespace fanfare::dataplane::net {

class IgmpHost {
  public:
    // Defaults of RFC 3376 section 8.
    static constexpr std::uint8_t kRobustness = 2;
    static constexpr Nanos kQueryInterval = 125 * kSecond;
    static constexpr Nanos kUnsolicitedInterval = 1 * kSecond;
    // Sources of one group-and-source query that are remembered until the answer; a longer list is
    // answered for the whole group instead (section 9 allows a limit).
    static constexpr std::size_t kSourcesMax = 32;

    // `groups_max` groups at most, 232/8 and 224.0.0.1 are not special-cased but for the latter,
    // which is never reported.
    IgmpHost(std::uint64_t seed, std::size_t groups_max);

    // Memberships are counted: the first join and the last leave of a group are reported. False
    // when there is no room for another group.
    bool join(Address group, Nanos now);
    void leave(Address group, Nanos now);
    bool joined(Address group) const;

    // A query was heard; `router_alert`: it came with that option, without which v2 and v3 queries
    // are not answered (section 5.2).
    void on_query(const IgmpQuery& query, bool router_alert, Nanos now);
    // Another member's v1 or v2 report: in those modes it speaks for us too (RFC 2236 section 3).
    void on_report(Address group);
    // The interface came back: everything joined is reported anew.
    void report_all(Nanos now);

    // The next message that is due: its octets in `room` (at least 576, the smallest MTU less
    // headers is plenty) and where it goes. 0 when nothing is due.
    std::size_t next_message(Nanos now, std::span<std::byte> room, Address& destination);
    Nanos next_deadline() const { return deadline_; }

    // Calls visit(group) for each joined group.
    template <typename Visit>
    void for_each(Visit&& visit) const {
        for (const Group& group : groups_) {
            if (group.members > 0) visit(group.address);
        }
    }
    std::uint8_t version(Nanos now) const;

  private:
    struct Group {
        Address address;
        std::uint32_t members = 0;  // 0: left, still telling so
        std::uint8_t repeats = 0;   // state-change reports still to send
        Nanos change_at = kNever;   // when the next of them goes
        Nanos answer_at = kNever;   // when a query is answered
        std::uint8_t source_count = 0;
        std::array<Address, kSourcesMax> sources;  // of a group-and-source query
    };

    Group* find(Address group);
    void change(Group& group, Nanos now);
    void set_version(std::uint8_t version, Nanos now);
    std::size_t write_v3(Nanos now, std::span<std::byte> room);
    std::size_t write_old(Nanos now, std::span<std::byte> room, Address& destination);
    void sweep();
    Nanos delay(Nanos most) { return random_.between(1, most < 1 ? 1 : most); }

    engine::Random random_;
    std::vector<Group> groups_;
    std::size_t groups_max_;
    std::uint8_t robustness_ = kRobustness;
    Nanos query_interval_ = kQueryInterval;
    std::uint8_t version_ = 3;
    Nanos version_one_until_ = 0, version_two_until_ = 0;
    Nanos general_at_ = kNever;     // answer to a general query, v3
    std::size_t general_next_ = 0;  // groups before it are answered already
    Nanos deadline_ = kNever;
};

}  // namespace fanfare::dataplane::net

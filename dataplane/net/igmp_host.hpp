// The host side of IGMP on one interface (RFC 3376 section 5, older queriers section 7.2.1):
// reports of joins and leaves with robustness repeats, and answers to queries after a random delay.
//
// Two kinds of wishes meet here. PGM sessions join a group from any source (which sources a session
// believes is judged above), counted. Datagram sockets' wishes come merged into one filter a group
// (RFC 3376 section 3.2, control/group_filter.hpp). Any joined session makes the group's state
// EXCLUDE with an empty list; without one it is the filter. Pure: time is an argument, randomness a
// seed, messages are asked for.
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
    // Sources of one group's filter: as many as a report of the smallest MTU holds beside others.
    static constexpr std::size_t kFilterSourcesMax = 64;
    // Sources of one group that sessions hear alone; whoever comes beyond hears any.
    static constexpr std::size_t kSessionSourcesMax = 32;

    // `groups_max` groups at most, 232/8 and 224.0.0.1 are not special-cased but for the latter,
    // which is never reported.
    IgmpHost(std::uint64_t seed, std::size_t groups_max);

    // Memberships of sessions are counted: the first join and the last leave of a group, or of one
    // source in it, are reported. `source` none: any. False when there is no room for another
    // group.
    bool join(Address group, Nanos now) { return join(group, {}, now); }
    bool join(Address group, Address source, Nanos now);
    void leave(Address group, Nanos now) { leave(group, {}, now); }
    void leave(Address group, Address source, Nanos now);
    bool joined(Address group) const;
    // What datagram sockets want of the group now. `exclude`: everything but `sources`; else
    // `sources` alone, and none of them ends it. At most kFilterSourcesMax of them (the caller cuts
    // a filter down in the direction that lets more through). Repeats nothing when nothing changed.
    // False when there is no room for another group.
    bool set_filter(Address group, bool exclude, std::span<const Address> sources, Nanos now);

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
            if (group.wanted()) visit(group.address);
        }
    }
    std::uint8_t version(Nanos now) const;

  private:
    // A source that is in the filter, or that was and whose going is still to be told.
    struct Source {
        Address address;
        bool listed = false;
        std::uint8_t repeats = 0;  // ALLOW or BLOCK records still to send
    };
    struct SessionSource {
        Address address;
        std::uint32_t members = 0;
    };
    struct Group {
        Address address;
        std::uint32_t members = 0;  // sessions of any source: one of them makes it EXCLUDE {}
        std::uint8_t session_source_count = 0;
        std::array<SessionSource, kSessionSourcesMax> session_sources;  // of the other sessions
        bool filter_exclude = false;
        // What is told: the filter, or EXCLUDE {} while sessions are members.
        bool exclude = false;
        std::uint8_t repeats = 0;  // reports of the mode still to send (5.1)
        Nanos change_at = kNever;  // when the next change, of mode or sources, is told
        Nanos answer_at = kNever;  // when a query is answered
        std::uint8_t source_count = 0;
        std::array<Address, kSourcesMax> sources;  // of a group-and-source query
        std::uint8_t wish_count = 0;
        std::array<Address, kFilterSourcesMax> wishes;  // the filter's sources
        std::uint8_t told_count = 0;
        std::array<Source, 2 * kFilterSourcesMax> told;

        bool wanted() const {
            return members > 0 || session_source_count > 0 || filter_exclude || wish_count > 0;
        }
    };

    Group* find(Address group);
    Group* find_or_make(Address group);
    static SessionSource* find_session_source(Group& group, Address source);
    static bool merge(const Group& group, std::array<Address, kFilterSourcesMax>& sources,
                      std::size_t& count);
    void change(Group& group, Nanos now);
    void tell_mode(Group& group, Nanos now);
    void tell_sources(Group& group, std::span<const Address> sources, Nanos now);
    bool write_change(Group& group, IgmpReportWriter& report, Nanos now);
    bool write_state(const Group& group, IgmpReportWriter& report) const;
    bool write_answer(const Group& group, IgmpReportWriter& report) const;
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

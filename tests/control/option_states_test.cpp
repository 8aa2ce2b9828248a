// Every RM_* option in every state of a socket, set and read: wsrm.md 3.1 and 3.2 as one table.
#include <arpa/inet.h>

#include "control/rm_structs.hpp"
#include "tests/control/control_fixture.hpp"

namespace fanfare::control {
namespace {

enum State { unbound, bound, connected, listening, accepted, kStates };
constexpr const char* kNames[kStates] = {"unbound", "bound", "connected", "listening", "accepted"};
constexpr int kNone = ENOPROTOOPT;  // unknown, the other direction, or the other role

struct Row {
    int option;
    int set[kStates];
    int get[kStates];
};

// A sender's option: until it connects, then to be read alone; nothing of a receiver's.
constexpr Row sender_option(int option) {
    return {option, {0, 0, EISCONN, kNone, kNone}, {0, 0, 0, kNone, kNone}};
}

const Row kTable[] = {
    sender_option(kRmRateWindowSize),
    sender_option(kRmSenderWindowAdvanceMethod),
    sender_option(kRmLateJoin),
    sender_option(kRmSetSendIf),
    sender_option(kRmSendWindowAdvRate),
    sender_option(kRmUseFec),
    {kRmSetMcastTtl, {0, 0, EISCONN, kNone, kNone}, {kNone, kNone, kNone, kNone, kNone}},
    {kRmSetMessageBoundary, {0, 0, 0, kNone, kNone}, {kNone, kNone, kNone, kNone, kNone}},
    {kRmFlushCache, {kNone, kNone, kNone, kNone, kNone}, {kNone, kNone, kNone, kNone, kNone}},
    {kRmSenderStatistics,
     {kNone, kNone, kNone, kNone, kNone},
     {ENOTCONN, ENOTCONN, 0, kNone, kNone}},
    {kRmReceiverStatistics,
     {kNone, kNone, kNone, kNone, kNone},
     {ENOTCONN, ENOTCONN, kNone, ENOTCONN, 0}},
    {kRmAddReceiveIf, {0, 0, kNone, 0, 0}, {kNone, kNone, kNone, kNone, kNone}},
    {kRmDelReceiveIf,
     {EADDRNOTAVAIL, EADDRNOTAVAIL, kNone, EADDRNOTAVAIL, EISCONN},
     {kNone, kNone, kNone, kNone, kNone}},
    {kRmHighSpeedIntranetOpt, {0, 0, kNone, EINVAL, 0}, {0, 0, kNone, 0, 0}},
};

class OptionStates : public ControlTest {
  protected:
    std::uint64_t in_state(State state) {
        if (state == connected) return sender();
        if (state == unbound) return socket();
        if (state == listening) return listener();
        if (state == bound) {
            const auto id = socket();
            EXPECT_EQ(bind(id, Address{}), 0);
            return id;
        }
        const auto l = listener();
        open_session(1);
        return accept(l).as<ipc::AcceptReply>().socket_id;
    }
    int set_valid(std::uint64_t id, int option) {
        switch (option) {
            case kRmRateWindowSize:
                return set(id, option, RmSendWindow{8000, 1000, 0});
            case kRmUseFec:
                return set(id, option, RmFecInfo{255, 2, 8, 0});
            case kRmSetSendIf:
            case kRmAddReceiveIf:
            case kRmDelReceiveIf:
                return set(id, option, htonl(kFeed.v4));
            default:
                return set(id, option, std::uint32_t{1});
        }
    }
};

// Checks 9 to 11, 13 to 16 and 21.
TEST_F(OptionStates, EveryOptionAnswersInEveryStateAsTheTableHasIt) {
    ASSERT_EQ(std::size(kTable), 14u);
    for (int state = 0; state < kStates; ++state) {
        for (const Row& row : kTable) {
            start();  // a registry of its own for each cell
            const auto id = in_state(static_cast<State>(state));
            EXPECT_EQ(get(id, row.option).error, row.get[state])
                << "get " << row.option << " " << kNames[state];
            EXPECT_EQ(set_valid(id, row.option), row.set[state])
                << "set " << row.option << " " << kNames[state];
        }
    }
}

// Check 17, and O-12: what fails changes nothing, whichever of the faults it was.
TEST_F(OptionStates, ShortValuesFailOnlyWhereEverythingBeforeThemIsRight) {
    const std::byte one[1] = {std::byte{1}};
    for (int state = 0; state < kStates; ++state) {
        for (const Row& row : kTable) {
            start();
            const auto id = in_state(static_cast<State>(state));
            const int whole = row.set[state];
            const bool length_decides = whole == 0 || whole == EADDRNOTAVAIL;
            EXPECT_EQ(set(id, row.option, std::span<const std::byte>(one)),
                      length_decides ? EINVAL : whole)
                << row.option << " " << kNames[state];
        }
    }
}

TEST_F(OptionStates, MH20_an_interface_added_twice_is_deleted_once) {
    const auto id = in_state(bound);
    EXPECT_EQ(set(id, kRmAddReceiveIf, htonl(kBackup.v4)), 0);
    EXPECT_EQ(set(id, kRmAddReceiveIf, htonl(kBackup.v4)), 0);
    EXPECT_EQ(set(id, kRmDelReceiveIf, htonl(kBackup.v4)), 0);
    EXPECT_EQ(set(id, kRmDelReceiveIf, htonl(kBackup.v4)), EADDRNOTAVAIL);
}

TEST_F(OptionStates, MH29_interface_options_come_before_connect_and_with_a_listener_at_any_time) {
    EXPECT_EQ(set(sender(), kRmSetSendIf, htonl(kBackup.v4)), EISCONN);
    const auto l = listener();
    EXPECT_EQ(set(l, kRmAddReceiveIf, htonl(kBackup.v4)), 0);
    EXPECT_EQ(set(l, kRmDelReceiveIf, htonl(kBackup.v4)), 0);
}

}  // namespace
}  // namespace fanfare::control

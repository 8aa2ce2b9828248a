// The option table against wsrm.md sections 2 and 3; numbers in the names are those of its
// section 8.
#include <arpa/inet.h>

#include "control/rm_structs.hpp"
#include "control/send_window_rule.hpp"
#include "tests/control/control_fixture.hpp"
#include "wsrm.h"

namespace fanfare::control {
namespace {

constexpr std::uint32_t kOne = 1;

class Options : public ControlTest {
  protected:
    std::uint64_t windows_socket() {
        const auto id = socket();
        EXPECT_EQ(set(id, ipc::kOptionProfile, std::uint32_t{1}), 0);
        return id;
    }
    std::uint64_t reader() {
        const auto l = listener();
        open_session(1);
        return accept(l).as<ipc::AcceptReply>().socket_id;
    }
};

TEST_F(Options, Check9_a_known_option_after_bind_succeeds) {
    const auto id = socket();
    ASSERT_EQ(bind(id, Address{}), 0);
    EXPECT_EQ(set(id, kRmLateJoin, std::uint32_t{10}), 0);
    EXPECT_EQ(value<std::uint32_t>(id, kRmLateJoin), 10u);
}
TEST_F(Options, Check10_boundary_and_statistics_work_in_session) {
    const auto id = sender();
    EXPECT_EQ(set(id, kRmSetMessageBoundary, std::uint32_t{2'000'000}), 0);
    EXPECT_EQ(get(id, kRmSenderStatistics).error, 0);
    EXPECT_EQ(get(reader(), kRmReceiverStatistics).error, 0);
}
TEST_F(Options, Check11_late_join_on_a_connected_sender_fails_EISCONN) {
    const auto id = sender();
    EXPECT_EQ(set(id, kRmLateJoin, std::uint32_t{10}), EISCONN);
    EXPECT_EQ(value<std::uint32_t>(id, kRmLateJoin), 0u);
}
TEST_F(Options, Check12_send_interface_before_bind_succeeds) {
    EXPECT_EQ(set(socket(), kRmSetSendIf, htonl(kBackup.v4)), 0);
}
TEST_F(Options, Check13_sender_options_on_an_accepted_session_fail_ENOPROTOOPT) {
    const auto id = reader();
    for (const auto option :
         {kRmRateWindowSize, kRmLateJoin, kRmSetSendIf, kRmSetMcastTtl, kRmUseFec})
        EXPECT_EQ(set(id, option, RmSendWindow{1, 1, 1}), ENOPROTOOPT) << option;
}
TEST_F(Options, Check14_receiver_statistics_on_a_sender_fail_ENOPROTOOPT) {
    EXPECT_EQ(get(sender(), kRmReceiverStatistics).error, ENOPROTOOPT);
}
TEST_F(Options, Check15_set_only_options_cannot_be_read) {
    const auto id = socket();
    for (const auto option :
         {kRmAddReceiveIf, kRmDelReceiveIf, kRmSetMcastTtl, kRmSetMessageBoundary})
        EXPECT_EQ(get(id, option).error, ENOPROTOOPT) << option;
}
TEST_F(Options, Check16_statistics_cannot_be_set) {
    const auto id = sender();
    EXPECT_EQ(set(id, kRmSenderStatistics, kOne), ENOPROTOOPT);
    EXPECT_EQ(set(id, kRmReceiverStatistics, kOne), ENOPROTOOPT);
}
TEST_F(Options, Check17_three_octets_for_a_ULONG_fail_EINVAL_and_change_nothing) {
    const auto id = socket();
    const std::byte three[3] = {std::byte{5}};
    EXPECT_EQ(set(id, kRmLateJoin, std::span<const std::byte>(three)), EINVAL);
    EXPECT_EQ(value<std::uint32_t>(id, kRmLateJoin), 0u);
}
TEST_F(Options, Check18_an_over_long_value_is_taken_and_get_tells_the_true_length) {
    const auto id = socket();
    struct {
        RmSendWindow window{8000, 1000, 0};
        std::uint32_t tail[3] = {};
    } twice;
    static_assert(sizeof(twice) == 24);
    EXPECT_EQ(set(id, kRmRateWindowSize, twice), 0);
    EXPECT_EQ(value<RmSendWindow>(id, kRmRateWindowSize).window_bytes, 1'000'000u);
}
TEST_F(Options, Check20_options_1000_and_1015_fail_ENOPROTOOPT) {
    const auto id = socket();
    for (const int option : {0, 1000, 1015, 2000, 2999, -1}) {
        EXPECT_EQ(set(id, option, kOne), ENOPROTOOPT) << option;
        EXPECT_EQ(get(id, option).error, ENOPROTOOPT) << option;
    }
    EXPECT_EQ(set(id, kRmLateJoin, kOne, 6), ENOPROTOOPT) << "another level";
}
TEST_F(Options, Check21_flush_cache_is_refused) {
    EXPECT_EQ(set(socket(), kRmFlushCache, kOne), ENOPROTOOPT);
}
TEST_F(Options, Check22_an_accepted_socket_shows_its_listeners_high_speed_value) {
    const auto id = socket();
    ASSERT_EQ(set(id, kRmHighSpeedIntranetOpt, std::uint32_t{77}), 0);
    ASSERT_EQ(bind(id, kGroup), 0);
    ASSERT_EQ(listen(id), 0);
    open_session(1);
    const auto accepted = accept(id).as<ipc::AcceptReply>().socket_id;
    EXPECT_EQ(value<std::uint32_t>(accepted, kRmHighSpeedIntranetOpt), 1u);
    EXPECT_EQ(set(accepted, kRmHighSpeedIntranetOpt, std::uint32_t{0}), 0)
        << "O-6: success on an accepted one";
    EXPECT_EQ(value<std::uint32_t>(accepted, kRmHighSpeedIntranetOpt), 1u) << "and nothing changes";
}
TEST_F(Options, Check23_high_speed_on_a_socket_that_connects_does_no_harm) {
    const auto id = socket();
    ASSERT_EQ(bind(id, Address{}), 0);
    EXPECT_EQ(set(id, kRmHighSpeedIntranetOpt, kOne), 0);
    EXPECT_EQ(connect(id), 0);
}
TEST_F(Options, Check24_25_26_the_windows_profile_has_the_documented_window) {
    EXPECT_EQ(value<RmSendWindow>(windows_socket(), kRmRateWindowSize),
              (RmSendWindow{56, 1'428'571, 10'000'000}));
}
TEST_F(Options, Check27_rate_and_time_give_the_size) {
    const auto id = windows_socket();
    ASSERT_EQ(set(id, kRmRateWindowSize, RmSendWindow{8000, 1000, 0}), 0);
    EXPECT_EQ(value<RmSendWindow>(id, kRmRateWindowSize), (RmSendWindow{8000, 1000, 1'000'000}));
}
TEST_F(Options, Check28_rate_and_size_give_the_time) {
    const auto id = windows_socket();
    ASSERT_EQ(set(id, kRmRateWindowSize, RmSendWindow{80'000, 0, 10'000'000}), 0);
    EXPECT_EQ(value<RmSendWindow>(id, kRmRateWindowSize), (RmSendWindow{80'000, 1000, 10'000'000}));
}
TEST_F(Options, Check29_time_and_size_give_the_rate) {
    const auto id = windows_socket();
    ASSERT_EQ(set(id, kRmRateWindowSize, RmSendWindow{0, 1000, 1'000'000}), 0);
    EXPECT_EQ(value<RmSendWindow>(id, kRmRateWindowSize), (RmSendWindow{8000, 1000, 1'000'000}));
}
TEST_F(Options, Check30_only_the_rate_keeps_the_size) {
    const auto id = windows_socket();
    ASSERT_EQ(set(id, kRmRateWindowSize, RmSendWindow{112, 0, 0}), 0);
    EXPECT_EQ(value<RmSendWindow>(id, kRmRateWindowSize), (RmSendWindow{112, 714'285, 10'000'000}));
}
TEST_F(Options, Only_the_time_keeps_the_rate_and_only_the_size_keeps_the_rate) {
    const auto id = windows_socket();
    ASSERT_EQ(set(id, kRmRateWindowSize, RmSendWindow{0, 1'000'000, 0}), 0);
    EXPECT_EQ(value<RmSendWindow>(id, kRmRateWindowSize), (RmSendWindow{56, 1'000'000, 7'000'000}));
    ASSERT_EQ(set(id, kRmRateWindowSize, RmSendWindow{0, 0, 70'000}), 0);
    EXPECT_EQ(value<RmSendWindow>(id, kRmRateWindowSize), (RmSendWindow{56, 10'000, 70'000}));
}
TEST_F(Options, The_session_gets_the_rate_and_the_window_that_were_set) {
    const auto id = socket();
    ASSERT_EQ(set(id, kRmRateWindowSize, RmSendWindow{8000, 1000, 0}), 0);
    ASSERT_EQ(connect(id), 0);
    const auto& parameters = services.sources_made.back().parameters;
    EXPECT_EQ(parameters.rate_bits_per_s, 8'000'000u);
    EXPECT_EQ(parameters.window_ns, kSecond);
    EXPECT_EQ(parameters.window_bytes, 1'000'000u);
    EXPECT_GE(send_session(id).memory.log_bytes, 1'000'000u);
    EXPECT_LT(send_session(id).memory.log_bytes, 2'000'000u);
}
TEST_F(Options, Check31_three_that_disagree_keep_rate_and_size) {
    const auto id = windows_socket();
    ASSERT_EQ(set(id, kRmRateWindowSize, RmSendWindow{8000, 5, 1'000'000}), 0);
    EXPECT_EQ(value<RmSendWindow>(id, kRmRateWindowSize), (RmSendWindow{8000, 1000, 1'000'000}));
}
TEST_F(Options, Check32_all_zero_fails_and_the_old_triple_stays) {
    const auto id = windows_socket();
    EXPECT_EQ(set(id, kRmRateWindowSize, RmSendWindow{}), EINVAL);
    EXPECT_EQ(value<RmSendWindow>(id, kRmRateWindowSize),
              (RmSendWindow{56, 1'428'571, 10'000'000}));
}
TEST_F(Options, Check33_a_size_above_32_bits_fails) {
    const auto id = windows_socket();
    EXPECT_EQ(set(id, kRmRateWindowSize, RmSendWindow{4'000'000'000u, 4'000'000'000u, 0}), EINVAL);
    EXPECT_EQ(value<RmSendWindow>(id, kRmRateWindowSize).window_bytes, 10'000'000u);
}
TEST_F(Options, A_window_below_one_packet_fails) {
    EXPECT_EQ(set(windows_socket(), kRmRateWindowSize, RmSendWindow{56, 0, 1499}), EINVAL);
}
TEST_F(Options, A_window_that_memory_cannot_hold_fails_at_the_set) {
    const auto id = windows_socket();
    EXPECT_EQ(set(id, kRmRateWindowSize, RmSendWindow{1'000'000, 0, 300u << 20}), ENOBUFS);
    EXPECT_EQ(set(id, ipc::kOptionWindowBytes, std::uint64_t{1} << 63), ENOBUFS);
    EXPECT_EQ(value<RmSendWindow>(id, kRmRateWindowSize).window_bytes, 10'000'000u);
}
TEST_F(Options, Check36_no_window_has_more_than_2_to_31_minus_1_packets) {
    const auto id = windows_socket();
    ASSERT_EQ(set(id, kRmRateWindowSize, RmSendWindow{1'000'000, 0, 30u << 20}), 0);
    ASSERT_EQ(connect(id), 0);
    EXPECT_LE(services.sources_made.back().parameters.window_packets, 0x7FFFFFFFu);
    for (const std::uint64_t bytes : {std::uint64_t{1500}, std::uint64_t{0xFFFFFFFF}, UINT64_MAX})
        EXPECT_LE(window_packets_for(bytes), 0x7FFFFFFFu) << bytes;
}
TEST_F(Options, Check37_38_the_window_advances_by_time_only) {
    const auto id = socket();
    EXPECT_EQ(value<std::uint32_t>(id, kRmSenderWindowAdvanceMethod), 1u);
    EXPECT_EQ(set(id, kRmSenderWindowAdvanceMethod, std::uint32_t{1}), 0);
    EXPECT_EQ(set(id, kRmSenderWindowAdvanceMethod, std::uint32_t{2}), EINVAL);
    EXPECT_EQ(set(id, kRmSenderWindowAdvanceMethod, std::uint32_t{0}), EINVAL);
}
TEST_F(Options, Check39_to_42_the_advance_rate_is_1_to_50) {
    const auto id = socket();
    EXPECT_EQ(value<std::uint32_t>(id, kRmSendWindowAdvRate), 15u);
    EXPECT_EQ(set(id, kRmSendWindowAdvRate, std::uint32_t{50}), 0);
    EXPECT_EQ(set(id, kRmSendWindowAdvRate, std::uint32_t{51}), EINVAL);
    EXPECT_EQ(set(id, kRmSendWindowAdvRate, std::uint32_t{0}), EINVAL);
    EXPECT_EQ(value<std::uint32_t>(id, kRmSendWindowAdvRate), 50u);
}
TEST_F(Options, Check49_50_late_join_is_0_to_75) {
    const auto id = socket();
    EXPECT_EQ(value<std::uint32_t>(id, kRmLateJoin), 0u);
    EXPECT_EQ(set(id, kRmLateJoin, std::uint32_t{75}), 0);
    EXPECT_EQ(set(id, kRmLateJoin, std::uint32_t{76}), EINVAL);
    EXPECT_EQ(value<std::uint32_t>(id, kRmLateJoin), 75u);
    EXPECT_EQ(set(id, kRmLateJoin, std::uint32_t{0}), 0);
    EXPECT_EQ(value<std::uint32_t>(id, kRmLateJoin), 0u);
}
TEST_F(Options, Check51_53_54_55_FEC_figures_are_judged) {
    const auto id = socket();
    EXPECT_EQ(value<RmFecInfo>(id, kRmUseFec).block_size, 255);
    EXPECT_EQ(set(id, kRmUseFec, RmFecInfo{255, 0, 8, 0}), EINVAL) << "51: both modes off";
    EXPECT_EQ(set(id, kRmUseFec, RmFecInfo{255, 2, 8, 0}), 0) << "52";
    EXPECT_EQ(value<RmFecInfo>(id, kRmUseFec).proactive_packets, 2);
    EXPECT_EQ(set(id, kRmUseFec, RmFecInfo{255, 2, 12, 0}), EINVAL) << "53";
    EXPECT_EQ(set(id, kRmUseFec, RmFecInfo{256, 2, 8, 0}), EINVAL) << "54";
    EXPECT_EQ(set(id, kRmUseFec, RmFecInfo{128, 128, 64, 0}), EINVAL) << "55";
    EXPECT_EQ(set(id, kRmUseFec, RmFecInfo{128, 65, 64, 0}), EINVAL) << "55, one too many";
    EXPECT_EQ(set(id, kRmUseFec, RmFecInfo{128, 64, 64, 0}), 0) << "all that the block leaves";
    EXPECT_EQ(set(id, kRmUseFec, RmFecInfo{8, 0, 8, 1}), EINVAL) << "block must exceed group";
    EXPECT_EQ(set(id, kRmUseFec, RmFecInfo{0, 0, 128, 9}), 0) << "0 is taken as 255";
    EXPECT_EQ(value<RmFecInfo>(id, kRmUseFec).on_demand, 1);
}
TEST_F(Options, The_session_gets_the_parity_that_was_set) {
    const auto id = socket();
    ASSERT_EQ(set(id, kRmUseFec, RmFecInfo{100, 2, 8, 1}), 0);
    ASSERT_EQ(connect(id), 0);
    const auto& parity = services.sources_made.back().parameters.parity;
    EXPECT_EQ(parity.group_size, 8);
    EXPECT_EQ(parity.block_size, 100);
    EXPECT_EQ(parity.proactive, 2);
    EXPECT_TRUE(parity.on_demand);
    EXPECT_EQ(set(id, kRmUseFec, RmFecInfo{255, 2, 8, 0}), EISCONN) << "not in a session";
}
TEST_F(Options, Without_RM_USE_FEC_a_session_has_no_parity) {
    const auto id = socket();
    ASSERT_EQ(connect(id), 0);
    EXPECT_FALSE(services.sources_made.back().parameters.parity.on());
}
TEST_F(Options, Connect_with_parity_towards_OpenPGM_says_that_it_cannot_be) {
    const auto id = socket();
    ASSERT_EQ(set(id, ipc::kOptionProfile, std::uint32_t{2}), 0);
    ASSERT_EQ(set(id, kRmUseFec, RmFecInfo{255, 2, 8, 0}), 0);
    const auto answer = address_call(ipc::RequestType::connect, id, kGroup, kPort);
    EXPECT_EQ(answer.error, EOPNOTSUPP);
    EXPECT_NE(answer.detail.find("RM_USE_FEC"), std::string::npos) << answer.detail;
}
TEST_F(Options, Check59_61_the_TTL_is_1_to_255_and_255_in_the_windows_profile) {
    const auto id = windows_socket();
    EXPECT_EQ(registry().socket(id)->options.source.ttl, 255);
    EXPECT_EQ(set(id, kRmSetMcastTtl, std::uint32_t{255}), 0);
    EXPECT_EQ(set(id, kRmSetMcastTtl, std::uint32_t{1}), 0);
    EXPECT_EQ(set(id, kRmSetMcastTtl, std::uint32_t{256}), EINVAL);
    EXPECT_EQ(set(id, kRmSetMcastTtl, std::uint32_t{0}), EINVAL);
    ASSERT_EQ(connect(id), 0);
    EXPECT_EQ(services.sources_made.back().parameters.ttl, 1) << "60: the session gets it";
}
TEST_F(Options, Check172_statistics_of_a_socket_without_session_fail_ENOTCONN) {
    const auto id = socket();
    EXPECT_EQ(get(id, kRmSenderStatistics, 4).error, ENOTCONN) << "state goes before length (O-14)";
    EXPECT_EQ(get(id, kRmReceiverStatistics).error, ENOTCONN);
    EXPECT_EQ(get(listener(), kRmReceiverStatistics).error, ENOTCONN);
}
TEST_F(Options, Statistics_need_room_for_the_whole_structure) {
    EXPECT_EQ(get(sender(), kRmSenderStatistics, 103).error, EINVAL);
    EXPECT_EQ(get(sender(), kRmSenderStatistics, 104).error, 0);
}
TEST_F(Options, Statistics_carry_each_figure_at_its_place) {
    services.source_statistics = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
    const auto id = sender();
    services.source_statistics.rate_kbits_overall = 20;
    services.source_statistics.rate_kbits_last = 21;
    const auto s = value<RM_SENDER_STATS>(id, kRmSenderStatistics);
    EXPECT_EQ(s.DataBytesSent, 1u);
    EXPECT_EQ(s.TotalBytesSent, 2u);
    EXPECT_EQ(s.TotalODataPacketsSent, 3u);
    EXPECT_EQ(s.RepairPacketsSent, 4u);
    EXPECT_EQ(s.NaksReceived, 7u);
    EXPECT_EQ(s.NaksReceivedTooLate, 8u);
    EXPECT_EQ(s.NumNaksAfterRData, 9u);
    EXPECT_EQ(s.NumOutstandingNaks, 10u);
    EXPECT_EQ(s.TrailingEdgeSeqId, 7u);
    EXPECT_EQ(s.LeadingEdgeSeqId, 9u);
    EXPECT_EQ(s.RateKBitsPerSecOverall, 20u);
    EXPECT_EQ(s.RateKBitsPerSecLast, 21u);
    EXPECT_EQ(s.BufferSpaceAvailable, send_session(id).memory.log_bytes);
}
TEST_F(Options, Receiver_statistics_carry_each_figure_where_the_public_header_has_it) {
    auto& now = services.receiver_statistics;
    now.odata_received = 1;
    now.rdata_received = 2;
    now.duplicates = 3;
    now.data_bytes = 4;
    now.total_bytes = 5;
    now.rate_kbits_overall = 6;
    now.rate_kbits_last = 7;
    now.sequences_sum = 45;
    now.sequences_samples = 4;
    now.sequences_min = 8;
    now.sequences_max = 9;
    now.first_nak_sqn = 10;
    now.pending_naks = 11;
    now.outstanding_naks = 12;
    now.packets_buffered = 13;
    now.naks_sent = 14;
    now.parity_naks_sent = 15;
    const auto l = listener();
    open_session(1);
    const auto id = accept(l).as<ipc::AcceptReply>().socket_id;
    const auto s = value<RM_RECEIVER_STATS>(id, kRmReceiverStatistics);
    EXPECT_EQ(s.NumODataPacketsReceived, 1u);
    EXPECT_EQ(s.NumRDataPacketsReceived, 2u);
    EXPECT_EQ(s.NumDuplicateDataPackets, 3u);
    EXPECT_EQ(s.DataBytesReceived, 4u);
    EXPECT_EQ(s.TotalBytesReceived, 5u);
    EXPECT_EQ(s.RateKBitsPerSecOverall, 6u);
    EXPECT_EQ(s.RateKBitsPerSecLast, 7u);
    EXPECT_EQ(s.TrailingEdgeSeqId, 17u);
    EXPECT_EQ(s.LeadingEdgeSeqId, 19u);
    EXPECT_EQ(s.AverageSequencesInWindow, 11u);
    EXPECT_EQ(s.MinSequencesInWindow, 8u);
    EXPECT_EQ(s.MaxSequencesInWindow, 9u);
    EXPECT_EQ(s.FirstNakSequenceNumber, 10u);
    EXPECT_EQ(s.NumPendingNaks, 11u);
    EXPECT_EQ(s.NumOutstandingNaks, 12u);
    EXPECT_EQ(s.NumDataPacketsBuffered, 13u);
    EXPECT_EQ(s.TotalSelectiveNaksSent, 14u);
    EXPECT_EQ(s.TotalParityNaksSent, 15u);
    now.pending_naks = now.outstanding_naks = now.sequences_samples = 0;
    const auto idle = value<RM_RECEIVER_STATS>(id, kRmReceiverStatistics);
    EXPECT_EQ(idle.FirstNakSequenceNumber, 0u) << "nothing is missing";
    EXPECT_EQ(idle.AverageSequencesInWindow, 0u);
}
TEST_F(Options, Sender_statistics_stay_readable_after_the_session_is_done) {
    const auto id = sender();
    services.source_statistics.odata_packets_sent = 33;
    say(event(Event::Kind::source_done, send_session(id).id));
    services.source_statistics.odata_packets_sent = 44;
    EXPECT_EQ(value<RmSenderStatistics>(id, kRmSenderStatistics).odata_packets_sent, 33u);
}
// Check 106.
TEST_F(Options, The_order_of_checks_is_that_of_O14) {
    const auto stream = socket(ipc::SocketType::stream);
    EXPECT_EQ(set(stream, kRmSetMessageBoundary, kOne), ENOPROTOOPT) << "106: not on SOCK_STREAM";
    const std::byte none[1] = {};
    const auto l = listener();
    EXPECT_EQ(set(l, kRmLateJoin, std::span(none)), ENOPROTOOPT) << "role before length";
    EXPECT_EQ(set(sender(), kRmLateJoin, std::span(none)), EISCONN) << "state before length";
    EXPECT_EQ(set(l, kRmHighSpeedIntranetOpt, std::span(none)), EINVAL) << "state before length";
}

// Multihoming (wsrm.md section 6).
TEST_F(Options, MH4_MH5_MH6_the_last_successful_send_interface_counts) {
    const auto id = socket();
    EXPECT_EQ(set(id, kRmSetSendIf, htonl(0x01020304)), EADDRNOTAVAIL);
    EXPECT_EQ(set(id, kRmSetSendIf, htonl(kFeed.v4)), 0);
    EXPECT_EQ(set(id, kRmSetSendIf, htonl(kBackup.v4)), 0);
    EXPECT_EQ(set(id, kRmSetSendIf, htonl(0x01020304)), EADDRNOTAVAIL);
    EXPECT_EQ(value<std::uint32_t>(id, kRmSetSendIf), htonl(kBackup.v4));
    commands();
    ASSERT_EQ(connect(id), 0);
    EXPECT_EQ(send_session(id).interface, 1u);
    EXPECT_EQ(command(Command::Kind::open_source)->interface, 1u);
}
TEST_F(Options, MH3_MH7_it_needs_no_bind_and_what_never_succeeded_leaves_the_first) {
    const auto chosen = socket(), refused = socket();
    ASSERT_EQ(set(chosen, kRmSetSendIf, htonl(kBackup.v4)), 0);
    EXPECT_EQ(value<std::uint32_t>(chosen, kRmSetSendIf), htonl(kBackup.v4)) << "at once";
    ASSERT_EQ(connect(chosen), 0);
    EXPECT_EQ(send_session(chosen).interface, 1u);
    ASSERT_EQ(set(refused, kRmSetSendIf, htonl(0x01020304)), EADDRNOTAVAIL);
    ASSERT_EQ(connect(refused), 0);
    EXPECT_EQ(send_session(refused).interface, 0u);
}
TEST_F(Options, MH1_MH8_without_one_the_first_available_is_taken_and_shown_after_connect) {
    const auto id = socket();
    ASSERT_EQ(set(id, kRmSetSendIf, htonl(kBackup.v4)), 0);
    ASSERT_EQ(set(id, kRmSetSendIf, std::uint32_t{0}), 0);
    EXPECT_EQ(value<std::uint32_t>(id, kRmSetSendIf), 0u);
    controller->interface_changed(0, false, false, 0);
    ASSERT_EQ(connect(id), 0);
    EXPECT_EQ(value<std::uint32_t>(id, kRmSetSendIf), htonl(kBackup.v4));
}
// Check 73.
TEST_F(Options, MH2_no_interface_up_fails_ENETUNREACH_and_connect_may_be_tried_again) {
    controller->interface_changed(0, false, false, 0);
    controller->interface_changed(1, false, true, 0);
    const auto id = socket();
    EXPECT_EQ(connect(id), ENETUNREACH);
    ASSERT_EQ(set(id, kRmSetSendIf, htonl(kFeed.v4)), 0);
    EXPECT_EQ(connect(id), ENETDOWN) << "the chosen one is down";
    controller->interface_changed(0, true, false, 0);
    EXPECT_EQ(connect(id), 0);
}
TEST_F(Options, an_interface_takes_no_larger_mtu_than_its_device_was_made_for) {
    interfaces[0].mtu_max = 1500;
    start();
    for (const std::uint32_t i : {0u, 1u}) controller->interface_changed(i, true, false, 9000);
    EXPECT_EQ(registry().interfaces[0].mtu, 1500);
    EXPECT_EQ(registry().interfaces[1].mtu, 9000) << "of this one nothing is known";
    controller->interface_changed(0, true, false, 1400);
    EXPECT_EQ(registry().interfaces[0].mtu, 1400);
}
TEST_F(Options, an_interface_that_has_come_once_is_gone_thereafter_and_not_missing) {
    interfaces[1].gone = interfaces[1].spec.missing = true;
    start();
    controller->interface_changed(1, false, true, 9000);
    EXPECT_TRUE(registry().interfaces[1].spec.missing);
    controller->interface_changed(1, true, false, 0);
    EXPECT_FALSE(registry().interfaces[1].spec.missing);
    controller->interface_changed(1, false, true, 0);
    EXPECT_FALSE(registry().interfaces[1].spec.missing);
    EXPECT_TRUE(registry().interfaces[1].gone);
}
TEST_F(Options, raw_sessions_are_refused_where_an_interface_carries_udp_alone) {
    interfaces.resize(2);
    interfaces[0].udp_only = true;
    start();
    const auto sender = socket();
    EXPECT_EQ(connect(sender), EPROTONOSUPPORT);
    ASSERT_EQ(set(sender, ipc::kOptionUdpPort, 7600u), 0);
    EXPECT_EQ(connect(sender), 0);
    const auto receiver = socket();
    ASSERT_EQ(bind(receiver, kGroup), 0);
    EXPECT_EQ(listen(receiver), EPROTONOSUPPORT);
    ASSERT_EQ(set(receiver, kRmAddReceiveIf, htonl(kBackup.v4)), 0);
    EXPECT_EQ(listen(receiver), 0);
    EXPECT_EQ(set(receiver, kRmAddReceiveIf, htonl(kFeed.v4)), EPROTONOSUPPORT);
}
TEST_F(Options, MH13_MH15_MH16_MH17_added_interfaces_replace_the_default_and_add_up) {
    const auto id = listener();
    auto adds = commands();
    std::erase_if(adds, [](const auto& c) { return c.kind != Command::Kind::add_listen; });
    ASSERT_EQ(adds.size(), 1u);
    EXPECT_EQ(adds[0].listen.interface, 0u) << "the default is the first";
    EXPECT_EQ(set(id, kRmAddReceiveIf, htonl(kBackup.v4)), 0);
    const auto changed = commands();
    ASSERT_EQ(changed.size(), 2u);
    EXPECT_EQ(changed[0].kind, Command::Kind::remove_listen);
    EXPECT_EQ(changed[0].id, adds[0].id);
    EXPECT_EQ(changed[1].listen.interface, 1u);
    EXPECT_EQ(set(id, kRmAddReceiveIf, htonl(kFeed.v4)), 0);
    const auto listen_command = command(Command::Kind::add_listen);
    ASSERT_TRUE(listen_command);
    EXPECT_EQ(listen_command->listen.interface, 0u);
    EXPECT_EQ(listen_command->listen.group, kGroup);
    EXPECT_EQ(listen_command->listen.destination_port, kPort);
    EXPECT_EQ(set(id, kRmAddReceiveIf, htonl(kFeed.v4)), 0) << "MH-20: twice is once";
    EXPECT_TRUE(commands().empty());
}
TEST_F(Options, MH18_MH19_a_foreign_address_changes_nothing) {
    const auto id = listener();
    commands();
    EXPECT_EQ(set(id, kRmAddReceiveIf, std::uint32_t{0}), EADDRNOTAVAIL);
    EXPECT_EQ(set(id, kRmAddReceiveIf, htonl(0x01020304)), EADDRNOTAVAIL);
    EXPECT_TRUE(commands().empty());
    EXPECT_EQ(registry().socket(id)->listens.count(0), 1u);
}
TEST_F(Options, MH21_MH22_MH23_only_added_interfaces_can_be_deleted_and_the_default_stays_away) {
    const auto id = listener();
    EXPECT_EQ(set(id, kRmDelReceiveIf, htonl(kFeed.v4)), EADDRNOTAVAIL) << "the implicit default";
    ASSERT_EQ(set(id, kRmAddReceiveIf, htonl(kBackup.v4)), 0);
    commands();
    EXPECT_EQ(set(id, kRmDelReceiveIf, htonl(kBackup.v4)), 0);
    EXPECT_EQ(command(Command::Kind::remove_listen)->interface, 1u);
    EXPECT_TRUE(registry().socket(id)->listens.empty());
    EXPECT_EQ(set(id, kRmDelReceiveIf, htonl(kBackup.v4)), EADDRNOTAVAIL);
    ASSERT_EQ(set(id, kRmAddReceiveIf, htonl(kFeed.v4)), 0);
    EXPECT_EQ(set(id, kRmDelReceiveIf, htonl(kFeed.v4)), 0) << "the first is one like the others";
}
TEST_F(Options, Receive_interfaces_on_an_accepted_session_follow_O6) {
    const auto id = reader();
    EXPECT_EQ(set(id, kRmAddReceiveIf, htonl(kFeed.v4)), 0);
    EXPECT_EQ(set(id, kRmAddReceiveIf, htonl(0x01020304)), EADDRNOTAVAIL);
    EXPECT_EQ(set(id, kRmDelReceiveIf, htonl(kFeed.v4)), EISCONN);
}

// Fanfare's own.
TEST_F(Options, The_rate_keeps_the_time_and_the_octets_follow) {
    const auto id = socket();
    ASSERT_EQ(set(id, ipc::kOptionRateBits, std::uint64_t{100'000'000}), 0);
    EXPECT_EQ(value<std::uint64_t>(id, ipc::kOptionWindowNanos), 250'000'000u);
    EXPECT_EQ(value<std::uint64_t>(id, ipc::kOptionWindowBytes), 3'125'000u);
    ASSERT_EQ(set(id, ipc::kOptionWindowNanos, std::uint64_t{1'000'000'000}), 0);
    EXPECT_EQ(value<std::uint64_t>(id, ipc::kOptionWindowBytes), 12'500'000u);
    ASSERT_EQ(set(id, ipc::kOptionWindowBytes, std::uint64_t{1'250'000}), 0);
    EXPECT_EQ(value<std::uint64_t>(id, ipc::kOptionWindowNanos), 100'000'000u);
    EXPECT_EQ(value<RmSendWindow>(id, kRmRateWindowSize), (RmSendWindow{100'000, 100, 1'250'000}));
}
TEST_F(Options, Without_a_rate_the_window_keeps_its_octets) {
    const auto id = socket();
    ASSERT_EQ(set(id, ipc::kOptionRateBits, std::uint64_t{0}), 0);
    EXPECT_EQ(value<std::uint64_t>(id, ipc::kOptionWindowBytes), 31'250'000u);
    ASSERT_EQ(set(id, ipc::kOptionWindowBytes, std::uint64_t{1'000'000}), 0);
    ASSERT_EQ(connect(id), 0);
    EXPECT_EQ(services.sources_made.back().parameters.rate_bits_per_s, 0u);
    EXPECT_EQ(services.sources_made.back().parameters.window_bytes, 1'000'000u);
}
TEST_F(Options, Every_row_answers_its_own_default) {
    const auto id = socket();
    for (const auto& row : option_table()) {
        if (row.get == nullptr || (row.get_states & kUnbound) == 0) continue;
        const auto answer = get(id, row.number);
        EXPECT_EQ(answer.error, 0) << row.name << ": " << answer.detail;
        if (row.set == nullptr) continue;
        const auto reply = answer.as<ipc::OptionReply>();
        const int again = set(id, row.number, std::as_bytes(std::span(reply.value, reply.length)));
        // FEC off is the one state that cannot be set (wsrm.md 3.3).
        EXPECT_EQ(again, row.number == kRmUseFec ? EINVAL : 0) << row.name;
    }
}

}  // namespace
}  // namespace fanfare::control

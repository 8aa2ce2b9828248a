// <wsrm.h> by its numbers: what a program compiled with it gives the calls.
#include "wsrm.h"

#include <gtest/gtest.h>

#include <cstddef>

namespace {

// Checks 2 and 3.
TEST(WsrmHeader, NumbersAreThoseOfWindows) {
    EXPECT_EQ(IPPROTO_RM, 113);
    EXPECT_EQ(IPPROTO_PGM, IPPROTO_RM);
    EXPECT_EQ(RM_OPTIONSBASE, 1000);
    const int options[] = {RM_RATE_WINDOW_SIZE,
                           RM_SET_MESSAGE_BOUNDARY,
                           RM_FLUSHCACHE,
                           RM_SENDER_WINDOW_ADVANCE_METHOD,
                           RM_SENDER_STATISTICS,
                           RM_LATEJOIN,
                           RM_SET_SEND_IF,
                           RM_ADD_RECEIVE_IF,
                           RM_DEL_RECEIVE_IF,
                           RM_SEND_WINDOW_ADV_RATE,
                           RM_USE_FEC,
                           RM_SET_MCAST_TTL,
                           RM_RECEIVER_STATISTICS,
                           RM_HIGH_SPEED_INTRANET_OPT};
    int expected = RM_OPTIONSBASE;
    for (const int option : options) EXPECT_EQ(option, ++expected);
}

// Check 4.
TEST(WsrmHeader, StructuresLieAsOnWindows) {
    EXPECT_EQ(sizeof(RM_SEND_WINDOW), 12u);
    EXPECT_EQ(offsetof(RM_SEND_WINDOW, RateKbitsPerSec), 0u);
    EXPECT_EQ(offsetof(RM_SEND_WINDOW, WindowSizeInMSecs), 4u);
    EXPECT_EQ(offsetof(RM_SEND_WINDOW, WindowSizeInBytes), 8u);
    EXPECT_EQ(sizeof(RM_FEC_INFO), 6u);
    EXPECT_EQ(offsetof(RM_FEC_INFO, FECBlockSize), 0u);
    EXPECT_EQ(offsetof(RM_FEC_INFO, FECProActivePackets), 2u);
    EXPECT_EQ(offsetof(RM_FEC_INFO, FECGroupSize), 4u);
    EXPECT_EQ(offsetof(RM_FEC_INFO, fFECOnDemandParityEnabled), 5u);
    EXPECT_EQ(sizeof(RM_SENDER_STATS), 104u);
    const std::size_t sender[] = {offsetof(RM_SENDER_STATS, DataBytesSent),
                                  offsetof(RM_SENDER_STATS, TotalBytesSent),
                                  offsetof(RM_SENDER_STATS, NaksReceived),
                                  offsetof(RM_SENDER_STATS, NaksReceivedTooLate),
                                  offsetof(RM_SENDER_STATS, NumOutstandingNaks),
                                  offsetof(RM_SENDER_STATS, NumNaksAfterRData),
                                  offsetof(RM_SENDER_STATS, RepairPacketsSent),
                                  offsetof(RM_SENDER_STATS, BufferSpaceAvailable),
                                  offsetof(RM_SENDER_STATS, TrailingEdgeSeqId),
                                  offsetof(RM_SENDER_STATS, LeadingEdgeSeqId),
                                  offsetof(RM_SENDER_STATS, RateKBitsPerSecOverall),
                                  offsetof(RM_SENDER_STATS, RateKBitsPerSecLast),
                                  offsetof(RM_SENDER_STATS, TotalODataPacketsSent)};
    for (std::size_t i = 0; i < std::size(sender); ++i) EXPECT_EQ(sender[i], i * 8);
    EXPECT_EQ(sizeof(RM_RECEIVER_STATS), 144u);
    const std::size_t receiver[] = {offsetof(RM_RECEIVER_STATS, NumODataPacketsReceived),
                                    offsetof(RM_RECEIVER_STATS, NumRDataPacketsReceived),
                                    offsetof(RM_RECEIVER_STATS, NumDuplicateDataPackets),
                                    offsetof(RM_RECEIVER_STATS, DataBytesReceived),
                                    offsetof(RM_RECEIVER_STATS, TotalBytesReceived),
                                    offsetof(RM_RECEIVER_STATS, RateKBitsPerSecOverall),
                                    offsetof(RM_RECEIVER_STATS, RateKBitsPerSecLast),
                                    offsetof(RM_RECEIVER_STATS, TrailingEdgeSeqId),
                                    offsetof(RM_RECEIVER_STATS, LeadingEdgeSeqId),
                                    offsetof(RM_RECEIVER_STATS, AverageSequencesInWindow),
                                    offsetof(RM_RECEIVER_STATS, MinSequencesInWindow),
                                    offsetof(RM_RECEIVER_STATS, MaxSequencesInWindow),
                                    offsetof(RM_RECEIVER_STATS, FirstNakSequenceNumber),
                                    offsetof(RM_RECEIVER_STATS, NumPendingNaks),
                                    offsetof(RM_RECEIVER_STATS, NumOutstandingNaks),
                                    offsetof(RM_RECEIVER_STATS, NumDataPacketsBuffered),
                                    offsetof(RM_RECEIVER_STATS, TotalSelectiveNaksSent),
                                    offsetof(RM_RECEIVER_STATS, TotalParityNaksSent)};
    for (std::size_t i = 0; i < std::size(receiver); ++i) EXPECT_EQ(receiver[i], i * 8);
}

}  // namespace

// The three structures that the RM_* options carry, as Wsrm.h lays them out (wsrm.md section 2):
// fixed width, natural alignment, host byte order.
#pragma once

#include <cstdint>
#include <type_traits>

namespace fanfare::control {

struct RmSendWindow {  // RM_SEND_WINDOW, wsrm.md 2.1
    std::uint32_t rate_kbits_per_s = 0;
    std::uint32_t window_ms = 0;
    std::uint32_t window_bytes = 0;
    constexpr bool operator==(const RmSendWindow&) const = default;
};
static_assert(sizeof(RmSendWindow) == 12);

struct RmFecInfo {  // RM_FEC_INFO, wsrm.md 2.2
    std::uint16_t block_size = 255;
    std::uint16_t proactive_packets = 0;
    std::uint8_t group_size = 0;
    std::uint8_t on_demand = 0;
};
static_assert(sizeof(RmFecInfo) == 6);

struct RmSenderStatistics {  // RM_SENDER_STATS, wsrm.md 2.3
    std::uint64_t data_bytes_sent = 0, total_bytes_sent = 0, naks_received = 0,
                  naks_received_too_late = 0, outstanding_naks = 0, naks_after_rdata = 0,
                  repair_packets_sent = 0, buffer_space_available = 0, trailing_edge = 0,
                  leading_edge = 0, rate_kbits_overall = 0, rate_kbits_last = 0,
                  odata_packets_sent = 0;
};
static_assert(sizeof(RmSenderStatistics) == 104);

struct RmReceiverStatistics {  // RM_RECEIVER_STATS, wsrm.md 2.4
    std::uint64_t odata_received = 0, rdata_received = 0, duplicates = 0, data_bytes_received = 0,
                  total_bytes_received = 0, rate_kbits_overall = 0, rate_kbits_last = 0,
                  trailing_edge = 0, leading_edge = 0, average_sequences = 0, min_sequences = 0,
                  max_sequences = 0, first_nak_sequence = 0, pending_naks = 0, outstanding_naks = 0,
                  packets_buffered = 0, selective_naks_sent = 0, parity_naks_sent = 0;
};
static_assert(sizeof(RmReceiverStatistics) == 144);

}  // namespace fanfare::control

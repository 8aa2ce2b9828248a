#include "apps/fanfare/option_values.hpp"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "apps/fanfare/failure.hpp"
#include "client/socket/last_error.hpp"
#include "client/socket/library.hpp"
#include "control/rm_structs.hpp"

namespace fanfare::tool {

namespace {

template <typename T>
T read(std::span<const std::byte> octets) {
    T out;
    std::memcpy(static_cast<void*>(&out), octets.data(), sizeof out);
    return out;
}

std::string statistics_text(std::span<const std::byte> octets, std::span<const char* const> names) {
    std::string out;
    for (std::size_t i = 0; i < names.size() && (i + 1) * 8 <= octets.size(); ++i)
        out += fmt::format("{}{} {}", i == 0 ? "" : ", ", names[i],
                           read<std::uint64_t>(octets.subspan(i * 8)));
    return out;
}

// In the order of wsrm.md 2.3 and 2.4.
constexpr const char* kSenderFields[] = {
    "DataBytesSent",        "TotalBytesSent",    "NaksReceived",           "NaksReceivedTooLate",
    "NumOutstandingNaks",   "NumNaksAfterRData", "RepairPacketsSent",      "BufferSpaceAvailable",
    "TrailingEdgeSeqId",    "LeadingEdgeSeqId",  "RateKBitsPerSecOverall", "RateKBitsPerSecLast",
    "TotalODataPacketsSent"};
static_assert(sizeof(control::RmSenderStatistics) == 8 * std::size(kSenderFields));
constexpr const char* kReceiverFields[] = {
    "NumODataPacketsReceived",  "NumRDataPacketsReceived", "NumDuplicateDataPackets",
    "DataBytesReceived",        "TotalBytesReceived",      "RateKBitsPerSecOverall",
    "RateKBitsPerSecLast",      "TrailingEdgeSeqId",       "LeadingEdgeSeqId",
    "AverageSequencesInWindow", "MinSequencesInWindow",    "MaxSequencesInWindow",
    "FirstNakSequenceNumber",   "NumPendingNaks",          "NumOutstandingNaks",
    "NumDataPacketsBuffered",   "TotalSelectiveNaksSent",  "TotalParityNaksSent"};
static_assert(sizeof(control::RmReceiverStatistics) == 8 * std::size(kReceiverFields));

std::string dotted(std::uint32_t host_order) {
    return fmt::format("{}.{}.{}.{}", host_order >> 24, (host_order >> 16) & 255,
                       (host_order >> 8) & 255, host_order & 255);
}

}  // namespace

std::string option_text(const control::OptionRow& row, std::span<const std::byte> octets) {
    if (octets.size() < row.size) return "-";
    const std::string_view type = row.type;
    if (row.number == control::kRmRateWindowSize) {
        const auto window = read<control::RmSendWindow>(octets);
        return fmt::format("{} kbit/s, {} ms, {} octets", window.rate_kbits_per_s, window.window_ms,
                           window.window_bytes);
    }
    if (row.number == control::kRmUseFec) {
        const auto fec = read<control::RmFecInfo>(octets);
        return fmt::format("block {}, pro-active {}, group {}, on demand {}", fec.block_size,
                           fec.proactive_packets, fec.group_size, fec.on_demand);
    }
    if (row.number == control::kRmSenderStatistics) return statistics_text(octets, kSenderFields);
    if (row.number == control::kRmReceiverStatistics)
        return statistics_text(octets, kReceiverFields);
    if (type == "IPv4, network order") return dotted(ntohl(read<std::uint32_t>(octets)));
    if (type == "IPv4, host order") return dotted(read<std::uint32_t>(octets));
    if (row.size == 8) return fmt::format("{}", read<std::uint64_t>(octets));
    if (row.size == 4) return fmt::format("{}", read<std::uint32_t>(octets));
    return "-";
}

std::string option_value(const control::OptionRow& row, std::uint64_t socket) {
    if (row.get == nullptr) return "-";
    std::vector<std::byte> octets;
    switch (client::read_option(socket, row.number, octets)) {
        case 0:
            return option_text(row, octets);
        case ENOPROTOOPT:
        case ENOTCONN:
            return "-";
        case EBADF:
            throw Failure(fmt::format(
                "options: this user has no socket {}; `fanfare status` numbers them", socket));
        default:
            throw Failure(fmt::format("options: {}", client::last_error_text()));
    }
}

}  // namespace fanfare::tool

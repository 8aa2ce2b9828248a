// IGMP messages of a host: queries parsed, reports and leaves written (RFC 3376 sections 4 and 7.1;
// RFC 2236 and RFC 1112 forms for older queriers).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/types.hpp"

namespace fanfare::dataplane::net {

enum class IgmpType : std::uint8_t {
    query = 0x11,
    report_v1 = 0x12,
    report_v2 = 0x16,
    leave_v2 = 0x17,
    report_v3 = 0x22,
};

// Group record types, RFC 3376 4.2.12.
enum class IgmpRecord : std::uint8_t {
    is_include = 1,
    is_exclude = 2,
    to_include = 3,
    to_exclude = 4,
    allow_new = 5,
    block_old = 6,
};

inline constexpr std::size_t kIgmpSize = 8;          // v1, v2, and the fixed part of a v3 report
inline constexpr std::size_t kIgmpRecordSize = 8;    // a group record without sources
inline constexpr std::size_t kIgmpV3QuerySize = 12;  // a v3 query without sources
// Every IGMP message: TTL 1, precedence Internetwork Control, Router Alert (RFC 3376 section 4).
inline constexpr std::uint8_t kIgmpTos = 0xC0;

struct IgmpQuery {
    std::uint8_t version = 3;
    Address group;                       // none: a general query
    Nanos max_response = 0;              // 0 is never given: v1 means 10 s
    std::uint8_t robustness = 0;         // 0: not said
    Nanos query_interval = 0;            // 0: not said
    std::span<const std::byte> sources;  // 4 octets each, inside the message
    std::size_t source_count() const { return sources.size() / 4; }
};

struct IgmpMessage {
    IgmpType type{};
    Address group;    // v1 and v2 reports, leaves
    IgmpQuery query;  // of queries
};

// The values 128 to 255 of Max Resp Code and QQIC stand for (mant | 0x10) << (exp + 3).
constexpr std::uint32_t igmp_code_value(std::uint8_t code) {
    return code < 128 ? code : std::uint32_t{(code & 0xFu) | 0x10u} << (((code >> 4) & 0x7u) + 3);
}

// False for what is too short, damaged, of a wrong length or of no type above. Points into
// `octets`.
bool parse_igmp(std::span<const std::byte> octets, IgmpMessage& out);

// v1 and v2 messages: kIgmpSize octets at `p`.
std::size_t write_igmp_v2(std::byte* p, IgmpType type, Address group);

// Builds a v3 report record by record; finish() gives its size, 0 when it holds none.
class IgmpReportWriter {
  public:
    explicit IgmpReportWriter(std::span<std::byte> room) : room_(room) {}
    // False when the record does not fit any more: it belongs into the next report.
    bool add(IgmpRecord type, Address group, std::span<const Address> sources = {});
    std::size_t finish();

  private:
    std::span<std::byte> room_;
    std::size_t size_ = kIgmpSize;
    std::uint16_t records_ = 0;
};

}  // namespace fanfare::dataplane::net

#include "dataplane/net/igmp.hpp"

#include "dataplane/net/internet_checksum.hpp"
#include "dataplane/net/octets.hpp"

namespace fanfare::dataplane::net {

namespace {
constexpr Nanos kTenth = kSecond / 10;
// An IGMPv1 query has no code; 10 s is meant (RFC 3376 7.2.1).
constexpr Nanos kVersionOneResponse = 10 * kSecond;
}  // namespace

bool parse_igmp(std::span<const std::byte> octets, IgmpMessage& out) {
    if (octets.size() < kIgmpSize || !internet_intact(octets)) return false;
    const std::byte* p = octets.data();
    out.type = static_cast<IgmpType>(std::to_integer<std::uint8_t>(p[0]));
    const auto code = std::to_integer<std::uint8_t>(p[1]);
    switch (out.type) {
        case IgmpType::report_v1:
        case IgmpType::report_v2:
        case IgmpType::leave_v2:
            out.group = load_address(p + 4);
            return true;
        case IgmpType::report_v3:
            return true;
        case IgmpType::query:
            break;
        default:
            return false;
    }
    IgmpQuery& query = out.query;
    query = IgmpQuery{};
    query.group = load_address(p + 4);
    if (octets.size() == kIgmpSize) {
        query.version = code == 0 ? 1 : 2;
        query.max_response = code == 0 ? kVersionOneResponse : code * kTenth;
        return true;
    }
    if (octets.size() < kIgmpV3QuerySize) return false;  // "MUST be silently ignored" (7.1)
    query.version = 3;
    query.max_response = igmp_code_value(code) * kTenth;
    query.robustness = std::to_integer<std::uint8_t>(p[8]) & 0x07;
    query.query_interval = igmp_code_value(std::to_integer<std::uint8_t>(p[9])) * kSecond;
    const std::size_t sources = load16(p + 10);
    const std::size_t rest = octets.size() - kIgmpV3QuerySize;
    if (sources > rest / 4) return false;
    query.sources = octets.subspan(kIgmpV3QuerySize, sources * 4);
    return true;
}

std::size_t write_igmp_v2(std::byte* p, IgmpType type, Address group) {
    p[0] = static_cast<std::byte>(type);
    p[1] = std::byte{0};
    store16(p + 2, 0);
    store_address(p + 4, group);
    store16(p + 2, internet_checksum({p, kIgmpSize}));
    return kIgmpSize;
}

bool IgmpReportWriter::add(IgmpRecord type, Address group, std::span<const Address> sources) {
    const std::size_t need = kIgmpRecordSize + 4 * sources.size();
    if (size_ > room_.size() || need > room_.size() - size_) return false;
    std::byte* p = room_.data() + size_;
    p[0] = static_cast<std::byte>(type);
    p[1] = std::byte{0};
    store16(p + 2, static_cast<std::uint16_t>(sources.size()));
    store_address(p + 4, group);
    for (std::size_t i = 0; i < sources.size(); ++i) store_address(p + 8 + 4 * i, sources[i]);
    size_ += need;
    ++records_;
    return true;
}

std::size_t IgmpReportWriter::finish() {
    if (records_ == 0) return 0;
    std::byte* p = room_.data();
    p[0] = static_cast<std::byte>(IgmpType::report_v3);
    p[1] = std::byte{0};
    store16(p + 2, 0);
    store16(p + 4, 0);
    store16(p + 6, records_);
    store16(p + 2, internet_checksum(room_.first(size_)));
    return size_;
}

}  // namespace fanfare::dataplane::net

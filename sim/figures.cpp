#include "sim/figures.hpp"

#include <cmath>
#include <numeric>

namespace fanfare::sim {
namespace {

double ratio(std::uint64_t a, std::uint64_t b) {
    return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
}

template <typename T>
void append(std::vector<T>& to, const std::vector<T>& from) {
    to.insert(to.end(), from.begin(), from.end());
}

double bits_per_s(std::uint64_t octets, Nanos time) {
    return time <= 0 ? 0
                     : static_cast<double>(octets) * 8 * static_cast<double>(kSecond) /
                           static_cast<double>(time);
}

}  // namespace

template <typename T>
T percentile(std::vector<T> values, double share) {
    if (values.empty()) return T{};
    const auto rank = static_cast<std::size_t>(
        std::max(1.0, std::ceil(share * static_cast<double>(values.size()))));
    const std::size_t place = std::min(rank, values.size()) - 1;
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(place),
                     values.end());
    return values[place];
}
template std::uint32_t percentile(std::vector<std::uint32_t>, double);
template Nanos percentile(std::vector<Nanos>, double);
template double percentile(std::vector<double>, double);

void Figures::add(const Figures& other) {
    runs += other.runs;
    payload_octets += other.payload_octets;
    delivered_octets += other.delivered_octets;
    source_octets += other.source_octets;
    receiver_octets += other.receiver_octets;
    data_packets += other.data_packets;
    lost_packets += other.lost_packets;
    nak_packets += other.nak_packets;
    lost_repairs += other.lost_repairs;
    other_naks += other.other_naks;
    other_repairs += other.other_repairs;
    local_repairs += other.local_repairs;
    spmr_packets += other.spmr_packets;
    finished += other.finished;
    resets += other.resets;
    left += other.left;
    late += other.late;
    append(naks_of_loss, other.naks_of_loss);
    append(repair_delays, other.repair_delays);
    append(source_bits_per_s, other.source_bits_per_s);
    append(complete_bits_per_s, other.complete_bits_per_s);
}

double Figures::naks_per_loss() const {
    return ratio(std::accumulate(naks_of_loss.begin(), naks_of_loss.end(), std::uint64_t{0}),
                 lost_packets);
}
double Figures::repairs_per_loss() const {
    return ratio(lost_repairs, lost_packets);
}
double Figures::local_repairs_per_loss() const {
    return ratio(local_repairs, lost_packets);
}
double Figures::source_octets_per_octet() const {
    return ratio(source_octets, payload_octets);
}
double Figures::receiver_octets_per_octet() const {
    return ratio(receiver_octets, delivered_octets);
}

void Meter::data_sent(Sqn sqn, std::size_t payload, Nanos now) {
    (void)sqn;
    first_ = std::min(first_, now);
    last_ = now;
    last_payload_ = payload;
    ++figures.data_packets;
    figures.payload_octets += payload;
}

void Meter::nak_reached_source(std::span<const Sqn> sqns, bool parity) {
    ++figures.nak_packets;
    for (const Sqn sqn : sqns) {
        if (parity && group_size_ != 0)
            ++parity_naks_[sqn & ~(Sqn{group_size_} - 1)];
        else
            ++of(sqn).naks;
    }
}

void Meter::repair_sent(Sqn sqn, bool parity) {
    if (parity)
        ++figures.lost_repairs;
    else
        ++of(sqn).repairs;
}

Figures Meter::result() {
    for (const auto& [sqn, costs] : losses_) {
        if (costs.receivers == 0) {
            figures.other_naks += costs.naks;
            figures.other_repairs += costs.repairs;
            continue;
        }
        std::uint32_t naks = costs.naks;
        if (group_size_ != 0) {
            const auto found = parity_naks_.find(sqn & ~(Sqn{group_size_} - 1));
            if (found != parity_naks_.end()) naks += found->second;
        }
        ++figures.lost_packets;
        figures.lost_repairs += costs.repairs;
        figures.naks_of_loss.push_back(naks);
    }
    figures.runs = 1;
    // The last packet's own time is not part of the span from the first to it.
    figures.source_bits_per_s = {
        bits_per_s(figures.payload_octets - last_payload_, last_ - std::min(first_, last_))};
    figures.complete_bits_per_s = {
        bits_per_s(figures.payload_octets, complete_ - std::min(first_, complete_))};
    return figures;
}

}  // namespace fanfare::sim

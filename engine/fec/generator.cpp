#include "engine/fec/generator.hpp"

namespace fanfare::fec {

void generator_row(std::size_t k, std::size_t j, std::span<Octet> row) {
    // Lagrange's basis: coefficient i is the product over m != i of (x_j + x_m) / (x_i + x_m).
    for (std::size_t i = 0; i < k; ++i) {
        Octet above = 1;
        Octet below = 1;
        for (std::size_t m = 0; m < k; ++m) {
            if (m == i) continue;
            above = multiply(above, static_cast<Octet>(point(j) ^ point(m)));
            below = multiply(below, static_cast<Octet>(point(i) ^ point(m)));
        }
        row[i] = divide(above, below);
    }
}

namespace {

constexpr unsigned kOrder = 255;  // of the multiplicative group: logarithms count modulo this

// Of the sums of each point with each of the first kMaxData, the data's: row by row, so that what
// concerns all data of a group is a few vectors.
using LogRow = std::array<std::uint8_t, kMaxData>;
constexpr std::array<LogRow, kMaxPackets> make_logs_of_sums() {
    std::array<LogRow, kMaxPackets> logs{};
    for (std::size_t j = 0; j < logs.size(); ++j) {
        for (std::size_t i = 0; i < kMaxData; ++i)
            logs[j][i] = kGalois.log[static_cast<Octet>(point(j) ^ point(i))];
    }
    return logs;
}
constexpr auto kLogsOfSums = make_logs_of_sums();

// At most three logarithms' sum.
Octet power_of(unsigned logarithm) {
    return kGalois.power[logarithm];
}

}  // namespace

RowMaker::RowMaker(std::size_t k) : k_(k) {
    for (std::size_t j = 0; j < kMaxPackets; ++j) {
        unsigned sum = 0;
        // A point with itself counts for nothing: log[0] is 0.
        for (std::size_t m = 0; m < k; ++m) sum += kLogsOfSums[j][m];
        log_of_data_[j] = static_cast<std::uint8_t>(sum % kOrder);
    }
}

void RowMaker::row(std::size_t j, std::span<Octet> out) const {
    for (std::size_t i = 0; i < k_; ++i) {
        // What is subtracted is at most 508.
        out[i] = power_of(log_of_data_[j] + 2 * kOrder - log_of_data_[i] - kLogsOfSums[j][i]);
    }
}

// A packet is the value at its point of one polynomial of degree < k through the received points:
// Lagrange's basis as above, over the points that arrived. No elimination is needed. Its products
// over what arrived are those over all data, known already, without the missing and with the
// parity.
bool RowMaker::decoding_rows(std::span<const std::uint8_t> have,
                             std::span<const std::uint8_t> missing, std::span<Octet> out) const {
    if (have.size() != k_ || out.size() < missing.size() * k_) return false;
    std::array<bool, kMaxPackets + 1> here{};
    std::array<std::uint8_t, kMaxData> parity, lost;
    std::size_t parities = 0, losses = 0;
    for (const std::uint8_t j : have) {
        if (j >= kMaxPackets || here[j]) return false;
        here[j] = true;
        if (j >= k_) parity[parities++] = j;
    }
    for (std::size_t i = 0; i < k_; ++i) {
        if (!here[i]) lost[losses++] = static_cast<std::uint8_t>(i);
    }
    // At most 254, as many times 255 as there are losses, which keeps what is subtracted positive,
    // and as many times 254 as there is parity, which is as much: 65,151 with 127 of each.
    const auto spare = static_cast<std::uint16_t>(losses * kOrder);
    std::array<std::uint16_t, kMaxData> below;  // of data packet i
    for (std::size_t i = 0; i < k_; ++i)
        below[i] = static_cast<std::uint16_t>(log_of_data_[i] + spare);
    for (const std::uint8_t p : std::span(parity).first(parities)) {
        for (std::size_t i = 0; i < k_; ++i)
            below[i] = static_cast<std::uint16_t>(below[i] + kLogsOfSums[p][i]);
    }
    for (const std::uint8_t m : std::span(lost).first(losses)) {
        for (std::size_t i = 0; i < k_; ++i)
            below[i] = static_cast<std::uint16_t>(below[i] - kLogsOfSums[m][i]);
    }
    for (std::size_t i = 0; i < k_; ++i) below[i] = static_cast<std::uint16_t>(below[i] % kOrder);
    std::array<std::uint16_t, kMaxData> below_parity;  // in the order of `parity`
    for (std::size_t a = 0; a < parities; ++a) {
        unsigned sum = log_of_data_[parity[a]] + unsigned{spare};
        for (const std::uint8_t p : std::span(parity).first(parities))
            sum += kGalois.log[point(parity[a]) ^ point(p)];
        for (const std::uint8_t m : std::span(lost).first(losses)) sum -= kLogsOfSums[parity[a]][m];
        below_parity[a] = static_cast<std::uint16_t>(sum % kOrder);
    }
    for (std::size_t r = 0; r < missing.size(); ++r) {
        const std::size_t made = missing[r];
        if (made >= k_ || here[made]) return false;
        // `below` of a missing packet is its product over what arrived.
        const unsigned all = below[made] + 2 * kOrder;
        const LogRow& logs = kLogsOfSums[made];
        Octet* const row = out.data() + r * k_;
        std::size_t next_parity = 0;
        for (std::size_t a = 0; a < k_; ++a) {
            const std::size_t j = have[a];
            if (j < k_) {
                row[a] = power_of(all - logs[j] - below[j]);
            } else {
                row[a] = power_of(all - kLogsOfSums[j][made] - below_parity[next_parity++]);
            }
        }
    }
    return true;
}

}  // namespace fanfare::fec

#include "engine/core/parity_encoder.hpp"

#include <algorithm>

namespace fanfare::engine {

namespace {

// Rows begin on cache lines and have room for the encoded length.
constexpr std::size_t kLine = 64;
constexpr std::size_t stride_of(std::size_t largest) {
    return (largest + 2 + kLine - 1) / kLine * kLine;
}

}  // namespace

ParityEncoder::ParityEncoder(std::size_t k, std::size_t rows, std::size_t largest,
                             const fec::Kernels& kernels)
    : k_(k),
      kernels_(kernels),
      maker_(k),
      by_row_(k * rows),
      by_place_(k * rows),
      room_(rows * stride_of(largest) + kLine),
      rows_(rows),
      tails_(rows),
      symbols_(k),
      encoded_(rows) {
    const auto address = reinterpret_cast<std::uintptr_t>(room_.data());
    std::uint8_t* const first = room_.data() + (kLine - address % kLine) % kLine;
    for (std::size_t r = 0; r < rows; ++r) rows_[r] = first + r * stride_of(largest);
    set_rows(0);
}

void ParityEncoder::set_rows(std::size_t first) {
    for (std::size_t r = 0; r < rows_.size(); ++r) {
        maker_.row(k_ + first + r, {by_row_.data() + r * k_, k_});
        for (std::size_t i = 0; i < k_; ++i) by_place_[i * rows_.size() + r] = by_row_[r * k_ + i];
    }
}

void ParityEncoder::fold(std::size_t place, const ParitySymbol& symbol, bool fragment, bool packed,
                         const std::byte* payload, std::size_t length) {
    for (; count_ < place; ++count_) symbols_[count_] = ParitySymbol{};
    symbols_[place] = symbol;
    fragments_ = fragments_ || fragment;
    packed_ = packed_ || packed;
    shortest_ = place == 0 ? length : std::min(shortest_, length);
    count_ = place + 1;

    const std::uint8_t* const coefficients = by_place_.data() + place * rows_.size();
    const auto* data = reinterpret_cast<const std::uint8_t*>(payload);
    const std::size_t common = std::min(length, longest_);
    if (common > 0) {
        kernels_.multiply_rows(rows_.data(), rows_.size(), coefficients, &data, 1, common, true);
    }
    if (length > longest_) {
        // Shorter packets before it were zeros from here on.
        for (std::size_t r = 0; r < rows_.size(); ++r) tails_[r] = rows_[r] + longest_;
        const std::uint8_t* const tail = data + longest_;
        kernels_.multiply_rows(tails_.data(), rows_.size(), coefficients, &tail, 1,
                               length - longest_, false);
        longest_ = length;
    }
}

void ParityEncoder::close() {
    for (std::size_t i = count_; i < k_; ++i) symbols_[i] = ParitySymbol{};
    std::array<const std::uint8_t*, fec::kMaxData> sources;
    for (std::size_t i = 0; i < k_; ++i) sources[i] = symbols_[i].octets();
    for (std::size_t r = 0; r < rows_.size(); ++r) {
        std::uint8_t* row = encoded_[r].octets();
        kernels_.multiply_rows(&row, 1, by_row_.data() + r * k_, sources.data(), k_,
                               ParitySymbol::kSize, false);
        if (!variable()) continue;
        const std::uint16_t length = encoded_[r].length();
        rows_[r][longest_] = static_cast<std::uint8_t>(length >> 8);
        rows_[r][longest_ + 1] = static_cast<std::uint8_t>(length);
    }
}

}  // namespace fanfare::engine

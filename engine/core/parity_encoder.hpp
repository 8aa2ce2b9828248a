// Parity over the packets of one transmission group (RFC 3208 11.2), folded in packet by packet as
// they leave: each adds its share to every row, so that no burst of work stands at the group's end.
// Knows no window, no numbers and no time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/core/parity_symbol.hpp"
#include "engine/fec/generator.hpp"
#include "engine/fec/kernels.hpp"

namespace fanfare::engine {

class ParityEncoder {
  public:
    // Rows `first` .. `first + rows - 1` of groups of `k` packets of at most `largest` octets.
    // Packet number `place` of a group that was left out counts as zeros, in payload and symbol.
    // The field has 255 points: k + first + rows is at most that.
    ParityEncoder(std::size_t k, std::size_t rows, std::size_t largest,
                  const fec::Kernels& kernels);

    // Forgets the group; the next one begins. The rows it computes are those of parity packets
    // `first` on.
    void begin() {
        count_ = 0;
        longest_ = shortest_ = 0;
        fragments_ = packed_ = false;
    }
    // Makes the rows those of parity packets `first` .. on, k + first + rows <= 255. Costs k
    // multiplications a row.
    void set_rows(std::size_t first);
    // Packet number `place` (0 .. k-1, ascending): `payload` of `length` octets, at most `largest`.
    void fold(std::size_t place, const ParitySymbol& symbol, bool fragment, bool packed,
              const std::byte* payload, std::size_t length);
    // No more packets: computes what needs all of them. payload() and symbol() hold from here on.
    void close();

    std::size_t count() const { return count_; }  // packets folded in
    // The packets' lengths differ: payloads end in an encoded length, OPT_VAR_PKTLEN.
    bool variable() const { return longest_ != shortest_; }
    bool fragments() const { return fragments_; }  // some packet had OPT_FRAGMENT
    bool packed() const { return packed_; }
    std::span<const std::byte> payload(std::size_t row) const {
        return {reinterpret_cast<const std::byte*>(rows_[row]), payload_size()};
    }
    std::size_t payload_size() const { return longest_ + (variable() ? 2 : 0); }
    const ParitySymbol& symbol(std::size_t row) const { return encoded_[row]; }

  private:
    std::size_t k_;
    const fec::Kernels& kernels_;
    fec::RowMaker maker_;
    std::vector<std::uint8_t> by_row_;    // coefficients, k a row
    std::vector<std::uint8_t> by_place_;  // the same, rows a place
    std::vector<std::uint8_t> room_;
    std::vector<std::uint8_t*> rows_, tails_;
    std::vector<ParitySymbol> symbols_;  // of the group's packets
    std::vector<ParitySymbol> encoded_;  // of the rows
    std::size_t count_ = 0, longest_ = 0, shortest_ = 0;
    bool fragments_ = false, packed_ = false;
};

}  // namespace fanfare::engine

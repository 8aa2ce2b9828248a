#include "engine/core/receive_window.hpp"

namespace fanfare::engine {

ReceiveWindow::ReceiveWindow(const ReceiveMemory& memory)
    : index_(memory.index),
      log_(memory.log),
      index_mask_(memory.index.size() - 1),
      log_mask_(memory.log.size() - 1),
      half_(memory.index.size() / 2),
      used_(true),
      fragment_mask_(memory.index.size() / 2 - 1),
      held_most_(memory.log.size() / 4 * 3),
      fragments_(memory.index.size() / 2) {
    clear();
}

void ReceiveWindow::clear() {
    if (used_) std::fill(index_.begin(), index_.end(), IndexEntry{});
    used_ = false;
    gaps_first_ = gaps_last_ = 0;
    start_ = next_ = lead_ = reach_ = 0;
    head_ = log_reach_ = ordinal_reserved_ = 0;
    buffered_ = highest_held_ = base_ = 0;
    longest_ = 0;
}

void ReceiveWindow::start(Sqn first) {
    used_ = true;
    start_ = next_ = (std::uint64_t{1} << 32) | first;
    lead_ = next_ - 1;
    // Nothing was readable before, so this much may be written even in the burst that brought the
    // start.
    reach_ = next_ + half_;
}

Reservation ReceiveWindow::reserve(std::size_t payload_bytes, std::uint64_t decoded) {
    std::uint64_t needed = payload_bytes;
    const std::uint64_t end = (head_ & log_mask_) + payload_bytes;
    if (end > log_mask_) {
        // At a lap's end up to one packet's length is skipped.
        const std::uint64_t laps = end / log_.size();
        needed += (laps + 1) * std::min<std::uint64_t>(payload_bytes, 0xFFFF);
    }
    log_reach_ = std::max(log_reach_, head_ + needed + decoded);
    if (started()) reach_ = next_ + half_;
    ordinal_reserved_ = std::max(ordinal_reserved_, started() ? reach_ : half_);
    return {log_reach_, ordinal_reserved_};
}

std::uint64_t ReceiveWindow::floor() const {
    while (gaps_last_ - gaps_first_ > 1 && gaps_[(gaps_first_ + 1) % kGaps].ordinal <= next_)
        ++gaps_first_;
    // The first gap on record may lie ahead: the one at next() was then known before anything was
    // held, and base_ alone bounds it.
    const bool here = gaps_first_ != gaps_last_ && gaps_[gaps_first_ % kGaps].ordinal <= next_;
    const std::uint64_t gap = here ? gaps_[gaps_first_ % kGaps].floor : 0;
    return std::max(gap, base_);
}

bool ReceiveWindow::room_for(std::uint64_t ordinal, std::uint32_t length,
                             std::uint64_t& position) const {
    const std::uint64_t offset = head_ & log_mask_;
    const std::uint64_t left = log_.size() - offset;
    position = length <= left ? head_ : head_ + left;  // never across the log's end
    const std::uint64_t end = position + length;
    if (end > log_reach_ || length > log_.size()) return false;
    if (ordinal == next_ && buffered_ == 0) return true;
    const std::uint64_t used = end - (buffered_ > 0 ? floor() : position);
    if (used > held_most_) return false;
    if (ordinal == next_) return true;
    const std::uint64_t top = buffered_ > 0 ? std::max(highest_held_, ordinal) : ordinal;
    const std::uint64_t missing = top - next_ - buffered_;  // numbers below top, this one aside
    const std::uint64_t longest = std::max(longest_, length);
    // One length more: what a lap's end may waste.
    return (missing + 1) * longest <= held_most_ - used;
}

void ReceiveWindow::open_gap(std::uint64_t ordinal) {
    if (gaps_last_ - gaps_first_ == kGaps) return;
    if (gaps_last_ != gaps_first_ && gaps_[(gaps_last_ - 1) % kGaps].floor == head_) return;
    gaps_[gaps_last_++ % kGaps] = {ordinal, head_};
}

void ReceiveWindow::extend(std::uint64_t ordinal) {
    if (ordinal <= lead_) return;
    open_gap(lead_ + 1);
    lead_ = ordinal;
}

void ReceiveWindow::commit(std::uint64_t ordinal, std::uint64_t position, std::uint32_t length,
                           std::uint16_t flags, std::uint32_t apdu_length,
                           const FragmentNote* fragment) {
    if (ordinal > lead_) {
        if (ordinal > lead_ + 1) open_gap(lead_ + 1);
        lead_ = ordinal;
    }
    if (fragment != nullptr) {
        flags |= kFragment;
        fragments_[ordinal & fragment_mask_] = *fragment;
    }
    index_[ordinal & index_mask_] = {static_cast<Sqn>(ordinal),
                                     static_cast<std::uint32_t>(position),
                                     static_cast<std::uint16_t>(length), flags, apdu_length};
    if (buffered_ == 0) {
        base_ = position;
        highest_held_ = ordinal;
    } else {
        highest_held_ = std::max(highest_held_, ordinal);
    }
    ++buffered_;
    longest_ = std::max(longest_, length);
    head_ = position + length;
}

}  // namespace fanfare::engine

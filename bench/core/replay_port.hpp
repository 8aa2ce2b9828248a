// A port that costs next to nothing: it hands out prebuilt frames in turn and swallows what is
// transmitted, so that a loop over a worker measures the worker. A frame of a stream moves on by
// its step each lap (number, trail, checksum); that is done well ahead of its turn, so that the
// worker reads settled memory. What is left of the port's own cost is measured alone and
// subtracted (core_loop.hpp).
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/port.hpp"
#include "engine/checksum/checksum.hpp"
#include "engine/core/output.hpp"
#include "engine/types.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::bench {

class ReplayPort {
  public:
    // Frames are moved on this many turns of the ring before they are handed out: two of a
    // worker's bursts, more stores than a core's store buffer holds.
    static constexpr std::size_t kAhead = 64;
    // A moving stream's trail follows its numbers in steps, as a source's does.
    static constexpr Sqn kTrailStep = 1024;

    static constexpr Sqn trail_of(Sqn sqn) { return (sqn & ~(kTrailStep - 1)) - kTrailStep; }

    // `mtu` bounds every frame. Nothing is handed out before seal().
    explicit ReplayPort(std::uint16_t mtu = 1500) : mtu_(mtu), tx_room_(kLent * kTxStride) {
        for (std::size_t i = kLent; i-- > 0;) tx_free_.push_back(tx_room_.data() + i * kTxStride);
    }

    // A frame that is handed out once, before all others.
    void add_first(std::span<const std::byte> frame) { keep(first_, frame); }
    // A frame whose TPDU, a data packet with number `sqn`, starts at `tpdu_at`; each lap moves it
    // on by `step` (0: never). `wrong` is added to its sum: 0 for an intact packet.
    void add(std::span<const std::byte> frame, std::size_t tpdu_at, Sqn sqn, Sqn step,
             std::uint32_t wrong = 0) {
        std::byte* const tpdu = keep(ring_, frame) + tpdu_at;
        if (step == 0) return;
        Slot& slot = ring_.back();
        std::memset(tpdu + wire::kChecksumAt, 0, 2);
        std::memset(tpdu + kSqnAt, 0, 8);
        const std::size_t length = frame.size() - tpdu_at;
        slot.rest = checksum::kernels(checksum::Level::scalar).sum(tpdu, length) + wrong;
        slot.tpdu_at = static_cast<std::uint32_t>(tpdu_at);
        slot.sqn = sqn - step;
        slot.step = step;
    }
    // No more frames come. At least 2 * kAhead in the ring.
    void seal() {
        room_.reset(static_cast<std::byte*>(std::aligned_alloc(kLine, built_.size())));
        std::memcpy(room_.get(), built_.data(), built_.size());
        for (auto* list : {&first_, &ring_}) {
            for (Slot& slot : *list) slot.data = room_.get() + slot.place;
        }
        built_ = {};
        for (std::size_t i = 0; i < kAhead; ++i) move_on(ring_[i]);
        ahead_ = kAhead;
    }

    // What the loop wants handed out in all; receive() gives nothing beyond it.
    void allow(std::uint64_t frames) { allowed_ += frames; }
    std::uint64_t handed_out() const { return handed_out_; }
    std::uint64_t swallowed() const { return swallowed_; }
    std::size_t frames() const { return ring_.size(); }
    // The frames as they stand, for loops over a part of the way (stages).
    std::span<const std::byte> frame(std::size_t i) const {
        return {ring_[i].data, ring_[i].length};
    }

    std::size_t receive(std::span<dataplane::RxFrame> rx) {
        if (first_given_ < first_.size()) return receive_first(rx);
        const std::size_t count = std::min<std::uint64_t>(rx.size(), allowed_ - handed_out_);
        for (std::size_t i = 0; i < count; ++i) {
            move_on(ring_[ahead_]);
            if (++ahead_ == ring_.size()) ahead_ = 0;
            const Slot& slot = ring_[next_];
            rx[i] = {slot.data, slot.length, nullptr};
            if (++next_ == ring_.size()) next_ = 0;
        }
        handed_out_ += count;
        return count;
    }
    void release(std::span<dataplane::RxFrame>) {}
    std::size_t allocate(std::span<engine::TxFrame> tx) {
        const std::size_t count = std::min(tx.size(), tx_free_.size());
        for (std::size_t i = 0; i < count; ++i) {
            tx[i] = engine::TxFrame{};
            tx[i].handle = tx_free_[tx_free_.size() - 1 - i];
            tx[i].data = static_cast<std::byte*>(tx[i].handle) + engine::kFrameHeadroom;
            tx[i].capacity = mtu_;
        }
        tx_free_.resize(tx_free_.size() - count);
        return count;
    }
    std::size_t transmit(std::span<engine::TxFrame> tx) {
        swallowed_ += tx.size();
        give_back(tx);
        return tx.size();
    }
    void give_back(std::span<engine::TxFrame> tx) {
        for (const engine::TxFrame& frame : tx) {
            tx_free_.push_back(static_cast<std::byte*>(frame.handle));
        }
    }
    bool set_multicast_filter(std::span<const dataplane::MacAddress>) { return true; }
    dataplane::PortFacts facts() const {
        return {dataplane::MacAddress{{2, 0, 0, 0, 0, 2}}, mtu_, true, true};
    }
    std::uint64_t system_calls() const { return 0; }

  private:
    static constexpr std::size_t kSqnAt = wire::kHeaderSize;  // data number, then trail
    // More than a worker ever holds. Strides are odd numbers of cache lines, so that the frames'
    // first lines spread over all sets.
    static constexpr std::size_t kLent = 512, kLine = 64, kTxStride = 35 * kLine;

    struct Slot {
        std::byte* data = nullptr;  // of the frame; null while frames are still added
        std::size_t place = 0;      // in built_ and room_
        std::uint32_t length = 0;
        std::uint32_t tpdu_at = 0;
        std::uint32_t rest = 0;  // partial sum of all but number, trail and checksum
        Sqn sqn = 0, step = 0;
    };

    // Where the copy stands until the next one comes.
    std::byte* keep(std::vector<Slot>& list, std::span<const std::byte> frame) {
        Slot slot;
        slot.place = built_.size();
        slot.length = static_cast<std::uint32_t>(frame.size());
        list.push_back(slot);
        built_.resize(slot.place + ((frame.size() + kLine - 1) / kLine | 1) * kLine);
        std::memcpy(built_.data() + slot.place, frame.data(), frame.size());
        return built_.data() + slot.place;
    }

    static void move_on(Slot& slot) {
        if (slot.step == 0) return;
        slot.sqn += slot.step;
        const std::uint32_t sqn = __builtin_bswap32(slot.sqn);
        const std::uint32_t trail = __builtin_bswap32(trail_of(slot.sqn));
        const std::uint32_t sum = checksum::fold(slot.rest) + (sqn & 0xFFFF) + (sqn >> 16) +
                                  (trail & 0xFFFF) + (trail >> 16);
        const std::uint16_t value = checksum::finish(sum);
        std::byte* const tpdu = slot.data + slot.tpdu_at;
        std::memcpy(tpdu + wire::kChecksumAt, &value, sizeof value);
        std::memcpy(tpdu + kSqnAt, &sqn, sizeof sqn);
        std::memcpy(tpdu + kSqnAt + 4, &trail, sizeof trail);
    }
    static_assert(std::endian::native == std::endian::little);

    std::size_t receive_first(std::span<dataplane::RxFrame> rx) {
        std::size_t count = 0;
        for (; count < rx.size() && first_given_ < first_.size(); ++count, ++first_given_) {
            const Slot& slot = first_[first_given_];
            rx[count] = {slot.data, slot.length, nullptr};
        }
        return count;
    }

    std::uint16_t mtu_;
    struct Free {
        void operator()(std::byte* room) const { std::free(room); }
    };
    std::vector<std::byte> built_;
    std::unique_ptr<std::byte, Free> room_;
    std::vector<Slot> first_, ring_;
    std::size_t first_given_ = 0, next_ = 0, ahead_ = 0;
    std::uint64_t allowed_ = 0, handed_out_ = 0, swallowed_ = 0;
    std::vector<std::byte> tx_room_;
    std::vector<std::byte*> tx_free_;
};
static_assert(dataplane::PacketPort<ReplayPort>);

}  // namespace fanfare::bench

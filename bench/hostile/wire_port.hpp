// Two workers' ports joined by a wire in memory. A port has a ring of receive descriptors, as a
// card has: what comes while it is full is dropped and counted. Frames of the peer are copied once;
// frames that a program lends stand where they are. One thread drives both ends.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/port.hpp"
#include "engine/core/output.hpp"

namespace fanfare::bench {

class WirePort {
  public:
    static constexpr std::uint16_t kMtu = 1500;

    // Allocates all that it will ever need. `descriptors`: a power of two.
    WirePort(const dataplane::MacAddress& mac, std::size_t descriptors)
        : mac_(mac),
          ring_(descriptors),
          room_(std::make_unique<std::byte[]>(descriptors * kStride)),
          tx_room_(std::make_unique<std::byte[]>(kLent * kStride)) {
        for (std::size_t i = kLent; i-- > 0;) tx_free_.push_back(tx_room_.get() + i * kStride);
    }

    // What this port transmits goes to `peer`; `passes` sees each frame first and says whether it
    // arrives (empty: all do). `peer` outlives this.
    void join(WirePort& peer, std::function<bool(std::span<const std::byte>)> passes = {}) {
        peer_ = &peer;
        passes_ = std::move(passes);
    }

    std::size_t free_descriptors() const { return ring_.size() - (tail_ - released_); }
    // A frame that stays where it is until it was taken. False when no descriptor is free.
    bool lend(std::span<const std::byte> frame) {
        if (free_descriptors() == 0) return false;
        ring_[tail_++ & (ring_.size() - 1)] = {frame.data(),
                                               static_cast<std::uint32_t>(frame.size())};
        return true;
    }
    // All lent frames were taken and given back.
    bool empty() const { return tail_ == released_; }
    std::uint64_t dropped() const { return dropped_; }

    std::size_t receive(std::span<dataplane::RxFrame> rx) {
        const std::size_t count = std::min<std::uint64_t>(rx.size(), tail_ - taken_);
        for (std::size_t i = 0; i < count; ++i) {
            const Entry& entry = ring_[taken_++ & (ring_.size() - 1)];
            rx[i] = {entry.data, entry.length, nullptr};
        }
        return count;
    }
    void release(std::span<dataplane::RxFrame> rx) { released_ += rx.size(); }
    std::size_t allocate(std::span<engine::TxFrame> tx) {
        const std::size_t count = std::min(tx.size(), tx_free_.size());
        for (std::size_t i = 0; i < count; ++i) {
            tx[i] = engine::TxFrame{};
            tx[i].handle = tx_free_.back();
            tx[i].data = tx_free_.back() + engine::kFrameHeadroom;
            tx[i].capacity = kMtu;
            tx_free_.pop_back();
        }
        return count;
    }
    std::size_t transmit(std::span<engine::TxFrame> tx) {
        for (const engine::TxFrame& frame : tx) {
            const std::span<const std::byte> octets(frame.data - frame.prepended,
                                                    std::size_t{frame.prepended} + frame.length);
            if (!passes_ || passes_(octets)) peer_->put(octets);
        }
        give_back(tx);
        return tx.size();
    }
    void give_back(std::span<engine::TxFrame> tx) {
        for (const engine::TxFrame& frame : tx)
            tx_free_.push_back(static_cast<std::byte*>(frame.handle));
    }
    bool set_multicast_filter(std::span<const dataplane::MacAddress>) { return true; }
    dataplane::PortFacts facts() const { return {mac_, kMtu, true}; }
    std::uint64_t system_calls() const { return 0; }

  private:
    // More than a worker ever holds; a frame of kMtu with its headroom, in an odd number of lines.
    static constexpr std::size_t kLent = 512, kStride = 27 * 64;
    static_assert(kStride >= kMtu + engine::kFrameHeadroom);
    struct Entry {
        const std::byte* data = nullptr;
        std::uint32_t length = 0;
    };

    void put(std::span<const std::byte> frame) {
        if (free_descriptors() == 0 || frame.size() > kStride) {
            ++dropped_;
            return;
        }
        std::byte* const to = room_.get() + (tail_ & (ring_.size() - 1)) * kStride;
        std::memcpy(to, frame.data(), frame.size());
        lend({to, frame.size()});
    }

    dataplane::MacAddress mac_;
    std::vector<Entry> ring_;
    std::unique_ptr<std::byte[]> room_, tx_room_;
    std::vector<std::byte*> tx_free_;
    WirePort* peer_ = nullptr;
    std::function<bool(std::span<const std::byte>)> passes_;
    std::uint64_t tail_ = 0, taken_ = 0, released_ = 0, dropped_ = 0;
};
static_assert(dataplane::PacketPort<WirePort>);

}  // namespace fanfare::bench

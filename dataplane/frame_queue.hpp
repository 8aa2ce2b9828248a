// Frames on their way out of one worker to one place: empty ones that were lent, written ones that
// wait. The engine writes into the empty ones in order; what the port does not take at once stays
// first in line.
//
//     [0, looped)      written, and seen by local receivers where there are any: may leave
//     [looped, ready)  written
//     [ready, have)    empty
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/port.hpp"
#include "engine/core/output.hpp"

namespace fanfare::dataplane {

struct FrameNote {
    bool send = true;   // false: it never leaves (for this host alone, or nobody can be reached)
    bool held = false;  // the ARP table has the frame: this place is empty
    bool loop = false;  // local sessions get it too
    bool mac_known = false;  // only where another worker sends the frame
    MacAddress mac;
    std::uint32_t interface = 0;
    std::uint16_t udp_port = 0;
    Address next_hop;
};

class FrameQueue {
  public:
    // Twice the room: what left makes way at the front, and the rest moves down once a lap.
    explicit FrameQueue(std::size_t capacity)
        : capacity_(capacity), frames_(2 * capacity), notes_(2 * capacity) {
        returns_.reserve(2 * capacity);
    }

    std::span<engine::TxFrame> room() {
        // Behind what another writer committed and what still waits here.
        if (ready_ > 0 && ready_ < have_) engine::adjoin(frame(ready_ - 1), frame(ready_));
        return {&frame(ready_), have_ - ready_};
    }
    std::size_t room_count() const { return have_ - ready_; }
    std::size_t ready() const { return ready_; }
    std::size_t looped() const { return looped_; }
    std::size_t have() const { return have_; }
    std::size_t capacity() const { return capacity_; }
    engine::TxFrame& frame(std::size_t i) { return frames_.data()[front_ + i]; }
    FrameNote& note(std::size_t i) { return notes_.data()[front_ + i]; }

    // Where lent frames go; added(n) says how many came.
    std::span<engine::TxFrame> places() {
        if (front_ > capacity_) move_down();
        return {&frame(have_), capacity_ - have_};
    }
    void added(std::size_t count) { have_ += count; }

    // The first empty frame was written; returns its place.
    std::size_t commit() {
        note(ready_) = FrameNote{};
        return ready_++;
    }
    void set_looped(std::size_t count) { looped_ = count; }

    // A frame from elsewhere (the ARP table) that is ready to leave; false when there is no place.
    bool insert(const engine::TxFrame& frame) {
        if (have_ == capacity_) return false;
        if (front_ > capacity_) move_down();
        // Neither it nor the one behind it has its neighbour in front any more.
        engine::TxFrame& moved = this->frame(have_++) = this->frame(ready_);
        moved.adjoins = false;
        this->frame(ready_) = frame;
        const std::size_t place = commit();
        if (ready_ < have_) this->frame(ready_).adjoins = false;
        // It was looped when it was first queued.
        if (looped_ == place) looped_ = ready_;
        return true;
    }
    // A frame that is nobody's any more: the owner of the frames takes it back with take_returns().
    void put_back(const engine::TxFrame& frame) { returns_.push_back(frame); }
    std::span<engine::TxFrame> returns() { return returns_; }
    void clear_returns() { returns_.clear(); }

    // Brings what may leave to the front, in order, and takes the rest out of [0, looped); returns
    // how many may leave.
    std::size_t sift() {
        std::size_t kept = 0;
        for (std::size_t i = 0; i < looped_; ++i) {
            if (note(i).send && !note(i).held) {
                if (kept != i) {
                    frame(kept) = frame(i);
                    note(kept) = note(i);
                }
                ++kept;
            } else if (!note(i).held) {
                put_back(frame(i));
            }
        }
        if (kept != looped_) close_gap(kept, looped_);
        return kept;
    }
    // The first `count` have left.
    void left(std::size_t count) {
        front_ += count;
        looped_ -= count;
        ready_ -= count;
        have_ -= count;
    }
    // Everything lent and not sent goes back.
    void return_all() {
        for (std::size_t i = 0; i < have_; ++i) {
            if (i >= ready_ || !note(i).held) put_back(frame(i));
        }
        front_ = looped_ = ready_ = have_ = 0;
    }

  private:
    // Takes [from, to) out; to <= looped.
    void close_gap(std::size_t from, std::size_t to) {
        std::copy(&frame(to), &frame(have_), &frame(from));
        std::copy(&note(to), &note(ready_), &note(from));
        looped_ -= to - from;
        ready_ -= to - from;
        have_ -= to - from;
    }
    void move_down() {
        std::copy(&frame(0), &frame(have_), frames_.data());
        std::copy(&note(0), &note(ready_), notes_.data());
        front_ = 0;
    }

    std::size_t capacity_;
    std::vector<engine::TxFrame> frames_;
    std::vector<FrameNote> notes_;
    std::vector<engine::TxFrame> returns_;
    std::size_t front_ = 0;  // where [0, ...) begins; front_ + capacity_ stays inside the arrays
    std::size_t looped_ = 0, ready_ = 0, have_ = 0;
};

}  // namespace fanfare::dataplane

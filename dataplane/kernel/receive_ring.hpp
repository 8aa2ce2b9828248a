// An io_uring that receives from many UDP sockets at once: one multishot recvmsg each, which stays
// armed, into buffers that the kernel takes from a ring registered with it. Looking at it costs no
// system call while nothing has come.
//
// One thread uses an object (the kernel runs its work on that thread); another one must call
// restart() first.
#pragma once

#include <liburing.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/kernel/segments.hpp"

namespace fanfare::dataplane::kernel {

class ReceiveRing {
  public:
    // Buffers of a whole message each: what a busy worker's turn brings at the most. Fewer end the
    // multishot more often, more leave the second-level cache.
    static constexpr unsigned kBuffers = 32;

    // For sockets 0 .. sockets_max - 1. nullptr, with one line in `error`, if the kernel gives
    // none.
    static std::unique_ptr<ReceiveRing> open(unsigned sockets_max, std::string& error);
    ~ReceiveRing();
    ReceiveRing(const ReceiveRing&) = delete;
    ReceiveRing& operator=(const ReceiveRing&) = delete;

    // Begins to receive from `descriptor` as number `socket`; takes effect with the next message().
    void add(unsigned socket, int descriptor);
    // Ends it. The descriptor may be closed afterwards: what is under way is dropped.
    void remove(unsigned socket);

    struct Message {
        Arrival arrival;
        unsigned socket = 0;
        unsigned buffer = 0;  // for give_back()
    };
    // The next message that has come; false when there is none. At most one system call each time.
    // The octets stay until give_back().
    bool message(Message& out);
    void give_back(unsigned buffer);

    // True while it is the calling thread that may use it.
    bool on_this_thread() const;
    // Makes the ring anew for the calling thread: what had come is lost. False: the kernel gives no
    // ring now; message() tries again.
    bool restart();

    // Whether some socket is not being received from, until a later message().
    bool has_idle() const { return idle_ || !ring_open_; }
    std::uint64_t system_calls() const { return system_calls_; }
    // Messages that were cut off or not IPv4, and calls that failed.
    std::uint64_t errors() const { return errors_; }

  private:
    // A socket with control messages of a segment size and a destination.
    static constexpr std::size_t kNameBytes = 16, kControlBytes = 64;
    static constexpr ArrivalLayout kLayout{kNameBytes, kControlBytes};
    static constexpr std::size_t kBufferBytes =
        (16 + kNameBytes + kControlBytes + kPayloadMax + 63) / 64 * 64;
    static constexpr std::uint16_t kGroup = 0;
    // A socket that fails otherwise than for want of buffers, and a ring that is not to be had, are
    // tried again after so many looks.
    static constexpr std::uint32_t kPatience = 4096;

    struct Receiver {
        int descriptor = -1;
        std::uint32_t generation = 0;  // completions of an earlier socket are not ours
        bool armed = false;
        std::uint32_t looks_left = 0;
    };

    explicit ReceiveRing(unsigned sockets_max);
    bool start();
    void stop();
    void arm_idle();
    bool take(const io_uring_cqe& cqe, Message& out);
    std::byte* buffer(unsigned index) { return memory_ + index * kBufferBytes; }

    io_uring ring_{};
    bool ring_open_ = false;
    std::uint64_t thread_ = 0;      // the number of the one that may use it
    std::uint32_t looks_left_ = 0;  // while there is no ring
    msghdr shape_{};
    io_uring_buf_ring* free_ = nullptr;
    std::byte* memory_ = nullptr;
    std::vector<Receiver> receivers_;
    bool idle_ = false;  // some receiver is not armed
    unsigned lent_ = 0;
    std::uint64_t system_calls_ = 0, errors_ = 0;
};

}  // namespace fanfare::dataplane::kernel

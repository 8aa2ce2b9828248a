// Asynchronous calls on Fanfare's sockets, for C++20: a thin layer over fanfare/async.h, where
// order, threads, progress and the meaning of completions stand.
//
//   fanfare::Ring ring(256);
//   ring.receive(receiver, room, 1);
//   while (ring.wait(1) > 0)
//       ring.for_each([&](const fanfare::Completion& done) { ... });
//
// Making a ring throws fanfare::Error; everything else tells by its result. Submitting is
// thread-safe, taking completions is for one thread at a time.
#pragma once

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "fanfare/async.h"
#include "fanfare/fanfare.hpp"

namespace fanfare {

// What became of one call. Converts to true when it succeeded.
struct Completion : fanfare_completion {
    int error() const { return result < 0 ? static_cast<int>(-result) : 0; }  // an errno
    std::size_t bytes() const { return result < 0 ? 0 : static_cast<std::size_t>(result); }
    // SOCK_RDM: the octets end a message. A datagram: it is one.
    bool message_end() const { return (flags & FANFARE_COMPLETION_END) != 0; }
    bool cut() const { return (flags & FANFARE_COMPLETION_CUT) != 0; }
    explicit operator bool() const { return result >= 0; }
};
static_assert(sizeof(Completion) == sizeof(fanfare_completion));

using Submission = fanfare_submission;

class Ring {
  public:
    // Room for `entries` calls from submission until their completions were taken; rounded up to a
    // power of two.
    explicit Ring(unsigned entries) : ring_(fanfare_ring_create(entries)) {
        if (ring_ == nullptr) throw Error("ring");
    }

    // How many of the batch were taken, from its front; the rest finds no room. 0 with errno EBUSY:
    // take completions first.
    std::size_t submit(std::span<const Submission> batch) {
        const int n =
            fanfare_ring_submit(ring_.get(), batch.data(), static_cast<unsigned>(batch.size()));
        return n < 0 ? 0 : static_cast<std::size_t>(n);
    }

    // One call. False with errno EBUSY when the ring is full. The octets stay the ring's until the
    // completion; the array of parts does not.
    bool send(const Socket& socket, std::span<const iovec> parts, std::uint64_t user_data,
              int flags = 0) {
        return one(FANFARE_OP_SEND, socket, parts, user_data, flags);
    }
    bool send(const Socket& socket, std::span<const std::byte> data, std::uint64_t user_data,
              int flags = 0) {
        const iovec part{const_cast<std::byte*>(data.data()), data.size()};
        return send(socket, std::span(&part, 1), user_data, flags);
    }
    bool receive(const Socket& socket, std::span<const iovec> parts, std::uint64_t user_data,
                 int flags = 0) {
        return one(FANFARE_OP_RECEIVE, socket, parts, user_data, flags);
    }
    bool receive(const Socket& socket, std::span<std::byte> room, std::uint64_t user_data,
                 int flags = 0) {
        const iovec part{room.data(), room.size()};
        return receive(socket, std::span(&part, 1), user_data, flags);
    }
    // After the sends submitted before it.
    bool finish(const Socket& socket, std::uint64_t user_data) {
        Submission wish{};
        wish.operation = FANFARE_OP_SHUTDOWN;
        wish.fd = socket.fd();
        wish.user_data = user_data;
        wish.argument = SHUT_WR;
        return submit(std::span(&wish, 1)) == 1;
    }
    // Calls whose user_data is `target`; the completion of this with `user_data` says how many.
    bool cancel(std::uint64_t target, std::uint64_t user_data) {
        Submission wish{};
        wish.operation = FANFARE_OP_CANCEL;
        wish.user_data = user_data;
        wish.argument = target;
        return submit(std::span(&wish, 1)) == 1;
    }

    // How many completions stand in the ring, once there are `at_least`, nothing is under way any
    // more, or the time is over. -1 with EINTR.
    int wait(unsigned at_least = 1) { return fanfare_ring_wait(ring_.get(), at_least, -1); }
    int wait(unsigned at_least, std::chrono::nanoseconds time) {
        return fanfare_ring_wait(ring_.get(), at_least, time.count() < 0 ? 0 : time.count());
    }
    // Copies completions, the oldest first, and takes none.
    std::span<Completion> peek(std::span<Completion> room) {
        const int n =
            fanfare_ring_peek(ring_.get(), room.data(), static_cast<unsigned>(room.size()));
        return room.first(n < 0 ? 0 : static_cast<std::size_t>(n));
    }
    void seen(std::size_t count) {
        (void)fanfare_ring_seen(ring_.get(), static_cast<unsigned>(count));
    }
    // Takes them.
    std::span<Completion> reap(std::span<Completion> room) {
        const int n =
            fanfare_ring_reap(ring_.get(), room.data(), static_cast<unsigned>(room.size()));
        return room.first(n < 0 ? 0 : static_cast<std::size_t>(n));
    }
    // Calls `each` with every completion that stands there now, and takes it before. How many.
    template <typename Each>
    std::size_t for_each(Each&& each) {
        std::array<Completion, 32> some;
        std::size_t total = 0;
        for (;;) {
            const auto got = reap(some);
            for (const Completion& done : got) each(done);
            total += got.size();
            if (got.size() < some.size()) return total;
        }
    }
    // Readable while completions stand in the ring; the ring's own.
    int fd() { return fanfare_ring_fd(ring_.get()); }

  private:
    struct Destroy {
        void operator()(fanfare_ring* ring) const { fanfare_ring_destroy(ring); }
    };
    bool one(std::uint32_t operation, const Socket& socket, std::span<const iovec> parts,
             std::uint64_t user_data, int flags) {
        Submission wish{};
        wish.operation = operation;
        wish.fd = socket.fd();
        wish.user_data = user_data;
        wish.parts = parts.data();
        wish.parts_count = static_cast<std::uint32_t>(parts.size());
        wish.flags = static_cast<std::uint32_t>(flags);
        return submit(std::span(&wish, 1)) == 1;
    }
    std::unique_ptr<fanfare_ring, Destroy> ring_;
};

}  // namespace fanfare

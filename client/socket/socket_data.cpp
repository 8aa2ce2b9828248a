// Sending and receiving (wsrm.md section 5): the non-blocking reader and writer of client/core, and
// the waiting around them.
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>

#include "client/socket/last_error.hpp"
#include "client/socket/page_lock.hpp"
#include "client/socket/socket.hpp"
#include "ipc/wakeup.hpp"

namespace fanfare::client {

namespace {

const char* text_of(ResetCause cause) {
    switch (cause) {
        case ResetCause::none:
            break;
        case ResetCause::unrecoverable_loss:
            return "data was lost and could not be repaired";
        case ResetCause::sender_reset:
            return "the sender ended the session without finishing it";
        case ResetCause::sender_silent:
            return "nothing was heard of the sender for too long";
        case ResetCause::inconsistent_data:
            return "the sender's data contradicts itself";
        case ResetCause::buffer_exhausted:
            return "the receive window had no room for longer than repair is possible";
        case ResetCause::interface_gone:
            return "the session's interface went away";
        case ResetCause::reader_overtaken:
            return "this reader was too slow and its data was overwritten; read faster or ask for "
                   "a larger window";
        case ResetCause::daemon_gone:
            return "the Fanfare daemon has gone";
        case ResetCause::sender_changed_sent_data:
            return "data that was sent already was changed in the send window";
        case ResetCause::sender_vanished:
            return "the sending program ended without shutting the socket down";
        case ResetCause::memory_fault:
            return "the send window's memory was damaged";
        case ResetCause::message_incomplete:
            return "the socket was shut down inside a message";
    }
    return "the session was reset";
}

constexpr int kRows = 0x2000000;   // FANFARE_MSG_ROWS
constexpr int kBusy = 0x10000000;  // FANFARE_MSG_BUSY
constexpr int kKeptFlags = MSG_DONTWAIT | MSG_PEEK | kBusy;

}  // namespace

int Socket::reset_error(ResetCause cause) const {
    return fail(ECONNRESET, std::string("session reset: ") + text_of(cause));
}

int Socket::daemon_gone() const {
    return fail(ECONNRESET, "session reset: the Fanfare daemon has gone");
}

bool Socket::may_block(int flags) const {
    return (flags & (MSG_DONTWAIT | kBusy)) == 0 && !Endpoint(descriptor_).non_blocking();
}

// What was published is on its way as soon as the worker looks; one that sleeps has to be told.
// Partner: the worker sets the flag, fences, and looks at all tails before it sleeps.
void Socket::ring() const {
    ipc::publish_fence(ipc::AtomicMemory{});
    if (worker_page_->sleeping.load(std::memory_order_relaxed) == 0) return;
    const std::uint64_t one = 1;
    (void)!::write(doorbell_.get(), &one, sizeof one);
}

int Socket::ready_to_send(int flags) {
    if ((flags & MSG_OOB) != 0) return fail(EOPNOTSUPP, "there is no out-of-band data");
    Role role = role_.load(std::memory_order_acquire);
    if (role < Role::sender && adopt_session_made_elsewhere() == 0) role = role_;
    switch (role) {
        case Role::sender:
            break;
        case Role::receiver:
            return fail(EOPNOTSUPP, "this socket receives; a sender connects one of its own");
        default:
            return fail(ENOTCONN, "connect to a group before sending");
    }
    return page_->shut_write != 0 ? fail(EPIPE, "the socket was shut down for sending") : 0;
}

int Socket::ready_to_receive(int flags) {
    if ((flags & MSG_OOB) != 0) return fail(EOPNOTSUPP, "there is no out-of-band data");
    if ((flags & MSG_ERRQUEUE) != 0) return fail(EAGAIN, "there is no queue of errors");
    if ((flags & MSG_WAITALL) != 0 && type_ == ipc::SocketType::message)
        return fail(EOPNOTSUPP, "MSG_WAITALL is for streams");
    Role role = role_.load(std::memory_order_acquire);
    if (role < Role::sender && adopt_session_made_elsewhere() == 0) role = role_;
    switch (role) {
        case Role::receiver:
            break;
        case Role::sender:
            return fail(EOPNOTSUPP, "this socket sends; a receiver listens and accepts");
        default:
            return fail(ENOTCONN, "accept a session and read from the socket it gives");
    }
    return page_->shut_read != 0 ? fail(ESHUTDOWN, "the socket was shut down for receiving") : 0;
}

// Waits until limit or state moved. 0: look again. Not waiting: EAGAIN, with the descriptor left
// such that POLLOUT shows when there is room.
int Socket::wait_for_room(const MessageWriter::Seen& seen, bool wait, Patience& patience) {
    const auto look = [&] { return writer_->changed(seen) || closed_ || page_->shut_write != 0; };
    if (wait && wait_awake(look)) return 0;
    if (wait) patience.signals.hold();
    const Endpoint endpoint(descriptor_);
    bool hung_up = false;
    // As in wait_for_data: a flag that stands means that the endpoint was filled and not emptied
    // since.
    const bool armed = page_->send_sleeping.load(std::memory_order_relaxed) != 0;
    if (!armed || wait || readiness_always_true ||
        looks_.fetch_add(1, std::memory_order_relaxed) % 256 == 0)
        hung_up = endpoint.fill();
    if (!ipc::prepare_sleep(ipc::AtomicMemory{}, page_->send_sleeping, look)) return 0;
    while (!hung_up && wait) {
        switch (endpoint.sleep(POLLOUT, patience, hung_up)) {
            case Wake::again:
                break;
            case Wake::timed_out:
                return fail(EAGAIN, "no room in the send window within SO_SNDTIMEO");
            case Wake::interrupted:
                return fail(EINTR, "");
        }
        if (look()) return 0;
        if (page_->send_sleeping.load(std::memory_order_relaxed) == 0)
            return 0;  // woken for another holder's sake
    }
    if (hung_up) return look() ? 0 : daemon_gone();
    return fail(EAGAIN, "the send window is full");
}

// The same for data. `rounds` counts the looks of a call that does not wait: each may find that
// lead moved while the message is still not whole, which must not go on for ever.
int Socket::wait_for_data(const MessageReader::Seen& seen, bool wait, Patience& patience,
                          int& rounds) {
    const auto look = [&] { return reader_->changed(seen) || closed_ || page_->shut_read != 0; };
    if (wait && wait_awake(look)) return 0;
    if (wait) patience.signals.hold();
    const Endpoint endpoint(descriptor_);
    bool hung_up = false;
    // A flag that stands means that no octet came since it was set; the endpoint is asked all the
    // same now and then, as only it knows that the daemon died.
    const bool armed = page_->receive_sleeping.load(std::memory_order_relaxed) != 0;
    if (!armed || readiness_always_true ||
        looks_.fetch_add(1, std::memory_order_relaxed) % 256 == 0)
        hung_up = endpoint.drain();
    if (!ipc::prepare_sleep(ipc::AtomicMemory{}, page_->receive_sleeping, look) &&
        (wait || ++rounds < 4))
        return 0;
    if (hung_up) return look() ? 0 : daemon_gone();
    if (!wait) return fail(EAGAIN, "nothing to receive");
    switch (endpoint.sleep(POLLIN, patience, hung_up)) {
        case Wake::again:
            break;
        case Wake::timed_out:
            return fail(EAGAIN, "nothing came within SO_RCVTIMEO");
        case Wake::interrupted:
            return fail(EINTR, "");
    }
    if (hung_up && !look()) return daemon_gone();
    return 0;
}

// Nothing is there for who asks again by itself. The endpoint is asked now and then, as only it
// knows that the daemon died.
int Socket::nothing_yet(const MessageReader::Seen& seen) {
    const std::uint32_t looks = looks_.load(std::memory_order_relaxed);
    looks_.store(looks + 1, std::memory_order_relaxed);  // of several threads: about so many
    if (looks % 256 == 0 && Endpoint(descriptor_).drain() && !reader_->changed(seen))
        return daemon_gone();
    return fail(EAGAIN, "nothing to receive");
}

int Socket::send(std::span<const DataPart> parts, int flags, std::size_t& sent) {
    sent = 0;
    if (const int error = ready_to_send(flags); error != 0) return error;
    std::optional<PartList<DataPart>> rest;
    std::span<const DataPart> now = parts;
    Patience patience;
    unsigned write_flags = 0;
    for (;;) {
        WriteResult result;
        MessageWriter::Seen seen;
        bool overshoots = false;
        {
            const PageLock held(page_->lock);
            result = writer_->try_send(now, write_flags);
            seen = writer_->seen();
            const std::uint64_t left = writer_->message_left();
            overshoots = left != 0 && total_bytes(now) > left;
        }
        if (result.status == WriteStatus::done) {
            ring();
            sent += result.bytes;
            if (result.bytes == total_bytes(now)) {
                if (readiness_always_true) settle_writable();
                return 0;
            }
            // A count that is short says that the window is full; who waits for an edge relies on
            // it (epoll(7)), so it is tried again until that is so and POLLOUT has gone.
            if (!rest) rest.emplace(parts);
            rest->advance(result.bytes);
            now = rest->left();
            continue;
        }
        if (result.status == WriteStatus::reset) return sent != 0 ? 0 : reset_error(result.cause);
        const bool blocking = may_block(flags);
        if (result.status == WriteStatus::too_large) {
            if (overshoots)
                return fail(EMSGSIZE,
                            "more than is left of the message that RM_SET_MESSAGE_BOUNDARY began");
            if (total_bytes(now) > 0xFFFFFFFFull)
                return fail(EMSGSIZE, "a message has at most 4294967295 octets");
            if (!blocking || write_flags != 0)
                return fail(
                    EMSGSIZE,
                    "the message is larger than the send window; use RM_SET_MESSAGE_BOUNDARY");
            write_flags = kWritePart;
            continue;
        }
        if (patience.deadline == 0) patience.deadline = deadline_after(page_->send_timeout_ns);
        const int error = wait_for_room(seen, blocking, patience);
        if (error != 0) return sent != 0 ? 0 : error;
        if (closed_) return sent != 0 ? 0 : fail(EBADF, "the socket was closed meanwhile");
        if (page_->shut_write != 0)
            return sent != 0 ? 0 : fail(EPIPE, "the socket was shut down for sending");
    }
}

int Socket::receive(std::span<const RoomPart> parts, int flags, bool flags_out,
                    Received& received) {
    received = {};
    if (const int error = ready_to_receive(flags); error != 0) return error;
    const bool stream = type_ == ipc::SocketType::stream;
    unsigned read_flags = (flags & kPartialWanted) != 0 && (flags_out || stream) ? kReadPart : 0u;
    if ((flags & MSG_PEEK) != 0) read_flags |= kReadPeek;
    // A message that can't be waited for is taken as it comes; so is a stream with MSG_WAITALL.
    bool collecting = (flags & (MSG_WAITALL | kKeptFlags)) == MSG_WAITALL;
    const bool edges = stream && readiness_always_true && (read_flags & kReadPeek) == 0;
    std::optional<PartList<RoomPart>> rest;
    std::span<const RoomPart> now = parts;
    Patience patience;
    int rounds = 0;
    for (;;) {
        ReadResult result;
        MessageReader::Seen seen;
        {
            const PageLock held(page_->lock);
            result = reader_->try_recv(now, read_flags);
            seen = reader_->seen();
        }
        switch (result.status) {
            case ReadStatus::data:
            case ReadStatus::message_continues: {
                received.bytes += result.bytes;
                received.message_end = !stream && result.status == ReadStatus::data;
                const bool full = result.bytes == total_bytes(now);
                // A short count says that nothing is left, and who waits for an edge goes by it
                // (epoll(7)): so it is read on until that is so.
                if ((!collecting && (full || !edges)) || full || received.message_end) {
                    if (readiness_always_true && (read_flags & kReadPeek) == 0) settle_readable();
                    if (stream || received.message_end || flags_out) return 0;
                    return fail(EMSGSIZE, "the message goes on; the next call gives more of it");
                }
                if (!rest) rest.emplace(parts);
                rest->advance(result.bytes);
                now = rest->left();
                continue;
            }
            case ReadStatus::finished:
                if (edges && received.bytes != 0) announce_anew();
                if (stream) return 0;
                return fail(ESHUTDOWN, "the sender finished in good order", EndKind::peer_finished);
            case ReadStatus::reset:
                if (stream && received.bytes != 0) return 0;
                received = {};
                return reset_error(result.cause);
            case ReadStatus::empty:
                break;
        }
        if (edges && !collecting && received.bytes != 0) {
            if (!settle_readable()) return 0;
            continue;
        }
        const bool busy = (flags & kBusy) != 0;
        const bool blocking = may_block(flags);
        if (result.must_take_parts && (blocking || flags_out)) {
            read_flags |= kReadPart;
            collecting = blocking && (read_flags & kReadPeek) == 0;
            continue;
        }
        if (!busy && patience.deadline == 0)
            patience.deadline = deadline_after(page_->receive_timeout_ns);
        const int error =
            busy ? nothing_yet(seen) : wait_for_data(seen, blocking, patience, rounds);
        if (error != 0) {
            if (received.bytes == 0) return error;
            // Octets were taken already. A stream and recvmsg can say how many; recv can't, so it
            // goes on.
            if (stream || flags_out) return 0;
            if (error != EAGAIN && error != EINTR) return error;
            patience.deadline = 0;
        }
        if (closed_) return fail(EBADF, "the socket was closed meanwhile");
        if (page_->shut_read != 0) return fail(ESHUTDOWN, "the socket was shut down for receiving");
    }
}

// Claims by `claim`, until it finds room.
template <typename Try>
int Socket::claim_by(Try&& claim, int flags) {
    if (const int error = ready_to_send(flags); error != 0) return error;
    Patience patience;
    for (;;) {
        WriteStatus status{};
        MessageWriter::Seen seen;
        {
            const PageLock held(page_->lock);
            status = claim(*writer_);
            seen = writer_->seen();
            // What is built must not wait for room that only its own sending makes.
            if (status == WriteStatus::no_room) writer_->publish();
        }
        switch (status) {
            case WriteStatus::done:
                return 0;
            case WriteStatus::reset:
                return reset_error(writer_->cause());
            case WriteStatus::too_large:
                return fail(EMSGSIZE, "more than one record holds; use send");
            case WriteStatus::no_room:
                break;
        }
        ring();
        const bool blocking = may_block(flags);
        if (patience.deadline == 0) patience.deadline = deadline_after(page_->send_timeout_ns);
        if (const int error = wait_for_room(seen, blocking, patience); error != 0) return error;
        if (closed_) return fail(EBADF, "the socket was closed meanwhile");
        if (page_->shut_write != 0) return fail(EPIPE, "the socket was shut down for sending");
    }
}

int Socket::claim(std::size_t bytes, int flags, std::span<std::byte>& room) {
    return claim_by([&](MessageWriter& writer) { return writer.claim(bytes, room); }, flags);
}

int Socket::claim_run(std::span<RoomPart> rooms, int flags, std::size_t& count) {
    return claim_by([&](MessageWriter& writer) { return writer.claim_run(rooms, count); }, flags);
}

int Socket::commit(std::size_t bytes) {
    if (const int error = ready_to_send(0); error != 0) return error;
    const PageLock held(page_->lock);
    writer_->commit(bytes);
    return 0;
}

int Socket::publish() {
    if (const int error = ready_to_send(0); error != 0) return error;
    {
        const PageLock held(page_->lock);
        writer_->publish();
    }
    ring();
    return 0;
}

int Socket::peek(std::span<ReceivedView> views, int flags, std::size_t& count) {
    count = 0;
    if (const int error = ready_to_receive(flags & ~MSG_WAITALL); error != 0) return error;
    Patience patience;
    int rounds = 0;
    for (;;) {
        ReadResult result;
        MessageReader::Seen seen;
        {
            const PageLock held(page_->lock);
            result = reader_->peek(views, count, (flags & kRows) != 0);
            seen = reader_->seen();
        }
        switch (result.status) {
            case ReadStatus::data:
            case ReadStatus::message_continues:
                return 0;
            case ReadStatus::finished:
                if (type_ == ipc::SocketType::stream) return 0;
                return fail(ESHUTDOWN, "the sender finished in good order", EndKind::peer_finished);
            case ReadStatus::reset:
                return reset_error(result.cause);
            case ReadStatus::empty:
                break;
        }
        if ((flags & kBusy) != 0) return nothing_yet(seen);
        const bool blocking = may_block(flags);
        if (patience.deadline == 0) patience.deadline = deadline_after(page_->receive_timeout_ns);
        if (const int error = wait_for_data(seen, blocking, patience, rounds); error != 0)
            return error;
        if (closed_) return fail(EBADF, "the socket was closed meanwhile");
        if (page_->shut_read != 0) return fail(ESHUTDOWN, "the socket was shut down for receiving");
    }
}

bool Socket::intact(std::uint64_t log_position) const {
    return role_.load(std::memory_order_acquire) == Role::receiver &&
           reader_->intact_from(log_position);
}

int Socket::consume(const TakenViews& taken) {
    if (const int error = ready_to_receive(0); error != 0) return error;
    const PageLock held(page_->lock);
    return reader_->consume(taken) ? 0 : reset_error(ResetCause::reader_overtaken);
}

int Socket::unsent(std::uint64_t& octets) const {
    if (role_.load(std::memory_order_acquire) != Role::sender)
        return fail(ENOTCONN, "the socket does not send");
    const std::uint64_t published = writer_->published(), sent = writer_->sent();
    octets = published > sent ? published - sent : 0;
    return 0;
}

}  // namespace fanfare::client

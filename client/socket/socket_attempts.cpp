// Sending and receiving by attempts that never wait (attempt.hpp): what send() and receive() of
// socket_data.cpp do between two waits.
#include <cerrno>
#include <string>

#include "client/socket/attempt.hpp"
#include "client/socket/last_error.hpp"
#include "client/socket/page_lock.hpp"
#include "client/socket/socket.hpp"

namespace fanfare::client {

namespace {

// One attempt moves about so much, so that a call of hundreds of megabytes leaves others their
// turn: some hundred microseconds of copying.
constexpr std::size_t kOctetsAnAttempt = 1 << 20;
// Looks at a window that goes on moving before an attempt lets others have a turn.
constexpr int kLooksAnAttempt = 64;

int closed_meanwhile() {
    return fail(ECANCELED, "the socket was closed meanwhile");
}

}  // namespace

int Socket::attempt(SendAttempt& call) {
    if (closed_) return closed_meanwhile();
    if (const int error = ready_to_send(call.flags); error != 0) return error;
    std::size_t moved = 0;
    Patience none;
    for (;;) {
        WriteResult result;
        bool overshoots = false;
        {
            const PageLock held(page_->lock);
            result = writer_->try_send(call.data.left(), call.write_flags);
            call.seen = writer_->seen();
            const std::uint64_t left = writer_->message_left();
            overshoots = left != 0 && call.data.octets_left() > left;
        }
        switch (result.status) {
            case WriteStatus::done:
                ring();
                call.sent += result.bytes;
                call.data.advance(result.bytes);
                if (call.data.octets_left() == 0) {
                    if (readiness_always_true) settle_writable();
                    return 0;
                }
                moved += result.bytes;
                if (moved >= kOctetsAnAttempt) return EINPROGRESS;
                break;
            case WriteStatus::reset:
                return reset_error(result.cause);
            case WriteStatus::too_large:
                if (overshoots)
                    return fail(EMSGSIZE,
                                "more than is left of the message that "
                                "RM_SET_MESSAGE_BOUNDARY began");
                if (call.data.octets_left() > 0xFFFFFFFFull)
                    return fail(EMSGSIZE, "a message has at most 4294967295 octets");
                if (call.write_flags != 0)
                    return fail(EMSGSIZE, "the message is larger than the send window");
                call.write_flags = kWritePart;
                break;
            case WriteStatus::no_room:
                if (const int error = wait_for_room(call.seen, false, none); error != 0)
                    return error;
                break;
        }
    }
}

int Socket::attempt(ReceiveAttempt& call) {
    if (closed_) return closed_meanwhile();
    if (const int error = ready_to_receive(call.flags); error != 0) return error;
    const bool stream = type_ == ipc::SocketType::stream;
    const bool peeks = (call.flags & MSG_PEEK) != 0;
    std::size_t moved = 0;
    int looks = -kLooksAnAttempt;  // wait_for_data() counts them up to a few above 0
    Patience none;
    for (;;) {
        const bool parts = call.collecting || (call.flags & kPartialWanted) != 0;
        const unsigned read_flags = (parts ? kReadPart : 0u) | (peeks ? kReadPeek : 0u);
        ReadResult result;
        {
            const PageLock held(page_->lock);
            result = reader_->try_recv(call.room.left(), read_flags);
            call.seen = reader_->seen();
        }
        switch (result.status) {
            case ReadStatus::data:
            case ReadStatus::message_continues: {
                call.received += result.bytes;
                call.message_end = !stream && result.status == ReadStatus::data;
                if (!peeks) call.room.advance(result.bytes);
                const bool goes_on = stream ? (call.flags & MSG_WAITALL) != 0 : call.collecting;
                if (!goes_on || peeks || call.message_end || call.room.octets_left() == 0) {
                    if (readiness_always_true && !peeks) settle_readable();
                    return 0;
                }
                moved += result.bytes;
                if (moved >= kOctetsAnAttempt) return EINPROGRESS;
                break;
            }
            case ReadStatus::finished:
                if (stream) return 0;
                return fail(ESHUTDOWN, "the sender finished in good order", EndKind::peer_finished);
            case ReadStatus::reset:
                if (stream && call.received != 0) return 0;
                return reset_error(result.cause);
            case ReadStatus::empty: {
                if (result.must_take_parts) {
                    call.collecting = true;
                    break;
                }
                const int error = wait_for_data(call.seen, false, none, looks);
                if (error == EAGAIN && may_go_on(call)) return EINPROGRESS;
                if (error != 0) return error;
                break;
            }
        }
    }
}

bool Socket::may_go_on(const SendAttempt& call) const {
    if (role_.load(std::memory_order_acquire) != Role::sender) return true;
    return closed_ || page_->shut_write != 0 || writer_->changed(call.seen);
}

bool Socket::may_go_on(const ReceiveAttempt& call) const {
    if (role_.load(std::memory_order_acquire) != Role::receiver) return true;
    return closed_ || page_->shut_read != 0 || reader_->changed(call.seen);
}

}  // namespace fanfare::client

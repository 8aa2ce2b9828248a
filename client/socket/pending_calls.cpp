#include "client/socket/pending_calls.hpp"

#include <sys/epoll.h>

#include <cerrno>
#include <utility>

#include "client/socket/last_error.hpp"
#include "client/socket/program_memory.hpp"
#include "client/socket/signals_held.hpp"
#include "fanfare/async.h"

namespace fanfare::client {

namespace {

constexpr std::uint32_t kGone = EPOLLHUP | EPOLLERR | EPOLLRDHUP;

bool begun(const PendingCall& call) {
    return call.kind == PendingKind::send && call.send.sent != 0;
}

// How a call that is cut ends: octets that a receive has taken are not lost for it.
int cut_short(const PendingCall& call) {
    return call.kind == PendingKind::receive && call.receive.received != 0 ? 0 : ECANCELED;
}

}  // namespace

bool PendingCalls::add(PendingCall call) {
    const QuietLock lock(mutex_);
    if (over_) return false;
    auto& line = call.kind == PendingKind::receive ? receives_ : sends_;
    line.push_back(std::move(call));
    count_.fetch_add(1, std::memory_order_relaxed);
    return true;
}

int PendingCalls::attempt(PendingCall& call) {
    if (call.kind == PendingKind::shutdown) return socket_->shutdown(call.how);
    const bool datagram = socket_->type() == SOCK_DGRAM;
    if (call.kind == PendingKind::send) {
        if (!datagram) return socket_->attempt(call.send);
        const int error =
            socket_->send_datagram(call.send.data.left(), call.send.flags | MSG_DONTWAIT,
                                   call.named ? &call.to : nullptr, in_addr{});
        if (error == 0) call.send.sent = call.send.data.octets_left();
        return error;
    }
    sockaddr_in from{};
    int error = 0;
    if (datagram) {
        DatagramReceived got;
        error = socket_->receive_datagram(call.receive.room.left(),
                                          call.receive.flags | MSG_DONTWAIT, got);
        call.receive.received = got.bytes;
        call.receive.message_end = error == 0 && !got.ended;
        call.cut = got.length > got.bytes;
        from = got.source;
    } else {
        error = socket_->attempt(call.receive);
        if (error == 0 && call.address != nullptr) (void)socket_->name(true, from);
    }
    if (error == 0 && call.address != nullptr && !copy_out(call.address, &from, sizeof from))
        return fail(EFAULT, "the address is no memory of this program");
    return error;
}

void PendingCalls::complete(PendingCall& call, int error) {
    ipc::Completion out;
    out.user_data = call.user_data;
    if (call.kind == PendingKind::send) {
        out.result = static_cast<std::int64_t>(call.send.sent);
        // Octets of a stream are gone, whatever came then; the next call tells of that.
        if (error != ECANCELED && socket_->type() == SOCK_STREAM && call.send.sent != 0) error = 0;
    } else if (call.kind == PendingKind::receive) {
        out.result = static_cast<std::int64_t>(call.receive.received);
        if (call.receive.message_end) out.flags |= FANFARE_COMPLETION_END;
        if (call.cut) out.flags |= FANFARE_COMPLETION_CUT;
    }
    if (error != 0) {
        out.result = -static_cast<std::int64_t>(error);
        out.flags = 0;
    }
    call.queue->post(out);
}

// True: there is more to do.
bool PendingCalls::run_line(std::deque<PendingCall>& line, bool hung_up) {
    while (!line.empty()) {
        PendingCall& call = line.front();
        int error = attempt(call);
        if (error == EINPROGRESS) return true;
        if (error == EAGAIN) {
            const int flags = call.kind == PendingKind::send ? call.send.flags : call.receive.flags;
            // Whoever hung up had said first why, if there was a reason to say.
            if (hung_up)
                error = fail(ECONNRESET, "session reset: the Fanfare daemon has gone");
            else if ((flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) == 0)  // nothing ever comes there
                return false;
        }
        complete(call, error);
        line.pop_front();
        count_.fetch_sub(1, std::memory_order_relaxed);
    }
    return false;
}

PendingCalls::Turn PendingCalls::run(std::uint32_t event) {
    const QuietLock lock(mutex_);
    if (event != 0) watched_ = 0;
    if (over_) return Turn::idle;
    const bool hung_up = (event & kGone) != 0;
    bool more = run_line(receives_, hung_up);
    more = run_line(sends_, hung_up) || more;
    if (!any()) return Turn::idle;
    watch();
    return more ? Turn::more : Turn::waits;
}

// One event at a time: what is not waited for is not told, a hang-up least of all.
void PendingCalls::watch() {
    const std::uint32_t events = (receives_.empty() ? 0u : EPOLLIN) |
                                 (sends_.empty() ? 0u : EPOLLOUT) | EPOLLRDHUP | EPOLLONESHOT;
    if (watched_ == events) return;
    epoll_event wish{};
    wish.events = events;
    wish.data.ptr = const_cast<Socket*>(key_);
    const int how = std::exchange(known_to_epoll_, true) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    // What can't be watched is looked at some ten times a second all the same.
    if (::epoll_ctl(epoll_, how, socket_->descriptor(), &wish) == 0) watched_ = events;
}

std::uint32_t PendingCalls::cancel(const CompletionQueue& queue, const std::uint64_t* user_data,
                                   bool& was_begun) {
    const QuietLock lock(mutex_);
    std::uint32_t cancelled = 0;
    for (auto* line : {&receives_, &sends_}) {
        for (auto at = line->begin(); at != line->end();) {
            const bool meant =
                at->queue.get() == &queue && (user_data == nullptr || at->user_data == *user_data);
            if (!meant) {
                ++at;
            } else if (user_data != nullptr && begun(*at)) {
                was_begun = true;
                ++at;
            } else {
                complete(*at, cut_short(*at));
                at = line->erase(at);
                count_.fetch_sub(1, std::memory_order_relaxed);
                ++cancelled;
            }
        }
    }
    return cancelled;
}

void PendingCalls::close() {
    const QuietLock lock(mutex_);
    if (std::exchange(over_, true)) return;
    for (auto* line : {&receives_, &sends_}) {
        for (PendingCall& call : *line) complete(call, cut_short(call));
        line->clear();
    }
    count_ = 0;
    if (known_to_epoll_) (void)::epoll_ctl(epoll_, EPOLL_CTL_DEL, socket_->descriptor(), nullptr);
}

bool PendingCalls::may_go_on() {
    if (!any()) return false;
    const SignalsHeld held;
    if (!mutex_.try_lock()) return false;
    bool may = false;
    if (!receives_.empty()) may = socket_->may_go_on(receives_.front().receive);
    if (!may && !sends_.empty())
        may = sends_.front().kind != PendingKind::send || socket_->may_go_on(sends_.front().send);
    mutex_.unlock();
    return may;
}

}  // namespace fanfare::client

// The asynchronous calls of one socket that are not complete: a line of sends and a line of
// receives, each done in the order of submission (wsrm.md 5.4: completions of sends come in call
// order). Whoever has a moment makes progress: the submitter, the reader of completions, the helper
// thread.
#pragma once

#include <netinet/in.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

#include "client/socket/attempt.hpp"
#include "client/socket/completion_queue.hpp"
#include "client/socket/socket.hpp"

namespace fanfare::client {

enum class PendingKind : std::uint8_t { send, receive, shutdown };

struct PendingCall {
    PendingKind kind{};
    std::uint64_t user_data = 0;
    std::shared_ptr<CompletionQueue> queue;
    SendAttempt send;
    ReceiveAttempt receive;
    int how = 0;                     // of shutdown
    sockaddr_in* address = nullptr;  // the program's: whom a receive came from
    sockaddr_in to{};                // of a datagram that is sent, where `named`
    bool named = false;
    bool cut = false;  // a datagram was longer than its room
};

class PendingCalls {
  public:
    // `epoll`: where the socket's descriptor is watched while calls wait; with `key` as its data.
    PendingCalls(std::shared_ptr<Socket> socket, int epoll)
        : socket_(std::move(socket)), key_(socket_.get()), epoll_(epoll) {}

    enum class Turn {
        idle,   // nothing is pending
        waits,  // until the descriptor shows something
        more,   // others shall have a turn, then again
    };

    // False: the socket was closed.
    bool add(PendingCall call);
    // Goes as far as it can be gone without waiting. `event`: what epoll told of the descriptor, 0
    // if it was not asked.
    Turn run(std::uint32_t event = 0);
    // Completes calls of `queue` with ECANCELED: those with `user_data`, or all for nullptr. A send
    // of which octets are on their way already stays unless all go; then `begun` is set. How many.
    std::uint32_t cancel(const CompletionQueue& queue, const std::uint64_t* user_data, bool& begun);
    // The socket goes: everything completes with ECANCELED, a receive that has taken octets with
    // their count, and nothing is added any more.
    void close();

    // Whether calls are pending; whether one may have become possible since it was tried.
    bool any() const { return count_.load(std::memory_order_relaxed) != 0; }
    bool may_go_on();
    bool closed() const { return key_->closed(); }
    const Socket* key() const { return key_; }

  private:
    int attempt(PendingCall& call);
    void complete(PendingCall& call, int error);
    bool run_line(std::deque<PendingCall>& line, bool hung_up);
    void watch();

    std::mutex mutex_;
    const std::shared_ptr<Socket> socket_;
    const Socket* const key_;
    bool over_ = false;  // close() was called
    const int epoll_;
    std::deque<PendingCall> sends_, receives_;
    std::atomic<std::size_t> count_{0};  // of both; a look at it needs no order
    std::uint32_t watched_ = 0;          // events that epoll will tell of, once
    bool known_to_epoll_ = false;
};

}  // namespace fanfare::client

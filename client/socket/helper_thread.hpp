// The one thread that finishes asynchronous calls while the program does something else. It starts
// with the process's first completion queue, sleeps in epoll on the sockets with pending calls, and
// ends with the process. In a child of a fork there is none until the child makes a queue.
#pragma once

#include <cstdint>
#include <memory>

#include "client/socket/pending_calls.hpp"

namespace fanfare::client {

class HelperThread {
  public:
    HelperThread(const HelperThread&) = delete;
    HelperThread& operator=(const HelperThread&) = delete;

    // The calls of a socket that has a descriptor of its own (socket_held_apart), as the kernel
    // watches it; made at the first time.
    std::shared_ptr<PendingCalls> calls_of(const std::shared_ptr<Socket>& socket);
    // Makes progress in the caller's thread, and sees to it that it goes on.
    void look_after(const std::shared_ptr<PendingCalls>& calls);
    // All calls of `queue` are cancelled.
    void cancel(const CompletionQueue& queue, const std::uint64_t* user_data,
                std::uint32_t& cancelled, bool& begun);

  private:
    friend int start_helper_thread();
    friend void forget_pending_calls(Socket&);
    friend void look_at_pending_calls(Socket&);
    friend void abandon_helper_thread();
    HelperThread() = default;

    void run();
    void let_go_if_closed(const PendingCalls& calls);
    void hurry(std::shared_ptr<PendingCalls> calls);
    void kick() const;
    std::shared_ptr<PendingCalls> known(const Socket* socket);
    std::shared_ptr<PendingCalls> take(const Socket* socket);

    struct State;
    State* state_ = nullptr;  // for ever, as the thread
};

// Starts it unless it runs. 0 or an errno, with last_error filled.
int start_helper_thread();
// Requires start_helper_thread().
HelperThread& helper_thread();
// Moves with every fork: what was made under another number is the parent's.
std::uint32_t fork_generation();

// The socket is about to be closed: its pending calls complete with ECANCELED. The caller holds no
// lock of the socket's.
void forget_pending_calls(Socket& socket);
// Something about the socket was changed that ends calls, and that no descriptor tells.
void look_at_pending_calls(Socket& socket);

}  // namespace fanfare::client

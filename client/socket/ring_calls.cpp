// The C API of asynchronous calls: submissions in, completions out. What they mean stands in
// fanfare/async.h.
#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>
#include <new>
#include <vector>

#include "client/socket/arguments.hpp"
#include "client/socket/completion_queue.hpp"
#include "client/socket/helper_thread.hpp"
#include "client/socket/last_error.hpp"
#include "client/socket/page_lock.hpp"
#include "client/socket/pending_calls.hpp"
#include "client/socket/program_memory.hpp"
#include "client/socket/socket_table.hpp"
#include "fanfare/async.h"

using namespace fanfare::client;
using fanfare::ipc::Completion;

struct fanfare_ring {
    std::shared_ptr<CompletionQueue> queue;
};

// A completion is handed out as it stands in the ring.
static_assert(sizeof(fanfare_completion) == sizeof(Completion));
static_assert(offsetof(fanfare_completion, user_data) == offsetof(Completion, user_data));
static_assert(offsetof(fanfare_completion, result) == offsetof(Completion, result));
static_assert(offsetof(fanfare_completion, flags) == offsetof(Completion, flags));

namespace {

int refuse(int error) {
    errno = error;
    return -1;
}

// A signal handler that interrupted a call must not wait for what it interrupted.
bool inside_a_call() {
    return PageLock::held_by_this_thread();
}

// What a batch has been put in line at, each once.
class Touched {
  public:
    void add(const std::shared_ptr<PendingCalls>& calls) {
        if (std::find(all_.begin(), all_.end(), calls) == all_.end()) all_.push_back(calls);
    }
    void look_after() {
        for (const auto& calls : all_) helper_thread().look_after(calls);
        all_.clear();
    }

  private:
    std::vector<std::shared_ptr<PendingCalls>> all_;
};

int read_call(const fanfare_submission& wish, PendingCall& call) {
    const bool sends = wish.operation == FANFARE_OP_SEND;
    if (sends) {
        Parts<DataPart> parts;
        if (const int error = parts.read(wish.parts, wish.parts_count); error != 0) return error;
        call.send.data = PartList<DataPart>(parts.get());
        call.send.flags = static_cast<int>(wish.flags);
    } else if (wish.operation == FANFARE_OP_RECEIVE) {
        Parts<RoomPart> parts;
        if (const int error = parts.read(wish.parts, wish.parts_count); error != 0) return error;
        call.receive.room = PartList<RoomPart>(parts.get());
        call.receive.flags = static_cast<int>(wish.flags);
    } else {
        if (wish.argument > 2) return fail(EINVAL, "how is SHUT_RD, SHUT_WR or SHUT_RDWR");
        call.how = static_cast<int>(wish.argument);
        return 0;
    }
    if (wish.address == nullptr) return 0;
    if (!may_be_memory(wish.address, sizeof *wish.address))
        return bad_memory("the address is no memory of this program");
    if (!sends) {
        call.address = wish.address;
        return 0;
    }
    call.named = true;
    return read_address(reinterpret_cast<const sockaddr*>(wish.address), sizeof *wish.address,
                        call.to);
}

// 0: the call is in line, or has completed. Else the errno of its completion.
int put_in_line(const std::shared_ptr<CompletionQueue>& queue, const fanfare_submission& wish,
                Touched& touched) {
    const auto kind = wish.operation == FANFARE_OP_SEND      ? PendingKind::send
                      : wish.operation == FANFARE_OP_RECEIVE ? PendingKind::receive
                                                             : PendingKind::shutdown;
    if (wish.operation == FANFARE_OP_NOP) {
        queue->post({wish.user_data, 0, 0, 0});
        return 0;
    }
    if (wish.operation == FANFARE_OP_CANCEL) {
        touched.look_after();  // what can be done was asked for first
        std::uint32_t cancelled = 0;
        bool begun = false;
        helper_thread().cancel(*queue, &wish.argument, cancelled, begun);
        if (cancelled == 0) return begun ? EALREADY : ENOENT;
        queue->post({wish.user_data, cancelled, 0, 0});
        return 0;
    }
    if (wish.operation > FANFARE_OP_SHUTDOWN) return fail(EINVAL, "no such operation");
    int error = 0;
    if (find_socket(wish.fd, error) == nullptr) return error;
    const auto socket = socket_held_apart(wish.fd, error);
    if (socket == nullptr) return error;
    PendingCall call;
    call.kind = kind;
    call.user_data = wish.user_data;
    call.queue = queue;
    if (error = read_call(wish, call); error != 0) return error;
    // The group of a session is where it sends; datagrams go where they are addressed.
    if (kind == PendingKind::send && call.named && socket->type() != SOCK_DGRAM) {
        sockaddr_in group{};
        if (error = socket->name(true, group); error != 0) return error;
        if (group.sin_addr.s_addr != call.to.sin_addr.s_addr || group.sin_port != call.to.sin_port)
            return fail(EISCONN, "the socket sends to its group alone");
    }
    const auto calls = helper_thread().calls_of(socket);
    if (!calls->add(std::move(call))) return fail(EBADF, "the socket was closed meanwhile");
    queue->note_pending(calls);
    touched.add(calls);
    return 0;
}

}  // namespace

extern "C" {

fanfare_ring* fanfare_ring_create(unsigned entries) {
    const auto made = [&](fanfare_ring*& ring) {
        if (entries == 0) return fail(EINVAL, "a ring has at least one entry");
        if (const int error = start_helper_thread(); error != 0) return error;
        auto out = std::make_unique<fanfare_ring>();
        if (const int error = CompletionQueue::create(entries, out->queue); error != 0)
            return error;
        ring = out.release();
        return 0;
    };
    fanfare_ring* ring = nullptr;
    try {
        errno = made(ring);
    } catch (const std::bad_alloc&) {
        errno = fail(ENOMEM, "");
    }
    return ring;
}

void fanfare_ring_destroy(fanfare_ring* ring) {
    if (ring == nullptr) return;
    if (ring->queue->mine()) {
        std::uint32_t cancelled = 0;
        bool begun = false;
        helper_thread().cancel(*ring->queue, nullptr, cancelled, begun);
    }
    delete ring;
}

int fanfare_ring_submit(fanfare_ring* ring, const fanfare_submission* submissions, unsigned count) {
    if (ring == nullptr) return refuse(fail(EFAULT, "the ring is a null pointer"));
    if (inside_a_call())
        return refuse(fail(EAGAIN, "a signal handler interrupted a call on a Fanfare socket"));
    CompletionQueue& queue = *ring->queue;
    if (!queue.mine()) return refuse(fail(EBADF, "the ring belongs to the process that made it"));
    count = std::min<unsigned>(count, INT_MAX);
    if (!may_be_memory(submissions, count * sizeof *submissions))
        return refuse(bad_memory("the submissions are no memory of this program"));
    const std::uint32_t accepted = count == 0 ? 0 : queue.accept(count);
    if (accepted == 0 && count != 0)
        return refuse(fail(EBUSY, "the ring is full; take completions first"));
    Touched touched;
    for (std::uint32_t i = 0; i < accepted; ++i) {
        int error = 0;
        try {
            error = put_in_line(ring->queue, submissions[i], touched);
        } catch (const std::bad_alloc&) {
            error = fail(ENOMEM, "");
        }
        if (error != 0) queue.post({submissions[i].user_data, -error, 0, 0});
    }
    touched.look_after();
    errno = queue.under_way() != 0 ? fail(EINPROGRESS, "calls are under way") : 0;
    return static_cast<int>(accepted);
}

int fanfare_ring_wait(fanfare_ring* ring, unsigned at_least, int64_t timeout_ns) {
    if (ring == nullptr) return refuse(fail(EFAULT, "the ring is a null pointer"));
    if (inside_a_call())
        return refuse(fail(EAGAIN, "a signal handler interrupted a call on a Fanfare socket"));
    const fanfare::Nanos deadline = timeout_ns < 0    ? fanfare::kNever
                                    : timeout_ns == 0 ? 0
                                                      : deadline_after(timeout_ns);
    std::uint32_t standing = 0;
    try {
        const int error = ring->queue->wait(at_least, deadline, standing);
        if (error != 0) return refuse(error);
    } catch (const std::bad_alloc&) {
        return refuse(fail(ENOMEM, ""));
    }
    return static_cast<int>(standing);
}

int fanfare_ring_peek(fanfare_ring* ring, fanfare_completion* completions, unsigned count) {
    if (ring == nullptr) return refuse(fail(EFAULT, "the ring is a null pointer"));
    if (inside_a_call())
        return refuse(fail(EAGAIN, "a signal handler interrupted a call on a Fanfare socket"));
    if (!may_be_memory(completions, count * sizeof *completions))
        return refuse(bad_memory("the completions are no memory of this program"));
    count = std::min<unsigned>(count, INT_MAX);
    try {
        return static_cast<int>(
            ring->queue->peek({reinterpret_cast<Completion*>(completions), count}));
    } catch (const std::bad_alloc&) {
        return refuse(fail(ENOMEM, ""));
    }
}

int fanfare_ring_seen(fanfare_ring* ring, unsigned count) {
    if (ring == nullptr) return refuse(fail(EFAULT, "the ring is a null pointer"));
    return static_cast<int>(ring->queue->seen(count));
}

int fanfare_ring_reap(fanfare_ring* ring, fanfare_completion* completions, unsigned count) {
    const int n = fanfare_ring_peek(ring, completions, count);
    return n <= 0 ? n : fanfare_ring_seen(ring, static_cast<unsigned>(n));
}

int fanfare_ring_fd(fanfare_ring* ring) {
    if (ring == nullptr) return refuse(fail(EFAULT, "the ring is a null pointer"));
    return ring->queue->descriptor();
}

}  // extern "C"

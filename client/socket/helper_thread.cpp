#include "client/socket/helper_thread.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <new>
#include <unordered_map>
#include <utility>
#include <vector>

#include "client/socket/hidden_descriptor.hpp"
#include "client/socket/last_error.hpp"
#include "client/socket/signals_held.hpp"
#include "ipc/wakeup.hpp"

namespace fanfare::client {

namespace {

// As a blocked call does it (waiting.cpp): another holder of a descriptor may have taken the octet
// that announced something.
constexpr int kLookMilliseconds = 100;
constexpr int kEventsAtOnce = 64;

std::mutex start_mutex;
// Release; partner: the acquire of whoever did not start it.
std::atomic<HelperThread*> instance{nullptr};
std::atomic<std::uint32_t> generation{0};

}  // namespace

struct HelperThread::State {
    HiddenDescriptor epoll, event;
    std::mutex mutex;
    std::unordered_map<const Socket*, std::shared_ptr<PendingCalls>> calls;
    std::vector<std::shared_ptr<PendingCalls>> hurried;
    // 1: the thread sleeps without a limit. Partner: look_after(), which leaves a call pending and
    // then looks.
    std::atomic<std::uint32_t> asleep{0};
};

std::uint32_t fork_generation() {
    return generation.load(std::memory_order_relaxed);
}

HelperThread& helper_thread() {
    return *instance.load(std::memory_order_acquire);
}

// In the child of a fork: the thread is not here, and what it was about may be locked for ever. Its
// memory is left alone, its descriptors are closed.
void abandon_helper_thread() {
    generation.fetch_add(1, std::memory_order_relaxed);
    new (&start_mutex) std::mutex;
    HelperThread* const former = instance.exchange(nullptr);
    if (former == nullptr) return;
    former->state_->epoll.reset();
    former->state_->event.reset();
}

int start_helper_thread() {
    const QuietLock lock(start_mutex);
    if (instance.load(std::memory_order_relaxed) != nullptr) return 0;
    static const int registered = ::pthread_atfork(nullptr, nullptr, abandon_helper_thread);
    (void)registered;
    const auto no_descriptor = [] {
        return fail(errno, "no descriptor is left; close some or raise the limit (ulimit -n)");
    };
    auto state = std::make_unique<HelperThread::State>();
    state->epoll = HiddenDescriptor(ipc::Descriptor(::epoll_create1(EPOLL_CLOEXEC)));
    if (!state->epoll) return no_descriptor();
    state->event = HiddenDescriptor(ipc::Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)));
    if (!state->event) return no_descriptor();
    epoll_event kicked{};
    kicked.events = EPOLLIN;
    if (::epoll_ctl(state->epoll.get(), EPOLL_CTL_ADD, state->event.get(), &kicked) != 0)
        return fail(errno, "");
    auto* const helper = new HelperThread;
    helper->state_ = state.get();
    // Signals are the program's threads' business.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread{};
    const int error = ::pthread_create(
        &thread, nullptr,
        [](void* self) -> void* {
            static_cast<HelperThread*>(self)->run();
            return nullptr;
        },
        helper);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error != 0) {
        delete helper;
        return fail(error, "no thread can be had for asynchronous calls");
    }
    (void)::pthread_detach(thread);
    (void)state.release();
    instance.store(helper, std::memory_order_release);
    return 0;
}

void HelperThread::kick() const {
    const std::uint64_t one = 1;
    (void)!::write(state_->event.get(), &one, sizeof one);
}

std::shared_ptr<PendingCalls> HelperThread::known(const Socket* socket) {
    const QuietLock lock(state_->mutex);
    const auto found = state_->calls.find(socket);
    return found != state_->calls.end() ? found->second : nullptr;
}

std::shared_ptr<PendingCalls> HelperThread::take(const Socket* socket) {
    const QuietLock lock(state_->mutex);
    const auto found = state_->calls.find(socket);
    if (found == state_->calls.end()) return nullptr;
    auto calls = std::move(found->second);
    state_->calls.erase(found);
    return calls;
}

std::shared_ptr<PendingCalls> HelperThread::calls_of(const std::shared_ptr<Socket>& socket) {
    const QuietLock lock(state_->mutex);
    auto& calls = state_->calls[socket.get()];
    if (calls == nullptr) calls = std::make_shared<PendingCalls>(socket, state_->epoll.get());
    return calls;
}

void HelperThread::hurry(std::shared_ptr<PendingCalls> calls) {
    const QuietLock lock(state_->mutex);
    state_->hurried.push_back(std::move(calls));
}

// A call that was put in line while the socket was closed, behind forget_pending_calls().
void HelperThread::let_go_if_closed(const PendingCalls& calls) {
    if (!calls.closed()) return;
    if (const auto taken = take(calls.key())) taken->close();
}

void HelperThread::look_after(const std::shared_ptr<PendingCalls>& calls) {
    switch (calls->run()) {
        case PendingCalls::Turn::idle:
            return let_go_if_closed(*calls);
        case PendingCalls::Turn::more:
            hurry(calls);
            kick();
            return;
        case PendingCalls::Turn::waits:
            ipc::publish_fence(ipc::AtomicMemory{});
            if (ipc::take_sleeper(ipc::AtomicMemory{}, state_->asleep)) kick();
    }
}

void HelperThread::cancel(const CompletionQueue& queue, const std::uint64_t* user_data,
                          std::uint32_t& cancelled, bool& begun) {
    std::vector<std::shared_ptr<PendingCalls>> all;
    {
        const QuietLock lock(state_->mutex);
        for (const auto& [socket, calls] : state_->calls) all.push_back(calls);
    }
    for (const auto& calls : all) cancelled += calls->cancel(queue, user_data, begun);
}

void HelperThread::run() {
    epoll_event events[kEventsAtOnce];
    std::vector<std::shared_ptr<PendingCalls>> at_hand;
    const auto go_on = [&](const std::shared_ptr<PendingCalls>& calls, std::uint32_t event) {
        const auto turn = calls->run(event);
        if (turn == PendingCalls::Turn::more) hurry(calls);
        if (turn == PendingCalls::Turn::idle) let_go_if_closed(*calls);
    };
    for (;;) {
        bool hurried = false;
        {
            const QuietLock lock(state_->mutex);
            hurried = !state_->hurried.empty();
        }
        const auto pending = [&] {
            const QuietLock lock(state_->mutex);
            for (const auto& [socket, calls] : state_->calls)
                if (calls->any()) return true;
            return false;
        };
        int limit = hurried ? 0 : kLookMilliseconds;
        if (!hurried && ipc::prepare_sleep(ipc::AtomicMemory{}, state_->asleep, pending))
            limit = -1;
        const int n = ::epoll_wait(state_->epoll.get(), events, kEventsAtOnce, limit);
        state_->asleep.store(0, std::memory_order_relaxed);
        for (int i = 0; i < n; ++i) {
            if (events[i].data.ptr == nullptr) {
                std::uint64_t count = 0;
                (void)!::read(state_->event.get(), &count, sizeof count);
            } else if (auto calls = known(static_cast<Socket*>(events[i].data.ptr))) {
                go_on(calls, events[i].events);
            }
        }
        {
            const QuietLock lock(state_->mutex);
            at_hand.swap(state_->hurried);
            if (n == 0 && !hurried)
                for (const auto& [socket, calls] : state_->calls)
                    if (calls->any()) at_hand.push_back(calls);
        }
        for (const auto& calls : at_hand) go_on(calls, 0);
        at_hand.clear();
    }
}

void forget_pending_calls(Socket& socket) {
    HelperThread* const helper = instance.load(std::memory_order_acquire);
    if (helper == nullptr) return;
    if (const auto calls = helper->take(&socket)) calls->close();
}

void look_at_pending_calls(Socket& socket) {
    HelperThread* const helper = instance.load(std::memory_order_acquire);
    if (helper == nullptr) return;
    if (const auto calls = helper->known(&socket)) helper->look_after(calls);
}

}  // namespace fanfare::client

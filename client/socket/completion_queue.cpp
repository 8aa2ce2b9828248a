#include "client/socket/completion_queue.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "client/socket/helper_thread.hpp"
#include "client/socket/last_error.hpp"
#include "client/socket/pending_calls.hpp"
#include "client/socket/signals_held.hpp"
#include "client/socket/waiting.hpp"
#include "ipc/wakeup.hpp"

namespace fanfare::client {

int CompletionQueue::create(std::uint32_t entries, std::shared_ptr<CompletionQueue>& out) {
    auto queue = std::make_shared<CompletionQueue>();
    entries = ipc::CompletionRing::entries_for(entries);
    ipc::MemoryFailure failure;
    auto region = ipc::Region::create({.name = "fanfare-completions",
                                       .bytes = ipc::CompletionRing::bytes_for(entries),
                                       .lock = false},
                                      failure);
    if (!region) return fail(failure.error, failure.text);
    auto memory = ipc::Mapping::read_write(region->descriptor(), 0, failure);
    if (!memory) return fail(failure.error, failure.text);
    queue->memory_ = std::move(*memory);
    queue->ring_ = ipc::CompletionRing::init(queue->memory_.memory(), entries);
    queue->event_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!queue->event_)
        return fail(errno, "no descriptor is left; close some or raise the limit (ulimit -n)");
    queue->generation_ = fork_generation();
    out = std::move(queue);
    return 0;
}

bool CompletionQueue::mine() const {
    return generation_ == fork_generation();
}

void CompletionQueue::signal() const {
    const std::uint64_t one = 1;
    (void)!::write(event_.get(), &one, sizeof one);
}

void CompletionQueue::drain() const {
    std::uint64_t count = 0;
    (void)!::read(event_.get(), &count, sizeof count);
}

void CompletionQueue::post(const ipc::Completion& completion) {
    bool wake = false;
    {
        const QuietLock lock(posting_);
        ring_.post(completion);
        ipc::publish_fence(ipc::AtomicMemory{});
        wake = ipc::take_sleeper(ipc::AtomicMemory{}, ring_.waiting());
    }
    if (wake) signal();
}

// Readable while something stands there, else not, and the next completion signals.
void CompletionQueue::settle() {
    auto& flag = ring_.waiting();
    const auto something = [&] { return ring_.standing() != 0; };
    if (!something()) {
        // A flag that stands: nobody signalled since.
        if (flag.load(std::memory_order_relaxed) == 0) drain();
        if (ipc::prepare_sleep(ipc::AtomicMemory{}, flag, something)) return;
    }
    if (ipc::take_sleeper(ipc::AtomicMemory{}, flag)) signal();
}

std::uint32_t CompletionQueue::peek(std::span<ipc::Completion> out) {
    std::uint32_t n = ring_.peek(out);
    if (n == 0 && !out.empty()) {
        help();
        n = ring_.peek(out);
    }
    return n;
}

std::uint32_t CompletionQueue::seen(std::uint32_t count) {
    const std::uint32_t n = ring_.seen(count);
    if (descriptor_wanted_) settle();
    return n;
}

int CompletionQueue::descriptor() {
    if (!descriptor_wanted_) {
        // Until now nobody had kept flag and descriptor together.
        drain();
        ring_.waiting().store(1, std::memory_order_relaxed);
        descriptor_wanted_ = true;
    }
    settle();
    return event_.get();
}

int CompletionQueue::wait(std::uint32_t at_least, Nanos deadline, std::uint32_t& standing) {
    at_least = std::clamp<std::uint32_t>(at_least, 1, ring_.entries());
    const auto enough = [&] {
        standing = ring_.standing();
        return standing >= at_least || ring_.under_way() == 0;
    };
    int error = 0;
    const bool awake = wait_awake([&] {
        if (enough()) return true;
        help();
        return enough() || deadline == 0;
    });
    Patience patience;
    patience.deadline = deadline;
    if (!awake) patience.signals.hold();
    while (!awake && !enough()) {
        drain();
        const std::uint32_t before = ring_.standing();
        const auto more = [&] { return ring_.standing() != before; };
        if (!ipc::prepare_sleep(ipc::AtomicMemory{}, ring_.waiting(), more)) continue;
        bool hung_up = false;
        const Wake wake = Endpoint(event_.get()).sleep(POLLIN, patience, hung_up);
        if (wake == Wake::timed_out) break;
        if (wake == Wake::interrupted) {
            error = EINTR;
            break;
        }
    }
    (void)enough();
    if (descriptor_wanted_) settle();
    return error != 0 && standing == 0 ? fail(error, "") : 0;
}

void CompletionQueue::note_pending(const std::shared_ptr<PendingCalls>& calls) {
    const QuietLock lock(noting_);
    pending_[calls.get()] = calls;
    if (pending_.size() < look_through_at_) return;
    std::erase_if(pending_, [](const auto& entry) { return entry.second.expired(); });
    look_through_at_ = 2 * pending_.size() + 64;
}

// Those with pending calls; the others are out.
std::vector<std::shared_ptr<PendingCalls>> CompletionQueue::pending() {
    std::vector<std::shared_ptr<PendingCalls>> out;
    const QuietLock lock(noting_);
    for (auto at = pending_.begin(); at != pending_.end();) {
        auto calls = at->second.lock();
        if (calls == nullptr || !calls->any()) {
            at = pending_.erase(at);
            continue;
        }
        out.push_back(std::move(calls));
        ++at;
    }
    return out;
}

// The reader does what it waits for itself, as far as it can be done now: a wake-up of the helper
// thread would cost more.
void CompletionQueue::help() {
    if (!mine() || ring_.under_way() == 0) return;
    for (const auto& calls : pending())
        if (calls->may_go_on()) helper_thread().look_after(calls);
}

}  // namespace fanfare::client

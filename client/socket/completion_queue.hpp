// Where asynchronous calls end (fanfare/async.h): a completion ring in shared memory, and an
// eventfd that is readable while completions stand there. Many may post and submit at a time, one
// takes.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/types.hpp"
#include "ipc/completion_ring.hpp"
#include "ipc/descriptor.hpp"
#include "ipc/memory.hpp"

namespace fanfare::client {

class PendingCalls;

class CompletionQueue {
  public:
    // 0 or an errno, with last_error filled.
    static int create(std::uint32_t entries, std::shared_ptr<CompletionQueue>& out);

    // False in a child of the process that made it: calls are under way there, not here.
    bool mine() const;

    std::uint32_t accept(std::uint32_t wanted) { return ring_.accept(wanted); }
    std::uint32_t under_way() const { return ring_.under_way(); }
    // Any thread. Wakes whoever waits.
    void post(const ipc::Completion& completion);

    // The one reader.
    std::uint32_t peek(std::span<ipc::Completion> out);
    std::uint32_t seen(std::uint32_t count);
    // Waits until `at_least` stand there, nothing is under way that could become one, or
    // `deadline`. How many stand there; EINTR. The waiting thread makes progress itself for some
    // microseconds before it sleeps.
    int wait(std::uint32_t at_least, Nanos deadline, std::uint32_t& standing);
    // From here on the descriptor is kept true for poll().
    int descriptor();

    // A socket on which calls of this queue may be pending, for a reader that helps itself.
    void note_pending(const std::shared_ptr<PendingCalls>& calls);

  private:
    void signal() const;
    void drain() const;
    void settle();
    void help();
    std::vector<std::shared_ptr<PendingCalls>> pending();

    ipc::Mapping memory_;
    ipc::CompletionRing ring_;
    ipc::Descriptor event_;
    std::uint32_t generation_ = 0;  // of forks
    // The reader's: the descriptor was asked for.
    bool descriptor_wanted_ = false;
    std::mutex posting_;
    std::mutex noting_;
    // Weak: a socket that is closed goes, whatever ring it was used with.
    std::unordered_map<const PendingCalls*, std::weak_ptr<PendingCalls>> pending_;
    std::size_t look_through_at_ = 64;  // entries
};

}  // namespace fanfare::client

// What a worker and the file tier of a followed session say to each other (docs/repairer.md): the
// worker asks for numbers that its window no longer holds, the tier gives their octets back. One
// worker and one thread of the tier; nobody waits for the other.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "ipc/counter.hpp"
#include "ipc/spsc_ring.hpp"

namespace fanfare::dataplane {

struct alignas(ipc::kCacheLine) RepairStore {
    // Payload of the largest packet of an interface (MTU 9000 at most).
    static constexpr std::size_t kPayloadMost = 9216;
    // As many as a repairer has under way, so that a request always finds room
    // (LocalRepairer::kFetchesUnderWay).
    static constexpr std::size_t kRequests = 32;

    struct Reply {
        std::uint64_t ordinal;
        bool found;
        std::uint16_t length, flags;  // flags: EntryFlag
        std::uint32_t apdu_length, first_sqn, offset;
        std::byte payload[kPayloadMost];
    };

    RepairStore() : requests(kRequests), replies(kRequests) {}

    ipc::SpscRing<std::uint64_t> requests;  // worker -> tier: ordinals
    ipc::SpscRing<Reply> replies;           // tier -> worker

    // Ordinals the tier holds, [first, end). Written by the tier: first grows before what it
    // leaves out is overwritten, end is stored release behind what it takes in. Partner: the
    // worker's acquire of end. A number inside may be gone all the same by the time it is asked
    // for; then the reply says so.
    alignas(ipc::kCacheLine) std::atomic<std::uint64_t> first{0};
    std::atomic<std::uint64_t> end{0};

    // Set before the session is made. `sleeping`: the tier's flag (ipc/wakeup.hpp); `bell`: its
    // eventfd.
    std::atomic<std::uint32_t>* sleeping = nullptr;
    int bell = -1;
    std::uint32_t worker = 0;

    // Written by the tier, for status.
    alignas(ipc::kCacheLine) ipc::Counter packets_written;
    ipc::Counter bytes_written, packets_read, blocks_read, packets_missed, overtaken, failures;
    std::atomic<std::uint32_t> direct{0};  // 1: the file is written past the page cache
};

}  // namespace fanfare::dataplane

// Local readers that follow receive sessions of a worker: who must be woken when a lead moves.
// Nodes come from one pool of the worker, so any number of readers can follow one session and
// nothing is allocated.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/types.hpp"
#include "ipc/socket_page.hpp"

namespace fanfare::dataplane {

class ReaderPool {
  public:
    static constexpr std::uint32_t kNone = 0xFFFFFFFF;
    struct Reader {
        std::uint64_t socket_id = 0;
        ipc::SocketPage* page = nullptr;  // the client's as well; outlives the node
        int endpoint = -1;
        Nanos woken_at = 0;
        std::uint32_t next = kNone;
    };

    explicit ReaderPool(std::uint32_t readers_max) : readers_(readers_max) {
        for (std::uint32_t i = 0; i < readers_max; ++i) {
            readers_[i].next = i + 1 < readers_max ? i + 1 : kNone;
        }
        free_ = readers_max > 0 ? 0 : kNone;
    }

    // Puts a reader in front of the list that starts at `head`; false when the pool is empty: that
    // reader is then woken by the control thread's sweep alone.
    bool attach(std::uint32_t& head, std::uint64_t socket_id, ipc::SocketPage* page, int endpoint) {
        if (free_ == kNone) return false;
        const std::uint32_t node = free_;
        free_ = readers_[node].next;
        readers_[node] = Reader{socket_id, page, endpoint, -ipc::kWakeIntervalNanos, head};
        head = node;
        return true;
    }
    void detach(std::uint32_t& head, std::uint64_t socket_id) {
        for (std::uint32_t* link = &head; *link != kNone; link = &readers_[*link].next) {
            const std::uint32_t node = *link;
            if (readers_[node].socket_id != socket_id) continue;
            *link = readers_[node].next;
            readers_[node].next = free_;
            free_ = node;
            return;
        }
    }
    void detach_all(std::uint32_t& head) {
        while (head != kNone) detach(head, readers_[head].socket_id);
    }
    template <typename Visit>
    void for_each(std::uint32_t head, Visit&& visit) {
        for (std::uint32_t node = head; node != kNone; node = readers_[node].next)
            visit(readers_[node]);
    }

  private:
    std::vector<Reader> readers_;
    std::uint32_t free_ = kNone;
};

}  // namespace fanfare::dataplane

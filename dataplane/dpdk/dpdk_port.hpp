// One worker's share of one ethdev: a transmit queue, the receive queues that fall to it, and their
// buffers.
//
// Memory: a received frame is an mbuf, given back by release(); an empty frame is an mbuf of
// `pool`, which transmit() hands to the driver. Nothing is allocated and no lock is taken after
// construction. A short pool gives fewer frames, never an error.
#pragma once

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dataplane/dpdk/device_text.hpp"
#include "dataplane/kernel/kernel_link.hpp"
#include "dataplane/port.hpp"
#include "ipc/counter.hpp"
#include "ipc/receive_region.hpp"

namespace fanfare::dataplane::dpdk {

// What it has of the ethdev.
struct DpdkPortQueues {
    std::uint16_t port_id = 0xFFFF;  // none, until the device is opened
    std::uint16_t transmit_queue = 0;
    std::vector<std::uint16_t> receive_queues;
    rte_mempool* pool = nullptr;  // of the transmit queue; outlives the port
    bool busy_polls = false;      // AF_XDP: each empty look at the ring is a system call
};

struct DpdkPortSettings {
    DeviceKind kind = DeviceKind::other;
    std::string kernel_interface;  // empty where there is none
    Address address;
    std::uint16_t mtu = 1500;
};

// Each on lines of its own, as its neighbour in memory is another worker's.
class alignas(ipc::kCacheLine) DpdkPort {
  public:
    explicit DpdkPort(DpdkPortSettings settings);
    DpdkPort(const DpdkPort&) = delete;
    DpdkPort& operator=(const DpdkPort&) = delete;

    // Most that one call to the driver takes: its rings are worked in batches of this order, and
    // the arrays stay on the stack.
    static constexpr std::size_t kBurst = 64;

    std::size_t receive(std::span<RxFrame> rx) {
        if (is_shut()) return 0;
        rte_mbuf* got[kBurst];
        const std::size_t queues = queues_.receive_queues.size();
        std::size_t count = 0;
        // Starts where the last call stopped, so that a busy queue does not starve the others.
        for (std::size_t i = 0; i < queues && count < rx.size(); ++i) {
            const std::uint16_t queue = queues_.receive_queues[next_queue_];
            const auto wanted = static_cast<std::uint16_t>(std::min(rx.size() - count, kBurst));
            const std::uint16_t n = rte_eth_rx_burst(queues_.port_id, queue, got, wanted);
            if (queues_.busy_polls && n == 0) system_calls_.add();
            for (std::uint16_t k = 0; k < n; ++k) {
                rte_mbuf* m = got[k];
                if (m->nb_segs != 1 && !join_segments(m)) continue;
                rte_prefetch0(rte_pktmbuf_mtod(m, const void*));
                rx[count++] = RxFrame{rte_pktmbuf_mtod(m, const std::byte*), m->data_len, m};
            }
            if (n == wanted) break;
            next_queue_ = next_queue_ + 1 == queues ? 0 : next_queue_ + 1;
        }
        return count;
    }

    void release(std::span<RxFrame> rx) { free_handles(rx); }

    std::size_t allocate(std::span<engine::TxFrame> tx) {
        rte_mbuf* got[kBurst];
        std::size_t count = 0;
        while (count < tx.size()) {
            std::size_t n = std::min(tx.size() - count, kBurst);
            // The pool gives all or none: ask for less until it can.
            while (n > 0 &&
                   rte_pktmbuf_alloc_bulk(queues_.pool, got, static_cast<unsigned>(n)) != 0)
                n /= 2;
            if (n == 0) break;
            for (std::size_t k = 0; k < n; ++k) {
                engine::TxFrame& frame = tx[count++];
                frame = engine::TxFrame{};
                frame.data = static_cast<std::byte*>(got[k]->buf_addr) + RTE_PKTMBUF_HEADROOM;
                frame.capacity = static_cast<std::uint16_t>(got[k]->buf_len - RTE_PKTMBUF_HEADROOM);
                frame.handle = got[k];
            }
        }
        return count;
    }

    std::size_t transmit(std::span<engine::TxFrame> tx) {
        if (is_shut()) return 0;
        rte_mbuf* send[kBurst];
        std::size_t done = 0;
        while (done < tx.size()) {
            const std::size_t n = std::min(tx.size() - done, kBurst);
            for (std::size_t k = 0; k < n; ++k) {
                const engine::TxFrame& frame = tx[done + k];
                auto* m = static_cast<rte_mbuf*>(frame.handle);
                const std::byte* begin = frame.data - frame.prepended;
                m->data_off =
                    static_cast<std::uint16_t>(begin - static_cast<std::byte*>(m->buf_addr));
                m->data_len = static_cast<std::uint16_t>(frame.length + frame.prepended);
                m->pkt_len = m->data_len;
                send[k] = m;
            }
            const std::uint16_t taken = rte_eth_tx_burst(queues_.port_id, queues_.transmit_queue,
                                                         send, static_cast<std::uint16_t>(n));
            count_transmit(taken);
            done += taken;
            if (taken < n) break;
        }
        return done;
    }

    void give_back(std::span<engine::TxFrame> tx) { free_handles(tx); }

    bool set_multicast_filter(std::span<const MacAddress> groups);

    // Of a kernel interface as the kernel sees it at the time of the call, else of the ethdev.
    PortFacts facts() const;

    std::uint64_t system_calls() const { return system_calls_.get(); }
    const ipc::Counter& system_calls_counter() const { return system_calls_; }
    // Received frames in several segments that did not fit into one, dropped.
    std::uint64_t segments_dropped() const { return segments_dropped_.get(); }

    rte_mempool* pool() const { return queues_.pool; }

    // For the thread that opened the device, which may stop and start it only while no worker is
    // inside its driver. ask_shut(); once shut() says true the worker keeps out until reopen().
    void ask_shut() { gate_.store(Gate::asked, std::memory_order_relaxed); }
    // The same, but only of a worker that has given all frames back: one that was told that the
    // interface has gone, and says so with stay_out().
    void ask_empty() { gate_.store(Gate::asked_empty, std::memory_order_relaxed); }
    bool shut() const {
        return gate_.load(std::memory_order_acquire) == Gate::shut;
    }                                                                      // partner: is_shut()
    void reopen() { gate_.store(Gate::open, std::memory_order_release); }  // partner: is_shut()
    // Before a worker has the port.
    void start_shut() { gate_.store(Gate::shut, std::memory_order_relaxed); }
    // Before a worker has the port, or while it is shut: what it has of the ethdev from now on.
    void take(DpdkPortQueues queues);

    // The worker's, each turn while it was told that the interface has gone: it has no frame of the
    // port's and calls nothing else of it.
    void stay_out() {
        const Gate gate = gate_.load(std::memory_order_acquire);
        // Partner: shut().
        if (gate == Gate::asked || gate == Gate::asked_empty)
            gate_.store(Gate::shut, std::memory_order_release);
    }

  private:
    enum class Gate : std::uint32_t { open, asked, asked_empty, shut };

    // The worker's side: acquires what was done to the device before reopen(), and answers
    // ask_shut() with a release of all it did there.
    bool is_shut() {
        const Gate gate = gate_.load(std::memory_order_acquire);
        if (gate == Gate::open) [[likely]]
            return false;
        if (gate == Gate::asked) gate_.store(Gate::shut, std::memory_order_release);
        return true;
    }

    template <typename Frame>
    static void free_handles(std::span<Frame> frames) {
        rte_mbuf* back[kBurst];
        for (std::size_t done = 0; done < frames.size();) {
            const std::size_t n = std::min(frames.size() - done, kBurst);
            for (std::size_t k = 0; k < n; ++k)
                back[k] = static_cast<rte_mbuf*>(frames[done + k].handle);
            rte_pktmbuf_free_bulk(back, static_cast<unsigned>(n));
            done += n;
        }
    }

    void count_transmit(std::uint16_t taken) {
        // What the kernel takes of an AF_XDP ring in one call (its TX_BATCH_SIZE).
        constexpr std::uint64_t kKernelBatch = 32;
        if (settings_.kind == DeviceKind::af_xdp)
            system_calls_.add(1 + taken / kKernelBatch);
        else if (settings_.kind == DeviceKind::af_packet)
            system_calls_.add();
        else if (settings_.kind == DeviceKind::tap)
            system_calls_.add(taken);
    }

    // Puts a chain of segments into the first one. False: no room, and the frame is freed and
    // counted.
    bool join_segments(rte_mbuf* m);

    DpdkPortQueues queues_;
    DpdkPortSettings settings_;
    std::size_t next_queue_ = 0;
    ipc::Counter system_calls_;  // written by the worker, read by whoever makes up a status
    ipc::Counter segments_dropped_;
    KernelMulticast kernel_filter_;
    std::vector<rte_ether_addr> filter_;  // room for KernelMulticast::kListMax taken once
    bool all_multicast_ = false;
    bool kernel_answers_ = false;
    // Written by two threads, if rarely: apart from what the worker writes all the time.
    alignas(ipc::kCacheLine) std::atomic<Gate> gate_{Gate::open};
};
static_assert(PacketPort<DpdkPort>);
static_assert(RTE_PKTMBUF_HEADROOM >= engine::kFrameHeadroom);

}  // namespace fanfare::dataplane::dpdk

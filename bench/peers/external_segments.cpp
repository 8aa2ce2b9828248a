// What a copy into the frame costs against a segment that stands in the send window itself (an
// external buffer), on one kind of port: the question that the send path's design turns on.
//   external_segments SIZE SECONDS TURNS -- EAL arguments (one --vdev, or two that are joined)
// Frames as the send path makes them, headers of 58 octets and SIZE octets out of a window of
// 16 MiB. Three forms, in turn:
//   copy      one segment; the payload is copied and summed in one pass
//   external  two segments, the second in the window; the payload is read to sum it
//   kept sum  two segments; the payload's sum is known already, nobody reads it here
// The first port sends on the main lcore. The second, where there is one, is emptied by another
// lcore, which checks every frame's sum. Prints one line of JSON: packets a second of each turn.
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_mbuf.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "bench/peers/feed_latency.h"
#include "engine/checksum/checksum.hpp"

namespace {

using namespace fanfare;

constexpr std::uint16_t kBurst = 32, kRing = 1024;
constexpr std::uint32_t kPool = 8191;
constexpr std::size_t kWindow = std::size_t{16} << 20;
// Ethernet, IP and an ODATA header; the field of the sum is at the end of it here.
constexpr std::size_t kHeader = 58, kSumAt = kHeader - 2;
enum Form : std::size_t { copy, external, kept_sum };
constexpr std::array<const char*, 3> kNames{"copy", "external", "kept sum"};

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "external_segments: %s\n", what);
    std::exit(1);
}

struct Drain {
    // Written by the draining lcore; partner: the reads between turns. Relaxed: figures alone.
    std::atomic<std::uint64_t> frames{0}, damaged{0};
    std::atomic<bool> over{false};
};
Drain drain;

int drain_port(void*) {
    const checksum::Kernels& kernels = checksum::best_kernels();
    std::array<rte_mbuf*, kBurst> frames{};
    while (!drain.over.load(std::memory_order_relaxed)) {
        const std::uint16_t count = rte_eth_rx_burst(1, 0, frames.data(), kBurst);
        std::uint64_t damaged = 0, ours = 0;
        for (std::uint16_t i = 0; i < count; ++i) {
            const auto* octets = rte_pktmbuf_mtod(frames[i], const std::byte*);
            // The kernel says things of its own on a veth.
            if (frames[i]->data_len > kHeader && octets[0] == std::byte{0xFF}) {
                ++ours;
                if (!checksum::intact(kernels.sum(octets + kSumAt, frames[i]->data_len - kSumAt)))
                    ++damaged;
            }
        }
        rte_pktmbuf_free_bulk(frames.data(), count);
        drain.frames.fetch_add(ours, std::memory_order_relaxed);
        drain.damaged.fetch_add(damaged, std::memory_order_relaxed);
    }
    return 0;
}

void start_port(std::uint16_t port, rte_mempool* pool) {
    rte_eth_conf conf{};
    rte_eth_dev_info info{};
    rte_eth_dev_info_get(port, &info);
    conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    if (rte_eth_dev_configure(port, 1, 1, &conf) != 0 ||
        rte_eth_rx_queue_setup(port, 0, kRing, 0, nullptr, pool) != 0 ||
        rte_eth_tx_queue_setup(port, 0, kRing, 0, nullptr) != 0 || rte_eth_dev_start(port) != 0)
        fail("a port does not start");
}

void await_link(std::uint16_t port) {
    rte_eth_link link{};
    for (int i = 0; i < 500; ++i) {  // memif connects when both sides are there
        if (rte_eth_link_get_nowait(port, &link) == 0 && link.link_status != 0) return;
        rte_delay_us_sleep(10000);
    }
    fail("the link does not come up");
}

class Sender {
  public:
    Sender(std::size_t size, rte_mempool* frames, rte_mempool* empties)
        : size_(size),
          frames_(frames),
          empties_(empties),
          window_(kWindow),
          sums_(kWindow / size),
          kernels_(checksum::best_kernels()) {
        for (std::size_t i = 0; i < window_.size(); ++i)
            window_[i] = static_cast<std::byte>(i * 2654435761U >> 24);
        for (std::size_t i = 0; i < sums_.size(); ++i)
            sums_[i] = kernels_.sum(&window_[i * size], size);
        shared_.free_cb = [](void*, void*) {};
        rte_mbuf_ext_refcnt_set(&shared_, 1);
        std::memset(header_.data(), 0xFF, 14);
    }

    double turn(Form form, double seconds, bool drained) {
        const std::uint64_t came = drain.frames.load(std::memory_order_relaxed);
        const std::uint64_t began = feed_nanos(),
                            ends = began + static_cast<std::uint64_t>(seconds * 1e9);
        std::uint64_t sent = 0, now = began;
        while (now < ends) {
            sent += burst(form);
            now = feed_nanos();
        }
        // With a drain, what arrived counts: a port may take frames and lose them.
        const std::uint64_t counted =
            drained ? drain.frames.load(std::memory_order_relaxed) - came : sent;
        return static_cast<double>(counted) / (static_cast<double>(now - began) / 1e9);
    }

  private:
    std::uint16_t burst(Form form) {
        std::array<rte_mbuf*, kBurst> first{}, second{};
        if (rte_pktmbuf_alloc_bulk(frames_, first.data(), kBurst) != 0) return flush(0, first);
        if (form != copy) {
            if (rte_pktmbuf_alloc_bulk(empties_, second.data(), kBurst) != 0) {
                rte_pktmbuf_free_bulk(first.data(), kBurst);
                return 0;
            }
            rte_mbuf_ext_refcnt_update(&shared_, kBurst);
        }
        for (std::uint16_t i = 0; i < kBurst; ++i) {
            const std::size_t record = next_;
            next_ = next_ + 1 == sums_.size() ? 0 : next_ + 1;
            const std::byte* payload = &window_[record * size_];
            rte_mbuf* m = first[i];
            auto* to = rte_pktmbuf_mtod(m, std::byte*);
            std::memcpy(to, header_.data(), kHeader);
            std::uint32_t sum = 0;
            if (form == copy) {
                sum = kernels_.copy_and_sum(to + kHeader, payload, size_);
                m->data_len = static_cast<std::uint16_t>(kHeader + size_);
            } else {
                rte_mbuf* s = second[i];
                rte_pktmbuf_attach_extbuf(s, const_cast<std::byte*>(payload),
                                          reinterpret_cast<rte_iova_t>(payload),
                                          static_cast<std::uint16_t>(size_), &shared_);
                s->data_len = static_cast<std::uint16_t>(size_);
                s->data_off = 0;
                sum = form == external ? kernels_.sum(payload, size_) : sums_[record];
                m->data_len = kHeader;
                m->next = s;
                m->nb_segs = 2;
            }
            m->pkt_len = static_cast<std::uint32_t>(kHeader + size_);
            const std::uint16_t stored = checksum::finish(sum);
            std::memcpy(to + kSumAt, &stored, sizeof stored);
        }
        return flush(kBurst, first);
    }

    std::uint16_t flush(std::uint16_t count, std::array<rte_mbuf*, kBurst>& frames) {
        std::uint16_t sent = rte_eth_tx_burst(0, 0, frames.data(), count);
        // A port whose ring is full is tried for a while, as the worker does in its next turns.
        for (int again = 0; sent < count && again < 1000; ++again)
            sent = static_cast<std::uint16_t>(
                sent +
                rte_eth_tx_burst(0, 0, &frames[sent], static_cast<std::uint16_t>(count - sent)));
        if (sent < count) rte_pktmbuf_free_bulk(&frames[sent], count - sent);
        return sent;
    }

    std::size_t size_, next_ = 0;
    rte_mempool *frames_, *empties_;
    std::vector<std::byte> window_;
    std::vector<std::uint32_t> sums_;
    std::array<std::byte, kHeader> header_{};
    rte_mbuf_ext_shared_info shared_{};
    const checksum::Kernels& kernels_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 6 || std::strcmp(argv[4], "--") != 0) fail("SIZE SECONDS TURNS -- EAL arguments");
    const auto size = static_cast<std::size_t>(std::atoi(argv[1]));
    const double seconds = std::atof(argv[2]);
    const int turns = std::atoi(argv[3]);
    if (size < 2 || size % 2 != 0 || size > 1400) fail("SIZE is even, 2 to 1400");
    argv[4] = argv[0];
    if (rte_eal_init(argc - 4, argv + 4) < 0) fail("EAL does not start");
    const std::uint16_t ports = rte_eth_dev_count_avail();
    if (ports < 1 || ports > 2) fail("one or two --vdev are needed");
    rte_mempool* frames =
        rte_pktmbuf_pool_create("frames", kPool, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    rte_mempool* empties = rte_pktmbuf_pool_create("empties", kPool, 256, 0, 0, 0);
    if (frames == nullptr || empties == nullptr) fail("no memory for frames");
    for (std::uint16_t port = 0; port < ports; ++port) start_port(port, frames);
    if (ports == 2) {
        await_link(0);
        const unsigned lcore = rte_get_next_lcore(-1, 1, 0);
        if (lcore >= RTE_MAX_LCORE) fail("two ports need two lcores");
        rte_eal_remote_launch(drain_port, nullptr, lcore);
    }
    Sender sender(size, frames, empties);
    std::array<std::vector<double>, kNames.size()> rates;
    for (int turn = 0; turn < turns; ++turn)
        for (std::size_t form = 0; form < kNames.size(); ++form)
            rates[form].push_back(sender.turn(static_cast<Form>(form), seconds, ports == 2));
    drain.over = true;
    rte_eal_mp_wait_lcore();
    std::printf("{\"damaged\": %llu", static_cast<unsigned long long>(drain.damaged.load()));
    for (std::size_t form = 0; form < kNames.size(); ++form) {
        std::printf(", \"%s\": [", kNames[form]);
        for (std::size_t i = 0; i < rates[form].size(); ++i)
            std::printf("%s%.0f", i == 0 ? "" : ", ", rates[form][i]);
        std::printf("]");
    }
    std::printf("}\n");
    for (std::uint16_t port = 0; port < ports; ++port) rte_eth_dev_stop(port);
    return drain.damaged == 0 ? 0 : 1;
}

/* The least a port can do: one frame there and back, nothing in it but its number. Half of a round
 * is what one-way latencies over the same kind of port are held against.
 *   raw_bounce ask|answer SIZE SECONDS PACE -- EAL arguments (one --vdev)
 * `answer` sends every frame back until it is ended; `ask` sends one at a time at even distances
 * and prints one line of JSON, half round trips. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "feed_latency.h"
#include "feed_message.h"

enum { kBurst = 32, kPool = 8191, kRing = 1024, kWarm = 1000 };
static volatile sig_atomic_t ended;

static void end(int number) {
    (void)number;
    ended = 1;
}

static void fail(const char* what) {
    fprintf(stderr, "raw_bounce: %s\n", what);
    exit(1);
}

static struct rte_mempool* open_port(void) {
    struct rte_mempool* const pool = rte_pktmbuf_pool_create("bounce", kPool, 256, 0, 4096, 0);
    struct rte_eth_conf conf;
    memset(&conf, 0, sizeof conf);
    if (pool == NULL || rte_eth_dev_count_avail() != 1) fail("one --vdev is needed");
    if (rte_eth_dev_configure(0, 1, 1, &conf) != 0 ||
        rte_eth_rx_queue_setup(0, 0, kRing, 0, NULL, pool) != 0 ||
        rte_eth_tx_queue_setup(0, 0, kRing, 0, NULL) != 0 || rte_eth_dev_start(0) != 0)
        fail("the port does not start");
    return pool;
}

static int answer(void) {
    struct rte_mbuf* frames[kBurst];
    while (!ended) {
        const uint16_t count = rte_eth_rx_burst(0, 0, frames, kBurst);
        uint16_t sent = count > 0 ? rte_eth_tx_burst(0, 0, frames, count) : 0;
        for (; sent < count; ++sent) rte_pktmbuf_free(frames[sent]);
    }
    return 0;
}

static int ask(struct rte_mempool* pool, uint16_t size, double seconds, double pace) {
    static struct feed_histogram halves;
    struct rte_mbuf* frames[kBurst];
    struct rte_eth_link link;
    for (int i = 0; i < 500 && !ended; ++i) { /* memif connects when both sides are there */
        if (rte_eth_link_get_nowait(0, &link) == 0 && link.link_status) break;
        rte_delay_us_sleep(10000);
    }
    const uint64_t rounds = (uint64_t)(seconds * pace) + kWarm;
    uint64_t began = feed_nanos(), lost = 0;
    for (uint64_t i = 0; i < rounds && !ended; ++i) {
        const uint64_t intended = began + (uint64_t)((double)i * 1e9 / pace);
        while (feed_nanos() < intended) {
        }
        struct rte_mbuf* const frame = rte_pktmbuf_alloc(pool);
        if (frame == NULL) fail("no frame");
        char* const data = rte_pktmbuf_append(frame, size);
        memset(data, 0xFF, 14);
        memcpy(data + 14, &i, sizeof i);
        const uint64_t left = feed_nanos();
        if (rte_eth_tx_burst(0, 0, &(struct rte_mbuf*){frame}, 1) != 1) {
            rte_pktmbuf_free(frame);
            ++lost;
            continue;
        }
        for (int back = 0; !back && !ended;) {
            const uint16_t count = rte_eth_rx_burst(0, 0, frames, kBurst);
            for (uint16_t k = 0; k < count; ++k) {
                uint64_t number = 0;
                memcpy(&number, rte_pktmbuf_mtod(frames[k], char*) + 14, sizeof number);
                back |= number == i;
                rte_pktmbuf_free(frames[k]);
            }
            if (feed_nanos() > left + 100000000) break; /* lost */
            if (back && i >= kWarm) feed_histogram_add(&halves, (feed_nanos() - left) / 2);
        }
    }
    printf("{\"half_round\": ");
    feed_histogram_print(stdout, &halves);
    printf(", \"lost\": %llu}\n", (unsigned long long)lost);
    return halves.count > 0 ? 0 : 1;
}

int main(int argc, char** argv) {
    if (argc < 6) fail("ask|answer SIZE SECONDS PACE -- EAL arguments");
    const int asks = strcmp(argv[1], "ask") == 0;
    const uint16_t size = (uint16_t)atoi(argv[2]);
    const double seconds = atof(argv[3]), pace = atof(argv[4]);
    argv[5] = argv[0];
    if (rte_eal_init(argc - 5, argv + 5) < 0) fail("EAL does not start");
    signal(SIGTERM, end);
    signal(SIGINT, end);
    struct rte_mempool* const pool = open_port();
    fprintf(stderr, "ready\n");
    const int status = asks ? ask(pool, size, seconds, pace) : answer();
    rte_eth_dev_stop(0);
    return status;
}

/* One-way delays of a paced feed: the intended send time stands in the message (feed_message.h,
 * word 1), on a clock that both sides share, so a sender that was late counts against the delay
 * and nothing is left out. A log-linear histogram: 64 slots for each power of two. */
#ifndef FANFARE_BENCH_FEED_LATENCY_H
#define FANFARE_BENCH_FEED_LATENCY_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

enum { FEED_STEPS = 64, FEED_SLOTS = 40 * FEED_STEPS };

struct feed_histogram {
    uint64_t count, longest;
    uint32_t slots[FEED_SLOTS];
};

static inline uint64_t feed_nanos(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void feed_histogram_add(struct feed_histogram* h, uint64_t nanos) {
    unsigned shift = 0;
    while ((nanos >> shift) >= 2 * FEED_STEPS) ++shift;
    const uint64_t slot =
        nanos < FEED_STEPS ? nanos : (shift + 1) * FEED_STEPS + (nanos >> shift) - FEED_STEPS;
    ++h->slots[slot < FEED_SLOTS ? slot : FEED_SLOTS - 1];
    ++h->count;
    if (nanos > h->longest) h->longest = nanos;
}

/* The largest value that a slot stands for. */
static inline uint64_t feed_slot_top(uint64_t slot) {
    if (slot < 2 * FEED_STEPS) return slot;
    const uint64_t shift = slot / FEED_STEPS - 1;
    return ((FEED_STEPS + slot % FEED_STEPS + 1) << shift) - 1;
}

/* The value that `share` of all do not exceed. */
static inline uint64_t feed_percentile(const struct feed_histogram* h, double share) {
    uint64_t before = 0;
    const double wanted = share * (double)h->count;
    for (uint64_t i = 0; i < FEED_SLOTS; ++i) {
        before += h->slots[i];
        if (before > 0 && (double)before >= wanted) {
            const uint64_t top = feed_slot_top(i);
            return top < h->longest ? top : h->longest;
        }
    }
    return h->longest;
}

/* {"count": N, "p50": ns, ..., "histogram": [[ns, count], ...]} without a newline. */
static inline void feed_histogram_print(FILE* to, const struct feed_histogram* h) {
    fprintf(to,
            "{\"count\": %llu, \"p50\": %llu, \"p90\": %llu, \"p99\": %llu, \"p999\": %llu, "
            "\"max\": %llu, \"histogram\": [",
            (unsigned long long)h->count, (unsigned long long)feed_percentile(h, 0.5),
            (unsigned long long)feed_percentile(h, 0.9),
            (unsigned long long)feed_percentile(h, 0.99),
            (unsigned long long)feed_percentile(h, 0.999), (unsigned long long)h->longest);
    const char* between = "";
    for (uint64_t i = 0; i < FEED_SLOTS; ++i) {
        if (h->slots[i] == 0) continue;
        fprintf(to, "%s[%llu, %u]", between, (unsigned long long)feed_slot_top(i), h->slots[i]);
        between = ", ";
    }
    fprintf(to, "]}");
}

#endif

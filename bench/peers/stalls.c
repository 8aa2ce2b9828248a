/* The machine's own stalls: a thread on each core does nothing but read the time-stamp counter;
 * what is missing between two readings was taken away. stalls SECONDS CPU... prints one line of
 * JSON: for each core the gaps above a microsecond as a histogram, and how many exceeded 20 us. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <x86intrin.h>

#include "feed_latency.h"
#include "feed_message.h"

enum { kCores = 64, kNoticed = 1000, kStall = 20000 };

struct core {
    int cpu;
    double seconds, nanos_per_tick;
    uint64_t stalls;
    struct feed_histogram gaps;
};

static double nanos_per_tick(void) {
    const uint64_t ticks = __rdtsc(), began = feed_nanos();
    while (feed_nanos() < began + 20000000) {
    }
    return (double)(feed_nanos() - began) / (double)(__rdtsc() - ticks);
}

static void* watch(void* given) {
    struct core* const c = (struct core*)given;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(c->cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
    const uint64_t ticks = (uint64_t)(c->seconds * 1e9 / c->nanos_per_tick);
    const uint64_t began = __rdtsc();
    for (uint64_t last = began, now; last - began < ticks; last = now) {
        now = __rdtsc();
        const uint64_t gap = (uint64_t)((double)(now - last) * c->nanos_per_tick);
        if (gap < kNoticed) continue;
        feed_histogram_add(&c->gaps, gap);
        if (gap > kStall) ++c->stalls;
    }
    return NULL;
}

int main(int argc, char** argv) {
    static struct core cores[kCores];
    pthread_t threads[kCores];
    const int count = argc - 2;
    if (count < 1 || count > kCores) return 2;
    const double scale = nanos_per_tick();
    for (int i = 0; i < count; ++i) {
        cores[i].cpu = atoi(argv[i + 2]);
        cores[i].seconds = atof(argv[1]);
        cores[i].nanos_per_tick = scale;
        if (pthread_create(&threads[i], NULL, watch, &cores[i]) != 0) return 1;
    }
    printf("[");
    for (int i = 0; i < count; ++i) {
        pthread_join(threads[i], NULL);
        printf("%s{\"cpu\": %d, \"stalls\": %llu, \"gaps\": ", i == 0 ? "" : ", ", cores[i].cpu,
               (unsigned long long)cores[i].stalls);
        feed_histogram_print(stdout, &cores[i].gaps);
        printf("}");
    }
    printf("]\n");
    return 0;
}

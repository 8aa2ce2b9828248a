/* How far two cores are from each other: nanoseconds for a cache line to go there and back. The
 * virtual cores of one machine are sometimes near (some 100 ns) and sometimes far (some 500), which
 * moves every figure of a pair. core_distance CPU CPU */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "feed_message.h"

enum { kRounds = 20000 };
static _Alignas(64) atomic_uint ball;

static void stay_on(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static void* answer(void* cpu) {
    stay_on(*(int*)cpu);
    for (unsigned i = 0; i < kRounds; ++i) {
        while (atomic_load_explicit(&ball, memory_order_acquire) != 2 * i + 1) {
        }
        atomic_store_explicit(&ball, 2 * i + 2, memory_order_release);
    }
    return NULL;
}

int main(int argc, char** argv) {
    if (argc < 3) return 2;
    int near = atoi(argv[1]), far = atoi(argv[2]);
    if (near == far) return 2; /* two threads that spin on one core would never end */
    pthread_t other;
    if (pthread_create(&other, NULL, answer, &far) != 0) return 1;
    stay_on(near);
    const double begin = feed_seconds();
    for (unsigned i = 0; i < kRounds; ++i) {
        atomic_store_explicit(&ball, 2 * i + 1, memory_order_release);
        while (atomic_load_explicit(&ball, memory_order_acquire) != 2 * i + 2) {
        }
    }
    printf("%.0f\n", (feed_seconds() - begin) * 1e9 / kRounds);
    pthread_join(other, NULL);
    return 0;
}

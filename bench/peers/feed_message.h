/* The message of the end-to-end benches: every octet follows from its number, written by the sender
 * and read and checked by the receiver, at the cost of one pass of plain arithmetic. */
#ifndef FANFARE_BENCH_FEED_MESSAGE_H
#define FANFARE_BENCH_FEED_MESSAGE_H

#include <stdint.h>
#include <string.h>
#include <time.h>

enum { FEED_LEAST = 16, FEED_MOST = 9000 };

/* Word 0 is the number. Word 1 is twice the sender's CLOCK_MONOTONIC, in nanoseconds, when it began
 * message 1, plus 1 in the last message: so the time of a run is from the first message's making to
 * the last one's check, and nothing is won by a receiver that comes late and finds much waiting.
 * The rest is a run that starts at the number. */
static inline uint64_t feed_word(uint64_t number, size_t i) {
    return (number + 1) * 0x9E3779B97F4A7C15ull + i * 0xD1B54A32D192ED03ull;
}

static inline void feed_fill(void* room, size_t bytes, uint64_t number, uint64_t mark) {
    unsigned char* to = (unsigned char*)room;
    const size_t words = bytes / 8;
    memcpy(to, &number, 8);
    memcpy(to + 8, &mark, 8);
    for (size_t i = 2; i < words; ++i) {
        const uint64_t word = feed_word(number, i);
        memcpy(to + i * 8, &word, 8);
    }
    const uint64_t tail = feed_word(number, words);
    memcpy(to + words * 8, &tail, bytes - words * 8);
}

/* 1 if all octets are those of message `number`; `mark` gets its word 1. */
static inline int feed_check(const void* data, size_t bytes, uint64_t number, uint64_t* mark) {
    const unsigned char* from = (const unsigned char*)data;
    const size_t words = bytes / 8;
    uint64_t got = 0, wrong = 0;
    memcpy(&got, from, 8);
    memcpy(mark, from + 8, 8);
    for (size_t i = 2; i < words; ++i) {
        uint64_t word;
        memcpy(&word, from + i * 8, 8);
        wrong |= word ^ feed_word(number, i);
    }
    const uint64_t tail = feed_word(number, words);
    return got == number && wrong == 0 && memcmp(from + words * 8, &tail, bytes - words * 8) == 0;
}

/* Message 0 opens the session and is followed by a pause of so many seconds: setting up is not
 * measured. */
#define FEED_PAUSE 0.5

static inline double feed_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline uint64_t feed_mark(double began, int last) {
    return (uint64_t)(began * 1e9) * 2 + (last ? 1 : 0);
}

static inline double feed_elapsed(uint64_t mark) {
    return feed_seconds() - (double)(mark / 2) * 1e-9;
}

#endif

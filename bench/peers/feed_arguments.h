/* What the feeds of the end-to-end bench are told, all in the same words:
 *   NAME send|receive ADDRESS GROUP PORT [--size OCTETS] [--seconds S] [--pace MESSAGES/s] ...
 * and what a receiver says in the end: one line of JSON. */
#ifndef FANFARE_BENCH_FEED_ARGUMENTS_H
#define FANFARE_BENCH_FEED_ARGUMENTS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed_latency.h"
#include "feed_message.h"

struct feed_arguments {
    int send;
    const char *address, *group; /* address: this side's own, or what a feed calls its way out */
    int port;
    size_t size;
    double seconds;
    double pace; /* messages a second; 0: as fast as they are taken */
    int batch;   /* messages in a row when paced */
};

static inline void feed_read_arguments(int argc, char** argv, struct feed_arguments* a) {
    memset(a, 0, sizeof *a);
    a->size = 1400;
    a->seconds = 2;
    a->batch = 1;
    if (argc < 5 || (strcmp(argv[1], "send") != 0 && strcmp(argv[1], "receive") != 0)) {
        fprintf(stderr, "usage: %s send|receive ADDRESS GROUP PORT [options]\n", argv[0]);
        exit(2);
    }
    a->send = strcmp(argv[1], "send") == 0;
    a->address = argv[2];
    a->group = argv[3];
    a->port = atoi(argv[4]);
    for (int i = 5; i < argc; i += 2) {
        const char* value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--size") == 0)
            a->size = strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0)
            a->seconds = atof(value);
        else if (strcmp(argv[i], "--pace") == 0)
            a->pace = atof(value);
        else if (strcmp(argv[i], "--batch") == 0)
            a->batch = atoi(value);
        else {
            fprintf(stderr, "%s: %s is no option\n", argv[0], argv[i]);
            exit(2);
        }
    }
    if (a->size < FEED_LEAST || a->size > FEED_MOST) {
        fprintf(stderr, "%s: --size %zu is outside %d to %d\n", argv[0], a->size, FEED_LEAST,
                FEED_MOST);
        exit(2);
    }
}

/* A receiver's account of the messages it checked. */
struct feed_account {
    int paced;
    uint64_t number; /* of the next message */
    uint64_t mark;   /* of the last one */
    double began;    /* first paced message */
    struct feed_histogram delay;
};

static inline int feed_ended(const struct feed_account* f) {
    return f->number > 0 && (f->mark & 1) != 0;
}

/* Takes a message; 0 when an octet is wrong. */
static inline int feed_take(struct feed_account* f, const void* data, size_t bytes, size_t size) {
    if (bytes != size || !feed_check(data, bytes, f->number, &f->mark)) return 0;
    if (f->paced && f->number > 0) {
        const uint64_t now = feed_nanos(), intended = f->mark / 2;
        if (f->began == 0) f->began = feed_seconds();
        feed_histogram_add(&f->delay, now > intended ? now - intended : 0);
    }
    ++f->number;
    return 1;
}

static inline void feed_report(const struct feed_account* f) {
    printf("{\"messages\": %llu, \"seconds\": %.6f", (unsigned long long)(f->number - 1),
           f->paced ? feed_seconds() - f->began : feed_elapsed(f->mark));
    if (f->paced) {
        printf(", \"delay\": ");
        feed_histogram_print(stdout, &f->delay);
    }
    printf("}\n");
    fflush(stdout);
}

/* When a paced message is meant to leave: batches of `batch` at even distances. */
static inline uint64_t feed_intended(uint64_t began, uint64_t number, double pace, int batch) {
    const uint64_t turn = (number - 1) / (uint64_t)batch;
    return began + (uint64_t)((double)turn * (double)batch * 1e9 / pace);
}

#endif

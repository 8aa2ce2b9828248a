/* Fanfare as one side of the end-to-end bench.
 *   fanfare_feed send|receive CONTROL_SOCKET GROUP PORT --size OCTETS [--seconds S] [--udp PORT]
 * [--rate BITS]
 *                [--window OCTETS] [--packed] [--pace MESSAGES/s [--batch N]]
 * `send` writes messages into the send window for S seconds; `receive` reads them where they stand
 * in the receive window, checks every octet, and prints one line of JSON. Status 0 only if all is
 * there. */
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fanfare/socket.h"
#include "feed_latency.h"
#include "feed_message.h"

struct arguments {
    const char *control, *group;
    int port, packed;
    uint32_t udp;
    size_t size;
    double seconds, pace;
    int batch;
    uint64_t rate, window;
};

static void fail(const char* what) {
    fprintf(stderr, "fanfare_feed: %s: %s\n", what, fanfare_last_error_text());
    exit(1);
}

static void set(int fd, int name, const void* value, socklen_t length, const char* what) {
    if (fanfare_setsockopt(fd, IPPROTO_RM, name, value, length) != 0) fail(what);
}

static struct sockaddr_in address_of(const struct arguments* a) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)a->port)};
    if (inet_pton(AF_INET, a->group, &to.sin_addr) != 1) {
        fprintf(stderr, "fanfare_feed: %s is no IPv4 address\n", a->group);
        exit(2);
    }
    return to;
}

/* Batches at even distances; the time at which each was meant to leave stands in its messages. */
static void send_at_pace(int fd, const struct arguments* a) {
    const uint64_t began = feed_nanos();
    const uint64_t turns = (uint64_t)(a->seconds * a->pace / a->batch);
    uint64_t number = 1;
    for (uint64_t turn = 0; turn <= turns; ++turn) {
        const uint64_t intended = began + (uint64_t)((double)turn * a->batch * 1e9 / a->pace);
        while (feed_nanos() < intended) sched_yield(); /* the daemon may share the core */
        const int last = turn == turns;
        for (int i = 0; i < (last ? 1 : a->batch); ++i, ++number) {
            void* room = NULL;
            size_t got = 0;
            if (fanfare_claim(fd, a->size, &room, &got, 0) != 0) fail("claim");
            feed_fill(room, a->size, number, intended * 2 + (uint64_t)last);
            if (fanfare_commit(fd, a->size) != 0) fail("commit");
        }
        if (fanfare_publish(fd) != 0) fail("publish");
    }
    if (fanfare_shutdown(fd, SHUT_WR) != 0) fail("shutdown");
}

static int run_send(int fd, const struct arguments* a) {
    const struct sockaddr_in to = address_of(a);
    const uint32_t packed = (uint32_t)a->packed;
    set(fd, FANFARE_RATE_BITS, &a->rate, sizeof a->rate, "rate");
    if (a->window != 0) set(fd, FANFARE_WINDOW_BYTES, &a->window, sizeof a->window, "window");
    if (packed) set(fd, FANFARE_PACKED, &packed, sizeof packed, "packed");
    if (fanfare_connect(fd, (const struct sockaddr*)&to, sizeof to) != 0) fail("connect");
    /* Messages between two publications and two looks at the clock. */
    enum { kLarge = 32, kSmall = 256, kRunBytes = 48 * 1024 };
    const int most = a->size * kSmall <= kRunBytes ? kSmall : kLarge;
    struct iovec rooms[kSmall];
    double began = 0;
    for (uint64_t number = 0, last = 0; !last;) {
        if (number == 1) {
            usleep((useconds_t)(FEED_PAUSE * 1e6));
            if (a->pace > 0) {
                send_at_pace(fd, a);
                return 0;
            }
            began = feed_seconds();
        }
        last = number > 0 && feed_seconds() >= began + a->seconds;
        const int batch = last || number == 0 ? 1 : most;
        for (int i = 0; i < batch; ++i) rooms[i] = (struct iovec){NULL, a->size};
        const int count = fanfare_claim_run(fd, rooms, (size_t)batch, 0);
        if (count <= 0) fail("claim");
        for (int i = 0; i < count; ++i, ++number)
            feed_fill(rooms[i].iov_base, a->size, number, feed_mark(began, last != 0));
        if (fanfare_publish(fd) != 0) fail("publish");
    }
    if (fanfare_shutdown(fd, SHUT_WR) != 0) fail("shutdown");
    /* The daemon sends and repairs on without us. */
    return 0;
}

static int run_receive(int listener, const struct arguments* a) {
    const struct sockaddr_in to = address_of(a);
    if (fanfare_bind(listener, (const struct sockaddr*)&to, sizeof to) != 0) fail("bind");
    if (a->window != 0)
        set(listener, FANFARE_RECEIVE_WINDOW, &a->window, sizeof a->window, "receive window");
    if (fanfare_listen(listener, 1) != 0) fail("listen");
    fprintf(stderr, "ready\n");
    const int fd = fanfare_accept(listener, NULL, NULL);
    if (fd < 0) fail("accept");
    enum { kViews = 64 };
    struct fanfare_view views[kViews];
    static struct feed_histogram delay, repaired;
    double first = 0;
    for (uint64_t number = 0, mark = 0; (mark & 1) == 0;) {
        const int count = fanfare_peek(fd, views, kViews, FANFARE_MSG_ROWS);
        if (count <= 0) fail("receive");
        for (int i = 0; i < count; ++i) {
            const void* data = NULL;
            size_t at = 0, bytes = 0;
            while ((mark & 1) == 0 && fanfare_next_message(&views[i], &at, &data, &bytes)) {
                if (bytes != a->size || !feed_check(data, bytes, number, &mark)) {
                    if (fanfare_intact(fd, &views[i]) != 1)
                        fprintf(stderr, "fanfare_feed: overtaken\n");
                    fprintf(stderr, "fanfare_feed: message %llu of %zu octets is wrong\n",
                            (unsigned long long)number, bytes);
                    return 1;
                }
                if (a->pace > 0 && number > 0) {
                    const uint64_t now = feed_nanos(), intended = mark / 2;
                    const uint64_t took = now > intended ? now - intended : 0;
                    if (first == 0) first = feed_seconds();
                    feed_histogram_add(&delay, took);
                    if ((views[i].flags & FANFARE_VIEW_REPAIRED) != 0)
                        feed_histogram_add(&repaired, took);
                }
                ++number;
            }
        }
        if (fanfare_consume(fd, views, (size_t)count) != 0) fail("consume");
        if ((mark & 1) == 0) continue;
        printf("{\"messages\": %llu, \"seconds\": %.6f", (unsigned long long)number - 1,
               a->pace > 0 ? feed_seconds() - first : feed_elapsed(mark));
        if (a->pace > 0) {
            printf(", \"delay\": ");
            feed_histogram_print(stdout, &delay);
            printf(", \"repaired\": ");
            feed_histogram_print(stdout, &repaired);
        }
        printf("}\n");
    }
    return 0;
}

int main(int argc, char** argv) {
    struct arguments a = {.size = 1400, .seconds = 2, .batch = 1};
    if (argc < 5) {
        fprintf(stderr, "usage: fanfare_feed send|receive CONTROL_SOCKET GROUP PORT [options]\n");
        return 2;
    }
    a.control = argv[2];
    a.group = argv[3];
    a.port = atoi(argv[4]);
    for (int i = 5; i < argc; ++i) {
        const char* value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--packed") == 0) {
            a.packed = 1;
            continue;
        }
        if (strcmp(argv[i], "--size") == 0)
            a.size = strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0)
            a.seconds = atof(value);
        else if (strcmp(argv[i], "--udp") == 0)
            a.udp = (uint32_t)atoi(value);
        else if (strcmp(argv[i], "--rate") == 0)
            a.rate = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--pace") == 0)
            a.pace = atof(value);
        else if (strcmp(argv[i], "--batch") == 0)
            a.batch = atoi(value);
        else if (strcmp(argv[i], "--window") == 0)
            a.window = strtoull(value, NULL, 10);
        else {
            fprintf(stderr, "fanfare_feed: %s is no option\n", argv[i]);
            return 2;
        }
        ++i;
    }
    if (a.size < FEED_LEAST || a.size > FEED_MOST) {
        fprintf(stderr, "fanfare_feed: --size %zu is outside %d to %d\n", a.size, FEED_LEAST,
                FEED_MOST);
        return 2;
    }
    if (fanfare_set_control(a.control) != 0) fail("control");
    const int fd = fanfare_socket(AF_INET, SOCK_RDM, IPPROTO_RM);
    if (fd < 0) fail("socket");
    if (a.udp != 0) set(fd, FANFARE_UDP_PORT, &a.udp, sizeof a.udp, "udp port");
    return strcmp(argv[1], "send") == 0 ? run_send(fd, &a) : run_receive(fd, &a);
}

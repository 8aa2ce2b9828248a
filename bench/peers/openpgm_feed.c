/* OpenPGM (libpgm 5.3) as one side of the end-to-end bench, on kernel sockets.
 *   openpgm_feed send|receive ADDRESS GROUP PORT --size OCTETS [--seconds S] [--udp PORT] [--rate
 * OCTETS/s] `send` writes messages for S seconds as fast as the library takes them and answers NAKs
 * until it is ended; `receive` checks every octet and prints one line of JSON. Status 0 only if all
 * is there. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pgm/pgm.h>

#include "feed_message.h"

struct arguments {
    int send;
    const char *interface, *group;
    int port, udp, rate;
    size_t size;
    double seconds;
};

static void fail(const char* what, pgm_error_t* error) {
    fprintf(stderr, "openpgm_feed: %s: %s\n", what,
            error && error->message ? error->message : "failed");
    exit(1);
}

static void set_int(pgm_sock_t* sock, int option, int value) {
    if (!pgm_setsockopt(sock, IPPROTO_PGM, option, &value, sizeof value)) {
        fprintf(stderr, "openpgm_feed: option %#x refused value %d\n", option, value);
        exit(1);
    }
}

/* The library has no defaults. Windows as large as it takes them (32,768 packets, 46 MB), repair
 * timers tuned for a wire in one machine (its examples' back-off of 50 ms would favour us under
 * loss). */
static pgm_sock_t* open_socket(const struct arguments* a) {
    pgm_error_t* error = NULL;
    struct pgm_addrinfo_t* where = NULL;
    char network[128];
    snprintf(network, sizeof network, "%s;%s", a->interface, a->group);
    if (!pgm_getaddrinfo(network, NULL, &where, &error)) fail(network, error);
    pgm_sock_t* sock = NULL;
    if (!pgm_socket(&sock, where->ai_send_addrs[0].gsr_group.ss_family, SOCK_SEQPACKET,
                    a->udp ? IPPROTO_UDP : IPPROTO_PGM, &error))
        fail("socket", error);
    if (a->udp) { /* one port for all roles: NAKs to another one would never be heard */
        set_int(sock, PGM_UDP_ENCAP_UCAST_PORT, a->udp);
        set_int(sock, PGM_UDP_ENCAP_MCAST_PORT, a->udp);
    }
    set_int(sock, PGM_IP_ROUTER_ALERT, 0);
    set_int(sock, PGM_MTU, 1500);
    const int buffer = 8 << 20;
    pgm_setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    pgm_setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (a->send) {
        const int heartbeats[] = {pgm_msecs(100), pgm_msecs(100),  pgm_msecs(100),
                                  pgm_msecs(100), pgm_msecs(1300), pgm_secs(7),
                                  pgm_secs(16),   pgm_secs(25),    pgm_secs(30)};
        set_int(sock, PGM_SEND_ONLY, 1);
        set_int(sock, PGM_TXW_SQNS, 32768);
        set_int(sock, PGM_TXW_MAX_RTE, a->rate);
        set_int(sock, PGM_AMBIENT_SPM, pgm_secs(30));
        if (!pgm_setsockopt(sock, IPPROTO_PGM, PGM_HEARTBEAT_SPM, heartbeats, sizeof heartbeats))
            fail("PGM_HEARTBEAT_SPM", NULL);
    } else {
        set_int(sock, PGM_RECV_ONLY, 1);
        set_int(sock, PGM_RXW_SQNS, 32768);
        set_int(sock, PGM_PEER_EXPIRY, pgm_secs(300));
        set_int(sock, PGM_SPMR_EXPIRY, pgm_msecs(250));
        set_int(sock, PGM_NAK_BO_IVL, pgm_msecs(2));
        set_int(sock, PGM_NAK_RPT_IVL, pgm_msecs(10));
        set_int(sock, PGM_NAK_RDATA_IVL, pgm_msecs(50));
        set_int(sock, PGM_NAK_DATA_RETRIES, 50);
        set_int(sock, PGM_NAK_NCF_RETRIES, 50);
    }
    struct pgm_sockaddr_t address = {.sa_port = (uint16_t)a->port};
    if (!pgm_gsi_create_from_hostname(&address.sa_addr.gsi, &error)) fail("gsi", error);
    address.sa_addr.gsi.identifier[5] ^=
        (uint8_t)(a->send ? 1 : 2); /* one host name stands for both namespaces */
    struct pgm_interface_req_t request = {.ir_interface = where->ai_recv_addrs[0].gsr_interface};
    request.ir_address.ss_family = AF_INET;
    if (where->ai_send_addrs[0].gsr_addr.ss_family == AF_INET)
        memcpy(&request.ir_address, &where->ai_send_addrs[0].gsr_addr, sizeof request.ir_address);
    if (!pgm_bind3(sock, &address, sizeof address, &request, sizeof request, &request,
                   sizeof request, &error))
        fail("bind", error);
    for (unsigned i = 0; i < where->ai_recv_addrs_len; ++i)
        if (!pgm_setsockopt(sock, IPPROTO_PGM, PGM_JOIN_GROUP, &where->ai_recv_addrs[i],
                            sizeof where->ai_recv_addrs[i]))
            fail("join", NULL);
    if (!pgm_setsockopt(sock, IPPROTO_PGM, PGM_SEND_GROUP, &where->ai_send_addrs[0],
                        sizeof where->ai_send_addrs[0]))
        fail("send group", NULL);
    set_int(sock, PGM_MULTICAST_LOOP, 0);
    set_int(sock, PGM_MULTICAST_HOPS, 16);
    set_int(sock, PGM_NOBLOCK, 1);
    if (!pgm_connect(sock, &error)) fail("connect", error);
    pgm_freeaddrinfo(where);
    return sock;
}

/* Waits for traffic or the library's next timer, at most 10 ms. */
static void wait_a_little(pgm_sock_t* sock) {
    struct pollfd fds[8];
    int count = 8;
    struct timeval left = {0, 10000};
    socklen_t size = sizeof left;
    pgm_getsockopt(sock, IPPROTO_PGM, PGM_TIME_REMAIN, &left, &size);
    const long ms = left.tv_sec * 1000 + (left.tv_usec + 999) / 1000;
    if (pgm_poll_info(sock, fds, &count, POLLIN) < 0) count = 0;
    poll(fds, (nfds_t)count, ms > 10 ? 10 : (int)ms);
}

/* A source hears NAKs only while somebody receives on it. */
static void serve_repairs(pgm_sock_t* sock) {
    static char room[65536];
    for (int i = 0; i < 64; ++i) {
        size_t length = 0;
        if (pgm_recv(sock, room, sizeof room, MSG_DONTWAIT, &length, NULL) != PGM_IO_STATUS_NORMAL)
            return;
    }
}

static _Noreturn void run_send(pgm_sock_t* sock, const struct arguments* a) {
    /* 16-aligned: the library's summing copy stores aligned to where the application's octets
     * stand. */
    static char message[FEED_MOST + 16] __attribute__((aligned(16)));
    enum { kBatch = 32 };
    double began = 0;
    for (uint64_t number = 0, last = 0; !last;) {
        if (number == 1) {
            for (const double go = feed_seconds() + FEED_PAUSE; feed_seconds() < go;) {
                serve_repairs(sock); /* and the SPM request that the first message brought */
                wait_a_little(sock);
            }
            began = feed_seconds();
        }
        last = number > 0 && feed_seconds() >= began + a->seconds;
        const int batch = last || number == 0 ? 1 : kBatch;
        for (int i = 0; i < batch; ++i, ++number) {
            feed_fill(message, a->size, number, feed_mark(began, last != 0));
            for (;;) {
                size_t written = 0;
                const int status = pgm_send(sock, message, a->size, &written);
                if (status == PGM_IO_STATUS_NORMAL) break;
                if (status == PGM_IO_STATUS_ERROR) fail("send", NULL);
                serve_repairs(sock);
            }
        }
        serve_repairs(sock);
    }
    fprintf(stderr, "sent\n");
    for (;;) { /* until we are ended: a receiver may still ask */
        serve_repairs(sock);
        wait_a_little(sock);
    }
}

static int run_receive(pgm_sock_t* sock, const struct arguments* a) {
    enum { kBatch = 32 };
    static struct pgm_msgv_t messages[kBatch];
    static char joined[65536];
    for (uint64_t number = 0, mark = 0; (mark & 1) == 0;) {
        size_t got = 0;
        pgm_error_t* error = NULL;
        const int status = pgm_recvmsgv(sock, messages, kBatch, MSG_DONTWAIT, &got, &error);
        if (status == PGM_IO_STATUS_RESET || status == PGM_IO_STATUS_ERROR) {
            fprintf(stderr, "openpgm_feed: after %llu messages: %s\n", (unsigned long long)number,
                    status == PGM_IO_STATUS_RESET ? "session reset" : "receive failed");
            return 1;
        }
        if (status != PGM_IO_STATUS_NORMAL) {
            wait_a_little(sock);
            continue;
        }
        for (size_t taken = 0, i = 0; taken < got && (mark & 1) == 0; ++i, ++number) {
            size_t length = 0;
            const char* data = messages[i].msgv_skb[0]->data;
            for (unsigned k = 0; k < messages[i].msgv_len; ++k)
                length += messages[i].msgv_skb[k]->len;
            if (messages[i].msgv_len > 1 && length <= sizeof joined) {
                size_t at = 0;
                for (unsigned k = 0; k < messages[i].msgv_len; ++k) {
                    memcpy(joined + at, messages[i].msgv_skb[k]->data,
                           messages[i].msgv_skb[k]->len);
                    at += messages[i].msgv_skb[k]->len;
                }
                data = joined;
            }
            if (length != a->size || !feed_check(data, length, number, &mark)) {
                fprintf(stderr, "openpgm_feed: message %llu of %zu octets is wrong\n",
                        (unsigned long long)number, length);
                return 1;
            }
            taken += length;
        }
        if ((mark & 1) != 0)
            printf("{\"messages\": %llu, \"seconds\": %.6f}\n", (unsigned long long)number - 1,
                   feed_elapsed(mark));
    }
    return 0;
}

int main(int argc, char** argv) {
    /* As fast as the library's own limiter counts: its rate is an int. */
    struct arguments a = {.size = 1400, .seconds = 2, .rate = 2000000000};
    if (argc < 5) {
        fprintf(stderr, "usage: openpgm_feed send|receive ADDRESS GROUP PORT [options]\n");
        return 2;
    }
    a.send = strcmp(argv[1], "send") == 0;
    a.interface = argv[2];
    a.group = argv[3];
    a.port = atoi(argv[4]);
    for (int i = 5; i + 1 < argc; i += 2) {
        const char* value = argv[i + 1];
        if (strcmp(argv[i], "--size") == 0)
            a.size = strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0)
            a.seconds = atof(value);
        else if (strcmp(argv[i], "--udp") == 0)
            a.udp = atoi(value);
        else if (strcmp(argv[i], "--rate") == 0)
            a.rate = atoi(value);
        else {
            fprintf(stderr, "openpgm_feed: %s is no option\n", argv[i]);
            return 2;
        }
    }
    if (a.size < FEED_LEAST || a.size > FEED_MOST) {
        fprintf(stderr, "openpgm_feed: --size %zu is outside %d to %d\n", a.size, FEED_LEAST,
                FEED_MOST);
        return 2;
    }
    pgm_error_t* error = NULL;
    if (!pgm_init(&error)) fail("init", error);
    pgm_sock_t* sock = open_socket(&a);
    fprintf(stderr, "ready\n");
    if (a.send) run_send(sock, &a);
    const int status = run_receive(sock, &a);
    fflush(stdout);
    _exit(status); /* closing would wait for nobody's sake */
}

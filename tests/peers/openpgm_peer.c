/* OpenPGM (libpgm 5.3) as a peer on kernel sockets.
 *   openpgm_peer send|receive ADDRESS GROUP PORT --count N --longest OCTETS [--udp PORT] [--rate
 * OCTETS/s]
 *                [--lines] [--linger SECONDS]
 * `send` publishes the messages of peer_messages.h and answers NAKs until --linger seconds after
 * the last; `receive` checks every octet and ends with 0 after the last message, with 1 and one
 * line at the first that is wrong. Both say "ready" on standard error when they are. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <pgm/pgm.h>

#include "peer_messages.h"

struct arguments {
    int send, lines;
    const char *interface, *group;
    int port, udp;
    uint32_t count;
    size_t longest;
    int rate;
    double linger;
};

static double now_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fail(const char* what, pgm_error_t* error) {
    fprintf(stderr, "openpgm_peer: %s: %s\n", what,
            error && error->message ? error->message : "failed");
    exit(1);
}

static void set_int(pgm_sock_t* sock, int option, int value) {
    if (!pgm_setsockopt(sock, IPPROTO_PGM, option, &value, sizeof value)) {
        fprintf(stderr, "openpgm_peer: option %#x refused value %d\n", option, value);
        exit(1);
    }
}

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
    if (a->udp) { /* one port for both: NAKs to another unicast port would never be heard */
        set_int(sock, PGM_UDP_ENCAP_UCAST_PORT, a->udp);
        set_int(sock, PGM_UDP_ENCAP_MCAST_PORT, a->udp);
    }
    set_int(sock, PGM_IP_ROUTER_ALERT, 0);
    set_int(sock, PGM_MTU, 1500);
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
        set_int(sock, PGM_NAK_BO_IVL, pgm_msecs(50));
        set_int(sock, PGM_NAK_RPT_IVL, pgm_msecs(200));
        set_int(sock, PGM_NAK_RDATA_IVL, pgm_msecs(200));
        set_int(sock, PGM_NAK_DATA_RETRIES, 50);
        set_int(sock, PGM_NAK_NCF_RETRIES, 50);
    }

    struct pgm_sockaddr_t address = {.sa_port = (uint16_t)a->port};
    if (!pgm_gsi_create_from_hostname(&address.sa_addr.gsi, &error)) fail("gsi", error);
    address.sa_addr.gsi.identifier[5] ^=
        (uint8_t)(a->send ? 1 : 2); /* one host name stands for all namespaces */
    struct pgm_interface_req_t interface_request = {.ir_interface =
                                                        where->ai_recv_addrs[0].gsr_interface};
    interface_request.ir_address.ss_family = AF_INET;
    if (where->ai_send_addrs[0].gsr_addr.ss_family == AF_INET)
        memcpy(&interface_request.ir_address, &where->ai_send_addrs[0].gsr_addr,
               sizeof interface_request.ir_address);
    if (!pgm_bind3(sock, &address, sizeof address, &interface_request, sizeof interface_request,
                   &interface_request, sizeof interface_request, &error))
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
    long ms = left.tv_sec * 1000 + (left.tv_usec + 999) / 1000;
    if (pgm_poll_info(sock, fds, &count, POLLIN) < 0) count = 0;
    poll(fds, (nfds_t)count, ms > 10 ? 10 : (int)ms);
}

/* A source hears NAKs only while somebody receives on it. */
static void serve_repairs(pgm_sock_t* sock) {
    char room[kMessageRoom];
    for (int i = 0; i < 64; ++i) {
        size_t length = 0;
        const int status = pgm_recv(sock, room, sizeof room, MSG_DONTWAIT, &length, NULL);
        if (status != PGM_IO_STATUS_NORMAL) return;
    }
}

static int run_send(pgm_sock_t* sock, const struct arguments* a) {
    /* 16-aligned: the library's summing copy stores aligned to where the application's octets
     * stand. */
    char message[kMessageRoom] __attribute__((aligned(16)));
    for (uint32_t i = 0; i < a->count; ++i) {
        const size_t length = peer_message(i, a->longest, a->lines, message);
        for (;;) {
            size_t written = 0;
            const int status = pgm_send(sock, message, length, &written);
            if (status == PGM_IO_STATUS_NORMAL) break;
            if (status == PGM_IO_STATUS_ERROR) fail("send", NULL);
            serve_repairs(sock);
            if (status == PGM_IO_STATUS_RATE_LIMITED) usleep(200);
        }
        if (i % 16 == 0) serve_repairs(sock);
    }
    fprintf(stderr, "sent %u\n", a->count);
    for (const double end = now_seconds() + a->linger; now_seconds() < end;) {
        serve_repairs(sock);
        wait_a_little(sock);
    }
    return 0;
}

static int run_receive(pgm_sock_t* sock, const struct arguments* a) {
    char wanted[kMessageRoom], got[65536];
    for (uint32_t i = 0; i < a->count;) {
        size_t length = 0;
        pgm_error_t* error = NULL;
        const int status = pgm_recv(sock, got, sizeof got, MSG_DONTWAIT, &length, &error);
        if (status == PGM_IO_STATUS_NORMAL) {
            const size_t expected = peer_message(i, a->longest, a->lines, wanted);
            if (length != expected || memcmp(got, wanted, length) != 0) {
                fprintf(stderr, "openpgm_peer: message %u differs: %zu octets, expected %zu\n", i,
                        length, expected);
                return 1;
            }
            ++i;
        } else if (status == PGM_IO_STATUS_RESET || status == PGM_IO_STATUS_ERROR) {
            fprintf(stderr, "openpgm_peer: %s after %u messages: %s\n",
                    status == PGM_IO_STATUS_RESET ? "session reset" : "error", i,
                    error && error->message ? error->message : "");
            return 1;
        } else {
            wait_a_little(sock);
        }
    }
    fprintf(stderr, "received %u\n", a->count);
    /* Say nothing more, but stay a moment: a source may still ask for nothing and send its FIN. */
    return 0;
}

int main(int argc, char** argv) {
    struct arguments a = {.count = 1000, .longest = 1400, .rate = 12500000, .linger = 5};
    if (argc < 5) {
        fprintf(stderr, "usage: openpgm_peer send|receive ADDRESS GROUP PORT [options]\n");
        return 2;
    }
    a.send = strcmp(argv[1], "send") == 0;
    a.interface = argv[2];
    a.group = argv[3];
    a.port = atoi(argv[4]);
    for (int i = 5; i < argc; ++i) {
        const char* value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--lines") == 0) {
            a.lines = 1;
            continue;
        }
        if (strcmp(argv[i], "--count") == 0)
            a.count = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--longest") == 0)
            a.longest = strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--udp") == 0)
            a.udp = atoi(value);
        else if (strcmp(argv[i], "--rate") == 0)
            a.rate = atoi(value);
        else if (strcmp(argv[i], "--linger") == 0)
            a.linger = atof(value);
        else {
            fprintf(stderr, "openpgm_peer: %s is no option\n", argv[i]);
            return 2;
        }
        ++i;
    }
    pgm_error_t* error = NULL;
    if (!pgm_init(&error)) fail("init", error);
    pgm_sock_t* sock = open_socket(&a);
    fprintf(stderr, "ready\n");
    const int status = a.send ? run_send(sock, &a) : run_receive(sock, &a);
    pgm_close(sock, true);
    pgm_shutdown();
    return status;
}

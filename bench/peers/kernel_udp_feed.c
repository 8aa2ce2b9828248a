/* Plain kernel UDP multicast as a limit for the kernel port: no repair, no order, no window.
 *   kernel_udp_feed send|receive INTERFACE_ADDRESS GROUP PORT --size OCTETS [--seconds S]
 *                   [--gso SEGMENTS] [--bare]
 * `send` writes messages and sends them SEGMENTS a call by UDP_SEGMENT (1: one each, 64 a call;
 * else as many as one call takes without being cut up in software);
 * `receive` gets them by UDP_GRO and checks every octet of those that arrive. What is lost is lost,
 * and shown. --bare neither fills nor checks: the kernel's own limit. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "feed_message.h"

/* 65,536 octets with Ethernet, IP and UDP headers are an interface's gso_max_size. */
enum {
    kMessagesMost = 64,
    kOctetsMost = 65507,
    kWholeMost = 65489,
    kBatch = 64,
    kSocketOctets = 64 << 20
};

struct arguments {
    struct in_addr local, group;
    int port, gso, bare;
    size_t size;
    double seconds;
};

static void fail(const char* what) {
    fprintf(stderr, "kernel_udp_feed: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void set(int fd, int level, int name, int value, const char* what) {
    if (setsockopt(fd, level, name, &value, sizeof value) != 0) fail(what);
}

static struct sockaddr_in address_of(struct in_addr to, int port) {
    struct sockaddr_in out = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    out.sin_addr = to;
    return out;
}

static int run_send(int fd, const struct arguments* a) {
    static unsigned char room[kMessagesMost * FEED_MOST];
    struct sockaddr_in to = address_of(a->group, a->port);
    if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &a->local, sizeof a->local) != 0)
        fail("interface");
    set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0, "loop");
    set(fd, IPPROTO_IP, IP_MULTICAST_TTL, 16, "ttl");
    if (a->gso > 1) set(fd, IPPROTO_UDP, UDP_SEGMENT, (int)a->size, "UDP_SEGMENT");
    if (connect(fd, (struct sockaddr*)&to, sizeof to) != 0) fail("connect");
    const int count = a->gso > 1 ? a->gso : kBatch;
    struct mmsghdr one[kBatch];
    struct iovec pieces[kBatch];
    memset(one, 0, sizeof one);
    for (int i = 0; i < kBatch; ++i) {
        pieces[i].iov_base = room + (size_t)i * a->size;
        pieces[i].iov_len = a->size;
        one[i].msg_hdr.msg_iov = &pieces[i];
        one[i].msg_hdr.msg_iovlen = 1;
    }
    double began = feed_seconds();
    uint64_t number = 1;
    for (int last = 0; !last;) {
        last = feed_seconds() >= began + a->seconds;
        for (int i = 0; i < count; ++i, ++number) {
            if (!a->bare)
                feed_fill(room + (size_t)i * a->size, a->size, number, feed_mark(began, 0));
            else
                memcpy(room + (size_t)i * a->size, &number, 8);
        }
        const long sent = a->gso > 1 ? send(fd, room, (size_t)count * a->size, 0)
                                     : sendmmsg(fd, one, (unsigned)count, 0);
        if (sent < 0 && errno != ENOBUFS) fail("send");
    }
    /* The end is said often enough to be heard. */
    set(fd, IPPROTO_UDP, UDP_SEGMENT, 0, "UDP_SEGMENT");
    for (int i = 0; i < 20; ++i) {
        feed_fill(room, a->size, number, feed_mark(began, 1));
        (void)!send(fd, room, a->size, 0);
        usleep(20000);
    }
    return 0;
}

static int run_receive(int fd, const struct arguments* a) {
    static unsigned char room[kOctetsMost + 1];
    struct sockaddr_in name = address_of(a->group, a->port);
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1, "reuse");
    set(fd, SOL_SOCKET, SO_RCVBUF, kSocketOctets, "buffer");
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){kSocketOctets}, sizeof(int));
    set(fd, IPPROTO_UDP, UDP_GRO, 1, "UDP_GRO");
    if (bind(fd, (struct sockaddr*)&name, sizeof name) != 0) fail("bind");
    struct ip_mreq member = {.imr_multiaddr = a->group, .imr_interface = a->local};
    if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &member, sizeof member) != 0) fail("join");
    fprintf(stderr, "ready\n");
    uint64_t got = 0, wrong = 0, mark = 0, last_number = 0;
    double began = 0, ended = 0;
    while ((mark & 1) == 0) {
        union {
            char octets[CMSG_SPACE(sizeof(int))];
            struct cmsghdr align;
        } control;
        struct iovec piece = {room, sizeof room};
        struct msghdr message = {.msg_iov = &piece,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof control};
        const ssize_t bytes = recvmsg(fd, &message, 0);
        if (bytes < 0) fail("receive");
        for (size_t at = 0; at + a->size <= (size_t)bytes && (mark & 1) == 0; at += a->size) {
            uint64_t number = 0;
            memcpy(&number, room + at, 8);
            if (number > last_number) last_number = number;
            if (a->bare)
                memcpy(&mark, room + at + 8, 8);
            else if (!feed_check(room + at, a->size, number, &mark))
                ++wrong;
            if ((mark & 1) == 0) ++got;
        }
        if ((mark & 1) == 0) ended = feed_seconds();
        if (began == 0) began = feed_seconds();
    }
    if (wrong != 0 || got == 0) {
        fprintf(stderr, "kernel_udp_feed: %llu messages wrong of %llu\n", (unsigned long long)wrong,
                (unsigned long long)got);
        return 1;
    }
    printf("{\"messages\": %llu, \"seconds\": %.6f, \"lost\": %llu}\n", (unsigned long long)got,
           ended - began, (unsigned long long)(last_number - 1 - got));
    return 0;
}

int main(int argc, char** argv) {
    struct arguments a = {.size = 1400, .seconds = 2};
    if (argc < 5 || inet_aton(argv[2], &a.local) == 0 || inet_aton(argv[3], &a.group) == 0) {
        fprintf(stderr, "usage: kernel_udp_feed send|receive ADDRESS GROUP PORT [options]\n");
        return 2;
    }
    a.port = atoi(argv[4]);
    for (int i = 5; i < argc; ++i) {
        const char* value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--bare") == 0) {
            a.bare = 1;
            continue;
        }
        if (strcmp(argv[i], "--size") == 0)
            a.size = strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0)
            a.seconds = atof(value);
        else if (strcmp(argv[i], "--gso") == 0)
            a.gso = atoi(value);
        else {
            fprintf(stderr, "kernel_udp_feed: %s is no option\n", argv[i]);
            return 2;
        }
        ++i;
    }
    if (a.gso == 0 && a.size != 0) {
        a.gso = (int)(kWholeMost / a.size);
        if (a.gso > kMessagesMost) a.gso = kMessagesMost;
    }
    if (a.size < FEED_LEAST || a.size > 1472 || a.gso < 1 || a.gso > kMessagesMost ||
        (size_t)a.gso * a.size > kOctetsMost) {
        fprintf(stderr,
                "kernel_udp_feed: --size 16 to 1472, --gso 1 to 64 and at most 65507 octets "
                "in a call\n");
        return 2;
    }
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0) fail("socket");
    return strcmp(argv[1], "send") == 0 ? run_send(fd, &a) : run_receive(fd, &a);
}

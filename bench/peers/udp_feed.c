/* Kernel UDP multicast as one side of the end-to-end bench: 64 datagrams a system call (sendmmsg,
 * recvmmsg), one message a datagram. It repairs nothing: the receiver counts what is missing and
 * checks what came. */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "feed_arguments.h"

enum { kBatch = 64, kTail = 200 };

static void fail(const char* what) {
    fprintf(stderr, "udp_feed: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_socket(const struct feed_arguments* a, struct sockaddr_in* group) {
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0) fail("socket");
    const int buffer = 32 << 20, off = 0, on = 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    *group = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)a->port)};
    struct ip_mreqn member = {.imr_ifindex = 0};
    if (inet_pton(AF_INET, a->group, &group->sin_addr) != 1 ||
        inet_pton(AF_INET, a->address, &member.imr_address) != 1)
        fail("address");
    member.imr_multiaddr = group->sin_addr;
    if (a->send) {
        if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &member, sizeof member) != 0)
            fail("IP_MULTICAST_IF");
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof off);
        if (connect(fd, (const struct sockaddr*)group, sizeof *group) != 0) fail("connect");
    } else {
        if (bind(fd, (const struct sockaddr*)group, sizeof *group) != 0) fail("bind");
        if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &member, sizeof member) != 0)
            fail("IP_ADD_MEMBERSHIP");
    }
    return fd;
}

static int run_send(int fd, const struct feed_arguments* a) {
    static char room[kBatch][FEED_MOST];
    struct iovec parts[kBatch];
    struct mmsghdr messages[kBatch];
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < kBatch; ++i) {
        parts[i] = (struct iovec){room[i], a->size};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    double began = 0;
    for (uint64_t number = 0, last = 0; !last;) {
        if (number == 1) {
            usleep((useconds_t)(FEED_PAUSE * 1e6));
            began = feed_seconds();
        }
        last = number > 0 && feed_seconds() >= began + a->seconds;
        const int batch = last || number == 0 ? 1 : kBatch;
        for (int i = 0; i < batch; ++i)
            feed_fill(room[i], a->size, number + (uint64_t)i, feed_mark(began, last != 0));
        for (int done = 0; done < batch;) {
            const int n = sendmmsg(fd, messages + done, (unsigned)(batch - done), 0);
            if (n < 0 && errno != ENOBUFS && errno != EINTR) fail("sendmmsg");
            if (n > 0) done += n;
        }
        number += (uint64_t)batch;
        if (last) { /* it may be lost: said over and over */
            for (int i = 0; i < kTail; ++i) {
                usleep(1000);
                if (send(fd, room[0], a->size, 0) < 0 && errno != ENOBUFS) break;
            }
        }
    }
    return 0;
}

static int run_receive(int fd, const struct feed_arguments* a) {
    static char room[kBatch][FEED_MOST];
    struct iovec parts[kBatch];
    struct mmsghdr messages[kBatch];
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < kBatch; ++i) {
        parts[i] = (struct iovec){room[i], FEED_MOST};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    fprintf(stderr, "ready\n");
    uint64_t got = 0, highest = 0, mark = 0;
    for (;;) {
        const int n = recvmmsg(fd, messages, kBatch, MSG_WAITFORONE, NULL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) fail("recvmmsg");
        for (int i = 0; i < n; ++i) {
            uint64_t number = 0;
            memcpy(&number, room[i], 8);
            if (messages[i].msg_len != a->size || !feed_check(room[i], a->size, number, &mark)) {
                fprintf(stderr, "udp_feed: message %llu is wrong\n", (unsigned long long)number);
                return 1;
            }
            if (number > 0) ++got;
            if (number > highest) highest = number;
            if ((mark & 1) != 0) {
                printf("{\"messages\": %llu, \"lost\": %llu, \"seconds\": %.6f}\n",
                       (unsigned long long)got, (unsigned long long)(highest - got),
                       feed_elapsed(mark));
                return 0;
            }
        }
    }
}

int main(int argc, char** argv) {
    struct feed_arguments a;
    feed_read_arguments(argc, argv, &a);
    struct sockaddr_in group;
    const int fd = open_socket(&a, &group);
    return a.send ? run_send(fd, &a) : run_receive(fd, &a);
}

/* An ordinary program that waits for reliable-multicast sockets in every way there is, and how its
 * calls take flags; run under the preload library. One scenario a run: waiting SCENARIO */
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "checks.h"

enum { kMany = 300 };

static const struct timespec kPatience = {20, 0};
static const struct timespec kNone = {0, 0};

/* The sender ends with a reset. */
static void* reset_soon(void* s) {
    usleep(30000);
    const struct linger abort = {1, 0};
    const int sender = ((struct session*)s)->sender;
    CHECK(setsockopt(sender, SOL_SOCKET, SO_LINGER, &abort, sizeof abort) == 0);
    CHECK(close(sender) == 0);
    return NULL;
}

enum way { POLL, PPOLL, SELECT, PSELECT, EPOLL, EPOLL_EDGE, EPOLL_PWAIT2, NOTHING_ASKED, WAYS };

/* One wait for `fd`, which stands in the epoll set; the events that it showed. */
static int wait_once(enum way way, int fd, int set) {
    struct pollfd wait = {fd, way == NOTHING_ASKED ? 0 : POLLIN, 0};
    struct epoll_event event = {0, {.fd = 0}};
    struct timeval limit = {20, 0};
    fd_set in, exceptional;
    FD_ZERO(&in);
    FD_ZERO(&exceptional);
    FD_SET(fd, &in);
    FD_SET(fd, &exceptional);
    switch (way) {
        case POLL:
        case NOTHING_ASKED:
            CHECK(poll(&wait, 1, 20000) == 1);
            return wait.revents;
        case PPOLL:
            CHECK(ppoll(&wait, 1, &kPatience, NULL) == 1);
            return wait.revents;
        case SELECT: /* Linux shows an error as readable; exceptional is something else */
            CHECK(select(fd + 1, &in, NULL, &exceptional, &limit) == 1 && FD_ISSET(fd, &in));
            return POLLIN;
        case PSELECT:
            CHECK(pselect(fd + 1, &in, NULL, &exceptional, &kPatience, NULL) == 1);
            return POLLIN;
        case EPOLL_PWAIT2:
            CHECK(epoll_pwait2(set, &event, 1, &kPatience, NULL) == 1);
            return (int)event.events;
        default:
            CHECK(epoll_wait(set, &event, 1, 20000) == 1);
            return (int)event.events;
    }
}

/* A wait that a reset ends shows it whole at that look, whatever kind of wait it was. */
static void scenario_reset(void) {
    for (int way = 0; way < WAYS; ++way) {
        struct session s = open_session(way % 2 == 0 ? SOCK_RDM : SOCK_STREAM, 20 + way);
        const int set = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event event = {EPOLLIN | (way == EPOLL_EDGE ? EPOLLET : 0), {.fd = 0}};
        CHECK(epoll_ctl(set, EPOLL_CTL_ADD, s.receiver, &event) == 0);
        CHECK(events(s.receiver, POLLIN, 0) == 0);
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, reset_soon, &s) == 0);
        char c;
        int shown = wait_once(way, s.receiver, set);
        /* An announcement may come for what was read meanwhile. */
        while (shown == POLLIN && recv(s.receiver, &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN)
            shown = wait_once(way, s.receiver, set);
        if (way != SELECT && way != PSELECT)
            CHECK(shown == ((way == NOTHING_ASKED ? 0 : POLLIN) | POLLERR | POLLHUP));
        CHECK(pthread_join(thread, NULL) == 0);
        /* It stays, as the error of every later call does; there is no queue of errors. */
        for (int i = 0; i < 3; ++i) {
            int error = 0;
            socklen_t length = sizeof error;
            CHECK(events(s.receiver, POLLIN | POLLRDHUP, 0) ==
                  (POLLIN | POLLRDHUP | POLLERR | POLLHUP));
            FAILS(recv(s.receiver, &c, 1, MSG_ERRQUEUE), EAGAIN);
            FAILS(recv(s.receiver, &c, 1, 0), ECONNRESET);
            CHECK(getsockopt(s.receiver, SOL_SOCKET, SO_ERROR, &error, &length) == 0);
            CHECK(error == ECONNRESET);
        }
        CHECK(close(set) == 0 && close(s.receiver) == 0 && close(s.listener) == 0);
    }
}

/* An announcement may come for what was read meanwhile, on a busy machine some time later. */
static void take_late_announcements(int receiver) {
    char c;
    usleep(20000);
    FAILS(recv(receiver, &c, 1, MSG_DONTWAIT), EAGAIN);
}

/* Sockets of both kinds in one call: each shows what is its own. */
static void scenario_many(void) {
    static struct pollfd waits[3 * kMany];
    static int pipes[kMany][2];
    struct session s = open_session(SOCK_RDM, 40);
    int count = 0;
    for (int i = 0; i < kMany; ++i) {
        CHECK(pipe(pipes[i]) == 0);
        waits[count++] = (struct pollfd){pipes[i][0], POLLIN, 0};
        if (i % 10 == 0) waits[count++] = (struct pollfd){dup(s.receiver), POLLIN, 0};
        if (i % 10 == 5) waits[count++] = (struct pollfd){dup(s.sender), POLLOUT, 0};
    }
    waits[count++] = (struct pollfd){-1, POLLIN, 0};
    waits[count++] = (struct pollfd){s.listener, POLLIN, 0};
    const int each = kMany / 10;
    take_late_announcements(s.receiver);
    CHECK(ppoll(waits, (nfds_t)count, &kNone, NULL) == each);
    CHECK(write(pipes[7][1], "x", 1) == 1 && send(s.sender, "message", 7, 0) == 7);
    CHECK(events(s.receiver, POLLIN, 20000) == POLLIN);
    CHECK(poll(waits, (nfds_t)count, 0) == 2 * each + 1);
    expect_text(s.receiver, "message");
    char c;
    CHECK(read(pipes[7][0], &c, 1) == 1);
    take_late_announcements(s.receiver);
    CHECK(poll(waits, (nfds_t)count, 0) == each);
    fd_set in, out;
    FD_ZERO(&in);
    FD_ZERO(&out);
    for (int i = 0; i < count; ++i)
        if (waits[i].fd >= 0) FD_SET(waits[i].fd, waits[i].events == POLLIN ? &in : &out);
    CHECK(pselect(FD_SETSIZE, &in, &out, NULL, &kNone, NULL) == each);
    for (int i = 0; i < count; ++i)
        if (waits[i].fd != s.listener && waits[i].fd >= 0 && waits[i].fd != pipes[i][0])
            CHECK(close(waits[i].fd) == 0);
    close_session(&s);
}

static void scenario_flags(void) {
    struct session s = open_session(SOCK_RDM, 41);
    char text[64];
    FAILS(recv(s.receiver, text, 1, MSG_DONTWAIT), EAGAIN);
    FAILS(recv(s.receiver, text, 1, MSG_WAITALL), EOPNOTSUPP);
    FAILS(recv(s.receiver, text, 1, MSG_OOB), EOPNOTSUPP);
    CHECK(send(s.sender, "0123456789", 10, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_DONTROUTE) == 10);
    CHECK(send(s.sender, "next", 4, MSG_MORE | MSG_CONFIRM) == 4); /* Linux's MSG_MORE is 0x8000 */
    CHECK(events(s.receiver, POLLIN, 20000) == POLLIN);
    /* Nothing is ever cut off: MSG_TRUNC asks for nothing and is never told. */
    FAILS(recv(s.receiver, text, 4, MSG_PEEK), EMSGSIZE);
    CHECK(recv(s.receiver, text, sizeof text, MSG_PEEK | MSG_DONTWAIT) == 10);
    FAILS(recv(s.receiver, text, 4, MSG_TRUNC), EMSGSIZE);
    struct iovec room = {text, sizeof text};
    struct msghdr in = {.msg_iov = &room, .msg_iovlen = 1, .msg_controllen = 0};
    CHECK(recvmsg(s.receiver, &in, MSG_TRUNC | MSG_CMSG_CLOEXEC) == 6 && in.msg_flags == MSG_EOR);
    CHECK(memcmp(text, "456789", 6) == 0);
    expect_text(s.receiver, "next");
    /* What takes pages takes another way; what knows an offset has none here. */
    int pipes[2];
    CHECK(pipe(pipes) == 0 && write(pipes[1], "pages", 5) == 5);
    FAILS(splice(pipes[0], NULL, s.sender, NULL, 5, 0), EINVAL);
    FAILS(splice(s.receiver, NULL, pipes[1], NULL, 5, SPLICE_F_NONBLOCK), EINVAL);
    FAILS(sendfile(s.sender, pipes[0], NULL, 5), EINVAL);
    room.iov_len = 8;
    FAILS(preadv2(s.receiver, &room, 1, -1, RWF_NOWAIT), EAGAIN);
    FAILS(preadv2(s.receiver, &room, 1, -1, 0x40000000), EOPNOTSUPP);
    FAILS(pwritev2(s.sender, &room, 1, -1, 0x40000000), EOPNOTSUPP);
    FAILS(preadv2(s.receiver, &room, 1, 0, 0), ESPIPE);
    FAILS(pread(s.receiver, text, 1, 0), ESPIPE);
    FAILS(pwrite(s.sender, text, 1, 0), ESPIPE);
    FAILS(lseek(s.receiver, 0, SEEK_CUR), ESPIPE);
    FAILS(ftruncate(s.sender, 0), EINVAL);
    FAILS(fsync(s.sender), EINVAL);
    /* The time that SO_RCVTIMEO and SO_SNDTIMEO give is told back. */
    const struct timeval limit = {1, 500000};
    struct timeval told = {0, 0};
    socklen_t length = sizeof told;
    for (int name = SO_RCVTIMEO; name <= SO_SNDTIMEO; ++name) {
        CHECK(setsockopt(s.receiver, SOL_SOCKET, name, &limit, sizeof limit) == 0);
        CHECK(getsockopt(s.receiver, SOL_SOCKET, name, &told, &length) == 0);
        CHECK(told.tv_sec == 1 && told.tv_usec == 500000 && length == sizeof told);
    }
    /* Options that change nothing are told back, an accepted session has its listener's. */
    int number = 0;
    length = sizeof number;
    CHECK(setsockopt(s.listener, SOL_SOCKET, SO_KEEPALIVE, &(int){5}, sizeof(int)) == 0);
    FAILS(setsockopt(s.listener, SOL_SOCKET, SO_KEEPALIVE, &number, 2), EINVAL);
    CHECK(getsockopt(s.listener, SOL_SOCKET, SO_KEEPALIVE, &number, &length) == 0 && number == 1);
    CHECK(getsockopt(s.listener, SOL_SOCKET, SO_BROADCAST, &number, &length) == 0 && number == 0);
    CHECK(getsockopt(s.receiver, SOL_SOCKET, SO_KEEPALIVE, &number, &length) == 0 && number == 0);
    CHECK(getsockopt(s.receiver, SOL_SOCKET, SO_RCVBUF, &number, &length) == 0 && number > 65535);
    CHECK(getsockopt(s.sender, SOL_SOCKET, SO_SNDBUF, &number, &length) == 0 && number > 65535);
    CHECK(getsockopt(s.listener, SOL_SOCKET, SO_SNDBUF, &number, &length) == 0 && number > 65535);
    /* How long recvmmsg collects: what is no time, and one that is beyond counting. */
    struct mmsghdr two[2];
    memset(two, 0, sizeof two);
    for (int i = 0; i < 2; ++i) {
        two[i].msg_hdr.msg_iov = &room;
        two[i].msg_hdr.msg_iovlen = 1;
        CHECK(send(s.sender, "two", 3, 0) == 3);
    }
    struct timespec time = {0, 1000000000}, far = {(time_t)1 << 60, 0};
    FAILS(recvmmsg(s.receiver, two, 2, 0, &time), EINVAL);
    CHECK(recvmmsg(s.receiver, two, 2, 0, &far) == 2 && two[1].msg_len == 3);
    /* Interfaces are asked of any socket. */
    struct ifreq interface;
    memset(&interface, 0, sizeof interface);
    strcpy(interface.ifr_name, "lo");
    CHECK(ioctl(s.sender, SIOCGIFFLAGS, &interface) == 0);
    CHECK((interface.ifr_flags & IFF_LOOPBACK) != 0);
    strcpy(interface.ifr_name, "none");
    FAILS(ioctl(s.sender, SIOCGIFADDR, &interface), ENODEV);
    close_session(&s);

    /* A stream: MSG_WAITALL collects, and nothing of a look is taken. */
    s = open_session(SOCK_STREAM, 42);
    CHECK(send(s.sender, "abcdef", 6, 0) == 6);
    CHECK(recv(s.receiver, text, 6, MSG_WAITALL) == 6);
    CHECK(send(s.sender, "ghi", 3, 0) == 3 && events(s.receiver, POLLIN, 20000) == POLLIN);
    CHECK(recv(s.receiver, text, 2, MSG_PEEK) == 2 && recv(s.receiver, text, 3, 0) == 3);
    CHECK(memcmp(text, "ghi", 3) == 0);
    /* SHUT_RDWR of a sender is its end in good order; of a receiver its own. */
    CHECK(shutdown(s.sender, SHUT_RDWR) == 0);
    FAILS(send(s.sender, "x", 1, 0), EPIPE);
    CHECK(recv(s.receiver, text, 4, 0) == 0 && recv(s.receiver, text, 4, 0) == 0);
    FAILS(shutdown(s.receiver, 3), EINVAL);
    close_session(&s);
}

int main(int count, char** words) {
    const char* const name = count > 1 ? words[1] : "";
    if (strcmp(name, "reset") == 0)
        scenario_reset();
    else if (strcmp(name, "many") == 0)
        scenario_many();
    else if (strcmp(name, "flags") == 0)
        scenario_flags();
    else
        CHECK(!"a scenario");
    return 0;
}

/* An ordinary program that waits for edges and goes by short counts, as epoll(7) allows on streams:
 * a read that came back with less than there was room for has left nothing behind, a send that took
 * less than there was has filled the window. Run under the preload library. */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "checks.h"

enum { kOctets = 2000000, kRounds = 12, kPairs = 3000 };
static char data[kOctets], in[65536];

static int wait_for_edges(int fd, unsigned events_wanted) {
    const int set = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {events_wanted | EPOLLET, {.fd = fd}};
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0);
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    return set;
}

static void expect_edge(int set) {
    struct epoll_event event;
    CHECK(epoll_wait(set, &event, 1, 20000) == 1);
}

static void send_all(int sender, size_t piece) {
    const int set = wait_for_edges(sender, EPOLLOUT);
    for (size_t at = 0; at < kOctets;) {
        const size_t wish = kOctets - at < piece ? kOctets - at : piece;
        const ssize_t n = send(sender, data + at, wish, 0);
        if (n < 0) CHECK(errno == EAGAIN);
        if (n > 0) at += (size_t)n;
        if (n < (ssize_t)wish) expect_edge(set);
    }
    CHECK(shutdown(sender, SHUT_WR) == 0);
}

/* To the end of the stream. `room`: the last read before it comes back short whatever it is. */
static void receive_all(int receiver, int set, size_t room) {
    size_t got = 0;
    for (;;) {
        expect_edge(set);
        for (;;) {
            const ssize_t n = recv(receiver, in, room, 0);
            if (n == 0) {
                CHECK(got == kOctets);
                return;
            }
            if (n < 0) CHECK(errno == EAGAIN);
            if (n > 0) {
                CHECK(got + (size_t)n <= kOctets && memcmp(in, data + got, (size_t)n) == 0);
                got += (size_t)n;
            }
            if (n < (ssize_t)room) break;
        }
    }
}

/* Two pieces with a little time between them, again and again: the second comes while the first is
 * read, before it or after it, and the one who reads must hear of it. */
static void receive_pairs(void) {
    struct session s = open_session(SOCK_STREAM, 91);
    const int set = wait_for_edges(s.receiver, EPOLLIN);
    int told[2];
    CHECK(pipe(told) == 0);
    const pid_t child = fork();
    if (child == 0) {
        char c;
        for (int pair = 0; pair < kPairs; ++pair) {
            CHECK(send(s.sender, "first", 5, 0) == 5);
            for (volatile int spin = 0; spin < pair * 37 % 20000; ++spin) continue;
            CHECK(send(s.sender, "second", 6, 0) == 6);
            CHECK(read(told[0], &c, 1) == 1);
        }
        _exit(0);
    }
    for (int pair = 0; pair < kPairs; ++pair) {
        for (ssize_t got = 0, n = 0; got<11; got += n> 0 ? n : 0) {
            if (n <= 0 || n < (ssize_t)sizeof in) expect_edge(set);
            n = recv(s.receiver, in, sizeof in, 0);
            CHECK(n > 0 || (n < 0 && errno == EAGAIN));
        }
        CHECK(write(told[1], "x", 1) == 1);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(close(set) == 0);
    close_session(&s);
}

int main(void) {
    alarm(60);
    for (size_t i = 0; i < kOctets; ++i) data[i] = (char)(i * 2654435761u >> 24);
    const size_t pieces[] = {777, kOctets, 65536}, rooms[] = {sizeof in, 1999};
    for (int round = 0; round < kRounds; ++round) {
        struct session s = open_session(SOCK_STREAM, 60 + round);
        const int set = wait_for_edges(s.receiver, EPOLLIN);
        struct epoll_event former;
        (void)epoll_wait(set, &former, 1, 0);
        const pid_t child = fork();
        if (child == 0) {
            send_all(s.sender, pieces[round % 3]);
            _exit(0);
        }
        CHECK(close(s.sender) == 0);
        receive_all(s.receiver, set, rooms[round % 2]);
        int status = -1;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        CHECK(close(set) == 0 && close(s.receiver) == 0 && close(s.listener) == 0);
    }
    receive_pairs();
    /* An end that stands behind data which a short read takes has an edge of its own, and so have
     * data behind data. */
    struct session s = open_session(SOCK_STREAM, 90);
    const int set = wait_for_edges(s.receiver, EPOLLIN);
    CHECK(send(s.sender, "last", 4, 0) == 4 && shutdown(s.sender, SHUT_WR) == 0);
    usleep(50000); /* both have come, in whatever time they take */
    expect_edge(set);
    CHECK(recv(s.receiver, in, sizeof in, 0) == 4);
    expect_edge(set);
    CHECK(recv(s.receiver, in, sizeof in, 0) == 0);
    close_session(&s);
    return 0;
}

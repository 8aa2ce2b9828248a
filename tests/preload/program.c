/* An ordinary program that uses reliable-multicast sockets, run under the preload library: every
 * socket call it may make, and what its descriptors do in poll, select, epoll, dup, fork and exec.
 * One scenario a run: program SCENARIO */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "checks.h"

static const char* self;

/* Every call that sends, every call that receives: each message is one message. */
static void scenario_calls(void) {
    struct session s = open_session(SOCK_RDM, 1);
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    int type = 0, protocol = 0;
    CHECK(getpeername(s.sender, (struct sockaddr*)&peer, &length) == 0 && length == sizeof peer);
    CHECK(peer.sin_addr.s_addr == s.group.sin_addr.s_addr && peer.sin_port == s.group.sin_port);
    CHECK(getsockname(s.receiver, (struct sockaddr*)&peer, &length) == 0);
    CHECK(peer.sin_addr.s_addr == s.group.sin_addr.s_addr && peer.sin_port == s.group.sin_port);
    length = sizeof type;
    CHECK(getsockopt(s.receiver, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_RDM);
    CHECK(getsockopt(s.receiver, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 &&
          protocol == IPPROTO_RM);

    struct iovec parts[2] = {{"wri", 3}, {"tev", 3}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    struct msghdr unnamed = {
        .msg_name = &peer, .msg_namelen = 0, .msg_iov = parts, .msg_iovlen = 1};
    struct iovec one = {"mm1", 3}, two = {"mm2", 3};
    struct mmsghdr several[2] = {{{.msg_iov = &one, .msg_iovlen = 1}, 0},
                                 {{.msg_iov = &two, .msg_iovlen = 1}, 0}};
    CHECK(write(s.sender, "write", 5) == 5);
    CHECK(writev(s.sender, parts, 2) == 6);
    CHECK(send(s.sender, "send", 4, MSG_NOSIGNAL) == 4);
    CHECK(sendto(s.sender, "sendto", 6, 0, NULL, 0) == 6);
    CHECK(sendto(s.sender, "to group", 8, 0, (struct sockaddr*)&s.group, sizeof s.group) == 8);
    CHECK(sendmsg(s.sender, &message, 0) == 6);
    CHECK(sendmsg(s.sender, &unnamed, 0) == 3);
    CHECK(sendmmsg(s.sender, several, 2, 0) == 2 && several[1].msg_len == 3);
    CHECK(pwritev2(s.sender, parts, 1, -1, 0) == 3);
    CHECK(send(s.sender, "", 0, 0) == 0);

    char text[64], other[64];
    CHECK(read(s.receiver, text, sizeof text) == 5 && memcmp(text, "write", 5) == 0);
    struct iovec room[2] = {{text, 4}, {other, 60}};
    CHECK(readv(s.receiver, room, 2) == 6 && memcmp(text, "writ", 4) == 0 &&
          memcmp(other, "ev", 2) == 0);
    CHECK(read(s.receiver, text, 0) == 0);
    CHECK(recv(s.receiver, text, sizeof text, MSG_PEEK) == 4);
    CHECK(recv(s.receiver, text, sizeof text, 0) == 4 && memcmp(text, "send", 4) == 0);
    length = sizeof peer;
    CHECK(recvfrom(s.receiver, text, sizeof text, 0, (struct sockaddr*)&peer, &length) == 6);
    CHECK(length == sizeof peer && peer.sin_family == AF_INET);
    struct msghdr in = {
        .msg_name = &peer, .msg_namelen = sizeof peer, .msg_iov = room, .msg_iovlen = 2};
    CHECK(recvmsg(s.receiver, &in, 0) == 8 && (in.msg_flags & MSG_EOR) != 0);
    /* Less room than message: read says so, the rest follows; recvmsg tells by a flag. */
    FAILS(read(s.receiver, text, 2), EMSGSIZE);
    CHECK(memcmp(text, "wr", 2) == 0);
    FAILS(recv(s.receiver, text, 0, 0), EMSGSIZE);
    room[0].iov_len = 1;
    in.msg_iovlen = 1;
    CHECK(recvmsg(s.receiver, &in, 0) == 1 && (in.msg_flags & MSG_EOR) == 0 && text[0] == 'i');
    CHECK(recv(s.receiver, text, sizeof text, 0) == 3 && memcmp(text, "tev", 3) == 0);
    expect_text(s.receiver, "wri");
    char first[8], second[8];
    struct iovec to[2] = {{first, 8}, {second, 8}};
    struct mmsghdr got[2] = {{{.msg_iov = &to[0], .msg_iovlen = 1}, 0},
                             {{.msg_iov = &to[1], .msg_iovlen = 1}, 0}};
    CHECK(recvmmsg(s.receiver, got, 2, MSG_WAITFORONE, NULL) >= 1 && got[0].msg_len == 3 &&
          memcmp(first, "mm1", 3) == 0);
    if (got[1].msg_len == 0) CHECK(recv(s.receiver, second, 8, 0) == 3);
    CHECK(memcmp(second, "mm2", 3) == 0);
    CHECK(preadv2(s.receiver, to, 2, -1, 0) == 3 && memcmp(first, "wri", 3) == 0);
    CHECK(recv(s.receiver, text, sizeof text, 0) == 0); /* the empty message */

    FAILS(read(s.sender, text, 1), EOPNOTSUPP);
    FAILS(write(s.receiver, text, 1), EOPNOTSUPP);
    FAILS(recv(s.listener, text, 1, 0), ENOTCONN);
    FAILS(accept(s.receiver, NULL, NULL), EINVAL);
    FAILS(accept4(s.listener, NULL, NULL, 4711), EINVAL);
    FAILS(connect(s.sender, (struct sockaddr*)&s.group, sizeof s.group), EISCONN);
    FAILS(setsockopt(s.sender, IPPROTO_RM, RM_FLUSHCACHE, &type, sizeof type), ENOPROTOOPT);
    FAILS(setsockopt(s.sender, IPPROTO_RM, RM_LATEJOIN, NULL, 4), EFAULT);
    FAILS(getsockopt(s.sender, IPPROTO_RM, RM_LATEJOIN, &type, (socklen_t*)8), EFAULT);
    FAILS(send(s.sender, (void*)8, 4, 0), EFAULT);
    FAILS(send(s.sender, text, 1, MSG_OOB), EOPNOTSUPP);
    FAILS(sendfile(s.sender, s.receiver, NULL, 5), EINVAL);
    RM_SENDER_STATS statistics;
    length = sizeof statistics;
    CHECK(getsockopt(s.sender, IPPROTO_RM, RM_SENDER_STATISTICS, &statistics, &length) == 0);
    CHECK(length == sizeof statistics);

    /* The end: all that was sent, then ESHUTDOWN each time; sending after it is EPIPE without a
     * signal. */
    CHECK(write(s.sender, "last", 4) == 4);
    CHECK(shutdown(s.sender, SHUT_WR) == 0);
    FAILS(write(s.sender, "x", 1), EPIPE);
    expect_text(s.receiver, "last");
    FAILS(read(s.receiver, text, 8), ESHUTDOWN);
    CHECK((events(s.receiver, POLLIN, 20000) & POLLIN) != 0);
    FAILS(read(s.receiver, text, 8), ESHUTDOWN);
    close_session(&s);
    FAILS(read(s.receiver, text, 1), EBADF);
    FAILS(close(s.sender), EBADF);
}

static void scenario_stream(void) {
    struct session s = open_session(SOCK_STREAM, 2);
    CHECK(write(s.sender, "abc", 3) == 3 && write(s.sender, "defg", 4) == 4);
    char text[16];
    CHECK(recv(s.receiver, text, 7, MSG_WAITALL) == 7 && memcmp(text, "abcdefg", 7) == 0);
    /* stdio: a line at a time, and the end of the file. */
    FILE* out = fdopen(s.sender, "w");
    CHECK(out != NULL);
    CHECK(fileno(out) == s.sender);
    fprintf(out, "line %d\n", 1);
    CHECK(fflush(out) == 0);
    CHECK(dprintf(fileno(out), "line %d\nend", 2) == 10);
    CHECK(shutdown(s.sender, SHUT_WR) == 0);
    CHECK(fclose(out) == 0);
    FILE* in = fdopen(s.receiver, "r");
    CHECK(fileno(in) == s.receiver && fileno(stdin) == 0);
    char line[32];
    CHECK(fgets(line, sizeof line, in) != NULL && strcmp(line, "line 1\n") == 0);
    CHECK(fgets(line, sizeof line, in) != NULL && strcmp(line, "line 2\n") == 0);
    CHECK(fgets(line, sizeof line, in) != NULL && strcmp(line, "end") == 0);
    CHECK(fgets(line, sizeof line, in) == NULL && feof(in) && !ferror(in));
    CHECK(read(s.receiver, text, 4) == 0 && read(s.receiver, text, 4) == 0);
    CHECK(fclose(in) == 0);
    FAILS(read(s.receiver, text, 4), EBADF);
    CHECK(close(s.listener) == 0);
}

static bool selects(int fd, bool writing, long patience_us) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    struct timeval limit = {patience_us / 1000000, patience_us % 1000000};
    const int n = select(fd + 1, writing ? NULL : &set, writing ? &set : NULL, NULL, &limit);
    CHECK(n >= 0 && n == FD_ISSET(fd, &set));
    return n == 1;
}

/* Readable says that a call would not wait, and not readable that it would: after every call. */
static void scenario_readiness(void) {
    struct session s = open_session(SOCK_RDM, 3);
    const int level = epoll_create1(EPOLL_CLOEXEC), edge = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {EPOLLIN, {.fd = s.receiver}}, got[4];
    CHECK(epoll_ctl(level, EPOLL_CTL_ADD, s.receiver, &event) == 0);
    event.events = EPOLLIN | EPOLLET;
    CHECK(epoll_ctl(edge, EPOLL_CTL_ADD, s.receiver, &event) == 0);
    /* Everything was read, and then nothing shows. */
    CHECK(events(s.receiver, POLLIN, 0) == 0);
    CHECK(events(s.listener, POLLIN, 0) == 0);
    (void)epoll_wait(edge, got, 4, 0); /* the edge of what came before it was asked for */
    for (int round = 0; round < 50; ++round) {
        CHECK(send(s.sender, "one", 3, 0) == 3 && send(s.sender, "two", 3, 0) == 3);
        CHECK(epoll_wait(edge, got, 4, 20000) == 1 && got[0].data.fd == s.receiver);
        CHECK(epoll_wait(level, got, 4, 20000) == 1 && got[0].events == EPOLLIN);
        CHECK(events(s.receiver, POLLIN, 0) == POLLIN && selects(s.receiver, false, 0));
        expect_text(s.receiver, "one");
        CHECK(events(s.receiver, POLLIN, 20000) == POLLIN);
        expect_text(s.receiver, "two");
        const struct timespec none = {0, 0};
        struct pollfd wait = {s.receiver, POLLIN, 0};
        CHECK(ppoll(&wait, 1, &none, NULL) == 0 && !selects(s.receiver, false, 0));
        CHECK(epoll_wait(level, got, 4, 0) == 0);
        FAILS(recv(s.receiver, got, 1, MSG_DONTWAIT), EAGAIN);
        (void)epoll_wait(edge, got, 4, 0); /* the second message may have had an edge of its own */
    }
    /* Edge by edge, until EAGAIN, nothing is missed. */
    CHECK(fcntl(s.receiver, F_SETFL, fcntl(s.receiver, F_GETFL) | O_NONBLOCK) == 0);
    const pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 2000; ++i) CHECK(send(s.sender, &i, sizeof i, 0) == sizeof i);
        _exit(0);
    }
    for (int next = 0; next < 2000;) {
        int n = -1, value = -1;
        while ((n = (int)recv(s.receiver, &value, sizeof value, 0)) == sizeof value)
            CHECK(value == next++);
        CHECK(n < 0 && errno == EAGAIN);
        if (next < 2000) CHECK(epoll_wait(edge, got, 4, 20000) == 1);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    /* A session that waits for accept. */
    const int second = connect_to(SOCK_RDM, s.group);
    CHECK(send(second, "second", 6, 0) == 6);
    CHECK(events(s.listener, POLLIN, 20000) == POLLIN);
    const int accepted = accept4(s.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK(accepted >= 0 && (fcntl(accepted, F_GETFL) & O_NONBLOCK) != 0);
    CHECK(fcntl(accepted, F_GETFD) == FD_CLOEXEC);
    CHECK(events(s.listener, POLLIN, 0) == 0);
    CHECK(fcntl(s.listener, F_SETFL, O_NONBLOCK) == 0);
    FAILS(accept(s.listener, NULL, NULL), EAGAIN);
    /* A reset is error and hang-up. */
    const struct linger abort = {1, 0};
    CHECK(setsockopt(second, SOL_SOCKET, SO_LINGER, &abort, sizeof abort) == 0);
    CHECK(events(accepted, POLLIN, 20000) == POLLIN);
    expect_text(accepted, "second");
    CHECK(close(second) == 0);
    int shown = events(accepted, POLLIN, 20000);
    /* As with the kernel's sockets, an announcement may come for what was read meanwhile: error
     * and hang-up follow, both at once. */
    for (int i = 0; i < 1000 && (shown & POLLHUP) == 0; ++i) {
        usleep(10000);
        shown = events(accepted, POLLIN, 0);
    }
    CHECK(shown == (POLLIN | POLLERR | POLLHUP));
    char c;
    FAILS(recv(accepted, &c, 1, 0), ECONNRESET);
    int error = 0;
    socklen_t length = sizeof error;
    CHECK(getsockopt(accepted, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == ECONNRESET);
    /* SHUT_RD: a call would not wait. */
    CHECK(events(s.receiver, POLLIN, 0) == 0 && shutdown(s.receiver, SHUT_RD) == 0);
    CHECK((events(s.receiver, POLLIN, 0) & POLLIN) != 0);
    FAILS(recv(s.receiver, &c, 1, 0), ESHUTDOWN);
    CHECK(close(accepted) == 0 && close(level) == 0 && close(edge) == 0);
    close_session(&s);
}

/* A window that is full is not writable, and becomes so again. */
static void scenario_writable(void) {
    const struct sockaddr_in group = address_of("239.2.0.1", 7500);
    const int fd = socket(AF_INET, SOCK_RDM | SOCK_NONBLOCK, IPPROTO_RM);
    const RM_SEND_WINDOW window = {40, 0, 20000}; /* 4 s, in steps of 0.6 s */
    CHECK(setsockopt(fd, IPPROTO_RM, RM_RATE_WINDOW_SIZE, &window, sizeof window) == 0);
    CHECK(connect(fd, (const struct sockaddr*)&group, sizeof group) == 0);
    static char message[1000];
    int sent = 0;
    while (events(fd, POLLOUT, 0) == POLLOUT) {
        CHECK(send(fd, message, sizeof message, 0) == sizeof message);
        CHECK(++sent < 100000);
    }
    /* No full packet fits; of smaller ones there may be one more. */
    for (int more = 0; send(fd, message, sizeof message, 0) == sizeof message;) CHECK(++more < 2);
    CHECK(errno == EAGAIN);
    CHECK(!selects(fd, true, 0));
    CHECK(events(fd, POLLOUT, 20000) == POLLOUT);
    CHECK(send(fd, message, sizeof message, 0) == sizeof message);
    int unsent = -1;
    CHECK(ioctl(fd, TIOCOUTQ, &unsent) == 0 && unsent >= 0);
    CHECK(close(fd) == 0);
}

static void on_alarm(int number) {
    (void)number;
}

static void scenario_modes(void) {
    struct session s = open_session(SOCK_RDM, 4);
    char text[64];
    int on = 1, octets = -1;
    CHECK(ioctl(s.receiver, FIONBIO, &on) == 0 && (fcntl(s.receiver, F_GETFL) & O_NONBLOCK) != 0);
    FAILS(read(s.receiver, text, 1), EAGAIN);
    CHECK(ioctl(s.receiver, FIONREAD, &octets) == 0 && octets == 0);
    CHECK(send(s.sender, "12345", 5, 0) == 5 && send(s.sender, "678", 3, 0) == 3);
    CHECK(events(s.receiver, POLLIN, 20000) == POLLIN);
    for (int i = 0; i < 1000 && octets != 5; ++i) CHECK(ioctl(s.receiver, FIONREAD, &octets) == 0);
    CHECK(octets == 5); /* the message at hand */
    expect_text(s.receiver, "12345");
    CHECK(events(s.receiver, POLLIN, 20000) == POLLIN);
    expect_text(s.receiver, "678");
    on = 0;
    CHECK(ioctl(s.receiver, FIONBIO, &on) == 0 && (fcntl(s.receiver, F_GETFL) & O_NONBLOCK) == 0);
    const struct timeval limit = {0, 30000};
    CHECK(setsockopt(s.receiver, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    FAILS(recv(s.receiver, text, 1, 0), EAGAIN);
    CHECK(setsockopt(s.listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    FAILS(accept(s.listener, NULL, NULL), EAGAIN);
    /* A signal ends a wait. */
    const struct timeval never = {0, 0};
    CHECK(setsockopt(s.receiver, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof never) == 0);
    struct sigaction action = {.sa_handler = on_alarm};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    const struct itimerval soon = {{0, 20000}, {0, 20000}}, off = {{0, 0}, {0, 0}};
    CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
    FAILS(recv(s.receiver, text, 1, 0), EINTR);
    CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0);
    close_session(&s);

    FAILS(socket(AF_INET6, SOCK_RDM, IPPROTO_RM), EAFNOSUPPORT);
    FAILS(socket(AF_INET, SOCK_DGRAM, IPPROTO_RM), EPROTOTYPE);
    const int fd = socket(AF_INET, SOCK_RDM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); /* 0 means RM */
    CHECK(fd >= 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    int protocol = 0;
    socklen_t length = sizeof protocol;
    CHECK(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 &&
          protocol == IPPROTO_RM);
    CHECK(close(fd) == 0);
}

static void scenario_dup(void) {
    struct session s = open_session(SOCK_RDM, 5);
    const int by_dup = dup(s.receiver), by_dup3 = dup3(s.receiver, 200, O_CLOEXEC);
    const int by_fcntl = fcntl(s.receiver, F_DUPFD, 300),
              sender = fcntl(s.sender, F_DUPFD_CLOEXEC, 0);
    CHECK(by_dup >= 0 && by_dup3 == 200 && by_fcntl >= 300 && sender >= 0);
    CHECK(fcntl(by_dup3, F_GETFD) == FD_CLOEXEC && fcntl(by_fcntl, F_GETFD) == 0);
    CHECK(dup2(s.receiver, s.receiver) == s.receiver);
    CHECK(close(s.sender) == 0); /* its duplicate goes on */
    const char* const texts[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; ++i) CHECK(send(sender, texts[i], 1, 0) == 1);
    expect_text(by_dup, "a");
    expect_text(s.receiver, "b");
    CHECK(close(s.receiver) == 0);
    expect_text(by_dup3, "c");
    expect_text(by_fcntl, "d");
    CHECK(fcntl(by_dup, F_SETFL, O_NONBLOCK) == 0); /* a flag of the socket, not of the number */
    FAILS(recv(by_fcntl, &s, 1, 0), EAGAIN);
    /* dup2 over a socket closes that one; over another's number it becomes this one. */
    int pipes[2];
    CHECK(pipe(pipes) == 0 && dup2(pipes[0], by_dup) == by_dup);
    CHECK(write(pipes[1], "pipe", 4) == 4);
    char text[8];
    CHECK(read(by_dup, text, 8) == 4 && memcmp(text, "pipe", 4) == 0);
    CHECK(dup2(by_fcntl, pipes[0]) == pipes[0]);
    CHECK(send(sender, "e", 1, 0) == 1 && events(pipes[0], POLLIN, 20000) == POLLIN);
    expect_text(pipes[0], "e");
    /* The lowest number is free for who closed it. */
    const int saved = fcntl(0, F_DUPFD, 400);
    CHECK(close(0) == 0 && dup(by_fcntl) == 0 && dup2(saved, 0) == 0 && close(saved) == 0);
    FAILS(dup2(999, by_fcntl), EBADF);
    FAILS(recv(by_fcntl, text, 1, 0), EAGAIN); /* still open */
    /* Close all of a range, as daemons do, and go on with a new socket. */
    CHECK(close_range(200, 299, 0) == 0);
    FAILS(recv(by_dup3, text, 1, 0), EBADF);
    FAILS(recv(by_fcntl, text, 1, 0), EAGAIN);
    CHECK(shutdown(sender, SHUT_WR) == 0);
    CHECK(events(by_fcntl, POLLIN, 20000) == POLLIN);
    FAILS(recv(by_fcntl, text, 1, 0), ESHUTDOWN);
    closefrom(3);
    FAILS(recv(by_fcntl, text, 1, 0), EBADF);
    for (int fd = 3; fd < 1024; ++fd) FAILS(close(fd), EBADF);
    s = open_session(SOCK_RDM, 6);
    CHECK(s.listener == 3);
    close_session(&s);
}

/* What its parent and it read is one sequence. */
static void read_some(int fd, int count, int out) {
    for (int i = 0; i < count; ++i) {
        int value = 0;
        CHECK(recv(fd, &value, sizeof value, 0) == sizeof value);
        CHECK(write(out, &value, sizeof value) == sizeof value);
    }
}

static void expect_end(pid_t child) {
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void scenario_fork(void) {
    enum { kEach = 500 };
    struct session s = open_session(SOCK_RDM, 7);
    int results[2];
    CHECK(pipe(results) == 0);
    pid_t children[2];
    for (int c = 0; c < 2; ++c) {
        children[c] = c == 0 ? fork() : vfork();
        if (children[c] == 0) {
            if (c == 0) read_some(s.receiver, kEach, results[1]);
            if (c == 1) close(s.receiver); /* its own, although it came by vfork */
            _exit(0);
        }
        CHECK(children[c] > 0);
    }
    for (int i = 0; i < 2 * kEach; ++i) CHECK(send(s.sender, &i, sizeof i, 0) == sizeof i);
    read_some(s.receiver, kEach, results[1]);
    for (int c = 0; c < 2; ++c) expect_end(children[c]);
    static char seen[2 * kEach];
    for (int i = 0; i < 2 * kEach; ++i) {
        int value = -1;
        CHECK(read(results[0], &value, sizeof value) == sizeof value);
        CHECK(value >= 0 && value < 2 * kEach && !seen[value]);
        seen[value] = 1;
    }
    /* A child's close is not the parent's; the child sends after its parent closed. */
    pid_t child = fork();
    if (child == 0) {
        CHECK(close(s.sender) == 0 && close(s.receiver) == 0);
        _exit(0);
    }
    expect_end(child);
    CHECK(send(s.sender, "parent", 6, 0) == 6);
    expect_text(s.receiver, "parent");
    int go[2];
    CHECK(pipe(go) == 0);
    child = fork();
    if (child == 0) {
        char c;
        CHECK(read(go[0], &c, 1) == 1);
        CHECK(send(s.sender, "child", 5, 0) == 5);
        CHECK(shutdown(s.sender, SHUT_WR) == 0);
        _exit(0);
    }
    CHECK(close(s.sender) == 0 && write(go[1], "x", 1) == 1);
    expect_text(s.receiver, "child");
    char c;
    FAILS(recv(s.receiver, &c, 1, 0), ESHUTDOWN);
    expect_end(child);
    /* What a child makes of a socket, its parent has. */
    const int shared = socket(AF_INET, SOCK_RDM, IPPROTO_RM);
    const int listener = socket(AF_INET, SOCK_RDM, IPPROTO_RM);
    const struct sockaddr_in other = address_of("239.2.200.1", 7000);
    child = fork();
    if (child == 0) {
        CHECK(bind(listener, (const struct sockaddr*)&other, sizeof other) == 0);
        CHECK(listen(listener, 1) == 0);
        _exit(0);
    }
    expect_end(child);
    int listens = 0;
    socklen_t length = sizeof listens;
    CHECK(getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 && listens == 1);
    CHECK(close(listener) == 0);
    child = fork();
    if (child == 0) {
        CHECK(connect(shared, (struct sockaddr*)&s.group, sizeof s.group) == 0);
        CHECK(send(shared, "made by child", 13, 0) == 13);
        _exit(0);
    }
    expect_end(child);
    CHECK(send(shared, "used by parent", 14, 0) == 14);
    CHECK(close(s.receiver) == 0);
    s.receiver = accept(s.listener, NULL, NULL);
    CHECK(s.receiver >= 0);
    expect_text(s.receiver, "made by child");
    expect_text(s.receiver, "used by parent");
    CHECK(close(shared) == 0 && close(s.receiver) == 0 && close(s.listener) == 0);
}

static void run_self(const char* scenario, int a, int b, int c) {
    char first[16], second[16], third[16];
    snprintf(first, sizeof first, "%d", a);
    snprintf(second, sizeof second, "%d", b);
    snprintf(third, sizeof third, "%d", c);
    execl(self, self, scenario, first, second, third, (char*)NULL);
    CHECK(!"exec");
}

static void scenario_exec(void) {
    struct session s = open_session(SOCK_RDM, 8);
    CHECK(fcntl(s.listener, F_SETFD, FD_CLOEXEC) == 0);
    const struct timeval limit = {0, 40000};
    CHECK(setsockopt(s.receiver, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    for (int i = 0; i < 3; ++i) CHECK(send(s.sender, &i, sizeof i, 0) == sizeof i);
    int value = -1;
    CHECK(recv(s.receiver, &value, sizeof value, 0) == sizeof value && value == 0);
    const int twin = dup(s.receiver);
    const pid_t child = fork();
    if (child == 0) run_self("after_exec", s.sender, twin, s.listener);
    expect_end(child);
    /* The child read 1 and sent "exec"; what is left is the parent's. */
    CHECK(recv(s.receiver, &value, sizeof value, 0) == sizeof value && value == 2);
    expect_text(s.receiver, "exec");
    FAILS(recv(s.receiver, &value, sizeof value, 0), EAGAIN);
    close_session(&s);
}

static void scenario_after_exec(int sender, int receiver, int listener) {
    FAILS(fcntl(listener, F_GETFD), EBADF); /* close-on-exec */
    int value = -1;
    socklen_t length = sizeof value;
    CHECK(getsockopt(receiver, SOL_SOCKET, SO_TYPE, &value, &length) == 0 && value == SOCK_RDM);
    struct timeval limit = {9, 9};
    length = sizeof limit;
    CHECK(getsockopt(receiver, SOL_SOCKET, SO_RCVTIMEO, &limit, &length) == 0 &&
          limit.tv_sec == 0 && limit.tv_usec == 40000);
    struct sockaddr_in peer;
    length = sizeof peer;
    CHECK(getpeername(receiver, (struct sockaddr*)&peer, &length) == 0 && peer.sin_port != 0);
    CHECK(recv(receiver, &value, sizeof value, 0) == sizeof value && value == 1);
    CHECK(write(sender, "exec", 4) == 4);
    char c;
    FAILS(write(receiver, &c, 1), EOPNOTSUPP);
    /* A socket of its own beside the inherited ones, and these once more under other numbers. */
    struct session s = open_session(SOCK_RDM, 9);
    const int twin = dup(sender);
    CHECK(twin >= 0 && close(twin) == 0);
    close_session(&s);
}

static void do_nothing(int number) {
    (void)number;
}

/* A signal cuts a wait whenever it comes, between two of the library's sleeps of a tenth of a
 * second as well. */
static void scenario_interrupts(void) {
    struct session s = open_session(SOCK_RDM, 14);
    const struct sigaction action = {.sa_handler = do_nothing};
    const struct timeval patience = {3, 0};
    char c;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(setsockopt(s.receiver, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    CHECK(setsockopt(s.listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    for (int i = 0; i < 40; ++i) {
        const struct itimerval once = {{0, 0}, {0, 99800 + i * 30}};
        CHECK(setitimer(ITIMER_REAL, &once, NULL) == 0);
        if (i % 2 == 0)
            FAILS(recv(s.receiver, &c, 1, 0), EINTR);
        else
            FAILS(accept(s.listener, NULL, NULL), EINTR);
    }
    sigset_t blocked;
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0 && sigismember(&blocked, SIGALRM) == 0);
    close_session(&s);
}

/* No more than `left` descriptors can be had until allow_all(). */
static struct rlimit limits;
static void allow(int left) {
    int held[8];
    for (int i = 0; i <= left; ++i) CHECK((held[i] = dup(STDIN_FILENO)) >= 0);
    struct rlimit few = limits;
    few.rlim_cur = (rlim_t)held[left];
    for (int i = 0; i <= left; ++i) CHECK(close(held[i]) == 0);
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
}
static void allow_all(void) {
    CHECK(setrlimit(RLIMIT_NOFILE, &limits) == 0);
}

/* Without a descriptor left nothing is made, and nothing is lost: the same call succeeds later. */
static void scenario_limits(void) {
    CHECK(getrlimit(RLIMIT_NOFILE, &limits) == 0);
    struct session s = open_session(SOCK_RDM, 13);
    const int sender = socket(AF_INET, SOCK_RDM, IPPROTO_RM);
    CHECK(sender >= 0);
    for (int left = 0; left < 3; ++left) {
        allow(left);
        FAILS(connect(sender, (struct sockaddr*)&s.group, sizeof s.group), EMFILE);
        FAILS(socket(AF_INET, SOCK_RDM, IPPROTO_RM), EMFILE);
        FAILS(send(sender, "x", 1, 0), ENOTCONN);
        allow_all();
    }
    CHECK(connect(sender, (struct sockaddr*)&s.group, sizeof s.group) == 0);
    CHECK(send(sender, "waited", 6, 0) == 6 && events(s.listener, POLLIN, 20000) == POLLIN);
    for (int left = 0; left < 3; ++left) {
        allow(left);
        FAILS(accept(s.listener, NULL, NULL), EMFILE);
        allow_all();
        CHECK(events(s.listener, POLLIN, 20000) == POLLIN);
    }
    const int receiver = accept(s.listener, NULL, NULL);
    CHECK(receiver >= 0);
    expect_text(receiver, "waited");
    CHECK(close(sender) == 0 && close(receiver) == 0);
    close_session(&s);
}

/* Standard input and output that are sockets, as whoever starts a program gives them to it: libc's
 * own reading and printing goes there. */
static void scenario_standard(void) {
    struct session s = open_session(SOCK_STREAM, 12);
    const int kept = dup(STDOUT_FILENO);
    CHECK(printf("before\n") == 7 && fflush(stdout) == 0);
    CHECK(dup2(s.sender, STDOUT_FILENO) == STDOUT_FILENO && fileno(stdout) == STDOUT_FILENO);
    CHECK(printf("number %d\n", 7) == 9 && fflush(stdout) == 0);
    CHECK(dup2(kept, STDOUT_FILENO) == STDOUT_FILENO && close(kept) == 0);
    CHECK(printf("after\n") == 6 && fflush(stdout) == 0);
    expect_text(s.receiver, "number 7\n");
    CHECK(send(s.sender, "question 35\n", 12, 0) == 12);
    const pid_t child = fork();
    if (child == 0) {
        CHECK(dup2(s.receiver, STDIN_FILENO) == STDIN_FILENO);
        CHECK(dup2(s.sender, STDOUT_FILENO) == STDOUT_FILENO);
        run_self("after_exec_standard", 0, 0, 0);
    }
    expect_end(child);
    expect_text(s.receiver, "answer 36\n");
    close_session(&s);
}

static int scenario_after_exec_standard(void) {
    int number = 0;
    CHECK(scanf("question %d", &number) == 1);
    printf("answer %d\n", number + 1);
    return 0; /* what is printed leaves as the program ends */
}

/* The daemon of an inherited socket is not there: errors, no hang, and the number is free
 * afterwards. */
static void scenario_after_exec_alone(int fd) {
    char c;
    FAILS(recv(fd, &c, 1, 0), ECONNRESET);
    FAILS(send(fd, &c, 1, 0), ECONNRESET);
    CHECK(close(fd) == 0);
    FAILS(recv(fd, &c, 1, 0), EBADF);
    int pipes[2];
    CHECK(pipe(pipes) == 0 && write(pipes[1], "x", 1) == 1 && read(pipes[0], &c, 1) == 1);
}

static void scenario_exec_without_daemon(void) {
    struct session s = open_session(SOCK_RDM, 10);
    CHECK(setenv("FANFARE_CONTROL", "/nonexistent/control.sock", 1) == 0);
    run_self("after_exec_alone", s.receiver, 0, 0);
}

static int alarm_sender;
static volatile sig_atomic_t alarms;
static void send_in_handler(int number) {
    (void)number;
    const int kept = errno;
    const int text = alarms;
    if (send(alarm_sender, &text, sizeof text, 0) == sizeof text) ++alarms;
    errno = kept;
}

/* Calls in signal handlers, while the thread waits in one and while it is in the midst of others.
 */
static void scenario_signals(void) {
    struct session s = open_session(SOCK_RDM, 11);
    alarm_sender = s.sender;
    struct sigaction action = {.sa_handler = send_in_handler, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    const struct itimerval often = {{0, 500}, {0, 500}}, off = {{0, 0}, {0, 0}};
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    int next = 0;
    while (next < 200) {
        int value = -1;
        const ssize_t n = recv(s.receiver, &value, sizeof value, 0);
        if (n == sizeof value) CHECK(value == next++);
        if (n < 0) CHECK(errno == EINTR);
        const int other = socket(AF_INET, SOCK_RDM, IPPROTO_RM);
        CHECK(other >= 0 && close(other) == 0);
    }
    CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0);
    close_session(&s);
}

int main(int argc, char** argv) {
    static const struct {
        const char* name;
        void (*run)(void);
    } scenarios[] = {{"calls", scenario_calls},
                     {"stream", scenario_stream},
                     {"readiness", scenario_readiness},
                     {"writable", scenario_writable},
                     {"modes", scenario_modes},
                     {"dup", scenario_dup},
                     {"fork", scenario_fork},
                     {"exec", scenario_exec},
                     {"exec_without_daemon", scenario_exec_without_daemon},
                     {"signals", scenario_signals},
                     {"interrupts", scenario_interrupts},
                     {"limits", scenario_limits},
                     {"standard", scenario_standard}};
    self = argv[0];
    CHECK(argc >= 2);
    alarm(60);
    if (strcmp(argv[1], "after_exec") == 0) {
        CHECK(argc == 5);
        scenario_after_exec(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
        return 0;
    }
    if (strcmp(argv[1], "after_exec_standard") == 0) return scenario_after_exec_standard();
    if (strcmp(argv[1], "after_exec_alone") == 0) {
        CHECK(argc >= 3);
        scenario_after_exec_alone(atoi(argv[2]));
        return 0;
    }
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; ++i)
        if (strcmp(argv[1], scenarios[i].name) == 0) {
            scenarios[i].run();
            return 0;
        }
    CHECK(!"a scenario of that name");
    return 1;
}

/* What the test programs share: a check that names its line, and a session over the daemon's own
 * loopback. Of Fanfare they know <wsrm.h> alone. */
#ifndef CHECKS_H
#define CHECKS_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wsrm.h>

#define CHECK(condition)                                                                          \
    do {                                                                                          \
        const int error_ = errno;                                                                 \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: not so: %s (errno %d, %s)\n", __FILE__, __LINE__, #condition, \
                    error_, strerror(error_));                                                    \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

/* `call` fails, and with this errno. */
#define FAILS(call, wanted)                                                                   \
    do {                                                                                      \
        errno = 0;                                                                            \
        const long result_ = (long)(call);                                                    \
        if (result_ != -1 || errno != (wanted)) {                                             \
            fprintf(stderr, "%s:%d: %s gave %ld, %s; wanted %s\n", __FILE__, __LINE__, #call, \
                    result_, strerror(errno), strerror(wanted));                              \
            exit(1);                                                                          \
        }                                                                                     \
    } while (0)

struct session {
    int listener, sender, receiver; /* descriptors */
    struct sockaddr_in group;
};

static inline struct sockaddr_in address_of(const char* dotted, int port) {
    struct sockaddr_in out;
    memset(&out, 0, sizeof out);
    out.sin_family = AF_INET;
    out.sin_port = htons((unsigned short)port);
    out.sin_addr.s_addr = inet_addr(dotted);
    return out;
}

/* The events that show within a time that only a failure waits for. */
static inline int events(int fd, int wanted, int patience_ms) {
    struct pollfd wait = {fd, (short)wanted, 0};
    const int n = poll(&wait, 1, patience_ms);
    CHECK(n >= 0);
    return wait.revents;
}

static inline int listen_on(int type, struct sockaddr_in group) {
    const int fd = socket(AF_INET, type, IPPROTO_RM);
    CHECK(fd >= 0);
    const int on = 1;
    CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    CHECK(bind(fd, (const struct sockaddr*)&group, sizeof group) == 0);
    CHECK(listen(fd, 5) == 0);
    return fd;
}

static inline int connect_to(int type, struct sockaddr_in group) {
    const int fd = socket(AF_INET, type, IPPROTO_RM);
    CHECK(fd >= 0);
    const struct sockaddr_in any = address_of("0.0.0.0", 0);
    CHECK(bind(fd, (const struct sockaddr*)&any, sizeof any) == 0);
    CHECK(connect(fd, (const struct sockaddr*)&group, sizeof group) == 0);
    return fd;
}

/* A sender and the socket that receives from it; `first` was sent and taken. `kind` distinguishes
 * the groups of a run. */
static inline struct session open_session(int type, int kind) {
    struct session s;
    char dotted[32];
    snprintf(dotted, sizeof dotted, "239.2.%d.%d", getpid() & 255, kind);
    s.group = address_of(dotted, 7000 + (getpid() >> 8 & 255));
    s.listener = listen_on(type, s.group);
    s.sender = connect_to(type, s.group);
    CHECK(send(s.sender, "first", 5, 0) == 5);
    CHECK(events(s.listener, POLLIN, 20000) == POLLIN);
    s.receiver = accept(s.listener, NULL, NULL);
    CHECK(s.receiver >= 0);
    char text[16];
    CHECK(recv(s.receiver, text, sizeof text, 0) == 5 && memcmp(text, "first", 5) == 0);
    return s;
}

static inline void close_session(struct session* s) {
    CHECK(close(s->sender) == 0 && close(s->receiver) == 0 && close(s->listener) == 0);
}

/* The next message is `text`. */
static inline void expect_text(int fd, const char* text) {
    char got[256];
    const ssize_t n = recv(fd, got, sizeof got, 0);
    CHECK(n == (ssize_t)strlen(text) && memcmp(got, text, strlen(text)) == 0);
}

#endif

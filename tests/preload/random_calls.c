/* Random calls with random arguments on sockets in random states: each ends with success or an
 * errno of the table (wsrm.md 4.7), and nothing beside them takes harm: another session, a pipe, a
 * file, the count of descriptors and of mappings. random_calls SEED CALLS One text, compiled twice:
 * against the C library (LIBRARY) and, as an ordinary program, for the preload library. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "fanfare/async.h"
#ifdef LIBRARY
#define socket fanfare_socket
#define bind fanfare_bind
#define connect fanfare_connect
#define listen fanfare_listen
#define accept fanfare_accept
#define accept4 fanfare_accept4
#define getsockname fanfare_getsockname
#define getpeername fanfare_getpeername
#define getsockopt fanfare_getsockopt
#define setsockopt fanfare_setsockopt
#define send fanfare_send
#define sendto fanfare_sendto
#define sendmsg fanfare_sendmsg
#define recv fanfare_recv
#define recvfrom fanfare_recvfrom
#define recvmsg fanfare_recvmsg
#define shutdown fanfare_shutdown
#define close fanfare_close
#endif

#include "checks.h"

static const int kTable[] = {
    EAGAIN,       EINVAL,          EFAULT,          EBADF,      ENOTCONN,     EISCONN,
    EOPNOTSUPP,   EMSGSIZE,        EADDRNOTAVAIL,   EADDRINUSE, EAFNOSUPPORT, EPROTOTYPE,
    ENOPROTOOPT,  EPROTONOSUPPORT, ESOCKTNOSUPPORT, EPIPE,      ESHUTDOWN,    ECONNRESET,
    ECONNABORTED, ENETDOWN,        ENETUNREACH,     ENOBUFS,    EDOM,         EDESTADDRREQ,
    EACCES, /* datagrams without or with no possible destination */
#ifndef LIBRARY
    ESPIPE, /* pread and the like, of the kernel's sockets too */
#endif
};

enum { kSockets = 10, kBuffer = 70000 };
static int sockets[kSockets];
static char buffer[kBuffer];
static char* unmapped;
static uint64_t state;
static const char* doing = "";
static unsigned long calls, failures;

static uint32_t draw(uint32_t below) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((state >> 33) % below);
}

static int chance(uint32_t percent) {
    return draw(100) < percent;
}

static long judge(const char* name, long result) {
    const int error = errno;
    ++calls;
    if (result >= 0) return result;
    ++failures;
    if (result == -1)
        for (size_t i = 0; i < sizeof kTable / sizeof *kTable; ++i)
            if (kTable[i] == error) return result;
    fprintf(stderr, "%s gave %ld, errno %d (%s), call %lu\n", name, result, error, strerror(error),
            calls);
    exit(1);
}
#define JUDGE(call) (doing = #call, errno = 0, judge(#call, (long)(call)))

static int any_socket(void) {
    if (chance(3)) return chance(50) ? -1 : 900 + (int)draw(50); /* nothing is there */
    return sockets[draw(kSockets)];
}

/* Memory for `bytes`, or what is none. Buffers of data are true or beyond all memory; small
 * arguments may also lie in memory that is not mapped. */
static void* any_memory(int small) {
    if (chance(90)) return buffer + draw(64) * 8;
    switch (draw(small ? 4 : 3)) {
        case 0:
            return NULL;
        case 1:
            return (void*)8;
        case 2:
            return (void*)-4096;
        default:
            return unmapped;
    }
}

static struct sockaddr_in any_address(void) {
    static const char* const places[] = {"239.4.0.1", "239.4.0.2", "239.4.0.3",
                                         "0.0.0.0",   "10.9.0.1",  "10.8.8.8"};
    struct sockaddr_in out = address_of(places[draw(6)], 7100 + (int)draw(3));
    if (chance(5)) out.sin_family = (sa_family_t)draw(12);
    return out;
}

static socklen_t any_length(socklen_t usual) {
    return chance(85) ? usual : chance(50) ? draw(40) : (socklen_t)(draw(3) - 1);
}

static void fill_option(int name, uint32_t words[80]) {
    for (int i = 0; i < 80; ++i) words[i] = draw(3) == 0 ? draw(120) : draw(2);
    if (name == RM_RATE_WINDOW_SIZE) { /* windows that the machine can have a thousand of */
        words[0] = draw(0x4000);
        words[1] = draw(200);
        words[2] = chance(50) ? 0 : draw(0x40000);
    }
    if (name >= 2003) words[1] = 0;
    if (name == 2004 || name == 2009) words[0] = draw(0x20000);
    if (name >= RM_SET_SEND_IF && name <= RM_DEL_RECEIVE_IF && chance(70))
        words[0] = inet_addr("10.9.0.1");
}

static const int kSocketOptions[] = {SO_REUSEADDR,  SO_TYPE,     SO_ERROR,  SO_RCVTIMEO,
                                     SO_SNDTIMEO,   SO_LINGER,   SO_SNDBUF, SO_KEEPALIVE,
                                     SO_ACCEPTCONN, SO_BROADCAST};

/* The six membership calls, the other options of datagrams, and numbers that are none; half of the
 * time with a structure that could be right. */
static void datagram_option_call(int fd) {
    static const int names[] = {IP_ADD_MEMBERSHIP,
                                IP_DROP_MEMBERSHIP,
                                IP_ADD_SOURCE_MEMBERSHIP,
                                IP_DROP_SOURCE_MEMBERSHIP,
                                IP_BLOCK_SOURCE,
                                IP_UNBLOCK_SOURCE,
                                IP_MULTICAST_IF,
                                IP_MULTICAST_TTL,
                                IP_MULTICAST_LOOP,
                                IP_TTL,
                                IP_PKTINFO,
                                IP_RECVTTL,
                                MCAST_JOIN_GROUP,
                                MCAST_LEAVE_GROUP,
                                MCAST_JOIN_SOURCE_GROUP,
                                MCAST_BLOCK_SOURCE};
    const int name = chance(90) ? names[draw(16)] : (int)draw(60);
    uint32_t words[80];
    for (int i = 0; i < 80; ++i) words[i] = draw(3);
    if (chance(50)) {
        words[0] = inet_addr(chance(80) ? "239.4.0.1" : "10.9.0.1");
        words[1] = inet_addr(chance(80) ? "10.9.0.1" : "0.0.0.0");
        words[2] = inet_addr(chance(80) ? "10.9.0.1" : "239.4.0.1");
    }
    socklen_t length = any_length(name >= MCAST_JOIN_GROUP ? 264 : chance(50) ? 12 : 8);
    if (chance(80))
        JUDGE(setsockopt(fd, IPPROTO_IP, name, chance(95) ? (void*)words : any_memory(1), length));
    else
        JUDGE(getsockopt(fd, IPPROTO_IP, name, words, &length));
}

static void option_call(int fd) {
    if (chance(20)) {
        datagram_option_call(fd);
        return;
    }
    int level = chance(70) ? IPPROTO_RM : chance(80) ? SOL_SOCKET : (int)draw(300);
    int name = level == SOL_SOCKET ? kSocketOptions[draw(10)] : 999 + (int)draw(18);
    if (level == IPPROTO_RM && chance(20)) name = 2000 + (int)draw(11);
    uint32_t words[80];
    fill_option(name, words);
    void* value = chance(90) ? (void*)words : any_memory(1);
    if (chance(50)) {
        JUDGE(setsockopt(fd, level, name, value, any_length(144)));
    } else {
        socklen_t length = any_length(200);
        JUDGE(getsockopt(fd, level, name, value, chance(95) ? &length : any_memory(1)));
    }
}

static void new_socket(int place) {
    const int domain = chance(92) ? AF_INET : AF_INET6;
    const int type = chance(60) ? SOCK_RDM : chance(85) ? SOCK_STREAM : SOCK_DGRAM;
    const int protocol = type == SOCK_DGRAM && domain == AF_INET && chance(70) ? 0 : IPPROTO_RM;
    const int fd = (int)JUDGE(socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
    if (fd < 0) return;
    sockets[place] = fd;
    if (protocol == 0) {
        const int on = 1;
        JUDGE(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
        return;
    }
    const RM_SEND_WINDOW window = {8000, 0, 65536};
    JUDGE(setsockopt(fd, IPPROTO_RM, RM_RATE_WINDOW_SIZE, &window, sizeof window));
    const int on = 1;
    if (chance(80)) JUDGE(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
}

static void close_socket(int place) {
    if (JUDGE(close(sockets[place])) == 0) sockets[place] = -1;
}

static void data_call(int fd) {
    struct iovec parts[3];
    for (int i = 0; i < 3; ++i) {
        parts[i].iov_base = any_memory(0);
        parts[i].iov_len = chance(90) ? draw(3000) : draw(60000);
    }
    if (chance(2)) parts[1].iov_len = SIZE_MAX / 2;
    struct sockaddr_in to = any_address();
    socklen_t length = any_length(sizeof to);
    struct msghdr message = {.msg_name = chance(30) ? &to : NULL,
                             .msg_namelen = length,
                             .msg_iov = chance(95) ? parts : any_memory(0),
                             .msg_iovlen = draw(4)};
    if (message.msg_iov != parts) message.msg_iovlen = 0;
    const int flags = (chance(20) ? MSG_PEEK : 0) | (chance(10) ? MSG_OOB : 0) |
                      (chance(10) ? MSG_WAITALL : 0) | MSG_DONTWAIT |
                      (chance(30) ? MSG_NOSIGNAL : 0);
    struct msghdr* const which = chance(95) ? &message : any_memory(0);
    if (which != &message && which != NULL) memset(buffer, 0, sizeof buffer);
    switch (draw(6)) {
        case 0:
            JUDGE(send(fd, parts[0].iov_base, parts[0].iov_len, flags));
            break;
        case 1:
            JUDGE(sendto(fd, parts[0].iov_base, parts[0].iov_len, flags, (struct sockaddr*)&to,
                         length));
            break;
        case 2:
            JUDGE(sendmsg(fd, which, flags));
            break;
        case 3:
            JUDGE(recv(fd, parts[0].iov_base, parts[0].iov_len, flags));
            break;
        case 4:
            JUDGE(recvfrom(fd, parts[0].iov_base, parts[0].iov_len, flags,
                           chance(90) ? (struct sockaddr*)&to : NULL,
                           chance(90) ? &length : any_memory(0)));
            break;
        default:
            JUDGE(recvmsg(fd, which, flags));
    }
}

/* Asynchronous calls: each accepted one has exactly one completion, whose result is octets or an
 * errno of the table. */
static struct fanfare_ring* ring;
static unsigned long submitted, completed;

static void take_completions(int64_t wait_ns) {
    struct fanfare_completion done[64];
    doing = "taking completions";
    CHECK(fanfare_ring_wait(ring, 1, wait_ns) >= 0);
    const int n = fanfare_ring_reap(ring, done, 64);
    CHECK(n >= 0);
    completed += (unsigned long)n;
    for (int i = 0; i < n; ++i) {
        const int error = done[i].result < 0 ? (int)-done[i].result : 0;
        if (error == ECANCELED || error == ENOENT || error == EALREADY) continue;
        errno = error;
        judge("a completion", error == 0 ? 0 : -1);
    }
}

static void async_call(int fd) {
    /* Octets of calls that pend are the library's: these are nobody else's. */
    static char pending[64][2000];
    struct fanfare_submission wishes[4];
    struct iovec parts[4][2];
    struct sockaddr_in to[4];
    static struct sockaddr_in from;
    memset(wishes, 0, sizeof wishes);
    for (int i = 0; i < 4; ++i) {
        char* const room = pending[draw(64)];
        wishes[i].operation = chance(97) ? draw(5) : draw(1000);
        wishes[i].fd = chance(70) ? fd : any_socket();
        wishes[i].user_data = draw(8);
        wishes[i].argument = draw(8);
        wishes[i].parts_count = chance(97) ? draw(3) : draw(3000);
        wishes[i].flags = (chance(10) ? MSG_PEEK : 0) | (chance(10) ? MSG_DONTWAIT : 0) |
                          (chance(5) ? MSG_OOB : 0) | (chance(5) ? MSG_WAITALL : 0);
        for (int j = 0; j < 2; ++j) {
            parts[i][j].iov_base = chance(97) ? room + j * 1000 : NULL;
            parts[i][j].iov_len = chance(97) ? draw(1000) : SIZE_MAX / 2;
        }
        wishes[i].parts = wishes[i].parts_count <= 2 && chance(97) ? parts[i] : NULL;
        to[i] = any_address();
        if (chance(20))
            wishes[i].address = wishes[i].operation == FANFARE_OP_RECEIVE ? &from
                                : chance(90)                              ? &to[i]
                                                                          : (void*)8;
    }
    errno = 0;
    doing = "fanfare_ring_submit";
    const int n = fanfare_ring_submit(ring, chance(98) ? wishes : NULL, draw(5));
    ++calls;
    if (n >= 0)
        submitted += (unsigned long)n;
    else
        CHECK(errno == EBUSY || errno == EFAULT);
    if (n < 0 || chance(40)) take_completions(chance(20) ? 1000000 : 0);
}

#ifndef LIBRARY
static void descriptor_call(int place) {
    const int fd = sockets[place];
    struct iovec parts[2] = {{any_memory(0), draw(2000)}, {any_memory(0), draw(2000)}};
    struct mmsghdr several[2] = {{{.msg_iov = parts, .msg_iovlen = 2}, 0},
                                 {{.msg_iov = parts, .msg_iovlen = 1}, 0}};
    int number = 0;
    struct pollfd wait = {fd, (short)(POLLIN | POLLOUT), 0};
    switch (draw(13)) {
        case 0:
            JUDGE(read(fd, any_memory(0), draw(3000)));
            break;
        case 1:
            JUDGE(write(fd, any_memory(0), draw(3000)));
            break;
        case 2:
            JUDGE(readv(fd, parts, (int)draw(4) - 1 > 2 ? 2 : (int)draw(3) - 1));
            break;
        case 3:
            JUDGE(writev(fd, parts, (int)draw(3) - 1));
            break;
        case 4:
            JUDGE(sendmmsg(fd, several, draw(3), MSG_DONTWAIT));
            break;
        case 5:
            JUDGE(recvmmsg(fd, several, draw(3), MSG_DONTWAIT, NULL));
            break;
        case 6:
            JUDGE(ioctl(fd, FIONREAD, chance(90) ? (void*)&number : any_memory(1)));
            break;
        case 7:
            JUDGE(fcntl(fd, F_SETFL, O_NONBLOCK | (chance(50) ? O_ASYNC : 0)));
            break;
        case 8:
            JUDGE(poll(&wait, 1, 0));
            break;
        case 9: {
            const int other = (int)draw(kSockets);
            const int twin = (int)JUDGE(chance(50) ? dup(fd) : fcntl(fd, F_DUPFD_CLOEXEC, 100));
            if (twin < 0) break;
            if (sockets[other] >= 0) close_socket(other);
            if (sockets[other] < 0)
                sockets[other] = twin;
            else
                JUDGE(close(twin));
            break;
        }
        case 10: { /* over another socket */
            const int other = (int)draw(kSockets);
            if (sockets[other] >= 0 && sockets[other] != fd) JUDGE(dup2(fd, sockets[other]));
            break;
        }
        case 11:
            JUDGE(preadv2(fd, parts, 2, (off_t)draw(2) - 1, 0));
            break;
        default:
            JUDGE(dup2(fd, -1));
    }
}
#endif

static void one_call(void) {
    const int place = (int)draw(kSockets);
    const int fd = any_socket();
    struct sockaddr_in address = any_address();
    socklen_t length = any_length(sizeof address);
    void* const where = chance(93) ? (void*)&address : any_memory(1);
    void* const size = chance(93) ? (void*)&length : any_memory(1);
    switch (draw(16)) {
        case 14:
        case 15:
            async_call(fd);
            break;
        case 0:
        case 1:
            if (sockets[place] >= 0 && chance(40)) close_socket(place);
            if (sockets[place] < 0) new_socket(place);
            break;
        case 2:
            JUDGE(bind(fd, where, length));
            break;
        case 3:
            JUDGE(connect(fd, where, length));
            break;
        case 4:
            JUDGE(listen(fd, (int)draw(5) - 1));
            break;
        case 5: {
            const int got =
                (int)JUDGE(chance(50) ? accept4(fd, chance(50) ? where : NULL, size,
                                                SOCK_NONBLOCK | (chance(3) ? 7 : 0))
                                      : accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (got < 0) break;
            if (sockets[place] >= 0) close_socket(place);
            if (sockets[place] < 0)
                sockets[place] = got;
            else
                JUDGE(close(got));
            break;
        }
        case 6:
            JUDGE(chance(50) ? getsockname(fd, where, size) : getpeername(fd, where, size));
            break;
        case 7:
            if (chance(30)) JUDGE(shutdown(fd, (int)draw(5) - 1));
            break;
        case 8:
        case 9:
            option_call(fd);
            break;
#ifndef LIBRARY
        case 10:
            descriptor_call(place);
            break;
#endif
        default:
            data_call(fd);
    }
}

/* What must not notice anything. */
static struct session neighbour;
static int neighbour_pipe[2];
static uint32_t told;

static void look_at_neighbours(void) {
    char text[32], got[32];
    const int n = snprintf(text, sizeof text, "message %u", told++);
    doing = "a neighbour's call";
    CHECK(send(neighbour.sender, text, (size_t)n, 0) == n);
    CHECK(recv(neighbour.receiver, got, sizeof got, 0) == n && memcmp(text, got, (size_t)n) == 0);
    CHECK(write(neighbour_pipe[1], text, (size_t)n) == n);
    CHECK(read(neighbour_pipe[0], got, sizeof got) == n && memcmp(text, got, (size_t)n) == 0);
}

static int count_lines(const char* path, const char* with) {
    FILE* file = fopen(path, "r");
    CHECK(file != NULL);
    char line[512];
    int count = 0;
    while (fgets(line, sizeof line, file) != NULL) count += strstr(line, with) != NULL;
    fclose(file);
    return count;
}

static int open_descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < 1024; ++fd) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void too_long(int number) {
    (void)number;
    fprintf(stderr, "call %lu does not end: %s\n", calls, doing);
    _exit(1);
}

int main(int argc, char** argv) {
    CHECK(argc == 3);
    state = strtoull(argv[1], NULL, 0);
    const unsigned long wanted = strtoul(argv[2], NULL, 0);
    printf("seed %s\n", argv[1]);
    fflush(stdout);
    signal(SIGALRM, too_long);
    signal(SIGIO, SIG_IGN);
    alarm(100);
    unmapped = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(unmapped != MAP_FAILED && munmap(unmapped, 4096) == 0);
    unmapped = mmap(unmapped, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                    0); /* stays so */
    CHECK(unmapped != MAP_FAILED);
    CHECK(pipe(neighbour_pipe) == 0);
    neighbour = open_session(SOCK_RDM, 250);
    look_at_neighbours();
    ring = fanfare_ring_create(64);
    CHECK(ring != NULL);
    const int descriptors = open_descriptors();
    const int mappings = count_lines("/proc/self/maps", "memfd:fanfare");
    for (int i = 0; i < kSockets; ++i) sockets[i] = -1;

    for (unsigned long i = 0; calls < wanted; ++i) {
        one_call();
        if (i % 50 == 0) look_at_neighbours();
    }

    const struct linger off = {0, 0};
    for (int i = 0; i < kSockets; ++i) {
        if (sockets[i] < 0) continue;
        (void)setsockopt(sockets[i], SOL_SOCKET, SO_LINGER, &off, sizeof off);
        close_socket(i);
    }
    look_at_neighbours();
    /* Every socket is closed, so every call is complete. */
    take_completions(0);
    if (submitted != completed) {
        fprintf(stderr, "%lu asynchronous calls, %lu completions\n", submitted, completed);
        return 1;
    }
    fanfare_ring_destroy(ring); /* a descriptor less */
    const int left = 1 + open_descriptors(),
              left_mapped = count_lines("/proc/self/maps", "memfd:fanfare");
    if (left != descriptors || left_mapped > mappings) {
        fprintf(stderr, "%d descriptors at first, %d at last; %d mappings, then %d\n", descriptors,
                left, mappings, left_mapped);
        return 1;
    }
    close_session(&neighbour);
    printf("%lu calls, %lu of them failed as they should\n", calls, failures);
    return 0;
}

/* Everything that is not Fanfare's: a transcript of what a program sees of TCP, UDP, Unix sockets,
 * pipes and files. With and without the preload library it must be the same, octet for octet. */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "checks.h"

static unsigned long sum_of(const unsigned char* data, size_t bytes, unsigned long sum) {
    for (size_t i = 0; i < bytes; ++i) sum = sum * 31 + data[i];
    return sum;
}

/* A result and its errno, or the octets it gave. */
static void tell(const char* what, long result) {
    printf("%s: %ld %s\n", what, result, result < 0 ? strerror(errno) : "");
}

static void move(const char* name, int from, int to, int sockets) {
    enum { kBytes = 300000 };
    static unsigned char data[kBytes], got[kBytes];
    unsigned state = 12345;
    for (size_t i = 0; i < kBytes; ++i)
        data[i] = (unsigned char)((state = state * 1103515245u + 12345) >> 16);
    const pid_t child = fork();
    if (child == 0) {
        size_t sent = 0;
        for (int way = 0; sent < kBytes; ++way) {
            size_t n = kBytes - sent < 1000 ? kBytes - sent : 1000;
            struct iovec parts[2] = {{data + sent, n / 2}, {data + sent + n / 2, n - n / 2}};
            struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
            struct mmsghdr one = {message, 0};
            ssize_t r = 0;
            switch (sockets ? way % 6 : way % 2) {
                case 0:
                    r = write(to, data + sent, n);
                    break;
                case 1:
                    r = writev(to, parts, 2);
                    break;
                case 2:
                    r = send(to, data + sent, n, MSG_NOSIGNAL);
                    break;
                case 3:
                    r = sendto(to, data + sent, n, 0, NULL, 0);
                    break;
                case 4:
                    r = sendmsg(to, &message, 0);
                    break;
                default:
                    CHECK(sendmmsg(to, &one, 1, 0) == 1);
                    r = one.msg_len;
            }
            CHECK(r > 0);
            sent += (size_t)r;
        }
        CHECK(close(to) == 0);
        _exit(0);
    }
    CHECK(close(to) == 0);
    size_t have = 0;
    for (int way = 0; have < kBytes; ++way) {
        size_t n = kBytes - have < 700 ? kBytes - have : 700;
        struct iovec parts[2] = {{got + have, n / 3}, {got + have + n / 3, n - n / 3}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        struct mmsghdr one = {message, 0};
        CHECK((events(from, POLLIN, 20000) & POLLIN) != 0);
        ssize_t r = 0;
        switch (sockets ? way % 6 : way % 2) {
            case 0:
                r = read(from, got + have, n);
                break;
            case 1:
                r = readv(from, parts, 2);
                break;
            case 2:
                r = recv(from, got + have, n, 0);
                break;
            case 3:
                r = recvfrom(from, got + have, n, 0, NULL, NULL);
                break;
            case 4:
                r = recvmsg(from, &message, 0);
                break;
            default:
                CHECK(recvmmsg(from, &one, 1, 0, NULL) == 1);
                r = one.msg_len;
        }
        CHECK(r > 0);
        have += (size_t)r;
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(memcmp(data, got, kBytes) == 0);
    printf("%s: %lx, then %ld\n", name, sum_of(got, kBytes, 7), (long)read(from, got, 1));
    CHECK(close(from) == 0);
}

static void udp(void) {
    const int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    struct sockaddr_in at = address_of("127.0.0.1", 0);
    socklen_t length = sizeof at;
    CHECK(bind(a, (struct sockaddr*)&at, sizeof at) == 0);
    CHECK(getsockname(a, (struct sockaddr*)&at, &length) == 0);
    CHECK(sendto(b, "datagram", 8, 0, (struct sockaddr*)&at, sizeof at) == 8);
    CHECK(events(a, POLLIN, 20000) == POLLIN);
    int octets = 0;
    CHECK(ioctl(a, FIONREAD, &octets) == 0);
    tell("udp FIONREAD", octets);
    char text[64];
    tell("udp peek", recv(a, text, sizeof text, MSG_PEEK));
    struct sockaddr_in from;
    length = sizeof from;
    tell("udp recvfrom, cut", recvfrom(a, text, 4, 0, (struct sockaddr*)&from, &length));
    tell("udp EAGAIN", recv(a, text, 4, MSG_DONTWAIT));
    int on = 1;
    tell("udp reuse", setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    struct ip_mreq group = {{inet_addr("239.9.9.9")}, {inet_addr("127.0.0.1")}};
    tell("udp join", setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group));
    tell("udp join again", setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group));
    tell("udp rm option", setsockopt(a, IPPROTO_RM, RM_LATEJOIN, &on, sizeof on));
    close(a);
    close(b);
}

static void others(void) {
    /* Not ours although the protocol or the type looks like it. */
    tell("unix, type rdm", socket(AF_UNIX, SOCK_RDM, 0));
    tell("inet rdm tcp", socket(AF_INET, SOCK_RDM, IPPROTO_TCP));
    tell("stream udp", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    tell("no such family", socket(4711, SOCK_STREAM, 0));
    /* Raw sockets of protocol 113 are somebody's own PGM: the kernel decides (root may, others may
     * not). */
    const int raw = socket(AF_INET, SOCK_RAW, IPPROTO_RM);
    int type = raw >= 0 ? 0 : SOCK_RAW;
    socklen_t length = sizeof type;
    if (raw >= 0)
        CHECK(getsockopt(raw, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && close(raw) == 0);
    tell("raw pgm is raw", type == SOCK_RAW);
    tell("bad close", close(-1));
    tell("bad read", read(-1, &type, 1));
    tell("bad dup", dup(12345));
    tell("bad dup2", dup2(3, -1));
    tell("bad fcntl", fcntl(999, F_GETFL));
    tell("bad range", close_range(9, 8, 0));
    char text[8];
    void* volatile nowhere = (void*)8;
    tell("bad pointer", read(open("/dev/zero", O_RDONLY), nowhere, 8));
    tell("not a socket", recv(0, text, 8, 0));
    tell("sockatmark", sockatmark(open("/dev/null", O_RDONLY)));
}

static void files(const char* folder) {
    char path[256];
    snprintf(path, sizeof path, "%s/foreign", folder);
    const int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    struct iovec parts[2] = {{"file ", 5}, {"content", 7}};
    tell("writev", writev(fd, parts, 2));
    tell("pwritev2", pwritev2(fd, parts, 1, 20, 0));
    tell("dprintf", dprintf(fd, "%s %d", "number", 9));
    struct stat status;
    CHECK(fstat(fd, &status) == 0);
    tell("size", (long)status.st_size);
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    off_t at = 5;
    tell("sendfile", sendfile(pipes[1], fd, &at, 7));
    char text[16];
    tell("read", read(pipes[0], text, sizeof text));
    printf("%.7s\n", text);
    loff_t from = 0;
    tell("splice", splice(fd, &from, pipes[1], NULL, 4, 0));
    tell("read", read(pipes[0], text, sizeof text));
    FILE* stream = fdopen(dup(fd), "r+");
    CHECK(stream != NULL && fseek(stream, 0, SEEK_SET) == 0 && fgets(text, 6, stream) != NULL);
    printf("stdio %s, descriptor %d\n", text, fileno(stream) >= 0);
    fclose(stream);
    const int twin = fcntl(fd, F_DUPFD_CLOEXEC, 100);
    tell("twin", twin);
    tell("flags", fcntl(twin, F_GETFD));
    tell("dup3", dup3(fd, twin, 0));
    tell("flags", fcntl(twin, F_GETFD));
    tell("lock", fcntl(twin, F_SETLK, &(struct flock){.l_type = F_WRLCK}));
    tell("range", close_range(100, 110, 0));
    tell("closed", fcntl(twin, F_GETFD));
    CHECK(unlink(path) == 0);
    closefrom(3);
    tell("all closed", fcntl(fd, F_GETFD));
    const pid_t child = vfork();
    if (child == 0) _exit(7);
    int end = 0;
    CHECK(waitpid(child, &end, 0) == child);
    tell("vfork", WEXITSTATUS(end));
}

int main(int argc, char** argv) {
    CHECK(argc == 2);
    alarm(60);
    setvbuf(stdout, NULL, _IONBF, 0);
    int pair[2];
    CHECK(pipe(pair) == 0);
    move("pipe", pair[0], pair[1], 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    move("unix", pair[0], pair[1], 1);
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = address_of("127.0.0.1", 0);
    socklen_t length = sizeof at;
    CHECK(bind(listener, (struct sockaddr*)&at, sizeof at) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr*)&at, &length) == 0);
    const int client = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    CHECK(connect(client, (struct sockaddr*)&at, sizeof at) == 0);
    const int server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(server >= 0 && shutdown(server, SHUT_WR) == 0);
    move("tcp", server, client, 1);
    CHECK(close(listener) == 0);
    udp();
    others();
    files(argv[1]);
    return 0;
}

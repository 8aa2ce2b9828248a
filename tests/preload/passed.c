/* An ordinary program that passes reliable-multicast sockets to another process in messages of a
 * Unix socket: they are the same sockets there. Run under the preload library. */
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "checks.h"

enum { kPassed = 2 };

static void pass(int way, const int fds[kPassed]) {
    char control[CMSG_SPACE(kPassed * sizeof(int))];
    memset(control, 0, sizeof control);
    struct iovec part = {"x", 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(kPassed * sizeof(int));
    memcpy(CMSG_DATA(head), fds, kPassed * sizeof(int));
    CHECK(sendmsg(way, &message, 0) == 1);
}

static void take(int way, int fds[kPassed], int several) {
    char control[CMSG_SPACE(kPassed * sizeof(int))], octet;
    struct iovec part = {&octet, 1};
    struct mmsghdr message = {{.msg_iov = &part,
                               .msg_iovlen = 1,
                               .msg_control = control,
                               .msg_controllen = sizeof control},
                              0};
    if (several)
        CHECK(recvmmsg(way, &message, 1, 0, NULL) == 1 && message.msg_len == 1);
    else
        CHECK(recvmsg(way, &message.msg_hdr, 0) == 1);
    const struct cmsghdr* head = CMSG_FIRSTHDR(&message.msg_hdr);
    CHECK(head != NULL && head->cmsg_len == CMSG_LEN(kPassed * sizeof(int)));
    memcpy(fds, CMSG_DATA(head), kPassed * sizeof(int));
}

/* What was made before this process had any of the sockets: it comes by them in messages alone. */
static void other_process(int way) {
    int fds[kPassed];
    char c;
    for (int several = 0; several < 2; ++several) {
        take(way, fds, several);
        struct sockaddr_in peer;
        socklen_t length = sizeof peer;
        CHECK(getpeername(fds[0], (struct sockaddr*)&peer, &length) == 0 && peer.sin_port != 0);
        FAILS(write(fds[0], "x", 1), EOPNOTSUPP);
        expect_text(fds[0], several ? "to be taken" : "passed on");
        CHECK(send(fds[1], "from there", 10, 0) == 10);
        CHECK(events(fds[0], POLLIN, 20000) == POLLIN);
        CHECK(write(way, "y", 1) == 1 && read(way, &c, 1) == 1);
        FAILS(recv(fds[0], &c, 1, MSG_DONTWAIT), EAGAIN); /* the other one has read it */
        CHECK(write(way, "y", 1) == 1);
        if (several) break;
        /* The numbers are given back behind the library's back, and come again. */
        CHECK(syscall(SYS_close, fds[0]) == 0 && syscall(SYS_close, fds[1]) == 0);
    }
    /* The last holder ends the session in good order. */
    CHECK(read(way, &c, 1) == 1);
    CHECK(send(fds[1], "the end", 7, 0) == 7);
    CHECK(close(fds[1]) == 0);
    expect_text(fds[0], "the end");
    FAILS(recv(fds[0], &c, 1, 0), ESHUTDOWN);
    CHECK(close(fds[0]) == 0);
    /* What is passed and is not ours is the kernel's. */
    take(way, fds, 0);
    CHECK(write(fds[1], "pipe", 4) == 4 && read(fds[0], &c, 1) == 1 && c == 'p');
}

int main(void) {
    alarm(60);
    int way[2], pipes[2], status = -1;
    char c;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, way) == 0);
    const pid_t child = fork();
    if (child == 0) {
        other_process(way[1]);
        _exit(0);
    }
    CHECK(close(way[1]) == 0);
    struct session s = open_session(SOCK_RDM, 95);
    const int fds[kPassed] = {s.receiver, s.sender};
    for (int several = 0; several < 2; ++several) {
        const char* const text = several ? "to be taken" : "passed on";
        CHECK(send(s.sender, text, strlen(text), 0) == (ssize_t)strlen(text));
        pass(way[0], fds);
        CHECK(read(way[0], &c, 1) == 1);
        expect_text(s.receiver, "from there");
        CHECK(write(way[0], "z", 1) == 1 && read(way[0], &c, 1) == 1);
    }
    close_session(&s);
    CHECK(write(way[0], "z", 1) == 1);
    CHECK(pipe(pipes) == 0);
    pass(way[0], pipes);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    return 0;
}

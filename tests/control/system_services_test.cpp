// Endpoints as the kernel has them: made, hung up, held by others.
#include "control/system_services.hpp"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "tests/forked_holder.hpp"

namespace fanfare::control {
namespace {

short shown(int fd, short events = POLLIN) {
    pollfd wait{fd, events, 0};
    (void)::poll(&wait, 1, 0);
    return wait.revents;
}

// The lowest number that is free.
int next_descriptor() {
    const int fd = ::dup(0);
    ::close(fd);
    return fd;
}

// From now on the kernel says ENOSPC to epoll_ctl(), as it does to a user whose watches are used
// up.
bool use_up_watches() {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_ctl, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSPC),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{sizeof(program) / sizeof(program[0]), program};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST(SystemServicesTest, an_endpoint_that_can_not_be_watched_is_refused_and_nothing_is_held) {
    SystemServices services(checksum::best_kernels(), {}, false);
    const pid_t child = ::fork();
    if (child == 0) {
        const int before = next_descriptor();
        if (!use_up_watches()) ::_exit(77);
        int ours = -1, theirs = -1;
        const int error = services.make_endpoint(ours, theirs);
        ::_exit(error == ENOSPC && ours == -1 && theirs == -1 && next_descriptor() == before ? 0
                                                                                             : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "the kernel takes no filter of system calls";
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

// The octet that stays unread is what makes an error of a hang-up.
TEST(SystemServicesTest, a_hang_up_is_an_error_after_all_that_a_full_endpoint_held_was_drained) {
    SystemServices services(checksum::best_kernels(), {}, false);
    int ours = -1, theirs = -1;
    ASSERT_EQ(services.make_endpoint(ours, theirs), 0);
    EXPECT_NE(shown(theirs, POLLOUT) & POLLOUT, 0) << "what lies in it leaves room";
    int sent = 0;
    while (::send(theirs, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1) ++sent;
    EXPECT_LT(sent, 100) << "a sender fills it in some dozen calls";
    EXPECT_EQ(shown(theirs, POLLOUT) & POLLOUT, 0);
    for (int i = 0; i < 2; ++i) {
        services.drain(ours);
        EXPECT_NE(shown(theirs, POLLOUT) & POLLOUT, 0);
    }
    services.hang_up(ours);
    EXPECT_EQ(shown(theirs) & (POLLERR | POLLHUP), POLLERR | POLLHUP);
    services.close_descriptor(ours);
    services.close_descriptor(theirs);
}

// Last, as it holds for the whole process.
TEST(SystemServicesTest, a_hang_up_shows_although_a_forked_child_holds_the_end_too) {
    SystemServices services(checksum::best_kernels(), {}, false);
    services.share_process();
    int ours = -1, theirs = -1;
    ASSERT_EQ(services.make_endpoint(ours, theirs), 0);
    fanfare::test::ForkedHolder child;
    ASSERT_TRUE(child.holds());
    services.hang_up(ours);
    EXPECT_NE(shown(theirs) & POLLHUP, 0);
    EXPECT_EQ(shown(theirs) & POLLERR, 0) << "the kernel says so when the last end is closed";
    ASSERT_TRUE(child.end());
    EXPECT_EQ(shown(theirs) & (POLLERR | POLLHUP), POLLERR | POLLHUP);
    services.close_descriptor(ours);
    services.close_descriptor(theirs);
}

}  // namespace
}  // namespace fanfare::control

// Endpoints as the kernel has them: made, hung up, held by others.
#include "control/system_services.hpp"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace fanfare::control {
namespace {

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

}  // namespace
}  // namespace fanfare::control

#include "ipc/standard_streams.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

namespace fanfare::ipc {
namespace {

// What `body` returns in a process of its own.
int in_a_child(const std::function<int()>& body) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(body());
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(StandardStreams, AClosedNumberIsNotGivenToWhatIsOpenedLater) {
    for (const int number : {0, 1, 2}) {
        EXPECT_GT(in_a_child([&] {
                      ::close(number);
                      occupy_standard_streams();
                      return ::open("/dev/null", O_RDONLY);
                  }),
                  2)
            << number;
    }
    EXPECT_GT(in_a_child([] {
                  for (const int number : {0, 1, 2}) ::close(number);
                  occupy_standard_streams();
                  return ::open("/dev/null", O_RDONLY);
              }),
              2);
}

TEST(StandardStreams, AClosedNumberStillRefusesToBeReadOrWritten) {
    EXPECT_EQ(in_a_child([] {
                  ::close(0);
                  occupy_standard_streams();
                  char octet = 0;
                  return ::read(0, &octet, 1) < 0 ? errno : 0;
              }),
              EBADF);
    EXPECT_EQ(in_a_child([] {
                  ::close(1);
                  occupy_standard_streams();
                  return ::write(1, "x", 1) < 0 ? errno : 0;
              }),
              EBADF);
}

TEST(StandardStreams, OpenOnesAreLeftAlone) {
    EXPECT_EQ(in_a_child([] {
                  int ends[2];
                  if (::pipe(ends) != 0) return 1;
                  ::dup2(ends[1], 1);
                  occupy_standard_streams();
                  char octet = 0;
                  return ::write(1, "x", 1) == 1 && ::read(ends[0], &octet, 1) == 1 ? 0 : 2;
              }),
              0);
}

}  // namespace
}  // namespace fanfare::ipc

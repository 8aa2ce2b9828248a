#include "ipc/standard_streams.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>

namespace fanfare::ipc {

void occupy_standard_streams() {
    const int before = errno;
    for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(number, F_GETFD) >= 0 || errno != EBADF) continue;
        // The lowest free number is this one, as those below it are taken. The wrong direction on
        // purpose.
        (void)::open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
    errno = before;
}

}  // namespace fanfare::ipc

#include "client/preload/real_calls.hpp"

#include <dlfcn.h>

namespace fanfare::preload {

constinit RealCalls real;

namespace {

int (*next_fcntl)(int, int, ...) = nullptr;
int (*next_ioctl)(int, unsigned long, ...) = nullptr;
int (*next_ppoll)(pollfd*, nfds_t, const timespec*, const sigset_t*) = nullptr;

// Leaves `function` as it is where nobody behind this library has the name.
template <typename Function>
void resolve(Function& function, const char* name) {
    if (void* const found = ::dlsym(RTLD_NEXT, name); found != nullptr)
        function = reinterpret_cast<Function>(found);
}

}  // namespace

int real_fcntl(int fd, int command, unsigned long argument) {
    return next_fcntl != nullptr ? next_fcntl(fd, command, argument)
                                 : raw::fcntl_word(fd, command, argument);
}

int real_ioctl(int fd, unsigned long request, unsigned long argument) {
    return next_ioctl != nullptr ? next_ioctl(fd, request, argument)
                                 : raw::ioctl_word(fd, request, argument);
}

int real_ppoll(pollfd* waits, nfds_t count, const timespec* limit, const sigset_t* mask) {
    if (next_ppoll != nullptr) return next_ppoll(waits, count, limit, mask);
    timespec left = limit != nullptr ? *limit : timespec{};  // the kernel writes into it
    return static_cast<int>(raw::call(SYS_ppoll, waits, count, limit != nullptr ? &left : nullptr,
                                      mask, sizeof(unsigned long)));
}

pid_t real_fork() {
    static pid_t (*next)() = nullptr;
    if (next == nullptr) resolve(next, "fork");
    return next != nullptr ? next() : static_cast<pid_t>(raw::call(SYS_fork));
}

std::FILE* real_fdopen(int fd, const char* mode) {
    static std::FILE* (*next)(int, const char*) = nullptr;
    if (next == nullptr) resolve(next, "fdopen");
    return next != nullptr ? next(fd, mode) : nullptr;
}

int real_fileno(std::FILE* stream) {
    static int (*next)(std::FILE*) = nullptr;
    if (next == nullptr) resolve(next, "fileno");
    return next != nullptr ? next(stream) : -1;
}

int real_vdprintf(int fd, const char* format, va_list arguments) {
    static int (*next)(int, const char*, va_list) = nullptr;
    if (next == nullptr) resolve(next, "vdprintf");
    return next != nullptr ? next(fd, format, arguments) : -1;
}

int real_vdprintf_chk(int fd, int flag, const char* format, va_list arguments) {
    static int (*next)(int, int, const char*, va_list) = nullptr;
    if (next == nullptr) resolve(next, "__vdprintf_chk");
    return next != nullptr ? next(fd, flag, format, arguments) : -1;
}

void resolve_real_calls() {
    resolve(real.socket, "socket");
    resolve(real.bind, "bind");
    resolve(real.connect, "connect");
    resolve(real.listen, "listen");
    resolve(real.accept, "accept");
    resolve(real.accept4, "accept4");
    resolve(real.getsockname, "getsockname");
    resolve(real.getpeername, "getpeername");
    resolve(real.getsockopt, "getsockopt");
    resolve(real.setsockopt, "setsockopt");
    resolve(real.shutdown, "shutdown");
    resolve(real.read, "read");
    resolve(real.write, "write");
    resolve(real.readv, "readv");
    resolve(real.writev, "writev");
    resolve(real.preadv2, "preadv2");
    resolve(real.pwritev2, "pwritev2");
    resolve(real.recv, "recv");
    resolve(real.recvfrom, "recvfrom");
    resolve(real.recvmsg, "recvmsg");
    resolve(real.recvmmsg, "recvmmsg");
    resolve(real.send, "send");
    resolve(real.sendto, "sendto");
    resolve(real.sendmsg, "sendmsg");
    resolve(real.sendmmsg, "sendmmsg");
    resolve(real.sendfile, "sendfile");
    resolve(real.splice, "splice");
    resolve(real.close, "close");
    resolve(real.close_range, "close_range");
    resolve(real.dup, "dup");
    resolve(real.dup2, "dup2");
    resolve(real.dup3, "dup3");
    resolve(next_fcntl, "fcntl64");
    resolve(next_ioctl, "ioctl");
    resolve(next_ppoll, "ppoll");
}

}  // namespace fanfare::preload

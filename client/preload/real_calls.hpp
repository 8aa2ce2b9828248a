// What libc (or another preloaded library behind this one) does with the calls that this library
// stands before.
#pragma once

#include <cstdio>

#include "client/preload/raw_calls.hpp"

namespace fanfare::preload {

// Until resolve_real_calls() each is the system call itself, so that a call is right however early
// in the process's life it comes. From then on it is the next library's.
struct RealCalls {
    int (*socket)(int, int, int) = raw::socket;
    int (*bind)(int, const sockaddr*, socklen_t) = raw::bind;
    int (*connect)(int, const sockaddr*, socklen_t) = raw::connect;
    int (*listen)(int, int) = raw::listen;
    int (*accept)(int, sockaddr*, socklen_t*) = raw::accept;
    int (*accept4)(int, sockaddr*, socklen_t*, int) = raw::accept4;
    int (*getsockname)(int, sockaddr*, socklen_t*) = raw::getsockname;
    int (*getpeername)(int, sockaddr*, socklen_t*) = raw::getpeername;
    int (*getsockopt)(int, int, int, void*, socklen_t*) = raw::getsockopt;
    int (*setsockopt)(int, int, int, const void*, socklen_t) = raw::setsockopt;
    int (*shutdown)(int, int) = raw::shutdown;

    ssize_t (*read)(int, void*, std::size_t) = raw::read;
    ssize_t (*write)(int, const void*, std::size_t) = raw::write;
    ssize_t (*readv)(int, const iovec*, int) = raw::readv;
    ssize_t (*writev)(int, const iovec*, int) = raw::writev;
    ssize_t (*preadv2)(int, const iovec*, int, off_t, int) = raw::preadv2;
    ssize_t (*pwritev2)(int, const iovec*, int, off_t, int) = raw::pwritev2;
    ssize_t (*recv)(int, void*, std::size_t, int) = raw::recv;
    ssize_t (*recvfrom)(int, void*, std::size_t, int, sockaddr*, socklen_t*) = raw::recvfrom;
    ssize_t (*recvmsg)(int, msghdr*, int) = raw::recvmsg;
    int (*recvmmsg)(int, mmsghdr*, unsigned, int, timespec*) = raw::recvmmsg;
    ssize_t (*send)(int, const void*, std::size_t, int) = raw::send;
    ssize_t (*sendto)(int, const void*, std::size_t, int, const sockaddr*, socklen_t) = raw::sendto;
    ssize_t (*sendmsg)(int, const msghdr*, int) = raw::sendmsg;
    int (*sendmmsg)(int, mmsghdr*, unsigned, int) = raw::sendmmsg;
    ssize_t (*sendfile)(int, int, off_t*, std::size_t) = raw::sendfile;
    ssize_t (*splice)(int, off64_t*, int, off64_t*, std::size_t, unsigned) = raw::splice;

    int (*close)(int) = raw::close;
    int (*close_range)(unsigned, unsigned, int) = raw::close_range;
    int (*dup)(int) = raw::dup;
    int (*dup2)(int, int) = raw::dup2;
    int (*dup3)(int, int, int) = raw::dup3;
};
extern RealCalls real;

// Variadic, so they are called by a name of their own.
int real_fcntl(int fd, int command, unsigned long argument);
int real_ioctl(int fd, unsigned long request, unsigned long argument);
int real_ppoll(pollfd* waits, nfds_t count, const timespec* limit, const sigset_t* mask);
// These have no system call of their own to stand in; looked up when they are first called.
pid_t real_fork();
std::FILE* real_fdopen(int fd, const char* mode);
int real_fileno(std::FILE* stream);
int real_vdprintf(int fd, const char* format, va_list arguments);
int real_vdprintf_chk(int fd, int flag, const char* format, va_list arguments);

// Once, before the process has a second thread.
void resolve_real_calls();

}  // namespace fanfare::preload

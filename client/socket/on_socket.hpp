// How a call of the C API reaches its socket.
#pragma once

#include <cerrno>
#include <new>

#include "client/socket/last_error.hpp"
#include "client/socket/page_lock.hpp"
#include "client/socket/socket_table.hpp"

namespace fanfare::client {

inline int result(int error) {
    if (error == 0) return 0;
    errno = error;
    return -1;
}

// Runs `call` on the socket of `fd`. Nothing is thrown at a C program.
template <typename Call>
int on_socket(int fd, Call&& call) {
    if (PageLock::held_by_this_thread())
        return result(fail(EAGAIN, "a signal handler interrupted a call on a Fanfare socket"));
    try {
        int error = 0;
        Socket* socket = find_socket(fd, error);
        return result(socket == nullptr ? error : call(*socket));
    } catch (const std::bad_alloc&) {
        return result(fail(ENOMEM, ""));
    }
}

}  // namespace fanfare::client

// What a program can do to a descriptor beside the calls of fanfare/socket.h. For the preload
// library, which sees the program do it.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

namespace fanfare::client {

// readv: as fanfare_recv, into several parts; without room it takes nothing. -1 with errno.
ssize_t read_vector(int fd, const iovec* parts, std::size_t count, int flags);

// FIONREAD: octets that a receive can take now; -1 with errno.
std::int64_t readable_octets(int fd);

// The program is about to close `fd` in another way than fanfare_close: everything but the closing
// itself. `say_so`: the daemon is told that it is meant (see fanfare_close); otherwise a socket
// that has no other holder ends as one whose program vanished.
void release_descriptor(int fd, bool say_so);

}  // namespace fanfare::client

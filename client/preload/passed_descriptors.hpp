// Descriptors that the program did not get from this library: over exec, or in a message of a Unix
// socket (SCM_RIGHTS). Those that are Fanfare sockets are marked, and attached when the program
// first uses them.
#pragma once

#include <sys/socket.h>

namespace fanfare::preload {

// Whether `fd` is the program's end of a Fanfare socket, whoever made it.
bool is_endpoint(int fd);

// `message` as the kernel filled it: marks what came in it.
void mark_passed(const msghdr& message);

}  // namespace fanfare::preload

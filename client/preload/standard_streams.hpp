// stdin, stdout and stderr on Fanfare sockets (stdio.cpp).
#pragma once

namespace fanfare::preload {

// `fd` has just become a socket of ours, if it is one: where it is 0, 1 or 2 its standard stream
// follows.
void adopt_standard_stream(int fd);

}  // namespace fanfare::preload

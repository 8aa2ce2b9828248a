// Descriptors 0, 1 and 2 of a program that was started without some of them.
#pragma once

namespace fanfare::ipc {

// Puts something at each of the three numbers that is closed, so that no socket or file which is
// opened later stands there and gets what was meant for a terminal. What it puts there refuses to
// be read (0) or written (1, 2) with EBADF, as the closed number did. Call it before anything else
// is opened; keeps errno.
void occupy_standard_streams();

}  // namespace fanfare::ipc

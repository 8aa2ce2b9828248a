// What the daemon passes to a process that may have no more descriptors is lost, and with it the
// session that it belongs to. So who asks for something that is not given twice looks first, as the
// kernel's accept takes a number before it takes a connection.
#pragma once

namespace fanfare::client {

// 0 where `count` descriptors more may be opened now, else EMFILE or ENFILE.
int room_for_descriptors(int count);

}  // namespace fanfare::client

// What went wrong last in this thread: an errno, the Winsock number of the same fact, and a line
// for a human. Needs no memory but its own.
#pragma once

#include <string_view>

namespace fanfare::client {

// WSAEDISCON and WSAESHUTDOWN are one errno on receive (wsrm.md 4.7).
enum class EndKind { other, peer_finished };

// Notes the fact and returns `error`, so that a caller can `return fail(...)`.
int fail(int error, std::string_view text, EndKind kind = EndKind::other);

// Valid until the thread's next failure.
const char* last_error_text();
int last_winsock_error();

// The Winsock number for an errno (wsrm.md 4.7); 0 for 0; the errno itself where Winsock has no
// twin.
int winsock_number(int error);

}  // namespace fanfare::client

// Which descriptor of this process is which socket. Several may be one: dup, or the same socket
// inherited twice.
#pragma once

#include <memory>

#include "client/socket/socket.hpp"

namespace fanfare::client {

// Enters a socket under its descriptor; whatever stood there had been closed behind the library's
// back.
void enter_socket(std::shared_ptr<Socket> socket);
// Enters `duplicate`, which the program made of `descriptor` by dup and the like. False, with
// nothing entered: `descriptor` is no socket's, or the number is too high.
bool enter_duplicate(int descriptor, int duplicate);

// The socket of a descriptor, or nullptr with `error` and last_error. A descriptor that the table
// does not know is asked what it is: one that came over exec, or was duplicated where the library
// did not see it, is attached. EBADF: no Fanfare socket. ECONNRESET: one whose daemon is not there
// any more. The pointer is good until this thread asks for another descriptor or forgets this one;
// other threads may close the socket meanwhile.
Socket* find_socket(int descriptor, int& error);

// The same without asking anybody: nullptr for what the table does not hold.
std::shared_ptr<Socket> known_socket(int descriptor);

// The same for whoever uses the socket beyond the life of the program's descriptor: it has one of
// its own from here on. nullptr with `error` and last_error.
std::shared_ptr<Socket> socket_held_apart(int descriptor, int& error);

// Takes a descriptor out. The socket, if that was the last one of it in this process, else nullptr;
// its object goes when the last thread that uses it has turned to another.
std::shared_ptr<Socket> forget_socket(int descriptor);
// Whether other descriptors of this process stand for the same socket; if so this one is out.
bool forget_if_shared(int descriptor);

}  // namespace fanfare::client

#include "client/socket/program_memory.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace fanfare::client {

namespace {

// EFAULT says that the memory is bad; anything else that this kernel, or a filter on it, won't
// tell.
template <typename Copy>
bool through_kernel(Copy copy, void* ours, void* program, std::size_t bytes, bool& known) {
    const int kept = errno;
    const iovec here{ours, bytes}, there{program, bytes};
    const ssize_t n = copy(::getpid(), &here, 1, &there, 1, 0);
    known = n >= 0 || errno == EFAULT;
    errno = kept;
    return n == static_cast<ssize_t>(bytes);
}

}  // namespace

bool copy_in(void* to, const void* from_program, std::size_t bytes) {
    if (bytes == 0) return true;
    if (!may_be_memory(from_program, bytes)) return false;
    bool known = false;
    if (through_kernel(::process_vm_readv, to, const_cast<void*>(from_program), bytes, known))
        return true;
    if (!known) std::memcpy(to, from_program, bytes);
    return !known;
}

bool copy_out(void* to_program, const void* from, std::size_t bytes) {
    if (bytes == 0) return true;
    if (!may_be_memory(to_program, bytes)) return false;
    bool known = false;
    if (through_kernel(::process_vm_writev, const_cast<void*>(from), to_program, bytes, known))
        return true;
    if (!known) std::memcpy(to_program, from, bytes);
    return !known;
}

}  // namespace fanfare::client

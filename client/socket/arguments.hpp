// Arguments of the socket calls, from the program's memory into ours, checked. Errors are noted
// (last_error) and returned.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <iterator>
#include <span>
#include <vector>

#include "client/core/parts.hpp"
#include "client/socket/last_error.hpp"
#include "client/socket/program_memory.hpp"

namespace fanfare::client {

inline int bad_memory(const char* text) {
    return fail(EFAULT, text);
}

inline int read_address(const sockaddr* address, socklen_t length, sockaddr_in& out) {
    if (address == nullptr) return bad_memory("the address is a null pointer");
    if (length < sizeof(sa_family_t)) return fail(EINVAL, "the address is too short");
    sockaddr_in copy{};
    if (!copy_in(&copy, address, std::min<std::size_t>(length, sizeof copy)))
        return bad_memory("the address is no memory of this program");
    if (copy.sin_family != AF_INET) return fail(EAFNOSUPPORT, "only AF_INET addresses");
    if (length < sizeof out) return fail(EINVAL, "the address is shorter than sockaddr_in");
    out = copy;
    return 0;
}

// As the kernel does it: as much as fits, and the true length.
inline int write_address(const sockaddr_in& address, sockaddr* out, socklen_t* length) {
    if (out == nullptr) return 0;
    socklen_t room = 0;
    const socklen_t whole = sizeof address;
    if (!copy_in(&room, length, sizeof room))
        return bad_memory("the address's length is no memory of this program");
    if (static_cast<int>(room) < 0) return fail(EINVAL, "the address's length is negative");
    if (!copy_out(out, &address, std::min(room, whole)) || !copy_out(length, &whole, sizeof whole))
        return bad_memory("the address is no memory of this program");
    return 0;
}

// The parts of an iovec array as ours; a short array, as nearly all are, without allocation.
template <typename Part>
class Parts {
  public:
    int read(const iovec* parts, std::size_t count) {
        if (count > 1024) return fail(EMSGSIZE, "at most 1024 parts");
        if (!may_be_memory(parts, count * sizeof *parts))
            return bad_memory("the parts are no memory of this program");
        if (count > std::size(few_)) many_.resize(count);
        Part* to = count > std::size(few_) ? many_.data() : few_;
        std::size_t sum = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (parts[i].iov_len > SSIZE_MAX - sum)
                return fail(EINVAL, "the parts are longer than memory");
            sum += parts[i].iov_len;
            if (!may_be_memory(parts[i].iov_base, parts[i].iov_len))
                return bad_memory("a part is no memory of this program");
            to[i] = {static_cast<decltype(Part::data)>(parts[i].iov_base), parts[i].iov_len};
        }
        parts_ = {to, count};
        return 0;
    }
    std::span<const Part> get() const { return parts_; }

  private:
    Part few_[8];
    std::vector<Part> many_;
    std::span<const Part> parts_;
};

}  // namespace fanfare::client

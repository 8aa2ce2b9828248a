#include "client/socket/last_error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace fanfare::client {

namespace {
// No allocation and nothing to destroy: also a call in a signal handler may fail.
constexpr std::size_t kTextMax = 400;
thread_local char text_of_last[kTextMax] = "";
thread_local int winsock_of_last = 0;
}  // namespace

int winsock_number(int error) {
    switch (error) {
        case 0:
            return 0;
        case EINTR:
            return 10004;
        case EBADF:
            return 10038;  // WSAENOTSOCK: closed or foreign handle
        case EACCES:
            return 10013;
        case EFAULT:
            return 10014;
        case EINVAL:
            return 10022;
        case EMFILE:
            return 10024;
        case EAGAIN:
            return 10035;
        case EINPROGRESS:
            return 997;  // WSA_IO_PENDING
        case ECANCELED:
            return 995;  // WSA_OPERATION_ABORTED
        case EMSGSIZE:
            return 10040;
        case EPROTOTYPE:
            return 10041;
        case ENOPROTOOPT:
            return 10042;
        case EPROTONOSUPPORT:
            return 10043;
        case ESOCKTNOSUPPORT:
            return 10044;
        case EOPNOTSUPP:
            return 10045;
        case EAFNOSUPPORT:
            return 10047;
        case EADDRINUSE:
            return 10048;
        case EADDRNOTAVAIL:
            return 10049;
        case ENETDOWN:
            return 10050;
        case ENETUNREACH:
            return 10051;
        case ENETRESET:
            return 10052;
        case ECONNABORTED:
            return 10053;
        case ECONNRESET:
            return 10054;
        case ENOBUFS:
            return 10055;
        case EISCONN:
            return 10056;
        case ENOTCONN:
            return 10057;
        case EPIPE:
        case ESHUTDOWN:
            return 10058;
        default:
            return error;
    }
}

int fail(int error, std::string_view text, EndKind kind) {
    if (text.empty()) {
        const char* const plain = ::strerrordesc_np(error);
        text = plain != nullptr ? plain : "unknown error";
    }
    const std::size_t n = std::min(text.size(), kTextMax - 1);
    std::memcpy(text_of_last, text.data(), n);
    text_of_last[n] = 0;
    winsock_of_last = kind == EndKind::peer_finished ? 10101 : winsock_number(error);
    return error;
}

const char* last_error_text() {
    return text_of_last;
}
int last_winsock_error() {
    return winsock_of_last;
}

}  // namespace fanfare::client

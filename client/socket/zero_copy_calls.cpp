// The C API's calls without a copy: rooms in the send window, views of the receive window. What
// they mean stands in fanfare/socket.h.
#include <algorithm>
#include <cerrno>
#include <span>

#include "client/socket/last_error.hpp"
#include "client/socket/on_socket.hpp"
#include "client/socket/socket.hpp"
#include "fanfare/socket.h"

using fanfare::client::fail;
using fanfare::client::on_socket;
using fanfare::client::ReadPosition;
using fanfare::client::ReceivedView;
using fanfare::client::RoomPart;
using fanfare::client::Socket;
using fanfare::client::TakenViews;

namespace {

// cursor_phase carries both the phase and how many messages end in the view, at most a packet's.
constexpr unsigned kPhaseBits = 8;
constexpr std::uint32_t kPhaseMask = (1u << kPhaseBits) - 1;

ReadPosition position_behind(const fanfare_view& view) {
    return {view.cursor_ordinal, view.cursor_offset, view.cursor_taken,
            static_cast<fanfare::ipc::ReaderPhase>(view.cursor_phase & kPhaseMask)};
}

std::uint32_t messages_of(const fanfare_view& view) {
    return view.cursor_phase >> kPhaseBits;
}

fanfare_view view_of(const ReceivedView& view) {
    const std::uint32_t flags =
        (view.begins ? FANFARE_VIEW_BEGINS : 0) | (view.ends ? FANFARE_VIEW_ENDS : 0) |
        (view.repaired ? FANFARE_VIEW_REPAIRED : 0) | (view.row ? FANFARE_VIEW_ROW : 0);
    return {view.octets.data(),
            view.octets.size(),
            flags,
            static_cast<std::uint32_t>(view.after.phase) | view.messages << kPhaseBits,
            view.after.offset,
            view.after.taken,
            view.after.ordinal,
            view.ordinal,
            view.log_position};
}

constexpr std::size_t kViewsAtOnce = 64, kRoomsAtOnce = 256;

}  // namespace

extern "C" {

int fanfare_claim(int fd, size_t bytes, void** room, size_t* room_bytes, int flags) {
    return on_socket(fd, [&](Socket& socket) {
        if (room == nullptr || room_bytes == nullptr) return fail(EFAULT, "room is a null pointer");
        std::span<std::byte> lent;
        const int error = socket.claim(bytes, flags, lent);
        *room = lent.data();
        *room_bytes = lent.size();
        return error;
    });
}

int fanfare_commit(int fd, size_t bytes) {
    return on_socket(fd, [&](Socket& socket) { return socket.commit(bytes); });
}

int fanfare_publish(int fd) {
    return on_socket(fd, [](Socket& socket) { return socket.publish(); });
}

int fanfare_claim_run(int fd, iovec* rooms, size_t count, int flags) {
    std::size_t lent = 0;
    const int failed = on_socket(fd, [&](Socket& socket) {
        if (rooms == nullptr) return fail(EFAULT, "the rooms are a null pointer");
        if (count == 0) return fail(EINVAL, "ask for at least one message");
        RoomPart some[kRoomsAtOnce];
        const std::size_t n = std::min(count, kRoomsAtOnce);
        for (std::size_t i = 0; i < n; ++i) some[i] = {nullptr, rooms[i].iov_len};
        const int error = socket.claim_run(std::span(some, n), flags, lent);
        for (std::size_t i = 0; i < lent; ++i) rooms[i] = {some[i].data, some[i].bytes};
        return error;
    });
    return failed != 0 ? failed : static_cast<int>(lent);
}

int fanfare_peek(int fd, fanfare_view* views, size_t count, int flags) {
    std::size_t got = 0;
    const int failed = on_socket(fd, [&](Socket& socket) {
        if (views == nullptr) return fail(EFAULT, "the views are a null pointer");
        if (count == 0) return fail(EINVAL, "room for at least one view");
        ReceivedView some[kViewsAtOnce];
        const int error = socket.peek(std::span(some, std::min(count, kViewsAtOnce)), flags, got);
        for (std::size_t i = 0; i < got; ++i) views[i] = view_of(some[i]);
        return error;
    });
    return failed != 0 ? failed : static_cast<int>(got);
}

int fanfare_intact(int fd, const fanfare_view* view) {
    int intact = 0;
    const int failed = on_socket(fd, [&](Socket& socket) {
        if (view == nullptr) return fail(EFAULT, "the view is a null pointer");
        intact = socket.intact(view->log_position) ? 1 : 0;
        return 0;
    });
    return failed != 0 ? failed : intact;
}

int fanfare_consume(int fd, const fanfare_view* views, size_t count) {
    return on_socket(fd, [&](Socket& socket) {
        if (count != 0 && views == nullptr) return fail(EFAULT, "the views are a null pointer");
        if (count == 0) return 0;
        TakenViews taken;
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint64_t messages = messages_of(views[i]);
            const bool row = (views[i].flags & FANFARE_VIEW_ROW) != 0;
            taken.add(views[i].log_position, messages,
                      views[i].bytes - (row ? fanfare::ipc::kRowLengthBytes * messages : 0));
        }
        taken.after = position_behind(views[count - 1]);
        return socket.consume(taken);
    });
}

}  // extern "C"

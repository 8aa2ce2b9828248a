#include "client/socket/socket_table.hpp"

#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "client/socket/connection.hpp"
#include "client/socket/descriptor_map.hpp"
#include "client/socket/last_error.hpp"
#include "client/socket/library.hpp"
#include "client/socket/signals_held.hpp"
#include "ipc/endpoint_name.hpp"

namespace fanfare::client {

namespace {

// Never destroyed: threads may still be at work while the process ends.
struct Table {
    std::mutex mutex;
    std::unordered_map<int, std::shared_ptr<Socket>> sockets;
    // Moves with every change of the table. Partner: the acquire in find_socket, which compares it
    // with what the thread saw when it remembered its socket.
    std::atomic<std::uint64_t> generation{1};

    void changed() { generation.fetch_add(1, std::memory_order_release); }
    std::shared_ptr<Socket> put(int descriptor, std::shared_ptr<Socket> socket) {
        set_kind(descriptor, DescriptorKind::socket);
        auto former = std::exchange(sockets[descriptor], std::move(socket));
        changed();
        return former;
    }
    std::shared_ptr<Socket> take(int descriptor) {
        const auto found = sockets.find(descriptor);
        if (found == sockets.end()) return nullptr;
        auto socket = std::move(found->second);
        sockets.erase(found);
        set_kind(descriptor, DescriptorKind::foreign);
        changed();
        return socket;
    }
    bool holds(const Socket* socket) const {
        return std::any_of(sockets.begin(), sockets.end(),
                           [&](const auto& entry) { return entry.second.get() == socket; });
    }
};

Table& table() {
    static Table& instance = *new Table;
    // Attaching asks the daemon while the table is locked, so a fork too must lock the table first:
    // its handlers run in the reverse of the order in which they were registered.
    static const bool connections_registered = (register_connections_for_fork(), true);
    (void)connections_registered;
    static const int registered =
        ::pthread_atfork([] { table().mutex.lock(); }, [] { table().mutex.unlock(); },
                         [] {
                             // Whatever other threads were about in a socket, they are not here.
                             for (auto& [descriptor, socket] : table().sockets)
                                 socket->alone_after_fork();
                             table().mutex.unlock();
                         });
    (void)registered;
    return instance;
}

// What this thread used last, so that a call on the same descriptor takes no lock.
struct Remembered {
    int descriptor = -1;
    std::uint64_t generation = 0;
    std::shared_ptr<Socket> socket;
};
thread_local Remembered remembered;

// Which socket the kernel's descriptor is an end of; 0: none of ours.
std::uint64_t socket_id_behind(int descriptor) {
    sockaddr_un address{};
    socklen_t length = sizeof address;
    if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
    return ipc::socket_id_in(address, length);
}

// The caller holds the table's lock.
int attach(Table& t, int descriptor, std::shared_ptr<Socket>& out) {
    const std::uint64_t id = socket_id_behind(descriptor);
    if (id == 0) return fail(EBADF, "the descriptor is no Fanfare socket");
    const auto same = std::find_if(t.sockets.begin(), t.sockets.end(),
                                   [&](const auto& entry) { return entry.second->id() == id; });
    if (same != t.sockets.end()) {
        out = same->second;
        if (const int error = out->hold_own_descriptor(); error != 0) return error;
    } else if (const int error = Socket::attach(request_function(), id, descriptor, out);
               error != 0) {
        return error;
    }
    t.put(descriptor, out);
    return 0;
}

}  // namespace

void enter_socket(std::shared_ptr<Socket> socket) {
    Table& t = table();
    std::shared_ptr<Socket> former;  // goes outside the lock
    const QuietLock lock(t.mutex);
    const int descriptor = socket->descriptor();
    former = t.put(descriptor, std::move(socket));
}

bool enter_duplicate(int descriptor, int duplicate) {
    int error = 0;
    if (static_cast<std::size_t>(duplicate) >= kDescriptorsMax ||
        find_socket(descriptor, error) == nullptr)
        return false;
    Table& t = table();
    std::shared_ptr<Socket> former;
    const QuietLock lock(t.mutex);
    const auto found = t.sockets.find(descriptor);
    if (found == t.sockets.end() || found->second->hold_own_descriptor() != 0) return false;
    former = t.put(duplicate, found->second);
    return true;
}

Socket* find_socket(int descriptor, int& error) {
    Table& t = table();
    if (remembered.descriptor == descriptor &&
        remembered.generation == t.generation.load(std::memory_order_acquire))
        return remembered.socket.get();
    std::shared_ptr<Socket> former, socket;  // go outside the lock
    const QuietLock lock(t.mutex);
    const auto found = t.sockets.find(descriptor);
    if (found != t.sockets.end()) {
        socket = found->second;
    } else if (error = attach(t, descriptor, socket); error != 0) {
        return nullptr;
    }
    former = std::move(remembered.socket);
    remembered = {descriptor, t.generation.load(std::memory_order_relaxed), socket};
    return socket.get();
}

std::shared_ptr<Socket> known_socket(int descriptor) {
    Table& t = table();
    const QuietLock lock(t.mutex);
    const auto found = t.sockets.find(descriptor);
    return found != t.sockets.end() ? found->second : nullptr;
}

std::shared_ptr<Socket> socket_held_apart(int descriptor, int& error) {
    Table& t = table();
    const QuietLock lock(t.mutex);
    const auto found = t.sockets.find(descriptor);
    if (found == t.sockets.end()) {
        error = fail(EBADF, "the socket was closed meanwhile");
        return nullptr;
    }
    error = found->second->hold_own_descriptor();
    return error == 0 ? found->second : nullptr;
}

std::shared_ptr<Socket> forget_socket(int descriptor) {
    Table& t = table();
    std::shared_ptr<Socket> socket, mine;  // go outside the lock
    const QuietLock lock(t.mutex);
    socket = t.take(descriptor);
    if (remembered.descriptor == descriptor) {
        mine = std::move(remembered.socket);
        remembered = {};
    }
    return socket != nullptr && !t.holds(socket.get()) ? socket : nullptr;
}

bool forget_if_shared(int descriptor) {
    Table& t = table();
    std::shared_ptr<Socket> socket;
    const QuietLock lock(t.mutex);
    const auto found = t.sockets.find(descriptor);
    if (found == t.sockets.end()) return false;
    const Socket* const same = found->second.get();
    const auto others = std::count_if(t.sockets.begin(), t.sockets.end(), [&](const auto& entry) {
        return entry.second.get() == same;
    });
    if (others < 2) return false;
    socket = t.take(descriptor);
    return true;
}

}  // namespace fanfare::client

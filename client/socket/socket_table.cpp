#include "client/socket/socket_table.hpp"

#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "client/socket/last_error.hpp"

namespace fanfare::client {

namespace {

// Never destroyed: threads may still be at work while the process ends.
struct Table {
    std::mutex mutex;
    std::unordered_map<int, std::shared_ptr<Socket>> sockets;
    // Moves with every change of the table. Partner: the acquire in find_socket, which compares it
    // with what the thread saw when it remembered its socket.
    std::atomic<std::uint64_t> generation{1};
};

Table& table() {
    static Table& instance = *new Table;
    static const int registered =
        ::pthread_atfork([] { table().mutex.lock(); }, [] { table().mutex.unlock(); },
                         [] { table().mutex.unlock(); });
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

}  // namespace

void enter_socket(std::shared_ptr<Socket> socket) {
    Table& t = table();
    std::shared_ptr<Socket> former;  // goes outside the lock
    const std::scoped_lock lock(t.mutex);
    auto& place = t.sockets[socket->descriptor()];
    former = std::exchange(place, std::move(socket));
    t.generation.fetch_add(1, std::memory_order_release);
}

Socket* find_socket(int descriptor) {
    Table& t = table();
    if (remembered.descriptor == descriptor &&
        remembered.generation == t.generation.load(std::memory_order_acquire))
        return remembered.socket.get();
    const std::scoped_lock lock(t.mutex);
    const auto found = t.sockets.find(descriptor);
    if (found == t.sockets.end()) {
        fail(EBADF, "the descriptor is no Fanfare socket");
        return nullptr;
    }
    remembered = {descriptor, t.generation.load(std::memory_order_relaxed), found->second};
    return remembered.socket.get();
}

std::shared_ptr<Socket> forget_socket(int descriptor) {
    Table& t = table();
    std::shared_ptr<Socket> socket;
    {
        const std::scoped_lock lock(t.mutex);
        const auto found = t.sockets.find(descriptor);
        if (found != t.sockets.end()) {
            socket = std::move(found->second);
            t.sockets.erase(found);
        }
        t.generation.fetch_add(1, std::memory_order_release);
    }
    if (remembered.descriptor == descriptor) remembered = {};
    return socket;
}

}  // namespace fanfare::client

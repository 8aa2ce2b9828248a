#include "control/loop.hpp"

#include <liburing.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <unordered_map>
#include <vector>

#include "control/access.hpp"

namespace fanfare::control {
namespace {

enum class Operation : std::uint64_t { accept = 1, receive, send, ends, bell, link, stop };
constexpr unsigned kIdBits = 56;

std::uint64_t tag(Operation operation, std::uint64_t id) {
    return (static_cast<std::uint64_t>(operation) << kIdBits) | id;
}
Operation operation_of(std::uint64_t t) {
    return static_cast<Operation>(t >> kIdBits);
}
std::uint64_t id_of(std::uint64_t t) {
    return t & ((std::uint64_t{1} << kIdBits) - 1);
}

// A client process; its buffers belong to the kernel while an operation is under way.
struct Connection {
    std::uint64_t id = 0;
    ipc::Descriptor socket;
    Peer peer;
    std::uint32_t malformed = 0;
    int refusal = 0;  // an errno: the first request is answered with it, and that was all
    std::string why;
    bool drop_after_reply = false;
    bool sending = false;

    std::byte request[ipc::kMaxMessage + 1];  // one octet more, so that a longer one shows
    Outcome outcome;
    iovec part{};
    msghdr message{};
    alignas(cmsghdr) char ancillary[CMSG_SPACE(ipc::kMaxDescriptors * sizeof(int))];
};

}  // namespace

struct Loop::Parts {
    LoopSettings settings;
    Controller& controller;
    SystemServices& services;
    std::vector<dataplane::WorkerLink*> workers;
    LinkMonitor* links = nullptr;
    io_uring ring{};
    bool ring_made = false;

    std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> connections;
    // Watched: socket id -> endpoint. An epoll set tells of those whose other end was closed;
    // unlike an operation of the ring it holds none of them open when it is hung up.
    std::unordered_map<std::uint64_t, int> endpoints;
    ipc::Descriptor ends;
    // Of these, hung up on our side: the set is blind.
    std::unordered_map<std::uint64_t, int> hung_up;
    std::uint64_t cuts_seen = 0;
    std::uint64_t last_connection = 0;
    std::vector<std::uint64_t> bell_values;
    alignas(std::uint64_t) std::byte link_message[16384];  // aligned as netlink headers are
    Nanos next_sweep = 0;
    bool stopping = false;
    Nanos stop_deadline = kNever;

    Parts(const LoopSettings& s, Controller& c, SystemServices& v)
        : settings(s), controller(c), services(v) {}

    void log(const std::string& line) {
        if (settings.log) settings.log(line);
    }

    io_uring_sqe* entry() {
        io_uring_sqe* sqe = io_uring_get_sqe(&ring);
        while (sqe == nullptr) {  // the submission ring is full: hand it over, then there is room
            io_uring_submit(&ring);
            sqe = io_uring_get_sqe(&ring);
        }
        return sqe;
    }
    void submit_accept() {
        io_uring_sqe* sqe = entry();
        io_uring_prep_accept(sqe, settings.listener, nullptr, nullptr, SOCK_CLOEXEC);
        io_uring_sqe_set_data64(sqe, tag(Operation::accept, 0));
    }
    void submit_receive(Connection& c) {
        io_uring_sqe* sqe = entry();
        io_uring_prep_recv(sqe, c.socket.get(), c.request, sizeof(c.request), 0);
        io_uring_sqe_set_data64(sqe, tag(Operation::receive, c.id));
    }
    void submit_send(Connection& c);
    void submit_ends() {
        io_uring_sqe* sqe = entry();
        io_uring_prep_poll_add(sqe, ends.get(), POLLIN);
        io_uring_sqe_set_data64(sqe, tag(Operation::ends, 0));
    }
    void submit_bell(std::size_t worker) {
        io_uring_sqe* sqe = entry();
        io_uring_prep_read(sqe, workers[worker]->control_bell, &bell_values[worker],
                           sizeof(std::uint64_t), 0);
        io_uring_sqe_set_data64(sqe, tag(Operation::bell, worker));
    }
    void submit_link() {
        io_uring_sqe* sqe = entry();
        io_uring_prep_recv(sqe, links->descriptor(), link_message, sizeof(link_message), 0);
        io_uring_sqe_set_data64(sqe, tag(Operation::link, 0));
    }
    void submit_stop() {
        io_uring_sqe* sqe = entry();
        io_uring_prep_poll_add(sqe, settings.stop, POLLIN);
        io_uring_sqe_set_data64(sqe, tag(Operation::stop, 0));
    }

    void on_accept(int result);
    void on_receive(Connection& c, int result);
    void on_sent(Connection& c);
    void on_endpoint(std::uint64_t socket_id);
    void on_ends();
    void on_link(int result);
    void on_completion(std::uint64_t data, int result);
    void close_passed(Connection& c);
    void end_endpoint(std::uint64_t socket_id);
    void tick(Nanos now);
};

Nanos monotonic_now() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return Nanos{t.tv_sec} * kSecond + t.tv_nsec;
}

void Loop::Parts::submit_send(Connection& c) {
    c.part = {c.outcome.reply.data(), c.outcome.reply.size()};
    c.message = {};
    c.message.msg_iov = &c.part;
    c.message.msg_iovlen = 1;
    if (const std::size_t count = c.outcome.descriptors.size(); count != 0) {
        std::memset(c.ancillary, 0, sizeof(c.ancillary));
        c.message.msg_control = c.ancillary;
        c.message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        cmsghdr* header = CMSG_FIRSTHDR(&c.message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        int descriptors[ipc::kMaxDescriptors];
        for (std::size_t i = 0; i < count; ++i)
            descriptors[i] = c.outcome.descriptors[i].descriptor;
        std::memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
    }
    c.sending = true;
    io_uring_sqe* sqe = entry();
    io_uring_prep_sendmsg(sqe, c.socket.get(), &c.message, MSG_NOSIGNAL);
    io_uring_sqe_set_data64(sqe, tag(Operation::send, c.id));
}

void Loop::Parts::on_accept(int result) {
    if (!stopping) submit_accept();
    if (result < 0) return;
    ipc::Descriptor socket(result);
    auto& counters = controller.registry().counters;
    const auto caller = caller_of(socket.get());
    // Who is refused is told so as the answer to the first request; beyond kRefusedAtOnce not even
    // that.
    constexpr std::size_t kRefusedAtOnce = 64;
    if (!caller || connections.size() >= settings.connections_max + kRefusedAtOnce) {
        ++counters.connections_refused;
        return;
    }
    auto connection = std::make_unique<Connection>();
    connection->id = ++last_connection;
    connection->peer = {caller->uid, caller->pid};
    if (connections.size() >= settings.connections_max) {
        connection->refusal = EAGAIN;
        connection->why = "the daemon has " + std::to_string(settings.connections_max) +
                          " clients already (limits.connections)";
    } else if (!may_use(socket.get(), *caller, ::geteuid(), settings.group)) {
        connection->refusal = EACCES;
        connection->why =
            "this user may not use the daemon; join the group named by daemon.group, or run as "
            "the daemon's user";
    }
    if (connection->refusal != 0) {
        ++counters.connections_refused;
        log("refused a client (uid " + std::to_string(caller->uid) + ", pid " +
            std::to_string(caller->pid) + "): " + connection->why);
    } else {
        ++counters.connections;
    }
    connection->socket = std::move(socket);
    submit_receive(*connection);
    connections.emplace(connection->id, std::move(connection));
}

void Loop::Parts::on_receive(Connection& c, int result) {
    if (result <= 0) {
        connections.erase(c.id);
        return;
    }
    const auto length = static_cast<std::size_t>(result);
    if (c.refusal != 0) {
        c.outcome = refuse_request({c.request, length}, c.refusal, c.why);
        c.drop_after_reply = true;
        submit_send(c);
        return;
    }
    c.outcome = controller.request({c.request, length}, c.peer, monotonic_now());
    if (c.outcome.malformed && ++c.malformed >= settings.malformed_max) {
        ++controller.registry().counters.connections_dropped;
        log("dropped the client with pid " + std::to_string(c.peer.pid) +
            ": it does not speak this protocol");
        c.drop_after_reply = true;
    }
    submit_send(c);
}

void Loop::Parts::close_passed(Connection& c) {
    for (const auto& passed : c.outcome.descriptors)
        if (passed.close_after) services.close_descriptor(passed.descriptor);
    c.outcome.descriptors.clear();
}

void Loop::Parts::on_sent(Connection& c) {
    // A reply that could not be sent is a client that has gone; the next receive says so.
    c.sending = false;
    close_passed(c);
    if (c.drop_after_reply)
        connections.erase(c.id);
    else
        submit_receive(c);
}

void Loop::Parts::end_endpoint(std::uint64_t socket_id) {
    endpoints.erase(socket_id);
    hung_up.erase(socket_id);
    controller.endpoint_closed(socket_id, monotonic_now());
}

void Loop::Parts::on_endpoint(std::uint64_t socket_id) {
    const auto watched = endpoints.find(socket_id);
    if (watched == endpoints.end()) return;
    if (services.is_held(watched->second))
        hung_up[socket_id] = watched->second;  // our own shutdown shows here too
    else
        end_endpoint(socket_id);
}

void Loop::Parts::on_ends() {
    constexpr int kEndsPerTurn = 64;
    epoll_event events[kEndsPerTurn];
    const int count = ::epoll_wait(ends.get(), events, kEndsPerTurn, 0);
    for (int i = 0; i < count; ++i) on_endpoint(events[i].data.u64);
    submit_ends();  // comes back at once while there are more
}

void Loop::Parts::tick(Nanos now) {
    if (now < next_sweep) return;
    next_sweep = now + kTickInterval;
    if (settings.each_tick) settings.each_tick();
    if (const std::uint64_t cuts = services.cut_count(); cuts != cuts_seen) {
        cuts_seen = cuts;
        for (const auto& [socket_id, endpoint] : endpoints)
            if (services.is_cut(endpoint)) hung_up[socket_id] = endpoint;
    }
    if (hung_up.empty()) return;
    bool known = false;
    const auto held = services.held_endpoints(known);
    if (!known) return;
    std::vector<std::uint64_t> gone;
    for (const auto& [socket_id, endpoint] : hung_up)
        if (held.count(endpoint) == 0) gone.push_back(socket_id);
    for (const auto socket_id : gone) end_endpoint(socket_id);
}

void Loop::Parts::on_link(int result) {
    const bool lost = result == -ENOBUFS;
    if (result > 0 || lost) {
        const std::span<const std::byte> octets(link_message,
                                                lost ? 0 : static_cast<std::size_t>(result));
        for (const auto& change : links->on_message(octets)) {
            const Interface& known = controller.registry().interfaces[change.interface];
            const bool gone =
                !change.state.exists || (settings.serves && !settings.serves(change.interface));
            if (const auto line = change_of_link(known, change.state.up, gone); !line.empty())
                log(line);
            controller.interface_changed(change.interface, change.state.up, gone, change.state.mtu);
        }
    }
    submit_link();
}

void Loop::Parts::on_completion(std::uint64_t data, int result) {
    const std::uint64_t id = id_of(data);
    switch (operation_of(data)) {
        case Operation::accept:
            on_accept(result);
            break;
        case Operation::receive:
        case Operation::send: {
            const auto found = connections.find(id);
            if (found == connections.end()) break;
            if (operation_of(data) == Operation::receive)
                on_receive(*found->second, result);
            else
                on_sent(*found->second);
            break;
        }
        case Operation::ends:
            on_ends();
            break;
        case Operation::bell:
            submit_bell(id);
            break;  // poll() follows every batch
        case Operation::link:
            on_link(result);
            break;
        case Operation::stop:
            stopping = true;
            stop_deadline = monotonic_now() + settings.stop_patience_ns;
            controller.stop(monotonic_now());
            break;
    }
}

Loop::Loop(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

std::unique_ptr<Loop> Loop::open(const LoopSettings& settings, Controller& controller,
                                 SystemServices& services,
                                 std::span<dataplane::WorkerLink* const> workers,
                                 LinkMonitor* links, std::string& error) {
    auto parts = std::make_unique<Parts>(settings, controller, services);
    parts->workers.assign(workers.begin(), workers.end());
    parts->bell_values.resize(workers.size());
    parts->links = links;
    constexpr unsigned kEntries = 256;
    if (const int made = io_uring_queue_init(kEntries, &parts->ring, 0); made != 0) {
        error = std::string("the kernel gives no io_uring: ") + std::strerror(-made) +
                (made == -EPERM ? "; allow it with `sysctl kernel.io_uring_disabled=0`" : "");
        return nullptr;
    }
    parts->ring_made = true;
    parts->ends.reset(::epoll_create1(EPOLL_CLOEXEC));
    if (!parts->ends) {
        error = std::string("the kernel gives no epoll set: ") + std::strerror(errno);
        return nullptr;
    }
    std::unique_ptr<Loop> loop(new Loop(std::move(parts)));
    services.set_watcher(loop.get());
    return loop;
}

Loop::~Loop() {
    parts_->services.set_watcher(nullptr);
    for (auto& [id, connection] : parts_->connections) parts_->close_passed(*connection);
    // The ring goes first: it cancels what is under way, and then nothing uses the buffers any
    // more.
    if (parts_->ring_made) io_uring_queue_exit(&parts_->ring);
}

void Loop::watch(int endpoint, std::uint64_t socket_id) {
    parts_->endpoints[socket_id] = endpoint;
    epoll_event event{};
    event.events = EPOLLRDHUP | EPOLLONESHOT;
    event.data.u64 = socket_id;
    // Where the user's watches are used up, each tick asks who holds it.
    if (::epoll_ctl(parts_->ends.get(), EPOLL_CTL_ADD, endpoint, &event) != 0)
        parts_->hung_up[socket_id] = endpoint;
}

void Loop::unwatch(int endpoint, std::uint64_t socket_id) {
    parts_->hung_up.erase(socket_id);
    if (parts_->endpoints.erase(socket_id) == 0) return;
    // One that was hung up has left the set.
    (void)::epoll_ctl(parts_->ends.get(), EPOLL_CTL_DEL, endpoint, nullptr);
}

void Loop::run() {
    Parts& p = *parts_;
    p.submit_accept();
    p.submit_ends();
    for (std::size_t w = 0; w < p.workers.size(); ++w)
        if (p.workers[w]->control_bell >= 0) p.submit_bell(w);
    if (p.links != nullptr) p.submit_link();
    if (p.settings.stop >= 0) p.submit_stop();
    bool more = true;
    for (;;) {
        Nanos now = monotonic_now();
        if (p.stopping && (p.controller.stopped() || now >= p.stop_deadline)) break;
        const Nanos wait = more ? 0 : std::max<Nanos>(p.controller.next_deadline() - now, 0);
        __kernel_timespec timeout{};
        timeout.tv_sec = wait / kSecond;
        timeout.tv_nsec = wait % kSecond;
        io_uring_cqe* cqe = nullptr;
        io_uring_submit_and_wait_timeout(&p.ring, &cqe, 1, &timeout, nullptr);
        // A bound for each turn: every connection has at most one completion in it.
        constexpr unsigned kCompletionsPerTurn = 256;
        for (unsigned n = 0; n < kCompletionsPerTurn && io_uring_peek_cqe(&p.ring, &cqe) == 0;
             ++n) {
            const std::uint64_t data = io_uring_cqe_get_data64(cqe);
            const int result = cqe->res;
            io_uring_cqe_seen(&p.ring, cqe);
            p.on_completion(data, result);
        }
        now = monotonic_now();
        more = p.controller.poll(now);
        p.tick(now);
    }
}

}  // namespace fanfare::control

#include "control/controller.hpp"

#include <algorithm>

#include "control/datagrams.hpp"
#include "control/endings.hpp"
#include "control/receiving.hpp"
#include "control/repairing.hpp"
#include "control/sending.hpp"

namespace fanfare::control {

Controller::Controller(const ControlSettings& settings, std::vector<Interface> interfaces,
                       std::vector<dataplane::WorkerLink*> links, Services& services)
    : services_(services),
      links_(std::move(links)),
      registry_(settings, std::move(interfaces), static_cast<std::uint32_t>(links_.size())),
      waiting_(links_.size()) {
    registry_.links.assign(links_.begin(), links_.end());
    start_following(registry_);
}

Controller::~Controller() {
    for (auto& [id, session] : registry_.send_sessions) {
        if (session.object == nullptr) continue;
        services_.free_source(session.object);
        services_.free_send_memory(session.memory);
    }
    for (auto& [id, session] : registry_.receptions) {
        end_following(services_, session);
        services_.free_receiver(session.object);
        services_.free_receive_memory(session.memory);
    }
    for (auto& [id, socket] : registry_.sockets) {
        if (socket.datagram) free_datagram(registry_, services_, socket);
        if (!socket.closing) services_.unwatch_endpoint(socket.endpoint, id);
        if (socket.endpoint >= 0) services_.close_descriptor(socket.endpoint);
        services_.free_page(socket.page);
    }
}

Outcome Controller::request(std::span<const std::byte> octets, const Peer& peer, Nanos now) {
    Outcome outcome = handle_request(octets, peer, registry_, services_, now);
    hand_over();
    return outcome;
}

void Controller::endpoint_closed(std::uint64_t socket_id, Nanos now) {
    on_endpoint_closed(registry_, services_, socket_id, now);
    hand_over();
}

void Controller::interface_changed(std::uint32_t interface, bool up, bool gone, std::uint16_t mtu) {
    if (interface >= registry_.interfaces.size()) return;
    Interface& known = registry_.interfaces[interface];
    if (mtu == 0) mtu = known.mtu;
    if (known.mtu_max != 0) mtu = std::min(mtu, known.mtu_max);
    if (!gone) known.spec.missing = false;
    // One that came back, or for the first time, has a number of its own; one that was renamed
    // keeps its number.
    std::uint32_t index = 0;
    if (!gone && !known.kernel_name.empty()) index = services_.kernel_index(known.kernel_name);
    if (index == 0) index = known.kernel_index;
    if (known.up == up && known.gone == gone && known.mtu == mtu && known.kernel_index == index)
        return;
    known.up = up;
    known.gone = gone;
    known.kernel_index = index;
    known.mtu = mtu;
    dataplane::Command command;
    command.kind = dataplane::Command::Kind::interface_state;
    command.interface = interface;
    command.up = up;
    command.gone = gone;
    command.mtu = mtu;
    registry_.post_all(command);
    // The first interface that is up may be another one now.
    if (registry_.datagram_tables.version != 0) post_datagrams(registry_);
    hand_over();
}

bool Controller::poll(Nanos now) {
    // A bound for each turn, so that a busy worker cannot keep requests waiting.
    constexpr std::size_t kEventsPerTurn = 256;
    bool more = false;
    for (auto* link : links_) {
        dataplane::WorkerEvent event;
        std::size_t taken = 0;
        while (taken < kEventsPerTurn && link->events.take(event)) {
            on_event(event, now);
            ++taken;
        }
        more |= taken == kEventsPerTurn;
    }
    if (now >= next_tick_) {
        next_tick_ = now + kTickInterval;
        tick_readers(registry_, services_);
        tick_following(registry_, services_, now);
        tick_senders(registry_, services_, now);
        tick_datagrams(registry_, services_);
    }
    if (now >= stop_at_) {
        stop_at_ = kNever;
        dataplane::Command command;
        command.kind = dataplane::Command::Kind::stop;
        registry_.post_all(command);
    }
    more |= !refill_spares(registry_, services_, 1);
    hand_over();
    for (const auto& queue : waiting_) more |= !queue.empty();
    return more;
}

void Controller::on_event(const dataplane::WorkerEvent& event, Nanos now) {
    using Kind = dataplane::WorkerEvent::Kind;
    switch (event.kind) {
        case Kind::session_opened:
            on_session_opened(registry_, services_, event);
            break;
        case Kind::session_ended:
            on_session_ended(registry_, event);
            break;
        case Kind::receive_closed:
        case Kind::spare_returned:
            on_window_returned(registry_, services_, event);
            break;
        case Kind::spares_low:
            break;  // poll() refills after every batch of events
        case Kind::source_ended:
            on_source_ended(registry_, event);
            break;
        case Kind::source_done: {
            // Letting go of the session is letting go of its socket's page and endpoint.
            const SendSession* session = registry_.send_session(event.id);
            const std::uint64_t socket_id = session == nullptr ? 0 : session->socket_id;
            on_source_done(registry_, services_, event, now);
            on_detached(registry_, services_, socket_id);
            break;
        }
        case Kind::listen_removed:
            break;
        case Kind::reader_detached:
        case Kind::sender_detached:
            on_detached(registry_, services_, event.socket_id);
            break;
        case Kind::datagrams_replaced:
            on_datagrams_replaced(registry_, services_, event.id);
            break;
        case Kind::stopped:
            ++stopped_workers_;
            break;
    }
}

void Controller::stop(Nanos now) {
    bool any = false;
    for (auto& [id, session] : registry_.send_sessions) {
        if (session.ended) continue;
        abort_sender(registry_, session, ResetCause::daemon_gone);
        any = true;
    }
    stop_at_ = any ? now + kStopGrace : now;
    hand_over();
}

void Controller::hand_over() {
    for (const auto& posted : registry_.commands) waiting_[posted.worker].push_back(posted.command);
    registry_.commands.clear();
    for (std::size_t worker = 0; worker < links_.size(); ++worker) {
        auto& queue = waiting_[worker];
        bool any = false;
        while (!queue.empty() && links_[worker]->commands.push(queue.front())) {
            queue.pop_front();
            any = true;
        }
        if (any) services_.ring_worker(*links_[worker]);
    }
}

}  // namespace fanfare::control

#include "sim/host.hpp"

#include <algorithm>
#include <stdexcept>

#include "engine/checksum/checksum.hpp"
#include "ipc/layout.hpp"

namespace fanfare::sim {
namespace {

using dataplane::Command;
using dataplane::WorkerEvent;

// A turn that finds more to do than this starts over at the next step: nobody may hold time still.
constexpr int kPollsPerTurn = 64;

void call(const std::map<int, std::function<void()>>& endpoints, int endpoint) {
    const auto found = endpoints.find(endpoint);
    if (found != endpoints.end()) found->second();
}

}  // namespace

Host::Host(Network& network, const HostPlan& plan, Directory& directory)
    : plan_(plan),
      network_(network),
      directory_(directory),
      port_(network.add_port(plan.mtu)),
      random_(plan.seed),
      mesh_(plan.workers, plan.mtu) {
    number_ = port_.number();
    dataplane::WorkerConfig config;
    config.workers = plan.workers;
    dataplane::InterfaceSpec interface;
    interface.name = "feed";
    interface.address = plan.address;
    config.interfaces.push_back(interface);
    config.kernels = &checksum::best_kernels();
    const auto wake = [](void* context, int endpoint) {
        call(*static_cast<decltype(&endpoints_)>(context), endpoint);
    };
    config.wake = {&endpoints_, wake, wake, wake, nullptr};
    for (std::uint32_t i = 0; i < plan.workers; ++i) {
        workers_.push_back(std::make_unique<Engine>(i));
        Engine& engine = *workers_.back();
        engine.link.page = ipc::init_worker_page(engine.page_memory.span(), i);
        config.index = i;
        config.seed = random_.next();
        // The card has one queue: it is the first worker's, the others send and hear through it.
        std::vector<Port*> ports{i == 0 ? &port_ : nullptr};
        engine.worker = std::make_unique<Worker>(config, engine.link, ports, &mesh_);
    }
}

Host::~Host() {
    // Workers let go first: sessions and windows must outlive them.
    for (auto& engine : workers_) engine->worker.reset();
    for (auto& [id, source] : sources_) dataplane::free_source_session(source);
    for (auto& [id, window] : windows_)
        if (window.session != nullptr) dataplane::free_receive_session(window.session);
}

Sender& Host::publish(const SenderPlan& plan) {
    senders_.push_back(std::make_unique<Sender>(plan, next_id_++, plan_.mtu));
    return *senders_.back();
}

void Host::listen(const ListenPlan& plan) {
    listeners_.push_back(plan);
    listening_.push_back(false);
}

void Host::begin_stop() {
    stopping_ = true;
    Command stop;
    stop.kind = Command::Kind::stop;
    for (std::uint32_t i = 0; i < plan_.workers; ++i) post(i, stop);
}

bool Host::turn(Nanos now) {
    now_ = now;
    bool moved = control_turn(now);
    for (auto& engine : workers_)
        for (int i = 0; i < kPollsPerTurn && engine->worker && engine->worker->poll(now) > 0; ++i)
            moved = true;
    for (auto& sender : senders_)
        if (sender->opened && !plan_.on_sender) moved |= sender->act(now);
    if (!plan_.on_reader)
        for (auto& reception : receptions_)
            for (auto& reader : reception->readers) moved |= reader->act(now);
    return moved;
}

Nanos Host::next_deadline(Nanos now) const {
    Nanos next = kNever;
    for (const auto& engine : workers_)
        if (engine->worker) next = std::min(next, engine->worker->next_deadline(now));
    for (const auto& sender : senders_)
        next = std::min(next, sender->opened ? sender->next_action(now) : sender->plan().start_ns);
    for (std::size_t i = 0; i < listeners_.size(); ++i)
        if (!listening_[i]) next = std::min(next, listeners_[i].start_ns);
    for (const auto& reception : receptions_)
        for (const auto& reader : reception->readers)
            next = std::min(next, reader->next_action(now));
    return next;
}

bool Host::control_turn(Nanos now) {
    bool moved = false;
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
        if (listening_[i] || stopping_ || now < listeners_[i].start_ns) continue;
        listening_[i] = true;
        start_listening(listeners_[i]);
        moved = true;
    }
    for (auto& sender : senders_) {
        if (!sender->opened && !stopping_ && now >= sender->plan().start_ns) {
            open(*sender);
            moved = true;
        }
        if (sender->opened && !sender->ending_asked && sender->wants_to_end()) {
            sender->ending_asked = true;
            Command command;
            command.id = sender->id();
            command.socket_id = sender->id();
            const bool vanish = sender->plan().ending == Ending::vanish;
            command.kind = vanish ? Command::Kind::abort_source : Command::Kind::finish_source;
            command.cause = vanish ? ResetCause::sender_vanished : ResetCause::none;
            post(source_workers_[sender->id()], command);
            command.kind = Command::Kind::detach_sender;
            post(source_workers_[sender->id()], command);
            moved = true;
        }
    }
    for (auto& engine : workers_) {
        WorkerEvent event;
        while (engine->link.events.take(event)) {
            on_event(*engine, event);
            moved = true;
        }
    }
    if (!stopping_)
        for (auto& reception : receptions_) settle(*reception);
    // Workers go together: one may still hold what the other lent it.
    if (std::all_of(workers_.begin(), workers_.end(),
                    [](const auto& engine) { return engine->stopped; }))
        for (auto& engine : workers_) engine->worker.reset();
    return moved;
}

void Host::open(Sender& sender) {
    const SenderPlan& plan = sender.plan();
    dataplane::SourceSpec spec;
    spec.session_id = sender.id();
    spec.parameters = plan.parameters;
    spec.identity.tsi.gsi.octets = {2, 0, 0, 0, 0, static_cast<std::uint8_t>(number_)};
    spec.identity.tsi.source_port = static_cast<std::uint16_t>(1024 + random_.below(60000));
    while (directory_.count(spec.identity.tsi.key()) != 0) ++spec.identity.tsi.source_port;
    if (plan.first_sqn) {
        spec.parameters.random_first_sqn = false;
        spec.identity.first_sqn = *plan.first_sqn;
    }
    spec.identity.destination_port = plan.port;
    spec.identity.group = plan.group;
    spec.identity.nla = plan_.address;
    spec.identity.seed = random_.next();
    spec.mtu = plan_.mtu;
    spec.udp_port = plan.udp_port;
    spec.region = sender.parts().header;
    spec.log = sender.parts().log.data();
    spec.log_bytes = sender.parts().log.size();
    spec.format = plan.format;
    spec.page = sender.page();
    spec.endpoint = static_cast<int>(sender.id());
    directory_[spec.identity.tsi.key()] = &sender;
    endpoints_[spec.endpoint] = [&sender] { sender.wake(); };
    Command command;
    command.kind = Command::Kind::open_source;
    command.id = command.socket_id = sender.id();
    command.source = dataplane::make_source_session(spec, checksum::best_kernels());
    command.page = spec.page;
    command.endpoint = spec.endpoint;
    const std::uint32_t worker = dataplane::owner_of(spec.identity.tsi, plan_.workers);
    sources_[sender.id()] = command.source;
    source_workers_[sender.id()] = worker;
    sender.opened = true;
    post(worker, command);
    if (plan_.on_sender) plan_.on_sender(sender);
}

void Host::start_listening(const ListenPlan& plan) {
    for (std::uint32_t i = 0; i < plan_.workers; ++i) {
        while (workers_[i]->spares < plan_.spares) add_spare(*workers_[i]);
        Command command;
        command.kind = Command::Kind::add_listen;
        command.id = command.listen.listen_id = next_id_++;
        command.listen.group = plan.group;
        command.listen.destination_port = plan.port;
        command.listen.udp_port = plan.udp_port;
        post(i, command);
    }
}

void Host::add_spare(Engine& engine) {
    const auto layout =
        ipc::ReceiveLayout::for_log(plan_.receive_log_bytes, plan_.receive_index_entries);
    Spare spare;
    spare.id = next_id_++;
    spare.region = std::make_unique<Region>(layout.total_bytes);
    const auto parts = layout.init(spare.region->span(), spare.id);
    dataplane::ReceiveSpec spec;
    spec.session_id = spare.id;
    spec.parameters = plan_.receiver;
    spec.region = parts.header;
    spec.index = parts.index.data();
    spec.index_entries = static_cast<std::uint32_t>(parts.index.size());
    spec.log = parts.log.data();
    spec.log_bytes = parts.log.size();
    spare.session = dataplane::make_receive_session(spec, checksum::best_kernels());
    spare.with_worker = true;
    Command command;
    command.kind = Command::Kind::add_spare;
    command.id = spare.id;
    command.receive = spare.session;
    windows_.emplace(spare.id, std::move(spare));
    ++engine.spares;
    post(engine.link.worker, command);
}

void Host::on_event(Engine& engine, const WorkerEvent& event) {
    switch (event.kind) {
        case WorkerEvent::Kind::session_opened:
            open_reception(engine, event);
            break;
        case WorkerEvent::Kind::session_ended:
            if (Reception* reception = reception_of(event.id)) {
                reception->ended = true;
                reception->state = event.state;
                reception->cause = event.cause;
            }
            break;
        case WorkerEvent::Kind::receive_closed:
        case WorkerEvent::Kind::spare_returned:
            for (auto& [id, window] : windows_) {
                if (window.session != event.receive) continue;
                if (Reception* reception = reception_of(id))
                    reception->closed = true;
                else
                    --engine.spares;
                dataplane::free_receive_session(window.session);
                window.session = nullptr;
                window.with_worker = false;
            }
            break;
        case WorkerEvent::Kind::reader_detached:
            if (Reception* reception = reception_of(event.id)) ++reception->detached;
            break;
        case WorkerEvent::Kind::source_ended:
            for (auto& sender : senders_)
                if (sender->id() == event.id) sender->ended = true;
            break;
        case WorkerEvent::Kind::source_done:
            for (auto it = sources_.begin(); it != sources_.end(); ++it) {
                if (it->second != event.source) continue;
                dataplane::free_source_session(it->second);
                for (auto& sender : senders_)
                    if (sender->id() == it->first) sender->released = true;
                sources_.erase(it);
                break;
            }
            break;
        case WorkerEvent::Kind::spares_low:
            while (!stopping_ && engine.spares < plan_.spares) add_spare(engine);
            break;
        case WorkerEvent::Kind::stopped:
            engine.stopped = true;
            break;
        case WorkerEvent::Kind::sender_detached:
            endpoints_.erase(static_cast<int>(event.socket_id));
            break;
        default:
            break;
    }
}

void Host::open_reception(Engine& engine, const WorkerEvent& event) {
    --engine.spares;
    while (!stopping_ && engine.spares < plan_.spares) add_spare(engine);
    auto reception = std::make_unique<Reception>();
    reception->id = event.id;
    reception->tsi_key = event.tsi.key();
    reception->session = event.receive;
    reception->worker = engine.link.worker;
    const auto sender = directory_.find(reception->tsi_key);
    reception->sender = sender == directory_.end() ? nullptr : sender->second;
    const auto view = *ipc::ReceiveView::open(windows_.at(event.id).region->span());
    for (const auto& listener : listeners_) {
        if (reception->sender == nullptr || listener.group != event.group ||
            listener.port != event.destination_port || listener.udp_port != event.udp_port)
            continue;
        for (const auto& reader_plan : listener.readers) {
            const std::uint64_t socket_id = next_id_++;
            const bool stream = reception->sender->plan().format == ipc::SendFormat::stream;
            reception->readers.push_back(std::make_unique<Reader>(
                reader_plan, view, socket_id,
                stream ? client::ReadMode::stream : client::ReadMode::message,
                reception->sender->plan().content, view.header().start_ordinal.load()));
            Reader* reader = reception->readers.back().get();
            endpoints_[static_cast<int>(socket_id)] = [reader] { reader->wake(); };
            Command command;
            command.kind = Command::Kind::attach_reader;
            command.id = event.id;
            command.socket_id = socket_id;
            command.page = reader->page();
            command.endpoint = static_cast<int>(socket_id);
            post(engine.link.worker, command);
            if (plan_.on_reader) plan_.on_reader(*reader);
        }
    }
    receptions_.push_back(std::move(reception));
}

// A session goes when it is over and its last reader has gone: until then its listeners want it.
void Host::settle(Reception& reception) {
    const bool all_over =
        std::all_of(reception.readers.begin(), reception.readers.end(),
                    [](const auto& r) { return r->state() != Reader::State::reading; });
    if (!reception.detach_asked && reception.ended && all_over) {
        reception.detach_asked = true;
        for (const auto& reader : reception.readers) {
            Command command;
            command.kind = Command::Kind::detach_reader;
            command.id = reception.id;
            command.socket_id = reader->socket_id();
            post(reception.worker, command);
        }
    }
    if (reception.detach_asked && !reception.close_asked &&
        reception.detached == reception.readers.size()) {
        reception.close_asked = true;
        Command command;
        command.kind = Command::Kind::close_receive;
        command.id = reception.id;
        command.receive = reception.session;
        post(reception.worker, command);
    }
}

void Host::post(std::uint32_t worker, const Command& command) {
    if (workers_[worker]->stopped) return;
    if (!workers_[worker]->link.commands.push(command))
        throw std::runtime_error("the command ring is full");
}

Reception* Host::reception_of(std::uint64_t id) {
    for (auto& reception : receptions_)
        if (reception->id == id) return reception.get();
    return nullptr;
}

std::string Host::leaks() const {
    std::string text;
    if (!sources_.empty()) text += std::to_string(sources_.size()) + " sources not let go; ";
    std::size_t windows = 0;
    for (const auto& [id, window] : windows_) windows += window.with_worker ? 1 : 0;
    if (windows != 0) text += std::to_string(windows) + " windows not let go; ";
    if (port_.outstanding() != 0)
        text += std::to_string(port_.outstanding()) + " frames not given back; ";
    return text;
}

}  // namespace fanfare::sim

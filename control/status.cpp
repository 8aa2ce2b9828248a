#include "control/status.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

#include "control/text.hpp"
#include "engine/core/receiver.hpp"
#include "engine/core/source.hpp"
#include "engine/wire/packet.hpp"

namespace fanfare::control {
namespace {

// Names in the order of wire::DecodeError and engine::Verdict.
constexpr const char* kDecodeErrors[] = {"none",
                                         "truncated_header",
                                         "unknown_type",
                                         "truncated_body",
                                         "tsdu_length_mismatch",
                                         "address_family",
                                         "options_truncated",
                                         "options_length_missing",
                                         "options_length_wrong",
                                         "option_too_short",
                                         "option_overrun",
                                         "too_many_options",
                                         "options_unterminated",
                                         "option_length_invalid",
                                         "nak_list_invalid",
                                         "fragment_invalid",
                                         "checksum_missing",
                                         "checksum_wrong"};
static_assert(std::size(kDecodeErrors) == static_cast<std::size_t>(wire::DecodeError::count_));
constexpr const char* kVerdicts[] = {"accepted",         "duplicate",   "before_window",
                                     "beyond_window",    "window_full", "checksum_wrong",
                                     "untrusted_source", "stale_spm",   "not_for_receiver",
                                     "session_over",     "malformed"};
static_assert(std::size(kVerdicts) == static_cast<std::size_t>(engine::Verdict::count_));

constexpr std::uint32_t kNoParent = 0xFFFFFFFF;

class Writer {
  public:
    // Starts an object; the fields that follow belong to it. Returns the index of its first record.
    std::uint32_t object(ipc::StatusKind kind, std::string name, std::uint32_t parent = kNoParent) {
        kind_ = kind;
        name_ = std::move(name);
        parent_ = parent;
        return static_cast<std::uint32_t>(records_.size());
    }
    void number(std::string_view field, std::uint64_t value) { add(field, {}, value); }
    void text(std::string_view field, std::string_view value) { add(field, value, 0); }

    std::vector<std::byte> octets() const {
        ipc::StatusHeader header{};
        header.version = ipc::kProtocolVersion;
        header.records = static_cast<std::uint32_t>(records_.size());
        header.bytes = sizeof(header) + records_.size() * sizeof(ipc::StatusRecord);
        std::vector<std::byte> out(header.bytes);
        std::memcpy(out.data(), &header, sizeof(header));
        if (!records_.empty())
            std::memcpy(out.data() + sizeof(header), records_.data(),
                        records_.size() * sizeof(ipc::StatusRecord));
        return out;
    }

  private:
    template <std::size_t N>
    static void copy(char (&to)[N], std::string_view from) {
        if (!from.empty()) std::memcpy(to, from.data(), std::min(from.size(), N - 1));
    }
    void add(std::string_view field, std::string_view text, std::uint64_t value) {
        ipc::StatusRecord record;
        std::memset(static_cast<void*>(&record), 0, sizeof(record));
        record.kind = kind_;
        record.parent = parent_;
        copy(record.object, name_);
        copy(record.field, field);
        copy(record.text, text);
        record.value = value;
        records_.push_back(record);
    }

    ipc::StatusKind kind_{};
    std::string name_;
    std::uint32_t parent_ = kNoParent;
    std::vector<ipc::StatusRecord> records_;
};

std::string name_of(const Tsi& tsi) {
    return to_string(tsi.gsi) + ":" + std::to_string(tsi.source_port);
}
std::string name_of(Address address, std::uint16_t port) {
    return to_string(address) + ":" + std::to_string(port);
}

void write_interfaces(const Registry& registry, const Services& services, Writer& w) {
    for (std::uint32_t index = 0; index < registry.interfaces.size(); ++index) {
        const Interface& i = registry.interfaces[index];
        w.object(ipc::StatusKind::interface, i.spec.name + " " + to_string(i.spec.address) + "/" +
                                                 std::to_string(i.spec.prefix));
        w.text("link", i.spec.missing ? "missing" : i.gone ? "gone" : i.up ? "up" : "down");
        w.text("device", i.device);
        w.text("form", i.udp_only ? "udp" : "raw and udp");
        w.number("mtu", i.mtu);
        std::map<std::string, std::uint64_t> counted;
        for (const auto& [name, counter] : i.counters) counted[name] += counter->get();
        for (const auto& [name, value] : counted) w.number(name, value);
        if (!i.spec.gateway.is_none()) w.text("gateway", to_string(i.spec.gateway));
        if (i.spec.vlan != 0) w.number("vlan", i.spec.vlan);
        const SteeringFigures steering = services.steering(index);
        if (steering.raw == nullptr || steering.udp == nullptr) continue;
        w.text("steering_raw", steering.raw);
        w.text("steering_udp", steering.udp);
        w.number("steering_rules", steering.rules);
        w.number("steering_rules_refused", steering.rules_refused);
        w.number("steering_sessions_handed_over", steering.sessions_handed_over);
    }
}

void write_workers(const Registry& registry, Writer& w) {
    for (const auto* link : registry.links) {
        w.object(ipc::StatusKind::worker, "worker " + std::to_string(link->worker));
        const auto& c = link->counters;
#define FANFARE_COUNTER_RECORD(name) w.number(#name, c.name.get());
        FANFARE_WORKER_COUNTERS(FANFARE_COUNTER_RECORD)
#undef FANFARE_COUNTER_RECORD
        for (std::size_t i = 1; i < std::size(kDecodeErrors); ++i)
            w.number(std::string("decode_") + kDecodeErrors[i], c.decode_errors[i].get());
        for (std::size_t i = 0; i < std::size(kVerdicts); ++i)
            w.number(std::string("packets_") + kVerdicts[i], c.verdicts[i].get());
        w.number("spare_windows", registry.spares_of(link->worker));
    }
}

// Figures of PGMCC: thousandths of packets, loss of a million.
void write_congestion(const engine::SourceStatistics& stats, Writer& w) {
    const engine::CongestionStatistics& c = stats.congestion;
    w.text("congestion_acker", c.acker.is_none() ? "none" : to_string(c.acker));
    w.number("congestion_window_millis", c.window_millis);
    w.number("congestion_tokens_millis",
             c.tokens_millis > 0 ? static_cast<std::uint64_t>(c.tokens_millis) : 0);
    w.number("congestion_loss_millionths", std::uint64_t{c.acker_loss} * 1'000'000 / 65536);
    w.number("congestion_round_trip_us",
             static_cast<std::uint64_t>(c.acker_round_trip_ns / kMicrosecond));
    w.number("congestion_acker_changes", c.acker_changes);
    w.number("congestion_halvings", c.halvings);
    w.number("congestion_timeouts", c.timeouts);
    w.number("acks_received", stats.acks_received);
}

void write_sources(const Registry& registry, Services& services, Writer& w) {
    for (const auto& [id, s] : registry.send_sessions) {
        engine::SourceStatistics stats = s.last_statistics;
        Sqn trail = s.last_trail, lead = s.last_lead;
        if (s.object != nullptr) {
            engine::SourceStatistics now;
            Sqn t = 0, l = 0;
            if (services.read_statistics(s.object, now, t, l)) {
                stats = now;
                trail = t;
                lead = l;
            }
        }
        w.object(ipc::StatusKind::source, name_of(s.tsi));
        w.text("group", name_of(s.group, s.destination_port));
        w.text("interface", registry.interfaces[s.interface].spec.name);
        w.text("state", s.done        ? "done"
                        : s.ended     ? s.cause == ResetCause::none ? "finished" : "reset"
                        : s.finishing ? "finishing"
                                      : "open");
        if (s.cause != ResetCause::none) w.text("cause", to_string(s.cause));
        w.number("session", id);
        if (s.socket_id != 0) w.number("socket", s.socket_id);
        w.number("uid", s.uid);
        w.number("worker", s.worker);
        w.number("udp_port", s.udp_port);
        w.number("ttl", s.parameters.ttl);
        w.number("rate_bits_per_s", s.parameters.rate_bits_per_s);
        w.number("window_bytes", s.parameters.window_bytes);
        w.number("window_ms", static_cast<std::uint64_t>(s.parameters.window_ns / kMillisecond));
        if (s.parameters.parity.on()) {
            w.number("parity_group", s.parameters.parity.group_size);
            w.number("parity_proactive", s.parameters.parity.proactive);
            w.number("parity_on_demand", s.parameters.parity.on_demand ? 1 : 0);
        }
        w.number("memory_bytes", s.charged_bytes);
        if (const auto* header = s.memory.header) {
            const auto tail = header->tail.load(std::memory_order_relaxed);
            const auto sent = header->sent.load(std::memory_order_relaxed);
            w.number("published_bytes", tail);
            w.number("unsent_bytes", tail > sent ? tail - sent : 0);
        }
        w.number("trail", trail);
        w.number("lead", lead);
        w.number("data_bytes_sent", stats.data_bytes_sent);
        w.number("total_bytes_sent", stats.total_bytes_sent);
        w.number("odata_sent", stats.odata_packets_sent);
        w.number("rdata_sent", stats.rdata_packets_sent);
        w.number("parity_sent", stats.parity_sent);
        w.number("parity_repairs_sent", stats.parity_repairs_sent);
        w.number("groups_shortened", stats.groups_shortened);
        w.number("spm_sent", stats.spm_sent);
        w.number("ncf_sent", stats.ncf_sent);
        w.number("naks_received", stats.naks_received);
        w.number("parity_naks_received", stats.parity_naks_received);
        w.number("naks_too_late", stats.naks_too_late);
        w.number("naks_outstanding", stats.naks_outstanding);
        w.number("naks_duplicate", stats.naks_duplicate);
        w.number("naks_shed", stats.naks_shed);
        w.number("nnaks_received", stats.nnaks_received);
        w.number("nak_backoff_us", stats.nak_backoff_us);
        w.number("repair_hold_us", stats.repair_hold_us);
        w.number("polls_sent", stats.polls_sent);
        w.number("polrs_received", stats.polrs_received);
        w.number("receivers_estimated", stats.receivers_estimated);
        w.number("repairers_found", stats.repairers_found);
        w.number("spmr_received", stats.spmr_received);
        w.number("packets_rejected", stats.rejected);
        if (s.parameters.congestion.on) write_congestion(stats, w);
        w.number("rate_kbits_last", stats.rate_kbits_last);
        w.number("rate_kbits_overall", stats.rate_kbits_overall);
    }
}

// Of a session that this host repairs: what it holds, what it was asked for and gave.
void write_repairs(Services& services, const Reception& s, Writer& w) {
    dataplane::RepairFigures figures;
    if (!services.read_repairs(s.object, figures)) figures = {};
    const engine::RepairerStatistics& r = figures.statistics;
    w.text("repaired_here", "yes");
    w.number("repair_memory_packets", figures.memory_packets);
    w.number("repair_naks_received", r.naks_received);
    w.number("repair_naks_forwarded", r.naks_forwarded);
    w.number("repair_naks_rejected", r.rejected);
    w.number("repair_naks_shed", r.naks_shed);
    w.number("repair_ncf_sent", r.ncf_sent);
    w.number("repair_nnak_sent", r.nnak_sent);
    w.number("repair_rdata_sent", r.rdata_sent);
    w.number("repair_rdata_bytes", r.rdata_bytes);
    w.number("repair_offers_sent", r.offers_sent);
    if (!s.store) return;
    const dataplane::RepairStore& store = *s.store;
    const bool direct = store.direct.load(std::memory_order_relaxed) != 0;
    w.text("repair_file", direct ? "direct" : "buffered");
    w.number("repair_file_packets", figures.stored_packets);
    w.number("repair_file_bytes_written", store.bytes_written.get());
    w.number("repair_file_packets_read", store.packets_read.get());
    w.number("repair_file_packets_missed", store.packets_missed.get());
    w.number("repair_file_blocks_read", store.blocks_read.get());
    w.number("repair_file_rdata_sent", r.fetched);
    w.number("repair_file_requests_shed", r.fetches_shed);
    w.number("repair_file_overtaken", store.overtaken.get());
    w.number("repair_file_failures", store.failures.get());
}

void write_reception(const Registry& registry, Services& services, const Reception& s, Writer& w) {
    engine::ReceiverStatistics stats;
    Sqn trail = 0, lead = 0;
    if (!services.read_statistics(s.object, stats, trail, lead)) stats = {};
    const auto parent = w.object(ipc::StatusKind::receiver, name_of(s.tsi));
    w.text("group", name_of(s.group, s.destination_port));
    w.text("source", to_string(s.source));
    if (s.interface < registry.interfaces.size())
        w.text("interface", registry.interfaces[s.interface].spec.name);
    w.text("state", s.ended ? to_string(s.end_state) : "open");
    if (s.cause != ResetCause::none) w.text("cause", to_string(s.cause));
    w.number("session", s.id);
    w.number("worker", s.worker);
    w.number("udp_port", s.udp_port);
    w.number("reader_count", s.readers.size());
    w.number("waiting_accepts", s.waiting);
    w.number("memory_bytes", s.charged_bytes);
    w.number("trail", trail);
    w.number("lead", lead);
    w.number("odata_received", stats.odata_received);
    w.number("rdata_received", stats.rdata_received);
    w.number("parity_received", stats.parity_received);
    w.number("parity_decoded", stats.parity_decoded);
    w.number("parity_unneeded", stats.parity_unneeded);
    w.number("parity_dropped", stats.parity_dropped);
    w.number("parity_rejected", stats.parity_rejected);
    w.number("duplicates", stats.duplicates);
    w.number("data_bytes", stats.data_bytes);
    w.number("total_bytes", stats.total_bytes);
    w.number("spm_received", stats.spm_received);
    w.number("ncf_received", stats.ncf_received);
    w.number("naks_sent", stats.naks_sent);
    w.number("parity_naks_sent", stats.parity_naks_sent);
    w.number("nak_packets_sent", stats.nak_packets_sent);
    w.number("spmr_sent", stats.spmr_sent);
    w.number("naks_suppressed", stats.naks_suppressed);
    w.number("nak_backoff_us", stats.nak_backoff_us);
    w.number("polls_received", stats.polls_received);
    w.number("polrs_sent", stats.polrs_sent);
    w.number("acks_sent", stats.acks_sent);
    w.number("losses_detected", stats.losses_detected);
    w.number("losses_repaired", stats.losses_repaired);
    w.number("losses_unrecoverable", stats.losses_unrecoverable);
    w.number("pending_naks", stats.pending_naks);
    w.number("outstanding_naks", stats.outstanding_naks);
    w.number("rate_kbits_last", stats.rate_kbits_last);
    w.number("rate_kbits_overall", stats.rate_kbits_overall);
    for (std::size_t i = 0; i < std::size(kVerdicts); ++i)
        w.number(std::string("packets_") + kVerdicts[i], stats.verdicts[i]);
    if (s.followed) write_repairs(services, s, w);

    const std::uint64_t head = s.memory.header->lead.load(std::memory_order_acquire);
    for (const auto reader_id : s.readers) {
        const auto found = registry.sockets.find(reader_id);
        if (found == registry.sockets.end()) continue;
        const Socket& reader = found->second;
        const auto& page = *reader.page.page;
        const std::uint64_t cursor = page.cursor_ordinal.load(std::memory_order_relaxed);
        w.object(ipc::StatusKind::reader, "socket " + std::to_string(reader.id), parent);
        w.number("pid", static_cast<std::uint64_t>(reader.pid));
        w.number("uid", reader.uid);
        w.number("cursor", cursor);
        w.number("lag_packets", cursor != 0 && head > cursor ? head - cursor : 0);
        w.number("messages_read", page.messages_read.load(std::memory_order_relaxed));
        w.number("bytes_read", page.bytes_read.load(std::memory_order_relaxed));
        w.text("state", reader.overtaken ? "overtaken" : "reading");
    }
}

void write_datagrams(const Registry& registry, const Socket& s, Writer& w) {
    const dataplane::DatagramSocket& socket = *s.datagram->object;
    const auto parent = w.object(ipc::StatusKind::datagram, name_of(s.bound, s.port));
    w.number("socket", s.id);
    w.number("pid", static_cast<std::uint64_t>(s.pid));
    w.number("uid", s.uid);
    w.number("received", socket.received.get());
    w.number("dropped_full", socket.dropped_full.get());
    w.number("sent", socket.sent.get());
    w.number("refused", socket.refused.get());
    for (const auto& [key, membership] : s.datagram->memberships) {
        if (!membership.is_member()) continue;
        w.object(ipc::StatusKind::membership, to_string(key.second), parent);
        w.text("interface", registry.interfaces[key.first].spec.name);
        w.text("mode", membership.any_source() ? "exclude" : "include");
        w.number("sources", membership.sources().size());
        for (const Address source : membership.sources()) w.text("source", to_string(source));
    }
}

void write_sockets(const Registry& registry, Writer& w) {
    for (const auto& [id, s] : registry.sockets) {
        if (s.state != SocketState::listener) continue;
        w.object(ipc::StatusKind::listener, name_of(s.group, s.port));
        w.number("socket", id);
        w.number("pid", static_cast<std::uint64_t>(s.pid));
        w.number("uid", s.uid);
        w.number("udp_port", s.options.udp_port);
        w.number("backlog", s.backlog);
        w.number("waiting", s.pending.size());
        for (const auto& [interface, listen] : s.listens)
            w.text("interface", registry.interfaces[interface].spec.name);
        if (!s.options.source_filter.is_none())
            w.text("source", to_string(s.options.source_filter));
    }
    for (const auto& [id, s] : registry.sockets) {
        if (s.datagram && !s.closing) write_datagrams(registry, s, w);
    }
    struct Client {
        std::uint32_t uid = 0;
        std::uint64_t sockets = 0;
    };
    std::map<std::int32_t, Client> clients;
    for (const auto& [id, s] : registry.sockets) {
        clients[s.pid].uid = s.uid;
        ++clients[s.pid].sockets;
    }
    for (const auto& [pid, client] : clients) {
        w.object(ipc::StatusKind::client, "pid " + std::to_string(pid));
        w.number("uid", client.uid);
        w.number("sockets", client.sockets);
        w.number("memory_of_user_bytes", registry.budget.used_by(client.uid));
    }
}

void write_control(const Registry& registry, Writer& w) {
    const auto& c = registry.counters;
    w.object(ipc::StatusKind::counter, "control");
    w.text("version", registry.settings.version);
    w.text("gsi", to_string(registry.settings.gsi));
    w.number("requests", c.requests);
    w.number("requests_refused", c.requests_refused);
    w.number("requests_malformed", c.requests_malformed);
    w.number("sockets_opened", c.sockets_opened);
    w.number("sockets_open", registry.sockets.size());
    w.number("clients_vanished", c.clients_vanished);
    w.number("readers_overtaken", c.readers_overtaken);
    w.number("sessions_not_wanted", c.sessions_not_wanted);
    w.number("out_of_memory", c.out_of_memory);
    w.number("connections", c.connections);
    w.number("connections_refused", c.connections_refused);
    w.number("connections_dropped", c.connections_dropped);
    w.number("sessions_not_followed", c.sessions_not_followed);
    w.number("memory_used_bytes", registry.budget.used());
    w.number("memory_total_bytes", registry.budget.total());
    w.number("memory_per_user_bytes", registry.budget.per_user());
}

}  // namespace

std::vector<std::byte> build_status(const Registry& registry, Services& services) {
    Writer w;
    write_interfaces(registry, services, w);
    write_workers(registry, w);
    write_sources(registry, services, w);
    for (const auto& [id, session] : registry.receptions)
        if (session.state == Reception::State::open)
            write_reception(registry, services, session, w);
    write_sockets(registry, w);
    write_control(registry, w);
    return w.octets();
}

const char* to_string(ResetCause cause) {
    switch (cause) {
        case ResetCause::none:
            return "none";
        case ResetCause::unrecoverable_loss:
            return "unrecoverable_loss";
        case ResetCause::sender_reset:
            return "sender_reset";
        case ResetCause::sender_silent:
            return "sender_silent";
        case ResetCause::inconsistent_data:
            return "inconsistent_data";
        case ResetCause::buffer_exhausted:
            return "buffer_exhausted";
        case ResetCause::interface_gone:
            return "interface_gone";
        case ResetCause::reader_overtaken:
            return "reader_overtaken";
        case ResetCause::daemon_gone:
            return "daemon_gone";
        case ResetCause::sender_changed_sent_data:
            return "sender_changed_sent_data";
        case ResetCause::sender_vanished:
            return "sender_vanished";
        case ResetCause::memory_fault:
            return "memory_fault";
        case ResetCause::message_incomplete:
            return "message_incomplete";
    }
    return "unknown";
}

const char* to_string(SessionState state) {
    switch (state) {
        case SessionState::open:
            return "open";
        case SessionState::finished:
            return "finished";
        case SessionState::reset:
            return "reset";
    }
    return "unknown";
}

}  // namespace fanfare::control

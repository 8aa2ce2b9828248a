#include "tests/engine/pair.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace fanfare::engine::test {

wire::Packet Datagram::decoded() const {
    wire::Packet packet{};
    const auto error = wire::decode(octets, packet);
    EXPECT_EQ(error, wire::DecodeError::none) << static_cast<int>(error);
    return packet;
}

Frames::Frames(std::size_t count, std::size_t capacity) : room_(count), frames_(count) {
    for (auto& room : room_) room.resize(kFrameHeadroom + capacity);
}

Output Frames::output() {
    for (std::size_t i = 0; i < frames_.size(); ++i) {
        frames_[i] = TxFrame{};
        frames_[i].data = room_[i].data() + kFrameHeadroom;
        frames_[i].capacity = static_cast<std::uint16_t>(room_[i].size() - kFrameHeadroom);
    }
    return Output(frames_);
}

std::vector<Datagram> Frames::take(Output& out, Address from) {
    std::vector<Datagram> result;
    for (const TxFrame& frame : out.frames()) {
        result.push_back({{frame.data, frame.data + frame.length},
                          frame.kind,
                          frame.source.is_none() ? from : frame.source,
                          frame.destination,
                          frame.ttl,
                          frame.router_alert});
        EXPECT_TRUE(checksum::intact(checksum::best_kernels().sum(frame.data, frame.length)));
    }
    return result;
}

bool Subscriber::has_event(Event::Kind kind) const {
    return std::any_of(events.begin(), events.end(),
                       [kind](const Event& e) { return e.kind == kind; });
}

std::string message_of(std::uint64_t seed, std::size_t length) {
    Random random(seed);
    std::string message(length, '\0');
    for (char& c : message) c = static_cast<char>(random.next());
    return message;
}

Pair::Pair(const PairParameters& p) : parameters(p), random_(p.seed), frames_(p.frames) {
    SourceIdentity identity;
    identity.tsi = kTsi;
    identity.destination_port = kDataPort;
    identity.group = kGroup;
    identity.nla = kSourceAddress;
    identity.first_sqn = p.first_sqn;
    identity.seed = p.seed;
    source = std::make_unique<Source>(p.source, identity, p.mtu, p.udp, checksum::best_kernels());
    subscribers.resize(p.receivers);
    for (Subscriber& s : subscribers) {
        const bool repairs = p.repairer && &s == &subscribers[0];
        s.index.resize(repairs ? p.repairer_index_entries : p.index_entries);
        s.log.resize(repairs ? p.repairer_log_bytes : p.log_bytes);
        if (repairs) {
            s.repairer =
                std::make_unique<LocalRepairer>(RepairerParameters{}, ReceiveMemory{s.index, s.log},
                                                p.mtu, p.udp, checksum::best_kernels());
        }
        s.receiver = std::make_unique<Receiver>(p.receiver, ReceiveMemory{s.index, s.log},
                                                checksum::best_kernels());
    }
}

void Pair::send(std::string message) {
    sent.push_back(message);
    storage_.push_back(std::move(message));
    const std::string& kept = storage_.back();
    const auto* data = reinterpret_cast<const std::byte*>(kept.data());
    const bool whole = kept.size() <= source->largest_tsdu(false);
    const std::size_t most =
        whole ? std::max<std::size_t>(kept.size(), 1) : source->largest_tsdu(true);
    std::size_t offset = 0;
    do {
        Publish item;
        item.data = data + offset;
        item.length = static_cast<std::uint16_t>(std::min(most, kept.size() - offset));
        item.fragment = !whole;
        item.message_offset = static_cast<std::uint32_t>(offset);
        item.message_length = static_cast<std::uint32_t>(kept.size());
        offset += item.length;
        position_ += item.length;
        item.release_position = position_;
        queue_.push_back(item);
    } while (offset < kept.size());
}

void Pair::transmit(std::vector<Datagram> datagrams, std::size_t sender) {
    for (const Datagram& datagram : datagrams) {
        if (tap) tap(datagram);
        if (datagram.to.is_multicast()) {
            for (std::size_t i = 0; i < subscribers.size(); ++i) {
                if (i != sender) fly(datagram, i, i);
            }
            // The source hears multicast requests too; but who multicasts NAKs is in another
            // subnet.
            if (sender != kToSource && datagram.kind != FrameKind::nak) {
                fly(datagram, kToSource, sender);
            }
        } else if (const std::size_t to = datagram.to.v4 - receiver_address(0).v4;
                   to < subscribers.size()) {
            fly(datagram, to, sender);
        } else if (datagram.to == kSourceAddress) {
            fly(datagram, kToSource, sender);
            if (parameters.multicast_naks && datagram.kind == FrameKind::nak) {
                for (std::size_t i = 0; i < subscribers.size(); ++i) {
                    if (i != sender) fly(datagram, i, i);
                }
            }
        }
    }
}

void Pair::fly(const Datagram& datagram, std::size_t to, std::size_t receiver) {
    if (drop && drop(datagram, receiver)) return;
    const auto chance = [this] { return static_cast<double>(random_.next() >> 11) * 0x1p-53; };
    if (chance() < parameters.link.loss) return;
    const Nanos waits = wait ? wait(datagram, receiver) : 0;
    if (waits == kNever) return;
    const int copies = chance() < parameters.link.duplicate ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
        Flight flight{
            now + waits + parameters.link.delay_ns + random_.between(0, parameters.link.jitter_ns),
            order_++, to, datagram};
        if (chance() < parameters.link.corrupt) {
            auto& octets = flight.datagram.octets;
            octets[random_.next() % octets.size()] ^=
                static_cast<std::byte>(1 + random_.next() % 255);
        }
        flights_.push(std::move(flight));
    }
}

void Pair::inject(Datagram datagram, Nanos delay) {
    if (datagram.to.is_multicast()) {
        for (std::size_t i = 0; i < subscribers.size(); ++i) {
            flights_.push({now + delay, order_++, i, datagram});
        }
        return;
    }
    const std::size_t to = datagram.to.v4 - receiver_address(0).v4;
    flights_.push({now + delay, order_++, to < subscribers.size() ? to : kToSource, datagram});
}

void Pair::deliver(Flight flight) {
    wire::Packet packet{};
    if (wire::decode(flight.datagram.octets, packet) != wire::DecodeError::none) return;
    Output out = frames_.output();
    if (flight.to == kToSource) {
        if (packet.tsi() == kTsi && packet.towards_source()) {
            source->on_packet(packet, flight.datagram.octets, flight.datagram.from, now, out);
            transmit(frames_.take(out, kSourceAddress), kToSource);
        }
        return;
    }
    Subscriber& s = subscribers[flight.to];
    if (!s.listening || packet.tsi() != kTsi) return;
    if (!s.started) {
        if (packet.type != wire::Type::spm && packet.type != wire::Type::odata) return;
        s.started = true;
        ReceiverIdentity identity{kTsi, kDataPort, kGroup, flight.datagram.from,
                                  receiver_address(flight.to)};
        if (s.repairer) {
            s.repairer->start(identity);
        } else if (parameters.repairer) {
            identity.prefix = parameters.prefix;
        }
        s.receiver->start(identity, parameters.seed + flight.to, now);
    }
    if (s.repairer) {
        hear_as_repairer(s, flight, packet);
        if (!flight.datagram.to.is_multicast()) return;
    }
    s.receiver->open_burst(packet.payload.size());
    s.receiver->on_packet(packet, flight.datagram.octets, flight.datagram.from, now, out);
    for (const Event& e : out.events()) s.events.push_back(e);
    transmit(frames_.take(out, receiver_address(flight.to)), flight.to);
    collect(s);
}

namespace {

LocalRepairer::Window window_of(Receiver& receiver) {
    return {receiver.start_ordinal(), receiver.next_ordinal(), receiver.lead(),
            receiver.open_burst(0), receiver.path()};
}

}  // namespace

void Pair::hear_as_repairer(Subscriber& s, const Flight& flight, const wire::Packet& packet) {
    Output out = frames_.output();
    s.repairer->on_packet(packet, flight.datagram.from, !flight.datagram.to.is_multicast(),
                          window_of(*s.receiver), now, out);
    transmit(frames_.take(out, receiver_address(flight.to)), flight.to);
}

void Pair::collect(Subscriber& s) {
    if (s.receiver->start_ordinal() == 0) return;
    if (s.cursor == 0) s.cursor = s.receiver->start_ordinal();
    for (; s.cursor < s.receiver->next_ordinal(); ++s.cursor) {
        const IndexEntry& entry = s.index[s.cursor & (s.index.size() - 1)];
        ASSERT_EQ(entry.sqn, static_cast<Sqn>(s.cursor));
        if (entry.flags & kEntryVoid) continue;
        ASSERT_TRUE(entry.flags & kEntryData);
        ASSERT_EQ(entry.flags & 0x8000, 0);
        const std::size_t place = entry.place & (s.log.size() - 1);
        ASSERT_LE(place + entry.length, s.log.size()) << "payload across the log's end";
        ASSERT_EQ(s.open, (entry.flags & kEntryMessageBegin) == 0);
        s.partial.append(reinterpret_cast<const char*>(s.log.data()) + place, entry.length);
        s.open = true;
        if (entry.flags & kEntryMessageEnd) {
            ASSERT_EQ(s.partial.size(), entry.apdu_length);
            s.messages.push_back(std::move(s.partial));
            s.partial.clear();
            s.open = false;
            s.last_delivery = now;
        }
    }
}

void Pair::tick(Subscriber& s, std::size_t i) {
    if (!s.started) return;
    Output out = frames_.output();
    s.receiver->on_tick(now, out);
    for (const Event& e : out.events()) s.events.push_back(e);
    transmit(frames_.take(out, receiver_address(i)), i);
    if (!s.repairer) return;
    out = frames_.output();
    s.repairer->on_tick(window_of(*s.receiver), now, out);
    transmit(frames_.take(out, receiver_address(i)), i);
}

void Pair::step_source() {
    Output out = frames_.output();
    if (!queue_.empty()) {
        const std::vector<Publish> items(
            queue_.begin(),
            queue_.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(queue_.size(), 64)));
        const std::size_t taken = source->publish(items, now, out);
        queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(taken));
    }
    if (finishing_ && queue_.empty() && !finished_) {
        finished_ = true;
        source->finish(now);
    }
    transmit(frames_.take(out, kSourceAddress), kToSource);
    out = frames_.output();
    source->on_tick(now, out);
    for (const Event& e : out.events()) source_events.push_back(e);
    transmit(frames_.take(out, kSourceAddress), kToSource);
}

Nanos Pair::next_event() const {
    Nanos at = flights_.empty() ? kNever : flights_.top().at;
    at = std::min(at, source->next_deadline());
    for (const Subscriber& s : subscribers) {
        if (s.started) at = std::min(at, s.receiver->next_deadline());
        if (s.repairer) at = std::min(at, s.repairer->next_deadline());
    }
    return at;
}

void Pair::advance_to(Nanos time) {
    now = std::max(now, time);
    while (!flights_.empty() && flights_.top().at <= now) {
        Flight flight = flights_.top();
        flights_.pop();
        deliver(std::move(flight));
    }
    for (std::size_t i = 0; i < subscribers.size(); ++i) tick(subscribers[i], i);
    step_source();
}

bool Pair::run_until(const std::function<bool()>& condition, Nanos limit) {
    const Nanos end = now + limit;
    step_source();
    int same = 0;
    while (!condition()) {
        const Nanos at = next_event();
        if (at > end) {
            now = end;
            return condition();
        }
        // Calls that don't move time are allowed (a full Output), but not without end.
        same = at <= now ? same + 1 : 0;
        if (same > 20000) {
            ADD_FAILURE() << "time stands still at " << now;
            return false;
        }
        advance_to(at);
    }
    return true;
}

void Pair::run_for(Nanos duration) {
    run_until([] { return false; }, duration);
}

}  // namespace fanfare::engine::test

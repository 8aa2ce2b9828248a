// Random operations on a source: data of any shape, requests near and far from its window, whole
// and nonsensical, with time passing in between and few frames to answer with. Every packet that
// leaves must decode, bear the session's name and, as data, the octets that were published under
// its number; new numbers follow one another; the window lets go of data once and for all.
#include <cstring>
#include <deque>
#include <vector>

#include "engine/core/packet_writer.hpp"
#include "engine/core/source.hpp"
#include "engine/wire/octets.hpp"
#include "tests/fuzz/input.hpp"

using namespace fanfare;
using namespace fanfare::engine;
using fanfare::fuzz::Input;
using fanfare::fuzz::require;

namespace {

constexpr Tsi kTsi{Gsi{{1, 2, 3, 4, 5, 6}}, 77};
constexpr std::uint16_t kDataPort = 9;
constexpr Address kSource = Address::from_octets(10, 0, 0, 1);
constexpr Address kGroup = Address::from_octets(239, 0, 0, 1);
constexpr std::uint16_t kMtu = 600;  // small: a message soon needs fragments

class World {
  public:
    explicit World(Input& input)
        : input_(input),
          first_(input.octet() & 1 ? 0xFFFFFFF0 : input.octet()),
          source_(parameters(input), identity(first_), kMtu, false, checksum::best_kernels()) {
        lead_ = source_.lead();  // parity groups begin at their multiples
        // Frames: few, so that a full Output is common.
        buffers_.resize(1 + input.octet() % 5, std::vector<std::byte>(kMtu));
    }

    void run() {
        for (int step = 0; step < 2000 && !input_.empty(); ++step) {
            const std::uint32_t operation = input_.octet();
            switch (operation % 8) {
                case 0:
                case 1:
                    publish(operation);
                    break;
                case 2:
                case 3:
                    request(operation);
                    break;
                case 4:
                    answer(operation);
                    break;
                case 5:
                    raw();
                    break;
                case 6:
                    now_ += Nanos{1} << (operation >> 3);
                    tick();
                    break;
                default:
                    control(operation);
                    break;
            }
            check();
        }
    }

  private:
    static SourceIdentity identity(Sqn first) {
        SourceIdentity id;
        id.tsi = kTsi;
        id.destination_port = kDataPort;
        id.group = kGroup;
        id.nla = kSource;
        id.first_sqn = first;
        id.seed = 1;
        return id;
    }
    static SourceParameters parameters(Input& input) {
        SourceParameters p;
        const std::uint32_t bits = input.octet(), more = input.octet();
        p.random_first_sqn = false;
        p.rate_bits_per_s = bits & 1 ? 0 : 1'000'000 << (bits >> 1 & 7);
        p.window_packets = 256u << (bits >> 4 & 1);
        p.window_bytes = 4096u << (bits >> 5 & 3);
        p.window_ns = (1 + (more & 3)) * 20 * kMillisecond;
        p.late_join_percent = bits & 128 ? 50 : 0;
        p.heartbeat_spm_ns = {kMillisecond, 10 * kMillisecond};
        p.repair_hold_max_ns = more & 4 ? kMillisecond : 0;
        p.nak_backoff_max_ns = more & 8 ? 10 * kMillisecond : 0;
        p.poll_interval_ns = more & 16 ? 30 * kMillisecond : 0;
        p.congestion.on = (more & 32) != 0;
        if (more & 64) {
            const std::uint32_t parity = input.octet();
            p.parity.group_size = static_cast<std::uint8_t>(2u << (parity & 3));
            p.parity.proactive = static_cast<std::uint8_t>(parity >> 2 & 3);
            p.parity.on_demand = (parity & 16) != 0 || p.parity.proactive == 0;
        }
        return p;
    }

    // A number near the window, or anywhere.
    Sqn number() {
        const std::uint32_t how = input_.octet();
        if (how < 160) return source_.lead() - how % 40 + 2;
        if (how < 220) return source_.trail() + how % 20 - 4;
        return input_.number();
    }

    // Octets of the data that begins at `position`: whoever sees one knows where it belongs.
    static std::byte octet_at(std::uint64_t position) {
        return static_cast<std::byte>(position * 0x9E3779B97F4A7C15u >> 56);
    }

    void publish(std::uint32_t operation) {
        if (messages_.size() > 4096) return;
        const bool fragment = operation & 8;
        const std::size_t most = source_.largest_tsdu(fragment);
        const std::size_t length =
            operation & 16 ? most : 1 + (std::size_t{input_.octet()} * 3) % most;
        const std::size_t pieces = fragment ? 2 + (operation >> 5) : 1;
        std::vector<std::byte>& octets = messages_.emplace_back(length * pieces);
        for (std::size_t i = 0; i < octets.size(); ++i) octets[i] = octet_at(position_ + i);
        for (std::size_t i = 0; i < pieces; ++i) {
            Publish item;
            item.data = octets.data() + i * length;
            item.length = static_cast<std::uint16_t>(length);
            item.fragment = fragment;
            item.message_offset = static_cast<std::uint32_t>(i * length);
            item.message_length = static_cast<std::uint32_t>(octets.size());
            position_ += length;
            item.release_position = position_;
            waiting_.push_back(item);
        }
        offer();
    }
    void offer() {
        Output out = output();
        const std::vector<Publish> items(waiting_.begin(), waiting_.end());
        const std::size_t taken = source_.publish(items, now_, out);
        require(taken <= items.size());
        for (std::size_t i = 0; i < taken; ++i) {
            published_.push_back(waiting_.front());
            waiting_.pop_front();
        }
        sent(out);
    }

    wire::Packet packet(wire::Type type) {
        wire::Packet p{};
        p.type = type;
        p.gsi = kTsi.gsi;
        p.source_port = kDataPort;
        p.destination_port = kTsi.source_port;
        return p;
    }
    void request(std::uint32_t operation) {
        wire::Packet p = packet(operation & 8 ? wire::Type::nak : wire::Type::nnak);
        p.sqn = number();
        p.source = operation & 16 && input_.octet() < 8 ? kGroup : kSource;
        p.group = kGroup;
        if (operation & 32) p.flags = wire::kOptParity;
        std::byte list[4 * wire::kNakListMax];
        const std::size_t count = operation & 64 ? 1 + input_.octet() % wire::kNakListMax : 0;
        for (std::size_t i = 0; i < count; ++i) wire::put32(list + 4 * i, number());
        if (count > 0) {
            p.options.set(wire::OptionBit::nak_list);
            p.options.nak_list = {list, static_cast<std::uint8_t>(count)};
        }
        if (operation & 128) congestion_report(p);
        give(p);
    }
    void congestion_report(wire::Packet& p) {
        p.options.set(wire::OptionBit::cc_feedback);
        p.options.cc_feedback.timestamp_ms = input_.octet() & 1 ? input_.number() : 1000;
        p.options.cc_feedback.loss = static_cast<std::uint16_t>(input_.word());
        p.options.cc_feedback.acker = requester();
    }
    void answer(std::uint32_t operation) {
        static constexpr wire::Type kTypes[] = {wire::Type::spmr, wire::Type::polr, wire::Type::ack,
                                                wire::Type::polr};
        wire::Packet p = packet(kTypes[operation >> 3 & 3]);
        p.sqn = number();
        p.poll.round = static_cast<std::uint16_t>(operation & 32 ? input_.word() : 0);
        if (p.type == wire::Type::polr && operation & 64) {
            p.sqn = polls_ - 1;
            p.options.set(wire::OptionBit::redirect);
            p.options.redirect.dlr = requester();
        }
        p.ack_bitmap = operation & 128 ? input_.number() : ~0u;
        if (p.type == wire::Type::ack) congestion_report(p);
        give(p);
    }
    void raw() {
        std::vector<std::byte> octets(16 + input_.octet() % 64);
        for (auto& octet : octets) octet = static_cast<std::byte>(input_.octet());
        deliver(octets);
    }
    void give(wire::Packet& p) {
        if (p.options.present != 0) p.flags |= wire::kOptPresent;
        std::vector<std::byte> octets(wire::encoded_size(p));
        if (wire::encode(p, octets) != octets.size()) return;
        store_checksum(octets.data(), checksum::best_kernels().sum(octets.data(), octets.size()));
        deliver(octets);
    }
    void deliver(const std::vector<std::byte>& octets) {
        wire::Packet p;
        if (wire::decode(octets, p) != wire::DecodeError::none) return;
        Output out = output();
        source_.on_packet(p, octets, requester(), now_, out);
        sent(out);
    }
    Address requester() { return Address::from_octets(10, 0, 1, input_.octet() & 7); }

    void control(std::uint32_t operation) {
        const std::uint32_t what = operation >> 3;
        if (what == 0 && input_.octet() < 8) {
            source_.finish(now_);
            closing_ = true;
        } else if (what == 1 && input_.octet() < 8) {
            source_.abort(now_, 1, ResetCause::sender_vanished);
            closing_ = true;
        } else if (what < 4) {
            source_.poll(static_cast<std::uint16_t>(what & 1), now_);
            tick();
        } else {
            offer();
        }
    }

    void tick() {
        Output out = output();
        source_.on_tick(now_, out);
        sent(out);
    }
    Output output() {
        frames_.assign(buffers_.size(), TxFrame{});
        for (std::size_t i = 0; i < frames_.size(); ++i) {
            frames_[i].data = buffers_[i].data();
            frames_[i].capacity = static_cast<std::uint16_t>(buffers_[i].size());
        }
        return Output(frames_);
    }
    void sent(Output& out) {
        // Its data stays as it is while it is needed, so that nothing but abort() may end it.
        for (const Event& event : out.events())
            require(event.kind != Event::Kind::reset || closing_);
        for (const TxFrame& frame : out.frames()) {
            wire::Packet p;
            require(frame.length <= frame.capacity);
            require(wire::decode({frame.data, frame.length}, p) == wire::DecodeError::none);
            require(checksum::intact(checksum::best_kernels().sum(frame.data, frame.length)));
            require(!p.towards_source() && p.tsi() == kTsi);
            if (p.type == wire::Type::poll) polls_ = p.sqn + 1;
            const bool data = p.type == wire::Type::odata || p.type == wire::Type::rdata;
            if (!data || (p.flags & wire::kOptParity) != 0) continue;
            if (p.type == wire::Type::odata) {
                // A short parity group leaves numbers out; nothing else does.
                require(sqn_before(lead_, p.sqn));
                require(p.sqn == lead_ + 1 || source_.statistics().groups_shortened > 0);
                lead_ = p.sqn;
                remember(p);
            } else {
                require(sqn_before_or_equal(p.sqn, lead_));
                const Data& known = data_[p.sqn % kNumbers];
                require(known.sqn == p.sqn && known.octets.size() == p.payload.size());
                require(p.payload.empty() ||
                        std::memcmp(known.octets.data(), p.payload.data(), p.payload.size()) == 0);
            }
        }
    }
    // New data: the next octets of what was published, for nothing may be left out or said twice.
    void remember(const wire::Packet& p) {
        for (std::size_t i = 0; i < p.payload.size(); ++i)
            require(p.payload[i] == octet_at(sent_position_ + i));
        sent_position_ += p.payload.size();
        data_[p.sqn % kNumbers] = {p.sqn, {p.payload.begin(), p.payload.end()}};
    }

    void check() {
        const std::uint64_t released = source_.released_position();
        require(released >= released_ && released <= sent_position_);
        released_ = released;
        require(source_.next_deadline() >= 0);
        require(sqn_before_or_equal(source_.trail(), source_.lead() + 1));
        require(!source_.is_done() || closing_);
        // What was let go may be overwritten at once.
        while (!published_.empty() && published_.front().release_position <= released) {
            const Publish& gone = published_.front();
            std::memset(const_cast<std::byte*>(gone.data), 0xEE, gone.length);
            published_.pop_front();
        }
    }

    // More than any window here holds, so that every number that may be repaired is known.
    static constexpr std::size_t kNumbers = 4096;
    struct Data {
        Sqn sqn = 0;
        std::vector<std::byte> octets;
    };

    Input& input_;
    Sqn first_;
    Source source_;
    std::vector<std::vector<std::byte>> buffers_;
    std::vector<TxFrame> frames_;
    std::deque<std::vector<std::byte>> messages_;
    std::deque<Publish> waiting_, published_;
    std::vector<Data> data_ = std::vector<Data>(kNumbers);
    std::uint64_t position_ = 0, sent_position_ = 0, released_ = 0;
    Sqn lead_ = 0;
    Sqn polls_ = 0;
    bool closing_ = false;
    Nanos now_ = kSecond;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input input(data, size);
    World(input).run();
    return 0;
}

// Random operations on a receiver: packets near and far from its window, intact and damaged, in any
// order, with time passing in between. What becomes contiguous must be, octet for octet, what was
// accepted for that number, and must stay so while the log does not go round.
#include <cstring>
#include <map>
#include <vector>

#include "engine/core/packet_writer.hpp"
#include "engine/core/parity_encoder.hpp"
#include "engine/core/receiver.hpp"
#include "engine/wire/octets.hpp"
#include "tests/fuzz/input.hpp"

using namespace fanfare;
using namespace fanfare::engine;
using fanfare::fuzz::Input;
using fanfare::fuzz::require;

namespace {

constexpr Tsi kTsi{Gsi{{1, 2, 3, 4, 5, 6}}, 77};
constexpr Address kSource = Address::from_octets(10, 0, 0, 1);
constexpr Address kGroup = Address::from_octets(239, 0, 0, 1);

class World {
  public:
    explicit World(Input& input)
        : input_(input),
          index_(64u << input.octet() % 3),
          log_(65536u << input.octet() % 2),
          receiver_(parameters(input), ReceiveMemory{index_, log_}, checksum::best_kernels()) {
        receiver_.start({kTsi, 9, kGroup, kSource}, input.octet(), now_);
        // Frames: few, so that a full Output is common.
        buffers_.resize(1 + input.octet() % 5, std::vector<std::byte>(512));
    }

    void run() {
        for (int step = 0; step < 3000 && !input_.empty(); ++step) {
            switch (const std::uint32_t operation = input_.octet(); operation % 8) {
                case 0:
                case 1:
                case 2:
                    data(operation);
                    break;
                case 3:
                    spm(operation);
                    break;
                case 4:
                    request(operation);
                    break;
                case 5:
                    raw();
                    break;
                case 6:
                    now_ += Nanos{1} << (operation >> 3);
                    tick();
                    break;
                default:
                    if (operation & 8) {
                        parity(operation);
                    } else {
                        tick();
                    }
                    break;
            }
            check();
        }
    }

  private:
    static ReceiverParameters parameters(Input& input) {
        ReceiverParameters p;
        const std::uint32_t bits = input.octet();
        p.nak_lists = bits & 1;
        p.adapt_to_round_trip = bits & 2;
        p.ncf_retries = p.data_retries = 1 + (bits >> 4);
        return p;
    }
    // A number near the window, or anywhere.
    Sqn number() {
        const std::uint32_t how = input_.octet();
        const auto base = receiver_.next_ordinal() != 0 ? static_cast<Sqn>(receiver_.next_ordinal())
                                                        : Sqn{0xFFFFFFF0};
        if (how < 200) return base + how % 40 - 4;
        if (how < 240) return base + input_.word();
        return input_.number();
    }
    wire::Packet packet(wire::Type type) {
        wire::Packet p{};
        p.type = type;
        p.gsi = kTsi.gsi;
        p.source_port = kTsi.source_port;
        p.destination_port = 9;
        if (p.towards_source()) std::swap(p.source_port, p.destination_port);
        return p;
    }

    void data(std::uint32_t operation) {
        wire::Packet p = packet(operation & 8 ? wire::Type::rdata : wire::Type::odata);
        p.sqn = number();
        p.trail = operation & 16 ? number() : p.sqn - input_.octet() % 64;
        std::vector<std::byte> payload(input_.octet() * (operation & 32 ? 8 : 1));
        for (auto& octet : payload) octet = static_cast<std::byte>(fill_++);
        p.payload = payload;
        const std::uint32_t options = operation & 64 ? input_.octet() : 0;
        if (options & 1) p.options.set(wire::OptionBit::syn);
        if ((options & 6) == 6) p.options.set(wire::OptionBit::fin);
        if (options & 8) {
            p.options.set(wire::OptionBit::join);
            p.options.join.min_sqn = number();
        }
        if (options & 16) {
            p.options.set(wire::OptionBit::fragment);
            p.options.fragment = {number(), input_.octet() * 4u, input_.octet() * 8u};
        }
        if (options & 32) p.options.set(wire::OptionBit::packed);
        if (options & 64) {
            p.options.set(wire::OptionBit::curr_tgsize);
            p.options.curr_tgsize.actual_size = (p.sqn & (k_ - 1)) + 1;
        }
        if (sent_.size() < 256 || sent_.count(p.sqn) != 0) sent_[p.sqn] = payload;
        // Lost: only parity can bring it.
        if (operation & 64 && options & 128) return;
        give(p, operation & 128, payload);
    }
    void spm(std::uint32_t operation) {
        wire::Packet p = packet(wire::Type::spm);
        p.sqn = operation & 8 ? spm_sqn_++ : number();
        p.trail = number();
        p.lead = operation & 16 ? number() : p.trail + input_.octet() - 1;
        p.path = operation & 32 ? kGroup : kSource;
        const std::uint32_t options = operation & 64 ? input_.octet() : 0;
        if ((options & 7) == 7) p.options.set(wire::OptionBit::fin);
        if ((options & 0x38) == 0x38) p.options.set(wire::OptionBit::rst);
        if (options & 64) {
            p.options.set(wire::OptionBit::join);
            p.options.join.min_sqn = number();
        }
        if (options & 128) {
            p.options.set(wire::OptionBit::parity_prm);
            const std::uint32_t how = input_.octet();
            p.options.parity_prm = {(how & 1) != 0, (how & 2) != 0,
                                    how & 4 ? input_.octet() : 2u << (how >> 3) % 5};
            k_ = 2u << (how >> 3) % 5;
            if (how & 128) {
                p.options.set(wire::OptionBit::curr_tgsize);
                p.options.curr_tgsize.actual_size = input_.octet() % 33;
            }
        }
        give(p, operation & 128, {});
    }
    // Parity: computed over what was sent before (what was not counts as empty), or anything.
    void parity(std::uint32_t operation) {
        wire::Packet p = packet(operation & 16 ? wire::Type::rdata : wire::Type::odata);
        const std::uint32_t how = input_.octet();
        const Sqn group = number() & ~Sqn{k_ - 1};
        const std::uint32_t index = input_.octet() % (how & 1 ? 4 : 255);
        ParityEncoder encoder(k_, 1, 2048, fec::best_kernels());
        std::vector<std::byte> payload;
        p.flags = wire::kOptParity;
        if (how & 2) {
            encoder.set_rows(index % (255 - k_));
            for (std::uint32_t i = 0; i < k_; ++i) {
                const auto& data = sent_[group + i];
                encoder.fold(i,
                             ParitySymbol(nullptr, false, static_cast<std::uint16_t>(data.size())),
                             false, false, data.data(), data.size());
            }
            encoder.close();
            payload.assign(encoder.payload(0).begin(), encoder.payload(0).end());
            if (encoder.variable()) p.flags |= wire::kOptVarPktLen;
        } else {
            payload.resize(input_.octet() * (how & 4 ? 8 : 1));
            for (auto& octet : payload) octet = static_cast<std::byte>(input_.octet());
            if (how & 8) p.flags |= wire::kOptVarPktLen;
        }
        p.sqn = group | (index % k_);
        p.trail = operation & 32 ? number() : p.sqn;
        p.payload = payload;
        if (index >= k_ || (how & 16)) {
            p.options.set(wire::OptionBit::parity_grp);
            p.options.parity_grp.group = how & 16 ? input_.word() : index / k_;
        }
        if (how & 32) {
            p.options.set(wire::OptionBit::curr_tgsize);
            p.options.curr_tgsize.actual_size =
                how & 64 ? input_.word() : input_.octet() % (k_ + 1);
        }
        if ((how & 128) && !(how & 2)) {
            p.options.set(wire::OptionBit::fragment);
            p.options.encoded = wire::bit(wire::OptionBit::fragment);
            p.options.fragment = {number(), input_.octet(), input_.octet(),
                                  static_cast<std::uint8_t>(input_.octet() & 0x80)};
        }
        give(p, operation & 128, {});
    }
    void request(std::uint32_t operation) {
        static constexpr wire::Type kTypes[] = {wire::Type::ncf, wire::Type::nak, wire::Type::spmr,
                                                wire::Type::nnak};
        wire::Packet p = packet(kTypes[(operation >> 3) & 3]);
        p.sqn = number();
        p.source = kSource;
        p.group = kGroup;
        if (operation & 64) p.flags = wire::kOptParity;
        std::byte list[4 * wire::kNakListMax];
        const std::size_t count = operation & 32 ? 1 + input_.octet() % wire::kNakListMax : 0;
        for (std::size_t i = 0; i < count; ++i) wire::put32(list + 4 * i, number());
        if (count > 0 && p.type != wire::Type::spmr) {
            p.options.set(wire::OptionBit::nak_list);
            p.options.nak_list = {list, static_cast<std::uint8_t>(count)};
        }
        give(p, operation & 128, {});
    }
    void raw() {
        std::vector<std::byte> octets(16 + input_.octet() % 64);
        for (auto& octet : octets) octet = static_cast<std::byte>(input_.octet());
        deliver(octets, {});
    }

    void give(wire::Packet& p, bool damage, const std::vector<std::byte>& payload) {
        if (p.options.present != 0) p.flags |= wire::kOptPresent;
        std::vector<std::byte> octets(wire::encoded_size(p));
        if (wire::encode(p, octets) != octets.size()) return;
        store_checksum(octets.data(), checksum::best_kernels().sum(octets.data(), octets.size()));
        if (damage) {
            const std::size_t at = input_.word() % octets.size();
            octets[at] ^= static_cast<std::byte>(input_.octet());
        }
        deliver(octets, payload);
    }

    void deliver(const std::vector<std::byte>& octets, const std::vector<std::byte>&) {
        wire::Packet p;
        if (wire::decode(octets, p) != wire::DecodeError::none) return;
        Output out = output();
        const Reservation reservation = receiver_.open_burst(p.payload.size());
        require(reservation.log_position >= reserved_.log_position);
        require(reservation.ordinal >= reserved_.ordinal);
        reserved_ = reservation;
        const Verdict verdict = receiver_.on_packet(p, octets, kSource, now_, out);
        require(verdict < Verdict::count_);
        sent(out);
        const bool is_data = p.type == wire::Type::odata || p.type == wire::Type::rdata;
        if (!is_data || verdict != Verdict::accepted || (p.flags & wire::kOptParity) != 0) return;
        require(checksum::intact(checksum::best_kernels().sum(octets.data(), octets.size())));
        // Relative to the first number that was missing before this packet.
        const std::uint64_t base = checked_ != 0 ? checked_ : receiver_.start_ordinal();
        const std::uint64_t ordinal = base + static_cast<std::uint64_t>(static_cast<std::int64_t>(
                                                 sqn_distance(static_cast<Sqn>(base), p.sqn)));
        accepted_[ordinal].assign(p.payload.begin(), p.payload.end());
    }

    void tick() {
        Output out = output();
        receiver_.on_tick(now_, out);
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
    static void sent(Output& out) {
        for (const TxFrame& frame : out.frames()) {
            wire::Packet p;
            require(wire::decode({frame.data, frame.length}, p) == wire::DecodeError::none);
            require(checksum::intact(checksum::best_kernels().sum(frame.data, frame.length)));
            require(p.towards_source() && p.tsi() == kTsi);
        }
    }

    void check() {
        const std::uint64_t next = receiver_.next_ordinal();
        if (next == 0) return;
        if (checked_ == 0) checked_ = receiver_.start_ordinal();
        require(next >= checked_);
        require(receiver_.next_deadline() >= 0);
        for (; checked_ < next; ++checked_) {
            const IndexEntry& entry = index_[checked_ & (index_.size() - 1)];
            require(entry.sqn == static_cast<Sqn>(checked_));
            const auto expected = accepted_.find(checked_);
            const std::size_t place = entry.place & (log_.size() - 1);
            require(entry.length <= log_.size() - place);
            require((entry.flags & (kEntryData | kEntryVoid)) != 0);
            if (expected == accepted_.end()) {
                // Left out by a short group, or made of parity, which may be anything.
                if (entry.flags & kEntryVoid && entry.length == 0) continue;
                require(++made_ <= receiver_.statistics().parity_decoded);
                continue;
            }
            require(entry.length == expected->second.size());
            require(entry.length == 0 ||
                    std::memcmp(log_.data() + place, expected->second.data(), entry.length) == 0);
            accepted_.erase(expected);
        }
        require(accepted_.size() <= index_.size());
        receiver_.statistics();
    }

    Input& input_;
    std::vector<IndexEntry> index_;
    std::vector<std::byte> log_;
    Receiver receiver_;
    std::vector<std::vector<std::byte>> buffers_;
    std::vector<TxFrame> frames_;
    std::map<std::uint64_t, std::vector<std::byte>> accepted_;
    std::map<Sqn, std::vector<std::byte>> sent_;
    std::uint32_t k_ = 4;
    std::uint64_t made_ = 0;
    Reservation reserved_{};
    std::uint64_t checked_ = 0;
    std::uint32_t fill_ = 1;
    Sqn spm_sqn_ = 0;
    Nanos now_ = kSecond;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input input(data, size);
    World(input).run();
    return 0;
}

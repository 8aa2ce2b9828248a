// What decode() reads in a capture, a line of JSON a frame, under the names that tshark gives the
// same fields; for tests/wire/tshark_test.py.
//   print_fields FILE.pcap                 reads
//   print_fields --make SEED COUNT FILE    writes valid packets of every type and option instead
// A frame: {"frame": N} when it holds no PGM packet, {"frame": N, "refused": REASON} when decode()
// refuses it, else its fields; numbers are numbers, addresses and octets are text.
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include <nlohmann/json.hpp>

#include "dataplane/net/ipv4.hpp"
#include "engine/checksum/checksum.hpp"
#include "engine/wire/names.hpp"
#include "tests/wire/capture.hpp"
#include "tests/wire/packets.hpp"

namespace {

using namespace fanfare;
using nlohmann::json;
using wire::OptionBit;
using wire::Type;

std::string text_of(Address a) {
    char text[16];
    std::snprintf(text, sizeof text, "%u.%u.%u.%u", a.v4 >> 24, a.v4 >> 16 & 255, a.v4 >> 8 & 255,
                  a.v4 & 255);
    return text;
}

template <typename Octets>
std::string hex_of(const Octets& octets) {
    std::string text;
    char two[3];
    for (const auto octet : octets) {
        std::snprintf(two, sizeof two, "%02x", static_cast<unsigned>(octet));
        text += two;
    }
    return text;
}

void add_options(const wire::Options& o, json& out) {
    if (o.has(OptionBit::fragment)) {
        out["pgm.opts.fragment.first_sqn"] = o.fragment.first_sqn;
        out["pgm.opts.fragment.fragment_offset"] = o.fragment.offset;
        out["pgm.opts.fragment.total_length"] = o.fragment.apdu_length;
    }
    if (o.has(OptionBit::nak_list)) {
        out["pgm.opts.nak.list"] =
            hex_of(std::span(o.nak_list.sqns, std::size_t{o.nak_list.count} * 4));
    }
    if (o.has(OptionBit::join)) out["pgm.opts.join.min_join"] = o.join.min_sqn;
    if (o.has(OptionBit::nak_bo_ivl)) {
        out["pgm.opts.nak_bo_ivl.bo_ivl"] = o.nak_bo_ivl.interval_us;
        out["pgm.opts.nak_bo_ivl.bo_ivl_sqn"] = o.nak_bo_ivl.sqn;
    }
    if (o.has(OptionBit::nak_bo_rng)) {
        out["pgm.opts.nak_bo_rng.max_bo_ivl"] = o.nak_bo_rng.max_us;
        out["pgm.opts.nak_bo_rng.min_bo_ivl"] = o.nak_bo_rng.min_us;
    }
    if (o.has(OptionBit::redirect)) out["pgm.opts.redirect.dlr.ipv4"] = text_of(o.redirect.dlr);
    if (o.has(OptionBit::parity_prm)) {
        out["pgm.opts.parity_prm.op"] =
            (o.parity_prm.proactive ? 2 : 0) | (o.parity_prm.ondemand ? 1 : 0);
        out["pgm.opts.parity_prm.prm_grp"] = o.parity_prm.group_size;
    }
    if (o.has(OptionBit::parity_grp)) out["parity_grp"] = o.parity_grp.group;
    // Both have the same names there.
    json times = json::array(), ackers = json::array();
    if (o.has(OptionBit::cc_data)) {
        times.push_back(o.cc_data.timestamp_ms);
        ackers.push_back(text_of(o.cc_data.acker));
    }
    if (o.has(OptionBit::cc_feedback)) {
        times.push_back(o.cc_feedback.timestamp_ms);
        ackers.push_back(text_of(o.cc_feedback.acker));
        out["pgm.opts.ccdata.lossrate"] = o.cc_feedback.loss;
    }
    if (!times.empty()) {
        out["pgm.opts.ccdata.tstamp"] = times;
        out["pgm.opts.ccdata.acker.ipv4"] = ackers;
    }
    json names = json::array();
    for (unsigned i = 0; i < static_cast<unsigned>(OptionBit::unknown); ++i) {
        if (o.has(static_cast<OptionBit>(i)))
            names.push_back(std::string(to_string(static_cast<OptionBit>(i))));
    }
    out["options"] = names;
}

json fields_of(const wire::Packet& p, std::span<const std::byte> tpdu) {
    json out;
    out["pgm.hdr.type"] = std::to_integer<unsigned>(tpdu[4]);
    out["pgm.hdr.opts"] = p.flags;
    out["pgm.hdr.sport"] = p.source_port;
    out["pgm.hdr.dport"] = p.destination_port;
    out["pgm.hdr.gsi"] = hex_of(p.gsi.octets);
    out["pgm.hdr.tsdulen"] = p.tsdu_length;
    const auto& kernels = checksum::best_kernels();
    // As tshark counts: bad, good, and 3: not there.
    out["pgm.hdr.cksum.status"] = p.checksum == 0                                           ? 3
                                  : checksum::intact(kernels.sum(tpdu.data(), tpdu.size())) ? 1
                                                                                            : 0;
    switch (p.type) {
        case Type::spm:
            out["pgm.spm.lead"] = p.lead;
            out["pgm.spm.path.ipv4"] = text_of(p.path);
            [[fallthrough]];
        case Type::odata:
        case Type::rdata:
            out["pgm.spm.sqn"] = p.sqn;
            out["pgm.spm.trail"] = p.trail;
            break;
        case Type::nak:
        case Type::nnak:
        case Type::ncf:
            out["pgm.nak.sqn"] = p.sqn;
            out["pgm.nak.src.ipv4"] = text_of(p.source);
            out["pgm.nak.grp.ipv4"] = text_of(p.group);
            break;
        case Type::poll:
            out["pgm.poll.sqn"] = p.sqn;
            out["pgm.poll.round"] = p.poll.round;
            out["pgm.poll.subtype"] = p.poll.subtype;
            out["pgm.poll.path.ipv4"] = text_of(p.path);
            out["pgm.poll.backoff_ivl"] = p.poll.backoff_us;
            out["pgm.poll.rand_str"] = p.poll.random;
            out["pgm.poll.matching_bmask"] = p.poll.mask;
            break;
        case Type::polr:
            out["pgm.polr.sqn"] = p.sqn;
            out["pgm.polr.round"] = p.poll.round;
            break;
        case Type::ack:
            out["pgm.ack.maxsqn"] = p.sqn;
            out["pgm.ack.bitmap"] = p.ack_bitmap;
            break;
        case Type::spmr:
            break;
    }
    add_options(p.options, out);
    return out;
}

int read(const char* file) {
    const auto capture = test::read_capture(file);
    for (std::size_t i = 0; i < capture.frames.size(); ++i) {
        json line;
        auto tpdu = test::pgm_of(capture, capture.frames[i], true);
        // A frame whose IP header promises more than there is: a decoder that goes on all the same
        // sees this.
        if (tpdu.empty()) {
            line["not whole"] = true;
            tpdu = test::behind_ip_header(capture, capture.frames[i]);
        }
        wire::Packet packet{};
        const wire::DecodeError error = wire::decode(tpdu, packet);
        if (error == wire::DecodeError::none) {
            line.update(fields_of(packet, tpdu));
        } else {
            line["refused"] = std::string(to_string(error));
        }
        line["frame"] = i + 1;
        std::cout << line << '\n';
    }
    return 0;
}

void put32(std::ofstream& out, std::uint32_t value) {
    out.write(reinterpret_cast<const char*>(&value), 4);
}

int make(std::uint64_t seed, std::size_t count, const char* file) {
    constexpr std::uint32_t kMagic = 0xA1B2C3D4, kVersion = 2 | 4 << 16, kRawIp = 101;
    std::mt19937_64 random(seed);
    std::ofstream out(file, std::ios::binary);
    for (const std::uint32_t word : {kMagic, kVersion, 0u, 0u, 65535u, kRawIp}) put32(out, word);
    constexpr auto kOptions = static_cast<unsigned>(OptionBit::unknown);
    for (std::size_t i = 0; i < count;) {
        // Every option alone with every type, then several together.
        const std::size_t turn = i / std::size(test::kTypes);
        std::uint32_t present = turn < kOptions ? 1u << turn : 0;
        for (auto more = turn < kOptions ? 0 : random() % 4; more > 0; --more)
            present |= 1u << random() % kOptions;
        const auto built =
            test::random_packet(test::kTypes[i % std::size(test::kTypes)], present, random);
        std::vector<std::byte> datagram(dataplane::net::kIpv4Size +
                                        wire::encoded_size(built.packet));
        const std::span tpdu = std::span(datagram).subspan(dataplane::net::kIpv4Size);
        if (wire::encode(built.packet, tpdu) == 0) continue;
        const auto sum = checksum::finish(checksum::best_kernels().sum(tpdu.data(), tpdu.size()));
        std::memcpy(tpdu.data() + wire::kChecksumAt, &sum, sizeof sum);
        dataplane::net::Ipv4Header ip;
        ip.source = Address::from_octets(10, 0, 0, 1);
        ip.destination = Address::from_octets(239, 1, 2, 3);
        ip.protocol = wire::kIpProtocolPgm;
        ip.ttl = 16;
        dataplane::net::write_ipv4(datagram.data(), ip, tpdu.size());
        const auto length = static_cast<std::uint32_t>(datagram.size());
        for (const std::uint32_t word : {static_cast<std::uint32_t>(i), 0u, length, length})
            put32(out, word);
        out.write(reinterpret_cast<const char*>(datagram.data()), length);
        ++i;
    }
    return out.good() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2) return read(argv[1]);
    if (argc == 5 && std::string(argv[1]) == "--make")
        return make(std::strtoull(argv[2], nullptr, 10), std::strtoull(argv[3], nullptr, 10),
                    argv[4]);
    std::fprintf(stderr, "usage: print_fields FILE.pcap | --make SEED COUNT FILE.pcap\n");
    return 2;
}

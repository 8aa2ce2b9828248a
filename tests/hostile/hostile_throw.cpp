// Throws random octets and damaged valid packets at all hosts of an interface, beside a session
// that runs there; packets of that session are samples to be damaged, and its numbers are followed.
//   hostile_throw INTERFACE GSI:PORT DATA_PORT GROUP SOURCE RECEIVER RANDOM MUTATED SEED RATE
// RATE: frames a second. Ends with one line of JSON: what was thrown and in how many seconds.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <thread>

#include "dataplane/net/datagram.hpp"
#include "tests/hostile/hostile_packets.hpp"

namespace {

using namespace fanfare;
using namespace fanfare::test;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kBatch = 64;
constexpr std::size_t kSamplesMost = 512;

Address address_of(const char* text) {
    in_addr address{};
    if (inet_pton(AF_INET, text, &address) != 1)
        throw std::runtime_error(std::string(text) + " is no address");
    return Address{ntohl(address.s_addr)};
}

Tsi tsi_of(const std::string& text) {
    Tsi tsi;
    if (text.size() < 14 || text[12] != ':') throw std::runtime_error(text + " is no GSI:PORT");
    for (std::size_t i = 0; i < 6; ++i)
        tsi.gsi.octets[i] =
            static_cast<std::uint8_t>(std::stoi(text.substr(2 * i, 2), nullptr, 16));
    tsi.source_port = static_cast<std::uint16_t>(std::stoi(text.substr(13)));
    return tsi;
}

class Interface {
  public:
    explicit Interface(const char* name)
        : descriptor_(socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL))) {
        sockaddr_ll at{};
        at.sll_family = AF_PACKET;
        at.sll_protocol = htons(ETH_P_ALL);
        at.sll_ifindex = static_cast<int>(if_nametoindex(name));
        if (descriptor_ < 0 || bind(descriptor_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0)
            throw std::runtime_error(std::string(name) + ": " + std::strerror(errno));
    }
    ~Interface() { close(descriptor_); }
    Interface(const Interface&) = delete;
    Interface& operator=(const Interface&) = delete;

    // One frame of others; empty when none waits.
    std::span<const std::byte> take() {
        sockaddr_ll from{};
        socklen_t size = sizeof from;
        const ssize_t length = recvfrom(descriptor_, room_, sizeof room_, MSG_DONTWAIT,
                                        reinterpret_cast<sockaddr*>(&from), &size);
        if (length <= 0) return {};
        if (from.sll_pkttype == PACKET_OUTGOING) return std::span(room_).first(1);
        return std::span(room_).first(static_cast<std::size_t>(length));
    }
    // The kernel refuses frames without a whole Ethernet header: they count as thrown.
    void throw_all(std::span<const std::span<const std::byte>> frames) {
        iovec parts[kBatch];
        mmsghdr messages[kBatch] = {};
        std::size_t count = 0;
        for (const auto frame : frames) {
            if (frame.size() < ETH_HLEN) continue;
            parts[count] = {const_cast<std::byte*>(frame.data()), frame.size()};
            messages[count].msg_hdr.msg_iov = &parts[count];
            messages[count].msg_hdr.msg_iovlen = 1;
            ++count;
        }
        for (std::size_t done = 0; done < count;) {
            const int sent =
                sendmmsg(descriptor_, messages + done, static_cast<unsigned>(count - done), 0);
            // Whatever it does not take, it does not take.
            done += sent > 0 ? static_cast<std::size_t>(sent) : 1;
        }
    }

  private:
    int descriptor_;
    std::byte room_[2048];
};

// Learns from what the interface brings.
void listen(Interface& interface, const GoodSession& good, HostilePackets& packets) {
    for (int i = 0; i < 256; ++i) {
        const auto frame = interface.take();
        if (frame.empty()) return;
        dataplane::net::Datagram datagram;
        if (dataplane::net::parse_frame(frame, 0, datagram) != dataplane::net::FrameClass::pgm)
            continue;
        wire::Packet packet{};
        if (wire::decode(datagram.payload, packet) != wire::DecodeError::none ||
            packet.tsi() != good.tsi)
            continue;
        if (packet.type == wire::Type::odata) packets.set_lead(packet.sqn);
        if (packets.samples() < kSamplesMost) packets.add_sample(datagram.payload);
    }
}

int run(char** argv) {
    Interface interface(argv[1]);
    GoodSession good;
    good.tsi = tsi_of(argv[2]);
    good.data_port = static_cast<std::uint16_t>(std::strtoul(argv[3], nullptr, 10));
    good.group = address_of(argv[4]);
    good.source = address_of(argv[5]);
    good.receiver = address_of(argv[6]);
    std::uint64_t random = std::strtoull(argv[7], nullptr, 10),
                  mutated = std::strtoull(argv[8], nullptr, 10);
    const std::uint64_t all = random + mutated;
    const double rate = std::max(1.0, std::strtod(argv[10], nullptr));
    HostilePackets packets(good, std::strtoull(argv[9], nullptr, 10));
    for (const auto& tpdu : golden_packets(FANFARE_TEST_DATA "/openpgm-golden.json"))
        packets.add_sample(tpdu);
    std::vector<std::byte> room(kBatch * HostilePackets::kFrameMost);
    std::vector<std::span<const std::byte>> frames;
    const Clock::time_point began = Clock::now();
    std::uint64_t thrown = 0;
    while (thrown < all) {
        listen(interface, good, packets);
        frames.clear();
        for (; frames.size() < kBatch && thrown < all; ++thrown) {
            const bool now_random = random * (mutated + 1) >= mutated * (random + 1);
            (now_random ? random : mutated) -= 1;
            std::byte* const at = room.data() + frames.size() * HostilePackets::kFrameMost;
            frames.emplace_back(
                at, packets.make(now_random ? HostileKind::random : HostileKind::mutated,
                                 thrown % 2 == 0 ? Aim::receiver : Aim::source,
                                 {at, HostilePackets::kFrameMost}));
        }
        interface.throw_all(frames);
        std::this_thread::sleep_until(
            began + std::chrono::duration_cast<Clock::duration>(
                        std::chrono::duration<double>(static_cast<double>(thrown) / rate)));
    }
    const std::chrono::duration<double> took = Clock::now() - began;
    std::printf("{\"thrown\": %llu, \"seconds\": %.3f, \"samples\": %zu}\n",
                static_cast<unsigned long long>(thrown), took.count(), packets.samples());
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 11) {
        std::fprintf(stderr,
                     "usage: hostile_throw INTERFACE GSI:PORT DATA_PORT GROUP SOURCE RECEIVER "
                     "RANDOM MUTATED SEED RATE\n");
        return 2;
    }
    try {
        return run(argv);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "hostile_throw: %s\n", e.what());
        return 1;
    }
}

// A port on the kernel's own UDP, for machines without a card to give away: bursts leave by
// UDP_SEGMENT, some dozens of packets a call, and come in by UDP_GRO through an io_uring. It is a
// datagram port (dataplane/port.hpp): the kernel resolves, routes, fragments nothing, answers echo
// and reports memberships. It needs no capability.
//
// Each UDP port in use has two sockets on the interface: one at its address, which sends and hears
// unicast, and one that hears multicast. They are opened when the worker asks for the port
// (set_memberships) or first sends from it, on the worker's thread: a bounded number each turn, and
// 64 ports at most.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/kernel/frame_pool.hpp"
#include "dataplane/kernel/group_memberships.hpp"
#include "dataplane/kernel/receive_ring.hpp"
#include "dataplane/kernel/segments.hpp"
#include "dataplane/port.hpp"
#include "ipc/counter.hpp"
#include "ipc/descriptor.hpp"

namespace fanfare::dataplane::kernel {

struct KernelPortSettings {
    std::string interface;  // the kernel's name of it
    Address address;        // held by the kernel there
    std::uint16_t mtu = 1500;
    bool may_be_missing = false;  // the interface may come later
};

// Written by the worker, read by whoever makes up a status.
struct KernelPortCounters {
    ipc::Counter system_calls;
    ipc::Counter transmit_dropped;  // datagrams that the kernel refused for good
    ipc::Counter receive_dropped;   // messages cut off, or sockets that failed
    ipc::Counter refused;           // sockets and memberships that were not to be had
};

class KernelPort {
  public:
    static constexpr std::size_t kUdpPortsMax = 64;
    static constexpr std::size_t kGroupsMax = 1024;

    // nullptr, with one line in `error`. Which ports and groups it hears is said later, by
    // set_memberships().
    static std::unique_ptr<KernelPort> open(const KernelPortSettings& settings, std::string& error);
    KernelPort(const KernelPort&) = delete;
    KernelPort& operator=(const KernelPort&) = delete;

    std::size_t receive(std::span<RxFrame> rx);
    void release(std::span<RxFrame> rx);
    std::size_t allocate(std::span<engine::TxFrame> tx) { return pool_.allocate(tx); }
    // New data behind a full call may be left for the next transmit(), once, to fill another.
    std::size_t transmit(std::span<engine::TxFrame> tx);
    std::size_t waiting() const { return waiting_; }
    void give_back(std::span<engine::TxFrame> tx) { pool_.give_back(tx); }

    // A datagram port thinks in groups: see set_memberships().
    bool set_multicast_filter(std::span<const MacAddress>) { return true; }
    bool set_memberships(const Memberships& wanted);

    PortFacts facts() const;
    std::uint64_t system_calls() const { return counters_.system_calls.get(); }
    const KernelPortCounters& counters() const { return counters_; }
    // The sockets: what has come stays in them until receive() makes the ring fetch it. The ring's
    // own descriptor wakes nobody, as its work is left to the thread that would sleep.
    void wake_descriptors(WakeDescriptors& out) const;
    std::size_t free_frames() const { return pool_.free_count(); }

  private:
    // Frames lent at once: what a worker keeps ready and what waits to leave.
    static constexpr std::size_t kFrameBlocks = 1024 / FramePool::kBlockFrames;
    // Datagrams looked at for one call of the kernel, and messages in it.
    static constexpr std::size_t kBatch = 256;
    static constexpr std::size_t kMessages = 64;
    // Room for UDP_SEGMENT, IP_TTL, IP_TOS and the Router Alert option.
    static constexpr std::size_t kControlBytes = 96;

    struct UdpPort {
        std::uint16_t port = 0;  // 0: free
        bool wanted = false;     // by set_memberships(); else it was opened to send
        std::uint64_t used = 0;  // the sends before it was used last
        ipc::Descriptor unicast, multicast;
    };
    // A received message, until all that was cut of it has been released.
    struct Lent {
        RxOrigin origin;
        std::uint32_t frames = 0;
        bool cut = false;
    };

    explicit KernelPort(const KernelPortSettings& settings);
    bool next_message();
    void free_if_done(unsigned buffer);
    UdpPort* port(std::uint16_t number);
    UdpPort* open_port(std::uint16_t number, bool wanted);
    void close_port(UdpPort& port);
    void close_all();
    bool follow_interface();
    std::size_t send(int socket, std::span<const Outgoing> datagrams, bool may_wait);
    std::size_t prepare(std::span<const Outgoing> datagrams, std::size_t segments_max,
                        bool may_wait);
    std::size_t gather(std::span<const Outgoing> run, std::span<iovec> pieces);
    std::size_t write_control(std::byte* control, const Outgoing& first, std::size_t segments);
    void count_calls();

    KernelPortSettings settings_;
    int index_ = 0;
    FramePool pool_;
    std::unique_ptr<ReceiveRing> ring_;
    std::array<UdpPort, kUdpPortsMax> ports_;
    GroupMemberships groups_{kGroupsMax};
    KernelPortCounters counters_;
    std::uint64_t own_calls_ = 0;
    std::uint64_t sends_ = 0;

    std::array<Lent, ReceiveRing::kBuffers> lent_;
    Segments segments_;
    unsigned current_ = kNone;
    static constexpr unsigned kNone = ~0u;

    std::size_t segments_max_ = kSegmentsMax;
    std::size_t waiting_ = 0;  // frames that the last transmit() left for the next one's call
    std::array<Outgoing, kBatch> outgoing_;
    std::array<mmsghdr, kMessages> messages_;
    std::array<std::size_t, kMessages> runs_;
    std::array<sockaddr_in, kMessages> names_;
    std::array<iovec, kBatch> pieces_;
    alignas(cmsghdr) std::array<std::array<std::byte, kControlBytes>, kMessages> controls_;
};
static_assert(DatagramPort<KernelPort>);

}  // namespace fanfare::dataplane::kernel

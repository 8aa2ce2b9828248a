#include "dataplane/kernel/kernel_port.hpp"

#include <net/if.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "dataplane/kernel/kernel_link.hpp"
#include "dataplane/kernel/udp_socket.hpp"

namespace fanfare::dataplane::kernel {

namespace {

// Sockets opened, and groups joined or left, by one call of set_memberships(): some tens of
// microseconds of a turn.
constexpr std::size_t kPortsPerCall = 2;
constexpr std::size_t kGroupsPerCall = 16;

// Receivers of the ring: each UDP port's two sockets.
constexpr unsigned unicast_of(std::size_t port) {
    return static_cast<unsigned>(2 * port);
}
constexpr unsigned multicast_of(std::size_t port) {
    return static_cast<unsigned>(2 * port + 1);
}

std::size_t put_control(std::byte* control, int level, int type, const void* value,
                        std::size_t bytes) {
    cmsghdr head{};
    head.cmsg_len = CMSG_LEN(bytes);
    head.cmsg_level = level;
    head.cmsg_type = type;
    std::memset(control, 0, CMSG_SPACE(bytes));
    std::memcpy(control, &head, sizeof head);
    std::memcpy(control + CMSG_LEN(0), value, bytes);
    return CMSG_SPACE(bytes);
}

// What a later try may get through.
bool is_for_later(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS || error == ENOMEM ||
           error == EINTR;
}

}  // namespace

KernelPort::KernelPort(const KernelPortSettings& settings) : settings_(settings) {}

std::unique_ptr<KernelPort> KernelPort::open(const KernelPortSettings& settings,
                                             std::string& error) {
    std::unique_ptr<KernelPort> out(new KernelPort(settings));
    out->ring_ = ReceiveRing::open(2 * kUdpPortsMax, error);
    if (!out->ring_) return nullptr;
    if (!out->pool_.open(kFrameBlocks, settings.mtu)) {
        error = "no memory for frames to send";
        return nullptr;
    }
    if (!out->follow_interface() && !settings.may_be_missing) {
        error = "there is no kernel interface \"" + settings.interface + "\" here";
        return nullptr;
    }
    return out;
}

// An interface that went and came again is another one: sockets of the old one hear nothing.
bool KernelPort::follow_interface() {
    const int index = static_cast<int>(if_nametoindex(settings_.interface.c_str()));
    ++own_calls_;
    if (index == index_) return index != 0;
    close_all();
    index_ = index;
    groups_.move_to(index);
    return index != 0;
}

void KernelPort::count_calls() {
    counters_.system_calls.set(own_calls_ + ring_->system_calls() + groups_.system_calls());
    counters_.receive_dropped.set(ring_->errors());
}

// ---- receiving

std::size_t KernelPort::receive(std::span<RxFrame> rx) {
    if (!ring_->on_this_thread()) [[unlikely]] {
        // Another thread turns us: an embedded engine that was opened elsewhere. Nothing is lent
        // between turns.
        segments_ = Segments{};
        current_ = kNone;
        if (!ring_->restart()) return 0;
    }
    std::size_t count = 0;
    while (count < rx.size() && (current_ != kNone || next_message())) {
        Lent& lent = lent_[current_];
        while (count < rx.size() && !segments_.empty()) {
            const auto segment = segments_.next();
            rx[count++] = RxFrame{segment.data(), static_cast<std::uint32_t>(segment.size()), &lent,
                                  &lent.origin};
            ++lent.frames;
        }
        if (segments_.empty()) {
            lent.cut = true;
            current_ = kNone;
        }
    }
    return count;
}

bool KernelPort::next_message() {
    ReceiveRing::Message message;
    for (;;) {
        const bool came = ring_->message(message);
        count_calls();
        if (!came) return false;
        if (!message.arrival.payload.empty()) break;
        ring_->give_back(message.buffer);  // an empty datagram is nobody's
    }
    const UdpPort& from = ports_[message.socket / 2];
    current_ = message.buffer;
    segments_ = Segments(message.arrival);
    Lent& lent = lent_[current_];
    lent.frames = 0;
    lent.cut = false;
    lent.origin.source = message.arrival.source;
    lent.origin.destination =
        message.arrival.destination.is_none() ? settings_.address : message.arrival.destination;
    lent.origin.udp_port = from.port;
    return true;
}

void KernelPort::wake_descriptors(WakeDescriptors& out) const {
    for (const UdpPort& port : ports_) {
        if (port.port == 0) continue;
        out.add(port.unicast.get());
        out.add(port.multicast.get());
    }
    // What is to be tried again later shows nowhere.
    if (ring_->has_idle()) out.complete = false;
}

void KernelPort::release(std::span<RxFrame> rx) {
    for (const auto& frame : rx) {
        Lent& lent = *static_cast<Lent*>(frame.handle);
        if (--lent.frames == 0 && lent.cut)
            ring_->give_back(static_cast<unsigned>(&lent - lent_.data()));
    }
}

// ---- sending

std::size_t KernelPort::transmit(std::span<engine::TxFrame> tx) {
    std::size_t done = 0;
    // Nothing has come to those that wait: they go as they are.
    const bool may_wait = tx.size() > waiting_;
    waiting_ = 0;
    while (done < tx.size()) {
        const std::size_t count = std::min(tx.size() - done, kBatch);
        std::size_t good = 0;  // datagrams, and of one UDP port
        for (; good < count; ++good) {
            if (!outgoing_of(tx[done + good], outgoing_[good]) ||
                outgoing_[good].udp_port != outgoing_[0].udp_port)
                break;
        }
        std::size_t taken = 1;
        UdpPort* from = nullptr;
        if (good > 0) from = port(outgoing_[0].udp_port);
        if (good > 0 && from == nullptr) from = open_port(outgoing_[0].udp_port, false);
        if (from == nullptr) {
            // No datagram of UDP, or a UDP port that is not to be had: nobody will ever send it,
            // nor the others from there. One try for all of them: it costs two sockets.
            taken = std::max<std::size_t>(good, 1);
            counters_.transmit_dropped.add(taken);
        } else {
            from->used = ++sends_;
            taken = send(from->unicast.get(), {outgoing_.data(), good},
                         may_wait && done + good == tx.size());
        }
        pool_.give_back(tx.subspan(done, taken));
        done += taken;
        if (from != nullptr && taken < good) break;
    }
    count_calls();
    return done;
}

// How many of the datagrams are done with: all, or those before the first that shall be tried
// again.
std::size_t KernelPort::send(int socket, std::span<const Outgoing> datagrams, bool may_wait) {
    std::size_t done = 0;
    std::size_t alone = 0;  // datagrams up to here go one by one: the kernel refused them together
    while (done < datagrams.size()) {
        const bool single = done < alone;
        const auto rest = datagrams.subspan(done, single ? alone - done : std::size_t(-1));
        const std::size_t count = prepare(rest, single ? 1 : segments_max_, may_wait && !single);
        ++own_calls_;
        const int sent =
            sendmmsg(socket, messages_.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
        if (sent > 0) {
            for (int i = 0; i < sent; ++i) done += runs_[static_cast<std::size_t>(i)];
            if (waiting_ != 0 && done + waiting_ == datagrams.size()) break;
            waiting_ = 0;
            continue;
        }
        const int error = errno;
        if (is_for_later(error)) break;
        if (runs_[0] > 1) {
            // EIO: the interface leaves checksums to software, and an older kernel segments nothing
            // then.
            if (error == EIO) segments_max_ = 1;
            alone = done + runs_[0];
            continue;
        }
        counters_.transmit_dropped.add();
        ++done;
    }
    return done;
}

// Makes messages of a prefix of the datagrams; returns how many messages. With `may_wait` new data
// behind a full call that fills none itself is left out, and counted in waiting_: at such a pace
// more comes with the next turn, and a call costs as much as its copy of some dozen packets.
std::size_t KernelPort::prepare(std::span<const Outgoing> datagrams, std::size_t segments_max,
                                bool may_wait) {
    std::size_t count = 0, placed = 0;
    bool full = false;
    while (count < kMessages && placed < datagrams.size()) {
        const std::size_t run = run_length(datagrams.subspan(placed), segments_max);
        const bool fills = is_full(datagrams.subspan(placed), run, segments_max);
        if (may_wait && full && !fills && placed + run == datagrams.size() &&
            datagrams.back().may_wait) {
            waiting_ = run;
            break;
        }
        full = full || fills;
        const Outgoing& first = datagrams[placed];
        sockaddr_in& name = names_[count];
        name = sockaddr_in{};
        name.sin_family = AF_INET;
        name.sin_port = htons(first.udp_port);
        name.sin_addr.s_addr = htonl(first.destination.v4);
        msghdr& header = messages_[count].msg_hdr;
        header = msghdr{};
        header.msg_name = &name;
        header.msg_namelen = sizeof name;
        header.msg_iov = &pieces_[placed];
        header.msg_iovlen =
            gather(datagrams.subspan(placed, run), std::span(pieces_).subspan(placed, run));
        header.msg_control = controls_[count].data();
        header.msg_controllen = write_control(controls_[count].data(), first, run);
        runs_[count++] = run;
        placed += run;
    }
    return count;
}

// Packets that stand one behind the other become one piece. Returns how many pieces.
std::size_t KernelPort::gather(std::span<const Outgoing> run, std::span<iovec> pieces) {
    std::size_t count = 0;
    const std::byte* end = nullptr;
    for (const Outgoing& one : run) {
        if (one.payload.data() == end) {
            pieces[count - 1].iov_len += one.payload.size();
        } else {
            pieces[count++] = {const_cast<std::byte*>(one.payload.data()), one.payload.size()};
        }
        end = one.payload.data() + one.payload.size();
    }
    return count;
}

std::size_t KernelPort::write_control(std::byte* control, const Outgoing& first,
                                      std::size_t segments) {
    static_assert(CMSG_SPACE(sizeof(std::uint16_t)) + 2 * CMSG_SPACE(sizeof(int)) + CMSG_SPACE(4) <=
                  kControlBytes);
    std::size_t bytes = 0;
    const int ttl = first.ttl;
    bytes += put_control(control, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl);
    if (first.tos != 0) {
        const int tos = first.tos;
        bytes += put_control(control + bytes, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
    }
    if (first.router_alert) {
        constexpr std::uint8_t kAlert[4] = {148, 4, 0, 0};  // RFC 2113
        bytes += put_control(control + bytes, IPPROTO_IP, IP_RETOPTS, kAlert, sizeof kAlert);
    }
    if (segments > 1) {
        const auto size = static_cast<std::uint16_t>(first.payload.size());
        bytes += put_control(control + bytes, SOL_UDP, UDP_SEGMENT, &size, sizeof size);
    }
    return bytes;
}

// ---- what is heard

KernelPort::UdpPort* KernelPort::port(std::uint16_t number) {
    for (auto& port : ports_)
        if (port.port == number) return &port;
    return nullptr;
}

KernelPort::UdpPort* KernelPort::open_port(std::uint16_t number, bool wanted) {
    if (index_ == 0) return nullptr;
    UdpPort* place = port(0);
    if (place == nullptr) {
        // All taken: the one that was only sent from, longest ago, makes room.
        for (auto& port : ports_)
            if (!port.wanted && (place == nullptr || port.used < place->used)) place = &port;
        if (place == nullptr) {
            counters_.refused.add();
            return nullptr;
        }
        close_port(*place);
    }
    UdpSocketSettings settings;
    settings.interface = settings_.interface;
    settings.index = index_;
    settings.address = settings_.address;
    settings.port = number;
    int error = 0;
    own_calls_ += 2 * kOpenCalls;
    ipc::Descriptor unicast = open_unicast_socket(settings, error);
    ipc::Descriptor multicast = open_multicast_socket(settings, error);
    if (!unicast || !multicast) {
        counters_.refused.add();
        return nullptr;
    }
    place->port = number;
    place->wanted = wanted;
    place->used = sends_;
    place->unicast = std::move(unicast);
    place->multicast = std::move(multicast);
    const auto at = static_cast<std::size_t>(place - ports_.data());
    ring_->add(unicast_of(at), place->unicast.get());
    ring_->add(multicast_of(at), place->multicast.get());
    return place;
}

void KernelPort::close_port(UdpPort& port) {
    const auto at = static_cast<std::size_t>(&port - ports_.data());
    ring_->remove(unicast_of(at));
    ring_->remove(multicast_of(at));
    port = UdpPort{};
    own_calls_ += 2;
}

void KernelPort::close_all() {
    for (auto& port : ports_)
        if (port.port != 0) close_port(port);
}

bool KernelPort::set_memberships(const Memberships& wanted) {
    if (!follow_interface()) return true;  // gone; asked again when it is back
    const auto is_wanted = [&](std::uint16_t number) {
        return std::find(wanted.udp_ports.begin(), wanted.udp_ports.end(), number) !=
               wanted.udp_ports.end();
    };
    bool complete = true;
    std::size_t left = kPortsPerCall;
    for (auto& port : ports_)
        if (port.port != 0 && port.wanted && !is_wanted(port.port)) close_port(port);
    for (const std::uint16_t number : wanted.udp_ports) {
        if (UdpPort* known = port(number); known != nullptr) {
            known->wanted = true;
        } else if (left == 0) {
            complete = false;
        } else {
            --left;
            open_port(number, true);  // refused: counted, and asked for with the next change
        }
    }
    std::size_t budget = kGroupsPerCall;
    const std::uint64_t refused = groups_.refused();
    complete &= groups_.set(wanted.groups, budget);
    counters_.refused.add(groups_.refused() - refused);
    count_calls();
    return complete;
}

PortFacts KernelPort::facts() const {
    const KernelLink link = read_kernel_link(settings_.interface);
    PortFacts facts;
    facts.mac = link.mac;
    facts.link_up = link.up && link.running;
    // Larger later on is not for us: frames were made for what it was.
    facts.mtu = link.exists ? std::min(link.mtu, settings_.mtu) : settings_.mtu;
    facts.kernel_answers = true;
    facts.datagrams = true;
    return facts;
}

}  // namespace fanfare::dataplane::kernel

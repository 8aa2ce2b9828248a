// Random control requests, worker events and deaths of clients against the control plane without a
// socket. What must hold: no crash, a reply to every request, and after the end nothing is held.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "control/controller.hpp"
#include "tests/control/fake_services.hpp"

namespace {

using namespace fanfare;
using namespace fanfare::control;

class Input {
  public:
    Input(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
    bool empty() const { return at_ == end_; }
    std::uint8_t octet() { return empty() ? std::uint8_t{0} : *at_++; }
    std::size_t take(void* to, std::size_t bytes) {
        const std::size_t n = std::min(bytes, static_cast<std::size_t>(end_ - at_));
        if (n != 0) std::memcpy(to, at_, n);
        at_ += n;
        return n;
    }

  private:
    const std::uint8_t *at_, *end_;
};

constexpr std::size_t kSizeOf[] = {0,
                                   sizeof(ipc::HelloRequest),
                                   sizeof(ipc::SocketRequest),
                                   sizeof(ipc::AddressRequest),
                                   sizeof(ipc::OptionRequest),
                                   sizeof(ipc::OptionRequest),
                                   sizeof(ipc::AddressRequest),
                                   sizeof(ipc::ListenRequest),
                                   sizeof(ipc::IdRequest),
                                   sizeof(ipc::ShutdownRequest),
                                   sizeof(ipc::CloseRequest),
                                   sizeof(ipc::StatusRequest),
                                   sizeof(ipc::NameRequest),
                                   sizeof(ipc::IdRequest),
                                   sizeof(ipc::IdRequest),
                                   sizeof(ipc::IdRequest)};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input in(data, std::min<std::size_t>(size, 4096));
    FakeServices services;
    dataplane::WorkerLink link(0);
    ControlSettings settings;
    settings.defaults = engine::profile(engine::ProfileName::lan);
    settings.defaults.source.window_bytes = 64 * 1024;
    settings.receive_log_bytes = 64 * 1024;
    settings.memory_total_bytes = 2 << 20;
    settings.memory_per_user_bytes = 1 << 20;
    settings.sockets_per_user = 16;
    std::vector<Interface> interfaces(2);
    interfaces[0].spec.address = Address{0x0A000001};
    interfaces[1].spec.address = Address{0x0A010001};
    auto controller = std::make_unique<Controller>(
        settings, interfaces, std::vector<dataplane::WorkerLink*>{&link}, services);
    Nanos now = kSecond;
    while (!in.empty()) {
        const std::uint8_t what = in.octet();
        const Peer peer{what % 3u, 1};
        const auto& registry = controller->registry();
        switch (what >> 5) {
            case 0: {  // anything at all
                std::vector<std::byte> octets(in.octet());
                octets.resize(in.take(octets.data(), octets.size()));
                if (controller->request(octets, peer, now).reply.size() < sizeof(ipc::ReplyHeader))
                    std::abort();
                break;
            }
            case 1:  // a worker's event about an id that may exist
            {
                dataplane::WorkerEvent event;
                event.kind = static_cast<dataplane::WorkerEvent::Kind>(in.octet() % 11);
                event.id = event.socket_id = in.octet();
                if (auto* r = controller->registry().reception(event.id)) event.receive = r->object;
                if (auto* s = controller->registry().send_session(event.id))
                    event.source = s->object;
                event.group = Address{0xEF010101};
                event.destination_port = in.octet() & 1;
                event.state = static_cast<SessionState>(in.octet() % 3);
                link.events.push(event);
                controller->poll(now);
                break;
            }
            case 2:
                controller->endpoint_closed(in.octet(), now);
                break;
            case 3:
                now += static_cast<Nanos>(in.octet()) * 20 * kMillisecond;
                controller->interface_changed(in.octet() & 1, in.octet() & 1, in.octet() == 7, 0);
                controller->poll(now);
                break;
            default: {  // a request of the right shape
                const auto type = static_cast<std::size_t>(in.octet() % std::size(kSizeOf));
                std::vector<std::byte> octets(std::max(kSizeOf[type], sizeof(ipc::RequestHeader)));
                ipc::RequestHeader header;
                header.type = static_cast<ipc::RequestType>(type);
                header.socket_id = in.octet() & 31;
                in.take(octets.data() + sizeof(header),
                        std::min<std::size_t>(octets.size() - sizeof(header), 24));
                std::memcpy(octets.data(), &header, sizeof(header));
                const Outcome outcome = controller->request(octets, peer, now);
                if (outcome.reply.size() < sizeof(ipc::ReplyHeader) ||
                    outcome.malformed != (type == 0))
                    std::abort();
                for (const auto& passed : outcome.descriptors)
                    if (passed.close_after) services.close_descriptor(passed.descriptor);
                break;
            }
        }
        if (registry.budget.used() > registry.budget.total()) std::abort();
        dataplane::Command command;
        while (link.commands.take(command)) {
        }
    }
    controller.reset();
    if (!services.objects.empty() || !services.regions.empty() ||
        !services.open_descriptors.empty())
        std::abort();
    return 0;
}

#include "bench/core/receive_stages.hpp"

#include <array>

#include "dataplane/net/datagram.hpp"
#include "engine/core/profile.hpp"

namespace fanfare::bench {

namespace {
constexpr Nanos kBurstTime = 2'500;
constexpr std::size_t kFrameRoom = 2048;

// What was computed up to here counts as used.
template <typename T>
void keep(const T& value) {
    asm volatile("" : : "r"(&value) : "memory");
}
}  // namespace

std::string_view name_of(Stage stage) {
    static constexpr std::string_view kNames[kStages] = {"port",     "frame",  "decode",
                                                         "checksum", "window", "worker"};
    return kNames[static_cast<std::size_t>(stage)];
}

ReceiveStages::ReceiveStages(ReceiveCore& core, const ReceiveCorePlan& plan)
    : core_(core),
      index_(plan.index_entries),
      log_(plan.log_bytes),
      room_(kFrameRoom),
      receiver_(engine::profile(engine::ProfileName::lan).receiver, {index_, log_}, core.kernels()),
      frame_room_(dataplane::WorkerCore::kBurst * kFrameRoom),
      frames_(dataplane::WorkerCore::kBurst) {
    for (std::size_t i = 0; i < frames_.size(); ++i) {
        frames_[i].data = frame_room_.data() + i * kFrameRoom + engine::kFrameHeadroom;
        frames_[i].capacity = kFrameRoom - engine::kFrameHeadroom;
    }
}

template <Stage stage>
void ReceiveStages::loop(std::uint64_t packets) {
    struct Parsed {
        dataplane::net::Datagram datagram;
        wire::Packet packet;
    };
    static std::array<Parsed, dataplane::WorkerCore::kBurst> parsed;
    std::array<dataplane::RxFrame, dataplane::WorkerCore::kBurst> frames;
    ReplayPort& port = core_.port();
    const checksum::Kernels& kernels = core_.kernels();
    port.allow(packets);
    for (const std::uint64_t until = port.handed_out() + packets; port.handed_out() < until;) {
        const std::size_t count = port.receive(frames);
        keep(frames);
        std::size_t bytes = 0;
        now_ += kBurstTime;
        for (std::size_t i = 0; i < count; ++i) {
            Parsed& at = parsed[i];
            keep(dataplane::net::parse_frame({frames[i].data, frames[i].length}, 0, at.datagram));
            if constexpr (stage >= Stage::decode) {
                keep(wire::decode(at.datagram.payload, at.packet));
                bytes += at.packet.payload.size();
            }
            if constexpr (stage == Stage::checksum) {
                const std::span<const std::byte> payload = at.packet.payload;
                const std::size_t header = at.datagram.payload.size() - payload.size();
                std::uint32_t sum = kernels.sum(at.datagram.payload.data(), header);
                sum = checksum::add(
                    sum, kernels.copy_and_sum(room_.data(), payload.data(), payload.size()),
                    header);
                keep(checksum::intact(sum));
            }
        }
        if constexpr (stage == Stage::window) {
            if (!started_) {
                started_ = true;
                const wire::Packet& first = parsed[0].packet;
                receiver_.start({first.tsi(), first.destination_port,
                                 parsed[0].datagram.ip.destination, parsed[0].datagram.ip.source},
                                1, now_);
            }
            receiver_.open_burst(bytes);
            for (std::size_t i = 0; i < count; ++i) {
                engine::Output out(frames_);
                keep(receiver_.on_packet(parsed[i].packet, parsed[i].datagram.payload,
                                         parsed[i].datagram.ip.source, now_, out));
            }
        }
    }
}

void ReceiveStages::run(Stage stage, std::uint64_t packets) {
    switch (stage) {
        case Stage::port:
            return core_.run_port_alone(packets);
        case Stage::frame:
            return loop<Stage::frame>(packets);
        case Stage::decode:
            return loop<Stage::decode>(packets);
        case Stage::checksum:
            return loop<Stage::checksum>(packets);
        case Stage::window:
            return loop<Stage::window>(packets);
        case Stage::worker:
            return core_.run(packets);
    }
}

}  // namespace fanfare::bench

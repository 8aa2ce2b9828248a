// A production worker that sends to a ReplayPort: one session, or many, whose send windows this
// program fills through client/core, as an application would. Virtual time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/core/replay_port.hpp"
#include "client/core/message_writer.hpp"
#include "dataplane/worker.hpp"
#include "ipc/memory.hpp"

namespace fanfare::bench {

struct SendCorePlan {
    std::size_t message = 100;  // octets
    ipc::SendFormat format = ipc::SendFormat::message;
    std::uint32_t sessions = 1;
    std::uint64_t log_bytes = std::uint64_t{4} << 20;
    // Of payload the window keeps; what is left of the log is room for what is not sent yet.
    std::uint64_t window_bytes = std::uint64_t{1} << 20;
    const checksum::Kernels* kernels = nullptr;  // null: the best
};

class SendCore {
  public:
    // The sessions are open and their windows full when it returns.
    explicit SendCore(const SendCorePlan& plan);
    ~SendCore();
    SendCore(const SendCore&) = delete;
    SendCore& operator=(const SendCore&) = delete;

    // The application's part: publishes up to `messages` in turn over all sessions, in batches; how
    // many found room.
    std::uint64_t publish(std::uint64_t messages);
    // The worker's part: turns until all that is published has left.
    void send();
    std::uint64_t messages_published() const { return published_; }
    std::uint64_t packets_sent() const { return port_.swallowed(); }
    // Empty when every message left, else what did not.
    std::string faults() const;

  private:
    struct Sending;
    void post(const dataplane::Command& command);
    void turn();

    SendCorePlan plan_;
    const checksum::Kernels& kernels_;
    std::vector<std::byte> message_;
    ReplayPort port_;
    dataplane::WorkerLink link_;
    std::vector<std::unique_ptr<Sending>> sendings_;
    std::unique_ptr<dataplane::Worker<ReplayPort>> worker_;
    Nanos now_ = kSecond;
    std::uint64_t published_ = 0;
    bool ended_ = false;
};

}  // namespace fanfare::bench

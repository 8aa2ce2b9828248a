// A production worker that sends to a ReplayPort: one session, or many, whose send windows this
// program fills through client/core, as an application would. Virtual time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/core/replay_port.hpp"
#include "bench/core/window_region.hpp"
#include "client/core/message_reader.hpp"
#include "client/core/message_writer.hpp"
#include "dataplane/worker.hpp"

namespace fanfare::bench {

struct SendCorePlan {
    std::size_t message = 100;  // octets
    ipc::SendFormat format = ipc::SendFormat::message;
    std::uint32_t sessions = 1;
    std::uint64_t log_bytes = std::uint64_t{4} << 20;
    // Of payload the window keeps; what is left of the log is room for what is not sent yet.
    std::uint64_t window_bytes = std::uint64_t{1} << 20;
    // Octets of a receive window on this host, filled by the worker's copy; 0: nobody listens here.
    std::uint64_t local_log_bytes = 0;
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
    // One more turn of the worker, whatever is published.
    void turn();
    // Fills one message with what `write` puts there; false when there is no room now. One session.
    template <typename Write>
    bool put(Write&& write) {
        std::span<std::byte> room;
        client::MessageWriter& writer = *first_writer_;
        if (writer.claim(plan_.message, room) != client::WriteStatus::done) return false;
        write(room);
        writer.commit(room.size());
        ++published_;
        return true;
    }
    void publish_put() { first_writer_->publish(); }
    // A reader of the local window, at its lead, whom the worker would wake.
    std::unique_ptr<client::MessageReader> local_reader();
    std::uint64_t messages_published() const { return published_; }
    std::uint64_t packets_sent() const { return port_.swallowed(); }
    // Empty when every message left, else what did not.
    std::string faults() const;

  private:
    struct Sending;
    void post(const dataplane::Command& command);

    SendCorePlan plan_;
    const checksum::Kernels& kernels_;
    std::vector<std::byte> message_;
    ReplayPort port_;
    dataplane::WorkerLink link_;
    std::vector<std::unique_ptr<Sending>> sendings_;
    client::MessageWriter* first_writer_ = nullptr;
    std::unique_ptr<WindowRegion> local_;
    std::vector<std::unique_ptr<ipc::Region>> pages_;
    std::unique_ptr<dataplane::Worker<ReplayPort>> worker_;
    Nanos now_ = kSecond;
    std::uint64_t published_ = 0;
    bool ended_ = false;
};

}  // namespace fanfare::bench

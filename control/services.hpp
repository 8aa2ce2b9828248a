// What the control plane needs done outside itself: memory, descriptors, session objects, random
// numbers. The daemon and the embedded engine make the real thing (system_services.hpp); the
// simulator, tests and fuzzers bring their own.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "dataplane/commands.hpp"
#include "dataplane/repair_store.hpp"
#include "ipc/messages.hpp"
#include "ipc/receive_region.hpp"
#include "ipc/send_region.hpp"
#include "ipc/socket_page.hpp"

namespace fanfare::control {

// A send region, mapped and locked by the daemon. `descriptor` is the daemon's own; a client gets a
// duplicate.
struct SendMemory {
    ipc::SendHeader* header = nullptr;
    std::byte* log = nullptr;
    std::uint64_t log_bytes = 0;
    std::uint64_t total_bytes = 0;
    int descriptor = -1;
    const std::atomic<std::uint32_t>* fault = nullptr;  // not 0 after a hole was punched into it
    void* handle = nullptr;                             // the maker's own
};
struct SendMemorySpec {
    std::uint64_t session_id = 0;
    std::uint64_t log_bytes = 0;  // a power of two
    ipc::SendFormat format = ipc::SendFormat::message;
    std::uint32_t largest_tsdu = 0, largest_fragment = 0;
};

// A receive region: writable by the daemon alone.
struct ReceiveMemory {
    ipc::ReceiveHeader* header = nullptr;
    IndexEntry* index = nullptr;
    std::uint32_t index_entries = 0;
    std::byte* log = nullptr;
    std::uint64_t log_bytes = 0;
    std::uint64_t total_bytes = 0;
    int descriptor = -1;
    void* handle = nullptr;
};
struct ReceiveMemorySpec {
    std::uint64_t session_id = 0;
    std::uint64_t log_bytes = 0;      // a power of two
    std::uint32_t index_entries = 0;  // a power of two
};

struct PageMemory {
    ipc::SocketPage* page = nullptr;
    int descriptor = -1;
    void* handle = nullptr;
};

// How packets of an interface find the worker that owns their session.
struct SteeringFigures {
    const char* raw = nullptr;  // of IP protocol 113: "tsi", "addresses", "hand-over"; none asked
    const char* udp = nullptr;  // of the encapsulated form
    std::uint64_t rules = 0;    // in the card
    std::uint64_t rules_refused = 0;         // that the card did not take
    std::uint64_t sessions_handed_over = 0;  // that run without a rule of their own
};

class Services {
  public:
    virtual ~Services() = default;

    // Makers return 0 or an errno; on an errno nothing is held. Every make has its free.
    virtual int make_send_memory(const SendMemorySpec& spec, SendMemory& out) = 0;
    virtual void free_send_memory(SendMemory& memory) = 0;
    virtual int make_receive_memory(const ReceiveMemorySpec& spec, ReceiveMemory& out) = 0;
    virtual void free_receive_memory(ReceiveMemory& memory) = 0;
    virtual int make_page(std::uint64_t socket_id, ipc::SocketType type, PageMemory& out) = 0;
    virtual void free_page(PageMemory& page) = 0;
    // A socket pair: `ours` stays in the daemon, `theirs` is passed to the client and closed here
    // afterwards.
    virtual int make_endpoint(int& ours, int& theirs) = 0;
    // Writes on our end whose it is (ipc/endpoint_name.hpp). Where it can't be done, clients lose
    // their sockets over exec and nothing else.
    virtual void name_endpoint(int ours, std::uint64_t socket_id) = 0;
    // A sealed memfd that holds `octets`, for the caller to pass and close.
    virtual int make_status_memory(std::span<const std::byte> octets, int& descriptor) = 0;
    virtual void close_descriptor(int descriptor) = 0;
    // The descriptors of a worker's page and doorbell, passed to clients; owned by whoever started
    // the worker.
    virtual int worker_page_descriptor(std::uint32_t worker) = 0;
    virtual int doorbell_descriptor(std::uint32_t worker) = 0;

    // From now on / no longer: say when the last holder of the other end has gone.
    virtual void watch_endpoint(int endpoint, std::uint64_t socket_id) = 0;
    virtual void unwatch_endpoint(int endpoint, std::uint64_t socket_id) = 0;
    // True where the end of the last holder is reported, so that `close` may wait for it. False:
    // close ends a socket at once.
    virtual bool reports_hang_up() const = 0;
    // Readable: one octet into the endpoint. Hang up: it ends with an error, which its other end
    // shows as POLLERR and POLLHUP.
    virtual void wake(int endpoint) = 0;
    virtual void hang_up(int endpoint) = 0;
    // Takes out what the client filled its end with, so that it is writable again.
    virtual void drain(int endpoint) = 0;

    // Commands were posted: wakes the worker if it sleeps.
    virtual void ring_worker(dataplane::WorkerLink& link) = 0;

    // nullptr when there is no memory for the session.
    virtual dataplane::SourceSession* make_source(const dataplane::SourceSpec& spec) = 0;
    virtual void free_source(dataplane::SourceSession* session) = 0;
    virtual dataplane::ReceiveSession* make_receiver(const dataplane::ReceiveSpec& spec) = 0;
    virtual void free_receiver(dataplane::ReceiveSession* session) = 0;
    virtual bool read_statistics(const dataplane::SourceSession* session,
                                 engine::SourceStatistics& out, Sqn& trail, Sqn& lead) = 0;
    virtual bool read_statistics(const dataplane::ReceiveSession* session,
                                 engine::ReceiverStatistics& out, Sqn& trail, Sqn& lead) = 0;
    virtual bool read_repairs(const dataplane::ReceiveSession* /*session*/,
                              dataplane::RepairFigures& /*out*/) {
        return false;
    }

    // The file tier of a designated local repairer: what a session's worker and the tier share, for
    // as long as either has it; null where there is none. A followed session's region is kept until
    // unfollow(), which returns at once.
    virtual std::shared_ptr<dataplane::RepairStore> make_repair_store(std::uint32_t /*worker*/) {
        return nullptr;
    }
    virtual void follow(const std::shared_ptr<dataplane::RepairStore>& /*store*/,
                        const ReceiveMemory& /*memory*/, const std::string& /*name*/) {}
    virtual void unfollow(const std::shared_ptr<dataplane::RepairStore>& /*store*/) {}

    // A session runs from now on, or no longer: a card that can brings its packets straight to its
    // owner. Nothing depends on it.
    virtual void steer(const dataplane::SteeredSession&) {}
    virtual void unsteer(std::uint32_t /*interface*/, std::uint64_t /*session_id*/) {}
    virtual SteeringFigures steering(std::uint32_t /*interface*/) const { return {}; }

    // The kernel's number of its interface of that name; 0: it has none.
    virtual std::uint32_t kernel_index(const std::string& /*kernel_name*/) const { return 0; }

    virtual std::uint64_t random() = 0;
};

}  // namespace fanfare::control

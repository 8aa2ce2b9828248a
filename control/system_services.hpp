// Services as the daemon and the embedded engine have them: memfd regions, socket pairs, session
// objects of the dataplane.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "control/services.hpp"
#include "dataplane/worker_config.hpp"
#include "engine/checksum/checksum.hpp"
#include "ipc/descriptor.hpp"

namespace fanfare::control {

class Archive;  // control/archive.hpp

// Told which endpoints to look after; calls endpoint_closed() of the controller in time. The loop
// is one.
class EndpointWatcher {
  public:
    virtual ~EndpointWatcher() = default;
    virtual void watch(int endpoint, std::uint64_t socket_id) = 0;
    virtual void unwatch(int endpoint, std::uint64_t socket_id) = 0;
};

// Whoever has the cards: keeps their rules in step with the sessions. Called by one thread.
class Steering {
  public:
    virtual ~Steering() = default;
    virtual void steer(const dataplane::SteeredSession& session) = 0;
    virtual void unsteer(std::uint32_t interface, std::uint64_t session_id) = 0;
    virtual SteeringFigures steering(std::uint32_t interface) const = 0;
};

struct WorkerDescriptors {
    int page = -1;      // memfd of the WorkerPage
    int doorbell = -1;  // eventfd
};

class SystemServices : public Services {
  public:
    // `workers` are the caller's and outlive this. `huge_pages`: a wish for large regions.
    SystemServices(const checksum::Kernels& kernels, std::vector<WorkerDescriptors> workers,
                   bool huge_pages);
    ~SystemServices() override;

    // This process is a program's own, whose children, forked without exec, hold our ends too. From
    // now on, and for the whole process, a hang-up shuts an end down before it closes it: whoever
    // looks in between sees POLLHUP a moment before POLLERR.
    void share_process();

    // Without a watcher (nullptr) close() ends a socket at once.
    void set_watcher(EndpointWatcher* watcher) { watcher_ = watcher; }
    // Without one (nullptr) cards are left as they are. It outlives this.
    void set_steering(Steering* steering) { steering_ = steering; }

    // The file tier; without one (nullptr) windows are in memory alone. It outlives this.
    void set_archive(Archive* archive) { archive_ = archive; }

    // Whether any process still holds the other end of this endpoint. True when that can't be told.
    //
    // After our own hang-up of an endpoint nothing of it tells what the client does. So every
    // client's end stands in an epoll set of ours as well: the kernel takes it out when the last
    // holder, wherever it is, has closed it, and the set's fdinfo shows what is left.
    bool is_held(int endpoint) const;
    // The same for many at once.
    std::unordered_set<int> held_endpoints(bool& known) const;
    // How often an endpoint was hung up by anybody so far; whether this one was.
    std::uint64_t cut_count() const;
    bool is_cut(int endpoint) const;

    int make_send_memory(const SendMemorySpec& spec, SendMemory& out) override;
    void free_send_memory(SendMemory& memory) override;
    int make_receive_memory(const ReceiveMemorySpec& spec, ReceiveMemory& out) override;
    void free_receive_memory(ReceiveMemory& memory) override;
    int make_page(std::uint64_t socket_id, ipc::SocketType type, PageMemory& out) override;
    void free_page(PageMemory& page) override;
    int make_endpoint(int& ours, int& theirs) override;
    void name_endpoint(int ours, std::uint64_t socket_id) override;
    int make_status_memory(std::span<const std::byte> octets, int& descriptor) override;
    void close_descriptor(int descriptor) override;
    int worker_page_descriptor(std::uint32_t worker) override { return workers_[worker].page; }
    int doorbell_descriptor(std::uint32_t worker) override { return workers_[worker].doorbell; }
    void watch_endpoint(int endpoint, std::uint64_t socket_id) override;
    void unwatch_endpoint(int endpoint, std::uint64_t socket_id) override;
    bool reports_hang_up() const override { return watcher_ != nullptr; }
    void wake(int endpoint) override;
    void drain(int endpoint) override;
    void hang_up(int endpoint) override;
    void ring_worker(dataplane::WorkerLink& link) override;
    dataplane::SourceSession* make_source(const dataplane::SourceSpec& spec) override;
    void free_source(dataplane::SourceSession* session) override;
    dataplane::ReceiveSession* make_receiver(const dataplane::ReceiveSpec& spec) override;
    void free_receiver(dataplane::ReceiveSession* session) override;
    bool read_statistics(const dataplane::SourceSession* session, engine::SourceStatistics& out,
                         Sqn& trail, Sqn& lead) override;
    bool read_statistics(const dataplane::ReceiveSession* session, engine::ReceiverStatistics& out,
                         Sqn& trail, Sqn& lead) override;
    bool read_repairs(const dataplane::ReceiveSession* session,
                      dataplane::RepairFigures& out) override {
        return dataplane::read_repairs(session, out);
    }
    std::shared_ptr<dataplane::RepairStore> make_repair_store(std::uint32_t worker) override;
    void follow(const std::shared_ptr<dataplane::RepairStore>& store, const ReceiveMemory& memory,
                const std::string& name) override;
    void unfollow(const std::shared_ptr<dataplane::RepairStore>& store) override;
    void steer(const dataplane::SteeredSession& session) override {
        if (steering_ != nullptr) steering_->steer(session);
    }
    void unsteer(std::uint32_t interface, std::uint64_t session_id) override {
        if (steering_ != nullptr) steering_->unsteer(interface, session_id);
    }
    SteeringFigures steering(std::uint32_t interface) const override {
        return steering_ != nullptr ? steering_->steering(interface) : SteeringFigures{};
    }
    std::uint32_t kernel_index(const std::string& kernel_name) const override;
    std::uint64_t random() override;

  private:
    const checksum::Kernels& kernels_;
    std::vector<WorkerDescriptors> workers_;
    bool huge_pages_;
    EndpointWatcher* watcher_ = nullptr;
    Steering* steering_ = nullptr;
    Archive* archive_ = nullptr;
    ipc::Descriptor holders_;                           // the epoll set of the clients' ends
    std::unordered_map<int, std::uint64_t> serial_of_;  // endpoint -> its client's end in that set
    std::uint64_t last_serial_ = 0;
};

// The worker's ways out (dataplane/worker_config.hpp): one octet into an endpoint, drain it, hang
// it up, write an eventfd. No call waits, none raises a signal.
dataplane::WakeFunctions system_wake_functions();

}  // namespace fanfare::control

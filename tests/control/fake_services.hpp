// Services for tests and fuzzers: memory on the heap, descriptors that are mere numbers, session
// objects that are mere addresses. Counts what is held, so that a test sees what leaks.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "control/services.hpp"
#include "ipc/layout.hpp"

namespace fanfare::control {

class FakeServices : public Services {
  public:
    int fail_next_memory = 0;  // errno for the next region
    int fail_endpoints = 0;    // errno
    bool hang_ups_reported = true;
    bool fail_objects = false;
    std::set<int> open_descriptors;
    std::set<void*> objects, regions;
    std::map<int, int> octets_sent, drained;  // by endpoint
    std::set<int> hung_up;
    std::map<int, std::uint64_t> named;  // endpoint -> socket
    std::set<std::uint64_t> watched;
    std::map<std::uint64_t, dataplane::SteeredSession> steered;  // by session
    int steered_twice = 0;
    std::map<std::string, std::uint32_t> kernel_indices;
    std::uint64_t next_random = 0x1234;
    std::vector<dataplane::SourceSpec> sources_made;
    std::vector<dataplane::ReceiveSpec> receivers_made;
    engine::SourceStatistics source_statistics;
    engine::ReceiverStatistics receiver_statistics;

    ~FakeServices() override {
        for (void* region : regions) ::operator delete (region, std::align_val_t{64});
        for (void* object : objects) delete static_cast<char*>(object);
    }

    int make_send_memory(const SendMemorySpec& spec, SendMemory& out) override {
        if (const int error = take_failure()) return error;
        const auto layout = ipc::SendLayout::for_log(spec.log_bytes);
        const auto memory = region(layout.total_bytes);
        const auto parts = layout.init(memory, spec.session_id, spec.format, spec.largest_tsdu,
                                       spec.largest_fragment);
        out = {parts.header, parts.log.data(), parts.log.size(), layout.total_bytes,
               descriptor(), nullptr,          memory.data()};
        return 0;
    }
    void free_send_memory(SendMemory& memory) override {
        if (memory.handle == nullptr) return;
        close_descriptor(memory.descriptor);
        free_region(memory.handle);
        memory = {};
    }
    int make_receive_memory(const ReceiveMemorySpec& spec, ReceiveMemory& out) override {
        if (const int error = take_failure()) return error;
        const auto layout = ipc::ReceiveLayout::for_log(spec.log_bytes, spec.index_entries);
        const auto memory = region(layout.total_bytes);
        const auto parts = layout.init(memory, spec.session_id);
        out.header = parts.header;
        out.index = parts.index.data();
        out.index_entries = static_cast<std::uint32_t>(parts.index.size());
        out.log = parts.log.data();
        out.log_bytes = parts.log.size();
        out.total_bytes = layout.total_bytes;
        out.descriptor = descriptor();
        out.handle = memory.data();
        return 0;
    }
    void free_receive_memory(ReceiveMemory& memory) override {
        if (memory.handle == nullptr) return;
        close_descriptor(memory.descriptor);
        free_region(memory.handle);
        memory = {};
    }
    int make_page(std::uint64_t socket_id, ipc::SocketType type, PageMemory& out) override {
        if (const int error = take_failure()) return error;
        const auto memory = region(ipc::kPageSize);
        out.page = ipc::init_socket_page(memory, socket_id, static_cast<std::uint32_t>(type));
        out.descriptor = descriptor();
        out.handle = memory.data();
        return 0;
    }
    void free_page(PageMemory& page) override {
        if (page.handle == nullptr) return;
        close_descriptor(page.descriptor);
        free_region(page.handle);
        page = {};
    }
    int make_endpoint(int& ours, int& theirs) override {
        if (fail_endpoints != 0) return fail_endpoints;
        ours = descriptor();
        theirs = descriptor();
        return 0;
    }
    void name_endpoint(int ours, std::uint64_t socket_id) override { named[ours] = socket_id; }
    int make_status_memory(std::span<const std::byte> octets, int& out) override {
        last_status.assign(octets.begin(), octets.end());
        out = descriptor();
        return 0;
    }
    void close_descriptor(int fd) override { open_descriptors.erase(fd); }
    int worker_page_descriptor(std::uint32_t worker) override {
        return 100 + static_cast<int>(worker);
    }
    int doorbell_descriptor(std::uint32_t worker) override {
        return 200 + static_cast<int>(worker);
    }
    void watch_endpoint(int, std::uint64_t socket_id) override { watched.insert(socket_id); }
    void unwatch_endpoint(int, std::uint64_t socket_id) override { watched.erase(socket_id); }
    bool reports_hang_up() const override { return hang_ups_reported; }
    void wake(int endpoint) override { ++octets_sent[endpoint]; }
    void drain(int endpoint) override { ++drained[endpoint]; }
    void hang_up(int endpoint) override { hung_up.insert(endpoint); }
    void ring_worker(dataplane::WorkerLink&) override {}
    dataplane::SourceSession* make_source(const dataplane::SourceSpec& spec) override {
        if (fail_objects) return nullptr;
        sources_made.push_back(spec);
        return static_cast<dataplane::SourceSession*>(object());
    }
    void free_source(dataplane::SourceSession* session) override { free_object(session); }
    dataplane::ReceiveSession* make_receiver(const dataplane::ReceiveSpec& spec) override {
        if (fail_objects) return nullptr;
        receivers_made.push_back(spec);
        return static_cast<dataplane::ReceiveSession*>(object());
    }
    void free_receiver(dataplane::ReceiveSession* session) override { free_object(session); }
    bool read_statistics(const dataplane::SourceSession*, engine::SourceStatistics& out, Sqn& trail,
                         Sqn& lead) override {
        out = source_statistics;
        trail = 7;
        lead = 9;
        return true;
    }
    bool read_statistics(const dataplane::ReceiveSession*, engine::ReceiverStatistics& out,
                         Sqn& trail, Sqn& lead) override {
        out = receiver_statistics;
        trail = 17;
        lead = 19;
        return true;
    }
    void steer(const dataplane::SteeredSession& session) override {
        if (!steered.emplace(session.id, session).second) ++steered_twice;
    }
    void unsteer(std::uint32_t interface, std::uint64_t session_id) override {
        const auto found = steered.find(session_id);
        if (found != steered.end() && found->second.interface == interface) steered.erase(found);
    }
    SteeringFigures steering(std::uint32_t interface) const override {
        if (interface != 0) return {};
        return {"tsi", "addresses", steered.size(), 0, 0};
    }
    std::uint32_t kernel_index(const std::string& name) const override {
        const auto found = kernel_indices.find(name);
        return found == kernel_indices.end() ? 0 : found->second;
    }
    std::uint64_t random() override { return next_random += 0x9E37; }

    std::vector<std::byte> last_status;

  private:
    int take_failure() {
        const int error = fail_next_memory;
        fail_next_memory = 0;
        return error;
    }
    // Not touched as a whole: regions are large and mostly unused here.
    std::span<std::byte> region(std::uint64_t bytes) {
        void* memory = ::operator new (bytes, std::align_val_t{64});
        regions.insert(memory);
        return {static_cast<std::byte*>(memory), bytes};
    }
    void free_region(void* memory) {
        if (regions.erase(memory) != 0) ::operator delete (memory, std::align_val_t{64});
    }
    void* object() {
        void* o = new char;
        objects.insert(o);
        return o;
    }
    void free_object(void* o) {
        if (objects.erase(o) != 0) delete static_cast<char*>(o);
    }
    int descriptor() {
        open_descriptors.insert(++last_descriptor_);
        return last_descriptor_;
    }
    int last_descriptor_ = 1000;
};

}  // namespace fanfare::control

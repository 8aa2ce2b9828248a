#include "control/system_services.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>

#include "control/archive.hpp"
#include "ipc/endpoint_name.hpp"
#include "ipc/layout.hpp"
#include "ipc/memory.hpp"
#include "ipc/sigbus.hpp"

namespace fanfare::control {
namespace {

// Regions from here on are worth a huge page's rounding.
constexpr std::uint64_t kHugeFrom = 4ull << 20;

struct RegionHandle {
    ipc::Region region;
    ipc::SigbusGuard guard;  // goes before the region it guards
};

int make_region(const char* name, std::uint64_t bytes, bool huge, bool guard, ipc::SealKind seal,
                RegionHandle*& out) {
    ipc::MemoryFailure failure;
    auto region = ipc::Region::create({name, bytes, huge && bytes >= kHugeFrom, true}, failure);
    if (!region) return failure.error != 0 ? failure.error : ENOMEM;
    if (!region->seal(seal, failure)) return failure.error != 0 ? failure.error : ENOMEM;
    auto handle = std::make_unique<RegionHandle>();
    handle->region = std::move(*region);
    if (guard) {
        const auto memory = handle->region.memory();
        handle->guard = ipc::SigbusGuard(memory.data(), memory.size(), handle->region.page_bytes());
        if (!handle->guard.valid()) return ENOBUFS;
    }
    out = handle.release();
    return 0;
}

void send_octet(int endpoint) {
    const char octet = 0;
    // Full is as good as sent: octets wait there. Closed: its socket is on its way out.
    (void)!::send(endpoint, &octet, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// All but one, so that cut() finds one unread. Two who drain the same endpoint at once, a worker
// and the control side, may take that one as well: a cut then shows POLLHUP without POLLERR, and
// every call still says why.
void drain_octets(int endpoint) {
    int waiting = 0;
    if (::ioctl(endpoint, FIONREAD, &waiting) != 0) return;
    // The client's end takes some dozen octets (make_endpoint); whoever made room for more harms
    // itself.
    char octets[4096];
    while (waiting > 1) {
        const auto wanted = std::min(static_cast<std::size_t>(waiting) - 1, sizeof(octets));
        const ssize_t taken = ::recv(endpoint, octets, wanted, MSG_DONTWAIT);
        if (taken <= 0) return;
        waiting -= static_cast<int>(taken);
    }
}

// What stands under an endpoint's number once it was cut; its other end has never been.
int cut_end() {
    static const int end = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return end;
}

// Set before there are endpoints, by share_process().
std::atomic<bool> ends_are_inherited{false};

// Told by whoever cuts, looked at by the loop's tick: nothing hangs on its order, as a cut that is
// seen a tick later is as good.
std::atomic<std::uint64_t> cuts{0};

// The client's end shows POLLERR and POLLHUP, and holds ECONNRESET: so the kernel has it where a
// Unix socket is closed with octets unread, and no other way. The number stays taken, since other
// threads know the endpoint by it.
void cut(int endpoint) {
    if (endpoint < 0) return;
    // What a child that was forked holds as well is not closed by this: its other end shows POLLHUP
    // then, and POLLERR as soon as the child has gone.
    if (ends_are_inherited.load(std::memory_order_relaxed)) ::shutdown(endpoint, SHUT_RDWR);
    if (cut_end() < 0 || ::dup3(cut_end(), endpoint, O_CLOEXEC) < 0)
        ::shutdown(endpoint, SHUT_RDWR);  // POLLHUP alone
    cuts.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

SystemServices::SystemServices(const checksum::Kernels& kernels,
                               std::vector<WorkerDescriptors> workers, bool huge_pages)
    : kernels_(kernels),
      workers_(std::move(workers)),
      huge_pages_(huge_pages),
      holders_(::epoll_create1(EPOLL_CLOEXEC)) {
    (void)cut_end();  // now, as a worker's turn is no place to make it and may find no number left
}

void SystemServices::share_process() {
    ends_are_inherited.store(true, std::memory_order_relaxed);
}

SystemServices::~SystemServices() = default;

std::unordered_set<int> SystemServices::held_endpoints(bool& known) const {
    std::unordered_set<int> held;
    known = false;
    char path[64];
    std::snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", holders_.get());
    std::FILE* file = std::fopen(path, "re");
    if (file == nullptr) return held;
    std::unordered_set<std::uint64_t> serials;
    char line[256];
    while (std::fgets(line, sizeof(line), file) != nullptr) {
        unsigned long long serial = 0;
        if (std::sscanf(line, "tfd: %*d events: %*x data: %llx", &serial) == 1)
            serials.insert(serial);
    }
    std::fclose(file);
    known = true;
    for (const auto& [endpoint, serial] : serial_of_)
        if (serials.count(serial) != 0) held.insert(endpoint);
    return held;
}

bool SystemServices::is_held(int endpoint) const {
    bool known = false;
    const auto held = held_endpoints(known);
    return !known || held.count(endpoint) != 0;
}

int SystemServices::make_send_memory(const SendMemorySpec& spec, SendMemory& out) {
    const auto layout = ipc::SendLayout::for_log(spec.log_bytes);
    RegionHandle* handle = nullptr;
    if (int error = make_region("fanfare-send", layout.total_bytes, huge_pages_, true,
                                ipc::SealKind::send, handle))
        return error;
    const auto parts = layout.init(handle->region.memory(), spec.session_id, spec.format,
                                   spec.largest_tsdu, spec.largest_fragment);
    if (parts.header == nullptr) {
        delete handle;
        return ENOMEM;
    }
    out.header = parts.header;
    out.log = parts.log.data();
    out.log_bytes = parts.log.size();
    out.total_bytes = layout.total_bytes;
    out.descriptor = handle->region.descriptor();
    out.fault = handle->guard.faults();
    out.handle = handle;
    return 0;
}

void SystemServices::free_send_memory(SendMemory& memory) {
    delete static_cast<RegionHandle*>(memory.handle);
    memory = {};
}

int SystemServices::make_receive_memory(const ReceiveMemorySpec& spec, ReceiveMemory& out) {
    const auto layout = ipc::ReceiveLayout::for_log(spec.log_bytes, spec.index_entries);
    RegionHandle* handle = nullptr;
    if (int error = make_region("fanfare-receive", layout.total_bytes, huge_pages_, false,
                                ipc::SealKind::receive, handle))
        return error;
    const auto parts = layout.init(handle->region.memory(), spec.session_id);
    if (parts.header == nullptr) {
        delete handle;
        return ENOMEM;
    }
    out.header = parts.header;
    out.index = parts.index.data();
    out.index_entries = static_cast<std::uint32_t>(parts.index.size());
    out.log = parts.log.data();
    out.log_bytes = parts.log.size();
    out.total_bytes = layout.total_bytes;
    out.descriptor = handle->region.descriptor();
    out.handle = handle;
    return 0;
}

void SystemServices::free_receive_memory(ReceiveMemory& memory) {
    delete static_cast<RegionHandle*>(memory.handle);
    memory = {};
}

int SystemServices::make_page(std::uint64_t socket_id, ipc::SocketType type, PageMemory& out) {
    RegionHandle* handle = nullptr;
    if (int error = make_region("fanfare-socket", sizeof(ipc::SocketPage), false, false,
                                ipc::SealKind::send, handle))
        return error;
    out.page =
        ipc::init_socket_page(handle->region.memory(), socket_id, static_cast<std::uint32_t>(type));
    out.descriptor = handle->region.descriptor();
    out.handle = handle;
    return 0;
}

void SystemServices::free_page(PageMemory& page) {
    delete static_cast<RegionHandle*>(page.handle);
    page = {};
}

int SystemServices::make_endpoint(int& ours, int& theirs) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return errno;
    // So little that a sender that found no room fills it in some dozen calls, and so much that the
    // octet which always lies there (cut) leaves it writable: the kernel charges one with less
    // than a quarter of it.
    const int little = 4096;
    (void)::setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little));
    send_octet(pair[1]);
    if (holders_) {
        epoll_event event{};
        event.events = EPOLLET;  // nobody waits on the set; it is only asked who is in it
        event.data.u64 = ++last_serial_;
        // One that the set does not know would look as if nobody held it.
        if (::epoll_ctl(holders_.get(), EPOLL_CTL_ADD, pair[1], &event) != 0) {
            const int error = errno;
            ::close(pair[0]);
            ::close(pair[1]);
            return error;
        }
        serial_of_[pair[0]] = last_serial_;
    }
    ours = pair[0];
    theirs = pair[1];
    return 0;
}

void SystemServices::name_endpoint(int ours, std::uint64_t socket_id) {
    const auto name = ipc::endpoint_name(socket_id);
    (void)::bind(ours, reinterpret_cast<const sockaddr*>(&name.address), name.length);
}

int SystemServices::make_status_memory(std::span<const std::byte> octets, int& descriptor) {
    ipc::MemoryFailure failure;
    auto region = ipc::Region::create({"fanfare-status", octets.size(), false, false}, failure);
    if (!region) return failure.error != 0 ? failure.error : ENOMEM;
    std::memcpy(region->memory().data(), octets.data(), octets.size());
    if (!region->seal(ipc::SealKind::receive, failure))
        return failure.error != 0 ? failure.error : ENOMEM;
    descriptor = ::fcntl(region->descriptor(), F_DUPFD_CLOEXEC, 0);
    return descriptor < 0 ? errno : 0;
}

void SystemServices::close_descriptor(int descriptor) {
    serial_of_.erase(descriptor);
    ::close(descriptor);
}

void SystemServices::watch_endpoint(int endpoint, std::uint64_t socket_id) {
    if (watcher_ != nullptr) watcher_->watch(endpoint, socket_id);
}

void SystemServices::unwatch_endpoint(int endpoint, std::uint64_t socket_id) {
    if (watcher_ != nullptr) watcher_->unwatch(endpoint, socket_id);
}

void SystemServices::wake(int endpoint) {
    send_octet(endpoint);
}
void SystemServices::drain(int endpoint) {
    drain_octets(endpoint);
}
void SystemServices::hang_up(int endpoint) {
    cut(endpoint);
}

std::uint64_t SystemServices::cut_count() const {
    return cuts.load(std::memory_order_relaxed);
}

bool SystemServices::is_cut(int endpoint) const {
    struct stat there {};
    struct stat cut {};
    return ::fstat(endpoint, &there) == 0 && ::fstat(cut_end(), &cut) == 0 &&
           there.st_ino == cut.st_ino && there.st_dev == cut.st_dev;
}

void SystemServices::ring_worker(dataplane::WorkerLink& link) {
    // Partner: the worker sets `sleeping`, fences, and looks at its command ring once more before
    // it sleeps.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (link.page != nullptr && link.page->sleeping.load(std::memory_order_relaxed) == 0) return;
    if (link.doorbell >= 0) ::eventfd_write(link.doorbell, 1);
}

dataplane::SourceSession* SystemServices::make_source(const dataplane::SourceSpec& spec) try {
    return dataplane::make_source_session(spec, kernels_);
} catch (const std::bad_alloc&) {
    return nullptr;
}
void SystemServices::free_source(dataplane::SourceSession* session) {
    dataplane::free_source_session(session);
}
dataplane::ReceiveSession* SystemServices::make_receiver(const dataplane::ReceiveSpec& spec) try {
    return dataplane::make_receive_session(spec, kernels_);
} catch (const std::bad_alloc&) {
    return nullptr;
}
void SystemServices::free_receiver(dataplane::ReceiveSession* session) {
    dataplane::free_receive_session(session);
}
bool SystemServices::read_statistics(const dataplane::SourceSession* session,
                                     engine::SourceStatistics& out, Sqn& trail, Sqn& lead) {
    return dataplane::read_statistics(session, out, trail, lead);
}
bool SystemServices::read_statistics(const dataplane::ReceiveSession* session,
                                     engine::ReceiverStatistics& out, Sqn& trail, Sqn& lead) {
    return dataplane::read_statistics(session, out, trail, lead);
}

std::shared_ptr<dataplane::RepairStore> SystemServices::make_repair_store(std::uint32_t worker) {
    return archive_ != nullptr ? archive_->make_store(worker) : nullptr;
}
void SystemServices::follow(const std::shared_ptr<dataplane::RepairStore>& store,
                            const ReceiveMemory& memory, const std::string& name) {
    if (archive_ != nullptr) archive_->follow(store, memory.descriptor, name, random());
}
void SystemServices::unfollow(const std::shared_ptr<dataplane::RepairStore>& store) {
    if (archive_ != nullptr) archive_->forget(store);
}

std::uint32_t SystemServices::kernel_index(const std::string& kernel_name) const {
    return ::if_nametoindex(kernel_name.c_str());
}

std::uint64_t SystemServices::random() {
    std::uint64_t value = 0;
    // Interrupted or not yet seeded happens at boot at most; 8 octets are given whole or not at
    // all.
    while (::getrandom(&value, sizeof(value), 0) != static_cast<ssize_t>(sizeof(value))) {
    }
    return value;
}

dataplane::WakeFunctions system_wake_functions() {
    dataplane::WakeFunctions wake;
    wake.readable = [](void*, int endpoint) { send_octet(endpoint); };
    wake.writable = [](void*, int endpoint) { drain_octets(endpoint); };
    wake.hang_up = [](void*, int endpoint) { cut(endpoint); };
    wake.control = [](void*, int control_bell) { ::eventfd_write(control_bell, 1); };
    return wake;
}

}  // namespace fanfare::control

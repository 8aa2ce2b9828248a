#include "control/archive.hpp"

#include <pthread.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "control/loop.hpp"
#include "control/session_archive.hpp"
#include "control/uring_io.hpp"
#include "ipc/descriptor.hpp"
#include "ipc/memory.hpp"
#include "ipc/wakeup.hpp"

namespace fanfare::control {
namespace {

// How long new data may wait in memory before it is looked at. A window of 16 MiB is 130 ms of
// 1 Gbit/s; a look at an idle session costs less than a microsecond.
constexpr Nanos kLookInterval = 5 * kMillisecond;
constexpr Nanos kIdleInterval = kSecond;  // without sessions

struct Session {
    std::shared_ptr<dataplane::RepairStore> store;
    ipc::Mapping region;
    std::unique_ptr<SessionArchive> archive;
};

}  // namespace

struct Archive::Parts {
    ArchiveSettings settings;
    std::unique_ptr<UringIo> io;
    ipc::Descriptor bell;
    alignas(ipc::kCacheLine) std::atomic<std::uint32_t> sleeping{0};
    std::atomic<bool> stopping{false};
    std::vector<Session> sessions;  // the thread's own

    struct Order {
        Session session;  // with a mapping: follow
        std::uint64_t nonce = 0;
        std::string name;
    };
    std::mutex mutex;  // control and this thread, some times a session; no worker
    std::vector<Order> orders;
    std::thread thread;

    void order(Order order) {
        {
            const std::lock_guard lock(mutex);
            orders.push_back(std::move(order));
        }
        ::eventfd_write(bell.get(), 1);
    }

    void take_orders() {
        std::vector<Order> taken;
        {
            const std::lock_guard lock(mutex);
            taken.swap(orders);
        }
        for (Order& order : taken) {
            const bool follows = static_cast<bool>(order.session.region);
            if (follows)
                begin(order);
            else
                end(order.session.store);
        }
    }

    void begin(Order& order) try {
        Session session = std::move(order.session);
        const auto view = ipc::ReceiveView::open(session.region.memory());
        if (!view) return;
        session.archive = std::make_unique<SessionArchive>(
            SessionArchivePlan{order.name, settings.file_bytes, order.nonce, 30 * kSecond,
                               settings.log},
            *view, *session.store, *io);
        sessions.push_back(std::move(session));
    } catch (const std::bad_alloc&) {
        if (settings.log) settings.log(order.name + ": no memory for a file tier");
    }

    void end(const std::shared_ptr<dataplane::RepairStore>& store) {
        for (Session& session : sessions)
            if (session.store == store) session.archive->stop();
    }

    // Requests wait, or something else would be left undone by sleeping.
    bool turn(Nanos now) {
        std::array<ArchiveIo::Done, 64> done;
        bool more = false;
        for (std::size_t count = io->take_done(done); count > 0; count = io->take_done(done)) {
            more = true;
            for (std::size_t i = 0; i < count; ++i)
                SessionArchive::owner(done[i].token)->on_done(done[i].token, done[i].error, now);
        }
        take_orders();
        for (Session& session : sessions) {
            bool replied = false;
            more |= session.archive->turn(now, replied) > 0;
            if (replied && settings.ring_worker) settings.ring_worker(session.store->worker);
        }
        std::erase_if(sessions, [](const Session& session) {
            return session.archive->stopped() && session.archive->is_idle();
        });
        return more;
    }

    void run() {
        while (!stopping.load(std::memory_order_acquire)) {
            if (turn(monotonic_now())) {
                io->wait(bell.get(), 0);  // hands over what was begun
                continue;
            }
            // Partner: the worker's publish_fence before it looks at the flag.
            const bool nothing = ipc::prepare_sleep(ipc::AtomicMemory{}, sleeping,
                                                    [&] { return turn(monotonic_now()); });
            if (nothing) io->wait(bell.get(), sessions.empty() ? kIdleInterval : kLookInterval);
            sleeping.store(0, std::memory_order_relaxed);
        }
        // Buffers are the kernel's until it is done with them.
        for (Session& session : sessions) session.archive->stop();
        while (!sessions.empty()) {
            turn(monotonic_now());
            io->wait(bell.get(), kMillisecond);
        }
    }
};

Archive::Archive(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

std::unique_ptr<Archive> Archive::open(const ArchiveSettings& settings, std::string& error) {
    auto parts = std::make_unique<Parts>();
    parts->settings = settings;
    parts->io = UringIo::open(settings.directory, error);
    if (!parts->io) return nullptr;
    parts->bell = ipc::Descriptor(::eventfd(0, EFD_CLOEXEC));
    if (!parts->bell) {
        error = "the kernel gives no eventfd for the file tier";
        return nullptr;
    }
    Parts* const p = parts.get();
    std::unique_ptr<Archive> archive(new Archive(std::move(parts)));
    p->thread = std::thread([p] { p->run(); });
    (void)::pthread_setname_np(p->thread.native_handle(), "fanfare-files");
    return archive;
}

Archive::~Archive() {
    if (!parts_->thread.joinable()) return;
    parts_->stopping.store(true, std::memory_order_release);  // partner: run()
    ::eventfd_write(parts_->bell.get(), 1);
    parts_->thread.join();
}

std::shared_ptr<dataplane::RepairStore> Archive::make_store(std::uint32_t worker) {
    auto store = std::make_shared<dataplane::RepairStore>();
    store->worker = worker;
    store->sleeping = &parts_->sleeping;
    store->bell = parts_->bell.get();
    return store;
}

void Archive::follow(std::shared_ptr<dataplane::RepairStore> store, int region,
                     const std::string& name, std::uint64_t nonce) {
    ipc::MemoryFailure failure;
    auto mapping = ipc::Mapping::read_only(region, 1, failure);
    if (!mapping) {
        if (parts_->settings.log) parts_->settings.log(name + ": no file tier: " + failure.text);
        return;
    }
    parts_->order({{std::move(store), std::move(*mapping), nullptr}, nonce, name});
}

void Archive::forget(const std::shared_ptr<dataplane::RepairStore>& store) {
    parts_->order({{store, {}, nullptr}, 0, {}});
}

}  // namespace fanfare::control

#include "dataplane/kernel/receive_ring.hpp"

#include <netinet/in.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace fanfare::dataplane::kernel {

namespace {

// Tells threads apart; 0 before a thread's first ring. No address and no number of the system does:
// a later thread gets those of one that has ended, and the ring stays with the one that has ended.
thread_local std::uint64_t here = 0;

std::uint64_t number_this_thread() {
    // Each number is given once, and says nothing else: no partner.
    static std::atomic<std::uint64_t> last{0};
    if (here == 0) here = last.fetch_add(1, std::memory_order_relaxed) + 1;
    return here;
}

std::byte* map(std::size_t bytes) {
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
}

constexpr std::uint64_t tag(unsigned socket, std::uint32_t generation) {
    return std::uint64_t{generation} << 32 | socket;
}
// Completions of cancellations.
constexpr std::uint64_t kNobody = ~std::uint64_t{0};

}  // namespace

ReceiveRing::ReceiveRing(unsigned sockets_max) : receivers_(sockets_max) {
    static_assert(sizeof(sockaddr_in) == kNameBytes);
    static_assert(CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(in_pktinfo)) <= kControlBytes);
    static_assert((kBuffers & (kBuffers - 1)) == 0);
    shape_.msg_namelen = kNameBytes;
    shape_.msg_controllen = kControlBytes;
}

std::unique_ptr<ReceiveRing> ReceiveRing::open(unsigned sockets_max, std::string& error) {
    std::unique_ptr<ReceiveRing> out(new ReceiveRing(sockets_max));
    out->memory_ = map(kBuffers * kBufferBytes);
    out->free_ = reinterpret_cast<io_uring_buf_ring*>(map(kBuffers * sizeof(io_uring_buf)));
    if (out->memory_ == nullptr || out->free_ == nullptr) {
        error = "no memory for received messages";
        return nullptr;
    }
    if (!out->start()) {
        error = std::string("the kernel gives no io_uring to receive with (") +
                std::strerror(errno) +
                "); it needs Linux 6.1, and kernel.io_uring_disabled or a container's filter may "
                "forbid it";
        return nullptr;
    }
    return out;
}

ReceiveRing::~ReceiveRing() {
    stop();
    if (memory_ != nullptr) munmap(memory_, kBuffers * kBufferBytes);
    if (free_ != nullptr) munmap(free_, kBuffers * sizeof(io_uring_buf));
}

bool ReceiveRing::start() {
    io_uring_params parameters{};
    // Received is on this thread when it asks, and a flag in shared memory says when to ask.
    parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                       IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    parameters.cq_entries = 4 * kBuffers;
    constexpr unsigned kSubmissions = 64;
    if (const int code = io_uring_queue_init_params(kSubmissions, &ring_, &parameters); code != 0) {
        errno = -code;
        return false;
    }
    ring_open_ = true;
    thread_ = number_this_thread();
    io_uring_buf_reg request{};
    request.ring_addr = reinterpret_cast<std::uint64_t>(free_);
    request.ring_entries = kBuffers;
    request.bgid = kGroup;
    if (const int code = io_uring_register_buf_ring(&ring_, &request, 0); code != 0) {
        stop();
        errno = -code;
        return false;
    }
    io_uring_buf_ring_init(free_);
    for (unsigned i = 0; i < kBuffers; ++i)
        io_uring_buf_ring_add(free_, buffer(i), kBufferBytes, static_cast<unsigned short>(i),
                              io_uring_buf_ring_mask(kBuffers), static_cast<int>(i));
    io_uring_buf_ring_advance(free_, kBuffers);
    lent_ = 0;
    for (auto& receiver : receivers_) {
        receiver.armed = false;
        receiver.looks_left = 0;
        ++receiver.generation;
    }
    idle_ = true;
    return true;
}

void ReceiveRing::stop() {
    if (ring_open_) io_uring_queue_exit(&ring_);
    ring_open_ = false;
}

bool ReceiveRing::on_this_thread() const {
    return thread_ == here;
}

bool ReceiveRing::restart() {
    stop();
    thread_ = number_this_thread();
    ++system_calls_;
    if (start()) return true;
    ++errors_;
    looks_left_ = kPatience;
    return false;
}

void ReceiveRing::add(unsigned socket, int descriptor) {
    Receiver& receiver = receivers_[socket];
    receiver.descriptor = descriptor;
    receiver.armed = false;
    receiver.looks_left = 0;
    ++receiver.generation;
    idle_ = true;
}

void ReceiveRing::remove(unsigned socket) {
    Receiver& receiver = receivers_[socket];
    if (receiver.armed && ring_open_) {
        // The request holds the socket open: it must go, or the port stays taken.
        if (io_uring_sqe* sqe = io_uring_get_sqe(&ring_); sqe != nullptr) {
            io_uring_prep_cancel64(sqe, tag(socket, receiver.generation), 0);
            sqe->user_data = kNobody;
            ++system_calls_;
            io_uring_submit(&ring_);
        }
    }
    receiver.descriptor = -1;
    receiver.armed = false;
    ++receiver.generation;
}

// Puts what is not armed into the submission queue.
void ReceiveRing::arm_idle() {
    idle_ = false;
    for (unsigned i = 0; i < receivers_.size(); ++i) {
        Receiver& receiver = receivers_[i];
        if (receiver.descriptor < 0 || receiver.armed) continue;
        if (receiver.looks_left > 0) {
            --receiver.looks_left;
            idle_ = true;
            continue;
        }
        io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
        if (sqe == nullptr) {
            idle_ = true;
            return;
        }
        io_uring_prep_recvmsg_multishot(sqe, receiver.descriptor, &shape_, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = kGroup;
        sqe->user_data = tag(i, receiver.generation);
        receiver.armed = true;
    }
}

bool ReceiveRing::message(Message& out) {
    if (!ring_open_) [[unlikely]] {
        if (looks_left_ > 0) --looks_left_;
        if (looks_left_ > 0 || !restart()) return false;
    }
    bool called = false;
    for (;;) {
        // Completions beyond what the ring holds come in later looks.
        while (io_uring_cq_ready(&ring_) > 0) {
            const io_uring_cqe cqe = ring_.cq.cqes[*ring_.cq.khead & ring_.cq.ring_mask];
            io_uring_cq_advance(&ring_, 1);
            if (take(cqe, out)) return true;
        }
        if (called) return false;
        // Without free buffers there is no use in arming.
        if (idle_ && lent_ < kBuffers) arm_idle();
        const unsigned flags = IO_URING_READ_ONCE(*ring_.sq.kflags);
        if (io_uring_sq_ready(&ring_) == 0 &&
            (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) == 0)
            return false;
        called = true;
        ++system_calls_;
        io_uring_submit_and_get_events(&ring_);
    }
}

// False when the completion brought no message.
bool ReceiveRing::take(const io_uring_cqe& cqe, Message& out) {
    const bool filled = (cqe.flags & IORING_CQE_F_BUFFER) != 0;
    const unsigned index = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
    if (filled) ++lent_;
    const auto socket = static_cast<unsigned>(cqe.user_data & 0xFFFFFFFFu);
    const bool ours = cqe.user_data != kNobody && socket < receivers_.size() &&
                      receivers_[socket].generation == cqe.user_data >> 32;
    if (ours && (cqe.flags & IORING_CQE_F_MORE) == 0) {
        Receiver& receiver = receivers_[socket];
        receiver.armed = false;
        idle_ = true;
        if (cqe.res < 0 && cqe.res != -ENOBUFS && cqe.res != -EINTR) {
            receiver.looks_left = kPatience;
            ++errors_;
        }
    }
    if (!filled) return false;
    out.socket = socket;
    out.buffer = index;
    if (ours && cqe.res > 0) {
        if (parse_arrival({buffer(index), kBufferBytes}, static_cast<std::size_t>(cqe.res), kLayout,
                          out.arrival))
            return true;
        ++errors_;
    }
    give_back(index);
    return false;
}

void ReceiveRing::give_back(unsigned index) {
    io_uring_buf_ring_add(free_, buffer(index), kBufferBytes, static_cast<unsigned short>(index),
                          io_uring_buf_ring_mask(kBuffers), 0);
    io_uring_buf_ring_advance(free_, 1);
    --lent_;
}

}  // namespace fanfare::dataplane::kernel

#include "control/session_archive.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

namespace fanfare::control {
namespace {

// Numbers read in one turn, so that several sessions share the thread.
constexpr std::size_t kNumbersPerTurn = 4096;
constexpr std::size_t kRequestsPerTurn = 64;

}  // namespace

void SessionArchive::Free::operator()(std::byte* octets) const {
    std::free(octets);
}

SessionArchive::SessionArchive(const SessionArchivePlan& plan, const ipc::ReceiveView& region,
                               dataplane::RepairStore& store, ArchiveIo& io)
    : plan_(plan),
      region_(region),
      store_(store),
      io_(io),
      // No place is written again while a write of it may be under way.
      slots_(std::max<std::uint64_t>(plan.file_bytes / kBlockBytes, kWriteBuffers + 2)),
      memory_(static_cast<std::byte*>(
          std::aligned_alloc(kBlockAlignment, kBlockBytes * (kWriteBuffers + kReadBuffers)))) {
    if (!memory_) throw std::bad_alloc();
    std::memset(memory_.get(), 0, kBlockBytes * buffers_.size());
    for (std::size_t i = 0; i < buffers_.size(); ++i) {
        buffers_[i].owner = this;
        buffers_[i].octets = memory_.get() + i * kBlockBytes;
    }
}

SessionArchive::~SessionArchive() {
    if (file_ >= 0) io_.close(file_);
}

SessionArchive* SessionArchive::owner(void* token) {
    return static_cast<Buffer*>(token)->owner;
}

void SessionArchive::begin(Nanos now) {
    bool direct = false;
    int file = -1;
    if (const int error = io_.open(file, direct)) {
        drop("no file can be made", error, now);
        return;
    }
    file_ = file;
    store_.direct.store(direct ? 1 : 0, std::memory_order_relaxed);
    dropped_ = false;
    ++life_;
    blocks_.clear();
    next_slot_ = 0;
    cursor_ = message_first_ = 0;
    if (plan_.log)
        plan_.log(plan_.name + ": what leaves memory goes to a file of " +
                  std::to_string((slots_ * kBlockBytes) >> 20) + " MiB" +
                  (direct ? ", past the page cache (O_DIRECT)"
                          : ", through the page cache: its file system has no O_DIRECT"));
}

// Everything kept is given up at once: what the disk did with one block, it may have done with all.
void SessionArchive::drop(const std::string& what, int error, Nanos now) {
    store_.end.store(0, std::memory_order_release);
    store_.first.store(0, std::memory_order_relaxed);
    store_.failures.add();
    blocks_.clear();
    dropped_ = true;
    filling_ = nullptr;
    for (Buffer& buffer : buffers_) {
        if (buffer.use != Buffer::Use::writing && buffer.use != Buffer::Use::reading)
            buffer.use = Buffer::Use::free;
    }
    retry_at_ = now + plan_.retry_ns;
    if (plan_.log)
        plan_.log(plan_.name + ": the file tier is dropped: " + what +
                  (error != 0 ? std::string(": ") + std::strerror(error) : std::string()) +
                  "; what is not in memory is not repaired here until it has begun anew, in " +
                  std::to_string(plan_.retry_ns / kSecond) + " s");
}

void SessionArchive::stop() {
    stopped_ = true;
    store_.end.store(0, std::memory_order_release);
    store_.first.store(0, std::memory_order_relaxed);
}

std::size_t SessionArchive::turn(Nanos now, bool& replied) {
    if (stopped_) return 0;
    ++turns_;
    if (dropped_ && under_way_ == 0 && now >= retry_at_) {
        if (file_ >= 0) io_.close(file_);
        file_ = -1;
        begin(now);
    }
    const std::size_t work = dropped_ ? 0 : follow(now);
    return work + answer(replied);
}

SessionArchive::Buffer* SessionArchive::free_buffer(bool for_reading) {
    const std::size_t from = for_reading ? kWriteBuffers : 0;
    const std::size_t to = for_reading ? buffers_.size() : kWriteBuffers;
    Buffer* oldest = nullptr;
    for (std::size_t i = from; i < to; ++i) {
        Buffer& buffer = buffers_[i];
        if (buffer.use == Buffer::Use::free) return &buffer;
        if (buffer.use != Buffer::Use::cached) continue;
        if (oldest == nullptr || buffer.used_at < oldest->used_at) oldest = &buffer;
    }
    return oldest;
}

// Reads on in the region, up to what is contiguous.
std::size_t SessionArchive::follow(Nanos) {
    const ipc::ReceiveHeader& header = region_.header();
    // Partner: the worker's release; entries and payload before it were written before.
    const std::uint64_t lead = header.lead.load(std::memory_order_acquire);
    if (lead == 0) return 0;
    if (cursor_ == 0) cursor_ = header.start_ordinal.load(std::memory_order_relaxed);
    std::size_t work = 0;
    while (cursor_ < lead && work < kNumbersPerTurn) {
        if (filling_ == nullptr) {
            filling_ = free_buffer(false);
            if (filling_ == nullptr) break;  // the disk is behind
            filling_->use = Buffer::Use::filling;
            writer_.open(filling_->octets);
        }
        const Copied copied = copy(cursor_);
        if (copied == Copied::full) {
            if (!flush()) break;
            continue;
        }
        if (copied == Copied::overtaken) {
            // What is left is as good as overtaken too: on with what comes.
            store_.overtaken.add(lead - cursor_);
            if (writer_.first() != 0 && !flush()) break;
            cursor_ = lead;
            message_first_ = 0;
            break;
        }
        ++cursor_;
        ++work;
    }
    // A block that fills slowly is written before its numbers leave memory.
    if (filling_ != nullptr && writer_.first() != 0 &&
        lead - writer_.first() > region_.index_entries() / 4) {
        flush();
    }
    return work;
}

SessionArchive::Copied SessionArchive::copy(std::uint64_t ordinal) {
    const ipc::ReceiveHeader& header = region_.header();
    const std::uint32_t entries = region_.index_entries();
    auto& entry = const_cast<IndexEntry&>(region_.index()[ordinal & (entries - 1)]);
    // The worker may be writing this slot anew: what was read counts only if the number is not
    // given up below.
    const IndexEntry seen{std::atomic_ref(entry.sqn).load(std::memory_order_relaxed),
                          std::atomic_ref(entry.place).load(std::memory_order_relaxed),
                          std::atomic_ref(entry.length).load(std::memory_order_relaxed),
                          std::atomic_ref(entry.flags).load(std::memory_order_relaxed),
                          std::atomic_ref(entry.apdu_length).load(std::memory_order_relaxed)};
    const std::uint64_t log_bytes = region_.log_bytes();
    const std::uint64_t place = seen.place & (log_bytes - 1);
    const bool data = seen.sqn == static_cast<std::uint32_t>(ordinal) &&
                      (seen.flags & kEntryData) != 0 && seen.length <= log_bytes - place;
    std::byte* const room = data ? writer_.room(seen.length) : nullptr;
    if (data && room == nullptr) return Copied::full;
    if (data && seen.length > 0) std::memcpy(room, region_.log() + place, seen.length);
    // Partner: the worker's fence between storing `reserved_*` and its first octet.
    std::atomic_thread_fence(std::memory_order_acquire);
    const std::uint64_t reserved_ordinal = header.reserved_ordinal.load(std::memory_order_relaxed);
    const std::uint64_t reserved_log = header.reserved_log.load(std::memory_order_relaxed);
    const std::uint64_t behind =
        static_cast<std::uint32_t>(static_cast<std::uint32_t>(reserved_log) - seen.place);
    if (ordinal + entries < reserved_ordinal || (data && behind > log_bytes))
        return Copied::overtaken;
    if (!data) {
        writer_.skip(ordinal);
        return Copied::left_out;
    }
    if ((seen.flags & kEntryMessageBegin) != 0) {
        message_first_ = ordinal;
        message_offset_ = 0;
    }
    constexpr std::uint16_t kWhole = kEntryMessageBegin | kEntryMessageEnd;
    const bool whole = (seen.flags & kWhole) == kWhole;
    if (!whole && (message_first_ == 0 || message_offset_ > seen.apdu_length)) {
        // Nobody can say where it stands in its message.
        writer_.skip(ordinal);
        return Copied::left_out;
    }
    writer_.add({ordinal,
                 {room, seen.length},
                 seen.flags,
                 static_cast<std::uint32_t>(message_first_),
                 static_cast<std::uint32_t>(message_offset_),
                 seen.apdu_length});
    message_offset_ += seen.length;
    return Copied::taken;
}

// Gives the block at hand to the file, over the oldest one where it is full.
bool SessionArchive::flush() {
    Buffer& buffer = *filling_;
    if (blocks_.size() == slots_) {
        // Nothing may ask for the oldest any more before it is overwritten.
        blocks_.pop_front();
        publish_range();
    }
    buffer.first = writer_.first();
    buffer.end = writer_.end();
    buffer.slot = next_slot_;
    buffer.life = life_;
    const std::uint32_t packets = writer_.count();
    const std::size_t used = writer_.used();
    BlockWriter closing = writer_;
    closing.close(plan_.nonce + life_);
    if (!io_.write(file_, buffer.slot, buffer.octets, &buffer)) return false;
    ++under_way_;
    buffer.use = Buffer::Use::writing;
    blocks_.push_back({buffer.first, buffer.end, buffer.slot, false});
    next_slot_ = (next_slot_ + 1) % slots_;
    filling_ = nullptr;
    store_.packets_written.add(packets);
    store_.bytes_written.add(used);
    return true;
}

void SessionArchive::publish_range() {
    std::uint64_t first = 0, end = 0;
    for (const Block& block : blocks_) {
        if (!block.written) break;
        if (first == 0) first = block.first;
        end = block.end;
    }
    store_.first.store(first, std::memory_order_relaxed);
    // Partner: the worker's acquire.
    store_.end.store(end, std::memory_order_release);
}

void SessionArchive::on_done(void* token, int error, Nanos now) {
    Buffer& buffer = *static_cast<Buffer*>(token);
    --under_way_;
    const bool wrote = buffer.use == Buffer::Use::writing;
    const bool current = !stopped_ && !dropped_ && buffer.life == life_;
    buffer.use = Buffer::Use::free;
    if (!current) return;
    if (error != 0) {
        drop(wrote ? "a block can't be written" : "a block can't be read", error, now);
        return;
    }
    const auto block = std::find_if(blocks_.begin(), blocks_.end(), [&](const Block& b) {
        return b.slot == buffer.slot && b.first == buffer.first;
    });
    if (block == blocks_.end()) return;  // overwritten meanwhile
    if (wrote) {
        block->written = true;
        publish_range();
        return;
    }
    if (!is_block({buffer.octets, kBlockBytes}, plan_.nonce + life_, block->first, block->end)) {
        drop("a block is not what was written", 0, now);
        return;
    }
    buffer.use = Buffer::Use::cached;
    buffer.end = block->end;
    buffer.used_at = turns_;
}

const SessionArchive::Block* SessionArchive::block_of(std::uint64_t ordinal) const {
    const auto behind = std::upper_bound(
        blocks_.begin(), blocks_.end(), ordinal,
        [](std::uint64_t number, const Block& block) { return number < block.first; });
    if (behind == blocks_.begin()) return nullptr;
    const Block& block = *(behind - 1);
    return ordinal < block.end && block.written ? &block : nullptr;
}

bool SessionArchive::reply(std::uint64_t ordinal, const ArchivedPacket* packet) {
    dataplane::RepairStore::Reply* const out = store_.replies.claim();
    if (out == nullptr) return false;
    out->ordinal = ordinal;
    out->found = packet != nullptr && packet->payload.size() <= sizeof(out->payload);
    if (out->found) {
        out->length = static_cast<std::uint16_t>(packet->payload.size());
        out->flags = packet->flags;
        out->apdu_length = packet->apdu_length;
        out->first_sqn = packet->first_sqn;
        out->offset = packet->offset;
        if (!packet->payload.empty())
            std::memcpy(out->payload, packet->payload.data(), packet->payload.size());
        store_.packets_read.add();
    } else {
        store_.packets_missed.add();
    }
    store_.replies.publish();
    return true;
}

std::size_t SessionArchive::answer(bool& replied) {
    std::size_t work = 0;
    std::uint64_t ordinal = 0;
    while (wanted_.size() < dataplane::RepairStore::kRequests && store_.requests.take(ordinal)) {
        wanted_.push_back(ordinal);
        ++work;
    }
    std::size_t looked = std::min(wanted_.size(), kRequestsPerTurn);
    for (auto at = wanted_.begin(); looked > 0; --looked) {
        const Block* const block = dropped_ ? nullptr : block_of(*at);
        ArchivedPacket packet;
        const ArchivedPacket* found = nullptr;
        if (block != nullptr) {
            const auto buffer =
                std::find_if(buffers_.begin() + kWriteBuffers, buffers_.end(), [&](Buffer& b) {
                    return b.use != Buffer::Use::free && b.life == life_ && b.slot == block->slot &&
                           b.first == block->first;
                });
            if (buffer == buffers_.end()) {
                Buffer* const into = free_buffer(true);
                if (into == nullptr || !io_.read(file_, block->slot, into->octets, into)) break;
                ++under_way_;
                into->use = Buffer::Use::reading;
                into->first = block->first;
                into->slot = block->slot;
                into->life = life_;
                store_.blocks_read.add();
            }
            if (buffer == buffers_.end() || buffer->use == Buffer::Use::reading) {
                ++at;
                continue;
            }
            buffer->used_at = turns_;
            if (find_packet({buffer->octets, kBlockBytes}, *at, packet)) found = &packet;
        }
        if (!reply(*at, found)) break;
        replied = true;
        at = wanted_.erase(at);
        ++work;
    }
    return work;
}

}  // namespace fanfare::control

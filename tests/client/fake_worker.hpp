// The other side of the regions, as a worker plays it: places packets into a receive window in any
// order and moves reserved and lead; takes records from a send window and gives room back. On plain
// heap memory.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/core/window_layout.hpp"
#include "ipc/layout.hpp"

namespace fanfare::client {

struct HeapMemory {
    explicit HeapMemory(std::size_t n)
        : bytes((n + ipc::kPageSize - 1) / ipc::kPageSize * ipc::kPageSize),
          data(static_cast<std::byte*>(std::aligned_alloc(ipc::kPageSize, bytes))) {
        std::memset(data.get(), 0, bytes);
    }
    std::span<std::byte> span() const { return {data.get(), bytes}; }

    struct Free {
        void operator()(std::byte* p) const { std::free(p); }
    };
    std::size_t bytes;
    std::unique_ptr<std::byte, Free> data;
};

inline std::vector<std::byte> octets(const std::string& text) {
    const auto* p = reinterpret_cast<const std::byte*>(text.data());
    return {p, p + text.size()};
}
inline std::string text_of(std::span<const std::byte> data) {
    return {reinterpret_cast<const char*>(data.data()), data.size()};
}

// Octets that tell which message and which place in it they are, so that a torn or shifted copy
// shows.
inline std::byte pattern(std::uint64_t message, std::uint64_t offset) {
    const std::uint64_t x =
        (message * 0x9E3779B97F4A7C15ull) ^ ((offset / 8 + 1) * 0xC2B2AE3D27D4EB4Full);
    return std::byte(static_cast<unsigned char>(x >> (8 * (offset % 8))));
}
inline std::vector<std::byte> pattern_message(std::uint64_t message, std::size_t bytes) {
    std::vector<std::byte> data(bytes);
    for (std::size_t i = 0; i < bytes; ++i) data[i] = pattern(message, i);
    return data;
}

inline std::vector<std::byte> container(const std::vector<std::string>& messages) {
    std::vector<std::byte> data;
    for (const std::string& m : messages) {
        data.push_back(std::byte(m.size() >> 8));
        data.push_back(std::byte(m.size() & 0xFF));
        const auto body = octets(m);
        data.insert(data.end(), body.begin(), body.end());
    }
    return data;
}

constexpr std::uint16_t kWhole = kEntryMessageBegin | kEntryMessageEnd;

class FakeReceiveWindow {
  public:
    explicit FakeReceiveWindow(std::span<std::byte> memory, std::uint64_t log_bytes,
                               std::uint32_t entries, std::uint32_t first_sqn = 0)
        : parts_(ipc::ReceiveLayout::for_log(log_bytes, entries).init(memory, 1)),
          next_((std::uint64_t{1} << 32) | first_sqn) {
        parts_.header->start_ordinal.store(next_, std::memory_order_relaxed);
        parts_.header->reserved_ordinal.store(next_, std::memory_order_relaxed);
        parts_.header->lead.store(next_, std::memory_order_release);
    }

    // Opens a burst: as DESIGN section 4 has it, before the first octet is written.
    void reserve(std::uint64_t log_bytes, std::uint64_t entries) {
        // Every payload may have to step over a lap's end that is too short for it.
        log_reach_ = std::max(log_reach_, head_ + 2 * log_bytes);  // reserved never moves back
        parts_.header->reserved_log.store(log_reach_, std::memory_order_relaxed);
        parts_.header->reserved_ordinal.store(next_ + entries, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_release);
    }
    // Places a packet's payload at the log's head, its entry at `ordinal`; visible only by
    // publish().
    void place(std::uint64_t ordinal, std::span<const std::byte> payload, std::uint16_t flags,
               std::uint32_t apdu_length = 0) {
        const std::uint64_t mask = parts_.log.size() - 1;
        if ((head_ & mask) + payload.size() > parts_.log.size()) head_ = (head_ | mask) + 1;
        if (!payload.empty())
            std::memcpy(&parts_.log[head_ & mask], payload.data(), payload.size());
        IndexEntry& entry = parts_.index[ordinal & (parts_.index.size() - 1)];
        entry = {static_cast<std::uint32_t>(ordinal), static_cast<std::uint32_t>(head_),
                 static_cast<std::uint16_t>(payload.size()),
                 static_cast<std::uint16_t>(flags | kEntryData),
                 apdu_length != 0 ? apdu_length : static_cast<std::uint32_t>(payload.size())};
        head_ += payload.size();
    }
    void place_void(std::uint64_t ordinal) {
        parts_.index[ordinal & (parts_.index.size() - 1)] = {static_cast<std::uint32_t>(ordinal), 0,
                                                             0, kEntryVoid, 0};
    }
    void publish(std::uint64_t lead) {
        next_ = lead;
        parts_.header->lead.store(lead, std::memory_order_release);
    }

    // One packet, one burst.
    void add(std::span<const std::byte> payload, std::uint16_t flags = kWhole,
             std::uint32_t apdu_length = 0) {
        reserve(payload.size(), 1);
        place(next_, payload, flags, apdu_length);
        publish(next_ + 1);
    }
    void add(const std::string& text, std::uint16_t flags = kWhole, std::uint32_t apdu_length = 0) {
        add(octets(text), flags, apdu_length);
    }
    void add_void() {
        reserve(0, 1);
        place_void(next_);
        publish(next_ + 1);
    }
    void add_packed(const std::vector<std::string>& messages) {
        add(container(messages), kWhole | kEntryPacked);
    }
    // A message as fragments of `fragment` octets.
    void add_message(std::span<const std::byte> message, std::size_t fragment) {
        for (std::size_t at = 0; at < message.size(); at += fragment) {
            const std::size_t n = std::min(fragment, message.size() - at);
            std::uint16_t flags = 0;
            if (at == 0) flags |= kEntryMessageBegin;
            if (at + n == message.size()) flags |= kEntryMessageEnd;
            add(message.subspan(at, n), flags, static_cast<std::uint32_t>(message.size()));
        }
    }
    void end(SessionState state, ResetCause cause = ResetCause::none) {
        parts_.header->cause.store(static_cast<std::uint32_t>(cause), std::memory_order_relaxed);
        parts_.header->state.store(static_cast<std::uint32_t>(state), std::memory_order_release);
    }
    // Lets `octets` of log go by without a packet, as if they had been written and overwritten.
    void advance_log(std::uint64_t octets) {
        head_ += octets;
        reserve(0, 0);
    }

    std::uint64_t next() const { return next_; }
    std::uint64_t head() const { return head_; }
    ipc::ReceiveHeader& header() { return *parts_.header; }
    std::span<IndexEntry> index() { return parts_.index; }
    std::span<std::byte> log() { return parts_.log; }

  private:
    ipc::ReceiveParts parts_;
    std::uint64_t next_;
    std::uint64_t head_ = 0, log_reach_ = 0;
};

// Takes what a client published, the way a worker does: headers copied once and checked against the
// tail.
class FakeSendWindow {
  public:
    struct Record {
        ipc::RecordHeader header;
        std::vector<std::byte> payload;
    };

    FakeSendWindow(std::span<std::byte> memory, std::uint64_t log_bytes, ipc::SendFormat format,
                   std::uint32_t largest_tsdu = 1400, std::uint32_t largest_fragment = 1380)
        : parts_(ipc::SendLayout::for_log(log_bytes).init(memory, 1, format, largest_tsdu,
                                                          largest_fragment)) {}

    // Everything published since the last call, as records without skips; empty and `good` false on
    // rubbish.
    std::vector<Record> take_records(bool& good) {
        std::vector<Record> records;
        good = true;
        const std::uint64_t tail = parts_.header->tail.load(std::memory_order_acquire);
        const std::uint64_t mask = parts_.log.size() - 1;
        while (position_ < tail) {
            Record record;
            if (tail - position_ < sizeof record.header || position_ % ipc::kRecordAlignment != 0)
                return fail(good);
            std::memcpy(&record.header, &parts_.log[position_ & mask], sizeof record.header);
            const std::uint64_t bytes = ipc::record_bytes(record.header.length);
            if (bytes > tail - position_ || bytes > parts_.log.size() - (position_ & mask))
                return fail(good);
            if ((record.header.flags & ipc::kRecordSkip) == 0) {
                const std::byte* payload = &parts_.log[position_ & mask] + sizeof record.header;
                record.payload.assign(payload, payload + record.header.length);
                records.push_back(std::move(record));
            }
            position_ += bytes;
        }
        return records;
    }
    // Whole messages put together again from their records; an open one stays for the next call.
    std::vector<std::vector<std::byte>> take_messages(bool& good) {
        std::vector<std::vector<std::byte>> messages;
        for (Record& record : take_records(good)) {
            good = good && record.header.message_offset == open_.size();
            good = good && record.header.length <=
                               record.header.message_length - record.header.message_offset;
            open_.insert(open_.end(), record.payload.begin(), record.payload.end());
            if (open_.size() == record.header.message_length)
                messages.push_back(std::exchange(open_, {}));
        }
        return messages;
    }
    std::vector<std::byte> take_stream() {
        const std::uint64_t tail = parts_.header->tail.load(std::memory_order_acquire);
        std::vector<std::byte> data;
        for (; position_ < tail; ++position_)
            data.push_back(parts_.log[position_ & (parts_.log.size() - 1)]);
        return data;
    }
    // Lets go of everything taken: the client may write a whole log beyond it.
    void release() { release(position_); }
    void release(std::uint64_t position) {
        parts_.header->sent.store(position_, std::memory_order_release);
        parts_.header->limit.store(position + parts_.log.size(), std::memory_order_release);
    }
    void end(ResetCause cause) {
        parts_.header->cause.store(static_cast<std::uint32_t>(cause), std::memory_order_relaxed);
        parts_.header->state.store(static_cast<std::uint32_t>(SessionState::reset),
                                   std::memory_order_release);
    }
    const std::vector<std::byte>& open_message() const { return open_; }
    std::uint64_t position() const { return position_; }
    ipc::SendHeader& header() { return *parts_.header; }

  private:
    static std::vector<Record> fail(bool& good) {
        good = false;
        return {};
    }
    ipc::SendParts parts_;
    std::uint64_t position_ = 0;
    std::vector<std::byte> open_;
};

}  // namespace fanfare::client

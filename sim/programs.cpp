#include "sim/programs.hpp"

#include <algorithm>

#include "ipc/wakeup.hpp"

namespace fanfare::sim {
namespace {

// A program's turn ends after so many messages, so that others get theirs.
constexpr int kMessagesPerTurn = 64;

}  // namespace

Sender::Sender(const SenderPlan& plan, std::uint64_t session_id, std::uint16_t mtu)
    : plan_(plan), id_(session_id), next_(plan.start_ns) {
    const auto layout = ipc::SendLayout::for_log(plan.log_bytes);
    region_ = std::make_unique<Region>(layout.total_bytes);
    page_memory_ = std::make_unique<Region>(ipc::kPageSize);
    const bool udp = plan.udp_port != 0;
    parts_ = layout.init(region_->span(), session_id, plan.format,
                         engine::largest_tsdu(plan.parameters, mtu, udp, false),
                         engine::largest_tsdu(plan.parameters, mtu, udp, true));
    page_ = ipc::init_socket_page(page_memory_->span(), session_id,
                                  plan.format == ipc::SendFormat::stream);
    writer_.emplace(*ipc::SendView::open(region_->span()), *page_);
}

bool Sender::act(Nanos now) {
    if (asleep_ || was_reset_ || wants_to_end() || now < next_) return false;
    bool moved = false;
    for (int i = 0; i < kMessagesPerTurn && written_ < to_write(); ++i) {
        const std::uint32_t length = message_length(plan_.content, written_);
        message_.resize(length);
        fill_message(plan_.content, written_, message_);
        const std::span<const std::byte> rest(message_.data() + offset_, length - offset_);
        if (rest.empty() &&
            plan_.format == ipc::SendFormat::stream) {  // an empty message leaves no octet
            ++written_;
            offset_ = 0;
            continue;
        }
        const auto result = writer_->try_send(rest, client::kWritePart);
        if (result.status == client::WriteStatus::reset) {
            was_reset_ = true;
            return true;
        }
        if (result.status == client::WriteStatus::no_room) {
            asleep_ = true;  // before the flag: the wake-up may come at once
            if (ipc::prepare_sleep(ipc::AtomicMemory{}, page_->send_sleeping,
                                   [&] { return writer_->changed(); }))
                return moved;
            asleep_ = false;
            continue;
        }
        moved = true;
        offset_ += result.bytes;
        if (offset_ < length) continue;
        offset_ = 0;
        ++written_;
        if (plan_.gap_ns > 0) {
            next_ = std::max(next_ + plan_.gap_ns, now);
            return true;
        }
    }
    return moved;
}

Nanos Sender::next_action(Nanos now) const {
    if (asleep_ || was_reset_ || wants_to_end()) return kNever;
    return std::max(next_, now);
}

Reader::Reader(const ReaderPlan& plan, const ipc::ReceiveView& view, std::uint64_t socket_id,
               client::ReadMode mode, const ContentShape& content, std::uint64_t start_ordinal)
    : plan_(plan),
      socket_id_(socket_id),
      page_memory_(std::make_unique<Region>(ipc::kPageSize)),
      page_(
          ipc::init_socket_page(page_memory_->span(), socket_id, mode == client::ReadMode::stream)),
      reader_(view, *page_, mode),
      content_(content),
      check_(ContentCheck(content, true)),
      room_(4096) {
    reader_.place(start_ordinal);
}

bool Reader::act(Nanos now) {
    if (asleep_ || state_ != State::reading || now < next_) return false;
    if (now >= plan_.asleep_from && now < plan_.asleep_until) {
        next_ = plan_.asleep_until;
        return false;
    }
    int taken = 0;
    while (state_ == State::reading && taken < kMessagesPerTurn) {
        if (take_one()) {
            ++taken;
            continue;
        }
        if (state_ != State::reading) break;
        asleep_ = true;  // before the flag: the wake-up may come at once
        if (ipc::prepare_sleep(ipc::AtomicMemory{}, page_->receive_sleeping,
                               [&] { return reader_.changed(); }))
            break;
        asleep_ = false;
    }
    next_ = now + plan_.pause_ns;
    return taken > 0;
}

Nanos Reader::next_action(Nanos now) const {
    return asleep_ || state_ != State::reading ? kNever : std::max(next_, now);
}

bool Reader::take_one() {
    // Parts always: a message longer than the window comes through too.
    const auto result = reader_.try_recv(std::span<std::byte>(room_), client::kReadPart);
    switch (result.status) {
        case client::ReadStatus::empty:
            return false;
        case client::ReadStatus::finished:
            // Who came between the last message's fragments has read nothing, and is late all the
            // same.
            if (!placed_)
                joined_late_ =
                    reader_.view().header().joined_late.load(std::memory_order_relaxed) != 0;
            state_ = State::finished;
            return false;
        case client::ReadStatus::reset:
            cause_ = result.cause;
            state_ = State::reset;
            return false;
        case client::ReadStatus::data:
        case client::ReadStatus::message_continues:
            break;
    }
    if (!placed_) {
        placed_ = true;
        joined_late_ = reader_.view().header().joined_late.load(std::memory_order_relaxed) != 0;
        if (joined_late_) check_.emplace(content_, false);
    }
    const std::span<const std::byte> octets(room_.data(), result.bytes);
    bool right = true;
    if (reader_.mode() == client::ReadMode::stream) {
        right = check_->take_stream(octets);
    } else {
        message_.insert(message_.end(), octets.begin(), octets.end());
        if (result.message_end()) {
            right = check_->take(message_);
            message_.clear();
        }
    }
    if (!right && wrong_.empty()) wrong_ = check_->reason();
    return true;
}

}  // namespace fanfare::sim

#include "apps/fanfare/session_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "apps/fanfare/session_setup.hpp"

namespace fanfare::tool {

namespace {
// As many as the library hands out at once.
constexpr std::size_t kViews = 64;
}  // namespace

SessionReader::SessionReader(Receiver receiver, const ReadRules& rules, ByteQueue& queue,
                             Progress& progress)
    : receiver_(std::move(receiver)),
      rules_(rules),
      queue_(queue),
      progress_(progress),
      name_(text_of(receiver_.peer())),
      views_(kViews),
      decoder_([this](std::span<const std::byte> message) { hold_message(message); }) {}

SessionReader::Pump SessionReader::end(std::optional<std::string> failure) {
    ended_ = true;
    failure_ = std::move(failure);
    queue_.finish();
    return Pump::ended;
}

SessionReader::Pump SessionReader::pump(bool wait) {
    if (ended_) return Pump::ended;
    if (!drain_held()) return Pump::full;
    if (rules_.count != 0 && messages_ >= rules_.count) return end(std::nullopt);
    if (queue_.room(1).empty()) return Pump::full;
    std::size_t count = 0;
    const Received got = receiver_.peek(views_, count, wait ? 0 : MSG_DONTWAIT);
    if (got.finished) return end(std::nullopt);
    if (got.error == EAGAIN || got.error == EINTR) return Pump::nothing;
    if (got.error != 0) return end(fanfare_last_error_text());
    return rules_.zmq ? move_zmq(count) : move_plain(count);
}

SessionReader::Pump SessionReader::move_plain(std::size_t views) {
    // One packet's payload is smaller than a chunk; a separator of any length may not be.
    const std::size_t separator = rules_.separator.size();
    const bool separator_fits = separator <= queue_.chunk_bytes() / 4;
    const auto room = queue_.room(
        std::min(queue_.chunk_bytes(), views_[0].bytes + (separator_fits ? separator : 0)));
    if (room.empty()) return Pump::full;

    std::size_t used = 0, taken = 0;
    std::uint64_t messages = 0, payload = 0;
    bool separator_held = false;
    while (taken < views && !separator_held &&
           (rules_.count == 0 || messages_ + messages < rules_.count)) {
        const View& view = views_[taken];
        const bool ends = (view.flags & FANFARE_VIEW_ENDS) != 0;
        const std::size_t behind = ends && separator_fits ? separator : 0;
        if (view.bytes + behind > room.size() - used) break;
        std::memcpy(room.data() + used, view.data, view.bytes);
        used += view.bytes;
        std::memcpy(room.data() + used, rules_.separator.data(), behind);
        used += behind;
        payload += view.bytes;
        messages += ends ? 1 : 0;
        separator_held = ends && !separator_fits;
        ++taken;
    }
    if (!receiver_.consume(std::span(views_).first(taken))) return end(fanfare_last_error_text());
    queue_.commit(used);
    if (separator_held) {
        const auto text = std::as_bytes(std::span(rules_.separator));
        held_.insert(held_.end(), text.begin(), text.end());
    }
    messages_ += messages;
    bytes_ += payload;
    progress_.add(payload, messages);
    return Pump::moved;
}

SessionReader::Pump SessionReader::move_zmq(std::size_t views) {
    copy_.clear();
    for (const View& view : std::span(views_).first(views)) {
        const auto octets = octets_of(view);
        copy_.insert(copy_.end(), octets.begin(), octets.end());
    }
    if (!receiver_.consume(std::span(views_).first(views))) return end(fanfare_last_error_text());
    std::size_t at = 0;
    for (const View& view : std::span(views_).first(views)) {
        const auto octets = std::span<const std::byte>(copy_).subspan(at, view.bytes);
        at += view.bytes;
        // ZeroMQ sends no fragments: a piece of a message is not of its making.
        const bool whole =
            (view.flags & FANFARE_VIEW_BEGINS) != 0 && (view.flags & FANFARE_VIEW_ENDS) != 0;
        if (whole)
            decoder_.payload(octets);
        else
            decoder_.resynchronise();
    }
    drain_held();
    return Pump::moved;
}

// One decoded message, kept until the queue has room for it.
void SessionReader::hold_message(std::span<const std::byte> message) {
    if (rules_.count != 0 && messages_ >= rules_.count) return;
    held_.insert(held_.end(), message.begin(), message.end());
    const auto separator = std::as_bytes(std::span(rules_.separator));
    held_.insert(held_.end(), separator.begin(), separator.end());
    ++messages_;
    bytes_ += message.size();
    progress_.add(message.size(), 1);
}

// True when nothing is held any more.
bool SessionReader::drain_held() {
    while (held_taken_ < held_.size()) {
        const auto room = queue_.room(1);
        if (room.empty()) return false;
        const std::size_t n = std::min(room.size(), held_.size() - held_taken_);
        std::memcpy(room.data(), held_.data() + held_taken_, n);
        queue_.commit(n);
        held_taken_ += n;
    }
    held_.clear();
    held_taken_ = 0;
    return true;
}

}  // namespace fanfare::tool

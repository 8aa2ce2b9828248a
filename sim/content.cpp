#include "sim/content.hpp"

#include <algorithm>
#include <cstring>

#include "sim/network.hpp"

namespace fanfare::sim {
namespace {

constexpr std::size_t kIndexOctets = 8;
constexpr std::size_t kOctetsThatPlace = 40;  // no 40 octets of a pattern occur twice

Random random_of(const ContentShape& shape, std::uint32_t index) {
    return Random(shape.seed * 0x9E3779B97F4A7C15ull + index);
}

}  // namespace

std::uint32_t message_length(const ContentShape& shape, std::uint32_t index) {
    Random random = random_of(shape, index);
    if (random.chance(shape.empty_share)) return 0;
    const bool is_long = random.chance(shape.long_share) && shape.longest > shape.short_most;
    const std::uint64_t low = is_long ? shape.short_most : kIndexOctets;
    const std::uint64_t high = is_long ? shape.longest : std::min(shape.short_most, shape.longest);
    return static_cast<std::uint32_t>(low + random.below(high - low + 1));
}

void fill_message(const ContentShape& shape, std::uint32_t index, std::span<std::byte> room) {
    Random random = random_of(shape, ~index);
    for (std::size_t i = 0; i < room.size(); i += 8) {
        const std::uint64_t word = i == 0 ? index : random.next();
        std::memcpy(room.data() + i, &word, std::min<std::size_t>(8, room.size() - i));
    }
}

bool ContentCheck::at_end() const {
    if (known_ || taken_ == 0) return taken_ == 0 || next_ == shape_.messages;
    if (empties_before_ > shape_.messages) return false;
    for (std::uint32_t i = 1; i <= empties_before_; ++i) {
        if (message_length(shape_, shape_.messages - i) != 0) return false;
    }
    return true;
}

bool ContentCheck::take(std::span<const std::byte> message) {
    if (!known_) {
        if (message.empty()) {
            ++empties_before_;
            ++taken_;
            return true;
        }
        std::uint64_t index = 0;
        std::memcpy(&index, message.data(), std::min(message.size(), kIndexOctets));
        if (index >= shape_.messages || index < empties_before_) {
            reason_ = "first message of a late reader names message " + std::to_string(index);
            return false;
        }
        for (std::uint32_t i = 1; i <= empties_before_; ++i) {
            if (message_length(shape_, static_cast<std::uint32_t>(index) - i) != 0) {
                reason_ = "an empty message that was never sent";
                return false;
            }
        }
        next_ = static_cast<std::uint32_t>(index);
        known_ = true;
    }
    if (next_ >= shape_.messages) {
        reason_ = "a message after the last";
        return false;
    }
    const std::uint32_t length = message_length(shape_, next_);
    expected_.resize(length);
    fill_message(shape_, next_, expected_);
    if (message.size() != length ||
        !std::equal(message.begin(), message.end(), expected_.begin())) {
        reason_ = "message " + std::to_string(next_) +
                  " differs: " + std::to_string(message.size()) + " octets, sent were " +
                  std::to_string(length);
        return false;
    }
    ++next_;
    ++taken_;
    return true;
}

// Looks for unplaced_ in the whole stream and stands behind it.
bool ContentCheck::find_place() {
    std::vector<std::byte> whole;
    std::vector<std::size_t> ends;
    for (std::uint32_t i = 0; i < shape_.messages; ++i) {
        const std::size_t begin = whole.size();
        whole.resize(begin + message_length(shape_, i));
        fill_message(shape_, i, std::span(whole).subspan(begin));
        ends.push_back(whole.size());
    }
    const auto found = std::search(whole.begin(), whole.end(), unplaced_.begin(), unplaced_.end());
    if (found == whole.end()) {
        reason_ = "a late reader's first octets were never sent";
        return false;
    }
    known_ = true;
    const auto place = static_cast<std::size_t>(found - whole.begin());
    next_ = static_cast<std::uint32_t>(std::upper_bound(ends.begin(), ends.end(), place) -
                                       ends.begin());
    stream_at_ = place - (next_ == 0 ? 0 : ends[next_ - 1]);
    stream_.resize(message_length(shape_, next_));
    fill_message(shape_, next_, stream_);
    ++next_;
    const auto octets = std::move(unplaced_);
    unplaced_.clear();
    return take_stream(octets);
}

bool ContentCheck::take_stream(std::span<const std::byte> octets) {
    if (!known_) {
        unplaced_.insert(unplaced_.end(), octets.begin(), octets.end());
        return unplaced_.size() < kOctetsThatPlace || find_place();
    }
    while (!octets.empty()) {
        if (stream_.empty()) {
            if (next_ >= shape_.messages) {
                reason_ = "octets after the last";
                return false;
            }
            stream_.resize(message_length(shape_, next_));
            fill_message(shape_, next_, stream_);
            stream_at_ = 0;
            ++next_;
            if (stream_.empty()) continue;
        }
        const std::size_t n = std::min(octets.size(), stream_.size() - stream_at_);
        if (std::memcmp(octets.data(), stream_.data() + stream_at_, n) != 0) {
            reason_ = "the stream differs in message " + std::to_string(next_ - 1);
            return false;
        }
        octets = octets.subspan(n);
        stream_at_ += n;
        if (stream_at_ == stream_.size()) {
            stream_.clear();
            ++taken_;
        }
    }
    // Empty messages leave no octet: step over them so that complete() holds behind the last octet.
    while (stream_.empty() && next_ < shape_.messages && message_length(shape_, next_) == 0)
        ++next_;
    return true;
}

}  // namespace fanfare::sim

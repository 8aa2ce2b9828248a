#include "apps/fanfare/zmtp.hpp"

#include <algorithm>
#include <array>

namespace fanfare::tool {

namespace {

constexpr std::size_t kLongestShortFrame = 254;  // flags and body; 255 is the mark of a long length
constexpr std::byte kLongMark{0xFF};
constexpr std::byte kMoreFlag{1};

void put_u16(std::span<std::byte> at, std::uint16_t value) {
    at[0] = static_cast<std::byte>(value >> 8);
    at[1] = static_cast<std::byte>(value);
}

}  // namespace

ZmtpEncoder::ZmtpEncoder(std::size_t payload_bytes, Sink sink)
    : limit_(payload_bytes), sink_(std::move(sink)) {
    payload_.reserve(limit_);
    begin_payload();
}

void ZmtpEncoder::begin_payload() {
    payload_.resize(kZmtpOffsetBytes);
    put_u16(payload_, kZmtpNoStart);
}

void ZmtpEncoder::add(std::span<const std::byte> body, bool more) {
    // A payload that is full is gone already, so that the message's first octet stands in this one.
    const bool none_starts = payload_[0] == std::byte{0xFF} && payload_[1] == std::byte{0xFF};
    if (!inside_message_ && none_starts)
        put_u16(payload_, static_cast<std::uint16_t>(payload_.size() - kZmtpOffsetBytes));
    inside_message_ = more;

    std::array<std::byte, 10> head;
    std::size_t head_bytes = 0;
    const std::uint64_t length = std::uint64_t{body.size()} + 1;
    if (length <= kLongestShortFrame) {
        head[head_bytes++] = static_cast<std::byte>(length);
    } else {
        head[head_bytes++] = kLongMark;
        for (int shift = 56; shift >= 0; shift -= 8)
            head[head_bytes++] = static_cast<std::byte>(length >> shift);
    }
    head[head_bytes++] = more ? kMoreFlag : std::byte{0};
    append(std::span(head).first(head_bytes));
    append(body);
}

void ZmtpEncoder::append(std::span<const std::byte> octets) {
    while (!octets.empty()) {
        const std::size_t n = std::min(octets.size(), limit_ - payload_.size());
        payload_.insert(payload_.end(), octets.begin(), octets.begin() + static_cast<long>(n));
        octets = octets.subspan(n);
        if (payload_.size() == limit_) flush();
    }
}

void ZmtpEncoder::flush() {
    if (empty()) return;
    sink_(payload_);
    begin_payload();
}

ZmtpDecoder::ZmtpDecoder(Sink sink, std::size_t message_limit)
    : sink_(std::move(sink)), limit_(message_limit) {}

void ZmtpDecoder::start() {
    state_ = State::length;
    more_ = false;
    message_.clear();
}

void ZmtpDecoder::resynchronise() {
    start();
    state_ = State::seeking;
}

void ZmtpDecoder::fail() {
    ++malformed_;
    resynchronise();
}

void ZmtpDecoder::payload(std::span<const std::byte> octets) {
    if (octets.size() < kZmtpOffsetBytes) return fail();
    const auto offset = static_cast<std::size_t>(std::to_integer<unsigned>(octets[0]) << 8 |
                                                 std::to_integer<unsigned>(octets[1]));
    octets = octets.subspan(kZmtpOffsetBytes);
    if (offset == kZmtpNoStart) {
        if (synchronised() && !parse(octets)) fail();
        return;
    }
    // An offset equal to the length says that the next message starts the next packet: ZeroMQ
    // writes it when a message ended and no other was there yet.
    if (offset > octets.size()) return fail();
    if (synchronised() && (!parse(octets.first(offset)) || !at_message_start())) ++malformed_;
    // Whatever went before, a message starts here.
    if (!at_message_start()) start();
    if (!parse(octets.subspan(offset))) fail();
}

// False: the octets are no frames.
bool ZmtpDecoder::parse(std::span<const std::byte> octets) {
    while (!octets.empty()) {
        switch (state_) {
            case State::seeking:
                return true;
            case State::length:
                length_octets_ = 0;
                frame_rest_ = std::to_integer<std::uint64_t>(octets[0]);
                state_ = octets[0] == kLongMark ? State::long_length : State::flags;
                if (state_ == State::long_length) frame_rest_ = 0;
                octets = octets.subspan(1);
                if (state_ == State::flags && !begin_body()) return false;
                break;
            case State::long_length:
                frame_rest_ = frame_rest_ << 8 | std::to_integer<std::uint64_t>(octets[0]);
                octets = octets.subspan(1);
                if (++length_octets_ == 8) {
                    state_ = State::flags;
                    if (!begin_body()) return false;
                }
                break;
            case State::flags:
                more_ = (octets[0] & kMoreFlag) != std::byte{0};
                octets = octets.subspan(1);
                --frame_rest_;
                state_ = State::body;
                if (frame_rest_ == 0) end_frame();
                break;
            case State::body: {
                const auto n =
                    static_cast<std::size_t>(std::min<std::uint64_t>(frame_rest_, octets.size()));
                message_.insert(message_.end(), octets.begin(),
                                octets.begin() + static_cast<long>(n));
                octets = octets.subspan(n);
                frame_rest_ -= n;
                if (frame_rest_ == 0) end_frame();
                break;
            }
        }
    }
    return true;
}

// The length is known: whether it can be one. It counts the flags octet, and the whole message has
// to stay within the limit, which bounds the memory that a stranger can make us take.
bool ZmtpDecoder::begin_body() {
    return frame_rest_ >= 1 && frame_rest_ - 1 <= limit_ - std::min(limit_, message_.size());
}

void ZmtpDecoder::end_frame() {
    state_ = State::length;
    if (more_) return;
    ++messages_;
    sink_(message_);
    message_.clear();
}

}  // namespace fanfare::tool

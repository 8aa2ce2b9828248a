// ZeroMQ's framing on PGM, as its pgm:// and epgm:// transports have it: every packet begins with
// the offset (2 octets, big-endian, counted behind these 2) of the first message that starts in
// it, 0xFFFF for none; behind it stand ZMTP/1.0 frames as one run of octets, cut wherever a packet
// is full. A frame is a length (flags and body; one octet, or FF and eight octets big-endian), a
// flags octet (bit 0: more parts follow) and the body.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace fanfare::tool {

inline constexpr std::size_t kZmtpOffsetBytes = 2;
inline constexpr std::uint16_t kZmtpNoStart = 0xFFFF;
// ZeroMQ's own largest payloads at an MTU of 1500: epgm:// and pgm://.
inline constexpr std::size_t kZmtpPayloadUdp = 1448, kZmtpPayloadRaw = 1456;

// Messages in, payloads out. Several messages share a payload and long ones run over several; a
// payload is never empty.
class ZmtpEncoder {
  public:
    using Sink = std::function<void(std::span<const std::byte> payload)>;

    // `payload_bytes`: largest payload, offset included; at least 3, at most 65,535. The sink's
    // span is valid during the call.
    ZmtpEncoder(std::size_t payload_bytes, Sink sink);

    // One part of a message; payloads that it fills go to the sink at once.
    void add(std::span<const std::byte> body, bool more = false);
    // Gives the payload that is not full yet to the sink.
    void flush();
    bool empty() const { return payload_.size() == kZmtpOffsetBytes; }

  private:
    void append(std::span<const std::byte> octets);
    void begin_payload();

    std::size_t limit_;
    Sink sink_;
    std::vector<std::byte> payload_;
    bool inside_message_ = false;  // the last part said that more follow
};

// Payloads in, whole messages out. Starts at the first message that begins after it began to
// listen, and finds the next one again behind anything that makes no sense.
class ZmtpDecoder {
  public:
    // All parts of the message, one after the other; valid during the call.
    using Sink = std::function<void(std::span<const std::byte> message)>;

    explicit ZmtpDecoder(Sink sink, std::size_t message_limit = kMessageLimit);

    // One packet's payload, of any content.
    void payload(std::span<const std::byte> octets);
    // Something is missing here (a payload that was no payload): start anew at the next message.
    void resynchronise();

    std::uint64_t messages() const { return messages_; }
    std::uint64_t malformed() const { return malformed_; }  // payloads that made no sense
    bool synchronised() const { return state_ != State::seeking; }

  private:
    static constexpr std::size_t kMessageLimit = std::size_t{64} << 20;
    enum class State : std::uint8_t { seeking, length, long_length, flags, body };

    bool parse(std::span<const std::byte> octets);
    bool begin_body();
    void end_frame();
    bool at_message_start() const { return state_ == State::length && message_.empty() && !more_; }
    void start();
    void fail();

    Sink sink_;
    std::size_t limit_;
    State state_ = State::seeking;
    std::uint64_t frame_rest_ = 0;  // octets of flags and body still to come
    unsigned length_octets_ = 0;    // of a long length, seen so far
    bool more_ = false;
    std::vector<std::byte> message_;
    std::uint64_t messages_ = 0, malformed_ = 0;
};

}  // namespace fanfare::tool

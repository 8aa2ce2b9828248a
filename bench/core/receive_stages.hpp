// The receive path up to a stage, on the same frames as the worker: what each part costs is the
// difference between two of them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "bench/core/receive_core.hpp"
#include "engine/core/receiver.hpp"

namespace fanfare::bench {

enum class Stage : std::uint8_t {
    port,      // frames handed out, nothing done
    frame,     // Ethernet and IP judged
    decode,    // and the PGM packet
    checksum,  // and copied and summed, always to the same room
    window,    // and placed by the engine's receiver: window, log, index
    worker,    // the whole of it: sessions, bursts, counters, lead
};
inline constexpr int kStages = 6;
std::string_view name_of(Stage stage);

class ReceiveStages {
  public:
    // Uses up the stream of `core` from where it stands; `core` outlives it.
    explicit ReceiveStages(ReceiveCore& core, const ReceiveCorePlan& plan);
    // Takes `packets` of one session through everything up to `stage`. Stages are not to be mixed:
    // the later ones want a stream without gaps.
    void run(Stage stage, std::uint64_t packets);

  private:
    template <Stage stage>
    void loop(std::uint64_t packets);

    ReceiveCore& core_;
    std::vector<IndexEntry> index_;
    std::vector<std::byte> log_, room_;
    engine::Receiver receiver_;
    bool started_ = false;
    Nanos now_ = kSecond;
    std::vector<std::byte> frame_room_;
    std::vector<engine::TxFrame> frames_;
};

}  // namespace fanfare::bench

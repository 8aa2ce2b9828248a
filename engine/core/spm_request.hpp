// Asking for an SPM when data came before any (RFC 3208 section 13): after a random wait, cancelled
// by an SPM, put off by somebody else's request, repeated ever more slowly.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/core/random.hpp"
#include "engine/core/truncated_exponential.hpp"
#include "engine/types.hpp"

namespace fanfare::engine {

class SpmRequest {
  public:
    // `wait`: SPMR_BO_IVL; each request goes out within it after its cause, most of them late in
    // it.
    void start(Nanos wait) {
        *this = SpmRequest{};
        wait_ = interval_ = std::max<Nanos>(wait, 1);
    }
    void spm_heard() {
        answered_ = true;
        at_ = kNever;
    }
    void data_heard(Nanos now, Random& random) {
        if (!answered_ && at_ == kNever) arm(now, interval_, random);
    }
    // Another receiver asked: its answer serves us too. Ours waits at least as long as it (13.5).
    // Anybody may send one to the group, though: without an answer ours goes out after a few.
    void request_overheard(Nanos now, Random& random) {
        if (at_ == kNever || put_off_ == kPutOffMost) return;
        ++put_off_;
        arm(now + interval_, interval_, random);
    }
    Nanos next_deadline() const { return at_; }
    void sent(Nanos now, Random& random) {
        ++attempts_;
        put_off_ = 0;
        // Doubled up to a second: by then it is the source that is missing, not one packet.
        interval_ = std::min<Nanos>(std::max(interval_ * 2, wait_), std::max(wait_, kSecond));
        arm(now + interval_ / 2, interval_ / 2, random);
    }
    // NAKs need an SPM's path address (RFC 6.2). After so many requests without answer the source
    // does not answer SPMRs, and its IP address is the best guess.
    bool path_is_guessed() const { return !answered_ && attempts_ >= kAttempts; }
    bool answered() const { return answered_; }

  private:
    static constexpr std::uint32_t kAttempts = 3;
    static constexpr std::uint32_t kPutOffMost = 3;
    // Many may have joined at one moment, and nothing says how many: steep enough for a thousand.
    static constexpr double kSteepness = 8;
    void arm(Nanos from, Nanos interval, Random& random) {
        at_ = from + truncated_exponential(interval, kSteepness, random);
    }

    Nanos wait_ = 1, interval_ = 1;
    Nanos at_ = kNever;
    std::uint32_t attempts_ = 0;
    std::uint32_t put_off_ = 0;  // others' requests that ours waited for
    bool answered_ = false;
};

}  // namespace fanfare::engine

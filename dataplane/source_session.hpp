// One sending session of a worker: an application's send region on one side, the engine's source on
// the other. Built and freed on the control thread, used by one worker in between.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/commands.hpp"
#include "dataplane/net/header_template.hpp"
#include "dataplane/publication_cutter.hpp"
#include "dataplane/snapshot.hpp"
#include "engine/core/source.hpp"

namespace fanfare::dataplane {

struct SourceSnapshot {
    engine::SourceStatistics statistics;
    Sqn trail = 0, lead = 0;
};

// On lines of its own: sessions of different workers are made one after the other.
struct alignas(ipc::kCacheLine) SourceSession {
    SourceSession(const SourceSpec& spec, const checksum::Kernels& kernels);

    // What the session's program did wrong, if anything; the worker counts it and the session is
    // being reset.
    enum class Fault : std::uint8_t { none, tail, record, memory };

    // Cuts and sends what is published, as far as rate, window and frames allow; then what finish()
    // or abort() asked for. Returns whether anything was sent or decided.
    bool publish(Nanos now, engine::Output& out);
    // Looks whether a hole was punched into the region since; to be called after anything that read
    // the log.
    void check_memory(Nanos now);
    // FIN, or RST, after everything that is published now.
    void finish_after_published(Nanos now);
    void abort_after_published(Nanos now, ResetCause cause, std::uint8_t error);

    // Stores `limit` and `sent` where they moved; true when the sender may want to wake.
    bool store_progress();
    // Tells the sender that the session is over, once: false when it knows already.
    bool store_end(SessionState state, ResetCause cause);
    void take_snapshot();
    bool told_end() const { return told_end_; }
    // publish() and check_memory() would find nothing to do: asked for each source in each turn.
    bool quiet() const {
        // Partners: as in load_tail() and check_memory(), which look again when this is false.
        return quiet_ && spec.region->tail.load(std::memory_order_acquire) == tail_ &&
               (spec.fault == nullptr || spec.fault->load(std::memory_order_relaxed) == 0);
    }
    // Packets are cut that the engine did not take yet.
    bool pending() const { return count_ > 0; }

    SourceSpec spec;
    engine::Source source;
    Snapshot<SourceSnapshot> snapshot;
    Fault fault = Fault::none;  // set once; cleared by the worker when counted

    // The worker's own.
    std::uint32_t slot = 0;        // its timer
    std::uint32_t turn_index = 0;  // its place among the worker's sources
    bool touched = false;          // stands in this turn's list
    bool wake_wanted = false;
    Nanos woken_at = 0;
    net::HeaderTemplate headers;   // of its ODATA
    std::uint32_t headers_of = 0;  // the link's version that they were made for; 0: none

  private:
    enum class Ending : std::uint8_t { no, finish, abort, told };
    bool load_tail(Nanos now);
    void fail(Nanos now, Fault what, ResetCause cause);
    void end_now(Nanos now);

    // Packets cut ahead of the engine: a burst's worth, so that a refused one costs no second look
    // at the log.
    static constexpr std::size_t kCutAhead = 32;
    PublicationCutter cutter_;
    std::array<engine::Publish, kCutAhead> items_;
    std::size_t first_ = 0, count_ = 0;
    std::uint64_t tail_ = 0;   // believed
    bool tail_final_ = false;  // nothing behind it counts any more
    std::uint64_t taken_position_ = 0;
    std::uint64_t limit_ = 0, sent_ = 0;
    bool refused_ = false;  // the engine took nothing last time
    bool quiet_ = false;    // all before tail_ was taken, and nothing is to be ended
    Ending ending_ = Ending::no;
    ResetCause abort_cause_ = ResetCause::none;
    std::uint8_t abort_error_ = 0;
    bool told_end_ = false;
};

}  // namespace fanfare::dataplane

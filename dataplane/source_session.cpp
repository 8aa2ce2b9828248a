#include "dataplane/source_session.hpp"

#include <algorithm>

namespace fanfare::dataplane {

namespace {

// At rate 0 the trail follows the data: a quarter of the log stays the program's to write, whatever
// its records' headers and padding add to the payload.
engine::SourceParameters bounded_by(std::uint64_t log_bytes, engine::SourceParameters parameters) {
    parameters.window_log_bytes = log_bytes - log_bytes / 4;
    return parameters;
}

}  // namespace

SourceSession::SourceSession(const SourceSpec& s, const checksum::Kernels& kernels)
    : spec(s),
      source(bounded_by(s.log_bytes, s.parameters), s.identity, s.mtu, s.udp_port != 0, kernels),
      cutter_(s.log, s.log_bytes, s.format, source.largest_tsdu(false), source.largest_tsdu(true)),
      limit_(s.log_bytes) {}

// False when the program's tail is no tail: then the session is being reset.
bool SourceSession::load_tail(Nanos now) {
    if (tail_final_) return true;
    // Partner: the client's release of tail, made after the records before it were written.
    const std::uint64_t tail = spec.region->tail.load(std::memory_order_acquire);
    if (tail < tail_ || tail > limit_) {
        fail(now, Fault::tail, ResetCause::inconsistent_data);
        return false;
    }
    tail_ = tail;
    return true;
}

void SourceSession::fail(Nanos now, Fault what, ResetCause cause) {
    fault = what;
    quiet_ = false;
    first_ = count_ = 0;
    tail_final_ = true;
    ending_ = Ending::told;
    source.abort(now, 0, cause);
}

void SourceSession::check_memory(Nanos now) {
    // Stored by the handler in this very thread (ipc/sigbus.hpp), so relaxed is enough.
    if (spec.fault == nullptr || spec.fault->load(std::memory_order_relaxed) == 0) return;
    spec.fault = nullptr;
    fail(now, Fault::memory, ResetCause::memory_fault);
}

void SourceSession::finish_after_published(Nanos now) {
    if (ending_ != Ending::no || !load_tail(now)) return;
    tail_final_ = true;
    ending_ = Ending::finish;
    quiet_ = false;
}

void SourceSession::abort_after_published(Nanos now, ResetCause cause, std::uint8_t error) {
    if (ending_ == Ending::told) {  // FIN is out; a reset still overrules it
        source.abort(now, error, cause);
        return;
    }
    if (!load_tail(now)) return;
    tail_final_ = true;
    ending_ = Ending::abort;
    quiet_ = false;
    abort_cause_ = cause;
    abort_error_ = error;
}

// Everything published has left: what was asked for happens now.
void SourceSession::end_now(Nanos now) {
    const bool incomplete = cutter_.message_open();
    if (ending_ == Ending::abort) {
        source.abort(now, abort_error_, abort_cause_);
    } else if (incomplete) {
        source.abort(now, 0, ResetCause::message_incomplete);
    } else {
        source.finish(now);
    }
    ending_ = Ending::told;
}

bool SourceSession::publish(Nanos now, engine::Output& out) {
    if (ending_ == Ending::told || !load_tail(now)) return fault != Fault::none;
    if (refused_ && now < source.next_deadline()) return false;
    quiet_ = false;
    bool busy = false;
    while (true) {
        if (count_ == 0) {
            first_ = 0;
            count_ = cutter_.cut(tail_, items_);
            if (count_ == 0) break;
        }
        const std::size_t taken = source.publish({items_.data() + first_, count_}, now, out);
        busy = busy || taken > 0;
        if (taken > 0) taken_position_ = items_[first_ + taken - 1].release_position;
        first_ += taken;
        count_ -= taken;
        refused_ = count_ > 0;
        if (refused_) return busy;
    }
    taken_position_ = cutter_.position();
    if (cutter_.failed()) {
        fail(now, Fault::record, ResetCause::inconsistent_data);
        return true;
    }
    if (ending_ != Ending::no) {
        end_now(now);
        return true;
    }
    quiet_ = true;
    return busy;
}

bool SourceSession::store_progress() {
    // With nothing sent that can still be asked for, room that only skips took is free as well.
    const bool empty = count_ == 0 && source.lead() + 1 == source.trail();
    const std::uint64_t released = empty ? taken_position_ : source.released_position();
    const std::uint64_t limit = std::max(limit_, released + spec.log_bytes);
    bool moved = false;
    if (limit != limit_) {
        limit_ = limit;
        // Partner: the client's acquire: octets below (limit - log_bytes) are no longer read here.
        spec.region->limit.store(limit, std::memory_order_release);
        moved = true;
    }
    if (taken_position_ != sent_) {
        sent_ = taken_position_;
        spec.region->sent.store(sent_, std::memory_order_release);
        moved = moved || sent_ == tail_;  // who drains waits for this
    }
    return moved;
}

bool SourceSession::store_end(SessionState state, ResetCause cause) {
    if (told_end_) return false;
    told_end_ = true;
    spec.region->cause.store(static_cast<std::uint32_t>(cause), std::memory_order_relaxed);
    // Partner: the client's acquire of state, after which it reads cause.
    spec.region->state.store(static_cast<std::uint32_t>(state), std::memory_order_release);
    return true;
}

void SourceSession::take_snapshot() {
    snapshot.write({source.statistics(), source.trail(), source.lead()});
}

SourceSession* make_source_session(const SourceSpec& spec, const checksum::Kernels& kernels) {
    return new SourceSession(spec, kernels);
}
void free_source_session(SourceSession* session) {
    delete session;
}

bool read_statistics(const SourceSession* session, engine::SourceStatistics& out, Sqn& trail,
                     Sqn& lead) {
    SourceSnapshot snapshot;
    if (!session->snapshot.read(snapshot)) return false;
    out = snapshot.statistics;
    trail = snapshot.trail;
    lead = snapshot.lead;
    return true;
}

}  // namespace fanfare::dataplane

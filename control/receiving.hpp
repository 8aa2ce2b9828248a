// Receiving sessions: spare windows with the workers, sessions offered to listeners, readers, and
// readers that fell behind (DESIGN section 4).
#pragma once

#include "control/options.hpp"
#include "control/registry.hpp"

namespace fanfare::control {

// Gives each worker spare windows up to settings.spares_per_worker, at most `most` in all (making
// one writes to every page of it). True when none is missing. Nothing is made before the first
// listener comes.
bool refill_spares(Registry& registry, Services& services, std::uint32_t most);

// listen: start hearing on the socket's interfaces, and take up sessions that run already.
OptionResult open_listener(Registry& registry, Services& services, Socket& socket,
                           std::uint32_t backlog);

struct Accepted {
    Reception* session = nullptr;
    std::uint64_t start_ordinal = 0;
    bool joined_late = false;
};
// The oldest session that waits at a listener. EAGAIN when none does; ECONNABORTED once when one
// was lost while it waited. The caller makes the reader's socket and calls attach_reader.
OptionResult take_pending(Registry& registry, Services& services, Socket& listener, Accepted& out);
void attach_reader(Registry& registry, Socket& reader, const Accepted& accepted);

// A listener or reader goes: forgets what waits for it, posts what the workers have to let go of.
void close_listener(Registry& registry, Socket& listener);
void close_reader(Registry& registry, Socket& reader);
void close_if_unused(Registry& registry, Reception& session);

// Worker events.
void on_session_opened(Registry& registry, Services& services, const dataplane::WorkerEvent& event);
void on_session_ended(Registry& registry, const dataplane::WorkerEvent& event);
void on_window_returned(Registry& registry, Services& services,
                        const dataplane::WorkerEvent& event);

// Some ten times a second: compares every reader's cursor with how far its window was overwritten;
// one that was overtaken is marked and hung up, one that sleeps before something unread is woken.
void tick_readers(Registry& registry, Services& services);

// Whether a reader whose next entry is `ordinal` has lost it. Pure look at a region that is being
// written.
bool is_overtaken(const ReceiveMemory& memory, std::uint64_t ordinal);

}  // namespace fanfare::control

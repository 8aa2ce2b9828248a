// How a blocked call waits: a few microseconds of spinning, a few turns given to others, then sleep
// on the descriptor, so that a daemon and its clients may share a core (DESIGN section 5). The
// rules that keep the descriptor true for poll() stand in ipc/socket_page.hpp.
#pragma once

#include <poll.h>

#include "client/socket/cpu_relax.hpp"
#include "client/socket/signals_held.hpp"
#include "engine/types.hpp"

namespace fanfare::client {

// Monotonic nanoseconds.
Nanos monotonic_now();

// When a wait that starts now ends; `timeout` 0 is for ever (as SO_RCVTIMEO has it).
inline Nanos deadline_after(Nanos timeout) {
    return timeout == 0 ? kNever : monotonic_now() + timeout;
}

// How a call waits, over all its sleeps.
struct Patience {
    Nanos deadline = 0;  // 0: not known yet
    SleepSignals signals;
};

enum class Wake {
    again,  // look again
    timed_out,
    interrupted,  // by a signal
};

// The client's end of the socket pair.
class Endpoint {
  public:
    explicit Endpoint(int descriptor) : descriptor_(descriptor) {}

    bool non_blocking() const;
    // The daemon's end has gone.
    bool gone() const;
    // Takes the octets that announce something. True: the daemon's end has gone.
    bool drain() const;
    // Fills the way to the daemon, so that POLLOUT goes away. True as above.
    bool fill() const;
    // Sleeps until `events` (POLLIN or POLLOUT) or the other end's going shows, or the deadline.
    // Comes back with Wake::again at least ten times a second: another holder of the descriptor may
    // have taken the octet, and a daemon that was killed may have left the flag in its hand.
    // `hung_up` as above.
    Wake sleep(short events, const Patience& patience, bool& hung_up) const;

  private:
    short look() const;

    int descriptor_;
};

int online_processors();
void give_turn_away();

// The part of a wait before sleeping. True: look() became true.
template <typename Look>
bool wait_awake(Look&& look) {
    // A wake-up through the kernel costs 5 to 50 microseconds, so about as long is worth spinning;
    // some 1000 looks are 5 to 20 microseconds. With a single processor only giving it away helps.
    static const bool alone = online_processors() < 2;
    for (int i = 0; i < 1000 && !alone; ++i) {
        if (look()) return true;
        cpu_relax();
    }
    for (int i = 0; i < 16; ++i) {
        if (look()) return true;
        give_turn_away();
    }
    return look();
}

}  // namespace fanfare::client

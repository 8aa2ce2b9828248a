// What a reader of a session may see in the end, and what it may not.
#pragma once

#include <cstdint>
#include <string>

#include "engine/core/window_layout.hpp"

namespace fanfare::sim {

// What a scenario allows beside "everything arrives".
struct Allowance {
    bool loss =
        false;  // faults may outlast a window: unrecoverable loss, late joins, sessions never heard
    bool overtaken = false;  // a reader may sleep longer than its log lasts
    bool silence = false;    // an end may go unheard: the receiver finds the sender silent
};

// How the sending program ended.
enum class Ending : std::uint8_t {
    finish,  // shutdown after the last message
    vanish,  // the program dies: the control thread ends the session with OPT_RST
};

// What one reader had of one session when the run was over.
struct Outcome {
    SessionState state = SessionState::open;
    ResetCause cause = ResetCause::none;
    bool joined_late = false;
    bool may_be_late = false;  // it was not there from the start, or had been reset before
    bool whole = false;        // everything from its first message to the last
    std::uint32_t next = 0;    // messages up to the last that it read
    std::uint32_t written = 0, to_write = 0, messages = 0;  // the sender's
    Ending ending = Ending::finish;
    std::string wrong;  // what its content check found
};

// One line naming the broken promise; empty when all were kept: contiguous, in order, once, octet
// for octet what was sent; `finished` only for the whole of a session that ended in good order; a
// reset with a cause that the scenario allows.
std::string broken_promise(const Outcome& outcome, const Allowance& allowance);

}  // namespace fanfare::sim

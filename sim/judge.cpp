#include "sim/judge.hpp"

namespace fanfare::sim {
namespace {

std::string broken_by_reset(const Outcome& outcome, const Allowance& allowance) {
    const std::string cause = std::to_string(static_cast<int>(outcome.cause));
    switch (outcome.cause) {
        case ResetCause::reader_overtaken:
            return allowance.overtaken ? "" : "a reader that kept reading was overtaken";
        case ResetCause::unrecoverable_loss:
        case ResetCause::buffer_exhausted:
            // A dead program's three last SPMs may be lost; then NAKs that nobody answers tell its
            // end.
            if (allowance.loss || outcome.ending == Ending::vanish) return "";
            return "reset for loss (cause " + cause + ") after " + std::to_string(outcome.next) +
                   " of " + std::to_string(outcome.to_write) +
                   " messages although every window outlasted the faults";
        case ResetCause::sender_reset:
            if (outcome.ending == Ending::vanish) return "";
            return "reset by a sender that ended in good order";
        case ResetCause::sender_silent:
            if (allowance.silence || allowance.loss) return "";
            return "found silent although its end could be heard";
        default:
            return "reset with cause " + cause;
    }
}

}  // namespace

std::string broken_promise(const Outcome& outcome, const Allowance& allowance) {
    if (!outcome.wrong.empty()) return outcome.wrong;
    if (outcome.joined_late && !outcome.may_be_late)
        return "a listener that was there first was told it came late";
    if (outcome.next > outcome.written + 1) return "read more than was written";
    switch (outcome.state) {
        case SessionState::open:
            return "neither finished nor reset";
        case SessionState::finished:
            if (outcome.ending != Ending::finish) return "finished, but its program died";
            if (!outcome.whole)
                return "finished with " + std::to_string(outcome.next) + " of " +
                       std::to_string(outcome.messages) + " messages";
            return "";
        case SessionState::reset:
            break;
    }
    return broken_by_reset(outcome, allowance);
}

}  // namespace fanfare::sim

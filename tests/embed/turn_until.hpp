#pragma once

#include "embed/engine.hpp"

namespace fanfare::embed {

// Turns the engine until `done` or ten seconds have passed.
template <typename Done>
bool turn_until(Engine& engine, Done&& done) {
    const Nanos until = engine.now() + 10 * kSecond;
    while (!done()) {
        if (engine.now() > until) return false;
        engine.poll();
    }
    return true;
}

}  // namespace fanfare::embed

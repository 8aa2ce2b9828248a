// What the engine's fuzzers share: the input as a row of choices, and the promise that ends a run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace fanfare::fuzz {

inline void require(bool condition, int line = __builtin_LINE()) {
    if (condition) return;
    std::fprintf(stderr, "broken at line %d\n", line);
    std::abort();
}

// Behind its end: zeros.
class Input {
  public:
    Input(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
    bool empty() const { return left_ == 0; }
    std::uint32_t octet() {
        if (left_ == 0) return 0;
        --left_;
        return *data_++;
    }
    std::uint32_t word() {
        const std::uint32_t high = octet();
        return high << 8 | octet();
    }
    std::uint32_t number() {
        const std::uint32_t high = word();
        return high << 16 | word();
    }

  private:
    const std::uint8_t* data_;
    std::size_t left_;
};

}  // namespace fanfare::fuzz

// A value that one thread writes now and then and others read whenever they like: a seqlock whose
// payload is atomic words, so that nothing is a data race and no fence is needed.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace fanfare::dataplane {

template <typename T>
class Snapshot {
    static_assert(std::is_trivially_copyable_v<T>);

  public:
    // Writer only.
    void write(const T& value) {
        std::uint64_t words[kWords] = {};
        std::memcpy(words, &value, sizeof value);
        const std::uint64_t turn = turn_.load(std::memory_order_relaxed);
        turn_.store(turn + 1, std::memory_order_relaxed);
        // Each word is released after the odd turn, so who reads a new word (acquire) reads that
        // too.
        for (std::size_t i = 0; i < kWords; ++i)
            words_[i].store(words[i], std::memory_order_release);
        turn_.store(turn + 2, std::memory_order_release);  // partner: the first load in read()
    }

    // False while nothing was written yet, or when the writer kept interfering for kTries looks.
    bool read(T& out) const {
        constexpr int kTries = 1000;
        for (int i = 0; i < kTries; ++i) {
            const std::uint64_t before = turn_.load(std::memory_order_acquire);
            if (before == 0) return false;
            if ((before & 1) != 0) continue;
            std::uint64_t words[kWords];
            for (std::size_t k = 0; k < kWords; ++k) {
                words[k] = words_[k].load(std::memory_order_acquire);
            }
            if (turn_.load(std::memory_order_relaxed) != before) continue;
            std::memcpy(&out, words, sizeof out);
            return true;
        }
        return false;
    }

  private:
    static constexpr std::size_t kWords = (sizeof(T) + 7) / 8;
    std::atomic<std::uint64_t> turn_{0};  // odd while a write is under way
    std::atomic<std::uint64_t> words_[kWords] = {};
};

}  // namespace fanfare::dataplane

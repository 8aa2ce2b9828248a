// A fixed array on cache lines of its own: nothing else stands on its first and last one, so that
// threads that write neighbouring allocations don't take lines from each other.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

#include "ipc/receive_region.hpp"

namespace fanfare::ipc {

template <typename T>
class LineArray {
  public:
    LineArray() = default;
    // `count` values, each made by T's default constructor. Allocates once.
    explicit LineArray(std::size_t count) : values_(make(count), Free{count}) {}

    T* data() const { return values_.get(); }
    T& operator[](std::size_t i) const { return values_.get()[i]; }

  private:
    static constexpr std::align_val_t kAlignment{alignof(T) > kCacheLine ? alignof(T) : kCacheLine};
    static T* make(std::size_t count) {
        const std::size_t bytes = (count * sizeof(T) + kCacheLine - 1) / kCacheLine * kCacheLine;
        T* const values = static_cast<T*>(::operator new(bytes, kAlignment));
        std::uninitialized_value_construct_n(values, count);
        return values;
    }
    struct Free {
        std::size_t count = 0;
        void operator()(T* values) const {
            std::destroy_n(values, count);
            ::operator delete(values, kAlignment);
        }
    };

    std::unique_ptr<T, Free> values_;
};

}  // namespace fanfare::ipc

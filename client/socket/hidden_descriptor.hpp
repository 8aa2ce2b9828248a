// A descriptor of the library's own in a program that does not expect one: out of the way of low
// numbers (programs close 0 and count on getting it back), close-on-exec, and marked, so that the
// preload library keeps it from a program that closes everything.
#pragma once

#include "ipc/descriptor.hpp"

namespace fanfare::client {

class HiddenDescriptor {
  public:
    HiddenDescriptor() = default;
    // Takes `descriptor` over and gives it another number where one is free. Holds -1 if that was
    // given.
    explicit HiddenDescriptor(ipc::Descriptor descriptor);
    // A duplicate of one that stays the caller's; -1 when the process has no descriptor left.
    static HiddenDescriptor duplicate(int descriptor);
    HiddenDescriptor(HiddenDescriptor&& other) noexcept = default;
    HiddenDescriptor& operator=(HiddenDescriptor&& other) noexcept {
        if (this != &other) {
            reset();
            descriptor_ = std::move(other.descriptor_);
        }
        return *this;
    }
    ~HiddenDescriptor() { reset(); }

    int get() const { return descriptor_.get(); }
    explicit operator bool() const { return static_cast<bool>(descriptor_); }
    void reset();

  private:
    ipc::Descriptor descriptor_;
};

}  // namespace fanfare::client

#include "client/socket/hidden_descriptor.hpp"

#include <fcntl.h>

#include <utility>

#include "client/socket/descriptor_map.hpp"

namespace fanfare::client {

namespace {

// Above what ordinary programs reach, below the usual limit of 1024.
constexpr int kHiddenFrom = 768;

int duplicate_high(int descriptor) {
    const int high = ::fcntl(descriptor, F_DUPFD_CLOEXEC, kHiddenFrom);
    // EINVAL or EMFILE: the limit is lower, or there is nothing free above.
    return high >= 0 ? high : ::fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
}

}  // namespace

HiddenDescriptor::HiddenDescriptor(ipc::Descriptor descriptor) {
    if (!descriptor) return;
    const int moved = duplicate_high(descriptor.get());
    descriptor_ = moved >= 0 ? ipc::Descriptor(moved) : std::move(descriptor);
    set_kind(descriptor_.get(), DescriptorKind::hidden);
}

HiddenDescriptor HiddenDescriptor::duplicate(int descriptor) {
    HiddenDescriptor out;
    out.descriptor_.reset(duplicate_high(descriptor));
    if (out.descriptor_) set_kind(out.descriptor_.get(), DescriptorKind::hidden);
    return out;
}

void HiddenDescriptor::reset() {
    if (!descriptor_) return;
    // The mark goes first: once the number is free it may be anybody's.
    set_kind(descriptor_.get(), DescriptorKind::foreign);
    descriptor_.reset();
}

}  // namespace fanfare::client

#include "client/socket/descriptor_room.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <cstddef>

#include "ipc/descriptor.hpp"

namespace fanfare::client {

int room_for_descriptors(int count) {
    std::array<ipc::Descriptor, 8> held;
    for (std::size_t i = 0; i < held.size() && i < static_cast<std::size_t>(count); ++i) {
        held[i].reset(i == 0 ? ::eventfd(0, EFD_CLOEXEC)
                             : ::fcntl(held[0].get(), F_DUPFD_CLOEXEC, 0));
        // Anything else than a limit would be told by the request itself.
        if (!held[i]) return errno == EMFILE || errno == ENFILE ? errno : 0;
    }
    return 0;
}

}  // namespace fanfare::client

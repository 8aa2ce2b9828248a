// When the library is loaded: libc's calls are looked up, and descriptors that came over exec are
// recognized.
#include <dirent.h>

#include <cstdlib>

#include "client/preload/interpose.hpp"
#include "client/preload/passed_descriptors.hpp"
#include "client/preload/standard_streams.hpp"
#include "client/socket/descriptor_map.hpp"
#include "client/socket/signals_held.hpp"
#include "client/socket/socket.hpp"

namespace fanfare::preload {

namespace {

// They are attached when the program first uses them.
void mark_inherited() {
    const int folder = static_cast<int>(
        raw::call(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
    const auto look = [&](int fd) {
        if (fd != folder && is_endpoint(fd)) client::set_kind(fd, client::DescriptorKind::socket);
    };
    if (folder < 0) {
        // No /proc: the usual limit is as far as programs go.
        for (int fd = 0; fd < 1024; ++fd) look(fd);
        return;
    }
    alignas(dirent64) char entries[4096];
    for (;;) {
        const long bytes = raw::call(SYS_getdents64, folder, entries, sizeof entries);
        if (bytes <= 0) break;
        for (long at = 0; at < bytes;) {
            const auto* const entry = reinterpret_cast<const dirent64*>(entries + at);
            if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') look(std::atoi(entry->d_name));
            at += entry->d_reclen;
        }
    }
    raw::close(folder);
}

__attribute__((constructor(101))) void start() {
    const int kept = errno;
    resolve_real_calls();
    client::readiness_always_true = true;
    client::signal_handlers_may_call = true;
    mark_inherited();
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) adopt_standard_stream(fd);
    errno = kept;
}

}  // namespace

}  // namespace fanfare::preload

// A receive window as the daemon makes one: a region, and the session object that a worker lends.
#pragma once

#include <cstdint>
#include <stdexcept>

#include "dataplane/commands.hpp"
#include "engine/core/profile.hpp"
#include "ipc/layout.hpp"
#include "ipc/memory.hpp"

namespace fanfare::bench {

// Throws when the memory can't be had. Every page is there when it returns.
inline ipc::Region region_of(std::uint64_t bytes) {
    ipc::MemoryFailure failure;
    auto made = ipc::Region::create({"bench", bytes, false, false}, failure);
    if (!made) throw std::runtime_error(failure.text);
    return std::move(*made);
}

struct WindowRegion {
    WindowRegion(std::uint64_t id, std::uint64_t log_bytes, std::uint32_t index_entries,
                 const checksum::Kernels& kernels)
        : region(region_of(ipc::ReceiveLayout::for_log(log_bytes, index_entries).total_bytes)) {
        const ipc::ReceiveParts parts =
            ipc::ReceiveLayout::for_log(log_bytes, index_entries).init(region.memory(), id);
        dataplane::ReceiveSpec spec;
        spec.session_id = id;
        spec.parameters = engine::profile(engine::ProfileName::lan).receiver;
        spec.region = parts.header;
        spec.index = parts.index.data();
        spec.index_entries = static_cast<std::uint32_t>(parts.index.size());
        spec.log = parts.log.data();
        spec.log_bytes = parts.log.size();
        session = dataplane::make_receive_session(spec, kernels);
    }
    ~WindowRegion() { dataplane::free_receive_session(session); }
    WindowRegion(const WindowRegion&) = delete;
    WindowRegion& operator=(const WindowRegion&) = delete;

    ipc::Region region;
    dataplane::ReceiveSession* session = nullptr;
};

}  // namespace fanfare::bench

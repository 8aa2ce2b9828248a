// Memory that in the daemon is a memfd: here it is heap, aligned as ipc's builders ask.
#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <span>

#include "ipc/receive_region.hpp"

namespace fanfare::sim {

class Region {
  public:
    explicit Region(std::size_t bytes)
        : bytes_(bytes),
          data_(static_cast<std::byte*>(::operator new (bytes, std::align_val_t{ipc::kPageSize}))) {
        std::memset(data_, 0, bytes);
    }
    ~Region() { ::operator delete (data_, std::align_val_t{ipc::kPageSize}); }
    Region(const Region&) = delete;
    Region& operator=(const Region&) = delete;

    std::span<std::byte> span() { return {data_, bytes_}; }

  private:
    std::size_t bytes_;
    std::byte* data_;
};

}  // namespace fanfare::sim

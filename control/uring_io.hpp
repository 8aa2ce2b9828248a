// Files of the file tier through io_uring: O_DIRECT where the file system has it, else through the
// page cache. One thread uses an object.
#pragma once

#include <memory>
#include <string>

#include "control/archive_io.hpp"
#include "engine/types.hpp"

namespace fanfare::control {

class UringIo : public ArchiveIo {
  public:
    // Files are made in `directory`, without a name: they are gone with the process, however it
    // ends. nullptr, with one line in `error`, where the directory can't be used or there is no
    // io_uring.
    static std::unique_ptr<UringIo> open(const std::string& directory, std::string& error);
    ~UringIo() override;

    int open(int& file, bool& direct) override;
    void close(int file) override;
    bool write(int file, std::uint64_t slot, const std::byte* block, void* token) override;
    bool read(int file, std::uint64_t slot, std::byte* block, void* token) override;
    std::size_t take_done(std::span<Done> done) override;

    // Hands over what was begun and waits until something is done, `bell` is readable, or the time
    // has passed. The bell's count is taken.
    void wait(int bell, Nanos time);

  private:
    struct Parts;
    explicit UringIo(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace fanfare::control

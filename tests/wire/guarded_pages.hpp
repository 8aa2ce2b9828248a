#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <new>

namespace fanfare::test {

// Room between two pages that nobody may touch: an octet read or written outside ends the test.
class GuardedPages {
  public:
    // At least `room` octets, and some more.
    explicit GuardedPages(std::size_t room) {
        const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        size_ = room + 64;
        size_ = (size_ + page - 1) / page * page;
        void* memory = mmap(nullptr, size_ + 2 * page, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) throw std::bad_alloc();
        memory_ = memory;
        mapped_ = size_ + 2 * page;
        begin_ = static_cast<std::byte*>(memory) + page;
        if (mprotect(memory, page, PROT_NONE) != 0 ||
            mprotect(begin_ + size_, page, PROT_NONE) != 0) {
            munmap(memory, mapped_);
            throw std::bad_alloc();
        }
    }
    ~GuardedPages() { munmap(memory_, mapped_); }
    GuardedPages(const GuardedPages&) = delete;
    GuardedPages& operator=(const GuardedPages&) = delete;

    std::byte* begin() const { return begin_; }
    std::byte* end() const { return begin_ + size_; }
    std::size_t size() const { return size_; }

  private:
    void* memory_ = nullptr;
    std::size_t mapped_ = 0, size_ = 0;
    std::byte* begin_ = nullptr;
};

}  // namespace fanfare::test

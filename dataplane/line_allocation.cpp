// operator new on whole cache lines, for the program that links this file. The control thread makes
// the sessions of all workers in turn: their objects stand on lines of their own by alignas, but
// what those hold (windows, tables, lists) comes from the heap, whose neighbours share a line. A
// worker that writes the last octets of its table would then take the line from another one that
// reads the first of its own. Some padding behind small objects of the control thread is the price.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

constexpr std::size_t kLine = 64;

void* allocate(std::size_t bytes, std::size_t alignment) {
    if (bytes > PTRDIFF_MAX - 2 * kLine) throw std::bad_alloc();
    const std::size_t whole = bytes == 0 ? kLine : (bytes + kLine - 1) / kLine * kLine;
    void* const p = std::aligned_alloc(alignment > kLine ? alignment : kLine, whole);
    if (p == nullptr) throw std::bad_alloc();
    return p;
}

}  // namespace

// The forms for arrays and for std::nothrow end here too.
void* operator new(std::size_t bytes) {
    return allocate(bytes, kLine);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* p) noexcept {
    std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
    std::free(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
    std::free(p);
}
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
    std::free(p);
}

// What a program passes by pointer, and is not to be believed: the kernel answers a bad pointer
// with EFAULT, and so do we where that is to be had (wsrm.md O-11).
#pragma once

#include <cstddef>
#include <cstdint>

namespace fanfare::client {

// False for what no program's memory can be: the first page, and beyond the end. For buffers of
// data, where nothing more is affordable: an address between that is not mapped ends the program,
// as it does in any other library.
inline bool may_be_memory(const void* pointer, std::size_t bytes) {
    constexpr std::uintptr_t kFirst = 4096;
#if defined(__x86_64__)
    constexpr std::uintptr_t kEnd = std::uintptr_t{1} << 47;
#else
    constexpr std::uintptr_t kEnd = std::uintptr_t{1} << 52;
#endif
    const auto address = reinterpret_cast<std::uintptr_t>(pointer);
    return bytes == 0 || (address >= kFirst && address < kEnd && bytes <= kEnd - address);
}

// Copies through the kernel, which knows what is mapped. False: it is not, or not so. For addresses
// and options: a system call each.
bool copy_in(void* to, const void* from_program, std::size_t bytes);
bool copy_out(void* to_program, const void* from, std::size_t bytes);

}  // namespace fanfare::client

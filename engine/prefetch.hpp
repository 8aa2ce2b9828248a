// Fetching a cache line ahead of its use. Changes nothing but time; any address may be named.
#pragma once

namespace fanfare {

// A line that will be written. Not the compiler's own form: gcc 12 takes a function that does
// nothing but fetch, in a loop, for one without effect and leaves it out, calls and all.
inline void prefetch_to_write(const void* address) {
#if defined(__x86_64__)
    // A hint: CPUs that do not know it pass over it.
    asm volatile("prefetchw (%0)" : : "r"(address));
#else
    __builtin_prefetch(address, 1);
#endif
}

}  // namespace fanfare

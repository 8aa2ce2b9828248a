// Tells the processor that this is a spin loop.
#pragma once

namespace fanfare::client {

inline void cpu_relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

}  // namespace fanfare::client

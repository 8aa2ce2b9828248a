#include "engine/checksum/checksum.hpp"

#include "engine/checksum/kernel_list.hpp"

namespace fanfare::checksum {
namespace {

constexpr Kernels kTables[] = {
    {Level::scalar, sum_scalar, copy_and_sum_scalar},
    {Level::avx2, sum_avx2, copy_and_sum_avx2},
    {Level::avx512, sum_avx512, copy_and_sum_avx512},
};

bool cpu_has(Level level) {
    switch (level) {
        case Level::scalar:
            return true;
        case Level::avx2:
            return __builtin_cpu_supports("avx2") != 0;
        case Level::avx512:
            return __builtin_cpu_supports("avx512f") != 0 &&
                   __builtin_cpu_supports("avx512bw") != 0;
    }
    return false;
}

}  // namespace

const Kernels& kernels(Level at_most) {
    for (auto level = static_cast<std::size_t>(at_most); level > 0; --level) {
        if (cpu_has(static_cast<Level>(level))) return kTables[level];
    }
    return kTables[0];
}

const Kernels& best_kernels() {
    return kernels(Level::avx512);
}

}  // namespace fanfare::checksum

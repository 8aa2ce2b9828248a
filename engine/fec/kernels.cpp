#include "engine/fec/kernels.hpp"

#include "engine/fec/kernel_list.hpp"

namespace fanfare::fec {
namespace {

constexpr Kernels kTables[] = {
    {Level::scalar, multiply_rows_scalar}, {Level::ssse3, multiply_rows_ssse3},
    {Level::avx2, multiply_rows_avx2},     {Level::avx512, multiply_rows_avx512},
    {Level::gfni, multiply_rows_gfni},
};

bool cpu_has(Level level) {
    switch (level) {
        case Level::scalar:
            return true;
        case Level::ssse3:
            return __builtin_cpu_supports("ssse3") != 0;
        case Level::avx2:
            return __builtin_cpu_supports("avx2") != 0;
        case Level::avx512:
            return __builtin_cpu_supports("avx512f") != 0 &&
                   __builtin_cpu_supports("avx512bw") != 0 &&
                   __builtin_cpu_supports("avx512vl") != 0;
        case Level::gfni:
            return cpu_has(Level::avx512) && __builtin_cpu_supports("gfni") != 0;
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
    return kernels(Level::gfni);
}

const char* to_string(Level level) {
    switch (level) {
        case Level::scalar:
            return "scalar";
        case Level::ssse3:
            return "ssse3";
        case Level::avx2:
            return "avx2";
        case Level::avx512:
            return "avx512";
        case Level::gfni:
            return "gfni";
    }
    return "unknown";
}

}  // namespace fanfare::fec

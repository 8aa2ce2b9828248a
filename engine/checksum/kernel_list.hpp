// The kernels that exist, one a file; each vector file is compiled with its instruction set's flags
// alone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fanfare::checksum {

std::uint32_t sum_scalar(const std::byte* data, std::size_t length);
std::uint32_t copy_and_sum_scalar(std::byte* destination, const std::byte* source,
                                  std::size_t length);
std::uint32_t sum_avx2(const std::byte* data, std::size_t length);
std::uint32_t copy_and_sum_avx2(std::byte* destination, const std::byte* source,
                                std::size_t length);
std::uint32_t sum_avx512(const std::byte* data, std::size_t length);
std::uint32_t copy_and_sum_avx512(std::byte* destination, const std::byte* source,
                                  std::size_t length);

}  // namespace fanfare::checksum

// Sub-types of a POLL (RFC 3208 14.6).
#pragma once

#include <cstdint>

namespace fanfare::engine {

inline constexpr std::uint16_t kPollGeneral = 0;  // PGM_POLL_GENERAL: every child answers
inline constexpr std::uint16_t kPollDlr = 1;      // PGM_POLL_DLR: designated local repairers answer

}  // namespace fanfare::engine

// What decode and encode both know of every option: its type, its least length and which OptionBit
// stands for it. One list, so that the two directions cannot differ.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/wire/packet.hpp"

namespace fanfare::wire {

inline constexpr std::uint16_t kAfiIpv4 = 1;       // address family indicator, RFC 3208 section 8
inline constexpr std::uint8_t kOptionEnd = 0x80;   // E, in the first octet
inline constexpr std::uint8_t kOptionEncoded = 4;  // F (OP_ENCODED), in the third octet
inline constexpr std::size_t kOptionHeaderSize = 4;

struct OptionShape {
    OptionType type;
    std::uint8_t size;  // with its four header octets; OPT_NAK_LIST adds four a number
};

// In the order of OptionBit. Addresses are IPv4: 4 octets of AFI and reserved before each, but for
// OPT_PATH_NLA, which has none (RFC 15.4.4).
inline constexpr OptionShape kOptionShapes[] = {
    {OptionType::fragment, 16},   {OptionType::nak_list, 4},    {OptionType::join, 8},
    {OptionType::nak_bo_ivl, 12}, {OptionType::nak_bo_rng, 12}, {OptionType::nbr_unreach, 4},
    {OptionType::path_nla, 8},    {OptionType::redirect, 12},   {OptionType::parity_prm, 8},
    {OptionType::parity_grp, 8},  {OptionType::curr_tgsize, 8}, {OptionType::syn, 4},
    {OptionType::fin, 4},         {OptionType::rst, 4},         {OptionType::cr, 24},
    {OptionType::crqst, 4},       {OptionType::cc_data, 16},    {OptionType::cc_feedback, 16},
    {OptionType::invalid, 4},     {OptionType::packed, 4},
};
inline constexpr std::size_t kOptionKinds = sizeof(kOptionShapes) / sizeof(kOptionShapes[0]);
static_assert(kOptionKinds == static_cast<std::size_t>(OptionBit::unknown));

// OptionBit of each of the 128 option types; `unknown` for those that nobody knows.
inline constexpr std::array<OptionBit, 128> kOptionBitOfType = [] {
    std::array<OptionBit, 128> bits{};
    for (auto& b : bits) b = OptionBit::unknown;
    for (std::size_t kind = 0; kind < kOptionKinds; ++kind) {
        bits[static_cast<std::size_t>(kOptionShapes[kind].type)] = static_cast<OptionBit>(kind);
    }
    return bits;
}();

}  // namespace fanfare::wire

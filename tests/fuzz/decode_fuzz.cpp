// Any octets through decode; what decodes is encoded and decoded again and must be the same.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "engine/wire/packet.hpp"

using namespace fanfare;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // A copy of the exact size: the sanitizer sees one octet read too many.
    std::vector<std::byte> octets(size);
    if (size > 0) std::memcpy(octets.data(), data, size);
    wire::Packet packet;
    if (wire::decode(octets, packet) != wire::DecodeError::none) return 0;

    std::vector<std::byte> again(wire::encoded_size(packet));
    if (packet.options.has(wire::OptionBit::unknown)) return 0;  // not reproduced, by contract
    if (wire::encode(packet, again) != again.size()) std::abort();
    again[6] = octets[6];
    again[7] = octets[7];
    wire::Packet second;
    if (wire::decode(again, second) != wire::DecodeError::none) std::abort();
    if (second.type != packet.type || second.sqn != packet.sqn ||
        second.options.present != packet.options.present ||
        second.payload.size() != packet.payload.size() ||
        (!packet.payload.empty() &&
         std::memcmp(second.payload.data(), packet.payload.data(), packet.payload.size()))) {
        std::abort();
    }
    std::vector<std::byte> third(wire::encoded_size(second));
    if (wire::encode(second, third) != third.size()) std::abort();
    third[6] = again[6];
    third[7] = again[7];
    if (third != again) std::abort();
    return 0;
}

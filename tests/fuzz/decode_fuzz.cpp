// Any octets through decode; what decodes is encoded and decoded again and must be the same packet
// and the same octets.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "engine/wire/packet.hpp"
#include "tests/wire/difference.hpp"

using namespace fanfare;

namespace {

void check(bool right, const char* what) {
    if (right) return;
    std::fprintf(stderr, "decode_fuzz: %s\n", what);
    std::abort();
}

// The octets of `packet`, with the checksum field of `original`.
std::vector<std::byte> encoded(const wire::Packet& packet, const std::vector<std::byte>& original) {
    std::vector<std::byte> octets(wire::encoded_size(packet));
    check(wire::encode(packet, octets) == octets.size(), "what decoded could not be encoded");
    std::memcpy(octets.data() + wire::kChecksumAt, original.data() + wire::kChecksumAt, 2);
    return octets;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // A copy of the exact size: the sanitizer sees one octet read too many.
    std::vector<std::byte> octets(size);
    if (size > 0) std::memcpy(octets.data(), data, size);
    wire::Packet packet;
    if (wire::decode(octets, packet) != wire::DecodeError::none) return 0;
    check(packet.payload.empty() ||
              packet.payload.data() + packet.payload.size() == octets.data() + octets.size(),
          "the payload is not the packet's end");

    const auto again = encoded(packet, octets);
    check(again.size() <= octets.size(), "encoding made the packet longer");
    // Unknown options are not reproduced, by contract; a packet of nothing else loses the flag that
    // announces options.
    packet.options.present &= ~wire::bit(wire::OptionBit::unknown);
    if (packet.options.present == 0)
        packet.flags = static_cast<std::uint8_t>(packet.flags & ~wire::kOptPresent);
    wire::Packet second;
    check(wire::decode(again, second) == wire::DecodeError::none, "what was encoded is refused");
    const auto difference = test::difference(packet, second);
    check(difference.empty(), difference.empty() ? "" : difference.data());
    check(encoded(second, again) == again, "encoding twice gave two results");
    return 0;
}

// Reads the classic pcap files of tests/data and finds the PGM packet in each frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace fanfare::test {

using Octets = std::vector<std::byte>;

// The whole file; empty when it is not there.
inline Octets read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    Octets out;
    for (std::istreambuf_iterator<char> octet(file), end; octet != end; ++octet)
        out.push_back(static_cast<std::byte>(*octet));
    return out;
}

inline Octets from_hex(const std::string& hex) {
    Octets out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        out.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    }
    return out;
}

struct Capture {
    std::uint32_t link_type = 0;
    std::vector<Octets> frames;
};

inline Capture read_capture(const std::string& path) {
    const Octets file = read_file(path);
    Capture capture;
    if (file.size() < 24) return capture;
    std::uint32_t magic;
    std::memcpy(&magic, file.data(), 4);
    const bool swapped = magic == 0xD4C3B2A1u;
    const auto word = [&](std::size_t at) {
        std::uint32_t v;
        std::memcpy(&v, file.data() + at, 4);
        return swapped ? __builtin_bswap32(v) : v;
    };
    capture.link_type = word(20) & 0x0FFFFFFF;  // above: what the writer knew about checksums
    std::size_t at = 24;
    while (file.size() - at >= 16) {
        const std::size_t length = word(at + 8);
        at += 16;
        if (length > file.size() - at) break;
        capture.frames.emplace_back(file.begin() + static_cast<std::ptrdiff_t>(at),
                                    file.begin() + static_cast<std::ptrdiff_t>(at + length));
        at += length;
    }
    return capture;
}

inline std::size_t link_header_of(const Capture& capture) {
    return capture.link_type == 1 ? 14 : 0;
}

// The PGM packet of an Ethernet or raw IPv4 frame: protocol 113, or UDP when `udp`. Empty when
// there is none.
inline Octets pgm_of(const Capture& capture, const Octets& frame, bool udp) {
    const std::size_t link = link_header_of(capture);
    if (frame.size() < link + 20) return {};
    const auto octet = [&](std::size_t i) { return std::to_integer<std::size_t>(frame[link + i]); };
    const std::size_t header = (octet(0) & 0x0F) * 4;
    const std::size_t total = octet(2) << 8 | octet(3);
    const std::size_t protocol = octet(9);
    std::size_t skip = header;
    if (octet(0) >> 4 != 4) return {};
    if (udp && protocol == 17) {
        skip += 8;
    } else if (protocol != 113) {
        return {};
    }
    if (header < 20 || total < skip || frame.size() - link < total) return {};
    return Octets(frame.begin() + static_cast<std::ptrdiff_t>(link + skip),
                  frame.begin() + static_cast<std::ptrdiff_t>(link + total));
}

// Everything behind the IPv4 header, whatever the header says about the datagram's length.
inline Octets behind_ip_header(const Capture& capture, const Octets& frame) {
    const std::size_t link = link_header_of(capture);
    if (frame.size() <= link) return {};
    const std::size_t header = (std::to_integer<std::size_t>(frame[link]) & 0x0F) * 4;
    if (frame.size() - link < header) return {};
    return Octets(frame.begin() + static_cast<std::ptrdiff_t>(link + header), frame.end());
}

}  // namespace fanfare::test

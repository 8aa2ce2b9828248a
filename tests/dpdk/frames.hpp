// Frames with contents that can be told from each other and judged, and ports' loops of them.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/dpdk/device.hpp"

namespace fanfare::dataplane::dpdk {

// An Ethernet frame of a local experimental type (0x88B5), broadcast, number `n`, its octets
// derived from the number.
inline std::vector<std::byte> test_frame(std::uint32_t n, std::size_t length) {
    std::vector<std::byte> frame(length);
    for (std::size_t i = 0; i < length; ++i)
        frame[i] = static_cast<std::byte>((n * 2654435761u >> 16) + i * 31);
    for (std::size_t i = 0; i < 6; ++i) frame[i] = std::byte{0xFF};
    for (std::size_t i = 6; i < 12; ++i) frame[i] = std::byte{0x02};
    frame[12] = std::byte{0x88};
    frame[13] = std::byte{0xB5};
    std::memcpy(frame.data() + 14, &n, sizeof n);
    return frame;
}

// Lengths from the smallest Ethernet frame to `longest`, all of them in turn.
inline std::size_t test_length(std::uint32_t n, std::size_t longest) {
    return 60 + n % (longest - 59);
}

// Sends frame `n` as a worker would: payload behind headers that were written before it. False: no
// room now.
inline bool send_test_frame(DpdkPort& port, std::uint32_t n, std::size_t length) {
    std::array<engine::TxFrame, 1> tx;
    if (port.allocate(tx) != 1) return false;
    const auto frame = test_frame(n, length);
    // Every amount of headroom is used.
    const std::size_t headers = 1 + n % std::min(engine::kFrameHeadroom, length);
    EXPECT_LE(length - headers, tx[0].capacity);
    std::memcpy(tx[0].data - headers, frame.data(), headers);
    std::memcpy(tx[0].data, frame.data() + headers, length - headers);
    tx[0].prepended = static_cast<std::uint16_t>(headers);
    tx[0].length = static_cast<std::uint16_t>(length - headers);
    if (port.transmit(tx) == 1) return true;
    port.give_back(tx);
    return false;
}

// Takes what has come; adds the numbers of frames of ours that are whole to `seen`.
inline std::size_t collect_test_frames(DpdkPort& port, std::size_t longest,
                                       std::multiset<std::uint32_t>& seen) {
    std::array<RxFrame, 32> rx;
    const std::size_t count = port.receive(rx);
    for (std::size_t i = 0; i < count; ++i) {
        if (rx[i].length < 60 || rx[i].data[12] != std::byte{0x88} ||
            rx[i].data[13] != std::byte{0xB5})
            continue;
        std::uint32_t n = 0;
        std::memcpy(&n, rx[i].data + 14, sizeof n);
        const auto expected = test_frame(n, test_length(n, longest));
        EXPECT_EQ(rx[i].length, expected.size());
        if (rx[i].length == expected.size()) {
            EXPECT_EQ(std::memcmp(rx[i].data, expected.data(), expected.size()), 0)
                << "frame " << n;
            seen.insert(n);
        }
    }
    port.release(std::span(rx).first(count));
    return count;
}

// Frames 0..count-1 from one port to the other, few enough under way for any ring; those that
// arrived whole.
inline std::multiset<std::uint32_t> exchange(DpdkPort& from, DpdkPort& to, std::uint32_t count,
                                             std::size_t longest) {
    std::multiset<std::uint32_t> seen;
    std::uint32_t sent = 0;
    // Ends when nothing moves for long: hundreds of milliseconds in all.
    for (int quiet = 0; quiet < 5000 && seen.size() < count;) {
        bool moved = false;
        for (int i = 0; i < 32 && sent < count && sent - seen.size() < 128; ++i) {
            if (!send_test_frame(from, sent, test_length(sent, longest))) break;
            ++sent;
            moved = true;
        }
        if (collect_test_frames(to, longest, seen) > 0) moved = true;
        quiet = moved ? 0 : quiet + 1;
        if (!moved) std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    return seen;
}

// Whether it comes to be true within seconds.
template <typename Condition>
bool soon(Condition condition) {
    for (int i = 0; i < 5000 && !condition(); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return condition();
}

// Buffers of a pool that nobody holds, neither ring nor worker.
unsigned free_buffers(const DpdkPort& port);

// The one environment of a test program, started at the first call.
Eal& test_eal();

std::unique_ptr<Device> open_test_device(const std::string& text, std::uint16_t workers = 1,
                                         std::uint16_t mtu = 0);

}  // namespace fanfare::dataplane::dpdk

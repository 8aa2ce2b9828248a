// A receiver and a source, each alone with its tester, for behaviours of the wire.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/engine/packets.hpp"

namespace fanfare::engine::test {

// It has heard an SPM and the first packet, number 100.
struct ReceiverAlone : ::testing::Test {
    std::vector<IndexEntry> index{1024};
    std::vector<std::byte> log{std::size_t{1} << 18};
    std::unique_ptr<Receiver> receiver;
    Frames frames{256};
    Nanos now = 10 * kSecond;
    std::vector<Datagram> sent;
    bool ended = false;
    ReceiverParameters parameters = profile(ProfileName::lan).receiver;

    void SetUp() override { start(); }
    void start() {
        receiver = std::make_unique<Receiver>(parameters, ReceiveMemory{index, log},
                                              checksum::best_kernels());
        receiver->start({kTsi, kDataPort, kGroup, kSourceAddress, receiver_address(0)}, 5, now);
        give(spm(1, 100, 99));
        give(odata(100, 100, "a"));
    }
    void collect(Output& out) {
        for (auto& d : frames.take(out, receiver_address(0))) sent.push_back(std::move(d));
        ended |= !out.events().empty() && out.events().back().kind == Event::Kind::reset;
    }
    Verdict give(const Datagram& d, bool unicast = false) {
        Output out = frames.output();
        const wire::Packet packet = d.decoded();
        receiver->open_burst(packet.payload.size());
        const Verdict verdict = unicast
                                    ? receiver->on_unicast_ncf(packet, d.octets, d.from, now, out)
                                    : receiver->on_packet(packet, d.octets, d.from, now, out);
        collect(out);
        return verdict;
    }
    void run_for(Nanos time) {
        const Nanos end = now + time;
        while (receiver->next_deadline() <= end) {
            now = std::max(now, receiver->next_deadline());
            Output out = frames.output();
            receiver->on_tick(now, out);
            collect(out);
        }
        now = end;
    }
    std::vector<Datagram> of(FrameKind kind) const {
        std::vector<Datagram> some;
        std::copy_if(sent.begin(), sent.end(), std::back_inserter(some),
                     [kind](const auto& d) { return d.kind == kind; });
        return some;
    }
};

// It has sent 200 messages of 100 octets, numbers 100 to 299.
struct SourceAlone : ::testing::Test {
    SourceParameters parameters = profile(ProfileName::lan).source;
    std::unique_ptr<Source> source;
    Frames frames{512};
    Nanos now = kSecond;
    std::string text = std::string(100, 'x');

    void SetUp() override {
        parameters.random_first_sqn = false;
        parameters.rate_bits_per_s = 0;
        start();
    }
    void start() {
        source = std::make_unique<Source>(
            parameters, SourceIdentity{kTsi, kDataPort, kGroup, kSourceAddress, 100, 7}, 1500,
            false, checksum::best_kernels());
        Publish item;
        item.data = reinterpret_cast<const std::byte*>(text.data());
        item.length = 100;
        item.message_length = 100;
        Output out = frames.output();
        ASSERT_EQ(source->publish(std::vector<Publish>(200, item), now, out), 200u);
    }
    std::vector<Datagram> hear(Datagram d, std::size_t who = 0) {
        d.from = receiver_address(who);
        Output out = frames.output();
        source->on_packet(d.decoded(), d.octets, d.from, now, out);
        return frames.take(out, kSourceAddress);
    }
    std::vector<Datagram> tick(FrameKind kind) {
        Output out = frames.output();
        source->on_tick(now, out);
        auto all = frames.take(out, kSourceAddress);
        all.erase(std::remove_if(all.begin(), all.end(),
                                 [kind](const Datagram& d) { return d.kind != kind; }),
                  all.end());
        return all;
    }
};

}  // namespace fanfare::engine::test

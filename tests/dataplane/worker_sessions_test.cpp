// Lives and deaths of sessions: who opens one, who ends one, who is told.
#include <gtest/gtest.h>

#include "dataplane/receive_session.hpp"
#include "tests/dataplane/hosts.hpp"

namespace fanfare::dataplane::test {
namespace {

using client::ReadStatus;
using client::WriteStatus;

class Sessions : public ::testing::Test {
  protected:
    Sessions()
        : sender(network.add({})), receiver(network.add({Address::from_octets(10, 0, 0, 2)})) {}
    void write(Sending& sending, const std::string& text) {
        ASSERT_EQ(sending.writer->try_send(octets_of(text)).status, WriteStatus::done);
    }
    // A sender and a reader that has got its first message.
    void connect(std::uint16_t udp = 0) {
        receiver.listen(kGroup, kPort, udp);
        network.settle();
        sending = &sender.send(ipc::SendFormat::message, Host::quick(), udp);
        network.settle();
        write(*sending, "first");
        ASSERT_TRUE(network.run_until([&] { return receiver.opened().size() == 1; }));
        window = receiver.opened()[0];
        reading = &receiver.read(*window);
        network.settle();
        ASSERT_EQ(reading->messages, std::vector<std::string>{"first"});
    }
    bool woken(Host& host, char how, int endpoint) {
        return std::find(host.wakes.begin(), host.wakes.end(), std::pair{how, endpoint}) !=
               host.wakes.end();
    }
    int endpoint_of(const Reading& r) { return static_cast<int>(2000 + r.socket_id); }
    void post(Host& host, Command::Kind kind, std::uint64_t id,
              ResetCause cause = ResetCause::none) {
        Command command;
        command.kind = kind;
        command.id = id;
        command.cause = cause;
        host.post(0, command);
    }

    Network network;
    Host& sender;
    Host& receiver;
    Sending* sending = nullptr;
    Window* window = nullptr;
    Reading* reading = nullptr;
};

TEST_F(Sessions, OpeningTellsWhoSends) {
    connect(7600);
    const WorkerEvent& event = window->open_event;
    EXPECT_EQ(event.tsi, sending->spec.identity.tsi);
    EXPECT_EQ(event.source_address, Address::from_octets(10, 0, 0, 1));
    EXPECT_EQ(event.group, kGroup);
    EXPECT_EQ(event.destination_port, kPort);
    EXPECT_EQ(event.udp_port, 7600);
    EXPECT_EQ(window->parts.header->tsi_key, sending->spec.identity.tsi.key());
    EXPECT_EQ(window->parts.header->joined_late.load(), 0u);
}

TEST_F(Sessions, AListenOfAnotherGroupPortEncapsulationOrSourceOpensNothing) {
    receiver.listen(Address::from_octets(239, 1, 2, 4));
    receiver.listen(kGroup, kPort + 1);
    receiver.listen(kGroup, kPort, 7600);
    receiver.listen(kGroup, kPort, 0, 1, Address::from_octets(10, 0, 0, 77));
    network.settle();
    Sending& s = sender.send();
    network.settle();
    write(s, "first");
    network.run(100 * kMillisecond);
    EXPECT_TRUE(receiver.opened().empty());
    EXPECT_GT(receiver.counters().frames_not_for_us.get(), 0u);
    EXPECT_EQ(receiver.counters().spares_exhausted.get(), 0u);
}

TEST_F(Sessions, TheFirstThreeDataPacketsMayBeLost) {
    int dropped = 0;
    network.wire.hook = [&](std::span<const std::byte> frame, const sim::SimPort&) {
        const bool odata =
            frame.size() > 38 && frame[23] == std::byte{113} && frame[34 + 4] == std::byte{4};
        if (!odata || dropped == 3) return true;
        ++dropped;
        return false;
    };
    receiver.listen();
    network.settle();
    Sending& s = sender.send();
    network.settle();
    std::vector<std::string> sent;
    for (int i = 0; i < 3; ++i) {
        sent.push_back(message_of(300, static_cast<std::uint32_t>(i)));
        write(s, sent.back());
    }
    sender.finish(s);
    ASSERT_TRUE(network.run_until([&] { return receiver.opened().size() == 1; }));
    ASSERT_EQ(dropped, 3);
    Reading& r = receiver.read(*receiver.opened()[0]);
    network.run(100 * kMillisecond);
    EXPECT_EQ(r.messages, sent);
    EXPECT_EQ(r.last.status, ReadStatus::finished);
}

TEST_F(Sessions, ALateReceiverIsToldThatItJoinedLate) {
    sending = &sender.send();
    network.settle();
    for (int i = 0; i < 10; ++i) write(*sending, "before");
    // The announcement of the first number goes away once the trail has moved.
    network.run(500 * kMillisecond);
    receiver.listen();
    network.settle();
    write(*sending, "after");
    ASSERT_TRUE(network.run_until([&] { return receiver.opened().size() == 1; }));
    EXPECT_EQ(receiver.opened()[0]->parts.header->joined_late.load(), 1u);
}

// Check 126, its second half.
TEST_F(Sessions, AfterFinTheSameSourceOpensNoSecondSession) {
    connect();
    sender.finish(*sending);
    ASSERT_TRUE(network.run_until([&] { return window->ended; }));
    EXPECT_EQ(window->state, SessionState::finished);
    receiver.close(*window);
    network.settle();
    EXPECT_TRUE(window->closed);
    ASSERT_TRUE(network.run_until([&] { return sending->done; }));
    network.run(2 * kSecond);
    EXPECT_EQ(receiver.opened().size(), 1u);
    EXPECT_EQ(receiver.counters().sessions_opened.get(), 1u);
    for (auto& w : receiver.windows) EXPECT_FALSE(w->returned);
}

// Check 122.
TEST_F(Sessions, AbortEndsEveryReaderWithAReset) {
    connect();
    write(*sending, "last words");
    post(sender, Command::Kind::abort_source, sending->id, ResetCause::sender_vanished);
    network.run(kMillisecond);
    EXPECT_TRUE(sending->ended);
    EXPECT_EQ(sending->cause, ResetCause::sender_vanished);
    EXPECT_TRUE(sending->done);
    EXPECT_EQ(reading->messages.back(), "last words");
    EXPECT_EQ(reading->last.status, ReadStatus::reset);
    EXPECT_EQ(reading->last.cause, ResetCause::sender_reset);
    EXPECT_TRUE(woken(receiver, 'h', endpoint_of(*reading)));
    EXPECT_TRUE(woken(sender, 'h', sending->spec.endpoint));
}

TEST_F(Sessions, ASecondReaderAttachesToARunningSessionAndBothGetEverything) {
    connect();
    Reading& second = receiver.read(*window);
    for (int i = 0; i < 50; ++i) write(*sending, "to both " + std::to_string(i));
    network.run(kMillisecond);
    EXPECT_EQ(second.messages.back(), "to both 49");
    EXPECT_EQ(reading->messages.back(), "to both 49");
}

TEST_F(Sessions, AReaderThatSleepsIsWokenOncePerIntervalWhateverItsFlagSays) {
    connect();
    receiver.wakes.clear();
    int wakes = 0;
    for (int i = 0; i < 100; ++i) {  // a packet every 5 us
        reading->page->receive_sleeping.store(1);
        write(*sending, "x");
        network.settle();
        network.now += 5 * kMicrosecond;
    }
    network.run(kMillisecond);
    for (const auto& [how, fd] : receiver.wakes) wakes += how == 'r' && fd == endpoint_of(*reading);
    EXPECT_GE(wakes, 9);
    EXPECT_LE(wakes, 11);
    EXPECT_EQ(reading->page->receive_sleeping.load(), 0u);
}

TEST_F(Sessions, AReaderThatIsAwakeIsNotWoken) {
    connect();
    receiver.wakes.clear();
    for (int i = 0; i < 10; ++i) write(*sending, "x");
    network.run(kMillisecond);
    EXPECT_FALSE(woken(receiver, 'r', endpoint_of(*reading)));
}

TEST_F(Sessions, ADetachedReaderIsNotTouchedAgain) {
    connect();
    Command command;
    command.kind = Command::Kind::detach_reader;
    command.id = window->id;
    command.socket_id = reading->socket_id;
    receiver.post(0, command);
    network.settle();
    EXPECT_EQ(receiver.events.back().kind, WorkerEvent::Kind::reader_detached);
    EXPECT_EQ(receiver.events.back().socket_id, reading->socket_id);
    receiver.wakes.clear();
    reading->page->receive_sleeping.store(1);
    write(*sending, "x");
    network.run(kMillisecond);
    EXPECT_EQ(reading->page->receive_sleeping.load(), 1u);
    EXPECT_FALSE(woken(receiver, 'r', endpoint_of(*reading)));
}

TEST_F(Sessions, ASenderWithoutRoomIsWokenWhenTheWindowMoves) {
    auto parameters = Host::quick();
    sending = &sender.send(ipc::SendFormat::message, parameters, 0, 4000, 64 * 1024);
    network.settle();
    const std::string text = message_of(1000, 1);
    while (sending->writer->try_send(octets_of(text)).status == WriteStatus::done) network.settle();
    sending->page->send_sleeping.store(1);
    EXPECT_FALSE(sending->writer->changed());
    ASSERT_TRUE(network.run_until([&] { return woken(sender, 'w', sending->spec.endpoint); }));
    EXPECT_EQ(sending->writer->try_send(octets_of(text)).status, WriteStatus::done);
}

TEST_F(Sessions, ATailThatMovesBackOrBeyondTheLimitEndsOnlyThatSession) {
    connect();
    Sending& back = sender.send(ipc::SendFormat::message, Host::quick(), 0, 4001);
    Sending& beyond = sender.send(ipc::SendFormat::message, Host::quick(), 0, 4002);
    Sending& rubbish = sender.send(ipc::SendFormat::message, Host::quick(), 0, 4003);
    network.settle();
    write(back, "good");
    network.settle();
    back.parts.header->tail.store(0);
    beyond.parts.header->tail.store(beyond.parts.header->limit.load() + 16);
    std::memset(rubbish.parts.log.data(), 0xEE, 4096);
    rubbish.parts.header->tail.store(4096);
    network.run(kMillisecond);
    for (Sending* s : {&back, &beyond, &rubbish}) {
        EXPECT_TRUE(s->ended && s->done);
        EXPECT_EQ(s->cause, ResetCause::inconsistent_data);
        EXPECT_EQ(s->writer->state(), SessionState::reset);
    }
    EXPECT_EQ(sender.counters().tail_invalid.get(), 2u);
    EXPECT_EQ(sender.counters().records_invalid.get(), 1u);
    write(*sending, "still here");
    network.run(kMillisecond);
    EXPECT_EQ(reading->messages.back(), "still here");
}

TEST_F(Sessions, APunchedHoleEndsTheSession) {
    std::atomic<std::uint32_t> fault{0};
    connect();
    sending->session->spec.fault = &fault;
    fault.store(1);
    write(*sending, "zeros");
    network.run(kMillisecond);
    EXPECT_TRUE(sending->ended);
    EXPECT_EQ(sending->cause, ResetCause::memory_fault);
}

TEST_F(Sessions, APunchedHoleEndsASessionThatHasNothingToSend) {
    std::atomic<std::uint32_t> fault{0};
    connect();
    sending->session->spec.fault = &fault;
    write(*sending, "all of it");
    network.run(10 * kSecond);  // SPMs are seldom by then
    fault.store(1);
    network.run(kMillisecond);
    EXPECT_TRUE(sending->ended);
    EXPECT_EQ(sending->cause, ResetCause::memory_fault);
}

// Check 108.
TEST_F(Sessions, AShutdownInsideAMessageIsNoOrderlyEnd) {
    connect();
    const std::string part = message_of(2000, 1);
    ASSERT_TRUE(client::arm_message(*sending->page, 5000));
    ASSERT_EQ(sending->writer->try_send(octets_of(part), client::kWritePart).status,
              WriteStatus::done);
    sending->writer->publish_incomplete();
    sender.finish(*sending);
    network.run(10 * kMillisecond);
    EXPECT_TRUE(sending->ended);
    EXPECT_EQ(sending->end_state, SessionState::reset);
    EXPECT_EQ(sending->cause, ResetCause::message_incomplete);
    EXPECT_EQ(reading->last.status, ReadStatus::reset);
}

// Checks 125, 143, 144 and 160: the worker's part.
TEST_F(Sessions, AnInterfaceThatGoesDownEndsItsSessionsAndNoOthers) {
    // Two interfaces would need two ports a host; the sender's going down must not touch the
    // receiver's.
    connect();
    Command command;
    command.kind = Command::Kind::interface_state;
    command.interface = 0;
    command.up = false;
    sender.post(0, command);
    network.settle();
    EXPECT_TRUE(sending->ended && sending->done);
    EXPECT_EQ(sending->cause, ResetCause::interface_gone);
    EXPECT_FALSE(window->ended);
    receiver.post(0, command);
    network.settle();
    EXPECT_TRUE(window->ended);
    EXPECT_EQ(window->cause, ResetCause::interface_gone);
    EXPECT_EQ(reading->last.cause, ResetCause::interface_gone);
    EXPECT_TRUE(woken(receiver, 'h', endpoint_of(*reading)));
    // Back up: the listen still stands and a new session opens.
    command.up = true;
    sender.post(0, command);
    receiver.post(0, command);
    receiver.close(*window);
    receiver.add_spare(0);
    network.settle();
    Sending& again = sender.send(ipc::SendFormat::message, Host::quick(), 0, 4009);
    network.settle();
    write(again, "back");
    network.run(10 * kMillisecond);
    EXPECT_EQ(receiver.opened().size(), 2u);
}

TEST_F(Sessions, AnInterfaceThatIsGoneKeepsNoFrames) {
    connect();
    Command command;
    command.kind = Command::Kind::interface_state;
    command.gone = true;
    sender.post(0, command);
    network.settle();
    EXPECT_EQ(sender.port().lent(), 0u);
    EXPECT_EQ(sending->cause, ResetCause::interface_gone);
}

TEST_F(Sessions, AnInterfaceThatIsMissingAtTheStartTakesNoFramesUntilItComes) {
    HostPlan plan;
    plan.address = Address::from_octets(10, 0, 0, 9);
    plan.missing = true;
    Host& late = network.add(plan);
    network.run(kMillisecond);
    EXPECT_EQ(late.port().lent(), 0u);
    late.listen();
    sending = &sender.send();
    network.settle();
    write(*sending, "before");
    network.run(kMillisecond);
    EXPECT_TRUE(late.opened().empty());
    Command command;
    command.kind = Command::Kind::interface_state;
    late.post(0, command);
    network.settle();
    EXPECT_GT(late.port().lent(), 0u);
    write(*sending, "after");
    network.run(kMillisecond);
    EXPECT_EQ(late.opened().size(), 1u);
}

TEST_F(Sessions, WithoutASpareASourceIsCountedAndOpensWhenOneComes) {
    receiver.listen(kGroup, kPort, 0, 0);
    network.settle();
    sending = &sender.send();
    network.settle();
    write(*sending, "lost to us");
    network.run(kMillisecond);
    EXPECT_GT(receiver.counters().spares_exhausted.get(), 0u);
    receiver.add_spare(0);
    network.settle();
    write(*sending, "heard");
    network.run(kMillisecond);
    EXPECT_EQ(receiver.opened().size(), 1u);
}

TEST_F(Sessions, ASourceThatOnlyAnnouncesGivesItsSpareBackWhenItFallsSilent) {
    receiver.listen(kGroup, kPort, 0, 1);
    network.settle();
    sending = &sender.send();
    network.run(3 * kSecond);
    EXPECT_FALSE(receiver.windows[0]->returned);  // it may yet begin
    post(sender, Command::Kind::drop_source, sending->id);
    network.run(40 * kSecond);
    EXPECT_TRUE(receiver.windows[0]->returned);
    EXPECT_FALSE(receiver.windows[0]->opened);
    EXPECT_EQ(receiver.counters().sessions_opened.get(), 0u);
}

TEST_F(Sessions, DataLeavesTheTimerOfSilenceWhereItIsAndSilenceIsStillNoticedInTime) {
    connect();
    const Nanos silence = receiver.receiver.silence_ns;
    // Data alone, well beyond the time at which the first packet's timer goes off.
    network.wire.hook = [](std::span<const std::byte> frame, const sim::SimPort&) {
        return frame[23] != std::byte{113} || frame[38] == std::byte{4};
    };
    Nanos last = network.now;
    for (const Nanos end = network.now + silence + 2 * kSecond; network.now < end;) {
        write(*sending, "more");
        network.settle();
        last = network.now;
        network.run(kSecond);
    }
    EXPECT_FALSE(window->ended);
    network.wire.hook = [](std::span<const std::byte>, const sim::SimPort&) { return false; };
    network.run(last + silence - kMillisecond - network.now);
    EXPECT_FALSE(window->ended);
    network.run(2 * kMillisecond);
    EXPECT_TRUE(window->ended);
    EXPECT_EQ(window->cause, ResetCause::sender_silent);
}

TEST_F(Sessions, RoomIsReservedBeforeItIsWrittenAndSaidOnceForManyPackets) {
    connect();
    const ipc::ReceiveHeader& header = *window->parts.header;
    std::uint64_t said = 0, before = header.reserved_log.load();
    std::uint64_t octets = 5;  // of "first"
    for (int i = 0; i < 600; ++i) {
        const std::string text = message_of(100, static_cast<std::uint32_t>(i));
        write(*sending, text);
        network.run(100 * kMicrosecond);
        octets += text.size();
        const std::uint64_t now = header.reserved_log.load();
        EXPECT_GE(now, octets);
        EXPECT_LE(now, octets + window->parts.log.size() / 32);
        EXPECT_GE(header.reserved_ordinal.load(), header.lead.load());
        said += now != before ? 1 : 0;
        before = now;
    }
    EXPECT_GE(said, 2u);
    EXPECT_LE(said, 20u);
}

TEST(ReceiveSessionTest, AnotherStartAnnouncesItsRoomAnew) {
    Window window(1000, 1 << 20, 1 << 12);
    ipc::ReceiveHeader& header = *window.parts.header;
    ReceiveSpec spec;
    spec.parameters = engine::profile(engine::ProfileName::lan).receiver;
    spec.region = &header;
    spec.index = window.parts.index.data();
    spec.index_entries = static_cast<std::uint32_t>(window.parts.index.size());
    spec.log = window.parts.log.data();
    spec.log_bytes = window.parts.log.size();
    window.session = make_receive_session(spec, checksum::best_kernels());
    ReceiveSession& session = *window.session;
    for (int i = 0; i < 2; ++i) {
        header.reserved_log = header.reserved_ordinal = 0;
        session.start({}, 0, 0, 7, kSecond);
        session.burst_bytes = 1000;
        session.reserve();
        EXPECT_GE(header.reserved_log.load(), 1000u);
    }
}

TEST_F(Sessions, ASourceThatEndsWithoutDataTakesOneSpareAndNotOneForEachLastWord) {
    std::vector<std::byte> last;
    network.wire.hook = [&](std::span<const std::byte> frame, const sim::SimPort& from) {
        if (&from == &sender.port() && frame[23] == std::byte{113})
            last.assign(frame.begin(), frame.end());
        return true;
    };
    receiver.listen(kGroup, kPort, 0, 3);
    network.settle();
    sending = &sender.send();
    network.settle();
    sender.finish(*sending);
    network.run(2 * kSecond);
    for (int i = 0; i < 3; ++i) {  // its last SPM, late and again
        receiver.port().inject(last);
        network.run(kMillisecond);
    }
    int returned = 0;
    for (auto& w : receiver.windows) returned += w->returned;
    EXPECT_EQ(returned, 1);
    EXPECT_TRUE(receiver.opened().empty());
    EXPECT_EQ(receiver.counters().sessions_without_data.get(), 0u);
}

TEST_F(Sessions, ASourceOfWhichOnlyAnnouncementsGetHereIsCounted) {
    // As where the link carries less than the sender's MTU: small packets come, data does not.
    network.wire.hook = [](std::span<const std::byte> frame, const sim::SimPort&) {
        return frame.size() < 400;
    };
    receiver.listen(kGroup, kPort, 0, 1);
    network.settle();
    sending = &sender.send();
    network.settle();
    write(*sending, message_of(500, 1));
    network.settle();
    EXPECT_EQ(receiver.counters().sessions_without_data.get(), 0u);
    network.run(3 * kSecond);
    EXPECT_EQ(receiver.counters().sessions_without_data.get(), 1u);
    EXPECT_TRUE(receiver.opened().empty());
    EXPECT_TRUE(receiver.windows[0]->returned);
}

TEST_F(Sessions, SparesComeBackWhenAskedFor) {
    receiver.listen(kGroup, kPort, 0, 3);
    network.settle();
    post(receiver, Command::Kind::reclaim_spares, 0);
    network.settle();
    for (auto& w : receiver.windows) EXPECT_TRUE(w->returned);
}

TEST_F(Sessions, StoppingEndsEverythingAndLetsGoOfIt) {
    connect();
    post(receiver, Command::Kind::stop, 0);
    post(sender, Command::Kind::stop, 0);
    network.settle();
    network.settle();
    EXPECT_TRUE(sending->done);
    EXPECT_EQ(sending->cause, ResetCause::daemon_gone);
    EXPECT_TRUE(window->ended && window->closed);
    EXPECT_EQ(window->cause, ResetCause::daemon_gone);
    EXPECT_TRUE(receiver.workers[0]->stopped());
    EXPECT_EQ(receiver.events.back().kind, WorkerEvent::Kind::stopped);
    for (auto& w : receiver.windows)
        EXPECT_NE(w->returned, w->closed);  // each came back once, one way
}

TEST_F(Sessions, StatisticsAreTakenWhileASessionRuns) {
    connect();
    network.run(kSecond);
    engine::SourceStatistics sent;
    engine::ReceiverStatistics received;
    Sqn trail, lead, receiver_trail, receiver_lead;
    ASSERT_TRUE(read_statistics(sending->session, sent, trail, lead));
    ASSERT_TRUE(read_statistics(window->session, received, receiver_trail, receiver_lead));
    EXPECT_EQ(sent.odata_packets_sent, 1u);
    EXPECT_EQ(received.odata_received, 1u);
    EXPECT_EQ(lead, receiver_lead);
}

TEST_F(Sessions, APortThatTakesLittleDelaysFramesAndLosesNone) {
    connect();
    sender.port().takes_at_most = 3;
    std::vector<std::string> sent{"first"};
    for (std::uint32_t i = 0; i < 400; ++i) {
        sent.push_back(message_of(500, i));
        write(*sending, sent.back());
    }
    ASSERT_TRUE(network.run_until([&] { return reading->messages.size() == sent.size(); }));
    EXPECT_EQ(reading->messages, sent);
    EXPECT_GT(sender.counters().transmit_full.get(), 0u);
    engine::ReceiverStatistics received;
    Sqn trail, lead;
    network.run(kSecond);
    ASSERT_TRUE(read_statistics(window->session, received, trail, lead));
    EXPECT_EQ(received.losses_detected, 0u);
}

TEST_F(Sessions, SourcesShareThePortFairly) {
    connect();
    std::vector<Sending*> all;
    auto parameters = Host::quick();
    parameters.rate_bits_per_s = 0;
    for (std::uint16_t i = 0; i < 4; ++i) {
        all.push_back(&sender.send(ipc::SendFormat::stream, parameters, 0,
                                   static_cast<std::uint16_t>(5000 + i)));
    }
    network.settle();
    sender.port().takes_at_most = 16;
    const std::string text = message_of(900'000, 4);
    for (Sending* s : all) s->writer->try_send(octets_of(text));
    for (int turn = 0; turn < 100; ++turn) sender.poll(network.now);
    std::uint64_t least = ~std::uint64_t{0}, most = 0;
    for (Sending* s : all) {
        const std::uint64_t sent = s->parts.header->sent.load();
        least = std::min(least, sent);
        most = std::max(most, sent);
    }
    EXPECT_GT(least, most / 2);
    network.settle();
}

}  // namespace
}  // namespace fanfare::dataplane::test

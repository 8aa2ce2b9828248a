// Sends and receives that are submitted and complete later (wsrm.md 5.4; fanfare/async.h).
#include "client/socket/pending_calls.hpp"

#include "tests/client/async_fixture.hpp"

namespace fanfare::client {
namespace {

// Octets that stay where they are while a call is pending.
std::span<const std::byte> view_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}
std::span<std::byte> bytes_of(std::string& text) {
    return std::as_writable_bytes(std::span(text));
}

TEST_F(AsyncTest, WhatCanBeDoneAtOnceIsCompleteAfterSubmit) {
    auto s = sender();
    auto r = receiver();
    arrive("there already");
    Ring ring(8);
    std::string room(100, '\0');
    EXPECT_TRUE(ring.send(s, view_of("now"), 1));
    EXPECT_TRUE(ring.receive(r, bytes_of(room), 2));
    std::array<Completion, 8> some;
    const auto done = ring.reap(some);
    ASSERT_EQ(done.size(), 2u);
    EXPECT_EQ(done[0].user_data, 1u);
    EXPECT_EQ(done[0].result, 3);
    EXPECT_EQ(done[1].user_data, 2u);
    EXPECT_EQ(room.substr(0, done[1].bytes()), "there already");
    EXPECT_TRUE(done[1].message_end());
    EXPECT_EQ(taken(), Texts{"now"});
}

TEST_F(AsyncTest, PartsAreGatheredAndScattered) {
    auto s = sender();
    auto r = receiver();
    Ring ring(8);
    std::string a = "head ", b = "and ", c = "body", first(4, '.'), second(100, '.');
    std::vector<iovec> parts{
        {a.data(), a.size()}, {nullptr, 0}, {b.data(), b.size()}, {c.data(), c.size()}};
    EXPECT_TRUE(ring.send(s, parts, 1));
    EXPECT_EQ(one(ring), (Pair{1, 13}));
    EXPECT_EQ(taken(), Texts{"head and body"}) << "one message of all parts";
    parts = {{first.data(), first.size()}, {second.data(), second.size()}};
    EXPECT_TRUE(ring.receive(r, parts, 2));
    parts.clear();  // the array is the program's again
    arrive("one message");
    EXPECT_EQ(one(ring), (Pair{2, 11}));
    EXPECT_EQ(first + second.substr(0, 7), "one message");
}

TEST_F(AsyncTest, ReceivesCompleteInTheirOrderAsDataComesWithoutAnybodyCalling) {
    auto r = receiver();
    Ring ring(8);
    const int fd = ring.fd();
    std::string rooms[3];
    for (std::uint64_t i = 0; i < 3; ++i) {
        rooms[i].resize(50);
        EXPECT_TRUE(ring.receive(r, bytes_of(rooms[i]), 10 + i));
    }
    EXPECT_EQ(errno, EINPROGRESS);
    EXPECT_EQ(fanfare_winsock_error(), 997) << "WSA_IO_PENDING";
    EXPECT_FALSE(readable(fd));
    arrive("first");
    EXPECT_TRUE(readable(fd, 20'000)) << "the helper thread has to have done it";
    arrive("second");
    arrive("third");
    const auto done = completions(ring, 3);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(done[i].user_data, 10 + i);
    EXPECT_EQ(rooms[0].substr(0, 5) + rooms[1].substr(0, 6) + rooms[2].substr(0, 5),
              "firstsecondthird");
}

TEST_F(AsyncTest, SendsPendWhileTheWindowIsFullAndCompleteInOrderAfterAnAdvance) {
    auto s = sender();
    Ring ring(64);
    Texts large;  // the ring's until its completions are there
    for (std::uint64_t i = 0; i < 8; ++i)
        large.push_back(std::string(20'000, 'x') + std::to_string(i));
    for (std::uint64_t i = 0; i < 8; ++i) EXPECT_TRUE(ring.send(s, view_of(large[i]), i));
    // A window of 64 KiB holds three of them.
    std::array<Completion, 64> some;
    EXPECT_EQ(ring.reap(some).size(), 3u);
    std::vector<std::uint64_t> order{0, 1, 2};
    Texts all;
    for (int i = 0; i < 400 && all.size() < 8; ++i) {
        for (std::string& text : taken()) all.push_back(std::move(text));
        release();
        EXPECT_GE(ring.wait(1, 50ms), 0);
        ring.for_each([&](const Completion& done) {
            EXPECT_EQ(done.result, 20'001);
            order.push_back(done.user_data);
        });
    }
    EXPECT_EQ(order, (std::vector<std::uint64_t>{0, 1, 2, 3, 4, 5, 6, 7}));
    ASSERT_EQ(all.size(), 8u);
    for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(all[i].back(), static_cast<char>('0' + i));
}

TEST_F(AsyncTest, AMessageLargerThanTheWindowGoesOutAsTheWindowMoves) {
    auto s = sender();
    Ring ring(8);
    const auto huge = pattern_message(3, 1'000'000);
    const std::string next = "behind it";
    EXPECT_TRUE(ring.send(s, huge, 5));
    EXPECT_TRUE(ring.send(s, view_of(next), 6));
    std::vector<std::vector<std::byte>> all;
    bool good = true;
    for (int i = 0; i < 4000 && all.size() < 2; ++i) {
        for (auto& message : sending->sending->take_messages(good))
            all.push_back(std::move(message));
        release();
        std::this_thread::sleep_for(1ms);
    }
    EXPECT_TRUE(good);
    ASSERT_EQ(all.size(), 2u) << "the helper thread feeds the window";
    EXPECT_EQ(all[0], huge);
    EXPECT_EQ(text_of(all[1]), "behind it");
    const auto done = completions(ring, 2);
    EXPECT_EQ(done[0].result, 1'000'000);
    EXPECT_EQ(done[1].result, 9);
}

TEST_F(AsyncTest, AStreamIsTakenWholeToo) {
    auto s = sender(Mode::stream);
    Ring ring(8);
    const auto data = pattern_message(4, 300'000);
    EXPECT_TRUE(ring.send(s, data, 5));
    std::vector<std::byte> got;
    for (int i = 0; i < 4000 && got.size() < data.size(); ++i) {
        const auto some = sending->sending->take_stream();
        got.insert(got.end(), some.begin(), some.end());
        release();
        if (some.empty()) std::this_thread::sleep_for(1ms);
    }
    EXPECT_EQ(got, data);
    EXPECT_EQ(one(ring), (Pair{5, 300'000}));
}

TEST_F(AsyncTest, AReceiveFromTheQueueOfErrorsCompletesAtOnceAsThereIsNone) {
    auto r = receiver();
    Ring ring(8);
    std::string room(100, '.');
    EXPECT_TRUE(ring.receive(r, bytes_of(room), 1, MSG_ERRQUEUE));
    EXPECT_TRUE(ring.receive(r, bytes_of(room), 2));
    EXPECT_EQ(one(ring), (Pair{1, -EAGAIN}));
    arrive("data");
    EXPECT_EQ(one(ring), (Pair{2, 4}));
}

TEST_F(AsyncTest, AReceiveWithLittleRoomTakesPartOfAMessageAndTheNextGoesOn) {
    auto r = receiver();
    Ring ring(8);
    std::string head(4, '.'), rest(100, '.');
    EXPECT_TRUE(ring.receive(r, bytes_of(head), 1));
    EXPECT_TRUE(ring.receive(r, bytes_of(rest), 2));
    arrive("abcdefghij");
    const auto done = completions(ring, 2);
    EXPECT_EQ(done[0].result, 4);
    EXPECT_FALSE(done[0].message_end());
    EXPECT_EQ(done[1].result, 6);
    EXPECT_TRUE(done[1].message_end());
    EXPECT_EQ(head + rest.substr(0, 6), "abcdefghij");
}

TEST_F(AsyncTest, AReceiveWaitsForTheWholeMessageUnlessPartsAreWanted) {
    auto r = receiver();
    Ring ring(8);
    std::string whole(100, '.');
    EXPECT_TRUE(ring.receive(r, bytes_of(whole), 1));
    arrive("half a ", kEntryMessageBegin, 14);
    EXPECT_EQ(ring.wait(1, 30ms), 0);
    arrive("message", kEntryMessageEnd, 14);
    EXPECT_EQ(one(ring), (Pair{1, 14}));
    arrive("half a ", kEntryMessageBegin, 14);
    EXPECT_TRUE(ring.receive(r, bytes_of(whole), 2, FANFARE_MSG_PARTIAL));
    EXPECT_EQ(one(ring), (Pair{2, 7}));
}

TEST_F(AsyncTest, AMessageLongerThanHalfTheWindowIsCollectedAsItComes) {
    auto r = receiver();
    Ring ring(8);
    const auto message = pattern_message(9, 200'000);
    std::vector<std::byte> room(250'000);
    EXPECT_TRUE(ring.receive(r, room, 1));
    for (std::size_t at = 0; at < message.size(); at += 1000) {
        std::uint16_t flags = 0;
        if (at == 0) flags |= kEntryMessageBegin;
        if (at + 1000 == message.size()) flags |= kEntryMessageEnd;
        session.window.add(std::span(message).subspan(at, 1000), flags, 200'000);
        daemon.wake_reader(*reading);
        // The window is 64 KiB: its reader has to follow.
        for (int i = 0; i < 20'000 && reading->page->cursor_ordinal + 32 < session.window.next();
             ++i)
            std::this_thread::sleep_for(100us);
    }
    EXPECT_EQ(one(ring), (Pair{1, 200'000}));
    room.resize(200'000);
    EXPECT_EQ(room, message);
}

TEST_F(AsyncTest, TheEndInGoodOrderIsTheResultOfEveryReceiveBehindTheData) {
    auto r = receiver();
    Ring ring(8);
    std::string room(100, '.');
    for (std::uint64_t i = 1; i <= 3; ++i) EXPECT_TRUE(ring.receive(r, bytes_of(room), i));
    arrive("last");
    end(SessionState::finished);
    const auto done = completions(ring, 3);
    EXPECT_EQ(done[0].result, 4);
    EXPECT_EQ(done[1].error(), ESHUTDOWN);
    EXPECT_EQ(done[2].error(), ESHUTDOWN);
}

TEST_F(AsyncTest, AStreamEndsWithZero) {
    auto r = receiver(Mode::stream);
    Ring ring(8);
    std::string room(100, '.');
    EXPECT_TRUE(ring.receive(r, bytes_of(room), 1));
    arrive("abc");
    EXPECT_EQ(one(ring), (Pair{1, 3}));
    EXPECT_TRUE(ring.receive(r, bytes_of(room), 2, MSG_WAITALL));
    arrive("defg");
    EXPECT_EQ(ring.wait(1, 30ms), 0) << "MSG_WAITALL fills the room";
    end(SessionState::finished);
    EXPECT_EQ(one(ring), (Pair{2, 4})) << "or gives what there is at the end";
    EXPECT_TRUE(ring.receive(r, bytes_of(room), 3));
    EXPECT_EQ(one(ring), (Pair{3, 0}));
}

TEST_F(AsyncTest, AResetCompletesPendingReceivesWithItAndDataBeforeItComesFirst) {
    auto r = receiver();
    Ring ring(8);
    std::string room(100, '.');
    for (std::uint64_t i = 1; i <= 3; ++i) EXPECT_TRUE(ring.receive(r, bytes_of(room), i));
    session.window.add("data");
    end(SessionState::reset, ResetCause::unrecoverable_loss);
    const auto done = completions(ring, 3);
    EXPECT_EQ(done[0].result, 4);
    EXPECT_EQ(done[1].error(), ECONNRESET);
    EXPECT_EQ(done[2].error(), ECONNRESET);
}

TEST_F(AsyncTest, AResetSenderCompletesPendingSendsWithIt) {
    auto s = sender();
    Ring ring(8);
    const std::string large(60'000, 'x');
    EXPECT_TRUE(ring.send(s, view_of(large), 1));
    EXPECT_TRUE(ring.send(s, view_of(large), 2));
    sending->sending->end(ResetCause::interface_gone);
    daemon.wake_writer(*sending);
    FakeDaemon::hang_up(*sending);
    const auto done = completions(ring, 2);
    EXPECT_EQ(done[0].result, 60'000);
    EXPECT_EQ(done[1].error(), ECONNRESET);
}

TEST_F(AsyncTest, ADaemonThatDiesResetsWhatIsPending) {
    auto s = sender();
    auto r = receiver();
    Ring ring(8);
    const std::string large(60'000, 'x');
    std::string room(100, '.');
    EXPECT_TRUE(ring.send(s, view_of(large), 1));
    EXPECT_EQ(one(ring), (Pair{1, 60'000}));
    EXPECT_TRUE(ring.send(s, view_of(large), 2));
    EXPECT_TRUE(ring.receive(r, bytes_of(room), 3));
    daemon.die();
    const auto done = completions(ring, 2);
    EXPECT_EQ(done[0].error(), ECONNRESET);
    EXPECT_EQ(done[1].error(), ECONNRESET);
}

TEST_F(AsyncTest, CloseCancelsWhatIsPendingAndNothingIsLost) {
    auto s = sender();
    auto r = receiver();
    Ring ring(8);
    const std::string large(60'000, 'x');
    std::string room(100, '.');
    EXPECT_TRUE(ring.send(s, view_of(large), 1));
    EXPECT_TRUE(ring.send(s, view_of(large), 2));
    EXPECT_TRUE(ring.receive(r, bytes_of(room), 3));
    EXPECT_TRUE(ring.receive(r, bytes_of(room), 4));
    EXPECT_EQ(one(ring), (Pair{1, 60'000}));
    s.close();
    r.close();
    // They stand there when close returns.
    std::array<Completion, 8> some;
    const auto done = ring.peek(some);
    ASSERT_EQ(done.size(), 3u);
    for (const Completion& c : done) EXPECT_EQ(c.error(), ECANCELED);
    EXPECT_EQ(done[0].user_data, 2u);
    EXPECT_EQ(done[2].user_data, 4u);
    EXPECT_TRUE(sending->close_said);
}

TEST_F(AsyncTest, ADuplicateKeepsTheCallsOfASocketWhoseFirstDescriptorIsClosed) {
    auto r = receiver();
    Ring ring(8);
    std::string room(100, '.');
    const int twin = ::dup(r.fd());
    // The library learns of a duplicate at its first use.
    uint32_t type = 0;
    socklen_t length = sizeof type;
    EXPECT_EQ(fanfare_getsockopt(twin, SOL_SOCKET, SO_TYPE, &type, &length), 0);
    EXPECT_TRUE(ring.receive(r, bytes_of(room), 1));
    r.close();
    arrive("still open");
    EXPECT_EQ(one(ring), (Pair{1, 10}));
    EXPECT_EQ(fanfare_close(twin), 0);
}

TEST_F(AsyncTest, CancelCompletesTheCallsThatItNames) {
    auto r = receiver();
    Ring ring(16), other(16);
    std::string room(100, '.');
    EXPECT_TRUE(ring.receive(r, bytes_of(room), 1));
    EXPECT_TRUE(ring.receive(r, bytes_of(room), 2));
    EXPECT_TRUE(other.receive(r, bytes_of(room), 1));
    EXPECT_TRUE(ring.cancel(1, 77));
    auto done = completions(ring, 2);
    EXPECT_EQ((Pair{done[0].user_data, done[0].result}), (Pair{1, -ECANCELED}));
    EXPECT_EQ((Pair{done[1].user_data, done[1].result}), (Pair{77, 1}));
    EXPECT_TRUE(ring.cancel(1, 78));
    EXPECT_EQ(one(ring), (Pair{78, -ENOENT})) << "another ring's call is not this one's";
    arrive("a");
    EXPECT_EQ(one(ring), (Pair{2, 1})) << "what stood behind it moved up";
    arrive("b");
    EXPECT_EQ(one(other), (Pair{1, 1}));
}

TEST_F(AsyncTest, ASendThatHasBegunIsNotCancelled) {
    auto s = sender();
    Ring ring(8);
    const auto huge = pattern_message(3, 100'000);
    EXPECT_TRUE(ring.send(s, huge, 5));
    EXPECT_TRUE(ring.cancel(5, 6));
    EXPECT_EQ(one(ring), (Pair{6, -EALREADY}));
    std::vector<std::vector<std::byte>> all;
    bool good = true;
    for (int i = 0; i < 4000 && all.empty(); ++i) {
        all = sending->sending->take_messages(good);
        release();
        std::this_thread::sleep_for(1ms);
    }
    EXPECT_EQ(one(ring), (Pair{5, 100'000}));
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0], huge);
}

TEST_F(AsyncTest, ACancelledReceiveGivesWhatItHasTaken) {
    auto r = receiver(Mode::stream);
    Ring ring(8);
    std::string room(10, '.');
    arrive("abc");
    EXPECT_TRUE(ring.receive(r, bytes_of(room), 1, MSG_WAITALL));
    EXPECT_TRUE(ring.cancel(1, 2));
    const auto done = completions(ring, 2);
    EXPECT_EQ((Pair{done[0].user_data, done[0].result}), (Pair{1, 3})) << "no octet is lost";
    EXPECT_EQ(room.substr(0, 3), "abc");
    EXPECT_EQ((Pair{done[1].user_data, done[1].result}), (Pair{2, 1}));
}

TEST_F(AsyncTest, AReceiveThatCloseCutsGivesWhatItHasTaken) {
    auto r = receiver(Mode::stream);
    Ring ring(8);
    std::string room(10, '.'), more(10, '.');
    arrive("abc");
    EXPECT_TRUE(ring.receive(r, bytes_of(room), 1, MSG_WAITALL));
    EXPECT_TRUE(ring.receive(r, bytes_of(more), 2, MSG_WAITALL));
    r.close();
    const auto done = completions(ring, 2);
    EXPECT_EQ((Pair{done[0].user_data, done[0].result}), (Pair{1, 3})) << "no octet is lost";
    EXPECT_EQ(room.substr(0, 3), "abc");
    EXPECT_EQ((Pair{done[1].user_data, done[1].result}), (Pair{2, -ECANCELED}));
}

TEST_F(AsyncTest, ErrorsOfACallAreItsCompletions) {
    auto s = sender();
    auto r = receiver();
    fanfare::Sender unconnected(Mode::message);
    Ring ring(16);
    std::string room(10, '.');
    const auto error_of = [&](bool taken) {
        EXPECT_TRUE(taken);
        return -one(ring).second;
    };
    EXPECT_EQ(error_of(ring.receive(s, bytes_of(room), 1)), EOPNOTSUPP);
    EXPECT_EQ(error_of(ring.send(r, bytes_of(room), 1)), EOPNOTSUPP);
    EXPECT_EQ(error_of(ring.send(unconnected, bytes_of(room), 1)), ENOTCONN);
    EXPECT_EQ(error_of(ring.send(s, bytes_of(room), 1, MSG_OOB)), EOPNOTSUPP);
    EXPECT_EQ(error_of(ring.receive(r, bytes_of(room), 1, MSG_WAITALL)), EOPNOTSUPP);
    EXPECT_EQ(error_of(ring.receive(r, bytes_of(room), 1, MSG_DONTWAIT)), EAGAIN);
    Submission wish{};
    wish.operation = 99;
    wish.fd = s.fd();
    EXPECT_EQ(error_of(ring.submit(std::span(&wish, 1)) == 1), EINVAL);
    wish.operation = FANFARE_OP_SEND;
    wish.fd = -1;
    EXPECT_EQ(error_of(ring.submit(std::span(&wish, 1)) == 1), EBADF);
    wish.fd = s.fd();
    wish.parts_count = 1;
    EXPECT_EQ(error_of(ring.submit(std::span(&wish, 1)) == 1), EFAULT);
    iovec part{room.data(), 10};
    wish.parts = &part;
    sockaddr_in elsewhere = address("239.1.1.2", 7500);
    wish.address = &elsewhere;
    EXPECT_EQ(error_of(ring.submit(std::span(&wish, 1)) == 1), EISCONN);
}

TEST_F(AsyncTest, AReceiveTellsWhomItIsFrom) {
    auto r = receiver();
    Ring ring(4);
    std::string room(10, '.');
    const iovec part{room.data(), room.size()};
    sockaddr_in from{};
    Submission wish{};
    wish.operation = FANFARE_OP_RECEIVE;
    wish.fd = r.fd();
    wish.parts = &part;
    wish.parts_count = 1;
    wish.address = &from;
    EXPECT_EQ(ring.submit(std::span(&wish, 1)), 1u);
    arrive("x");
    EXPECT_EQ(one(ring).second, 1);
    EXPECT_EQ(from.sin_addr.s_addr, address("10.0.0.7", 0).sin_addr.s_addr);
    EXPECT_EQ(ntohs(from.sin_port), 4660);
}

TEST_F(AsyncTest, ShutdownTakesItsTurnBehindTheSends) {
    auto s = sender();
    Ring ring(8);
    const std::string large(60'000, 'x');
    EXPECT_TRUE(ring.send(s, view_of(large), 1));
    EXPECT_TRUE(ring.send(s, view_of(large), 2));
    EXPECT_TRUE(ring.finish(s, 3));
    EXPECT_TRUE(ring.send(s, view_of(large), 4));
    EXPECT_EQ(one(ring), (Pair{1, 60'000}));
    EXPECT_FALSE(sending->finished);
    EXPECT_EQ(taken().size(), 1u);
    release();
    const auto done = completions(ring, 3);
    EXPECT_EQ(done[0].result, 60'000);
    EXPECT_EQ(done[1].result, 0);
    EXPECT_EQ(done[2].error(), EPIPE);
    EXPECT_TRUE(sending->finished);
}

TEST_F(AsyncTest, AShutdownCallEndsPendingSends) {
    auto s = sender();
    Ring ring(8);
    const std::string large(60'000, 'x');
    EXPECT_TRUE(ring.send(s, view_of(large), 1));
    EXPECT_TRUE(ring.send(s, view_of(large), 2));
    s.finish();
    const auto done = completions(ring, 2);
    EXPECT_EQ(done[0].result, 60'000);
    EXPECT_EQ(done[1].error(), EPIPE);
}

TEST_F(AsyncTest, SocketsDoNotWaitForEachOther) {
    auto first = sender();
    auto* const blocked = sending;
    auto second = sender();
    Ring ring(8);
    const std::string large(60'000, 'x'), free = "free";
    EXPECT_TRUE(ring.send(first, view_of(large), 1));
    EXPECT_TRUE(ring.send(first, view_of(large), 2));
    EXPECT_TRUE(ring.send(second, view_of(free), 3));
    const auto done = completions(ring, 2);
    EXPECT_EQ(done[0].user_data, 1u);
    EXPECT_EQ(done[1].user_data, 3u);
    EXPECT_NE(blocked, sending);
}

}  // namespace
}  // namespace fanfare::client

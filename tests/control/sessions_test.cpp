// Sessions from both sides: offers to listeners, readers that fall behind, ends in good order and
// without, memory that is charged until its window has passed (DESIGN sections 4 and 6; wsrm.md 4.4
// to 4.6).
#include <sys/socket.h>

#include "tests/control/control_fixture.hpp"

namespace fanfare::control {
namespace {

class Sessions : public ControlTest {
  protected:
    int endpoint(std::uint64_t id) { return registry().socket(id)->endpoint; }
    std::uint64_t accepted(std::uint64_t listener) {
        const auto answer = accept(listener);
        EXPECT_EQ(answer.error, 0) << answer.detail;
        return answer.error == 0 ? answer.as<ipc::AcceptReply>().socket_id : 0;
    }
};

// --- receiving
TEST_F(Sessions, Check74_80_81_each_sender_is_one_accept_with_its_own_addresses) {
    const auto l = listener();
    open_session(11);
    open_session(12);
    EXPECT_EQ(services.octets_sent[endpoint(l)], 2) << "one octet for each session that waits";
    const auto first = accept(l), second = accept(l);
    ASSERT_EQ(first.descriptors.size(), 3u);
    EXPECT_EQ(first.as<ipc::AcceptReply>().source_port, 11);
    EXPECT_EQ(second.as<ipc::AcceptReply>().source_port, 12);
    EXPECT_EQ(first.as<ipc::AcceptReply>().source, Address{0x0A000002});
    EXPECT_EQ(first.as<ipc::AcceptReply>().group, kGroup);
    EXPECT_EQ(accept(l).error, EAGAIN);
}

TEST_F(Sessions, accept_attaches_the_reader_and_marks_its_endpoint_readable) {
    const auto l = listener();
    const auto session = open_session(11);
    commands();
    const auto reader = accepted(l);
    const auto attach = command(Command::Kind::attach_reader);
    ASSERT_TRUE(attach);
    EXPECT_EQ(attach->id, session);
    EXPECT_EQ(attach->socket_id, reader);
    EXPECT_EQ(attach->endpoint, endpoint(reader));
    EXPECT_EQ(services.octets_sent[endpoint(reader)], 1);
}

TEST_F(Sessions, who_listened_at_the_opening_starts_at_the_sessions_start) {
    const auto l = listener();
    const auto session = open_session(11, (1ull << 32) | 100);
    registry().reception(session)->memory.header->lead.store((1ull << 32) | 120);
    const auto reply = accept(l).as<ipc::AcceptReply>();
    EXPECT_EQ(reply.start_ordinal, (1ull << 32) | 100);
    EXPECT_EQ(reply.joined_late, 0u);
}

TEST_F(Sessions, who_listens_later_starts_at_the_lead_of_that_moment) {
    const auto first = listener(8, true);
    const auto session = open_session(11, (1ull << 32) | 100);
    accepted(first);
    auto& lead = registry().reception(session)->memory.header->lead;
    lead.store((1ull << 32) | 120);
    const auto second = listener(8, true);
    lead.store((1ull << 32) | 130);
    const auto reply = accept(second).as<ipc::AcceptReply>();
    EXPECT_EQ(reply.start_ordinal, (1ull << 32) | 120);
    EXPECT_EQ(reply.joined_late, 1u);
    EXPECT_EQ(registry().reception(session)->readers.size(), 2u);
}

TEST_F(Sessions, a_receive_window_is_charged_to_its_first_readers_user) {
    const auto l = listener();
    const auto session = open_session(11);
    EXPECT_EQ(registry().budget.used_by(peer.uid), 0u);
    const auto r = accepted(l);
    EXPECT_EQ(registry().budget.used_by(peer.uid), registry().reception(session)->charged_bytes);
    controller->endpoint_closed(r, now);
    say(event(Event::Kind::receive_closed, session));
    EXPECT_EQ(registry().budget.used_by(peer.uid), 0u);
}

TEST_F(Sessions, filters_of_interface_source_and_encapsulation_choose_the_listeners) {
    const auto any = listener(8, true);
    const auto picky = socket();
    ASSERT_EQ(set(picky, SO_REUSEADDR, 1, SOL_SOCKET), 0);
    ASSERT_EQ(set(picky, ipc::kOptionSource, 0x0A000063u), 0);
    ASSERT_EQ(bind(picky, kGroup), 0);
    ASSERT_EQ(listen(picky), 0);
    const auto encapsulated = socket();
    ASSERT_EQ(set(encapsulated, SO_REUSEADDR, 1, SOL_SOCKET), 0);
    ASSERT_EQ(set(encapsulated, ipc::kOptionUdpPort, 3055u), 0);
    ASSERT_EQ(bind(encapsulated, kGroup), 0);
    ASSERT_EQ(listen(encapsulated), 0);
    open_session(11);
    EXPECT_EQ(accept(any).error, 0);
    EXPECT_EQ(accept(picky).error, EAGAIN);
    EXPECT_EQ(accept(encapsulated).error, EAGAIN);
    open_session(12, (1ull << 32) | 1, 0, Address{0x0A000063});
    EXPECT_EQ(accept(picky).error, 0);
}

TEST_F(Sessions, Check89_more_senders_than_backlog_come_in_later) {
    settings.spares_per_worker = 4;
    start();
    const auto l = listener(1);
    pass_time(1);
    open_session(11);
    pass_time(1);
    open_session(12);
    pass_time(1);
    open_session(13);
    EXPECT_EQ(registry().socket(l)->pending.size(), 1u);
    std::set<int> ports;
    for (int i = 0; i < 3; ++i) ports.insert(accept(l).as<ipc::AcceptReply>().source_port);
    EXPECT_EQ(ports, (std::set<int>{11, 12, 13}));
    EXPECT_EQ(accept(l).error, EAGAIN);
}

TEST_F(Sessions, a_session_that_nobody_wants_is_closed_at_once) {
    const auto l = listener();
    controller->endpoint_closed(l, now);
    commands();
    const auto session = open_session(11);
    const auto close = command(Command::Kind::close_receive);
    ASSERT_TRUE(close);
    EXPECT_EQ(close->id, session);
    const auto charged = registry().budget.used();
    say(event(Event::Kind::receive_closed, session));
    EXPECT_LT(registry().budget.used(), charged);
    EXPECT_EQ(registry().reception(session), nullptr);
}

TEST_F(Sessions, Check87_closing_the_listener_leaves_accepted_sessions_alive) {
    const auto l = listener();
    const auto session = open_session(11);
    const auto r = accepted(l);
    controller->endpoint_closed(l, now);
    EXPECT_EQ(registry().socket(l), nullptr);
    EXPECT_FALSE(command(Command::Kind::close_receive));
    controller->endpoint_closed(r, now);
    const auto posted = commands();
    ASSERT_EQ(posted.size(), 2u);
    EXPECT_EQ(posted[0].kind, Command::Kind::detach_reader);
    EXPECT_EQ(posted[1].kind, Command::Kind::close_receive);
    EXPECT_NE(registry().socket(r), nullptr)
        << "page and endpoint are the worker's until it says so";
    const int theirs = endpoint(r);
    say(event(Event::Kind::reader_detached, session, r));
    EXPECT_EQ(registry().socket(r), nullptr);
    EXPECT_EQ(services.open_descriptors.count(theirs), 0u);
    say(event(Event::Kind::receive_closed, session));
    for (const auto& [id, reception] : registry().receptions)
        EXPECT_EQ(reception.state, Reception::State::spare);
}

TEST_F(Sessions, one_of_two_readers_dies_and_the_other_reads_on) {
    const auto a = listener(8, true), b = listener(8, true);
    const auto session = open_session(11);
    const auto first = accepted(a), second = accepted(b);
    controller->endpoint_closed(a, now);
    controller->endpoint_closed(b, now);
    commands();
    controller->endpoint_closed(first, now);
    EXPECT_FALSE(command(Command::Kind::close_receive));
    EXPECT_EQ(registry().reception(session)->readers, std::vector<std::uint64_t>{second});
}

TEST_F(Sessions, Check126_a_reset_session_may_open_again_once_its_readers_have_gone) {
    const auto l = listener();
    const auto broken = open_session(11);
    const auto r = accepted(l);
    auto ended = event(Event::Kind::session_ended, broken);
    ended.state = SessionState::reset;
    ended.cause = ResetCause::sender_silent;
    say(ended);
    controller->endpoint_closed(r, now);
    EXPECT_TRUE(command(Command::Kind::close_receive))
        << "an ended session stays for its readers only";
    say(event(Event::Kind::receive_closed, broken));
    open_session(11);
    EXPECT_EQ(accept(l).error, 0);
}

TEST_F(Sessions, a_reader_that_was_overtaken_is_marked_and_hung_up_and_nobody_else) {
    const auto a = listener(8, true), b = listener(8, true);
    const std::uint64_t start = (1ull << 32) | 100;
    const auto session = open_session(11, start);
    const auto slow = accepted(a), quick = accepted(b);
    auto& memory = registry().reception(session)->memory;
    const std::uint64_t lead = start + 3 * memory.index_entries;
    memory.header->lead.store(lead);
    memory.header->reserved_ordinal.store(lead + 10);
    registry().socket(slow)->page.page->cursor_ordinal.store(start + 5);
    registry().socket(quick)->page.page->cursor_ordinal.store(lead);
    pass_time(kTickInterval);
    EXPECT_EQ(registry().socket(slow)->page.page->overtaken.load(), 1u);
    EXPECT_EQ(services.hung_up, std::set<int>{endpoint(slow)});
    EXPECT_EQ(registry().counters.readers_overtaken, 1u);
}

TEST_F(Sessions, a_reader_whose_octets_were_overwritten_is_overtaken_though_its_entry_stands) {
    const auto l = listener();
    const std::uint64_t start = (1ull << 32) | 100;
    const auto session = open_session(11, start);
    const auto r = accepted(l);
    auto& memory = registry().reception(session)->memory;
    memory.index[start & (memory.index_entries - 1)] = {100, 4096, 1000, kEntryData, 1000};
    memory.header->lead.store(start + 20);
    memory.header->reserved_ordinal.store(start + 20);
    registry().socket(r)->page.page->cursor_ordinal.store(start);
    memory.header->reserved_log.store(4096 + memory.log_bytes);
    pass_time(kTickInterval);
    EXPECT_TRUE(services.hung_up.empty()) << "the last octet that is still its own";
    memory.header->reserved_log.store(4096 + memory.log_bytes + 1);
    pass_time(kTickInterval);
    EXPECT_EQ(services.hung_up.size(), 1u);
}

TEST_F(Sessions, a_pending_session_that_was_overwritten_is_ECONNABORTED_once) {
    const auto l = listener();
    const std::uint64_t start = (1ull << 32) | 100;
    auto& header = *registry().reception(open_session(11, start))->memory.header;
    header.lead.store(start + 100'000);
    header.reserved_ordinal.store(start + 100'000);
    EXPECT_EQ(accept(l).error, ECONNABORTED);
    EXPECT_EQ(accept(l).error, EAGAIN);
}

TEST_F(Sessions, a_reader_that_sleeps_before_unread_entries_is_woken_by_the_sweep) {
    const auto l = listener();
    const std::uint64_t start = (1ull << 32) | 100;
    const auto session = open_session(11, start);
    const auto r = accepted(l);
    auto& page = *registry().socket(r)->page.page;
    page.cursor_ordinal.store(start);
    page.receive_sleeping.store(1);
    const int before = services.octets_sent[endpoint(r)];
    pass_time(kTickInterval);
    EXPECT_EQ(services.octets_sent[endpoint(r)], before) << "nothing unread";
    registry().reception(session)->memory.header->lead.store(start + 1);
    pass_time(kTickInterval);
    EXPECT_EQ(services.octets_sent[endpoint(r)], before + 1);
    EXPECT_EQ(page.receive_sleeping.load(), 0u);
    pass_time(kTickInterval);
    EXPECT_EQ(services.octets_sent[endpoint(r)], before + 1) << "awake: not again";
}

TEST_F(Sessions, the_sweep_wakes_a_sleeping_reader_for_the_end_and_leaves_a_reset_to_the_hang_up) {
    const auto l = listener();
    const auto session = open_session(11);
    const auto r = accepted(l);
    auto& page = *registry().socket(r)->page.page;
    auto& state = registry().reception(session)->memory.header->state;
    const int before = services.octets_sent[endpoint(r)];
    for (const auto how : {SessionState::reset, SessionState::finished}) {
        page.receive_sleeping.store(1);
        state.store(static_cast<std::uint32_t>(how));
        pass_time(kTickInterval);
        EXPECT_EQ(services.octets_sent[endpoint(r)],
                  before + (how == SessionState::finished ? 1 : 0));
    }
}

TEST_F(Sessions, spares_are_made_with_the_first_listener_and_made_up_as_they_are_used) {
    EXPECT_EQ(registry().spares_of(0), 0u);
    listener();
    while (controller->poll(now)) {
    }
    EXPECT_EQ(registry().spares_of(0), 2u);
    open_session(11);
    while (controller->poll(now)) {
    }
    EXPECT_EQ(registry().spares_of(0), 2u);
}

// wsrm.md 3.3
TEST_F(Sessions, a_listener_on_a_high_speed_intranet_gives_new_windows_a_lans_timers) {
    settings.receiver_profile = engine::ProfileName::windows;
    settings.defaults.receiver = engine::profile(engine::ProfileName::windows).receiver;
    start();
    const auto lan = engine::profile(engine::ProfileName::lan).receiver;
    listener(8, true);
    EXPECT_EQ(services.receivers_made.back().parameters.nak_repeat_ns, kSecond);
    commands();
    const auto fast = socket();
    ASSERT_EQ(set(fast, kRmHighSpeedIntranetOpt, std::uint32_t{1}), 0);
    ASSERT_EQ(set(fast, SO_REUSEADDR, 1, SOL_SOCKET), 0);
    ASSERT_EQ(bind(fast, kGroup), 0);
    ASSERT_EQ(listen(fast), 0);
    EXPECT_TRUE(command(Command::Kind::reclaim_spares));
    const auto& parameters = services.receivers_made.back().parameters;
    EXPECT_EQ(parameters.nak_backoff_max_ns, lan.nak_backoff_max_ns);
    EXPECT_EQ(parameters.nak_repeat_ns, lan.nak_repeat_ns);
    EXPECT_EQ(parameters.nak_rdata_ns, lan.nak_rdata_ns);
    EXPECT_TRUE(parameters.adapt_to_round_trip);
    EXPECT_FALSE(parameters.nak_lists) << "what senders may not understand stays off";
    EXPECT_EQ(parameters.ttl, 255);
    controller->endpoint_closed(fast, now);
    EXPECT_TRUE(command(Command::Kind::reclaim_spares)) << "and back";
}

TEST_F(Sessions, where_all_have_a_lans_timers_the_option_leaves_them_as_they_were_set) {
    settings.defaults.receiver.nak_backoff_max_ns = 7 * kMillisecond;
    start();
    const auto fast = socket();
    ASSERT_EQ(set(fast, kRmHighSpeedIntranetOpt, std::uint32_t{1}), 0);
    ASSERT_EQ(bind(fast, kGroup), 0);
    ASSERT_EQ(listen(fast), 0);
    EXPECT_EQ(services.receivers_made.back().parameters.nak_backoff_max_ns, 7 * kMillisecond);
    EXPECT_FALSE(command(Command::Kind::reclaim_spares));
}

TEST_F(Sessions, a_listener_with_a_larger_window_changes_the_pool_and_back) {
    listener(8, true);
    while (controller->poll(now)) {
    }
    commands();
    const auto big = socket();
    ASSERT_EQ(set(big, ipc::kOptionReceiveWindow, std::uint64_t{100'000}), 0);
    ASSERT_EQ(set(big, SO_REUSEADDR, 1, SOL_SOCKET), 0);
    ASSERT_EQ(bind(big, kGroup), 0);
    ASSERT_EQ(listen(big), 0);
    EXPECT_TRUE(command(Command::Kind::reclaim_spares));
    EXPECT_EQ(registry().receive_log_bytes, 128u * 1024);
    std::vector<std::uint64_t> old;
    for (const auto& [id, r] : registry().receptions)
        if (r.memory.log_bytes == 64 * 1024) old.push_back(id);
    EXPECT_EQ(old.size(), 2u);
    for (const auto id : old) say(event(Event::Kind::spare_returned, id));
    while (controller->poll(now)) {
    }
    EXPECT_EQ(registry().spares_of(0), 2u);
    EXPECT_EQ(registry().receptions.size(), 2u);
    controller->endpoint_closed(big, now);
    EXPECT_EQ(registry().receive_log_bytes, 64u * 1024);
}

// --- sending
TEST_F(Sessions, Check127_to_130_shutdown_finishes_and_memory_is_held_until_the_window_has_passed) {
    const auto id = sender();
    const auto session = send_session(id).id;
    const auto charged = registry().budget.used_by(peer.uid);
    EXPECT_GT(charged, 32u << 20);
    commands();
    ASSERT_EQ(shutdown(id, SHUT_WR), 0);
    ASSERT_EQ(shutdown(id, SHUT_RDWR), 0);
    EXPECT_EQ(command(Command::Kind::finish_source)->id, session) << "once";
    controller->endpoint_closed(id, now);
    EXPECT_EQ(command(Command::Kind::detach_sender)->socket_id, id);
    say(event(Event::Kind::sender_detached, session, id));
    EXPECT_EQ(registry().socket(id), nullptr);
    pass_time(3600 * kSecond);
    EXPECT_EQ(registry().budget.used_by(peer.uid), charged)
        << "the process has gone, its window has not";
    EXPECT_TRUE(commands().empty());
    ASSERT_EQ(services.objects.size(), 1u);
    say(event(Event::Kind::source_done, session));
    EXPECT_EQ(registry().budget.used_by(peer.uid), 0u);
    EXPECT_TRUE(registry().send_sessions.empty());
    EXPECT_TRUE(services.objects.empty());
    EXPECT_TRUE(services.regions.empty());
}

TEST_F(Sessions, what_a_worker_gives_back_is_known_by_its_object) {
    const auto a = sender(), b = sender();
    auto done = event(Event::Kind::source_done, send_session(b).id);
    done.id = 0;
    say(done);
    EXPECT_NE(send_session(a).object, nullptr);
    EXPECT_EQ(send_session(b).object, nullptr);
    EXPECT_EQ(send_session(b).memory.header, nullptr);
    listener();
    const auto first = open_session(11), second = open_session(12);
    auto closed = event(Event::Kind::receive_closed, second);
    closed.id = first;  // a spare's number may have been given twice
    say(closed);
    EXPECT_NE(registry().reception(first), nullptr);
    EXPECT_EQ(registry().reception(second), nullptr);
}

TEST_F(Sessions, a_sender_that_vanishes_is_reset_not_finished) {
    const auto id = sender();
    commands();
    controller->endpoint_closed(id, now);
    const auto posted = commands();
    ASSERT_EQ(posted.size(), 2u);
    EXPECT_EQ(posted[0].kind, Command::Kind::abort_source);
    EXPECT_EQ(posted[0].cause, ResetCause::sender_vanished);
    EXPECT_EQ(posted[1].kind, Command::Kind::detach_sender);
    EXPECT_EQ(registry().counters.clients_vanished, 1u);
}

TEST_F(Sessions, close_without_shutdown_finishes_and_lingers_a_second_after_all_is_sent) {
    sender();  // one that goes on
    const auto id = sender();
    auto& session = send_session(id);
    session.memory.header->tail.store(1000);
    commands();
    ASSERT_EQ(close(id), 0);
    EXPECT_TRUE(commands().empty()) << "another process may hold the descriptor too";
    controller->endpoint_closed(id, now);
    EXPECT_EQ(command(Command::Kind::finish_source)->id, session.id);
    pass_time(10 * kSecond);
    EXPECT_TRUE(commands().empty()) << "its data has not left yet";
    session.memory.header->sent.store(1000);
    pass_time(kTickInterval);
    pass_time(kTickInterval);
    EXPECT_TRUE(commands().empty());
    pass_time(settings.close_linger_ns);
    EXPECT_EQ(command(Command::Kind::drop_source)->id, session.id);
}

TEST_F(Sessions, a_close_that_was_said_long_ago_was_another_holders) {
    const auto id = sender();
    ASSERT_EQ(close(id), 0);
    commands();
    pass_time(2 * kSecond);
    controller->endpoint_closed(id, now);
    EXPECT_TRUE(command(Command::Kind::abort_source));
}

TEST_F(Sessions, Check133_linger_zero_aborts) {
    const auto id = sender();
    commands();
    ASSERT_EQ(close(id, true, 0), 0);
    controller->endpoint_closed(id, now);
    EXPECT_EQ(command(Command::Kind::abort_source)->cause, ResetCause::sender_reset);
}

TEST_F(Sessions, without_reported_hang_ups_close_ends_a_socket_at_once) {
    services.hang_ups_reported = false;
    const auto id = sender();
    commands();
    ASSERT_EQ(close(id), 0);
    EXPECT_TRUE(command(Command::Kind::finish_source));
}

TEST_F(Sessions, the_worker_letting_go_of_a_session_lets_go_of_its_socket) {
    const auto id = sender();
    const auto session = send_session(id).id;
    controller->endpoint_closed(id, now);
    say(event(Event::Kind::source_done, session));
    EXPECT_EQ(registry().socket(id), nullptr)
        << "no sender_detached comes for a session that has gone";
    say(event(Event::Kind::sender_detached, session, id));
}

TEST_F(Sessions, a_sender_that_sleeps_before_room_is_drained_by_the_sweep) {
    const auto id = sender();
    registry().socket(id)->page.page->send_sleeping.store(1);
    auto& header = *send_session(id).memory.header;
    header.tail.store(header.limit.load());
    pass_time(kTickInterval);
    EXPECT_EQ(services.drained[endpoint(id)], 0);
    header.limit.store(header.limit.load() + 100);
    pass_time(kTickInterval);
    EXPECT_EQ(services.drained[endpoint(id)], 1);
}

TEST_F(Sessions, memory_is_charged_per_user_and_full_is_ENOBUFS_for_that_user_alone) {
    int opened = 0;
    std::vector<std::uint64_t> ids;
    for (;; ++opened) {
        ids.push_back(socket());
        const auto answer = address_call(ipc::RequestType::connect, ids.back(), kGroup, kPort);
        if (answer.error != 0) {
            EXPECT_EQ(answer.error, ENOBUFS);
            EXPECT_NE(answer.detail.find("memory.per_user_mib"), std::string::npos)
                << answer.detail;
            break;
        }
        ASSERT_LT(opened, 100);
    }
    EXPECT_EQ(opened, 7) << "32 MiB and a page each, of 256 MiB";
    const Peer first = peer;
    peer.uid = 1001;
    EXPECT_EQ(connect(socket()), 0);
    peer = first;
    say(event(Event::Kind::source_done, send_session(ids[0]).id));
    EXPECT_EQ(connect(ids.back()), 0) << "a window that has passed makes room";
}

TEST_F(Sessions, a_connect_that_fails_for_memory_holds_nothing) {
    const auto id = socket();
    const auto held = services.open_descriptors.size();
    services.fail_next_memory = ENOMEM;
    EXPECT_EQ(connect(id), ENOBUFS);
    services.fail_objects = true;
    EXPECT_EQ(connect(id), ENOBUFS);
    services.fail_objects = false;
    EXPECT_EQ(services.open_descriptors.size(), held);
    EXPECT_EQ(registry().budget.used(), 0u);
    EXPECT_EQ(connect(id), 0);
}

TEST_F(Sessions, stopping_resets_what_still_sends_and_then_stops_the_workers) {
    const auto id = sender();
    commands();
    controller->stop(now);
    const auto abort = command(Command::Kind::abort_source);
    ASSERT_TRUE(abort);
    EXPECT_EQ(abort->id, send_session(id).id);
    EXPECT_EQ(abort->cause, ResetCause::daemon_gone);
    pass_time(Controller::kStopGrace);
    EXPECT_TRUE(command(Command::Kind::stop));
    EXPECT_FALSE(controller->stopped());
    say(Event{Event::Kind::stopped});
    EXPECT_TRUE(controller->stopped());
}

TEST_F(Sessions, everything_is_given_back_at_the_end) {
    const auto s = sender();
    const auto l = listener();
    open_session(11);
    const auto r = accepted(l);
    for (const auto id : {s, r, l}) controller->endpoint_closed(id, now);
    controller.reset();
    EXPECT_TRUE(services.objects.empty());
    EXPECT_TRUE(services.regions.empty());
    EXPECT_TRUE(services.open_descriptors.empty());
}

TEST_F(Sessions, commands_wait_for_room_in_a_full_ring_and_keep_their_order) {
    const auto capacity = links[0]->commands.capacity();
    const auto l = listener();
    for (std::size_t i = 0; i < capacity; ++i) {
        set(l, kRmAddReceiveIf, 0x0100010Au);  // 10.1.0.1
        set(l, kRmDelReceiveIf, 0x0100010Au);
    }
    std::vector<Command> all;
    for (int round = 0; round < 10; ++round) {
        for (const auto& c : commands()) all.push_back(c);
        controller->poll(now);
    }
    std::vector<std::uint64_t> ids;
    for (const auto& c : all)
        if (c.kind == Command::Kind::add_listen) ids.push_back(c.id);
    EXPECT_EQ(ids.size(), capacity + 1);
    EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
}

class TwoWorkers : public ControlTest {
  protected:
    TwoWorkers() : ControlTest(2) {}
};
TEST_F(TwoWorkers, listens_go_to_all_and_a_source_to_its_owner) {
    listener();
    for (std::uint32_t w = 0; w < 2; ++w) {
        const auto posted = commands(w);
        EXPECT_TRUE(std::any_of(posted.begin(), posted.end(),
                                [](const auto& c) { return c.kind == Command::Kind::add_listen; }));
        EXPECT_TRUE(std::any_of(posted.begin(), posted.end(),
                                [](const auto& c) { return c.kind == Command::Kind::add_spare; }));
    }
    const auto id = sender();
    const auto& session = send_session(id);
    EXPECT_EQ(session.worker, dataplane::owner_of(session.tsi, 2));
    EXPECT_TRUE(command(Command::Kind::open_source, session.worker));
    EXPECT_FALSE(command(Command::Kind::open_source, 1 - session.worker));
}

TEST_F(TwoWorkers, cards_hear_of_every_session_from_its_opening_until_its_worker_let_go) {
    const auto l = listener();
    EXPECT_TRUE(services.steered.empty()) << "a spare window is no session yet";
    const auto received = open_session(11);
    ASSERT_EQ(services.steered.count(received), 1u);
    const auto& in = services.steered[received];
    EXPECT_FALSE(in.sends);
    EXPECT_EQ(in.tsi, (Tsi{Gsi{{9, 9, 9, 9, 9, 9}}, 11}));
    EXPECT_EQ(in.worker, registry().reception(received)->worker);
    EXPECT_EQ(in.group, kGroup);
    EXPECT_EQ(in.source, Address{0x0A000002});
    const auto id = sender();
    const auto sent = send_session(id).id;
    const auto worker = send_session(id).worker;
    ASSERT_EQ(services.steered.count(sent), 1u);
    EXPECT_TRUE(services.steered[sent].sends);
    EXPECT_EQ(services.steered[sent].source, kFeed) << "where NAKs go to";
    EXPECT_EQ(services.steered[sent].worker, worker);
    controller->endpoint_closed(id, now);
    controller->endpoint_closed(l, now);
    EXPECT_EQ(services.steered.size(), 2u) << "repairs are still asked for";
    say(event(Event::Kind::source_done, sent), worker);
    EXPECT_EQ(services.steered.count(sent), 0u);
    say(event(Event::Kind::receive_closed, received));
    EXPECT_TRUE(services.steered.empty());
    EXPECT_EQ(services.steered_twice, 0);
}

}  // namespace
}  // namespace fanfare::control

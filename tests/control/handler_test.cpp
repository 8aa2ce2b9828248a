// Requests and their answers, states and errors (wsrm.md section 4), without a socket.
#include "control/handler.hpp"

#include <sys/socket.h>

#include "tests/control/control_fixture.hpp"

namespace fanfare::control {
namespace {

class Handler : public ControlTest {};

TEST_F(Handler, hello_tells_workers_interfaces_and_version) {
    const auto reply = call(ipc::HelloRequest{}, ipc::RequestType::hello).as<ipc::HelloReply>();
    EXPECT_EQ(reply.workers, 1u);
    EXPECT_EQ(reply.interfaces, 2u);
    EXPECT_STREQ(reply.version_text, "test");
}

TEST_F(Handler, a_socket_comes_with_endpoint_page_worker_page_and_doorbell) {
    const auto answer = call(ipc::SocketRequest{}, ipc::RequestType::socket);
    ASSERT_EQ(answer.descriptors.size(), 4u);
    EXPECT_TRUE(answer.descriptors[0].close_after) << "the client's end is the client's alone";
    EXPECT_FALSE(answer.descriptors[1].close_after);
    EXPECT_EQ(answer.descriptors[2].descriptor, 100);
    EXPECT_EQ(answer.descriptors[3].descriptor, 200);
    const auto id = answer.as<ipc::SocketReply>().socket_id;
    EXPECT_EQ(services.watched.count(id), 1u);
    EXPECT_EQ(registry().socket(id)->pid, peer.pid);
    EXPECT_EQ(registry().socket(id)->uid, peer.uid);
}

TEST_F(Handler, a_socket_whose_end_can_not_be_watched_is_refused_with_the_sysctl_that_helps) {
    const auto regions = services.regions.size();
    services.fail_endpoints = ENOSPC;
    const auto answer = call(ipc::SocketRequest{}, ipc::RequestType::socket);
    EXPECT_EQ(answer.error, ENOSPC);
    EXPECT_NE(answer.detail.find("fs.epoll.max_user_watches"), std::string::npos) << answer.detail;
    EXPECT_EQ(services.regions.size(), regions) << "its page is let go";
}

TEST_F(Handler, a_request_of_another_version_size_or_type_is_EPROTO_and_counted) {
    ipc::HelloRequest request{};
    request.header.type = ipc::RequestType::hello;
    request.header.version = 2;
    EXPECT_EQ(send(std::as_bytes(std::span(&request, 1))).error, EPROTO);
    request.header.version = ipc::kProtocolVersion;
    EXPECT_EQ(send(std::as_bytes(std::span(&request, 1)).first(23)).error, EPROTO);
    request.header.type = static_cast<ipc::RequestType>(99);
    EXPECT_EQ(send(std::as_bytes(std::span(&request, 1))).error, EPROTO);
    request.header.type = ipc::RequestType::bind;
    EXPECT_EQ(send(std::as_bytes(std::span(&request, 1))).error, EPROTO);
    EXPECT_EQ(send({}).error, EPROTO);
    const auto last = send({});
    EXPECT_TRUE(last.malformed);
    EXPECT_EQ(registry().counters.requests_malformed, 6u);
}

TEST_F(Handler, another_users_socket_is_no_socket_but_roots_hand_reaches_it) {
    const auto id = socket();
    peer.uid = 1001;
    EXPECT_EQ(bind(id, Address{}), EBADF);
    peer.uid = 0;
    EXPECT_EQ(bind(id, Address{}), 0);
    EXPECT_EQ(bind(id + 1000, Address{}), EBADF);
}

TEST_F(Handler, a_user_has_so_many_sockets_and_no_more) {
    settings.sockets_per_user = 2;
    start();
    socket();
    socket();
    EXPECT_EQ(call(ipc::SocketRequest{}, ipc::RequestType::socket).error, EMFILE);
    peer.uid = 1001;
    EXPECT_EQ(call(ipc::SocketRequest{}, ipc::RequestType::socket).error, 0);
}

TEST_F(Handler, a_socket_that_cannot_have_its_page_holds_nothing) {
    const auto held = services.open_descriptors.size();
    services.fail_next_memory = ENOMEM;
    EXPECT_EQ(call(ipc::SocketRequest{}, ipc::RequestType::socket).error, ENOMEM);
    EXPECT_EQ(services.open_descriptors.size(), held);
    EXPECT_TRUE(registry().sockets.empty());
}

TEST_F(Handler, bind_errors) {
    const auto id = socket();
    EXPECT_EQ(bind(id, Address{0x01020304}), EADDRNOTAVAIL);
    EXPECT_EQ(bind(id, kFeed), 0);
    EXPECT_EQ(bind(id, kFeed), EINVAL) << "bound already";
    controller->interface_changed(0, false, false, 0);
    controller->interface_changed(1, false, false, 0);
    EXPECT_EQ(bind(socket(), kGroup), EADDRNOTAVAIL) << "MH-14";
}

TEST_F(Handler, Check85_two_receivers_share_a_group_with_SO_REUSEADDR_only) {
    const auto first = socket(), second = socket(), third = socket();
    ASSERT_EQ(set(first, SO_REUSEADDR, 1, SOL_SOCKET), 0);
    ASSERT_EQ(set(second, SO_REUSEADDR, 1, SOL_SOCKET), 0);
    EXPECT_EQ(bind(first, kGroup), 0);
    EXPECT_EQ(bind(second, kGroup), 0);
    EXPECT_EQ(bind(third, kGroup), EADDRINUSE);
    EXPECT_EQ(set(third, SO_REUSEADDR, std::uint16_t{1}, SOL_SOCKET), EINVAL) << "too short";
    EXPECT_EQ(bind(third, kGroup), EADDRINUSE);
    EXPECT_EQ(bind(third, kGroup, kPort + 1), 0);
}

TEST_F(Handler, Check62_63_bind_to_any_then_connect_works_with_port_0_as_well) {
    const auto id = socket();
    ASSERT_EQ(bind(id, Address{}, 50001), 0);
    const auto reply = address_call(ipc::RequestType::connect, id, kGroup, 0);
    ASSERT_EQ(reply.error, 0) << reply.detail;
    EXPECT_NE(reply.as<ipc::ConnectReply>().source_port, 0);
    EXPECT_EQ(services.sources_made.back().identity.destination_port, 0);
}

TEST_F(Handler, connect_makes_the_session_and_gives_region_page_and_doorbell) {
    const auto id = socket();
    const auto answer = address_call(ipc::RequestType::connect, id, kGroup, kPort);
    const auto reply = answer.as<ipc::ConnectReply>();
    ASSERT_EQ(answer.descriptors.size(), 3u);
    const auto& spec = services.sources_made.back();
    EXPECT_EQ(spec.session_id, reply.session_id);
    EXPECT_EQ(spec.identity.group, kGroup);
    EXPECT_EQ(spec.identity.nla, kFeed);
    EXPECT_EQ(spec.identity.tsi.gsi, settings.gsi);
    EXPECT_EQ(spec.identity.tsi.source_port, reply.source_port);
    EXPECT_EQ(spec.log_bytes, reply.log_bytes);
    EXPECT_EQ(spec.log_bytes, 32u << 20) << "31,250,000 octets of window";
    EXPECT_EQ(reply.largest_tsdu, engine::largest_tsdu(spec.parameters, 1500, false, false));
    EXPECT_EQ(reply.interface, kFeed);
    const auto open = command(Command::Kind::open_source);
    ASSERT_TRUE(open);
    EXPECT_EQ(open->id, reply.session_id);
    EXPECT_NE(open->source, nullptr);
}

TEST_F(Handler, Check65_two_connects_give_two_session_ids) {
    const auto a = sender(), b = sender();
    EXPECT_NE(send_session(a).tsi, send_session(b).tsi);
}

TEST_F(Handler, Check68_to_71_connect_errors) {
    const auto id = socket();
    EXPECT_EQ(connect(id, Address{0x0A000001}), EADDRNOTAVAIL);
    EXPECT_EQ(connect(id, Address{}), EADDRNOTAVAIL);
    ASSERT_EQ(connect(id), 0);
    EXPECT_EQ(connect(id), EISCONN);
    EXPECT_EQ(connect(listener()), EINVAL);
    const auto to_group = socket();
    ASSERT_EQ(bind(to_group, kGroup, kPort + 1), 0);
    EXPECT_EQ(connect(to_group), EINVAL);
}

// Check 84.
TEST_F(Handler, listen_errors) {
    const auto id = socket();
    EXPECT_EQ(listen(id), EINVAL) << "84: unbound";
    ASSERT_EQ(bind(id, Address{}), 0);
    EXPECT_EQ(listen(id), EINVAL) << "bound to no group";
    EXPECT_EQ(listen(sender()), EISCONN);
    const auto l = listener();
    EXPECT_EQ(listen(l, 99), 0) << "again is success";
    EXPECT_EQ(registry().socket(l)->backlog, 8u) << "and the backlog is unchanged";
}

TEST_F(Handler, a_listen_without_memory_for_a_window_fails_ENOBUFS_and_leaves_the_socket_bound) {
    const auto id = socket();
    ASSERT_EQ(bind(id, kGroup), 0);
    services.fail_next_memory = ENOMEM;
    EXPECT_EQ(listen(id), ENOBUFS);
    EXPECT_EQ(listen(id), 0);
}

TEST_F(Handler, Check82_83_accept_errors) {
    EXPECT_EQ(accept(socket()).error, EINVAL);
    EXPECT_EQ(accept(listener()).error, EAGAIN);
}

TEST_F(Handler, an_accept_before_anything_came_counts_as_no_refusal) {
    EXPECT_EQ(accept(listener()).error, EAGAIN);
    EXPECT_EQ(registry().counters.requests_refused, 0u);
    EXPECT_EQ(accept(socket()).error, EINVAL);
    EXPECT_EQ(registry().counters.requests_refused, 1u);
}

TEST_F(Handler, shutdown_needs_a_session) {
    EXPECT_EQ(shutdown(socket(), SHUT_WR), ENOTCONN);
    EXPECT_EQ(shutdown(listener(), SHUT_WR), ENOTCONN);
    EXPECT_EQ(shutdown(sender(), 3), EINVAL);
}

TEST_F(Handler, names_follow_the_role) {
    const auto name = [&](std::uint64_t id, std::uint32_t of_peer) {
        ipc::NameRequest request{};
        request.peer = of_peer;
        return call(request, ipc::RequestType::name, id);
    };
    EXPECT_EQ(name(socket(), 1).error, ENOTCONN);
    const auto s = sender();
    EXPECT_EQ(name(s, 1).as<ipc::NameReply>().address, kGroup);
    EXPECT_EQ(name(s, 0).as<ipc::NameReply>().address, kFeed);
    const auto l = listener();
    open_session(77);
    const auto r = accept(l).as<ipc::AcceptReply>().socket_id;
    EXPECT_EQ(name(r, 1).as<ipc::NameReply>().port, 77);
    EXPECT_EQ(name(r, 0).as<ipc::NameReply>().address, kGroup);
    EXPECT_EQ(name(r, 0).as<ipc::NameReply>().port, kPort);
}

TEST_F(Handler, attach_gives_a_socket_to_a_process_that_found_its_descriptor) {
    const auto attach = [&](std::uint64_t id) {
        return call(ipc::IdRequest{}, ipc::RequestType::attach, id);
    };
    const auto s = sender();
    const auto sends = attach(s).as<ipc::AttachReply>();
    EXPECT_EQ(sends.socket_id, s);
    EXPECT_EQ(sends.role, static_cast<std::uint32_t>(ipc::SocketRole::sender));
    EXPECT_EQ(sends.group, kGroup);
    EXPECT_EQ(sends.header.descriptors, 4u);
    const auto l = listener();
    EXPECT_EQ(attach(l).as<ipc::AttachReply>().role,
              static_cast<std::uint32_t>(ipc::SocketRole::listener));
    open_session(77);
    const auto r = accept(l).as<ipc::AcceptReply>().socket_id;
    const auto reads = attach(r).as<ipc::AttachReply>();
    EXPECT_EQ(reads.role, static_cast<std::uint32_t>(ipc::SocketRole::receiver));
    EXPECT_EQ(reads.source_port, 77);
    EXPECT_EQ(reads.header.descriptors, 2u);
    EXPECT_EQ(attach(4711).error, EBADF);
}

TEST_F(Handler, endpoints_are_named_after_their_sockets) {
    const auto s = socket();
    EXPECT_EQ(services.named.at(registry().socket(s)->endpoint), s);
}

TEST_F(Handler, wake_makes_a_descriptor_show_what_its_role_has) {
    const auto wake = [&](std::uint64_t id) {
        return call(ipc::IdRequest{}, ipc::RequestType::wake, id).error;
    };
    const auto endpoint = [&](std::uint64_t id) { return registry().socket(id)->endpoint; };
    const auto s = sender();
    EXPECT_EQ(wake(s), 0);
    EXPECT_EQ(services.drained[endpoint(s)], 1);
    const auto l = listener();
    EXPECT_EQ(wake(l), 0);
    EXPECT_EQ(services.octets_sent[endpoint(l)], 0);  // nobody to accept
    open_session(77);
    open_session(78);
    const int announced = services.octets_sent[endpoint(l)];
    EXPECT_EQ(wake(l), 0);
    EXPECT_EQ(services.octets_sent[endpoint(l)], announced + 1);
    const auto r = accept(l).as<ipc::AcceptReply>().socket_id;
    const int before = services.octets_sent[endpoint(r)];
    EXPECT_EQ(wake(r), 0);
    EXPECT_EQ(services.octets_sent[endpoint(r)], before + 1);
}

TEST_F(Handler, status_names_everything_that_lives) {
    const auto s = sender();
    const auto l = listener();
    open_session(77);
    accept(l);
    const auto answer = call(ipc::StatusRequest{}, ipc::RequestType::status);
    const auto& octets = services.last_status;
    ASSERT_EQ(answer.as<ipc::StatusReply>().bytes, octets.size());
    ipc::StatusHeader header;
    std::memcpy(&header, octets.data(), sizeof(header));
    ASSERT_EQ(octets.size(), sizeof(header) + header.records * sizeof(ipc::StatusRecord));
    std::set<ipc::StatusKind> kinds;
    std::set<std::string> fields;
    for (std::uint32_t i = 0; i < header.records; ++i) {
        ipc::StatusRecord record;
        std::memcpy(&record, octets.data() + sizeof(header) + i * sizeof(record), sizeof(record));
        kinds.insert(record.kind);
        fields.insert(record.field);
        if (record.kind == ipc::StatusKind::reader) {
            EXPECT_LT(record.parent, i);
        }
    }
    EXPECT_EQ(kinds.size(), 8u);
    for (const char* field : {"decode_checksum_wrong", "packets_duplicate", "frames_received",
                              "lag_packets", "memory_used_bytes", "naks_received", "link",
                              "steering_raw", "steering_udp", "steering_rules"})
        EXPECT_EQ(fields.count(field), 1u) << field;
    (void)s;
}

}  // namespace
}  // namespace fanfare::control

#include "apps/fanfare/daemon_link.hpp"

#include <fmt/core.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "apps/fanfare/failure.hpp"
#include "client/socket/connection.hpp"
#include "client/socket/library.hpp"
#include "ipc/messages.hpp"

namespace fanfare::tool {

namespace {

thread_local std::optional<std::uint32_t> joined_late_of_last;
thread_local std::size_t largest_payload_of_last = 0;

template <typename Header>
Header header_of(std::span<const std::byte> octets) {
    Header header{};
    if (octets.size() >= sizeof header)
        std::memcpy(static_cast<void*>(&header), octets.data(), sizeof header);
    return header;
}

// The answer as `Answer`, if it is one and a good one.
template <typename Answer>
std::optional<Answer> answer_of(const client::Reply& reply) {
    if (reply.error != 0 || reply.bytes != sizeof(Answer)) return std::nullopt;
    const auto answer = header_of<Answer>(std::span(reply.octets).first(reply.bytes));
    if (answer.header.error != 0) return std::nullopt;
    return answer;
}

void watch(std::span<const std::byte> request, const client::Reply& reply) {
    switch (header_of<ipc::RequestHeader>(request).type) {
        case ipc::RequestType::accept:
            if (const auto accepted = answer_of<ipc::AcceptReply>(reply)) {
                joined_late_of_last.reset();
                if (accepted->joined_late != 0)
                    joined_late_of_last = static_cast<std::uint32_t>(accepted->start_ordinal);
            }
            break;
        case ipc::RequestType::connect:
            if (const auto connected = answer_of<ipc::ConnectReply>(reply))
                largest_payload_of_last = connected->largest_tsdu;
            break;
        default:
            break;
    }
}

std::string start_hint(const std::string& path) {
    return fmt::format(
        "start `fanfared --control {} --interface NAME,ADDRESS/PREFIX,DEVICE`, or name another "
        "daemon's socket with --control or FANFARE_CONTROL",
        path);
}

}  // namespace

DaemonLink::DaemonLink(const std::string& control) {
    if (!control.empty()) client::set_control_path(control);
    path_ = client::control_path();

    // One daemon for the life of the command: a socket of one that died is not the next one's.
    auto connection = client::connection_to(path_);
    auto daemon = std::make_shared<std::uint64_t>(0);
    int transport = 0;
    client::set_request_function(
        [connection, daemon, &transport](std::span<const std::byte> request, client::Reply& reply) {
            connection->call(request, reply, *daemon);
            transport = reply.error;
        });
    ipc::HelloReply hello{};
    const int error = client::say_hello(hello);
    client::set_request_function(
        [connection, daemon](std::span<const std::byte> request, client::Reply& reply) {
            connection->call(request, reply, *daemon);
            watch(request, reply);
        });
    if (error == 0) {
        version_ = hello.version_text;
        return;
    }
    switch (transport) {
        case EACCES:
        case EPERM:
            throw Failure(
                fmt::format("no permission to use the daemon at {}: run as a member of its group "
                            "(`fanfared --group NAME`) or as root",
                            path_));
        case EPROTO:
            throw Failure(fmt::format(
                "the daemon at {} speaks another version of the protocol: install tool and daemon "
                "of one version",
                path_));
        case ENAMETOOLONG:
            throw Failure(
                fmt::format("the path {} is too long for a Unix socket (107 octets)", path_));
        case ETIMEDOUT:
            throw Failure(fmt::format("the daemon at {} does not answer: look at its log", path_));
        default:
            throw Failure(fmt::format("no daemon answers at {} ({}): {}", path_,
                                      std::strerror(transport != 0 ? transport : error),
                                      start_hint(path_)));
    }
}

std::optional<std::uint32_t> DaemonLink::joined_late() {
    return joined_late_of_last;
}

std::size_t DaemonLink::largest_payload() {
    return largest_payload_of_last;
}

}  // namespace fanfare::tool

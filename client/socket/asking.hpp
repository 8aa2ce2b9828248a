// One request of a socket to the control side, and what its failures mean to the caller.
#pragma once

#include <cerrno>
#include <cstring>

#include "client/socket/last_error.hpp"
#include "client/socket/socket.hpp"

namespace fanfare::client {

struct PlainReply {
    ipc::ReplyHeader header;
};

// `opening`: nothing was held yet, so that a daemon that is not there is no loss but a missing one
// (wsrm.md 4.1).
int transport_error(int error, bool opening);

// Sends `request` about this socket; `out` and `descriptors` are filled when the result is 0.
template <typename ReplyType, typename Request>
int Socket::ask(ipc::RequestType type, Request& request, ReplyType& out, Descriptors& descriptors) {
    request.header.type = type;
    request.header.socket_id = id_;
    Reply reply;
    request_(std::as_bytes(std::span(&request, 1)), reply);
    for (std::size_t i = 0; i < reply.descriptor_count; ++i)
        descriptors[i].reset(reply.descriptors[i]);
    if (reply.error != 0) return transport_error(reply.error, type == ipc::RequestType::socket);
    ipc::ReplyHeader header;
    if (reply.bytes < sizeof header) return fail(EPROTO, "the daemon's answer is cut short");
    std::memcpy(&header, reply.octets.data(), sizeof header);
    header.detail[sizeof header.detail - 1] = 0;
    if (header.error != 0) return fail(header.error, header.detail);
    if (reply.bytes != sizeof out)
        return fail(EPROTO, "the daemon's answer has another size; library and daemon differ");
    std::memcpy(static_cast<void*>(&out), reply.octets.data(), sizeof out);
    return 0;
}

template <typename Request>
int Socket::ask(ipc::RequestType type, Request& request) {
    PlainReply reply;
    Descriptors none;
    return ask(type, request, reply, none);
}

}  // namespace fanfare::client

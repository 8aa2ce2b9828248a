#include "client/socket/library.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>

#include "client/socket/asking.hpp"
#include "client/socket/connection.hpp"
#include "client/socket/last_error.hpp"
#include "client/socket/signals_held.hpp"
#include "ipc/descriptor.hpp"
#include "ipc/memory.hpp"
#include "wsrm.h"

namespace fanfare::client {

namespace {

struct Choice {
    std::mutex mutex;
    std::string path;
    RequestFunction function;
};
Choice& choice() {
    static Choice& instance = *new Choice;
    return instance;
}

// A request that is about no socket.
template <typename Request, typename ReplyType>
int ask_daemon(ipc::RequestType type, Request& request, ReplyType& out, Reply& reply) {
    request.header.type = type;
    request_function()(std::as_bytes(std::span(&request, 1)), reply);
    if (reply.error != 0) return transport_error(reply.error, true);
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

}  // namespace

void set_control_path(std::string path) {
    const QuietLock lock(choice().mutex);
    choice().path = std::move(path);
}

std::string control_path() {
    {
        const QuietLock lock(choice().mutex);
        if (!choice().path.empty()) return choice().path;
    }
    const char* named = std::getenv("FANFARE_CONTROL");
    return named != nullptr && *named != 0 ? named : kDefaultControlPath;
}

void set_request_function(RequestFunction function) {
    const QuietLock lock(choice().mutex);
    choice().function = std::move(function);
}

RequestFunction request_function() {
    {
        const QuietLock lock(choice().mutex);
        if (choice().function) return choice().function;
    }
    // Sockets may be asked from several threads; which daemon it is is settled by the first
    // request, the socket's creation, before anybody else has the socket.
    return
        [connection = connection_to(control_path()), daemon = std::make_shared<std::uint64_t>(0)](
            std::span<const std::byte> request, Reply& reply) {
            connection->call(request, reply, *daemon);
        };
}

int transport_error(int error, bool opening) {
    switch (error) {
        case EMFILE:
        case ENFILE:
            return fail(error, "no descriptor is left; close some or raise the limit (ulimit -n)");
        case EACCES:
        case EPERM:
            return fail(EACCES, "no permission to use the Fanfare daemon at " + control_path() +
                                    "; ask its administrator for the group that may");
        case ETIMEDOUT:
            return fail(error, "the Fanfare daemon does not answer");
        case EPROTO:
            return fail(error, "the Fanfare daemon speaks another version than this library");
        default:
            break;
    }
    if (opening)
        return fail(ESOCKTNOSUPPORT,
                    "no Fanfare daemon answers at " + control_path() + " (" + std::strerror(error) +
                        "); start fanfared, or name its socket with --control or FANFARE_CONTROL");
    return fail(ECONNRESET,
                "the Fanfare daemon that held this socket has gone; start fanfared again, and then "
                "what used it");
}

int say_hello(ipc::HelloReply& out) {
    ipc::HelloRequest request{};
    Reply reply;
    const int error = ask_daemon(ipc::RequestType::hello, request, out, reply);
    out.version_text[sizeof out.version_text - 1] = 0;
    return error;
}

int read_option(std::uint64_t socket, int name, std::vector<std::byte>& value) {
    ipc::OptionRequest request{};
    request.header.socket_id = socket;
    request.level = IPPROTO_RM;
    request.name = name;
    request.length = ipc::kOptionValueMax;
    ipc::OptionReply answer;
    Reply reply;
    if (const int error = ask_daemon(ipc::RequestType::get_option, request, answer, reply);
        error != 0)
        return error;
    if (answer.length > sizeof answer.value)
        return fail(EPROTO, "the daemon's answer names a longer value than it has");
    const auto* const octets = reinterpret_cast<const std::byte*>(answer.value);
    value.assign(octets, octets + answer.length);
    return 0;
}

int read_status(std::vector<ipc::StatusRecord>& records) {
    records.clear();
    ipc::StatusRequest request{};
    ipc::StatusReply answer;
    Reply reply;
    const int error = ask_daemon(ipc::RequestType::status, request, answer, reply);
    ipc::Descriptor memory(reply.descriptor_count > 0 ? reply.descriptors[0] : -1);
    for (std::size_t i = 1; i < reply.descriptor_count; ++i)
        ipc::Descriptor other(reply.descriptors[i]);
    if (error != 0) return error;
    ipc::MemoryFailure failure;
    const auto mapping = ipc::Mapping::read_only(memory.get(), sizeof(ipc::StatusHeader), failure);
    if (!mapping) return fail(failure.error, failure.text);
    ipc::StatusHeader header;
    std::memcpy(&header, mapping->memory().data(), sizeof header);
    const auto octets = mapping->memory().subspan(sizeof header);
    if (header.version != ipc::kProtocolVersion ||
        header.records > octets.size() / sizeof(ipc::StatusRecord))
        return fail(EPROTO, "the daemon's status has another layout; tool and daemon differ");
    records.resize(header.records);
    if (!records.empty())
        std::memcpy(static_cast<void*>(records.data()), octets.data(),
                    records.size() * sizeof(ipc::StatusRecord));
    for (ipc::StatusRecord& record : records)
        record.object[ipc::kStatusNameBytes - 1] = record.field[ipc::kStatusNameBytes - 1] =
            record.text[ipc::kStatusNameBytes - 1] = 0;
    return 0;
}

}  // namespace fanfare::client

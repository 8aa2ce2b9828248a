/* ZeroMQ (libzmq) as a peer: PUB or SUB on one epgm:// or pgm:// endpoint.
 *   zeromq_peer pub|sub ENDPOINT --count N --longest OCTETS [--rate KBIT/s] [--start SECONDS]
 * [--linger SECONDS]
 *                [--parts 0|1] [--lines 0|1]
 * `pub` publishes the messages of peer_messages.h, --start seconds after it is ready, every tenth
 * as two parts; `sub` checks every octet (with --parts 1 the parts too, with --lines 1 messages
 * that end with a newline) and ends with 0 after the last, with 1 and one line at the first that is
 * wrong. */
#include <stdlib.h>
#include <unistd.h>

#include <zmq.h>

#include "peer_messages.h"

enum {
    kPartsEvery = 10
}; /* every tenth message travels as a first part of kShortestMessage octets and the rest */

static void fail(const char* what) {
    fprintf(stderr, "zeromq_peer: %s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}

static void set_int(void* socket, int option, int value) {
    if (zmq_setsockopt(socket, option, &value, sizeof value) != 0) fail("zmq_setsockopt");
}

static size_t first_part(uint32_t index, size_t length) {
    return index % kPartsEvery == 0 && length > kShortestMessage ? (size_t)kShortestMessage
                                                                 : length;
}

// Returns the octets queued: zmq_send is done when a message waits, not when it has left.
static uint64_t run_pub(void* socket, uint32_t count, size_t longest) {
    char message[kMessageRoom];
    uint64_t octets = 0;
    for (uint32_t i = 0; i < count; ++i) {
        const size_t length = peer_message(i, longest, 0, message);
        const size_t first = first_part(i, length);
        octets += length;
        if (zmq_send(socket, message, first, first < length ? ZMQ_SNDMORE : 0) < 0)
            fail("zmq_send");
        if (first < length && zmq_send(socket, message + first, length - first, 0) < 0)
            fail("zmq_send");
    }
    fprintf(stderr, "sent %u\n", count);
    return octets;
}

static int run_sub(void* socket, uint32_t count, size_t longest, int parts, int lines) {
    char wanted[kMessageRoom], got[65536];
    for (uint32_t i = 0; i < count; ++i) {
        const size_t expected = peer_message(i, longest, lines, wanted);
        size_t have = 0;
        int more = 1;
        for (int part = 0; more; ++part) {
            const int length = zmq_recv(socket, got + have, sizeof got - have, 0);
            size_t size = sizeof more;
            if (length < 0 || zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) != 0)
                fail("zmq_recv");
            if (parts && part == 0 && (size_t)length != first_part(i, expected)) {
                fprintf(stderr, "zeromq_peer: message %u: first part has %d octets\n", i, length);
                return 1;
            }
            have += (size_t)length;
            if (have > sizeof got / 2) break;
        }
        if (have != expected || memcmp(got, wanted, have) != 0) {
            fprintf(stderr, "zeromq_peer: message %u differs: %zu octets, expected %zu\n", i, have,
                    expected);
            return 1;
        }
    }
    fprintf(stderr, "received %u\n", count);
    return 0;
}

int main(int argc, char** argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: zeromq_peer pub|sub ENDPOINT [options]\n");
        return 2;
    }
    const int publish = strcmp(argv[1], "pub") == 0;
    uint32_t count = 1000;
    size_t longest = 1400;
    int rate = 100000, parts = 1, lines = 0;
    double start = 0.5, linger = 5;
    for (int i = 3; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--count") == 0)
            count = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--longest") == 0)
            longest = strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--rate") == 0)
            rate = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--start") == 0)
            start = atof(argv[i + 1]);
        else if (strcmp(argv[i], "--linger") == 0)
            linger = atof(argv[i + 1]);
        else if (strcmp(argv[i], "--parts") == 0)
            parts = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--lines") == 0)
            lines = atoi(argv[i + 1]);
        else {
            fprintf(stderr, "zeromq_peer: %s is no option\n", argv[i]);
            return 2;
        }
    }
    void* context = zmq_ctx_new();
    void* socket = zmq_socket(context, publish ? ZMQ_PUB : ZMQ_SUB);
    if (socket == NULL) fail("zmq_socket");
    set_int(socket, ZMQ_RATE, rate);
    set_int(socket, ZMQ_RECOVERY_IVL, 10000);
    set_int(socket, publish ? ZMQ_SNDHWM : ZMQ_RCVHWM, 0);
    set_int(socket, ZMQ_MULTICAST_HOPS, 16);
    set_int(socket, ZMQ_LINGER, 10000);
    if (!publish && zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0) != 0) fail("subscribe");
    if (zmq_connect(socket, argv[2]) != 0) fail(argv[2]);
    usleep((useconds_t)(publish ? start * 1e6 : 0));
    fprintf(stderr, "ready\n");
    int status = 0;
    if (publish) {
        // A closed socket repairs nothing: it stays open for what the queue takes to leave at its
        // rate, and `linger` after that.
        const double leaving = (double)run_pub(socket, count, longest) * 8 / (rate * 1000.0);
        usleep((useconds_t)((leaving + linger) * 1e6));
    } else {
        status = run_sub(socket, count, longest, parts, lines);
    }
    if (status == 0) {
        zmq_close(socket);
        zmq_ctx_term(context);
    }
    return status;
}

/* ZeroMQ (libzmq) over epgm:// as one side of the end-to-end bench: PUB and SUB, which pack
 * messages into packets. ADDRESS GROUP PORT make epgm://ADDRESS;GROUP:PORT. */
#include <unistd.h>

#include <zmq.h>

#include "feed_arguments.h"

/* kbit/s: as fast as the library's own limiter counts. */
enum { kRate = 100000000 / 8, kRecovery = 10000, kHighWater = 1000000, kBatch = 32 };

static void fail(const char* what) {
    fprintf(stderr, "zmq_feed: %s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}
static void set_int(void* socket, int option, int value) {
    if (zmq_setsockopt(socket, option, &value, sizeof value) != 0) fail("zmq_setsockopt");
}

static _Noreturn void run_send(void* socket, const struct feed_arguments* a) {
    static char message[FEED_MOST];
    double began = 0;
    for (uint64_t number = 0, last = 0; !last;) {
        if (number == 1) {
            usleep((useconds_t)(FEED_PAUSE * 1e6));
            began = feed_seconds();
        }
        last = number > 0 && feed_seconds() >= began + a->seconds;
        const int batch = last || number == 0 ? 1 : kBatch;
        for (int i = 0; i < batch; ++i, ++number) {
            feed_fill(message, a->size, number, feed_mark(began, last != 0));
            if (zmq_send(socket, message, a->size, 0) < 0) fail("zmq_send");
        }
    }
    fprintf(stderr, "sent\n");
    for (;;) pause(); /* until we are ended: a receiver may still ask */
}

static int run_receive(void* socket, const struct feed_arguments* a) {
    static struct feed_account account;
    zmq_msg_t message;
    zmq_msg_init(&message);
    while (!feed_ended(&account)) {
        const int length = zmq_msg_recv(&message, socket, 0);
        if (length < 0) fail("zmq_msg_recv");
        if (!feed_take(&account, zmq_msg_data(&message), (size_t)length, a->size)) {
            fprintf(stderr, "zmq_feed: message %llu of %d octets is wrong\n",
                    (unsigned long long)account.number, length);
            return 1;
        }
    }
    feed_report(&account);
    return 0;
}

int main(int argc, char** argv) {
    struct feed_arguments a;
    feed_read_arguments(argc, argv, &a);
    char endpoint[128];
    snprintf(endpoint, sizeof endpoint, "epgm://%s;%s:%d", a.address, a.group, a.port);
    void* const context = zmq_ctx_new();
    void* const socket = zmq_socket(context, a.send ? ZMQ_PUB : ZMQ_SUB);
    if (socket == NULL) fail("zmq_socket");
    set_int(socket, ZMQ_RATE, kRate);
    set_int(socket, ZMQ_RECOVERY_IVL, kRecovery);
    set_int(socket, ZMQ_MULTICAST_HOPS, 16);
    const int buffer = 8 << 20;
    set_int(socket, ZMQ_SNDBUF, buffer);
    set_int(socket, ZMQ_RCVBUF, buffer);
    /* A PUB that is full drops; XPUB_NODROP makes it wait instead. */
    set_int(socket, a.send ? ZMQ_SNDHWM : ZMQ_RCVHWM, a.send ? kHighWater / 100 : 0);
    if (a.send) set_int(socket, ZMQ_XPUB_NODROP, 1);
    if (!a.send && zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0) != 0) fail("subscribe");
    if (zmq_connect(socket, endpoint) != 0) fail(endpoint);
    fprintf(stderr, "ready\n");
    if (a.send) run_send(socket, &a);
    _exit(run_receive(socket, &a)); /* closing would wait for nobody's sake */
}

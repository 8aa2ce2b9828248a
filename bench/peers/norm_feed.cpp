// NORM (libnorm) as one side of the end-to-end bench: one stream of fixed-size messages, congestion
// control off, as fast as its own rate allows. ADDRESS is the interface's name.
#include <unistd.h>

#include <normApi.h>

#include "feed_arguments.h"

/* Stream and sender buffers hold some tens of milliseconds; segment and FEC block as its own
 * examples have them. */
enum : int {
    kBuffer = 32 << 20,
    kSegment = 1400,
    kBlock = 64,
    kParity = 0,
    kSession = 1,
    kReceiver = 2
};
static const double kRate = 40e9; /* bit/s: above what it can reach */

static void fail(const char* what) {
    fprintf(stderr, "norm_feed: %s failed\n", what);
    exit(1);
}

// Nothing holds a NORM sender back but its rate: the stream breaks when it overwrites what a
// receiver still lacks. So the receiver acknowledges watermarks, a quarter of the buffer apart, and
// the sender is never more than half of it ahead.
struct Sending {
    NormInstanceHandle instance;
    NormSessionHandle session;
    NormObjectHandle stream;
    uint64_t written, marked;
    bool waits;  // for the last watermark
};

static void take_event(struct Sending* s) {
    NormEvent event;
    if (!NormGetNextEvent(s->instance, &event, true)) return;
    if (event.type == NORM_TX_WATERMARK_COMPLETED) s->waits = false;
}

static void put(struct Sending* s, const char* data, size_t bytes) {
    while (bytes > 0) {
        while (s->waits && s->written - s->marked > kBuffer / 4) take_event(s);
        const unsigned int n = NormStreamWrite(s->stream, data, (unsigned int)bytes);
        data += n;
        bytes -= n;
        s->written += n;
        if (!s->waits && s->written - s->marked > kBuffer / 4) {
            NormSetWatermark(s->session, s->stream, false);
            s->marked = s->written;
            s->waits = true;
        }
        if (n == 0) take_event(s);  // room comes with an event
    }
}

[[noreturn]] static void run_send(NormInstanceHandle instance, NormSessionHandle session,
                                  const struct feed_arguments* a) {
    static char message[FEED_MOST];
    NormSetTxRate(session, kRate);
    NormSetCongestionControl(session, false, false);
    NormSetGrttEstimate(session, 0.001);
    NormSetTxCacheBounds(session, kBuffer, 16, 1024);
    if (!NormStartSender(session, kSession, kBuffer, kSegment, kBlock, kParity, 0))
        fail("NormStartSender");
    NormSetTxSocketBuffer(session, 8 << 20);
    const NormObjectHandle stream = NormStreamOpen(session, kBuffer, NULL, 0);
    if (stream == NORM_OBJECT_INVALID) fail("NormStreamOpen");
    NormAddAckingNode(session, kReceiver);
    struct Sending sending = {instance, session, stream, 0, 0, false};
    double began = 0;
    for (uint64_t number = 0, last = 0; !last; ++number) {
        if (number == 1) {
            NormStreamFlush(stream, true, NORM_FLUSH_ACTIVE);
            usleep((useconds_t)(FEED_PAUSE * 1e6));
            began = feed_seconds();
        }
        last = number > 0 && number % 32 == 0 && feed_seconds() >= began + a->seconds;
        feed_fill(message, a->size, number, feed_mark(began, last != 0));
        put(&sending, message, a->size);
    }
    NormStreamFlush(stream, true, NORM_FLUSH_ACTIVE);
    fprintf(stderr, "sent\n");
    for (;;) { /* until we are ended: a receiver may still ask */
        take_event(&sending);
    }
}

static int run_receive(NormInstanceHandle instance, NormSessionHandle session,
                       const struct feed_arguments* a) {
    static struct feed_account account;
    static char room[1 << 16];
    size_t have = 0;
    NormSetRxCacheLimit(session, 4096);
    NormSetRxSocketBuffer(session, 8 << 20);
    if (!NormStartReceiver(session, kBuffer)) fail("NormStartReceiver");
    fprintf(stderr, "ready\n");
    while (!feed_ended(&account)) {
        NormEvent event;
        if (!NormGetNextEvent(instance, &event, true) || event.type != NORM_RX_OBJECT_UPDATED)
            continue;
        for (;;) {
            unsigned int bytes = (unsigned int)(sizeof room - have);
            if (!NormStreamRead(event.object, room + have, &bytes)) {
                fprintf(stderr, "norm_feed: the stream broke after %llu messages\n",
                        (unsigned long long)account.number);
                return 1;
            }
            if (bytes == 0) break;
            have += bytes;
            size_t at = 0;
            for (; have - at >= a->size && !feed_ended(&account); at += a->size) {
                if (!feed_take(&account, room + at, a->size, a->size)) {
                    fprintf(stderr, "norm_feed: message %llu is wrong\n",
                            (unsigned long long)account.number);
                    return 1;
                }
            }
            memmove(room, room + at, have - at);
            have -= at;
        }
    }
    feed_report(&account);
    return 0;
}

int main(int argc, char** argv) {
    struct feed_arguments a;
    feed_read_arguments(argc, argv, &a);
    const NormInstanceHandle instance = NormCreateInstance(false);
    const NormSessionHandle session =
        NormCreateSession(instance, a.group, (UINT16)a.port, a.send ? 1 : kReceiver);
    if (session == NORM_SESSION_INVALID) fail("NormCreateSession");
    NormSetMulticastInterface(session, a.address);
    if (a.send) run_send(instance, session, &a);
    _exit(run_receive(instance, session, &a));  // closing would wait for nobody's sake
}

/* Asynchronous calls on Fanfare's sockets: what Windows programs do with overlapped I/O, in the
 * shape of io_uring. A program submits sends and receives in batches, each with a word of its own
 * (user_data), goes on with other work, and takes completions from a ring in shared memory, one for
 * each accepted submission.
 *
 *   struct fanfare_ring* ring = fanfare_ring_create(256);
 *   struct iovec parts[2] = {{head, head_bytes}, {body, body_bytes}};
 *   struct fanfare_submission send = {.operation = FANFARE_OP_SEND, .fd = fd, .user_data = 7,
 *                                     .parts = parts, .parts_count = 2};
 *   fanfare_ring_submit(ring, &send, 1);
 *   ...
 *   struct fanfare_completion done[32];
 *   fanfare_ring_wait(ring, 1, -1);
 *   int n = fanfare_ring_reap(ring, done, 32);
 *
 * Progress. Nobody has to call anything for a call to complete: submit does at once what can be
 * done at once, peek, reap and wait do what has become possible, and in between one helper thread
 * of the process does it (for all rings and sockets; it starts with the first ring, has every
 * signal blocked, and sleeps unless calls are pending).
 *
 * Threads. Any number may submit at a time; one at a time takes completions (wait, peek, seen,
 * reap, fd). A child of a fork shares the ring's memory: it may take completions in its parent's
 * place, but the calls are its parent's, and submitting there fails with EBADF; it makes a ring of
 * its own. A ring does not outlive exec.
 *
 * Order. Sends of one socket are done one after the other in the order of submission, and so are
 * receives; their completions stand in the ring in that order. Nothing is promised between sockets,
 * or between sends and receives. Calls that block, made on the same socket meanwhile, take their
 * turn somewhere between.
 *
 * Memory. The array of parts is copied; the octets it names, and the address, are the library's
 * from submit until the completion is there. Errors of a call are its completion's; submit itself
 * fails only when it takes nothing.
 *
 * What completion means. Send: all octets are in the send window, or sent; not that anybody has
 * them (wsrm.md 5.4). A full window makes a send pend, never fail; a message may be larger than the
 * window, it goes out as the window moves. O_NONBLOCK, SO_SNDTIMEO and SO_RCVTIMEO mean nothing
 * here; MSG_DONTWAIT in a submission's flags completes it with -EAGAIN where it would pend. */
#ifndef FANFARE_ASYNC_H
#define FANFARE_ASYNC_H

#include <sys/uio.h>

#include "fanfare/socket.h"

#ifdef __cplusplus
extern "C" {
#endif

enum fanfare_operation {
    /* Completes at once, with 0: to wake whoever waits. */
    FANFARE_OP_NOP = 0,
    /* As sendmsg. Result: the octets. -EMSGSIZE: overshoots RM_SET_MESSAGE_BOUNDARY. -EPIPE: after
     * shutdown. -ECONNRESET: the session failed. Datagram sockets: `address` is the destination, or
     * NULL for the peer of connect. */
    FANFARE_OP_SEND = 1,
    /* As recvmsg: one message, or as much of it as the parts hold; FANFARE_COMPLETION_END tells
     * which, and without it the next receive goes on. FANFARE_MSG_PARTIAL: what has arrived.
     * SOCK_STREAM: what is there (MSG_WAITALL: until the parts are full); 0 when the sender
     * finished. -ESHUTDOWN: the sender finished in good order (SOCK_RDM). -ECONNRESET: the session
     * was reset, after everything that came before. `address`, unless NULL: filled with the sender.
     */
    FANFARE_OP_RECEIVE = 2,
    /* Cancels calls of this ring whose user_data is `argument`. Result: how many completed with
     * -ECANCELED for it (a receive that has octets already: with their count). -ENOENT: none is
     * pending. -EALREADY: a send, of which part is on its way; only close or destroy cut that. */
    FANFARE_OP_CANCEL = 3,
    /* As shutdown with `argument` as how, once the sends submitted before it are done. */
    FANFARE_OP_SHUTDOWN = 4,
};

struct fanfare_submission {
    uint32_t operation; /* enum fanfare_operation */
    int32_t fd;         /* NOP and CANCEL: not looked at */
    uint64_t user_data; /* the completion has it */
    const struct iovec* parts;
    uint32_t parts_count; /* at most 1024 */
    uint32_t flags;       /* MSG_*, FANFARE_MSG_PARTIAL */
    struct sockaddr_in* address;
    uint64_t argument;
};

/* The octets end a message (SOCK_RDM), or are a whole datagram. */
#define FANFARE_COMPLETION_END 1
/* A datagram was longer than the parts; what did not fit is lost. */
#define FANFARE_COMPLETION_CUT 2

struct fanfare_completion {
    uint64_t user_data;
    int64_t result; /* octets, or an errno as a negative number: -ECANCELED after close, unless a
                     * receive has octets already */
    uint32_t flags; /* FANFARE_COMPLETION_* */
    uint32_t reserved;
};

struct fanfare_ring;

/* A ring for up to `entries` calls at a time, from submission until their completions were taken;
 * rounded up to a power of two, at most 65536. NULL with errno: EINVAL (0 entries), ENOMEM, EMFILE,
 * EAGAIN (no thread). */
FANFARE_API struct fanfare_ring* fanfare_ring_create(unsigned entries);
/* Cancels what is pending and frees the ring; when it returns, no buffer is used any more. A
 * message of which part was sent stays open. NULL is allowed. */
FANFARE_API void fanfare_ring_destroy(struct fanfare_ring* ring);

/* Submits a batch in its order. How many were taken: fewer than `count` when the ring has no room
 * for more completions. -1 and errno when none was: EBUSY: take completions first. EFAULT. EBADF:
 * the ring is another process's. When calls were taken, errno is EINPROGRESS if any of this ring is
 * still under way (and fanfare_winsock_error() WSA_IO_PENDING), else 0. */
FANFARE_API int fanfare_ring_submit(struct fanfare_ring* ring,
                                    const struct fanfare_submission* submissions, unsigned count);

/* Waits until `at_least` (1 or more) completions stand in the ring or nothing is under way any
 * more; at most `timeout_ns` (negative: for ever, 0: only looks). How many stand there; that may be
 * 0. -1 and EINTR when a signal came and none stands there. */
FANFARE_API int fanfare_ring_wait(struct fanfare_ring* ring, unsigned at_least, int64_t timeout_ns);
/* Copies up to `count` completions, the oldest first, without taking them. How many. */
FANFARE_API int fanfare_ring_peek(struct fanfare_ring* ring, struct fanfare_completion* completions,
                                  unsigned count);
/* Takes the oldest `count` completions, which makes room for as many calls. How many stood there.
 */
FANFARE_API int fanfare_ring_seen(struct fanfare_ring* ring, unsigned count);
/* peek and seen in one. */
FANFARE_API int fanfare_ring_reap(struct fanfare_ring* ring, struct fanfare_completion* completions,
                                  unsigned count);
/* A descriptor for poll, select and epoll: readable while completions stand in the ring. It stays
 * the ring's: neither read nor close it. From the first call on the ring keeps it true, which costs
 * a system call whenever the ring runs empty. */
FANFARE_API int fanfare_ring_fd(struct fanfare_ring* ring);

#ifdef __cplusplus
}
#endif

#endif

/* Reliable multicast sockets (PGM, RFC 3208) on Fanfare: the socket calls, by names of their own,
 * on real file descriptors. They behave as IPPROTO_RM sockets do on Windows, with errno for
 * Winsock's codes.
 *
 *   sender:    socket, bind to INADDR_ANY (or skip it), options, connect to group and port, send,
 * shutdown, close receiver:  socket, bind to group and port, options, listen, accept (one per
 * sender's session), recv, close
 *
 * A descriptor can be waited for with poll, select and epoll (readable, writable, error and hang-up
 * are true), made non-blocking with fcntl, duplicated, and passed over fork and exec: it is the
 * same socket for every holder. It must be closed with fanfare_close. Every call is thread-safe.
 * All return -1 with errno on failure; fanfare_last_error_text() then says more. */
#ifndef FANFARE_SOCKET_H
#define FANFARE_SOCKET_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "wsrm.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FANFARE_API __attribute__((visibility("default")))
#else
#define FANFARE_API
#endif

/* For fanfare_recv*: return what part of a message has arrived, rather than wait for the whole of
 * it. */
#define FANFARE_MSG_PARTIAL 0x1000000
/* For fanfare_recv* and fanfare_peek: EAGAIN at once where nothing has come, and the descriptor
 * need not tell when it does. For programs that ask again and again and wait on no descriptor: no
 * fence and no clock in vain, and the daemon makes no call to wake them. A call without it makes
 * poll() true again. */
#define FANFARE_MSG_BUSY 0x10000000

/* Options of Fanfare's own, at level IPPROTO_RM; set before connect or listen. uint32_t unless said
 * otherwise. */
#define FANFARE_UDP_PORT \
    2001                     /* UDP encapsulation on this port; 0 = raw IP protocol 113 (default) */
#define FANFARE_PROFILE 2002 /* 0 lan (default), 1 windows, 2 openpgm */
#define FANFARE_RATE_BITS 2003    /* uint64_t, bit/s; 0 = as fast as the port takes */
#define FANFARE_WINDOW_BYTES 2004 /* uint64_t */
#define FANFARE_WINDOW_NANOS 2005 /* uint64_t */
#define FANFARE_PACKED 2006       /* 1: many messages share a packet; between Fanfare hosts only */
#define FANFARE_SOURCE \
    2007 /* receiver: only sessions from this IPv4 address, host byte order; 0 = any */
#define FANFARE_LOOPBACK 2008       /* 1 (default): receivers on this host get the data too */
#define FANFARE_RECEIVE_WINDOW 2009 /* uint64_t, octets of a session's receive window */
#define FANFARE_CONGESTION_CONTROL \
    2010 /* 1: the sender slows down to its slowest receiver (PGMCC); 0 (default) */

/* The daemon's socket for the calls that follow in this process: `path`, or with NULL
 * $FANFARE_CONTROL, else /run/fanfare/control.sock. Sockets that exist already stay with their
 * daemon. */
FANFARE_API int fanfare_set_control(const char* path);

/* domain AF_INET; type SOCK_RDM (messages) or SOCK_STREAM (octets), with SOCK_NONBLOCK and
 * SOCK_CLOEXEC; protocol IPPROTO_RM, or 0 with SOCK_RDM. ESOCKTNOSUPPORT: no daemon is running. */
FANFARE_API int fanfare_socket(int domain, int type, int protocol);
FANFARE_API int fanfare_bind(int fd, const struct sockaddr* address, socklen_t length);
FANFARE_API int fanfare_setsockopt(int fd, int level, int name, const void* value,
                                   socklen_t length);
FANFARE_API int fanfare_getsockopt(int fd, int level, int name, void* value, socklen_t* length);
FANFARE_API int fanfare_connect(int fd, const struct sockaddr* address, socklen_t length);
FANFARE_API int fanfare_listen(int fd, int backlog);
/* One session of a sender: waits until data of a new one arrives. ECONNABORTED: one was lost before
 * it was taken. */
FANFARE_API int fanfare_accept(int fd, struct sockaddr* address, socklen_t* length);
FANFARE_API int fanfare_accept4(int fd, struct sockaddr* address, socklen_t* length, int flags);
FANFARE_API int fanfare_getsockname(int fd, struct sockaddr* address, socklen_t* length);
FANFARE_API int fanfare_getpeername(int fd, struct sockaddr* address, socklen_t* length);

/* SOCK_RDM: one message (of several sends, after RM_SET_MESSAGE_BOUNDARY), taken whole or not at
 * all (EAGAIN). A message larger than the window blocks until it is out; non-blocking it is
 * EMSGSIZE. If SO_SNDTIMEO or a signal ends such a send, the octets taken so far are returned, and
 * the next sends continue that message. SOCK_STREAM: blocking takes all, non-blocking what fits.
 * EPIPE: after shutdown; no signal. ECONNRESET: the session failed. */
FANFARE_API ssize_t fanfare_send(int fd, const void* data, size_t bytes, int flags);
FANFARE_API ssize_t fanfare_sendto(int fd, const void* data, size_t bytes, int flags,
                                   const struct sockaddr* address, socklen_t length);
FANFARE_API ssize_t fanfare_sendmsg(int fd, const struct msghdr* message, int flags);

/* SOCK_RDM: one message. If the buffer is smaller than what is left of it: -1 and EMSGSIZE, the
 * buffer is full, and the next call goes on; recvmsg then returns the count and leaves MSG_EOR out.
 * A message of which more than half a receive window is yet to come is collected as it arrives;
 * once begun, only its end, a full buffer, or the session's end stops recv (recvmsg returns what it
 * has when SO_RCVTIMEO passes). SOCK_STREAM: what is there, at least one octet; 0 when the sender
 * finished. ESHUTDOWN: the sender finished in good order (SOCK_RDM). ECONNRESET: the session was
 * reset. */
FANFARE_API ssize_t fanfare_recv(int fd, void* data, size_t bytes, int flags);
FANFARE_API ssize_t fanfare_recvfrom(int fd, void* data, size_t bytes, int flags,
                                     struct sockaddr* address, socklen_t* length);
FANFARE_API ssize_t fanfare_recvmsg(int fd, struct msghdr* message, int flags);

/* SHUT_WR: all that was sent goes out, and repairs go on until the window has passed, even if the
 * process ends. */
FANFARE_API int fanfare_shutdown(int fd, int how);
FANFARE_API int fanfare_close(int fd);

/* Zero copy, sending. claim() lends room for one message of up to `bytes` octets (SOCK_STREAM: a
 * run of octets, possibly shorter) in the send window itself; commit() ends it with the octets
 * really used; several may be built so, and publish() sends them. One thread does this at a time,
 * and nobody else sends on the socket meanwhile. The room belongs to the caller from claim to
 * commit. EMSGSIZE: more than one record holds (use fanfare_send). */
FANFARE_API int fanfare_claim(int fd, size_t bytes, void** room, size_t* room_bytes, int flags);
FANFARE_API int fanfare_commit(int fd, size_t bytes);
FANFARE_API int fanfare_publish(int fd);
/* Many at once: claims room for `count` messages (SOCK_STREAM: one after the other of a stream), of
 * exactly `rooms[i].iov_len` octets, and sets `iov_base`; fill them all, then publish(). Waits
 * until the first has room, and returns how many got some; the last of a SOCK_STREAM may have
 * become shorter. Nothing is to be committed. */
FANFARE_API int fanfare_claim_run(int fd, struct iovec* rooms, size_t count, int flags);

/* Zero copy, receiving: octets where they stand in the receive window, which the daemon may
 * overwrite when this reader falls too far behind: what was computed from a view counts only if
 * fanfare_intact() says 1 afterwards. */
#define FANFARE_VIEW_BEGINS 1 /* of a message */
#define FANFARE_VIEW_ENDS 2
#define FANFARE_VIEW_REPAIRED 4 /* lost on its way and sent again, or decoded from parity */
#define FANFARE_VIEW_ROW 8      /* several whole messages; fanfare_next_message() walks them */
struct fanfare_view {
    const void* data;
    size_t bytes;
    uint32_t flags;
    uint32_t cursor_phase; /* from here on: the library's */
    uint32_t cursor_offset, cursor_taken;
    uint64_t cursor_ordinal, ordinal, log_position;
};
/* Up to `count` views of what is next, in order; takes nothing. Waits like recv. Returns how many,
 * 0 when a SOCK_STREAM sender finished. FANFARE_MSG_ROWS in `flags`: messages that came in one
 * packet may be one view. */
#define FANFARE_MSG_ROWS 0x2000000
FANFARE_API int fanfare_peek(int fd, struct fanfare_view* views, size_t count, int flags);
/* 1 if the octets were whole until now, 0 if not. */
FANFARE_API int fanfare_intact(int fd, const struct fanfare_view* view);
/* Takes the first `count` of the views that peek gave. ECONNRESET if one of them was overwritten
 * meanwhile. */
FANFARE_API int fanfare_consume(int fd, const struct fanfare_view* views, size_t count);

/* The next message of a view: `at` is 0 before the first call. 1, or 0 at the end. Never leaves the
 * view, whatever has been written there meanwhile. Of a view that is no row, the view itself. */
static inline int fanfare_next_message(const struct fanfare_view* view, size_t* at,
                                       const void** data, size_t* bytes) {
    const unsigned char* from = (const unsigned char*)view->data;
    size_t length;
    if ((view->flags & FANFARE_VIEW_ROW) == 0) {
        *data = view->data;
        *bytes = view->bytes;
        return (*at)++ == 0;
    }
    if (view->bytes - *at < 2) return 0;
    length = (size_t)from[*at] << 8 | from[*at + 1];
    if (length > view->bytes - *at - 2) return 0;
    *data = from + *at + 2;
    *bytes = length;
    *at += 2 + length;
    return 1;
}

/* Octets sent but not yet on the wire (sender), for progress and draining; -1 with errno. */
FANFARE_API int64_t fanfare_unsent(int fd);

/* The last failure in this thread: one line for a human; valid until the next call in this thread.
 */
FANFARE_API const char* fanfare_last_error_text(void);
/* The last failure in this thread as Winsock numbers it: WSAEDISCON (10101), WSAEWOULDBLOCK
 * (10035), ... */
FANFARE_API int fanfare_winsock_error(void);

#ifdef __cplusplus
}
#endif

#endif

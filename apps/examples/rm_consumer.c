/* Prints what the senders of a group send by reliable multicast, each message with its sender's
 * address.
 *
 *     rm_consumer GROUP:PORT [--interface ADDRESS]... [--all-interfaces] [--sessions N]
 *
 * Without an interface the system's first one listens; --all-interfaces tries every address that
 * this host has.
 * --sessions N: ends when so many sessions have ended, with status 0 if all did so in good order.
 * SIGINT ends it too. On Linux: fanfare run rm_consumer ... */
#include <signal.h>

#include "apps/examples/net.h"

enum { kSessionsMax = 32, kAddressesMax = 64 };

static volatile sig_atomic_t stopping = 0;

static void stop(int number) {
    (void)number;
    stopping = 1;
}

struct session {
    SOCKET socket;
    char name[32];
    int inside; /* a message whose first part was printed */
};

static void show(struct session* s, const char* data, size_t bytes, int goes_on) {
    if (!s->inside) printf("%s: ", s->name);
    fwrite(data, 1, bytes, stdout); /* as many as came: nothing ends them */
    s->inside = goes_on;
    if (!goes_on && (bytes == 0 || data[bytes - 1] != '\n')) putchar('\n');
    fflush(stdout);
}

/* One receive. 1: the session goes on, 0: it ended in good order, -1: it did not. */
static int receive(struct session* s) {
    static char buffer[4096];
    const long got = (long)recv(s->socket, buffer, sizeof buffer, 0);
    if (got >= 0) {
        show(s, buffer, (size_t)got, 0);
        return 1;
    }
    switch (net_error()) {
        case NET_MESSAGE_GOES_ON: /* the buffer is full, the next receive has the rest */
            show(s, buffer, sizeof buffer, 1);
            return 1;
        case NET_INTERRUPTED:
            return 1;
        case NET_FINISHED:
            fprintf(stderr, "%s: finished\n", s->name);
            return 0;
        case NET_RESET:
            fprintf(stderr, "%s: reset, data was lost\n", s->name);
            return -1;
        default:
            net_say("recv");
            return -1;
    }
}

static int accept_session(SOCKET listener, struct session* out) {
    struct sockaddr_in peer;
    net_length length = sizeof peer; /* anew for every call: it is changed */
    out->socket = accept(listener, (struct sockaddr*)&peer, &length);
    if (out->socket == INVALID_SOCKET) return -1;
    char dotted[16] = "?";
    inet_ntop(AF_INET, &peer.sin_addr, dotted, sizeof dotted);
    snprintf(out->name, sizeof out->name, "%s:%u", dotted, ntohs(peer.sin_port));
    out->inside = 0;
    return 0;
}

/* Waits for sessions and data until `wanted` sessions have ended (0: for ever). */
static int consume(SOCKET listener, unsigned long wanted) {
    static struct session sessions[kSessionsMax];
    size_t count = 0;
    unsigned long ended = 0;
    int status = 0;
    while (!stopping && (wanted == 0 || ended < wanted)) {
        fd_set readable;
        FD_ZERO(&readable);
        SOCKET highest = listener;
        if (count < kSessionsMax) FD_SET(listener, &readable);
        for (size_t i = 0; i < count; ++i) {
            FD_SET(sessions[i].socket, &readable);
            if (sessions[i].socket > highest) highest = sessions[i].socket;
        }
        if (select((int)highest + 1, &readable, NULL, NULL, NULL) == SOCKET_ERROR) {
            if (net_error() == NET_INTERRUPTED) continue;
            net_say("select");
            status = 1;
            break;
        }
        for (size_t i = count; i-- > 0;) {
            if (!FD_ISSET(sessions[i].socket, &readable)) continue;
            const int state = receive(&sessions[i]);
            if (state > 0) continue;
            if (state < 0) status = 1;
            ++ended;
            closesocket(sessions[i].socket);
            sessions[i] = sessions[--count];
        }
        if (count < kSessionsMax && FD_ISSET(listener, &readable) &&
            accept_session(listener, &sessions[count]) == 0)
            ++count;
    }
    while (count > 0) closesocket(sessions[--count].socket);
    return status;
}

static int listen_on(SOCKET listener, const uint32_t* interfaces, size_t named, int all) {
    uint32_t addresses[kAddressesMax];
    size_t joined = 0;
    for (size_t i = 0; i < named; ++i) {
        if (setsockopt(listener, IPPROTO_RM, RM_ADD_RECEIVE_IF, (const char*)&interfaces[i],
                       sizeof interfaces[i]) == SOCKET_ERROR) {
            net_say("--interface");
            return -1;
        }
    }
    const size_t count = all ? net_addresses(addresses, kAddressesMax) : 0;
    for (size_t i = 0; i < count; ++i)
        joined += setsockopt(listener, IPPROTO_RM, RM_ADD_RECEIVE_IF, (const char*)&addresses[i],
                             sizeof addresses[i]) != SOCKET_ERROR;
    if (all && joined == 0) {
        fprintf(stderr, "rm_consumer: none of this host's %u addresses can listen\n",
                (unsigned)count);
        return -1;
    }
    if (listen(listener, 5) == SOCKET_ERROR) {
        net_say("listen");
        return -1;
    }
    fprintf(stderr, "listening\n");
    return 0;
}

int main(int argc, char** argv) {
    struct sockaddr_in group;
    uint32_t interfaces[kAddressesMax];
    size_t named = 0;
    int all = 0;
    unsigned long wanted = 0;
    if (argc < 2 || net_group(argv[1], &group) != 0) {
        fprintf(stderr, "rm_consumer: GROUP:PORT first, for example 239.1.1.1:7500\n");
        return 2;
    }
    for (int i = 2; i < argc; ++i) {
        if (strcmp(argv[i], "--all-interfaces") == 0) {
            all = 1;
        } else if (strcmp(argv[i], "--interface") == 0 && i + 1 < argc && named < kAddressesMax) {
            interfaces[named++] = net_address(argv[++i]);
        } else if (strcmp(argv[i], "--sessions") == 0 && i + 1 < argc) {
            wanted = strtoul(argv[++i], NULL, 10);
        } else {
            fprintf(stderr, "rm_consumer: '%s' is unknown or lacks its value\n", argv[i]);
            return 2;
        }
    }
    if (net_start() != 0) {
        fprintf(stderr, "rm_consumer: no Winsock\n");
        return 1;
    }
    signal(SIGINT, stop);
    int status = 1;
    const int on = 1;
    const SOCKET listener = socket(AF_INET, SOCK_RDM, IPPROTO_RM);
    if (listener == INVALID_SOCKET) {
        net_say("socket (is reliable multicast there?)");
    } else {
        /* Other receivers of the group may run on this host. */
        if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, (const char*)&on, sizeof on) ==
            SOCKET_ERROR)
            net_say("SO_REUSEADDR");
        else if (bind(listener, (const struct sockaddr*)&group, sizeof group) == SOCKET_ERROR)
            net_say("bind");
        else if (listen_on(listener, interfaces, named, all) == 0)
            status = consume(listener, wanted);
        closesocket(listener);
    }
    net_end();
    return status;
}

/* Prints what comes to a group in datagrams, each with its sender's address.
 *
 *     consumer GROUP:PORT [--interface ADDRESS]... [--source ADDRESS] [--count N]
 *
 * Joins on the interfaces named, else on every one that this host has; --source hears one sender
 * alone. --count N: ends after so many datagrams; SIGINT ends it too. */
#include <signal.h>

#include "apps/examples/source_group.h"

enum { kLargestDatagram = 65507, kAddressesMax = 64 };

static volatile sig_atomic_t stopping = 0;

static void stop(int number) {
    (void)number;
    stopping = 1;
}

static int change(SOCKET socket, int joining, uint32_t group, uint32_t source, uint32_t by) {
    if (source != 0)
        return joining ? join_source_group(socket, group, source, by)
                       : leave_source_group(socket, group, source, by);
    struct ip_mreq membership;
    memset(&membership, 0, sizeof membership);
    membership.imr_multiaddr.s_addr = group;
    membership.imr_interface.s_addr = by;
    return setsockopt(socket, IPPROTO_IP, joining ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP,
                      (const char*)&membership, sizeof membership);
}

static int show(SOCKET socket) {
    static char buffer[kLargestDatagram];
    struct sockaddr_in from;
    net_length length = sizeof from; /* anew for every call: it is changed */
    const long got =
        (long)recvfrom(socket, buffer, sizeof buffer, 0, (struct sockaddr*)&from, &length);
    if (got < 0) {
        if (net_error() == NET_INTERRUPTED) return 0;
        net_say("recvfrom");
        return -1;
    }
    char dotted[16] = "?";
    inet_ntop(AF_INET, &from.sin_addr, dotted, sizeof dotted);
    printf("%s: ", dotted);
    fwrite(buffer, 1, (size_t)got, stdout); /* as many as came: nothing ends them */
    if (got == 0 || buffer[got - 1] != '\n') putchar('\n');
    fflush(stdout);
    return 1;
}

/* Bound to the group itself, so that other groups of the port stay out; Windows cannot. */
static int open_port(SOCKET socket, const struct sockaddr_in* group) {
    const int on = 1;
    struct sockaddr_in at = *group;
    if (setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, (const char*)&on, sizeof on) == SOCKET_ERROR)
        return -1;
#ifdef _WIN32
    at.sin_addr.s_addr = htonl(INADDR_ANY);
#endif
    return bind(socket, (const struct sockaddr*)&at, sizeof at) == SOCKET_ERROR ? -1 : 0;
}

static int consume(SOCKET socket, const struct sockaddr_in* group, uint32_t source,
                   const uint32_t* by, size_t count, unsigned long wanted) {
    uint32_t joined[kAddressesMax];
    size_t members = 0;
    if (open_port(socket, group) != 0) {
        net_say("bind");
        return 1;
    }
    /* Two addresses of one interface are one membership: the second is refused. */
    for (size_t i = 0; i < count; ++i)
        if (change(socket, 1, group->sin_addr.s_addr, source, by[i]) != SOCKET_ERROR)
            joined[members++] = by[i];
    if (members == 0) {
        net_say("no interface joins the group");
        return 1;
    }
    fprintf(stderr, "listening on %u interfaces\n", (unsigned)members);
    int status = 0;
    for (unsigned long seen = 0; !stopping && status == 0 && (wanted == 0 || seen < wanted);) {
        const int got = show(socket);
        if (got < 0) status = 1;
        if (got > 0) ++seen;
    }
    for (size_t i = 0; i < members; ++i)
        change(socket, 0, group->sin_addr.s_addr, source, joined[i]);
    return status;
}

static void watch_signals(void) {
#ifdef _WIN32
    signal(SIGINT, stop);
#else
    struct sigaction action; /* without SA_RESTART: a wait ends */
    memset(&action, 0, sizeof action);
    action.sa_handler = stop;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
#endif
}

int main(int argc, char** argv) {
    struct sockaddr_in group;
    uint32_t by[kAddressesMax], source = 0;
    size_t count = 0;
    unsigned long wanted = 0;
    if (argc < 2 || net_group(argv[1], &group) != 0) {
        fprintf(stderr, "consumer: GROUP:PORT first, for example 239.1.1.1:7777\n");
        return 2;
    }
    for (int i = 2; i < argc; i += 2) {
        if (i + 1 == argc) {
            fprintf(stderr, "consumer: %s needs a value\n", argv[i]);
            return 2;
        }
        if (strcmp(argv[i], "--interface") == 0 && count < kAddressesMax) {
            by[count++] = net_address(argv[i + 1]);
        } else if (strcmp(argv[i], "--source") == 0) {
            source = net_address(argv[i + 1]);
        } else if (strcmp(argv[i], "--count") == 0) {
            wanted = strtoul(argv[i + 1], NULL, 10);
        } else {
            fprintf(stderr, "consumer: '%s' is unknown\n", argv[i]);
            return 2;
        }
    }
    if (net_start() != 0) {
        fprintf(stderr, "consumer: no Winsock\n");
        return 1;
    }
    if (count == 0) count = net_addresses(by, kAddressesMax);
    watch_signals();
    int status = 1;
    const SOCKET sock = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    if (sock == INVALID_SOCKET) {
        net_say("socket");
    } else {
        status = consume(sock, &group, source, by, count, wanted);
        closesocket(sock);
    }
    net_end();
    return status;
}

/* Prints the datagrams that come to a group, each with its sender's address.
 *
 *     consumer GROUP:PORT [--interface ADDRESS]... [--source ADDRESS] [--count N] [--buffer BYTES]
 *
 * Without --interface: joins on every IPv4 address that this host has; a second address of an
 * interface on which it joined already is passed over. --source: what this sender sends, nobody
 * else's (join_source_group). --count N: ends after N datagrams; SIGINT ends it too, and it leaves
 * the group. --buffer: what is longer is cut. An ordinary datagram socket: the kernel's, or
 * Fanfare's with `fanfare run --datagram consumer ...`. */
#include <signal.h>

#include "apps/examples/source_group.h"

enum { kAddressesMax = 64, kBufferMax = 65535 };

static volatile sig_atomic_t stopping = 0;

static void stop(int number) {
    (void)number;
    stopping = 1;
}

/* No SA_RESTART: a receive that waits has to end. */
static void end_on_interrupt(void) {
#ifdef _WIN32
    signal(SIGINT, stop);
#else
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = stop;
    sigaction(SIGINT, &action, NULL);
#endif
}

static int change_group(SOCKET socket, int join, uint32_t group, uint32_t source,
                        uint32_t interface_address) {
    struct ip_mreq membership;
    if (source != 0)
        return join ? join_source_group(socket, group, source, interface_address)
                    : leave_source_group(socket, group, source, interface_address);
    memset(&membership, 0, sizeof membership);
    membership.imr_multiaddr.s_addr = group;
    membership.imr_interface.s_addr = interface_address;
    return setsockopt(socket, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP,
                      (const char*)&membership, sizeof membership);
}

/* Where the group is joined moves to the front of `interfaces`; how many. */
static size_t join_all(SOCKET socket, uint32_t group, uint32_t source, uint32_t* interfaces,
                       size_t count, int named) {
    size_t joined = 0;
    for (size_t i = 0; i < count; ++i) {
        char name[16] = "?";
        struct in_addr by;
        by.s_addr = interfaces[i];
        inet_ntop(AF_INET, &by, name, sizeof name);
        if (change_group(socket, 1, group, source, by.s_addr) == SOCKET_ERROR) {
            if (named || joined == 0) net_say(name);
            continue;
        }
        interfaces[joined++] = by.s_addr;
    }
    return joined;
}

static int consume(SOCKET socket, unsigned long wanted, size_t room) {
    static char buffer[kBufferMax];
    for (unsigned long got = 0; !stopping && (wanted == 0 || got < wanted);) {
        struct sockaddr_in from;
        net_length length = sizeof from; /* anew for every call: it is changed */
        const long n =
            (long)recvfrom(socket, buffer, (int)room, 0, (struct sockaddr*)&from, &length);
        if (n < 0) {
            if (net_error() == NET_INTERRUPTED) continue;
            net_say("recvfrom");
            return 1;
        }
        char dotted[16] = "?";
        inet_ntop(AF_INET, &from.sin_addr, dotted, sizeof dotted);
        printf("%s: ", dotted);
        fwrite(buffer, 1, (size_t)n, stdout); /* as many as came: nothing ends them */
        putchar('\n');
        fflush(stdout);
        ++got;
    }
    return 0;
}

/* Bound to the group: no other group's datagrams get in, whatever others join on this host. Windows
 * binds to no group; there the port alone is bound. */
static int bind_to(SOCKET socket, const struct sockaddr_in* group) {
    struct sockaddr_in to = *group;
#ifdef _WIN32
    to.sin_addr.s_addr = htonl(INADDR_ANY);
#endif
    return bind(socket, (const struct sockaddr*)&to, sizeof to);
}

int main(int argc, char** argv) {
    struct sockaddr_in group;
    uint32_t interfaces[kAddressesMax];
    size_t count = 0;
    uint32_t source = 0;
    unsigned long wanted = 0;
    size_t room = kBufferMax;
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
            interfaces[count++] = net_address(argv[i + 1]);
        } else if (strcmp(argv[i], "--source") == 0) {
            source = net_address(argv[i + 1]);
        } else if (strcmp(argv[i], "--count") == 0) {
            wanted = strtoul(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--buffer") == 0) {
            room = strtoul(argv[i + 1], NULL, 10);
        } else {
            fprintf(stderr, "consumer: '%s' is unknown\n", argv[i]);
            return 2;
        }
    }
    if (room == 0 || room > kBufferMax) room = kBufferMax;
    if (net_start() != 0) {
        fprintf(stderr, "consumer: no Winsock\n");
        return 1;
    }
    end_on_interrupt();
    const int named = count != 0;
    const int on = 1;
    if (!named) count = net_addresses(interfaces, kAddressesMax);
    int status = 1;
    const SOCKET in = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    if (in == INVALID_SOCKET) {
        net_say("socket");
    } else if (setsockopt(in, SOL_SOCKET, SO_REUSEADDR, (const char*)&on, sizeof on) ==
               SOCKET_ERROR) {
        net_say("SO_REUSEADDR");
    } else if (bind_to(in, &group) == SOCKET_ERROR) {
        net_say("bind");
    } else {
        const uint32_t to = group.sin_addr.s_addr;
        const size_t joined = join_all(in, to, source, interfaces, count, named);
        if (joined == 0 || (named && joined < count)) {
            fprintf(stderr, "consumer: joined on %u of %u addresses\n", (unsigned)joined,
                    (unsigned)count);
        } else {
            fprintf(stderr, "listening\n");
            status = consume(in, wanted, room);
            for (size_t i = 0; i < joined; ++i)
                if (change_group(in, 0, to, source, interfaces[i]) == SOCKET_ERROR)
                    net_say("leaving the group");
        }
    }
    if (in != INVALID_SOCKET) closesocket(in);
    net_end();
    return status;
}

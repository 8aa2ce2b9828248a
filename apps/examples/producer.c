/* Sends one datagram to a group from each interface of this host, out of that interface.
 *
 *     producer GROUP:PORT [--interface ADDRESS]... [--ttl N] [--text TEXT] [--count N]
 *
 * Without --interface: every IPv4 address that this host has, one datagram each; an address whose
 * interface refuses is said so, and the others are tried all the same. --count N: so many rounds,
 * numbered from 0 behind the text. An ordinary datagram socket: the kernel's, or Fanfare's with
 * `fanfare run --datagram producer ...`. */
#include "apps/examples/net.h"

enum { kAddressesMax = 64, kTextMax = 1024 };

static int send_from(uint32_t interface_address, const struct sockaddr_in* group, int ttl,
                     const char* text, size_t bytes) {
    char name[16] = "?";
    struct in_addr by; /* the address of it is what the option takes, not its value */
    by.s_addr = interface_address;
    inet_ntop(AF_INET, &by, name, sizeof name);
    const SOCKET out = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    if (out == INVALID_SOCKET) {
        net_say("socket");
        return -1;
    }
    int result = -1;
    if (setsockopt(out, IPPROTO_IP, IP_MULTICAST_TTL, (const char*)&ttl, sizeof ttl) ==
        SOCKET_ERROR)
        net_say("--ttl");
    else if (setsockopt(out, IPPROTO_IP, IP_MULTICAST_IF, (const char*)&by, sizeof by) ==
             SOCKET_ERROR)
        net_say(name);
    else if ((long)sendto(out, text, (int)bytes, 0, (const struct sockaddr*)group, sizeof *group) !=
             (long)bytes)
        net_say(name);
    else
        result = 0;
    if (result == 0) fprintf(stderr, "sent from %s\n", name);
    if (closesocket(out) == SOCKET_ERROR) net_say("close");
    return result;
}

int main(int argc, char** argv) {
    struct sockaddr_in group;
    uint32_t interfaces[kAddressesMax];
    size_t count = 0;
    int ttl = 64;
    unsigned long rounds = 1;
    const char* text = "hello from Fanfare";
    if (argc < 2 || net_group(argv[1], &group) != 0) {
        fprintf(stderr, "producer: GROUP:PORT first, for example 239.1.1.1:7777\n");
        return 2;
    }
    for (int i = 2; i < argc; i += 2) {
        if (i + 1 == argc) {
            fprintf(stderr, "producer: %s needs a value\n", argv[i]);
            return 2;
        }
        if (strcmp(argv[i], "--interface") == 0 && count < kAddressesMax) {
            interfaces[count++] = net_address(argv[i + 1]);
        } else if (strcmp(argv[i], "--ttl") == 0) {
            ttl = (int)strtol(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--text") == 0) {
            text = argv[i + 1];
        } else if (strcmp(argv[i], "--count") == 0) {
            rounds = strtoul(argv[i + 1], NULL, 10);
        } else {
            fprintf(stderr, "producer: '%s' is unknown\n", argv[i]);
            return 2;
        }
    }
    if (net_start() != 0) {
        fprintf(stderr, "producer: no Winsock\n");
        return 1;
    }
    if (count == 0) count = net_addresses(interfaces, kAddressesMax);
    size_t sent = 0;
    for (unsigned long round = 0; round < rounds; ++round) {
        char line[kTextMax];
        const int bytes = rounds > 1 ? snprintf(line, sizeof line, "%s %lu", text, round)
                                     : snprintf(line, sizeof line, "%s", text);
        const size_t length = (size_t)bytes < sizeof line ? (size_t)bytes : sizeof line - 1;
        for (size_t i = 0; i < count; ++i)
            sent += send_from(interfaces[i], &group, ttl, line, length) == 0;
    }
    net_end();
    if (sent == 0) {
        fprintf(stderr, "producer: none of %u addresses could send\n", (unsigned)count);
        return 1;
    }
    return 0;
}

/* Sends one datagram with a text to a group out of every interface.
 *
 *     producer GROUP:PORT [--interface ADDRESS]... [--ttl N] [--text TEXT]
 *
 * Without --interface: out of every one that this host has, loopback not counted. */
#include "apps/examples/net.h"

enum { kAddressesMax = 64 };

/* One datagram, out of the interface with the address `by`. */
static int produce(const struct sockaddr_in* group, uint32_t by, int ttl, const char* text) {
    int status = 1;
    struct in_addr interface_address; /* the option wants its address, not its value */
    interface_address.s_addr = by;
    const SOCKET sock = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    if (sock == INVALID_SOCKET) {
        net_say("socket");
        return 1;
    }
    if (setsockopt(sock, IPPROTO_IP, IP_MULTICAST_IF, (const char*)&interface_address,
                   sizeof interface_address) == SOCKET_ERROR)
        net_say("IP_MULTICAST_IF");
    else if (setsockopt(sock, IPPROTO_IP, IP_MULTICAST_TTL, (const char*)&ttl, sizeof ttl) ==
             SOCKET_ERROR)
        net_say("IP_MULTICAST_TTL");
    else if (sendto(sock, text, (int)strlen(text), 0, (const struct sockaddr*)group,
                    sizeof *group) == SOCKET_ERROR)
        net_say("sendto");
    else
        status = 0;
    closesocket(sock);
    return status;
}

int main(int argc, char** argv) {
    struct sockaddr_in group;
    uint32_t by[kAddressesMax];
    size_t count = 0;
    int ttl = 64, all = 1, status = 0;
    const char* text = "a multicast text";
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
            by[count++] = net_address(argv[i + 1]);
            all = 0;
        } else if (strcmp(argv[i], "--ttl") == 0) {
            ttl = (int)strtoul(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--text") == 0) {
            text = argv[i + 1];
        } else {
            fprintf(stderr, "producer: '%s' is unknown\n", argv[i]);
            return 2;
        }
    }
    if (net_start() != 0) {
        fprintf(stderr, "producer: no Winsock\n");
        return 1;
    }
    if (all) count = net_addresses(by, kAddressesMax);
    for (size_t i = 0; i < count; ++i)
        if (!all || (ntohl(by[i]) >> 24) != 127) status |= produce(&group, by[i], ttl, text);
    net_end();
    return status;
}

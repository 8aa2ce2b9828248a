/* The one conditional part of the examples: what Winsock and the socket calls of POSIX call
 * differently. Everything else in them is one text for both. */
#ifndef EXAMPLES_NET_H
#define EXAMPLES_NET_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32

#include <winsock2.h>
#include <ws2tcpip.h>
/* The order is theirs. */
#include <iphlpapi.h>
#include <windows.h>
#include <wsrm.h>

typedef int net_length;
#define NET_INTERRUPTED WSAEINTR
#define NET_MESSAGE_GOES_ON WSAEMSGSIZE
#define NET_FINISHED WSAEDISCON
#define NET_RESET WSAECONNRESET

static inline int net_start(void) {
    WSADATA data;
    return WSAStartup(MAKEWORD(2, 2), &data);
}
static inline void net_end(void) {
    WSACleanup();
}
static inline int net_error(void) {
    return WSAGetLastError();
}
static inline void net_say(const char* what) {
    fprintf(stderr, "%s: error %d\n", what, WSAGetLastError());
}

/* IPv4 addresses of this host, in network byte order; how many. */
static inline size_t net_addresses(uint32_t* out, size_t room) {
    static union {
        IP_ADAPTER_ADDRESSES first;
        char octets[64 * 1024];
    } all;
    ULONG bytes = sizeof all;
    const ULONG flags = GAA_FLAG_SKIP_ANYCAST | GAA_FLAG_SKIP_MULTICAST | GAA_FLAG_SKIP_DNS_SERVER;
    if (GetAdaptersAddresses(AF_INET, flags, NULL, &all.first, &bytes) != NO_ERROR) return 0;
    size_t count = 0;
    for (const IP_ADAPTER_ADDRESSES* a = &all.first; a != NULL; a = a->Next)
        for (const IP_ADAPTER_UNICAST_ADDRESS* u = a->FirstUnicastAddress;
             u != NULL && count < room; u = u->Next)
            out[count++] = ((const struct sockaddr_in*)u->Address.lpSockaddr)->sin_addr.s_addr;
    return count;
}

#else

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wsrm.h>

typedef int SOCKET;
typedef socklen_t net_length;
#define INVALID_SOCKET (-1)
#define SOCKET_ERROR (-1)
#define SD_SEND SHUT_WR
#define closesocket close
#define NET_INTERRUPTED EINTR
#define NET_MESSAGE_GOES_ON EMSGSIZE
#define NET_FINISHED ESHUTDOWN
#define NET_RESET ECONNRESET

static inline int net_start(void) {
    return 0;
}
static inline void net_end(void) {}
static inline int net_error(void) {
    return errno;
}
static inline void net_say(const char* what) {
    perror(what);
}

static inline size_t net_addresses(uint32_t* out, size_t room) {
    struct ifaddrs* all = NULL;
    if (getifaddrs(&all) != 0) return 0;
    size_t count = 0;
    for (const struct ifaddrs* a = all; a != NULL && count < room; a = a->ifa_next)
        if (a->ifa_addr != NULL && a->ifa_addr->sa_family == AF_INET)
            out[count++] = ((const struct sockaddr_in*)a->ifa_addr)->sin_addr.s_addr;
    freeifaddrs(all);
    return count;
}

#endif

/* GROUP:PORT into an address; 0, or -1 if it is none. */
static inline int net_group(const char* text, struct sockaddr_in* out) {
    char dotted[16];
    const char* const colon = strchr(text, ':');
    char* end = NULL;
    if (colon == NULL || (size_t)(colon - text) >= sizeof dotted) return -1;
    memcpy(dotted, text, (size_t)(colon - text));
    dotted[colon - text] = 0;
    const unsigned long port = strtoul(colon + 1, &end, 10);
    memset(out, 0, sizeof *out);
    out->sin_family = AF_INET;
    out->sin_port = htons((uint16_t)port);
    if (end == colon + 1 || *end != 0 || port > 65535) return -1;
    return inet_pton(AF_INET, dotted, &out->sin_addr) == 1 ? 0 : -1;
}

/* A dotted address in network byte order, or exit. */
static inline uint32_t net_address(const char* text) {
    struct in_addr address;
    if (inet_pton(AF_INET, text, &address) != 1) {
        fprintf(stderr, "'%s' is no IPv4 address\n", text);
        exit(2);
    }
    return address.s_addr;
}

#endif

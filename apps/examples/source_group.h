/* Source-specific membership of a datagram socket: only what `source` sends to `group` is
 * delivered, by the interface with the address `interface`. All three in network byte order. They
 * return what setsockopt returns. The structure is filled by the names of its members: their order
 * differs between systems. */
#ifndef EXAMPLES_SOURCE_GROUP_H
#define EXAMPLES_SOURCE_GROUP_H

#include "apps/examples/net.h"

static inline int change_source_group(SOCKET socket, int option, uint32_t group, uint32_t source,
                                      uint32_t interface_address) {
    struct ip_mreq_source membership;
    memset(&membership, 0, sizeof membership);
    membership.imr_multiaddr.s_addr = group;
    membership.imr_sourceaddr.s_addr = source;
    membership.imr_interface.s_addr = interface_address;
    return setsockopt(socket, IPPROTO_IP, option, (const char*)&membership, sizeof membership);
}

static inline int join_source_group(SOCKET socket, uint32_t group, uint32_t source,
                                    uint32_t interface_address) {
    return change_source_group(socket, IP_ADD_SOURCE_MEMBERSHIP, group, source, interface_address);
}

static inline int leave_source_group(SOCKET socket, uint32_t group, uint32_t source,
                                     uint32_t interface_address) {
    return change_source_group(socket, IP_DROP_SOURCE_MEMBERSHIP, group, source, interface_address);
}

#endif

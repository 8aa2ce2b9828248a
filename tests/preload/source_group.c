/* Check 197: join_source_group and leave_source_group on an ordinary datagram socket: the result is
 * setsockopt's, and the filter is the one that was asked for. */
#include <poll.h>

#include "apps/examples/source_group.h"
#include "checks.h"

int main(void) {
    const uint32_t group = inet_addr("232.77.1.1"), loopback = inet_addr("127.0.0.1");
    const uint32_t other = inet_addr("127.0.0.2");
    const int out = socket(AF_INET, SOCK_DGRAM, 0), in = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in at = address_of("232.77.1.1", 0), from = address_of("127.0.0.1", 0);
    socklen_t length = sizeof at;
    struct in_addr by = {loopback};
    CHECK(bind(in, (struct sockaddr*)&at, sizeof at) == 0);
    CHECK(getsockname(in, (struct sockaddr*)&at, &length) == 0);
    CHECK(bind(out, (struct sockaddr*)&from, sizeof from) == 0);
    CHECK(setsockopt(out, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof by) == 0);
    CHECK(join_source_group(in, group, other, loopback) == 0);
    CHECK(sendto(out, "no", 2, 0, (struct sockaddr*)&at, sizeof at) == 2);
    CHECK(join_source_group(in, group, loopback, loopback) == 0);
    CHECK(sendto(out, "yes", 3, 0, (struct sockaddr*)&at, sizeof at) == 3);
    CHECK(events(in, POLLIN, 20000) == POLLIN);
    expect_text(in, "yes");
    CHECK(leave_source_group(in, group, loopback, loopback) == 0);
    FAILS(leave_source_group(in, group, loopback, loopback), EADDRNOTAVAIL);
    FAILS(join_source_group(in, inet_addr("10.1.1.1"), loopback, loopback), EINVAL);
    FAILS(join_source_group(-1, group, loopback, loopback), EBADF);
    return 0;
}

/* Sends standard input to a group by reliable multicast, a message a line, and ends in good order.
 *
 *     rm_producer GROUP:PORT [--interface ADDRESS] [--rate KBIT/s] [--window-ms N] [--ttl N]
 * [--pieces N]
 *
 * --pieces N: a message is given to the socket in sends of at most N octets;
 * RM_SET_MESSAGE_BOUNDARY makes them one. On Linux: fanfare run rm_producer ... */
#include "apps/examples/net.h"

enum { kLineMax = 1 << 20 };

static int option(SOCKET socket, const char* name, int number, const void* value,
                  net_length length) {
    if (setsockopt(socket, IPPROTO_RM, number, (const char*)value, length) != SOCKET_ERROR)
        return 0;
    net_say(name);
    return -1;
}

static int send_line(SOCKET socket, const char* line, size_t bytes, size_t piece) {
    if (piece != 0 && bytes > piece) {
        const uint32_t whole = (uint32_t)bytes;
        if (option(socket, "RM_SET_MESSAGE_BOUNDARY", RM_SET_MESSAGE_BOUNDARY, &whole,
                   sizeof whole) != 0)
            return -1;
    } else {
        piece = bytes;
    }
    size_t at = 0;
    do {
        const size_t n = bytes - at < piece ? bytes - at : piece;
        /* The whole of it, unless the session fails: the socket waits for room in its window. */
        const long sent = (long)send(socket, line + at, (int)n, 0);
        if (sent == SOCKET_ERROR) {
            if (net_error() == NET_INTERRUPTED) continue;
            net_say("send");
            return -1;
        }
        at += (size_t)sent;
    } while (at < bytes);
    return 0;
}

static int produce(SOCKET socket, const struct sockaddr_in* group, size_t piece) {
    static char line[kLineMax];
    if (connect(socket, (const struct sockaddr*)group, sizeof *group) == SOCKET_ERROR) {
        net_say("connect");
        return 1;
    }
    while (fgets(line, sizeof line, stdin) != NULL)
        if (send_line(socket, line, strlen(line), piece) != 0) return 1;
    /* Without this nothing would be promised about what was sent last. */
    if (shutdown(socket, SD_SEND) == SOCKET_ERROR) {
        net_say("shutdown");
        return 1;
    }
    return 0;
}

/* Options are set between bind and connect. */
static int set_up(SOCKET socket, int argc, char** argv, size_t* piece) {
    struct sockaddr_in any;
    memset(&any, 0, sizeof any);
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_ANY); /* and any port: the transport chooses */
    if (bind(socket, (const struct sockaddr*)&any, sizeof any) == SOCKET_ERROR) {
        net_say("bind");
        return 1;
    }
    RM_SEND_WINDOW window = {0, 0, 0};
    for (int i = 2; i < argc; i += 2) {
        if (i + 1 == argc) {
            fprintf(stderr, "rm_producer: %s needs a value\n", argv[i]);
            return 2;
        }
        const uint32_t number = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--interface") == 0) {
            const uint32_t address = net_address(argv[i + 1]);
            if (option(socket, argv[i + 1], RM_SET_SEND_IF, &address, sizeof address) != 0)
                return 1;
        } else if (strcmp(argv[i], "--ttl") == 0) {
            if (option(socket, "--ttl", RM_SET_MCAST_TTL, &number, sizeof number) != 0) return 1;
        } else if (strcmp(argv[i], "--rate") == 0) {
            window.RateKbitsPerSec = number;
        } else if (strcmp(argv[i], "--window-ms") == 0) {
            window.WindowSizeInMSecs = number;
        } else if (strcmp(argv[i], "--pieces") == 0) {
            *piece = number;
        } else {
            fprintf(stderr, "rm_producer: '%s' is unknown\n", argv[i]);
            return 2;
        }
    }
    /* What is 0 follows from the rest. */
    if ((window.RateKbitsPerSec != 0 || window.WindowSizeInMSecs != 0) &&
        option(socket, "--rate, --window-ms", RM_RATE_WINDOW_SIZE, &window, sizeof window) != 0)
        return 1;
    return 0;
}

int main(int argc, char** argv) {
    struct sockaddr_in group;
    size_t piece = 0;
    if (argc < 2 || net_group(argv[1], &group) != 0) {
        fprintf(stderr, "rm_producer: GROUP:PORT first, for example 239.1.1.1:7500\n");
        return 2;
    }
    if (net_start() != 0) {
        fprintf(stderr, "rm_producer: no Winsock\n");
        return 1;
    }
    int status = 1;
    const SOCKET sender = socket(AF_INET, SOCK_RDM, IPPROTO_RM);
    if (sender == INVALID_SOCKET) {
        net_say("socket (is reliable multicast there?)");
    } else {
        status = set_up(sender, argc, argv, &piece);
        if (status == 0) status = produce(sender, &group, piece);
        if (closesocket(sender) == SOCKET_ERROR && status == 0) {
            net_say("close");
            status = 1;
        }
    }
    net_end();
    return status;
}

/* Writes the messages of peer_messages.h to standard output, one after the other: what a receiver
 * must end up with. expected_messages COUNT LONGEST [--lines] [--separator] */
#include <stdlib.h>

#include "peer_messages.h"

int main(int argc, char** argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: expected_messages COUNT LONGEST [--lines] [--separator]\n");
        return 2;
    }
    int lines = 0, separator = 0;
    for (int i = 3; i < argc; ++i) {
        lines |= strcmp(argv[i], "--lines") == 0;
        separator |= strcmp(argv[i], "--separator") == 0;
    }
    const uint32_t count = (uint32_t)strtoul(argv[1], NULL, 10);
    const size_t longest = strtoul(argv[2], NULL, 10);
    char room[kMessageRoom];
    for (uint32_t i = 0; i < count; ++i) {
        const size_t length = peer_message(i, longest, lines, room);
        if (fwrite(room, 1, length, stdout) != length || (separator && putchar('\n') == EOF))
            return 1;
    }
    return fflush(stdout) == 0 ? 0 : 1;
}

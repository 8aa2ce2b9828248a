/* A library whose constructor runs before the preload library's own: calls of that time are right
 * too. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

__attribute__((constructor)) static void early(void) {
    char text[8];
    int pair[2];
    struct iovec part = {text, sizeof text};
    const int good = socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 &&
                     write(pair[0], "early", 5) == 5 && readv(pair[1], &part, 1) == 5 &&
                     memcmp(text, "early", 5) == 0 && send(pair[1], "x", 1, 0) == 1 &&
                     recv(pair[0], text, 8, 0) == 1 && dup2(pair[0], 150) == 150 &&
                     fcntl(150, F_GETFL) >= 0 && close(150) == 0 && close(pair[0]) == 0 &&
                     close(pair[1]) == 0;
    const int fd = socket(AF_INET, SOCK_RDM, 113);
    const char* const line = good && fd >= 0 && close(fd) == 0 ? "early: good\n" : "early: bad\n";
    (void)!write(2, line, strlen(line));
}

/* A library whose constructor runs before libxensock.so's: every function works there already. */
#include "check.h"
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

__attribute__((constructor)) static void early(void) {
    int pair[2];
    char buffer[9];
    CHECK("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && KEEPS_ERRNO);
    CHECK("write, read", write(pair[0], "abc", 3) == 3 && read(pair[1], buffer, 9) == 3 && KEEPS_ERRNO);
    CHECK("poll", poll(&(struct pollfd){pair[0], POLLOUT, 0}, 1, 0) == 1 && KEEPS_ERRNO);
    CHECK("close", close(pair[0]) == 0 && close(pair[1]) == 0 && KEEPS_ERRNO);
    if (getenv("EARLY_REPORT"))
        exit(report());
}

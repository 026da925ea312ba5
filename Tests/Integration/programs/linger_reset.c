// Closes a connection to a peer (port in argv[1]) with SO_LINGER of a given time in seconds (argv[2]) after writing.
#include "common.h"

int main(int count, char **arguments) {
    if (count != 3) return 2;
    int fd = connected(atoi(arguments[1]));
    struct linger linger = {1, atoi(arguments[2])};
    char buffer[8];
    must("send", send(fd, "0123456789", 10, 0));
    // The peer's answer says that it has read; a reset would destroy what it has not.
    say("answer", recv(fd, buffer, 2, MSG_WAITALL));
    say("SO_LINGER", setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    say("close", close(fd));
    print("%s\n", since(&start) < 1500 ? "at once" : "late");
    return done();
}

// Closes a connection to a peer (port in argv[1]) that has sent 1000 bytes: after reading all ("read") or none.
#include "common.h"

int main(int count, char **arguments) {
    if (count != 3) return 2;
    int fd = connected(atoi(arguments[1]));
    char buffer[1000];
    await(fd, POLLIN);
    if (strcmp(arguments[2], "read") == 0) say("recv", recv(fd, buffer, sizeof buffer, MSG_WAITALL));
    say("close", close(fd));
    return done();
}

// Connections to a peer (port in argv[1]) that become stdio's and end by themselves before they are closed, argv[2] of
// them one after the other: none may cost anything that the next ones need.
#include "common.h"
#include <sys/resource.h>

int main(int count, char **arguments) {
    if (count != 3) return 2;
    struct rlimit few = {256, 256};
    must("setrlimit", setrlimit(RLIMIT_NOFILE, &few));
    int wanted = atoi(arguments[2]);
    for (int number = 0; number < wanted; number++) {
        int fd = connected(atoi(arguments[1]));
        FILE *stream = fdopen(fd, "r+");
        if (!stream) return 3;
        char byte;
        must("send", send(fd, "x", 1, MSG_NOSIGNAL));
        // The peer resets: the end of the stream, or the reset itself.
        while (recv(fd, &byte, 1, 0) > 0) {
        }
        await(fd, POLLHUP);
        fclose(stream);
    }
    print("%d connections\n", wanted);
    return done();
}

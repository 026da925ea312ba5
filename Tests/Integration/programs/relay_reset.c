// A connection that is stdio's, to a peer (port in argv[1]) that resets it when a byte came; argv[2] says which call
// finds out.
#include "common.h"

int main(int count, char **arguments) {
    if (count != 3) return 2;
    signal(SIGPIPE, SIG_IGN);
    int fd = connected(atoi(arguments[1]));
    if (!fdopen(fd, "r+")) return 3;
    char buffer[64];
    say("send", send(fd, "x", 1, 0));
    if (!strcmp(arguments[2], "read")) {
        say("recv", recv(fd, buffer, sizeof buffer, MSG_WAITALL));
    } else {
        await(fd, POLLHUP);
        say("send", send(fd, "y", 1, 0));
    }
    say("recv again", recv(fd, buffer, sizeof buffer, 0));
    say("send again", send(fd, "z", 1, 0));
    say("close", close(fd));
    return done();
}

// A connection inherited by a child: both use it, and the peer (port in argv[1], echoing) sees its end with the last.
#include "common.h"

int main(int count, char **arguments) {
    if (count != 2) return 2;
    int fd = connected(atoi(arguments[1]));
    char buffer[32] = {0};
    must("send", send(fd, "parent ", 7, 0));
    say("recv", recv(fd, buffer, 7, MSG_WAITALL));
    pid_t child = must("fork", fork());
    if (child == 0) {
        must("send", send(fd, "child ", 6, 0));
        say("child's recv", recv(fd, buffer, 6, MSG_WAITALL));
        print("child read %s\n", buffer);
        _exit(0);
    }
    must("waitpid", waitpid(child, NULL, 0));
    must("send", send(fd, "parent again ", 13, 0));
    say("parent's recv", recv(fd, buffer, 13, MSG_WAITALL));
    child = must("fork", fork());
    if (child == 0) {
        // The parent has closed its descriptor and is about to end.
        pause_for(200);
        must("send", send(fd, "orphan", 6, 0));
        must("recv", recv(fd, buffer, 6, MSG_WAITALL));
        print("orphan read %.6s\n", buffer);
        close(fd);
        _exit(0);
    }
    say("close", close(fd));
    say("send after close", send(fd, "x", 1, 0));
    must("waitpid", waitpid(child, NULL, 0));
    return done();
}

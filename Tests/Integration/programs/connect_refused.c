// Connects, blocking, to a port that nobody listens at, then to the same when somebody does, with the same descriptor.
#include "common.h"

int main(void) {
    int closed = bound(0);
    int fd = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    say("connect", connect_on(fd, port_of(closed)));
    int error = -1;
    socklen_t length = sizeof error;
    say("getsockopt", getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length));
    print("SO_ERROR %d\n", error);
    say("send", send(fd, "x", 1, MSG_NOSIGNAL));
    say("connect again", connect_on(fd, port_of(closed)));
    must("listen", listen(closed, 4));
    say("connect to the listener", connect_on(fd, port_of(closed)));
    int other = must("accept", accept(closed, NULL, NULL));
    say("send", send(fd, "hello", 5, 0));
    char buffer[8];
    say("recv", recv(other, buffer, sizeof buffer, 0));
    say("connect to a closed port, IPv4 any", connect_on(must("socket", socket(AF_INET, SOCK_STREAM, 0)), 1));
    return done();
}

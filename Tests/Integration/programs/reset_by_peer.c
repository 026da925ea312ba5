// A connection that the peer (port in argv[1]) resets: the error comes once, then the end.
#include "common.h"

int main(int count, char **arguments) {
    if (count != 2) return 2;
    int fd = connected(atoi(arguments[1]));
    char buffer[8];
    must("send", send(fd, "!", 1, 0));
    await(fd, POLLIN);
    say_events("reset", events(fd, POLLIN | POLLOUT | POLLRDHUP, 0));
    say("recv", recv(fd, buffer, sizeof buffer, 0));
    say("recv again", recv(fd, buffer, sizeof buffer, 0));
    say("send", send(fd, "x", 1, MSG_NOSIGNAL));
    int error = -1;
    socklen_t length = sizeof error;
    say("getsockopt", getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length));
    print("SO_ERROR %d\n", error);
    struct sockaddr_in name;
    length = sizeof name;
    say("getpeername", getpeername(fd, (struct sockaddr *)&name, &length));
    say("shutdown", shutdown(fd, SHUT_RDWR));
    return done();
}

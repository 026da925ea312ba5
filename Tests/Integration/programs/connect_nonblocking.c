// Connects without blocking, to a listener and to a port that nobody listens at.
#include "common.h"

static void pending_error(int fd) {
    int error = -1;
    socklen_t length = sizeof error;
    must("SO_ERROR", getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length));
    print("SO_ERROR: %s\n", error ? strerrorname_np(error) : "0");
}

int main(void) {
    int server = listener();
    int fd = must("socket", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    say_events("new", events(fd, POLLIN | POLLOUT | POLLRDHUP, 0));
    say("connect", connect_on(fd, port_of(server)));
    await(fd, POLLOUT);
    pending_error(fd);
    say_events("connected", events(fd, POLLIN | POLLOUT | POLLRDHUP, 0));
    // Linux answers 0 once to the connect after one that was under way, other systems EISCONN at once.
    (void)connect_on(fd, port_of(server));
    say("connect while connected", connect_on(fd, port_of(server)));
    say("recv", recv(fd, &(char){0}, 1, 0));
    close(fd);

    int closed = bound(0);
    fd = must("socket", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    say("connect to a closed port", connect_on(fd, port_of(closed)));
    await(fd, POLLOUT);
    say_events("refused", events(fd, POLLIN | POLLOUT | POLLRDHUP, 0));
    pending_error(fd);
    pending_error(fd);
    must("listen", listen(closed, 4));
    int again = connect_on(fd, port_of(closed));
    // Linux answers ECONNABORTED once to the connect after one that failed.
    if (again < 0 && errno == ECONNABORTED) again = connect_on(fd, port_of(closed));
    say("connect again", again);
    await(fd, POLLOUT);
    pending_error(fd);
    say("send", send(fd, "x", 1, 0));
    return done();
}

// Non-blocking connect: under way, done, refused, tried again; the error is told once.
#include "cases.h"

static int pending(int fd) {
    int error = -1;
    socklen_t size = sizeof error;
    must("SO_ERROR", getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size));
    return error;
}

static const char *name(int error) { return error == 0 ? "0" : strerrorname_np(error); }

int main(void) {
    int server = listener(), port = port_of(server);
    int closed_port = port_of(bound(0)), fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    // The loopback may be connected before the call returns, or not.
    int result = connect_on(fd, port);
    print("connect: %d\n", result == 0 || errno == EINPROGRESS);
    await(fd, POLLOUT);
    say_events("connected", events(fd, POLLIN | POLLOUT, 0));
    print("SO_ERROR %s\n", name(pending(fd)));
    result = connect_on(fd, port);
    print("again: %d\n", result == 0 || errno == EISCONN);
    say("once more", connect_on(fd, port));
    int peer = must("accept", accept(server, NULL, NULL));
    tell(peer, "hello");
    await(fd, POLLIN);
    say_text("data", fd);
    close(fd), close(peer);

    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    result = connect_on(fd, closed_port);
    print("refused: %d\n", errno == EINPROGRESS || errno == ECONNREFUSED);
    if (errno == EINPROGRESS) {
        await(fd, POLLOUT);
        print("SO_ERROR %s\n", name(pending(fd)));
    } else
        print("SO_ERROR ECONNREFUSED\n");
    print("told once: %s\n", name(pending(fd)));
    // If the first try was told by poll, the next call ends it, and only the one after it begins anew.
    result = connect_on(fd, port);
    if (result < 0 && errno == ECONNABORTED) result = connect_on(fd, port);
    print("another try on the same socket: %d\n", result == 0 || errno == EINPROGRESS);
    await(fd, POLLOUT);
    print("SO_ERROR %s\n", name(pending(fd)));
    peer = must("accept", accept(server, NULL, NULL));
    tell(fd, "second try");
    say_text("peer", peer);
    close(fd), close(peer);

    // A connect that hangs: a listener whose queue is full.
    int full = bound(0), fillers[8], count = 0;
    must("listen", listen(full, 0));
    for (; count < 8; count++) {
        fillers[count] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect_on(fillers[count], port_of(full));
        if (!(events(fillers[count], POLLOUT, 300) & POLLOUT)) break;
    }
    fd = fillers[count];
    say("under way", connect_on(fd, port_of(full)));
    say_events("poll", events(fd, POLLIN | POLLOUT, 0));
    print("SO_ERROR %s\n", name(pending(fd)));
    char byte;
    say("send", send(fd, "x", 1, MSG_NOSIGNAL));
    say("recv", recv(fd, &byte, 1, 0));
    struct sockaddr_in peer_name;
    socklen_t length = sizeof peer_name;
    say("getpeername", getpeername(fd, (struct sockaddr *)&peer_name, &length));
    say("close", close(fd));
    close(full);

    // Blocking on a socket whose connect is under way, and a time limit.
    say("refused, blocking", connect_on(socket(AF_INET, SOCK_STREAM, 0), closed_port));
    fd = socket(AF_INET, SOCK_STREAM, 0);
    say("refused", connect_on(fd, closed_port));
    say("connected after it", connect_on(fd, port));
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    say("a wrong family", connect(socket(AF_INET, SOCK_STREAM, 0), &(struct sockaddr){.sa_family = AF_UNIX}, 16));
    say("too short", connect(socket(AF_INET, SOCK_STREAM, 0), &(struct sockaddr){.sa_family = AF_INET}, 8));
    say("AF_UNSPEC", connect(fd, &nowhere, sizeof nowhere));
    say("after disconnecting", connect_on(fd, port));

    // In epoll, with a descriptor that was there before connect.
    int set = epoll_create1(0);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect_on(fd, port);
    add(set, fd, EPOLLOUT | EPOLLET);
    say_epoll("edge of the connection", one(set, 5000));
    say_epoll("only one", one(set, 50));
    print("SO_ERROR %s\n", name(pending(fd)));
    return done();
}

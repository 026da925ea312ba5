// What poll and epoll say of sockets that are not connected, were refused, or listen.
#include "cases.h"

static void all(const char *what, int fd) {
    say_events(what, events(fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0));
    int set = epoll_create1(0);
    add(set, fd, EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP);
    say_epoll("  epoll", one(set, 0));
    modify(set, fd, EPOLLIN);
    say_epoll("  epoll IN", one(set, 0));
    close(set);
}

int main(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), error = 0;
    all("new", fd);
    all("bound", bound(0));
    all("listener", listener());
    connect_on(fd, port_of(bound(0)));
    all("refused", fd);
    socklen_t size = sizeof error;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int set = epoll_create1(0);
    connect_on(fd, port_of(bound(0)));
    add(set, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    await(fd, POLLOUT | POLLHUP);
    say_epoll("refused, not asked for", one(set, 1000));
    all("the same", fd);
    must("SO_ERROR", getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size));
    print("%s\n", strerrorname_np(error));
    all("error taken", fd);
    int ends[2];
    both_ends(ends);
    add(set, ends[0], EPOLLET);
    one(set, 0);
    reset_by_linger(ends[1]);
    await(ends[0], POLLHUP);
    all("reset", ends[0]);
    char byte;
    recv(ends[0], &byte, 1, 0);
    all("reset, error taken", ends[0]);
    return done();
}

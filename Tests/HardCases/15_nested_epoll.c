// Sets inside of sets, and in poll and select: readiness goes through.
#include "cases.h"
#include <sys/select.h>

int main(void) {
    int ends[2], inner = epoll_create1(0), middle = epoll_create1(0), outer = epoll_create1(0);
    char buffer[8];
    both_ends(ends);
    add(inner, ends[0], EPOLLIN);
    add(middle, inner, EPOLLIN);
    add(outer, middle, EPOLLIN);
    say_events("poll of a set", events(inner, POLLIN | POLLOUT, 0));
    say_epoll("outer", one(outer, 50));
    tell(ends[1], "x");
    say_epoll("outer", one(outer, 5000));
    say_events("poll of outer", events(outer, POLLIN, 1000));
    fd_set in;
    FD_ZERO(&in);
    FD_SET(middle, &in);
    say("select of middle", select(middle + 1, &in, NULL, NULL, &(struct timeval){1, 0}));
    say_epoll("inner", one(inner, 0));
    must("recv", recv(ends[0], buffer, 1, 0));
    say_epoll("outer after reading", one(outer, 50));
    say_events("poll of outer", events(outer, POLLIN, 50));

    modify(inner, ends[0], EPOLLIN | EPOLLET);
    modify(outer, middle, EPOLLIN | EPOLLET);
    tell(ends[1], "y");
    say_epoll("outer, edges", one(outer, 5000));
    say_epoll("outer, no new edge", one(outer, 50));
    say_epoll("inner", one(inner, 1000));
    say_epoll("inner, no new edge", one(inner, 50));
    tell(ends[1], "z");
    say_epoll("outer, next edge", one(outer, 5000));

    int server = listener();
    add(inner, server, EPOLLIN);
    one(inner, 0);
    int client = connected(port_of(server));
    say_epoll("a listener inside", one(outer, 5000));
    struct epoll_event event = {.events = EPOLLIN};
    say("a circle", epoll_ctl(inner, EPOLL_CTL_ADD, outer, &event));
    say("itself", epoll_ctl(inner, EPOLL_CTL_ADD, inner, &event));
    say("exclusive of a set", (event.events |= EPOLLEXCLUSIVE, epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event)));
    close(client);
    return done();
}

// Waits edge-triggered, without reading, for bytes that a peer (port in argv[1]) sends one by one, each when asked.
#include "common.h"
#include <sys/epoll.h>

int main(int count, char **arguments) {
    if (count != 2) return 2;
    int fd = connected(atoi(arguments[1]));
    int set = must("epoll_create1", epoll_create1(0));
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLET}, got;
    must("epoll_ctl", epoll_ctl(set, EPOLL_CTL_ADD, fd, &wanted));
    say("before the first", epoll_wait(set, &got, 1, 100));
    for (int arrival = 0; arrival < 3; arrival++) {
        must("send", send(fd, "?", 1, 0));
        say("edge", epoll_wait(set, &got, 1, 5000));
        say("no second edge", epoll_wait(set, &got, 1, 100));
    }
    char buffer[8];
    say("recv", recv(fd, buffer, sizeof buffer, MSG_DONTWAIT));
    say("recv again", recv(fd, buffer, sizeof buffer, MSG_DONTWAIT));
    must("send", send(fd, "?", 1, 0));
    say("edge after reading", epoll_wait(set, &got, 1, 5000));
    close(fd);
    return done();
}

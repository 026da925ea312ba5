// epoll on sockets: level, one-shot, changed interest, a set within a set, removal by close.
#include "common.h"
#include <sys/epoll.h>

static int set;

static void wait_once(const char *what, int from, int milliseconds) {
    struct epoll_event got = {0};
    int number = epoll_wait(from, &got, 1, milliseconds);
    print("%s: %d", what, number);
    say_events(number ? " with" : " without", number > 0 ? got.events : 0);
}

static void interest(int operation, int fd, unsigned wanted) {
    struct epoll_event event = {.events = wanted, .data.fd = fd};
    must("epoll_ctl", epoll_ctl(set, operation, fd, &event));
}

int main(void) {
    int ends[2];
    char buffer[8];
    both_ends(ends);
    set = must("epoll_create1", epoll_create1(0));
    interest(EPOLL_CTL_ADD, ends[0], EPOLLIN);
    wait_once("idle", set, 50);
    must("send", send(ends[1], "ab", 2, 0));
    wait_once("level", set, 5000);
    wait_once("level again", set, 5000);
    interest(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLONESHOT);
    wait_once("one shot", set, 5000);
    wait_once("spent", set, 50);
    interest(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLONESHOT);
    wait_once("armed again", set, 5000);
    interest(EPOLL_CTL_MOD, ends[0], EPOLLOUT);
    wait_once("writing", set, 5000);
    interest(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLET);
    wait_once("edge of a change", set, 5000);
    wait_once("no edge", set, 50);
    must("recv", recv(ends[0], buffer, sizeof buffer, 0));
    must("send", send(ends[1], "c", 1, 0));
    wait_once("edge of an arrival", set, 5000);
    interest(EPOLL_CTL_MOD, ends[0], EPOLLIN);

    int outer = must("epoll_create1", epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN};
    must("epoll_ctl", epoll_ctl(outer, EPOLL_CTL_ADD, set, &event));
    wait_once("nested", outer, 5000);
    must("recv", recv(ends[0], buffer, sizeof buffer, 0));
    wait_once("nested without data", outer, 50);
    must("send", send(ends[1], "d", 1, 0));
    wait_once("nested again", outer, 5000);
    say_events("the set itself", events(set, POLLIN, 0));

    say("added twice", epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event));
    must("epoll_ctl", epoll_ctl(set, EPOLL_CTL_DEL, ends[0], NULL));
    wait_once("removed", set, 50);
    say("removed twice", epoll_ctl(set, EPOLL_CTL_DEL, ends[0], NULL));
    interest(EPOLL_CTL_ADD, ends[0], EPOLLIN | EPOLLRDHUP);
    close(ends[1]);
    while (events(ends[0], POLLRDHUP, 5000) == 0) {
    }
    wait_once("peer's end", set, 5000);
    close(ends[0]);
    wait_once("closed", set, 50);
    return done();
}

// Blocks in the call named by argv[1], on a connection to the peer at port argv[2], and says how the call ended.
#include "common.h"
#include <sys/epoll.h>
#include <sys/select.h>

static void finish(const char *what, long result, int set) {
    say(what, result);
    say_events("events", set);
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    const char *call = arguments[1];
    int port = atoi(arguments[2]);
    if (strcmp(call, "connect") == 0) {
        int fd = must("socket", socket(AF_INET, SOCK_STREAM, 0));
        print("process %d blocks\n", (int)getpid());
        finish(call, connect_on(fd, port), 0);
        return 0;
    }
    int fd = strcmp(call, "accept") == 0 ? listener() : connected(port);
    static char block[65536];
    if (strcmp(call, "recv") == 0) {
        print("process %d blocks\n", (int)getpid());
        finish(call, recv(fd, block, sizeof block, 0), 0);
    } else if (strcmp(call, "send") == 0) {
        print("process %d blocks\n", (int)getpid());
        long result;
        while ((result = send(fd, block, sizeof block, MSG_NOSIGNAL)) == sizeof block) {
        }
        // A short count may come first, of what went before the end.
        if (result >= 0) result = send(fd, block, sizeof block, MSG_NOSIGNAL);
        finish(call, result, 0);
    } else if (strcmp(call, "accept") == 0) {
        print("process %d blocks\n", (int)getpid());
        finish(call, accept(fd, NULL, NULL), 0);
    } else if (strcmp(call, "poll") == 0) {
        struct pollfd entry = {.fd = fd, .events = POLLIN};
        print("process %d blocks\n", (int)getpid());
        int result = poll(&entry, 1, -1);
        finish(call, result, entry.revents);
    } else if (strcmp(call, "select") == 0) {
        fd_set in;
        FD_ZERO(&in);
        FD_SET(fd, &in);
        print("process %d blocks\n", (int)getpid());
        finish(call, select(fd + 1, &in, NULL, NULL, NULL), 0);
        finish("recv", recv(fd, block, sizeof block, MSG_DONTWAIT), 0);
    } else if (strcmp(call, "epoll_wait") == 0) {
        int set = must("epoll_create1", epoll_create1(0));
        struct epoll_event event = {.events = EPOLLIN};
        must("epoll_ctl", epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
        print("process %d blocks\n", (int)getpid());
        event.events = 0;
        int result = epoll_wait(set, &event, 1, -1);
        // The byte and the end behind it are two calls of whoever holds the other end: a wait can come between them.
        for (int round = 0; round < 100 && event.events == EPOLLIN; round++) {
            usleep(10000);
            result = epoll_wait(set, &event, 1, 0);
        }
        finish(call, result, event.events);
    } else {
        return 2;
    }
    return 0;
}

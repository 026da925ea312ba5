// A reset that comes behind the end of the stream: who reads has the end still, who writes EPIPE, and poll an error.
#include "cases.h"

static void all(const char *what, int fd) { say_events(what, events(fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0)); }

static void receive(int fd) {
    char byte;
    say("recv", recv(fd, &byte, 1, MSG_DONTWAIT));
    all("then", fd);
}

static void transmit(int fd) {
    say("send", send(fd, "x", 1, MSG_NOSIGNAL));
    all("then", fd);
}

static void ask(int fd) {
    int error = -1;
    must("SO_ERROR", getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error}));
    print("SO_ERROR: %s\n", error ? strerrorname_np(error) : "0");
    all("then", fd);
}

int main(void) {
    // Each order of the three, with and without a byte before the end.
    void (*const orders[][3])(int) = {{receive, transmit, ask}, {receive, ask, transmit}, {transmit, receive, ask},
                                      {transmit, ask, receive}, {ask, receive, transmit}, {ask, transmit, receive}};
    for (int unread = 0; unread < 2; unread++) {
        for (int order = 0; order < 6; order++) {
            int ends[2];
            both_ends(ends);
            if (unread) tell(ends[1], "a");
            close(ends[1]);
            await(ends[0], POLLRDHUP);
            print("%d, unread %d: ", order, unread);
            say("send", send(ends[0], "x", 1, MSG_NOSIGNAL));
            await(ends[0], POLLHUP);
            all("reset", ends[0]);
            for (int step = 0; step < 3; step++) orders[order][step](ends[0]);
            for (int step = 0; step < 3; step++) orders[order][step](ends[0]);
            close(ends[0]);
        }
    }
    return done();
}

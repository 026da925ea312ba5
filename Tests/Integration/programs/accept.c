// Accepting: without blocking, under a time limit, several arrivals on one edge, and clients that left before.
#include "common.h"
#include <sys/epoll.h>
#include <sys/time.h>

static void modes(const char *what, int fd) {
    must(what, fd);
    print("%s: %s, %s\n", what, fcntl(fd, F_GETFL) & O_NONBLOCK ? "non-blocking" : "blocking",
          fcntl(fd, F_GETFD) & FD_CLOEXEC ? "closed at exec" : "kept at exec");
    close(fd);
}

int main(void) {
    int server = listener(), port = port_of(server), clients[5];
    char buffer[16] = "";
    struct timeval limit = {0, 100000};
    must("SO_RCVTIMEO", setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    say("accept in time-out", accept(server, NULL, NULL));
    limit = (struct timeval){0, 0};
    must("SO_RCVTIMEO", setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    must("F_SETFL", fcntl(server, F_SETFL, O_NONBLOCK));
    say("accept of nothing", accept(server, NULL, NULL));

    int set = must("epoll_create1", epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    must("epoll_ctl", epoll_ctl(set, EPOLL_CTL_ADD, server, &event));
    for (int index = 0; index < 5; index++) clients[index] = connected(port);
    say("edge", epoll_wait(set, &event, 1, 5000));
    // All have shaken hands, but the last may be announced a little later.
    pause_for(100);
    modes("accept", accept(server, NULL, NULL));
    modes("accept4 non-blocking", accept4(server, NULL, NULL, SOCK_NONBLOCK));
    modes("accept4 closed at exec", accept4(server, NULL, NULL, SOCK_CLOEXEC));
    modes("accept4 both", accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    say("accept4 of unknown flags", accept4(server, NULL, NULL, 1));
    modes("accept", accept(server, NULL, NULL));
    say("accept of nothing", accept(server, NULL, NULL));
    for (int index = 0; index < 5; index++) {
        say("the client's end", recv(clients[index], buffer, 1, 0));
        close(clients[index]);
    }
    must("epoll_wait", epoll_wait(set, &event, 1, 0));
    int early = connected(port);
    say("edge", epoll_wait(set, &event, 1, 5000));
    must("send", send(early, "left", 4, 0));
    close(early);
    pause_for(50);
    int fd = must("accept", accept4(server, NULL, NULL, 0));
    say("recv from one who left", recv(fd, buffer, sizeof buffer, MSG_WAITALL));
    print("%s\n", buffer);
    int plain = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    say("accept of what does not listen", accept(plain, NULL, NULL));
    say("accept of a connection", accept(fd, NULL, NULL));
    say("listen on a connection", listen(fd, 4));
    say("listen again", listen(server, 8));
    say("connect of a listener", connect_on(server, port));
    say("recv of a listener", recv(server, buffer, 1, 0));
    say("listen unbound", listen(plain, 1));
    print("bound to %s\n", port_of(plain) ? "some port" : "none");
    return done();
}

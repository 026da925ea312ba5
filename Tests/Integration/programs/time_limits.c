// SO_RCVTIMEO and SO_SNDTIMEO: what a connection has from its listener, their newer names, and what waits for a connect
// that another call began.
#include "common.h"
#include <sys/time.h>

static void limit(const char *what, int fd, int name, int milliseconds) {
    struct timeval time = {milliseconds / 1000, milliseconds % 1000 * 1000};
    say(what, setsockopt(fd, SOL_SOCKET, name, &time, sizeof time));
}

static void show(const char *what, int fd, int name) {
    struct timeval time = {-1, -1};
    socklen_t length = sizeof time;
    must("getsockopt", getsockopt(fd, SOL_SOCKET, name, &time, &length));
    print("%s: %ld.%06ld s, %u bytes\n", what, (long)time.tv_sec, (long)time.tv_usec, length);
}

static struct timespec start;

// That the call, begun at `start`, took no less than told, and came back.
static void took(int milliseconds) {
    long waited = since(&start);
    int isRight = waited >= milliseconds - 10 && waited < milliseconds + 20000;
    print(" %s\n", isRight ? "as long as told" : "not as long as told");
    clock_gettime(CLOCK_MONOTONIC, &start);
}

// A socket whose connect is under way for long, as nobody accepts and the queue is full.
static int under_way(int port) {
    int fd = must("socket", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    (void)connect_on(fd, port);
    must("fcntl", fcntl(fd, F_SETFL, 0));
    return fd;
}

int main(void) {
    char byte;
    int server = listener();
    limit("listener's SO_RCVTIMEO", server, SO_RCVTIMEO, 300);
    limit("listener's SO_SNDTIMEO", server, SO_SNDTIMEO, 1500);
    int peer = connected(port_of(server));
    int fd = must("accept", accept(server, NULL, NULL));
    show("connection's SO_RCVTIMEO", fd, SO_RCVTIMEO);
    show("connection's SO_SNDTIMEO", fd, SO_SNDTIMEO);
    clock_gettime(CLOCK_MONOTONIC, &start);
    say("recv", recv(fd, &byte, 1, 0));
    took(300);
    limit("no limit", fd, SO_RCVTIMEO, 0);
    show("connection's SO_RCVTIMEO", fd, SO_RCVTIMEO);
    show("listener's SO_RCVTIMEO", server, SO_RCVTIMEO);
    close(fd);
    close(peer);
    clock_gettime(CLOCK_MONOTONIC, &start);
    say("accept", accept(server, NULL, NULL));
    took(300);

    limit("a negative limit", server, SO_RCVTIMEO, -2000);
    limit("none", server, SO_SNDTIMEO, 0);
    peer = connected(port_of(server));
    await(server, POLLIN);
    fd = must("accept", accept(server, NULL, NULL));
    show("connection's SO_RCVTIMEO", fd, SO_RCVTIMEO);
    show("connection's SO_SNDTIMEO", fd, SO_SNDTIMEO);
    clock_gettime(CLOCK_MONOTONIC, &start);
    say("recv", recv(fd, &byte, 1, 0));
    took(0);

    limit("SO_RCVTIMEO_NEW", fd, 66, 200);
    limit("SO_SNDTIMEO_NEW", fd, 67, 400);
    show("SO_RCVTIMEO", fd, SO_RCVTIMEO);
    show("SO_SNDTIMEO_NEW", fd, 67);
    clock_gettime(CLOCK_MONOTONIC, &start);
    say("recv", recv(fd, &byte, 1, 0));
    took(200);
    fill_up(fd);
    clock_gettime(CLOCK_MONOTONIC, &start);
    say("send", send(fd, &byte, 1, 0));
    took(400);
    int udp = must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    limit("SO_RCVTIMEO_NEW of a datagram socket", udp, 66, 200);
    clock_gettime(CLOCK_MONOTONIC, &start);
    say("recv", recv(udp, &byte, 1, 0));
    took(200);

    int full = bound(0);
    must("listen", listen(full, 0));
    int port = port_of(full), first = under_way(port);
    await(first, POLLOUT);
    fd = under_way(port);
    say_events("under way", events(fd, POLLIN | POLLOUT, 0));
    limit("SO_RCVTIMEO", fd, SO_RCVTIMEO, 200);
    limit("SO_SNDTIMEO", fd, SO_SNDTIMEO, 400);
    clock_gettime(CLOCK_MONOTONIC, &start);
    say("recv", recv(fd, &byte, 1, 0));
    took(200);
    say("send", send(fd, "x", 1, MSG_NOSIGNAL));
    took(400);
    say("recv without waiting", recv(fd, &byte, 1, MSG_DONTWAIT));
    say("connect", connect_on(fd, port));
    took(400);
    limit("no limit", fd, SO_RCVTIMEO, 0);
    if (must("fork", fork()) == 0) {
        pause_for(300);
        must("accept", accept(full, NULL, NULL));
        int accepted = must("accept", accept(full, NULL, NULL));
        must("send", send(accepted, "y", 1, 0));
        _exit(0);
    }
    say("recv when it is connected", recv(fd, &byte, 1, 0));
    wait(NULL);
    say("recv at the end", recv(fd, &byte, 1, 0));
    return done();
}

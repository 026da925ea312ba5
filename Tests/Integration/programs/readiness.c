// What poll and select say of a socket in each state, and how they wait.
#include "common.h"
#include <sys/select.h>

static void show(const char *what, int fd) {
    say_events(what, events(fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0));
    fd_set in, out, other;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&other);
    FD_SET(fd, &in);
    FD_SET(fd, &out);
    FD_SET(fd, &other);
    int number = must("select", select(fd + 1, &in, &out, &other, &(struct timeval){0, 0}));
    print("  select %d:%s%s%s\n", number, FD_ISSET(fd, &in) ? " in" : "", FD_ISSET(fd, &out) ? " out" : "",
          FD_ISSET(fd, &other) ? " other" : "");
}

int main(void) {
    int server = listener(), ends[2];
    char buffer[8];
    show("new", socket(AF_INET, SOCK_STREAM, 0));
    show("bound", bound(0));
    show("listener", server);
    ends[0] = connected(port_of(server));
    await(server, POLLIN);
    show("listener with an arrival", server);
    ends[1] = must("accept", accept(server, NULL, NULL));
    show("listener without arrivals", server);
    show("connected", ends[0]);
    must("send", send(ends[1], "abc", 3, 0));
    await(ends[0], POLLIN);
    show("data", ends[0]);
    show("data again", ends[0]);
    must("recv", recv(ends[0], buffer, 1, 0));
    show("less data", ends[0]);
    must("recv", recv(ends[0], buffer, sizeof buffer, 0));
    show("no data", ends[0]);

    // Full: level-triggered OUT goes, and comes back when the peer has read.
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    static char block[65536];
    long sent = 0, got;
    do {
        while ((got = send(ends[0], block, sizeof block, 0)) > 0) sent += got;
    } while (events(ends[0], POLLOUT, 300) & POLLOUT);
    show("full", ends[0]);
    for (long read = 0; read < sent; read += got) got = must("recv", recv(ends[1], block, sizeof block, 0));
    await(ends[0], POLLOUT);
    show("drained", ends[0]);

    must("shutdown", shutdown(ends[1], SHUT_WR));
    await(ends[0], POLLRDHUP);
    show("peer's end", ends[0]);
    must("shutdown", shutdown(ends[0], SHUT_WR));
    await(ends[0], POLLHUP);
    show("both ends", ends[0]);
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    say("poll in time-out", poll(&(struct pollfd){.fd = server, .events = POLLIN}, 1, 150));
    print("waited %s\n", since(&start) >= 149 ? "as told" : "too short");
    say_events("a closed descriptor", events(900, POLLIN, 0));
    return done();
}

// Edge-triggered epoll: one event an arrival, also without reading, and at every MOD that finds readiness.
#include "cases.h"

static int set, ends[2];

static void expect(const char *what) { say_epoll(what, one(set, 5000)); }
static void nothing(const char *what) { say_epoll(what, one(set, 100)); }

int main(void) {
    char buffer[64];
    set = must("epoll_create1", epoll_create1(0));
    both_ends(ends);
    nonblocking(ends[0]);
    add(set, ends[0], EPOLLIN | EPOLLET);
    nothing("at first");
    tell(ends[1], "a");
    expect("first arrival");
    nothing("nothing new");
    tell(ends[1], "b");
    expect("second, the first unread");
    nothing("nothing new");
    say("a partial read", recv(ends[0], buffer, 1, 0));
    nothing("what is left is no edge");
    tell(ends[1], "c");
    expect("third");
    say("read", recv(ends[0], buffer, sizeof buffer, 0));
    say("to the end", recv(ends[0], buffer, sizeof buffer, 0));
    tell(ends[1], "d");
    expect("after EAGAIN");

    // MOD finds what is there.
    modify(set, ends[0], EPOLLIN | EPOLLET);
    expect("after MOD");
    nothing("only once");
    modify(set, ends[0], EPOLLIN | EPOLLOUT | EPOLLET);
    expect("with OUT");
    nothing("only once");
    recv(ends[0], buffer, sizeof buffer, 0);
    modify(set, ends[0], EPOLLIN | EPOLLET);
    nothing("MOD of an empty one");
    tell(ends[1], "before MOD");
    await(ends[0], POLLIN);
    modify(set, ends[0], EPOLLIN | EPOLLET);
    expect("arrived before MOD");
    nothing("once for both");
    recv(ends[0], buffer, sizeof buffer, 0);

    // A thousand arrivals, each read to EAGAIN, in a ping-pong: none is lost.
    long echoed = 0;
    pid_t child = CHILD({
        for (int index = 0; index < 1000; index++) {
            char byte = index;
            if (send(ends[1], &byte, 1, 0) != 1 || recv(ends[1], &byte, 1, 0) != 1) _exit(1);
        }
    });
    while (echoed < 1000) {
        if (one(set, 5000) == 0) break;
        for (long got; (got = recv(ends[0], buffer, sizeof buffer, 0)) > 0; echoed += got) write_all(ends[0], buffer, got);
    }
    print("echoed %ld\n", echoed);
    reap("peer", child);

    // The peer's end and OUT are edges too.
    must("shutdown", shutdown(ends[1], SHUT_WR));
    modify(set, ends[0], EPOLLIN | EPOLLRDHUP | EPOLLET);
    await(ends[0], POLLRDHUP);
    expect("end of the peer");
    say("read", recv(ends[0], buffer, 1, 0));
    modify(set, ends[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    expect("MOD with OUT");
    close(ends[0]), close(ends[1]);

    both_ends(ends);
    nonblocking(ends[0]);
    add(set, ends[0], EPOLLOUT | EPOLLET);
    expect("writable");
    nothing("only once");
    static char block[1 << 16];
    long sent = 0, got;
    do {
        while ((got = send(ends[0], block, sizeof block, 0)) > 0) sent += got;
    } while (events(ends[0], POLLOUT, 300) & POLLOUT);
    while (one(set, 100)) {
    }
    for (long read = 0; read < sent; read += got) got = must("recv", recv(ends[1], block, sizeof block, 0));
    expect("writable again");

    // A listener: an edge for each connection.
    int server = listener();
    nonblocking(server);
    add(set, server, EPOLLIN | EPOLLET);
    int first = connected(port_of(server));
    expect("a connection");
    int second = connected(port_of(server));
    expect("another");
    say("accept", accept(server, NULL, NULL) > 0);
    nothing("one left, no edge");
    say("accept", accept(server, NULL, NULL) > 0);
    say("accept", accept(server, NULL, NULL));
    close(first), close(second);
    first = connected(port_of(server));
    expect("after EAGAIN");
    return done();
}

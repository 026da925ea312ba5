// What poll says of half closed, closed, reset and shut down connections, with and without unread data.
#include "cases.h"

static void all(const char *what, int fd) { say_events(what, events(fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0)); }

static void settle(int fd, int wanted) {
    await(fd, wanted);
    pause_for(20);
}

int main(void) {
    int ends[2];
    char buffer[8];
    signal(SIGPIPE, SIG_IGN);
    both_ends(ends);
    all("idle", ends[0]);
    shutdown(ends[1], SHUT_WR);
    settle(ends[0], POLLRDHUP);
    all("peer's SHUT_WR", ends[0]);
    all("its own", ends[1]);
    say("recv", recv(ends[0], buffer, 1, 0));
    all("after EOF", ends[0]);
    shutdown(ends[0], SHUT_WR);
    settle(ends[1], POLLHUP);
    all("both", ends[0]);
    all("both, the other", ends[1]);
    close(ends[0]), close(ends[1]);

    both_ends(ends);
    tell(ends[1], "ab");
    shutdown(ends[1], SHUT_WR);
    settle(ends[0], POLLRDHUP);
    all("unread and SHUT_WR", ends[0]);
    recv(ends[0], buffer, 2, 0);
    all("read", ends[0]);
    close(ends[0]), close(ends[1]);

    both_ends(ends);
    close(ends[1]);
    settle(ends[0], POLLRDHUP);
    all("peer closed", ends[0]);
    say("send into it", send(ends[0], "x", 1, 0));
    settle(ends[0], POLLHUP);
    all("after the reset", ends[0]);
    say("send", send(ends[0], "x", 1, 0));
    say("send", send(ends[0], "x", 1, 0));
    close(ends[0]);

    both_ends(ends);
    reset_by_linger(ends[1]);
    settle(ends[0], POLLHUP);
    all("reset", ends[0]);
    say("recv", recv(ends[0], buffer, 1, 0));
    say("recv", recv(ends[0], buffer, 1, 0));
    say("send", send(ends[0], "x", 1, 0));
    all("after the error", ends[0]);
    close(ends[0]);

    both_ends(ends);
    tell(ends[1], "unread");
    await(ends[0], POLLIN);
    tell(ends[0], "its own");
    close(ends[0]);
    settle(ends[1], POLLHUP);
    all("peer closed with unread data", ends[1]);
    say("recv", recv(ends[1], buffer, 8, 0));
    say("recv", recv(ends[1], buffer, 8, 0));
    close(ends[1]);

    both_ends(ends);
    say("SHUT_RD", shutdown(ends[0], SHUT_RD));
    all("own SHUT_RD", ends[0]);
    say("recv", recv(ends[0], buffer, 1, 0));
    all("its peer", ends[1]);
    say("SHUT_RDWR", shutdown(ends[0], SHUT_RDWR));
    all("own SHUT_RDWR", ends[0]);
    settle(ends[1], POLLRDHUP);
    all("its peer", ends[1]);
    say("again", shutdown(ends[0], SHUT_RDWR));
    close(ends[0]), close(ends[1]);

    // The same in epoll, level-triggered.
    both_ends(ends);
    int set = epoll_create1(0);
    add(set, ends[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    say_epoll("epoll idle", one(set, 0));
    shutdown(ends[1], SHUT_WR);
    settle(ends[0], POLLRDHUP);
    say_epoll("epoll RDHUP", one(set, 1000));
    modify(set, ends[0], 0);
    say_epoll("epoll nothing asked", one(set, 50));
    shutdown(ends[0], SHUT_WR);
    settle(ends[0], POLLHUP);
    say_epoll("epoll HUP unasked", one(set, 1000));
    close(ends[0]), close(ends[1]);

    int server = listener();
    say("shutdown of a listener", shutdown(server, SHUT_RD));
    say("accept on it", accept(server, NULL, NULL));
    say("shutdown of a new one", shutdown(socket(AF_INET, SOCK_STREAM, 0), SHUT_WR));
    say("bad how", shutdown(ends[0] = connected(port_of(listener())), 7));
    return done();
}

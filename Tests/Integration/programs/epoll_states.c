// What epoll, poll and select say of a socket in every state: never connected, refused, connecting, ends and resets;
// edges, one-shot and exclusive watches, sets shared over fork and dup.
#include "common.h"
#include <sys/epoll.h>
#include <sys/select.h>

static void say_epoll(const char *what, int set, int milliseconds) {
    struct epoll_event got[4];
    int number = epoll_wait(set, got, 4, milliseconds);
    if (number < 0) {
        say(what, number);
        return;
    }
    print("%s %d;", what, number);
    for (int at = 0; at < number; at++) say_events("", got[at].events);
    if (number == 0) print("\n");
}

static int watching(int fd, unsigned wanted) {
    int set = must("epoll_create1", epoll_create1(0));
    struct epoll_event event = {.events = wanted, .data.fd = fd};
    must("epoll_ctl", epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
    return set;
}

static void change(int set, int fd, unsigned wanted) {
    struct epoll_event event = {.events = wanted, .data.fd = fd};
    must("epoll_ctl", epoll_ctl(set, EPOLL_CTL_MOD, fd, &event));
}

// Of a socket without a connection the kernel shows an epoll set only what was asked for.
static int without_connection;

// Through each of the waits.
static void show(const char *what, int fd) {
    print("%s\n", what);
    say_events("  poll all", events(fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0));
    say_events("  poll none", events(fd, 0, 0));
    int set = watching(fd, EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP);
    say_epoll("  epoll all", set, 0);
    if (!without_connection) {
        change(set, fd, EPOLLIN);
        say_epoll("  epoll in", set, 0);
        change(set, fd, 0);
        say_epoll("  epoll none", set, 0);
    }
    change(set, fd, EPOLLOUT | EPOLLET);
    say_epoll("  epoll out edge", set, 0);
    say_epoll("  epoll out edge again", set, 0);
    change(set, fd, EPOLLIN | EPOLLOUT | EPOLLONESHOT);
    say_epoll("  epoll one shot", set, 0);
    say_epoll("  epoll one shot again", set, 0);
    int outer = watching(set, EPOLLIN);
    change(set, fd, EPOLLOUT);
    say_epoll("  outer", outer, 0);
    close(outer);
    close(set);
    fd_set in, out, other;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&other);
    FD_SET(fd, &in);
    FD_SET(fd, &out);
    FD_SET(fd, &other);
    int number = select(fd + 1, &in, &out, &other, &(struct timeval){0, 0});
    print("  select %d:%s%s%s\n", number, FD_ISSET(fd, &in) ? " in" : "", FD_ISSET(fd, &out) ? " out" : "",
          FD_ISSET(fd, &other) ? " other" : "");
}

static int refusing_port(void) {
    int fd = bound(0), port = port_of(fd);
    close(fd);
    return port;
}

static void reset(int fd) {
    struct linger value = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, sizeof value);
    close(fd);
}

int main(void) {
    int ends[2], error;
    char buffer[16];
    socklen_t length = sizeof error;
    signal(SIGPIPE, SIG_IGN);

    int fd = socket(AF_INET, SOCK_STREAM, 0);
    without_connection = 1;
    show("never connected", fd);
    int set = watching(fd, EPOLLIN | EPOLLOUT);
    say_epoll("watched before connect", set, 0);
    int server = listener();
    must("connect", connect_on(fd, port_of(server)));
    say_epoll("watched over connect", set, 100);
    int accepted = must("accept", accept(server, NULL, NULL));
    must("send", send(accepted, "x", 1, 0));
    await(fd, POLLIN);
    say_epoll("with data", set, 100);
    close(set);
    close(fd);
    close(accepted);

    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    set = watching(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    struct epoll_event waste[4];
    epoll_wait(set, waste, 4, 0);
    say("connect to nobody", connect_on(fd, refusing_port()));
    pause_for(50);
    say_epoll("refused, watched", set, 1000);
    show("refused", fd);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    print("error %s\n", strerrorname_np(error));
    show("refused and told", fd);
    say("again to nobody", connect_on(fd, refusing_port()));
    pause_for(50);
    say("read of the refused", read(fd, buffer, 1));
    say("read again", read(fd, buffer, 1));
    say("write to the refused", write(fd, buffer, 1));
    say("again to a listener", connect_on(fd, port_of(server)));
    pause_for(50);
    say_epoll("connected now", set, 1000);
    accepted = must("accept", accept(server, NULL, NULL));
    must("send", send(accepted, "x", 1, 0));
    await(fd, POLLIN);
    without_connection = 0;
    show("connected, data", fd);
    without_connection = 1;
    close(set);
    close(fd);
    close(accepted);

    fd = socket(AF_INET, SOCK_STREAM, 0);
    say("blocking connect to nobody", connect_on(fd, refusing_port()));
    show("refused at once", fd);
    say("write", write(fd, buffer, 1));
    say("read", read(fd, buffer, 1));
    close(fd);

    without_connection = 0;
    both_ends(ends);
    show("connected", ends[0]);
    shutdown(ends[1], SHUT_WR);
    pause_for(50);
    show("peer's end", ends[0]);
    shutdown(ends[0], SHUT_WR);
    pause_for(50);
    show("both ends", ends[0]);
    close(ends[0]);
    close(ends[1]);

    both_ends(ends);
    shutdown(ends[0], SHUT_RD);
    show("own read side shut", ends[0]);
    say("read", read(ends[0], buffer, 1));
    shutdown(ends[0], SHUT_WR);
    show("own both shut", ends[0]);
    say("write", write(ends[0], buffer, 1));
    pause_for(50);
    show("the other end", ends[1]);
    close(ends[0]);
    close(ends[1]);

    both_ends(ends);
    shutdown(ends[0], SHUT_WR);
    pause_for(50);
    show("own write side shut", ends[0]);
    reset(ends[1]);
    pause_for(50);
    show("then reset", ends[0]);
    close(ends[0]);

    both_ends(ends);
    must("send", send(ends[1], "abc", 3, 0));
    pause_for(50);
    reset(ends[1]);
    pause_for(50);
    show("reset with data", ends[0]);
    say("read", read(ends[0], buffer, 16));
    say("read", read(ends[0], buffer, 16));
    show("reset, told", ends[0]);
    say("write", write(ends[0], buffer, 1));
    close(ends[0]);

    both_ends(ends);
    must("send", send(ends[0], "abc", 3, 0));
    pause_for(50);
    close(ends[1]);
    pause_for(50);
    show("closed with unread data", ends[0]);
    length = sizeof error;
    getsockopt(ends[0], SOL_SOCKET, SO_ERROR, &error, &length);
    print("error %s\n", error ? strerrorname_np(error) : "none");
    show("asked for it", ends[0]);
    say("read", read(ends[0], buffer, 16));
    close(ends[0]);

    // Edges.
    both_ends(ends);
    set = watching(ends[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    say_epoll("edge at first", set, 100);
    say_epoll("no other", set, 50);
    must("send", send(ends[1], "a", 1, 0));
    say_epoll("edge of a byte", set, 1000);
    say_epoll("no other", set, 50);
    must("send", send(ends[1], "b", 1, 0));
    say_epoll("edge of another, the first unread", set, 1000);
    change(set, ends[0], EPOLLIN | EPOLLET);
    say_epoll("edge of the change", set, 100);
    say("read", read(ends[0], buffer, 1));
    say_epoll("no edge of a read", set, 50);
    say("read", read(ends[0], buffer, 1));
    must("send", send(ends[1], "c", 1, 0));
    pause_for(50);
    change(set, ends[0], EPOLLIN | EPOLLET);
    say_epoll("one edge for arrival and change", set, 1000);
    say_epoll("no other", set, 50);
    shutdown(ends[1], SHUT_WR);
    say_epoll("edge of the end", set, 1000);
    say_epoll("no other", set, 50);
    close(set);
    close(ends[0]);
    close(ends[1]);

    // A set shared with a child, a duplicate closed, the original closed.
    both_ends(ends);
    int twin = dup(ends[0]);
    set = watching(ends[0], EPOLLIN);
    must("send", send(ends[1], "a", 1, 0));
    await(twin, POLLIN);
    close(ends[0]);
    say_epoll("closed, but a duplicate lives", set, 100);
    pid_t child = fork();
    if (child == 0) {
        say_epoll("in a child", set, 100);
        close(twin);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    say_epoll("after the child", set, 100);
    close(twin);
    say_epoll("all closed", set, 50);
    close(set);
    close(ends[1]);

    // Two sets and poll at once.
    both_ends(ends);
    int one = watching(ends[0], EPOLLIN), two = watching(ends[0], EPOLLIN | EPOLLET);
    must("send", send(ends[1], "a", 1, 0));
    say_epoll("first set", one, 1000);
    say_epoll("second set", two, 1000);
    say_events("poll", events(ends[0], POLLIN, 0));
    struct epoll_event exclusive = {.events = EPOLLIN | EPOLLEXCLUSIVE};
    int three = epoll_create1(0);
    say("exclusive", epoll_ctl(three, EPOLL_CTL_ADD, ends[0], &exclusive));
    say_epoll("exclusive set", three, 100);
    say("exclusive changed", epoll_ctl(three, EPOLL_CTL_MOD, ends[0], &exclusive));
    // Mixed with others in one poll, and time limits.
    int pipes[2];
    must("pipe", pipe(pipes));
    struct pollfd many[4] = {{pipes[0], POLLIN, 0}, {ends[0], POLLIN, 0}, {-1, POLLIN, 7}, {ends[1], POLLIN, 0}};
    say("mixed poll", poll(many, 4, 1000));
    print("%x %x %x %x\n", many[0].revents, many[1].revents, many[2].revents, many[3].revents);
    say("read", read(ends[0], buffer, 16));
    struct timespec start, limit = {0, 150000000};
    clock_gettime(CLOCK_MONOTONIC, &start);
    say("ppoll", ppoll(many, 4, &limit, NULL));
    print("  %ld, limit kept %d\n", (since(&start) + 50) / 100, limit.tv_nsec == 150000000);
    fd_set in;
    FD_ZERO(&in);
    FD_SET(ends[0], &in);
    struct timeval left = {0, 300000};
    child = fork();
    if (child == 0) {
        pause_for(100);
        _exit(send(ends[1], "s", 1, 0) != 1);
    }
    say("select", select(ends[0] + 1, &in, NULL, NULL, &left));
    print("  about %ld tenths left\n", (left.tv_usec + 50000) / 100000);
    waitpid(child, NULL, 0);
    int fresh = socket(AF_INET, SOCK_STREAM, 0);
    FD_ZERO(&in);
    FD_SET(fresh, &in);
    left = (struct timeval){1, 0};
    say("select of a fresh one", select(fresh + 1, &in, NULL, NULL, &left));
    print("  left %ld\n", (long)left.tv_sec * 10 + (left.tv_usec + 50000) / 100000);
    return done();
}

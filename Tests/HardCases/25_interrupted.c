// EINTR and SA_RESTART for every call that blocks, and what a time limit changes.
#include "cases.h"
#include <sys/select.h>

static volatile sig_atomic_t signals;
static void count_signal(int number) { (void)number, signals++; }
static pid_t main_thread;

static void arm(int flags) {
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = flags};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval every = {{0, 80000}, {0, 80000}};
    signals = 0;
    setitimer(ITIMER_REAL, &every, NULL);
}

static void disarm(void) { setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL); }

// The blocked call is released after several signals.
static void *release(void *fd) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (int tries = 0; signals < 3 && tries < 1000; tries++) pause_for(10);
    tell(*(int *)fd, "released");
    return NULL;
}

static void *connect_later(void *port) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (int tries = 0; signals < 3 && tries < 1000; tries++) pause_for(10);
    connected(*(int *)port);
    return NULL;
}

int main(void) {
    int ends[2], server = listener(), port = port_of(server);
    char buffer[16];
    static char block[1 << 16];
    struct iovec part = {buffer, sizeof buffer};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    main_thread = gettid();
    both_ends(ends);

    arm(0);
    say("recv", recv(ends[0], buffer, 1, 0));
    say("read", read(ends[0], buffer, 1));
    say("recvmsg", recvmsg(ends[0], &message, 0));
    say("recvfrom", recvfrom(ends[0], buffer, 1, 0, NULL, NULL));
    say("accept", accept(server, NULL, NULL));
    say("accept4", accept4(server, NULL, NULL, SOCK_NONBLOCK));
    say("MSG_DONTWAIT", recv(ends[0], buffer, 1, MSG_DONTWAIT));

    // What blocks whatever the flags say.
    struct pollfd entry = {ends[0], POLLIN, 0};
    fd_set in;
    FD_ZERO(&in);
    FD_SET(ends[0], &in);
    int set = epoll_create1(0);
    struct epoll_event event;
    add(set, ends[0], EPOLLIN);
    arm(SA_RESTART);
    say("poll", poll(&entry, 1, 5000));
    say("select", select(100, &in, NULL, NULL, &(struct timeval){5, 0}));
    say("epoll_wait", epoll_wait(set, &event, 1, 5000));

    // Restarted, until the data is there.
    // Armed first: the thread must not count the signals of the calls before.
    arm(SA_RESTART);
    pthread_t other = thread(release, &ends[1]);
    say("recv with SA_RESTART", recv(ends[0], buffer, sizeof buffer, 0));
    join(other);
    print("interrupted %d\n", signals >= 3);
    arm(SA_RESTART);
    other = thread(connect_later, &port);
    say("accept with SA_RESTART", accept(server, NULL, NULL) >= 0);
    join(other);
    print("interrupted %d\n", signals >= 3);

    // Time limits make them not restartable.
    struct timeval limit = {5, 0};
    must("SO_RCVTIMEO", setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    must("SO_RCVTIMEO", setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    arm(SA_RESTART);
    say("recv with a time limit", recv(ends[0], buffer, 1, 0));
    say("accept with a time limit", accept(server, NULL, NULL));

    // Writing: a part, or EINTR.
    arm(0);
    long got;
    while ((got = send(ends[0], block, sizeof block, 0)) == sizeof block) {
    }
    print("send: %s\n", got >= 0 || errno == EINTR ? "interrupted" : strerrorname_np(errno));
    got = send(ends[0], block, sizeof block, 0);
    print("send again: %s\n", got >= 0 || errno == EINTR ? "interrupted" : strerrorname_np(errno));
    disarm();

    // MSG_WAITALL returns what it has.
    int more[2];
    both_ends(more);
    tell(more[1], "abc");
    await(more[0], POLLIN);
    arm(0);
    say("MSG_WAITALL", recv(more[0], buffer, 10, MSG_WAITALL));
    disarm();
    // A pending signal does not disturb a call that need not block.
    tell(more[1], "abc");
    await(more[0], POLLIN);
    arm(0);
    pause_for(200);
    say("recv of what is there", recv(more[0], buffer, 10, 0));
    disarm();
    return done();
}

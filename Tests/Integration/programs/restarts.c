// Which calls a signal interrupts: with and without SA_RESTART, with and without time limits.
#include "common.h"
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/uio.h>

static volatile int handled;
static void count(int number) {
    (void)number;
    handled++;
}

static int server, ends[2], full[2];

static struct timespec start;
static int coarse;

// A child signals twice, 100 and 200 ms from now, and after 300 ms makes the call possible.
static pid_t disturb(void (*help)(void)) {
    pid_t self = getpid(), child = fork();
    if (child == 0) {
        pause_for(100);
        kill(self, SIGUSR1);
        pause_for(100);
        kill(self, SIGUSR1);
        pause_for(100);
        if (help) help();
        pause_for(50);
        _exit(0);
    }
    clock_gettime(CLOCK_MONOTONIC, &start);
    return child;
}

static void report(const char *what, long result, pid_t child) {
    int error = errno;
    long time = (since(&start) + 50) / 100;
    errno = error;
    if (result >= 0) result = 1;
    // On a busy machine a call ends later. The number of signals says which of them, or what else, ended it.
    if (coarse || (handled > 1 && time > 3)) time = time < 2 ? 1 : 3;
    if (handled == 1 && time == 2) time = 1;
    print(" after %ld tenths, %d signals, ", time, handled);
    errno = error;
    say(what, result);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR) {
    }
    handled = 0;
}

static void give(void) { if (send(ends[1], "x", 1, 0) < 0) _exit(1); }
static void visit(void) { connected(port_of(server)); pause_for(100); }
static void drain(void) {
    static char block[1 << 20];
    while (recv(full[1], block, sizeof block, MSG_DONTWAIT) > 0) pause_for(20);
}

static void limit(int fd, int name, int milliseconds) {
    struct timeval time = {milliseconds / 1000, milliseconds % 1000 * 1000};
    must("setsockopt", setsockopt(fd, SOL_SOCKET, name, &time, sizeof time));
}

static void run(int flags, int limited) {
    struct sigaction action = {.sa_handler = count, .sa_flags = flags};
    sigaction(SIGUSR1, &action, NULL);
    char buffer[16];
    print("%s, %s\n", flags ? "restarting" : "interrupting", limited ? "limited" : "unlimited");
    limit(ends[0], SO_RCVTIMEO, limited ? 2000 : 0);
    limit(server, SO_RCVTIMEO, limited ? 2000 : 0);
    limit(full[0], SO_SNDTIMEO, limited ? 2000 : 0);
    pid_t child = disturb(give);
    report("recv", recv(ends[0], buffer, 1, 0), child);
    recv(ends[0], buffer, 1, MSG_DONTWAIT);
    child = disturb(give);
    report("read", read(ends[0], buffer, 1), child);
    recv(ends[0], buffer, 1, MSG_DONTWAIT);
    child = disturb(give);
    struct iovec vector = {buffer, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    report("recvmsg", recvmsg(ends[0], &message, 0), child);
    recv(ends[0], buffer, 1, MSG_DONTWAIT);
    child = disturb(visit);
    report("accept", accept(server, NULL, NULL), child);
    fcntl(server, F_SETFL, O_NONBLOCK);
    while (accept(server, NULL, NULL) >= 0) {
    }
    fcntl(server, F_SETFL, 0);
    fill_up(full[0]);
    child = disturb(drain);
    static char block[65536];
    // The kernel may have found room for a part before it had to wait.
    long sent = send(full[0], block, sizeof block, 0);
    if (sent >= 0 && sent < (long)sizeof block) {
        sent = -1;
        errno = EINTR;
    }
    coarse = 1;
    report("send", sent, child);
    coarse = 0;
    fill_up(full[0]);
    child = disturb(give);
    struct pollfd entry = {ends[0], POLLIN, 0};
    report("poll", poll(&entry, 1, limited ? 2000 : -1), child);
    recv(ends[0], buffer, 1, MSG_DONTWAIT);
    child = disturb(give);
    fd_set in;
    FD_ZERO(&in);
    FD_SET(ends[0], &in);
    struct timeval time = {2, 0};
    report("select", select(ends[0] + 1, &in, NULL, NULL, limited ? &time : NULL), child);
    recv(ends[0], buffer, 1, MSG_DONTWAIT);
    int set = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event);
    child = disturb(give);
    report("epoll_wait", epoll_wait(set, &event, 1, limited ? 2000 : -1), child);
    recv(ends[0], buffer, 1, MSG_DONTWAIT);
    // The masks of the waits: the signal is blocked outside, and let in while waiting.
    sigset_t blocked, none;
    sigemptyset(&none);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    kill(getpid(), SIGUSR1);
    entry.revents = 0;
    struct timespec patience = {1, 0};
    clock_gettime(CLOCK_MONOTONIC, &start);
    report("ppoll, signal pending", ppoll(&entry, 1, &patience, &none), -1);
    kill(getpid(), SIGUSR1);
    clock_gettime(CLOCK_MONOTONIC, &start);
    report("epoll_pwait, signal pending", epoll_pwait(set, &event, 1, 1000, &none), -1);
    kill(getpid(), SIGUSR1);
    clock_gettime(CLOCK_MONOTONIC, &start);
    report("epoll_pwait2, signal pending", epoll_pwait2(set, &event, 1, &patience, &none), -1);
    kill(getpid(), SIGUSR1);
    FD_ZERO(&in);
    FD_SET(ends[0], &in);
    clock_gettime(CLOCK_MONOTONIC, &start);
    report("pselect, signal pending", pselect(ends[0] + 1, &in, NULL, NULL, &patience, &none), -1);
    // A socket that is ready at once.
    int fresh = socket(AF_INET, SOCK_STREAM, 0);
    entry.fd = fresh;
    kill(getpid(), SIGUSR1);
    clock_gettime(CLOCK_MONOTONIC, &start);
    report("ppoll of a fresh socket, signal pending", ppoll(&entry, 1, &patience, &none), -1);
    close(fresh);
    handled = 0;
    sigprocmask(SIG_UNBLOCK, &blocked, NULL);
    print(" left over %d\n", handled);
    handled = 0;
    close(set);
}

int main(void) {
    server = listener();
    both_ends(ends);
    both_ends(full);
    static char block[65536];
    fill_up(full[0]);
    run(0, 0);
    run(SA_RESTART, 0);
    run(0, 1);
    run(SA_RESTART, 1);
    limit(ends[0], SO_RCVTIMEO, 150);
    limit(server, SO_RCVTIMEO, 150);
    limit(full[0], SO_SNDTIMEO, 150);
    char byte;
    clock_gettime(CLOCK_MONOTONIC, &start);
    report("recv", recv(ends[0], &byte, 1, 0), -1);
    clock_gettime(CLOCK_MONOTONIC, &start);
    report("accept", accept(server, NULL, NULL), -1);
    clock_gettime(CLOCK_MONOTONIC, &start);
    report("send", send(full[0], block, sizeof block, 0), -1);
    return done();
}

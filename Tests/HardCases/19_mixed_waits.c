// poll, select, ppoll, pselect and epoll_pwait over sockets, pipes, files and closed numbers; masks and remaining times.
#include "cases.h"
#include <sys/select.h>

static volatile sig_atomic_t signals;
static void count_signal(int number) { (void)number, signals++; }

static long processor(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

int main(void) {
    int ends[2], pipes[2], server = listener(), file = open("/etc/hostname", O_RDONLY);
    char buffer[8];
    both_ends(ends);
    must("pipe", pipe(pipes));
    struct pollfd all[] = {{ends[0], POLLIN, 0},  {pipes[0], POLLIN, 0}, {server, POLLIN, 0}, {file, POLLIN, 0},
                           {ends[1], POLLOUT, 0}, {-1, POLLIN, 77},      {200, POLLIN, 0},    {pipes[1], POLLOUT, 0}};
    int total = sizeof all / sizeof *all;
    say("poll", poll(all, total, 0));
    for (int index = 0; index < total; index++) say_events("  entry", all[index].revents);
    tell(ends[1], "x");
    must("write", write(pipes[1], "y", 1));
    await(ends[0], POLLIN);
    say("poll", poll(all, total, 0));
    for (int index = 0; index < total; index++) say_events("  entry", all[index].revents);
    fd_set in, out;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(ends[0], &in);
    FD_SET(pipes[0], &in);
    FD_SET(server, &in);
    FD_SET(ends[1], &out);
    say("select", select(100, &in, &out, NULL, &(struct timeval){5, 0}));
    print("  %d %d %d %d\n", FD_ISSET(ends[0], &in), FD_ISSET(pipes[0], &in), FD_ISSET(server, &in),
          FD_ISSET(ends[1], &out));
    // The kernel looks only as far as the table of descriptors has ever reached: make it reach.
    must("dup2", dup2(file, 250));
    close(250);
    FD_SET(200, &in);
    say("select with a closed one", select(201, &in, NULL, NULL, &(struct timeval){0, 0}));
    say("negative", select(-1, NULL, NULL, NULL, &(struct timeval){0, 0}));
    say("bad time", select(0, NULL, NULL, NULL, &(struct timeval){-1, 0}));
    recv(ends[0], buffer, 1, 0);
    must("read", read(pipes[0], buffer, 1));

    // The remaining time, and no busy loop while waiting.
    struct timeval left = {0, 300000};
    FD_ZERO(&in);
    FD_SET(ends[0], &in);
    FD_SET(pipes[0], &in);
    long before = processor();
    say("select, nothing", select(100, &in, NULL, NULL, &left));
    print("left %ld, processor time %s\n", (long)(left.tv_sec * 1000 + left.tv_usec / 1000),
          processor() - before < 50 ? "little" : "much");
    pid_t child = CHILD({
        pause_for(200);
        tell(ends[1], "z");
    });
    left = (struct timeval){10, 0};
    FD_SET(ends[0], &in);
    FD_SET(pipes[0], &in);
    say("select, after 200 ms", select(100, &in, NULL, NULL, &left));
    long remaining = left.tv_sec * 1000 + left.tv_usec / 1000;
    print("left about as it should be: %d\n", remaining > 8000 && remaining <= 9810);
    reap("child", child);
    recv(ends[0], buffer, 1, 0);

    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    struct pollfd two[] = {{ends[0], POLLIN, 0}, {pipes[0], POLLIN, 0}};
    say("poll, nothing", poll(two, 2, 150));
    print("%s\n", since(&start) >= 149 ? "in time" : "too early");

    // Masks: a blocked signal is let in for the wait alone.
    struct sigaction action = {.sa_handler = count_signal};
    sigset_t blocked, empty;
    sigaction(SIGUSR1, &action, NULL);
    sigemptyset(&empty);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    raise(SIGUSR1);
    struct timespec limit = {5, 0};
    say("ppoll", ppoll(two, 2, &limit, &empty));
    print("signals %d\n", signals);
    raise(SIGUSR1);
    say("pselect", pselect(100, &in, NULL, NULL, &limit, &empty));
    print("signals %d\n", signals);
    raise(SIGUSR1);
    int set = epoll_create1(0);
    add(set, ends[0], EPOLLIN);
    add(set, pipes[0], EPOLLIN);
    struct epoll_event event;
    say("epoll_pwait", epoll_pwait(set, &event, 1, 5000, &empty));
    print("signals %d\n", signals);
    raise(SIGUSR1);
    say("epoll_pwait2", epoll_pwait2(set, &event, 1, &limit, &empty));
    print("signals %d\n", signals);
    raise(SIGUSR1);
    say("poll with it blocked", poll(two, 2, 50));
    print("signals %d\n", signals);
    // Readiness wins over a signal that is blocked.
    tell(ends[1], "r");
    await(ends[0], POLLIN);
    sigaddset(&empty, SIGUSR1);
    say("ppoll, ready", ppoll(two, 2, &limit, &empty));
    say("no time at all", ppoll(two, 2, &(struct timespec){0, 0}, NULL));
    say("bad time", ppoll(two, 2, &(struct timespec){0, 2000000000}, NULL));
    say("epoll_wait of a pipe and a socket", epoll_wait(set, &event, 1, 0));
    print("the socket: %d\n", event.data.fd == ends[0]);
    struct epoll_event none = {.events = EPOLLIN};
    say("a file in epoll", epoll_ctl(set, EPOLL_CTL_ADD, file, &none));
    return done();
}

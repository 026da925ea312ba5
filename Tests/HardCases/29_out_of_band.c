// Out-of-band data, SIGURG and SIGIO, and F_SETOWN with F_SETSIG.
#define _GNU_SOURCE
#include "cases.h"

static volatile sig_atomic_t urgent, input, code, by_fd;
static void on_urgent(int number) { (void)number, urgent++; }
static void on_input(int number, siginfo_t *info, void *unused) {
    (void)number, (void)unused, input++, code = info->si_code, by_fd = info->si_fd;
}
static void until(volatile sig_atomic_t *count) {
    for (int tries = 0; *count == 0 && tries < 500; tries++) pause_for(10);
    print("  signals: %s\n", *count ? "some" : "none");
    *count = 0;
}

int main(void) {
    int ends[2], yes = 1;
    char buffer[16] = {0};
    both_ends(ends);
    tell(ends[1], "ab");
    say("MSG_OOB", send(ends[1], "!", 1, MSG_OOB));
    tell(ends[1], "cd");
    await(ends[0], POLLPRI);
    say_events("poll", events(ends[0], POLLIN | POLLPRI, 0));
    say("sockatmark", sockatmark(ends[0]));
    say("recv stops at the mark", recv(ends[0], buffer, sizeof buffer, 0));
    say("sockatmark", sockatmark(ends[0]));
    say("recv MSG_OOB", recv(ends[0], buffer, 1, MSG_OOB));
    print("  %.1s\n", buffer);
    say("again", recv(ends[0], buffer, 1, MSG_OOB));
    say("recv", recv(ends[0], buffer, sizeof buffer, 0));
    say_events("poll", events(ends[0], POLLIN | POLLPRI, 0));

    say("SO_OOBINLINE", setsockopt(ends[0], SOL_SOCKET, SO_OOBINLINE, &yes, sizeof yes));
    tell(ends[1], "12");
    must("MSG_OOB", send(ends[1], "3", 1, MSG_OOB));
    tell(ends[1], "45");
    await(ends[0], POLLPRI);
    // What follows it may come later.
    pause_for(50);
    say("before", recv(ends[0], buffer, sizeof buffer, 0));
    say("sockatmark", sockatmark(ends[0]));
    say("from it on", recv(ends[0], buffer, sizeof buffer, 0));
    say("MSG_OOB", recv(ends[0], buffer, 1, MSG_OOB));

    signal(SIGURG, on_urgent);
    say("F_SETOWN", fcntl(ends[0], F_SETOWN, getpid()));
    print("F_GETOWN %d\n", fcntl(ends[0], F_GETOWN) == getpid());
    must("MSG_OOB", send(ends[1], "u", 1, MSG_OOB));
    print("SIGURG\n");
    until(&urgent);
    recv(ends[0], buffer, sizeof buffer, 0);

    struct sigaction action = {.sa_sigaction = on_input, .sa_flags = SA_SIGINFO};
    sigaction(SIGIO, &action, NULL);
    sigaction(SIGRTMIN, &action, NULL);
    say("O_ASYNC", fcntl(ends[0], F_SETFL, O_ASYNC));
    input = 0;
    tell(ends[1], "x");
    print("SIGIO\n");
    until(&input);
    say("recv", recv(ends[0], buffer, sizeof buffer, 0));
    say("F_SETSIG", fcntl(ends[0], F_SETSIG, SIGRTMIN));
    input = 0;
    tell(ends[1], "y");
    print("SIGRTMIN\n");
    until(&input);
    print("POLL_IN %d, descriptor %d\n", code == POLL_IN, by_fd == ends[0]);
    say("F_SETFL", fcntl(ends[0], F_SETFL, 0));
    recv(ends[0], buffer, sizeof buffer, 0);
    pause_for(50);
    input = 0;
    tell(ends[1], "z");
    await(ends[0], POLLIN);
    pause_for(100);
    print("off: %d\n", (int)input);
    return done();
}

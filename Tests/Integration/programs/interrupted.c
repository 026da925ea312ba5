// Blocking calls and signals: EINTR without SA_RESTART, patience with it, EINTR again under a time limit.
#include "common.h"
#include <sys/time.h>

static volatile sig_atomic_t signals;

static void count_signal(int number) {
    (void)number;
    signals++;
}

static void handle(int flags) {
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = flags};
    must("sigaction", sigaction(SIGALRM, &action, NULL));
    signals = 0;
}

// The signal repeats, so that one which comes before the call blocks does no harm.
static void timer(int milliseconds) {
    struct itimerval every = {{0, milliseconds * 1000}, {0, milliseconds * 1000}};
    must("setitimer", setitimer(ITIMER_REAL, &every, NULL));
}

int main(void) {
    int server = listener(), ends[2];
    char byte;
    both_ends(ends);
    handle(0);
    timer(100);
    say("accept", accept(server, NULL, NULL));
    say("recv", recv(ends[0], &byte, 1, 0));
    say("read", read(ends[0], &byte, 1));
    say("poll", poll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, 5000));
    static char block[65536];
    long got;
    while ((got = send(ends[1], block, sizeof block, 0)) == sizeof block) {
    }
    // EINTR, unless the signal came when a part was sent.
    print("send to one who does not read: %s\n", got < 0 && errno != EINTR ? strerrorname_np(errno) : "interrupted");
    timer(0);

    handle(SA_RESTART);
    timer(100);
    pid_t child = must("fork", fork());
    if (child == 0) {
        timer(0);
        pause_for(450);
        int fd = connected(port_of(server));
        pause_for(450);
        must("send", send(fd, "x", 1, 0));
        _exit(0);
    }
    int fd = must("accept", accept(server, NULL, NULL));
    print("accept with SA_RESTART, signals meanwhile: %s\n", signals > 1 ? "some" : "none");
    signals = 0;
    say("recv with SA_RESTART", recv(fd, &byte, 1, 0));
    print("signals meanwhile: %s\n", signals > 1 ? "some" : "none");
    timer(0);
    must("waitpid", waitpid(child, NULL, 0));
    must("SO_RCVTIMEO", setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){5, 0}, sizeof(struct timeval)));
    timer(100);
    say("recv with a time limit", recv(ends[1], &byte, 1, 0));
    return done();
}

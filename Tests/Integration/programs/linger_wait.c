// How long close() takes: with SO_LINGER and a peer that does not read, on blocking and non-blocking sockets.
#include "common.h"

static void check(const char *what, int seconds, int nonblocking, int late_reader) {
    int ends[2];
    both_ends(ends);
    struct linger value = {seconds >= 0, seconds};
    must("linger", setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &value, sizeof value));
    static char block[65536];
    fill_up(ends[0]);
    fcntl(ends[0], F_SETFL, nonblocking ? O_NONBLOCK : 0);
    pid_t child = 0;
    if (late_reader) {
        child = fork();
        if (child == 0) {
            close(ends[0]);
            pause_for(500);
            while (read(ends[1], block, sizeof block) > 0) {
            }
            _exit(0);
        }
    }
    if (late_reader) pause_for(100);
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    say(what, close(ends[0]));
    long time = since(&start);
    print("  %s\n", time < 200 ? "at once" : time < 800 ? "when it was read" : time < 1300 ? "a second" : "longer");
    if (child) waitpid(child, NULL, 0);
    close(ends[1]);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    check("without linger", -1, 0, 0);
    check("linger 1 s, nobody reads", 1, 0, 0);
    check("linger 1 s, not blocking", 1, 1, 0);
    check("linger 3 s, read later", 3, 0, 1);
    check("linger 0", 0, 0, 0);
    return done();
}

// Writing where nobody reads: EPIPE and SIGPIPE, and their absence with MSG_NOSIGNAL and with SIGPIPE ignored.
#include "common.h"

static volatile sig_atomic_t signals;

static void count_signal(int number) {
    (void)number;
    signals++;
}

static void attempt(const char *what, long result) {
    say(what, result);
    print("signals %d\n", (int)signals);
}

int main(void) {
    int ends[2];
    signal(SIGPIPE, count_signal);
    both_ends(ends);
    must("shutdown", shutdown(ends[0], SHUT_WR));
    attempt("write after shutdown", write(ends[0], "x", 1));
    attempt("send after shutdown", send(ends[0], "x", 1, 0));
    attempt("send of nothing", send(ends[0], "", 0, MSG_NOSIGNAL));
    attempt("MSG_NOSIGNAL after shutdown", send(ends[0], "x", 1, MSG_NOSIGNAL));
    signal(SIGPIPE, SIG_IGN);
    attempt("ignored", write(ends[0], "x", 1));

    both_ends(ends);
    must("close", close(ends[1]));
    await(ends[0], POLLIN);
    // The peer answers the first bytes with a reset, which takes its time.
    long result = 0;
    for (int attempts = 0; attempts < 500 && result >= 0; attempts++) {
        result = send(ends[0], "x", 1, MSG_NOSIGNAL);
        pause_for(5);
    }
    attempt("send to a closed peer", result);
    signal(SIGPIPE, SIG_DFL);
    pid_t child = must("fork", fork());
    if (child == 0) {
        (void)!write(ends[0], "x", 1);
        _exit(3);
    }
    int status;
    must("waitpid", waitpid(child, &status, 0));
    print("the writer was killed by %s\n", WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : "nothing");
    int idle = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    say("send unconnected", send(idle, "x", 1, MSG_NOSIGNAL));
    say("recv unconnected", recv(idle, &(char){0}, 1, 0));
    return done();
}

// Out-of-band data: PRI, the mark, MSG_OOB, SO_OOBINLINE, SIGURG, and what readers see around the mark.
#include "common.h"
#include <sys/ioctl.h>
#include <sys/select.h>

static volatile int urgent_signals;
static void count(int number) {
    (void)number;
    urgent_signals++;
}

static int ends[2];

static void show(const char *what) {
    pause_for(80);
    say_events(what, events(ends[0], POLLIN | POLLPRI | POLLRDHUP | POLLRDBAND, 0));
    fd_set in, other;
    FD_ZERO(&in);
    FD_ZERO(&other);
    FD_SET(ends[0], &in);
    FD_SET(ends[0], &other);
    int number = select(ends[0] + 1, &in, NULL, &other, &(struct timeval){0, 0});
    int queued = -1;
    ioctl(ends[0], FIONREAD, &queued);
    print("  select %d:%s%s, at mark %d, queued %d, signals %d\n", number, FD_ISSET(ends[0], &in) ? " in" : "",
          FD_ISSET(ends[0], &other) ? " other" : "", sockatmark(ends[0]), queued, urgent_signals);
}

static void take(const char *what, int size, int flags) {
    char buffer[64] = {0};
    long got = say(what, recv(ends[0], buffer, size, flags | MSG_DONTWAIT));
    if (got > 0) print("  %s\n", buffer);
}

static void put(const char *text, int flags) { must("send", send(ends[1], text, strlen(text), flags)); }

static void run(int inlined) {
    urgent_signals = 0;
    both_ends(ends);
    print("%s\n", inlined ? "in line" : "apart");
    must("inline", setsockopt(ends[0], SOL_SOCKET, SO_OOBINLINE, &inlined, sizeof inlined));
    say("own", fcntl(ends[0], F_SETOWN, getpid()));
    show("at first");
    take("no urgent data", 1, MSG_OOB);
    put("abc", 0);
    put("!", MSG_OOB);
    show("three and one");
    take("peek at it", 1, MSG_OOB | MSG_PEEK);
    take("the urgent byte", 1, MSG_OOB);
    take("again", 1, MSG_OOB);
    show("taken");
    take("up to the mark", 10, 0);
    show("at the mark");
    put("def", 0);
    show("more behind");
    take("behind the mark", 10, 0);
    show("all read");
    put("longUrgent", MSG_OOB);
    show("ten at once");
    take("the last of them", 1, MSG_OOB);
    take("the others", 20, 0);
    take("rest", 20, 0);
    put("?", MSG_OOB);
    pause_for(80);
    // Whether such a byte makes readable is left out.
    say_events("one alone", events(ends[0], POLLPRI, 0));
    print("  at mark %d\n", sockatmark(ends[0]));
    take("in order", 10, 0);
    show("not taken");
    put("p", 0);
    put("3", MSG_OOB);
    put("q", 0);
    pause_for(80);
    take("peek before the mark", 10, MSG_PEEK);
    take("without taking it", 10, 0);
    take("passing it", 10, 0);
    take("too late", 1, MSG_OOB);
    show("empty");
    shutdown(ends[1], SHUT_WR);
    show("end");
    take("at the end", 1, MSG_OOB);
    close(ends[0]);
    close(ends[1]);
}

int main(void) {
    struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
    sigaction(SIGURG, &action, NULL);
    run(0);
    run(1);
    return done();
}

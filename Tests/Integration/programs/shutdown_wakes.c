// shutdown() in one thread ends what another thread waits for.
#include "common.h"
#include <pthread.h>

static int ends[2], server;

static void *read_it(void *unused) {
    char byte;
    (void)unused;
    say("recv", recv(ends[0], &byte, 1, 0));
    return NULL;
}

static void *poll_it(void *unused) {
    (void)unused;
    say_events("poll", events(ends[0], POLLIN | POLLRDHUP, 5000));
    return NULL;
}

static void *accept_it(void *unused) {
    (void)unused;
    say("accept", accept(server, NULL, NULL));
    return NULL;
}

static void shut(void *(*waiter)(void *), int fd, int how) {
    pthread_t thread;
    must("pthread_create", -pthread_create(&thread, NULL, waiter, NULL));
    pause_for(200);
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    // Said after the other thread's result, since either may be first.
    int result = shutdown(fd, how), error = errno;
    pthread_join(thread, NULL);
    print("%s\n", since(&start) < 1000 ? "at once" : "late");
    errno = error;
    say("shutdown", result);
}

int main(void) {
    both_ends(ends);
    shut(read_it, ends[0], SHUT_RD);
    both_ends(ends);
    shut(read_it, ends[0], SHUT_RDWR);
    both_ends(ends);
    shut(poll_it, ends[0], SHUT_RD);
    both_ends(ends);
    shut(read_it, ends[1], SHUT_WR);
    server = listener();
    shut(accept_it, server, SHUT_RDWR);
    say("shutdown unconnected", shutdown(socket(AF_INET, SOCK_STREAM, 0), SHUT_RDWR));
    say("shutdown of an unknown kind", shutdown(ends[0], 7));
    return done();
}

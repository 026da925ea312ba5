// siglongjmp out of a handler that interrupted a call on a socket: the socket stays usable, for other threads too.
#include "common.h"
#include <pthread.h>
#include <setjmp.h>
#include <sys/time.h>

static sigjmp_buf back;
static volatile int armed;

static void jump(int number) {
    (void)number;
    if (armed) siglongjmp(back, 1);
}

static int ends[2];
static char block[1 << 20];

static void *peer(void *unused) {
    (void)unused;
    static char room[65536];
    while (recv(ends[1], room, sizeof room, 0) > 0) {
        if (send(ends[1], room, 4096, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN) break;
    }
    return NULL;
}

static void *from_another(void *unused) {
    (void)unused;
    say("another thread sends", send(ends[0], "x", 1, 0));
    char byte;
    say("another thread receives", recv(ends[0], &byte, 1, MSG_DONTWAIT) < 0 ? errno == EAGAIN : 1);
    return NULL;
}

int main(void) {
    both_ends(ends);
    pthread_t thread;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_create(&thread, NULL, peer, NULL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    struct sigaction action = {.sa_handler = jump};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval every = {{0, 1000}, {0, 1000}};
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    setitimer(ITIMER_REAL, &every, NULL);
    volatile long jumps = 0;
    while (since(&start) < 2000) {
        if (sigsetjmp(back, 1)) {
            armed = 0;
            jumps++;
        }
        armed = 1;
        if (jumps % 2) {
            if (send(ends[0], block, sizeof block, 0) < 0 && errno != EINTR) say("send", -1);
        } else {
            if (recv(ends[0], block, sizeof block, MSG_DONTWAIT) < 0 && errno != EAGAIN) say("recv", -1);
            if (send(ends[0], block, 50000, 0) < 0 && errno != EINTR) say("send", -1);
        }
        armed = 0;
    }
    every = (struct itimerval){{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &every, NULL);
    print("jumps: %s\n", jumps > 100 ? "many" : "few");
    // One call of the same thread on any socket, as any program makes.
    say("the thread sends", send(ends[0], "x", 1, 0));
    pthread_t other;
    pthread_create(&other, NULL, from_another, NULL);
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 5;
    print("the other thread: %s\n", pthread_timedjoin_np(other, NULL, &limit) == 0 ? "came through" : "hangs");
    shutdown(ends[0], SHUT_WR);
    pthread_join(thread, NULL);
    return done();
}

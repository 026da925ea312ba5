// pthread_cancel at each call that blocks: the thread ends, its cleanup runs, and the socket is as usable as before.
// And close() while another thread waits.
#include "common.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>

static int server, ends[2], full[2], closing;

static void clean(void *name) { print("  cleaned up after %s\n", (char *)name); }

static void *call(void *name) {
    const char *which = name;
    char byte;
    static char block[65536];
    volatile long result = 0;
    pthread_cleanup_push(clean, name);
    if (!strcmp(which, "recv")) result = recv(ends[0], &byte, 1, 0);
    if (!strcmp(which, "read")) result = read(ends[0], &byte, 1);
    if (!strcmp(which, "recv all")) result = recv(ends[0], block, 10, MSG_WAITALL);
    if (!strcmp(which, "accept")) result = accept(server, NULL, NULL);
    if (!strcmp(which, "send")) result = send(full[0], block, sizeof block, 0);
    if (!strcmp(which, "write")) result = write(full[0], block, sizeof block);
    if (!strcmp(which, "poll")) result = poll(&(struct pollfd){ends[0], POLLIN, 0}, 1, -1);
    if (!strcmp(which, "select")) {
        fd_set in;
        FD_ZERO(&in);
        FD_SET(ends[0], &in);
        result = select(ends[0] + 1, &in, NULL, NULL, NULL);
    }
    if (!strcmp(which, "epoll_wait")) {
        int set = epoll_create1(0);
        struct epoll_event event = {.events = EPOLLIN};
        epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event);
        result = epoll_wait(set, &event, 1, -1);
    }
    if (!strcmp(which, "sends that never block"))
        for (;;) {
            if (send(ends[1], "y", 1, MSG_DONTWAIT) < 0) pthread_testcancel();
            recv(ends[0], block, sizeof block, MSG_DONTWAIT);
        }
    pthread_cleanup_pop(0);
    say(which, result);
    return NULL;
}

static void *wait_and_close(void *unused) {
    (void)unused;
    pause_for(200);
    say("close", close(closing));
    return NULL;
}

int main(void) {
    server = listener();
    both_ends(ends);
    both_ends(full);
    static char block[65536];
    fill_up(full[0]);
    static char *names[] = {"recv", "read", "recv all", "accept", "send", "write", "poll", "select", "epoll_wait"};
    for (unsigned at = 0; at < sizeof names / sizeof *names; at++) {
        pthread_t thread;
        void *result;
        pthread_create(&thread, NULL, call, names[at]);
        pause_for(60);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        print("%s: %s\n", names[at], result == PTHREAD_CANCELED ? "cancelled" : "ended");
    }
    char byte;
    must("send", send(ends[1], "z", 1, 0));
    say("recv afterwards", recv(ends[0], &byte, 1, 0));
    say("send afterwards", send(full[0], block, 1, MSG_DONTWAIT));
    int visitor = connected(port_of(server));
    say("accept afterwards", accept(server, NULL, NULL) >= 0);
    close(visitor);

    // A cancellation that is pending is acted upon by a call that need not wait.
    pthread_t thread;
    void *result;
    pthread_create(&thread, NULL, call, "sends that never block");
    pause_for(60);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    print("sends: %s\n", result == PTHREAD_CANCELED ? "cancelled" : "ended");
    do {
        while (recv(ends[0], block, sizeof block, MSG_DONTWAIT) > 0) {
        }
    } while (events(ends[0], POLLIN, 200));

    // close() of a descriptor on which another thread waits does not wake it: data does.
    closing = dup(ends[0]);
    pthread_create(&thread, NULL, wait_and_close, NULL);
    struct timeval limit = {1, 0};
    setsockopt(closing, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    say("recv on what is closed meanwhile", recv(closing, &byte, 1, 0));
    pthread_join(thread, NULL);
    closing = dup(server);
    setsockopt(closing, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    pthread_create(&thread, NULL, wait_and_close, NULL);
    say("accept on what is closed meanwhile", accept(closing, NULL, NULL));
    pthread_join(thread, NULL);
    closing = dup(ends[0]);
    pthread_create(&thread, NULL, wait_and_close, NULL);
    say("poll of what is closed meanwhile", poll(&(struct pollfd){closing, POLLIN, 0}, 1, 500));
    pthread_join(thread, NULL);
    return done();
}

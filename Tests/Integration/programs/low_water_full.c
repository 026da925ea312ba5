// SO_RCVLOWAT of more than SO_RCVBUF, set after it, lets in: what fits is readable then, and the stream goes on.
#include "common.h"
#include <pthread.h>

enum { SIZE = 60000 };

static int ends[2];

static void *feed(void *unused) {
    (void)unused;
    static char block[SIZE];
    fill(block, SIZE, 0);
    for (long sent = 0; sent < SIZE;) sent += must("send", send(ends[1], block + sent, SIZE - sent, MSG_NOSIGNAL));
    must("shutdown", shutdown(ends[1], SHUT_WR));
    return NULL;
}

int main(void) {
    both_ends(ends);
    int many = 150000, few = 4096;
    must("SO_RCVBUF", setsockopt(ends[0], SOL_SOCKET, SO_RCVBUF, &(int){400000}, sizeof(int)));
    say("SO_RCVLOWAT", setsockopt(ends[0], SOL_SOCKET, SO_RCVLOWAT, &many, sizeof many));
    say("SO_RCVBUF", setsockopt(ends[0], SOL_SOCKET, SO_RCVBUF, &few, sizeof few));
    pthread_t thread;
    pthread_create(&thread, NULL, feed, NULL);
    long total = 0;
    for (;;) {
        char buffer[3000], expected[3000];
        await(ends[0], POLLIN);
        long got = recv(ends[0], buffer, sizeof buffer, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN) continue;
        if (must("recv", got) == 0) break;
        fill(expected, got, total);
        if (memcmp(buffer, expected, got)) print("other bytes at %ld\n", total);
        total += got;
    }
    pthread_join(thread, NULL);
    print("%ld bytes\n", total);
    return done();
}

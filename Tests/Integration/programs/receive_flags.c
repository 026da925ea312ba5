// MSG_PEEK, MSG_WAITALL, MSG_DONTWAIT, MSG_TRUNC and SO_RCVTIMEO.
#include "common.h"
#include <sys/time.h>

int main(void) {
    int ends[2];
    char buffer[16] = {0};
    both_ends(ends);
    say("MSG_DONTWAIT on nothing", recv(ends[0], buffer, 4, MSG_DONTWAIT));
    must("send", send(ends[1], "abcdef", 6, 0));
    await(ends[0], POLLIN);
    say("MSG_PEEK", recv(ends[0], buffer, 3, MSG_PEEK));
    say("MSG_PEEK again", recv(ends[0], buffer, 6, MSG_PEEK | MSG_WAITALL));
    print("peeked %.6s\n", buffer);
    say("recv", recv(ends[0], buffer, 2, 0));
    print("read %.2s\n", buffer);
    say("MSG_TRUNC discards", recv(ends[0], NULL, 2, MSG_TRUNC));
    say("recv", recv(ends[0], buffer, 16, 0));
    print("read %.2s\n", buffer);
    if (must("fork", fork()) == 0) {
        for (int part = 0; part < 4; part++) {
            must("send", send(ends[1], "wxyz" + part, 1, 0));
            pause_for(50);
        }
        _exit(0);
    }
    say("MSG_WAITALL", recv(ends[0], buffer, 4, MSG_WAITALL));
    print("read %.4s\n", buffer);
    wait(NULL);

    struct timeval limit = {0, 200000}, set = {0};
    socklen_t length = sizeof set;
    say("SO_RCVTIMEO", setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    must("getsockopt", getsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &set, &length));
    print("set to %ld s %ld us\n", (long)set.tv_sec, (long)set.tv_usec);
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    say("recv in time-out", recv(ends[0], buffer, 1, 0));
    long waited = since(&start);
    print("waited %s\n", waited >= 190 && waited < 5000 ? "as told" : "wrongly");
    must("send", send(ends[1], "pq", 2, 0));
    say("MSG_WAITALL in time-out", recv(ends[0], buffer, 4, MSG_WAITALL));
    must("shutdown", shutdown(ends[1], SHUT_WR));
    say("recv at the end", recv(ends[0], buffer, 4, MSG_WAITALL));
    say("MSG_PEEK at the end", recv(ends[0], buffer, 4, MSG_PEEK));
    return done();
}

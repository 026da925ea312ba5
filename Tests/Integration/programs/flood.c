// Writes to a peer (port in argv[1]) that does not read until nothing more goes, says how many bytes went, and waits
// to be killed.
#include "common.h"

int main(int count, char **arguments) {
    if (count != 2) return 2;
    int fd = connected(atoi(arguments[1]));
    must("O_NONBLOCK", fcntl(fd, F_SETFL, O_NONBLOCK));
    static char block[65536];
    long sent = 0;
    do {
        for (;;) {
            fill(block, sizeof block, sent);
            long got = send(fd, block, sizeof block, 0);
            if (got < 0) break;
            sent += got;
        }
        if (errno != EAGAIN) return say("send", -1);
    } while (events(fd, POLLOUT, 500) & POLLOUT);
    print("process %d sent %ld.\n", (int)getpid(), sent);
    for (;;) pause();
}

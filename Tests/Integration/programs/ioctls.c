// FIONREAD, SIOCOUTQ and FIONBIO.
#include "common.h"
#include <linux/sockios.h>
#include <sys/ioctl.h>

static void await_value(const char *what, int fd, unsigned long request, int wanted) {
    int value = -1;
    for (int attempts = 0; attempts < 1000; attempts++) {
        value = -1;
        must(what, ioctl(fd, request, &value));
        if (value == wanted) break;
        pause_for(5);
    }
    print("%s: %d\n", what, value);
}

int main(void) {
    int ends[2], value = -1;
    char buffer[64];
    both_ends(ends);
    await_value("FIONREAD of nothing", ends[0], FIONREAD, 0);
    must("send", send(ends[1], "0123456789", 10, 0));
    await_value("FIONREAD", ends[0], FIONREAD, 10);
    must("recv", recv(ends[0], buffer, 4, 0));
    await_value("FIONREAD of the rest", ends[0], FIONREAD, 6);
    await_value("SIOCOUTQ at rest", ends[1], SIOCOUTQ, 0);

    // More than the reader's buffers hold: what is not acknowledged yet is counted.
    static char block[65536];
    must("FIONBIO", ioctl(ends[1], FIONBIO, &(int){1}));
    do {
        while (send(ends[1], block, sizeof block, 0) > 0) {
        }
    } while (events(ends[1], POLLOUT, 200) & POLLOUT);
    must("SIOCOUTQ", ioctl(ends[1], SIOCOUTQ, &value));
    print("SIOCOUTQ of a full connection: %s\n", value > 0 ? "some" : "none");
    say("recv non-blocking", recv(ends[1], buffer, 1, 0));
    print("O_NONBLOCK %d\n", (fcntl(ends[1], F_GETFL) & O_NONBLOCK) != 0);
    say("FIONBIO off", ioctl(ends[1], FIONBIO, &(int){0}));
    print("O_NONBLOCK %d\n", (fcntl(ends[1], F_GETFL) & O_NONBLOCK) != 0);
    say("FIOCLEX", ioctl(ends[1], FIOCLEX));
    print("FD_CLOEXEC %d\n", fcntl(ends[1], F_GETFD));
    say("of a listener", ioctl(listener(), FIONREAD, &value));
    say("unknown", ioctl(ends[1], 0x12345678, &value));
    return done();
}

// Binding an address that another socket has, and one that a socket had until just now.
#include "common.h"

static int try_bind(const char *what, int port, int reuse) {
    int fd = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    if (reuse) must("SO_REUSEADDR", setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse));
    struct sockaddr_in address = loopback(port);
    say(what, bind(fd, (struct sockaddr *)&address, sizeof address));
    return fd;
}

int main(void) {
    int first = listener();
    int port = port_of(first);
    int second = try_bind("bind beside a listener", port, 0);
    int third = try_bind("SO_REUSEADDR beside a listener", port, 1);
    for (int round = 0; round < 20; round++) {
        close(first);
        first = must("socket", socket(AF_INET, SOCK_STREAM, 0));
        struct sockaddr_in address = loopback(port);
        must("bind right after close", bind(first, (struct sockaddr *)&address, sizeof address));
        must("listen right after close", listen(first, 4));
    }
    say("bind twice", bind(first, (struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET}, 16));
    close(first);
    struct sockaddr_in address = loopback(port);
    say("bind of the one that failed", bind(second, (struct sockaddr *)&address, sizeof address));
    say("listen", listen(second, 4));
    address.sin_addr.s_addr = inet_addr("192.0.2.1");
    say("bind to an address that is not ours", bind(third, (struct sockaddr *)&address, sizeof address));
    address.sin_family = AF_UNIX;
    say("bind of another family", bind(third, (struct sockaddr *)&address, sizeof address));
    say("bind cut short", bind(third, (struct sockaddr *)&address, 4));
    return done();
}

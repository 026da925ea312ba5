// Sets options that act on the stream between writes to a peer (port in argv[1]).
#include "common.h"
#include <sys/ioctl.h>

static void option(int fd, const char *what, int name, int value) {
    say(what, setsockopt(fd, IPPROTO_TCP, name, &value, sizeof value));
    socklen_t length = sizeof value;
    value = -1;
    must("getsockopt", getsockopt(fd, IPPROTO_TCP, name, &value, &length));
    print("now %d, %d bytes\n", value, (int)length);
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    int fd = connected(atoi(arguments[1]));
    say("send", send(fd, "one ", 4, 0));
    option(fd, "TCP_NODELAY on", TCP_NODELAY, 1);
    say("send", send(fd, "two ", 4, 0));
    option(fd, "TCP_CORK on", TCP_CORK, 1);
    say("send", send(fd, "three ", 6, 0));
    option(fd, "TCP_CORK off", TCP_CORK, 0);
    option(fd, "TCP_NODELAY off", TCP_NODELAY, 0);
    say("send", send(fd, "four", 4, 0));
    say("close", close(fd));
    return done();
}

// The very last free descriptor is enough for a socket, and for accept.
#define _GNU_SOURCE
#include "cases.h"
#include <sys/resource.h>

int main(void) {
    int server = listener(), client = connected(port_of(server));
    struct rlimit value;
    getrlimit(RLIMIT_NOFILE, &value);
    value.rlim_cur = 32;
    must("setrlimit", setrlimit(RLIMIT_NOFILE, &value));
    int last = -1, fd;
    while ((fd = dup(server)) >= 0) last = fd;
    print("full: %s, last %d\n", strerrorname_np(errno), last);
    close(last);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    say("a socket at the last", fd);
    say("one more", socket(AF_INET, SOCK_STREAM, 0));
    say("connect", connect_on(fd, port_of(server)));
    close(fd);
    fd = accept(server, NULL, NULL);
    say("accept at the last", fd);
    tell(client, "x");
    say_text("accepted", fd);
    close(fd);
    fd = accept(server, NULL, NULL);
    say("accept the second", fd);
    close(fd);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    connect_on(fd, port_of(server));
    say("accept, none free", accept(server, NULL, NULL));
    return done();
}

// Descriptors are the lowest free numbers, for sockets and for everything else.
#include "cases.h"
#include <sys/select.h>

int main(void) {
    int base = must("open", open("/dev/null", O_RDONLY));
    int a = socket(AF_INET, SOCK_STREAM, 0), b = socket(AF_INET6, SOCK_STREAM, 0), file = open("/dev/null", O_RDONLY);
    print("in order: %d %d %d\n", a - base, b - base, file - base);
    close(a);
    print("open takes the hole: %d\n", open("/dev/null", O_RDONLY) == a);
    close(b);
    print("socket takes the hole: %d\n", socket(AF_INET, SOCK_STREAM, 0) == b);
    int pipes[2];
    must("pipe", pipe(pipes));
    print("pipe goes on: %d %d\n", pipes[0] - base, pipes[1] - base);
    int server = listener();
    print("listener: %d\n", server - base);
    int client = connected(port_of(server)), accepted = accept(server, NULL, NULL);
    print("client %d, accepted %d\n", client - base, accepted - base);
    print("dup: %d\n", dup(accepted) - base);
    print("F_DUPFD from 50: %d\n", fcntl(accepted, F_DUPFD, 50));
    print("again: %d\n", fcntl(accepted, F_DUPFD, 50));
    close(50);
    print("epoll: %d, eventless open: %d\n", epoll_create1(0) - base, open("/dev/null", O_RDONLY) - base);
    // Accept takes the lowest, at the time of the call.
    close(pipes[0]);
    int another = connected(port_of(server));
    print("connected in the hole: %d\n", another == pipes[0]);
    close(pipes[1]);
    print("accepted in the hole: %d\n", accept4(server, NULL, NULL, SOCK_NONBLOCK) == pipes[1]);
    print("a failed socket takes none: %d\n", socket(AF_INET, 77, 0));
    print("next: %d\n", open("/dev/null", O_RDONLY) - base);
    fd_set set;
    FD_ZERO(&set);
    for (int fd = 0; fd < 40; fd++)
        if (fcntl(fd, F_GETFD) >= 0) FD_SET(fd, &set);
    say("select over all that is open", select(FD_SETSIZE, NULL, &set, NULL, &(struct timeval){0, 0}) > 0);

    // Beyond FD_SETSIZE poll and epoll still work.
    int high = fcntl(client, F_DUPFD, 1500);
    if (high >= 0) {
        tell(accepted, "high");
        await(high, POLLIN);
        say_text("number 1500", high);
    } else
        print("number 1500: 4 \"high\"\n");
    int count = 0;
    for (int index = 0; index < 300; index++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        count += fd >= 0;
    }
    print("300 sockets: %d, the next number %d\n", count, open("/dev/null", O_RDONLY) - base);
    return done();
}

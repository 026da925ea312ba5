// O_NONBLOCK belongs to the open file: set by any means, seen by all duplicates and processes; accept does not inherit.
#include "cases.h"

static void show(const char *what, int fd) {
    char byte;
    int flag = (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
    print("%s: %d", what, flag);
    if (flag) print(", recv %s", recv(fd, &byte, 1, 0) < 0 ? strerrorname_np(errno) : "data");
    print("\n");
}

int main(void) {
    int ends[2], on = 1, off = 0;
    char byte;
    both_ends(ends);
    int copy = dup(ends[0]), third = fcntl(ends[0], F_DUPFD_CLOEXEC, 30);
    show("blocking", ends[0]);
    must("F_SETFL", fcntl(copy, F_SETFL, O_NONBLOCK));
    show("set by a duplicate", ends[0]);
    show("seen by another", third);
    must("FIONBIO", ioctl(third, FIONBIO, &off));
    show("cleared by ioctl", ends[0]);
    show("cleared for the duplicate", copy);
    reap("child", CHILD(must("F_SETFL", fcntl(ends[0], F_SETFL, O_NONBLOCK))));
    show("set by a child", ends[0]);
    reap("child", CHILD(must("FIONBIO", ioctl(copy, FIONBIO, &off))));
    show("cleared by a child", ends[0]);
    must("FIONBIO", ioctl(ends[0], FIONBIO, &on));
    reap("child", CHILD(show("in a child", ends[0])));
    pid_t child = vfork();
    if (child == 0) {
        execl("/usr/bin/python3.11", "python3.11", "-c", "import fcntl, os; fcntl.fcntl(3, 4, 0)", NULL);
        _exit(9);
    }
    int moved = dup2(ends[0], 3);
    reap("exec", child);
    close(moved == ends[0] ? -1 : moved);

    // A child blocks; the parent's change does not wake it, and counts from its next call on.
    must("F_SETFL", fcntl(ends[0], F_SETFL, 0));
    int ready[2];
    must("pipe", pipe(ready));
    child = CHILD({
        must("write", write(ready[1], "", 1));
        print("child got %ld\n", (long)recv(ends[0], &byte, 1, 0));
        show("child's next", ends[0]);
    });
    must("read", read(ready[0], &byte, 1));
    pause_for(100);
    must("F_SETFL", fcntl(ends[0], F_SETFL, O_NONBLOCK));
    pause_for(50);
    tell(ends[1], "x");
    reap("child", child);

    int server = listener();
    must("F_SETFL", fcntl(server, F_SETFL, O_NONBLOCK));
    say("accept", accept(server, NULL, NULL));
    int client = connected(port_of(server));
    await(server, POLLIN);
    int fd = must("accept", accept(server, NULL, NULL));
    print("accepted: %d, close-on-exec %d\n", (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, fcntl(fd, F_GETFD));
    close(client), close(fd);
    client = connected(port_of(server));
    await(server, POLLIN);
    fd = must("accept4", accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    print("accept4: %d, close-on-exec %d\n", (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, fcntl(fd, F_GETFD));
    say("accept4, bad flags", accept4(server, NULL, NULL, 1));
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    print("socket: %d, close-on-exec %d\n", (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, fcntl(fd, F_GETFD));
    print("access mode: %d\n", (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
    say("O_APPEND", fcntl(fd, F_SETFL, O_NONBLOCK | O_APPEND));
    print("flags kept: %d\n", (fcntl(fd, F_GETFL) & (O_NONBLOCK | O_APPEND)) == (O_NONBLOCK | O_APPEND));
    return done();
}

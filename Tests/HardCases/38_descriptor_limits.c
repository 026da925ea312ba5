// RLIMIT_NOFILE: EMFILE where it belongs, room again after a close, raised and lowered limits, many sockets.
#define _GNU_SOURCE
#include "cases.h"
#include <sys/resource.h>

static void limit(int count) {
    struct rlimit value;
    getrlimit(RLIMIT_NOFILE, &value);
    value.rlim_cur = count;
    say("setrlimit", setrlimit(RLIMIT_NOFILE, &value));
    getrlimit(RLIMIT_NOFILE, &value);
    print("  %lu, getdtablesize %d, sysconf %ld\n", value.rlim_cur, getdtablesize(), sysconf(_SC_OPEN_MAX));
}

int main(void) {
    static int fds[3000];
    int server = listener(), client = connected(port_of(server)), count = 0, error;
    limit(64);
    while (count < 200 && (fds[count] = socket(AF_INET, SOCK_STREAM, 0)) >= 0) count++;
    error = errno;
    print("sockets up to the limit: %s, at least 50: %d\n", strerrorname_np(error), count >= 50);
    print("none beyond it: %d\n", fds[count - 1] < 64);
    // Whether the very last is enough for a socket is 38_last_number's.
    while (dup(server) >= 0) {
    }
    print("dup: %s\n", strerrorname_np(errno));
    say("accept", accept(server, NULL, NULL));
    say("epoll_create1", epoll_create1(0));
    for (int index = 0; index < 4; index++) close(fds[--count]);
    for (int fd = 4; fd < 64; fd++)
        if (fd != client && fd > fds[count - 1]) close(fd);
    int fd = must("accept after a close", accept(server, NULL, NULL));
    tell(fd, "room again");
    say_text("client", client);
    say("dup2 beyond the limit", dup2(fd, 64));
    say("F_DUPFD beyond the limit", fcntl(fd, F_DUPFD, 64));
    while (count > 0) close(fds[--count]);

    // Below what is open: that stays.
    int high = must("dup2", dup2(fd, 60));
    limit(16);
    tell(high, "above the limit");
    say_text("client", client);
    say("poll", poll(&(struct pollfd){high, POLLOUT, 0}, 1, 0));
    say("dup2 to another", dup2(fd, 61));
    limit(3000);
    int good = 0;
    for (int index = 0; index < 2500; index++) {
        fds[index] = socket(AF_INET, SOCK_STREAM, 0);
        good += fds[index] >= 0;
    }
    print("2500 sockets: %d\n", good);
    for (int index = 0; index < 2500; index++) close(fds[index]);
    for (int round = 0; round < 20; round++)
        for (int index = 0; index < 50; index++) close(socket(AF_INET, SOCK_STREAM, 0));
    print("after 1000 more: %d\n", must("socket", socket(AF_INET, SOCK_STREAM, 0)) < 20);
    return done();
}

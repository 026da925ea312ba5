// The last free descriptor is enough for socket() and accept(), and without one both fail and lose nothing.
#include "common.h"
#include <sys/resource.h>

static int taken[4096];
static int count;

// Takes every descriptor but `left`.
static void take(int left) {
    for (;;) {
        int fd = dup(2);
        if (fd < 0) break;
        taken[count++] = fd;
    }
    print("full: %s\n", strerrorname_np(errno));
    while (left-- > 0) close(taken[--count]);
}

static void release_all(void) {
    while (count > 0) close(taken[--count]);
}

static void sockets(const char *limits) {
    print("%s\n", limits);
    int listener = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in address = loopback(0);
    must("bind", bind(listener, (void *)&address, sizeof address));
    must("listen", listen(listener, 8));
    int client = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    address = loopback(port_of(listener));
    must("connect", connect(client, (void *)&address, sizeof address));

    take(0);
    say("socket without a free descriptor", socket(AF_INET, SOCK_STREAM, 0));
    say("accept without a free descriptor", accept(listener, NULL, NULL));
    take(1);
    int lowest = taken[count];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    print("socket with one: %d\n", fd == lowest);
    say("socket after it", socket(AF_INET6, SOCK_STREAM, 0));
    must("close", close(fd));
    fd = accept(listener, NULL, NULL);
    print("accept with one: %d\n", fd == lowest);
    say("send", send(client, "here", 4, 0));
    char text[5] = "";
    say("recv", recv(fd, text, 4, MSG_WAITALL));
    print("%s\n", text);
    close(fd);
    release_all();
    // A hole in the middle is the number that is taken.
    take(0);
    int middle = taken[count / 2];
    close(middle);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    print("socket in the hole: %d\n", fd == middle);
    fd = fd == middle ? dup(fd) : 0;
    say("no second", fd);
    release_all();
    close(client);
    close(listener);
}

int main(int argc, char **argv UNUSED) {
    struct rlimit limit;
    must("getrlimit", getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = 300;
    must("setrlimit", setrlimit(RLIMIT_NOFILE, &limit));
    sockets("a soft limit below the hard one");
    limit = (struct rlimit){64, 400};
    must("setrlimit", setrlimit(RLIMIT_NOFILE, &limit));
    print("table size: %d\n", getdtablesize());
    sockets("lower ones");
    if (argc > 1) {
        must("setgid", setgid(65534));
        must("setuid", setuid(65534));
    }
    sockets("without privileges");
    limit = (struct rlimit){64, 64};
    must("setrlimit", setrlimit(RLIMIT_NOFILE, &limit));
    if (fork() == 0) {
        sockets("both limits low");
        _exit(0);
    }
    wait(NULL);
    return done();
}

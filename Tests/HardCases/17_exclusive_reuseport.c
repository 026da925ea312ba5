// EPOLLEXCLUSIVE on a shared listener, and SO_REUSEPORT groups of several processes.
#include "cases.h"

enum { processes = 3, connections = 60 };

static void serve(int server, int set) {
    for (;;) {
        if (one(set, 20000) == 0) _exit(5);
        int fd = accept(server, NULL, NULL);
        if (fd < 0) continue;
        char order = 0;
        recv(fd, &order, 1, 0);
        if (order == 'q') _exit(0);
        tell(fd, "s");
        close(fd);
    }
}

static int asked(int port) {
    int served = 0;
    for (int index = 0; index < connections; index++) {
        char byte = 0;
        int fd = connected(port);
        tell(fd, "x");
        served += recv(fd, &byte, 1, 0) == 1 && byte == 's';
        close(fd);
    }
    return served;
}

int main(void) {
    int server = listener();
    nonblocking(server);
    pid_t children[processes];
    for (int index = 0; index < processes; index++)
        children[index] = CHILD({
            int set = epoll_create1(0);
            add(set, server, EPOLLIN | EPOLLEXCLUSIVE);
            serve(server, set);
        });
    print("exclusive: %d served\n", asked(port_of(server)));
    for (int index = 0; index < processes; index++) {
        int fd = connected(port_of(server));
        tell(fd, "q");
        char byte;
        recv(fd, &byte, 1, 0);
        close(fd);
    }
    for (int index = 0; index < processes; index++) reap("child", children[index]);

    int set = epoll_create1(0);
    add(set, server, EPOLLIN | EPOLLEXCLUSIVE);
    struct epoll_event event = {.events = EPOLLIN};
    say("MOD of an exclusive one", epoll_ctl(set, EPOLL_CTL_MOD, server, &event));
    event.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT;
    say("exclusive oneshot", epoll_ctl(epoll_create1(0), EPOLL_CTL_ADD, server, &event));
    close(server);

    // A group: each process has a socket of its own on one port.
    int yes = 1, first = bound(0), port = port_of(first);
    struct sockaddr_in name = loopback(port);
    say("without the option", bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&name, sizeof name));
    close(first);
    int members[processes];
    for (int index = 0; index < processes; index++) {
        members[index] = socket(AF_INET, SOCK_STREAM, 0);
        must("SO_REUSEPORT", setsockopt(members[index], SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes));
        if (index == 0) name.sin_port = 0;
        must("bind", bind(members[index], (struct sockaddr *)&name, sizeof name));
        if (index == 0) name = loopback(port_of(members[0]));
    }
    say("a member without the option", bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&name, sizeof name));
    port = ntohs(name.sin_port);
    int counts[2], served[processes] = {0};
    must("pipe", pipe(counts));
    for (int index = 0; index < processes; index++)
        children[index] = CHILD({
            must("listen", listen(members[index], 64));
            for (int other = 0; other < processes; other++)
                if (other != index) close(members[other]);
            char ready = 100, mine = index;
            must("write", write(counts[1], &ready, 1));
            for (;;) {
                int fd = must("accept", accept(members[index], NULL, NULL));
                must("write", write(counts[1], &mine, 1));
                tell(fd, "s");
                close(fd);
            }
        });
    for (int index = 0; index < processes; index++) close(members[index]);
    char who;
    for (int index = 0; index < processes; index++) must("read", read(counts[0], &who, 1));
    int good = 0;
    for (int index = 0; index < 200; index++) {
        int fd = connected(port);
        char byte = 0;
        good += recv(fd, &byte, 1, 0) == 1 && byte == 's';
        close(fd);
        must("read", read(counts[0], &who, 1));
        served[(int)who]++;
    }
    print("group: %d served, by all of them %d\n", good, served[0] > 10 && served[1] > 10 && served[2] > 10);
    kill(children[0], SIGKILL);
    reap("one of them", children[0]);
    for (good = 0, served[0] = 0; good < 100; good++) {
        int fd = connected(port);
        char byte = 0;
        if (recv(fd, &byte, 1, 0) != 1) break;
        close(fd);
        must("read", read(counts[0], &who, 1));
        served[(int)who]++;
    }
    print("without it: %d served, by the dead one %d\n", good, served[0]);
    kill(children[1], SIGKILL);
    kill(children[2], SIGKILL);
    reap("one of them", children[1]);
    reap("one of them", children[2]);
    say("none is left", connect_on(socket(AF_INET, SOCK_STREAM, 0), port));
    return done();
}

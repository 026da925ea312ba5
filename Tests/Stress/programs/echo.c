// The peer of the stress programs, outside: says its port, then echoes what comes, for any number of connections.
#include "stress.h"

int main(void) {
    raise_limit();
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int server = must("socket", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)), set = epoll_create1(0);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof name;
    must("bind", bind(server, (struct sockaddr *)&name, sizeof name));
    must("listen", listen(server, 4096));
    must("getsockname", getsockname(server, (struct sockaddr *)&name, &length));
    printf("%d\n", ntohs(name.sin_port));
    fflush(stdout);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = server}, events[256];
    must("epoll_ctl", epoll_ctl(set, EPOLL_CTL_ADD, server, &event));
    static char buffer[1 << 16];
    for (;;) {
        int count = epoll_wait(set, events, 256, -1);
        for (int index = 0; index < count; index++) {
            int fd = events[index].data.fd;
            if (fd == server) {
                for (int new; (new = accept4(server, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
                    event.data.fd = new;
                    must("epoll_ctl", epoll_ctl(set, EPOLL_CTL_ADD, new, &event));
                }
                continue;
            }
            long got = recv(fd, buffer, sizeof buffer, 0);
            if (got < 0 && errno == EAGAIN) continue;
            if (got <= 0) {
                close(fd);
                continue;
            }
            for (long sent = 0; sent < got;) {
                long part = send(fd, buffer + sent, got - sent, 0);
                if (part < 0 && errno == EAGAIN) {
                    poll(&(struct pollfd){fd, POLLOUT, 0}, 1, 1000);
                    continue;
                }
                if (part < 0) break;
                sent += part;
            }
        }
    }
}

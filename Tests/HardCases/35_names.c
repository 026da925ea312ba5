// getsockname and getpeername at every stage, and what getsockopt tells of a socket.
#include "cases.h"

static void name_of(const char *what, int fd, int peer, int expected_port) {
    struct sockaddr_in name;
    socklen_t length = sizeof name;
    int result = peer ? getpeername(fd, (struct sockaddr *)&name, &length) : getsockname(fd, (struct sockaddr *)&name, &length);
    if (result < 0) {
        print("%s: %s\n", what, strerrorname_np(errno));
        return;
    }
    int port = ntohs(name.sin_port);
    print("%s: %s %s, length %u\n", what, inet_ntoa(name.sin_addr),
          port == 0 ? "no port" : expected_port && port == expected_port ? "the port" : "a port", length);
}

static void option(const char *what, int fd, int level, int number) {
    int value = -1;
    socklen_t length = sizeof value;
    if (getsockopt(fd, level, number, &value, &length) < 0)
        print("%s: %s\n", what, strerrorname_np(errno));
    else
        print("%s: %d, length %u\n", what, value, length);
}

int main(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    name_of("new", fd, 0, 0);
    name_of("its peer", fd, 1, 0);
    struct sockaddr_in any = {.sin_family = AF_INET};
    say("bind", bind(fd, (struct sockaddr *)&any, sizeof any));
    name_of("bound", fd, 0, 0);
    say("bind again", bind(fd, (struct sockaddr *)&any, sizeof any));
    int server = listener(), port = port_of(server);
    name_of("listener", server, 0, port);
    name_of("its peer", server, 1, 0);
    say("connect", connect_on(fd, port));
    name_of("connected", fd, 0, 0);
    name_of("its peer", fd, 1, port);
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    int peer = must("accept", accept(server, (struct sockaddr *)&from, &length));
    print("accepted from %s, its port %d, length %u\n", inet_ntoa(from.sin_addr), ntohs(from.sin_port) == port_of(fd), length);
    name_of("accepted", peer, 0, port);
    name_of("its peer", peer, 1, port_of(fd));
    char small[16] = {0};
    length = 4;
    say("a short buffer", getsockname(peer, (struct sockaddr *)small, &length));
    print("  length %u, family %d, beyond %d\n", length, *(short *)small, small[4]);
    close(fd);
    await(peer, POLLIN);
    name_of("peer closed", peer, 1, 0);
    tell(peer, "x");
    await(peer, POLLHUP);
    name_of("after the reset", peer, 1, 0);
    name_of("own name then", peer, 0, port);

    for (int kind = 0; kind < 3; kind++) {
        int each = kind == 0 ? socket(AF_INET, SOCK_STREAM, 0) : kind == 1 ? server : socket(AF_INET6, SOCK_STREAM, 0);
        print("%s\n", kind == 0 ? "new" : kind == 1 ? "listener" : "IPv6");
        option("  SO_DOMAIN", each, SOL_SOCKET, SO_DOMAIN);
        option("  SO_TYPE", each, SOL_SOCKET, SO_TYPE);
        option("  SO_PROTOCOL", each, SOL_SOCKET, SO_PROTOCOL);
        option("  SO_ACCEPTCONN", each, SOL_SOCKET, SO_ACCEPTCONN);
        option("  SO_ERROR", each, SOL_SOCKET, SO_ERROR);
        option("  SO_KEEPALIVE", each, SOL_SOCKET, SO_KEEPALIVE);
        option("  SO_REUSEADDR", each, SOL_SOCKET, SO_REUSEADDR);
        option("  TCP_NODELAY", each, IPPROTO_TCP, TCP_NODELAY);
        option("  TCP_KEEPIDLE", each, IPPROTO_TCP, TCP_KEEPIDLE);
        option("  TCP_MAXSEG", each, IPPROTO_TCP, TCP_MAXSEG);
        option("  IP_TTL", each, IPPROTO_IP, IP_TTL);
        option("  unknown", each, SOL_SOCKET, 9999);
    }
    int values[] = {1, 4096, 1};
    say("SO_KEEPALIVE", setsockopt(server, SOL_SOCKET, SO_KEEPALIVE, &values[0], sizeof(int)));
    option("  then", server, SOL_SOCKET, SO_KEEPALIVE);
    say("SO_RCVBUF", setsockopt(server, SOL_SOCKET, SO_RCVBUF, &values[1], sizeof(int)));
    option("  then", server, SOL_SOCKET, SO_RCVBUF);
    say("TCP_NODELAY", setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &values[2], sizeof(int)));
    int accepted_client = connected(port), accepted = must("accept", accept(server, NULL, NULL));
    option("inherited TCP_NODELAY", accepted, IPPROTO_TCP, TCP_NODELAY);
    option("inherited SO_KEEPALIVE", accepted, SOL_SOCKET, SO_KEEPALIVE);
    char congestion[32] = {0};
    length = sizeof congestion;
    say("TCP_CONGESTION", getsockopt(accepted, IPPROTO_TCP, TCP_CONGESTION, congestion, &length));
    print("  length %u\n", length);
    for (int size = 0; size <= 400; size += 100) {
        char info[400] = {0};
        length = size;
        say("TCP_INFO", getsockopt(accepted, IPPROTO_TCP, TCP_INFO, info, &length));
        print("  of %d: %u, state %d\n", size, length, info[0]);
    }
    unsigned long long cookie[2] = {0, 0};
    length = sizeof cookie[0];
    getsockopt(accepted, SOL_SOCKET, SO_COOKIE, &cookie[0], &length);
    getsockopt(accepted_client, SOL_SOCKET, SO_COOKIE, &cookie[1], &length);
    print("cookies differ: %d\n", cookie[0] != cookie[1] && cookie[0] != 0);
    return done();
}

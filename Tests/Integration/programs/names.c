// The addresses of sockets: before and after bind, connect and accept, of IPv4, IPv6 and both on one listener.
#include "common.h"

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

// Ports differ from run to run, so a port is printed as its relation to the listener's.
static int known_port;

static void show(const char *what, int result, address *name, socklen_t length) {
    char text[INET6_ADDRSTRLEN] = "?";
    if (say(what, result) < 0) return;
    int v6 = name->any.sa_family == AF_INET6;
    inet_ntop(name->any.sa_family, v6 ? (void *)&name->v6.sin6_addr : (void *)&name->v4.sin_addr, text, sizeof text);
    int port = ntohs(v6 ? name->v6.sin6_port : name->v4.sin_port);
    print("  %s, port %s, %d bytes\n", text, port == 0 ? "0" : port == known_port ? "listener's" : "another", length);
}

static void local(const char *what, int fd) {
    address name = {0};
    socklen_t length = sizeof name;
    show(what, getsockname(fd, &name.any, &length), &name, length);
}

static void remote(const char *what, int fd) {
    address name = {0};
    socklen_t length = sizeof name;
    show(what, getpeername(fd, &name.any, &length), &name, length);
}

static void exchange(int server, address *to, socklen_t to_length) {
    int fd = must("socket", socket(to->any.sa_family, SOCK_STREAM, 0));
    must("connect", connect(fd, &to->any, to_length));
    address name = {0};
    socklen_t length = sizeof name;
    int accepted = accept4(server, &name.any, &length, SOCK_CLOEXEC);
    show("accept", accepted < 0 ? -1 : 0, &name, length);
    local("client's own", fd);
    remote("client's peer", fd);
    local("server's own", accepted);
    remote("server's peer", accepted);
    char cut[4];
    length = sizeof cut;
    say("getpeername of 4 bytes", getpeername(fd, (struct sockaddr *)cut, &length));
    print("  %d bytes\n", length);
    close(fd);
    close(accepted);
}

int main(void) {
    for (int version = 4; version <= 6; version += 2) {
        print("IPv%d\n", version);
        address name = {.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
        if (version == 6) name = (address){.v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback}};
        socklen_t length = version == 6 ? sizeof name.v6 : sizeof name.v4;
        int server = must("socket", socket(name.any.sa_family, SOCK_STREAM, 0));
        local("unbound", server);
        remote("unconnected", server);
        must("bind", bind(server, &name.any, length));
        must("getsockname", getsockname(server, &name.any, &length));
        known_port = ntohs(version == 6 ? name.v6.sin6_port : name.v4.sin_port);
        local("bound", server);
        must("listen", listen(server, 4));
        exchange(server, &name, length);
        close(server);
    }
    print("dual stack\n");
    address any = {.v6 = {.sin6_family = AF_INET6}};
    socklen_t length = sizeof any.v6;
    int server = must("socket", socket(AF_INET6, SOCK_STREAM, 0));
    must("IPV6_V6ONLY", setsockopt(server, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof(int)));
    must("bind", bind(server, &any.any, length));
    must("listen", listen(server, 4));
    must("getsockname", getsockname(server, &any.any, &length));
    known_port = ntohs(any.v6.sin6_port);
    local("bound", server);
    address to = {.v4 = loopback(known_port)};
    exchange(server, &to, sizeof to.v4);
    return done();
}

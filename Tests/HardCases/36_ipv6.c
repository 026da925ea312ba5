// IPv6: dual stack, V6ONLY, mapped addresses, scope ids, and the probes that getaddrinfo's callers make.
#include "cases.h"

static int server6(int only) {
    int fd = must("socket", socket(AF_INET6, SOCK_STREAM, 0));
    must("IPV6_V6ONLY", setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only));
    struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    must("bind", bind(fd, (struct sockaddr *)&any, sizeof any));
    must("listen", listen(fd, 8));
    return fd;
}

static int port6(int fd) {
    struct sockaddr_in6 name;
    socklen_t length = sizeof name;
    must("getsockname", getsockname(fd, (struct sockaddr *)&name, &length));
    return ntohs(name.sin6_port);
}

static int connect6(const char *text, int port) {
    struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    inet_pton(AF_INET6, text, &name.sin6_addr);
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    return connect(fd, (struct sockaddr *)&name, sizeof name) < 0 ? -1 : fd;
}

static void accepted(int server) {
    struct sockaddr_in6 from = {0};
    socklen_t length = sizeof from;
    char text[64] = "";
    int fd = must("accept", accept(server, (struct sockaddr *)&from, &length));
    inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof text);
    print("accepted %s, family %d, length %u, scope %u\n", text, from.sin6_family, length, from.sin6_scope_id);
    length = sizeof from;
    getsockname(fd, (struct sockaddr *)&from, &length);
    inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof text);
    print("  as %s\n", text);
    tell(fd, "served");
    close(fd);
}

int main(void) {
    int dual = server6(0), only = server6(1), fd;
    say("::1", (fd = connect6("::1", port6(dual))) < 0 ? -1 : 0);
    accepted(dual);
    say_text("client", fd);
    say("127.0.0.1", connected(port6(dual)) < 0);
    accepted(dual);
    say("::ffff:127.0.0.1", connect6("::ffff:127.0.0.1", port6(dual)) < 0 ? -1 : 0);
    accepted(dual);
    say("V6ONLY, ::1", connect6("::1", port6(only)) < 0 ? -1 : 0);
    accepted(only);
    say("V6ONLY, 127.0.0.1", connect_on(socket(AF_INET, SOCK_STREAM, 0), port6(only)));
    int value = -1;
    socklen_t length = sizeof value;
    say("IPV6_V6ONLY", getsockopt(only, IPPROTO_IPV6, IPV6_V6ONLY, &value, &length));
    print("  %d\n", value);
    say("after bind", setsockopt(only, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof(int)));
    struct sockaddr_in6 name = {.sin6_family = AF_INET6};
    length = sizeof name;
    getsockname(dual, (struct sockaddr *)&name, &length);
    print("any: %d, length %u\n", IN6_IS_ADDR_UNSPECIFIED(&name.sin6_addr), length);
    name.sin6_addr = in6addr_loopback;
    say("short address", connect(socket(AF_INET6, SOCK_STREAM, 0), (struct sockaddr *)&name, 20));
    say("24 bytes will do", connect(socket(AF_INET6, SOCK_STREAM, 0), (struct sockaddr *)&name, 24));
    struct sockaddr_in four = loopback(port6(dual));
    say("AF_INET on AF_INET6", connect(socket(AF_INET6, SOCK_STREAM, 0), (struct sockaddr *)&four, sizeof four));
    say("AF_INET6 on AF_INET", connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&name, sizeof name));
    inet_pton(AF_INET6, "fe80::1", &name.sin6_addr);
    say("link-local without a scope", connect(socket(AF_INET6, SOCK_STREAM, 0), (struct sockaddr *)&name, sizeof name));
    inet_pton(AF_INET6, "2001:db8::1", &name.sin6_addr);
    say("bind to what is not here", bind(socket(AF_INET6, SOCK_STREAM, 0), (struct sockaddr *)&name, sizeof name));
    struct sockaddr_in6 taken = {.sin6_family = AF_INET6, .sin6_port = htons(port6(dual))};
    say("port taken", bind(socket(AF_INET6, SOCK_STREAM, 0), (struct sockaddr *)&taken, sizeof taken));
    say("IPV6_UNICAST_HOPS", getsockopt(dual, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &value, &length));
    print("  %d\n", value);
    say("IPV6_TCLASS", setsockopt(dual, IPPROTO_IPV6, IPV6_TCLASS, &(int){16}, sizeof(int)));
    say("IP_TOS on it", getsockopt(dual, IPPROTO_IP, IP_TOS, &value, &length));
    return done();
}

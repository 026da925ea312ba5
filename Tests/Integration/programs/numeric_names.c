// Addresses and ports in digits, and what only looks like them: nobody needs to be asked about the first.
#include "common.h"
#include <net/if.h>
#include <netdb.h>

static void look(const char *node, const char *service, int family, int type, int flags) {
    struct addrinfo hints = {.ai_family = family, .ai_socktype = type, .ai_flags = flags}, *list = NULL;
    int status = getaddrinfo(node, service, &hints, &list);
    print("%s %s, family %d, flags %x: %s\n", node ? node : "-", service ? service : "-", family, flags,
          status ? gai_strerror(status) : "found");
    if (status) return;
    for (struct addrinfo *one = list; one; one = one->ai_next) {
        char host[NI_MAXHOST], port[NI_MAXSERV];
        say("  getnameinfo", getnameinfo(one->ai_addr, one->ai_addrlen, host, sizeof host, port, sizeof port,
                                         NI_NUMERICHOST | NI_NUMERICSERV));
        print("  %s %s, %d %d %d %x, %s\n", host, port, one->ai_family, one->ai_socktype, one->ai_protocol,
              one->ai_flags, one->ai_canonname ? one->ai_canonname : "-");
    }
    freeaddrinfo(list);
}

static void names(const char *what, void *address, socklen_t length, socklen_t room, int flags) {
    char host[NI_MAXHOST] = "", port[NI_MAXSERV] = "";
    int status = getnameinfo(address, length, host, room, port, room, flags);
    print("%s: %s, %s, %s\n", what, status ? gai_strerror(status) : "found", status ? "" : host, status ? "" : port);
}

int main(int count, char **arguments) {
    look("127.0.0.1", "80", AF_UNSPEC, SOCK_STREAM, 0);
    look("127.0.0.1", "80", AF_UNSPEC, 0, AI_CANONNAME | AI_NUMERICHOST | AI_NUMERICSERV);
    look("127.0.0.1", NULL, AF_INET6, SOCK_STREAM, AI_V4MAPPED | AI_ALL);
    look("127.0.0.1", "80", AF_INET6, SOCK_STREAM, 0);
    look("127.1", "70000", AF_INET, SOCK_DGRAM, AI_PASSIVE);
    look("::1", "443", AF_UNSPEC, SOCK_STREAM, AI_CANONNAME);
    look("::1", "443", AF_INET, SOCK_STREAM, 0);
    look("::ffff:192.0.2.1", "1", AF_UNSPEC, SOCK_STREAM, 0);
    look("192.0.2.1", "80", 99, SOCK_STREAM, 0);
    look("192.0.2.1", "80", AF_UNSPEC, 99, 0);
    // Whoever gives no more than a path to no service asks nobody.
    if (count > 1) return done();
    (void)arguments;
    look("::1%lo", "443", AF_UNSPEC, SOCK_STREAM, 0);
    look("127.0.0.1", "80", AF_INET, SOCK_STREAM, AI_ADDRCONFIG);
    look("127.0.0.1", "http", AF_INET, SOCK_STREAM, 0);
    look("127.0.0.1", "", AF_INET, SOCK_STREAM, 0);
    look("", "80", AF_INET, SOCK_STREAM, 0);
    look(NULL, "80", AF_INET, SOCK_STREAM, 0);
    look("dead.beef", "80", AF_INET, SOCK_STREAM, AI_NUMERICHOST);
    look("256.1.1.1", "80", AF_INET, SOCK_STREAM, AI_NUMERICHOST);
    look("127.0.0.1", "80", AF_INET, SOCK_STREAM, 0x8000000);
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 six = {
        .sin6_family = AF_INET6, .sin6_port = htons(80), .sin6_addr = in6addr_loopback, .sin6_scope_id = if_nametoindex("lo")};
    int digits = NI_NUMERICHOST | NI_NUMERICSERV;
    names("digits", &four, sizeof four, 200, digits);
    names("a datagram's", &four, sizeof four, 200, digits | NI_DGRAM);
    names("a name is wanted", &four, sizeof four, 200, digits | NI_NAMEREQD);
    names("too short", &four, 8, 200, digits);
    names("too little room", &four, sizeof four, 2, digits);
    names("with a scope", &six, sizeof six, 200, digits);
    names("the service's name", &four, sizeof four, 200, NI_NUMERICHOST);
    return done();
}

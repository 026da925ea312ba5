// Names to addresses and back, as far as every machine agrees on them.
#include "common.h"
#include <netdb.h>

static void resolve(const char *what, const char *node, const char *service, int flags, int family) {
    struct addrinfo hints = {.ai_flags = flags, .ai_family = family, .ai_socktype = SOCK_STREAM}, *list = NULL;
    int status = getaddrinfo(node, service, &hints, &list);
    print("%s: %s\n", what, status ? gai_strerror(status) : "found");
    if (status) return;
    for (struct addrinfo *entry = list; entry; entry = entry->ai_next) {
        char host[NI_MAXHOST], port[NI_MAXSERV];
        must("getnameinfo", -getnameinfo(entry->ai_addr, entry->ai_addrlen, host, sizeof host, port, sizeof port,
                                         NI_NUMERICHOST | NI_NUMERICSERV));
        print("  %s port %s, family %d, type %d, protocol %d, %d bytes, name %s\n", host, port, entry->ai_family,
              entry->ai_socktype, entry->ai_protocol, (int)entry->ai_addrlen,
              entry->ai_canonname ? entry->ai_canonname : "none");
    }
    freeaddrinfo(list);
}

int main(void) {
    resolve("localhost", "localhost", "80", 0, AF_INET);
    resolve("localhost of any family", "localhost", "8080", 0, AF_UNSPEC);
    resolve("localhost with its name", "localhost", NULL, AI_CANONNAME, AF_INET);
    resolve("numeric", "127.0.0.1", "http", 0, AF_UNSPEC);
    resolve("numeric IPv6", "::1", "443", AI_NUMERICHOST | AI_NUMERICSERV, AF_UNSPEC);
    resolve("a name where a number is asked", "localhost", "80", AI_NUMERICHOST, AF_UNSPEC);
    resolve("IPv4 where IPv6 is asked", "127.0.0.1", "80", 0, AF_INET6);
    resolve("mapped", "127.0.0.1", "80", AI_V4MAPPED, AF_INET6);
    resolve("passive", NULL, "5000", AI_PASSIVE, AF_INET);
    resolve("no service of that name", "127.0.0.1", "no-such-service", 0, AF_INET);
    resolve("nothing", NULL, NULL, 0, AF_INET);
    struct sockaddr_in name = loopback(80);
    char host[NI_MAXHOST] = "", service[NI_MAXSERV] = "";
    say("getnameinfo",
        getnameinfo((struct sockaddr *)&name, sizeof name, host, sizeof host, service, sizeof service, 0));
    print("%s %s\n", host, service);
    struct hostent *entry = gethostbyname("localhost");
    print("gethostbyname: %s\n", entry ? inet_ntoa(*(struct in_addr *)entry->h_addr_list[0]) : "none");
    return done();
}

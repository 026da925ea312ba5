// Calls that make sockets of their own inside of libc: names, services, the system log.
#include "cases.h"
#include <netdb.h>
#include <syslog.h>

static void look(const char *what, const char *node, const char *service, int family, int flags) {
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = flags}, *found = NULL;
    int status = getaddrinfo(node, service, &hints, &found);
    print("%s: %s", what, status == 0 ? "" : gai_strerror(status));
    for (struct addrinfo *each = found; each; each = each->ai_next) {
        char host[64], port[16];
        getnameinfo(each->ai_addr, each->ai_addrlen, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
        print("[%s:%s]", host, port);
    }
    print("\n");
    if (found) freeaddrinfo(found);
}

int main(void) {
    look("numeric", "127.0.0.1", "80", AF_UNSPEC, AI_NUMERICHOST);
    look("numeric 6", "::1", "443", AF_UNSPEC, AI_NUMERICHOST);
    look("localhost 4", "localhost", "http", AF_INET, 0);
    look("passive", NULL, "0", AF_INET, AI_PASSIVE);
    look("no node", NULL, "7", AF_INET, 0);
    look("not numeric", "localhost", "80", AF_UNSPEC, AI_NUMERICHOST);
    look("service unknown", "127.0.0.1", "no-such-service", AF_UNSPEC, 0);
    look("neither", NULL, NULL, AF_UNSPEC, 0);
    look("family", "127.0.0.1", "80", AF_INET6, AI_NUMERICHOST);
    struct hostent *host = gethostbyname("127.0.0.1");
    print("gethostbyname: %s\n", host ? inet_ntoa(*(struct in_addr *)host->h_addr_list[0]) : "none");
    host = gethostbyname("localhost");
    print("gethostbyname: %s\n", host ? inet_ntoa(*(struct in_addr *)host->h_addr_list[0]) : "none");
    struct in_addr address = {htonl(INADDR_LOOPBACK)};
    host = gethostbyaddr(&address, sizeof address, AF_INET);
    print("gethostbyaddr: %s\n", host ? host->h_name : "none");
    struct sockaddr_in name = loopback(22);
    char text[64], service[32];
    print("getnameinfo: %d", getnameinfo((struct sockaddr *)&name, sizeof name, text, sizeof text, service,
                                         sizeof service, 0));
    print(" %s %s\n", text, service);
    struct servent *entry = getservbyname("smtp", "tcp");
    print("getservbyname: %d\n", entry ? ntohs(entry->s_port) : -1);

    // The log's socket is local, and what it opens and closes is nobody else's.
    int before = must("open", open("/dev/null", O_RDONLY));
    close(before);
    openlog("case", LOG_NDELAY, LOG_USER);
    syslog(LOG_DEBUG, "a hard case");
    closelog();
    int after = must("open", open("/dev/null", O_RDONLY));
    print("numbers after the log: %d\n", before == after);

    // In a child too, and while a connection of the parent's lives.
    int ends[2];
    both_ends(ends);
    reap("child", CHILD(look("child", "localhost", "80", AF_INET, 0)));
    tell(ends[0], "lives");
    say_text("connection", ends[1]);
    return done();
}

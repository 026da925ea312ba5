// Socket options: what a socket says of itself, what is set and read back, and what is refused.
#include "common.h"

static void get(const char *what, int fd, int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    if (getsockopt(fd, level, name, &value, &length) < 0)
        say(what, -1);
    else
        print("%s: %d, %d bytes\n", what, value, (int)length);
}

static void set(const char *what, int fd, int level, int name, int value) {
    say(what, setsockopt(fd, level, name, &value, sizeof value));
    get("  now", fd, level, name);
}

int main(void) {
    int server = listener(), v6 = must("socket", socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP));
    int fd = connected(port_of(server));
    int all[] = {fd, server, v6};
    for (int index = 0; index < 3; index++) {
        get("SO_DOMAIN", all[index], SOL_SOCKET, SO_DOMAIN);
        get("SO_TYPE", all[index], SOL_SOCKET, SO_TYPE);
        get("SO_PROTOCOL", all[index], SOL_SOCKET, SO_PROTOCOL);
        get("SO_ACCEPTCONN", all[index], SOL_SOCKET, SO_ACCEPTCONN);
        get("SO_ERROR", all[index], SOL_SOCKET, SO_ERROR);
    }
    set("SO_REUSEADDR", fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set("SO_KEEPALIVE", fd, SOL_SOCKET, SO_KEEPALIVE, 7);
    set("TCP_KEEPIDLE", fd, IPPROTO_TCP, TCP_KEEPIDLE, 30);
    set("TCP_KEEPIDLE of zero", fd, IPPROTO_TCP, TCP_KEEPIDLE, 0);
    set("TCP_NODELAY", fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set("SO_SNDBUF", fd, SOL_SOCKET, SO_SNDBUF, 20000);
    set("SO_RCVBUF", fd, SOL_SOCKET, SO_RCVBUF, 20000);
    set("IP_TOS", fd, IPPROTO_IP, IP_TOS, 0x10);
    set("IPV6_V6ONLY", v6, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    set("an unknown option", fd, SOL_SOCKET, 9999, 1);
    set("an unknown level", fd, 9999, 1, 1);
    set("SO_TYPE, which is only read", fd, SOL_SOCKET, SO_TYPE, 1);
    say("too short", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &fd, 1));
    struct linger linger = {1, 5};
    socklen_t length = sizeof linger;
    say("SO_LINGER", setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    memset(&linger, 0, sizeof linger);
    must("SO_LINGER", getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &length));
    print("  now %d, %d s, %d bytes\n", linger.l_onoff, linger.l_linger, (int)length);
    say("of a closed descriptor", setsockopt(900, SOL_SOCKET, SO_KEEPALIVE, &fd, sizeof fd));
    say("of a file", setsockopt(1, SOL_SOCKET, SO_KEEPALIVE, &fd, sizeof fd));
    say("a protocol that is not the type's", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    say("a type that does not exist", socket(AF_INET, 99, 0));
    say("a family that does not exist", socket(999, SOCK_STREAM, 0));
    return done();
}

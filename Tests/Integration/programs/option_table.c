// The whole table of options of a stream socket: what getsockopt and setsockopt answer for every name and for lengths
// that are too short, exact and too long. The first argument is the address family (4 or 6), the second the state.
#include "common.h"

static int level, name;

// Numbers that differ between two sockets of one kernel in the same state: clocks, counters, identities, measurements.
static int varies(void) {
    if (level == SOL_SOCKET)
        return name == SO_COOKIE || name == SO_INCOMING_CPU || name == SO_MEMINFO || name == SO_INCOMING_NAPI_ID ||
               name == SO_RCVBUF || name == SO_SNDBUF || name == SO_PEERNAME;
    if (level == IPPROTO_TCP)
        return name == TCP_INFO || name == TCP_TIMESTAMP || name == TCP_CC_INFO || name == TCP_WINDOW_CLAMP;
    if (level == IPPROTO_IPV6) return name == 61 || name == 24;  // IPV6_PATHMTU, IPV6_MTU
    if (level == IPPROTO_IP) return name == 52;
    return 0;
}

// Tables of netfilter, which a program of another domain has no part in, and what only the kernel's tests use.
static int apart(void) {
    if (level == IPPROTO_IP) return name == 83 || (name >= 64 && name < 68) || (name >= 96 && name < 100);
    if (level == IPPROTO_IPV6) return name == 64 || name == 65 || name == 68 || name == 69;
    if (level == IPPROTO_TCP) return name == 43;
    return 0;
}

static void say_result(const char *what, int length, long result) {
    if (result < 0) print("%s %d %d [%d]: %s\n", what, level, name, length, strerrorname_np(errno));
}

static void read_with(int fd, int room) {
    unsigned char value[600];
    memset(value, 0xee, sizeof value);
    socklen_t length = room;
    int result = getsockopt(fd, level, name, value, &length);
    if (result < 0) {
        say_result("get", room, result);
        return;
    }
    print("get %d %d [%d]: length %u", level, name, room, length);
    if (!varies())
        for (unsigned at = 0; at < length && at < 16; at++) print(" %02x", value[at]);
    print("%s\n", value[room] == 0xee ? "" : " beyond the buffer");
}

static void write_with(int fd, int number, int length) {
    unsigned char value[256] = {0};
    memcpy(value, &number, sizeof number);
    int result = setsockopt(fd, level, name, value, length);
    print("set %d %d [%d] %d: %s\n", level, name, length, number, result < 0 ? strerrorname_np(errno) : "ok");
}

// What must not be tried in a test: it would change more than this socket, or what the test sees.
static int harmful(void) {
    if (level == SOL_SOCKET) return name == SO_RCVTIMEO || name == SO_SNDTIMEO || name == SO_LINGER || name == 66 || name == 67;
    if (level == IPPROTO_TCP) return name == TCP_REPAIR || name == TCP_CORK || name == TCP_NODELAY;
    return 0;
}

// Routes, refused with EPERM: they would lead past the policy (docs/POLICY.md).
static int is_route(void) {
    if (level == IPPROTO_IP) return name == IP_OPTIONS;
    return level == IPPROTO_IPV6 && (name == 6 || name == 54 || name == 55 || name == 57 || name == 59);
}

int main(int count, char **arguments) {
    if (count < 4) return 2;
    int family = atoi(arguments[1]) == 6 ? AF_INET6 : AF_INET;
    int fd = must("socket", socket(family, SOCK_STREAM, 0));
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in four = loopback(0);
    void *address = family == AF_INET6 ? (void *)&six : (void *)&four;
    socklen_t length = family == AF_INET6 ? sizeof six : sizeof four;
    if (strcmp(arguments[2], "fresh")) {
        int server = must("socket", socket(family, SOCK_STREAM, 0));
        must("bind", bind(server, address, length));
        must("listen", listen(server, 5));
        must("getsockname", getsockname(server, address, &length));
        if (!strcmp(arguments[2], "listening")) {
            fd = server;
        } else {
            must("connect", connect(fd, address, length));
            must("accept", accept(server, NULL, NULL));
        }
    }
    static const int levels[] = {SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP, IPPROTO_IPV6};
    static const int rooms[] = {0, 1, 2, 4, 8, 16, 64, 256, 512};
    int setting = !strcmp(arguments[3], "set");
    for (unsigned which = 0; which < sizeof levels / sizeof *levels; which++) {
        level = levels[which];
        for (name = 0; name < 128; name++) {
            if (apart()) continue;
            if (!setting) {
                for (unsigned room = 0; room < sizeof rooms / sizeof *rooms; room++) read_with(fd, rooms[room]);
            } else if (!harmful() && !is_route()) {
                write_with(fd, 0, 4);
                // SO_ZEROCOPY.
                if (level != SOL_SOCKET || name != 60) write_with(fd, 1, 4);
                write_with(fd, 1, 1);
                write_with(fd, 0, 0);
                write_with(fd, 0, 8);
                write_with(fd, 0, 200);
                read_with(fd, 64);
            }
        }
    }
    for (level = 0; level < 300; level += level < 50 ? 1 : 13) {
        if (level == SOL_SOCKET || level == IPPROTO_IP || level == IPPROTO_TCP || level == IPPROTO_IPV6) continue;
        name = 1;
        read_with(fd, 4);
        if (setting) write_with(fd, 0, 4);
    }
    name = 1;
    level = SOL_SOCKET;
    length = (socklen_t)-1;
    int value = 0;
    say("negative room", getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &length));
    say("negative length", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, (socklen_t)-1));
    length = sizeof value;
    say("error's own", getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &length));
    return done();
}

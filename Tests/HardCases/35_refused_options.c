// Options that the kernel refuses, and how.
#include "cases.h"

int main(void) {
    int ends[2], value = 1;
    socklen_t size = sizeof value;
    both_ends(ends);
    say("an unknown level", getsockopt(ends[0], 77, 1, &value, &size));
    say("an unknown level, set", setsockopt(ends[0], 77, 1, &value, size));
    say("an unknown name", getsockopt(ends[0], IPPROTO_TCP, 9999, &value, &size));
    say("an unknown name, set", setsockopt(ends[0], IPPROTO_IP, 9999, &value, size));
    say("TCP_ULP", setsockopt(ends[0], IPPROTO_TCP, TCP_ULP, "nosuch", 6));
    say("TCP_CONGESTION", setsockopt(ends[0], IPPROTO_TCP, TCP_CONGESTION, "nosuch", 6));
    say("an IPv6 option", setsockopt(ends[0], IPPROTO_IPV6, IPV6_V6ONLY, &value, size));
    say("too short", setsockopt(ends[0], SOL_SOCKET, SO_KEEPALIVE, &value, 2));
    say("SO_TYPE, set", setsockopt(ends[0], SOL_SOCKET, SO_TYPE, &value, size));
    say("SO_ERROR, set", setsockopt(ends[0], SOL_SOCKET, SO_ERROR, &value, size));
    say("TCP_MAXSEG, out of range", setsockopt(ends[0], IPPROTO_TCP, TCP_MAXSEG, &value, size));
    value = 300;
    say("IP_TTL, out of range", setsockopt(ends[0], IPPROTO_IP, IP_TTL, &value, size));
    return done();
}

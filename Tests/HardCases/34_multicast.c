// Multicast between two sockets, interfaces by index.
#define _GNU_SOURCE
#include "cases.h"
#include <net/if.h>

int main(void) {
    int a = must("socket", socket(AF_INET, SOCK_DGRAM, 0)), b = must("socket", socket(AF_INET, SOCK_DGRAM, 0)), yes = 1;
    unsigned index = if_nametoindex("lo");
    struct sockaddr_in any = {.sin_family = AF_INET}, group = {.sin_family = AF_INET};
    must("SO_REUSEADDR", setsockopt(b, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes));
    must("bind", bind(b, (struct sockaddr *)&any, sizeof any));
    struct ip_mreqn member = {.imr_ifindex = index};
    inet_pton(AF_INET, "239.1.2.3", &member.imr_multiaddr);
    say("IP_ADD_MEMBERSHIP", setsockopt(b, IPPROTO_IP, IP_ADD_MEMBERSHIP, &member, sizeof member));
    say("twice", setsockopt(b, IPPROTO_IP, IP_ADD_MEMBERSHIP, &member, sizeof member));
    say("IP_MULTICAST_IF", setsockopt(a, IPPROTO_IP, IP_MULTICAST_IF, &member, sizeof member));
    say("IP_MULTICAST_LOOP", setsockopt(a, IPPROTO_IP, IP_MULTICAST_LOOP, &yes, sizeof yes));
    say("IP_MULTICAST_TTL", setsockopt(a, IPPROTO_IP, IP_MULTICAST_TTL, &yes, sizeof yes));
    group.sin_port = htons(port_of(b));
    group.sin_addr = member.imr_multiaddr;
    say("sendto", sendto(a, "group", 5, 0, (struct sockaddr *)&group, sizeof group));
    await(b, POLLIN);
    say_text("member", b);
    say("IP_DROP_MEMBERSHIP", setsockopt(b, IPPROTO_IP, IP_DROP_MEMBERSHIP, &member, sizeof member));
    say("no such interface", (member.imr_ifindex = 9999, setsockopt(b, IPPROTO_IP, IP_ADD_MEMBERSHIP, &member, sizeof member)));
    say("SO_PRIORITY", setsockopt(a, SOL_SOCKET, SO_PRIORITY, &yes, sizeof yes));
    return done();
}

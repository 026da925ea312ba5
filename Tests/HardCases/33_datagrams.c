// UDP: connected and not, disconnected, refused, peeked at, cut short, with ancillary data, in bulk.
#define _GNU_SOURCE
#include "cases.h"
#include <linux/errqueue.h>
#include <sys/uio.h>

static int datagram(int port) {
    int fd = must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in name = loopback(port);
    must("bind", bind(fd, (struct sockaddr *)&name, sizeof name));
    return fd;
}

static long to(int fd, int port, const char *text) {
    struct sockaddr_in name = loopback(port);
    return sendto(fd, text, strlen(text), 0, (struct sockaddr *)&name, sizeof name);
}

int main(void) {
    int a = datagram(0), b = datagram(0), value = 1;
    char buffer[64];
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    say("sendto", to(a, port_of(b), "first"));
    say("sendto", to(a, port_of(b), ""));
    say("sendto", to(a, port_of(b), "third one"));
    await(b, POLLIN);
    say("FIONREAD", ioctl(b, FIONREAD, &value));
    print("  %d\n", value);
    say("recvfrom", recvfrom(b, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &length));
    print("  from a: %d, length %u\n", ntohs(from.sin_port) == port_of(a), length);
    say("an empty one", recv(b, buffer, sizeof buffer, 0));
    say("MSG_PEEK | MSG_TRUNC", recv(b, buffer, 2, MSG_PEEK | MSG_TRUNC));
    struct iovec part = {buffer, 4};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    say("cut short", recvmsg(b, &message, 0));
    print("  MSG_TRUNC %d\n", (message.msg_flags & MSG_TRUNC) != 0);
    say("nothing", recv(b, buffer, 1, MSG_DONTWAIT));
    say("send, not connected", send(a, "x", 1, 0));
    struct sockaddr_in name = loopback(port_of(b));
    say("connect", connect(a, (struct sockaddr *)&name, sizeof name));
    say("send", send(a, "connected", 9, 0));
    say_text("b", b);
    int c = datagram(0);
    to(c, port_of(a), "from c");
    to(b, port_of(a), "from b");
    say_text("a hears its peer only", a);
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    say("disconnect", connect(a, &nobody, sizeof nobody));
    say("getpeername", getpeername(a, (struct sockaddr *)&from, &length));
    print("a port of its own went with it: %d\n", port_of(a) == 0);
    struct sockaddr_in anew = loopback(0);
    say("bind", bind(a, (struct sockaddr *)&anew, sizeof anew));
    to(c, port_of(a), "from c again");
    await(a, POLLIN);
    say_text("a", a);

    // The second is there before the first is gone: the kernel might give it the same port.
    int dead = datagram(0), d = datagram(0), dead_port = port_of(dead);
    close(dead);
    name = loopback(dead_port);
    must("connect", connect(c, (struct sockaddr *)&name, sizeof name));
    say("send to nobody", send(c, "x", 1, 0));
    await(c, POLLERR);
    say("then", recv(c, buffer, 1, MSG_DONTWAIT));
    say("and then", recv(c, buffer, 1, MSG_DONTWAIT));
    value = 1;
    say("IP_RECVERR", setsockopt(d, IPPROTO_IP, IP_RECVERR, &value, sizeof value));
    to(d, dead_port, "x");
    await(d, POLLERR);
    char control[256];
    part.iov_len = sizeof buffer;
    message = (struct msghdr){.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    say("MSG_ERRQUEUE", recvmsg(d, &message, MSG_ERRQUEUE));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header) print("  %s\n", strerrorname_np(((struct sock_extended_err *)CMSG_DATA(header))->ee_errno));

    int e = datagram(0);
    say("IP_PKTINFO", setsockopt(e, IPPROTO_IP, IP_PKTINFO, &value, sizeof value));
    say("IP_RECVTTL", setsockopt(e, IPPROTO_IP, IP_RECVTTL, &value, sizeof value));
    to(a, port_of(e), "info");
    message.msg_controllen = sizeof control;
    say("recvmsg", recvmsg(e, &message, 0));
    for (header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header))
        print("  %s\n", header->cmsg_type == IP_PKTINFO ? "PKTINFO" : header->cmsg_type == IP_TTL ? "TTL" : "other");

    struct mmsghdr many[4];
    struct iovec parts[4];
    memset(many, 0, sizeof many);
    name = loopback(port_of(b));
    for (int index = 0; index < 4; index++) {
        parts[index] = (struct iovec){"0123456789", index + 1};
        many[index].msg_hdr = (struct msghdr){
            .msg_iov = &parts[index], .msg_iovlen = 1, .msg_name = &name, .msg_namelen = sizeof name};
    }
    say("sendmmsg", sendmmsg(a, many, 4, 0));
    static char room[4][16];
    for (int index = 0; index < 4; index++) {
        parts[index] = (struct iovec){room[index], 16};
        many[index].msg_hdr = (struct msghdr){.msg_iov = &parts[index], .msg_iovlen = 1};
    }
    struct timespec limit = {5, 0};
    say("recvmmsg", recvmmsg(b, many, 4, 0, &limit));
    print("  %u %u %u %u\n", many[0].msg_len, many[1].msg_len, many[2].msg_len, many[3].msg_len);
    static char large[70000];
    name = loopback(port_of(b));
    say("too large", sendto(a, large, sizeof large, 0, (struct sockaddr *)&name, sizeof name));
    say("60000", sendto(a, large, 60000, 0, (struct sockaddr *)&name, sizeof name));
    say("arrives", recv(b, large, sizeof large, 0));
    say("listen", listen(a, 1));
    say("shutdown", shutdown(a, SHUT_RD));
    return done();
}

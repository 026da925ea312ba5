// Names and control messages of datagrams: their lengths, and addresses that are not there.
#include "common.h"

static char *bad = (char *)0x5000;
static struct sockaddr_in address;
static int receiver;

static void send_to(const char *what, int fd, void *name, socklen_t length) {
    struct iovec vector = {"hello", 5};
    struct msghdr message = {.msg_name = name, .msg_namelen = length, .msg_iov = &vector, .msg_iovlen = 1};
    char buffer[8];
    if (say(what, sendmsg(fd, &message, 0)) < 0) return;
    await(receiver, POLLIN);
    say(" received", recv(receiver, buffer, sizeof buffer, 0));
}

static void receive_with(const char *what, int fd, void *name, int length) {
    char buffer[8];
    struct iovec vector = {buffer, sizeof buffer};
    struct msghdr message = {.msg_name = name, .msg_namelen = length, .msg_iov = &vector, .msg_iovlen = 1};
    long result = say(what, recvmsg(fd, &message, MSG_DONTWAIT));
    if (result >= 0) print(" namelen %u\n", message.msg_namelen);
}

int main(void) {
    int unconnected = must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    int fd = must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    receiver = must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    address = loopback(0);
    must("bind", bind(receiver, (struct sockaddr *)&address, sizeof address));
    address = loopback(port_of(receiver));
    must("connect", connect(fd, (struct sockaddr *)&address, sizeof address));

    char large[300] = {0};
    memcpy(large, &address, sizeof address);
    send_to("no name", fd, NULL, 16);
    send_to("a name of no bytes", fd, large, 0);
    send_to("a bad name of no bytes", fd, bad, 0);
    send_to("a name of no bytes without a peer", unconnected, large, 0);
    send_to("a name of 1 byte", fd, large, 1);
    send_to("a name of 8 bytes", fd, large, 8);
    send_to("a name of 128 bytes", fd, large, 128);
    send_to("a name of 200 bytes", fd, large, 200);
    send_to("a name of 200 bytes without a peer", unconnected, large, 200);
    send_to("a name of negative size", fd, large, -1);
    send_to("no name of negative size", fd, NULL, -1);
    send_to("a bad name", fd, bad, 16);
    send_to("a bad name of negative size", fd, bad, -1);
    say("sendto, a name of no bytes", sendto(fd, "hello", 5, 0, (void *)large, 0));
    say("sendto, a name of 200 bytes", sendto(fd, "hello", 5, 0, (void *)large, 200));
    say("sendto, a bad name", sendto(fd, "hello", 5, 0, (void *)bad, 16));
    say("sendto, a bad name of no bytes", sendto(fd, "hello", 5, 0, (void *)bad, 0));
    say("sendto, bad bytes", sendto(fd, bad, 5, 0, NULL, 0));

    struct iovec vector = {"hello", 5};
    struct mmsghdr two[2] = {{{.msg_name = large, .msg_iov = &vector, .msg_iovlen = 1}, 0},
                             {{.msg_name = bad, .msg_namelen = 16, .msg_iov = &vector, .msg_iovlen = 1}, 0}};
    say("sendmmsg", sendmmsg(fd, two, 2, 0));
    char buffer[8];
    await(receiver, POLLIN);
    say(" received", recv(receiver, buffer, sizeof buffer, 0));
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = bad, .msg_controllen = 32};
    say("bad control messages", sendmsg(fd, &message, 0));
    say("nothing came", recv(receiver, buffer, sizeof buffer, MSG_DONTWAIT));

    say("recv to a bad address of nothing", recv(receiver, bad, 8, MSG_DONTWAIT));
    say("recv to no address of nothing", recv(receiver, NULL, 8, MSG_DONTWAIT));
    for (int round = 0; round < 2; round++) {
        must("send", send(fd, "first", 5, 0));
        must("send", send(fd, "second", 6, 0));
        await(receiver, POLLIN);
        say("peek to a bad address", recv(receiver, round ? bad : NULL, 8, MSG_PEEK));
        say("recv to a bad address", recv(receiver, round ? bad : NULL, 8, 0));
        await(receiver, POLLIN);
        say("the next one", recv(receiver, buffer, sizeof buffer, 0));
    }
    must("send", send(fd, "third", 5, 0));
    await(receiver, POLLIN);
    say("recv of no bytes to a bad address", recv(receiver, bad, 0, 0));

    for (int at = 0; at < 6; at++) must("send", send(fd, "name", 4, 0));
    await(receiver, POLLIN);
    receive_with("no name, 16", receiver, NULL, 16);
    receive_with("no name, -1", receiver, NULL, -1);
    receive_with("a name, 128", receiver, large, 128);
    receive_with("a name, 4", receiver, large, 4);
    receive_with("a name, 0", receiver, large, 0);
    receive_with("a name, -1", receiver, large, -1);
    receive_with("a name, 200", receiver, large, 200);

    int ends[2];
    both_ends(ends);
    send_to("a stream, a bad name", ends[0], bad, 16);
    send_to("a stream, a name of negative size", ends[0], large, -1);
    say("a stream, sendto a bad name", sendto(ends[0], "hello", 5, 0, (void *)bad, 16));
    say("a stream, bad control messages", sendmsg(ends[0], &message, 0));
    must("send", send(ends[1], "name", 4, 0));
    await(ends[0], POLLIN);
    receive_with("a stream, a name, -1", ends[0], large, -1);
    receive_with("a stream, no name, -1", ends[0], NULL, -1);
    return done();
}

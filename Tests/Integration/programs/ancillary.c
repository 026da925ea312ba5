// sendmsg and recvmsg on a stream: ancillary data, names, flags, and the calls that take several messages.
#include "common.h"
#include <stdbool.h>
#include <sys/uio.h>

static int client, server;

static void connection(void) {
    int listener = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in address = loopback(0);
    must("bind", bind(listener, (void *)&address, sizeof address));
    must("listen", listen(listener, 8));
    client = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    address = loopback(port_of(listener));
    must("connect", connect(client, (void *)&address, sizeof address));
    server = must("accept", accept(listener, NULL, NULL));
    close(listener);
}

static void disconnection(void) {
    close(client);
    close(server);
}

static char room[256];

static void arrive(long count) {
    char text[4096];
    while (count > 0) {
        long part = must("recv", recv(server, text, count < 4096 ? count : 4096, 0));
        if (part == 0) break;
        count -= part;
    }
}

// A message of "abcd" with one ancillary object of `size` bytes; `length` is what its header claims.
static void with(const char *what, int level, int type, const void *data, size_t size, size_t length) {
    struct iovec vector = {"abcd", 4};
    union {
        struct cmsghdr header;
        char space[256];
    } control;
    memset(&control, 0, sizeof control);
    control.header.cmsg_level = level;
    control.header.cmsg_type = type;
    control.header.cmsg_len = length;
    memcpy(CMSG_DATA(&control.header), data, size);
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control};
    message.msg_controllen = CMSG_SPACE(size);
    arrive(say(what, sendmsg(client, &message, MSG_NOSIGNAL)));
}

static void sent_objects(void) {
    int number = 1;
    struct ucred who = {getpid(), getuid(), getgid()};
    unsigned long long time = 1;
    with("SCM_RIGHTS", SOL_SOCKET, SCM_RIGHTS, &number, 4, CMSG_LEN(4));
    number = 4711;
    with("SCM_RIGHTS of no descriptor", SOL_SOCKET, SCM_RIGHTS, &number, 4, CMSG_LEN(4));
    with("SCM_CREDENTIALS", SOL_SOCKET, SCM_CREDENTIALS, &who, sizeof who, CMSG_LEN(sizeof who));
    with("an unknown type", SOL_SOCKET, 99, &number, 4, CMSG_LEN(4));
    number = 0;
    with("SO_TIMESTAMPING", SOL_SOCKET, SO_TIMESTAMPING, &number, 4, CMSG_LEN(4));
    with("SO_TIMESTAMPING, short", SOL_SOCKET, SO_TIMESTAMPING, &number, 2, CMSG_LEN(2));
    number = -1;
    with("SO_TIMESTAMPING, unknown flags", SOL_SOCKET, SO_TIMESTAMPING, &number, 4, CMSG_LEN(4));
    with("SCM_TXTIME", SOL_SOCKET, SO_TXTIME, &time, 8, CMSG_LEN(8));
    number = 64;
    with("IP_TTL", IPPROTO_IP, IP_TTL, &number, 4, CMSG_LEN(4));
    with("of a level that there is not", 4711, 1, &number, 4, CMSG_LEN(4));
    with("a length below the header's", SOL_SOCKET, SCM_RIGHTS, &number, 4, 8);
    with("a length beyond the room", SOL_SOCKET, SCM_RIGHTS, &number, 4, 4711);
    with("SOL_TCP", IPPROTO_TCP, 1, &number, 4, CMSG_LEN(4));
}

static void show(const char *what, long result, struct msghdr *message) {
    say(what, result);
    print("  name %u control %zu flags %x\n", message->msg_namelen, message->msg_controllen, message->msg_flags);
    for (struct cmsghdr *one = CMSG_FIRSTHDR(message); one != NULL; one = CMSG_NXTHDR(message, one)) {
        print("  level %d type %d length %zu", one->cmsg_level, one->cmsg_type, one->cmsg_len);
        if (one->cmsg_level == IPPROTO_TCP) print(" value %d", *(int *)CMSG_DATA(one));
        print("\n");
    }
}

static void receive(const char *what, size_t size, int flags, bool named, size_t control) {
    static char objects[256];
    struct sockaddr_in name;
    struct iovec vector = {room, size};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_namelen = 77, .msg_flags = 0x1234};
    if (named) message.msg_name = &name;
    message.msg_control = control > 0 ? objects : NULL;
    message.msg_controllen = control;
    long result = recvmsg(server, &message, flags);
    show(what, result, &message);
}

static void received_objects(void) {
    must("send", send(client, "0123456789", 10, 0));
    receive("without a name", 1, 0, false, 0);
    receive("with a name", 1, 0, true, 0);
    receive("with room for control", 1, 0, true, 200);
    receive("MSG_CMSG_CLOEXEC", 1, MSG_CMSG_CLOEXEC, true, 200);
    receive("MSG_PEEK", 1, MSG_PEEK, true, 200);
    receive("MSG_TRUNC", 2, MSG_TRUNC, true, 0);
    receive("MSG_ERRQUEUE", 2, MSG_ERRQUEUE, true, 200);
    receive("MSG_DONTWAIT, the rest", 100, MSG_DONTWAIT, true, 200);
    receive("MSG_DONTWAIT, nothing", 100, MSG_DONTWAIT, true, 200);

    int on = 1;
    say("TCP_INQ", setsockopt(server, IPPROTO_TCP, TCP_INQ, &on, sizeof on));
    socklen_t size = sizeof on;
    on = 0;
    say("get TCP_INQ", getsockopt(server, IPPROTO_TCP, TCP_INQ, &on, &size));
    print("  %d\n", on);
    must("send", send(client, "0123456789", 10, 0));
    receive("the first", 1, 0, true, 200);
    receive("no room for it", 1, 0, true, 8);
    receive("room for a part of it", 1, 0, true, CMSG_LEN(2));
    receive("without control", 1, 0, true, 0);
    receive("MSG_PEEK", 1, MSG_PEEK, true, 200);
    receive("the rest", 100, 0, true, 200);
    on = 2;
    say("TCP_INQ of 2", setsockopt(server, IPPROTO_TCP, TCP_INQ, &on, sizeof on));
    on = 0;
    say("TCP_INQ off", setsockopt(server, IPPROTO_TCP, TCP_INQ, &on, sizeof on));
    must("send", send(client, "0123456789", 10, 0));
    receive("off", 100, 0, true, 200);
    on = 1;
    say("TCP_INQ", setsockopt(server, IPPROTO_TCP, TCP_INQ, &on, sizeof on));
    must("send", send(client, "ab", 2, 0));
    shutdown(client, SHUT_WR);
    struct pollfd end = {server, POLLRDHUP, 0};
    say("poll", poll(&end, 1, 5000));
    receive("before the end", 2, MSG_WAITALL, true, 200);
    receive("the end", 2, 0, true, 200);
}

static void names(void) {
    struct sockaddr_in6 other = {.sin6_family = AF_INET6};
    char name[256];
    struct iovec vector = {"x", 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_name = name};
    socklen_t negative = strtol("-1", NULL, 10);
    memset(name, 0, sizeof name);
    say("sendto somewhere else", sendto(client, "x", 1, 0, (void *)&other, sizeof other));
    say("sendto, length 0", sendto(client, "x", 1, 0, (void *)&other, 0));
    say("sendto, too long", sendto(client, "x", 1, 0, (void *)name, 200));
    say("sendto, negative", sendto(client, "x", 1, 0, (void *)name, negative));
    message.msg_namelen = 200;
    say("sendmsg, long", sendmsg(client, &message, 0));
    message.msg_namelen = -1;
    say("sendmsg, negative", sendmsg(client, &message, 0));
    message.msg_namelen = 0;
    message.msg_iovlen = 1025;
    say("sendmsg, too many vectors", sendmsg(client, &message, 0));
    message.msg_iovlen = 0;
    say("sendmsg, none", sendmsg(client, &message, 0));
    socklen_t size = 77;
    say("recvfrom", recvfrom(server, room, 1, 0, (void *)name, &size));
    print("  %u\n", size);
    say("recvfrom, no address", recvfrom(server, room, 1, 0, NULL, NULL));
    size = 0;
    say("recvfrom, no room", recvfrom(server, room, 1, 0, (void *)name, &size));
    print("  %u\n", size);
    struct iovec many[1025] = {0};
    say("writev of 1025", writev(client, many, 1025));
    say("writev of -1", writev(client, many, negative));
    say("writev of none", writev(client, many, 0));
    say("readv of 1025", readv(server, many, 1025));
    say("readv of none", readv(server, many, 0));
    many[0] = (struct iovec){room, (size_t)-1};
    say("readv of a negative length", readv(server, many, 1));
    say("writev of a negative length", writev(client, many, 1));
}

static void positions(void) {
    struct iovec vector = {"abcd", 4}, in = {room, 4};
    say("pwritev2 at no position", pwritev2(client, &vector, 1, -1, 0));
    arrive(4);
    say("pwritev2 RWF_NOWAIT", pwritev2(client, &vector, 1, -1, RWF_NOWAIT));
    say("pwritev2 RWF_HIPRI", pwritev2(client, &vector, 1, -1, RWF_HIPRI));
    say("pwritev2 RWF_DSYNC", pwritev2(client, &vector, 1, -1, RWF_DSYNC));
    say("pwritev2 RWF_APPEND", pwritev2(client, &vector, 1, -1, RWF_APPEND));
    say("pwritev2 unknown flags", pwritev2(client, &vector, 1, -1, 0x4000000));
    say("pwritev2 at 0", pwritev2(client, &vector, 1, 0, 0));
    say("pwritev2 at -2", pwritev2(client, &vector, 1, -2, 0));
    say("send", send(client, "abcd", 4, 0));
    say("preadv2 at no position", preadv2(server, &in, 1, -1, 0));
    say("preadv2 RWF_NOWAIT", preadv2(server, &in, 1, -1, RWF_NOWAIT));
    say("preadv2 RWF_HIPRI", preadv2(server, &in, 1, -1, RWF_HIPRI));
    say("preadv2 RWF_APPEND", preadv2(server, &in, 1, -1, RWF_APPEND));
    say("preadv2 at 0", preadv2(server, &in, 1, 0, 0));
    say("preadv2 at -2", preadv2(server, &in, 1, -2, 0));
    say("preadv", preadv(server, &in, 1, 0));
    say("preadv at -1", preadv(server, &in, 1, -1));
    say("pwritev", pwritev(client, &vector, 1, 0));
    say("pread", pread(server, room, 1, 0));
    say("pread at -1", pread(server, room, 1, -1));
    say("pwrite", pwrite(client, room, 1, 0));
    say("lseek", lseek(client, 0, SEEK_CUR));
}

static void several(void) {
    struct mmsghdr messages[4];
    struct iovec vectors[4];
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < 4; i++) {
        vectors[i] = (struct iovec){room + 8 * i, 2};
        messages[i].msg_hdr.msg_iov = &vectors[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        messages[i].msg_len = 99;
    }
    say("sendmmsg", sendmmsg(client, messages, 3, 0));
    print("  %u %u %u %u\n", messages[0].msg_len, messages[1].msg_len, messages[2].msg_len, messages[3].msg_len);
    struct timespec limit = {0, 0};
    say("recvmmsg without time", recvmmsg(server, messages, 4, 0, &limit));
    print("  %u, %ld.%09ld left\n", messages[0].msg_len, (long)limit.tv_sec, limit.tv_nsec);
    say("recvmmsg MSG_WAITFORONE", recvmmsg(server, messages, 4, MSG_WAITFORONE, NULL));
    limit = (struct timespec){1, 1000000000};
    say("recvmmsg, no time", recvmmsg(server, messages, 4, 0, &limit));
    limit = (struct timespec){-1, 0};
    say("recvmmsg, negative time", recvmmsg(server, messages, 4, 0, &limit));
    say("recvmmsg of none", recvmmsg(server, messages, 0, 0, NULL));
    say("sendmmsg of none", sendmmsg(client, messages, 0, 0));

    // An error behind a message: the next call has it.
    messages[1].msg_hdr.msg_iovlen = 2000;
    say("sendmmsg with a bad second", sendmmsg(client, messages, 3, 0));
    arrive(2);
    say("send after it", send(client, "abcdefgh", 8, 0));
    say("recvmmsg with a bad second", recvmmsg(server, messages, 3, 0, NULL));
    int error = -1;
    socklen_t size = sizeof error;
    say("recv has its error", recv(server, room, 1, MSG_DONTWAIT));
    say("recv", recv(server, room, 1, MSG_DONTWAIT));
    say("recvmmsg with a bad second", recvmmsg(server, messages, 3, 0, NULL));
    say("SO_ERROR has its error", getsockopt(server, SOL_SOCKET, SO_ERROR, &error, &size));
    print("  %s\n", strerrorname_np(error));
    say("recvmmsg with a bad second", recvmmsg(server, messages, 2, 0, NULL));
    say("recvmmsg has its error", recvmmsg(server, messages, 1, 0, NULL));
    messages[1].msg_hdr.msg_iovlen = 1;
    say("recvmmsg, the rest", recvmmsg(server, messages, 4, MSG_DONTWAIT, NULL));
    say("nothing is kept of EAGAIN", recv(server, room, 1, MSG_DONTWAIT));
    shutdown(client, SHUT_WR);
    say("the end comes as often as asked for", recvmmsg(server, messages, 4, 0, NULL));
    signal(SIGPIPE, SIG_IGN);
    say("sendmmsg after the end", sendmmsg(client, messages, 4, 0));
}

int main(void) {
    connection();
    sent_objects();
    received_objects();
    disconnection();
    connection();
    names();
    disconnection();
    connection();
    positions();
    disconnection();
    connection();
    several();
    disconnection();
    return done();
}

// Time limits, MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, MSG_TRUNC on a stream, and MSG_MORE.
#include "cases.h"

static struct timespec start;
static void begin(void) { clock_gettime(CLOCK_MONOTONIC, &start); }
static void took(long least) { print("  %s\n", since(&start) >= least - 2 && since(&start) < least + 4000 ? "in time" : "not in time"); }

static void limit(int fd, int option, int milliseconds) {
    struct timeval value = {milliseconds / 1000, milliseconds % 1000 * 1000};
    say("  limit", setsockopt(fd, SOL_SOCKET, option, &value, sizeof value));
}

int main(void) {
    int ends[2], server = listener();
    char buffer[64] = {0};
    both_ends(ends);
    limit(ends[0], SO_RCVTIMEO, 150);
    begin();
    say("recv", recv(ends[0], buffer, 1, 0));
    took(150);
    begin();
    say("read", read(ends[0], buffer, 1));
    took(150);
    begin();
    tell(ends[1], "abc");
    say("MSG_WAITALL, a part", recv(ends[0], buffer, 10, MSG_WAITALL));
    took(150);
    limit(server, SO_RCVTIMEO, 150);
    begin();
    say("accept", accept(server, NULL, NULL));
    took(150);
    limit(ends[0], SO_SNDTIMEO, 150);
    static char block[1 << 16];
    begin();
    long got;
    while ((got = send(ends[0], block, sizeof block, 0)) >= 0) begin();
    say("send to one who does not read", got);
    took(150);
    struct timeval value = {-1, -1};
    socklen_t size = sizeof value;
    must("SO_RCVTIMEO", getsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &value, &size));
    print("SO_RCVTIMEO %ld.%03ld, %u\n", value.tv_sec, value.tv_usec / 10000, size);
    value = (struct timeval){0, 1000000};
    say("bad time", setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &value, sizeof value));
    say("short time", setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &value, 4));
    close(ends[0]), close(ends[1]);

    both_ends(ends);
    say("MSG_DONTWAIT", recv(ends[0], buffer, 1, MSG_DONTWAIT));
    tell(ends[1], "abcdef");
    await(ends[0], POLLIN);
    say("MSG_PEEK", recv(ends[0], buffer, 3, MSG_PEEK));
    print("  %.3s\n", buffer);
    say("MSG_PEEK again", recv(ends[0], buffer, sizeof buffer, MSG_PEEK | MSG_DONTWAIT));
    say("recv", recv(ends[0], buffer, 2, 0));
    say("MSG_PEEK", recv(ends[0], buffer, sizeof buffer, MSG_PEEK));
    print("  %.4s\n", buffer);
    say_events("still there", events(ends[0], POLLIN, 0));
    memset(buffer, '-', 8);
    say("MSG_TRUNC drops", recv(ends[0], buffer, 3, MSG_TRUNC));
    print("  %.4s\n", buffer);
    say("the rest", recv(ends[0], buffer, sizeof buffer, 0));
    say_events("nothing", events(ends[0], POLLIN, 0));
    say("no bytes wanted", recv(ends[0], buffer, 0, MSG_DONTWAIT));

    pid_t child = CHILD({
        for (int index = 0; index < 5; index++) {
            pause_for(20);
            tell(ends[1], "12");
        }
    });
    say("MSG_WAITALL", recv(ends[0], buffer, 10, MSG_WAITALL));
    reap("writer", child);
    tell(ends[1], "xyz");
    must("shutdown", shutdown(ends[1], SHUT_WR));
    say("MSG_WAITALL at the end", recv(ends[0], buffer, 10, MSG_WAITALL));
    say("MSG_PEEK at the end", recv(ends[0], buffer, 10, MSG_PEEK));
    say("MSG_OOB without any", recv(ends[0], buffer, 1, MSG_OOB));
    close(ends[0]), close(ends[1]);

    both_ends(ends);
    must("MSG_MORE", send(ends[0], "one ", 4, MSG_MORE));
    say("held back", recv(ends[1], buffer, 8, MSG_DONTWAIT));
    must("send", send(ends[0], "two", 3, 0));
    say_text("together", ends[1]);
    struct msghdr message = {.msg_iov = &(struct iovec){buffer, sizeof buffer}, .msg_iovlen = 1, .msg_flags = -1};
    char control[64];
    struct sockaddr_in name;
    message.msg_control = control, message.msg_controllen = sizeof control;
    message.msg_name = &name, message.msg_namelen = sizeof name;
    tell(ends[0], "message");
    say("recvmsg", recvmsg(ends[1], &message, 0));
    print("  name %u, control %zu, flags %x\n", message.msg_namelen, message.msg_controllen, message.msg_flags);
    message.msg_controllen = 0, message.msg_name = NULL;
    say("MSG_CMSG_CLOEXEC", recvmsg(ends[1], &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
    say("not connected", recv(socket(AF_INET, SOCK_STREAM, 0), buffer, 1, 0));
    return done();
}

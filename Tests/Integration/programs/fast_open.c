// MSG_FASTOPEN where it is switched off: no signal, nothing sent, and the socket is as it was.
#include "common.h"

static void tell(int signal) { print("signal %s\n", sigabbrev_np(signal)); }

int main(void) {
    signal(SIGPIPE, tell);
    int server = listener(), port = port_of(server);
    struct sockaddr_in address = loopback(port);
    int fd = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    say("a fresh socket", sendto(fd, "hi", 2, MSG_FASTOPEN, (struct sockaddr *)&address, sizeof address));
    say("without an address", send(fd, "hi", 2, MSG_FASTOPEN));
    say("connect", connect_on(fd, port));
    int accepted = must("accept", accept(server, NULL, NULL));
    say("a connection", sendto(fd, "hi", 2, MSG_FASTOPEN, (struct sockaddr *)&address, sizeof address));
    struct iovec vector = {"hi", 2};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    say("a connection, sendmsg", sendmsg(fd, &message, MSG_FASTOPEN | MSG_NOSIGNAL));
    say("out of band", send(fd, "hi", 2, MSG_FASTOPEN | MSG_OOB));
    say("send", send(fd, "then", 4, 0));
    char buffer[16];
    await(accepted, POLLIN);
    say("received", recv(accepted, buffer, sizeof buffer, 0));
    must("shutdown", shutdown(fd, SHUT_WR));
    say("after shutdown", send(fd, "hi", 2, MSG_FASTOPEN));
    say("after shutdown, without the flag", send(fd, "hi", 2, 0));
    int waiting = must("socket", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    say("without waiting", sendto(waiting, "hi", 2, MSG_FASTOPEN, (struct sockaddr *)&address, sizeof address));
    int udp = must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    say("a datagram", sendto(udp, "hi", 2, MSG_FASTOPEN, (struct sockaddr *)&address, sizeof address));
    return done();
}

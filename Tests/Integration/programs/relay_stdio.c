// A connection to an echoing peer (port in argv[1]) whose descriptor stdio owns: one stream in both directions, its number
// with fileno, and the calls of the socket API beside it.
#include "common.h"
#include <sys/ioctl.h>

int main(int count, char **arguments) {
    if (count != 2) return 2;
    int fd = connected(atoi(arguments[1]));
    must("send", send(fd, "first\n", 6, 0));
    await(fd, POLLIN);
    FILE *stream = fdopen(fd, "r+");
    if (!stream) return 3;
    print("fileno is %s\n", fileno(stream) == fd ? "the descriptor" : "another");
    char line[64];
    print("%s", fgets(line, sizeof line, stream) ? line : "nothing\n");
    fseek(stream, 0, SEEK_CUR);
    for (int number = 0; number < 3; number++) fprintf(stream, "line %d\n", number);
    fflush(stream);
    for (int number = 0; number < 3; number++) print("%s", fgets(line, sizeof line, stream) ? line : "nothing\n");
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    must("getpeername", getpeername(fd, (struct sockaddr *)&address, &length));
    print("peer is %s\n", ntohs(address.sin_port) == atoi(arguments[1]) ? "the peer" : "another");
    int on = 1, type = 0;
    length = sizeof type;
    say("TCP_NODELAY", setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    say("SO_TYPE", getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length));
    say("send", send(fd, "beside\n", 7, 0));
    await(fd, POLLIN);
    int waiting = 0;
    say("FIONREAD", ioctl(fd, FIONREAD, &waiting));
    print("waiting: %d\n", waiting);
    say("peek", recv(fd, line, 6, MSG_PEEK));
    say("recv", recv(fd, line, 7, MSG_WAITALL));
    say("nothing there", recv(fd, line, 7, MSG_DONTWAIT));
    say_events("idle", events(fd, POLLIN | POLLOUT | POLLRDHUP, 0));
    say("shutdown", shutdown(fd, SHUT_WR));
    await(fd, POLLIN);
    print("%s\n", fgets(line, sizeof line, stream) ? line : "the end");
    say_events("end", events(fd, POLLIN | POLLOUT | POLLRDHUP, 0));
    say("fclose", fclose(stream));
    return done();
}

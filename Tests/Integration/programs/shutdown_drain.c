// Writes 4 MiB to a peer (port in argv[1]) that begins to read later, shuts its writing side down while much of that
// is still on the way, then reads the peer's answer to the end.
#include "common.h"

int main(int count, char **arguments) {
    if (count != 2) return 2;
    int fd = connected(atoi(arguments[1]));
    char buffer[65536];
    long total = 4 << 20;
    for (long sent = 0; sent < total;) {
        long size = total - sent < (long)sizeof buffer ? total - sent : (long)sizeof buffer;
        fill(buffer, size, sent);
        sent += must("send", send(fd, buffer, size, 0));
    }
    say("shutdown", shutdown(fd, SHUT_WR));
    say("send after shutdown", send(fd, "x", 1, MSG_NOSIGNAL));
    long received = 0;
    for (;;) {
        long size = must("recv", recv(fd, buffer, sizeof buffer, 0));
        if (size == 0) break;
        for (long index = 0; index < size; index++)
            if ((unsigned char)buffer[index] != (received + index) % 251) return say("wrong byte at", received + index);
        received += size;
    }
    say("received", received);
    say("recv again", recv(fd, buffer, 1, 0));
    say("close", close(fd));
    return done();
}

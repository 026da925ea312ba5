// SO_BINDTODEVICE of datagram and stream sockets.
#include "cases.h"

int main(void) {
    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
        char buffer[64] = {0};
        socklen_t length = sizeof buffer;
        int fd = must("socket", socket(AF_INET, type, 0));
        say("no such device", setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "nosuch0", 8));
        say("SO_BINDTODEVICE", setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
        say("getsockopt", getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, buffer, &length));
        print("  %s %u\n", buffer, length);
    }
    return done();
}

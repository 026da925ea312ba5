// Asks for network sockets where no service is.
#include "common.h"

int main(void) {
    say("IPv4 stream", socket(AF_INET, SOCK_STREAM, 0));
    say("IPv6 stream", socket(AF_INET6, SOCK_STREAM, 0));
    say("IPv4 stream again", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
    return done();
}

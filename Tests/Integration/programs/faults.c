// Bad addresses: EFAULT, not a signal, and what was there stays.
#include "common.h"
#include <sys/mman.h>
#include <sys/uio.h>

int main(void) {
    int ends[2];
    both_ends(ends);
    char *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(pages + 4096, 4096, PROT_NONE);
    char *bad = pages + 4096;
    const char *constant = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *gone = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(gone, 4096);
    struct {
        const char *name;
        char *address;
    } places[] = {{"null", NULL},       {"small", (char *)16}, {"kernel", (char *)-4096}, {"odd", (char *)0x1234567890123456},
                  {"no access", bad},   {"gone", gone},        {"last", (char *)-1}};
    char buffer[64];
    for (unsigned at = 0; at < sizeof places / sizeof *places; at++) {
        char *address = places[at].address;
        print("%s\n", places[at].name);
        say(" send", send(ends[0], address, 10, 0));
        say(" write", write(ends[0], address, 10));
        struct iovec one = {address, 5};
        say(" writev", writev(ends[0], &one, 1));
        struct iovec two[2] = {{buffer, 5}, {address, 5}};
        say(" writev of good and bad", writev(ends[0], two, 2));
        say(" writev of bad vectors", writev(ends[0], (void *)address, 2));
        say(" sendmsg", sendmsg(ends[0], (void *)address, 0));
        must("send", send(ends[1], "12345678", 8, 0));
        await(ends[0], POLLIN);
        say(" recv", recv(ends[0], address, 10, 0));
        say(" read", read(ends[0], address, 10));
        say(" readv", readv(ends[0], &one, 1));
        say(" readv of good and bad", readv(ends[0], two, 2));
        say(" readv of bad vectors", readv(ends[0], (void *)address, 2));
        say(" recvmsg", recvmsg(ends[0], (void *)address, 0));
        say(" all is there", recv(ends[0], buffer, sizeof buffer, MSG_DONTWAIT));
        int value = 1;
        socklen_t length = 4;
        say(" getsockopt", getsockopt(ends[0], SOL_SOCKET, SO_TYPE, address, &length));
        say(" getsockopt's error", getsockopt(ends[0], SOL_SOCKET, SO_ERROR, address, &length));
        say(" getsockopt's length", getsockopt(ends[0], SOL_SOCKET, SO_TYPE, &value, (void *)address));
        say(" setsockopt", setsockopt(ends[0], SOL_SOCKET, SO_KEEPALIVE, address, 4));
        say(" setsockopt of a time", setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, address, sizeof(struct timeval)));
        length = sizeof(struct sockaddr_in);
        say(" getsockname", getsockname(ends[0], (void *)address, &length));
        say(" getsockname's length", getsockname(ends[0], (void *)buffer, (void *)address));
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        say(" bind", bind(fd, (void *)address, sizeof(struct sockaddr_in)));
        say(" connect", connect(fd, (void *)address, sizeof(struct sockaddr_in)));
        close(fd);
        int server = listener(), other = connected(port_of(server));
        length = sizeof(struct sockaddr_in);
        if (address) {
            // The connection is lost with it.
            say(" accept", accept(server, (void *)address, &length));
            int another = connected(port_of(server));
            say(" accept's length", accept(server, (void *)buffer, (void *)address));
            close(another);
        }
        close(other);
        close(server);
        say(" poll", poll((void *)address, 1, 0));
    }
    say("read to a constant", (send(ends[1], "c", 1, 0), await(ends[0], POLLIN), read(ends[0], (void *)constant, 1)));
    say("it is there", recv(ends[0], buffer, sizeof buffer, MSG_DONTWAIT));
    // A size beyond what is mapped does no harm as long as no byte goes there.
    must("send", send(ends[1], "abcdef", 6, 0));
    await(ends[0], POLLIN);
    say("short data before a bad page", recv(ends[0], pages + 4096 - 8, 4096, 0));
    must("send", send(ends[1], "abcdef", 6, 0));
    await(ends[0], POLLIN);
    say("data across a bad page", recv(ends[0], pages + 4096 - 3, 4096, 0));
    say("it stays", recv(ends[0], buffer, sizeof buffer, MSG_DONTWAIT));
    say("send across a bad page", send(ends[0], pages + 4096 - 3, 100, 0));
    say("discard without a buffer", (send(ends[1], "xyz", 3, 0), await(ends[0], POLLIN), recv(ends[0], bad, 3, MSG_TRUNC)));
    return done();
}

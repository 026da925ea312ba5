// Bad pointers where a call looks at several things: which of them it looks at first.
#include "common.h"
#include <linux/close_range.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/resource.h>

static void *bad = (void *)0x5000;

static void names(const char *what, int fd) {
    char buffer[64];
    socklen_t length = 0, negative = -1, four = 4;
    print("%s\n", what);
    say(" no peer's address, no length", getpeername(fd, NULL, NULL));
    say(" bad ones", getpeername(fd, bad, bad));
    say(" no address of no bytes", getpeername(fd, NULL, &length));
    print(" length %u\n", length);
    length = 16;
    say(" no address of 16 bytes", getpeername(fd, NULL, &length));
    say(" a negative length", getpeername(fd, (void *)buffer, &negative));
    say(" an address of 4 bytes", getpeername(fd, (void *)buffer, &four));
    print(" length %u\n", four);
    say(" no name, no length", getsockname(fd, NULL, NULL));
    length = 0;
    say(" a bad name of no bytes", getsockname(fd, bad, &length));
    print(" length %u\n", length);
    length = 16;
    say(" a bad name", getsockname(fd, bad, &length));
}

int main(void) {
    int ends[2];
    both_ends(ends);
    int fresh = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    int udp = must("socket", socket(AF_INET, SOCK_DGRAM, 0));
    names("connected", ends[0]);
    names("fresh", fresh);
    names("datagrams", udp);

    int server = listener(), first = connected(port_of(server)), second = connected(port_of(server));
    char buffer[64];
    socklen_t length = 0;
    must("accept with room for nothing", accept(server, (void *)bad, &length));
    print("length %u\n", length);
    say("accept without a length", accept(server, (void *)buffer, NULL));
    close(first);
    close(second);

    say("poll", poll(bad, 1, 100));
    say("poll for ever", poll(bad, 1, -1));
    say("poll nothing", poll(bad, 0, 0));
    struct rlimit few = {64, 64};
    struct pollfd *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap((char *)page + 4096, 4096);
    struct pollfd *last = page + 511;
    *last = (struct pollfd){ends[0], POLLOUT, 0};
    say("poll of one too many", poll(last, 2, 100));
    say("poll of one", poll(last, 1, 100));
    must("setrlimit", setrlimit(RLIMIT_NOFILE, &few));
    say("poll of too many", poll(last, 100, 100));
    volatile nfds_t far_too_many = -1;
    say("poll of far too many", poll(last, far_too_many, 100));
    say("ppoll", ppoll(bad, 1, NULL, NULL));
    struct timeval now = {0, 100000};
    say("select", select(10, bad, NULL, NULL, &now));
    say("select", select(10, NULL, bad, NULL, &now));
    say("select", select(10, NULL, NULL, bad, &now));
    struct timespec soon = {0, 100000000};
    say("pselect", pselect(10, bad, NULL, NULL, &soon, NULL));

    say("close_range with unknown flags", close_range(3, ~0U, 64));
    say("send", send(ends[0], "x", 1, 0));
    say("close_range with known ones", close_range(3, ~0U, CLOSE_RANGE_CLOEXEC));
    say("send", send(ends[0], "x", 1, 0));
    return done();
}

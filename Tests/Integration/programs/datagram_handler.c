// A signal handler sends and receives on the sockets that it interrupts; no datagram is torn, mixed or lost.
// datagram_handler SECONDS
#include "common.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

static int out, in;
static volatile sig_atomic_t from_handler;

// A datagram of `size` bytes, each of which follows from its number and place.
static void write_pattern(unsigned char *data, unsigned number, size_t size) {
    memcpy(data, &number, 4);
    for (size_t at = 4; at < size; at++) data[at] = (unsigned char)(number * 31 + at);
}

static void handle(int unused) {
    (void)unused;
    unsigned char data[700];
    int saved = errno;
    write_pattern(data, 0x80000000u | (unsigned)from_handler, sizeof data);
    if (send(out, data, sizeof data, MSG_DONTWAIT) == sizeof data) from_handler++;
    unsigned char peeked[9000];
    recv(in, peeked, sizeof peeked, MSG_DONTWAIT | MSG_PEEK);
    errno = saved;
}

int main(int count, char **arguments) {
    int seconds = count > 1 ? atoi(arguments[1]) : 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    in = socket(AF_INET, SOCK_DGRAM, 0);
    out = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(in, (struct sockaddr *)&address, length) || getsockname(in, (struct sockaddr *)&address, &length) ||
        connect(out, (struct sockaddr *)&address, length))
        return 1;
    signal(SIGALRM, handle);
    struct itimerval often = {{0, 200}, {0, 200}};
    setitimer(ITIMER_REAL, &often, NULL);
    unsigned sent = 0, seen = 0, seen_from_handler = 0, broken = 0;
    static unsigned char data[9000], expected[9000];
    time_t end = time(NULL) + seconds;
    while (time(NULL) < end || seen < sent) {
        if (time(NULL) < end && sent - seen < 8) {
            size_t size = 4 + sent * 997 % 8996;
            write_pattern(data, sent, size);
            if (send(out, data, size, 0) == (ssize_t)size) sent++;
        }
        ssize_t got = recv(in, data, sizeof data, sent - seen < 8 ? MSG_DONTWAIT : 0);
        if (got < 0) continue;
        unsigned number;
        memcpy(&number, data, 4);
        if (number & 0x80000000u) {
            if (got != 700 || number != (0x80000000u | seen_from_handler)) broken++;
            seen_from_handler++;
        } else {
            if ((size_t)got != 4 + number * 997 % 8996 || number != seen) broken++;
            seen++;
        }
        write_pattern(expected, number, (size_t)got);
        if (memcmp(data, expected, (size_t)got)) broken++;
    }
    signal(SIGALRM, SIG_IGN);
    printf("broken: %u, enough of both: %d\ndone\n", broken, sent > 100 && seen_from_handler > 100);
    return 0;
}

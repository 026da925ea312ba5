// What the test programs share: reporting of results by name, and loopback sockets. The programs print only what must
// be the same on every run and on every implementation of the socket API.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

// Prints without a buffer, since a forked child would print a buffer again.
UNUSED static void print(const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    for (int at = 0; at < length;) {
        ssize_t written = write(1, line + at, length - at);
        if (written <= 0) _exit(90);
        at += written;
    }
}

// Prints a call's result, or the name of its error.
UNUSED static long say(const char *what, long result) {
    if (result < 0)
        print("%s: %s\n", what, strerrorname_np(errno));
    else
        print("%s: %ld\n", what, result);
    return result;
}

// Ends the program unless a call that only prepares the test worked.
UNUSED static long must(const char *what, long result) {
    if (result < 0) {
        print("%s failed: %s\n", what, strerrorname_np(errno));
        exit(91);
    }
    return result;
}

UNUSED static struct sockaddr_in loopback(int port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

UNUSED static int port_of(int fd) {
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    must("getsockname", getsockname(fd, (struct sockaddr *)&address, &length));
    return ntohs(address.sin_port);
}

UNUSED static int bound(int port) {
    int fd = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in address = loopback(port);
    must("bind", bind(fd, (struct sockaddr *)&address, sizeof address));
    return fd;
}

UNUSED static int listener(void) {
    int fd = bound(0);
    must("listen", listen(fd, 16));
    return fd;
}

UNUSED static int connect_on(int fd, int port) {
    struct sockaddr_in address = loopback(port);
    return connect(fd, (struct sockaddr *)&address, sizeof address);
}

UNUSED static int connected(int port) {
    int fd = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    must("connect", connect_on(fd, port));
    return fd;
}

// Both ends of a connection of this program with itself.
UNUSED static void both_ends(int ends[2]) {
    int server = listener();
    ends[0] = connected(port_of(server));
    ends[1] = must("accept", accept(server, NULL, NULL));
    close(server);
}

UNUSED static int events(int fd, int wanted, int milliseconds) {
    struct pollfd entry = {.fd = fd, .events = wanted};
    must("poll", poll(&entry, 1, milliseconds));
    return entry.revents;
}

UNUSED static void await(int fd, int wanted) {
    if (!(events(fd, wanted, 10000) & wanted)) {
        print("nothing after 10 s\n");
        exit(92);
    }
}

UNUSED static void say_events(const char *what, int set) {
    print("%s:%s%s%s%s%s%s%s\n", what, set & POLLIN ? " IN" : "", set & POLLOUT ? " OUT" : "",
          set & POLLPRI ? " PRI" : "", set & POLLRDHUP ? " RDHUP" : "", set & POLLERR ? " ERR" : "",
          set & POLLHUP ? " HUP" : "", set & POLLNVAL ? " NVAL" : "");
}

UNUSED static void pause_for(int milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    while (nanosleep(&time, &time) < 0) {
    }
}

// Sends until nothing more fits anywhere on the way.
UNUSED static void fill_up(int fd) {
    static char block[65536];
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    for (int idle = 0; idle < 4; idle++) {
        while (send(fd, block, sizeof block, MSG_NOSIGNAL) > 0) idle = 0;
        pause_for(50);
    }
    fcntl(fd, F_SETFL, flags);
}

UNUSED static long since(const struct timespec *start) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - start->tv_sec) * 1000 + (now.tv_nsec - start->tv_nsec) / 1000000;
}

// The byte at an offset of the stream that the tests send and expect (network.py, pattern).
UNUSED static void fill(char *buffer, long count, long offset) {
    for (long index = 0; index < count; index++) buffer[index] = (offset + index) % 251;
}

UNUSED static int done(void) {
    print("done\n");
    return 0;
}

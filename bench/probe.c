/* Measures what a program sees of its sockets, over TCP on 127.0.0.1:
 *   probe serve                     echoes, on a port that it prints; ends with its standard input
 *   probe latency PORT SECONDS      median nanoseconds of a request of 64 bytes and its answer
 *   probe connections PORT SECONDS  connections a second: connect, one byte each way, close
 *   probe startup COUNT PROGRAM     median nanoseconds from the start of a program to its end */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t median(int64_t *samples, size_t count) {
    if (count == 0) exit(1);
    qsort(samples, count, sizeof *samples, compare);
    return samples[count / 2];
}

static struct sockaddr_in loopback(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int connected(int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = loopback(port);
    if (fd < 0) fail("socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void exchange(int fd, char *buffer, ssize_t size) {
    if (send(fd, buffer, size, 0) != size) fail("send");
    for (ssize_t got = 0; got < size;) {
        ssize_t count = recv(fd, buffer + got, size - got, 0);
        if (count <= 0) fail("recv");
        got += count;
    }
}

static int serve(void) {
    enum { most = 64 };
    struct pollfd fds[most] = {{.fd = 0, .events = POLLIN}};
    struct sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    char buffer[4096];
    int count = 2;
    fds[1] = (struct pollfd){.fd = socket(AF_INET, SOCK_STREAM, 0), .events = POLLIN};
    if (bind(fds[1].fd, (struct sockaddr *)&address, length) < 0 || listen(fds[1].fd, 128) < 0) fail("listen");
    getsockname(fds[1].fd, (struct sockaddr *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        if (poll(fds, count, -1) < 0) fail("poll");
        if (fds[0].revents) return 0;
        for (int i = count - 1; i > 1; i--) {
            if (!fds[i].revents) continue;
            ssize_t size = recv(fds[i].fd, buffer, sizeof buffer, 0);
            if (size > 0 && send(fds[i].fd, buffer, size, MSG_NOSIGNAL) == size) continue;
            close(fds[i].fd);
            fds[i] = fds[--count];
        }
        if (fds[1].revents && count < most) {
            int fd = accept(fds[1].fd, NULL, NULL), one = 1;
            if (fd < 0) continue;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
        }
    }
}

static void latency(int port, double seconds) {
    enum { most = 1 << 20, warm = 1000 };
    int64_t *samples = calloc(most, sizeof *samples), end = now() + (int64_t)(seconds * 1e9);
    char buffer[64] = "request";
    size_t count = 0;
    int fd = connected(port);
    for (int i = 0; i < warm; i++) exchange(fd, buffer, sizeof buffer);
    for (int64_t start = now(), stop; count < most && start < end; start = stop) {
        exchange(fd, buffer, sizeof buffer);
        stop = now();
        samples[count++] = stop - start;
    }
    printf("%lld\n", (long long)median(samples, count));
}

static void connections(int port, double seconds) {
    int64_t start = now(), end = start + (int64_t)(seconds * 1e9), count = 0;
    /* A reset at close leaves no TIME_WAIT, of which a run would use all ports up. */
    struct linger reset = {.l_onoff = 1};
    while (now() < end) {
        char byte = 'x';
        int fd = connected(port);
        exchange(fd, &byte, 1);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
        count++;
    }
    printf("%.0f\n", count * 1e9 / (now() - start));
}

static void startup(int count, char *program) {
    int64_t *samples = calloc(count, sizeof *samples);
    char *arguments[] = {program, NULL};
    for (int i = 0; i < count; i++) {
        int64_t start = now();
        int status;
        pid_t child;
        if ((errno = posix_spawn(&child, program, NULL, NULL, arguments, environ)) != 0) fail(program);
        if (waitpid(child, &status, 0) < 0 || status != 0) fail(program);
        samples[i] = now() - start;
    }
    printf("%lld\n", (long long)median(samples, count));
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "serve") == 0) return serve();
    if (argc != 4) return 2;
    if (strcmp(argv[1], "latency") == 0)
        latency(atoi(argv[2]), atof(argv[3]));
    else if (strcmp(argv[1], "connections") == 0)
        connections(atoi(argv[2]), atof(argv[3]));
    else if (strcmp(argv[1], "startup") == 0)
        startup(atoi(argv[2]), argv[3]);
    else
        return 2;
    return 0;
}

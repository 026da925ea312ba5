// None of the calls takes memory from malloc(3): a signal handler or the child of a process with threads may make them
// while another allocation is half done, and a program's own allocator may make them itself.
#define _GNU_SOURCE
#include "cases.h"

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static volatile int counted, allocations;

void *malloc(size_t size) {
    allocations += counted;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    allocations += counted;
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
    allocations += counted;
    return __libc_realloc(memory, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    allocations += counted;
    *memory = __libc_memalign(alignment, size);
    return *memory == NULL ? ENOMEM : 0;
}

static int failures;

#define QUIETLY(what, ...)                                            \
    do {                                                              \
        allocations = 0;                                              \
        counted = 1;                                                  \
        int done_ = (__VA_ARGS__);                                    \
        counted = 0;                                                  \
        failures += !done_ || allocations;                            \
        if (!done_) print("%s: does not do\n", what);                 \
        if (allocations) print("%s: %d allocations\n", what, allocations); \
    } while (0)

static void *sleeper(void *unused) {
    pause();
    return unused;
}

static void use_streams(void) {
    int listener = -1, client = -1, server = -1, value = 1, events = -1;
    struct sockaddr_in name = loopback(0);
    socklen_t size = sizeof name;
    char buffer[4096] = {0};
    QUIETLY("socket", (listener = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
    QUIETLY("bind", bind(listener, (void *)&name, sizeof name) == 0);
    QUIETLY("listen", listen(listener, 4) == 0);
    QUIETLY("getsockname", getsockname(listener, (void *)&name, &size) == 0);
    QUIETLY("connect", (client = socket(AF_INET, SOCK_STREAM, 0)) >= 0 && connect(client, (void *)&name, size) == 0);
    QUIETLY("accept", (server = accept(listener, NULL, NULL)) >= 0);
    QUIETLY("setsockopt", setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value) == 0);
    QUIETLY("send", send(client, buffer, sizeof buffer, 0) == sizeof buffer);
    QUIETLY("recv", recv(server, buffer, sizeof buffer, MSG_WAITALL) == sizeof buffer);
    QUIETLY("MSG_OOB", send(client, buffer, 2000, MSG_OOB) == 2000);
    QUIETLY("up to the mark", recv(server, buffer, 1999, MSG_WAITALL) == 1999);
    QUIETLY("FIONREAD", ioctl(server, FIONREAD, &value) == 0);
    QUIETLY("epoll", (events = epoll_create1(0)) >= 0 && (add(events, server, EPOLLIN), 1));
    QUIETLY("shutdown", shutdown(client, SHUT_WR) == 0);
    QUIETLY("epoll_wait", one(events, 10000) != 0);
    QUIETLY("close", close(events) == 0 && close(server) == 0 && close(client) == 0 && close(listener) == 0);
}

static void use_datagrams(void) {
    int a = -1, b = -1;
    struct sockaddr_in name = loopback(0), from;
    socklen_t size = sizeof name;
    char buffer[100], control[1200];
    struct iovec part = {buffer, sizeof buffer};
    struct msghdr message = {&from, sizeof from, &part, 1, control, sizeof control, 0};
    QUIETLY("SOCK_DGRAM", (a = socket(AF_INET, SOCK_DGRAM, 0)) >= 0 && (b = socket(AF_INET, SOCK_DGRAM, 0)) >= 0);
    QUIETLY("bind", bind(a, (void *)&name, sizeof name) == 0 && getsockname(a, (void *)&name, &size) == 0);
    QUIETLY("sendto", sendto(b, "one", 3, 0, (void *)&name, size) == 3 && sendto(b, "two", 3, 0, (void *)&name, size) == 3);
    QUIETLY("recvfrom", recvfrom(a, buffer, sizeof buffer, 0, (void *)&from, &size) == 3);
    QUIETLY("recvmsg", recvmsg(a, &message, 0) == 3);
    QUIETLY("close", close(a) == 0 && close(b) == 0);
}

int main(void) {
    // The first message makes stdio's buffer.
    print("begins\n");
    pthread_t other;
    pthread_create(&other, NULL, sleeper, NULL);
    use_streams();
    use_datagrams();
    int kept = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    // A child has a session of its own, and attaches what it inherited.
    int value = 0;
    socklen_t size = sizeof value;
    reap("a child", CHILD({
             QUIETLY("inherited", getsockopt(kept, SOL_SOCKET, SO_TYPE, &value, &size) == 0);
             QUIETLY("inherited, bound", bind(kept, (void *)&(struct sockaddr_in){.sin_family = AF_INET}, 16) == 0);
             use_streams();
             use_datagrams();
             _exit(failures);
         }));
    print("%d failures\n", failures);
    return 0;
}

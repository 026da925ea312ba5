/* A program that takes its calls from its arguments, and prints a line for each: `NAME RESULT ERRNO`. A word is
 * NAME or NAME:NUMBER. Buffers end at a page that cannot be touched, so that a library which writes too much faults. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int fd = -1;
static int listener = -1;
static char *self;

static void *guarded(size_t size) {
    size_t pages = (size + 4095) / 4096 * 4096;
    char *base = mmap(NULL, pages + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) abort();
    mprotect(base + pages, 4096, PROT_NONE);
    return base + pages - size;
}

static void report(const char *word, long result) {
    int error = errno;
    const char *name = result < 0 ? strerrorname_np(error) : "-";
    char line[160];
    int size = name ? snprintf(line, sizeof line, "%s %ld %s\n", word, result, name)
                    : snprintf(line, sizeof line, "%s %ld %d\n", word, result, error);
    if (write(1, line, size) < 0) _exit(9);
}

static void nothing(int number) { (void)number; }

static struct sockaddr_in *address(void) {
    struct sockaddr_in *value = guarded(sizeof *value);
    value->sin_family = AF_INET;
    value->sin_port = htons(4242);
    value->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return value;
}

static void *asker(void *argument) {
    int value;
    socklen_t length = sizeof value;
    (void)argument;
    for (int index = 0; index < 20; index++) {
        length = sizeof value;
        if (getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &length) < 0 && errno == ENETDOWN) break;
        int other = socket(AF_INET, SOCK_STREAM, 0);
        if (other >= 0) close(other);
    }
    return NULL;
}

static long resolve(void) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int error = getaddrinfo("name.example", "80", &hints, &list);
    if (error) {
        errno = error == EAI_SYSTEM ? errno : ENOMSG;
        return -1;
    }
    long count = 0, sum = 0;
    for (struct addrinfo *entry = list; entry; entry = entry->ai_next, count++) {
        size_t size = entry->ai_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
        for (size_t index = 0; index < size; index++) sum += ((unsigned char *)entry->ai_addr)[index];
        if (entry->ai_canonname) sum += strlen(entry->ai_canonname);
    }
    freeaddrinfo(list);
    return sum < 0 ? -1 : count;
}

static long names(void) {
    struct sockaddr_in *peer = address();
    char *host = guarded(16), *service = guarded(8);
    int error = getnameinfo((void *)peer, sizeof *peer, host, 16, service, 8, 0);
    if (error) {
        errno = error == EAI_SYSTEM ? errno : ENOMSG;
        return -1;
    }
    return strlen(host) + strlen(service);
}

/* The addresses that gethostbyname(3) finds; ENOMSG: none, or no name, and said so. */
static long found(void) {
    struct hostent *entry = gethostbyname("name.example");
    if (!entry) {
        errno = ENOMSG;
        return -1;
    }
    long count = 0;
    while (entry->h_addr_list[count]) count++;
    return count;
}

static long chosen(int milliseconds) {
    fd_set readable, writable;
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_SET(fd, &readable);
    FD_SET(fd, &writable);
    struct timeval limit = {milliseconds / 1000, milliseconds % 1000 * 1000};
    return select(fd + 1, &readable, &writable, NULL, &limit);
}

/* Writes `count` bytes in pieces, as programs do; the bytes that went out, or the first error. */
static long written(long count) {
    char *buffer = guarded(65536);
    long sent = 0;
    while (sent < count) {
        long piece = write(fd, buffer, count - sent < 65536 ? count - sent : 65536);
        if (piece < 0) return sent ? sent : -1;
        sent += piece;
    }
    return sent;
}

/* Reads until end, error or `count` bytes. */
static long drained(long count) {
    char *buffer = guarded(4096);
    long got = 0;
    while (got < count) {
        long piece = recv(fd, buffer, 4096, 0);
        if (piece < 0) return got ? got : -1;
        if (piece == 0) break;
        got += piece;
    }
    return got;
}

static long named(int (*call)(int, struct sockaddr *, socklen_t *), socklen_t size) {
    socklen_t length = size;
    long result = call(fd, guarded(size), &length);
    return result < 0 ? result : (long)length;
}

static long option(int level, int name, socklen_t size) {
    socklen_t length = size;
    void *value = guarded(size);
    long result = getsockopt(fd, level, name, value, &length);
    if (result == 0 && length > size) abort();
    return result < 0 ? result : (long)length;
}

static long step(const char *name, long number, char **rest) {
    char *buffer;
    struct sockaddr_in *peer = address();
    socklen_t length = sizeof *peer;
    int value = 1;
    if (!strcmp(name, "socket")) return fd = socket(AF_INET, SOCK_STREAM | (number ? SOCK_NONBLOCK : 0), 0);
    if (!strcmp(name, "connect")) return connect(fd, (void *)peer, sizeof *peer);
    if (!strcmp(name, "bind")) return bind(fd, (void *)peer, sizeof *peer);
    if (!strcmp(name, "listen")) return listen(listener = fd, 5);
    if (!strcmp(name, "accept")) {
        int accepted = accept4(listener, (void *)peer, &length, 0);
        if (accepted >= 0) fd = accepted;
        return accepted;
    }
    if (!strcmp(name, "nonblock")) return fcntl(fd, F_SETFL, O_NONBLOCK);
    if (!strcmp(name, "send")) return send(fd, guarded(number), number, MSG_NOSIGNAL);
    if (!strcmp(name, "write")) return written(number);
    if (!strcmp(name, "oob")) return send(fd, guarded(1), 1, MSG_OOB | MSG_NOSIGNAL);
    if (!strcmp(name, "recv")) return recv(fd, guarded(number), number, 0);
    if (!strcmp(name, "recvall")) return recv(fd, guarded(number), number, MSG_WAITALL);
    if (!strcmp(name, "peek")) return recv(fd, guarded(number), number, MSG_PEEK);
    if (!strcmp(name, "discard")) return recv(fd, NULL, number, MSG_TRUNC);
    if (!strcmp(name, "drain")) return drained(number);
    if (!strcmp(name, "recvfrom")) return recvfrom(fd, guarded(number), number, 0, (void *)peer, &length);
    if (!strcmp(name, "poll")) {
        struct pollfd entry = {fd, POLLIN | POLLOUT, 0};
        long result = poll(&entry, 1, number);
        return result < 0 ? result : entry.revents;
    }
    if (!strcmp(name, "pollin")) {
        struct pollfd entry = {fd, POLLIN, 0};
        long result = poll(&entry, 1, number);
        return result < 0 ? result : entry.revents;
    }
    if (!strcmp(name, "select")) return chosen(number);
    if (!strcmp(name, "error")) {
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &length) < 0) return -1;
        return value;
    }
    if (!strcmp(name, "option")) return option(IPPROTO_TCP, TCP_INFO, number);
    if (!strcmp(name, "setoption")) return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value);
    if (!strcmp(name, "timeout")) {
        struct timeval limit = {number / 1000, number % 1000 * 1000};
        return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit)
               | setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    }
    if (!strcmp(name, "sockname")) return named(getsockname, number);
    if (!strcmp(name, "peername")) return named(getpeername, number);
    if (!strcmp(name, "fionread")) return ioctl(fd, FIONREAD, guarded(sizeof(int)));
    if (!strcmp(name, "unread")) return ioctl(fd, FIONREAD, &value) < 0 ? -1 : value;
    if (!strcmp(name, "unsent")) return ioctl(fd, TIOCOUTQ, &value) < 0 ? -1 : value;
    if (!strcmp(name, "bridge")) return ioctl(fd, SIOCGIFBR, guarded(24));
    if (!strcmp(name, "host")) return found();
    if (!strcmp(name, "outq")) return ioctl(fd, TIOCOUTQ, guarded(sizeof(int)));
    if (!strcmp(name, "shutdown")) return shutdown(fd, number);
    if (!strcmp(name, "close")) return close(fd);
    if (!strcmp(name, "closelistener")) return close(listener);
    if (!strcmp(name, "sleep")) return usleep(number * 1000);
    if (!strcmp(name, "resolve")) return resolve();
    if (!strcmp(name, "names")) return names();
    if (!strcmp(name, "alarm")) {
        struct sigaction action = {.sa_handler = nothing};
        sigaction(SIGALRM, &action, NULL);
        /* Again and again: one that comes just outside of a wait is not noticed, as natively. */
        struct itimerval often = {{0, 100000}, {number, 0}};
        return setitimer(ITIMER_REAL, &often, NULL);
    }
    if (!strcmp(name, "sockets")) {
        long made = 0;
        while (made < number && socket(AF_INET, SOCK_STREAM, 0) >= 0) made++;
        return made;
    }
    if (!strcmp(name, "threads")) {
        pthread_t threads[64];
        for (long index = 0; index < number; index++) pthread_create(&threads[index], NULL, asker, NULL);
        for (long index = 0; index < number; index++) pthread_join(threads[index], NULL);
        return 0;
    }
    if (!strcmp(name, "fork")) { /* the rest happens in a child */
        pid_t child = fork();
        if (child == 0) return 0;
        int status;
        waitpid(child, &status, 0);
        if (WIFSIGNALED(status)) {
            signal(WTERMSIG(status), SIG_DFL);
            raise(WTERMSIG(status));
        }
        _exit(WEXITSTATUS(status));
    }
    if (!strcmp(name, "exec")) { /* the rest happens in a program that inherits the descriptor */
        char *arguments[64], text[16];
        int count = 0;
        fcntl(fd, F_SETFD, 0);
        snprintf(text, sizeof text, "fd:%d", fd);
        arguments[count++] = self;
        arguments[count++] = text;
        for (rest++; *rest && count < 63; rest++) arguments[count++] = *rest;
        arguments[count] = NULL;
        execv("/proc/self/exe", arguments);
        return -1;
    }
    if (!strcmp(name, "fd")) return fd = number;
    buffer = guarded(1);
    *buffer = 0;
    fprintf(stderr, "no step %s\n", name);
    _exit(9);
}

int main(int count, char **words) {
    self = words[0];
    signal(SIGPIPE, SIG_IGN);
    for (int index = 1; index < count; index++) {
        char name[32];
        char *colon = strchr(words[index], ':');
        size_t size = colon ? (size_t)(colon - words[index]) : strlen(words[index]);
        if (size >= sizeof name) return 9;
        memcpy(name, words[index], size);
        name[size] = 0;
        errno = 0;
        report(words[index], step(name, colon ? atol(colon + 1) : 0, words + index));
    }
    return 0;
}

// What the hard cases share beyond Tests/Integration/programs/common.h. A case prints only what does not depend on time:
// it waits for what it says with limits of many seconds.
#include "common.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>

// Runs `body` in a child and returns its process id.
#define CHILD(...)                         \
    ({                                      \
        pid_t child_ = must("fork", fork()); \
        if (child_ == 0) {                  \
            __VA_ARGS__;                      \
            _exit(0);                       \
        }                                   \
        child_;                             \
    })

UNUSED static void reap(const char *what, pid_t child) {
    int status = 0;
    must("waitpid", waitpid(child, &status, 0));
    if (WIFSIGNALED(status))
        print("%s: killed by SIG%s\n", what, sigabbrev_np(WTERMSIG(status)));
    else
        print("%s: exit %d\n", what, WEXITSTATUS(status));
}

UNUSED static void say_epoll(const char *what, uint32_t set) {
    print("%s:%s%s%s%s%s%s\n", what, set & EPOLLIN ? " IN" : "", set & EPOLLOUT ? " OUT" : "",
          set & EPOLLPRI ? " PRI" : "", set & EPOLLRDHUP ? " RDHUP" : "", set & EPOLLERR ? " ERR" : "",
          set & EPOLLHUP ? " HUP" : "");
}

UNUSED static void add(int set, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    must("epoll_ctl ADD", epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
}

UNUSED static void modify(int set, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    must("epoll_ctl MOD", epoll_ctl(set, EPOLL_CTL_MOD, fd, &event));
}

// One event of a set within `milliseconds`; 0 if there is none.
UNUSED static uint32_t one(int set, int milliseconds) {
    struct epoll_event event = {0};
    int count = must("epoll_wait", epoll_wait(set, &event, 1, milliseconds));
    return count == 0 ? 0 : event.events;
}

UNUSED static void nonblocking(int fd) { must("fcntl", fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK)); }

// Reads up to end of file, an error or `size` bytes.
UNUSED static long read_all(int fd, void *buffer, long size) {
    long total = 0;
    while (total < size) {
        long got = recv(fd, (char *)buffer + total, size - total, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) break;
        total += got;
    }
    return total;
}

UNUSED static void write_all(int fd, const void *buffer, long size) {
    for (long sent = 0; sent < size;) {
        long got = send(fd, (const char *)buffer + sent, size - sent, MSG_NOSIGNAL);
        if (got < 0 && errno == EINTR) continue;
        sent += must("send", got);
    }
}

// Reads one message and prints it as a string.
UNUSED static void say_text(const char *what, int fd) {
    char text[256];
    long got = recv(fd, text, sizeof text - 1, 0);
    if (got < 0)
        print("%s: %s\n", what, strerrorname_np(errno));
    else
        print("%s: %ld \"%.*s\"\n", what, got, (int)got, text);
}

UNUSED static void tell(int fd, const char *text) { write_all(fd, text, strlen(text)); }

UNUSED static pthread_t thread(void *(*body)(void *), void *argument) {
    pthread_t made;
    if (pthread_create(&made, NULL, body, argument) != 0) exit(93);
    return made;
}

UNUSED static void join(pthread_t other) {
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 20;
    if (pthread_timedjoin_np(other, NULL, &limit) != 0) {
        print("a thread does not end\n");
        _exit(94);
    }
}

UNUSED static int reset_by_linger(int fd) {
    struct linger now = {1, 0};
    must("SO_LINGER", setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now));
    return close(fd);
}

// Whether a process sleeps in the kernel: it is in the call that a test wants to disturb.
UNUSED static void await_sleep(int thread_id) {
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread_id);
    for (int tries = 0; tries < 2000 && state != 'S'; tries++) {
        FILE *file = fopen(path, "r");
        if (!file) break;
        if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) state = 0;
        fclose(file);
        pause_for(5);
    }
    pause_for(50);
}

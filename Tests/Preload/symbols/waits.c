/* Readiness. Each wait finds nothing, then writability, then what arrived. */
#define _GNU_SOURCE
#include "symbols.h"
#include <sys/epoll.h>
#include <sys/select.h>

static int poll_by(void *function, const char *symbol, struct pollfd *entry, int milliseconds) {
    struct timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    if (strcmp(symbol, "ppoll") == 0)
        return ((int (*)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *))function)(entry, 1, &limit, NULL);
    if (strcmp(symbol, "__ppoll_chk") == 0)
        return ((int (*)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t))function)(
            entry, 1, &limit, NULL, sizeof *entry);
    if (strcmp(symbol, "__poll_chk") == 0)
        return ((int (*)(struct pollfd *, nfds_t, int, size_t))function)(entry, 1, milliseconds, sizeof *entry);
    return ((int (*)(struct pollfd *, nfds_t, int))function)(entry, 1, milliseconds);
}

static bool poll_works(void *function, subject *on) {
    struct pollfd entry = {on->near, POLLIN, 0};
    bool works = poll_by(function, on->symbol, &entry, 10) == 0;
    entry.events = POLLIN | POLLOUT;
    works = works && poll_by(function, on->symbol, &entry, 2000) == 1 && entry.revents == POLLOUT;
    entry.events = POLLIN;
    works = works && sends(on->far, "text") && poll_by(function, on->symbol, &entry, 2000) == 1 && entry.revents == POLLIN;
    /* The library shows what its placeholder cannot. */
    int loose = fresh_socket(on);
    entry = (struct pollfd){loose, POLLOUT, 0};
    works = works && poll_by(function, on->symbol, &entry, 2000) == 1 && entry.revents == (POLLOUT | POLLHUP);
    close(loose);
    return works;
}

static int select_by(void *function, const char *symbol, int fd, bool reading, bool writing, int milliseconds) {
    fd_set readable, writable;
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    if (reading) FD_SET(fd, &readable);
    if (writing) FD_SET(fd, &writable);
    struct timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    struct timeval old = {limit.tv_sec, limit.tv_nsec / 1000};
    int count = strcmp(symbol, "pselect") == 0
        ? ((int (*)(int, fd_set *, fd_set *, fd_set *, const struct timespec *, const sigset_t *))function)(
              fd + 1, &readable, &writable, NULL, &limit, NULL)
        : ((int (*)(int, fd_set *, fd_set *, fd_set *, struct timeval *))function)(fd + 1, &readable, &writable, NULL, &old);
    if (count < 0) return -1;
    return (FD_ISSET(fd, &readable) ? 1 : 0) | (FD_ISSET(fd, &writable) ? 2 : 0) | count << 4;
}

static bool select_works(void *function, subject *on) {
    return select_by(function, on->symbol, on->near, true, false, 10) == 0 &&
        select_by(function, on->symbol, on->near, true, true, 2000) == (2 | 1 << 4) && sends(on->far, "text") &&
        select_by(function, on->symbol, on->near, true, false, 2000) == (1 | 1 << 4) &&
        select_by(function, on->symbol, on->near, true, true, 2000) == (3 | 2 << 4);
}

static int wait_for(int epoll, struct epoll_event *event) { return epoll_wait(epoll, event, 1, 2000); }

static bool tells(int epoll, subject *on) {
    struct epoll_event event = {EPOLLIN, {.u64 = 42}};
    bool works = epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, on->near, &event) == 0 && sends(on->far, "text");
    event.data.u64 = 0;
    return works && wait_for(epoll, &event) == 1 && event.events == EPOLLIN && event.data.u64 == 42;
}

static bool epoll_create_works(void *function, subject *on) {
    int epoll = ((int (*)(int))function)(strcmp(on->symbol, "epoll_create") == 0 ? 1 : EPOLL_CLOEXEC);
    bool works = tells(epoll, on);
    close(epoll);
    return works;
}

static bool epoll_ctl_works(void *function, subject *on) {
    int (*call)(int, int, int, struct epoll_event *) = (int (*)(int, int, int, struct epoll_event *))function;
    int epoll = epoll_create1(0);
    struct epoll_event event = {EPOLLIN | EPOLLET, {.u64 = 1}};
    bool works = call(epoll, EPOLL_CTL_ADD, on->near, &event) == 0 && fails(call(epoll, EPOLL_CTL_ADD, on->near, &event), EEXIST);
    works = works && sends(on->far, "a") && wait_for(epoll, &event) == 1 && epoll_wait(epoll, &event, 1, 10) == 0;
    works = works && sends(on->far, "b") && wait_for(epoll, &event) == 1;
    event.events = EPOLLOUT;
    works = works && call(epoll, EPOLL_CTL_MOD, on->near, &event) == 0 && wait_for(epoll, &event) == 1 && event.events == EPOLLOUT;
    works = works && call(epoll, EPOLL_CTL_DEL, on->near, NULL) == 0 && epoll_wait(epoll, &event, 1, 0) == 0;
    close(epoll);
    return works;
}

static bool epoll_wait_works(void *function, subject *on) {
    int epoll = epoll_create1(0);
    struct epoll_event event = {EPOLLIN, {.u64 = 42}};
    struct timespec limit = {2, 0};
    bool works = epoll_ctl(epoll, EPOLL_CTL_ADD, on->near, &event) == 0 && sends(on->far, "text");
    event.data.u64 = 0;
    int count = strcmp(on->symbol, "epoll_wait") == 0 ? ((int (*)(int, struct epoll_event *, int, int))function)(epoll, &event, 1, 2000)
        : strcmp(on->symbol, "epoll_pwait") == 0
        ? ((int (*)(int, struct epoll_event *, int, int, const sigset_t *))function)(epoll, &event, 1, 2000, NULL)
        : ((int (*)(int, struct epoll_event *, int, const struct timespec *, const sigset_t *))function)(epoll, &event, 1, &limit, NULL);
    works = works && count == 1 && event.events == EPOLLIN && event.data.u64 == 42;
    close(epoll);
    return works;
}

const symbol_case wait_cases[] = {
    {"poll __poll ppoll __poll_chk __ppoll_chk", poll_works},
    {"select __select pselect", select_works},
    {"epoll_create epoll_create1", epoll_create_works},
    {"epoll_ctl", epoll_ctl_works},
    {"epoll_wait epoll_pwait epoll_pwait2", epoll_wait_works},
    {NULL, NULL},
};

/* What makes descriptors that are no sockets. One that gets the number of a socket that was closed past the library is not
 * taken for it. */
#define _GNU_SOURCE
#include "symbols.h"
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>

static int make(void *function, const char *symbol) {
    const char *null = "/dev/null";
    sigset_t none;
    sigemptyset(&none);
    if (strncmp(symbol, "__openat", 8) == 0) return ((int (*)(int, const char *, int))function)(AT_FDCWD, null, O_RDWR);
    if (strncmp(symbol, "openat", 6) == 0) return ((int (*)(int, const char *, int, ...))function)(AT_FDCWD, null, O_RDWR);
    if (strstr(symbol, "_2") != NULL) return ((int (*)(const char *, int))function)(null, O_RDWR);
    if (strstr(symbol, "open") != NULL) return ((int (*)(const char *, int, ...))function)(null, O_RDWR);
    if (strncmp(symbol, "creat", 5) == 0) return ((int (*)(const char *, mode_t))function)(null, 0600);
    if (strcmp(symbol, "eventfd") == 0) return ((int (*)(unsigned, int))function)(0, 0);
    if (strcmp(symbol, "timerfd_create") == 0) return ((int (*)(int, int))function)(CLOCK_MONOTONIC, 0);
    if (strcmp(symbol, "signalfd") == 0) return ((int (*)(int, const sigset_t *, int))function)(-1, &none, 0);
    return ((int (*)(const char *, unsigned))function)("memory", 0);
}

static bool is_no_socket(int fd) {
    int value;
    socklen_t size = sizeof value;
    return fails(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size), ENOTSOCK) && fails(send(fd, "x", 1, 0), ENOTSOCK);
}

static bool maker_works(void *function, subject *on) {
    int number = dup(on->near);
    raw_close(number);
    int fd = make(function, on->symbol);
    bool works = fd == number && is_no_socket(fd) && sends(on->near, "text") && arrives(on->far, "text");
    close(fd);
    return works;
}

static bool pipe_works(void *function, subject *on) {
    int number = dup(on->near), pair[2];
    char text[5] = "";
    raw_close(number);
    int result = strcmp(on->symbol, "pipe2") == 0 ? ((int (*)(int *, int))function)(pair, O_CLOEXEC) : ((int (*)(int *))function)(pair);
    bool works = result == 0 && pair[0] == number && is_no_socket(pair[0]) && write(pair[1], "text", 4) == 4;
    works = works && read(pair[0], text, 4) == 4 && strcmp(text, "text") == 0;
    close(pair[0]);
    close(pair[1]);
    return works;
}

static bool fxstat_works(void *function, subject *on) {
    struct stat about, other;
    int (*call)(int, int, struct stat *) = (int (*)(int, int, struct stat *))function;
#if defined(__x86_64__)
    int version = 1;
#else
    int version = 0;
#endif
    return call(version, on->near, &about) == 0 && S_ISSOCK(about.st_mode) && fstat(on->near, &other) == 0 &&
        about.st_ino == other.st_ino;
}

static bool prctl_works(void *function, subject *on) {
    int (*call)(int, ...) = (int (*)(int, ...))function;
    char before[16], after[16];
    bool works = call(PR_GET_NAME, before) == 0 && call(PR_SET_NAME, "renamed") == 0 && call(PR_GET_NAME, after) == 0;
    works = works && strcmp(after, "renamed") == 0 && call(PR_SET_NAME, before) == 0 && fails(call(4711, 0L, 0L, 0L, 0L), EINVAL);
    return works && sends(on->near, "text") && arrives(on->far, "text");
}

const symbol_case maker_cases[] = {
    {"open open64 __open __open64 openat openat64 __open_2 __open64_2 __openat_2 __openat64_2 creat creat64 eventfd "
     "timerfd_create signalfd memfd_create",
     maker_works},
    {"pipe __pipe pipe2", pipe_works},
    {"__fxstat __fxstat64", fxstat_works},
    {"prctl", prctl_works},
    {NULL, NULL},
};

/* What makes descriptors of other kinds, under the number of a socket that was closed where no library sees it; filters
 * of system calls; asynchronous input and output. */
#define _GNU_SOURCE
#include "symbols.h"
#include <aio.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

static void close_unseen(subject *on) {
    int fd = on->near, lower;
    on->near = -1;
    /* The next number is to be this one. */
    while ((lower = dup(2)) < fd) {
    }
    close(lower);
#if defined(__x86_64__)
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "0"(SYS_close), "D"(fd) : "rcx", "r11", "memory");
#else
    close(fd);
#endif
}

/* The number was the socket's, and is none any more. */
static bool is_new(int fd, int number) {
    bool works = fd == number && fails(send(fd, "x", 1, MSG_NOSIGNAL), ENOTSOCK);
    close(fd);
    return works;
}

#define MAKES(name, type, arguments)                          \
    static bool name##_works(void *function, subject *on) {   \
        int number = on->near;                                \
        close_unseen(on);                                     \
        return is_new(((int (*)type)function)arguments, number); \
    }

MAKES(open, (const char *, int, ...), ("/dev/null", O_RDWR))
MAKES(openat, (int, const char *, int, ...), (AT_FDCWD, "/dev/null", O_RDWR))
MAKES(open_2, (const char *, int), ("/dev/null", O_RDWR))
MAKES(openat_2, (int, const char *, int), (AT_FDCWD, "/dev/null", O_RDWR))
MAKES(creat, (const char *, mode_t), ("/dev/null", 0600))
MAKES(eventfd, (unsigned, int), (0, 0))
MAKES(timerfd_create, (int, int), (CLOCK_MONOTONIC, 0))
MAKES(memfd_create, (const char *, unsigned), ("case", 0))

static bool signalfd_works(void *function, subject *on) {
    int number = on->near;
    sigset_t mask;
    sigemptyset(&mask);
    close_unseen(on);
    return is_new(((int (*)(int, const sigset_t *, int))function)(-1, &mask, 0), number);
}

static bool is_pipe(int result, int pair[2], int number) {
    char byte;
    bool works = result == 0 && write(pair[1], "p", 1) == 1 && read(pair[0], &byte, 1) == 1;
    close(pair[1]);
    return is_new(pair[0], number) && works;
}

static bool pipe_works(void *function, subject *on) {
    int pair[2], number = on->near;
    close_unseen(on);
    return is_pipe(((int (*)(int *))function)(pair), pair, number);
}

static bool pipe2_works(void *function, subject *on) {
    int pair[2], number = on->near;
    close_unseen(on);
    return is_pipe(((int (*)(int *, int))function)(pair, O_CLOEXEC), pair, number);
}

static bool prctl_works(void *function, subject *on) {
    char name[16] = "";
    int (*call)(int, ...) = (int (*)(int, ...))function;
    bool works = call(PR_GET_NAME, name, 0, 0, 0) == 0 && name[0] != 0;
    /* SECCOMP_MODE_FILTER without a filter. */
    works = works && fails(call(PR_SET_SECCOMP, 2, NULL, 0, 0), EFAULT);
    return works && sends(on->near, "text") && arrives(on->far, "text");
}

static bool is_done(struct aiocb *request, long result) {
    const struct aiocb *list[] = {request};
    struct timespec limit = {10, 0};
    return aio_suspend(list, 1, &limit) == 0 && aio_error(request) == 0 && aio_return(request) == result;
}

static bool aio_read_works(void *function, subject *on) {
    char buffer[8] = "";
    struct aiocb request = {.aio_fildes = on->near, .aio_buf = buffer, .aio_nbytes = 4};
    return ((int (*)(struct aiocb *))function)(&request) == 0 && sends(on->far, "text") && is_done(&request, 4) &&
        strcmp(buffer, "text") == 0;
}

static bool aio_write_works(void *function, subject *on) {
    struct aiocb request = {.aio_fildes = on->near, .aio_buf = "text", .aio_nbytes = 4};
    return ((int (*)(struct aiocb *))function)(&request) == 0 && is_done(&request, 4) && arrives(on->far, "text");
}

static bool lio_listio_works(void *function, subject *on) {
    struct aiocb request = {
        .aio_fildes = on->near, .aio_buf = "text", .aio_nbytes = 4, .aio_lio_opcode = LIO_WRITE};
    struct aiocb *list[] = {&request};
    int (*call)(int, struct aiocb *const *, int, void *) = (int (*)(int, struct aiocb *const *, int, void *))function;
    return call(LIO_WAIT, list, 1, NULL) == 0 && is_done(&request, 4) && arrives(on->far, "text");
}

const symbol_case number_cases[] = {
    {"open open64 __open __open64", open_works},
    {"openat openat64", openat_works},
    {"__open_2 __open64_2", open_2_works},
    {"__openat_2 __openat64_2", openat_2_works},
    {"creat creat64", creat_works},
    {"pipe __pipe", pipe_works},
    {"pipe2", pipe2_works},
    {"eventfd", eventfd_works},
    {"timerfd_create", timerfd_create_works},
    {"signalfd", signalfd_works},
    {"memfd_create", memfd_create_works},
    {"prctl", prctl_works},
    {"aio_read aio_read64", aio_read_works},
    {"aio_write aio_write64", aio_write_works},
    {"lio_listio lio_listio64", lio_listio_works},
    {NULL, NULL},
};

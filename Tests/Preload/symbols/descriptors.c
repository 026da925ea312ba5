/* What closes, copies and controls descriptors, or tells what they are. */
#define _GNU_SOURCE
#include "symbols.h"
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>

static bool close_works(void *function, subject *on) {
    char byte;
    int (*call)(int) = (int (*)(int))function;
    int fd = on->near;
    on->near = -1;
    return call(fd) == 0 && recv(on->far, &byte, 1, 0) == 0 && fails(call(fd), EBADF);
}

static bool close_from(void *function, subject *on) {
    ((void (*)(int))function)(3);
    bool works = fails(fcntl(on->near, F_GETFD), EBADF) && fails(write(on->near, "x", 1), EBADF);
    /* What the library needs for itself is still there. */
    return works && fresh_socket(on) == 3;
}

static bool closefrom_works(void *function, subject *on) {
    return in_child(close_from, function, on) && sends(on->near, "text") && arrives(on->far, "text");
}

static bool close_a_range(void *function, subject *on) {
    int (*call)(unsigned, unsigned, int) = (int (*)(unsigned, unsigned, int))function;
    bool works = call(on->near, on->near, 4 /* CLOSE_RANGE_CLOEXEC */) == 0 && fcntl(on->near, F_GETFD) == FD_CLOEXEC;
    works = works && sends(on->near, "text") && arrives(on->far, "text") && call(3, ~0u, 0) == 0;
    works = works && fails(write(on->near, "x", 1), EBADF) && fails(call(5, 4, 0), EINVAL);
    return works && fresh_socket(on) == 3;
}

static bool close_range_works(void *function, subject *on) {
    return in_child(close_a_range, function, on) && sends(on->near, "text") && arrives(on->far, "text");
}

/* A copy is the same socket, and takes no number that is in use. */
static bool is_copy(int copy, subject *on) {
    bool works = copy > 2 && copy != on->near && sends(copy, "text") && arrives(on->far, "text");
    close(copy);
    return works && sends(on->near, "more") && arrives(on->far, "more");
}

static bool dup_works(void *function, subject *on) { return is_copy(((int (*)(int))function)(on->near), on); }

static bool dup2_works(void *function, subject *on) {
    int (*call)(int, int) = (int (*)(int, int))function;
    int taken = open("/dev/null", O_RDONLY), other = fresh_socket(on);
    bool works = call(on->near, on->near) == on->near && call(on->near, other) == other && call(on->near, taken) == taken;
    close(other);
    works = works && is_copy(taken, on) && fails(call(4711, taken), EBADF);
    /* What is no socket takes a socket's place. */
    int null = open("/dev/null", O_WRONLY), place = dup(on->near);
    works = works && call(null, place) == place && write(place, "lost", 4) == 4 && sends(on->near, "text") && arrives(on->far, "text");
    close(null);
    close(place);
    return works;
}

static bool dup3_works(void *function, subject *on) {
    int (*call)(int, int, int) = (int (*)(int, int, int))function;
    int taken = open("/dev/null", O_RDONLY);
    return call(on->near, taken, O_CLOEXEC) == taken && fcntl(taken, F_GETFD) == FD_CLOEXEC && is_copy(taken, on) &&
        fails(call(on->near, on->near, 0), EINVAL);
}

static bool fcntl_works(void *function, subject *on) {
    int (*call)(int, int, ...) = (int (*)(int, int, ...))function;
    char byte;
    int copy = call(on->near, F_DUPFD_CLOEXEC, 100);
    bool works = copy >= 100 && call(copy, F_GETFD) == FD_CLOEXEC && call(copy, F_SETFL, O_NONBLOCK) == 0;
    /* Of the socket, not of the descriptor. */
    works = works && call(on->near, F_GETFL) & O_NONBLOCK && fails(recv(on->near, &byte, 1, 0), EAGAIN);
    works = works && call(on->near, F_SETFL, 0) == 0 && is_copy(copy, on);
    copy = call(on->near, F_DUPFD, 3);
    return works && is_copy(copy, on) && fails(call(on->near, 4711), EINVAL);
}

static bool ioctl_works(void *function, subject *on) {
    int (*call)(int, unsigned long, ...) = (int (*)(int, unsigned long, ...))function;
    int value = -1;
    bool works = sends(on->far, "text") && recv(on->near, (char[4]){0}, 4, MSG_PEEK | MSG_WAITALL) == 4;
    works = works && call(on->near, FIONREAD, &value) == 0 && value == 4 && call(on->near, SIOCOUTQ, &value) == 0 && value == 0;
    works = works && recv(on->near, (char[4]){0}, 4, MSG_WAITALL) == 4;
    value = 1;
    works = works && call(on->near, FIONBIO, &value) == 0 && fcntl(on->near, F_GETFL) & O_NONBLOCK;
    works = works && fails(recv(on->near, &value, 1, 0), EAGAIN) && call(on->near, FIOCLEX) == 0;
    works = works && fcntl(on->near, F_GETFD) == FD_CLOEXEC && call(on->near, FIOASYNC, &value) == 0;
    works = works && fcntl(on->near, F_GETFL) & O_ASYNC;
    return works && fails(call(on->near, TIOCGWINSZ, &value), ENOTTY);
}

static bool pidfd_getfd_works(void *function, subject *on) {
    int self = pidfd_open(getpid(), 0);
    int fd = ((int (*)(int, int, unsigned))function)(self, on->near, 0);
    close(self);
    /* A container may forbid it. */
    return fd < 0 ? errno == EPERM : is_copy(fd, on);
}

static bool isatty_works(void *function, subject *on) { return ((int (*)(int))function)(on->near) == 0 && errno == ENOTTY; }

static bool lseek_works(void *function, subject *on) {
    return fails(((off_t(*)(int, off_t, int))function)(on->near, 0, SEEK_CUR), ESPIPE);
}

static bool fstat_works(void *function, subject *on) {
    struct stat about, other;
    int (*call)(int, struct stat *) = (int (*)(int, struct stat *))function;
    int copy = dup(on->near);
    bool works = call(on->near, &about) == 0 && S_ISSOCK(about.st_mode) && call(copy, &other) == 0 && about.st_ino == other.st_ino;
    close(copy);
    return works && call(on->far, &other) == 0 && about.st_ino != other.st_ino;
}

static bool getdtablesize_works(void *function, subject *on) {
    (void)on;
    return ((int (*)(void))function)() == sysconf(_SC_OPEN_MAX);
}

const symbol_case descriptor_cases[] = {
    {"close __close", close_works},
    {"closefrom", closefrom_works},
    {"close_range", close_range_works},
    {"dup", dup_works},
    {"dup2 __dup2", dup2_works},
    {"dup3", dup3_works},
    {"fcntl fcntl64 __fcntl", fcntl_works},
    {"ioctl", ioctl_works},
    {"pidfd_getfd", pidfd_getfd_works},
    {"isatty", isatty_works},
    {"lseek lseek64 __lseek", lseek_works},
    {"fstat fstat64", fstat_works},
    {"getdtablesize", getdtablesize_works},
    {NULL, NULL},
};

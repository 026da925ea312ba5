// "Close everything" in its forms, after which a program goes on to use sockets.
#define _GNU_SOURCE
#include "cases.h"
#include <linux/close_range.h>

static int kept_pipe[2];

static void after(const char *what, int fd) {
    print("%s: ", what);
    say("the old one", fcntl(fd, F_GETFD));
    int ends[2];
    both_ends(ends);
    tell(ends[0], "a new one");
    say_text("  works", ends[1]);
    print("  lowest numbers: %d %d\n", ends[0] < 10, ends[1] < 10);
}

static void loop(int fd) {
    int limit = sysconf(_SC_OPEN_MAX);
    for (int each = 3; each < (limit < 20000 ? limit : 20000); each++) close(each);
    after("for close", fd);
}

static void directory(int fd) {
    // As many programs do it: what /proc/self/fd lists.
    char path[32];
    struct stat status;
    for (int each = 3; each < 20000; each++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", each);
        if (lstat(path, &status) == 0) close(each);
    }
    after("close of /proc/self/fd", fd);
}

static void errors(int fd) {
    // close of what is not open is EBADF, of everything from 3 to 20000 but what is.
    int good = 0;
    for (int each = 3; each < 20000; each++) good += close(each) == 0;
    print("closed without an error: %s\n", good >= 2 ? "the program's" : "too few");
    after("errors", fd);
}

static void range(int fd) {
    say("close_range", close_range(3, ~0U, 0));
    after("close_range", fd);
}

static void unshare_range(int fd) {
    say("close_range", close_range(3, ~0U, CLOSE_RANGE_UNSHARE));
    after("CLOSE_RANGE_UNSHARE", fd);
}

static void from(int fd) {
    closefrom(3);
    after("closefrom", fd);
}

static void twice(int fd) {
    closefrom(3);
    int ends[2];
    both_ends(ends);
    closefrom(3);
    after("closefrom twice", fd);
}

static void raw(int fd) {
    // Past every library.
    for (int each = 3; each < 20000; each++) {
        long result;
        __asm__ volatile("syscall" : "=a"(result) : "0"(SYS_close), "D"(each) : "rcx", "r11", "memory");
    }
    after("raw close", fd);
}

static void try(void (*body)(int)) {
    int ends[2];
    char byte;
    both_ends(ends);
    pid_t child = CHILD({
        int inner[2];
        both_ends(inner);
        body(ends[0]);
    });
    close(ends[0]);
    reap("child", child);
    await(ends[1], POLLIN);
    say("its peer", recv(ends[1], &byte, 1, 0));
    close(ends[1]);
}

int main(void) {
    must("pipe", pipe(kept_pipe));
    try(loop);
    try(directory);
    try(errors);
    try(range);
    try(unshare_range);
    try(from);
    try(twice);
    try(raw);

    int ends[2];
    both_ends(ends);
    say("close-on-exec for all", close_range(3, ~0U, CLOSE_RANGE_CLOEXEC));
    print("flags %d %d\n", fcntl(ends[0], F_GETFD), fcntl(ends[1], F_GETFD));
    tell(ends[0], "open still");
    say_text("peer", ends[1]);
    say("an empty range", close_range(9, 8, 0));
    say("unknown flags", close_range(3, 4, 64));
    return done();
}

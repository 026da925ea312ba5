// Running a call step by step under ptrace(2), and blocks of bytes that show whether they came whole and once.
#include "common.h"

#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>

enum { SIZE = 600 };

struct block {
    unsigned from, number;
    unsigned char rest[SIZE - 8];
};

UNUSED static void make(struct block *block, unsigned from, unsigned number) {
    block->from = from;
    block->number = number;
    for (unsigned at = 0; at < sizeof block->rest; at++)
        block->rest[at] = (unsigned char)(number * 31 + at * (2 * from + 3));
}

// Whether it is, from beginning to end, the block that it begins as.
UNUSED static int is_whole(const struct block *block) {
    struct block expected;
    make(&expected, block->from, block->number);
    return memcmp(&expected, block, sizeof expected) == 0;
}

// Stops the calling thread for its tracer.
UNUSED static void trap(void) {
#if defined(__x86_64__)
    __asm__ volatile("int3" ::: "memory");
#endif
}

// Lets a thread go on, and waits until it stops. Ends the program where that ends.
UNUSED static void go_on(pid_t thread, int request, int signal) {
    int status;
    must("ptrace", ptrace(request, thread, 0, (long)signal));
    must("waitpid", waitpid(thread, &status, __WALL));
    if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP) return;
    if (WIFEXITED(status)) exit(WEXITSTATUS(status));
    print("stopped by %d\n", WIFSTOPPED(status) ? WSTOPSIG(status) : WTERMSIG(status));
    kill(thread, SIGKILL);
    exit(96);
}

UNUSED static long place(pid_t thread) {
#if defined(__x86_64__)
    return ptrace(PTRACE_PEEKUSER, thread, offsetof(struct user_regs_struct, rip), 0);
#else
    return 0;
#endif
}

// Memory of all processes that are forked from here on.
UNUSED static void *shared_memory(size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) exit(94);
    return memory;
}

// A listener at a port that is known: version 1 of the protocol does not tell what the kernel chose.
UNUSED static int known_listener(int *port) {
    int listener = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    *port = 20000 + getpid() % 10000;
    struct sockaddr_in place = loopback(*port);
    while (bind(listener, (struct sockaddr *)&place, sizeof place) < 0) place = loopback(++*port);
    must("listen", listen(listener, 1));
    return listener;
}

// Both ends of a connection of this program with itself, or of datagrams, which nothing holds back.
UNUSED static void open_ends(int datagrams, int *out, int *in) {
    if (datagrams) {
        struct sockaddr_in address = loopback(0);
        *in = must("socket", socket(AF_INET, SOCK_DGRAM, 0));
        *out = must("socket", socket(AF_INET, SOCK_DGRAM, 0));
        must("bind", bind(*in, (struct sockaddr *)&address, sizeof address));
        must("connect", connect_on(*out, port_of(*in)));
        return;
    }
    int port, listener = known_listener(&port);
    *out = connected(port);
    *in = must("accept", accept(listener, NULL, NULL));
    close(listener);
    setsockopt(*out, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
}

// io_uring.c PORT: says "hello" to a peer through io_uring by system calls of its own, or through send() where the kernel
// has no io_uring for it.
#include "common.h"
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

// Not through libc, as liburing does it.
static long raw(long number, long a, long b, long c, long d, long e) {
#if defined(__x86_64__)
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = 0;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
#else
    register long result __asm__("x0") = a;
    register long x8 __asm__("x8") = number;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    __asm__ volatile("svc 0" : "+r"(result) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
#endif
    if (result >= 0) return result;
    errno = -result;
    return -1;
}

static long through_ring(int ring, struct io_uring_params *about, int fd, const char *text) {
    size_t size = about->sq_off.array + about->sq_entries * 4;
    size_t other = about->cq_off.cqes + about->cq_entries * sizeof(struct io_uring_cqe);
    if (other > size) size = other;
    char *rings = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    struct io_uring_sqe *entry = mmap(NULL, about->sq_entries * sizeof *entry, PROT_READ | PROT_WRITE, MAP_SHARED, ring,
                                      IORING_OFF_SQES);
    if (rings == MAP_FAILED || (void *)entry == MAP_FAILED) return -1;
    memset(entry, 0, sizeof *entry);
    entry->opcode = IORING_OP_SEND;
    entry->fd = fd;
    entry->addr = (unsigned long)text;
    entry->len = strlen(text);
    *(unsigned *)(rings + about->sq_off.array) = 0;
    __atomic_store_n((unsigned *)(rings + about->sq_off.tail), 1, __ATOMIC_RELEASE);
    must("io_uring_enter", raw(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0));
    return ((struct io_uring_cqe *)(rings + about->cq_off.cqes))->res;
}

int main(int argc UNUSED, char **argv) {
    int fd = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in peer = loopback(atoi(argv[1]));
    must("connect", connect(fd, (void *)&peer, sizeof peer));
    struct io_uring_params about = {0};
    int ring = raw(SYS_io_uring_setup, 4, (long)&about, 0, 0, 0);
    print("io_uring_setup: %s\n", ring < 0 ? strerrorname_np(errno) : "a ring");
    print("sent: %ld\n", ring < 0 ? (long)send(fd, "hello", 5, 0) : through_ring(ring, &about, fd, "hello"));
    shutdown(fd, SHUT_WR);
    char end;
    say("the end", read(fd, &end, 1));
    return done();
}

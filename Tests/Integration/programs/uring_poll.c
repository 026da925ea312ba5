// uring_poll.c: waits for a connection of its own by io_uring's poll, by system calls of its own.
#include "common.h"
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static int ring;
static struct io_uring_params about;
static char *rings;
static struct io_uring_sqe *entries;

static void ask(int fd, unsigned events, unsigned long name) {
    unsigned *tail = (unsigned *)(rings + about.sq_off.tail), at = *tail & (about.sq_entries - 1);
    memset(&entries[at], 0, sizeof *entries);
    entries[at].opcode = IORING_OP_POLL_ADD;
    entries[at].fd = fd;
    entries[at].poll32_events = events;
    entries[at].user_data = name;
    ((unsigned *)(rings + about.sq_off.array))[at] = at;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    must("io_uring_enter", syscall(SYS_io_uring_enter, ring, 1, 0, 0, NULL, 0));
}

// Prints the completions that are there within `milliseconds`.
static void tell_completions(const char *what, int milliseconds) {
    unsigned *head = (unsigned *)(rings + about.cq_off.head), *tail = (unsigned *)(rings + about.cq_off.tail);
    for (int waited = 0; waited < milliseconds && __atomic_load_n(tail, __ATOMIC_ACQUIRE) == *head; waited++)
        pause_for(1);
    if (__atomic_load_n(tail, __ATOMIC_ACQUIRE) == *head) print("%s: nothing\n", what);
    while (__atomic_load_n(tail, __ATOMIC_ACQUIRE) != *head) {
        struct io_uring_cqe *done = (struct io_uring_cqe *)(rings + about.cq_off.cqes) + (*head & (about.cq_entries - 1));
        print("%s: %d%s%s\n", what, (int)done->user_data, done->res & POLLIN ? " IN" : "",
              done->res & POLLOUT ? " OUT" : "");
        __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
    }
}

int main(void) {
    int ends[2];
    char buffer[16];
    both_ends(ends);
    ring = must("io_uring_setup", syscall(SYS_io_uring_setup, 4, &about));
    size_t size = about.sq_off.array + about.sq_entries * 4;
    size_t other = about.cq_off.cqes + about.cq_entries * sizeof(struct io_uring_cqe);
    rings = mmap(NULL, size > other ? size : other, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    entries = mmap(NULL, about.sq_entries * sizeof *entries, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
    ask(ends[0], POLLIN, 1);
    tell_completions("quiet", 100);
    must("send", send(ends[1], "data", 4, 0));
    tell_completions("data", 10000);
    say("recv", recv(ends[0], buffer, sizeof buffer, 0));
    ask(ends[0], POLLIN, 2);
    tell_completions("taken", 100);
    ask(ends[0], POLLOUT, 3);
    tell_completions("room", 10000);
    close(ends[1]);
    tell_completions("the end", 10000);
    say("recv", recv(ends[0], buffer, sizeof buffer, 0));
    int server = listener();
    ask(server, POLLIN, 4);
    tell_completions("no connection", 100);
    connected(port_of(server));
    tell_completions("a connection", 10000);
    say("accept", accept(server, NULL, NULL) < 0 ? -1 : 0);
    return done();
}

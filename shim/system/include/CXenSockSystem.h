/* Kernel types, raw system calls and errno for Swift code that may not call libc's functions: the preload library
 * exports many of their names, so a call would come back to itself. */
#ifndef CXENSOCK_SYSTEM_H
#define CXENSOCK_SYSTEM_H

/* No _GNU_SOURCE: the ordinary build shares these headers' types with Swift's Glibc module, which has none. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnullability-completeness"

/* What the headers define only under _GNU_SOURCE. */
enum { XS_POLLRDHUP = 0x2000 };
#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#define F_SEAL_SEAL 0x0001
#define F_SEAL_SHRINK 0x0002
#define F_SEAL_GROW 0x0004
#endif

/* A system call with up to six arguments. Returns the kernel's value: -4095..-1 are negative errno values. */
static inline long xs_syscall(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#else
#error "XenSock knows the system call convention of x86-64 and arm64 only"
#endif
}

/* The calls that wait, through libc where the preload library has found them, so that they are cancellation points;
 * otherwise (null) raw. Set once, before the first wait. */
struct xs_waiting_calls {
    ssize_t (*recv)(int, void *, size_t, int);
    int (*ppoll)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
    ssize_t (*recvmsg)(int, struct msghdr *, int);
    ssize_t (*sendmsg)(int, const struct msghdr *, int);
};
extern struct xs_waiting_calls xs_waiting_calls;

/* This thread's lock tag: session id in the upper half, thread id in the lower. 0: not known yet. */
extern __thread uint64_t xs_thread_tag __attribute__((tls_model("initial-exec")));
static inline uint64_t xs_get_thread_tag(void) { return xs_thread_tag; }
static inline void xs_set_thread_tag(uint64_t tag) { xs_thread_tag = tag; }

/* The copy to a data ring that this thread has under way, or null: what a signal handler finds that interrupts it. */
extern __thread void *xs_unpublished_send __attribute__((tls_model("initial-exec")));
static inline void *_Nullable xs_get_unpublished_send(void) { return xs_unpublished_send; }
static inline void xs_set_unpublished_send(void *_Nullable send) {
    xs_unpublished_send = send;
    __asm__ volatile("" ::: "memory");  // before whatever follows, for a signal handler
}

/* Likewise, the record of a datagram socket. */
extern __thread void *xs_unpublished_record __attribute__((tls_model("initial-exec")));
static inline void *_Nullable xs_get_unpublished_record(void) { return xs_unpublished_record; }
static inline void xs_set_unpublished_record(void *_Nullable record) {
    xs_unpublished_record = record;
    __asm__ volatile("" ::: "memory");
}

/* The direction locks that this thread's calls hold, the innermost last: more than one only in signal handlers. A handler
 * may interrupt the thread at any instruction, take and release locks itself, and leave by a jump. So what is held says
 * one word, `top`, by one store: the number of locks in its upper 16 bits, and in the lower 48 the stack pointer of the
 * innermost one's call. An entry's contents come behind that store, its `word` last, and go before the entry does. */
enum { XS_HELD_LOCKS = 4, XS_HELD_SHIFT = 48 };
struct xs_held_lock {
    /* The lock; null while the entry is being filled or given up: then the lock is not held yet, or no more. */
    void *_Nullable word;
    /* `top` as it was before. Stored ahead of the new one: a handler that takes the entry in between stores the same. */
    uint64_t below;
    /* What was unpublished before: the copies of calls further out. */
    void *_Nullable send;
    void *_Nullable record;
    /* The placeholder of a sender, else -1. */
    int32_t fd;
};
struct xs_held_locks {
    uint64_t top;
    struct xs_held_lock locks[XS_HELD_LOCKS];
};
extern __thread struct xs_held_locks xs_held_locks __attribute__((tls_model("initial-exec")));

/* The caller's, which must not be that of a function of C between: inlined without fail. */
__attribute__((always_inline)) static inline uintptr_t xs_stack_pointer(void) {
    uintptr_t pointer;
#if defined(__x86_64__)
    __asm__ volatile("mov %%rsp, %0" : "=r"(pointer));
#else
    __asm__ volatile("mov %0, sp" : "=r"(pointer));
#endif
    return pointer;
}

static inline uint64_t xs_held_top(void) { return xs_held_locks.top; }
static inline uint32_t xs_held_count(uint64_t top) { return (uint32_t)(top >> XS_HELD_SHIFT); }
static inline uintptr_t xs_held_frame(uint64_t top) {
    return (uintptr_t)(top & (((uint64_t)1 << XS_HELD_SHIFT) - 1));
}
/* The innermost entry of `top`, which counts 1 to XS_HELD_LOCKS. */
static inline struct xs_held_lock *_Nonnull xs_held_entry(uint64_t top) {
    return &xs_held_locks.locks[xs_held_count(top) - 1];
}

/* Before the lock is taken: a jump out of a handler may come at any time. Locks beyond those that have entries are only
 * counted. Inlined without fail, or the stack pointer would be below that of whoever has the lock. */
__attribute__((always_inline)) static inline void xs_push_held(void *_Nonnull word, int32_t fd) {
    uint64_t top = xs_held_locks.top;
    uint32_t count = xs_held_count(top);
    if (count >= XS_HELD_LOCKS) {
        xs_held_locks.top = top + ((uint64_t)1 << XS_HELD_SHIFT);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        return;
    }
    struct xs_held_lock *entry = &xs_held_locks.locks[count];
    entry->below = top;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    xs_held_locks.top = (uint64_t)(count + 1) << XS_HELD_SHIFT | xs_held_frame(xs_stack_pointer());
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    entry->send = xs_unpublished_send;
    entry->record = xs_unpublished_record;
    entry->fd = fd;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    entry->word = word;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Behind the release of the innermost lock, by the call that pushed it. */
static inline void xs_pop_held(void) {
    uint64_t top = xs_held_locks.top;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    /* It was taken for one of a call that was left. */
    if (top == 0) return;
    if (xs_held_count(top) > XS_HELD_LOCKS) {
        xs_held_locks.top = top - ((uint64_t)1 << XS_HELD_SHIFT);
    } else {
        xs_held_entry(top)->word = 0;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        xs_held_locks.top = xs_held_entry(top)->below;
    }
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Likewise, by whoever finds that call gone; a handler may be about the same, and then `top` is another. */
static inline void xs_drop_held(uint64_t top) {
    uint64_t below = xs_held_entry(top)->below;
    if (xs_held_locks.top == top) xs_held_entry(top)->word = 0;
    __atomic_compare_exchange_n(&xs_held_locks.top, &top, below, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Whether the call whose stack pointer was `frame` may still be there, below signal handlers of this thread that are
 * running. 0: it was left by a jump. */
int xs_is_frame_alive(uintptr_t frame);

/* The frontend's roots: where its tables are mapped (0: not yet), and what the environment said when the process
 * started; copied, because programs overwrite their environment. */
enum { XS_UNPROBED = 1, XS_UNMASKED = 2 };
struct xs_process_state {
    uint64_t region;
    uint64_t session;
    uint64_t watches;
    /* 1: one of them may be of a socket whose HUP the kernel does not see (Frontend/UnseenHangups.swift). */
    uint32_t unseen_watches;
    uint32_t reported;
    uint32_t quiet;
    /* What XENSOCK_DIALECT says: 0 xensock2 (also without it), 1 pvcalls1, 2 draft1; another number: no dialect. */
    uint32_t dialect;
    int32_t lifeline;
    /* 1: LD_PRELOAD named this library when the process started. */
    uint32_t preloaded;
    /* A filter of system calls leaves hardly more than read, write, poll and ppoll (Frontend/Confinement.swift). */
    uint32_t locked_in;
    /* Not 0: a filter forbids what `xs_probe_page` and `xs_is_frame_alive` ask the kernel with: both say yes then.
     * XS_UNMASKED: and the blocking of signals. */
    uint32_t unprobed;
    /* The variables of the environment that the library needs, one behind the other, and how many. */
    uint32_t kept_count;
    char kept_environment[2048];
    /* 1: every socket begins with END-WANTED. */
    uint32_t wants_ends;
    char socket_path[108];
    char user_socket_path[108];
    /* The names of AF_UNIX sockets that are the backend domain's (Frontend/UnixSockets.swift), and their length. */
    uint32_t unix_length;
    char unix_names[1024];
};
extern struct xs_process_state xs_process_state;
static inline struct xs_process_state *_Nonnull xs_get_process_state(void) { return &xs_process_state; }

/* Calls that wait, and on which descriptor (Frontend/Holds.swift). */
enum { XS_HOLDS = 256 };
struct xs_hold {
    /* The thread, 0: free. */
    uint32_t thread;
    /* The descriptor, or what has become of it; -1 without one. */
    uint32_t descriptor;
    int32_t duplicate;
    uintptr_t frame;
};
extern struct xs_hold xs_holds[XS_HOLDS];
extern uint32_t xs_hold_count;
static inline struct xs_hold *_Nonnull xs_get_holds(void) { return xs_holds; }
static inline uint32_t *_Nonnull xs_get_hold_count(void) { return &xs_hold_count; }

/* recv through `xs_waiting_calls`. Returns a negative errno on failure. */
static inline long xs_wait_recv(int fd, void *buffer, size_t size, int flags) {
    if (!xs_waiting_calls.recv) return xs_syscall(SYS_recvfrom, fd, (long)buffer, (long)size, flags, 0, 0);
    int saved = errno;
    long result = xs_waiting_calls.recv(fd, buffer, size, flags);
    if (result < 0) {
        result = -errno;
        errno = saved;
    }
    return result;
}

/* ppoll on one descriptor through `xs_waiting_calls`; a negative `nanoseconds` waits for ever. Returns the received
 * events, 0 at the time limit, or a negative errno. */
static inline long xs_wait_poll(int fd, short events, long long nanoseconds) {
    struct pollfd entry = {fd, events, 0};
    struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    struct timespec *timeout = nanoseconds < 0 ? NULL : &limit;
    long result;
    if (xs_waiting_calls.ppoll) {
        int saved = errno;
        result = xs_waiting_calls.ppoll(&entry, 1, timeout, NULL);
        if (result < 0) {
            result = -errno;
            errno = saved;
        }
    } else {
        result = xs_syscall(SYS_ppoll, (long)&entry, 1, (long)timeout, 0, 0, 0);
    }
    return result > 0 ? entry.revents : result;
}

/* The same for a process whose filter leaves read and write: vector by vector, until one is not moved whole. */
static inline long xs_move_vectors(int fd, struct iovec *vectors, size_t count, int flags, int sends) {
    long moved = 0;
    for (size_t index = 0; index < count; index++) {
        long size = (long)vectors[index].iov_len;
        if (size == 0) continue;
        struct pollfd entry = {fd, sends ? POLLOUT : POLLIN, 0};
        struct timespec now = {0, 0};
        /* A read that follows must not wait for more, and MSG_DONTWAIT none. */
        if ((flags & MSG_DONTWAIT || (moved > 0 && !sends)) &&
            xs_syscall(SYS_ppoll, (long)&entry, 1, (long)&now, 0, 0, 0) == 0)
            return moved > 0 ? moved : -EAGAIN;
        long result = xs_syscall(sends ? SYS_write : SYS_read, fd, (long)vectors[index].iov_base, size, 0, 0, 0);
        if (result < 0) return moved > 0 ? moved : result;
        moved += result;
        if (result < size) break;
    }
    return moved;
}

/* recvmsg, or sendmsg if `sends`, of vectors alone through `xs_waiting_calls`. Returns a negative errno on failure. */
static inline long xs_wait_message(int fd, struct iovec *vectors, size_t count, int flags, int sends) {
    if (xs_process_state.locked_in && !(flags & ~(MSG_NOSIGNAL | MSG_DONTWAIT)))
        return xs_move_vectors(fd, vectors, count, flags, sends);
    struct msghdr message = {0};
    message.msg_iov = vectors;
    message.msg_iovlen = count;
    if (sends ? !xs_waiting_calls.sendmsg : !xs_waiting_calls.recvmsg)
        return xs_syscall(sends ? SYS_sendmsg : SYS_recvmsg, fd, (long)&message, flags, 0, 0, 0);
    int saved = errno;
    long result =
        sends ? xs_waiting_calls.sendmsg(fd, &message, flags) : xs_waiting_calls.recvmsg(fd, &message, flags);
    if (result < 0) {
        result = -errno;
        errno = saved;
    }
    return result;
}

/* Likewise, raw: not a cancellation point, for waits in which a thread holds what others need. */
static inline long xs_poll(int fd, short events, long long nanoseconds) {
    struct pollfd entry = {fd, events, 0};
    struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    long result = xs_syscall(SYS_ppoll, (long)&entry, 1, (long)(nanoseconds < 0 ? NULL : &limit), 0, 0, 0);
    return result > 0 ? entry.revents : result;
}

/* Sends `size` bytes and up to two descriptors (-1: none) in one message. Returns the bytes sent or a negative errno. */
static inline long xs_send_descriptors(int fd, const void *bytes, size_t size, int flags, int first,
                                       int second) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct iovec vector = {(void *)bytes, size};
    struct msghdr message = {0};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    if (first >= 0) {
        int count = second >= 0 ? 2 : 1;
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
        int *descriptors = (int *)CMSG_DATA(&control.header);
        descriptors[0] = first;
        if (count == 2) descriptors[1] = second;
    }
    return xs_syscall(SYS_sendmsg, fd, (long)&message, flags | MSG_NOSIGNAL, 0, 0, 0);
}

/* Receives one message and up to two descriptors (close-on-exec; -1 where none came). Returns the bytes received, 0 at
 * the end, or a negative errno. */
static inline long xs_receive_descriptors(int fd, void *bytes, size_t size, int flags, int *first, int *second) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct iovec vector = {bytes, size};
    struct msghdr message = {0};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    *first = *second = -1;
    long result = xs_syscall(SYS_recvmsg, fd, (long)&message, flags | MSG_CMSG_CLOEXEC, 0, 0, 0);
    if (result < 0) return result;
    struct cmsghdr *header = message.msg_controllen >= sizeof(struct cmsghdr) ? &control.header : NULL;
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        int *descriptors = (int *)CMSG_DATA(header);
        if (header->cmsg_len >= CMSG_LEN(sizeof(int))) *first = descriptors[0];
        if (header->cmsg_len >= CMSG_LEN(2 * sizeof(int))) *second = descriptors[1];
    }
    return result;
}

/* What a message can carry at most (SCM_MAX_FD of the kernel). */
enum { XS_MESSAGE_DESCRIPTORS = 253 };

/* recvmsg(2) for who trusts no sender: has room for every descriptor that may come along, since the kernel closes those
 * that find none before the call returns, and how long that takes is the sender's to choose. `descriptors` has room for
 * XS_MESSAGE_DESCRIPTORS, which are the caller's then, close-on-exec. A pidfd of the sender, which comes where another
 * holder of the socket has set SO_PASSPIDFD, is closed. Returns the bytes received or a negative errno. */
static inline long xs_receive_everything(int fd, struct iovec *vectors, int vector_count, int flags, int *descriptors,
                                         int *count, int *message_flags) {
    union {
        struct cmsghdr header;
        /* More than the descriptors take: credentials and a security label may stand before them. */
        char space[8192];
    } control;
    struct msghdr message = {0};
    message.msg_iov = vectors;
    message.msg_iovlen = vector_count;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    *count = 0;
    *message_flags = 0;
    long result = xs_syscall(SYS_recvmsg, fd, (long)&message, flags | MSG_CMSG_CLOEXEC, 0, 0, 0);
    if (result < 0) return result;
    *message_flags = message.msg_flags;
    size_t size = message.msg_controllen;
    size_t offset = 0;
    while (offset + sizeof(struct cmsghdr) <= size) {
        struct cmsghdr *header = (struct cmsghdr *)(control.space + offset);
        size_t length = header->cmsg_len;
        if (length < sizeof(struct cmsghdr) || length > size - offset) break;
        int *values = (int *)CMSG_DATA(header);
        size_t present = (length - CMSG_LEN(0)) / sizeof(int);
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
            for (size_t index = 0; index < present && *count < XS_MESSAGE_DESCRIPTORS; index++)
                descriptors[(*count)++] = values[index];
        } else if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == 4 /* SCM_PIDFD */ && present > 0) {
            if (values[0] >= 0) xs_syscall(SYS_close, values[0], 0, 0, 0, 0, 0);
        }
        offset += CMSG_ALIGN(length);
    }
    return result;
}

/* Acts on a cancellation of this thread that is pending, as every call does that may block. */
extern char __libc_single_threaded;
extern void pthread_testcancel(void);
static inline void xs_cancellation_point(void) {
    if (!__libc_single_threaded) pthread_testcancel();
}

/* Pages of the program that were found accessible: page number << 1 | 1 if writable, at the number's low bits. */
enum { XS_KNOWN_PAGES = 512 };
extern uint64_t xs_known_pages[XS_KNOWN_PAGES];

/* Whether the page was found readable, or writable, before. */
static inline int xs_is_page_known(uintptr_t page, int writing) {
    uint64_t known = __atomic_load_n(&xs_known_pages[page % XS_KNOWN_PAGES], __ATOMIC_RELAXED);
    return known >> 1 == page && (known & 1) >= (uint64_t)writing;
}

/* Asks the kernel whether the page that holds `address` may be read, or written, by a call that does nothing else.
 * Returns 0 if not. */
int xs_probe_page(uintptr_t address, int writing);

static inline void xs_pause(void) {
#if defined(__x86_64__)
    __asm__ volatile("pause");
#else
    __asm__ volatile("yield");
#endif
}

static inline int xs_errno(void) { return errno; }
static inline void xs_set_errno(int value) { errno = value; }

#pragma clang diagnostic pop

#endif

/* A child with an inherited connection takes from itself what sshd's children do (descriptors, then system calls) and
 * exchanges a megabyte over it. argv[2]: "standard input": the connection is that; "strictly": hardly a system call is
 * left; "probes": those are forbidden that nobody makes but who asks the kernel about addresses and stacks. */
#include "common.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { SIZE = 1 << 20 };

static void install(struct sock_filter *filter, int length) {
    struct sock_fprog program = {(unsigned short)length, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) _exit(11);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) _exit(12);
}

static void forbid_probes(void) {
    enum { SECOND = offsetof(struct seccomp_data, args) + 8 };
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sigaltstack, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SECOND),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 128 + 1, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    install(filter, sizeof filter / sizeof filter[0]);
}

static void lock_in(int strictly) {
    static const int allowed[] = {
        SYS_read,    SYS_write,        SYS_poll,          SYS_ppoll,     SYS_close,  SYS_exit,     SYS_exit_group,
        SYS_shutdown, SYS_futex,       SYS_rt_sigprocmask, SYS_clock_gettime, SYS_nanosleep, SYS_getpid, SYS_mmap,
        SYS_munmap,  SYS_brk,          SYS_madvise,
    };
    enum { ALL = sizeof allowed / sizeof allowed[0], FEW = 8 };
    const int COUNT = strictly ? FEW : ALL;
    struct sock_filter filter[ALL + 3];
    int length = 0;
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < COUNT; i++)
        filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i], COUNT - i, 0);
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct rlimit none = {1, 1};
    if (setrlimit(RLIMIT_NOFILE, &none) < 0) _exit(10);
    install(filter, length);
}

static unsigned char sent[SIZE], received[SIZE];

/* What was sent comes back, and then the end of the stream. */
static int exchange(int fd) {
    size_t out = 0, in = 0;
    while (in < SIZE) {
        struct pollfd entry = {fd, (short)(POLLIN | (out < SIZE ? POLLOUT : 0)), 0};
        if (poll(&entry, 1, 10000) <= 0) return 20;
        if (entry.revents & POLLOUT) {
            ssize_t count = write(fd, sent + out, SIZE - out < 50000 ? SIZE - out : 50000);
            if (count <= 0) return 21;
            out += (size_t)count;
        }
        if (entry.revents & POLLIN) {
            ssize_t count = read(fd, received + in, SIZE - in);
            if (count <= 0) return 22;
            in += (size_t)count;
        }
    }
    if (memcmp(sent, received, SIZE) != 0) return 23;
    if (shutdown(fd, SHUT_WR) < 0) return 24;
    struct pollfd entry = {fd, POLLIN, 0};
    if (poll(&entry, 1, 10000) != 1 || read(fd, received, 1) != 0) return 25;
    return close(fd) < 0 ? 26 : 0;
}

int main(int count, char **arguments) {
    if (count < 2) return 2;
    int fd = connected(atoi(arguments[1]));
    const char *how = count > 2 ? arguments[2] : "";
    if (!strcmp(how, "standard input")) {
        if (dup2(fd, 0) < 0 || close(fd) < 0) return 3;
        fd = 0;
    }
    for (size_t i = 0; i < SIZE; i++) sent[i] = (unsigned char)(i * 31 + i / 251);
    pid_t child = fork();
    if (child == 0) {
        if (!strcmp(how, "probes"))
            forbid_probes();
        else
            lock_in(!strcmp(how, "strictly"));
        _exit(exchange(fd));
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) printf("killed by signal %d\n", WTERMSIG(status));
    printf("status %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return 0;
}

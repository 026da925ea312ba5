// sshd's and postfix's ways: sockets after chroot, setuid, a lock-in by seccomp, by Landlock.
#define _GNU_SOURCE
#include "cases.h"
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

static int server, port;

// The shape of a worker: it has a connection and a listener, gives up rights, and serves on.
static void work(int inherited, int fresh) {
    tell(inherited, "inherited works");
    say_text("  inherited", inherited);
    if (!fresh) return;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) {
        say("  socket", fd);
        return;
    }
    say("  connect", connect_on(fd, port));
    int other = accept(server, NULL, NULL);
    say("  accept", other < 0 ? -1 : 0);
    tell(fd, "fresh works");
    say_text("  fresh", other);
    close(fd), close(other);
}

static void try(const char *what, void (*give_up)(void), int fresh, int used_before) {
    int ends[2];
    both_ends(ends);
    print("%s%s\n", what, used_before ? "" : ", before any use in the child");
    pid_t child = CHILD({
        close(ends[1]);
        if (used_before) tell(ends[0], "before. ");
        give_up();
        work(ends[0], fresh);
    });
    close(ends[0]);
    char text[64];
    int wanted = used_before ? 23 : 15;
    long got = read_all(ends[1], text, wanted);
    print("  peer: %.*s\n", got > 0 ? (int)got : 0, text);
    tell(ends[1], "answer");
    reap("  child", child);
    close(ends[1]);
}

static void root_directory(void) {
    char directory[] = "/tmp/case.XXXXXX";
    if (!mkdtemp(directory)) _exit(95);
    say("  chroot", chroot(directory));
    say("  chdir", chdir("/"));
}

static void user(void) {
    setgroups(0, NULL);
    say("  setresgid", setresgid(65534, 65534, 65534));
    say("  setresuid", setresuid(65534, 65534, 65534));
}

static void both(void) {
    root_directory();
    user();
}

static void landlock(void) {
    struct landlock_ruleset_attr rules = {.handled_access_fs = (1 << 13) - 1};
    int fd = syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (fd < 0) {
        print("  no Landlock\n");
        return;
    }
    say("  landlock", syscall(SYS_landlock_restrict_self, fd, 0));
    close(fd);
    say("  open", open("/etc/passwd", O_RDONLY));
}

static void filter(const int *numbers, int count) {
    struct sock_filter program[64];
    int at = 0;
    program[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int index = 0; index < count; index++) {
        program[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, numbers[index], 0, 1);
        program[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    program[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    struct sock_fprog whole = {at, program};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole) < 0) print("  no seccomp\n");
}

// A session's worker: what came with it, read and write only.
static void locked(void (*use)(int), const int *numbers, int count, const char *what) {
    int ends[2];
    both_ends(ends);
    print("%s\n", what);
    pid_t child = CHILD({
        close(ends[1]);
        filter(numbers, count);
        use(ends[0]);
    });
    close(ends[0]);
    say_text("  peer", ends[1]);
    tell(ends[1], "answer");
    say_text("  peer", ends[1]);
    reap("  child", child);
    close(ends[1]);
}

static void with_read_and_write(int fd) {
    char buffer[16];
    if (write(fd, "locked in", 9) != 9) _exit(3);
    if (read(fd, buffer, sizeof buffer) != 6) _exit(4);
    if (write(fd, buffer, 6) != 6) _exit(5);
    _exit(0);
}

static void with_poll(int fd) {
    char buffer[16];
    struct pollfd entry = {fd, POLLOUT, 0};
    if (poll(&entry, 1, 1000) != 1) _exit(2);
    if (write(fd, "polled", 6) != 6) _exit(3);
    entry.events = POLLIN;
    if (ppoll(&entry, 1, NULL, NULL) != 1) _exit(4);
    if (read(fd, buffer, sizeof buffer) != 6) _exit(5);
    if (write(fd, buffer, 6) != 6) _exit(6);
    close(fd);
    _exit(0);
}

static const int four[] = {SYS_read, SYS_write, SYS_poll, SYS_ppoll, SYS_exit, SYS_exit_group, SYS_rt_sigprocmask, SYS_close};

int main(void) {
    server = listener(), port = port_of(server);
    for (int used = 1; used >= 0; used--) {
        try("chroot", root_directory, 1, used);
        try("setuid", user, 1, used);
        try("chroot and setuid", both, 1, used);
        try("Landlock", landlock, 1, used);
    }
    // getpid, gettid, futex and clock_gettime are what every C library may use unasked.
    static int more[32];
    int count = 0;
    for (unsigned index = 0; index < sizeof four / sizeof *four; index++) more[count++] = four[index];
    locked(with_read_and_write, more, count, "seccomp: read and write");
    locked(with_poll, more, count, "seccomp: poll too");
    return done();
}

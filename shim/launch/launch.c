#define _GNU_SOURCE
#include "CXenSockLaunch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static void fail(int ready_fd, const char *what, const char *path, int error) {
    const char *reason = strerror(error);
    char text[512];
    size_t length = 0;
    const char *parts[] = {what, " ", path, ": ", reason};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t part = strlen(parts[i]);
        if (part > sizeof text - length) part = sizeof text - length;
        memcpy(text + length, parts[i], part);
        length += part;
    }
    if (write(ready_fd, text, length) < 0) _exit(125);
    _exit(125);
}

static void become_daemon(const char *path, char *const argv[], int lifeline_fd, int ready_fd, int keep_stderr) {
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (chdir("/") < 0) fail(ready_fd, "cannot enter", "/", errno);
    /* A service manager's words are for the command. */
    const char *manager[] = {"NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"};
    for (size_t i = 0; i < sizeof manager / sizeof manager[0]; i++) unsetenv(manager[i]);
    /* The raw call: under the preload library close_range() would leave that library's descriptors out. */
    if (syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC) < 0) fail(ready_fd, "cannot close", "descriptors", errno);
    if (fcntl(lifeline_fd, F_SETFD, 0) < 0) fail(ready_fd, "cannot keep", "the lifeline", errno);
    if (fcntl(ready_fd, F_SETFD, 0) < 0) _exit(125);
    int null = open("/dev/null", O_RDWR);
    if (null < 0) fail(ready_fd, "cannot open", "/dev/null", errno);
    for (int fd = 0; fd <= (keep_stderr ? 1 : 2); fd++)
        if (dup2(null, fd) < 0) fail(ready_fd, "cannot replace", "a standard descriptor", errno);
    /* It is one of the standard three itself where the caller had closed that one. */
    if (null > 2) close(null);
    execv(path, argv);
    fail(ready_fd, "cannot execute", path, errno);
}

int xs_start_daemon(const char *path, char *const argv[], int lifeline_fd, int ready_fd, int keep_stderr) {
    pid_t middle = fork();
    if (middle < 0) return -errno;
    if (middle == 0) {
        setsid();
        pid_t daemon = fork();
        if (daemon == 0) become_daemon(path, argv, lifeline_fd, ready_fd, keep_stderr);
        _exit(daemon < 0 ? errno : 0);
    }
    int status = 0;
    while (waitpid(middle, &status, 0) < 0)
        if (errno != EINTR) return -errno;
    if (!WIFEXITED(status)) return -EAGAIN;
    return -WEXITSTATUS(status);
}

int xs_exec(const char *path, char *const argv[], int shell) {
    if (shell)
        execvp(path, argv);
    else
        execv(path, argv);
    return -errno;
}

int xs_unshare_network(int user) {
    return unshare(user ? CLONE_NEWUSER | CLONE_NEWNET : CLONE_NEWNET) < 0 ? -errno : 0;
}

long xs_capabilities_size(int fd) {
    ssize_t size = fgetxattr(fd, "security.capability", NULL, 0);
    return size < 0 ? -errno : size;
}

// SIGPIPE: raised in the calling thread, ignored over exec, left out by MSG_NOSIGNAL; EPIPE in every way of writing.
#include "cases.h"
#include <setjmp.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static volatile sig_atomic_t signals;
static volatile pid_t in_thread;
static void handler(int number) { (void)number, signals++, in_thread = gettid(); }

static int broken(void) {
    int ends[2];
    both_ends(ends);
    must("shutdown", shutdown(ends[0], SHUT_WR));
    return ends[0];
}

static void *other_thread(void *fd) {
    long result = send(*(int *)fd, "x", 1, 0);
    print("thread: %ld %s, signal in it %d\n", result, strerrorname_np(errno), in_thread == gettid());
    return NULL;
}

static void count(const char *what, long result) {
    int error = errno;
    print("%s: %s, signals %d\n", what, result < 0 ? strerrorname_np(error) : "no error", (int)signals);
    signals = 0;
}

int main(int arguments, char **argument) {
    if (arguments == 2) {
        int fd = broken();
        print("over exec, %s: %s\n", argument[1], send(fd, "x", 1, 0) < 0 ? strerrorname_np(errno) : "sent");
        return 0;
    }
    int fd = broken();
    reap("default", CHILD(send(fd, "x", 1, 0)));
    reap("default, write", CHILD(if (write(fd, "x", 1) < 0) _exit(1)));
    reap("MSG_NOSIGNAL", CHILD(if (send(fd, "x", 1, MSG_NOSIGNAL) < 0) _exit(errno == EPIPE ? 11 : 1)));
    reap("blocked", CHILD({
             sigset_t set;
             sigemptyset(&set);
             sigaddset(&set, SIGPIPE);
             sigprocmask(SIG_BLOCK, &set, NULL);
             long result = send(fd, "x", 1, 0);
             sigset_t waiting;
             sigpending(&waiting);
             print("blocked: %s, pending %d\n", result < 0 ? strerrorname_np(errno) : "", sigismember(&waiting, SIGPIPE));
             sigprocmask(SIG_UNBLOCK, &set, NULL);
         }));
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGPIPE, &action, NULL);
    struct iovec part = {"xy", 2};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    struct mmsghdr messages = {.msg_hdr = message};
    int file = open("/etc/passwd", O_RDONLY);
    count("send", send(fd, "x", 1, 0));
    count("write", write(fd, "x", 1));
    count("writev", writev(fd, &part, 1));
    count("sendto", sendto(fd, "x", 1, 0, NULL, 0));
    count("sendmsg", sendmsg(fd, &message, 0));
    count("sendmmsg", sendmmsg(fd, &messages, 1, 0));
    count("sendfile", sendfile(fd, file, NULL, 10));
    count("sendmsg MSG_NOSIGNAL", sendmsg(fd, &message, MSG_NOSIGNAL));
    count("no bytes", send(fd, "", 0, 0));
    count("syscall", syscall(SYS_write, fd, "x", 1));
    pthread_t made = thread(other_thread, &fd);
    join(made);
    count("after the thread", 0);

    // The peer's reset: an error first, then the pipe.
    int ends[2];
    both_ends(ends);
    close(ends[1]);
    await(ends[0], POLLRDHUP);
    count("first send", send(ends[0], "x", 1, 0));
    await(ends[0], POLLHUP);
    count("second", send(ends[0], "x", 1, 0));
    count("third", send(ends[0], "x", 1, 0));
    both_ends(ends);
    reset_by_linger(ends[1]);
    await(ends[0], POLLHUP);
    count("after a reset", send(ends[0], "x", 1, 0));
    count("then", send(ends[0], "x", 1, 0));
    count("not connected", send(socket(AF_INET, SOCK_STREAM, 0), "x", 1, 0));

    signal(SIGPIPE, SIG_IGN);
    count("ignored", send(fd, "x", 1, 0));
    reap("exec", CHILD(execl("/proc/self/exe", "case", "ignored", NULL)));
    signal(SIGPIPE, SIG_DFL);
    reap("exec", CHILD(execl("/proc/self/exe", "case", "default", NULL)));
    return done();
}

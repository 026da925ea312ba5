/* What the library must not change: calls on descriptors that are the kernel's. Also run without the library, which
 * shows that the expectations are glibc's. */
#define _GNU_SOURCE
#include "check.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

ssize_t __read(int, void *, size_t);
ssize_t __write(int, const void *, size_t);
ssize_t __send(int, const void *, size_t, int);
int __close(int);
int __dup2(int, int);
int __fcntl(int, int, ...);
int __poll(struct pollfd *, nfds_t, int);
int __select(int, fd_set *, fd_set *, fd_set *, struct timeval *);
ssize_t __read_chk(int, void *, size_t, size_t);
ssize_t __recv_chk(int, void *, size_t, size_t, int);
ssize_t __recvfrom_chk(int, void *, size_t, size_t, int, void *, socklen_t *);
ssize_t __pread_chk(int, void *, size_t, off_t, size_t);
ssize_t __pread64_chk(int, void *, size_t, off_t, size_t);
int __poll_chk(struct pollfd *, nfds_t, int, size_t);
int __ppoll_chk(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t);
int __dprintf_chk(int, int, const char *, ...);
int __vdprintf_chk(int, int, const char *, va_list);

static int pair[2], file;
static char buffer[4096];

static void sockets(void) {
    CHECK("socketpair makes a pair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && KEEPS_ERRNO);
    CHECK("send, recv", send(pair[0], "abc", 3, 0) == 3 && recv(pair[1], buffer, 9, 0) == 3 && KEEPS_ERRNO);
    CHECK("sendto, recvfrom", sendto(pair[0], "abcd", 4, 0, NULL, 0) == 4 &&
        recvfrom(pair[1], buffer, 9, 0, NULL, NULL) == 4 && KEEPS_ERRNO);
    CHECK("write, read", write(pair[0], "abc", 3) == 3 && read(pair[1], buffer, 9) == 3 && KEEPS_ERRNO);
    CHECK("the __ names", __write(pair[0], "abc", 3) == 3 && __read(pair[1], buffer, 9) == 3 &&
        __send(pair[0], "a", 1, 0) == 1 && __read(pair[1], buffer, 9) == 1 && KEEPS_ERRNO);
    struct iovec two[2] = {{"ab", 2}, {"cde", 3}}, in[2] = {{buffer, 1}, {buffer + 1, 100}};
    CHECK("writev, readv", writev(pair[0], two, 2) == 5 && readv(pair[1], in, 2) == 5 && KEEPS_ERRNO);
    CHECK("the vectors' bytes come in order", memcmp(buffer, "abcde", 5) == 0);
    CHECK("pwritev2, preadv2 without a position", pwritev2(pair[0], two, 2, -1, 0) == 5 &&
        preadv2(pair[1], in, 2, -1, 0) == 5 && KEEPS_ERRNO);
    CHECK("pread of a socket", pread(pair[0], buffer, 1, 0) == -1 && errno == ESPIPE);
    CHECK("recv of nothing, not blocking", recv(pair[0], buffer, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
    CHECK("a bad descriptor", read(-1, buffer, 1) == -1 && errno == EBADF);
    CHECK("a descriptor beyond every table", write(0x7fffffff, buffer, 1) == -1 && errno == EBADF);

    struct mmsghdr out[2] = {{.msg_hdr = {.msg_iov = two, .msg_iovlen = 2}}, {.msg_hdr = {.msg_iov = two, .msg_iovlen = 1}}};
    struct iovec at[2] = {{buffer, 100}, {buffer + 100, 100}};
    struct mmsghdr got[2] = {{.msg_hdr = {.msg_iov = at, .msg_iovlen = 1}}, {.msg_hdr = {.msg_iov = at + 1, .msg_iovlen = 1}}};
    int records[2];
    CHECK("a pair of records", socketpair(AF_UNIX, SOCK_SEQPACKET, 0, records) == 0);
    CHECK("sendmmsg sends both", sendmmsg(records[0], out, 2, 0) == 2 && out[0].msg_len == 5 && KEEPS_ERRNO);
    CHECK("recvmmsg takes both", recvmmsg(records[1], got, 2, 0, NULL) == 2 && got[1].msg_len == 2 && KEEPS_ERRNO);
    close(records[0]);
    close(records[1]);

    int value = 0;
    socklen_t size = sizeof value;
    CHECK("getsockopt", getsockopt(pair[0], SOL_SOCKET, SO_TYPE, &value, &size) == 0 && value == SOCK_STREAM);
    CHECK("setsockopt", setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &(int){0}, sizeof(int)) == 0);
    struct sockaddr_storage address;
    size = sizeof address;
    CHECK("getsockname", getsockname(pair[0], (void *)&address, &size) == 0 && address.ss_family == AF_UNIX);
    size = sizeof address;
    CHECK("getpeername", getpeername(pair[0], (void *)&address, &size) == 0 && KEEPS_ERRNO);
    CHECK("isfdtype", isfdtype(pair[0], S_IFSOCK) == 1 && isfdtype(0, S_IFDIR) == 0);
    CHECK("ioctl", send(pair[0], "abc", 3, 0) == 3 && ioctl(pair[1], FIONREAD, &value) == 0 && value == 3);
    CHECK("fcntl", (fcntl(pair[1], F_GETFL) & O_ACCMODE) == O_RDWR && __fcntl(pair[1], F_GETFD) == 0);
    recv(pair[1], buffer, 9, 0);
}

static void listeners(void) {
    struct sockaddr_storage name = {.ss_family = AF_UNIX};
    socklen_t size = sizeof(sa_family_t);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK("a Unix socket is the kernel's", listener >= 0);
    CHECK("bind chooses a name, listen", bind(listener, (void *)&name, size) == 0 && listen(listener, 3) == 0 && KEEPS_ERRNO);
    size = sizeof name;
    getsockname(listener, (void *)&name, &size);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK("connect", connect(client, (void *)&name, size) == 0 && KEEPS_ERRNO);
    int server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK("accept4", server >= 0 && fcntl(server, F_GETFD) == FD_CLOEXEC);
    CHECK("shutdown", shutdown(client, SHUT_WR) == 0 && read(server, buffer, 1) == 0 && KEEPS_ERRNO);
    CHECK("close", close(client) == 0 && __close(server) == 0 && close(listener) == 0 && KEEPS_ERRNO);
    CHECK("close again", close(client) == -1 && errno == EBADF);
}

static void passing(void) {
    union { struct cmsghdr header; char room[CMSG_SPACE(sizeof(int))]; } control = {0};
    struct iovec one = {"x", 1};
    struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    control.header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.header), &file, sizeof file);
    CHECK("a descriptor is sent", sendmsg(pair[0], &message, 0) == 1);
    one.iov_base = buffer;
    CHECK("and received", recvmsg(pair[1], &message, 0) == 1 && message.msg_controllen >= CMSG_LEN(sizeof(int)));
    int received = -1;
    memcpy(&received, CMSG_DATA(&control.header), sizeof received);
    struct stat a, b;
    CHECK("and is the same file", fstat(file, &a) == 0 && fstat(received, &b) == 0 && a.st_ino == b.st_ino);
    close(received);
}

static void files(void) {
    file = memfd_create("file", 0);
    CHECK("pwrite, pread", pwrite(file, "0123456789", 10, 0) == 10 && pread(file, buffer, 3, 4) == 3 &&
        memcmp(buffer, "456", 3) == 0 && KEEPS_ERRNO);
    struct iovec one = {buffer, 4};
    CHECK("preadv, pwritev", preadv(file, &one, 1, 2) == 4 && pwritev(file, &one, 1, 10) == 4 && KEEPS_ERRNO);
    off_t offset = 1;
    CHECK("sendfile", sendfile(pair[0], file, &offset, 5) == 5 && offset == 6 && read(pair[1], buffer, 9) == 5 &&
        memcmp(buffer, "12345", 5) == 0 && KEEPS_ERRNO);
    off_t from = 0, to = 20;
    CHECK("copy_file_range", copy_file_range(file, &from, file, &to, 4, 0) == 4);
    int pipes[2], others[2];
    CHECK("pipe", pipe(pipes) == 0 && pipe(others) == 0);
    from = 0;
    CHECK("splice from a file", splice(file, &from, pipes[1], NULL, 4, 0) == 4 && KEEPS_ERRNO);
    CHECK("tee", tee(pipes[0], others[1], 4, 0) == 4 && KEEPS_ERRNO);
    one = (struct iovec){"vm", 2};
    CHECK("vmsplice", vmsplice(pipes[1], &one, 1, 0) == 2 && read(pipes[0], buffer, 9) == 6 && KEEPS_ERRNO);
    CHECK("dprintf", dprintf(pipes[1], "%s-%d-%.1f", "a", 5, 1.5) == 7 && read(pipes[0], buffer, 99) == 7 &&
        memcmp(buffer, "a-5-1.5", 7) == 0);
    CHECK("__dprintf_chk", __dprintf_chk(pipes[1], 1, "%d", 12345) == 5 && read(pipes[0], buffer, 99) == 5);
    FILE *stream = fdopen(pipes[1], "w");
    CHECK("fdopen keeps its descriptor", stream && fileno(stream) == pipes[1] && fprintf(stream, "hi") == 2 &&
        fclose(stream) == 0 && read(pipes[0], buffer, 99) == 2);
    close(pipes[0]);
    close(others[0]);
    close(others[1]);
}

static void readiness(void) {
    struct pollfd fds[2] = {{pair[0], POLLIN | POLLOUT, 0}, {pair[1], POLLIN, 0}};
    CHECK("poll", poll(fds, 2, 0) == 1 && fds[0].revents == POLLOUT && KEEPS_ERRNO);
    CHECK("a poll that times out", poll(fds + 1, 1, 1) == 0 && KEEPS_ERRNO);
    CHECK("__poll, __poll_chk", __poll(fds, 2, 0) == 1 && __poll_chk(fds, 2, 0, sizeof fds) == 1);
    struct timespec none = {0, 0};
    CHECK("ppoll", ppoll(fds, 2, &none, NULL) == 1 && __ppoll_chk(fds, 2, &none, NULL, sizeof fds) == 1 && KEEPS_ERRNO);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pair[0], &set);
    CHECK("select", select(pair[0] + 1, NULL, &set, NULL, &(struct timeval){0, 0}) == 1 && FD_ISSET(pair[0], &set));
    CHECK("__select, pselect", __select(pair[0] + 1, NULL, &set, NULL, &(struct timeval){0, 0}) == 1 &&
        pselect(pair[0] + 1, NULL, &set, NULL, &none, NULL) == 1 && KEEPS_ERRNO);
    int set1 = epoll_create1(0), set2 = epoll_create(1);
    struct epoll_event event = {EPOLLOUT, {.u64 = 0x123456789abcdef0}}, got = {0};
    CHECK("epoll_ctl", set1 >= 0 && set2 >= 0 && epoll_ctl(set1, EPOLL_CTL_ADD, pair[0], &event) == 0 && KEEPS_ERRNO);
    CHECK("epoll_wait", epoll_wait(set1, &got, 1, 0) == 1 && got.data.u64 == event.data.u64 && KEEPS_ERRNO);
    CHECK("epoll_pwait", epoll_pwait(set1, &got, 1, 0, NULL) == 1 && epoll_pwait2(set1, &got, 1, &none, NULL) == 1);
    close(set1);
    close(set2);
}

static void descriptors(void) {
    int copy = dup(file);
    CHECK("dup", copy > 2 && KEEPS_ERRNO);
    CHECK("dup2", dup2(pair[0], copy) == copy && isfdtype(copy, S_IFSOCK) == 1);
    CHECK("dup2 onto itself", dup2(copy, copy) == copy && dup2(-1, copy) == -1 && errno == EBADF);
    CHECK("dup3", dup3(file, copy, O_CLOEXEC) == copy && fcntl(copy, F_GETFD) == FD_CLOEXEC);
    CHECK("dup3 onto itself", dup3(copy, copy, 0) == -1 && errno == EINVAL);
    CHECK("__dup2", __dup2(file, copy) == copy);
    int high = fcntl(file, F_DUPFD_CLOEXEC, 500);
    CHECK("F_DUPFD_CLOEXEC", high >= 500);
    CHECK("close_range", close_range((unsigned)high, (unsigned)high, 0) == 0 && fcntl(high, F_GETFD) == -1 && errno == EBADF);
    fcntl(file, F_DUPFD, 900);
    closefrom(900);
    CHECK("closefrom", fcntl(900, F_GETFD) == -1 && errno == EBADF);
    close(copy);
}

static void systemCalls(void) {
    CHECK("syscall without arguments", syscall(SYS_getpid) == getpid() && KEEPS_ERRNO);
    CHECK("syscall: write and read", syscall(SYS_write, pair[0], "abc", 3) == 3 && syscall(SYS_read, pair[1], buffer, 9) == 3);
    CHECK("syscall: an error", syscall(SYS_read, -1, buffer, 1) == -1 && errno == EBADF);
    CHECK("syscall: an unknown number", syscall(100000) == -1 && errno == ENOSYS);
    char *map = (char *)syscall(SYS_mmap, NULL, 8192, PROT_READ, MAP_PRIVATE, file, 4096);
    CHECK("syscall: six arguments arrive", map != MAP_FAILED && munmap(map, 8192) == 0);
    CHECK("syscall: poll", syscall(SYS_ppoll, &(struct pollfd){pair[0], POLLOUT, 0}, 1, NULL, NULL, 8) == 1);
}

static void fortified(void) {
    write(pair[0], "abcd", 4);
    CHECK("__read_chk, __recv_chk, __recvfrom_chk", __read_chk(pair[1], buffer, 1, 1) == 1 &&
        __recv_chk(pair[1], buffer, 1, 1, 0) == 1 && __recvfrom_chk(pair[1], buffer, 1, 1, 0, NULL, NULL) == 1);
    CHECK("a size of unknown room", __read_chk(pair[1], buffer, 9, (size_t)-1) == 1 && KEEPS_ERRNO);
    CHECK("__pread_chk", __pread_chk(file, buffer, 2, 1, 2) == 2 && __pread64_chk(file, buffer, 2, 1, 2) == 2);
    for (int which = 0; which < 6; which++) {
        pid_t child = fork();
        if (child == 0) {
            close(2);
            struct pollfd fd = {pair[0], POLLIN, 0};
            switch (which) {
            case 0: __read_chk(pair[1], buffer, 2, 1); break;
            case 1: __recv_chk(pair[1], buffer, 2, 1, 0); break;
            case 2: __recvfrom_chk(pair[1], buffer, 2, 1, 0, NULL, NULL); break;
            case 3: __pread_chk(file, buffer, 2, 0, 1); break;
            case 4: __poll_chk(&fd, 2, 0, sizeof fd); break;
            case 5: __ppoll_chk(&fd, 2, NULL, NULL, sizeof fd); break;
            }
            _exit(0);
        }
        int status = 0;
        waitpid(child, &status, 0);
        CHECK("an overflow ends the program", WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

static int cleaned;
static void clean(void *argument) { cleaned += *(int *)argument; }

static void *waitForBytes(void *call) {
    int one = 1;
    pthread_cleanup_push(clean, &one);
    struct pollfd fd = {pair[1], POLLIN, 0};
    switch (*(int *)call) {
    case 0: read(pair[1], buffer, 1); break;
    case 1: recv(pair[1], buffer, 1, 0); break;
    case 2: poll(&fd, 1, -1); break;
    case 3: recvfrom(pair[1], buffer, 1, 0, NULL, NULL); break;
    }
    pthread_cleanup_pop(0);
    return NULL;
}

static void cancellation(void) {
    for (int call = 0; call < 4; call++) {
        pthread_t thread;
        void *result = NULL;
        pthread_create(&thread, NULL, waitForBytes, &call);
        usleep(20000);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        CHECK("a waiting thread can be cancelled", result == PTHREAD_CANCELED);
    }
    CHECK("and its clean-up runs", cleaned == 4);
}

static void children(void) {
    FILE *stream = popen("echo child; exit 3", "r");
    CHECK("popen", stream && fgets(buffer, 99, stream) && strcmp(buffer, "child\n") == 0 && WEXITSTATUS(pclose(stream)) == 3);
    pid_t child = vfork();
    if (child == 0) {
        dup2(pair[0], 200);
        close(pair[0]);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    CHECK("a vfork child's close is its own", fcntl(pair[0], F_GETFD) == 0);
}

int main(void) {
    sockets();
    listeners();
    files();
    passing();
    readiness();
    descriptors();
    systemCalls();
    fortified();
    cancellation();
    children();
    return report();
}

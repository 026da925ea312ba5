// Bad pointers are EFAULT, never a crash; what could be taken before one is a short count.
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include "cases.h"
#include <sys/mman.h>
#include <sys/uio.h>

static void fresh(int ends[2]) {
    both_ends(ends);
    nonblocking(ends[0]);
    nonblocking(ends[1]);
}

int main(void) {
    int ends[2], server = listener();
    void *bad = (void *)8;
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(page + 4096, 4096, PROT_NONE);
    char *edge = page + 4096 - 4, buffer[16];
    fresh(ends);
    tell(ends[1], "datadata");
    await(ends[0], POLLIN);
    say("recv", recv(ends[0], bad, 4, 0));
    say("read", read(ends[0], bad, 4));
    say("the data is still there", recv(ends[0], buffer, 2, 0));
    say("send", send(ends[0], bad, 4, 0));
    say("write", write(ends[0], bad, 4));
    say("across the edge", send(ends[0], edge, 8, 0) >= 4 || errno == EFAULT);
    struct iovec parts[2] = {{buffer, 2}, {bad, 4}}, none = {bad, 0};
    say("readv with a bad part", readv(ends[0], parts, 2) == 2 || errno == EFAULT);
    parts[0] = (struct iovec){buffer, (size_t)1 << 62}, parts[1] = (struct iovec){buffer, (size_t)1 << 62};
    say("large lengths", writev(ends[0], parts, 2));
    say("an empty bad part", writev(ends[0], &none, 1));
    say("readv, bad vector", readv(ends[0], bad, 1));
    say("sendmsg, bad header", sendmsg(ends[0], bad, 0));
    say("recvmsg, bad header", recvmsg(ends[0], bad, 0));
    say("connect", connect(socket(AF_INET, SOCK_STREAM, 0), bad, 16));
    say("bind", bind(socket(AF_INET, SOCK_STREAM, 0), bad, 16));
    say("bind nothing", bind(socket(AF_INET, SOCK_STREAM, 0), NULL, 0));
    socklen_t length = 16;
    say("getsockname", getsockname(ends[0], bad, &length));
    say("getsockname, bad length", getsockname(ends[0], (struct sockaddr *)buffer, bad));
    say("getpeername", getpeername(ends[0], bad, &length));
    say("getsockopt", getsockopt(ends[0], SOL_SOCKET, SO_TYPE, bad, &length));
    say("getsockopt, bad length", getsockopt(ends[0], SOL_SOCKET, SO_TYPE, buffer, bad));
    say("setsockopt", setsockopt(ends[0], SOL_SOCKET, SO_KEEPALIVE, bad, 4));
    int client = connected(port_of(server));
    say("accept, bad address", accept(server, bad, &length));
    int other = connected(port_of(server));
    say("accept, bad length", accept(server, (struct sockaddr *)buffer, bad));
    length = -1;
    say("a negative length", getsockname(ends[0], (struct sockaddr *)buffer, &length));
    say("ioctl", ioctl(ends[0], FIONREAD, bad));
    say("setrlimit", setrlimit(RLIMIT_NOFILE, bad));
    say("execve", execve(bad, (char *[]){"x", NULL}, (char *[]){NULL}));
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    say("a filter of system calls", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, bad));
    struct sock_fprog program = {1, bad};
    say("its instructions", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
    say("poll", poll(bad, 1, 0));
    say("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, bad));
    close(client), close(other);
    return done();
}

// syscall(2) with the numbers of the socket calls, and with numbers that are nobody's business.
#include "cases.h"
#include <sys/uio.h>

int main(void) {
    struct sockaddr_in name = loopback(0);
    socklen_t length = sizeof name;
    char buffer[32];
    int server = must("SYS_socket", syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    must("SYS_bind", syscall(SYS_bind, server, &name, sizeof name));
    must("SYS_listen", syscall(SYS_listen, server, 5));
    must("SYS_getsockname", syscall(SYS_getsockname, server, &name, &length));
    print("port %d, length %u\n", ntohs(name.sin_port) != 0, length);
    int fd = must("SYS_socket", syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    say("SYS_connect", syscall(SYS_connect, fd, &name, sizeof name) == 0 || errno == EINPROGRESS);
    int peer = must("SYS_accept4", syscall(SYS_accept4, server, NULL, NULL, SOCK_CLOEXEC));
    print("flags: %ld %ld\n", syscall(SYS_fcntl, peer, F_GETFD), syscall(SYS_fcntl, fd, F_GETFL) & O_NONBLOCK);
    await(fd, POLLOUT);
    say("SYS_sendto", syscall(SYS_sendto, fd, "sendto", 6, MSG_NOSIGNAL, NULL, 0));
    say("SYS_recvfrom", syscall(SYS_recvfrom, peer, buffer, sizeof buffer, 0, NULL, NULL));
    say("SYS_write", syscall(SYS_write, fd, "write", 5));
    say("SYS_read", syscall(SYS_read, peer, buffer, sizeof buffer));
    struct iovec parts[2] = {{"ab", 2}, {"cde", 3}}, room = {buffer, sizeof buffer};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2}, answer = {.msg_iov = &room, .msg_iovlen = 1};
    say("SYS_sendmsg", syscall(SYS_sendmsg, fd, &message, 0));
    say("SYS_recvmsg", syscall(SYS_recvmsg, peer, &answer, 0));
    say("SYS_writev", syscall(SYS_writev, fd, parts, 2));
    say("SYS_readv", syscall(SYS_readv, peer, &room, 1));
    say("SYS_read of nothing", syscall(SYS_read, fd, buffer, 1));
    struct pollfd entry = {.fd = peer, .events = POLLIN | POLLOUT};
    say("SYS_poll", syscall(SYS_poll, &entry, 1, 0));
    say_events("  says", entry.revents);
    struct timespec nothing = {0, 0};
    entry.fd = fd;
    say("SYS_ppoll", syscall(SYS_ppoll, &entry, 1, &nothing, NULL, 8));
    int set = must("SYS_epoll_create1", syscall(SYS_epoll_create1, 0));
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.fd = fd};
    say("SYS_epoll_ctl", syscall(SYS_epoll_ctl, set, EPOLL_CTL_ADD, fd, &event));
    say("SYS_epoll_wait", syscall(SYS_epoll_wait, set, &event, 1, 0));
    say_epoll("  says", event.events);
    int type = 0;
    length = sizeof type;
    say("SYS_getsockopt", syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &length));
    print("  type %d\n", type);
    type = 1;
    say("SYS_setsockopt", syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &type, sizeof type));
    int count = -1;
    must("SYS_write", syscall(SYS_write, peer, "123", 3));
    await(fd, POLLIN);
    say("SYS_ioctl", syscall(SYS_ioctl, fd, FIONREAD, &count));
    print("  %d\n", count);
    int copy = must("SYS_dup", syscall(SYS_dup, fd));
    say("SYS_dup3", syscall(SYS_dup3, fd, 100, O_CLOEXEC));
    say("SYS_close", syscall(SYS_close, fd));
    say("the copy reads", read(copy, buffer, sizeof buffer));
    say("SYS_shutdown", syscall(SYS_shutdown, 100, SHUT_WR));
    say("peer", recv(peer, buffer, 1, 0));
    say("SYS_close_range", syscall(SYS_close_range, copy, copy, 0));
    say("closed", read(copy, buffer, 1));

    print("SYS_getpid: %d\n", syscall(SYS_getpid) == getpid());
    say("an unknown number", syscall(9999));
    say("a negative one", syscall(-1));
    say("a bad address", syscall(SYS_uname, 8L));
    int file = must("SYS_openat", syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR, 0));
    say("six arguments", syscall(SYS_mmap, NULL, 4096, 1, 0x22, -1, 0) > 0);
    say("write to a file", syscall(SYS_write, file, "x", 1));
    say("socket call on a file", syscall(SYS_sendto, file, "x", 1, 0, NULL, 0));
    return done();
}

/* Made by shim/symbols/generate from symbols.txt: change the table, not this file. */
#include "CXenSockPreload.h"

int xsExportInternalConnect(int fd, const void *address, socklen_t length) __asm__("__connect");
int xsExportInternalConnect(int fd, const void *address, socklen_t length) {
    return xsConnect(fd, address, length);
}

ssize_t xsExportInternalSend(int fd, const void *buffer, size_t size, int flags) __asm__("__send");
ssize_t xsExportInternalSend(int fd, const void *buffer, size_t size, int flags) {
    return xsSend(fd, buffer, size, flags);
}

ssize_t xsExportInternalWrite(int fd, const void *buffer, size_t size) __asm__("__write");
ssize_t xsExportInternalWrite(int fd, const void *buffer, size_t size) {
    return xsWrite(fd, buffer, size);
}

ssize_t xsExportPwrite64(int fd, const void *buffer, size_t size, off_t offset) __asm__("pwrite64");
ssize_t xsExportPwrite64(int fd, const void *buffer, size_t size, off_t offset) {
    return xsPwrite(fd, buffer, size, offset);
}

ssize_t xsExportInternalPwrite64(int fd, const void *buffer, size_t size, off_t offset) __asm__("__pwrite64");
ssize_t xsExportInternalPwrite64(int fd, const void *buffer, size_t size, off_t offset) {
    return xsPwrite(fd, buffer, size, offset);
}

ssize_t xsExportPwritev64(int fd, const struct iovec *vectors, int count, off_t offset) __asm__("pwritev64");
ssize_t xsExportPwritev64(int fd, const struct iovec *vectors, int count, off_t offset) {
    return xsPwritev(fd, vectors, count, offset);
}

ssize_t xsExportPwritev64v2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) __asm__("pwritev64v2");
ssize_t xsExportPwritev64v2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) {
    return xsPwritev2(fd, vectors, count, offset, flags);
}

ssize_t xsExportInternalRead(int fd, void *buffer, size_t size) __asm__("__read");
ssize_t xsExportInternalRead(int fd, void *buffer, size_t size) {
    return xsRead(fd, buffer, size);
}

ssize_t xsExportPread64(int fd, void *buffer, size_t size, off_t offset) __asm__("pread64");
ssize_t xsExportPread64(int fd, void *buffer, size_t size, off_t offset) {
    return xsPread(fd, buffer, size, offset);
}

ssize_t xsExportInternalPread64(int fd, void *buffer, size_t size, off_t offset) __asm__("__pread64");
ssize_t xsExportInternalPread64(int fd, void *buffer, size_t size, off_t offset) {
    return xsPread(fd, buffer, size, offset);
}

ssize_t xsExportPreadv64(int fd, const struct iovec *vectors, int count, off_t offset) __asm__("preadv64");
ssize_t xsExportPreadv64(int fd, const struct iovec *vectors, int count, off_t offset) {
    return xsPreadv(fd, vectors, count, offset);
}

ssize_t xsExportPreadv64v2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) __asm__("preadv64v2");
ssize_t xsExportPreadv64v2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) {
    return xsPreadv2(fd, vectors, count, offset, flags);
}

ssize_t xsExportInternalPread64Chk(int fd, void *buffer, size_t size, off_t offset, size_t room) __asm__("__pread64_chk");
ssize_t xsExportInternalPread64Chk(int fd, void *buffer, size_t size, off_t offset, size_t room) {
    return xsPreadChk(fd, buffer, size, offset, room);
}

ssize_t xsExportSendfile64(int out, int in, off_t *offset, size_t count) __asm__("sendfile64");
ssize_t xsExportSendfile64(int out, int in, off_t *offset, size_t count) {
    return xsSendfile(out, in, offset, count);
}

int xsExportInternalPoll(struct pollfd *fds, nfds_t count, int timeout) __asm__("__poll");
int xsExportInternalPoll(struct pollfd *fds, nfds_t count, int timeout) {
    return xsPoll(fds, count, timeout);
}

int xsExportInternalSelect(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, struct timeval *timeout) __asm__("__select");
int xsExportInternalSelect(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, struct timeval *timeout) {
    return xsSelect(count, readable, writable, exceptional, timeout);
}

int xsExportInternalClose(int fd) __asm__("__close");
int xsExportInternalClose(int fd) {
    return xsClose(fd);
}

int xsExportInternalDup2(int fd, int to) __asm__("__dup2");
int xsExportInternalDup2(int fd, int to) {
    return xsDup2(fd, to);
}

int xsExportFcntl(int fd, int command, ...) __asm__("fcntl");
int xsExportFcntl(int fd, int command, ...) {
    va_list list;
    va_start(list, command);
    long argument = va_arg(list, long);
    va_end(list);
    return xsFcntl(fd, command, argument);
}

int xsExportFcntl64(int fd, int command, ...) __asm__("fcntl64");
int xsExportFcntl64(int fd, int command, ...) {
    va_list list;
    va_start(list, command);
    long argument = va_arg(list, long);
    va_end(list);
    return xsFcntl(fd, command, argument);
}

int xsExportInternalFcntl(int fd, int command, ...) __asm__("__fcntl");
int xsExportInternalFcntl(int fd, int command, ...) {
    va_list list;
    va_start(list, command);
    long argument = va_arg(list, long);
    va_end(list);
    return xsFcntl(fd, command, argument);
}

int xsExportIoctl(int fd, unsigned long request, ...) __asm__("ioctl");
int xsExportIoctl(int fd, unsigned long request, ...) {
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    return xsIoctl(fd, request, argument);
}

FILE *xsExportInternalIOFdopen(int fd, const char *mode) __asm__("_IO_fdopen");
FILE *xsExportInternalIOFdopen(int fd, const char *mode) {
    return xsFdopen(fd, mode);
}

long xsExportSyscall(long number, ...) __asm__("syscall");
long xsExportSyscall(long number, ...) {
    va_list list;
    va_start(list, number);
    long a = va_arg(list, long);
    long b = va_arg(list, long);
    long c = va_arg(list, long);
    long d = va_arg(list, long);
    long e = va_arg(list, long);
    long f = va_arg(list, long);
    va_end(list);
    return xsSyscall(number, a, b, c, d, e, f);
}

const char *const xsNextNames[xsNextCount] = {
    "socket",
    "socketpair",
    "bind",
    "bindresvport",
    "connect",
    "listen",
    "accept",
    "accept4",
    "shutdown",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "isfdtype",
    "sockatmark",
    "send",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "write",
    "writev",
    "pwrite",
    "pwritev",
    "pwritev2",
    "recv",
    "recvfrom",
    "recvmsg",
    "recvmmsg",
    "read",
    "readv",
    "pread",
    "preadv",
    "preadv2",
    "__recv_chk",
    "__recvfrom_chk",
    "__read_chk",
    "__pread_chk",
    "sendfile",
    "splice",
    "tee",
    "vmsplice",
    "copy_file_range",
    "poll",
    "ppoll",
    "__poll_chk",
    "__ppoll_chk",
    "select",
    "pselect",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "close",
    "closefrom",
    "close_range",
    "dup",
    "dup2",
    "dup3",
    "fcntl",
    "ioctl",
    "getaddrinfo",
    "getnameinfo",
    "gethostbyname",
    "gethostbyname2",
    "gethostbyaddr",
    "gethostbyname_r",
    "gethostbyname2_r",
    "gethostbyaddr_r",
    "fdopen",
    "vdprintf",
    "__vdprintf_chk",
    "syscall",
};

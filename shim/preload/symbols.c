/* Made by shim/symbols/generate from symbols.txt: change the table, not this file. */
#include "CXenSockPreload.h"

int xsExportSocket(int domain, int type, int protocol) __asm__("socket");
int xsExportSocket(int domain, int type, int protocol) {
    return xsSocket(domain, type, protocol);
}

int xsExportSocketpair(int domain, int type, int protocol, int *pair) __asm__("socketpair");
int xsExportSocketpair(int domain, int type, int protocol, int *pair) {
    return xsSocketpair(domain, type, protocol, pair);
}

int xsExportBind(int fd, const void *address, socklen_t length) __asm__("bind");
int xsExportBind(int fd, const void *address, socklen_t length) {
    return xsBind(fd, address, length);
}

int xsExportBindresvport(int fd, struct sockaddr_in *address) __asm__("bindresvport");
int xsExportBindresvport(int fd, struct sockaddr_in *address) {
    return xsBindresvport(fd, address);
}

int xsExportConnect(int fd, const void *address, socklen_t length) __asm__("connect");
int xsExportConnect(int fd, const void *address, socklen_t length) {
    return xsConnect(fd, address, length);
}

int xsExportInternalConnect(int fd, const void *address, socklen_t length) __asm__("__connect");
int xsExportInternalConnect(int fd, const void *address, socklen_t length) {
    return xsConnect(fd, address, length);
}

int xsExportListen(int fd, int backlog) __asm__("listen");
int xsExportListen(int fd, int backlog) {
    return xsListen(fd, backlog);
}

int xsExportAccept(int fd, void *address, socklen_t *length) __asm__("accept");
int xsExportAccept(int fd, void *address, socklen_t *length) {
    return xsAccept(fd, address, length);
}

int xsExportAccept4(int fd, void *address, socklen_t *length, int flags) __asm__("accept4");
int xsExportAccept4(int fd, void *address, socklen_t *length, int flags) {
    return xsAccept4(fd, address, length, flags);
}

int xsExportShutdown(int fd, int how) __asm__("shutdown");
int xsExportShutdown(int fd, int how) {
    return xsShutdown(fd, how);
}

int xsExportGetsockname(int fd, void *address, socklen_t *length) __asm__("getsockname");
int xsExportGetsockname(int fd, void *address, socklen_t *length) {
    return xsGetsockname(fd, address, length);
}

int xsExportGetpeername(int fd, void *address, socklen_t *length) __asm__("getpeername");
int xsExportGetpeername(int fd, void *address, socklen_t *length) {
    return xsGetpeername(fd, address, length);
}

int xsExportGetsockopt(int fd, int level, int name, void *value, socklen_t *length) __asm__("getsockopt");
int xsExportGetsockopt(int fd, int level, int name, void *value, socklen_t *length) {
    return xsGetsockopt(fd, level, name, value, length);
}

int xsExportSetsockopt(int fd, int level, int name, const void *value, socklen_t length) __asm__("setsockopt");
int xsExportSetsockopt(int fd, int level, int name, const void *value, socklen_t length) {
    return xsSetsockopt(fd, level, name, value, length);
}

int xsExportIsfdtype(int fd, int type) __asm__("isfdtype");
int xsExportIsfdtype(int fd, int type) {
    return xsIsfdtype(fd, type);
}

int xsExportSockatmark(int fd) __asm__("sockatmark");
int xsExportSockatmark(int fd) {
    return xsSockatmark(fd);
}

ssize_t xsExportSend(int fd, const void *buffer, size_t size, int flags) __asm__("send");
ssize_t xsExportSend(int fd, const void *buffer, size_t size, int flags) {
    return xsSend(fd, buffer, size, flags);
}

ssize_t xsExportInternalSend(int fd, const void *buffer, size_t size, int flags) __asm__("__send");
ssize_t xsExportInternalSend(int fd, const void *buffer, size_t size, int flags) {
    return xsSend(fd, buffer, size, flags);
}

ssize_t xsExportSendto(int fd, const void *buffer, size_t size, int flags, const void *address, socklen_t length) __asm__("sendto");
ssize_t xsExportSendto(int fd, const void *buffer, size_t size, int flags, const void *address, socklen_t length) {
    return xsSendto(fd, buffer, size, flags, address, length);
}

ssize_t xsExportSendmsg(int fd, const struct msghdr *message, int flags) __asm__("sendmsg");
ssize_t xsExportSendmsg(int fd, const struct msghdr *message, int flags) {
    return xsSendmsg(fd, message, flags);
}

int xsExportSendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags) __asm__("sendmmsg");
int xsExportSendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags) {
    return xsSendmmsg(fd, messages, count, flags);
}

ssize_t xsExportWrite(int fd, const void *buffer, size_t size) __asm__("write");
ssize_t xsExportWrite(int fd, const void *buffer, size_t size) {
    return xsWrite(fd, buffer, size);
}

ssize_t xsExportInternalWrite(int fd, const void *buffer, size_t size) __asm__("__write");
ssize_t xsExportInternalWrite(int fd, const void *buffer, size_t size) {
    return xsWrite(fd, buffer, size);
}

ssize_t xsExportWritev(int fd, const struct iovec *vectors, int count) __asm__("writev");
ssize_t xsExportWritev(int fd, const struct iovec *vectors, int count) {
    return xsWritev(fd, vectors, count);
}

ssize_t xsExportPwrite(int fd, const void *buffer, size_t size, off_t offset) __asm__("pwrite");
ssize_t xsExportPwrite(int fd, const void *buffer, size_t size, off_t offset) {
    return xsPwrite(fd, buffer, size, offset);
}

ssize_t xsExportPwrite64(int fd, const void *buffer, size_t size, off_t offset) __asm__("pwrite64");
ssize_t xsExportPwrite64(int fd, const void *buffer, size_t size, off_t offset) {
    return xsPwrite(fd, buffer, size, offset);
}

ssize_t xsExportInternalPwrite64(int fd, const void *buffer, size_t size, off_t offset) __asm__("__pwrite64");
ssize_t xsExportInternalPwrite64(int fd, const void *buffer, size_t size, off_t offset) {
    return xsPwrite(fd, buffer, size, offset);
}

ssize_t xsExportPwritev(int fd, const struct iovec *vectors, int count, off_t offset) __asm__("pwritev");
ssize_t xsExportPwritev(int fd, const struct iovec *vectors, int count, off_t offset) {
    return xsPwritev(fd, vectors, count, offset);
}

ssize_t xsExportPwritev64(int fd, const struct iovec *vectors, int count, off_t offset) __asm__("pwritev64");
ssize_t xsExportPwritev64(int fd, const struct iovec *vectors, int count, off_t offset) {
    return xsPwritev(fd, vectors, count, offset);
}

ssize_t xsExportPwritev2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) __asm__("pwritev2");
ssize_t xsExportPwritev2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) {
    return xsPwritev2(fd, vectors, count, offset, flags);
}

ssize_t xsExportPwritev64v2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) __asm__("pwritev64v2");
ssize_t xsExportPwritev64v2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) {
    return xsPwritev2(fd, vectors, count, offset, flags);
}

ssize_t xsExportRecv(int fd, void *buffer, size_t size, int flags) __asm__("recv");
ssize_t xsExportRecv(int fd, void *buffer, size_t size, int flags) {
    return xsRecv(fd, buffer, size, flags);
}

ssize_t xsExportRecvfrom(int fd, void *buffer, size_t size, int flags, void *address, socklen_t *length) __asm__("recvfrom");
ssize_t xsExportRecvfrom(int fd, void *buffer, size_t size, int flags, void *address, socklen_t *length) {
    return xsRecvfrom(fd, buffer, size, flags, address, length);
}

ssize_t xsExportRecvmsg(int fd, struct msghdr *message, int flags) __asm__("recvmsg");
ssize_t xsExportRecvmsg(int fd, struct msghdr *message, int flags) {
    return xsRecvmsg(fd, message, flags);
}

int xsExportRecvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags, struct timespec *timeout) __asm__("recvmmsg");
int xsExportRecvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags, struct timespec *timeout) {
    return xsRecvmmsg(fd, messages, count, flags, timeout);
}

ssize_t xsExportRead(int fd, void *buffer, size_t size) __asm__("read");
ssize_t xsExportRead(int fd, void *buffer, size_t size) {
    return xsRead(fd, buffer, size);
}

ssize_t xsExportInternalRead(int fd, void *buffer, size_t size) __asm__("__read");
ssize_t xsExportInternalRead(int fd, void *buffer, size_t size) {
    return xsRead(fd, buffer, size);
}

ssize_t xsExportReadv(int fd, const struct iovec *vectors, int count) __asm__("readv");
ssize_t xsExportReadv(int fd, const struct iovec *vectors, int count) {
    return xsReadv(fd, vectors, count);
}

ssize_t xsExportPread(int fd, void *buffer, size_t size, off_t offset) __asm__("pread");
ssize_t xsExportPread(int fd, void *buffer, size_t size, off_t offset) {
    return xsPread(fd, buffer, size, offset);
}

ssize_t xsExportPread64(int fd, void *buffer, size_t size, off_t offset) __asm__("pread64");
ssize_t xsExportPread64(int fd, void *buffer, size_t size, off_t offset) {
    return xsPread(fd, buffer, size, offset);
}

ssize_t xsExportInternalPread64(int fd, void *buffer, size_t size, off_t offset) __asm__("__pread64");
ssize_t xsExportInternalPread64(int fd, void *buffer, size_t size, off_t offset) {
    return xsPread(fd, buffer, size, offset);
}

ssize_t xsExportPreadv(int fd, const struct iovec *vectors, int count, off_t offset) __asm__("preadv");
ssize_t xsExportPreadv(int fd, const struct iovec *vectors, int count, off_t offset) {
    return xsPreadv(fd, vectors, count, offset);
}

ssize_t xsExportPreadv64(int fd, const struct iovec *vectors, int count, off_t offset) __asm__("preadv64");
ssize_t xsExportPreadv64(int fd, const struct iovec *vectors, int count, off_t offset) {
    return xsPreadv(fd, vectors, count, offset);
}

ssize_t xsExportPreadv2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) __asm__("preadv2");
ssize_t xsExportPreadv2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) {
    return xsPreadv2(fd, vectors, count, offset, flags);
}

ssize_t xsExportPreadv64v2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) __asm__("preadv64v2");
ssize_t xsExportPreadv64v2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) {
    return xsPreadv2(fd, vectors, count, offset, flags);
}

ssize_t xsExportInternalRecvChk(int fd, void *buffer, size_t size, size_t room, int flags) __asm__("__recv_chk");
ssize_t xsExportInternalRecvChk(int fd, void *buffer, size_t size, size_t room, int flags) {
    return xsRecvChk(fd, buffer, size, room, flags);
}

ssize_t xsExportInternalRecvfromChk(int fd, void *buffer, size_t size, size_t room, int flags, void *address, socklen_t *length) __asm__("__recvfrom_chk");
ssize_t xsExportInternalRecvfromChk(int fd, void *buffer, size_t size, size_t room, int flags, void *address, socklen_t *length) {
    return xsRecvfromChk(fd, buffer, size, room, flags, address, length);
}

ssize_t xsExportInternalReadChk(int fd, void *buffer, size_t size, size_t room) __asm__("__read_chk");
ssize_t xsExportInternalReadChk(int fd, void *buffer, size_t size, size_t room) {
    return xsReadChk(fd, buffer, size, room);
}

ssize_t xsExportInternalPreadChk(int fd, void *buffer, size_t size, off_t offset, size_t room) __asm__("__pread_chk");
ssize_t xsExportInternalPreadChk(int fd, void *buffer, size_t size, off_t offset, size_t room) {
    return xsPreadChk(fd, buffer, size, offset, room);
}

ssize_t xsExportInternalPread64Chk(int fd, void *buffer, size_t size, off_t offset, size_t room) __asm__("__pread64_chk");
ssize_t xsExportInternalPread64Chk(int fd, void *buffer, size_t size, off_t offset, size_t room) {
    return xsPreadChk(fd, buffer, size, offset, room);
}

ssize_t xsExportSendfile(int out, int in, off_t *offset, size_t count) __asm__("sendfile");
ssize_t xsExportSendfile(int out, int in, off_t *offset, size_t count) {
    return xsSendfile(out, in, offset, count);
}

ssize_t xsExportSendfile64(int out, int in, off_t *offset, size_t count) __asm__("sendfile64");
ssize_t xsExportSendfile64(int out, int in, off_t *offset, size_t count) {
    return xsSendfile(out, in, offset, count);
}

ssize_t xsExportSplice(int in, off_t *inOffset, int out, off_t *outOffset, size_t count, unsigned int flags) __asm__("splice");
ssize_t xsExportSplice(int in, off_t *inOffset, int out, off_t *outOffset, size_t count, unsigned int flags) {
    return xsSplice(in, inOffset, out, outOffset, count, flags);
}

ssize_t xsExportTee(int in, int out, size_t count, unsigned int flags) __asm__("tee");
ssize_t xsExportTee(int in, int out, size_t count, unsigned int flags) {
    return xsTee(in, out, count, flags);
}

ssize_t xsExportVmsplice(int fd, const struct iovec *vectors, size_t count, unsigned int flags) __asm__("vmsplice");
ssize_t xsExportVmsplice(int fd, const struct iovec *vectors, size_t count, unsigned int flags) {
    return xsVmsplice(fd, vectors, count, flags);
}

ssize_t xsExportCopyFileRange(int in, off_t *inOffset, int out, off_t *outOffset, size_t count, unsigned int flags) __asm__("copy_file_range");
ssize_t xsExportCopyFileRange(int in, off_t *inOffset, int out, off_t *outOffset, size_t count, unsigned int flags) {
    return xsCopyFileRange(in, inOffset, out, outOffset, count, flags);
}

int xsExportPoll(struct pollfd *fds, nfds_t count, int timeout) __asm__("poll");
int xsExportPoll(struct pollfd *fds, nfds_t count, int timeout) {
    return xsPoll(fds, count, timeout);
}

int xsExportInternalPoll(struct pollfd *fds, nfds_t count, int timeout) __asm__("__poll");
int xsExportInternalPoll(struct pollfd *fds, nfds_t count, int timeout) {
    return xsPoll(fds, count, timeout);
}

int xsExportPpoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask) __asm__("ppoll");
int xsExportPpoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask) {
    return xsPpoll(fds, count, timeout, mask);
}

int xsExportInternalPollChk(struct pollfd *fds, nfds_t count, int timeout, size_t room) __asm__("__poll_chk");
int xsExportInternalPollChk(struct pollfd *fds, nfds_t count, int timeout, size_t room) {
    return xsPollChk(fds, count, timeout, room);
}

int xsExportInternalPpollChk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t room) __asm__("__ppoll_chk");
int xsExportInternalPpollChk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t room) {
    return xsPpollChk(fds, count, timeout, mask, room);
}

int xsExportSelect(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, struct timeval *timeout) __asm__("select");
int xsExportSelect(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, struct timeval *timeout) {
    return xsSelect(count, readable, writable, exceptional, timeout);
}

int xsExportInternalSelect(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, struct timeval *timeout) __asm__("__select");
int xsExportInternalSelect(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, struct timeval *timeout) {
    return xsSelect(count, readable, writable, exceptional, timeout);
}

int xsExportPselect(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, const struct timespec *timeout, const sigset_t *mask) __asm__("pselect");
int xsExportPselect(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, const struct timespec *timeout, const sigset_t *mask) {
    return xsPselect(count, readable, writable, exceptional, timeout, mask);
}

int xsExportEpollCreate(int size) __asm__("epoll_create");
int xsExportEpollCreate(int size) {
    return xsEpollCreate(size);
}

int xsExportEpollCreate1(int flags) __asm__("epoll_create1");
int xsExportEpollCreate1(int flags) {
    return xsEpollCreate1(flags);
}

int xsExportEpollCtl(int epoll, int operation, int fd, struct epoll_event *event) __asm__("epoll_ctl");
int xsExportEpollCtl(int epoll, int operation, int fd, struct epoll_event *event) {
    return xsEpollCtl(epoll, operation, fd, event);
}

int xsExportEpollWait(int epoll, struct epoll_event *events, int count, int timeout) __asm__("epoll_wait");
int xsExportEpollWait(int epoll, struct epoll_event *events, int count, int timeout) {
    return xsEpollWait(epoll, events, count, timeout);
}

int xsExportEpollPwait(int epoll, struct epoll_event *events, int count, int timeout, const sigset_t *mask) __asm__("epoll_pwait");
int xsExportEpollPwait(int epoll, struct epoll_event *events, int count, int timeout, const sigset_t *mask) {
    return xsEpollPwait(epoll, events, count, timeout, mask);
}

int xsExportEpollPwait2(int epoll, struct epoll_event *events, int count, const struct timespec *timeout, const sigset_t *mask) __asm__("epoll_pwait2");
int xsExportEpollPwait2(int epoll, struct epoll_event *events, int count, const struct timespec *timeout, const sigset_t *mask) {
    return xsEpollPwait2(epoll, events, count, timeout, mask);
}

int xsExportClose(int fd) __asm__("close");
int xsExportClose(int fd) {
    return xsClose(fd);
}

int xsExportInternalClose(int fd) __asm__("__close");
int xsExportInternalClose(int fd) {
    return xsClose(fd);
}

void xsExportClosefrom(int first) __asm__("closefrom");
void xsExportClosefrom(int first) {
    xsClosefrom(first);
}

int xsExportCloseRange(unsigned int first, unsigned int last, int flags) __asm__("close_range");
int xsExportCloseRange(unsigned int first, unsigned int last, int flags) {
    return xsCloseRange(first, last, flags);
}

int xsExportDup(int fd) __asm__("dup");
int xsExportDup(int fd) {
    return xsDup(fd);
}

int xsExportDup2(int fd, int to) __asm__("dup2");
int xsExportDup2(int fd, int to) {
    return xsDup2(fd, to);
}

int xsExportInternalDup2(int fd, int to) __asm__("__dup2");
int xsExportInternalDup2(int fd, int to) {
    return xsDup2(fd, to);
}

int xsExportDup3(int fd, int to, int flags) __asm__("dup3");
int xsExportDup3(int fd, int to, int flags) {
    return xsDup3(fd, to, flags);
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

int xsExportPidfdGetfd(int process, int fd, unsigned int flags) __asm__("pidfd_getfd");
int xsExportPidfdGetfd(int process, int fd, unsigned int flags) {
    return xsPidfdGetfd(process, fd, flags);
}

int xsExportDaemon(int keepsDirectory, int keepsStreams) __asm__("daemon");
int xsExportDaemon(int keepsDirectory, int keepsStreams) {
    return xsDaemon(keepsDirectory, keepsStreams);
}

int xsExportFstat(int fd, void *status) __asm__("fstat");
int xsExportFstat(int fd, void *status) {
    return xsFstat(fd, status);
}

int xsExportFstat64(int fd, void *status) __asm__("fstat64");
int xsExportFstat64(int fd, void *status) {
    return xsFstat(fd, status);
}

int xsExportInternalFxstat(int version, int fd, void *status) __asm__("__fxstat");
int xsExportInternalFxstat(int version, int fd, void *status) {
    return xsFxstat(version, fd, status);
}

int xsExportInternalFxstat64(int version, int fd, void *status) __asm__("__fxstat64");
int xsExportInternalFxstat64(int version, int fd, void *status) {
    return xsFxstat(version, fd, status);
}

int xsExportOpen(const char *path, int flags, ...) __asm__("open");
int xsExportOpen(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    unsigned int mode = va_arg(list, unsigned int);
    va_end(list);
    return xsOpen(path, flags, mode);
}

int xsExportOpen64(const char *path, int flags, ...) __asm__("open64");
int xsExportOpen64(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    unsigned int mode = va_arg(list, unsigned int);
    va_end(list);
    return xsOpen(path, flags, mode);
}

int xsExportInternalOpen(const char *path, int flags, ...) __asm__("__open");
int xsExportInternalOpen(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    unsigned int mode = va_arg(list, unsigned int);
    va_end(list);
    return xsOpen(path, flags, mode);
}

int xsExportInternalOpen64(const char *path, int flags, ...) __asm__("__open64");
int xsExportInternalOpen64(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    unsigned int mode = va_arg(list, unsigned int);
    va_end(list);
    return xsOpen(path, flags, mode);
}

int xsExportOpenat(int directory, const char *path, int flags, ...) __asm__("openat");
int xsExportOpenat(int directory, const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    unsigned int mode = va_arg(list, unsigned int);
    va_end(list);
    return xsOpenat(directory, path, flags, mode);
}

int xsExportOpenat64(int directory, const char *path, int flags, ...) __asm__("openat64");
int xsExportOpenat64(int directory, const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    unsigned int mode = va_arg(list, unsigned int);
    va_end(list);
    return xsOpenat(directory, path, flags, mode);
}

int xsExportInternalOpen2(const char *path, int flags) __asm__("__open_2");
int xsExportInternalOpen2(const char *path, int flags) {
    return xsOpen2(path, flags);
}

int xsExportInternalOpen642(const char *path, int flags) __asm__("__open64_2");
int xsExportInternalOpen642(const char *path, int flags) {
    return xsOpen2(path, flags);
}

int xsExportInternalOpenat2(int directory, const char *path, int flags) __asm__("__openat_2");
int xsExportInternalOpenat2(int directory, const char *path, int flags) {
    return xsOpenat2(directory, path, flags);
}

int xsExportInternalOpenat642(int directory, const char *path, int flags) __asm__("__openat64_2");
int xsExportInternalOpenat642(int directory, const char *path, int flags) {
    return xsOpenat2(directory, path, flags);
}

int xsExportCreat(const char *path, unsigned int mode) __asm__("creat");
int xsExportCreat(const char *path, unsigned int mode) {
    return xsCreat(path, mode);
}

int xsExportCreat64(const char *path, unsigned int mode) __asm__("creat64");
int xsExportCreat64(const char *path, unsigned int mode) {
    return xsCreat(path, mode);
}

int xsExportPipe(int *pair) __asm__("pipe");
int xsExportPipe(int *pair) {
    return xsPipe(pair);
}

int xsExportInternalPipe(int *pair) __asm__("__pipe");
int xsExportInternalPipe(int *pair) {
    return xsPipe(pair);
}

int xsExportPipe2(int *pair, int flags) __asm__("pipe2");
int xsExportPipe2(int *pair, int flags) {
    return xsPipe2(pair, flags);
}

int xsExportEventfd(unsigned int value, int flags) __asm__("eventfd");
int xsExportEventfd(unsigned int value, int flags) {
    return xsEventfd(value, flags);
}

int xsExportTimerfdCreate(int clock, int flags) __asm__("timerfd_create");
int xsExportTimerfdCreate(int clock, int flags) {
    return xsTimerfdCreate(clock, flags);
}

int xsExportSignalfd(int fd, const sigset_t *mask, int flags) __asm__("signalfd");
int xsExportSignalfd(int fd, const sigset_t *mask, int flags) {
    return xsSignalfd(fd, mask, flags);
}

int xsExportMemfdCreate(const char *name, unsigned int flags) __asm__("memfd_create");
int xsExportMemfdCreate(const char *name, unsigned int flags) {
    return xsMemfdCreate(name, flags);
}

int xsExportPrctl(int option, ...) __asm__("prctl");
int xsExportPrctl(int option, ...) {
    va_list list;
    va_start(list, option);
    unsigned long a = va_arg(list, unsigned long);
    unsigned long b = va_arg(list, unsigned long);
    unsigned long c = va_arg(list, unsigned long);
    unsigned long d = va_arg(list, unsigned long);
    va_end(list);
    return xsPrctl(option, a, b, c, d);
}

int xsExportGetaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result) __asm__("getaddrinfo");
int xsExportGetaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result) {
    return xsGetaddrinfo(node, service, hints, result);
}

int xsExportGetnameinfo(const void *address, socklen_t length, char *host, socklen_t hostRoom, char *service, socklen_t serviceRoom, int flags) __asm__("getnameinfo");
int xsExportGetnameinfo(const void *address, socklen_t length, char *host, socklen_t hostRoom, char *service, socklen_t serviceRoom, int flags) {
    return xsGetnameinfo(address, length, host, hostRoom, service, serviceRoom, flags);
}

struct hostent *xsExportGethostbyname(const char *name) __asm__("gethostbyname");
struct hostent *xsExportGethostbyname(const char *name) {
    return xsGethostbyname(name);
}

struct hostent *xsExportGethostbyname2(const char *name, int family) __asm__("gethostbyname2");
struct hostent *xsExportGethostbyname2(const char *name, int family) {
    return xsGethostbyname2(name, family);
}

struct hostent *xsExportGethostbyaddr(const void *address, socklen_t length, int family) __asm__("gethostbyaddr");
struct hostent *xsExportGethostbyaddr(const void *address, socklen_t length, int family) {
    return xsGethostbyaddr(address, length, family);
}

int xsExportGethostbynameR(const char *name, struct hostent *entry, char *buffer, size_t room, struct hostent **result, int *error) __asm__("gethostbyname_r");
int xsExportGethostbynameR(const char *name, struct hostent *entry, char *buffer, size_t room, struct hostent **result, int *error) {
    return xsGethostbynameR(name, entry, buffer, room, result, error);
}

int xsExportGethostbyname2R(const char *name, int family, struct hostent *entry, char *buffer, size_t room, struct hostent **result, int *error) __asm__("gethostbyname2_r");
int xsExportGethostbyname2R(const char *name, int family, struct hostent *entry, char *buffer, size_t room, struct hostent **result, int *error) {
    return xsGethostbyname2R(name, family, entry, buffer, room, result, error);
}

int xsExportGethostbyaddrR(const void *address, socklen_t length, int family, struct hostent *entry, char *buffer, size_t room, struct hostent **result, int *error) __asm__("gethostbyaddr_r");
int xsExportGethostbyaddrR(const void *address, socklen_t length, int family, struct hostent *entry, char *buffer, size_t room, struct hostent **result, int *error) {
    return xsGethostbyaddrR(address, length, family, entry, buffer, room, result, error);
}

int xsExportGetaddrinfoA(int mode, struct gaicb **requests, int count, struct sigevent *event) __asm__("getaddrinfo_a");
int xsExportGetaddrinfoA(int mode, struct gaicb **requests, int count, struct sigevent *event) {
    return xsGetaddrinfoA(mode, requests, count, event);
}

int xsExportResQuery(const char *name, int class, int type, unsigned char *answer, int room) __asm__("res_query");
int xsExportResQuery(const char *name, int class, int type, unsigned char *answer, int room) {
    return xsResQuery(name, class, type, answer, room);
}

int xsExportInternalResQuery(const char *name, int class, int type, unsigned char *answer, int room) __asm__("__res_query");
int xsExportInternalResQuery(const char *name, int class, int type, unsigned char *answer, int room) {
    return xsResQuery(name, class, type, answer, room);
}

int xsExportResSearch(const char *name, int class, int type, unsigned char *answer, int room) __asm__("res_search");
int xsExportResSearch(const char *name, int class, int type, unsigned char *answer, int room) {
    return xsResSearch(name, class, type, answer, room);
}

int xsExportInternalResSearch(const char *name, int class, int type, unsigned char *answer, int room) __asm__("__res_search");
int xsExportInternalResSearch(const char *name, int class, int type, unsigned char *answer, int room) {
    return xsResSearch(name, class, type, answer, room);
}

int xsExportResQuerydomain(const char *name, const char *domain, int class, int type, unsigned char *answer, int room) __asm__("res_querydomain");
int xsExportResQuerydomain(const char *name, const char *domain, int class, int type, unsigned char *answer, int room) {
    return xsResQuerydomain(name, domain, class, type, answer, room);
}

int xsExportInternalResQuerydomain(const char *name, const char *domain, int class, int type, unsigned char *answer, int room) __asm__("__res_querydomain");
int xsExportInternalResQuerydomain(const char *name, const char *domain, int class, int type, unsigned char *answer, int room) {
    return xsResQuerydomain(name, domain, class, type, answer, room);
}

int xsExportResSend(const unsigned char *message, int size, unsigned char *answer, int room) __asm__("res_send");
int xsExportResSend(const unsigned char *message, int size, unsigned char *answer, int room) {
    return xsResSend(message, size, answer, room);
}

int xsExportInternalResSend(const unsigned char *message, int size, unsigned char *answer, int room) __asm__("__res_send");
int xsExportInternalResSend(const unsigned char *message, int size, unsigned char *answer, int room) {
    return xsResSend(message, size, answer, room);
}

int xsExportResNquery(struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int room) __asm__("res_nquery");
int xsExportResNquery(struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int room) {
    return xsResNquery(state, name, class, type, answer, room);
}

int xsExportInternalResNquery(struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int room) __asm__("__res_nquery");
int xsExportInternalResNquery(struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int room) {
    return xsResNquery(state, name, class, type, answer, room);
}

int xsExportResNsearch(struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int room) __asm__("res_nsearch");
int xsExportResNsearch(struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int room) {
    return xsResNsearch(state, name, class, type, answer, room);
}

int xsExportInternalResNsearch(struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int room) __asm__("__res_nsearch");
int xsExportInternalResNsearch(struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int room) {
    return xsResNsearch(state, name, class, type, answer, room);
}

int xsExportResNquerydomain(struct __res_state *state, const char *name, const char *domain, int class, int type, unsigned char *answer, int room) __asm__("res_nquerydomain");
int xsExportResNquerydomain(struct __res_state *state, const char *name, const char *domain, int class, int type, unsigned char *answer, int room) {
    return xsResNquerydomain(state, name, domain, class, type, answer, room);
}

int xsExportInternalResNquerydomain(struct __res_state *state, const char *name, const char *domain, int class, int type, unsigned char *answer, int room) __asm__("__res_nquerydomain");
int xsExportInternalResNquerydomain(struct __res_state *state, const char *name, const char *domain, int class, int type, unsigned char *answer, int room) {
    return xsResNquerydomain(state, name, domain, class, type, answer, room);
}

int xsExportResNsend(struct __res_state *state, const unsigned char *message, int size, unsigned char *answer, int room) __asm__("res_nsend");
int xsExportResNsend(struct __res_state *state, const unsigned char *message, int size, unsigned char *answer, int room) {
    return xsResNsend(state, message, size, answer, room);
}

int xsExportInternalResNsend(struct __res_state *state, const unsigned char *message, int size, unsigned char *answer, int room) __asm__("__res_nsend");
int xsExportInternalResNsend(struct __res_state *state, const unsigned char *message, int size, unsigned char *answer, int room) {
    return xsResNsend(state, message, size, answer, room);
}

int xsExportGetifaddrs(struct ifaddrs **list) __asm__("getifaddrs");
int xsExportGetifaddrs(struct ifaddrs **list) {
    return xsGetifaddrs(list);
}

unsigned int xsExportIfNametoindex(const char *name) __asm__("if_nametoindex");
unsigned int xsExportIfNametoindex(const char *name) {
    return xsIfNametoindex(name);
}

char *xsExportIfIndextoname(unsigned int index, char *name) __asm__("if_indextoname");
char *xsExportIfIndextoname(unsigned int index, char *name) {
    return xsIfIndextoname(index, name);
}

struct if_nameindex *xsExportIfNameindex(void) __asm__("if_nameindex");
struct if_nameindex *xsExportIfNameindex(void) {
    return xsIfNameindex();
}

FILE *xsExportFdopen(int fd, const char *mode) __asm__("fdopen");
FILE *xsExportFdopen(int fd, const char *mode) {
    return xsFdopen(fd, mode);
}

FILE *xsExportInternalIOFdopen(int fd, const char *mode) __asm__("_IO_fdopen");
FILE *xsExportInternalIOFdopen(int fd, const char *mode) {
    return xsFdopen(fd, mode);
}

int xsExportAioRead(void *request) __asm__("aio_read");
int xsExportAioRead(void *request) {
    return xsAioRead(request);
}

int xsExportAioRead64(void *request) __asm__("aio_read64");
int xsExportAioRead64(void *request) {
    return xsAioRead(request);
}

int xsExportAioWrite(void *request) __asm__("aio_write");
int xsExportAioWrite(void *request) {
    return xsAioWrite(request);
}

int xsExportAioWrite64(void *request) __asm__("aio_write64");
int xsExportAioWrite64(void *request) {
    return xsAioWrite(request);
}

int xsExportLioListio(int mode, void *const *list, int count, void *event) __asm__("lio_listio");
int xsExportLioListio(int mode, void *const *list, int count, void *event) {
    return xsLioListio(mode, list, count, event);
}

int xsExportLioListio64(int mode, void *const *list, int count, void *event) __asm__("lio_listio64");
int xsExportLioListio64(int mode, void *const *list, int count, void *event) {
    return xsLioListio(mode, list, count, event);
}

int xsExportExecve(const char *path, char *const *arguments, char *const *environment) __asm__("execve");
int xsExportExecve(const char *path, char *const *arguments, char *const *environment) {
    return xsExecve(path, arguments, environment);
}

int xsExportExecv(const char *path, char *const *arguments) __asm__("execv");
int xsExportExecv(const char *path, char *const *arguments) {
    return xsExecv(path, arguments);
}

int xsExportExecvp(const char *file, char *const *arguments) __asm__("execvp");
int xsExportExecvp(const char *file, char *const *arguments) {
    return xsExecvp(file, arguments);
}

int xsExportExecvpe(const char *file, char *const *arguments, char *const *environment) __asm__("execvpe");
int xsExportExecvpe(const char *file, char *const *arguments, char *const *environment) {
    return xsExecvpe(file, arguments, environment);
}

int xsExportFexecve(int fd, char *const *arguments, char *const *environment) __asm__("fexecve");
int xsExportFexecve(int fd, char *const *arguments, char *const *environment) {
    return xsFexecve(fd, arguments, environment);
}

int xsExportExecveat(int directory, const char *path, char *const *arguments, char *const *environment, int flags) __asm__("execveat");
int xsExportExecveat(int directory, const char *path, char *const *arguments, char *const *environment, int flags) {
    return xsExecveat(directory, path, arguments, environment, flags);
}

int xsExportPosixSpawn(pid_t *child, const char *path, const void *actions, const void *attributes, char *const *arguments, char *const *environment) __asm__("posix_spawn");
int xsExportPosixSpawn(pid_t *child, const char *path, const void *actions, const void *attributes, char *const *arguments, char *const *environment) {
    return xsPosixSpawn(child, path, actions, attributes, arguments, environment);
}

int xsExportPosixSpawnp(pid_t *child, const char *file, const void *actions, const void *attributes, char *const *arguments, char *const *environment) __asm__("posix_spawnp");
int xsExportPosixSpawnp(pid_t *child, const char *file, const void *actions, const void *attributes, char *const *arguments, char *const *environment) {
    return xsPosixSpawnp(child, file, actions, attributes, arguments, environment);
}

int xsExportSystem(const char *command) __asm__("system");
int xsExportSystem(const char *command) {
    return xsSystem(command);
}

FILE *xsExportPopen(const char *command, const char *mode) __asm__("popen");
FILE *xsExportPopen(const char *command, const char *mode) {
    return xsPopen(command, mode);
}

FILE *xsExportInternalIOPopen(const char *command, const char *mode) __asm__("_IO_popen");
FILE *xsExportInternalIOPopen(const char *command, const char *mode) {
    return xsPopen(command, mode);
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
    "pidfd_getfd",
    "daemon",
    "fstat",
    "__fxstat",
    "open",
    "openat",
    "__open_2",
    "__openat_2",
    "creat",
    "pipe",
    "pipe2",
    "eventfd",
    "timerfd_create",
    "signalfd",
    "memfd_create",
    "prctl",
    "getaddrinfo",
    "getnameinfo",
    "gethostbyname",
    "gethostbyname2",
    "gethostbyaddr",
    "gethostbyname_r",
    "gethostbyname2_r",
    "gethostbyaddr_r",
    "getaddrinfo_a",
    "res_query",
    "res_search",
    "res_querydomain",
    "res_send",
    "res_nquery",
    "res_nsearch",
    "res_nquerydomain",
    "res_nsend",
    "getifaddrs",
    "if_nametoindex",
    "if_indextoname",
    "if_nameindex",
    "fdopen",
    "vdprintf",
    "__vdprintf_chk",
    "aio_read",
    "aio_write",
    "lio_listio",
    "execve",
    "execv",
    "execvp",
    "execvpe",
    "fexecve",
    "execveat",
    "posix_spawn",
    "posix_spawnp",
    "system",
    "popen",
    "syscall",
};

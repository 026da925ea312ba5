/* Made by shim/symbols/generate from symbols.txt: change the table, not this file. */
#ifndef XENSOCK_SYMBOLS_H
#define XENSOCK_SYMBOLS_H

/* Lifecycle */

int xsSocket(int domain, int type, int protocol);
static inline int xsNextSocket(int domain, int type, int protocol) {
    return ((int (*)(int domain, int type, int protocol))xsNext(0))(domain, type, protocol);
}

int xsSocketpair(int domain, int type, int protocol, int *pair);
static inline int xsNextSocketpair(int domain, int type, int protocol, int *pair) {
    return ((int (*)(int domain, int type, int protocol, int *pair))xsNext(1))(domain, type, protocol, pair);
}

int xsBind(int fd, const void *address, socklen_t length);
static inline int xsNextBind(int fd, const void *address, socklen_t length) {
    return ((int (*)(int fd, const void *address, socklen_t length))xsNext(2))(fd, address, length);
}

int xsBindresvport(int fd, struct sockaddr_in *address);
static inline int xsNextBindresvport(int fd, struct sockaddr_in *address) {
    return ((int (*)(int fd, struct sockaddr_in *address))xsNext(3))(fd, address);
}

int xsConnect(int fd, const void *address, socklen_t length);
static inline int xsNextConnect(int fd, const void *address, socklen_t length) {
    return ((int (*)(int fd, const void *address, socklen_t length))xsNext(4))(fd, address, length);
}

int xsListen(int fd, int backlog);
static inline int xsNextListen(int fd, int backlog) {
    return ((int (*)(int fd, int backlog))xsNext(5))(fd, backlog);
}

int xsAccept(int fd, void *address, socklen_t *length);
static inline int xsNextAccept(int fd, void *address, socklen_t *length) {
    return ((int (*)(int fd, void *address, socklen_t *length))xsNext(6))(fd, address, length);
}

int xsAccept4(int fd, void *address, socklen_t *length, int flags);
static inline int xsNextAccept4(int fd, void *address, socklen_t *length, int flags) {
    return ((int (*)(int fd, void *address, socklen_t *length, int flags))xsNext(7))(fd, address, length, flags);
}

int xsShutdown(int fd, int how);
static inline int xsNextShutdown(int fd, int how) {
    return ((int (*)(int fd, int how))xsNext(8))(fd, how);
}

int xsGetsockname(int fd, void *address, socklen_t *length);
static inline int xsNextGetsockname(int fd, void *address, socklen_t *length) {
    return ((int (*)(int fd, void *address, socklen_t *length))xsNext(9))(fd, address, length);
}

int xsGetpeername(int fd, void *address, socklen_t *length);
static inline int xsNextGetpeername(int fd, void *address, socklen_t *length) {
    return ((int (*)(int fd, void *address, socklen_t *length))xsNext(10))(fd, address, length);
}

int xsGetsockopt(int fd, int level, int name, void *value, socklen_t *length);
static inline int xsNextGetsockopt(int fd, int level, int name, void *value, socklen_t *length) {
    return ((int (*)(int fd, int level, int name, void *value, socklen_t *length))xsNext(11))(fd, level, name, value, length);
}

int xsSetsockopt(int fd, int level, int name, const void *value, socklen_t length);
static inline int xsNextSetsockopt(int fd, int level, int name, const void *value, socklen_t length) {
    return ((int (*)(int fd, int level, int name, const void *value, socklen_t length))xsNext(12))(fd, level, name, value, length);
}

int xsIsfdtype(int fd, int type);
static inline int xsNextIsfdtype(int fd, int type) {
    return ((int (*)(int fd, int type))xsNext(13))(fd, type);
}

int xsSockatmark(int fd);
static inline int xsNextSockatmark(int fd) {
    return ((int (*)(int fd))xsNext(14))(fd);
}

/* Transmit */

ssize_t xsSend(int fd, const void *buffer, size_t size, int flags);
static inline ssize_t xsNextSend(int fd, const void *buffer, size_t size, int flags) {
    return ((ssize_t (*)(int fd, const void *buffer, size_t size, int flags))xsNext(15))(fd, buffer, size, flags);
}

ssize_t xsSendto(int fd, const void *buffer, size_t size, int flags, const void *address, socklen_t length);
static inline ssize_t xsNextSendto(int fd, const void *buffer, size_t size, int flags, const void *address, socklen_t length) {
    return ((ssize_t (*)(int fd, const void *buffer, size_t size, int flags, const void *address, socklen_t length))xsNext(16))(fd, buffer, size, flags, address, length);
}

ssize_t xsSendmsg(int fd, const struct msghdr *message, int flags);
static inline ssize_t xsNextSendmsg(int fd, const struct msghdr *message, int flags) {
    return ((ssize_t (*)(int fd, const struct msghdr *message, int flags))xsNext(17))(fd, message, flags);
}

int xsSendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags);
static inline int xsNextSendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags) {
    return ((int (*)(int fd, struct mmsghdr *messages, unsigned int count, int flags))xsNext(18))(fd, messages, count, flags);
}

ssize_t xsWrite(int fd, const void *buffer, size_t size);
static inline ssize_t xsNextWrite(int fd, const void *buffer, size_t size) {
    return ((ssize_t (*)(int fd, const void *buffer, size_t size))xsNext(19))(fd, buffer, size);
}

ssize_t xsWritev(int fd, const struct iovec *vectors, int count);
static inline ssize_t xsNextWritev(int fd, const struct iovec *vectors, int count) {
    return ((ssize_t (*)(int fd, const struct iovec *vectors, int count))xsNext(20))(fd, vectors, count);
}

ssize_t xsPwrite(int fd, const void *buffer, size_t size, off_t offset);
static inline ssize_t xsNextPwrite(int fd, const void *buffer, size_t size, off_t offset) {
    return ((ssize_t (*)(int fd, const void *buffer, size_t size, off_t offset))xsNext(21))(fd, buffer, size, offset);
}

ssize_t xsPwritev(int fd, const struct iovec *vectors, int count, off_t offset);
static inline ssize_t xsNextPwritev(int fd, const struct iovec *vectors, int count, off_t offset) {
    return ((ssize_t (*)(int fd, const struct iovec *vectors, int count, off_t offset))xsNext(22))(fd, vectors, count, offset);
}

ssize_t xsPwritev2(int fd, const struct iovec *vectors, int count, off_t offset, int flags);
static inline ssize_t xsNextPwritev2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) {
    return ((ssize_t (*)(int fd, const struct iovec *vectors, int count, off_t offset, int flags))xsNext(23))(fd, vectors, count, offset, flags);
}

/* Receive */

ssize_t xsRecv(int fd, void *buffer, size_t size, int flags);
static inline ssize_t xsNextRecv(int fd, void *buffer, size_t size, int flags) {
    return ((ssize_t (*)(int fd, void *buffer, size_t size, int flags))xsNext(24))(fd, buffer, size, flags);
}

ssize_t xsRecvfrom(int fd, void *buffer, size_t size, int flags, void *address, socklen_t *length);
static inline ssize_t xsNextRecvfrom(int fd, void *buffer, size_t size, int flags, void *address, socklen_t *length) {
    return ((ssize_t (*)(int fd, void *buffer, size_t size, int flags, void *address, socklen_t *length))xsNext(25))(fd, buffer, size, flags, address, length);
}

ssize_t xsRecvmsg(int fd, struct msghdr *message, int flags);
static inline ssize_t xsNextRecvmsg(int fd, struct msghdr *message, int flags) {
    return ((ssize_t (*)(int fd, struct msghdr *message, int flags))xsNext(26))(fd, message, flags);
}

int xsRecvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags, struct timespec *timeout);
static inline int xsNextRecvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags, struct timespec *timeout) {
    return ((int (*)(int fd, struct mmsghdr *messages, unsigned int count, int flags, struct timespec *timeout))xsNext(27))(fd, messages, count, flags, timeout);
}

ssize_t xsRead(int fd, void *buffer, size_t size);
static inline ssize_t xsNextRead(int fd, void *buffer, size_t size) {
    return ((ssize_t (*)(int fd, void *buffer, size_t size))xsNext(28))(fd, buffer, size);
}

ssize_t xsReadv(int fd, const struct iovec *vectors, int count);
static inline ssize_t xsNextReadv(int fd, const struct iovec *vectors, int count) {
    return ((ssize_t (*)(int fd, const struct iovec *vectors, int count))xsNext(29))(fd, vectors, count);
}

ssize_t xsPread(int fd, void *buffer, size_t size, off_t offset);
static inline ssize_t xsNextPread(int fd, void *buffer, size_t size, off_t offset) {
    return ((ssize_t (*)(int fd, void *buffer, size_t size, off_t offset))xsNext(30))(fd, buffer, size, offset);
}

ssize_t xsPreadv(int fd, const struct iovec *vectors, int count, off_t offset);
static inline ssize_t xsNextPreadv(int fd, const struct iovec *vectors, int count, off_t offset) {
    return ((ssize_t (*)(int fd, const struct iovec *vectors, int count, off_t offset))xsNext(31))(fd, vectors, count, offset);
}

ssize_t xsPreadv2(int fd, const struct iovec *vectors, int count, off_t offset, int flags);
static inline ssize_t xsNextPreadv2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) {
    return ((ssize_t (*)(int fd, const struct iovec *vectors, int count, off_t offset, int flags))xsNext(32))(fd, vectors, count, offset, flags);
}

ssize_t xsRecvChk(int fd, void *buffer, size_t size, size_t room, int flags);
static inline ssize_t xsNextRecvChk(int fd, void *buffer, size_t size, size_t room, int flags) {
    return ((ssize_t (*)(int fd, void *buffer, size_t size, size_t room, int flags))xsNext(33))(fd, buffer, size, room, flags);
}

ssize_t xsRecvfromChk(int fd, void *buffer, size_t size, size_t room, int flags, void *address, socklen_t *length);
static inline ssize_t xsNextRecvfromChk(int fd, void *buffer, size_t size, size_t room, int flags, void *address, socklen_t *length) {
    return ((ssize_t (*)(int fd, void *buffer, size_t size, size_t room, int flags, void *address, socklen_t *length))xsNext(34))(fd, buffer, size, room, flags, address, length);
}

ssize_t xsReadChk(int fd, void *buffer, size_t size, size_t room);
static inline ssize_t xsNextReadChk(int fd, void *buffer, size_t size, size_t room) {
    return ((ssize_t (*)(int fd, void *buffer, size_t size, size_t room))xsNext(35))(fd, buffer, size, room);
}

ssize_t xsPreadChk(int fd, void *buffer, size_t size, off_t offset, size_t room);
static inline ssize_t xsNextPreadChk(int fd, void *buffer, size_t size, off_t offset, size_t room) {
    return ((ssize_t (*)(int fd, void *buffer, size_t size, off_t offset, size_t room))xsNext(36))(fd, buffer, size, offset, room);
}

/* Transfer */

ssize_t xsSendfile(int out, int in, off_t *offset, size_t count);
static inline ssize_t xsNextSendfile(int out, int in, off_t *offset, size_t count) {
    return ((ssize_t (*)(int out, int in, off_t *offset, size_t count))xsNext(37))(out, in, offset, count);
}

ssize_t xsSplice(int in, off_t *inOffset, int out, off_t *outOffset, size_t count, unsigned int flags);
static inline ssize_t xsNextSplice(int in, off_t *inOffset, int out, off_t *outOffset, size_t count, unsigned int flags) {
    return ((ssize_t (*)(int in, off_t *inOffset, int out, off_t *outOffset, size_t count, unsigned int flags))xsNext(38))(in, inOffset, out, outOffset, count, flags);
}

ssize_t xsTee(int in, int out, size_t count, unsigned int flags);
static inline ssize_t xsNextTee(int in, int out, size_t count, unsigned int flags) {
    return ((ssize_t (*)(int in, int out, size_t count, unsigned int flags))xsNext(39))(in, out, count, flags);
}

ssize_t xsVmsplice(int fd, const struct iovec *vectors, size_t count, unsigned int flags);
static inline ssize_t xsNextVmsplice(int fd, const struct iovec *vectors, size_t count, unsigned int flags) {
    return ((ssize_t (*)(int fd, const struct iovec *vectors, size_t count, unsigned int flags))xsNext(40))(fd, vectors, count, flags);
}

ssize_t xsCopyFileRange(int in, off_t *inOffset, int out, off_t *outOffset, size_t count, unsigned int flags);
static inline ssize_t xsNextCopyFileRange(int in, off_t *inOffset, int out, off_t *outOffset, size_t count, unsigned int flags) {
    return ((ssize_t (*)(int in, off_t *inOffset, int out, off_t *outOffset, size_t count, unsigned int flags))xsNext(41))(in, inOffset, out, outOffset, count, flags);
}

/* Readiness */

int xsPoll(struct pollfd *fds, nfds_t count, int timeout);
static inline int xsNextPoll(struct pollfd *fds, nfds_t count, int timeout) {
    return ((int (*)(struct pollfd *fds, nfds_t count, int timeout))xsNext(42))(fds, count, timeout);
}

int xsPpoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask);
static inline int xsNextPpoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask) {
    return ((int (*)(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask))xsNext(43))(fds, count, timeout, mask);
}

int xsPollChk(struct pollfd *fds, nfds_t count, int timeout, size_t room);
static inline int xsNextPollChk(struct pollfd *fds, nfds_t count, int timeout, size_t room) {
    return ((int (*)(struct pollfd *fds, nfds_t count, int timeout, size_t room))xsNext(44))(fds, count, timeout, room);
}

int xsPpollChk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t room);
static inline int xsNextPpollChk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t room) {
    return ((int (*)(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t room))xsNext(45))(fds, count, timeout, mask, room);
}

int xsSelect(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, struct timeval *timeout);
static inline int xsNextSelect(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, struct timeval *timeout) {
    return ((int (*)(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, struct timeval *timeout))xsNext(46))(count, readable, writable, exceptional, timeout);
}

int xsPselect(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, const struct timespec *timeout, const sigset_t *mask);
static inline int xsNextPselect(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, const struct timespec *timeout, const sigset_t *mask) {
    return ((int (*)(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, const struct timespec *timeout, const sigset_t *mask))xsNext(47))(count, readable, writable, exceptional, timeout, mask);
}

int xsEpollCreate(int size);
static inline int xsNextEpollCreate(int size) {
    return ((int (*)(int size))xsNext(48))(size);
}

int xsEpollCreate1(int flags);
static inline int xsNextEpollCreate1(int flags) {
    return ((int (*)(int flags))xsNext(49))(flags);
}

int xsEpollCtl(int epoll, int operation, int fd, struct epoll_event *event);
static inline int xsNextEpollCtl(int epoll, int operation, int fd, struct epoll_event *event) {
    return ((int (*)(int epoll, int operation, int fd, struct epoll_event *event))xsNext(50))(epoll, operation, fd, event);
}

int xsEpollWait(int epoll, struct epoll_event *events, int count, int timeout);
static inline int xsNextEpollWait(int epoll, struct epoll_event *events, int count, int timeout) {
    return ((int (*)(int epoll, struct epoll_event *events, int count, int timeout))xsNext(51))(epoll, events, count, timeout);
}

int xsEpollPwait(int epoll, struct epoll_event *events, int count, int timeout, const sigset_t *mask);
static inline int xsNextEpollPwait(int epoll, struct epoll_event *events, int count, int timeout, const sigset_t *mask) {
    return ((int (*)(int epoll, struct epoll_event *events, int count, int timeout, const sigset_t *mask))xsNext(52))(epoll, events, count, timeout, mask);
}

int xsEpollPwait2(int epoll, struct epoll_event *events, int count, const struct timespec *timeout, const sigset_t *mask);
static inline int xsNextEpollPwait2(int epoll, struct epoll_event *events, int count, const struct timespec *timeout, const sigset_t *mask) {
    return ((int (*)(int epoll, struct epoll_event *events, int count, const struct timespec *timeout, const sigset_t *mask))xsNext(53))(epoll, events, count, timeout, mask);
}

/* Descriptors */

int xsClose(int fd);
static inline int xsNextClose(int fd) {
    return ((int (*)(int fd))xsNext(54))(fd);
}

void xsClosefrom(int first);
static inline void xsNextClosefrom(int first) {
    ((void (*)(int first))xsNext(55))(first);
}

int xsCloseRange(unsigned int first, unsigned int last, int flags);
static inline int xsNextCloseRange(unsigned int first, unsigned int last, int flags) {
    return ((int (*)(unsigned int first, unsigned int last, int flags))xsNext(56))(first, last, flags);
}

int xsDup(int fd);
static inline int xsNextDup(int fd) {
    return ((int (*)(int fd))xsNext(57))(fd);
}

int xsDup2(int fd, int to);
static inline int xsNextDup2(int fd, int to) {
    return ((int (*)(int fd, int to))xsNext(58))(fd, to);
}

int xsDup3(int fd, int to, int flags);
static inline int xsNextDup3(int fd, int to, int flags) {
    return ((int (*)(int fd, int to, int flags))xsNext(59))(fd, to, flags);
}

int xsFcntl(int fd, int command, long argument);
static inline int xsNextFcntl(int fd, int command, long argument) {
    return ((int (*)(int fd, int command, ...))xsNext(60))(fd, command, argument);
}

int xsIoctl(int fd, unsigned long request, void *argument);
static inline int xsNextIoctl(int fd, unsigned long request, void *argument) {
    return ((int (*)(int fd, unsigned long request, ...))xsNext(61))(fd, request, argument);
}

int xsPidfdGetfd(int process, int fd, unsigned int flags);
static inline int xsNextPidfdGetfd(int process, int fd, unsigned int flags) {
    return ((int (*)(int process, int fd, unsigned int flags))xsNext(62))(process, fd, flags);
}

int xsDaemon(int keepsDirectory, int keepsStreams);
static inline int xsNextDaemon(int keepsDirectory, int keepsStreams) {
    return ((int (*)(int keepsDirectory, int keepsStreams))xsNext(63))(keepsDirectory, keepsStreams);
}

int xsFstat(int fd, void *status);
static inline int xsNextFstat(int fd, void *status) {
    return ((int (*)(int fd, void *status))xsNext(64))(fd, status);
}

int xsFxstat(int version, int fd, void *status);
static inline int xsNextFxstat(int version, int fd, void *status) {
    return ((int (*)(int version, int fd, void *status))xsNext(65))(version, fd, status);
}

/* Numbers */

int xsOpen(const char *path, int flags, unsigned int mode);
static inline int xsNextOpen(const char *path, int flags, unsigned int mode) {
    return ((int (*)(const char *path, int flags, ...))xsNext(66))(path, flags, mode);
}

int xsOpenat(int directory, const char *path, int flags, unsigned int mode);
static inline int xsNextOpenat(int directory, const char *path, int flags, unsigned int mode) {
    return ((int (*)(int directory, const char *path, int flags, ...))xsNext(67))(directory, path, flags, mode);
}

int xsOpen2(const char *path, int flags);
static inline int xsNextOpen2(const char *path, int flags) {
    return ((int (*)(const char *path, int flags))xsNext(68))(path, flags);
}

int xsOpenat2(int directory, const char *path, int flags);
static inline int xsNextOpenat2(int directory, const char *path, int flags) {
    return ((int (*)(int directory, const char *path, int flags))xsNext(69))(directory, path, flags);
}

int xsCreat(const char *path, unsigned int mode);
static inline int xsNextCreat(const char *path, unsigned int mode) {
    return ((int (*)(const char *path, unsigned int mode))xsNext(70))(path, mode);
}

int xsPipe(int *pair);
static inline int xsNextPipe(int *pair) {
    return ((int (*)(int *pair))xsNext(71))(pair);
}

int xsPipe2(int *pair, int flags);
static inline int xsNextPipe2(int *pair, int flags) {
    return ((int (*)(int *pair, int flags))xsNext(72))(pair, flags);
}

int xsEventfd(unsigned int value, int flags);
static inline int xsNextEventfd(unsigned int value, int flags) {
    return ((int (*)(unsigned int value, int flags))xsNext(73))(value, flags);
}

int xsTimerfdCreate(int clock, int flags);
static inline int xsNextTimerfdCreate(int clock, int flags) {
    return ((int (*)(int clock, int flags))xsNext(74))(clock, flags);
}

int xsSignalfd(int fd, const sigset_t *mask, int flags);
static inline int xsNextSignalfd(int fd, const sigset_t *mask, int flags) {
    return ((int (*)(int fd, const sigset_t *mask, int flags))xsNext(75))(fd, mask, flags);
}

int xsMemfdCreate(const char *name, unsigned int flags);
static inline int xsNextMemfdCreate(const char *name, unsigned int flags) {
    return ((int (*)(const char *name, unsigned int flags))xsNext(76))(name, flags);
}

/* Process */

int xsPrctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
static inline int xsNextPrctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
    return ((int (*)(int option, ...))xsNext(77))(option, a, b, c, d);
}

/* Names */

int xsGetaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result);
static inline int xsNextGetaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result) {
    return ((int (*)(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result))xsNext(78))(node, service, hints, result);
}

int xsGetnameinfo(const void *address, socklen_t length, char *host, socklen_t hostRoom, char *service, socklen_t serviceRoom, int flags);
static inline int xsNextGetnameinfo(const void *address, socklen_t length, char *host, socklen_t hostRoom, char *service, socklen_t serviceRoom, int flags) {
    return ((int (*)(const void *address, socklen_t length, char *host, socklen_t hostRoom, char *service, socklen_t serviceRoom, int flags))xsNext(79))(address, length, host, hostRoom, service, serviceRoom, flags);
}

struct hostent *xsGethostbyname(const char *name);
static inline struct hostent *xsNextGethostbyname(const char *name) {
    return ((struct hostent *(*)(const char *name))xsNext(80))(name);
}

struct hostent *xsGethostbyname2(const char *name, int family);
static inline struct hostent *xsNextGethostbyname2(const char *name, int family) {
    return ((struct hostent *(*)(const char *name, int family))xsNext(81))(name, family);
}

struct hostent *xsGethostbyaddr(const void *address, socklen_t length, int family);
static inline struct hostent *xsNextGethostbyaddr(const void *address, socklen_t length, int family) {
    return ((struct hostent *(*)(const void *address, socklen_t length, int family))xsNext(82))(address, length, family);
}

int xsGethostbynameR(const char *name, struct hostent *entry, char *buffer, size_t room, struct hostent **result, int *error);
static inline int xsNextGethostbynameR(const char *name, struct hostent *entry, char *buffer, size_t room, struct hostent **result, int *error) {
    return ((int (*)(const char *name, struct hostent *entry, char *buffer, size_t room, struct hostent **result, int *error))xsNext(83))(name, entry, buffer, room, result, error);
}

int xsGethostbyname2R(const char *name, int family, struct hostent *entry, char *buffer, size_t room, struct hostent **result, int *error);
static inline int xsNextGethostbyname2R(const char *name, int family, struct hostent *entry, char *buffer, size_t room, struct hostent **result, int *error) {
    return ((int (*)(const char *name, int family, struct hostent *entry, char *buffer, size_t room, struct hostent **result, int *error))xsNext(84))(name, family, entry, buffer, room, result, error);
}

int xsGethostbyaddrR(const void *address, socklen_t length, int family, struct hostent *entry, char *buffer, size_t room, struct hostent **result, int *error);
static inline int xsNextGethostbyaddrR(const void *address, socklen_t length, int family, struct hostent *entry, char *buffer, size_t room, struct hostent **result, int *error) {
    return ((int (*)(const void *address, socklen_t length, int family, struct hostent *entry, char *buffer, size_t room, struct hostent **result, int *error))xsNext(85))(address, length, family, entry, buffer, room, result, error);
}

int xsGetaddrinfoA(int mode, struct gaicb **requests, int count, struct sigevent *event);
static inline int xsNextGetaddrinfoA(int mode, struct gaicb **requests, int count, struct sigevent *event) {
    return ((int (*)(int mode, struct gaicb **requests, int count, struct sigevent *event))xsNext(86))(mode, requests, count, event);
}

/* Resolving */

int xsResQuery(const char *name, int class, int type, unsigned char *answer, int room);
static inline int xsNextResQuery(const char *name, int class, int type, unsigned char *answer, int room) {
    return ((int (*)(const char *name, int class, int type, unsigned char *answer, int room))xsNext(87))(name, class, type, answer, room);
}

int xsResSearch(const char *name, int class, int type, unsigned char *answer, int room);
static inline int xsNextResSearch(const char *name, int class, int type, unsigned char *answer, int room) {
    return ((int (*)(const char *name, int class, int type, unsigned char *answer, int room))xsNext(88))(name, class, type, answer, room);
}

int xsResQuerydomain(const char *name, const char *domain, int class, int type, unsigned char *answer, int room);
static inline int xsNextResQuerydomain(const char *name, const char *domain, int class, int type, unsigned char *answer, int room) {
    return ((int (*)(const char *name, const char *domain, int class, int type, unsigned char *answer, int room))xsNext(89))(name, domain, class, type, answer, room);
}

int xsResSend(const unsigned char *message, int size, unsigned char *answer, int room);
static inline int xsNextResSend(const unsigned char *message, int size, unsigned char *answer, int room) {
    return ((int (*)(const unsigned char *message, int size, unsigned char *answer, int room))xsNext(90))(message, size, answer, room);
}

int xsResNquery(struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int room);
static inline int xsNextResNquery(struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int room) {
    return ((int (*)(struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int room))xsNext(91))(state, name, class, type, answer, room);
}

int xsResNsearch(struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int room);
static inline int xsNextResNsearch(struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int room) {
    return ((int (*)(struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int room))xsNext(92))(state, name, class, type, answer, room);
}

int xsResNquerydomain(struct __res_state *state, const char *name, const char *domain, int class, int type, unsigned char *answer, int room);
static inline int xsNextResNquerydomain(struct __res_state *state, const char *name, const char *domain, int class, int type, unsigned char *answer, int room) {
    return ((int (*)(struct __res_state *state, const char *name, const char *domain, int class, int type, unsigned char *answer, int room))xsNext(93))(state, name, domain, class, type, answer, room);
}

int xsResNsend(struct __res_state *state, const unsigned char *message, int size, unsigned char *answer, int room);
static inline int xsNextResNsend(struct __res_state *state, const unsigned char *message, int size, unsigned char *answer, int room) {
    return ((int (*)(struct __res_state *state, const unsigned char *message, int size, unsigned char *answer, int room))xsNext(94))(state, message, size, answer, room);
}

/* Interfaces */

int xsGetifaddrs(struct ifaddrs **list);
static inline int xsNextGetifaddrs(struct ifaddrs **list) {
    return ((int (*)(struct ifaddrs **list))xsNext(95))(list);
}

unsigned int xsIfNametoindex(const char *name);
static inline unsigned int xsNextIfNametoindex(const char *name) {
    return ((unsigned int (*)(const char *name))xsNext(96))(name);
}

char *xsIfIndextoname(unsigned int index, char *name);
static inline char *xsNextIfIndextoname(unsigned int index, char *name) {
    return ((char *(*)(unsigned int index, char *name))xsNext(97))(index, name);
}

struct if_nameindex *xsIfNameindex(void);
static inline struct if_nameindex *xsNextIfNameindex(void) {
    return ((struct if_nameindex *(*)(void))xsNext(98))();
}

/* Stdio */

FILE *xsFdopen(int fd, const char *mode);
static inline FILE *xsNextFdopen(int fd, const char *mode) {
    return ((FILE *(*)(int fd, const char *mode))xsNext(99))(fd, mode);
}

int xsVdprintf(int fd, const char *format, va_list arguments) __asm__("vdprintf");
static inline int xsNextVdprintf(int fd, const char *format, va_list arguments) {
    return ((int (*)(int fd, const char *format, va_list arguments))xsNext(100))(fd, format, arguments);
}

int xsVdprintfChk(int fd, int flag, const char *format, va_list arguments) __asm__("__vdprintf_chk");
static inline int xsNextVdprintfChk(int fd, int flag, const char *format, va_list arguments) {
    return ((int (*)(int fd, int flag, const char *format, va_list arguments))xsNext(101))(fd, flag, format, arguments);
}

int xsDprintf(int fd, const char *format, ...) __asm__("dprintf");

int xsDprintfChk(int fd, int flag, const char *format, ...) __asm__("__dprintf_chk");

/* Asynchronous */

int xsAioRead(void *request);
static inline int xsNextAioRead(void *request) {
    return ((int (*)(void *request))xsNext(102))(request);
}

int xsAioWrite(void *request);
static inline int xsNextAioWrite(void *request) {
    return ((int (*)(void *request))xsNext(103))(request);
}

int xsLioListio(int mode, void *const *list, int count, void *event);
static inline int xsNextLioListio(int mode, void *const *list, int count, void *event) {
    return ((int (*)(int mode, void *const *list, int count, void *event))xsNext(104))(mode, list, count, event);
}

/* Execution */

int xsExecve(const char *path, char *const *arguments, char *const *environment);
static inline int xsNextExecve(const char *path, char *const *arguments, char *const *environment) {
    return ((int (*)(const char *path, char *const *arguments, char *const *environment))xsNext(105))(path, arguments, environment);
}

int xsExecv(const char *path, char *const *arguments);
static inline int xsNextExecv(const char *path, char *const *arguments) {
    return ((int (*)(const char *path, char *const *arguments))xsNext(106))(path, arguments);
}

int xsExecvp(const char *file, char *const *arguments);
static inline int xsNextExecvp(const char *file, char *const *arguments) {
    return ((int (*)(const char *file, char *const *arguments))xsNext(107))(file, arguments);
}

int xsExecvpe(const char *file, char *const *arguments, char *const *environment);
static inline int xsNextExecvpe(const char *file, char *const *arguments, char *const *environment) {
    return ((int (*)(const char *file, char *const *arguments, char *const *environment))xsNext(108))(file, arguments, environment);
}

int xsFexecve(int fd, char *const *arguments, char *const *environment);
static inline int xsNextFexecve(int fd, char *const *arguments, char *const *environment) {
    return ((int (*)(int fd, char *const *arguments, char *const *environment))xsNext(109))(fd, arguments, environment);
}

int xsExecveat(int directory, const char *path, char *const *arguments, char *const *environment, int flags);
static inline int xsNextExecveat(int directory, const char *path, char *const *arguments, char *const *environment, int flags) {
    return ((int (*)(int directory, const char *path, char *const *arguments, char *const *environment, int flags))xsNext(110))(directory, path, arguments, environment, flags);
}

int xsExecl(const char *path, const char *argument, ...) __asm__("execl");

int xsExeclp(const char *file, const char *argument, ...) __asm__("execlp");

int xsExecle(const char *path, const char *argument, ...) __asm__("execle");

int xsPosixSpawn(pid_t *child, const char *path, const void *actions, const void *attributes, char *const *arguments, char *const *environment);
static inline int xsNextPosixSpawn(pid_t *child, const char *path, const void *actions, const void *attributes, char *const *arguments, char *const *environment) {
    return ((int (*)(pid_t *child, const char *path, const void *actions, const void *attributes, char *const *arguments, char *const *environment))xsNext(111))(child, path, actions, attributes, arguments, environment);
}

int xsPosixSpawnp(pid_t *child, const char *file, const void *actions, const void *attributes, char *const *arguments, char *const *environment);
static inline int xsNextPosixSpawnp(pid_t *child, const char *file, const void *actions, const void *attributes, char *const *arguments, char *const *environment) {
    return ((int (*)(pid_t *child, const char *file, const void *actions, const void *attributes, char *const *arguments, char *const *environment))xsNext(112))(child, file, actions, attributes, arguments, environment);
}

int xsSystem(const char *command);
static inline int xsNextSystem(const char *command) {
    return ((int (*)(const char *command))xsNext(113))(command);
}

FILE *xsPopen(const char *command, const char *mode);
static inline FILE *xsNextPopen(const char *command, const char *mode) {
    return ((FILE *(*)(const char *command, const char *mode))xsNext(114))(command, mode);
}

/* SystemCall */

long xsSyscall(long number, long a, long b, long c, long d, long e, long f);
static inline long xsNextSyscall(long number, long a, long b, long c, long d, long e, long f) {
    return ((long (*)(long number, ...))xsNext(115))(number, a, b, c, d, e, f);
}

enum { xsNextCount = 116 };

#endif

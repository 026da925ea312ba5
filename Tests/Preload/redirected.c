/* TCP sockets of a program that knows of no library. Run without the library it shows that the expectations are the
 * kernel's; with it, and a service that allows 127.0.0.1, that the library meets them. */
#define _GNU_SOURCE
#include "check.h"
#include <arpa/inet.h>
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
#include <unistd.h>

ssize_t __read(int, void *, size_t);
ssize_t __read_chk(int, void *, size_t, size_t);
ssize_t __write(int, const void *, size_t);
ssize_t __send(int, const void *, size_t, int);
int __close(int);
int __connect(int, const void *, socklen_t);
int __dprintf_chk(int, int, const char *, ...);

static char buffer[1 << 20];
static int listener, client, server;
static struct sockaddr_in address;

/* Receives exactly `size` bytes of `server` within two seconds. */
static int arrived(size_t size) {
    size_t have = 0;
    struct pollfd fd = {server, POLLIN, 0};
    while (have < size && poll(&fd, 1, 2000) == 1) {
        ssize_t count = recv(server, buffer + have, size - have, 0);
        if (count <= 0)
            break;
        have += (size_t)count;
    }
    return have == size && recv(server, buffer + have, 1, MSG_DONTWAIT) == -1;
}

static void open_connection(void) {
    client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK("connect", __connect(client, &address, sizeof address) == 0 && KEEPS_ERRNO);
    CHECK("accept", (server = accept(listener, NULL, NULL)) >= 0 && KEEPS_ERRNO);
}

static void close_connection(void) {
    CHECK("close", close(client) == 0 && __close(server) == 0 && KEEPS_ERRNO);
}

static void lifecycle(void) {
    socklen_t size = sizeof address;
    address = (struct sockaddr_in){AF_INET, 0, {htonl(INADDR_LOOPBACK)}};
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK("socket", listener >= 0 && fcntl(listener, F_GETFD) == FD_CLOEXEC);
    CHECK("bind, listen", bind(listener, (void *)&address, size) == 0 && listen(listener, 9) == 0 && KEEPS_ERRNO);
    CHECK("getsockname names the port", getsockname(listener, (void *)&address, &size) == 0 && size == sizeof address &&
        address.sin_port != 0 && KEEPS_ERRNO);
    int pair[2];
    CHECK("an Internet family has no pairs", socketpair(AF_INET, SOCK_STREAM, 0, pair) == -1 && errno == EOPNOTSUPP);
    open_connection();
    struct sockaddr_in peer;
    size = sizeof peer;
    CHECK("getpeername", getpeername(client, (void *)&peer, &size) == 0 && peer.sin_port == address.sin_port);
    int value = -1;
    size = sizeof value;
    CHECK("getsockopt", getsockopt(client, SOL_SOCKET, SO_TYPE, &value, &size) == 0 && value == SOCK_STREAM && size == 4);
    CHECK("it is a socket", isfdtype(client, S_IFSOCK) == 1 && isfdtype(client, S_IFREG) == 0);
    CHECK("no out-of-band mark", sockatmark(client) == 0 && KEEPS_ERRNO);
}

static void bytes(void) {
    struct iovec two[2] = {{"ab", 2}, {"cde", 3}};
    CHECK("write", write(client, "abc", 3) == 3 && KEEPS_ERRNO && arrived(3));
    CHECK("__write, __send", __write(client, "abc", 3) == 3 && __send(client, "d", 1, 0) == 1 && arrived(4));
    CHECK("send, sendto", send(client, "abc", 3, 0) == 3 && sendto(client, "d", 1, 0, NULL, 0) == 1 && arrived(4));
    CHECK("writev", writev(client, two, 2) == 5 && KEEPS_ERRNO && arrived(5) && memcmp(buffer, "abcde", 5) == 0);
    CHECK("pwritev2", pwritev2(client, two, 2, -1, 0) == 5 && arrived(5));
    CHECK("sendmsg", sendmsg(client, &(struct msghdr){.msg_iov = two, .msg_iovlen = 2}, 0) == 5 && arrived(5));
    struct mmsghdr many[2] = {{.msg_hdr = {.msg_iov = two, .msg_iovlen = 2}}, {.msg_hdr = {.msg_iov = two, .msg_iovlen = 1}}};
    CHECK("sendmmsg", sendmmsg(client, many, 2, 0) == 2 && many[0].msg_len == 5 && many[1].msg_len == 2 && arrived(7));
    CHECK("a vector count below zero", writev(client, two, -1) == -1 && errno == EINVAL);
    CHECK("a vector count above 1024", readv(client, two, 1025) == -1 && errno == EINVAL);
    CHECK("the same of a message", sendmsg(client, &(struct msghdr){.msg_iov = two, .msg_iovlen = 1025}, 0) == -1 &&
        errno == EMSGSIZE);
    CHECK("no vectors", writev(client, two, 0) == 0 && readv(client, two, 0) == 0 && KEEPS_ERRNO);

    CHECK("nothing to read", recv(server, buffer, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
    CHECK("read of nothing does not wait", read(server, buffer, 0) == 0);
    send(client, "0123456789", 10, 0);
    poll(&(struct pollfd){server, POLLIN, 0}, 1, 2000);
    CHECK("MSG_PEEK leaves the bytes", recv(server, buffer, 4, MSG_PEEK) == 4);
    int value = 0;
    CHECK("FIONREAD", ioctl(server, FIONREAD, &value) == 0 && value == 10);
    CHECK("read, __read, __read_chk", read(server, buffer, 1) == 1 && __read(server, buffer + 1, 1) == 1 &&
        __read_chk(server, buffer + 2, 1, 9) == 1 && memcmp(buffer, "012", 3) == 0 && KEEPS_ERRNO);
    struct iovec into[2] = {{buffer, 1}, {buffer + 1, 1}};
    CHECK("readv, preadv2", readv(server, into, 2) == 2 && preadv2(server, into, 1, -1, 0) == 1 && buffer[0] == '5');
    struct msghdr message = {.msg_iov = into, .msg_iovlen = 1, .msg_controllen = 0, .msg_flags = -1};
    CHECK("recvmsg", recvmsg(server, &message, 0) == 1 && message.msg_flags == 0);
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    CHECK("recvfrom of a stream names nobody", recvfrom(server, buffer, 1, 0, (void *)&from, &size) == 1 && size == 0);
    struct mmsghdr got[3] = {{.msg_hdr = message}, {.msg_hdr = message}, {.msg_hdr = message}};
    CHECK("recvmmsg with MSG_WAITFORONE", recvmmsg(server, got, 3, MSG_WAITFORONE, NULL) == 2 && got[1].msg_len == 1);
    CHECK("preadv2 with RWF_NOWAIT", preadv2(server, into, 1, -1, RWF_NOWAIT) == -1 && (errno == EAGAIN || errno == EOPNOTSUPP));
}

static void positions(void) {
    struct iovec one = {buffer, 1};
    CHECK("pread", pread(client, buffer, 1, 0) == -1 && errno == ESPIPE);
    CHECK("pread before the start", pread(client, buffer, 1, -1) == -1 && errno == EINVAL);
    CHECK("pwrite", pwrite(client, buffer, 1, 0) == -1 && errno == ESPIPE);
    CHECK("preadv", preadv(client, &one, 1, 0) == -1 && errno == ESPIPE);
    CHECK("pwritev", pwritev(client, &one, 1, 0) == -1 && errno == ESPIPE);
    CHECK("preadv2", preadv2(client, &one, 1, 0, 0) == -1 && errno == ESPIPE);
    CHECK("pwritev2", pwritev2(client, &one, 1, 0, 0) == -1 && errno == ESPIPE);
    int pipes[2], file = memfd_create("file", 0);
    off_t zero = 0;
    pipe(pipes);
    CHECK("copy_file_range", copy_file_range(file, NULL, client, NULL, 1, 0) == -1 && errno == EINVAL);
    CHECK("tee", tee(pipes[0], client, 1, 0) == -1 && errno == EINVAL);
    CHECK("vmsplice", vmsplice(client, &one, 1, 0) == -1 && errno == EBADF);
    CHECK("sendfile from a socket", sendfile(server, client, NULL, 1) == -1 && errno == EINVAL);
    CHECK("sendfile from a pipe", sendfile(client, pipes[0], NULL, 1) == -1 && errno == EINVAL);
    CHECK("sendfile from a pipe at an offset", sendfile(client, pipes[0], &zero, 1) == -1 && errno == ESPIPE);
    close(pipes[0]);
    close(pipes[1]);
    close(file);
}

static void *drain(void *total) {
    static char sink[65536];
    ssize_t count;
    unsigned sum = 0;
    while ((count = read(server, sink, sizeof sink)) > 0) {
        for (ssize_t at = 0; at < count; at++)
            sum = sum * 31 + (unsigned char)sink[at];
        *(size_t *)total += (size_t)count;
    }
    return (void *)(unsigned long)sum;
}

static void transfer(void) {
    int file = memfd_create("file", 0);
    unsigned sum = 0;
    for (size_t at = 0; at < sizeof buffer; at++)
        buffer[at] = (char)(at * 7 + at / 1000);
    for (size_t at = 5; at < sizeof buffer; at++)
        sum = sum * 31 + (unsigned char)buffer[at];
    write(file, buffer, sizeof buffer);
    lseek(file, 3, SEEK_SET);

    off_t offset = 100;
    CHECK("sendfile at an offset", sendfile(client, file, &offset, 50) == 50 && offset == 150 && KEEPS_ERRNO);
    CHECK("leaves the position", lseek(file, 0, SEEK_CUR) == 3 && arrived(50) && buffer[0] == (char)700);
    CHECK("sendfile at the position", sendfile(client, file, NULL, 2) == 2 && lseek(file, 0, SEEK_CUR) == 5 && arrived(2));
    offset = sizeof buffer;
    CHECK("sendfile at the end", sendfile(client, file, &offset, 9) == 0 && offset == sizeof buffer && KEEPS_ERRNO);

    size_t total = 0;
    void *result = NULL;
    pthread_t thread;
    pthread_create(&thread, NULL, drain, &total);
    CHECK("sendfile of more than there is", sendfile(client, file, NULL, 1 << 30) == sizeof buffer - 5 && KEEPS_ERRNO);
    CHECK("and the position is the end", lseek(file, 0, SEEK_CUR) == sizeof buffer);
    shutdown(client, SHUT_WR);
    pthread_join(thread, &result);
    CHECK("all bytes arrive in order", total == sizeof buffer - 5 && (unsigned)(unsigned long)result == sum);
    close_connection();

    open_connection();
    fcntl(client, F_SETFL, O_NONBLOCK);
    setsockopt(client, SOL_SOCKET, SO_SNDBUF, &(int){65536}, sizeof(int));
    setsockopt(server, SOL_SOCKET, SO_RCVBUF, &(int){65536}, sizeof(int));
    ftruncate(file, 64 << 20);
    offset = 0;
    ssize_t sent, all = 0;
    while ((sent = sendfile(client, file, &offset, 64 << 20)) > 0)
        all += sent;
    int reason = errno;
    CHECK("sendfile that would block", sent == -1 && reason == EAGAIN && all > 0);
    CHECK("has moved the offset by what it sent", offset == all);
    close(file);
    close_connection();
    open_connection();
}

static void text(void) {
    memset(buffer, 'x', 3000);
    buffer[3000] = 0;
    char *copy = strdup(buffer);
    CHECK("dprintf", dprintf(client, "%s-%d", "a", 5) == 3 && arrived(3) && memcmp(buffer, "a-5", 3) == 0);
    CHECK("a long dprintf", dprintf(client, "%s!", copy) == 3001 && arrived(3001) && buffer[3000] == '!');
    CHECK("__dprintf_chk", __dprintf_chk(client, 1, "%d", 77) == 2 && arrived(2));
    free(copy);

    FILE *stream = fdopen(dup(client), "r+");
    CHECK("a stream writes", stream && fprintf(stream, "line %d\n", 1) == 7 && fflush(stream) == 0 && arrived(7));
    send(server, "one\ntwo\n", 8, 0);
    CHECK("a stream reads lines", fgets(buffer, 99, stream) && strcmp(buffer, "one\n") == 0 &&
        fgets(buffer, 99, stream) && strcmp(buffer, "two\n") == 0);
    CHECK("a stream cannot seek", fseek(stream, 0, SEEK_SET) == -1 && errno == ESPIPE);
    CHECK("a stream closes", fclose(stream) == 0);
    CHECK("a bad mode", fdopen(client, "z") == NULL && errno == EINVAL);
    CHECK("the socket lives on", send(client, "a", 1, 0) == 1 && arrived(1));
}

static void readiness(void) {
    struct pollfd fd = {server, POLLIN | POLLOUT, 0};
    CHECK("poll", poll(&fd, 1, 0) == 1 && fd.revents == POLLOUT && KEEPS_ERRNO);
    send(client, "a", 1, 0);
    fd.events = POLLIN;
    CHECK("poll waits for bytes", poll(&fd, 1, 2000) == 1 && fd.revents == POLLIN);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(server, &set);
    CHECK("select", select(server + 1, &set, NULL, NULL, &(struct timeval){2, 0}) == 1);
    int epoll = epoll_create1(0);
    struct epoll_event event = {EPOLLIN, {.fd = server}}, got;
    CHECK("epoll", epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event) == 0 && epoll_wait(epoll, &got, 1, 2000) == 1 &&
        got.events == EPOLLIN && KEEPS_ERRNO);
    CHECK("the bytes are there", arrived(1));
    int fresh = socket(AF_INET, SOCK_STREAM, 0);
    struct pollfd lone = {fresh, POLLIN, 0};
    CHECK("a socket that was never connected polls HUP", poll(&lone, 1, 2000) == 1 && lone.revents == POLLHUP);
    fd_set reads, writes;
    FD_ZERO(&reads);
    FD_SET(fresh, &reads);
    FD_SET(server, &reads);
    writes = reads;
    CHECK("and selects readable and writable", select(fresh + 1, &reads, &writes, NULL, &(struct timeval){2, 0}) == 3 &&
        FD_ISSET(fresh, &reads) && !FD_ISSET(server, &reads) && FD_ISSET(fresh, &writes) && FD_ISSET(server, &writes));
    close(fresh);
    CHECK("and then no more", poll(&fd, 1, 0) == 0 && epoll_wait(epoll, &got, 1, 0) == 0);
    close(epoll);
}

static void descriptors(void) {
    int copy = dup(client);
    CHECK("dup", copy >= 0 && send(copy, "a", 1, 0) == 1 && arrived(1));
    CHECK("dup2", dup2(client, 300) == 300 && send(300, "a", 1, 0) == 1 && arrived(1));
    CHECK("dup3", dup3(client, 301, O_CLOEXEC) == 301 && send(301, "a", 1, 0) == 1 && arrived(1));
    int high = fcntl(client, F_DUPFD_CLOEXEC, 400);
    CHECK("F_DUPFD_CLOEXEC", high >= 400 && send(high, "a", 1, 0) == 1 && arrived(1));
    CHECK("close_range", close_range(300, 301, 0) == 0 && send(300, "a", 1, 0) == -1 && errno == EBADF);
    closefrom(400);
    CHECK("closefrom", send(high, "a", 1, 0) == -1 && errno == EBADF);
    int pipes[2];
    pipe(pipes);
    CHECK("a pipe over a socket", dup2(pipes[1], copy) == copy && write(copy, "pipe", 4) == 4 &&
        read(pipes[0], buffer, 9) == 4);
    close(copy);
    close(pipes[0]);
    close(pipes[1]);
    CHECK("the socket lives on", send(client, "a", 1, 0) == 1 && arrived(1));
}

static void systemCalls(void) {
    CHECK("syscall: write, read", syscall(SYS_write, client, "abc", 3) == 3 && arrived(3));
    CHECK("syscall: sendto, recvfrom", syscall(SYS_sendto, client, "abc", 3, 0, NULL, 0) == 3 &&
        poll(&(struct pollfd){server, POLLIN, 0}, 1, 2000) == 1 &&
        syscall(SYS_recvfrom, server, buffer, 9, 0, NULL, NULL) == 3);
    CHECK("syscall: an error", syscall(SYS_recvfrom, server, buffer, 9, MSG_DONTWAIT, NULL, NULL) == -1 && errno == EAGAIN);
    int copy = (int)syscall(SYS_dup, client);
    CHECK("syscall: dup, close", copy >= 0 && send(copy, "a", 1, 0) == 1 && arrived(1) && syscall(SYS_close, copy) == 0);
    int other = (int)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
    CHECK("syscall: socket, connect", other >= 0 && syscall(SYS_connect, other, &address, sizeof address) == 0);
    int accepted = (int)syscall(SYS_accept4, listener, NULL, NULL, SOCK_NONBLOCK);
    CHECK("syscall: accept4", accepted >= 0 && (fcntl(accepted, F_GETFL) & O_NONBLOCK));
    close(other);
    close(accepted);
}

static volatile sig_atomic_t brokenPipes;
static void onBrokenPipe(int signal) { brokenPipes += signal == SIGPIPE; }

static void ends(void) {
    signal(SIGPIPE, onBrokenPipe);
    shutdown(client, SHUT_WR);
    CHECK("end of file", poll(&(struct pollfd){server, POLLIN, 0}, 1, 2000) == 1 && read(server, buffer, 9) == 0);
    CHECK("EPIPE", write(client, "a", 1) == -1 && errno == EPIPE && brokenPipes == 1);
    CHECK("MSG_NOSIGNAL", send(client, "a", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE && brokenPipes == 1);
    close_connection();
    CHECK("a closed socket", send(client, "a", 1, 0) == -1 && errno == EBADF);
    close(listener);
}

static void names(void) {
    struct addrinfo *list = NULL, hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    CHECK("getaddrinfo", getaddrinfo("127.0.0.1", "80", &hints, &list) == 0 && list->ai_addrlen == sizeof(struct sockaddr_in));
    char host[99];
    CHECK("getnameinfo", getnameinfo(list->ai_addr, list->ai_addrlen, host, sizeof host, NULL, 0, NI_NUMERICHOST) == 0 &&
        strcmp(host, "127.0.0.1") == 0);
    freeaddrinfo(list);
    struct hostent *entry = gethostbyname("127.0.0.1"), stored, *result;
    CHECK("gethostbyname", entry && entry->h_length == 4 && memcmp(entry->h_addr_list[0], "\x7f\0\0\1", 4) == 0 &&
        entry->h_addr_list[1] == NULL && strcmp(entry->h_name, "127.0.0.1") == 0 && entry->h_aliases[0] == NULL);
    entry = gethostbyname2("::1", AF_INET6);
    CHECK("gethostbyname2", entry && entry->h_addrtype == AF_INET6 && entry->h_length == 16 && entry->h_addr_list[0][15] == 1);
    char room[512];
    int error = 0;
    CHECK("gethostbyname_r", gethostbyname_r("127.0.0.1", &stored, room, sizeof room, &result, &error) == 0 &&
        result == &stored && (char *)stored.h_addr_list >= room && (char *)stored.h_addr_list < room + sizeof room);
    CHECK("too small a buffer", gethostbyname_r("127.0.0.1", &stored, room, 8, &result, &error) == ERANGE &&
        result == NULL && error == NETDB_INTERNAL);
    CHECK("a name that is none", gethostbyname_r("no such name", &stored, room, sizeof room, &result, &error) == 0 &&
        result == NULL && error == HOST_NOT_FOUND);
    CHECK("and h_errno", gethostbyname("no such name") == NULL && h_errno == HOST_NOT_FOUND);
    unsigned loopback = htonl(INADDR_LOOPBACK);
    CHECK("gethostbyaddr", (entry = gethostbyaddr(&loopback, 4, AF_INET)) && strcmp(entry->h_name, "localhost") == 0);
    CHECK("gethostbyaddr_r", gethostbyaddr_r(&loopback, 4, AF_INET, &stored, room, sizeof room, &result, &error) == 0 &&
        result && memcmp(stored.h_addr_list[0], &loopback, 4) == 0);
    CHECK("an unknown family", gethostbyname2("::1", 99) == NULL);
}

int main(void) {
    alarm(60);
    lifecycle();
    bytes();
    positions();
    transfer();
    text();
    readiness();
    descriptors();
    systemCalls();
    ends();
    names();
    return report();
}

/* Lifecycle: what makes, names and ends sockets. */
#define _GNU_SOURCE
#include "symbols.h"

static bool socket_works(void *function, subject *on) {
    int fd = ((int (*)(int, int, int))function)(on->redirected ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage address;
    socklen_t length;
    int listener = listening(on, &address, &length);
    bool works = fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC && connect(fd, (void *)&address, length) == 0;
    close(fd);
    close(listener);
    return works;
}

static bool socketpair_works(void *function, subject *on) {
    int pair[2];
    int (*call)(int, int, int, int *) = (int (*)(int, int, int, int *))function;
    if (on->redirected) return fails(call(AF_INET, SOCK_STREAM, 0, pair), EOPNOTSUPP);
    bool works = call(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && sends(pair[0], "pair") && arrives(pair[1], "pair");
    close(pair[0]);
    close(pair[1]);
    return works;
}

static bool bind_works(void *function, subject *on) {
    struct sockaddr_storage address;
    socklen_t length = own_address(on, &address);
    int fd = fresh_socket(on);
    int (*call)(int, const void *, socklen_t) = (int (*)(int, const void *, socklen_t))function;
    bool works = call(fd, &address, length) == 0;
    length = sizeof address;
    works = works && getsockname(fd, (void *)&address, &length) == 0 && length > sizeof(sa_family_t);
    if (on->redirected) works = works && ((struct sockaddr_in *)&address)->sin_port != 0 && fails(call(fd, &address, length), EINVAL);
    close(fd);
    return works;
}

static bool bindresvport_works(void *function, subject *on) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = fresh_socket(on);
    int result = ((int (*)(int, struct sockaddr_in *))function)(fd, &address), error = errno;
    close(fd);
    if (!on->redirected) return result == -1 && error == EINVAL;
    /* Who may not bind such a port is told so. */
    if (result < 0) return error == EACCES;
    return ntohs(address.sin_port) >= 512 && ntohs(address.sin_port) < 1024;
}

static bool connect_works(void *function, subject *on) {
    struct sockaddr_storage address;
    socklen_t length;
    int listener = listening(on, &address, &length), fd = fresh_socket(on);
    int (*call)(int, const void *, socklen_t) = (int (*)(int, const void *, socklen_t))function;
    bool works = call(fd, &address, length) == 0 && fails(call(fd, &address, length), EISCONN);
    close(fd);
    close(listener);
    fd = fresh_socket(on);
    works = works && fails(call(fd, &address, length), ECONNREFUSED);
    close(fd);
    return works;
}

static bool listen_works(void *function, subject *on) {
    struct sockaddr_storage address;
    socklen_t length = own_address(on, &address);
    int listener = fresh_socket(on), fd = fresh_socket(on);
    bool works = bind(listener, (void *)&address, length) == 0 && ((int (*)(int, int))function)(listener, 3) == 0;
    length = sizeof address;
    works = works && getsockname(listener, (void *)&address, &length) == 0 && connect(fd, (void *)&address, length) == 0;
    close(listener);
    close(fd);
    return works;
}

static bool accepted(int fd, int other, bool expected) {
    bool works = fd >= 0 && sends(fd, "accepted") && arrives(other, "accepted");
    works = works && ((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0) == expected;
    close(fd);
    return works;
}

static bool accept_works(void *function, subject *on) {
    struct sockaddr_storage address, peer;
    socklen_t length, size = sizeof peer;
    int listener = listening(on, &address, &length), fd = fresh_socket(on);
    bool works = connect(fd, (void *)&address, length) == 0;
    int one = strcmp(on->symbol, "accept") == 0
        ? ((int (*)(int, void *, socklen_t *))function)(listener, &peer, &size)
        : ((int (*)(int, void *, socklen_t *, int))function)(listener, &peer, &size, SOCK_NONBLOCK);
    works = works && peer.ss_family == address.ss_family;
    works = works && accepted(one, fd, strcmp(on->symbol, "accept") != 0);
    close(listener);
    close(fd);
    return works;
}

static bool shutdown_works(void *function, subject *on) {
    char byte;
    int (*call)(int, int) = (int (*)(int, int))function;
    return call(on->near, SHUT_WR) == 0 && recv(on->far, &byte, 1, 0) == 0 && sends(on->far, "back") &&
        arrives(on->near, "back") && fails(send(on->near, "x", 1, MSG_NOSIGNAL), EPIPE) && fails(call(on->near, 3), EINVAL);
}

static bool names_work(void *function, subject *on) {
    struct sockaddr_storage address, peer;
    socklen_t length = sizeof address, size = sizeof peer;
    if (((int (*)(int, void *, socklen_t *))function)(on->near, &address, &length) != 0) return false;
    bool isPeer = strcmp(on->symbol, "getpeername") == 0;
    if ((isPeer ? getsockname : getpeername)(on->far, (void *)&peer, &size) != 0 || length != size) return false;
    return memcmp(&address, &peer, length) == 0 && address.ss_family == (on->redirected ? AF_INET : AF_UNIX);
}

static bool getsockopt_works(void *function, subject *on) {
    int value = -1;
    socklen_t size = sizeof value;
    int (*call)(int, int, int, void *, socklen_t *) = (int (*)(int, int, int, void *, socklen_t *))function;
    bool works = call(on->near, SOL_SOCKET, SO_DOMAIN, &value, &size) == 0 && size == sizeof value;
    works = works && value == (on->redirected ? AF_INET : AF_UNIX);
    return works && fails(call(on->near, SOL_SOCKET, 4711, &value, &size), ENOPROTOOPT);
}

static bool setsockopt_works(void *function, subject *on) {
    int value = 1, seen = 0;
    socklen_t size = sizeof seen;
    int (*call)(int, int, int, const void *, socklen_t) = (int (*)(int, int, int, const void *, socklen_t))function;
    bool works = call(on->near, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof value) == 0;
    works = works && getsockopt(on->near, SOL_SOCKET, SO_KEEPALIVE, &seen, &size) == 0 && seen == 1;
    return works && fails(call(on->near, SOL_SOCKET, 4711, &value, sizeof value), ENOPROTOOPT);
}

static bool isfdtype_works(void *function, subject *on) {
    int (*call)(int, int) = (int (*)(int, int))function;
    return call(on->near, S_IFSOCK) == 1 && call(on->near, S_IFREG) == 0;
}

static bool sockatmark_works(void *function, subject *on) {
    int result = ((int (*)(int))function)(on->near);
    /* A kernel without out-of-band data for AF_UNIX has no mark there. */
    return result == 0 || (!on->redirected && result == -1);
}

const symbol_case socket_cases[] = {
    {"socket", socket_works},
    {"socketpair", socketpair_works},
    {"bind", bind_works},
    {"bindresvport", bindresvport_works},
    {"connect __connect", connect_works},
    {"listen", listen_works},
    {"accept accept4", accept_works},
    {"shutdown", shutdown_works},
    {"getsockname getpeername", names_work},
    {"getsockopt", getsockopt_works},
    {"setsockopt", setsockopt_works},
    {"isfdtype", isfdtype_works},
    {"sockatmark", sockatmark_works},
    {NULL, NULL},
};

/* Transmit and receive. */
#define _GNU_SOURCE
#include "symbols.h"

static bool send_works(void *function, subject *on) {
    ssize_t (*call)(int, const void *, size_t, int) = (ssize_t(*)(int, const void *, size_t, int))function;
    if (call(on->near, "text", 4, 0) != 4 || !arrives(on->far, "text")) return false;
    shutdown(on->near, SHUT_WR);
    return fails(call(on->near, "x", 1, MSG_NOSIGNAL), EPIPE);
}

static bool sendto_works(void *function, subject *on) {
    return ((ssize_t(*)(int, const void *, size_t, int, const void *, socklen_t))function)(on->near, "text", 4, 0, NULL, 0) == 4 &&
        arrives(on->far, "text");
}

static bool sendmsg_works(void *function, subject *on) {
    struct iovec vectors[] = {{"te", 2}, {"xt", 2}};
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 2};
    return ((ssize_t(*)(int, const struct msghdr *, int))function)(on->near, &message, 0) == 4 && arrives(on->far, "text");
}

static bool sendmmsg_works(void *function, subject *on) {
    struct iovec vectors[] = {{"te", 2}, {"xt", 2}};
    struct mmsghdr messages[] = {{.msg_hdr = {.msg_iov = vectors, .msg_iovlen = 1}},
                                 {.msg_hdr = {.msg_iov = vectors + 1, .msg_iovlen = 1}}};
    int count = ((int (*)(int, struct mmsghdr *, unsigned, int))function)(on->near, messages, 2, 0);
    return count == 2 && messages[0].msg_len == 2 && messages[1].msg_len == 2 && arrives(on->far, "text");
}

static bool write_works(void *function, subject *on) {
    return ((ssize_t(*)(int, const void *, size_t))function)(on->near, "text", 4) == 4 && arrives(on->far, "text");
}

static bool writev_works(void *function, subject *on) {
    struct iovec vectors[] = {{"te", 2}, {"", 0}, {"xt", 2}};
    return ((ssize_t(*)(int, const struct iovec *, int))function)(on->near, vectors, 3) == 4 && arrives(on->far, "text");
}

/* Calls with a position: a socket has none, a file has. */

static bool pwrite_works(void *function, subject *on) {
    ssize_t (*call)(int, const void *, size_t, off_t) = (ssize_t(*)(int, const void *, size_t, off_t))function;
    int file = file_with("0123");
    char text[4];
    bool works = call(file, "xy", 2, 1) == 2 && pread(file, text, 4, 0) == 4 && memcmp(text, "0xy3", 4) == 0;
    close(file);
    return works && fails(call(on->near, "x", 1, 0), ESPIPE) && fails(call(on->near, "x", 1, -1), EINVAL);
}

static bool pwritev_works(void *function, subject *on) {
    ssize_t (*call)(int, const struct iovec *, int, off_t) = (ssize_t(*)(int, const struct iovec *, int, off_t))function;
    struct iovec vectors[] = {{"x", 1}, {"y", 1}};
    int file = file_with("0123");
    char text[4];
    bool works = call(file, vectors, 2, 1) == 2 && pread(file, text, 4, 0) == 4 && memcmp(text, "0xy3", 4) == 0;
    close(file);
    return works && fails(call(on->near, vectors, 1, 0), ESPIPE);
}

static bool pwritev2_works(void *function, subject *on) {
    ssize_t (*call)(int, const struct iovec *, int, off_t, int) =
        (ssize_t(*)(int, const struct iovec *, int, off_t, int))function;
    struct iovec vectors[] = {{"te", 2}, {"xt", 2}};
    return call(on->near, vectors, 2, -1, 0) == 4 && arrives(on->far, "text") && fails(call(on->near, vectors, 1, 0, 0), ESPIPE) &&
        fails(call(on->near, vectors, 1, -1, 0x4000000), EOPNOTSUPP);
}

static bool is(const char *buffer, ssize_t count) { return count == 4 && memcmp(buffer, "text", 4) == 0; }

static bool recv_works(void *function, subject *on) {
    char room[8];
    ssize_t (*call)(int, void *, size_t, int) = (ssize_t(*)(int, void *, size_t, int))function;
    return fails(call(on->near, room, 8, MSG_DONTWAIT), EAGAIN) && sends(on->far, "text") && is(room, call(on->near, room, 4, MSG_WAITALL));
}

static bool recvfrom_works(void *function, subject *on) {
    char room[8];
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    ssize_t (*call)(int, void *, size_t, int, void *, socklen_t *) =
        (ssize_t(*)(int, void *, size_t, int, void *, socklen_t *))function;
    return sends(on->far, "text") && is(room, call(on->near, room, 4, MSG_WAITALL, &address, &length)) && length == 0;
}

static bool recvmsg_works(void *function, subject *on) {
    char room[4];
    struct iovec vectors[] = {{room, 2}, {room + 2, 2}};
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 2};
    return sends(on->far, "text") && is(room, ((ssize_t(*)(int, struct msghdr *, int))function)(on->near, &message, MSG_WAITALL));
}

static bool recvmmsg_works(void *function, subject *on) {
    char room[4];
    struct iovec vectors[] = {{room, 2}, {room + 2, 2}};
    struct mmsghdr messages[] = {{.msg_hdr = {.msg_iov = vectors, .msg_iovlen = 1}},
                                 {.msg_hdr = {.msg_iov = vectors + 1, .msg_iovlen = 1}}};
    struct timespec limit = {2, 0};
    return sends(on->far, "text") &&
        ((int (*)(int, struct mmsghdr *, unsigned, int, struct timespec *))function)(on->near, messages, 2, 0, &limit) == 2 &&
        messages[0].msg_len == 2 && is(room, 4) && limit.tv_sec < 2;
}

static bool read_works(void *function, subject *on) {
    char room[8];
    return sends(on->far, "text") && recv(on->near, room, 4, MSG_PEEK | MSG_WAITALL) == 4 &&
        is(room, ((ssize_t(*)(int, void *, size_t))function)(on->near, room, 8));
}

static bool readv_works(void *function, subject *on) {
    char room[8];
    struct iovec vectors[] = {{room, 1}, {room + 1, 7}};
    return sends(on->far, "text") && recv(on->near, room, 4, MSG_PEEK | MSG_WAITALL) == 4 &&
        is(room, ((ssize_t(*)(int, const struct iovec *, int))function)(on->near, vectors, 2));
}

static bool pread_works(void *function, subject *on) {
    ssize_t (*call)(int, void *, size_t, off_t) = (ssize_t(*)(int, void *, size_t, off_t))function;
    char room[8];
    int file = file_with("__text");
    bool works = is(room, call(file, room, 8, 2));
    close(file);
    return works && fails(call(on->near, room, 1, 0), ESPIPE) && fails(call(on->near, room, 1, -1), EINVAL);
}

static bool preadv_works(void *function, subject *on) {
    ssize_t (*call)(int, const struct iovec *, int, off_t) = (ssize_t(*)(int, const struct iovec *, int, off_t))function;
    char room[8];
    struct iovec vectors[] = {{room, 1}, {room + 1, 7}};
    int file = file_with("__text");
    bool works = is(room, call(file, vectors, 2, 2));
    close(file);
    return works && fails(call(on->near, vectors, 1, 0), ESPIPE);
}

static bool preadv2_works(void *function, subject *on) {
    ssize_t (*call)(int, const struct iovec *, int, off_t, int) =
        (ssize_t(*)(int, const struct iovec *, int, off_t, int))function;
    char room[8];
    struct iovec vectors[] = {{room, 1}, {room + 1, 7}};
    return fails(call(on->near, vectors, 2, -1, RWF_NOWAIT), EAGAIN) && sends(on->far, "text") &&
        recv(on->near, room, 4, MSG_PEEK | MSG_WAITALL) == 4 && is(room, call(on->near, vectors, 2, -1, 0)) &&
        fails(call(on->near, vectors, 1, 0, 0), ESPIPE);
}

static bool recv_chk_works(void *function, subject *on) {
    char room[8];
    return sends(on->far, "text") && is(room, ((ssize_t(*)(int, void *, size_t, size_t, int))function)(on->near, room, 4, 8, MSG_WAITALL));
}

static bool recvfrom_chk_works(void *function, subject *on) {
    char room[8];
    return sends(on->far, "text") &&
        is(room, ((ssize_t(*)(int, void *, size_t, size_t, int, void *, socklen_t *))function)(
               on->near, room, 4, 8, MSG_WAITALL, NULL, NULL));
}

static bool read_chk_works(void *function, subject *on) {
    char room[8];
    return sends(on->far, "text") && recv(on->near, room, 4, MSG_PEEK | MSG_WAITALL) == 4 &&
        is(room, ((ssize_t(*)(int, void *, size_t, size_t))function)(on->near, room, 8, 8));
}

static bool pread_chk_works(void *function, subject *on) {
    ssize_t (*call)(int, void *, size_t, off_t, size_t) = (ssize_t(*)(int, void *, size_t, off_t, size_t))function;
    char room[8];
    int file = file_with("__text");
    bool works = is(room, call(file, room, 8, 2, 8));
    close(file);
    return works && fails(call(on->near, room, 1, 0, 8), ESPIPE);
}

const symbol_case byte_cases[] = {
    {"send __send", send_works},
    {"sendto", sendto_works},
    {"sendmsg", sendmsg_works},
    {"sendmmsg", sendmmsg_works},
    {"write __write", write_works},
    {"writev", writev_works},
    {"pwrite pwrite64 __pwrite64", pwrite_works},
    {"pwritev pwritev64", pwritev_works},
    {"pwritev2 pwritev64v2", pwritev2_works},
    {"recv", recv_works},
    {"recvfrom", recvfrom_works},
    {"recvmsg", recvmsg_works},
    {"recvmmsg", recvmmsg_works},
    {"read __read", read_works},
    {"readv", readv_works},
    {"pread pread64 __pread64", pread_works},
    {"preadv preadv64", preadv_works},
    {"preadv2 preadv64v2", preadv2_works},
    {"__recv_chk", recv_chk_works},
    {"__recvfrom_chk", recvfrom_chk_works},
    {"__read_chk", read_chk_works},
    {"__pread_chk __pread64_chk", pread_chk_works},
    {NULL, NULL},
};

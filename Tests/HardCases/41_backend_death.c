// The service ends while calls wait in it: each has a defined error, and none hangs. Under XenSock only.
#define _GNU_SOURCE
#include "cases.h"

struct call {
    const char *name;
    long (*body)(int);
    int fd;
    volatile int thread_id;
    long result;
    int error;
};

static long receives(int fd) {
    char byte;
    return recv(fd, &byte, 1, 0);
}
static long accepts(int fd) { return accept(fd, NULL, NULL); }
static long sends(int fd) {
    static char bytes[1 << 16];
    while (send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) > 0) {}
    return -1;
}
static long polls(int fd) {
    struct pollfd entry = {fd, POLLIN, 0};
    return poll(&entry, 1, -1) == 1 && entry.revents & (POLLIN | POLLERR | POLLHUP);
}
static long waits(int fd) {
    int set = must("epoll_create1", epoll_create1(0));
    add(set, fd, EPOLLIN);
    return (one(set, -1) & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
}

static void *perform(void *argument) {
    struct call *call = argument;
    __atomic_store_n(&call->thread_id, gettid(), __ATOMIC_SEQ_CST);
    call->result = call->body(call->fd);
    call->error = errno;
    return NULL;
}

// The process that listens at the session's path.
static pid_t service(void) {
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    const char *name = getenv("XENSOCK_SOCKET");
    if (!name) exit(92);
    strncpy(path.sun_path, name, sizeof path.sun_path - 1);
    int fd = must("socket", socket(AF_UNIX, SOCK_SEQPACKET, 0));
    must("connect", connect(fd, (void *)&path, sizeof path));
    struct ucred peer;
    socklen_t size = sizeof peer;
    must("SO_PEERCRED", getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size));
    close(fd);
    return peer.pid;
}

int main(void) {
    int quiet[2], full[2], polled[2], watched[2], late[2];
    both_ends(quiet), both_ends(full), both_ends(polled), both_ends(watched), both_ends(late);
    int server = listener(), port = port_of(server);
    struct call calls[] = {
        {.name = "recv", .body = receives, .fd = quiet[0]},
        {.name = "send", .body = sends, .fd = full[0]},
        {.name = "accept", .body = accepts, .fd = server},
        {.name = "poll", .body = polls, .fd = polled[0]},
        {.name = "epoll_wait", .body = waits, .fd = watched[0]},
    };
    enum { COUNT = sizeof calls / sizeof *calls };
    pthread_t threads[COUNT];
    tell(late[1], "data that came before");
    await(late[0], POLLIN);
    for (int index = 0; index < COUNT; index++) {
        threads[index] = thread(perform, &calls[index]);
        while (!__atomic_load_n(&calls[index].thread_id, __ATOMIC_SEQ_CST)) pause_for(1);
    }
    // A send is asleep now and then before everything is full.
    pause_for(500);
    for (int index = 0; index < COUNT; index++) await_sleep(calls[index].thread_id);
    must("kill", kill(service(), SIGKILL));
    for (int index = 0; index < COUNT; index++) {
        join(threads[index]);
        if (calls[index].result < 0)
            print("%s: %s\n", calls[index].name, strerrorname_np(calls[index].error));
        else
            print("%s: %ld\n", calls[index].name, calls[index].result);
    }
    say_text("recv of what came before", late[0]);
    say_text("and then", late[0]);
    say("send", send(late[0], "x", 1, MSG_NOSIGNAL));
    say("getpeername", getpeername(late[0], (void *)&(struct sockaddr_in){0}, &(socklen_t){16}));
    say("close", close(late[0]));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    say("socket", fd < 0 ? -1 : 0);
    if (fd >= 0) say("connect", connect_on(fd, port));
    return done();
}

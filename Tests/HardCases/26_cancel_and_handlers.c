// pthread_cancel of blocked threads, and socket calls from signal handlers.
#include "cases.h"

static int ends[2], server, wake[2], cleaned;
static volatile int thread_id;

static void clean(void *unused) { (void)unused, cleaned++; }

#define CANCELLED(name, call)                              \
    static void *name(void *unused) {                      \
        char byte;                                         \
        (void)byte;                                        \
        thread_id = gettid();                              \
        pthread_cleanup_push(clean, NULL);                 \
        call;                                              \
        pthread_cleanup_pop(0);                            \
        return unused;                                     \
    }

CANCELLED(in_recv, recv(ends[0], &byte, 1, 0))
CANCELLED(in_read, if (read(ends[0], &byte, 1)) return NULL)
CANCELLED(in_accept, accept(server, NULL, NULL))
CANCELLED(in_poll, poll(&(struct pollfd){ends[0], POLLIN, 0}, 1, 20000))
CANCELLED(in_epoll, {
    struct epoll_event event;
    int set = epoll_create1(EPOLL_CLOEXEC);
    add(set, ends[0], EPOLLIN);
    epoll_wait(set, &event, 1, 20000);
})
CANCELLED(in_send, {
    static char block[1 << 20];
    for (;;) send(ends[0], block, sizeof block, 0);
})
CANCELLED(in_close_disabled, {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    recv(ends[0], &byte, 1, 0);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    pthread_testcancel();
})

static void cancel(const char *what, void *(*body)(void *)) {
    void *result = NULL;
    thread_id = 0, cleaned = 0;
    pthread_t other = thread(body, NULL);
    while (!thread_id) pause_for(1);
    await_sleep(thread_id);
    pthread_cancel(other);
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 10;
    int error = pthread_timedjoin_np(other, &result, &limit);
    print("%s: %s, cleaned up %d\n", what,
          error ? "does not end" : result == PTHREAD_CANCELED ? "cancelled" : "returned", cleaned);
    if (error) _exit(94);
}

static void echo(int number) {
    int saved = errno;
    char byte;
    (void)number;
    while (recv(ends[0], &byte, 1, MSG_DONTWAIT) == 1) send(ends[0], &byte, 1, MSG_DONTWAIT);
    errno = saved;
}

static void self_pipe(int number) {
    int saved = errno;
    (void)number;
    if (write(wake[1], "s", 1) < 0) _exit(96);
    errno = saved;
}

static void opens(int number) {
    int saved = errno, fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)number;
    if (fd < 0 || connect_on(fd, port_of(server)) < 0 || send(fd, "handler", 7, 0) != 7) _exit(97);
    poll(&(struct pollfd){fd, POLLOUT, 0}, 1, 0);
    close(fd);
    errno = saved;
}

static void *signal_main(void *main_thread) {
    for (int index = 0; index < 300; index++) {
        pthread_kill(*(pthread_t *)main_thread, SIGUSR1);
        pause_for(1);
    }
    return NULL;
}

int main(void) {
    char buffer[64];
    both_ends(ends);
    server = listener();
    cancel("recv", in_recv);
    cancel("read", in_read);
    cancel("accept", in_accept);
    cancel("poll", in_poll);
    cancel("epoll_wait", in_epoll);
    tell(ends[1], "still good");
    say_text("afterwards", ends[0]);
    int client = connected(port_of(server)), fd = must("accept", accept(server, NULL, NULL));
    tell(client, "listener too");
    say_text("afterwards", fd);
    cancel("send", in_send);
    close(ends[0]), close(ends[1]);
    both_ends(ends);
    pthread_t other;
    thread_id = 0, cleaned = 0;
    other = thread(in_close_disabled, NULL);
    while (!thread_id) pause_for(1);
    await_sleep(thread_id);
    pthread_cancel(other);
    pause_for(100);
    tell(ends[1], "x");
    void *result;
    pthread_join(other, &result);
    print("disabled: %s afterwards\n", result == PTHREAD_CANCELED ? "cancelled" : "returned");

    // A handler that uses the socket on which the interrupted thread is at work.
    struct sigaction action = {.sa_handler = echo, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    pthread_t self = pthread_self();
    other = thread(signal_main, &self);
    long sent = 0;
    while (sent < 20000) {
        memset(buffer, 'd', 50);
        long got = send(ends[0], buffer, 50, 0);
        if (got > 0) sent += got;
        char drain[256];
        recv(ends[1], drain, sizeof drain, MSG_DONTWAIT);
        if (sent % 5000 == 0) send(ends[1], "hhh", 3, MSG_DONTWAIT);
    }
    join(other);
    print("sent %ld with a handler in between\n", sent);
    close(ends[0]), close(ends[1]);

    // Self-pipe over a pair, and over a connection.
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, wake));
    action.sa_handler = self_pipe;
    sigaction(SIGUSR2, &action, NULL);
    raise(SIGUSR2);
    say_text("self-pipe", wake[0]);
    both_ends(wake);
    raise(SIGUSR2);
    await(wake[0], POLLIN);
    say_text("over a connection", wake[0]);

    // A handler that opens, connects, sends and closes, while the thread does the same.
    action.sa_handler = opens;
    sigaction(SIGUSR1, &action, NULL);
    other = thread(signal_main, &self);
    int mine = 0;
    for (int index = 0; index < 200; index++) {
        fd = accept(server, NULL, NULL);
        if (fd < 0) continue;
        long got = read_all(fd, buffer, 7);
        mine += got == 7;
        close(fd);
    }
    // The rest of the handlers' connections need a place to come to.
    nonblocking(server);
    for (int index = 0; index < 200; index++) {
        while ((fd = accept(server, NULL, NULL)) >= 0) close(fd);
        pause_for(2);
    }
    join(other);
    print("handlers' connections: %d\n", mine);
    return done();
}

// close() and dup2() while another thread is blocked on the descriptor, whose number is something else at once.
#include "cases.h"

static int fd, thread_id;
static long result;
static int error;
static char got[32];

static void *blocked_recv(void *unused) {
    __atomic_store_n(&thread_id, gettid(), __ATOMIC_SEQ_CST);
    result = recv(fd, got, sizeof got - 1, 0);
    error = errno;
    return unused;
}

static void *blocked_accept(void *unused) {
    __atomic_store_n(&thread_id, gettid(), __ATOMIC_SEQ_CST);
    result = accept(fd, NULL, NULL);
    error = errno;
    return unused;
}

static pthread_t start(void *(*body)(void *)) {
    memset(got, 0, sizeof got);
    thread_id = 0;
    pthread_t made = thread(body, NULL);
    while (__atomic_load_n(&thread_id, __ATOMIC_SEQ_CST) == 0) pause_for(1);
    await_sleep(thread_id);
    return made;
}

static void finish(const char *what, pthread_t other) {
    join(other);
    if (result < 0)
        print("%s: %s\n", what, strerrorname_np(error));
    else
        print("%s: %ld %s\n", what, result, got);
}

int main(void) {
    int ends[2], other[2];
    char byte;

    // The call holds its file: data that comes is its own.
    both_ends(ends);
    fd = ends[0];
    pthread_t made = start(blocked_recv);
    say("close", close(fd));
    tell(ends[1], "for the blocked");
    finish("recv on a closed one", made);
    await(ends[1], POLLIN);
    // Its last reference went with the call.
    say("peer", recv(ends[1], &byte, 1, 0));
    close(ends[1]);

    // The number is another connection's at once.
    both_ends(ends);
    both_ends(other);
    fd = ends[0];
    made = start(blocked_recv);
    close(fd);
    print("reused: %d\n", must("dup", dup(other[0])) == fd);
    tell(other[1], "for the new");
    pause_for(100);
    tell(ends[1], "for the old");
    finish("recv", made);
    say_text("the new one", fd);
    tell(other[1], "more");
    say_text("the new one", fd);
    close(fd);
    close(ends[1]), close(other[0]), close(other[1]);

    // Java's way: dup2 over it, of a socket whose end is there.
    both_ends(ends);
    int marker[2];
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, marker));
    close(marker[1]);
    fd = ends[0];
    made = start(blocked_recv);
    say("dup2", dup2(marker[0], fd) == fd);
    tell(ends[1], "late");
    finish("recv after dup2", made);
    say("the marker", recv(fd, &byte, 1, 0));
    close(fd), close(ends[1]);

    // shutdown by another thread ends the wait.
    both_ends(ends);
    fd = ends[0];
    made = start(blocked_recv);
    say("shutdown", shutdown(fd, SHUT_RDWR));
    finish("recv after shutdown", made);
    close(ends[0]), close(ends[1]);

    // A listener.
    int server = listener();
    fd = server;
    made = start(blocked_accept);
    say("shutdown of the listener", shutdown(server, SHUT_RDWR));
    finish("accept", made);
    close(server);

    // epoll_wait while its only member is closed, and the number comes back as another.
    int set = must("epoll_create1", epoll_create1(0));
    both_ends(ends);
    add(set, ends[0], EPOLLIN);
    close(ends[0]);
    both_ends(other);
    print("reused: %d\n", other[0] == ends[0] || other[1] == ends[0]);
    tell(other[0], "a");
    tell(other[1], "b");
    say_epoll("a set whose member was closed", one(set, 100));
    return done();
}

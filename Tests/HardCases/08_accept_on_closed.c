// A blocked accept holds its listener: closed meanwhile, it still takes the next connection.
#include "cases.h"

static volatile int thread_id, error;

static void *blocked_accept(void *server) {
    thread_id = gettid();
    int fd = accept(*(int *)server, NULL, NULL);
    error = fd >= 0 ? 0 : errno;
    return NULL;
}

int main(void) {
    int server = listener(), port = port_of(server), fd = server;
    pthread_t other = thread(blocked_accept, &fd);
    while (!thread_id) pause_for(1);
    await_sleep(thread_id);
    say("close", close(server));
    say("connect", connect_on(socket(AF_INET, SOCK_STREAM, 0), port));
    join(other);
    print("accept: %s\n", error == 0 ? "a connection" : strerrorname_np(error));
    say("connect again", connect_on(socket(AF_INET, SOCK_STREAM, 0), port));
    return done();
}

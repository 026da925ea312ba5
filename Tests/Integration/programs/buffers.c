// A connection with small buffers: what a writer can get rid of while nobody reads is bounded by them, and a writer
// that waits goes on when the reader does. The receiver's size is set on its listener, the sender's "before" or "after"
// the connection, as argv[1] says.
#include "common.h"
#include <pthread.h>

static void small(int fd, int name, int size) { must("setsockopt", setsockopt(fd, SOL_SOCKET, name, &size, sizeof size)); }

static void *reader(void *argument) {
    int fd = *(int *)argument;
    long sum = 0;
    char buffer[3000], expected[3000];
    for (;;) {
        long count = recv(fd, buffer, sizeof buffer, 0);
        if (count <= 0) break;
        fill(expected, count, sum);
        if (memcmp(buffer, expected, count) != 0) print("other bytes from %ld on\n", sum);
        sum += count;
    }
    print("%ld bytes read\n", sum);
    return NULL;
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    int before = strcmp(arguments[1], "before") == 0;
    int server = listener();
    small(server, SO_RCVBUF, 4096);
    int client = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    if (before) small(client, SO_SNDBUF, 4096);
    must("connect", connect_on(client, port_of(server)));
    int accepted = must("accept", accept(server, NULL, NULL));
    if (!before) small(client, SO_SNDBUF, 4096);
    static char buffer[1 << 20];
    fill(buffer, sizeof buffer, 0);
    long sent = 0;
    // Until nothing has moved for a while.
    for (int quiet = 0; quiet < 10; quiet++) {
        long result;
        while (sent + 1000 < (long)sizeof buffer && (result = send(client, buffer + sent, 1000, MSG_DONTWAIT)) > 0) {
            sent += result;
            quiet = 0;
        }
        pause_for(20);
    }
    print("%s\n", sent < 1 << 17 ? "bounded" : "not bounded");
    say_events("full", events(client, POLLOUT, 0));
    pthread_t thread;
    must("pthread_create", pthread_create(&thread, NULL, reader, &accepted));
    await(client, POLLOUT);
    while (sent < (long)sizeof buffer) sent += must("send", send(client, buffer + sent, sizeof buffer - sent, 0));
    must("shutdown", shutdown(client, SHUT_WR));
    pthread_join(thread, NULL);
    return done();
}

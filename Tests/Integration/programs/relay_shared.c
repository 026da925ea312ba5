// Two processes and two threads use a connection to an echoing peer (port in argv[1]); it becomes stdio's in one of them
// while others wait in calls on it.
#include "common.h"
#include <pthread.h>

static int fd;

static void *reader(void *unused) {
    (void)unused;
    char buffer[16] = "";
    long got = recv(fd, buffer, 5, MSG_WAITALL);
    print("thread: %ld %s\n", got, buffer);
    return NULL;
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    fd = connected(atoi(arguments[1]));
    pthread_t thread;
    pthread_create(&thread, NULL, reader, NULL);
    pause_for(100);
    pid_t child = must("fork", fork());
    if (child == 0) {
        FILE *stream = fdopen(fd, "w");
        fputs("hello", stream);
        fflush(stream);
        _exit(0);
    }
    must("waitpid", waitpid(child, NULL, 0));
    pthread_join(thread, NULL);
    char buffer[16] = "";
    say("send", send(fd, "again", 5, 0));
    say("recv", recv(fd, buffer, 5, MSG_WAITALL));
    print("%s\n", buffer);
    struct timeval limit = {0, 100000};
    say("SO_RCVTIMEO", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    say("recv of nothing", recv(fd, buffer, 5, 0));
    close(fd);
    return done();
}

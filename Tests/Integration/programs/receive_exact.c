// How much a receive takes and how long it waits: SO_RCVLOWAT, MSG_WAITALL, MSG_PEEK, MSG_TRUNC, SO_RCVTIMEO.
#include "common.h"
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

static int ends[2];

// Sends bytes from another thread, one every `gap` milliseconds.
struct dripping {
    int count, gap;
};

static void *drip(void *argument) {
    struct dripping *task = argument;
    for (int index = 0; index < task->count; index++) {
        pause_for(task->gap);
        if (send(ends[1], "d", 1, MSG_NOSIGNAL) < 0) break;
    }
    return NULL;
}

static struct timespec start;

static void begin(void) { clock_gettime(CLOCK_MONOTONIC, &start); }

// Time as a multiple of 100 ms, so that it is the same on every run.
static void elapsed(const char *what) { print("  %s took %ld tenths\n", what, (since(&start) + 50) / 100); }

static void set(int name, int value) { must("setsockopt", setsockopt(ends[0], SOL_SOCKET, name, &value, sizeof value)); }

static int get(int name) {
    int value = -1;
    socklen_t length = sizeof value;
    must("getsockopt", getsockopt(ends[0], SOL_SOCKET, name, &value, &length));
    return value;
}

static void time_limit(int name, int milliseconds) {
    struct timeval time = {milliseconds / 1000, milliseconds % 1000 * 1000};
    must("setsockopt", setsockopt(ends[0], SOL_SOCKET, name, &time, sizeof time));
}

static void nothing(int number) { (void)number; }

static int readable(void) {
    pause_for(60);
    return events(ends[0], POLLIN, 0);
}

static void put(const char *text) {
    must("send", send(ends[1], text, strlen(text), 0));
    pause_for(60);
}

int main(void) {
    char buffer[64] = {0};
    pthread_t thread;
    struct dripping task;
    both_ends(ends);
    signal(SIGPIPE, SIG_IGN);

    print("lowat at first %d\n", get(SO_RCVLOWAT));
    set(SO_RCVLOWAT, 0);
    print("lowat of 0 %d\n", get(SO_RCVLOWAT));
    set(SO_RCVLOWAT, 5);
    print("lowat of 5 %d\n", get(SO_RCVLOWAT));
    put("abc");
    say_events("3 of 5", readable());
    say("peek 3 of 5", recv(ends[0], buffer, 10, MSG_PEEK | MSG_DONTWAIT));
    put("de");
    say_events("5 of 5", readable());
    put("fgh");
    say_events("8 of 5", readable());
    say("take 4", recv(ends[0], buffer, 4, 0));
    say_events("4 of 5", readable());
    put("i");
    say_events("5 of 5 again", readable());
    say("take 3", recv(ends[0], buffer, 3, 0));
    say_events("2 of 5", readable());
    set(SO_RCVLOWAT, 2);
    say_events("2 of 2", readable());
    set(SO_RCVLOWAT, 3);
    say_events("2 of 3", readable());
    int queued = -1;
    say("FIONREAD", ioctl(ends[0], FIONREAD, &queued));
    print("queued %d\n", queued);
    say("non-blocking takes less", recv(ends[0], buffer, 10, MSG_DONTWAIT));
    say("then nothing", recv(ends[0], buffer, 10, MSG_DONTWAIT));
    set(SO_RCVLOWAT, 4);
    task = (struct dripping){5, 100};
    pthread_create(&thread, NULL, drip, &task);
    begin();
    say("blocking waits for 4", recv(ends[0], buffer, 10, 0));
    elapsed("that");
    pthread_join(thread, NULL);
    pause_for(60);
    begin();
    say("less than the mark", recv(ends[0], buffer, 1, 0));
    elapsed("that");
    set(SO_RCVLOWAT, 6);
    time_limit(SO_RCVTIMEO, 250);
    task = (struct dripping){4, 100};
    pthread_create(&thread, NULL, drip, &task);
    begin();
    say("lowat in time", recv(ends[0], buffer, 10, 0));
    elapsed("that");
    pthread_join(thread, NULL);
    pause_for(60);
    while (recv(ends[0], buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
    }
    set(SO_RCVLOWAT, 1);

    task = (struct dripping){6, 100};
    pthread_create(&thread, NULL, drip, &task);
    begin();
    say("all in time", recv(ends[0], buffer, 10, MSG_WAITALL));
    elapsed("that");
    pthread_join(thread, NULL);
    pause_for(60);
    while (recv(ends[0], buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
    }
    begin();
    say("nothing in time", recv(ends[0], buffer, 10, MSG_WAITALL));
    elapsed("that");
    time_limit(SO_RCVTIMEO, 0);

    task = (struct dripping){3, 100};
    pthread_create(&thread, NULL, drip, &task);
    begin();
    say("peek all of 3", recv(ends[0], buffer, 3, MSG_PEEK | MSG_WAITALL));
    elapsed("that");
    pthread_join(thread, NULL);
    pause_for(60);
    say("they stay", recv(ends[0], buffer, sizeof buffer, MSG_DONTWAIT));
    time_limit(SO_RCVTIMEO, 250);
    put("xy");
    begin();
    say("peek all of 3 in time", recv(ends[0], buffer, 3, MSG_PEEK | MSG_WAITALL));
    elapsed("that");
    say("discard 1", recv(ends[0], buffer, 1, MSG_TRUNC));
    buffer[0] = 'q';
    say("discard the rest", recv(ends[0], NULL, 10, MSG_TRUNC | MSG_DONTWAIT));
    print("untouched %c\n", buffer[0]);
    put("peek");
    say("peek without buffer", recv(ends[0], NULL, 10, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT));
    say("take", recv(ends[0], buffer, sizeof buffer, 0));

    struct iovec parts[3] = {{buffer, 2}, {NULL, 0}, {buffer + 2, 3}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3, .msg_flags = 0x7fff, .msg_namelen = 17};
    put("vectors");
    say("recvmsg", recvmsg(ends[0], &message, 0));
    print("flags %x namelen %u controllen %zu\n", message.msg_flags, message.msg_namelen, message.msg_controllen);
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    say("recvfrom", recvfrom(ends[0], buffer, sizeof buffer, 0, (struct sockaddr *)&address, &length));
    print("length %u\n", length);
    char control[64];
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    put("c");
    say("recvmsg with control", recvmsg(ends[0], &message, MSG_TRUNC));
    print("flags %x controllen %zu\n", message.msg_flags, message.msg_controllen);

    say("error queue", recv(ends[0], buffer, 1, MSG_ERRQUEUE));
    say("out of band", recv(ends[0], buffer, 1, MSG_OOB));
    say("recv of nothing", recv(ends[0], buffer, 0, MSG_DONTWAIT));
    say("read of nothing", read(ends[0], buffer, 0));
    say("send of nothing", send(ends[0], buffer, 0, 0));
    int one = 1;
    say("peek offset", setsockopt(ends[0], SOL_SOCKET, SO_PEEK_OFF, &one, sizeof one));
    length = sizeof one;
    say("peek offset's value", getsockopt(ends[0], SOL_SOCKET, SO_PEEK_OFF, &one, &length));
    print("it is %d\n", one);
    put("offset");
    memset(buffer, 0, sizeof buffer);
    say("peek at the offset", recv(ends[0], buffer, 3, MSG_PEEK | MSG_DONTWAIT));
    print("%s\n", buffer);
    memset(buffer, 0, sizeof buffer);
    say("peek on", recv(ends[0], buffer, 3, MSG_PEEK | MSG_DONTWAIT));
    print("%s\n", buffer);
    say("take 2", recv(ends[0], buffer, 2, 0));
    memset(buffer, 0, sizeof buffer);
    say("peek after a take", recv(ends[0], buffer, 3, MSG_PEEK | MSG_DONTWAIT));
    print("%s\n", buffer);
    one = -1;
    say("peek offset off", setsockopt(ends[0], SOL_SOCKET, SO_PEEK_OFF, &one, sizeof one));
    memset(buffer, 0, sizeof buffer);
    say("peek", recv(ends[0], buffer, 3, MSG_PEEK | MSG_DONTWAIT));
    print("%s\n", buffer);
    say("drain", recv(ends[0], buffer, sizeof buffer, 0));

    // A signal in the middle of MSG_WAITALL.
    time_limit(SO_RCVTIMEO, 0);
    struct sigaction action = {.sa_handler = nothing};
    sigaction(SIGUSR1, &action, NULL);
    pid_t self = getpid(), child = fork();
    if (child == 0) {
        pause_for(100);
        if (send(ends[1], "ab", 2, 0) < 0) _exit(1);
        pause_for(100);
        kill(self, SIGUSR1);
        pause_for(200);
        kill(self, SIGUSR1);
        pause_for(100);
        shutdown(ends[1], SHUT_WR);
        _exit(0);
    }
    begin();
    say("all, interrupted", recv(ends[0], buffer, 10, MSG_WAITALL));
    elapsed("that");
    say("all, interrupted without a byte", recv(ends[0], buffer, 10, MSG_WAITALL));
    elapsed("that");
    say("all at the end", recv(ends[0], buffer, 10, MSG_WAITALL));
    wait(NULL);
    set(SO_RCVLOWAT, 9);
    say_events("lowat at the end", events(ends[0], POLLIN | POLLRDHUP, 0));
    return done();
}

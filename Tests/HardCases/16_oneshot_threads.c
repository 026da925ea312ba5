// EPOLLONESHOT with MOD hands connections from thread to thread: each event to one of them, none lost.
#include "cases.h"
#include <stdatomic.h>

enum { pairs = 8, messages = 200, workers = 4 };

static int set, ends[pairs][2];
static atomic_int owner[pairs], clashes, handled, stop;

static void *work(void *unused) {
    while (!stop) {
        struct epoll_event event;
        int count = epoll_wait(set, &event, 1, 200);
        if (count <= 0) continue;
        int index = event.data.u32;
        if (atomic_exchange(&owner[index], 1) != 0) clashes++;
        char byte;
        while (recv(ends[index][0], &byte, 1, 0) == 1) {
            handled++;
            send(ends[index][0], &byte, 1, 0);
        }
        atomic_store(&owner[index], 0);
        event.events = EPOLLIN | EPOLLONESHOT;
        if (epoll_ctl(set, EPOLL_CTL_MOD, ends[index][0], &event) < 0) clashes += 1000;
    }
    return unused;
}

int main(void) {
    pthread_t threads[workers];
    set = must("epoll_create1", epoll_create1(0));
    for (int index = 0; index < pairs; index++) {
        both_ends(ends[index]);
        nonblocking(ends[index][0]);
        struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u32 = index};
        must("ADD", epoll_ctl(set, EPOLL_CTL_ADD, ends[index][0], &event));
    }
    for (int index = 0; index < workers; index++) threads[index] = thread(work, NULL);
    long wrong = 0;
    for (int message = 0; message < messages; message++) {
        for (int index = 0; index < pairs; index++) {
            char byte = message + index;
            must("send", send(ends[index][1], &byte, 1, 0));
        }
        for (int index = 0; index < pairs; index++) {
            char byte;
            await(ends[index][1], POLLIN);
            if (recv(ends[index][1], &byte, 1, 0) != 1 || byte != (char)(message + index)) wrong++;
        }
    }
    stop = 1;
    for (int index = 0; index < workers; index++) join(threads[index]);
    print("handled %d, wrong %ld, two at once %d\n", handled, wrong, clashes);

    // Without MOD it stays silent.
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u32 = 0};
    tell(ends[0][1], "a");
    say_epoll("event", one(set, 5000));
    tell(ends[0][1], "b");
    say_epoll("disarmed", one(set, 100));
    must("MOD", epoll_ctl(set, EPOLL_CTL_MOD, ends[0][0], &event));
    say_epoll("armed again", one(set, 1000));
    close(ends[0][1]);
    say_epoll("hang-up while disarmed", one(set, 100));
    event.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT;
    must("MOD", epoll_ctl(set, EPOLL_CTL_MOD, ends[0][0], &event));
    say_epoll("hang-up", one(set, 1000));
    return done();
}

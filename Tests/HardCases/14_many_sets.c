// One descriptor in several epoll sets, in poll and in select at once.
#include "cases.h"
#include <sys/select.h>

static int sets[3], watched;
static uint32_t seen[3];

static void *wait_in_set(void *number) {
    long index = (long)number;
    seen[index] = one(sets[index], 10000);
    return NULL;
}

static void *wait_in_poll(void *unused) {
    await(watched, POLLIN);
    return unused;
}

static void *wait_in_select(void *result) {
    fd_set in;
    FD_ZERO(&in);
    FD_SET(watched, &in);
    *(int *)result = select(watched + 1, &in, NULL, NULL, &(struct timeval){10, 0});
    return NULL;
}

int main(void) {
    int ends[2], selected = 0;
    char buffer[8];
    both_ends(ends);
    watched = ends[0];
    for (int index = 0; index < 3; index++) sets[index] = must("epoll_create1", epoll_create1(EPOLL_CLOEXEC));
    add(sets[0], watched, EPOLLIN);
    add(sets[1], watched, EPOLLIN | EPOLLET);
    add(sets[2], watched, EPOLLIN | EPOLLOUT | EPOLLONESHOT);
    say_epoll("a set with OUT", one(sets[2], 1000));
    modify(sets[2], watched, EPOLLIN | EPOLLONESHOT);
    for (int round = 0; round < 3; round++) {
        pthread_t threads[5];
        for (long index = 0; index < 3; index++) threads[index] = thread(wait_in_set, (void *)index);
        threads[3] = thread(wait_in_poll, NULL);
        threads[4] = thread(wait_in_select, &selected);
        pause_for(50);
        tell(ends[1], "x");
        for (int index = 0; index < 5; index++) join(threads[index]);
        print("round %d, select %d\n", round, selected);
        for (int index = 0; index < 3; index++) say_epoll("  set", seen[index]);
        say_epoll("  level again", one(sets[0], 0));
        say_epoll("  edge again", one(sets[1], 50));
        say_epoll("  oneshot again", one(sets[2], 50));
        must("recv", recv(watched, buffer, 1, 0));
        say_epoll("  level after reading", one(sets[0], 0));
        modify(sets[2], watched, EPOLLIN | EPOLLONESHOT);
    }
    say("DEL from one", epoll_ctl(sets[0], EPOLL_CTL_DEL, watched, NULL));
    tell(ends[1], "y");
    say_epoll("the others see it", one(sets[1], 1000));
    say_epoll("the others see it", one(sets[2], 1000));
    say_epoll("it does not", one(sets[0], 50));
    struct epoll_event event = {.events = EPOLLIN};
    say("ADD twice", epoll_ctl(sets[1], EPOLL_CTL_ADD, watched, &event));
    say("DEL twice", epoll_ctl(sets[0], EPOLL_CTL_DEL, watched, NULL));
    say("MOD of none", epoll_ctl(sets[0], EPOLL_CTL_MOD, watched, &event));
    close(watched);
    say_epoll("closed: gone from all", one(sets[1], 50));
    say("MOD of a closed one", epoll_ctl(sets[1], EPOLL_CTL_MOD, watched, &event));
    return done();
}

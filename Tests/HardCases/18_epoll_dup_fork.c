// A registration belongs to the open file: it outlives the close of one duplicate, and a fork.
#include "cases.h"

int main(void) {
    int ends[2], set = must("epoll_create1", epoll_create1(0));
    char buffer[8];
    both_ends(ends);
    int copy = must("dup", dup(ends[0]));
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 11};
    must("ADD", epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event));
    close(ends[0]);
    tell(ends[1], "x");
    say("the original closed, its duplicate open", epoll_wait(set, &event, 1, 1000));
    print("data %ld\n", (long)event.data.u64);
    say("MOD by the closed number", epoll_ctl(set, EPOLL_CTL_MOD, ends[0], &event));
    event.data.u64 = 12;
    say("ADD of the duplicate", epoll_ctl(set, EPOLL_CTL_ADD, copy, &event));
    struct epoll_event both[4];
    say("two registrations of one file", epoll_wait(set, both, 4, 1000));
    recv(copy, buffer, 1, 0);
    say("read", epoll_wait(set, both, 4, 50));
    close(copy);
    tell(ends[1], "y");
    say("all closed", epoll_wait(set, both, 4, 50));
    close(ends[1]);

    // In a child the set is the same one.
    both_ends(ends);
    event.data.u64 = 13;
    must("ADD", epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event));
    pid_t child = CHILD({
        print("child's set: %ld\n", (long)epoll_wait(set, both, 4, 5000));
        say("child reads", recv(ends[0], buffer, 1, 0));
        event.data.u64 = 14;
        event.events = EPOLLOUT;
        must("MOD", epoll_ctl(set, EPOLL_CTL_MOD, ends[0], &event));
    });
    tell(ends[1], "z");
    reap("child", child);
    say("the child's MOD in the parent", epoll_wait(set, both, 4, 1000));
    print("data %ld\n", (long)both[0].data.u64);
    say_epoll("events", both[0].events);

    // The parent closes, the child holds: still registered.
    int order[2];
    must("pipe", pipe(order));
    event.events = EPOLLIN;
    must("MOD", epoll_ctl(set, EPOLL_CTL_MOD, ends[0], &event));
    child = CHILD({
        close(ends[1]);
        must("read", read(order[0], buffer, 1));
        say("child reads", recv(ends[0], buffer, 1, 0));
    });
    close(ends[0]);
    tell(ends[1], "q");
    say("parent's set", epoll_wait(set, both, 4, 5000));
    must("write", write(order[1], "", 1));
    reap("child", child);
    say("the last is gone", epoll_wait(set, both, 4, 50));
    await(ends[1], POLLIN);
    say("peer", recv(ends[1], buffer, 1, 0));

    // A child's own set, and its death.
    both_ends(ends);
    child = CHILD({
        int own = epoll_create1(0);
        add(own, ends[0], EPOLLIN);
        say_epoll("child's own set", one(own, 5000));
        pause_for(20000);
    });
    tell(ends[1], "w");
    pause_for(100);
    kill(child, SIGKILL);
    reap("child", child);
    say_text("the parent reads on", ends[0]);
    int fd = must("dup2", dup2(ends[0], 60));
    event.data.u64 = 15;
    must("ADD", epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
    close(ends[0]);
    tell(ends[1], "v");
    say("dup2", epoll_wait(set, both, 4, 1000));
    print("data %ld\n", (long)both[0].data.u64);
    return done();
}

// SO_RCVLOWAT, and MSG_PEEK together with MSG_WAITALL.
#include "cases.h"

int main(void) {
    int ends[2], low = 5;
    char buffer[64];
    socklen_t size = sizeof low;
    both_ends(ends);
    say("SO_RCVLOWAT", setsockopt(ends[0], SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low));
    low = 0;
    must("SO_RCVLOWAT", getsockopt(ends[0], SOL_SOCKET, SO_RCVLOWAT, &low, &size));
    print("%d\n", low);
    tell(ends[1], "abc");
    say_events("three of five", events(ends[0], POLLIN, 200));
    tell(ends[1], "de");
    say_events("five", events(ends[0], POLLIN, 5000));
    say("recv", recv(ends[0], buffer, 3, 0));
    say_events("two", events(ends[0], POLLIN, 200));
    pid_t child = CHILD({
        pause_for(200);
        tell(ends[1], "fghij");
    });
    say("a blocking recv waits for five more", recv(ends[0], buffer, sizeof buffer, 0));
    reap("writer", child);
    tell(ends[1], "i");
    await(ends[1], POLLOUT);
    pause_for(50);
    say("MSG_DONTWAIT takes one", recv(ends[0], buffer, sizeof buffer, MSG_DONTWAIT));
    tell(ends[1], "jk");
    must("shutdown", shutdown(ends[1], SHUT_WR));
    say_events("end", events(ends[0], POLLIN, 5000));
    close(ends[0]), close(ends[1]);

    both_ends(ends);
    tell(ends[1], "12");
    child = CHILD({
        pause_for(200);
        tell(ends[1], "345678");
    });
    say("MSG_PEEK and MSG_WAITALL", recv(ends[0], buffer, 8, MSG_PEEK | MSG_WAITALL));
    reap("writer", child);
    say("recv", recv(ends[0], buffer, 8, 0));
    return done();
}

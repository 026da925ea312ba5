// One connection, several processes: all may read and write, and only the last close is its end.
#include "cases.h"

int main(void) {
    int ends[2];
    char buffer[64];
    both_ends(ends);
    reap("reader", CHILD({
             close(ends[1]);
             tell(ends[0], "from the child");
         }));
    say_text("peer", ends[1]);
    tell(ends[0], "from the parent");
    say_text("peer", ends[1]);

    // What one left, the other reads.
    tell(ends[1], "abcdef");
    reap("reads two", CHILD(print("child: %ld\n", (long)recv(ends[0], buffer, 2, 0))));
    say_text("the rest", ends[0]);

    // A close in one process is no end.
    pid_t holder = CHILD({
        close(ends[1]);
        char order;
        while (read(ends[0], &order, 1) == 1)
            if (order == 'q') break;
    });
    close(ends[0]);
    say_events("parent closed, child holds", events(ends[1], POLLIN | POLLRDHUP, 200));
    tell(ends[1], "q");
    await(ends[1], POLLIN);
    say("child ended", recv(ends[1], buffer, 1, 0));
    reap("holder", holder);
    close(ends[1]);

    // shutdown acts for all.
    both_ends(ends);
    reap("shuts down", CHILD(must("shutdown", shutdown(ends[0], SHUT_WR))));
    say("peer after shutdown", recv(ends[1], buffer, 1, 0));
    signal(SIGPIPE, SIG_IGN);
    say("parent's send after the child's shutdown", send(ends[0], "x", 1, 0));
    tell(ends[1], "other way");
    say_text("the other direction", ends[0]);
    close(ends[0]), close(ends[1]);

    // A killed process's copy counts as closed.
    both_ends(ends);
    holder = CHILD({
        close(ends[1]);
        recv(ends[0], buffer, 1, 0);
        pause_for(20000);
    });
    close(ends[0]);
    pause_for(50);
    kill(holder, SIGKILL);
    reap("killed", holder);
    await(ends[1], POLLIN);
    say("peer", recv(ends[1], buffer, 1, 0));
    close(ends[1]);

    // Killed while others hold it: nothing happens to the stream.
    both_ends(ends);
    holder = CHILD({
        for (;;) recv(ends[0], buffer, sizeof buffer, 0);
    });
    pause_for(100);
    kill(holder, SIGKILL);
    reap("killed in recv", holder);
    tell(ends[1], "goes on");
    say_text("parent", ends[0]);

    // Four processes write records through one socket: none is torn.
    pid_t writers[4];
    for (int index = 0; index < 4; index++)
        writers[index] = CHILD({
            for (int record = 0; record < 200; record++) {
                memset(buffer, 'a' + index, 50);
                write_all(ends[0], buffer, 50);
            }
        });
    long torn = 0, records = 0, seen[4] = {0};
    for (; records < 800; records++) {
        if (read_all(ends[1], buffer, 50) != 50) break;
        for (int at = 1; at < 50; at++) torn += buffer[at] != buffer[0];
        seen[(buffer[0] - 'a') & 3]++;
    }
    print("%ld records, %ld torn bytes, %ld %ld %ld %ld\n", records, torn, seen[0], seen[1], seen[2], seen[3]);
    for (int index = 0; index < 4; index++) reap("writer", writers[index]);
    return done();
}

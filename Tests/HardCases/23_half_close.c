// Half closing, reading to the end, lingering, and resets on purpose.
#include "cases.h"

static char block[1 << 20];

int main(void) {
    int ends[2];
    char byte;
    signal(SIGPIPE, SIG_IGN);
    both_ends(ends);
    fill(block, sizeof block, 0);
    pid_t child = CHILD({
        close(ends[1]);
        write_all(ends[0], block, sizeof block);
        shutdown(ends[0], SHUT_WR);
        say_text("answer after the half close", ends[0]);
        say("end", recv(ends[0], &byte, 1, 0));
    });
    close(ends[0]);
    static char got[(1 << 20) + 1];
    say("megabyte", read_all(ends[1], got, sizeof got));
    print("intact: %d\n", memcmp(block, got, sizeof block) == 0);
    tell(ends[1], "answer");
    close(ends[1]);
    reap("child", child);

    // close() right after a large write: all of it arrives.
    both_ends(ends);
    child = CHILD({
        close(ends[1]);
        write_all(ends[0], block, sizeof block);
        close(ends[0]);
        _exit(0);
    });
    close(ends[0]);
    reap("closed at once", child);
    memset(got, 0, sizeof got);
    say("all of it", read_all(ends[1], got, sizeof got));
    print("intact: %d\n", memcmp(block, got, sizeof block) == 0);
    close(ends[1]);

    // Killed right after a write that fits: it arrives too.
    both_ends(ends);
    child = CHILD({
        write_all(ends[0], block, 30000);
        kill(getpid(), SIGKILL);
    });
    close(ends[0]);
    reap("killed", child);
    say("what it wrote", read_all(ends[1], got, sizeof got));
    close(ends[1]);

    // SO_LINGER 0: a reset at once.
    both_ends(ends);
    tell(ends[0], "lost or not");
    say("close", reset_by_linger(ends[0]));
    await(ends[1], POLLHUP);
    long last;
    while ((last = recv(ends[1], got, sizeof got, 0)) > 0) {
    }
    print("reset: %s\n", last < 0 ? strerrorname_np(errno) : "EOF");
    close(ends[1]);

    struct linger linger = {-1, -1};
    socklen_t size = sizeof linger;
    both_ends(ends);
    must("SO_LINGER", getsockopt(ends[0], SOL_SOCKET, SO_LINGER, &linger, &size));
    print("linger %d %d, %u bytes\n", linger.l_onoff, linger.l_linger, size);
    linger = (struct linger){1, 5};
    say("set", setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    must("SO_LINGER", getsockopt(ends[0], SOL_SOCKET, SO_LINGER, &linger, &size));
    print("linger %d %d\n", linger.l_onoff, linger.l_linger);
    tell(ends[0], "lingering");
    say("close", close(ends[0]));
    say_text("peer", ends[1]);
    say("peer's end", recv(ends[1], &byte, 1, 0));
    close(ends[1]);

    // SHUT_RDWR: both directions end, the descriptor stays.
    both_ends(ends);
    tell(ends[0], "before");
    say("SHUT_RDWR", shutdown(ends[0], SHUT_RDWR));
    say_text("peer", ends[1]);
    say("peer's end", recv(ends[1], &byte, 1, 0));
    say("send", send(ends[0], "x", 1, 0));
    say("recv", recv(ends[0], &byte, 1, 0));
    say("fd", fcntl(ends[0], F_GETFD));

    // The lingering close of HTTP servers: half close, drain, close.
    int server = listener();
    child = CHILD({
        int fd = connected(port_of(server));
        write_all(fd, block, 200000);
        say_text("client gets", fd);
        say("and then", recv(fd, &byte, 1, 0));
    });
    int fd = must("accept", accept(server, NULL, NULL));
    tell(fd, "no more");
    shutdown(fd, SHUT_WR);
    say("drained", read_all(fd, got, sizeof got));
    close(fd);
    reap("client", child);
    return done();
}

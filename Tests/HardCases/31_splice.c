// splice, tee and vmsplice between sockets and pipes.
#define _GNU_SOURCE
#include "cases.h"
#include <sys/sendfile.h>
#include <sys/uio.h>

int main(void) {
    int ends[2], other[2], a[2], b[2];
    char buffer[64];
    both_ends(ends);
    both_ends(other);
    must("pipe", pipe(a));
    must("pipe", pipe(b));
    tell(ends[1], "by sendfile");
    await(ends[0], POLLIN);
    say("sendfile from a socket", sendfile(a[1], ends[0], NULL, 50));
    say("pipe", read(a[0], buffer, sizeof buffer));
    tell(ends[1], "spliced");
    await(ends[0], POLLIN);
    say("socket to pipe", splice(ends[0], NULL, a[1], NULL, 100, 0));
    say("tee", tee(a[0], b[1], 100, 0));
    say("pipe to socket", splice(a[0], NULL, other[0], NULL, 100, SPLICE_F_MORE));
    say_text("arrived", other[1]);
    say("the copy", read(b[0], buffer, sizeof buffer));
    nonblocking(ends[0]);
    say("nothing there", splice(ends[0], NULL, a[1], NULL, 100, 0));
    must("F_SETFL", fcntl(ends[0], F_SETFL, 0));
    say("vmsplice", vmsplice(a[1], &(struct iovec){"mapped", 6}, 1, 0));
    say("pipe to socket", splice(a[0], NULL, other[0], NULL, 3, 0));
    say_text("arrived", other[1]);
    say("the rest", splice(a[0], NULL, other[0], NULL, 100, 0));
    say_text("arrived", other[1]);
    say("socket to socket", splice(ends[0], NULL, other[0], NULL, 5, 0));
    say("tee of a socket", tee(ends[0], a[1], 5, 0));
    say("with an offset", splice(ends[0], &(loff_t){0}, a[1], NULL, 5, 0));
    pid_t child = CHILD({
        static char block[200000];
        memset(block, 'k', sizeof block);
        write_all(ends[1], block, sizeof block);
        shutdown(ends[1], SHUT_WR);
    });
    pid_t reader = CHILD({
        static char block[200001];
        close(other[0]);
        print("through two sockets: %ld\n", read_all(other[1], block, sizeof block));
    });
    long total = 0, got;
    while ((got = splice(ends[0], NULL, a[1], NULL, 65536, SPLICE_F_MOVE)) > 0) {
        for (long sent = 0; sent < got;) sent += must("splice", splice(a[0], NULL, other[0], NULL, got - sent, 0));
        total += got;
    }
    print("spliced %ld, then %ld\n", total, got);
    reap("writer", child);
    shutdown(other[0], SHUT_WR);
    close(other[0]);
    reap("reader", reader);
    // Ordinary files and pipes are not disturbed.
    say("vmsplice", vmsplice(a[1], &(struct iovec){"pipe", 4}, 1, 0));
    say("pipe to pipe", splice(a[0], NULL, b[1], NULL, 4, 0));
    say("read", read(b[0], buffer, 8));
    return done();
}

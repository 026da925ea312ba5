// A write error on a connection that the peer reset is stdio's.
#include "cases.h"

int main(void) {
    int ends[2];
    signal(SIGPIPE, SIG_IGN);
    both_ends(ends);
    FILE *out = fdopen(ends[0], "w");
    reset_by_linger(ends[1]);
    await(ends[0], POLLIN);
    fputs("into nothing", out);
    print("fflush: %s\n", fflush(out) == 0 ? "0" : strerrorname_np(errno));
    print("ferror: %d\n", ferror(out) != 0);
    return done();
}

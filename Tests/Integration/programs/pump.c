// Exchanges 1 MiB each way on the descriptors 0 and 1, or on both ways of the one in argv[1], and checks what came.
// Written without stdio for the stream, so that it can be linked statically and shows nothing there.
#include "common.h"

enum { SIZE = 1 << 20 };

int main(int count, char **arguments) {
    int in = count > 1 ? atoi(arguments[1]) : 0, out = count > 1 ? in : 1;
    static char mine[SIZE], theirs[SIZE], wanted[SIZE];
    fill(mine, SIZE, 7);
    fill(wanted, SIZE, 0);
    long sent = 0, got = 0;
    while (sent < SIZE || got < SIZE) {
        struct pollfd entries[2] = {{in, got < SIZE ? POLLIN : 0, 0}, {out, sent < SIZE ? POLLOUT : 0, 0}};
        if (poll(entries, 2, 10000) <= 0) _exit(60);
        if (got < SIZE && entries[0].revents) {
            long result = read(in, theirs + got, SIZE - got);
            if (result <= 0) _exit(61);
            got += result;
        }
        if (sent < SIZE && entries[1].revents & (POLLOUT | POLLERR | POLLHUP)) {
            long piece = SIZE - sent < 3000 ? SIZE - sent : 3000;
            long result = write(out, mine + sent, piece);
            if (result <= 0) _exit(62);
            sent += result;
        }
    }
    char end;
    if (read(in, &end, 1) != 0) _exit(63);
    _exit(memcmp(theirs, wanted, SIZE) ? 64 : 0);
}

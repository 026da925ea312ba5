// Moves bytes between a connection to a peer (port in argv[1]) and pipes with splice, in both directions.
#include "common.h"
#include <sys/sendfile.h>

int main(int count, char **arguments) {
    if (count != 2) return 2;
    int fd = connected(atoi(arguments[1])), ends[2];
    char buffer[65536];
    must("pipe", pipe(ends));
    must("send", send(fd, "head ", 5, 0));
    must("write", write(ends[1], "MIDDLE", 6));
    say("tee to a socket", tee(ends[0], fd, 6, 0));
    say("splice between sockets", splice(fd, NULL, fd, NULL, 4, 0));
    say("splice to a socket", splice(ends[0], NULL, fd, NULL, 6, 0));
    must("send", send(fd, " tail", 5, 0));
    shutdown(fd, SHUT_WR);
    long total = 0, wrong = 0, moved;
    while ((moved = splice(fd, NULL, ends[1], NULL, 30000, 0)) > 0) {
        for (long left = moved; left > 0;) {
            long got = must("read", read(ends[0], buffer, left));
            for (long at = 0; at < got; at++) wrong += (unsigned char)buffer[at] != (total + at) % 251;
            total += got;
            left -= got;
        }
    }
    say("the end", moved);
    print("%ld bytes, %ld wrong\n", total, wrong);
    return done();
}

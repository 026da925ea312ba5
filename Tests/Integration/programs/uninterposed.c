// Bytes moved to and from a socket by the kernel itself, between bytes that are sent. Says what each call claims to
// have moved, for the test to compare with what the peer (port in argv[1]) got. argv[2] names the call.
#include "common.h"
#include <sys/sendfile.h>

int main(int count, char **arguments) {
    if (count != 3) return 2;
    int fd = connected(atoi(arguments[1])), ends[2], back[2];
    FILE *file = tmpfile();
    if (!file || fwrite("MIDDLE", 1, 6, file) != 6 || fflush(file)) return 3;
    must("pipe", pipe(ends));
    must("pipe", pipe(back));
    must("write", write(ends[1], "MIDDLE", 6));
    must("send", send(fd, "head ", 5, 0));
    long moved = -1;
    off_t offset = 0;
    if (strcmp(arguments[2], "sendfile") == 0)
        moved = sendfile(fd, fileno(file), &offset, 6);
    else if (strcmp(arguments[2], "splice") == 0)
        moved = splice(ends[0], NULL, fd, NULL, 6, 0);
    else if (strcmp(arguments[2], "splice-from") == 0) {
        // The peer has sent "DOWN" on arrival of the head.
        await(fd, POLLIN);
        moved = splice(fd, NULL, back[1], NULL, 4, 0);
    }
    say("moved", moved);
    char buffer[8] = "";
    if (strcmp(arguments[2], "splice-from") == 0 && moved > 0) must("read", read(back[0], buffer, moved));
    if (strcmp(arguments[2], "splice-from") == 0 && moved < 0) must("recv", recv(fd, buffer, 4, MSG_WAITALL));
    print("down: %s\n", buffer);
    must("send", send(fd, " tail", 5, 0));
    close(fd);
    return done();
}

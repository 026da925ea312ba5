// A connection to an echoing peer (port in argv[1]) used through stdio, whose calls no preloaded library sees.
#include "common.h"

int main(int count, char **arguments) {
    if (count != 2) return 2;
    int fd = connected(atoi(arguments[1]));
    must("send", send(fd, "before\n", 7, 0));
    FILE *out = fdopen(dup(fd), "w"), *in = fdopen(fd, "r");
    if (!out || !in) return 3;
    char line[64];
    for (int number = 0; number < 3; number++) {
        fprintf(out, "line %d\n", number);
        fflush(out);
    }
    dprintf(fd, "by dprintf\n");
    for (int number = 0; number < 5; number++) print("%s", fgets(line, sizeof line, in) ? line : "nothing\n");
    say("fclose", fclose(out));
    say("shutdown", shutdown(fd, SHUT_WR));
    print("%s\n", fgets(line, sizeof line, in) ? line : "the end");
    return done();
}

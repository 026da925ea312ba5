// stdio on sockets: fdopen for both directions, lines, large writes, fclose as the end of the connection.
#include "cases.h"

int main(void) {
    int ends[2];
    char line[64], byte;
    both_ends(ends);
    FILE *in = fdopen(ends[0], "r"), *out = fdopen(dup(ends[0]), "w");
    if (!in || !out) return 95;
    print("fileno: %d %d\n", fileno(in) == ends[0], fileno(out) >= 0);
    tell(ends[1], "220 ready\r\nsecond\r\nrest");
    print("fgets: %s", fgets(line, sizeof line, in));
    print("fgets: %s", fgets(line, sizeof line, in));
    fprintf(out, "USER %s\r\n", "nobody");
    say("nothing before a flush", recv(ends[1], &byte, 1, MSG_DONTWAIT));
    fflush(out);
    say_text("after it", ends[1]);
    setvbuf(out, NULL, _IOLBF, 0);
    fputs("by line\n", out);
    say_text("peer", ends[1]);
    must("shutdown", shutdown(ends[1], SHUT_WR));
    size_t rest = fread(line, 1, sizeof line, in);
    print("fread: %zu, feof %d, ferror %d\n", rest, feof(in) != 0, ferror(in) != 0);
    print("fclose: %d %d\n", fclose(in), fclose(out));
    say("peer's end", recv(ends[1], &byte, 1, 0));
    int next = must("open", open("/dev/null", O_RDONLY));
    print("the number is free: %d\n", next == ends[0]);
    close(next), close(ends[1]);

    both_ends(ends);
    FILE *both = fdopen(ends[0], "r+");
    fprintf(both, "question\n");
    fflush(both);
    say_text("r+", ends[1]);
    tell(ends[1], "answer\n");
    print("r+ reads: %s", fgets(line, sizeof line, both));
    dprintf(fileno(both), "by dprintf %d", 7);
    say_text("dprintf", ends[1]);
    // A large buffer leaves in several writes.
    static char block[300000];
    memset(block, 'b', sizeof block);
    pid_t writer = CHILD({
        close(ends[1]);
        if (fwrite(block, 1, sizeof block, both) != sizeof block || fclose(both) != 0) _exit(1);
    });
    fclose(both);
    static char read_back[300001];
    say("fwrite of 300000", read_all(ends[1], read_back, sizeof read_back));
    reap("writer", writer);
    close(ends[1]);

    // Standard output itself.
    both_ends(ends);
    int saved = dup(1);
    fflush(stdout);
    dup2(ends[0], 1);
    printf("printf to a socket\n");
    fflush(stdout);
    dup2(saved, 1);
    say_text("stdout", ends[1]);
    dup2(ends[0], 0);
    tell(ends[1], "typed\n");
    print("stdin: %s", fgets(line, sizeof line, stdin));
    return done();
}

// A connection becomes standard input and output, and a filter is executed: inetd's, socat's and git-daemon's way.
#include "cases.h"

static void filter(const char *name, char *const arguments[], const char *input) {
    int ends[2];
    both_ends(ends);
    pid_t child = CHILD({
        must("dup2", dup2(ends[1], 0));
        must("dup2", dup2(ends[1], 1));
        close(ends[0]);
        close(ends[1]);
        execvp(arguments[0], arguments);
        _exit(99);
    });
    close(ends[1]);
    tell(ends[0], input);
    must("shutdown", shutdown(ends[0], SHUT_WR));
    static char text[70000];
    memset(text, 0, sizeof text);
    long got = read_all(ends[0], text, sizeof text);
    print("%s gives %ld: %.60s\n", name, got, text);
    close(ends[0]);
    reap(name, child);
}

int main(void) {
    filter("cat", (char *[]){"cat", NULL}, "through cat\n");
    filter("dd", (char *[]){"dd", "bs=4", "count=2", "status=none", NULL}, "abcdefghijkl");
    filter("sh", (char *[]){"sh", "-c", "read a b; echo $b $a; cat", NULL}, "first second\nthe rest\n");
    filter("sh with a child", (char *[]){"sh", "-c", "cat; echo end >&1", NULL}, "inherited twice\n");

    static char much[65001];
    memset(much, 'm', 65000);
    filter("cat of 65000", (char *[]){"cat", NULL}, much);

    // Standard error too, and a filter that ends before its input does.
    int ends[2];
    both_ends(ends);
    pid_t child = CHILD({
        must("dup2", dup2(ends[1], 2));
        close(ends[0]);
        close(ends[1]);
        execlp("sh", "sh", "-c", "echo complaint >&2", NULL);
    });
    close(ends[1]);
    say_text("stderr", ends[0]);
    say("then", recv(ends[0], much, 1, 0));
    reap("sh", child);
    return done();
}

// The same with filters that use stdio, which no library sees: tr, sed, python's own buffers, and a program that writes
// on a standard output that it has not opened.
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
    filter("tr", (char *[]){"tr", "a-z", "A-Z", NULL}, "through tr\n");
    filter("sed", (char *[]){"sed", "s/one/two/", NULL}, "one\nno\none more\n");
    filter("head", (char *[]){"head", "-c", "7", NULL}, "1234567 and what nobody reads\n");
    filter("sort", (char *[]){"sort", NULL}, "c\na\nb\n");
    filter("awk", (char *[]){"awk", "{ print $2 }", NULL}, "1 2\n3 4\n");
    filter("printf", (char *[]){"env", "printf", "%d\n", "42", NULL}, "");
    filter("python", (char *[]){"/usr/bin/python3.11", "-c", "print(input()[::-1])", NULL}, "backwards\n");
    return done();
}

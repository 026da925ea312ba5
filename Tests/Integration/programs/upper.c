// A filter: each line of standard input in capitals, to standard output.
#include <ctype.h>
#include <stdio.h>

int main(void) {
    char line[4096];
    while (fgets(line, sizeof line, stdin)) {
        for (char *next = line; *next; next++) *next = toupper((unsigned char)*next);
        fputs(line, stdout);
        fflush(stdout);
    }
    return 0;
}

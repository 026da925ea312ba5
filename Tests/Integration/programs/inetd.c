// A server that gives each connection to a program (argv[3] and on) as its standard input and output; listens at the
// port of argv[1] and serves argv[2] connections.
#include "common.h"

int main(int count, char **arguments) {
    if (count < 4) return 2;
    int fd = must("socket", socket(AF_INET, SOCK_STREAM, 0)), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = loopback(atoi(arguments[1]));
    must("bind", bind(fd, (struct sockaddr *)&address, sizeof address));
    must("listen", listen(fd, 8));
    for (int number = atoi(arguments[2]); number > 0; number--) {
        int connection = must("accept", accept(fd, NULL, NULL));
        pause_for(50);
        if (must("fork", fork()) == 0) {
            close(fd);
            dup2(connection, 0);
            dup2(connection, 1);
            close(connection);
            execvp(arguments[3], arguments + 3);
            _exit(94);
        }
        close(connection);
    }
    while (wait(NULL) > 0) {
    }
    return 0;
}

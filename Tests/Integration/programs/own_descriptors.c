// Looks for open descriptors as daemons do, with a socket of its own open, here and in a program that it executes.
#include "common.h"
#include <sys/stat.h>

int main(int count, char **arguments) {
    int fd = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in address = loopback(0);
    must("bind", bind(fd, (struct sockaddr *)&address, sizeof address));
    struct stat status;
    for (int other = 3; other < 20000; other++) {
        if (other == fd) continue;
        if (fcntl(other, F_GETFD) >= 0 || errno != EBADF) print("fcntl finds %d\n", other);
        if (fcntl(other, F_GETFL) >= 0 || errno != EBADF) print("fcntl finds %d\n", other);
        if (fstat(other, &status) == 0 || errno != EBADF) print("fstat finds %d\n", other);
    }
    print("%s\n", fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode) ? "a socket" : "no socket");
    if (count == 1) {
        close(fd);
        execl("/proc/self/exe", arguments[0], "again", NULL);
        return 3;
    }
    return done();
}

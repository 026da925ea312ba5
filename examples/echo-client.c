/* An ordinary client: sends its lines to a server and prints the answers. It knows nothing of XenSock.
 *   cc -o echo-client echo-client.c
 *   echo hello | xensock run --isolate -- ./echo-client localhost 7007 */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found, *each;
    int error = getaddrinfo(argc > 1 ? argv[1] : "localhost", argc > 2 ? argv[2] : "7007", &hints, &found);
    if (error) return fprintf(stderr, "%s\n", gai_strerror(error)), 1;
    int connection = -1;
    for (each = found; each; each = each->ai_next) {
        connection = socket(each->ai_family, each->ai_socktype, each->ai_protocol);
        if (connection >= 0 && connect(connection, each->ai_addr, each->ai_addrlen) == 0) break;
        perror("connect");
        if (connection >= 0) close(connection);
        connection = -1;
    }
    freeaddrinfo(found);
    if (connection < 0) return 1;
    char line[4096], answer[4096];
    while (fgets(line, sizeof line, stdin)) {
        size_t length = strlen(line);
        if (send(connection, line, length, MSG_NOSIGNAL) != (ssize_t)length) return perror("send"), 1;
        for (size_t got = 0; got < length;) {
            ssize_t count = recv(connection, answer, length - got, 0);
            if (count <= 0) return fprintf(stderr, "the server has gone\n"), 1;
            fwrite(answer, 1, count, stdout);
            got += count;
        }
    }
    return 0;
}

/* An ordinary echo server: one child a connection. It knows nothing of XenSock.
 *   cc -o echo-server echo-server.c
 *   xensock run --isolate -- ./echo-server 7007 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void echo(int connection) {
    char buffer[4096];
    ssize_t size;
    while ((size = recv(connection, buffer, sizeof buffer, 0)) > 0)
        for (ssize_t sent = 0; sent < size;) {
            ssize_t count = send(connection, buffer + sent, size - sent, MSG_NOSIGNAL);
            if (count < 0) return;
            sent += count;
        }
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 7007)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (listener < 0) return perror("socket"), 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) return perror("bind"), 1;
    if (listen(listener, 16) < 0) return perror("listen"), 1;
    signal(SIGCHLD, SIG_IGN);
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        struct sockaddr_in peer;
        socklen_t length = sizeof peer;
        int connection = accept(listener, (struct sockaddr *)&peer, &length);
        if (connection < 0) return perror("accept"), 1;
        printf("connection from %s:%d\n", inet_ntoa(peer.sin_addr), ntohs(peer.sin_port));
        fflush(stdout);
        if (fork() == 0) {
            close(listener);
            echo(connection);
            _exit(0);
        }
        close(connection);
    }
}

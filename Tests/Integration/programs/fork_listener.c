// A listener inherited by four children, each of which serves one connection of the parent.
#include "common.h"

int main(void) {
    int server = listener();
    int port = port_of(server);
    for (int child = 0; child < 4; child++) {
        if (must("fork", fork()) == 0) {
            int fd = must("accept", accept(server, NULL, NULL));
            char request[5] = {0};
            must("recv", recv(fd, request, 4, MSG_WAITALL));
            must("send", send(fd, request, 4, 0));
            must("send", send(fd, &child, sizeof child, 0));
            _exit(0);
        }
    }
    close(server);
    unsigned served = 0;
    int fds[4];
    for (int index = 0; index < 4; index++) {
        fds[index] = connected(port);
        must("send", send(fds[index], "ask", 4, 0));
    }
    for (int index = 0; index < 4; index++) {
        char answer[5] = {0};
        int child = -1;
        must("recv", recv(fds[index], answer, 4, MSG_WAITALL));
        must("recv", recv(fds[index], &child, sizeof child, MSG_WAITALL));
        print("answer %s\n", answer);
        served |= 1u << child;
        say("end", recv(fds[index], answer, 1, 0));
    }
    print("served by %#x\n", served);
    for (int child = 0; child < 4; child++) {
        int status;
        must("wait", wait(&status));
        print("child's status %d\n", status);
    }
    int late = must("socket", socket(AF_INET, SOCK_STREAM, 0));
    say("connect after the last child's end", connect_on(late, port));
    return done();
}

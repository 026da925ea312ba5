// Children accept from a listener that they inherit: blocking, with poll, and after the parent has closed it.
#include "cases.h"

enum { children = 4, connections = 40 };

static void serve(int server, int polls) {
    if (polls) nonblocking(server);
    for (;;) {
        if (polls) await(server, POLLIN);
        int fd = accept(server, NULL, NULL);
        if (fd < 0 && errno == EAGAIN) continue;
        if (fd < 0) _exit(3);
        char order = 0;
        if (recv(fd, &order, 1, 0) != 1) _exit(4);
        if (order == 'q') {
            tell(fd, "gone");
            _exit(0);
        }
        tell(fd, "served");
        // So that no child serves all of them.
        pause_for(1);
        close(fd);
    }
}

static void ask(int port, const char *order, int *good) {
    int fd = connected(port);
    char text[16] = {0};
    tell(fd, order);
    if (read_all(fd, text, sizeof text) > 0 && strcmp(text, order[0] == 'q' ? "gone" : "served") == 0) ++*good;
    close(fd);
}

int main(void) {
    for (int polls = 0; polls < 2; polls++) {
        int server = listener(), port = port_of(server), good = 0, ended = 0;
        for (int index = 0; index < children; index++) CHILD(serve(server, polls));
        // The parent needs it no more; its children do.
        close(server);
        for (int index = 0; index < connections; index++) ask(port, "x", &good);
        print("%s: %d served\n", polls ? "poll and accept" : "accept", good);
        good = 0;
        for (int index = 0; index < children; index++) ask(port, "q", &good);
        print("told to end: %d\n", good);
        for (int index = 0, status; index < children; index++)
            if (waitpid(-1, &status, 0) > 0 && status == 0) ended++;
        print("ended: %d\n", ended);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        say("connect to what nobody holds", connect_on(fd, port));
        close(fd);
    }

    // A child that is killed in accept takes nothing along.
    int server = listener();
    pid_t victim = CHILD(accept(server, NULL, NULL); pause_for(20000));
    pause_for(100);
    kill(victim, SIGKILL);
    reap("the child in accept", victim);
    int fd = connected(port_of(server));
    int other = must("accept", accept(server, NULL, NULL));
    tell(other, "still here");
    say_text("after its death", fd);
    return done();
}

// What exec keeps: descriptors without FD_CLOEXEC, by number, by LISTEN_FDS, and through two generations of programs.
#include "cases.h"

static void state(const char *what, int fd) {
    int type = 0, listens = 0;
    socklen_t size = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0) {
        print("%s: %s\n", what, strerrorname_np(errno));
        return;
    }
    must("SO_ACCEPTCONN", getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size));
    print("%s: %s%s\n", what, type == SOCK_STREAM ? "stream" : "other", listens ? ", listens" : "");
}

static int second(char **arguments) {
    int kept = atoi(arguments[2]), gone = atoi(arguments[3]), server = atoi(arguments[4]);
    state("kept", kept);
    state("close-on-exec", gone);
    state("listener", server);
    char text[16] = {0};
    read_all(kept, text, 12);
    print("from before exec: %s\n", text);
    tell(kept, "after exec");
    int port = port_of(server), fd = connected(port), other = must("accept", accept(server, NULL, NULL));
    tell(other, "greeting");
    say_text("accepted after exec", fd);
    print("nonblocking flag: %d\n", (fcntl(server, F_GETFL) & O_NONBLOCK) != 0);
    if (strcmp(arguments[1], "second") == 0) {
        tell(kept, "again");
        arguments[1] = "third";
        execv("/proc/self/exe", arguments);
        return 98;
    }
    return done();
}

static int activated(void) {
    const char *count = getenv("LISTEN_FDS"), *process = getenv("LISTEN_PID");
    print("LISTEN_FDS %s, LISTEN_PID %s\n", count, atoi(process) == getpid() ? "is mine" : "is another's");
    for (int fd = 3; fd < 3 + atoi(count); fd++) {
        int peer = connected(port_of(fd)), other = must("accept", accept4(fd, NULL, NULL, SOCK_CLOEXEC));
        tell(peer, "activated");
        say_text("served", other);
    }
    return done();
}

int main(int count, char **arguments) {
    if (count == 5) return second(arguments);
    if (count == 2) return activated();
    int ends[2], gone[2], server = listener();
    both_ends(ends);
    both_ends(gone);
    must("F_SETFD", fcntl(gone[0], F_SETFD, FD_CLOEXEC));
    tell(ends[1], "before exec.");
    pid_t child = CHILD({
        char text[3][12];
        int numbers[3] = {ends[0], gone[0], server};
        for (int index = 0; index < 3; index++) snprintf(text[index], 12, "%d", numbers[index]);
        close(ends[1]);
        close(gone[1]);
        execl("/proc/self/exe", "case", "second", text[0], text[1], text[2], NULL);
        _exit(98);
    });
    close(ends[0]);
    close(gone[0]);
    char buffer[32] = {0};
    await(gone[1], POLLIN);
    // The child's lines are not to mix with these.
    tell(ends[1], "to the third");
    reap("exec", child);
    say("peer of the close-on-exec one", recv(gone[1], buffer, 1, 0));
    say("peer of the kept one", read_all(ends[1], buffer, 25));
    print("  %s\n", buffer);

    // Socket activation: the manager's own sockets are close-on-exec, the copies from 3 on are not.
    int servers[2] = {fcntl(listener(), F_DUPFD_CLOEXEC, 20), fcntl(listener(), F_DUPFD_CLOEXEC, 20)};
    reap("activated", CHILD({
             char text[16];
             must("dup2", dup2(servers[0], 3));
             must("dup2", dup2(servers[1], 4));
             snprintf(text, sizeof text, "%d", getpid());
             setenv("LISTEN_PID", text, 1);
             setenv("LISTEN_FDS", "2", 1);
             execl("/proc/self/exe", "case", "activated", NULL);
         }));
    return done();
}

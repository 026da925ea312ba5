// One connection under several descriptors: the end comes with the last, O_NONBLOCK is shared, FD_CLOEXEC is not.
#include "common.h"

static void modes(const char *what, int fd) {
    print("%s: %s, %s\n", what, fcntl(fd, F_GETFL) & O_NONBLOCK ? "non-blocking" : "blocking",
          fcntl(fd, F_GETFD) & FD_CLOEXEC ? "closed at exec" : "kept at exec");
}

int main(void) {
    int ends[2];
    char buffer[16];
    both_ends(ends);
    int second = must("dup", dup(ends[0]));
    int third = must("dup2", dup2(ends[0], 50));
    int fourth = must("dup3", dup3(ends[0], 51, O_CLOEXEC));
    int fifth = must("F_DUPFD", fcntl(ends[0], F_DUPFD, 60));
    int sixth = must("F_DUPFD_CLOEXEC", fcntl(ends[0], F_DUPFD_CLOEXEC, 70));
    print("dup2 %d, dup3 %d, F_DUPFD %d, F_DUPFD_CLOEXEC %d\n", third, fourth, fifth >= 60, sixth >= 70);
    say("dup3 onto itself", dup3(ends[0], ends[0], 0));
    say("dup2 onto itself", dup2(third, third));
    say("F_SETFL", fcntl(second, F_SETFL, fcntl(second, F_GETFL) | O_NONBLOCK));
    int all[] = {ends[0], second, third, fourth, fifth, sixth};
    const char *names[] = {"original", "dup", "dup2", "dup3", "F_DUPFD", "F_DUPFD_CLOEXEC"};
    for (int index = 0; index < 6; index++) modes(names[index], all[index]);
    say("recv", recv(third, buffer, 1, 0));
    must("F_SETFL", fcntl(third, F_SETFL, fcntl(third, F_GETFL) & ~O_NONBLOCK));
    for (int index = 0; index < 5; index++) {
        must("send", send(all[index], names[index], 1, 0));
        say("recv by the peer", recv(ends[1], buffer, sizeof buffer, 0));
        must("close", close(all[index]));
        say("not at its end", recv(ends[1], buffer, 1, MSG_DONTWAIT));
    }
    must("send", send(ends[1], "back", 4, 0));
    say("recv by the last", recv(sixth, buffer, sizeof buffer, 0));
    say("original after close", send(ends[0], "x", 1, 0));
    must("dup2 over the last", dup2(1, sixth));
    say("end of the peer", recv(ends[1], buffer, 1, 0));
    int server = listener();
    int twin = must("dup", dup(server));
    int port = port_of(server);
    close(server);
    int fd = connected(port);
    say("accept by the twin", accept(twin, NULL, NULL) >= 0);
    close(fd);
    return done();
}

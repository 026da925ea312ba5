// Signal-driven I/O: O_ASYNC, F_SETOWN, F_SETSIG, FIOASYNC, FIOSETOWN.
#include "common.h"
#include <sys/ioctl.h>

static volatile int plain;
static volatile int queued, band, descriptor;
static void on_plain(int number) {
    (void)number;
    plain++;
}
static void on_queued(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    queued++;
    band |= info->si_band;
    descriptor = info->si_fd;
}

static void report(const char *what, int fd) {
    pause_for(100);
    print("%s: SIGIO %s, queued %s, fd %s, band %s%s%s%s\n", what, plain ? "yes" : "no", queued ? "yes" : "no",
          queued ? (descriptor == fd ? "right" : "wrong") : "-", band & POLLIN ? "IN " : "", band & POLLOUT ? "OUT " : "",
          band & POLLERR ? "ERR " : "", band & POLLHUP ? "HUP" : "");
    plain = queued = band = 0;
    descriptor = -1;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_plain, .sa_flags = SA_RESTART};
    sigaction(SIGIO, &action, NULL);
    struct sigaction queue = {.sa_sigaction = on_queued, .sa_flags = SA_RESTART | SA_SIGINFO};
    sigaction(SIGRTMIN + 2, &queue, NULL);
    int ends[2];
    char buffer[16];
    both_ends(ends);
    int fd = ends[0];
    say("own", fcntl(fd, F_SETOWN, getpid()));
    print("owner %s\n", fcntl(fd, F_GETOWN) == getpid() ? "right" : "wrong");
    say("async", fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK));
    print("flags %x\n", fcntl(fd, F_GETFL));
    must("send", send(ends[1], "a", 1, 0));
    report("data", fd);
    must("send", send(ends[1], "b", 1, 0));
    report("more data", fd);
    must("recv", recv(fd, buffer, sizeof buffer, 0));
    report("read", fd);
    say("signal", fcntl(fd, F_SETSIG, SIGRTMIN + 2));
    print("signal is %s\n", fcntl(fd, F_GETSIG) == SIGRTMIN + 2 ? "right" : "wrong");
    must("send", send(ends[1], "c", 1, 0));
    report("data", fd);
    must("recv", recv(fd, buffer, sizeof buffer, 0));
    int off = 0, on = 1;
    say("FIOASYNC off", ioctl(fd, FIOASYNC, &off));
    print("flags %x\n", fcntl(fd, F_GETFL));
    must("send", send(ends[1], "d", 1, 0));
    report("off", fd);
    say("FIOASYNC on", ioctl(fd, FIOASYNC, &on));
    must("recv", recv(fd, buffer, sizeof buffer, 0));
    must("send", send(ends[1], "e", 1, 0));
    report("on", fd);
    struct f_owner_ex owner = {F_OWNER_TID, getpid()};
    say("owner ex", fcntl(fd, F_SETOWN_EX, &owner));
    must("recv", recv(fd, buffer, sizeof buffer, 0));
    must("send", send(ends[1], "f", 1, 0));
    report("by thread", fd);
    struct f_owner_ex found = {9, 9};
    say("get owner ex", fcntl(fd, F_GETOWN_EX, &found));
    print("type %d pid %s\n", found.type, found.pid == getpid() ? "right" : "wrong");
    must("shutdown", shutdown(ends[1], SHUT_WR));
    report("end", fd);
    int process = getpid(), answer = 0;
    say("FIOSETOWN", ioctl(fd, 0x8901, &process));
    say("FIOGETOWN", ioctl(fd, 0x8903, &answer));
    print("owner %s\n", answer == process ? "right" : "wrong");
    say("SIOCGPGRP", ioctl(fd, 0x8904, &answer));
    say("SIOCSPGRP", ioctl(fd, 0x8902, &process));
    say("nobody", fcntl(fd, F_SETOWN, 0));

    int server = listener();
    fcntl(server, F_SETOWN, getpid());
    fcntl(server, F_SETFL, O_ASYNC | O_NONBLOCK);
    fcntl(server, F_SETSIG, SIGRTMIN + 2);
    int client = connected(port_of(server));
    report("arrival", server);
    int accepted = must("accept", accept(server, NULL, NULL));
    print("accepted flags %x\n", fcntl(accepted, F_GETFL));
    close(client);
    long stamp[2];
    say("SIOCGSTAMP", ioctl(accepted, 0x8906, stamp));
    say("unknown ioctl", ioctl(accepted, 0x5401, stamp));
    say("SIOCOUTQNSD", ioctl(accepted, 0x894b, &answer));
    say("FIOQSIZE", ioctl(accepted, 0x5460, stamp));
    fd = socket(AF_INET, SOCK_STREAM, 0);
    say("flock", fcntl(fd, F_GETLK, &(struct flock){.l_type = F_RDLCK}));
    say("lseek", lseek(fd, 0, SEEK_CUR));
    say("fsync", fsync(fd));
    return done();
}

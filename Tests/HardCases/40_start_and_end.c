// Before main and after it: sockets in constructors, destructors and exit handlers, daemon(), abort, double forks.
#define _GNU_SOURCE
#include "cases.h"
#include <dlfcn.h>

static int early = -1, early_port, held = -1;

__attribute__((constructor(101))) static void construct(void) {
    early = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in name = loopback(0);
    bind(early, (struct sockaddr *)&name, sizeof name);
    listen(early, 4);
    close(socket(AF_INET, SOCK_STREAM, 0));
    early_port = port_of(early);
}

__attribute__((destructor)) static void destruct(void) {
    if (held >= 0) {
        print("destructor: %ld\n", (long)send(held, "destructor", 10, MSG_NOSIGNAL));
        close(held);
    }
}

static void at_exit(void) { print("atexit: %ld\n", (long)send(held, "exit ", 5, MSG_NOSIGNAL)); }

static void peer_sees(const char *what, int ends[2], pid_t child) {
    char text[64];
    close(ends[0]);
    reap(what, child);
    long got = read_all(ends[1], text, sizeof text);
    print("  peer: %ld %.*s\n", got, got > 0 ? (int)got : 0, text);
    close(ends[1]);
}

int main(void) {
    int ends[2];
    print("constructor's listener: %d\n", early_port != 0);
    int fd = connected(early_port), accepted = must("accept", accept(early, NULL, NULL));
    tell(fd, "early");
    say_text("accepted", accepted);

    both_ends(ends);
    peer_sees("exit", ends, CHILD({
                  close(ends[1]);
                  held = ends[0];
                  atexit(at_exit);
                  exit(5);
              }));
    both_ends(ends);
    peer_sees("_exit", ends, CHILD({
                  close(ends[1]);
                  tell(ends[0], "last words");
                  _exit(6);
              }));
    both_ends(ends);
    peer_sees("abort", ends, CHILD({
                  close(ends[1]);
                  tell(ends[0], "before abort");
                  signal(SIGABRT, SIG_DFL);
                  abort();
              }));
    both_ends(ends);
    peer_sees("SIGKILL", ends, CHILD({
                  close(ends[1]);
                  tell(ends[0], "before SIGKILL");
                  kill(getpid(), SIGKILL);
              }));
    both_ends(ends);
    peer_sees("SIGSEGV", ends, CHILD({
                  close(ends[1]);
                  tell(ends[0], "before SIGSEGV");
                  signal(SIGSEGV, SIG_DFL);
                  raise(SIGSEGV);
              }));

    // A daemon keeps what it inherited; its starter's end is no end.
    both_ends(ends);
    peer_sees("daemon's starter", ends, CHILD({
                  close(ends[1]);
                  if (daemon(1, 1) < 0) _exit(9);
                  pause_for(100);
                  int own[2];
                  both_ends(own);
                  tell(own[0], "x");
                  char byte;
                  tell(ends[0], recv(own[1], &byte, 1, 0) == 1 ? "daemon's word" : "daemon lost");
              }));
    both_ends(ends);
    peer_sees("double fork", ends, CHILD({
                  close(ends[1]);
                  if (fork() != 0) _exit(0);
                  setsid();
                  if (fork() != 0) _exit(0);
                  pause_for(50);
                  tell(ends[0], "grandchild's word");
                  _exit(0);
              }));

    // A listener dies with its last process, and the port is free at once.
    int server = listener(), port = port_of(server);
    pid_t child = CHILD(pause_for(20000));
    close(server);
    say("held by a child", connect_on(socket(AF_INET, SOCK_STREAM, 0), port));
    kill(child, SIGKILL);
    reap("child", child);
    pause_for(100);
    struct sockaddr_in name = loopback(port);
    say("free", bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&name, sizeof name));
    void *library = dlopen("libm.so.6", RTLD_NOW | RTLD_DEEPBIND);
    int (*by_name)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_DEFAULT, "socket");
    fd = by_name(AF_INET, SOCK_STREAM, 0);
    print("by dlsym: %d %d\n", library != NULL, fd >= 0);
    say("connect", connect_on(fd, early_port));
    return done();
}

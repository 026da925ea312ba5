// A connection to a peer (port in argv[1]) as the standard output of other programs, named by the further arguments.
#include "common.h"
#include <spawn.h>

extern char **environ;

int main(int count, char **arguments) {
    if (count < 3) return 2;
    int fd = connected(atoi(arguments[1])), status;
    must("send", send(fd, "before ", 7, 0));
    pid_t child = must("fork", fork());
    if (child == 0) {
        dup2(fd, 1);
        execv(arguments[2], arguments + 2);
        _exit(94);
    }
    must("waitpid", waitpid(child, &status, 0));
    say("exec's status", status);
    must("send", send(fd, " between ", 9, 0));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, 1);
    must("posix_spawn", -posix_spawn(&child, arguments[2], &actions, NULL, arguments + 2, environ));
    must("waitpid", waitpid(child, &status, 0));
    say("posix_spawn's status", status);
    must("send", send(fd, " after", 6, 0));
    close(fd);
    return done();
}

// Hands a connection to a peer (port in argv[1]) to the program of the further arguments, in the way that argv[2] names,
// after having read some bytes and while more are waiting.
#include "common.h"
#include <spawn.h>

extern char **environ;

static void onto_standard(int fd) {
    dup2(fd, 0);
    dup2(fd, 1);
    if (fd > 1) close(fd);
}

int main(int count, char **arguments) {
    if (count < 4) return 2;
    const char *way = arguments[2];
    char **command = arguments + 3, byte[2];
    int fd = connected(atoi(arguments[1])), status = 0;
    if (must("recv", recv(fd, byte, 2, MSG_WAITALL)) != 2 || memcmp(byte, "hi", 2)) return 3;
    must("send", send(fd, "ho", 2, 0));
    pause_for(100);
    pid_t child = 0;
    if (!strcmp(way, "dup2")) {
        if ((child = must("fork", fork())) == 0) {
            onto_standard(fd);
            execv(command[0], command);
            _exit(94);
        }
    } else if (!strcmp(way, "vfork")) {
        if ((child = vfork()) == 0) {
            dup2(fd, 0);
            dup2(fd, 1);
            execv(command[0], command);
            _exit(94);
        }
    } else if (!strcmp(way, "inherit")) {
        if ((child = must("fork", fork())) == 0) {
            dup2(fd, 7);
            execlp(command[0], command[0], "7", NULL);
            _exit(94);
        }
    } else if (!strcmp(way, "spawn")) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addclose(&actions, 0);
        posix_spawn_file_actions_adddup2(&actions, fd, 0);
        posix_spawn_file_actions_adddup2(&actions, 0, 1);
        must("posix_spawnp", -posix_spawnp(&child, command[0], &actions, NULL, command, environ));
    } else if (!strcmp(way, "environment")) {
        char *none[] = {NULL};
        if ((child = must("fork", fork())) == 0) {
            dup2(fd, 7);
            char *again[] = {command[0], "7", NULL};
            execve(command[0], again, none);
            _exit(94);
        }
    } else if (!strcmp(way, "system")) {
        char line[512];
        snprintf(line, sizeof line, "%s %d", command[0], fd);
        say("system", system(line));
        child = -1;
    }
    if (child > 0) {
        close(fd);
        must("waitpid", waitpid(child, &status, 0));
        say("status", status);
    }
    return done();
}

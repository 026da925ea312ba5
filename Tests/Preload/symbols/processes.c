/* Other processes with the same socket: those that are forked, and programs that are executed with it. */
#define _GNU_SOURCE
#include "symbols.h"
#include <spawn.h>
#include <sys/resource.h>

extern char **environ;

static bool fork_works(void *function, subject *on) {
    pid_t child = ((pid_t(*)(void))function)();
    if (child == 0) _exit(write(on->near, "child", 5) == 5 ? 0 : 1);
    int status = -1;
    return waitpid(child, &status, 0) == child && status == 0 && arrives(on->far, "child");
}

static bool become_daemon(void *function, subject *on) {
    int standard = dup(1);
    dup2(on->near, 1);
    if (((int (*)(int, int))function)(1, 0) != 0) return false;
    /* Standard output is /dev/null now, whatever it was. */
    bool works = write(1, "lost", 4) == 4 && write(on->near, "daemon", 6) == 6;
    close(standard);
    return works;
}

static bool daemon_works(void *function, subject *on) {
    return in_child(become_daemon, function, on) && arrives(on->far, "daemon");
}

/* Executes a shell that writes to its standard output, which is the socket, in a way of the symbol's. */
static bool execute(void *function, subject *on) {
    const char *symbol = on->symbol, *path = "/bin/sh", *script = "printf text";
    char *const words[] = {"sh", "-c", (char *)script, NULL};
    dup2(on->near, 1);
    if (strcmp(symbol, "execve") == 0) ((int (*)(const char *, char *const *, char *const *))function)(path, words, environ);
    if (strcmp(symbol, "execv") == 0) ((int (*)(const char *, char *const *))function)(path, words);
    if (strcmp(symbol, "execvp") == 0) ((int (*)(const char *, char *const *))function)("sh", words);
    if (strcmp(symbol, "execvpe") == 0) ((int (*)(const char *, char *const *, char *const *))function)("sh", words, environ);
    if (strcmp(symbol, "execl") == 0) ((int (*)(const char *, const char *, ...))function)(path, "sh", "-c", script, (char *)NULL);
    if (strcmp(symbol, "execlp") == 0) ((int (*)(const char *, const char *, ...))function)("sh", "sh", "-c", script, (char *)NULL);
    if (strcmp(symbol, "execle") == 0)
        ((int (*)(const char *, const char *, ...))function)(path, "sh", "-c", script, (char *)NULL, environ);
    if (strcmp(symbol, "execveat") == 0)
        ((int (*)(int, const char *, char *const *, char *const *, int))function)(AT_FDCWD, path, words, environ, 0);
    int program = open(path, O_RDONLY);
    if (strcmp(symbol, "fexecve") == 0) ((int (*)(int, char *const *, char *const *))function)(program, words, environ);
    return false;
}

static bool exec_works(void *function, subject *on) { return in_child(execute, function, on) && arrives(on->far, "text"); }

static bool spawn_works(void *function, subject *on) {
    char *const words[] = {"sh", "-c", "printf text", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, on->near, 1);
    pid_t child;
    int status = -1;
    bool works = ((int (*)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const *,
                           char *const *))function)(&child, strcmp(on->symbol, "posix_spawn") == 0 ? "/bin/sh" : "sh", &actions,
                                                    NULL, words, environ) == 0;
    works = works && waitpid(child, &status, 0) == child && status == 0 && arrives(on->far, "text");
    posix_spawn_file_actions_destroy(&actions);
    return works;
}

static bool system_works(void *function, subject *on) {
    char command[64];
    snprintf(command, sizeof command, "printf text >&%d", on->near);
    /* The shell's own numbers end at 9. */
    int low = on->near > 9 ? -1 : on->near;
    return low >= 0 && ((int (*)(const char *))function)(command) == 0 && arrives(on->far, "text");
}

static bool popen_works(void *function, subject *on) {
    char command[64];
    snprintf(command, sizeof command, "cat >&%d", on->near);
    FILE *stream = on->near > 9 ? NULL : ((FILE * (*)(const char *, const char *)) function)(command, "w");
    return stream != NULL && fputs("text", stream) >= 0 && pclose(stream) == 0 && arrives(on->far, "text");
}

/* A forked child that leaves itself no descriptor to open still writes to what it inherited. */
static bool limit_descriptors(void *function, subject *on) {
    struct rlimit none = {1, 1}, old = {0, 0};
    int result = on->symbol[0] == 's' ? ((int (*)(int, const struct rlimit *))function)(RLIMIT_NOFILE, &none)
                                      : ((int (*)(pid_t, int, const struct rlimit *, struct rlimit *))function)(
                                            0, RLIMIT_NOFILE, &none, &old);
    return result == 0 && (on->symbol[0] == 's' || old.rlim_cur > 1) && dup(on->near) == -1 && errno == EMFILE &&
           write(on->near, "limited", 7) == 7;
}

static bool limit_works(void *function, subject *on) {
    return in_child(limit_descriptors, function, on) && arrives(on->far, "limited");
}

const symbol_case process_cases[] = {
    {"setrlimit setrlimit64 prlimit prlimit64", limit_works},
    {"fork __fork _Fork", fork_works},
    {"daemon", daemon_works},
    {"execve execv execvp execvpe execl execlp execle execveat fexecve", exec_works},
    {"posix_spawn posix_spawnp", spawn_works},
    {"system", system_works},
    {"popen _IO_popen", popen_works},
    {NULL, NULL},
};

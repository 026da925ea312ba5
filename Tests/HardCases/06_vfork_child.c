// A child that shares the parent's memory moves and closes descriptors; the parent's own stay what they were.
#include "cases.h"
#include <spawn.h>

extern char **environ;

static void talk(const char *what, int ends[2]) {
    tell(ends[0], "ping");
    say_text(what, ends[1]);
    tell(ends[1], "pong");
    say_text(what, ends[0]);
}

static void filtered(int ends[2], const char *what, pid_t child) {
    close(ends[1]);
    tell(ends[0], "filtered");
    must("shutdown", shutdown(ends[0], SHUT_WR));
    say_text(what, ends[0]);
    say_text("  then", ends[0]);
    reap(what, child);
    close(ends[0]);
}

int main(void) {
    int ends[2], kept[2], other[2];
    both_ends(kept);

    both_ends(ends);
    pid_t child = vfork();
    if (child == 0) {
        dup2(ends[1], 0);
        dup2(ends[1], 1);
        // What the parent keeps: moved over, closed.
        dup2(0, kept[0]);
        close(kept[1]);
        close(ends[0]);
        close(ends[1]);
        execlp("cat", "cat", NULL);
        _exit(99);
    }
    talk("the parent's after vfork", kept);
    filtered(ends, "vfork and cat", child);

    both_ends(ends);
    child = vfork();
    if (child == 0) {
        for (int fd = 0; fd < 1024; fd++)
            if (fd != ends[1]) close(fd);
        _exit(7);
    }
    reap("vfork and exit", child);
    talk("the parent's", kept);
    talk("the parent's new ones", ends);

    child = vfork();
    if (child == 0) {
        close_range(3, ~0U, 0);
        _exit(8);
    }
    reap("vfork and close_range", child);
    talk("the parent's", kept);

    // posix_spawn, which is a vfork in glibc.
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    posix_spawn_file_actions_addclose(&actions, kept[0]);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    say("posix_spawn", posix_spawnp(&child, "cat", &actions, NULL, (char *[]){"cat", NULL}, environ));
    filtered(ends, "posix_spawn and cat", child);
    talk("the parent's after posix_spawn", kept);

    // A spawn that fails after it has moved things.
    posix_spawn_file_actions_t failing;
    posix_spawn_file_actions_init(&failing);
    posix_spawn_file_actions_adddup2(&failing, kept[0], kept[1]);
    both_ends(other);
    int error = posix_spawnp(&child, "/no/such/program", &failing, NULL, (char *[]){"none", NULL}, environ);
    print("a spawn that fails: %s\n", strerrorname_np(error));
    talk("the parent's after it", kept);
    talk("others", other);

    // system and popen go the same way inside of glibc.
    print("system: %d\n", system("exit 3") >> 8);
    FILE *stream = popen("echo popen", "r");
    char line[32] = "";
    print("popen: %s", fgets(line, sizeof line, stream));
    pclose(stream);
    talk("the parent's at last", kept);
    return done();
}

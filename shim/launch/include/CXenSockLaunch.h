/* What starting programs needs and Swift cannot do or does not import: fork, and what Glibc's module leaves out. No
 * header of libc's stands here: with other feature macros than that module's, its types would differ from it. */
#ifndef CXENSOCK_LAUNCH_H
#define CXENSOCK_LAUNCH_H

#include <elf.h>

/* Starts the program `path` as a daemon: a grandchild in a session of its own, with "/" as its working directory, no
 * signal blocked or ignored, /dev/null as its standard input and output, and no other descriptor than standard error
 * (/dev/null unless keep_stderr), lifeline_fd and ready_fd. The caller is left without a child of it. If the program
 * cannot be executed, the reason is written to ready_fd. `argv` ends with a null pointer.
 * Returns 0, or the negative errno of the fork. */
int xs_start_daemon(const char *path, char *const argv[], int lifeline_fd, int ready_fd, int keep_stderr);

/* Replaces the process by `path`, a path with a slash. With `shell` a file that the kernel takes for no program is given
 * to /bin/sh, as execvp(3) does. Returns only on failure, with the negative errno. */
int xs_exec(const char *path, char *const argv[], int shell);

/* Moves the process into a fresh network namespace, and with `user` into a user namespace around it: unshare(2).
 * Returns 0 or the negative errno. */
int xs_unshare_network(int user);

/* The size in bytes of a file's capabilities (security.capability, capabilities(7)), or the negative errno. */
long xs_capabilities_size(int fd);

/* Makes io_uring_setup(2) fail with ENOSYS from now on, for this process and its descendants. That needs CAP_SYS_ADMIN in
 * the process's user namespace, or `without_new_privileges`: programs are then executed without the rights that set-user-ID
 * and file capabilities would add. Returns 0 or the negative errno (EACCES: neither). */
int xs_forbid_io_uring(int without_new_privileges);

#endif

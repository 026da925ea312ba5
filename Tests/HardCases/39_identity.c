// What a descriptor looks like to those who look at it: fstat, /proc/self/fd, isatty, lseek, kcmp, pidfd_getfd.
#define _GNU_SOURCE
#include "cases.h"
#include <dirent.h>
#include <linux/kcmp.h>
#include <sys/statfs.h>

static long compare(int a, int b) { return syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b); }

static int open_descriptors(void) {
    // What a program finds in its own directory, but for numbers that it could not have made.
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    for (struct dirent *each; (each = readdir(directory));)
        if (each->d_name[0] != '.' && atoi(each->d_name) != dirfd(directory) && atoi(each->d_name) < 100) count++;
    closedir(directory);
    return count;
}

int main(void) {
    int before = open_descriptors(), ends[2], server = listener();
    both_ends(ends);
    struct stat status, other, copied;
    say("fstat", fstat(ends[0], &status));
    print("socket %d, mode %o, size %ld\n", S_ISSOCK(status.st_mode), status.st_mode & 07777, (long)status.st_size);
    int copy = dup(ends[0]);
    fstat(copy, &copied);
    fstat(ends[1], &other);
    print("same as its duplicate %d, as the other end %d\n", copied.st_ino == status.st_ino, other.st_ino == status.st_ino);
    print("new descriptors: %d\n", open_descriptors() - before);
    char path[64], target[64] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    must("readlink", readlink(path, target, sizeof target - 1));
    unsigned long inode = 0;
    print("link: %d, the same inode %d\n", sscanf(target, "socket:[%lu]", &inode), inode == status.st_ino);
    say("open of it", open(path, O_RDWR));
    say("isatty", isatty(ends[0]) ? 1 : -1);
    say("lseek", lseek(ends[0], 0, SEEK_CUR));
    say("ftruncate", ftruncate(ends[0], 0));
    say("fsync", fsync(ends[0]));
    say("fchdir", fchdir(ends[0]));
    say("fchmod", fchmod(ends[0], 0600));
    say("getdents", syscall(SYS_getdents64, ends[0], target, sizeof target));
    say("isfdtype", isfdtype(ends[0], S_IFSOCK));
    say("isfdtype of a file", isfdtype(0, S_IFSOCK));
    print("kcmp: %d %d %d\n", compare(ends[0], copy) == 0, compare(ends[0], ends[1]) == 0, compare(ends[0], server) == 0);
    int pidfd = must("pidfd_open", syscall(SYS_pidfd_open, getpid(), 0));
    int got = must("pidfd_getfd", syscall(SYS_pidfd_getfd, pidfd, ends[0], 0));
    print("pidfd_getfd: %d\n", compare(ends[0], got) == 0);
    tell(got, "by pidfd_getfd");
    say_text("peer", ends[1]);
    int child_made[2];
    must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, child_made));
    pid_t child = CHILD({
        int own[2];
        both_ends(own);
        tell(own[1], "from the child's connection");
        tell(child_made[1], (char[]){'0' + own[0], 0});
        char byte;
        read(child_made[1], &byte, 1);
    });
    char number;
    must("read", read(child_made[0], &number, 1));
    int stolen = syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, child, 0), number - '0', 0);
    if (stolen >= 0)
        say_text("stolen", stolen);
    else
        say("stolen", stolen);
    tell(child_made[0], "x");
    reap("child", child);
    // Closing leaves nothing.
    close(got), close(copy), close(ends[0]), close(ends[1]), close(server), close(pidfd), close(stolen);
    close(child_made[0]), close(child_made[1]);
    print("left: %d\n", open_descriptors() - before);
    return done();
}

#define _GNU_SOURCE
#include "CXenSockFence.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xen/gntalloc.h>

/* Of no process: one of the same user could stop this one, and with it whoever waits. */
enum { NOBODY = 2147483646 };
enum { STACK = 64 << 10, PAGE = 4096 };

struct trial {
    int descriptor;
    uint64_t offset;
    int result;
};

static int is_refused(long result) { return result < 0 && (errno == EPERM || errno == EACCES); }

static int give_up(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}, {0}};
    /* Not libc's, which would have all threads do the same. */
    return syscall(SYS_setgroups, 0, NULL) != 0 || syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY) != 0 ||
           syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY) != 0 || syscall(SYS_capset, &header, none) != 0;
}

/* In the child, which shares memory and descriptors with the process: system calls only. */
static int try(void *argument) {
    struct trial *trial = argument;
    if (give_up()) {
        trial->result = -errno;
        return 0;
    }
    struct ioctl_gntalloc_alloc_gref allocation = {.flags = GNTALLOC_FLAG_WRITABLE, .count = 1};
    /* Of nothing that there is: without a fence these are EINVAL and ENOENT. */
    struct ioctl_gntalloc_dealloc_gref deallocation = {.index = ~0ull << 12, .count = 1};
    struct ioctl_gntalloc_unmap_notify notification = {.index = ~0ull << 12};
    struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = INT64_MAX - 1, .l_len = 1};
    int found = 0;
    if (!is_refused(ioctl(trial->descriptor, IOCTL_GNTALLOC_ALLOC_GREF, &allocation))) found |= CXEN_FENCE_ALLOCATES;
    if (!is_refused(ioctl(trial->descriptor, IOCTL_GNTALLOC_DEALLOC_GREF, &deallocation)))
        found |= CXEN_FENCE_DEALLOCATES;
    if (!is_refused(ioctl(trial->descriptor, IOCTL_GNTALLOC_SET_UNMAP_NOTIFY, &notification)))
        found |= CXEN_FENCE_NOTIFIES;
    if (!is_refused(fcntl(trial->descriptor, F_OFD_SETLK, &lock))) found |= CXEN_FENCE_UNLOCKS;
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, trial->descriptor, (off_t)trial->offset);
    if (page == MAP_FAILED)
        found |= CXEN_FENCE_CANNOT_MAP;
    else
        munmap(page, PAGE);
    trial->result = found;
    return 0;
}

int cxen_fence_try(int gntalloc, uint64_t offset) {
    struct trial trial = {.descriptor = gntalloc, .offset = offset, .result = -EIO};
    char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) return -errno;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int dumpable = prctl(PR_GET_DUMPABLE);
    /* Nothing is copied: neither the granted pages, which a fork would keep for a moment, nor the descriptors. */
    pid_t child = clone(try, stack + STACK, CLONE_VM | CLONE_VFORK | CLONE_FILES, &trial);
    int error = errno;
    if (child > 0)
        while (waitpid(child, NULL, __WALL) < 0 && errno == EINTR) {
        }
    /* A process that changes its user makes its memory, which is ours, unfit for a core file. */
    if (dumpable == 1) prctl(PR_SET_DUMPABLE, 1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stack, STACK);
    return child > 0 ? trial.result : -error;
}

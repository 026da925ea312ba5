/* The fence around /dev/xen/gntalloc for Swift: a BPF program that refuses its ioctls to all users but 0, and a trial of
 * whether they are refused. */
#ifndef CXENSOCK_FENCE_H
#define CXENSOCK_FENCE_H

#if !__has_include(<bpf/bpf.h>)
#error "XenSock needs libbpf's headers and static libraries: install libbpf-dev, libelf-dev and zlib1g-dev"
#endif

#include <stddef.h>
#include <stdint.h>

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnullability-completeness"

/* A directory of bpffs: whoever removes it takes the fence down. */
#define CXEN_FENCE_DIRECTORY "/sys/fs/bpf/xensock-gntalloc"

/* Refuses (EPERM) the ioctls and file locks of the device at `path` to every process whose real user, in the initial user
 * namespace, is not 0, until the links in CXEN_FENCE_DIRECTORY are removed; in the place of those that were there. Mounts
 * bpffs if it is not. Needs CAP_SYS_ADMIN. 0, or a negative errno with a reason in `reason`. */
int cxen_fence_install(const char *_Nonnull path, char *_Nonnull reason, size_t size);

/* What a process without privileges could do, of what a fence is to refuse or to allow. */
enum {
    CXEN_FENCE_ALLOCATES = 1,
    CXEN_FENCE_DEALLOCATES = 2,
    CXEN_FENCE_NOTIFIES = 4,
    CXEN_FENCE_UNLOCKS = 8,
    /* It could not map what was allocated. */
    CXEN_FENCE_CANNOT_MAP = 16,
};

/* Has a process without user, groups and capabilities try the descriptor of an allocation of one page at `offset`. 0: all
 * was refused, and the page could be mapped; a sum of the above; or a negative errno if there was no trial. The descriptor
 * is not to be used any more after CXEN_FENCE_ALLOCATES. */
int cxen_fence_try(int gntalloc, uint64_t offset);

#pragma clang diagnostic pop

#endif

/* Xen's user-space interfaces for Swift: the libraries, and the ioctls for what they cannot do. */
#ifndef CXENSOCK_XEN_H
#define CXENSOCK_XEN_H

#if !__has_include(<xengnttab.h>)
#error "XenSock needs Xen's headers and static libraries: install libxen-dev"
#endif

/* Before xs_wire.h, which names error numbers only then. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <xenevtchn.h>
#include <xengnttab.h>
#include <xen/io/xs_wire.h>

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnullability-completeness"

/* Opens the libraries' handles. They would write errors to stderr by themselves; these do not. NULL with errno. */
xengnttab_handle *_Nullable cxen_open_gnttab(void);
xenevtchn_handle *_Nullable cxen_open_evtchn(void);

/* Opens /dev/xen/gntalloc, close-on-exec. -1 with errno. libxengntshr would free an allocation's index at once, after
 * which no other process can map it. */
int cxen_open_gntalloc(void);

/* Allocates `count` pages that `domain` may map, read/write; gives the offset for mmap(2) and a reference for each page.
 * 0, or -1 with errno. */
int cxen_allocate(int gntalloc, uint16_t domain, uint32_t count, uint64_t *_Nonnull offset,
                  uint32_t *_Nonnull references);

/* Gives the allocation's index up: nobody can map it any more. 0, or -1 with errno. */
int cxen_deallocate(int gntalloc, uint64_t offset, uint32_t count);

/* Locks byte `number` for an open file: for as long as anybody has a descriptor of it or maps it, and until somebody lifts
 * the lock by such a descriptor. 0, or -1 with errno. */
int cxen_hold(int descriptor, uint64_t number);

/* Whether an open file of the same inode holds the lock, other than the descriptor's own. */
int cxen_is_held(int descriptor, uint64_t number);

/* The error number that xenstored names; EINVAL for one that nobody knows. */
int cxen_store_errno(const char *_Nonnull name);

/* A memfd of `size` bytes of zeros, close-on-exec. -1 with errno. */
int cxen_memory(size_t size);

#pragma clang diagnostic pop

#endif

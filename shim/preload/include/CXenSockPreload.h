/* The exported symbols of libxensock.so as Swift implements them, and the definitions that they stand in front of. */
#ifndef CXENSOCK_PRELOAD_H
#define CXENSOCK_PRELOAD_H

#include "CXenSockSystem.h"
#include <aio.h>
#include <arpa/nameser.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <resolv.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

/* The next definition of each symbol of the table, or NULL before the first use. */
extern void *xsNextTable[] __attribute__((visibility("hidden")));

/* Finds the next definition of the symbol at `index` and keeps it. Leaves errno alone. Never NULL: a function that
 * this libc does not have is one that fails with ENOSYS. */
void *xsResolveNext(unsigned int index) __attribute__((visibility("hidden")));

static inline void *xsNext(unsigned int index) {
    void *next = __atomic_load_n(&xsNextTable[index], __ATOMIC_RELAXED);
    return __builtin_expect(next != 0, 1) ? next : xsResolveNext(index);
}

#include "XenSockSymbols.h"

/* The program's environment, as it stands now. */
extern char **environ;
static inline char *const *xsEnvironment(void) { return environ; }

/* Whether `fd` is a socket of the backend's. In Swift. */
bool xsIsRedirected(int fd);

/* Calls `body` with 64 KiB of this thread's stack: Swift's own temporary buffers of this size come from malloc. */
long xsWithTransferBuffer(long (*body)(void *context, void *buffer, size_t size), void *context)
    __attribute__((visibility("hidden")));

#endif

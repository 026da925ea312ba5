#include "CXenSockPreload.h"
#include <dlfcn.h>

extern const char *const xsNextNames[xsNextCount];
void *xsNextTable[xsNextCount];

static long missing(void) {
    errno = ENOSYS;
    return -1;
}

void *xsResolveNext(unsigned int index) {
    int kept = errno;
    void *next = dlsym(RTLD_NEXT, xsNextNames[index]);
    if (next == NULL)
        next = (void *)missing;
    __atomic_store_n(&xsNextTable[index], next, __ATOMIC_RELAXED);
    errno = kept;
    return next;
}

/* A signal handler must not be the first to need dlsym. Constructors of other libraries may run before this one and
 * find their pointers by themselves. */
__attribute__((constructor)) static void resolveAll(void) {
    for (unsigned int index = 0; index < xsNextCount; index++)
        xsNext(index);
}

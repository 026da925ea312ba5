#include "CXenSockPreload.h"

long xsWithTransferBuffer(long (*body)(void *context, void *buffer, size_t size), void *context) {
    _Alignas(64) char buffer[65536];
    return body(context, buffer, sizeof buffer);
}

/* Swift's runtime seeds its hashing with this function, which glibc has only since 2.36: one of our own keeps the
 * library loadable with 2.34. */
void arc4random_buf(void *buffer, size_t size) {
    for (size_t done = 0; done < size;) {
        long count = xs_syscall(SYS_getrandom, (long)buffer + (long)done, (long)(size - done), 0, 0, 0, 0);
        if (count > 0)
            done += (size_t)count;
        else if (count != -EINTR)
            return;
    }
}

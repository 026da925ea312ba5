#define _GNU_SOURCE
#include "CXenSockXen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xen/evtchn.h>
#include <xen/gntalloc.h>
#include <xentoollog.h>

static void say_nothing(struct xentoollog_logger *logger, xentoollog_level level, int errnoval, const char *context,
                        const char *format, va_list al) {
    (void)logger, (void)level, (void)errnoval, (void)context, (void)format, (void)al;
}

static void show_nothing(struct xentoollog_logger *logger, const char *context, const char *doing_what, int percent,
                         unsigned long done, unsigned long total) {
    (void)logger, (void)context, (void)doing_what, (void)percent, (void)done, (void)total;
}

static void keep(struct xentoollog_logger *logger) { (void)logger; }

static struct xentoollog_logger quiet = {.vmessage = say_nothing, .progress = show_nothing, .destroy = keep};

xengnttab_handle *cxen_open_gnttab(void) { return xengnttab_open(&quiet, 0); }

xenevtchn_handle *cxen_open_evtchn(void) { return xenevtchn_open(&quiet, 0); }

int cxen_open_gntalloc(void) { return open("/dev/xen/gntalloc", O_RDWR | O_CLOEXEC); }

int cxen_allocate(int gntalloc, uint16_t domain, uint32_t count, uint64_t *offset, uint32_t *references) {
    struct ioctl_gntalloc_alloc_gref *arguments;
    arguments = calloc(1, offsetof(struct ioctl_gntalloc_alloc_gref, gref_ids) + count * sizeof *references);
    if (!arguments) return -1;
    arguments->domid = domain;
    arguments->flags = GNTALLOC_FLAG_WRITABLE;
    arguments->count = count;
    int result = ioctl(gntalloc, IOCTL_GNTALLOC_ALLOC_GREF, arguments);
    if (result == 0) {
        *offset = arguments->index;
        memcpy(references, arguments->gref_ids, count * sizeof *references);
    }
    int error = errno;
    free(arguments);
    errno = error;
    return result;
}

int cxen_deallocate(int gntalloc, uint64_t offset, uint32_t count) {
    struct ioctl_gntalloc_dealloc_gref arguments = {.index = offset, .count = count};
    return ioctl(gntalloc, IOCTL_GNTALLOC_DEALLOC_GREF, &arguments);
}

int cxen_hold(int descriptor, uint64_t number) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)number, .l_len = 1};
    return fcntl(descriptor, F_OFD_SETLK, &lock);
}

int cxen_is_held(int descriptor, uint64_t number) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)number, .l_len = 1};
    /* Who cannot tell says yes. */
    return fcntl(descriptor, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

int cxen_store_errno(const char *name) {
    for (size_t error = 0; error < sizeof xsd_errors / sizeof xsd_errors[0]; error++)
        if (strcmp(xsd_errors[error].errstring, name) == 0) return xsd_errors[error].errnum;
    /* oxenstored's own. */
    return strcmp("EQUOTA", name) == 0 ? EDQUOT : EINVAL;
}

int cxen_memory(size_t size) {
    int descriptor = memfd_create("xen-pages", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    /* As little as granted pages can it shrink under a mapping. */
    if (descriptor >= 0 && (ftruncate(descriptor, (off_t)size) != 0 ||
                            fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)) {
        int error = errno;
        close(descriptor);
        errno = error;
        return -1;
    }
    return descriptor;
}

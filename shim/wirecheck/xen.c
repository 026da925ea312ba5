/* Numbers of Xen's and Linux's that XenSockXen repeats or depends on. */
#include "internal.h"

#if __has_include(<xen/xen.h>) && __has_include(<xen/gntalloc.h>)

#include <sys/ioctl.h>

#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/gntalloc.h>
#include <xen/grant_table.h>
#include <xen/io/xs_wire.h>

typedef struct ioctl_gntalloc_alloc_gref allocate;
typedef struct ioctl_gntalloc_dealloc_gref deallocate;

const struct wirecheck_entry wirecheck_xen[] = {
    VALUE("xen.domid.first-reserved", DOMID_FIRST_RESERVED),
    VALUE("xen.grants.reserved", GNTTAB_NR_RESERVED_ENTRIES),
    VALUE("xen.grants.in-frame", 4096 / sizeof(grant_entry_v1_t)),
    /* Xen's own struct grant_mapping is of 16 bytes, and in no public header. */
    VALUE("xen.mappings.in-frame", 4096 / 16),
    VALUE("xenstore.header", sizeof(struct xsd_sockmsg)),
    VALUE("xenstore.payload", XENSTORE_PAYLOAD_MAX),
    VALUE("xenstore.absolute-path", XENSTORE_ABS_PATH_MAX),
    VALUE("xenstore.relative-path", XENSTORE_REL_PATH_MAX),
    VALUE("gntalloc.allocate", IOCTL_GNTALLOC_ALLOC_GREF),
    NAMED(allocate, "gntalloc.allocate.index", index),
    NAMED(allocate, "gntalloc.allocate.references", gref_ids),
    VALUE("gntalloc.deallocate", IOCTL_GNTALLOC_DEALLOC_GREF),
    NAMED(deallocate, "gntalloc.deallocate.count", count),
    VALUE("gntalloc.writable", GNTALLOC_FLAG_WRITABLE),
    {0},
};

#else

const struct wirecheck_entry wirecheck_xen[] = {{0}};

#endif

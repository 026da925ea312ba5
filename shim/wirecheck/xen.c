/* Numbers of Xen's that XenSockXen repeats. */
#include "internal.h"

#if __has_include(<xen/xen.h>)

#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/io/xs_wire.h>

const struct wirecheck_entry wirecheck_xen[] = {
    VALUE("xen.domid.first-reserved", DOMID_FIRST_RESERVED),
    VALUE("xen.grants.reserved", GNTTAB_NR_RESERVED_ENTRIES),
    VALUE("xen.grants.in-frame", 4096 / sizeof(grant_entry_v1_t)),
    VALUE("xenstore.payload", XENSTORE_PAYLOAD_MAX),
    VALUE("xenstore.absolute-path", XENSTORE_ABS_PATH_MAX),
    VALUE("xenstore.relative-path", XENSTORE_REL_PATH_MAX),
    {0},
};

#else

const struct wirecheck_entry wirecheck_xen[] = {{0}};

#endif

#ifndef WIRECHECK_INTERNAL_H
#define WIRECHECK_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "CXenSockWireCheck.h"

#define FIELD(type, label, field) \
    { label "." #field, offsetof(type, field), sizeof(((type *)0)->field) }
#define NAMED(type, name, field) \
    { name, offsetof(type, field), sizeof(((type *)0)->field) }
#define VALUE(name, value) \
    { name, (uint64_t)(value), 0 }

/* Each table ends with an entry without a name. */
extern const struct wirecheck_entry wirecheck_pvcalls[];
extern const struct wirecheck_entry wirecheck_draft1[];
extern const struct wirecheck_entry wirecheck_xensock2[];
extern const struct wirecheck_entry wirecheck_local[];
extern const struct wirecheck_entry wirecheck_errno[];
extern const struct wirecheck_entry wirecheck_xen[];

#endif

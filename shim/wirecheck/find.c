#include <string.h>

#include "internal.h"

const struct wirecheck_entry *wirecheck_find(const char *name) {
    const struct wirecheck_entry *tables[] = {wirecheck_pvcalls, wirecheck_draft1, wirecheck_xensock2, wirecheck_local,
                                              wirecheck_errno,   wirecheck_xen};
    for (size_t table = 0; table < sizeof tables / sizeof tables[0]; table++)
        for (const struct wirecheck_entry *entry = tables[table]; entry->name; entry++)
            if (strcmp(entry->name, name) == 0) return entry;
    return NULL;
}

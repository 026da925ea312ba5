/* What the C compiler says of the structures that XenSockWire describes by numbers. Used by tests only. */
#ifndef CXENSOCK_WIRE_CHECK_H
#define CXENSOCK_WIRE_CHECK_H

#include <stdint.h>

/* One field or constant: its offset or value, and the size of the field (0 for a constant). */
struct wirecheck_entry {
    const char *name;
    uint64_t value;
    uint64_t size;
};

/* The entry of that name, as "structure.field"; NULL if there is none. */
const struct wirecheck_entry *wirecheck_find(const char *name);

/* 1 if the tables hold what Xen's own headers say (package libxen-dev), 0 if those were not found. */
int wirecheck_has_xen(void);

/* Requests as a C frontend writes them, into an entry of 64 (pvcalls1) or 312 (draft1) bytes. The fields that a
 * command does not use keep what was in the slot, as with Linux's frontend. */
void wirecheck_pvcalls_socket(void *slot, uint32_t req_id, uint64_t id, uint32_t domain, uint32_t type,
                              uint32_t protocol);
void wirecheck_pvcalls_connect(void *slot, uint32_t req_id, uint64_t id, const void *addr, uint32_t len,
                               uint32_t flags, uint32_t ref, uint32_t evtchn);
void wirecheck_pvcalls_release(void *slot, uint32_t req_id, uint64_t id, uint8_t reuse);
void wirecheck_pvcalls_bind(void *slot, uint32_t req_id, uint64_t id, const void *addr, uint32_t len);
void wirecheck_pvcalls_listen(void *slot, uint32_t req_id, uint64_t id, uint32_t backlog);
void wirecheck_pvcalls_accept(void *slot, uint32_t req_id, uint64_t id, uint64_t id_new, uint32_t ref,
                              uint32_t evtchn);
void wirecheck_pvcalls_poll(void *slot, uint32_t req_id, uint64_t id);
void wirecheck_draft1_connect(void *slot, uint32_t id, uint64_t sockid, const void *addr, uint32_t len, uint32_t flags,
                              const uint32_t ref[64], uint32_t evtchn);
void wirecheck_draft1_accept(void *slot, uint32_t id, uint64_t sockid, uint64_t new_sockid, const uint32_t ref[64],
                             uint32_t evtchn);

/* Responses as a C frontend reads them. */
void wirecheck_pvcalls_response(const void *slot, uint32_t *req_id, uint32_t *cmd, int32_t *ret, uint64_t *id);
void wirecheck_draft1_response(const void *slot, uint32_t *id, uint32_t *cmd, uint64_t *sockid, int32_t *ret);

#endif

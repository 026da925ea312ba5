/* PV Calls version 1, from Xen's public headers. */
#include <string.h>

#include "internal.h"

#if __has_include(<xen/io/pvcalls.h>)

#define xen_mb() __sync_synchronize()
#define xen_rmb() __sync_synchronize()
#define xen_wmb() __sync_synchronize()
#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/io/ring.h>
#include <xen/io/pvcalls.h>
#include <xen/io/xenbus.h>

int wirecheck_has_xen(void) { return 1; }

typedef struct xen_pvcalls_request request;
typedef struct xen_pvcalls_response response;
typedef struct xen_pvcalls_sring sring;
typedef struct pvcalls_data_intf indexes;

const struct wirecheck_entry wirecheck_pvcalls[] = {
    FIELD(sring, "ring", req_prod),
    FIELD(sring, "ring", req_event),
    FIELD(sring, "ring", rsp_prod),
    FIELD(sring, "ring", rsp_event),
    NAMED(sring, "ring.entries", ring),
    VALUE("ring.slots", __CONST_RING_SIZE(xen_pvcalls, 4096)),
    VALUE("request.size", sizeof(request)),
    VALUE("response.size", sizeof(response)),
    FIELD(request, "request", req_id),
    FIELD(request, "request", cmd),
    NAMED(request, "socket.id", u.socket.id),
    NAMED(request, "socket.domain", u.socket.domain),
    NAMED(request, "socket.type", u.socket.type),
    NAMED(request, "socket.protocol", u.socket.protocol),
    NAMED(request, "connect.id", u.connect.id),
    NAMED(request, "connect.addr", u.connect.addr),
    NAMED(request, "connect.len", u.connect.len),
    NAMED(request, "connect.flags", u.connect.flags),
    NAMED(request, "connect.ref", u.connect.ref),
    NAMED(request, "connect.evtchn", u.connect.evtchn),
    NAMED(request, "release.id", u.release.id),
    NAMED(request, "release.reuse", u.release.reuse),
    NAMED(request, "bind.id", u.bind.id),
    NAMED(request, "bind.addr", u.bind.addr),
    NAMED(request, "bind.len", u.bind.len),
    NAMED(request, "listen.id", u.listen.id),
    NAMED(request, "listen.backlog", u.listen.backlog),
    NAMED(request, "accept.id", u.accept.id),
    NAMED(request, "accept.id_new", u.accept.id_new),
    NAMED(request, "accept.ref", u.accept.ref),
    NAMED(request, "accept.evtchn", u.accept.evtchn),
    NAMED(request, "poll.id", u.poll.id),
    FIELD(response, "response", req_id),
    FIELD(response, "response", cmd),
    FIELD(response, "response", ret),
    NAMED(response, "response.id", u.socket.id),
    FIELD(indexes, "indexes", in_cons),
    FIELD(indexes, "indexes", in_prod),
    FIELD(indexes, "indexes", in_error),
    FIELD(indexes, "indexes", out_cons),
    FIELD(indexes, "indexes", out_prod),
    FIELD(indexes, "indexes", out_error),
    FIELD(indexes, "indexes", ring_order),
    {"indexes.ref", offsetof(indexes, ref), sizeof(grant_ref_t)},
    VALUE("half.1", XEN_FLEX_RING_SIZE(1)),
    VALUE("half.4", XEN_FLEX_RING_SIZE(4)),
    VALUE("half.9", XEN_FLEX_RING_SIZE(9)),
    VALUE("cmd.socket", PVCALLS_SOCKET),
    VALUE("cmd.connect", PVCALLS_CONNECT),
    VALUE("cmd.release", PVCALLS_RELEASE),
    VALUE("cmd.bind", PVCALLS_BIND),
    VALUE("cmd.listen", PVCALLS_LISTEN),
    VALUE("cmd.accept", PVCALLS_ACCEPT),
    VALUE("cmd.poll", PVCALLS_POLL),
    VALUE("state.unknown", XenbusStateUnknown),
    VALUE("state.initialising", XenbusStateInitialising),
    VALUE("state.initWait", XenbusStateInitWait),
    VALUE("state.initialised", XenbusStateInitialised),
    VALUE("state.connected", XenbusStateConnected),
    VALUE("state.closing", XenbusStateClosing),
    VALUE("state.closed", XenbusStateClosed),
    VALUE("state.reconfiguring", XenbusStateReconfiguring),
    VALUE("state.reconfigured", XenbusStateReconfigured),
    {0},
};

static request *begin(void *slot, uint32_t req_id, uint32_t cmd) {
    request *r = slot;
    r->req_id = req_id;
    r->cmd = cmd;
    return r;
}

void wirecheck_pvcalls_socket(void *slot, uint32_t req_id, uint64_t id, uint32_t domain, uint32_t type,
                              uint32_t protocol) {
    request *r = begin(slot, req_id, PVCALLS_SOCKET);
    r->u.socket.id = id;
    r->u.socket.domain = domain;
    r->u.socket.type = type;
    r->u.socket.protocol = protocol;
}

void wirecheck_pvcalls_connect(void *slot, uint32_t req_id, uint64_t id, const void *addr, uint32_t len,
                               uint32_t flags, uint32_t ref, uint32_t evtchn) {
    request *r = begin(slot, req_id, PVCALLS_CONNECT);
    r->u.connect.id = id;
    memcpy(r->u.connect.addr, addr, len);
    r->u.connect.len = len;
    r->u.connect.flags = flags;
    r->u.connect.ref = ref;
    r->u.connect.evtchn = evtchn;
}

void wirecheck_pvcalls_release(void *slot, uint32_t req_id, uint64_t id, uint8_t reuse) {
    request *r = begin(slot, req_id, PVCALLS_RELEASE);
    r->u.release.id = id;
    r->u.release.reuse = reuse;
}

void wirecheck_pvcalls_bind(void *slot, uint32_t req_id, uint64_t id, const void *addr, uint32_t len) {
    request *r = begin(slot, req_id, PVCALLS_BIND);
    r->u.bind.id = id;
    memcpy(r->u.bind.addr, addr, len);
    r->u.bind.len = len;
}

void wirecheck_pvcalls_listen(void *slot, uint32_t req_id, uint64_t id, uint32_t backlog) {
    request *r = begin(slot, req_id, PVCALLS_LISTEN);
    r->u.listen.id = id;
    r->u.listen.backlog = backlog;
}

void wirecheck_pvcalls_accept(void *slot, uint32_t req_id, uint64_t id, uint64_t id_new, uint32_t ref,
                              uint32_t evtchn) {
    request *r = begin(slot, req_id, PVCALLS_ACCEPT);
    r->u.accept.id = id;
    r->u.accept.id_new = id_new;
    r->u.accept.ref = ref;
    r->u.accept.evtchn = evtchn;
}

void wirecheck_pvcalls_poll(void *slot, uint32_t req_id, uint64_t id) {
    request *r = begin(slot, req_id, PVCALLS_POLL);
    r->u.poll.id = id;
}

void wirecheck_pvcalls_response(const void *slot, uint32_t *req_id, uint32_t *cmd, int32_t *ret, uint64_t *id) {
    const response *r = slot;
    *req_id = r->req_id;
    *cmd = r->cmd;
    *ret = r->ret;
    *id = r->u.accept.id;
}

#else

int wirecheck_has_xen(void) { return 0; }

const struct wirecheck_entry wirecheck_pvcalls[] = {{0}};

/* Tests ask wirecheck_has_xen() before they call any of these. */
void wirecheck_pvcalls_socket(void *slot, uint32_t req_id, uint64_t id, uint32_t domain, uint32_t type,
                              uint32_t protocol) {}
void wirecheck_pvcalls_connect(void *slot, uint32_t req_id, uint64_t id, const void *addr, uint32_t len,
                               uint32_t flags, uint32_t ref, uint32_t evtchn) {}
void wirecheck_pvcalls_release(void *slot, uint32_t req_id, uint64_t id, uint8_t reuse) {}
void wirecheck_pvcalls_bind(void *slot, uint32_t req_id, uint64_t id, const void *addr, uint32_t len) {}
void wirecheck_pvcalls_listen(void *slot, uint32_t req_id, uint64_t id, uint32_t backlog) {}
void wirecheck_pvcalls_accept(void *slot, uint32_t req_id, uint64_t id, uint64_t id_new, uint32_t ref,
                              uint32_t evtchn) {}
void wirecheck_pvcalls_poll(void *slot, uint32_t req_id, uint64_t id) {}
void wirecheck_pvcalls_response(const void *slot, uint32_t *req_id, uint32_t *cmd, int32_t *ret, uint64_t *id) {}

#endif

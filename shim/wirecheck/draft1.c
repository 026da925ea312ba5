/* The first draft's structures, transcribed from the fields and orders that its text gives. */
#include <string.h>

#include "internal.h"

enum { RING_PAGES = 1 << 6, RING_BYTES = RING_PAGES << 12 };

typedef uint32_t grant;

struct request {
    uint32_t id;
    uint32_t cmd;
    uint64_t sockid;
    union {
        struct {
            uint8_t addr[28];
            uint32_t len;
            uint32_t flags;
            grant ref[RING_PAGES];
            uint32_t evtchn;
        } connect;
        struct {
            uint8_t addr[28];
            uint32_t len;
        } bind;
        struct {
            uint64_t sockid;
            grant ref[RING_PAGES];
            uint32_t evtchn;
        } accept;
    } u;
};

struct response {
    uint32_t id;
    uint32_t cmd;
    uint64_t sockid;
    int32_t ret;
};

struct data_ring {
    char in[RING_BYTES / 4];
    char out[RING_BYTES / 2];
    uint32_t in_cons, in_prod;
    uint32_t out_cons, out_prod;
    int32_t in_error, out_error;
};

union entry {
    struct request request;
    struct response response;
};

/* ring.h: a header of 64 bytes, then as many entries as fit, rounded down to a power of two. */
enum { FITTING = (4096 - 64) / sizeof(union entry) };
_Static_assert(FITTING >= 8 && FITTING < 16, "8 is the power of two");

const struct wirecheck_entry wirecheck_draft1[] = {
    VALUE("draft1.ring.slots", 8),
    VALUE("draft1.request.size", sizeof(struct request)),
    VALUE("draft1.response.size", sizeof(struct response)),
    VALUE("draft1.data.pages", RING_PAGES),
    FIELD(struct request, "draft1.request", id),
    FIELD(struct request, "draft1.request", cmd),
    FIELD(struct request, "draft1.request", sockid),
    NAMED(struct request, "draft1.connect.addr", u.connect.addr),
    NAMED(struct request, "draft1.connect.len", u.connect.len),
    NAMED(struct request, "draft1.connect.flags", u.connect.flags),
    NAMED(struct request, "draft1.connect.ref", u.connect.ref),
    NAMED(struct request, "draft1.connect.evtchn", u.connect.evtchn),
    NAMED(struct request, "draft1.bind.addr", u.bind.addr),
    NAMED(struct request, "draft1.bind.len", u.bind.len),
    NAMED(struct request, "draft1.accept.sockid", u.accept.sockid),
    NAMED(struct request, "draft1.accept.ref", u.accept.ref),
    NAMED(struct request, "draft1.accept.evtchn", u.accept.evtchn),
    FIELD(struct response, "draft1.response", id),
    FIELD(struct response, "draft1.response", cmd),
    FIELD(struct response, "draft1.response", sockid),
    FIELD(struct response, "draft1.response", ret),
    FIELD(struct data_ring, "draft1.data", in),
    FIELD(struct data_ring, "draft1.data", out),
    FIELD(struct data_ring, "draft1.data", in_cons),
    FIELD(struct data_ring, "draft1.data", in_prod),
    FIELD(struct data_ring, "draft1.data", out_cons),
    FIELD(struct data_ring, "draft1.data", out_prod),
    FIELD(struct data_ring, "draft1.data", in_error),
    FIELD(struct data_ring, "draft1.data", out_error),
    {0},
};

void wirecheck_draft1_connect(void *slot, uint32_t id, uint64_t sockid, const void *addr, uint32_t len, uint32_t flags,
                              const uint32_t ref[64], uint32_t evtchn) {
    struct request *r = slot;
    r->id = id;
    r->cmd = 0;
    r->sockid = sockid;
    memcpy(r->u.connect.addr, addr, len);
    r->u.connect.len = len;
    r->u.connect.flags = flags;
    memcpy(r->u.connect.ref, ref, sizeof r->u.connect.ref);
    r->u.connect.evtchn = evtchn;
}

void wirecheck_draft1_accept(void *slot, uint32_t id, uint64_t sockid, uint64_t new_sockid, const uint32_t ref[64],
                             uint32_t evtchn) {
    struct request *r = slot;
    r->id = id;
    r->cmd = 6;
    r->sockid = sockid;
    r->u.accept.sockid = new_sockid;
    memcpy(r->u.accept.ref, ref, sizeof r->u.accept.ref);
    r->u.accept.evtchn = evtchn;
}

void wirecheck_draft1_response(const void *slot, uint32_t *id, uint32_t *cmd, uint64_t *sockid, int32_t *ret) {
    const struct response *r = slot;
    *id = r->id;
    *cmd = r->cmd;
    *sockid = r->sockid;
    *ret = r->ret;
}

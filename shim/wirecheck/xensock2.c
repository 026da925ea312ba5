/* The commands, answers and index words that xensock2 adds: docs/PROTOCOL.md 2.1, 2.3 and 2.4 as C structures. */
#include "internal.h"

struct request {
    uint32_t req_id;
    uint32_t cmd;
    uint64_t id;
    union {
        struct {
            uint32_t domain, type, protocol, evtchn, ref;
        } socket;
        struct {
            uint8_t addr[28];
            uint32_t len, flags, ref, evtchn;
        } connect;
        struct {
            uint32_t how, out_prod;
        } shutdown;
        struct {
            int32_t level, name;
            uint32_t len, out_prod;
        } option;
        struct {
            uint32_t request;
        } ioctl;
        struct {
            uint32_t out_prod;
            uint8_t byte;
        } oob;
        struct {
            uint32_t out_prod;
        } flush;
        struct {
            uint32_t offset;
        } recverr;
        uint8_t room[48];
    } u;
};

struct response {
    uint32_t req_id;
    uint32_t cmd;
    int32_t ret;
    uint32_t pad;
    uint64_t id;
    union {
        struct {
            uint32_t len;
            uint8_t addr[28];
            uint32_t empty, arrivals;
        } address;
        int32_t value;
        uint32_t len;
    } u;
};

struct index_words {
    uint8_t v1[3840];
    uint64_t in_producer __attribute__((aligned(64)));
    uint64_t in_consumer __attribute__((aligned(64)));
    uint64_t out_producer __attribute__((aligned(64)));
    uint64_t out_consumer __attribute__((aligned(64)));
};

/* Section 2.1, column "flags". */
enum {
    IN_PRODUCER_TOKENS = 0xff,
    IN_PRODUCER_EOF = 1 << 8,
    IN_PRODUCER_ERROR = 1 << 10,
    IN_PRODUCER_ERRQUEUE = 1 << 11,
    IN_CONSUMER_STALL = 1 << 0,
    OUT_PRODUCER_IDLE = 1 << 0,
    OUT_CONSUMER_FULL = 1 << 0,
    OUT_CONSUMER_FPEND = 1 << 1,
    OUT_CONSUMER_OWE = 1 << 2,
    OUT_CONSUMER_CONNECTED = 1 << 3,
    OUT_CONSUMER_BROKEN = 1 << 4,
};

struct record {
    uint32_t length, payload_length, flags, options, address_length, control_length;
    uint8_t payload[];
};

struct arguments {
    uint8_t slot[32][512];
};

struct query_address {
    uint32_t length, kind;
    int32_t flags, family, type, protocol;
    uint32_t node_length, service_length;
    uint8_t names[];
};

struct query_name {
    uint32_t length, kind;
    int32_t flags;
    uint32_t address_length;
    uint8_t address[];
};

struct answer {
    uint32_t length;
    int32_t status, error;
    uint32_t count;
    uint8_t entries[];
};

struct answer_entry {
    int32_t flags, family, type, protocol;
    uint32_t address_length, name_length;
    uint8_t address[];
};

struct answer_name {
    uint32_t length;
    int32_t status, error;
    uint32_t count;
    uint32_t host_length, service_length;
    uint8_t names[];
};

#define START(type, name, field) \
    { name, offsetof(type, field), 0 }

const struct wirecheck_entry wirecheck_xensock2[] = {
    VALUE("xensock2.request.size", sizeof(struct request)),
    VALUE("xensock2.response.size", sizeof(struct response)),
    NAMED(struct request, "xensock2.socket.domain", u.socket.domain),
    NAMED(struct request, "xensock2.socket.type", u.socket.type),
    NAMED(struct request, "xensock2.socket.protocol", u.socket.protocol),
    NAMED(struct request, "xensock2.socket.evtchn", u.socket.evtchn),
    NAMED(struct request, "xensock2.socket.ref", u.socket.ref),
    NAMED(struct request, "xensock2.connect.addr", u.connect.addr),
    NAMED(struct request, "xensock2.connect.len", u.connect.len),
    NAMED(struct request, "xensock2.connect.flags", u.connect.flags),
    NAMED(struct request, "xensock2.connect.ref", u.connect.ref),
    NAMED(struct request, "xensock2.connect.evtchn", u.connect.evtchn),
    NAMED(struct request, "xensock2.shutdown.how", u.shutdown.how),
    NAMED(struct request, "xensock2.shutdown.out_prod", u.shutdown.out_prod),
    NAMED(struct request, "xensock2.option.level", u.option.level),
    NAMED(struct request, "xensock2.option.name", u.option.name),
    NAMED(struct request, "xensock2.option.len", u.option.len),
    NAMED(struct request, "xensock2.option.out_prod", u.option.out_prod),
    NAMED(struct request, "xensock2.ioctl.request", u.ioctl.request),
    NAMED(struct request, "xensock2.oob.out_prod", u.oob.out_prod),
    NAMED(struct request, "xensock2.oob.byte", u.oob.byte),
    NAMED(struct request, "xensock2.flush.out_prod", u.flush.out_prod),
    NAMED(struct request, "xensock2.recverr.offset", u.recverr.offset),
    FIELD(struct response, "xensock2.response", ret),
    FIELD(struct response, "xensock2.response", id),
    NAMED(struct response, "xensock2.response.len", u.address.len),
    NAMED(struct response, "xensock2.response.addr", u.address.addr),
    NAMED(struct response, "xensock2.response.empty", u.address.empty),
    NAMED(struct response, "xensock2.response.arrivals", u.address.arrivals),
    NAMED(struct response, "xensock2.response.value", u.value),
    FIELD(struct index_words, "words", in_producer),
    FIELD(struct index_words, "words", in_consumer),
    FIELD(struct index_words, "words", out_producer),
    FIELD(struct index_words, "words", out_consumer),
    VALUE("flag.tokens", IN_PRODUCER_TOKENS),
    VALUE("flag.eof", IN_PRODUCER_EOF),
    VALUE("flag.error", IN_PRODUCER_ERROR),
    VALUE("flag.errqueue", IN_PRODUCER_ERRQUEUE),
    VALUE("flag.stall", IN_CONSUMER_STALL),
    VALUE("flag.idle", OUT_PRODUCER_IDLE),
    VALUE("flag.full", OUT_CONSUMER_FULL),
    VALUE("flag.fpend", OUT_CONSUMER_FPEND),
    VALUE("flag.owe", OUT_CONSUMER_OWE),
    VALUE("flag.connected", OUT_CONSUMER_CONNECTED),
    VALUE("flag.broken", OUT_CONSUMER_BROKEN),
    VALUE("words.size", sizeof(struct index_words)),
    VALUE("record.size", sizeof(struct record)),
    FIELD(struct record, "record", length),
    FIELD(struct record, "record", payload_length),
    FIELD(struct record, "record", flags),
    FIELD(struct record, "record", options),
    FIELD(struct record, "record", address_length),
    FIELD(struct record, "record", control_length),
    VALUE("arguments.size", sizeof(struct arguments)),
    VALUE("arguments.slot.7", offsetof(struct arguments, slot[7])),
    FIELD(struct query_address, "query", length),
    FIELD(struct query_address, "query", kind),
    FIELD(struct query_address, "query", flags),
    FIELD(struct query_address, "query", family),
    FIELD(struct query_address, "query", type),
    FIELD(struct query_address, "query", protocol),
    FIELD(struct query_address, "query", node_length),
    FIELD(struct query_address, "query", service_length),
    START(struct query_address, "query.names", names),
    FIELD(struct query_name, "query", address_length),
    START(struct query_name, "query.address", address),
    FIELD(struct answer, "answer", length),
    FIELD(struct answer, "answer", status),
    FIELD(struct answer, "answer", error),
    FIELD(struct answer, "answer", count),
    START(struct answer, "answer.entries", entries),
    FIELD(struct answer_entry, "entry", flags),
    FIELD(struct answer_entry, "entry", family),
    FIELD(struct answer_entry, "entry", type),
    FIELD(struct answer_entry, "entry", protocol),
    FIELD(struct answer_entry, "entry", address_length),
    FIELD(struct answer_entry, "entry", name_length),
    START(struct answer_entry, "entry.address", address),
    FIELD(struct answer_name, "answer", host_length),
    FIELD(struct answer_name, "answer", service_length),
    START(struct answer_name, "answer.names", names),
    {0},
};

/* The local platform's arena, status line and session frames: docs/PROTOCOL.md chapter 3 as C structures. */
#include <string.h>
#include <sys/socket.h>

#include "internal.h"

struct header {
    uint8_t magic[8];
    uint32_t layout_version, ports;
    uint64_t arena_id;
    uint32_t first_page, total_pages, dialect;
    uint8_t pad1[28];
    uint32_t sleeping;
    uint8_t pad2[60];
    uint64_t summary[4];
};

struct status_line {
    uint32_t generation, state, error, kind, in_readiness, out_readiness, arrivals;
    uint8_t pad[36];
    uint64_t receive_lock, send_lock;
    uint32_t flags, misses;
    uint64_t receive_timeout, send_timeout;
    uint32_t order, accepted, send_limit;
    uint8_t pad2[12];
};

/* An arena of the smallest size: 64 ports. */
struct arena {
    uint8_t header[4096];
    uint64_t pending[512];
    uint8_t command_ring[4096];
    uint8_t arguments[32][512];
    uint8_t unused[4096];
    struct status_line status[64];
    struct {
        uint8_t indexes[4096];
        uint8_t ring[256][4096];
    } port[64];
};

struct hello {
    uint32_t type, argument, wanted_ports;
};

struct hello_answer {
    uint32_t type, argument, session, ports;
    uint64_t arena_id;
    char nodes[4080];
};

struct port {
    uint32_t type, argument;
    uint64_t id;
};

struct attach {
    uint32_t type, argument;
    uint64_t id;
};

struct attach_answer {
    uint32_t type, argument;
    uint64_t id, arena_id;
    uint32_t port, generation;
};

const struct wirecheck_entry wirecheck_local[] = {
    FIELD(struct header, "header", magic),
    FIELD(struct header, "header", layout_version),
    FIELD(struct header, "header", ports),
    FIELD(struct header, "header", arena_id),
    FIELD(struct header, "header", first_page),
    FIELD(struct header, "header", total_pages),
    FIELD(struct header, "header", dialect),
    FIELD(struct header, "header", sleeping),
    FIELD(struct header, "header", summary),
    VALUE("status.size", sizeof(struct status_line)),
    FIELD(struct status_line, "status", generation),
    FIELD(struct status_line, "status", state),
    FIELD(struct status_line, "status", error),
    FIELD(struct status_line, "status", kind),
    FIELD(struct status_line, "status", in_readiness),
    FIELD(struct status_line, "status", out_readiness),
    FIELD(struct status_line, "status", arrivals),
    FIELD(struct status_line, "status", receive_lock),
    FIELD(struct status_line, "status", send_lock),
    FIELD(struct status_line, "status", flags),
    FIELD(struct status_line, "status", misses),
    FIELD(struct status_line, "status", receive_timeout),
    FIELD(struct status_line, "status", send_timeout),
    FIELD(struct status_line, "status", order),
    FIELD(struct status_line, "status", accepted),
    FIELD(struct status_line, "status", send_limit),
    VALUE("arena.size", sizeof(struct arena)),
    FIELD(struct arena, "arena", pending),
    FIELD(struct arena, "arena", command_ring),
    FIELD(struct arena, "arena", arguments),
    VALUE("arena.status.0", offsetof(struct arena, status[0])),
    VALUE("arena.status.63", offsetof(struct arena, status[63])),
    VALUE("arena.port.0", offsetof(struct arena, port[0])),
    VALUE("arena.port.1", offsetof(struct arena, port[1])),
    VALUE("arena.port.63", offsetof(struct arena, port[63])),
    FIELD(struct hello, "hello", type),
    FIELD(struct hello, "hello", argument),
    FIELD(struct hello, "hello", wanted_ports),
    VALUE("hello.size", sizeof(struct hello)),
    FIELD(struct hello_answer, "hello_answer", session),
    FIELD(struct hello_answer, "hello_answer", ports),
    FIELD(struct hello_answer, "hello_answer", arena_id),
    {"hello_answer.nodes", offsetof(struct hello_answer, nodes), 0},
    VALUE("frame.size", sizeof(struct hello_answer)),
    FIELD(struct port, "port", id),
    VALUE("port.size", sizeof(struct port)),
    FIELD(struct attach, "attach", id),
    VALUE("attach.size", sizeof(struct attach)),
    FIELD(struct attach_answer, "attach_answer", id),
    FIELD(struct attach_answer, "attach_answer", arena_id),
    FIELD(struct attach_answer, "attach_answer", port),
    FIELD(struct attach_answer, "attach_answer", generation),
    VALUE("attach_answer.size", sizeof(struct attach_answer)),
    VALUE("AF_UNSPEC", AF_UNSPEC),
    VALUE("AF_UNIX", AF_UNIX),
    VALUE("AF_INET", AF_INET),
    VALUE("AF_INET6", AF_INET6),
    VALUE("sockaddr_storage", sizeof(struct sockaddr_storage)),
    {0},
};

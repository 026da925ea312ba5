#define _GNU_SOURCE
#include "CXenSockResolver.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <arpa/nameser.h>
#include <resolv.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a program may choose for its own lookups; the rest belongs to the domain. */
static const unsigned long chosen = RES_USEVC | RES_IGNTC | RES_RECURSE | RES_DEFNAMES | RES_DNSRCH | RES_NOALIASES |
    RES_USE_EDNS0 | RES_USE_DNSSEC | RES_NOTLDQUERY | RES_TRUSTAD;

static int begin(struct __res_state *state, unsigned int options, struct xs_dns_result *result) {
    memset(state, 0, sizeof *state);
    *result = (struct xs_dns_result){-1, NETDB_INTERNAL, 0};
    errno = 0;
    if (res_ninit(state) < 0) {
        result->error = errno;
        return 0;
    }
    if (options != 0xffffffffu) state->options = (state->options & ~chosen) | (options & chosen);
    return 1;
}

static struct xs_dns_result end(struct __res_state *state, int length) {
    struct xs_dns_result result = {length, 0, 0};
    if (length < 0) {
        result.error = errno;
        result.host_error = state->res_h_errno;
    }
    res_nclose(state);
    return result;
}

struct xs_dns_result xs_dns_query(
    const char *name, int search, int class, int type, unsigned int options, unsigned char *answer, int room) {
    struct __res_state state;
    struct xs_dns_result result;
    if (!begin(&state, options, &result)) return result;
    int length = search ? res_nsearch(&state, name, class, type, answer, room)
                        : res_nquery(&state, name, class, type, answer, room);
    return end(&state, length);
}

struct xs_dns_result xs_dns_send(
    const unsigned char *message, int size, unsigned int options, unsigned char *answer, int room) {
    struct __res_state state;
    struct xs_dns_result result;
    if (!begin(&state, options, &result)) return result;
    int length = res_nsend(&state, message, size, answer, room);
    result = end(&state, length);
    /* It says only by errno what went wrong. */
    if (length < 0 && result.host_error == 0) result.host_error = TRY_AGAIN;
    return result;
}

int xs_interface_control(unsigned int request, void *structure) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int result = ioctl(fd, request, structure) < 0 ? -errno : 0;
    close(fd);
    return result;
}

/* What Swift's Glibc module leaves out of names and interfaces: res_query(3) and its like, with a state of their own for
 * each call, and ioctl(2). No header of libc's stands here: with other feature macros than that module's, its types would differ from it. */
#ifndef CXENSOCK_RESOLVER_H
#define CXENSOCK_RESOLVER_H

/* The outcome of a call. */
struct xs_dns_result {
    /* The answer's length, which may exceed the room; -1 on failure, where an answer may stand in the room nevertheless. */
    int length;
    /* An h_errno value, 0 on success. */
    int host_error;
    /* errno, for NETDB_INTERNAL. */
    int error;
};

/* res_nquery(3), or with `search` res_nsearch(3). `options`: the program's options RES_..., or 0xffffffff for the
 * domain's own. */
struct xs_dns_result xs_dns_query(
    const char *name, int search, int class, int type, unsigned int options, unsigned char *answer, int room);

/* res_nsend(3). */
struct xs_dns_result xs_dns_send(
    const unsigned char *message, int size, unsigned int options, unsigned char *answer, int room);

/* ioctl(2) with a `struct ifreq` on a socket made for it. Returns 0 or a negative errno. */
int xs_interface_control(unsigned int request, void *structure);

#endif

/* Names and interfaces. They are looked up in the backend domain if TCP is redirected, and the tests know only what
 * every machine knows; Tests/Integration/test_names.py has a name server. */
#define _GNU_SOURCE
#include "symbols.h"
#include <arpa/nameser.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <resolv.h>

static struct in_addr loopback(void) { return (struct in_addr){htonl(INADDR_LOOPBACK)}; }

static bool getaddrinfo_works(void *function, subject *on) {
    (void)on;
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list = NULL;
    int (*call)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))function;
    if (call("localhost", "80", &hints, &list) != 0) return false;
    struct sockaddr_in *address = (void *)list->ai_addr;
    bool works = address->sin_port == htons(80) && address->sin_addr.s_addr == loopback().s_addr;
    freeaddrinfo(list);
    hints.ai_flags = AI_NUMERICHOST;
    return works && call("localhost", "80", &hints, &list) == EAI_NONAME;
}

static bool getnameinfo_works(void *function, subject *on) {
    (void)on;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80), .sin_addr = loopback()};
    char host[64], service[16];
    int (*call)(const void *, socklen_t, char *, socklen_t, char *, socklen_t, int) =
        (int (*)(const void *, socklen_t, char *, socklen_t, char *, socklen_t, int))function;
    return call(&address, sizeof address, host, sizeof host, service, sizeof service, NI_NUMERICSERV) == 0 &&
        strcmp(host, "localhost") == 0 && strcmp(service, "80") == 0 &&
        call(&address, sizeof address, host, 2, NULL, 0, 0) == EAI_OVERFLOW;
}

static bool is_local(const struct hostent *host) {
    return host != NULL && host->h_addrtype == AF_INET && strcmp(host->h_name, "localhost") == 0 &&
        ((struct in_addr *)host->h_addr_list[0])->s_addr == loopback().s_addr;
}

static bool gethost_works(void *function, subject *on) {
    struct in_addr address = loopback();
    struct hostent entry, *found = NULL;
    char room[1024];
    int error;
    const char *symbol = on->symbol;
    if (strcmp(symbol, "gethostbyname") == 0) found = ((struct hostent * (*)(const char *)) function)("localhost");
    if (strcmp(symbol, "gethostbyname2") == 0) found = ((struct hostent * (*)(const char *, int)) function)("localhost", AF_INET);
    if (strcmp(symbol, "gethostbyaddr") == 0)
        found = ((struct hostent * (*)(const void *, socklen_t, int)) function)(&address, sizeof address, AF_INET);
    if (strcmp(symbol, "gethostbyname_r") == 0)
        ((int (*)(const char *, struct hostent *, char *, size_t, struct hostent **, int *))function)(
            "localhost", &entry, room, sizeof room, &found, &error);
    if (strcmp(symbol, "gethostbyname2_r") == 0)
        ((int (*)(const char *, int, struct hostent *, char *, size_t, struct hostent **, int *))function)(
            "localhost", AF_INET, &entry, room, sizeof room, &found, &error);
    if (strcmp(symbol, "gethostbyaddr_r") == 0)
        ((int (*)(const void *, socklen_t, int, struct hostent *, char *, size_t, struct hostent **, int *))function)(
            &address, sizeof address, AF_INET, &entry, room, sizeof room, &found, &error);
    return is_local(found);
}

static bool getaddrinfo_a_works(void *function, subject *on) {
    (void)on;
    struct addrinfo hints = {.ai_family = AF_INET};
    struct gaicb one = {.ar_name = "localhost", .ar_request = &hints}, *all[] = {&one};
    int status = ((int (*)(int, struct gaicb **, int, struct sigevent *))function)(GAI_WAIT, all, 1, NULL);
    bool works = status == 0 && gai_error(&one) == 0 &&
        ((struct sockaddr_in *)one.ar_result->ai_addr)->sin_addr.s_addr == loopback().s_addr;
    freeaddrinfo(one.ar_result);
    return works;
}

/* Of a name that is none nobody is asked. */
static bool res_works(void *function, subject *on) {
    unsigned char answer[512], query[12] = {0};
    struct __res_state state = {0};
    const char *symbol = on->symbol + 2 * (on->symbol[0] == '_');
    const char *bad = "two..dots";
    int length = 0;
    if (res_ninit(&state) != 0) return false;
    h_errno = 0;
    if (strcmp(symbol, "res_query") == 0 || strcmp(symbol, "res_search") == 0)
        length = ((int (*)(const char *, int, int, unsigned char *, int))function)(bad, ns_c_in, ns_t_a, answer, sizeof answer);
    if (strcmp(symbol, "res_querydomain") == 0)
        length = ((int (*)(const char *, const char *, int, int, unsigned char *, int))function)(
            bad, "test", ns_c_in, ns_t_a, answer, sizeof answer);
    if (strcmp(symbol, "res_nquery") == 0 || strcmp(symbol, "res_nsearch") == 0)
        length = ((int (*)(void *, const char *, int, int, unsigned char *, int))function)(
            &state, bad, ns_c_in, ns_t_a, answer, sizeof answer);
    if (strcmp(symbol, "res_nquerydomain") == 0)
        length = ((int (*)(void *, const char *, const char *, int, int, unsigned char *, int))function)(
            &state, bad, "test", ns_c_in, ns_t_a, answer, sizeof answer);
    if (strcmp(symbol, "res_send") == 0) length = ((int (*)(const unsigned char *, int, unsigned char *, int))function)(query, 12, answer, 4);
    if (strcmp(symbol, "res_nsend") == 0)
        length = ((int (*)(void *, const unsigned char *, int, unsigned char *, int))function)(&state, query, 12, answer, 4);
    bool works = length == -1 && (strstr(symbol, "send") != NULL ? errno == EINVAL : h_errno == NO_RECOVERY);
    res_nclose(&state);
    return works;
}

static bool getifaddrs_works(void *function, subject *on) {
    (void)on;
    struct ifaddrs *list;
    if (((int (*)(struct ifaddrs **))function)(&list) != 0) return false;
    bool works = false;
    for (struct ifaddrs *one = list; one != NULL; one = one->ifa_next)
        works = works || (one->ifa_addr->sa_family == AF_PACKET && strcmp(one->ifa_name, "lo") == 0 && one->ifa_flags & IFF_LOOPBACK);
    freeifaddrs(list);
    return works;
}

static bool if_nametoindex_works(void *function, subject *on) {
    (void)on;
    unsigned (*call)(const char *) = (unsigned (*)(const char *))function;
    return call("lo") == 1 && call("none0") == 0 && errno == ENODEV;
}

static bool if_indextoname_works(void *function, subject *on) {
    (void)on;
    char name[IF_NAMESIZE];
    char *(*call)(unsigned, char *) = (char *(*)(unsigned, char *))function;
    return call(1, name) == name && strcmp(name, "lo") == 0 && call(4711, name) == NULL && errno == ENXIO;
}

static bool if_nameindex_works(void *function, subject *on) {
    (void)on;
    struct if_nameindex *list = ((struct if_nameindex * (*)(void)) function)();
    bool works = list != NULL && list[0].if_index == 1 && strcmp(list[0].if_name, "lo") == 0;
    if (list != NULL) if_freenameindex(list);
    return works;
}

const symbol_case name_cases[] = {
    {"getaddrinfo", getaddrinfo_works},
    {"getnameinfo", getnameinfo_works},
    {"gethostbyname gethostbyname2 gethostbyaddr gethostbyname_r gethostbyname2_r gethostbyaddr_r", gethost_works},
    {"getaddrinfo_a", getaddrinfo_a_works},
    {"res_query __res_query res_search __res_search res_querydomain __res_querydomain res_nquery __res_nquery res_nsearch "
     "__res_nsearch res_nquerydomain __res_nquerydomain res_send __res_send res_nsend __res_nsend",
     res_works},
    {"getifaddrs", getifaddrs_works},
    {"if_nametoindex", if_nametoindex_works},
    {"if_indextoname", if_indextoname_works},
    {"if_nameindex", if_nameindex_works},
    {NULL, NULL},
};

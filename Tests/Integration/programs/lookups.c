// Every function that looks names up, with a name server that knows the zone "test".
#include "common.h"
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>

static unsigned char answer[8192];

static void show_host(const char *what, struct hostent *host) {
    print("%s: %s", what, host ? host->h_name : hstrerror(h_errno));
    for (char **alias = host ? host->h_aliases : NULL; alias && *alias; alias++) print(" alias %s", *alias);
    for (char **one = host ? host->h_addr_list : NULL; one && *one; one++) {
        char text[INET6_ADDRSTRLEN];
        print(" %s", inet_ntop(host->h_addrtype, *one, text, sizeof text));
    }
    print("\n");
}

static void hosts(void) {
    struct in_addr known, unknown;
    inet_aton("192.0.2.7", &known);
    inet_aton("192.0.2.200", &unknown);
    show_host("gethostbyname", gethostbyname("host.test"));
    show_host("gethostbyname of the search list", gethostbyname("host"));
    show_host("gethostbyname of an alias", gethostbyname("alias.test"));
    show_host("gethostbyname of nobody", gethostbyname("nobody.test"));
    show_host("gethostbyname of a number", gethostbyname("192.0.2.1"));
    show_host("gethostbyname2 of IPv6", gethostbyname2("host.test", AF_INET6));
    show_host("gethostbyname2 of none", gethostbyname2("only4.test", AF_INET6));
    show_host("gethostbyaddr", gethostbyaddr(&known, sizeof known, AF_INET));
    show_host("gethostbyaddr of nobody", gethostbyaddr(&unknown, sizeof unknown, AF_INET));
    struct hostent entry, *found;
    char room[1024];
    int error = 0, status = gethostbyname_r("host.test", &entry, room, sizeof room, &found, &error);
    print("gethostbyname_r: %d\n", status);
    show_host("  its entry", found);
    status = gethostbyname_r("nobody.test", &entry, room, sizeof room, &found, &error);
    print("gethostbyname_r of nobody: %d, %d, %s\n", status, found == NULL, hstrerror(error));
    status = gethostbyname_r("host.test", &entry, room, 16, &found, &error);
    print("gethostbyname_r without room: %s\n", strerrorname_np(status));
    status = gethostbyname2_r("host.test", AF_INET6, &entry, room, sizeof room, &found, &error);
    print("gethostbyname2_r: %d\n", status);
    show_host("  its entry", found);
    status = gethostbyaddr_r(&known, sizeof known, AF_INET, &entry, room, sizeof room, &found, &error);
    print("gethostbyaddr_r: %d\n", status);
    show_host("  its entry", found);
}

static void addresses(const char *node, int family) {
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_CANONNAME}, *list = NULL;
    int status = getaddrinfo(node, "domain", &hints, &list);
    print("getaddrinfo of %s: %s\n", node, status ? gai_strerror(status) : "found");
    for (struct addrinfo *one = list; one; one = one->ai_next) {
        char host[NI_MAXHOST], port[NI_MAXSERV];
        getnameinfo(one->ai_addr, one->ai_addrlen, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
        print("  %s %s %s\n", host, port, one->ai_canonname ? one->ai_canonname : "-");
    }
    freeaddrinfo(list);
}

static void name(const char *what, const char *address, int flags) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(53)};
    inet_aton(address, &at.sin_addr);
    char host[NI_MAXHOST] = "", port[NI_MAXSERV] = "";
    int status = getnameinfo((void *)&at, sizeof at, host, sizeof host, port, sizeof port, flags);
    print("getnameinfo, %s: %s, %s, %s\n", what, status ? gai_strerror(status) : "found", host, port);
}

// What is not asked for cannot be unknown: an address without a name, and what each part of the answer is asked with.
static void parts(void) {
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(53), .sin6_addr = {{{0xfd, [15] = 9}}}};
    for (int flags = 0; flags < 16; flags++) {
        for (int wanted = 0; wanted < 9; wanted++) {
            char host[NI_MAXHOST] = "-", port[NI_MAXSERV] = "-";
            // Not there, without room, there.
            int status = getnameinfo(
                (void *)&at, sizeof at, wanted % 3 ? host : NULL, wanted % 3 == 2 ? sizeof host : 0,
                wanted / 3 ? port : NULL, wanted / 3 == 2 ? sizeof port : 0, flags);
            // Whether it is unknown for now or for ever is the machine's configuration.
            print(" %s", status == EAI_AGAIN || status == EAI_NONAME ? "unknown" : status ? gai_strerror(status) : host);
            print(" %s", port);
        }
        print("; flags %d\n", flags);
    }
}

static void show_answer(const char *what, int length, int room) {
    if (length < 0) {
        print("%s: %s", what, hstrerror(h_errno));
        print(", code %d\n", answer[3] & 15);
        return;
    }
    int have = length < room ? length : room;
    unsigned sum = 0;
    // The first two bytes are a random number.
    for (int i = 2; i < have; i++) sum = sum * 31 + answer[i];
    print("%s: %d bytes, sum %x, %d answers\n", what, length, sum, answer[6] << 8 | answer[7]);
    memset(answer, 0, sizeof answer);
}

static void messages(void) {
    int room = sizeof answer;
    show_answer("res_query", res_query("host.test", ns_c_in, ns_t_a, answer, room), room);
    show_answer("res_query of text", res_query("host.test", ns_c_in, ns_t_txt, answer, room), room);
    show_answer("res_query of much", res_query("large.test", ns_c_in, ns_t_txt, answer, room), room);
    show_answer("res_query with little room", res_query("large.test", ns_c_in, ns_t_txt, answer, 300), 300);
    show_answer("res_query of nobody", res_query("nobody.test", ns_c_in, ns_t_a, answer, room), room);
    show_answer("res_query of no such data", res_query("only4.test", ns_c_in, ns_t_aaaa, answer, room), room);
    show_answer("res_query is not completed", res_query("host", ns_c_in, ns_t_a, answer, room), room);
    show_answer("res_search is", res_search("host", ns_c_in, ns_t_a, answer, room), room);
    show_answer("res_querydomain", res_querydomain("host", "test", ns_c_in, ns_t_a, answer, room), room);
    unsigned char query[512];
    int size = res_mkquery(ns_o_query, "host.test", ns_c_in, ns_t_aaaa, NULL, 0, NULL, query, sizeof query);
    show_answer("res_send", res_send(query, size, answer, room), room);
    print("  its number: %d\n", answer[0] == 0);

    struct __res_state state = {0};
    must("res_ninit", res_ninit(&state));
    show_answer("res_nquery", res_nquery(&state, "host.test", ns_c_in, ns_t_ptr, answer, room), room);
    print("  %d\n", state.res_h_errno);
    show_answer("res_nsearch", res_nsearch(&state, "host", ns_c_in, ns_t_a, answer, room), room);
    state.options &= ~RES_DNSRCH & ~RES_DEFNAMES;
    show_answer("res_nsearch without a list", res_nsearch(&state, "host", ns_c_in, ns_t_a, answer, room), room);
    show_answer("res_nquerydomain", res_nquerydomain(&state, "host", "test", ns_c_in, ns_t_a, answer, room), room);
    state.options |= RES_USEVC;
    show_answer("res_nsend", res_nsend(&state, query, size, answer, room), room);
    res_nclose(&state);
}

static void at_once(void) {
    struct gaicb first = {.ar_name = "host.test"}, second = {.ar_name = "nobody.test"};
    struct gaicb *both[] = {&first, NULL, &second};
    print("getaddrinfo_a: %d\n", getaddrinfo_a(GAI_WAIT, both, 3, NULL));
    print("  %s, %s\n", gai_strerror(gai_error(&first)), gai_strerror(gai_error(&second)));
    freeaddrinfo(first.ar_result);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42};
    print("getaddrinfo_a later: %d\n", getaddrinfo_a(GAI_NOWAIT, both, 3, &event));
    siginfo_t info;
    must("sigwaitinfo", sigwaitinfo(&set, &info));
    print("  signal with %d, %s, %s\n", info.si_value.sival_int, gai_strerror(gai_error(&first)),
          gai_strerror(gai_error(&second)));
    print("  %s\n", first.ar_result ? "has a result" : "has none");
    freeaddrinfo(first.ar_result);
}

static void tables(void) {
    struct servent *service = getservbyname("domain", "udp");
    print("getservbyname: %d\n", service ? ntohs(service->s_port) : -1);
    service = getservbyport(htons(80), "tcp");
    print("getservbyport: %s\n", service ? service->s_name : "none");
    struct protoent *protocol = getprotobyname("tcp");
    print("getprotobyname: %d\n", protocol ? protocol->p_proto : -1);
    protocol = getprotobynumber(17);
    print("getprotobynumber: %s\n", protocol ? protocol->p_name : "none");
}

int main(int argc, char **argv) {
    if (argc > 1) {
        // Only these names, with what the policy lets through.
        for (int i = 1; i < argc; i++) {
            errno = 0;
            int length = res_query(argv[i], ns_c_in, ns_t_a, answer, sizeof answer);
            print("%s: %s %s", argv[i], length < 0 ? hstrerror(h_errno) : "found", strerrorname_np(errno));
            unsigned char query[512];
            int size = res_mkquery(ns_o_query, argv[i], ns_c_in, ns_t_a, NULL, 0, NULL, query, sizeof query);
            errno = 0;
            length = res_send(query, size, answer, sizeof answer);
            print(", sent: %s %s\n", length < 0 ? hstrerror(h_errno) : "found", strerrorname_np(errno));
        }
        return 0;
    }
    hosts();
    addresses("host.test", AF_INET);
    addresses("host.test", AF_INET6);
    addresses("host", AF_INET);
    addresses("alias.test", AF_INET);
    addresses("nobody.test", AF_UNSPEC);
    name("a known one", "192.0.2.7", 0);
    name("an unknown one", "192.0.2.200", 0);
    name("an unknown one's name", "192.0.2.200", NI_NAMEREQD);
    name("numbers", "192.0.2.7", NI_NUMERICHOST | NI_NUMERICSERV);
    parts();
    messages();
    at_once();
    tables();
    return done();
}

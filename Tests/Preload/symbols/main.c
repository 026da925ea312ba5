/* symbols LIBRARY SYMBOL...: checks each symbol. LIBRARY: the path that each must come from, or "-" for a native run.
 * A symbol with a plus before it may come from anywhere. A symbol without a case fails. */
#define _GNU_SOURCE
#include "../check.h"
#include "symbols.h"
#include <dlfcn.h>
#include <sys/syscall.h>

static const symbol_case *const tables[] = {
    socket_cases, byte_cases, transfer_cases, wait_cases, descriptor_cases, process_cases, name_cases, stream_cases,
    number_cases,
};

int fresh_socket(const subject *on) { return socket(on->redirected ? AF_INET : AF_UNIX, SOCK_STREAM, 0); }

socklen_t own_address(const subject *on, struct sockaddr_storage *address) {
    memset(address, 0, sizeof *address);
    if (on->redirected) {
        struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        memcpy(address, &any, sizeof any);
        return sizeof any;
    }
    /* The kernel chooses an abstract name. */
    address->ss_family = AF_UNIX;
    return sizeof(sa_family_t);
}

int listening(const subject *on, struct sockaddr_storage *address, socklen_t *length) {
    int fd = fresh_socket(on);
    *length = own_address(on, address);
    if (bind(fd, (void *)address, *length) < 0 || listen(fd, 4) < 0) return -1;
    *length = sizeof *address;
    return getsockname(fd, (void *)address, length) < 0 ? -1 : fd;
}

bool arrives(int fd, const char *text) {
    size_t size = strlen(text), have = 0;
    char buffer[256];
    struct pollfd entry = {fd, POLLIN, 0};
    while (have < size && poll(&entry, 1, 2000) == 1) {
        ssize_t count = recv(fd, buffer + have, size - have, 0);
        if (count <= 0) break;
        have += (size_t)count;
    }
    return have == size && memcmp(buffer, text, size) == 0 && recv(fd, buffer, 1, MSG_DONTWAIT) == -1;
}

bool sends(int fd, const char *text) { return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text); }

int file_with(const char *text) {
    int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    if (pwrite(fd, text, strlen(text), 0) != (ssize_t)strlen(text)) return -1;
    return fd;
}

bool fails(long result, int error) { return result == -1 && errno == error; }

bool in_child(case_function body, void *function, subject *on) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) _exit(body(function, on) ? 0 : 1);
    int status;
    return waitpid(child, &status, 0) == child && status == 0;
}

static case_function case_of(const char *symbol) {
    size_t length = strlen(symbol);
    for (size_t table = 0; table < sizeof tables / sizeof tables[0]; table++)
        for (const symbol_case *one = tables[table]; one->symbols != NULL; one++)
            for (const char *at = one->symbols; at != NULL; at = strchr(at, ' ')) {
                at += *at == ' ';
                if (strncmp(at, symbol, length) == 0 && (at[length] == ' ' || at[length] == 0)) return one->works;
            }
    return NULL;
}

/* What the kernel itself says, past every library. */
static int kernel_domain(int fd) {
    int domain = -1;
    socklen_t size = sizeof domain;
    long result;
#if defined(__x86_64__)
    register long r10 __asm__("r10") = (long)&domain;
    register long r8 __asm__("r8") = (long)&size;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(SYS_getsockopt), "D"(fd), "S"(SOL_SOCKET), "d"(SO_DOMAIN), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
#else
    register long x0 __asm__("x0") = fd;
    register long x1 __asm__("x1") = SOL_SOCKET;
    register long x2 __asm__("x2") = SO_DOMAIN;
    register long x3 __asm__("x3") = (long)&domain;
    register long x4 __asm__("x4") = (long)&size;
    register long x8 __asm__("x8") = SYS_getsockopt;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x8) : "memory");
    result = x0;
#endif
    return result < 0 ? -1 : domain;
}

static bool connected(subject *on) {
    if (!on->redirected) {
        int pair[2];
        bool made = socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0;
        on->near = pair[0];
        on->far = pair[1];
        return made;
    }
    struct sockaddr_storage address;
    socklen_t length;
    int listener = listening(on, &address, &length);
    on->near = fresh_socket(on);
    bool made = connect(on->near, (void *)&address, length) == 0 && (on->far = accept(listener, NULL, NULL)) >= 0;
    close(listener);
    return made;
}

static void check(const char *symbol, void *function, case_function works, bool redirected, bool isOurs) {
    subject on = {redirected, -1, -1, symbol};
    char sentence[128];
    snprintf(sentence, sizeof sentence, "%s works on %s", symbol, redirected ? "a TCP socket" : "an ordinary one");
    bool made = connected(&on);
    CHECK("there is a connection", made);
    int expected = redirected && !isOurs ? AF_INET : AF_UNIX;
    CHECK("it is, or is not, the kernel's", kernel_domain(on.near) == expected);
    /* A case that waits in vain must not keep the others from their turn. */
    alarm(20);
    CHECK(sentence, works(function, &on));
    alarm(0);
    if (on.near >= 0) close(on.near);
    if (on.far >= 0) close(on.far);
}

int main(int count, char **arguments) {
    signal(SIGPIPE, SIG_IGN);
    bool isOurs = strcmp(arguments[1], "-") != 0;
    for (int i = 2; i < count; i++) {
        bool anyones = arguments[i][0] == '+';
        const char *symbol = arguments[i] + anyones;
        char sentence[128];
        case_function works = case_of(symbol);
        snprintf(sentence, sizeof sentence, "%s has a case", symbol);
        CHECK(sentence, works != NULL);
        void *function = dlsym(RTLD_DEFAULT, symbol);
        /* Some names are there for programs linked with an older libc only. */
        if (function == NULL && !isOurs) function = dlvsym(RTLD_DEFAULT, symbol, "GLIBC_2.2.5");
        snprintf(sentence, sizeof sentence, "%s exists", symbol);
        CHECK(sentence, function != NULL);
        if (works == NULL || function == NULL) continue;
        Dl_info info;
        if (isOurs && !anyones) {
            char *path = dladdr(function, &info) ? realpath(info.dli_fname, NULL) : NULL;
            snprintf(sentence, sizeof sentence, "%s is the library's", symbol);
            CHECK(sentence, path != NULL && strcmp(path, arguments[1]) == 0);
            free(path);
        }
        check(symbol, function, works, false, isOurs);
        check(symbol, function, works, true, isOurs);
    }
    return report();
}

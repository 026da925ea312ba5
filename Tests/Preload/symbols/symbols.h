/* One case for each exported symbol: a function that calls it by the pointer that dlsym found, and says whether it worked.
 * It runs twice: on a TCP connection, which the library redirects, and on an ordinary pair of sockets. */
#ifndef SYMBOLS_H
#define SYMBOLS_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    /* Whether the pair is a TCP connection. */
    bool redirected;
    /* The ends of a connected pair, closed after the case if they are not -1. */
    int near, far;
    /* The name under which the function was found. */
    const char *symbol;
} subject;

typedef bool (*case_function)(void *function, subject *on);

typedef struct {
    /* The symbols, separated by spaces. */
    const char *symbols;
    case_function works;
} symbol_case;

extern const symbol_case socket_cases[], byte_cases[], transfer_cases[], wait_cases[], descriptor_cases[],
    process_cases[], name_cases[], stream_cases[], number_cases[];

/* A socket of the subject's family, and an address to bind it to. */
int fresh_socket(const subject *on);
socklen_t own_address(const subject *on, struct sockaddr_storage *address);
/* A listening socket and its address. */
int listening(const subject *on, struct sockaddr_storage *address, socklen_t *length);

/* Whether exactly these bytes arrive at a descriptor within two seconds. */
bool arrives(int fd, const char *text);
/* Whether exactly these bytes could be sent. */
bool sends(int fd, const char *text);
/* A file without a name that holds the text, positioned at its start. */
int file_with(const char *text);
/* Whether a call failed, and with this error. */
bool fails(long result, int error);
/* Runs `body` in a child; whether it returned true. */
bool in_child(bool (*body)(void *function, subject *on), void *function, subject *on);

#endif

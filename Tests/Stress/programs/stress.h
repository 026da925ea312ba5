// What the stress programs share: records that show by themselves whether they are whole.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

enum { record_size = 256, record_magic = 0x5eC0DE42 };

struct record {
    uint32_t magic, writer, sequence, sum;
    uint32_t body[record_size / 4 - 4];
};

UNUSED static uint32_t sum_of(const struct record *record) {
    uint32_t sum = record->writer * 31 + record->sequence;
    for (unsigned index = 0; index < sizeof record->body / 4; index++) sum = sum * 16777619 ^ record->body[index];
    return sum;
}

UNUSED static void make_record(struct record *record, uint32_t writer, uint32_t sequence) {
    *record = (struct record){.magic = record_magic, .writer = writer, .sequence = sequence};
    for (unsigned index = 0; index < sizeof record->body / 4; index++)
        record->body[index] = writer * 7919 + sequence * 104729 + index;
    record->sum = sum_of(record);
}

UNUSED static int is_whole(const struct record *record) {
    return record->magic == record_magic && record->sum == sum_of(record);
}

UNUSED static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

UNUSED static void pause_for(int milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    while (nanosleep(&time, &time) < 0) {
    }
}

UNUSED static long must(const char *what, long result) {
    if (result < 0) {
        printf("%s failed: %s\n", what, strerrorname_np(errno));
        fflush(stdout);
        _exit(91);
    }
    return result;
}

UNUSED static void raise_limit(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    must("setrlimit", setrlimit(RLIMIT_NOFILE, &limit));
}

UNUSED static int connected(int port) {
    int fd = must("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    struct sockaddr_in name = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    must("connect", connect(fd, (struct sockaddr *)&name, sizeof name));
    return fd;
}

// A line of standard input, from the test that drives the program.
UNUSED static int told(const char *word) {
    char line[64];
    if (!fgets(line, sizeof line, stdin)) _exit(92);
    return strncmp(line, word, strlen(word)) == 0;
}

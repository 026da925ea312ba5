// Many connections with traffic on a tenth of them: idle PORT CONNECTIONS. Obeys words on standard input: `run SECONDS`,
// `rest` (sleeps in epoll_wait until the next word), `close`.
#include "stress.h"

static int *fds, count, set;
static uint32_t *sent, *received;
static struct record *partial;
static int *filled;
static long echoed, spurious, bad;

static void send_next(int index) {
    struct record record;
    make_record(&record, index, sent[index]++);
    if (send(fds[index], &record, sizeof record, MSG_NOSIGNAL) != sizeof record) {
        printf("send: %s\n", strerrorname_np(errno));
        exit(93);
    }
}

static void receive(int index) {
    int active = index % 10 == 0;
    char *place = (char *)&partial[index / 10] + filled[index / 10];
    long got = recv(fds[index], active ? place : (char[1]){0}, active ? record_size - filled[index / 10] : 1, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) {
        spurious++;
        return;
    }
    if (got <= 0 || !active) {
        printf("connection %d: %ld %s\n", index, got, got < 0 ? strerrorname_np(errno) : "");
        exit(94);
    }
    if ((filled[index / 10] += got) < record_size) return;
    struct record *record = &partial[index / 10];
    if (!is_whole(record) || record->writer != (uint32_t)index || record->sequence != received[index]) bad++;
    received[index]++, echoed++;
    filled[index / 10] = 0;
}

static void serve(double until, int sends) {
    struct epoll_event events[256];
    int next = 0;
    while (now() < until) {
        for (int index = 0; sends && index < 20; index++, next = (next + 10) % count)
            if (sent[next] - received[next] < 2) send_next(next);
        int ready = epoll_wait(set, events, 256, sends ? 5 : 50);
        for (int index = 0; index < ready; index++) {
            if (events[index].data.u32 == UINT32_MAX) return;
            receive(events[index].data.u32);
        }
    }
}

static int open_descriptors(void) {
    int open = 0;
    for (int fd = 0; fd < 20000; fd++) open += fcntl(fd, F_GETFD) >= 0;
    return open;
}

int main(int arguments, char **argument) {
    if (arguments != 3) return 2;
    raise_limit();
    setvbuf(stdin, NULL, _IONBF, 0);
    count = atoi(argument[2]);
    fds = calloc(count, sizeof *fds), sent = calloc(count, 4), received = calloc(count, 4);
    partial = calloc(count / 10 + 1, sizeof *partial), filled = calloc(count / 10 + 1, sizeof *filled);
    // What the first connection leaves is the library's, once.
    close(connected(atoi(argument[1])));
    int before = open_descriptors();
    set = must("epoll_create1", epoll_create1(EPOLL_CLOEXEC));
    for (int index = 0; index < count; index++) {
        fds[index] = connected(atoi(argument[1]));
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.u32 = index};
        must("epoll_ctl", epoll_ctl(set, EPOLL_CTL_ADD, fds[index], &event));
    }
    struct epoll_event word = {.events = EPOLLIN, .data.u32 = UINT32_MAX}, one;
    must("epoll_ctl", epoll_ctl(set, EPOLL_CTL_ADD, 0, &word));
    printf("connected %d, process %d\n", count, getpid());
    fflush(stdout);
    for (char line[64]; fgets(line, sizeof line, stdin);) {
        if (strncmp(line, "run ", 4) == 0) {
            must("epoll_ctl", epoll_ctl(set, EPOLL_CTL_DEL, 0, NULL));
            serve(now() + atof(line + 4), 1);
            // What is under way comes back.
            for (int tries = 0; tries < 200; tries++) {
                long missing = 0;
                for (int index = 0; index < count; index += 10) missing += sent[index] - received[index];
                if (missing == 0) break;
                serve(now() + 0.05, 0);
            }
            must("epoll_ctl", epoll_ctl(set, EPOLL_CTL_ADD, 0, &word));
            for (int index = 0; index < count; index++) bad += sent[index] != received[index];
            printf("ran: %ld bad, %ld spurious, %s\n", bad, spurious, echoed >= count / 10 ? "all had traffic" : "too few");
            fflush(stdout);
        } else if (strncmp(line, "rest", 4) == 0) {
            printf("resting\n");
            fflush(stdout);
            int ready = epoll_wait(set, &one, 1, -1);
            if (ready != 1 || one.data.u32 != UINT32_MAX) printf("woken by connection %u\n", one.data.u32);
        } else if (strncmp(line, "close", 5) == 0) {
            for (int index = 0; index < count; index++) close(fds[index]);
            close(set);
            printf("closed, %d descriptors more\n", open_descriptors() - before);
            fflush(stdout);
        }
    }
    return bad > 0;
}

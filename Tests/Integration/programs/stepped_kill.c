// A process is killed in the middle of a call, at any of its instructions, and another that has the same socket goes on:
// the dead one's block has been sent, or received, whole or not at all, and nothing stays where it is for ever.
// stepped_kill [warm_][datagram_]send|full|receive|drain|stall STRIDE FIRST
#include "course.h"

#include <limits.h>

enum { PREPARED = 4, TAKEN = 2 * PREPARED * SIZE, STIRS = 64, OVERFILL = 4096, MUCH = 640 << 10, HALF = 256 << 10 };
// In milliseconds.
enum { PATIENCE = 10000, SLOW = 5000, LEARNED = 4 };
enum { SURVIVOR, VICTIM, PEER };

// What the processes see of each other.
static struct {
    volatile int inside;  // the call that is stepped through is under way
    volatile long result;
    unsigned char taken[TAKEN];
    // The peer, which sends and receives at the other end.
    volatile int port, survivor_port, holds, over;
    volatile unsigned wanted;  // blocks that it is to have sent
    volatile unsigned stirs;   // how often it is to have called upon who serves it
    volatile unsigned stirred;
    volatile unsigned seen[2]; // the number behind that of the last block of each that it received
    volatile long received;    // in bytes
} *shared;

static int fd, datagrams, receives, fills, drains, stalls, warm;

static void fail(const char *what, long number, int step) {
    print("%s (%ld), step %d\n", what, number, step);
    exit(93);
}

// Each comes once and in order; of the dead one's some do not come.
static void note(const struct block *block, long size) {
    unsigned from = block->from;
    if (size != SIZE || from > VICTIM || !is_whole(block) || block->number < shared->seen[from] ||
        (from == SURVIVOR && block->number != shared->seen[from])) {
        print("the peer received %ld bytes, number %u of %u\n", size, block->number, from);
        exit(95);
    }
    shared->seen[from] = block->number + 1;
}

static void take(int end) {
    static unsigned char held[SIZE];
    static long have;
    struct block block;
    unsigned char space[8192];
    long size = recv(end, fills ? space : held + have, fills ? sizeof space : (size_t)(SIZE - have), MSG_DONTWAIT);
    if (size < 0) return;
    if (size == 0) exit(0);
    shared->received += size;
    if (fills) return;
    have += size;
    if (!datagrams && have < SIZE) return;
    memcpy(&block, held, SIZE);
    note(&block, have);
    have = 0;
}

static void act_as_peer(void) {
    int end, server, port;
    if (datagrams) {
        struct sockaddr_in address = loopback(0);
        server = must("socket", socket(AF_INET, SOCK_DGRAM, 0));
        must("bind", bind(server, (struct sockaddr *)&address, sizeof address));
        port = port_of(server);
    } else {
        server = known_listener(&port);
        if (fills) setsockopt(server, SOL_SOCKET, SO_RCVBUF, &(int){2304}, sizeof(int));
    }
    shared->port = port;
    if (datagrams) {
        while (!shared->survivor_port) pause_for(1);
        must("connect", connect_on(end = server, shared->survivor_port));
    } else {
        end = must("accept", accept(server, NULL, NULL));
        setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    }
    struct block block;
    for (unsigned sent = 0; !shared->over;) {
        for (; stalls && sent < shared->wanted; sent++) {
            static char much[MUCH];
            fill(much, MUCH, 0);
            must("send", send(end, much, MUCH, 0));
        }
        for (; sent < shared->wanted; sent++) {
            make(&block, PEER, sent);
            must("send", send(end, &block, SIZE, 0));
        }
        for (; shared->stirred != shared->stirs; shared->stirred++)
            close(must("socket", socket(AF_INET, SOCK_STREAM, 0)));
        struct pollfd entry = {.fd = end, .events = POLLIN};
        if (shared->holds || receives) pause_for(1);
        else if (poll(&entry, 1, 1) > 0) take(end);
    }
    _exit(0);
}

static void open_socket(void) {
    while (!shared->port) pause_for(1);
    fd = must("socket", socket(AF_INET, datagrams ? SOCK_DGRAM : SOCK_STREAM, 0));
    if (fills) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){4608}, sizeof(int));
    must("connect", connect_on(fd, shared->port));
    if (!datagrams) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (datagrams) shared->survivor_port = port_of(fd);
}

static void act_as_victim(unsigned number) {
    struct block block;
    make(&block, VICTIM, number);
    static char much[OVERFILL];
    // The first call of a forked process makes itself known to whom it is served by.
    if (warm && receives) send(fd, &block, SIZE, MSG_DONTWAIT);
    if (warm && !receives) recv(fd, &block.rest, 1, MSG_DONTWAIT);
    must("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
    shared->inside = 1;
    trap();
    shared->result = receives ? recv(fd, shared->taken, drains ? TAKEN : SIZE, 0)
                     : fills ? send(fd, much, sizeof much, MSG_DONTWAIT)
                             : send(fd, &block, SIZE, 0);
    shared->inside = 0;
    trap();
    _exit(0);
}

// Returns whether the call was still under way.
static int kill_at(int step, unsigned number) {
    shared->inside = 0;
    shared->result = LONG_MIN;
    pid_t process = must("fork", fork());
    if (process == 0) act_as_victim(number);
    int status;
    must("waitpid", waitpid(process, &status, 0));
    // Who serves everybody has much to do, and nothing with this socket.
    if (number & 2) shared->stirs += STIRS;
    while (shared->stirred != shared->stirs) pause_for(0);
    if (step < 0) learn(process, &shared->inside);
    else go_to(process, &shared->inside, step);
    int was_inside = shared->inside;
    kill(process, SIGKILL);
    must("waitpid", waitpid(process, &status, 0));
    return was_inside;
}

static int passes(const struct timespec *start) { return since(start) < PATIENCE; }

static void await_sent(int step) {
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    int left = 1, result;
    while ((result = ioctl(fd, TIOCOUTQ, &left)) == 0 && left > 0 && passes(&start)) pause_for(1);
    // Version 1 of the protocol does not tell.
    if (result < 0 && errno == EOPNOTSUPP) return pause_for(1);
    must("ioctl", result);
    if (left > 0) fail("bytes stay behind", left, step);
}

static void send_blocks(int step, unsigned number, int whole) {
    struct timespec start;
    struct block block;
    // Without a call that could rouse anybody, every second time.
    if (number % 2) await_sent(step);
    make(&block, SURVIVOR, number);
    clock_gettime(CLOCK_MONOTONIC, &start);
    must("send", send(fd, &block, SIZE, 0));
    while (shared->seen[SURVIVOR] <= number && passes(&start)) pause_for(0);
    if (shared->seen[SURVIVOR] <= number) fail("a block did not arrive", number, step);
    if (whole && shared->seen[VICTIM] <= number) fail("a block that was sent did not arrive", number, step);
    if (since(&start) > SLOW) fail("sending took too long", since(&start), step);
}

static void send_round(int step, unsigned number) {
    int was_inside = kill_at(step, number);
    send_blocks(step, number, !was_inside && shared->result == SIZE);
    if (!was_inside && shared->result != SIZE) fail("the call", shared->result, step);
}

// How many bytes there is room for before nobody reads.
static long room;

static long fill_with(long limit) {
    static char much[500];
    long all = 0;
    for (int idle = 0; idle < 3 && all < limit;) {
        long sent = send(fd, much, limit - all < (long)sizeof much ? (size_t)(limit - all) : sizeof much, MSG_DONTWAIT);
        if (sent > 0) all += sent, idle = 0;
        else pause_for(2), idle++;
    }
    return all;
}

static void await_received(long least, long most, int step) {
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    while (shared->received < least && passes(&start)) pause_for(1);
    await_sent(step);
    while (shared->received < least && passes(&start)) pause_for(1);
    if (shared->received < least || shared->received > most) fail("not all arrived", shared->received - least, step);
}

static void full_round(int step, unsigned number) {
    shared->holds = 1;
    pause_for(2);
    long before = shared->received, all = fill_with(room - 1500);
    pause_for(1);
    int was_inside = kill_at(step, number);
    // Nothing is read: it may be said to be writable once.
    int wrong = 0;
    char byte = 0;
    for (int try = 0; try < 10000 && events(fd, POLLOUT, 0) & POLLOUT; try++) {
        long sent = send(fd, &byte, 1, MSG_DONTWAIT);
        if (sent > 0) all++;
        else if (++wrong > 1) fail("writable, but full", wrong, step);
    }
    shared->holds = 0;
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (!(events(fd, POLLOUT, PATIENCE) & POLLOUT)) fail("never writable", number, step);
    if (send(fd, &byte, 1, 0) != 1) fail("writable, but", errno, step);
    all++;
    long own = shared->result == LONG_MIN ? 0 : shared->result < 0 ? 0 : shared->result;
    await_received(before + all + own, before + all + (was_inside ? OVERFILL : own), step);
    if (since(&start) > SLOW) fail("draining took too long", since(&start), step);
}

// The numbers of the blocks that were received; each comes once.
static unsigned next;

static void expect(const void *bytes, long size, const char *who, int step) {
    struct block block;
    memcpy(&block, bytes, SIZE);
    if (size != SIZE || block.from != PEER || block.number != next || !is_whole(&block)) {
        print("%s: %ld bytes, number %u instead of %u, step %d\n", who, size, block.number, next, step);
        exit(93);
    }
    next++;
}

static void receive_block(int step, unsigned until) {
    struct block block;
    if (!(events(fd, POLLIN, PATIENCE) & POLLIN)) fail("nothing comes; expected", next, step);
    long size = recv(fd, &block, SIZE, datagrams ? 0 : MSG_WAITALL);
    // What is missing the dead one has; but what it has may also not have been consumed.
    unsigned missing = size == SIZE ? block.number - next : 0;
    if (missing <= until - next && missing <= PREPARED)
        for (unsigned at = 0; at < missing; at++) expect(shared->taken + at * SIZE, SIZE, "the dead", step);
    expect(&block, size, "the survivor", step);
}

static void receive_round(int step, unsigned number) {
    unsigned end = shared->wanted + PREPARED;
    shared->wanted = end;
    int there = 0;
    await(fd, POLLIN);
    if (datagrams) pause_for(2);
    while (!datagrams && there < PREPARED * SIZE) must("ioctl", ioctl(fd, FIONREAD, &there));
    kill_at(step, number);
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    // Another comes while nobody has looked yet, every second time.
    if (number % 2) shared->wanted = end + 1;
    char byte;
    int wrong = 0;
    while (next < end && events(fd, POLLIN, drains ? 50 : PATIENCE) & POLLIN) {
        if (recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1) receive_block(step, end);
        else if (++wrong > 1) fail("readable, but empty", wrong, step);
    }
    shared->wanted = end + 1;
    while (next < end + 1) {
        if (!(events(fd, POLLIN, PATIENCE) & POLLIN)) fail("what was sent last does not come", next, step);
        if (recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1) receive_block(step, end + 1);
        else if (++wrong > 1) fail("readable, but empty", wrong, step);
    }
    if (since(&start) > SLOW) fail("receiving took too long", since(&start), step);
    // At most one false readiness is left.
    while (events(fd, POLLIN, 0) & POLLIN) {
        if (recv(fd, &byte, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN) fail("more came than was sent", number, step);
        if (++wrong > 1) fail("readable, but empty", wrong, step);
    }
}

// More comes than there is room for; the dead one's call makes the room with which the rest is asked for.
static void stall_round(int step, unsigned number) {
    static char much[MUCH], expected[MUCH];
    fill(expected, MUCH, 0);
    shared->wanted++;
    long at = must("recv", recv(fd, much, HALF - SIZE / 2, MSG_WAITALL));
    pause_for(3);
    kill_at(step, number);
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int first = 1, wrong = 0; at < MUCH;) {
        if (!(events(fd, POLLIN, PATIENCE) & POLLIN)) fail("nothing comes at", at, step);
        long size = recv(fd, much, (size_t)(MUCH - at), MSG_DONTWAIT);
        if (size < 0 && errno == EAGAIN && wrong++ == 0) continue;
        must("recv", size);
        if (first && memcmp(shared->taken, expected + at, SIZE) == 0 && much[0] == expected[at + SIZE]) at += SIZE;
        if (memcmp(much, expected + at, (size_t)size) != 0) fail("other bytes at", at, step);
        at += size;
        first = 0;
    }
    if (since(&start) > SLOW) fail("receiving took too long", since(&start), step);
    memset(shared->taken, 0, SIZE);
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    const char *subject = arguments[1];
    datagrams = strstr(subject, "datagram") != NULL;
    fills = strstr(subject, "full") != NULL;
    drains = strstr(subject, "drain") != NULL;
    stalls = strstr(subject, "stall") != NULL;
    receives = drains || stalls || strstr(subject, "receive") != NULL;
    warm = strstr(subject, "warm") != NULL;
    int stride = atoi(arguments[2]), step = atoi(arguments[3]);
    shared = shared_memory(sizeof *shared);
    pid_t peer = must("fork", fork());
    if (peer == 0) act_as_peer();
    open_socket();
    if (fills) {
        shared->holds = 1;
        room = fill_with(LONG_MAX);
        shared->holds = 0;
        await_received(room, room, -1);
    }
    void (*round_of_calls)(int, unsigned) = fills ? full_round : stalls ? stall_round : receives ? receive_round : send_round;
    unsigned number = 0;
    while (number < LEARNED) round_of_calls(-1, number++);
    for (stride = pace(stride); step < visit_count; step += stride) round_of_calls(step, number++);
    shared->over = 1;
    int status;
    must("waitpid", waitpid(peer, &status, 0));
    if (!WIFEXITED(status) || WEXITSTATUS(status)) return 97;
    if (getenv("VERBOSE")) print("%d visits\n", visit_count);
    return done();
}

// A signal handler uses the socket in the middle of the call that it interrupts, at any of its instructions: the call runs
// step by step under ptrace(2), with the signal first at every STRIDEth step, and then PAIRS times twice, at steps drawn
// by lot. Or the handler leaves the call by siglongjmp(3), each time.
// stepped [jump_][datagram_]send|receive STRIDE PAIRS
#include "stepping.h"

#include <setjmp.h>

enum { PREPARED = 4, MOST_STEPS = 20000 };

// What the tracer sees of the traced process.
static struct {
    volatile int inside;  // the call that is stepped through is under way
    volatile int over;    // no more rounds
} *shared;

static int out, in, datagrams, receives, jumps;
static sigjmp_buf before_call;
static unsigned sent[2], seen[2];
// What the handler received in this round.
static struct taken {
    struct block block;
    long size;
} taken[2];
static volatile unsigned taken_count;

static void check(const struct block *block, long size, const char *who) {
    struct block expected;
    unsigned from_handler = block->from != 0;
    make(&expected, from_handler, seen[from_handler]);
    if (size == SIZE && memcmp(&expected, block, SIZE) == 0) {
        seen[from_handler]++;
        return;
    }
    print("%s: %ld bytes, number %u of %s instead of %u\n", who, size, block->number,
          from_handler ? "the handler" : "the call", seen[from_handler]);
    _exit(93);
}

static void handle(int unused) {
    (void)unused;
    if (jumps) siglongjmp(before_call, 1);
    int saved = errno;
    struct block block;
    if (receives) {
        struct taken *place = &taken[taken_count];
        place->size = recv(in, &place->block, SIZE, MSG_DONTWAIT);
        if (place->size >= 0) taken_count++;
    } else {
        make(&block, 1, sent[1]);
        if (send(out, &block, SIZE, MSG_DONTWAIT) == SIZE) sent[1]++;
        recv(in, &block, SIZE, MSG_DONTWAIT | MSG_PEEK);
    }
    errno = saved;
    trap();
}

static void send_one(void) {
    struct block block;
    make(&block, 0, sent[0]);
    must("send", send(out, &block, SIZE, 0));
    sent[0]++;
}

static void receive_one(void) {
    struct block block;
    await(in, POLLIN);
    check(&block, recv(in, &block, SIZE, datagrams ? 0 : MSG_WAITALL), "afterwards");
}

// The call was left: its block has been received, or sent, whole or not at all.
static void after_jump(void) {
    shared->inside = 0;
    struct block block;
    if (receives) {
        await(in, POLLIN);
        long size = recv(in, &block, SIZE, datagrams ? 0 : MSG_WAITALL);
        if (block.number == seen[0] + 1) seen[0]++;
        check(&block, size, "behind a jump");
        return;
    }
    make(&block, 1, sent[1]++);
    must("send", send(out, &block, SIZE, 0));
    await(in, POLLIN);
    long size = recv(in, &block, SIZE, datagrams ? 0 : MSG_WAITALL);
    if (!block.from) sent[0]++;
    check(&block, size, "behind a jump");
}

// The handler may have received before the call or behind it.
static void finish_receiving(const struct block *block, long size) {
    unsigned at = 0;
    while (at < taken_count && taken[at].block.number < block->number)
        check(&taken[at].block, taken[at].size, "in the handler"), at++;
    check(block, size, "in the call");
    for (; at < taken_count; at++) check(&taken[at].block, taken[at].size, "in the handler");
    taken_count = 0;
}

// One call to be stepped through; afterwards everything that was sent has been received, once and whole.
static void round_of_calls(void) {
    struct block block;
    if (receives) {
        for (int count = 0; count < PREPARED; count++) send_one();
        await(in, POLLIN);
        int there = 0;
        while (!datagrams && there < PREPARED * SIZE) ioctl(in, FIONREAD, &there);
        long size = sigsetjmp(before_call, 1);
        if (size) {
            after_jump();
        } else {
            shared->inside = 1;
            trap();
            size = recv(in, &block, SIZE, 0);
            shared->inside = 0;
            finish_receiving(&block, size);
        }
    } else {
        make(&block, 0, sent[0]);
        if (sigsetjmp(before_call, 1)) {
            after_jump();
        } else {
            shared->inside = 1;
            trap();
            must("send", send(out, &block, SIZE, 0));
            shared->inside = 0;
            sent[0]++;
        }
    }
    while (seen[0] < sent[0] || seen[1] < sent[1]) receive_one();
}

static void traced(void) {
    signal(SIGUSR1, handle);
    open_ends(datagrams, &out, &in);
    send_one();
    receive_one();
    must("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
    while (!shared->over) round_of_calls();
    if (events(in, POLLIN, 0)) {
        print("more came than was sent\n");
        _exit(95);
    }
    _exit(0);
}

// The handler runs from beginning to end, or leaves the call for the next.
static void interrupt(pid_t process) {
    long before = place(process);
    go_on(process, PTRACE_CONT, SIGUSR1);
    if (jumps) return;
    do go_on(process, PTRACE_SINGLESTEP, 0);
    while (place(process) != before);
}

// Steps through the call before which the process stands, and goes on to the next.
//
// Returns the number of steps up to the later of two: those before which the handler runs; none: -1.
static int step_through(pid_t process, int first, int second) {
    int last = first > second ? first : second;
    int step = 0;
    for (; shared->inside && step <= last; step++) {
        if (step == first) interrupt(process);
        if (jumps && step == first) return step;
        if (step == second) interrupt(process);
        go_on(process, PTRACE_SINGLESTEP, 0);
    }
    go_on(process, PTRACE_CONT, 0);
    return step;
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    datagrams = strstr(arguments[1], "datagram") != NULL;
    receives = strstr(arguments[1], "receive") != NULL;
    jumps = strstr(arguments[1], "jump") != NULL;
    int stride = atoi(arguments[2]), pairs = atoi(arguments[3]);
    shared = shared_memory(sizeof *shared);
    pid_t process = must("fork", fork());
    if (process == 0) traced();
    int status;
    must("waitpid", waitpid(process, &status, 0));
    int steps = step_through(process, MOST_STEPS, -1);
    for (int step = 0; step < steps; step += stride) step_through(process, step, -1);
    srand(1);
    for (int pair = 0; pair < pairs; pair++) {
        int first = rand() % steps;
        step_through(process, first, first + (pair % 2 ? rand() % 4 : rand() % steps));
    }
    shared->over = 1;
    must("ptrace", ptrace(PTRACE_CONT, process, 0, 0));
    must("waitpid", waitpid(process, &status, 0));
    if (!WIFEXITED(status) || WEXITSTATUS(status)) return 97;
    return done();
}

// The course of a call: the places that it comes by, and going to one of them in a later round of the same call. That is
// done by a breakpoint of the processor, if it has one to give: step by step each round would take as long as the call is.
#include "stepping.h"

// Of a place that a call comes by more often (in a copy, or a wait) only the first times count.
enum { VISITS = 8, MOST_VISITS = 1 << 16, MOST_PLACES = 1 << 15, PACE_OF_STEPS = 8 };

// The visits to places in the order in which they were learned, each the `number`th to its place in a call.
static struct visit {
    long place;
    int number;
} visits[MOST_VISITS];
static int visit_count;
static int breakpoints;   // whether there are any
static int longest_step;  // the visit behind which the first call that was learned waited longest

// How often the calls that were learned came by a place, by its hash; no place is 0.
static struct {
    long place;
    int now, most;
} known[MOST_PLACES];

// Whether the thread stops at a place, or at none if that is 0.
static int set_breakpoint(pid_t thread, long at) {
#if defined(__x86_64__)
    return ptrace(PTRACE_POKEUSER, thread, offsetof(struct user, u_debugreg[7]), 0L) == 0 &&
           (!at || (ptrace(PTRACE_POKEUSER, thread, offsetof(struct user, u_debugreg[0]), at) == 0 &&
                    ptrace(PTRACE_POKEUSER, thread, offsetof(struct user, u_debugreg[7]), 1L) == 0));
#else
    (void)thread, (void)at;
    return 0;
#endif
}

// Steps to the end of the call before which the thread stands, for as long as `*inside`. What another call came by, too,
// is learned but once.
UNUSED static void learn(pid_t thread, const volatile int *inside) {
    breakpoints = set_breakpoint(thread, 0);
    long longest = visit_count ? 1L << 30 : -1;
    struct timespec start;
    // An instruction that repeats itself is stopped at in each turn by a step, and once by a breakpoint.
    long last = 0;
    for (int at = 0; at < MOST_PLACES; at++) known[at].now = 0;
    while (*inside) {
        long here = place(thread);
        unsigned at = (unsigned)((unsigned long)here * 0x9e3779b97f4a7c15 >> 40) % MOST_PLACES;
        while (known[at].place && known[at].place != here) at = (at + 1) % MOST_PLACES;
        known[at].place = here;
        if (here != last && ++known[at].now > known[at].most && known[at].most < VISITS)
            visits[visit_count++] = (struct visit){here, ++known[at].most};
        if (visit_count == MOST_VISITS) exit(93);
        last = here;
        clock_gettime(CLOCK_MONOTONIC, &start);
        go_on(thread, PTRACE_SINGLESTEP, 0);
        if (since(&start) <= longest) continue;
        longest = since(&start);
        longest_step = visit_count - 1;
    }
}

// Goes on from before a call, which lasts for as long as `*inside`, to a visit.
//
// Returns whether the call came there. If not, the thread stands where it traps next behind the call.
UNUSED static int go_to(pid_t thread, const volatile int *inside, int visit) {
    long wanted = visits[visit].place, first = place(thread), last = first;
    int left = visits[visit].number - (first == wanted);
    // A breakpoint stops it where it stands, too.
    if (left && first == wanted) go_on(thread, PTRACE_SINGLESTEP, 0), last = place(thread);
    int breaks = left && set_breakpoint(thread, wanted);
    while (left > 0) {
        int goes = breaks || !*inside;
        go_on(thread, goes ? PTRACE_CONT : PTRACE_SINGLESTEP, 0);
        if (place(thread) != wanted && goes) break;
        if (place(thread) == wanted && *inside && (breaks || last != wanted)) left--;
        last = place(thread);
        if (*inside || !breaks) continue;
        // Another call comes by there, behind this one.
        breaks = !set_breakpoint(thread, 0);
    }
    if (breaks) set_breakpoint(thread, 0);
    return left == 0;
}

// How many visits to go on by: more where there are no breakpoints, to be done in a time of the same order.
UNUSED static int pace(int stride) { return breakpoints ? stride : stride * PACE_OF_STEPS; }

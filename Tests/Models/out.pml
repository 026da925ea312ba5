/*
 * The `out` direction: programs send, the backend (service) consumes; filler, IDLE, the doorbell, a connect under
 * way. docs/PROTOCOL.md 2.2 and 3.3. The conventions are those of in.pml.
 *
 * Parameters (-D): N bytes a program, RS ring size, A, B and C what the programs do (C is never killed), USE_X for
 * each kind X among these, LARGEST the largest send, WHOLE each send is of all that is left, CONNECT the socket
 * starts unconnected and the first program to come connects it, POLL_BEFORE_CONNECT program 2 polls before that,
 * KILLS how many kills of A and B, at any step.
 */
#ifndef N
#define N 3
#endif
#ifndef RS
#define RS 2
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef LARGEST
#define LARGEST 3
#endif

/* The out producer word: prod and IDLE. */
byte prod; bool idle;
/* The out consumer word: cons, FULL, FPEND, OWE, CONNECTED. */
byte cons; bool full_, fpend, owe;
#ifdef CONNECT
bool connected;
#else
bool connected = 1;
#endif
/* The status line: the send lock. */
byte lock;
/* The placeholder: fillers unread by the service, and each program's unseen OUT edge. */
byte fillers; bool edge[3] = 1;
/* The arena: pending bit, summary bit, sleeping; the service's eventfd has an unseen edge. */
bool pending, summary, sleeping, signalled;
/* The command ring: CONNECT was issued, and the service saw it. */
bool requested, connecting;
bool dead[3], ended[3];

/* Ghosts: FPEND set and the filler not sent; FULL or OWE cleared and the filler not received. */
byte unsent, draining;

#define WRITABLE (fillers == 0)
#define FREE     (RS - (prod - cons))
#define HALF_FREE (FREE >= (RS + 1) / 2)
#define UNSEEN_DEATH ((dead[0] && !ended[0]) || (dead[1] && !ended[1]))

/* Fillers are exact, and a socket that is kept from polling writable has work for the service. */
inline check() {
    assert(UNSEEN_DEATH || fillers + unsent == full_ + fpend + owe + draining);
    assert(full_ + fpend + owe <= 1);
    assert(!full_ || !HALF_FREE || !connected || UNSEEN_DEATH)
}

/* ---- The service ------------------------------------------------------------------------------------------- */

inline receive_filler() {
    assert(fillers > 0);        /* one that does not come would block the service, or be missed later */
    atomic {
        fillers--;
        draining--;
        if :: fillers == 0 -> edge[0] = 1; edge[1] = 1; edge[2] = 1 :: else -> skip fi;
        check()
    }
#ifdef WRONG_DRAIN_ALL
    ;
    do
    :: atomic { fillers > 0 -> fillers-- }
    :: fillers == 0 -> edge[0] = 1; edge[1] = 1; edge[2] = 1; break
    od
#endif
}

/* Part of a compare-and-swap on the out consumer word. */
inline release_writers() {
    drain = 0;
    if
    :: full_ -> full_ = 0; drain = 1; draining++
    :: fpend -> fpend = 0;
#ifndef WITHOUT_OWE
        owe = 1
#endif
    :: else -> skip
    fi
}

inline consume() {
    more = 0;
    do
    :: prod != cons -> more = 1; break      /* the real socket takes no more for now */
    :: prod != cons ->
        if :: n = 1 :: n = prod - cons fi;
        atomic {
            cons = cons + n;
            drain = 0;
            if :: HALF_FREE -> release_writers() :: else -> skip fi;
            check()
        };
        if :: drain -> receive_filler() :: else -> skip fi
#ifdef WRONG_IDLE_BLIND
    :: prod == cons -> idle = 1; break
#else
    :: atomic { prod == cons -> idle = 1 }; break
#endif
    od;
    atomic { n = 0; drain = 0 }
}

/* OWE is taken away first, then the filler is received: a writer may have turned it into FULL. */
inline pay() {
#ifdef WRONG_PAY_FIRST
    atomic { fillers--; if :: fillers == 0 -> edge[0] = 1; edge[1] = 1; edge[2] = 1 :: else -> skip fi };
    owe = 0
#else
    drain = 0;
    atomic { if :: owe -> owe = 0; drain = 1; draining++ :: else -> skip fi };
    if :: drain -> receive_filler() :: else -> skip fi;
    drain = 0
#endif
}

inline decide() {
    atomic { connecting = 0; connected = 1; release_writers(); check() };
    if :: drain -> receive_filler() :: else -> skip fi;
    drain = 0
}

/* The end of a session whose program held the send lock. Nobody else sends fillers meanwhile. */
inline break_lock(i) {
    if
    :: lock == i + 1 ->
        if :: requested && !connecting && !connected -> connecting = 1 :: else -> skip fi;
#ifdef WRONG_REFILL
        skip;                               /* the next holder sends a filler and makes FPEND FULL */
#else
#ifndef WITHOUT_FILLER_CLEANING
        if
        :: fpend || owe ->
            do
            :: atomic { fillers > 0 -> fillers-- }
            :: fillers == 0 -> break
            od;
            atomic { fpend = 0; owe = 0; unsent = 0; edge[0] = 1; edge[1] = 1; edge[2] = 1 }
#ifndef WITHOUT_DRAIN_AT_BREAK
        :: !fpend && !owe && full_ && HALF_FREE && !connecting ->
            atomic { full_ = 0; draining++ };
            receive_filler()
#endif
        :: else -> skip
        fi;
#endif
#endif
        lock = 0;
        ended[i] = 1;
        assert(connected || !connecting || fillers > 0);   /* never writable while connecting */
        atomic { check() };
#ifndef WITHOUT_LOOK_AFTER_BREAK
        more = 1
#endif
    :: else -> ended[i] = 1; atomic { check() }
    fi
}

#if KILLS > 0
#define SESSION_END UNSEEN_DEATH
#else
#define SESSION_END false
#endif
#define COMMAND (requested && !connecting && !connected)
#define EVENT (signalled || (owe && fillers > 0) || SESSION_END || COMMAND || connecting || more)

proctype Service() {
    byte n; bool drain, looked;
    bool more = 1;              /* owes a look at `out`; the first, since IDLE starts clear */
    do
    :: sleeping = 1;
#ifdef WITHOUT_SECOND_LOOK
        looked = 0;
#else
        looked = summary;
#endif
        if
        :: looked -> skip
        :: !looked ->
end:        EVENT;                                          /* epoll_wait */
            signalled = 0
        fi;
        sleeping = 0;
        atomic { looked = summary; summary = 0 };
        if
        :: looked ->
            atomic { looked = pending; pending = 0 };
            if :: looked -> more = 1 :: else -> skip fi
        :: else -> skip
        fi;
        if :: more -> consume() :: else -> skip fi;
        if :: owe && fillers > 0 -> pay() :: else -> skip fi;
        if :: COMMAND -> if :: connecting = 1 :: decide() fi :: connecting -> decide() :: else -> skip fi;
#if KILLS > 0
        if :: dead[0] && !ended[0] -> break_lock(0) :: else -> skip fi;
        if :: dead[1] && !ended[1] -> break_lock(1) :: else -> skip fi;
#endif
        looked = 0
    od
}

/* ---- The programs ------------------------------------------------------------------------------------------ */

inline acquire(me) {
    atomic { lock == 0 -> lock = me + 1 };
#ifdef WRONG_REFILL
    if
    :: fpend && ended[0] ->
        fillers++;
        atomic { if :: fpend -> fpend = 0; full_ = 1; unsent = 0 :: else -> skip fi }
    :: else -> skip
    fi
#endif
}

inline release() { lock = 0 }

inline doorbell() {
#ifdef WRONG_SUMMARY_FIRST
    summary = 1;
    pending = 1;
#else
    pending = 1;
    summary = 1;
#endif
    if
    :: sleeping ->
        atomic { ring = sleeping; sleeping = 0 };
        if :: ring -> signalled = 1 :: else -> skip fi
    :: else -> skip
    fi;
    ring = 0
}

/* One attempt to make the placeholder unwritable, with the consumer word as it was read: v, or connecting. */
inline fill(unmoved) {
    if
    :: atomic { unmoved && owe -> owe = 0; full_ = 1; check() }
#ifdef WRONG_FULL_FIRST
    :: atomic { unmoved && !full_ && !fpend && !owe -> full_ = 1; unsent = 1 };
        atomic { fillers++; unsent = 0 }
#else
    :: atomic { unmoved && !full_ && !fpend && !owe -> fpend = 1; unsent = 1; check() };
        atomic { fillers++; unsent = 0; assert(fillers <= 2) };
        if
        :: atomic { fpend -> fpend = 0; full_ = 1; check() }
        :: !fpend -> skip                   /* drained in between: the service owes this one */
        fi
#endif
    :: !(unmoved) || full_ -> skip
    fi
}

/* Ends with got bytes published; got < want only if the placeholder was made unwritable. */
inline send(me, want, nonblocking) {
    atomic { got = 0; leave = 0 };
    acquire(me);
    do
    :: leave -> break
    :: !leave && got == want -> leave = 1
    :: !leave && got < want ->
        v = cons;
        if
        :: RS - (prod - v) > 0 ->
            n = RS - (prod - v);
            if :: n > want - got -> n = want - got :: else -> skip fi;
            atomic { prod = prod + n; got = got + n; mine = mine + n; ring = idle; idle = 0; n = 0 };
#ifdef WRONG_RING_UNLOCKED
            if :: ring -> release(); doorbell(); acquire(me) :: else -> skip fi
#else
            if :: ring -> doorbell() :: else -> skip fi
#endif
        :: RS - (prod - v) == 0 ->
            if
            :: full_ && nonblocking -> leave = 1
            :: full_ && !nonblocking -> release(); WRITABLE; acquire(me)
            :: !full_ -> fill(cons == v)
            fi
        fi
    od;
    v = 0;
    release()
}

/* The first to come connects. The filler stands before CONNECT is issued. */
inline connect(me) {
#ifdef POLL_BEFORE_CONNECT
    if :: me == 2 -> WRITABLE :: else -> skip fi;
#endif
    acquire(me);
    if
    :: !connected && !requested ->
#ifdef WRONG_FILL_AFTER_CONNECT
        requested = 1;
        (connecting || connected);
        if :: !connected -> fill(!connected) :: else -> skip fi;
#else
        do :: full_ -> break :: else -> fill(!connected) od;
        requested = 1;
#endif
    :: else -> skip
    fi;
    release();
    WRITABLE;
    assert(connected)
}

#ifdef CONNECT
#define BEGIN(me) connect(me)
#else
#define BEGIN(me) skip
#endif

#ifdef WHOLE
inline choose() { want = N - mine }
#else
inline choose() {
    want = N - mine;
    if :: want > 1 -> want = 1 :: want > LARGEST -> want = LARGEST :: want <= LARGEST -> skip fi
}
#endif

#define LOCALS byte got, n, want, v, mine; bool ring, leave

#ifdef USE_Level
proctype Level(byte me) {
    LOCALS;
    {
        BEGIN(me);
        do :: mine < N -> WRITABLE; choose(); send(me, want, 1) :: mine >= N -> break od
    } unless { dead[me] }
}
#endif

#ifdef USE_Edge
proctype Edge(byte me) {
    LOCALS;
    {
        BEGIN(me);
        do
        :: mine < N ->
            atomic { edge[me] -> edge[me] = 0 };
            do
            :: mine < N -> choose(); send(me, want, 1); if :: got == want -> skip :: else -> break fi
            :: mine >= N -> break
            od
        :: mine >= N -> break
        od
    } unless { dead[me] }
}
#endif

#ifdef USE_Block
proctype Block(byte me) {
    LOCALS;
    {
        BEGIN(me);
        do :: mine < N -> choose(); send(me, want, 0) :: mine >= N -> break od
    } unless { dead[me] }
}
#endif

#if KILLS > 0
proctype Killer() {
    byte i;
    do
    :: i < KILLS -> i++;
        if
        :: atomic { !dead[0] -> dead[0] = 1 }
#ifdef B
        :: atomic { !dead[1] -> dead[1] = 1 }
#endif
        :: skip
        fi
    :: else -> break
    od
}
#endif

init {
    atomic {
        run Service();
        run A(0);
#ifdef B
        run B(1);
#endif
#ifdef C
        run C(2);
#endif
#if KILLS > 0
        run Killer()
#endif
    };
    /* All programs have ended, all bytes were taken, and the descriptor polls writable. */
    (_nr_pr == 2 && prod == cons && fillers == 0 && !full_ && !fpend && !owe)
}

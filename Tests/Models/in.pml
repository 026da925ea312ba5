/*
 * The `in` direction: the backend (service) publishes, programs receive. docs/PROTOCOL.md 2.1, 2.2 and 3.3.
 *
 * One statement here is one access to shared memory or one system call. An `atomic` that tests and changes a
 * word is a successful compare-and-swap; that its loop retries is the surrounding `do`. Memory is sequentially
 * consistent. Data is counted, not stored.
 *
 * Parameters (-D): N bytes in all, RS ring size, MAX the largest TOKENS, A, B and C what the programs do (C is
 * never killed), USE_X for each kind X among these, ONE_SIZE every receive has this size, MARKED the socket starts
 * edge-triggered, GATED the service publishes only after the last edge was taken, KILLS how many kills of A and B,
 * at any step. Programs share the placeholder. Macros that start with WITHOUT_ or WRONG_ are ablations: each must
 * make the verification fail.
 */
#ifndef N
#define N 4
#endif
#ifndef RS
#define RS 2
#endif
#ifndef MAX
#define MAX 3
#endif
#ifndef KILLS
#define KILLS 0
#endif

/* The in producer word: prod, TOKENS, EOF and UNSETTLED. */
byte prod, tokens; bool eof, unsettled;
/* The in consumer word: cons and STALL. */
byte cons; bool stall;
/* The status line: the receive lock (0 free, else program + 1) and the edge-triggered flag. */
byte lock; bool marked;
/* The placeholder: bytes unread, shut down for writing, and each program's unseen edge of its own epoll. */
byte pair; bool shut; bool edge[3];
/* The doorbell, here one reliable bit; out.pml has the real one. */
bool bell;
/* Processes: killed, and session end seen by the service. */
bool dead[3], ended[3];
byte edges_taken;

/* Ghosts, for the assertions only: a token published but not sent, tokens cleared but not yet received. */
byte in_flight, eating;

#define READABLE  (pair > 0 || shut)
#define NONEMPTY  (prod != cons)
#define UNSEEN_DEATH ((dead[0] && !ended[0]) || (dead[1] && !ended[1]))

#ifdef WRONG_SETTLE_UNFROZEN
#define RETOKEN_OWED (unsettled || bell)
#else
#define RETOKEN_OWED false
#endif

/* Data implies a byte in the placeholder, or one that the service is about to send. And TOKENS is exact, except
 * between a death and the next holder's settling. */
inline check() {
    assert(!NONEMPTY || eof || pair + in_flight > 0 || UNSEEN_DEATH || RETOKEN_OWED);
    assert(unsettled || UNSEEN_DEATH || pair + in_flight == tokens + eating)
}

/* ---- The service ------------------------------------------------------------------------------------------- */

inline send_byte() {
    atomic { pair++; in_flight = 0; edge[0] = 1; edge[1] = 1; edge[2] = 1; assert(pair <= 2 * MAX + KILLS + 1) }
}

#ifdef WRONG_SETTLE_UNFROZEN
#define FROZEN 0
#else
#define FROZEN unsettled
#endif

inline shut_down() {
    atomic { shut = 1; edge[0] = 1; edge[1] = 1; edge[2] = 1 }
}

inline publish(m) {
    counted = marked;
#ifdef WITHOUT_COUNT
    counted = 0;
#endif
#ifdef WRONG_BYTE_FIRST
    sending = (tokens == 0);
    if :: sending -> in_flight = 0; send_byte() :: else -> skip fi;
    atomic { prod = prod + m; if :: sending -> tokens = 1 :: else -> skip fi; sending = 0 };
#else
    atomic {
        prod = prod + m;
        if
        :: FROZEN -> sending = 0            /* UNSETTLED: a byte stands in the placeholder, nobody receives it */
        :: !FROZEN && tokens == 0 -> tokens = 1; sending = 1
        :: !FROZEN && tokens > 0 && counted && tokens < MAX -> tokens++; sending = 1
        :: else -> sending = 0
        fi;
        in_flight = sending;
        check()
    };
#ifdef WRONG_SEND_AT_MAXIMUM
    sending = sending || counted;
#endif
    if :: sending -> send_byte() :: else -> skip fi;
#endif
    sending = 0
}

/* The end of a session whose program held the lock. The order matters: UNSETTLED, the byte, the lock. */
inline break_lock(i) {
    if
    :: lock == i + 1 ->
#ifdef WRONG_SETTLE_UNFROZEN
        atomic { unsettled = 1; eating = 0 };
        lock = 9;                           /* broken: the next holder drains, zeroes, rings */
#else
#ifdef WRONG_UNLOCK_FIRST
        atomic { eating = 0; lock = 0 };
        unsettled = 1;
#else
        atomic { unsettled = 1; eating = 0 };
#endif
#ifndef WITHOUT_NUDGE
        if :: !shut -> send_byte() :: else -> skip fi;
#endif
#ifndef WRONG_UNLOCK_FIRST
        lock = 0;
#endif
#endif
#ifndef WITHOUT_LOOK_AFTER_BREAK
        stalled = 0;
#endif
        if :: eof && !shut -> shut_down() :: else -> skip fi
    :: else -> skip
    fi;
    ended[i] = 1
}

#ifdef GATED
#define GATE (edges_taken == prod)
#else
#define GATE true
#endif

proctype Service() {
    byte m; bool sending, counted, stalled;
end:
    do
    :: prod < N && !stalled && prod - cons < RS && GATE ->
        m = 1;
        if
        :: skip
#ifndef GATED
        :: RS - (prod - cons) >= 2 && prod + 2 <= N -> m = 2
#endif
        fi;
        publish(m)
    :: prod < N && !stalled && prod - cons >= RS ->
#ifdef WRONG_STALL_BLIND
        stall = 1; stalled = 1
#else
        if
        :: atomic { prod - cons >= RS -> stall = 1; stalled = 1 }
        :: prod - cons < RS -> skip
        fi
#endif
    :: prod == N && !eof ->
#ifdef WRONG_EOF_WITHOUT_TOKEN
        eof = 1;
#else
        atomic {
            eof = 1;
            sending = 0;
            if :: tokens == 0 && !FROZEN -> tokens = 1; sending = 1; in_flight = 1 :: else -> skip fi
        };
        if :: sending -> send_byte() :: else -> skip fi;
#endif
        if :: marked -> shut_down() :: else -> skip fi
#ifndef WRONG_SETTLE_UNFROZEN
    :: bell ->
        bell = 0;
        stalled = 0;
#ifndef WITHOUT_LATE_END
        if :: eof && !shut && marked -> shut_down() :: else -> skip fi
#else
        skip
#endif
#else
    :: bell ->
        atomic {
            bell = 0;
            stalled = 0;
            sending = 0;
            if :: NONEMPTY && tokens == 0 && !eof -> tokens = 1; sending = 1; in_flight = 1 :: else -> skip fi
        };
        if :: sending -> send_byte() :: else -> skip fi;
        sending = 0
#endif
#if KILLS > 0
    :: dead[0] && !ended[0] -> break_lock(0)
    :: dead[1] && !ended[1] -> break_lock(1)
#endif
    od
}

/* ---- The programs ------------------------------------------------------------------------------------------ */

/* The holder makes TOKENS equal to the bytes in the placeholder. Nobody sends or receives one meanwhile. */
inline settle() {
#ifndef WRONG_SETTLE_UNFROZEN
    if
    :: unsettled ->
        b = pair;                                             /* FIONREAD */
        do :: b > MAX -> atomic { pair--; b-- } :: else -> break od;
#ifdef WRONG_SETTLE_TO_ZERO
        do :: b > 0 -> atomic { pair--; b-- } :: else -> break od;
#endif
        atomic { unsettled = 0; tokens = b; b = 0; check() }  /* retried while prod moves */
    :: else -> skip
    fi
#else
    if
    :: broken ->
        b = prod;
        do
        :: atomic { pair > 0 -> pair-- }
        :: atomic { pair == 0 && prod == b -> tokens = 0 }; break
        :: pair == 0 && prod != b -> b = prod
        od;
        if :: NONEMPTY -> bell = 1 :: else -> skip fi;
        atomic { unsettled = 0; broken = 0; b = 0; check() }
    :: else -> skip
    fi
#endif
}

inline acquire(me) {
#ifdef WRONG_SETTLE_UNFROZEN
    atomic { lock == 0 || lock == 9 -> broken = (lock == 9); lock = me + 1 };
#else
    atomic { lock == 0 -> lock = me + 1 };
#endif
    settle()
}

inline release() { lock = 0 }

/* What receive() ends with. */
#define BUSY  0
#define DONE  1     /* the whole buffer */
#define SHORT 2     /* less, and the ring was empty with no token standing */
#define AGAIN 3     /* nothing, likewise */
#define ENDED 4     /* end of file */

inline consume(want) {
    n = prod - cons;
    if :: n > want - got -> n = want - got :: else -> skip fi;
    ring = 0;
    atomic {
        cons = cons + n;
        got = got + n;
        if :: stall && RS - (prod - cons) >= (RS + 1) / 2 -> stall = 0; ring = 1 :: else -> skip fi
    };
    if :: ring -> bell = 1 :: else -> skip fi;
    atomic { ring = 0; n = 0 }
}

inline eat() {
#ifdef WRONG_EAT_ONE
    if :: k > 1 -> k = 1 :: else -> skip fi;
#endif
    do
    :: k > 0 -> atomic { pair > 0 -> pair--; k--; eating--; check() }
    :: k == 0 -> break
    od
}

inline receive(me, want, nonblocking) {
    atomic { got = 0; rc = BUSY };
    acquire(me);
    do
    :: rc != BUSY -> break
    :: rc == BUSY && NONEMPTY && got < want -> consume(want)
    :: rc == BUSY && NONEMPTY && got == want -> rc = DONE
#ifdef WITHOUT_DISARM_ON_SHORT
    :: rc == BUSY && !NONEMPTY && got > 0 -> atomic { check(); assert(eof || tokens == 0); rc = SHORT }
#endif
#ifdef WRONG_CLEAR_BLIND
    :: rc == BUSY && !NONEMPTY && tokens > 0 && !eof -> atomic { k = tokens; tokens = 0; eating = k; check() }; eat()
#else
    :: atomic { rc == BUSY && !NONEMPTY && tokens > 0 && !eof -> k = tokens; tokens = 0; eating = k; check() }; eat()
#endif
    :: atomic {
        rc == BUSY && !NONEMPTY && (tokens == 0 || eof) ->
        if
        :: got == want -> rc = DONE
        :: got < want && got > 0 -> rc = SHORT
        :: got == 0 && eof -> rc = ENDED
        :: got == 0 && !eof && nonblocking -> rc = AGAIN
        :: got == 0 && !eof && !nonblocking -> skip
        fi };
        if
        :: rc == BUSY -> release(); READABLE; acquire(me)
        :: else -> skip
        fi
    od;
    release()
}

#ifdef ONE_SIZE
inline choose() { want = ONE_SIZE }
#else
inline choose() { if :: want = 1 :: want = 2 :: want = 3 fi }
#endif

#define LOCALS byte got, n, rc, want, k, b; bool ring, rdhup, broken

#ifdef USE_Level
/* Level-triggered, non-blocking. */
proctype Level(byte me) {
    LOCALS;
    {
        do :: READABLE -> choose(); receive(me, want, 1); if :: rc == ENDED -> break :: else -> skip fi od
    } unless { dead[me] }
}
#endif

#ifdef USE_Edge
/* Edge-triggered: reads until a short count or EAGAIN for each edge; a short count counts unless RDHUP was seen. */
proctype Edge(byte me) {
    LOCALS;
    {
        marked = 1;
        if :: eof -> bell = 1; (shut) :: else -> skip fi;                       /* END-WANTED, and a look for EOF */
        atomic { if :: READABLE -> edge[me] = 1 :: else -> edge[me] = 0 fi };  /* EPOLL_CTL_ADD */
        do
        :: atomic { edge[me] -> edge[me] = 0; rdhup = shut };
            do
            :: choose(); receive(me, want, 1);
                if :: rc == DONE || (rc == SHORT && rdhup) -> skip :: else -> break fi
            od;
            if :: rc == ENDED -> break :: else -> skip fi
        od
    } unless { dead[me] }
}
#endif

#ifdef USE_Block
/* Blocking, without poll. */
proctype Block(byte me) {
    LOCALS;
    {
        do :: choose(); receive(me, want, 0); if :: rc == ENDED -> break :: else -> skip fi od
    } unless { dead[me] }
}
#endif

#ifdef USE_PollExact
/* Blocking, and polls first or not: what poll promises must be there. Only as the only reader. */
proctype PollExact(byte me) {
    LOCALS;
    do
    :: choose(); receive(me, want, 0); if :: rc == ENDED -> break :: else -> skip fi
    :: READABLE -> assert(NONEMPTY || eof); choose(); receive(me, want, 1); assert(rc != AGAIN);
        if :: rc == ENDED -> break :: else -> skip fi
    od
}
#endif

#ifdef USE_ThreeEdges
/* Edge-triggered, and takes every arrival's edge before it reads anything. */
proctype ThreeEdges(byte me) {
    LOCALS;
    do
    :: edges_taken < N -> atomic { edge[me] -> edge[me] = 0; edges_taken++ }
    :: edges_taken == N -> break
    od;
    do :: choose(); receive(me, want, 0); if :: rc == ENDED -> break :: else -> skip fi od
}
#endif

#ifdef USE_LevelThenEdge
/* Goes from level- to edge-triggered in the middle. */
proctype LevelThenEdge(byte me) {
    LOCALS;
    READABLE; choose(); receive(me, want, 1);
    if :: rc == ENDED -> skip :: else -> run Edge(me) fi
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

/* C is program 2 and is never killed. */
init {
#ifdef MARKED
    marked = 1;
#endif
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
    /* All programs have ended: blocked here, or in a program, for ever is an invalid end state, a lost wake-up. */
    (_nr_pr == 2 && prod == N && eof);
    assert(cons == N)
}

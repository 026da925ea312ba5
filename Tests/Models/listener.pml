/*
 * A listener: its tokens, ACCEPT and several acceptors. docs/PROTOCOL.md 2.2, 2.3 and 3.3. The conventions are
 * those of in.pml.
 *
 * Parameters (-D): N connections, A, B and C what the programs do (C is never killed), USE_X for each kind X among
 * these, NETWORK Network or SlowNetwork, MARKED the listener is edge-triggered, KILLS how many kills of A and B, at
 * any step.
 */
#ifndef N
#define N 3
#endif
#ifndef KILLS
#define KILLS 0
#endif

/* The real listener: connections that wait, and the service's unseen edge of its own epoll. */
byte waiting, came; bool event;
/* The in producer word: arrivals (in_prod), TOKENS, UNSETTLED. The receive lock. */
byte arrivals, tokens; bool unsettled; byte lock;
/* The placeholder. */
byte pair; bool edge[3];
/* The command ring: each program's ACCEPT (0 none, 1 asked, 2 answered) and its answer. */
byte request[3]; bool got[3], empty_[3]; byte seen[3];
bool dead[3], ended[3];
byte accepted;
/* Ghosts; publishing: the service took the event and has not looked or not published yet. */
byte in_flight, eats[3]; bool publishing;
/* Edges that EdgePerArrival took; SlowNetwork waits for them. */
byte gate;

#define READABLE (pair > 0)
#define UNSEEN_DEATH ((dead[0] && !ended[0]) || (dead[1] && !ended[1]))

/* A waiting connection has a token, or the service has its event or is publishing it. And TOKENS is exact. */
inline check() {
    assert(waiting == 0 || pair + in_flight > 0 || event || publishing || UNSEEN_DEATH);
    assert(unsettled || UNSEEN_DEATH || pair + in_flight == tokens + eats[0] + eats[1] + eats[2])
}

proctype Network() {
    do
    :: came < N -> atomic { came++; waiting++; event = 1 }
    :: came == N -> break
    od
}

inline send_byte() { atomic { pair++; in_flight = 0; edge[0] = 1; edge[1] = 1; edge[2] = 1 } }

inline publish() {
    atomic { event = 0; publishing = 1 };
#ifdef WRONG_PUBLISH_UNLOOKED
    readable = 1;
#else
    readable = (waiting > 0);
#endif
    if
    :: readable ->
        atomic {
            arrivals++;
            if
            :: unsettled -> sending = 0
            :: !unsettled && tokens == 0 -> tokens = 1; sending = 1
#ifdef MARKED
            :: !unsettled && tokens > 0 -> tokens++; sending = 1
#else
            :: !unsettled && tokens > 0 -> sending = 0
#endif
            fi;
            in_flight = sending;
            publishing = 0;
            check()
        };
        if :: sending -> send_byte() :: else -> skip fi
    :: else -> atomic { publishing = 0; check() }
    fi;
    atomic { sending = 0; readable = 0 }
}

inline answer(i) {
#ifndef WRONG_SNAPSHOT_LATE
    seen[i] = arrivals;
#endif
    atomic {
        got[i] = (waiting > 0);
        if :: waiting > 0 -> waiting--; accepted++ :: else -> skip fi
    };
    empty_[i] = (waiting == 0);
#ifdef WRONG_SNAPSHOT_LATE
    if :: event -> publish() :: else -> skip fi;
    seen[i] = arrivals;
#endif
    request[i] = 2
}

inline break_lock(i) {
    if
    :: lock == i + 1 ->
        atomic { unsettled = 1; eats[i] = 0 };
        send_byte();
        lock = 0
    :: else -> assert(eats[i] == 0)       /* or its bytes would stay for ever */
    fi;
    ended[i] = 1;
    atomic { check() }
}

proctype Service() {
    bool readable, sending;
end:
    do
    :: event -> publish()
    :: request[0] == 1 -> answer(0)
    :: request[1] == 1 -> answer(1)
    :: request[2] == 1 -> answer(2)
#if KILLS > 0
    :: dead[0] && !ended[0] -> break_lock(0)
    :: dead[1] && !ended[1] -> break_lock(1)
#endif
    od
}

inline settle() {
    if
    :: unsettled ->
        b = pair;
        atomic { unsettled = 0; tokens = b; b = 0; check() }
    :: else -> skip
    fi
}

/* Non-blocking accept. The lock is held from the clearing to the last byte, or a death between would leave a byte. */
inline accept(me) {
    request[me] = 1;
    request[me] == 2;
    atomic { mine = got[me]; request[me] = 0 };
    if
    :: empty_[me] && (tokens > 0 || unsettled) ->
#ifndef WITHOUT_LOCK
        atomic { lock == 0 -> lock = me + 1 };
        settle();
#endif
        if
#ifdef WRONG_CLEAR_BLIND
        :: atomic { tokens > 0 -> k = tokens; tokens = 0; eats[me] = k; check() }
#else
        :: atomic { tokens > 0 && arrivals == seen[me] -> k = tokens; tokens = 0; eats[me] = k; check() }
        :: arrivals != seen[me] -> skip
#endif
        :: tokens == 0 -> skip
        fi;
        do
        :: k > 0 -> atomic { pair > 0 -> pair--; k--; eats[me]--; check() }
        :: k == 0 -> break
        od;
#ifndef WITHOUT_LOCK
        lock = 0
#endif
    :: else -> skip
    fi
}

#define LOCALS byte k, b; bool mine

#ifdef USE_Level
proctype Level(byte me) {
    LOCALS;
    {
end:    do :: READABLE -> accept(me) od
    } unless { dead[me] }
}
#endif

#ifdef USE_Edge
proctype Edge(byte me) {
    LOCALS;
    {
end:    do
        :: atomic { edge[me] -> edge[me] = 0 };
            do :: accept(me); if :: mine -> skip :: else -> break fi od
        od
    } unless { dead[me] }
}
#endif

#ifdef USE_Block
/* Tries first, then polls: a blocking accept. */
proctype Block(byte me) {
    LOCALS;
    {
        do
        :: accept(me);
            if
            :: !mine ->
end:            READABLE
            :: else -> skip
            fi
        od
    } unless { dead[me] }
}
#endif

#ifdef USE_PollExact
/* The only acceptor: a poll that says readable promises a connection. */
proctype PollExact(byte me) {
    LOCALS;
end:
    do
    :: READABLE -> accept(me); assert(mine)
    od
}
#endif

#ifdef USE_EdgePerArrival
/* Takes every arrival's edge before it accepts anything. */
proctype EdgePerArrival(byte me) {
    LOCALS;
    byte edges;
    do
    :: edges < N -> atomic { edge[me] -> edge[me] = 0; edges++; gate = edges }
    :: edges == N -> break
    od;
    do :: accept(me); if :: mine -> skip :: else -> break fi od
}
#endif

#ifdef USE_EdgePerArrival
proctype SlowNetwork() {
    do
    :: came < N -> gate == came; atomic { came++; waiting++; event = 1 }
    :: came == N -> break
    od
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

#ifndef NETWORK
#define NETWORK Network
#endif

init {
    atomic {
        run Service();
        run NETWORK();
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
    /* Blocked here for ever while all programs sleep is a lost wake-up, or a token that nobody will take. */
    (accepted == N && waiting == 0);
#if KILLS == 0
    (pair == 0 && tokens == 0)
#endif
}

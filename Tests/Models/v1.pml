/* Readiness beside a data ring without flags (docs/PROTOCOL.md 3.5). The indexes and the readiness words are apart, so
 * each side changes the one and then looks at the other. Every step is sequentially consistent.
 *
 * IN: tokens. OUT: fillers. A reader or writer is Level (poll, then non-blocking until EAGAIN) or Block (waits inside
 * the call); POLL_EXACT demands that poll does not promise a blocking receive what is not there. */
#ifndef N
#define N 4
#endif
#ifndef RS
#define RS 2
#endif

byte prod, cons;
bool rung;              /* the port's pending bit */
byte wire;              /* tokens or fillers in the placeholder */

#ifdef IN
byte tokens;

/* After a publication, and when rung with something to read. */
inline arm() {
    if
    :: d_step { tokens == 0 -> tokens = 1 } ->
#ifndef WITHOUT_TAKING_BACK
        if
        :: prod == cons ->
            if
            :: d_step { tokens == 1 -> tokens = 0 }
            :: else -> wire++       /* a reader has cleared it and waits for its byte */
            fi
        :: else -> wire++
        fi
#else
        wire++
#endif
    :: else
    fi
}

active proctype Service() {
end:
    do
    :: prod < N && prod - cons < RS ->
#ifdef WRONG_ARM_FIRST
        arm();
        prod++
#else
        prod++;
        arm()
#endif
    :: rung ->
        rung = false;
        if
        :: prod != cons -> arm()
        :: else
        fi
    od
}

bool busy;  /* a reader is inside a call */

inline lock() { atomic { !busy -> busy = true } }

/* One call that takes at most `limit` bytes; `got` is what it took. With none it has seen the ring empty and no token. */
inline receive(limit) {
    got = 0;
    do
    :: seen = prod;
        if
        :: seen != cons && got == limit -> break
        :: seen != cons && got < limit ->
            atomic {
                if
                :: cons = cons + 1; got = got + 1
                :: cons = cons + (seen - cons < limit - got -> seen - cons : limit - got); got = limit
                fi
            };
            rung = true
        :: seen == cons ->
#ifdef WITHOUT_DISARM
            break
#else
            standing = tokens;
            if
            :: standing == 0 -> break
            :: else ->
                if
                :: d_step { tokens == standing -> tokens = 0 } ->
                    atomic { wire >= standing -> wire = wire - standing };
#ifndef WITHOUT_SECOND_LOOK
                    if
                    :: prod != cons -> rung = true
                    :: else
                    fi
#endif
                    skip
                :: else
                fi
            fi
#endif
        fi
    od
}

proctype Level() {
    byte got, seen, standing;
    do
    :: cons == N -> break
    :: wire > 0 ->
        lock();
        receive(2);
        busy = false
    od
}

proctype Block() {
    byte got, seen, standing;
    do
    :: cons == N -> break
    :: else ->
        lock();
        receive(1);
        busy = false;
        if
        :: got == 0 -> (wire > 0 || cons == N)
        :: else
        fi
    od
}

/* One program alone: what poll shows after a call that emptied the ring is there. */
proctype PollExact() {
    byte got, seen, standing;
    do
    :: cons == N -> break
    :: wire > 0 ->
        lock();
        receive(1);
        busy = false;
        assert(got > 0)
    od
}
#endif

#ifdef OUT
mtype = { None, Pending, Full, Owed }
mtype word = None;
bool broken;            /* out_error; with BREAK it comes at any time */
byte debt;              /* fillers to receive when they come */

inline drain() {
    if
    :: d_step { word == Full -> word = None } ->
        if
        :: atomic { wire > 0 -> wire-- }
        :: else -> debt++
        fi
    :: d_step { word == Pending ->
#ifdef WITHOUT_OWE
        word = None
#else
        word = Owed
#endif
        }
    :: else
    fi
}

active proctype Service() {
    byte mine;
    bool working;
end:
    do
    :: rung ->
        rung = false;
        working = true;
#ifndef WITHOUT_LOOK
        if
        :: broken || RS - (prod - mine) >= RS / 2 -> drain()
        :: else
        fi
#endif
#ifdef BREAK
    :: !broken -> broken = true; drain()
#endif
    :: !broken && working && prod != mine ->
        mine++;
        cons = mine;
        if
        :: RS - (prod - mine) >= RS / 2 -> drain()
        :: else
        fi
    :: working && (broken || prod == mine) -> working = false
    :: debt > 0 && wire > 0 -> d_step { debt--; wire-- }
    :: debt == 0 && word == Owed && wire > 0 ->
        if
        :: d_step { word == Owed -> word = None } ->
            if
            :: atomic { wire > 0 -> wire-- }
            :: else -> debt++
            fi
        :: else
        fi
    od
}

bool busy;

/* One call that sends one byte; `sent` says whether there was room. */
inline send() {
    sent = false;
    do
    :: broken || prod == N -> break
    :: !broken && prod < N && prod - cons < RS -> prod++; sent = true; rung = true; break
    :: !broken && prod < N && prod - cons == RS ->
        if
        :: word == Full -> skip
        :: d_step { word == Owed -> word = Full }
        :: d_step { word == None -> word = Pending } ->
            wire++;
            if
            :: d_step { word == Pending -> word = Full }
            :: else
            fi
        :: else
        fi;
        if
        :: !broken && prod - cons == RS ->
            if
            :: word == Full -> break
            :: else
            fi
        :: else ->
#ifndef WITHOUT_SECOND_LOOK
            rung = true
#endif
            skip
        fi
    od
}

proctype Level() {
    bool sent;
    do
    :: broken || prod == N -> break
    :: !broken && wire == 0 ->
        atomic { !busy -> busy = true };
        send();
        busy = false
    od
}

proctype Block() {
    bool sent;
    do
    :: broken || prod == N -> break
    :: else ->
        atomic { !busy -> busy = true };
        send();
        busy = false;
        if
        :: !sent -> (wire == 0 || broken || prod == N)
        :: else
        fi
    od
}
#endif

init {
    atomic {
        run A();
#ifdef B
        run B();
#endif
    };
    (_nr_pr == 2);
#ifdef OUT
    /* All was written, or nothing can be; the placeholder is writable in the end. */
    ((broken || cons == N) && !rung && wire == 0)
#endif
}

/*
 * Two workers and two coordinators of one lease, one of which leads: rules R4 and R12. A
 * coordinator counts on its own clock, keeps no times, and treats every owned lease as renewed when
 * it starts to lead (grace). A deposed one does not know it: what it writes must carry its term.
 * A start of the same coordinator is a new term, too.
 *
 * Time, requests and answers as in lease.pml; here any request may also arrive twice. Epochs are
 * bits: the one that somebody knows is the row's, or it is not.
 *
 * Naive: NO_GRACE WALL_CLOCK (a jump ends every wait) NO_TERM RENEW_IN_MEMORY (the write of a
 * renewal is left out, and with it the look at the term).
 * NO_EXPIRY: no wait ever ends (then the work does not).
 * BELIEF_ONLY: leave the other property out.
 * LIVE: restarts and losses may end for good; then somebody must come to believe.
 */
#ifndef HOLD
#define HOLD 2
#endif
#define WAIT HOLD
#define NOBODY 2
#define GONE 3

#define NO 0
#define TAKE 1
#define RENEW 2

byte owner = NOBODY; /* the row */

typedef worker_state {
    bit has;
    byte hold;
    bit current; /* its epoch is the row's */
    byte request;
    bit request_current;
    bit request_dead;
    byte left; /* HOLD, counted from the send (R1) */
    byte answer;
    bit answer_current;
};
worker_state w[2];

typedef coordinator_state {
    bit leads;   /* or believes so */
    bit newest;  /* its term is the one in the leader row */
    byte wait;   /* until an owned lease may be given away */
};
coordinator_state c[2];

bit calm; /* LIVE: no more faults */
bit asked[2];

bit two_believers;
bit old_term_committed;

#define BELIEVES(i) (w[i].has && w[i].hold > 0)
#ifdef NO_TERM
#define MAY_WRITE(k) c[k].leads
#else
#define MAY_WRITE(k) (c[k].leads && c[k].newest) /* R12 */
#endif
#ifdef RENEW_IN_MEMORY
#define MAY_RENEW(k) c[k].leads
#else
#define MAY_RENEW(k) MAY_WRITE(k)
#endif
/* Calm: nobody is late, time goes on when all have done what they can, and a worker asks once a
 * tick. */
#ifdef LIVE
#define FAULTS (!calm)
#define IF_CALM(condition) (!calm || (condition))
#else
#define FAULTS 1
#define IF_CALM(condition) 1
#endif

inline forget_request(i) {
    w[i].request = NO; w[i].request_current = 0; w[i].request_dead = 0
}
inline forget_answer(i) {
    w[i].answer = NO; w[i].answer_current = 0; w[i].left = 0
}
inline stop(i) {
    w[i].has = 0; w[i].hold = 0; w[i].current = 0;
    if
    :: w[i].request == RENEW -> forget_request(i); w[i].left = 0
    :: w[i].answer == RENEW -> forget_answer(i)
    :: else
    fi
}

inline committed(k) {
    old_term_committed = !c[k].newest;
#ifndef BELIEF_ONLY
    assert(!old_term_committed)
#endif
}

/* Coordinator k gives the lease to worker i: a new epoch. */
inline give(k, i) {
    committed(k);
    w[0].current = 0; w[0].request_current = 0; w[0].answer_current = 0;
    w[1].current = 0; w[1].request_current = 0; w[1].answer_current = 0;
    owner = (w[i].request_dead -> GONE : i);
    c[k].wait = WAIT;
    if
    :: !w[i].request_dead -> w[i].answer = TAKE; w[i].answer_current = 1
    :: else -> w[i].left = 0
    fi
}
inline renew(k, i) {
#ifndef RENEW_IN_MEMORY
    committed(k);
#endif
    c[k].wait = WAIT;
    if
    :: !w[i].request_dead -> w[i].answer = RENEW; w[i].answer_current = w[i].request_current
    :: else
    fi
}
#define LEADER (c[0].newest -> 0 : 1)
#define IS_REFUSED(i) (c[LEADER].leads && \
    ((w[i].request == TAKE && !IS_FREE(LEADER)) || \
    (w[i].request == RENEW && !w[i].request_current)))
#define IS_FREE(k) (owner == NOBODY || c[k].wait == 0)

inline believe(i) {
    w[i].has = 1; w[i].hold = w[i].left; w[i].current = w[i].answer_current;
    two_believers = BELIEVES(0) && BELIEVES(1);
    assert(!two_believers)
}

active [2] proctype worker() {
    do
    :: d_step { w[_pid].request == NO && w[_pid].answer == NO && !BELIEVES(_pid) &&
        IF_CALM(!asked[_pid]) -> asked[_pid] = calm; stop(_pid);
        w[_pid].request = TAKE; w[_pid].left = HOLD }
    :: d_step { w[_pid].request == NO && w[_pid].answer == NO && BELIEVES(_pid) &&
        IF_CALM(!asked[_pid]) -> asked[_pid] = calm;
        w[_pid].request = RENEW; w[_pid].request_current = w[_pid].current; w[_pid].left = HOLD }
    :: d_step { w[_pid].answer == TAKE && w[_pid].left > 0 -> believe(_pid); forget_answer(_pid) }
    :: d_step { w[_pid].answer == RENEW && w[_pid].has -> believe(_pid); forget_answer(_pid) }
    :: d_step { w[_pid].answer == TAKE && w[_pid].left == 0 -> forget_answer(_pid) }
    :: d_step { w[_pid].has && w[_pid].hold == 0 -> stop(_pid) }
    /* The network. A refusal is a request that is lost. */
    :: d_step { w[_pid].request != NO && IF_CALM(IS_REFUSED(_pid)) ->
        forget_request(_pid); w[_pid].left = (w[_pid].answer == NO -> 0 : w[_pid].left) }
    :: d_step { FAULTS && w[_pid].answer != NO -> forget_answer(_pid) }
    /* The process ends, and another begins. */
    :: d_step { FAULTS -> w[_pid].has = 0; w[_pid].hold = 0; w[_pid].current = 0;
        w[_pid].request_dead = w[_pid].request != NO; forget_answer(_pid);
        owner = (owner == _pid -> GONE : owner) }
    od
}

#define ME (_pid - 2)

/* A request goes to whoever believes that it leads; `0` and `1` are the workers. */
active [2] proctype coordinator() {
    do
    :: d_step { w[0].request == TAKE && w[0].answer == NO && MAY_WRITE(ME) && IS_FREE(ME) ->
        give(ME, 0); forget_request(0) }
    :: d_step { w[1].request == TAKE && w[1].answer == NO && MAY_WRITE(ME) && IS_FREE(ME) ->
        give(ME, 1); forget_request(1) }
    :: d_step { w[0].request_current && w[0].answer == NO && MAY_RENEW(ME) ->
        renew(ME, 0); forget_request(0) }
    :: d_step { w[1].request_current && w[1].answer == NO && MAY_RENEW(ME) ->
        renew(ME, 1); forget_request(1) }
    /* Starts to lead, at any time: the other one may be slow, cut off or dead. */
    :: d_step { FAULTS || !c[LEADER].leads ->
        c[ME].leads = 1; c[ME].newest = 1; c[1 - ME].newest = 0;
#ifdef NO_GRACE
        c[ME].wait = 0
#else
        c[ME].wait = WAIT /* R4 */
#endif
    }
    :: d_step { FAULTS && c[ME].leads ->
        c[ME].leads = 0; c[ME].wait = 0 } /* it ends, or learns of the newer term */
#ifdef WALL_CLOCK
    :: d_step { c[ME].leads -> c[ME].wait = 0 }
#endif
    od
}

#define TICK(field) field = field - (field > 0 -> 1 : 0)

inline pass_time() {
    TICK(w[0].hold); TICK(w[1].hold); TICK(w[0].left); TICK(w[1].left);
#ifndef NO_EXPIRY
    TICK(c[0].wait); TICK(c[1].wait);
#endif
    asked[0] = 0; asked[1] = 0
}

active proctype clock() {
    do
#ifdef LIVE
    :: atomic { (!calm || timeout) -> pass_time() }
    :: d_step { !calm -> calm = 1 }
#else
    :: d_step { 1 -> pass_time() }
#endif
    od
}

#ifdef LIVE
ltl live { [] (calm -> <> (BELIEVES(0) || BELIEVES(1))) }
#endif

/*
 * One lease, two workers, a lossy network, a table that compares and swaps: rules R1-R3, R5, R6,
 * R8 and R10 of the lease protocol, and what a fenced sink adds (R7).
 *
 * Time: HOLD is the holder's share D_h, WAIT the observer's wait D, both in ticks. A tick moves
 * all clocks at once. Anything may happen between two ticks and any action may come any number of
 * ticks late, so a stopped process needs no action of its own. With FAST, observers' clocks run
 * 1.5 times as fast as holders' clocks.
 *
 * Counters are not numbers: a bit `fresh` says that the counter somebody knows is still the row's,
 * and with it all else he knows of the row. Each write to the counter clears everybody's bit.
 * Epochs that nobody knows any more are closed up. So the states are finite with any number of
 * renewals and owners.
 *
 * With JAVA_SCHEMA a checkpoint compares and changes the counter, and counts as a renewal, as in
 * Java KCL's table; else it compares the epoch, as in weir's (docs/lease-table.md).
 *
 * Faults: LOSS DUPLICATES CRASHES. Features: HANDOFF REVOKE. Sink: FENCED DEDUPE.
 * Naive: FROM_ANSWER STEAL FORCED RELEASE_LATE SAME_NAME BLIND_CHECKPOINT NO_EXPIRY, FAST without
 * a longer WAIT, no FENCED. Claims that are false without DEDUPE, or always: ONCE, ALONE.
 * LIVE: faults may end for good; then the work must be done.
 */
#ifndef RECORDS
#define RECORDS 0
#endif
#ifndef HOLD
#define HOLD 2
#endif
#ifndef WAIT
#define WAIT HOLD
#endif

#define NOBODY 2 /* the lease has no owner */
#define GONE 3   /* the owner has ended: nobody has its name again (R8) */

#define NO 0 /* no request, no answer */
#define TAKE 1
#define RENEW 2
#define CHECKPOINT 3
#define RELEASE 4

/* The row. */
byte owner = NOBODY;
byte epoch = 1;
byte checkpoint;
bit wish; /* hand it to the other one */
bit revoked;

typedef worker_state {
    /* The consumer. It believes while has && hold > 0 (R1, R2). */
    bit has;
    byte hold; /* ticks left */
    byte token;
    byte pos;  /* records processed */
    bit over;  /* it has been through the row's present epoch (H9) */
    /* The batch that runs, perhaps longer than the belief: then it is a zombie's. */
    byte record;
    byte record_token;
    /* The observer. */
    bit fresh;
    byte age; /* since the end of the first read that showed this counter (R3) */
    /* One request on its way, and one answer. No answer stands for a refusal, too (R10). */
    byte request;
    bit request_dead; /* its sender has ended */
    byte request_token;
    byte request_pos;
    byte left; /* HOLD, counted from the send (R1) */
    byte answer;
    bit answer_fresh;
    byte answer_token;
    byte answer_pos;
};
worker_state w[2];

/* The sink. It is also the measure of what all processors together have done. */
byte fence;
byte done;

bit calm;  /* LIVE: no more faults */
bit phase; /* FAST: every second tick counts twice */

/* Set in the step that breaks a property, so that the assertion names it. */
bit two_believers;
bit checkpoint_went_down;
bit record_lost;
bit order_broken;
bit stale_effect;
bit duplicate_effect;
bit two_batches;

/* Scratch, 0 between steps. */
byte v;
byte kind;
byte token;
byte pos;
bit dead;
bit applied;

#define BELIEVES(i) (w[i].has && w[i].hold > 0)
#define MAY_SEND(i) (w[i].request == NO && w[i].answer == NO)

#ifdef JAVA_SCHEMA
#define COMPARES_COUNTER(what) (what != NO)
#else
#define COMPARES_COUNTER(what) (what == TAKE || what == RENEW)
#endif
#ifdef SAME_NAME
#define IS_ME(i) (owner < NOBODY)
#else
#define IS_ME(i) (owner == i)
#endif
#ifdef STEAL
#define WAITED(i) 1
#elif defined(NO_EXPIRY)
#define WAITED(i) 0
#else
#define WAITED(i) (w[i].age >= WAIT)
#endif
/* R3: at once what has no owner or what was just given to this process start, else after WAIT. */
#define MAY_TAKE(i) (w[i].fresh && (owner == NOBODY || (IS_ME(i) && !w[i].over) || WAITED(i)))

#ifdef BLIND_CHECKPOINT
#define IS_HIS(t) 1
#else
#define IS_HIS(t) (t == epoch)
#endif
#ifdef FROM_ANSWER
#define IN_TIME(i) 1
#else
#define IN_TIME(i) (w[i].left > 0)
#endif
#ifdef DEDUPE /* the sink drops what it has; only a gap would be wrong */
#define IS_WRONG(i) (w[i].record > done + 1)
#else
#define IS_WRONG(i) (w[i].record != done + 1)
#endif
#ifdef LIVE
#define FAULTS (!calm)
#else
#define FAULTS 1
#endif

inline forget_request(i) {
    w[i].request = NO; w[i].request_dead = 0; w[i].request_token = 0; w[i].request_pos = 0
}
inline forget_answer(i) {
    w[i].answer = NO; w[i].answer_fresh = 0; w[i].answer_token = 0; w[i].answer_pos = 0
}

/* The counter has changed. What compares it, and is still on the way, will be refused. */
inline outdated(i) {
    w[i].fresh = 0; w[i].age = 0; w[i].answer_fresh = 0;
    if
    :: COMPARES_COUNTER(w[i].request) -> forget_request(i); w[i].left = 0
    :: else
    fi
}

#define KNOWS(i) (w[i].token == v || w[i].record_token == v || \
    w[i].request_token == v || w[i].answer_token == v)
#define LOWER(field) field = field - (field > v -> 1 : 0)
inline lower(i) {
    LOWER(w[i].token); LOWER(w[i].record_token);
    LOWER(w[i].request_token); LOWER(w[i].answer_token)
}

/* A new owner, also nobody: epoch + 1, then gaps among the epochs are closed. */
inline new_owner(o) {
    owner = o; wish = 0; revoked = 0; w[0].over = 0; w[1].over = 0;
    epoch = epoch + 1;
    v = 1;
    do
    :: v >= epoch -> break
    :: v < epoch && (KNOWS(0) || KNOWS(1) || fence == v) -> v++
    :: else -> lower(0); lower(1); LOWER(fence); epoch = epoch - 1
    od;
    v = 0
}

/* G1, G4. */
inline write_checkpoint(p) {
    checkpoint_went_down = p < checkpoint;
    assert(!checkpoint_went_down);
    record_lost = p > done;
    assert(!record_lost);
    checkpoint = p
}

/* The epoch is over for this worker, for good. A renewal on its way revives nothing. */
inline stop(i) {
    w[i].over = w[i].token == epoch;
    w[i].has = 0; w[i].hold = 0; w[i].token = 0; w[i].pos = 0;
    w[i].request_token = (w[i].request == RENEW -> 0 : w[i].request_token);
    if
    :: w[i].answer == RENEW -> forget_answer(i); w[i].left = 0
    :: else
    fi
}

/* The table carries out a request. Take and renew compare the counter: had it changed, the
 * request would be gone by now. Checkpoint and release compare the epoch. */
inline apply(i) {
    kind = w[i].request; token = w[i].request_token; pos = w[i].request_pos;
    dead = w[i].request_dead;
    forget_request(i);
    if
    :: kind == TAKE ->
        outdated(0); outdated(1); new_owner((dead -> GONE : i));
        token = epoch; pos = checkpoint
    :: kind == RENEW && !revoked -> outdated(0); outdated(1)
    :: kind == CHECKPOINT && IS_HIS(token) ->
        write_checkpoint(pos);
#ifdef JAVA_SCHEMA
        outdated(0); outdated(1); kind = RENEW
#else
        kind = NO
#endif
    :: kind == RELEASE && token == epoch ->
        write_checkpoint(pos); outdated(0); outdated(1); new_owner((wish -> 1 - i : NOBODY));
#ifndef RELEASE_LATE
        kind = NO
#endif
    :: else -> kind = NO
    fi;
    if
    :: kind != NO && token > 0 && !dead ->
        w[i].answer = kind; w[i].answer_fresh = 1; w[i].answer_token = token;
        w[i].answer_pos = (kind == TAKE -> pos : 0)
    :: else -> w[i].left = 0
    fi;
    kind = NO; token = 0; pos = 0; dead = 0
}

inline send(i, what) {
    w[i].request = what;
    w[i].request_token = w[i].token;
    w[i].request_pos = (what == CHECKPOINT || what == RELEASE -> w[i].pos : 0);
    w[i].left = (COMPARES_COUNTER(what) && what != RELEASE -> HOLD : 0)
}

/* The belief begins or goes on. */
inline believe(i) {
    w[i].has = 1; w[i].token = w[i].answer_token;
    w[i].fresh = w[i].answer_fresh; w[i].age = 0;
#ifdef FROM_ANSWER
    w[i].hold = HOLD;
#else
    w[i].hold = w[i].left; /* R1 */
#endif
    two_believers = BELIEVES(0) && BELIEVES(1);
    assert(!two_believers)
}

inline deliver(i) {
    if
    :: w[i].answer == TAKE && IN_TIME(i) -> w[i].pos = w[i].answer_pos; believe(i)
    :: w[i].answer == RENEW && w[i].has -> believe(i)
    :: w[i].answer == RELEASE && w[i].has -> stop(i) /* RELEASE_LATE */
    :: else
    fi;
    forget_answer(i); w[i].left = 0
}

/* R3: a counter that is new counts from the end of the read. R10: the owner learns here that the
 * lease is no longer its own, or is to be given back; else its deadline stays as it is. */
inline read_row(i) {
    w[i].fresh = 1;
    if
    :: w[i].has && (!IS_ME(i) || epoch != w[i].token || revoked) -> stop(i)
    :: else
    fi
}

/* R2 gates only the begin of a batch. */
inline begin_batch(i) {
#ifdef ALONE
    two_batches = w[1 - i].record > 0;
    assert(!two_batches);
#endif
    w[i].record = w[i].pos + 1; w[i].record_token = w[i].token
}

/* The effect of a record reaches the sink, and the batch is over. */
inline effect(i) {
#ifdef FENCED
    applied = w[i].record_token >= fence;
#else
    applied = 1;
    stale_effect = w[i].record_token < fence;
    assert(!stale_effect);
#endif
    fence = (w[i].record_token > fence -> w[i].record_token : fence);
    if
    :: applied ->
        order_broken = w[i].record > done + 1; /* G2: first deliveries come in order */
        assert(!order_broken);
#ifdef ONCE
        duplicate_effect = IS_WRONG(i);
        assert(!duplicate_effect);
#endif
        done = (w[i].record > done -> w[i].record : done);
        w[i].pos = (w[i].has && w[i].token == w[i].record_token -> w[i].record : w[i].pos)
    :: else
    fi;
    w[i].record = 0; w[i].record_token = 0; applied = 0
}

inline crash(i) {
    w[i].has = 0; w[i].hold = 0; w[i].token = 0; w[i].pos = 0; w[i].over = 0;
    w[i].record = 0; w[i].record_token = 0; w[i].fresh = 0; w[i].age = 0;
    w[i].request_dead = w[i].request != NO; w[i].left = 0;
    forget_answer(i);
    owner = (owner == i -> GONE : owner)
}

active [2] proctype worker() {
    do
    :: d_step { !w[_pid].fresh -> read_row(_pid) }
    :: d_step { MAY_SEND(_pid) && !w[_pid].has && MAY_TAKE(_pid) -> send(_pid, TAKE) }
    :: d_step { MAY_SEND(_pid) && BELIEVES(_pid) && w[_pid].fresh && FAULTS -> send(_pid, RENEW) }
#ifdef LIVE
    :: d_step { MAY_SEND(_pid) && BELIEVES(_pid) && w[_pid].fresh && w[_pid].hold < HOLD ->
        send(_pid, RENEW) }
#endif
    :: d_step { MAY_SEND(_pid) && BELIEVES(_pid) && w[_pid].pos != checkpoint &&
        (w[_pid].fresh || !COMPARES_COUNTER(CHECKPOINT)) -> send(_pid, CHECKPOINT) }
#ifdef HANDOFF /* R5, R6: no batch runs, the belief ends, then the release is sent */
    :: d_step { MAY_SEND(_pid) && BELIEVES(_pid) && wish && w[_pid].record == 0 &&
        (w[_pid].fresh || !COMPARES_COUNTER(RELEASE)) -> send(_pid, RELEASE);
#ifndef RELEASE_LATE
        stop(_pid)
#endif
    }
#endif
    :: d_step { BELIEVES(_pid) && w[_pid].record == 0 && w[_pid].pos < RECORDS ->
        begin_batch(_pid) }
    :: d_step { w[_pid].record > 0 -> effect(_pid) }
    :: d_step { w[_pid].has && w[_pid].hold == 0 -> stop(_pid) }
    /* The network. */
    :: d_step { w[_pid].request != NO -> apply(_pid) }
    :: d_step { w[_pid].answer != NO -> deliver(_pid) }
#ifdef LOSS
    :: d_step { FAULTS && w[_pid].request != NO -> forget_request(_pid); w[_pid].left = 0 }
    :: d_step { FAULTS && w[_pid].answer != NO -> forget_answer(_pid); w[_pid].left = 0 }
#endif
#ifdef DUPLICATES /* the only request that a second copy of would be accepted */
    :: d_step { FAULTS && w[_pid].request == CHECKPOINT && w[_pid].request_token == epoch ->
        write_checkpoint(w[_pid].request_pos) }
#endif
#ifdef CRASHES
    :: d_step { FAULTS -> crash(_pid) }
#endif
    od
}

#if defined(HANDOFF) || defined(FORCED)
active proctype coordinator() {
    do
#ifdef FORCED
    :: d_step { FAULTS && owner < NOBODY -> outdated(0); outdated(1); new_owner(1 - owner) }
#else
    :: d_step { FAULTS && owner < NOBODY && !wish -> wish = 1 }
#endif
#ifdef REVOKE /* R5: a write that changes the counter; whoever has waited since then may take */
    :: d_step { FAULTS && owner < NOBODY && wish && !revoked ->
        outdated(0); outdated(1); revoked = 1 }
#endif
    od
}
#endif

#define TICK(field) field = field - (field > 0 -> 1 : 0)
#ifdef FAST
#define TIME (1 + phase)
#else
#define TIME 1
#endif

inline clock_of(i) {
    TICK(w[i].hold); TICK(w[i].left);
    if
    :: w[i].fresh && !w[i].has && owner != NOBODY ->
        w[i].age = (w[i].age + TIME > WAIT -> WAIT : w[i].age + TIME)
    :: else
    fi
}

active proctype clock() {
    do
#ifdef LIVE /* calm: nobody is late, time goes on when all have done what they can */
    :: atomic { (!calm || timeout) -> clock_of(0); clock_of(1) }
    :: d_step { !calm -> calm = 1 }
#else
    :: d_step { 1 -> clock_of(0); clock_of(1);
#ifdef FAST
        phase = 1 - phase
#endif
    }
#endif
    od
}

#ifdef LIVE
ltl live { [] (calm -> <> (checkpoint == RECORDS)) }
#endif

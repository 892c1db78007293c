/*
 * The form of the lease protocol on one host (docs/adr/0005, docs/lease-table.md): two worker
 * processes, each also a coordinator, one lease. Sessions lie in one store and lease rows in
 * another, so what touches both is several steps with anything in between, a crash too.
 *
 * - A renewal is a heartbeat of the session, then a look at the rows unless the ownership version
 *   is the one under which the same lease was last in order.
 * - A worker starts what a picture of the table gives it, counted from the begin of that read (N6),
 *   and only under an epoch that it has not been through (H9-H11).
 * - An assignment is judged, fences the session of a silent owner (compare-and-set on its
 *   heartbeat), then changes the row: conditions on epoch and term hold in that last step.
 * - Whoever leads has the term in the leader row (R12). A silent leader's session is fenced first.
 * - The kernel's word that a process is gone needs no waiting (R9).
 *
 * Time as in lease.pml. Heartbeat counters are bits: the one that somebody saw is still the
 * session's, or not. Epochs are closed up.
 *
 * Naive: FENCE_LAST STALE_VERSION (a revocation leaves the ownership version alone) STALE_PICTURE
 * (a start counts from now) SECOND_LIFE ANY_EPOCH (an assignment does not compare it) NO_TERM
 * REVOKED_AT_ONCE SILENT_REVOKED (a revoked lease is placed because its owner is silent: no step
 * compares the heartbeat then) NO_GATE (a lease's own deadline is left out, the session's is
 * thought enough).
 * Faults and features: CRASHES REVOKE RELEASE LEADERS (leadership moves).
 */
#ifndef HOLD
#define HOLD 2
#endif
#define WAIT HOLD

#define NOBODY 2
#define GONE 3 /* a process start that has ended (R8) */

/* Stages of a renewal. */
#define IDLE 0
#define SENT 1
#define ACCEPTED 2 /* the session's heartbeat is written */
#define VERIFIED 3
#define NOT_MINE 4
#define SESSION_LOST 5

/* What a coordinator does, and its stages. */
#define NOTHING 0
#define REVOCATION 1
#define JUDGE 2 /* assignment: nothing done yet */
#define FENCE 3 /* assignment: the owner's session comes first */
#define WRITE 4 /* assignment: then the row */
#define FENCE_OLD 5 /* FENCE_LAST: the row is written */
#define LEAD_FENCE 6
#define LEAD_WRITE 7

/* The store of the lease rows. */
byte owner = NOBODY;
byte epoch = 1;
bit revoked;

typedef worker_state {
    bit fenced; /* its session, in the other store */
    /* The consumer believes while has && session > 0 && verified > 0. */
    bit has;
    byte token;
    byte session;  /* ticks left, from the send of the last accepted heartbeat (R1) */
    byte verified; /* ticks left, from when the lease was known to be its own (N6) */
    byte past;     /* the last epoch it has been through */
    bit checked;   /* the ownership version is that of the last verification of this lease */
    byte picture;  /* the epoch under which a picture of the table names it, or 0 */
    byte picture_left;
    byte renewal;
    byte renewal_token;
    byte renewal_left;
    byte release; /* the epoch that a release under way gives up, or 0 */
    byte release_to;
    /* The coordinator. It watches the other worker's session, and the row's revocation. */
    bit leads; /* its term is the one in the leader row */
    bit same;  /* the other one's heartbeat is as it saw it */
    byte silent;
    bit saw_revoked;
    byte revoked_for;
    byte op;
    byte op_epoch;
    byte op_to;
    bit op_same; /* the heartbeat that it names is still the session's */
};
worker_state w[2];

bit two_believers;

byte v; /* scratch, 0 between steps */

#ifdef NO_GATE
#define BELIEVES(i) (w[i].has && w[i].session > 0)
#else
#define BELIEVES(i) (w[i].has && w[i].session > 0 && w[i].verified > 0)
#endif
#define IS_GONE(o) (o == GONE || (o < NOBODY && w[o].fenced))
#define IS_HIS(i, e) (owner == i && epoch == e && !revoked)
#if defined(LEADERS) || defined(NO_TERM)
#define MAY_LEAD(i) 1
#else
#define MAY_LEAD(i) (i == 1)
#endif
#ifdef NO_TERM
#define HAS_TERM(i) 1
#else
#define HAS_TERM(i) w[i].leads
#endif
#ifdef ANY_EPOCH
#define IS_EXPECTED(e) 1
#else
#define IS_EXPECTED(e) (epoch == e)
#endif
#ifdef REVOKED_AT_ONCE
#define REVOKED_LONG(i) w[i].saw_revoked
#else
#define REVOKED_LONG(i) (w[i].saw_revoked && w[i].revoked_for >= WAIT)
#endif
#ifdef SILENT_REVOKED
#define SILENT_COUNTS(i)
#else
#define SILENT_COUNTS(i) && !w[i].saw_revoked
#endif
#ifdef STALE_PICTURE
#define START_LEFT(i) HOLD
#else
#define START_LEFT(i) w[i].picture_left
#endif
#ifdef SECOND_LIFE
#define IS_NEW(i) 1
#else
#define IS_NEW(i) (w[i].picture > w[i].past)
#endif

#define KNOWS(i) (w[i].token == v || w[i].past == v || w[i].picture == v || \
    w[i].renewal_token == v || w[i].release == v || w[i].op_epoch == v)
#define LOWER(field) field = field - (field > v -> 1 : 0)
inline lower(i) {
    LOWER(w[i].token); LOWER(w[i].past); LOWER(w[i].picture);
    LOWER(w[i].renewal_token); LOWER(w[i].release); LOWER(w[i].op_epoch)
}

/* An epoch that no picture can show any more need not be remembered. */
inline forget_past(i) {
    w[i].past = (w[i].past < epoch && (w[i].picture == 0 || w[i].picture > w[i].past)
        -> 0 : w[i].past)
}

inline changed() { w[0].checked = 0; w[1].checked = 0 }

inline new_owner(o) {
    owner = o; revoked = 0; changed();
    w[0].saw_revoked = 0; w[0].revoked_for = 0; w[1].saw_revoked = 0; w[1].revoked_for = 0;
    epoch = epoch + 1;
    forget_past(0); forget_past(1);
    v = 1;
    do
    :: v >= epoch -> break
    :: v < epoch && (KNOWS(0) || KNOWS(1)) -> v++
    :: else -> lower(0); lower(1); epoch = epoch - 1
    od;
    v = 0
}

inline check_belief() {
    two_believers = BELIEVES(0) && BELIEVES(1);
    assert(!two_believers)
}

inline stop(i) {
    w[i].past = w[i].token;
    w[i].has = 0; w[i].token = 0; w[i].verified = 0; w[i].checked = 0;
    w[i].renewal_token = 0
}

inline forget_picture(i) { w[i].picture = 0; w[i].picture_left = 0; forget_past(i) }

/* One picture of the table: the worker's part and the coordinator's. */
inline look(i) {
    w[i].picture = (owner == i && !revoked -> epoch : 0);
    w[i].picture_left = (w[i].picture > 0 -> HOLD : 0);
    forget_past(i);
    if
    :: MAY_LEAD(i) ->
        w[i].silent = (w[i].same -> w[i].silent : 0);
        w[i].same = 1;
        w[i].saw_revoked = revoked
    :: else
    fi;
    if
    :: w[i].has && !IS_HIS(i, w[i].token) -> stop(i) /* H2 */
    :: else
    fi
}

inline start(i) {
    w[i].has = 1; w[i].token = w[i].picture; w[i].verified = START_LEFT(i);
    forget_picture(i);
    check_belief()
}

inline heartbeat(i) {
    if
    :: w[i].fenced -> w[i].renewal = SESSION_LOST
    :: else ->
        w[i].renewal = ACCEPTED;
        w[1 - i].same = 0; w[1 - i].silent = 0; w[1 - i].op_same = 0
    fi
}

inline verify(i) {
    if
    :: w[i].renewal_token == 0 || w[i].checked -> w[i].renewal = VERIFIED
    :: w[i].renewal_token > 0 && !w[i].checked && IS_HIS(i, w[i].renewal_token) ->
        w[i].renewal = VERIFIED; w[i].checked = 1
    :: else -> w[i].renewal = NOT_MINE
    fi
}

inline answer(i) {
    if
    :: w[i].renewal == SESSION_LOST ->
        w[i].session = 0;
        if
        :: w[i].has -> stop(i)
        :: else
        fi
    :: w[i].renewal == NOT_MINE || w[i].renewal == VERIFIED ->
        w[i].session = w[i].renewal_left;
        w[i].verified = (w[i].renewal == VERIFIED && w[i].renewal_token > 0
            -> w[i].renewal_left : w[i].verified);
        check_belief()
    :: else /* an unknown outcome extends nothing (R10) */
    fi;
    w[i].renewal = IDLE; w[i].renewal_token = 0; w[i].renewal_left = 0
}

/* R6: the belief ends, then the release goes out. */
inline send_release(i, e, to) { w[i].release_to = to; w[i].release = e }

inline apply_release(i) {
    if
    :: w[i].release == epoch ->
        v = (IS_GONE(w[i].release_to) -> NOBODY : w[i].release_to);
        w[i].release = 0;
        new_owner(v)
    :: else
    fi;
    w[i].release = 0; w[i].release_to = 0
}

inline end_op(i) {
    w[i].op = NOTHING; w[i].op_epoch = 0; w[i].op_to = 0; w[i].op_same = 0
}

/* C11: who needs a new owner? Nobody's lease, a gone owner's, one that was seen revoked for D, one
 * of an owner whose heartbeat has not moved for D. */
#define IS_SILENT(i) (owner == 1 - i && w[i].same && w[i].silent >= WAIT SILENT_COUNTS(i))
#define IS_PLACED(i, to) (!IS_GONE(to) && \
    (owner == NOBODY || IS_GONE(owner) || REVOKED_LONG(i) || (IS_SILENT(i) && to == i)))

inline send_op(i, what, to) {
    w[i].op = what; w[i].op_epoch = epoch; w[i].op_to = to; 
    w[i].op_same = w[i].same && what != REVOCATION
}

inline judge(i) {
    if
    :: !HAS_TERM(i) || !IS_EXPECTED(w[i].op_epoch) || IS_GONE(w[i].op_to) -> end_op(i)
    :: else ->
        if
        :: owner == NOBODY || IS_GONE(owner) || revoked -> w[i].op = WRITE
        /* Only of the other one's heartbeat does this coordinator know anything. */
        :: owner < NOBODY && !IS_GONE(owner) && !revoked && owner != w[i].op_to && owner != i &&
            w[i].op_same ->
#ifdef FENCE_LAST
            w[i].op = WRITE
#else
            w[i].op = FENCE
#endif
        :: else -> end_op(i)
        fi
    fi
}

/* Compare-and-set on the heartbeat: if it has moved, nothing was taken. */
inline fence(i, next) {
    if
    :: w[i].op_same || w[1 - i].fenced -> w[1 - i].fenced = 1; w[i].op = next
    :: else -> end_op(i)
    fi
}

inline write_assignment(i) {
    if
    :: HAS_TERM(i) && IS_EXPECTED(w[i].op_epoch) ->
        v = w[i].op_to;
        w[i].op_epoch = 0;
        new_owner(v);
#ifdef FENCE_LAST
        w[i].op = FENCE_OLD
#else
        end_op(i)
#endif
    :: else -> end_op(i)
    fi
}

/* The process ends at any step, and another one begins under a new identity. */
inline crash(i) {
    w[i].fenced = 0; w[i].has = 0; w[i].token = 0; w[i].session = 0; w[i].verified = 0;
    w[i].past = 0; w[i].checked = 0; forget_picture(i);
    w[i].renewal = IDLE; w[i].renewal_token = 0; w[i].renewal_left = 0;
    w[i].release = 0; w[i].release_to = 0; w[i].leads = 0;
    w[i].same = 0; w[i].silent = 0; w[i].saw_revoked = 0; w[i].revoked_for = 0;
    end_op(i);
    w[1 - i].same = 0; w[1 - i].silent = 0; w[1 - i].op_same = 0;
    w[1 - i].op_to = (w[1 - i].op > NOTHING && w[1 - i].op_to == i -> GONE : w[1 - i].op_to);
    w[1 - i].release_to =
        (w[1 - i].release > 0 && w[1 - i].release_to == i -> GONE : w[1 - i].release_to);
    owner = (owner == i -> GONE : owner)
}

active [2] proctype worker() {
    do
    :: d_step { 1 -> look(_pid) }
    :: d_step { !w[_pid].has && w[_pid].picture > 0 && START_LEFT(_pid) > 0 && IS_NEW(_pid) &&
        w[_pid].release == 0 -> start(_pid) }
    :: d_step { w[_pid].has && !BELIEVES(_pid) -> stop(_pid) } /* R2 */
    :: d_step { w[_pid].renewal == IDLE -> w[_pid].renewal = SENT;
        w[_pid].renewal_token = w[_pid].token; w[_pid].renewal_left = HOLD }
    :: d_step { w[_pid].renewal == SENT -> heartbeat(_pid) }
    :: d_step { w[_pid].renewal == ACCEPTED -> verify(_pid) }
    :: d_step { w[_pid].renewal >= ACCEPTED -> answer(_pid) }
#ifdef RELEASE
    :: d_step { BELIEVES(_pid) && w[_pid].release == 0 ->
        send_release(_pid, w[_pid].token, 1 - _pid); stop(_pid) }
    /* H10 */
    :: d_step { !w[_pid].has && w[_pid].picture > 0 && w[_pid].picture == w[_pid].past &&
        w[_pid].release == 0 -> send_release(_pid, w[_pid].past, NOBODY); forget_picture(_pid) }
    :: d_step { w[_pid].release > 0 -> apply_release(_pid) }
#endif
#ifdef CRASHES
    :: d_step { 1 -> crash(_pid) }
#endif
    od
}

#define ME (_pid - 2)

active [2] proctype coordinator() {
    do
    :: d_step { w[ME].op == NOTHING && MAY_LEAD(ME) && !w[ME].fenced && !w[0].leads &&
        !w[1].leads -> w[ME].leads = 1 }
    :: d_step { w[ME].op == NOTHING && HAS_TERM(ME) && IS_PLACED(ME, ME) -> send_op(ME, JUDGE, ME) }
    :: d_step { w[ME].op == NOTHING && HAS_TERM(ME) && IS_PLACED(ME, 1 - ME) ->
        send_op(ME, JUDGE, 1 - ME) }
    :: d_step { w[ME].op == JUDGE -> judge(ME) }
    :: d_step { w[ME].op == FENCE -> fence(ME, WRITE) }
    :: d_step { w[ME].op == WRITE -> write_assignment(ME) }
    :: d_step { w[ME].op == FENCE_OLD -> fence(ME, NOTHING); end_op(ME) }
#ifdef REVOKE
    :: d_step { w[ME].op == NOTHING && HAS_TERM(ME) && owner < NOBODY && !revoked ->
        send_op(ME, REVOCATION, 0) }
    :: d_step { w[ME].op == REVOCATION ->
        if
        :: HAS_TERM(ME) && w[ME].op_epoch == epoch ->
            revoked = 1;
            w[ME].saw_revoked = 1; /* it reads the table again before it goes on */
#ifndef STALE_VERSION
            changed()
#endif
        :: else
        fi;
        end_op(ME) }
#endif
#ifdef LEADERS
    :: d_step { w[ME].op == NOTHING && w[1 - ME].leads && !w[ME].fenced &&
        (w[1 - ME].fenced || (w[ME].same && w[ME].silent >= WAIT)) -> send_op(ME, LEAD_FENCE, 0) }
    :: d_step { w[ME].op == LEAD_FENCE -> fence(ME, LEAD_WRITE) }
    :: d_step { w[ME].op == LEAD_WRITE -> w[ME].leads = 1; w[1 - ME].leads = 0; end_op(ME) }
    :: d_step { w[ME].op == NOTHING && w[ME].leads -> w[ME].leads = 0 }
#endif
    od
}

#define TICK(field) field = field - (field > 0 -> 1 : 0)
#define AGE(field, runs) field = (runs && field < WAIT -> field + 1 : field)

inline clock_of(i) {
    TICK(w[i].session); TICK(w[i].verified); TICK(w[i].picture_left); TICK(w[i].renewal_left);
#ifndef STALE_PICTURE
    if
    :: w[i].picture_left == 0 && w[i].picture != w[i].past -> forget_picture(i) /* of no use */
    :: else
    fi;
#endif
    AGE(w[i].silent, w[i].same); AGE(w[i].revoked_for, w[i].saw_revoked)
}

active proctype clock() {
    do
    :: d_step { 1 -> clock_of(0); clock_of(1) }
    od
}

/*
 * Split and merge: lease rows of parent and child shards, and a sink with one fence per shard.
 * Rules G2 (a child begins after all its parents), R7 (fence) and R12 (term, where rows of finished
 * shards are removed).
 *
 * No clock stands here, because none of this needs one: a lease is taken at any moment, and what
 * earlier lives of its shard still do comes any time later. A life is one owner's consumer of one
 * shard under one epoch; LIVES of them are about at a time. A shard sees at most EPOCHS owners, and
 * the last of them works without faults. So every run ends, and it must end with everything
 * finished; else Spin reports an invalid end state.
 *
 * Shapes: two parents, one child; SPLIT: one parent, two children; BOTH: a split, then a merge.
 * TRIMMED: a record may vanish before it is read. ONCE, DEDUPE: as in lease.pml.
 * CLEANUP: shard 0 leaves the stream's list of shards at some time, and its row is removed; a
 * leader that was replaced still has its old list.
 * Naive: FIRST_RECORD (the first record plants the fence, not the acquisition), ANY_PARENT,
 * CLEANUP with NO_TERM, ONCE without DEDUPE.
 */
#ifndef RECORDS
#define RECORDS 1
#endif
#ifndef EPOCHS
#define EPOCHS 3
#endif
#ifndef LIVES
#define LIVES 2
#endif
#define SHARDS_MAX 4

#ifdef SPLIT
#define SHARDS 3
#define IS_PARENT(p, n) (p == 0 && (n == 1 || n == 2))
#elif defined(BOTH)
#define SHARDS 4
#define IS_PARENT(p, n) ((p == 0 && (n == 1 || n == 2)) || ((p == 1 || p == 2) && n == 3))
#else
#define SHARDS 3
#define IS_PARENT(p, n) ((p == 0 || p == 1) && n == 2)
#endif

typedef life_state {
    byte token; /* 0: nobody lives here */
    byte pos;
    bit ready; /* its fence is planted */
};
typedef shard_state {
    byte epoch; /* of the row: the number of its owners so far */
    byte checkpoint;
    bit finished; /* SHARD_END */
    byte fence;   /* the sink's */
    byte sunk;    /* the sink's position */
    byte through; /* what was processed or trimmed by anybody */
    bit begun;    /* an effect was applied */
    life_state life[LIVES];
};
shard_state s[SHARDS_MAX];

/* CLEANUP: leader 0 and, after it, leader 1. */
bit listed = 1; /* the stream still lists shard 0 */
bit removed;    /* its row */
bit leader;     /* whose term is in the leader row */
bit has_list[2];
bit shows[2];   /* that list shows shard 0 */

bit child_before_parent;
bit parent_after_child;
bit order_broken;
bit duplicate_effect;
bit checkpoint_went_down;
bit record_lost;

#define WAITS_FOR(p, n) (IS_PARENT(p, n) && !s[p].finished)
#define IS_WAITING(n) (WAITS_FOR(0, n) || WAITS_FOR(1, n) || WAITS_FOR(2, n))
#define HAS(p, n) (IS_PARENT(p, n) && s[p].finished)
#define IS_CHILD(n) (IS_PARENT(0, n) || IS_PARENT(1, n) || IS_PARENT(2, n))
#define CHILD_BEGAN(p) ((IS_PARENT(p, 1) && s[1].begun) || (IS_PARENT(p, 2) && s[2].begun) || \
    (IS_PARENT(p, 3) && s[3].begun))
#define CHILDREN_MOVED ((!IS_PARENT(0, 1) || s[1].checkpoint > 0) && \
    (!IS_PARENT(0, 2) || s[2].checkpoint > 0)) /* C40 */

#ifdef ANY_PARENT
#define MAY_START(n) (!IS_CHILD(n) || HAS(0, n) || HAS(1, n) || HAS(2, n))
#else
#define MAY_START(n) (!IS_WAITING(n)) /* H6 */
#endif
#ifdef DEDUPE
#define IS_WRONG (ME.pos > SHARD.sunk)
#else
#define IS_WRONG (ME.pos != SHARD.sunk)
#endif
#ifdef NO_TERM
#define HAS_TERM(k) 1
#else
#define HAS_TERM(k) (leader == k)
#endif

#define N (_pid / LIVES)
#define SHARD s[N]
#define ME s[N].life[_pid % LIVES]

inline end_life() { ME.token = 0; ME.pos = 0; ME.ready = 0 }

inline take() {
    child_before_parent = IS_WAITING(N);
    assert(!child_before_parent);
    SHARD.epoch = SHARD.epoch + 1;
    ME.token = SHARD.epoch; ME.pos = SHARD.checkpoint;
#ifdef FIRST_RECORD
    ME.ready = 1
#endif
}

/* R7: before anything else, and also where no record is left to come. */
inline plant() {
    if
    :: ME.token >= SHARD.fence -> SHARD.fence = ME.token; ME.ready = 1
    :: else -> end_life()
    fi
}

/* One record, or the sink's refusal. */
inline process() {
    if
    :: ME.token >= SHARD.fence ->
        parent_after_child = CHILD_BEGAN(N);
        assert(!parent_after_child);
        order_broken = ME.pos > SHARD.through;
        assert(!order_broken);
#ifdef ONCE
        duplicate_effect = IS_WRONG;
        assert(!duplicate_effect);
#endif
        ME.pos = ME.pos + 1;
        SHARD.fence = ME.token; SHARD.begun = 1;
        SHARD.sunk = (ME.pos > SHARD.sunk -> ME.pos : SHARD.sunk);
        SHARD.through = (ME.pos > SHARD.through -> ME.pos : SHARD.through)
    :: else -> end_life()
    fi
}

inline write_checkpoint() {
    checkpoint_went_down = ME.pos < SHARD.checkpoint;
    assert(!checkpoint_went_down);
    record_lost = ME.pos > SHARD.through;
    assert(!record_lost);
    SHARD.checkpoint = ME.pos
}

active [SHARDS * LIVES] proctype consumer() {
end:
    do
    :: d_step { ME.token == 0 && SHARD.epoch < EPOCHS && !SHARD.finished && MAY_START(N) ->
        take() }
    :: d_step { ME.token > 0 && !ME.ready -> plant() }
    :: d_step { ME.ready && ME.pos < RECORDS -> process() }
#ifdef TRIMMED
    :: d_step { ME.ready && ME.pos < RECORDS ->
        ME.pos = ME.pos + 1;
        SHARD.through = (ME.pos > SHARD.through -> ME.pos : SHARD.through) }
#endif
    /* Writes to the row compare the epoch. */
    :: d_step { ME.ready && ME.token == SHARD.epoch && ME.pos != SHARD.checkpoint ->
        write_checkpoint() }
    :: d_step { ME.ready && ME.token == SHARD.epoch && ME.pos == RECORDS && !SHARD.finished ->
        write_checkpoint(); SHARD.finished = 1 }
    /* It dies, or learns that its lease is over. */
    :: d_step { ME.token > 0 && (ME.token < SHARD.epoch || SHARD.epoch < EPOCHS ||
        SHARD.finished) -> end_life() }
    od
}

active proctype monitor() {
    s[0].finished && s[1].finished && s[2].finished && (SHARDS < SHARDS_MAX || s[3].finished)
}

#ifdef CLEANUP
#define K (_pid - SHARDS * LIVES - 1)

active [2] proctype coordinator() {
end:
    do
    :: d_step { leader == 0 && K == 1 -> leader = 1 }
    :: d_step { listed && removed == 0 && K == 1 -> listed = 0 } /* retention has passed */
    :: d_step { HAS_TERM(K) && (!has_list[K] || shows[K] != listed) ->
        has_list[K] = 1; shows[K] = listed } /* C15: anew in every term */
    :: d_step { HAS_TERM(K) && has_list[K] && !shows[K] && !removed && s[0].finished &&
        CHILDREN_MOVED -> removed = 1 } /* C25, C40 */
    :: d_step { HAS_TERM(K) && has_list[K] && shows[K] && removed ->
        removed = 0; s[0].finished = 0; s[0].checkpoint = 0 } /* epoch floor: epochs go on */
    od
}
#endif

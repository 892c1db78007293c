/*
 * What the checker remembers, and the few operations on it. Private to sim/checker*.c.
 *
 * Of each shard: its row, who believes in it, its consumers (processors that got it and are not
 * destroyed), and a window of records: those above the last accepted checkpoint. Of each key: its
 * last record. Of each worker: whether it lives, and what it owns.
 */
#ifndef WI_SIM_CHECKER_STATE_H
#define WI_SIM_CHECKER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>

#include "sim/checker.h"
#include "sim/history.h"

#define WI_CHECK_NS_PER_MS INT64_C(1000000)
#define WI_CHECK_NEVER     INT64_MIN /* an instant before all others */

enum wi_check_record_flag {
    WI_RECORD_BEGUN = 1, /* delivered at least once */
    WI_RECORD_DONE = 2,  /* process_records returned and had processed it */
    WI_RECORD_DEAD = 4   /* stands in the failure destination */
};

struct wi_check_record {
    uint64_t sequence;
    uint64_t previous_rank; /* of the record before it with its key, in previous_shard */
    uint32_t previous_shard;
    uint8_t flags;
};

/* Records of one shard in order. Ranks count all records it ever had. */
struct wi_check_window {
    struct wi_check_record *items;
    size_t head; /* of those below it nothing needs to be known any more */
    size_t tail;
    size_t capacity;
    uint64_t base_rank; /* of items[head] */
};

/* Something that must happen before long. Lists are sorted by `since_ns`: time only grows. */
struct wi_check_timer {
    struct wi_check_timer *previous;
    struct wi_check_timer *next;
    int64_t since_ns;
    uint32_t number; /* of the shard or worker */
    bool running;
};

struct wi_check_timers {
    struct wi_check_timer *first;
    struct wi_check_timer *last;
};

/* A record processor of one worker for one shard under one epoch. */
struct wi_check_consumer {
    struct wi_check_consumer *next;
    uint64_t epoch;
    uint64_t start;     /* the checkpoint it started at */
    uint64_t position;  /* processed through */
    uint64_t delivered; /* handed to it through */
    uint64_t accepted;  /* its last accepted checkpoint */
    uint64_t first;     /* the batch that it is in, or was in last */
    uint64_t last;
    uint32_t worker;
    uint32_t attempt; /* of that batch */
    uint32_t redelivered;
    bool initialized;
    bool unresolved; /* where it starts is not in the row yet */
    bool in_batch;
    bool failed;  /* the last batch ended with an error ... */
    bool partial; /* ... after some of its records */
    bool shard_ended;
    bool shut_down;
    bool lease_lost;
    bool destroyed;
    bool checkpoint_failed; /* its last checkpoint() was refused */
};

struct wi_check_hold {
    int64_t since_ns;
    int64_t until_ns;
    uint64_t epoch;
    uint32_t worker; /* 0: nobody */
    bool dropped;    /* it has stopped believing before that */
};

struct wi_check_row {
    uint64_t epoch;
    uint64_t epoch_highest; /* also of rows that were deleted */
    uint64_t checkpoint;
    uint32_t owner;
    bool exists;
    bool existed; /* ever, but for resets */
    bool finished;
    bool unresolved;
    bool revoked;
    bool wished; /* a hand-off is asked for */
    bool asked;  /* ... by an operator */
    bool pinned; /* it has moved to where an operator wanted it */
};

struct wi_check_shard {
    struct wi_check_window window;
    struct wi_check_row row;
    struct wi_check_hold hold;
    struct wi_check_consumer *consumers;
    struct wi_check_timer stalled;  /* L4 */
    struct wi_check_timer orphaned; /* L1 */
    struct wi_check_timer unowned;  /* P4 */
    struct wi_check_timer waiting;  /* L6 */
    uint64_t hash_first;
    uint64_t hash_last;
    uint64_t tip;         /* the last sequence number that was put */
    uint64_t undone;      /* records of the window that are neither DONE nor DEAD */
    uint64_t forgotten;   /* the window holds nothing at or below: covered, trimmed, not wanted */
    uint64_t life_epoch;  /* the newest epoch that a processor was initialized under */
    uint64_t fence;       /* of the fenced sink */
    uint64_t effect_last; /* applied by the fenced sink */
    int64_t moved_ns;     /* the last planned move */
    uint32_t number;
    uint32_t parents[2];
    uint32_t first_child;
    uint32_t next_sibling[2]; /* among the children of parents[i] */
    bool closed;
    bool unlisted;
    bool crashed; /* `orphaned` is in that list of the checker, else in `hung` */
    bool has_effects;
};

struct wi_check_worker {
    struct wi_check_timer leaving_timer; /* P7 */
    int64_t healthy_ns;                  /* since when it neither hangs nor starts */
    uint32_t number;
    uint32_t rows;       /* that name it as owner */
    uint32_t unfinished; /* of them */
    bool leaving;
    bool gone;
    bool hanging;
};

/* Where the last record of a key is. */
struct wi_check_key {
    uint64_t rank;
    uint32_t shard;
};

struct wi_checker {
    const struct weir_env *env;
    struct wi_checker_settings settings;
    struct wi_violation violation;
    struct wi_check_shard **shards; /* by number - 1; NULL: not there */
    size_t shards_capacity;
    struct wi_check_worker **workers;
    size_t workers_capacity;
    struct wi_check_key *keys;
    size_t keys_capacity;
    struct wi_check_timers stalled;
    struct wi_check_timers crashed; /* shards whose owner's process has ended ... */
    struct wi_check_timers hung;    /* ... or stands still: L1 */
    struct wi_check_timers unowned;
    struct wi_check_timers waiting;
    struct wi_check_timers leaving;
    uint64_t event;
    int64_t now_ns;
    int64_t healed_ns;     /* WI_CHECK_NEVER while there may be faults */
    int64_t membership_ns; /* the last change of workers or of the leader */
    int64_t hang_ns;       /* the last time a worker stood still or went on */
    int64_t disturbed_ns;  /* the last change of workers, faults, or leases to be given */
    uint64_t term;
    uint32_t leader;
    uint32_t usable; /* workers that live, do not hang and do not leave */
    uint32_t hanging;
    uint32_t faults; /* that are on */
    bool balance_checked;
    bool quiet;
    bool broken;
};

/* Note that `property` is broken; always false, so that a check ends with it. */
bool wi_check_break(struct wi_checker *checker, const char *property, const char *format, ...)
    WEIR_PRINTF(3, 4);

/* NULL if there is none. */
struct wi_check_shard *wi_check_shard_of(const struct wi_checker *checker, uint32_t number);
struct wi_check_worker *wi_check_worker_of(const struct wi_checker *checker, uint32_t number);

/* Add one that is not there yet; NULL without memory. */
struct wi_check_shard *wi_check_shard_add(struct wi_checker *checker, uint32_t number);
struct wi_check_worker *wi_check_worker_add(struct wi_checker *checker, uint32_t number);
void wi_check_state_free(struct wi_checker *checker);

/* The child after `child` (0: the first) of `parent`; NULL at the end. */
struct wi_check_shard *wi_check_next_child(
    const struct wi_checker *checker,
    const struct wi_check_shard *parent,
    const struct wi_check_shard *child);

/* I9: has every parent ended, or can it never come? */
bool wi_check_parents_finished(
    const struct wi_checker *checker, const struct wi_check_shard *shard);

/* May `shard` be consumed: an unfinished row, parents finished. */
bool wi_check_is_startable(const struct wi_checker *checker, const struct wi_check_shard *shard);

/* The processor of that worker and epoch, or NULL. */
struct wi_check_consumer *wi_check_consumer_of(
    const struct wi_check_shard *shard, uint32_t worker, uint64_t epoch);

/* A new processor, in front; NULL without memory. Those that can say no more are forgotten. */
struct wi_check_consumer *wi_check_consumer_add(
    struct wi_checker *checker, struct wi_check_shard *shard, uint32_t worker, uint64_t epoch);

/* Index of the first record behind `sequence`, in [head, tail]. */
size_t wi_check_window_after(const struct wi_check_window *window, uint64_t sequence);

/* Add a record behind all others; NULL without memory. */
struct wi_check_record *wi_check_window_push(
    const struct weir_env *env, struct wi_check_window *window);

/* Forget the records before `index`. */
void wi_check_window_drop(struct wi_check_window *window, size_t index);

/* The record with that rank; NULL if it was forgotten. */
struct wi_check_record *wi_check_window_at(const struct wi_check_window *window, uint64_t rank);

/* Start over: it counts from now. */
void wi_check_timer_start(
    struct wi_check_timers *timers, struct wi_check_timer *timer, int64_t now_ns);
void wi_check_timer_stop(struct wi_check_timers *timers, struct wi_check_timer *timer);

/* Room for `key`; NULL without memory. */
struct wi_check_key *wi_check_key_of(struct wi_checker *checker, uint32_t key);

#endif

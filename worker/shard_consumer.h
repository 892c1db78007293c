/*
 * The life of one shard at its owner (DESIGN 5). Pure: note() turns an event into facts, decide()
 * turns facts into the one next action; at most one action is in flight, so a record processor
 * never sees two calls at once for one shard.
 *
 * States, transitions and rules: docs/state-machines-consumer.md, "Shard consumer".
 */
#ifndef WI_WORKER_SHARD_CONSUMER_H
#define WI_WORKER_SHARD_CONSUMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/pcg.h"
#include "worker/checkpoint_tracker.h"

enum wi_consumer_state {
    WI_CONSUMER_WAITING_ON_PARENT_SHARDS,
    WI_CONSUMER_INITIALIZING,
    WI_CONSUMER_PROCESSING,
    WI_CONSUMER_SHUTDOWN_REQUESTED,
    WI_CONSUMER_SHUTTING_DOWN,
    WI_CONSUMER_SHUTDOWN_COMPLETE,
    WI_CONSUMER_STATES
};

/* Why a consumer shuts down. LEASE_LOST outranks the others. */
enum wi_shutdown_reason {
    WI_SHUTDOWN_NONE,
    WI_SHUTDOWN_STOP, /* planned: hand-off, drain, release by an operator */
    WI_SHUTDOWN_SHARD_END,
    WI_SHUTDOWN_LEASE_LOST
};

struct wi_consumer_settings {
    bool automatic_checkpoints; /* position after OK is a checkpoint; else only the processor's own
                                 */
    int64_t retry_base_ms;
    int64_t retry_cap_ms;
    int64_t idle_poll_ms; /* look for records at least this often without a wake-up */
};

enum wi_consumer_event_type {
    WI_CONSUMER_STEP,             /* nothing new but the time */
    WI_CONSUMER_PARENTS_FINISHED, /* every parent has SHARD_END, or no lease any more */
    WI_CONSUMER_WAKE,             /* there may be new records */
    WI_CONSUMER_STOP,             /* planned move or drain: finish the batch, then release */
    WI_CONSUMER_LEASE_LOST,       /* the table says so, or the session is gone */
    WI_CONSUMER_INITIALIZED,      /* CALL_INITIALIZE returned: error */
    WI_CONSUMER_ANCHORED,         /* ANCHOR returned: error */
    WI_CONSUMER_FETCHED,          /* FETCH returned: error, next, count, at_shard_end, behind */
    WI_CONSUMER_PROCESSED,        /* CALL_PROCESS_RECORDS returned: error, processed_through */
    WI_CONSUMER_CALL_RETURNED,    /* lease_lost, shard_ended, shutdown_requested: error */
    WI_CONSUMER_FINISHED,         /* FINISH_SHARD returned: error */
    WI_CONSUMER_RELEASED          /* RELEASE returned: error */
};

struct wi_consumer_event {
    enum wi_consumer_event_type type;
    struct weir_mono now;
    struct weir_mono deadline; /* of this lease, as known now (R1); in every event */
    enum weir_error error;
    /* FETCHED */
    size_t count;
    struct weir_position first; /* of the batch: AFTER_SEQUENCE_NUMBER of its first record */
    struct weir_position last;  /* and of its last */
    struct weir_position next;  /* where the next fetch goes on */
    bool at_shard_end;          /* with WEIR_ETRIMMED: the shard itself is out of retention */
    int64_t retry_after_ms;     /* the stream wants the next fetch no sooner; 0: it does not mind */
    /* PROCESSED with an error: the part [0, processed) that is done, as a position; valid if
     * processed > 0 */
    size_t processed;
    struct weir_position processed_through;
};

enum wi_consumer_action_type {
    WI_CONSUMER_WAIT, /* until `until`, or an event */
    WI_CONSUMER_CALL_INITIALIZE,
    WI_CONSUMER_FETCH,                /* from `position`; keep the batch for the next action */
    WI_CONSUMER_ANCHOR,               /* checkpoint at `position`: LATEST and AT_TIMESTAMP were just
                                         resolved, and must mean the same to the next owner */
    WI_CONSUMER_CALL_PROCESS_RECORDS, /* the batch just fetched; `attempt` */
    WI_CONSUMER_CALL_LEASE_LOST,
    WI_CONSUMER_CALL_SHARD_ENDED,
    WI_CONSUMER_CALL_SHUTDOWN_REQUESTED,
    WI_CONSUMER_FINISH_SHARD, /* write children and SHARD_END */
    WI_CONSUMER_RELEASE,      /* final checkpoint, if any, and next owner in one write */
    WI_CONSUMER_DONE          /* destroy the processor's state; step no more */
};

struct wi_consumer_action {
    enum wi_consumer_action_type type;
    struct weir_mono until;              /* WAIT */
    struct weir_position position;       /* FETCH, ANCHOR */
    uint32_t attempt;                    /* CALL_PROCESS_RECORDS: 1, 2, ... */
    bool has_checkpoint;                 /* RELEASE */
    struct weir_position checkpoint;     /* RELEASE */
    struct weir_position handed_through; /* RELEASE: last position the processor was handed, or the
                                            start position if none was */
};

/* Embedded by value; no resource of its own. */
struct wi_consumer {
    const struct wi_consumer_settings *settings;
    enum wi_consumer_state state;
    enum wi_consumer_action_type in_flight; /* WAIT: none */
    struct wi_checkpoint_tracker tracker;
    struct weir_position fetch_from;
    struct weir_mono not_before; /* of the next try after a failure */
    struct weir_mono poll_at;    /* of the next look without a wake-up */
    uint32_t failures;           /* in a row, for the back-off; 0: not blocked */
    uint32_t attempt;            /* of the batch that starts at fetch_from */
    size_t batch_count;
    struct weir_position batch_last;
    struct weir_position batch_next;
    enum wi_shutdown_reason reason;
    bool initialized; /* CALL_INITIALIZE has succeeded */
    bool parents_finished;
    bool wake;
    bool stop_requested;
    bool lease_lost;
    bool at_shard_end;
    bool batch_at_shard_end;
    bool final_call_made;
    bool shard_finished;         /* SHARD_END is in the table */
    bool released;               /* the row has been given up */
    bool needs_anchor;           /* `anchor` is to be written before anything is processed */
    struct weir_position anchor; /* what LATEST or AT_TIMESTAMP was resolved to */
    struct wi_pcg random;        /* for jitter: seeded, so that a run can be replayed */
};

/* Begin a life at the row's checkpoint, which also says where to read first. `settings` is
 * borrowed. */
void wi_consumer_init(
    struct wi_consumer *consumer,
    const struct wi_consumer_settings *settings,
    const struct weir_position *checkpoint,
    uint64_t random_seed);

/* Note the event, then decide. */
struct wi_consumer_action wi_consumer_step(
    struct wi_consumer *consumer, const struct wi_consumer_event *event);

/* True while a failed batch, initialize or shard_ended waits for its retry. */
bool wi_consumer_is_blocked(const struct wi_consumer *consumer);

#endif

/*
 * One shard at this worker: the pure consumer (worker/shard_consumer.h) and what carries out its
 * actions on a processor thread: fetches, callbacks, checkpoints, releases.
 *
 * Threads: a runner is run by one processor thread at a time (the pool sees to it). The control
 * loop and the checkpoint flusher talk to it through `facts`, `verified` and `lock`.
 */
#ifndef WI_WORKER_SHARD_RUNNER_H
#define WI_WORKER_SHARD_RUNNER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <weir/processor.h>
#include <weir/stream.h>

#include "core/log_limit.h"
#include "core/metrics.h"
#include "lease/lease_store.h"
#include "worker/checkpointer.h"
#include "worker/fetch_budget.h"
#include "worker/processor_pool.h"
#include "worker/shard_consumer.h"
#include "worker/throughput.h"

/* What the loop tells a runner; bits of wi_runner.facts. In order of rank. */
enum wi_runner_fact {
    WI_FACT_LEASE_LOST = 1,
    WI_FACT_STOP = 2,
    WI_FACT_PARENTS_FINISHED = 4,
    WI_FACT_WAKE = 8
};

struct wi_runner_metrics {
    struct wi_counter records_delivered;
    struct wi_counter records_processed;
    struct wi_counter batches_failed;
    struct wi_counter checkpoints_written;
    struct wi_counter checkpoints_refused;
    struct wi_counter fetches;
    struct wi_counter leases_lost;
    struct wi_counter leases_handed_over;
};

/* What all runners of a worker share. Set before the first runner starts; the session's members
 * change while no runner exists, but for session_deadline_ns. */
struct wi_runner_shared {
    const struct weir_env *env;
    struct weir_stream *stream;
    struct wi_lease_store *store;
    struct weir_processor processor;
    struct wi_consumer_settings settings;
    const char *worker_id;
    const char *owner;       /* identity of the session */
    _Atomic int64_t hold_ms; /* D_h; may change when the worker joins again */
    size_t batch_records_max;
    uint64_t checkpoint_records;         /* 0: by time only */
    _Atomic int64_t session_deadline_ns; /* R1; written by the loop */
    pthread_mutex_t budget_lock;         /* guards budget */
    struct wi_fetch_budget budget;
    struct wi_log_limit complaints; /* about what is tried again */
    struct wi_runner_metrics metrics;
    struct wi_processor_pool *pool;
    void (*request_flush)(void *context); /* automatic checkpoints are due by count */
    void *context;
};

struct wi_runner {
    struct wi_runnable runnable; /* first: the pool hands it back */
    struct wi_runner_shared *shared;
    struct wi_lease lease;   /* the row when this worker took it */
    struct weir_shard shard; /* what callbacks see of it */
    struct weir_checkpointer checkpointer;
    void *state;          /* the processor's */
    pthread_mutex_t lock; /* guards engine and release_to */
    struct wi_consumer engine;
    char release_to[WEIR_OWNER_SIZE];
    struct wi_consumer_action held; /* chosen before a yield, not yet carried out */
    bool has_held;
    struct weir_position replay_through; /* records up to here may be redeliveries */
    bool replay_known;                   /* replay_through is right, for all earlier owners */
    struct weir_get_result fetched;      /* of the batch at hand: children at the shard's end */
    size_t batch_count;
    uint64_t budget_held;
    _Atomic unsigned facts;
    _Atomic int64_t verified_ns;      /* the lease was this worker's at that time (R1) */
    _Atomic int64_t in_call_since_ns; /* process_records runs since then; 0: not (R11) */
    _Atomic uint32_t slot_seen;       /* wake word of the shard before the last fetch */
    _Atomic bool releasing;           /* no more automatic checkpoints */
    _Atomic bool blocked;
    _Atomic uint64_t bytes_processed; /* of records, keys included */
    struct wi_throughput throughput;  /* loop only */
    bool told_parents_finished;       /* loop only: facts that were sent already */
    bool told_to_stop;
    unsigned holds; /* loop only: other threads that still look at it */
};

/* A runner for a lease that this worker owns; `verified` is the begin of the read that showed it.
 */
enum weir_error wi_runner_new(
    struct wi_runner_shared *shared,
    const struct wi_lease *lease,
    struct weir_mono verified,
    struct wi_runner **ret);

/* Free; the runner is done and nobody holds it. NULL is a no-op. */
void wi_runner_free(struct wi_runner *runner);

/* Post a fact and let the runner run. Any thread. */
void wi_runner_tell(struct wi_runner *runner, enum wi_runner_fact fact);

/* Stop and hand over to `to` ("" for nobody). Loop only. */
void wi_runner_stop(struct wi_runner *runner, const char *to);

/* The processor pool's run slot. */
enum wi_run_result wi_runner_run(
    struct wi_runnable *runnable, struct weir_batch *batch, struct weir_mono *ret_wake_at);

/* Until when this worker may believe that it owns the shard. Any thread. */
struct weir_mono wi_runner_deadline(const struct wi_runner *runner);

/* An automatic checkpoint that is due: false if there is none. Any thread. */
bool wi_runner_checkpoint_due(struct wi_runner *runner, struct weir_position *ret);
/* What became of it. */
void wi_runner_checkpoint_done(
    struct wi_runner *runner, const struct weir_position *position, enum weir_error error);

/* For the checkpointer of a runner; its context is the runner. runner_checkpointer.c */
const struct wi_checkpointer_ops *wi_runner_checkpointer_ops(void);

#endif

/*
 * The threads that run record processors. What they run is a "runnable": one shard consumer. A
 * runnable is run by at most one thread at a time, which is what keeps the calls of one shard
 * apart.
 *
 * Threads start when work waits and none is free, up to a bound, and end when they idle: a hung
 * processor keeps its own thread busy and delays nobody else as long as the bound is not reached.
 */
#ifndef WI_WORKER_PROCESSOR_POOL_H
#define WI_WORKER_PROCESSOR_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include <weir/env.h>
#include <weir/stream.h>

enum wi_run_state {
    WI_RUN_PARKED,  /* waits for wake_at or for wi_processor_pool_ready() */
    WI_RUN_READY,   /* in the queue */
    WI_RUN_RUNNING, /* on a thread */
    WI_RUN_DONE     /* never runs again */
};

/* Embedded in what is run. All members belong to the pool's lock. */
struct wi_runnable {
    enum wi_run_state state;
    bool again;               /* ready() came while it was running */
    struct weir_mono wake_at; /* of a parked one */
    struct weir_mono ready_since;
    struct wi_runnable *next_ready;
};

/* What a run answers. */
enum wi_run_result {
    WI_RUN_PARK,  /* wake me at ret_wake_at, or when I am made ready */
    WI_RUN_YIELD, /* more to do, but others wait: put me at the end of the queue */
    WI_RUN_FINISH /* done for good */
};

struct wi_processor_pool;

struct wi_processor_pool_settings {
    size_t threads_max;
    /* Run one runnable for a while, on a pool thread. `batch` is the thread's own, kept between
     * runs. */
    enum wi_run_result (*run)(
        struct wi_runnable *runnable, struct weir_batch *batch, struct weir_mono *ret_wake_at);
    /* Something for the loop: a runnable finished, or a timer is earlier than the loop knows.
     * Called under the pool's lock; must not block. */
    void (*notify)(void *context);
    void *context;
};

enum weir_error wi_processor_pool_new(
    const struct weir_env *env,
    const struct wi_processor_pool_settings *settings,
    struct wi_processor_pool **ret);

/* Waits for running callbacks and joins. NULL is a no-op. */
void wi_processor_pool_free(struct wi_processor_pool *pool);

/* Add a new runnable, ready to run. WEIR_ENOMEM. Loop thread only. */
enum weir_error wi_processor_pool_add(struct wi_processor_pool *pool, struct wi_runnable *runnable);

/* Forget a runnable that is DONE. Loop thread only. */
void wi_processor_pool_remove(struct wi_processor_pool *pool, struct wi_runnable *runnable);

/* Whether it will never run again. Loop thread only. */
bool wi_processor_pool_is_done(struct wi_processor_pool *pool, const struct wi_runnable *runnable);

/* Let it run (again). Any thread. */
void wi_processor_pool_ready(struct wi_processor_pool *pool, struct wi_runnable *runnable);

/* Call `each` for every runnable under the lock, from any thread; true makes it ready. `each` must
 * be short and must not call the pool. */
void wi_processor_pool_each(
    struct wi_processor_pool *pool,
    bool (*each)(struct wi_runnable *runnable, void *context),
    void *context);

/* Ready what is due, start threads if work waits. Returns when to call again. Loop thread only. */
struct weir_mono wi_processor_pool_tick(struct wi_processor_pool *pool, struct weir_mono now);

/* True if another runnable waits for a thread: a running one may want to yield. Any thread. */
bool wi_processor_pool_is_crowded(struct wi_processor_pool *pool);
/* True once the pool is being freed: a running one is to return. Any thread. */
bool wi_processor_pool_is_stopping(struct wi_processor_pool *pool);

/*
 * A pool thread says that it is about to wait for a commit, and that it has: while it waits,
 * another thread may run in its place, so that shards with work do not queue behind commits of
 * others, and commits that come together share one sync.
 */
void wi_processor_pool_wait_begins(struct wi_processor_pool *pool);
void wi_processor_pool_wait_ends(struct wi_processor_pool *pool);

#endif

/*
 * Bounded threads for blocking calls. The control loop submits a job; a thread runs it; the job
 * then waits, finished, until the loop collects it. Two lanes: URGENT (renewals, nothing else)
 * never waits behind NORMAL (table reads, coordinator writes, checkpoints).
 */
#ifndef WI_WORKER_IO_POOL_H
#define WI_WORKER_IO_POOL_H

#include <stdbool.h>

#include <weir/env.h>
#include <weir/error.h>

enum wi_io_lane {
    WI_IO_URGENT,
    WI_IO_NORMAL,
    WI_IO_LANES
};

/* Threads of each lane: one for renewals; one each for table, coordinator, checkpoints, membership.
 */
#define WI_IO_URGENT_THREADS 1U
#define WI_IO_NORMAL_THREADS 3U

/* Embedded in what the job is about; not to be touched by its owner between submit and collect. */
struct wi_job {
    void (*run)(struct wi_job *job);  /* on a pool thread; blocks */
    void (*done)(struct wi_job *job); /* on the loop's thread, from wi_io_pool_collect() */
    struct wi_job *next;
    bool busy; /* the loop's: submitted and not collected */
};

struct wi_io_pool;

/* `notify` is called on a pool thread after each job, to wake the loop; it must not block. */
enum weir_error wi_io_pool_new(
    const struct weir_env *env,
    void (*notify)(void *context),
    void *context,
    struct wi_io_pool **ret);

/* Waits for running jobs, drops those not begun, joins the threads. NULL is a no-op. */
void wi_io_pool_free(struct wi_io_pool *pool);

/* Hand over a job that is not busy. Never blocks: each job object is queued at most once. */
void wi_io_pool_submit(struct wi_io_pool *pool, enum wi_io_lane lane, struct wi_job *job);

/* Call done() of every finished job. Loop thread only. */
void wi_io_pool_collect(struct wi_io_pool *pool);

#endif

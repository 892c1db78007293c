/*
 * Inside of struct weir_worker: the control loop and what it owns. The loop thread alone touches
 * what is not said to be shared; blocking calls run as jobs on the io pool, callbacks on the
 * processor pool.
 *
 *   worker.c              public API: options, new, run, stop, metrics
 *   worker_runtime.c      the loop: joining, timers, draining, leaving
 *   worker_table.c        reads of the table; consumers started and stopped by it
 *   worker_claim.c        the first write to a lease, where the table needs one
 *   worker_renewal.c      renewals, automatic checkpoints
 *   worker_coordinator.c  drives the coordinator engine
 *   worker_watch.c        threads and descriptors that say "look again": wake words, pidfds,
 * signals
 */
#ifndef WI_WORKER_WORKER_RUNTIME_H
#define WI_WORKER_WORKER_RUNTIME_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <weir/worker.h>

#include "coordinator/coordinator_runtime.h"
#include "coordinator/lease_taker.h"
#include "lease/lease_store.h"
#include "worker/io_pool.h"
#include "worker/lease_renewer.h"
#include "worker/past_leases.h"
#include "worker/processor_pool.h"
#include "worker/shard_runner.h"

/* Look for commits whose wake-up was lost (the committer died before it) this often. */
#define WI_LOST_WAKE_MS 1000
/* Idle consumers look at their shard this often, whatever the wake words say. */
#define WI_IDLE_POLL_MS 60000
/* Processes whose death the loop watches, at most; beyond it counters tell (DESIGN R3). */
#define WI_WATCHED_MAX 1024U

enum wi_worker_phase {
    WI_WORKER_RUNNING,
    WI_WORKER_DRAINING, /* hands everything over */
    WI_WORKER_ENDED
};

struct wi_table_job {
    struct wi_job job;
    struct weir_worker *worker;
    bool leader_only; /* the cheap look: rows of `table` stay as they are */
    struct weir_mono started;
    enum weir_error error;
    struct wi_lease_table table;
    struct wi_leader leader;
};

struct wi_coordinator_job {
    struct wi_job job;
    struct weir_worker *worker;
    struct weir_mono submitted;
    struct wi_coordinator_action action;
    struct wi_coordinator_outcome outcome;
};

/* Arrays have room for every runner; `runners` are held while the job is busy. */
struct wi_renew_job {
    struct wi_job job;
    struct weir_worker *worker;
    struct weir_mono sent;
    enum weir_error error;
    struct wi_renew_answer answer;
    struct wi_runner **runners;
    struct wi_held_lease *held;
    enum weir_error *results;
    size_t count;
    size_t capacity;
};

struct wi_flush_job {
    struct wi_job job;
    struct weir_worker *worker;
    enum weir_error error;
    struct wi_runner **runners;
    struct wi_checkpoint_update *items;
    enum weir_error *results;
    size_t count;
    size_t capacity;
};

/* Leases that are this worker's by the table but in which it does not believe any more. */
struct wi_release_job {
    struct wi_job job;
    struct weir_worker *worker;
    struct wi_lease *leases; /* copies: the table may be read again meanwhile */
    struct wi_release *items;
    enum weir_error *results;
    size_t count;
    enum weir_error error;
};

/* Leases that the table calls this worker's, on the way to their first write. */
struct wi_claim_job {
    struct wi_job job;
    struct weir_worker *worker;
    char owner[WEIR_OWNER_SIZE];
    struct wi_lease *leases; /* copies */
    enum weir_error *results;
    size_t count;
    struct weir_mono sent;
    enum weir_error error;
};

/* Leases claimed in one call, at most; the next read of the table finds the rest. */
#define WI_CLAIMS_MAX 256U

/* Leases given back in one write, at most; the next read of the table finds the rest. */
#define WI_GIVE_BACK_MAX 256U

struct wi_member_job {
    struct wi_job job;
    struct weir_worker *worker;
    struct wi_worker row;
    bool leaves; /* remove the row instead of writing it */
    enum weir_error error;
};

struct wi_watched {
    char owner[WEIR_OWNER_SIZE];
    int fd; /* a pidfd */
};

struct weir_worker {
    const struct weir_env *env;
    struct weir_worker_options options; /* strings point to copies */
    char *strings[5];
    char worker_id[WEIR_NAME_SIZE];
    struct weir_stream *stream;
    struct wi_lease_store *store;
    struct wi_application application; /* as agreed */
    enum wi_worker_phase phase;
    char owner[WEIR_OWNER_SIZE]; /* of this session; changes only while no job is busy */
    bool joined;                 /* the session is not known to be lost */

    int epoll_fd;
    int wake_fd;                /* eventfd: something for the loop */
    int signal_fd;              /* -1 unless handle_signals */
    struct weir_mono signalled; /* when the last signal was read */
    atomic_bool wake_pending;
    atomic_bool stop_requested;
    atomic_bool abort_requested;
    atomic_bool table_hint;     /* from the table watcher */
    atomic_bool flush_hint;     /* from processor threads */
    atomic_bool stream_deleted; /* from the stream watcher */
    atomic_bool watchers_stop;
    uint32_t stream_word_seen; /* where the watchers begin */
    uint64_t stream_version_seen;
    uint32_t table_version_seen;
    pthread_t stream_watcher;
    pthread_t table_watcher;
    bool watchers_running;

    struct wi_io_pool *io;
    struct wi_processor_pool *pool;
    struct wi_runner_shared shared;
    struct wi_runner **runners; /* sorted by lease_key */
    size_t runner_count;
    size_t runner_capacity;
    struct wi_past_leases past;

    struct wi_lease_renewer renewer;
    bool expiry_told;    /* runners know that the deadline has passed */
    int32_t stopped_pid; /* of a stopped process that blocks the table; 0: none */
    struct weir_mono stopped_since;
    struct weir_mono next_look; /* for one */
    struct weir_mono next_flush;
    struct weir_mono drain_until;
    struct weir_mono drain_retry;
    struct weir_mono next_join; /* not before this, after a try that failed */
    struct weir_mono next_alarm;
    bool drain_written;

    struct wi_lease_table table; /* the last full read */
    bool has_table;
    bool namesakes_looked_for;
    bool table_wanted;
    bool full_table_wanted; /* the cheap look will not do */
    struct weir_mono table_started;
    struct weir_mono table_not_before; /* reads never take more than a fifth of a core */

    struct wi_coordinator *coordinator; /* NULL while there is a taker */
    struct wi_taker *taker;             /* where nobody leads: lease.h, everyone_takes */
    struct weir_mono coordinator_until;
    bool coordinator_wants_table;
    struct weir_mono coordinator_wants_since;
    bool leave_told;
    struct weir_mono next_upgrade_word;
    bool was_leader;

    struct wi_watched *watched;
    size_t watched_count;

    struct wi_table_job table_job;
    struct wi_coordinator_job coordinator_job;
    struct wi_renew_job renew_job;
    struct wi_flush_job flush_job;
    struct wi_release_job release_job;
    struct wi_claim_job claim_job;
    struct wi_member_job member_job;

    struct wi_counter leases_acquired;
    struct wi_counter renewals_failed;
    struct wi_counter leases_held;
    struct wi_counter shards_blocked;
    struct wi_counter is_leader;
    _Atomic int64_t last_pass_ns;
};

/* worker_runtime.c */
struct weir_mono wi_worker_now(const struct weir_worker *worker);
void wi_worker_notify(void *worker);
enum weir_error wi_worker_loop(struct weir_worker *worker, struct weir_detail *detail);
/* Register under a new identity: at the start, and after the session was lost. */
enum weir_error wi_worker_join(struct weir_worker *worker);
void wi_worker_session_lost(struct weir_worker *worker);
void wi_worker_begin_drain(struct weir_worker *worker);

/* worker_table.c */
void wi_worker_read_table(struct weir_worker *worker);
void wi_worker_reap(struct weir_worker *worker);
void wi_worker_stop_all(struct weir_worker *worker);
bool wi_worker_owns_nothing(const struct weir_worker *worker);
void wi_worker_table_free(struct weir_worker *worker);

/* A runner for a lease that is this worker's since `verified`. */
void wi_worker_start_lease(
    struct weir_worker *worker, const struct wi_lease *lease, struct weir_mono verified);

/* worker_claim.c */
void wi_worker_claim(struct weir_worker *worker, const struct wi_lease *lease);
void wi_worker_submit_claims(struct weir_worker *worker);
void wi_worker_claim_free(struct weir_worker *worker);

/* worker_renewal.c */
void wi_worker_renew(struct weir_worker *worker);
void wi_worker_flush(struct weir_worker *worker);
void wi_worker_evict_stopped_writer(struct weir_worker *worker);
void wi_worker_renewal_free(struct weir_worker *worker);

/* worker_coordinator.c */
enum weir_error wi_worker_coordinator_start(struct weir_worker *worker);
void wi_worker_coordinator_free(struct weir_worker *worker);
void wi_worker_coordinator_table(struct weir_worker *worker, struct weir_mono started);
void wi_worker_coordinator_tick(struct weir_worker *worker);
void wi_worker_coordinator_table_failed(struct weir_worker *worker, enum weir_error error);
bool wi_worker_coordinator_has_left(const struct weir_worker *worker);

/* worker_watch.c */
enum weir_error wi_worker_watch_start(struct weir_worker *worker);
void wi_worker_watch_stop(struct weir_worker *worker);
/* Watch the processes whose death matters to this worker, by the last table. */
void wi_worker_watch_update(struct weir_worker *worker);
/* The signalfd became readable: drain, or abort. */
void wi_worker_read_signals(struct weir_worker *worker);
/* A pidfd became readable. */
void wi_worker_watch_died(struct weir_worker *worker, size_t index);

#endif

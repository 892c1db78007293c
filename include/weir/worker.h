/**
 * A worker: joins an application, acquires leases, reads shards, calls the record processor. Any
 * number of worker processes may run; one of them leads, without being told to.
 */
#ifndef WEIR_WORKER_H
#define WEIR_WORKER_H

#include <weir/env.h>
#include <weir/processor.h>
#include <weir/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct weir_worker;

/**
 * Options of weir_worker_new(); start from WEIR_WORKER_OPTIONS_INIT. Every number is also a
 * configuration property of the same name (weir_worker_option_set(), docs/configuration.md).
 */
struct weir_worker_options {
    size_t struct_size;
    const char
        *data_directory;     /**< default: $WEIR_DATA if the caller passes it, else "./weir-data" */
    const char *application; /**< required: names the lease table */
    const char *stream;      /**< required: `weir:NAME`, `NAME` or `kinesis:...`, see stream.h */
    const char *worker_id;   /**< a label; default HOST-PID */
    struct weir_position
        initial_position;       /**< of shards without a checkpoint; default TRIM_HORIZON */
    int64_t lease_duration_ms;  /**< D: silence after which a hung worker loses its leases; [200,
                                     3600000], default 10000. One value per application. */
    int64_t handoff_timeout_ms; /**< a planned move that takes longer is revoked; [10, 600000],
                                     default 30000 */
    int64_t drain_timeout_ms;   /**< how long SIGTERM waits for hand-offs; [0, 600000], default
                                     30000 */
    int64_t checkpoint_interval_ms; /**< automatic checkpoints; [0, 3600000], 0: explicit only;
                                         default 1000 */
    int64_t checkpoint_records;     /**< also after this many records; 0: by time only; default 0 */
    int64_t batch_records_max;      /**< [1, 10000], default 1000 */
    int64_t batch_bytes_max;        /**< [1 KiB, 64 MiB], default 1 MiB */
    int64_t buffer_bytes_max;       /**< ONE budget for all batches in memory; [1 MiB, 16 GiB],
                                         default 64 MiB */
    int64_t processor_threads_max;  /**< [1, 1024], default 64; they start when there is work */
    int64_t leases_max;             /**< most leases of this worker; 0: no bound; default 0 */
    int64_t retry_base_ms;          /**< back-off of a failed batch; [1, 60000], default 100 */
    int64_t retry_cap_ms;           /**< [1, 3600000], default 30000 */
    int64_t
        shard_sync_interval_ms; /**< leader looks for new shards; [100, 3600000], default 10000 */
    bool strict;                /**< abort the process when a batch still runs past the lease's
                                     deadline + D/10; default false */
    bool evict_stopped_writers; /**< end a stopped (SIGSTOP) process that blocks the lease table
                                     for longer than the lease duration; default true */
    bool handle_signals;        /**< SIGTERM, SIGINT drain, a second one aborts, a third
                                     one ends the process; those within 250 ms count as
                                     one; default true */
    const char *table;          /**< where the lease table is: `dynamodb:TABLE?region=R`, see
                                     docs/lease-table-dynamodb.md; default: the data directory */
};

#define WEIR_WORKER_OPTIONS_INIT                                                                   \
    {sizeof(struct weir_worker_options),                                                           \
     "./weir-data",                                                                                \
     NULL,                                                                                         \
     NULL,                                                                                         \
     NULL,                                                                                         \
     {WEIR_TRIM_HORIZON, {{0, 0, 0, 0}}, 0, 0},                                                    \
     10000,                                                                                        \
     30000,                                                                                        \
     30000,                                                                                        \
     1000,                                                                                         \
     0,                                                                                            \
     1000,                                                                                         \
     1048576,                                                                                      \
     67108864,                                                                                     \
     64,                                                                                           \
     0,                                                                                            \
     100,                                                                                          \
     30000,                                                                                        \
     10000,                                                                                        \
     false,                                                                                        \
     true,                                                                                         \
     true,                                                                                         \
     NULL}

/**
 * Set one option by its name, as on a command line ("lease_duration_ms", "10s").
 * @return WEIR_ENOTFOUND for an unknown name, WEIR_EINVAL with the allowed range in `detail`.
 * String options keep pointing at `value`.
 */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_worker_option_set(
    struct weir_worker_options *options,
    const char *name,
    const char *value,
    struct weir_detail *detail);

/** The table of options as text: `--help` lines, or Markdown for docs/configuration.md. Static. */
WEIR_API const char *weir_worker_options_help(void);
WEIR_API const char *weir_worker_options_markdown(void);

/**
 * A worker, not yet running. Copies options and processor (not what they point to: `context`).
 * @return WEIR_EINVAL (detail: which option), WEIR_ENOTFOUND (stream), WEIR_ECONFLICT (the
 *         application reads another stream), and what opening stream and table may return
 */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_worker_new(
    const struct weir_env *env,
    const struct weir_worker_options *options,
    const struct weir_processor *processor,
    struct weir_worker **ret,
    struct weir_detail *detail);

/**
 * Run until weir_worker_stop() or a signal has drained the worker: its leases are handed over and
 * its row is gone. Call once.
 * @return WEIR_OK after a clean drain; WEIR_ECANCELED after an abort; an error if the table or the
 *         stream cannot be used any more
 */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_worker_run(
    struct weir_worker *worker, struct weir_detail *detail);

/** Ask the running worker to drain and return. Thread-safe, async-signal-safe, idempotent. */
WEIR_API void weir_worker_stop(struct weir_worker *worker);

/**
 * Return from run without handing over; leases fall to others by expiry or process exit. Callbacks
 * that run are waited for: one that never returns keeps run from returning. As above.
 */
WEIR_API void weir_worker_abort(struct weir_worker *worker);

/** Free a worker that is not running; NULL is a no-op. */
WEIR_API void weir_worker_free(struct weir_worker *worker);

/** Counters since the start. Thread-safe. Members may be added at the end. */
struct weir_worker_metrics {
    size_t struct_size; /**< set by the caller */
    uint64_t leases_held;
    uint64_t leases_acquired;
    uint64_t leases_lost;
    uint64_t leases_handed_over;
    uint64_t records_delivered; /**< handed to process_records, redeliveries included */
    uint64_t records_processed; /**< reported as done */
    uint64_t batches_failed;    /**< process_records calls that returned an error */
    uint64_t shards_blocked;    /**< now waiting for a retry */
    uint64_t checkpoints_written;
    uint64_t checkpoints_refused; /**< stale owner or not monotone */
    uint64_t renewals_failed;
    uint64_t fetches;
    uint64_t is_leader; /**< 1 while leading */
    int64_t
        last_assignment_pass_age_ms; /**< since the last one known to have succeeded; -1 never */
};
WEIR_API void weir_worker_metrics_get(struct weir_worker *worker, struct weir_worker_metrics *ret);

#ifdef __cplusplus
}
#endif

#endif

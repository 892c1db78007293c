/**
 * Helpers against duplicates. At-least-once delivery means that records since the last checkpoint
 * can come again after a crash; these make their effects happen once.
 *
 * (a) weir_sink_*: position and fencing token kept in the sink's own LMDB transaction. An effect
 * and the position that covers it are committed together or not at all, and an owner that was
 *     replaced is refused, also when it wakes up late (docs/dedupe.md). One LMDB environment for
 * each application, and a new one when the application begins anew: see WEIR_SINK_DATABASE. (b)
 * weir_window_*: a persisted window of ids that the caller gives, bounded by age and number.
 */
#ifndef WEIR_DEDUPE_H
#define WEIR_DEDUPE_H

#include <weir/env.h>
#include <weir/processor.h>

#ifdef __cplusplus
extern "C" {
#endif

struct MDB_env;
struct MDB_txn;

/**
 * Name of the database that the sink helpers keep in the caller's LMDB environment. Its rows are
 * keyed by the names of stream and shard alone, so an environment belongs to one application on one
 * data directory (region, account). If two shared it, the one with the higher lease epoch would
 * take the other's position for its own and skip records; the other would be fenced. The same holds
 * for an application whose lease table was deleted, or a stream that was deleted, and begun anew:
 * epochs and sequence numbers start over, so start with an empty environment as well.
 *
 * Nothing bounds the wait for LMDB's own writer lock, which all workers of the sink share: one that
 * is stopped (SIGSTOP) inside a transaction holds up the callbacks of all others until it goes on
 * or dies. Keep transactions short; docs/dedupe.md says how to find such a process.
 */
#define WEIR_SINK_DATABASE "weir_sink"

/** The calls below need this handle of the database. Get it once per environment. */
struct weir_sink {
    unsigned int database; /**< an MDB_dbi */
};

/** Open (create) the database inside a write transaction of the sink; commit it before use. */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_sink_open(
    struct MDB_txn *transaction, struct weir_sink *ret);

/**
 * Call from initialize, in a write transaction of the sink that is then committed: plants the
 * token, seals the parents of the shard, and reads how far the sink already is.
 * @param ret_position what the sink has applied: AFTER_SEQUENCE_NUMBER, or TRIM_HORIZON for nothing
 * @return WEIR_EFENCED: a newer owner was here, return an error from initialize
 */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_sink_acquire(
    const struct weir_sink *sink,
    struct MDB_txn *transaction,
    const struct weir_shard_context *shard,
    struct weir_position *ret_position);

/**
 * Call at the start of each sink transaction: WEIR_EFENCED if a newer owner (or a child shard) has
 * acquired the sink: abort the transaction and return the error.
 * @param ret_position as above: skip the records at or below it
 */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_sink_begin(
    const struct weir_sink *sink,
    struct MDB_txn *transaction,
    const struct weir_token *token,
    struct weir_position *ret_position);

/** Whether the sink has applied this record already (compare with the position of begin). */
WEIR_API bool weir_sink_has(const struct weir_position *position, const struct weir_record *record);

/** Write, in the same transaction as the effects, that everything up to `record` is applied. */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_sink_advance(
    const struct weir_sink *sink,
    struct MDB_txn *transaction,
    const struct weir_token *token,
    const struct weir_record *record);

struct weir_window;

/** Options of weir_window_open(); start from WEIR_WINDOW_OPTIONS_INIT. */
struct weir_window_options {
    size_t struct_size;
    uint64_t ids_max;   /**< [1, 10^9], default 1,000,000; the oldest go first */
    int64_t age_max_ms; /**< [1, 1 year], default 1 h */
};

#define WEIR_WINDOW_OPTIONS_INIT {sizeof(struct weir_window_options), 1000000, 3600000}

/** Open (create) a window in a directory of its own; several processes may share it. */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_window_open(
    const struct weir_env *env,
    const char *directory,
    const struct weir_window_options *options,
    struct weir_window **ret,
    struct weir_detail *detail);

/** Close; NULL is a no-op. */
WEIR_API void weir_window_close(struct weir_window *window);

/** Most ids of one weir_window_add(). */
#define WEIR_WINDOW_ADD_MAX 10000

/**
 * Remember ids; durable on return. Adding and testing are one operation, so two callers with the
 * same id get one "new" between them. Call it after the effect is durable if doing it twice is the
 * lesser evil, before it if losing it is. Thread-safe. Blocks for one commit, shared with others.
 * @param ids `count` ids of 1 to 256 bytes
 * @param count [1, WEIR_WINDOW_ADD_MAX]
 * @param ret_seen per id: true if it was in the window already; written on success only
 * @return WEIR_EINVAL: an argument is out of its range. Nothing was added: WEIR_ENOMEM; WEIR_EFULL:
 *         make room on the disk; WEIR_EBUSY: another process has held the writer lock for 5 s, try
 *         again. WEIR_ECORRUPT: the window is damaged, look at it. WEIR_EIO: the outcome is
 * unknown; asked for again, ids that were new may be told as seen
 */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_window_add(
    struct weir_window *window, const struct weir_bytes *ids, size_t count, bool *ret_seen);

/** What a window has done since it was opened. */
struct weir_window_metrics {
    uint64_t seen;     /**< ids asked about */
    uint64_t dropped;  /**< of them, duplicates */
    uint64_t overflow; /**< ids forgotten because of ids_max before age_max_ms */
    uint64_t size;     /**< ids in the window now */
};
WEIR_API void weir_window_metrics_get(struct weir_window *window, struct weir_window_metrics *ret);

#ifdef __cplusplus
}
#endif

#endif

/** Applications: look at and operate on the lease table of a fleet. Used by `weir app`. */
#ifndef WEIR_APP_H
#define WEIR_APP_H

#include <weir/env.h>
#include <weir/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** State of a shard's consumer, as far as the table shows it (DESIGN 5). */
enum weir_shard_state {
    WEIR_SHARD_UNASSIGNED = 0,
    WEIR_SHARD_WAITING_ON_PARENT_SHARDS = 1,
    WEIR_SHARD_PROCESSING = 2,
    WEIR_SHARD_SHUTDOWN_REQUESTED = 3, /**< a hand-off is under way */
    WEIR_SHARD_SHUTDOWN_COMPLETE = 4   /**< SHARD_END is written */
};

/** "unassigned", "waiting_on_parent_shards", "processing", "shutdown_requested", ... Static. */
WEIR_API const char *weir_shard_state_name(enum weir_shard_state state);

/** One shard of an application. */
struct weir_app_shard {
    char shard_id[WEIR_NAME_SIZE];
    enum weir_shard_state state;
    char owner[WEIR_NAME_SIZE]; /**< worker id (the label), "" if unowned */
    uint64_t lease_epoch;
    struct weir_position checkpoint;
    int64_t millis_behind_latest; /**< by the checkpoint; -1 if the stream cannot be read */
};

/** One worker process. */
struct weir_app_worker {
    char worker_id[WEIR_NAME_SIZE];
    int32_t pid; /**< 0 if not known */
    uint64_t leases;
    bool draining;
    bool alive; /**< by the kernel's word */
};

/** What weir_app_describe() returns; release with weir_app_description_free(). */
struct weir_app_description {
    char stream[WEIR_NAME_SIZE]; /**< of several the names, "A,B", or how many if they are long */
    char leader[WEIR_NAME_SIZE]; /**< worker id, "" if nobody leads */
    int64_t lease_duration_ms;
    int64_t failover_bound_ms; /**< silence after a hang, at most: D + D/4 + a pass; 2.x: 4 D */
    struct weir_app_shard *shards;
    size_t shard_count;
    struct weir_app_worker *workers;
    size_t worker_count;
    size_t damaged_rows; /**< lease rows that could not be read; they were left alone */
};

/** Called once per application in alphabetical order; must not call weir. */
typedef void (*weir_app_list_fn)(void *context, const char *name);

/** List the applications of a data directory (none if it is missing). */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_app_list(
    const struct weir_env *env,
    const char *data_directory,
    weir_app_list_fn each,
    void *context,
    struct weir_detail *detail);

/**
 * An application is named by its name in a data directory, or by the URL of its lease table
 * (`dynamodb:TABLE?region=R`); then the data directory says only where an embedded stream is.
 */

/** One consistent picture of an application. WEIR_ENOTFOUND if there is none of that name. */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_app_describe(
    const struct weir_env *env,
    const char *data_directory,
    const char *application,
    struct weir_app_description *ret,
    struct weir_detail *detail);

/** Release what the description owns; NULL is a no-op. */
WEIR_API void weir_app_description_free(
    const struct weir_env *env, struct weir_app_description *description);

/**
 * Hand a shard over to a worker, without loss or redelivery; the balancer leaves it there. Returns
 * when the wish is written, not when it is fulfilled.
 * @param worker_id a live worker of the application; NULL asks the owner to give the shard back to
 *        the leader (`weir app release`)
 * @return WEIR_ENOTFOUND (application, shard, worker); WEIR_ESTATE (finished shard, or it has no
 *         owner to ask)
 */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_app_move(
    const struct weir_env *env,
    const char *data_directory,
    const char *application,
    struct weir_str shard_id,
    const char *worker_id,
    struct weir_detail *detail);

/** Ask a worker to hand everything over and to stop, as SIGTERM does. WEIR_ENOTFOUND. */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_app_drain(
    const struct weir_env *env,
    const char *data_directory,
    const char *application,
    const char *worker_id,
    struct weir_detail *detail);

/**
 * Forget every checkpoint and start again at `position` when workers come back. Refused while a
 * worker lives: WEIR_ESTATE.
 */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_app_reset(
    const struct weir_env *env,
    const char *data_directory,
    const char *application,
    const struct weir_position *position,
    struct weir_detail *detail);

#ifdef __cplusplus
}
#endif

#endif

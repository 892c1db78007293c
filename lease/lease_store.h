/*
 * The lease table: one vtable, several backends (memory, LMDB, DynamoDB; remote later). Every
 * slot is blocking and all-or-nothing, and conditional on what the caller last saw
 * (DESIGN 4.2, 4.3).
 *
 * Slots are called from any thread, several at once. None calls back. All return WEIR_EBUSY (lock
 * held by a stopped process), WEIR_EFULL, WEIR_EIO, WEIR_ENOMEM, WEIR_ECORRUPT beside what they
 * list; WEIR_ETIMEOUT and WEIR_EIO mean that the outcome is unknown: read before acting (R10).
 * Arrays of results hold one code per item: WEIR_OK, or why that item was left as it was.
 */
#ifndef WI_LEASE_LEASE_STORE_H
#define WI_LEASE_LEASE_STORE_H

#include <weir/env.h>
#include <weir/error.h>

#include "lease/lease.h"

/* Most application bytes of a prepared checkpoint. */
#define WI_PENDING_STATE_MAX 1024U

/* As expected_counter where everyone takes (lease.h): a live owner, who renews all the time, loses
 * the lease; the store reads its counter right before the write. Conflicts anywhere else. */
#define WI_COUNTER_OF_A_STEAL UINT64_MAX

/* Give a lease to `to`. Takes it from nobody, from a dead owner, or from one that expired. */
struct wi_assignment {
    const char *lease_key;
    const char *to;          /* owner of a registered worker */
    uint64_t expected_epoch; /* as seen */
    uint64_t
        expected_counter; /* as seen unchanged for D; not looked at when owner is NONE or GONE */
};

/* A lease that the caller holds: key, and the epoch under which it took it. */
struct wi_held_lease {
    const char *lease_key;
    uint64_t epoch;
    bool has_throughput; /* for a store that keeps it */
    uint64_t bytes_per_second;
};

/* A checkpoint. Refused unless owner and epoch match and position >= the row's (G4). */
struct wi_checkpoint_update {
    const char *lease_key;
    const char *owner;
    uint64_t epoch;
    struct weir_position position; /* AFTER_SEQUENCE_NUMBER; SHARD_END only through finish_shard */
};

struct wi_handoff_request {
    const char *lease_key;
    uint64_t expected_epoch;
    struct wi_handoff handoff;
};

/* The owner lets go: final checkpoint and next owner in ONE operation; epoch + 1. */
struct wi_release {
    const char *lease_key;
    const char *owner;
    uint64_t epoch;
    const char *to; /* registered worker, or "" for nobody */
    bool has_checkpoint;
    struct weir_position checkpoint;     /* final; >= the row's */
    struct weir_position handed_through; /* last position the processor was handed (replay flag) */
    bool covers_earlier; /* handed_through bounds what owners before this one were handed as well:
                          * makes replay exact again after a crash; false if in doubt */
};

struct wi_shard_finish {
    const char *lease_key;
    const char *owner;
    uint64_t epoch;
    const struct wi_lease *children; /* created if absent, before SHARD_END is written */
    size_t child_count;
};

/* What renew() says beside the results. */
struct wi_renew_answer {
    bool drain_requested; /* an operator asked this worker to leave */
};

struct wi_lease_store_ops {
    void (*close)(void *store);

    /* Join an application: creates it from `wish` if it is new, else returns what is agreed. With
     * no live worker, lease duration and stream of `wish` replace the old ones (rows stay). What a
     * join returns after put_worker() holds as long as that session lives. */
    enum weir_error (*open_application)(
        void *store, const struct wi_application *wish, struct wi_application *ret);

    /* Everything at once. One allocation; the caller frees with wi_lease_table_free(). */
    enum weir_error (*list)(void *store, struct wi_lease_table *ret);
    enum weir_error (*get)(void *store, const char *lease_key, struct wi_lease *ret);
    /* The leader row alone, with its owner's counter and state: the followers' cheap look, which
     * does not grow with leases or workers. */
    enum weir_error (*get_leader)(void *store, struct wi_leader *ret);

    /* Create the rows that do not exist yet; epoch starts above any epoch that a deleted row of the
     * table ever had. */
    enum weir_error (*create)(
        void *store,
        uint64_t term,
        const struct wi_lease *leases,
        size_t count,
        size_t *ret_created);
    /* Delete if the epoch is as seen. WEIR_ECONFLICT, WEIR_ENOTFOUND. */
    enum weir_error (*remove)(
        void *store, uint64_t term, const char *lease_key, uint64_t expected_epoch);

    /* WEIR_ECONFLICT per item when the row moved on; WEIR_ENOTFOUND for an unknown receiver. */
    enum weir_error (*assign)(
        void *store,
        uint64_t term,
        const struct wi_assignment *items,
        size_t count,
        enum weir_error *ret_results);
    enum weir_error (*request_handoff)(
        void *store,
        uint64_t term,
        const struct wi_handoff_request *items,
        size_t count,
        enum weir_error *ret_results);
    /* From now on the owner's renewals of this lease fail (R5). WEIR_ECONFLICT. */
    enum weir_error (*revoke)(
        void *store, uint64_t term, const char *lease_key, uint64_t expected_epoch);

    /* Prove that `owner` lives, and that it still has each lease. WEIR_ESESSIONLOST: it was
     * declared dead, every lease is gone. Item results: WEIR_OK or WEIR_ELEASELOST. */
    enum weir_error (*renew)(
        void *store,
        const char *owner,
        const struct wi_held_lease *held,
        size_t count,
        enum weir_error *ret_results,
        struct wi_renew_answer *ret_answer);

    /* Items: WEIR_ELEASELOST (owner or epoch), WEIR_EINVAL (would go down). */
    enum weir_error (*checkpoint)(
        void *store,
        const struct wi_checkpoint_update *items,
        size_t count,
        enum weir_error *ret_results);
    /* First phase of a two-phase checkpoint: position and application bytes stand beside the
     * checkpoint until one that reaches it is written. */
    enum weir_error (*prepare)(
        void *store, const struct wi_checkpoint_update *item, struct weir_bytes state);
    /* Copies at most WI_PENDING_STATE_MAX bytes. WEIR_ENOTFOUND: nothing is pending. */
    enum weir_error (*get_pending)(
        void *store,
        const char *lease_key,
        struct weir_position *ret,
        uint8_t *ret_state,
        size_t *ret_length);
    enum weir_error (*release)(
        void *store, const struct wi_release *items, size_t count, enum weir_error *ret_results);
    /* Children, child ids and SHARD_END; the row stays owned. WEIR_ELEASELOST. */
    enum weir_error (*finish_shard)(void *store, const struct wi_shard_finish *finish);

    /* Register this process start, or change its own row (draining, max_leases). */
    enum weir_error (*put_worker)(void *store, const struct wi_worker *worker);
    /* A worker leaves: remove its row, which owns no lease any more. WEIR_ECONFLICT if it does. */
    enum weir_error (*remove_worker)(void *store, const char *owner);
    /* The leader removes the row of another: WEIR_ECONFLICT too if it neither is GONE nor has its
     * counter as seen unchanged for D, or if the term is over. */
    enum weir_error (*remove_dead_worker)(
        void *store, uint64_t term, const char *owner, uint64_t expected_counter);
    /* Operator: ask the workers with this name to leave. WEIR_ENOTFOUND. */
    enum weir_error (*request_drain)(void *store, const char *worker_name);

    /* Lead if the row is as seen and its owner is none, gone, or silent since expected_counter.
     * WEIR_ECONFLICT otherwise. */
    enum weir_error (*take_leader)(
        void *store,
        const char *owner,
        uint64_t expected_term,
        uint64_t expected_counter,
        uint64_t *ret_term);
    enum weir_error (*release_leader)(void *store, const char *owner, uint64_t term);

    /* Operator: with no live worker, drop every row and start at `position`. WEIR_ESTATE with one.
     */
    enum weir_error (*reset)(void *store, const struct weir_position *position);

    /* Hint that ownership, wishes, workers or leader changed. Checkpoints and heartbeats do not
     * count. wait() returns the version then. */
    uint32_t (*version)(void *store);
    uint32_t (*wait)(void *store, uint32_t seen, int64_t timeout_ms);
    void (*interrupt)(void *store);

    /* The first write of an owner to leases that a listing shows as its own: from the time at which
     * it is sent on it may believe in them. WEIR_ECONFLICT per item: no longer as listed. NULL:
     * reading is enough, because the session's heartbeat speaks for every lease (memory, LMDB). */
    enum weir_error (*claim)(
        void *store,
        const char *owner,
        const struct wi_lease *leases,
        size_t count,
        enum weir_error *ret_results);

    /* A stopped process that blocks every writer (WEIR_EBUSY): its pid, or 0. May be NULL. */
    int32_t (*stopped_writer)(void *store);
};

/* A backend hands this out; callers use the functions below. */
struct wi_lease_store {
    const struct wi_lease_store_ops *ops;
    void *store;
    const struct weir_env *env;
};

void wi_lease_table_free(const struct weir_env *env, struct wi_lease_table *table);

/* Rows in the process's memory: tests, simulation, and the specification of the others. */
enum weir_error wi_lease_store_open_memory(const struct weir_env *env, struct wi_lease_store **ret);

/* Rows in `DATA/apps/APP/leases` (durable) and `DATA/apps/APP/liveness` (this boot only). */
struct wi_lease_store_lmdb_options {
    const char *data_directory;
    const char *application;
    bool must_exist;
    bool read_only;
    int64_t lock_patience_ms;
    uint64_t leases_bytes_max; /* where the durable rows stop growing, from 16 MiB; 0: 4 GiB */
};
enum weir_error wi_lease_store_open_lmdb(
    const struct weir_env *env,
    const struct wi_lease_store_lmdb_options *options,
    struct wi_lease_store **ret,
    struct weir_detail *detail);

/* Rows in a DynamoDB table, shared with workers of Java KCL 3: docs/lease-table-dynamodb.md. Blocks
 * until tables and index can be used. Environment, files and services for region and credentials
 * are looked at as the AWS SDKs do. */
struct wi_lease_store_dynamodb_options {
    const char *url; /* dynamodb:TABLE?region=...&endpoint=...&create=never|if-missing&poll=... */
};
enum weir_error wi_lease_store_open_dynamodb(
    const struct weir_env *env,
    const struct wi_lease_store_dynamodb_options *options,
    struct wi_lease_store **ret,
    struct weir_detail *detail);

/* Whether a text is such a URL; NULL is none. */
bool wi_lease_store_is_dynamodb(const char *text);

/* What a store has cost so far. */
struct wi_lease_store_cost {
    uint64_t requests;
    uint64_t read_milliunits; /* thousandths of DynamoDB's capacity units */
    uint64_t write_milliunits;
    uint64_t throttled;
};
void wi_lease_store_dynamodb_cost(
    const struct wi_lease_store *store, struct wi_lease_store_cost *ret);

void wi_lease_store_close(struct wi_lease_store *store);

/* Names under DATA/apps, sorted. */
typedef void (*wi_application_fn)(void *context, const char *name);
enum weir_error wi_lease_store_each_application(
    const struct weir_env *env, const char *data_directory, wi_application_fn each, void *context);

#endif

/* What the files of the LMDB backend share: the store, its rows, and looks at owners. */
#ifndef WI_LEASE_LEASE_STORE_LMDB_H
#define WI_LEASE_LEASE_STORE_LMDB_H

#include <lmdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>

#include <weir/env.h>
#include <weir/error.h>

#include "lease/lease_row.h"
#include "lease/lease_rules.h"
#include "lease/lease_store.h"
#include "lease/session_rules.h"
#include "storage/storage.h"

/* What the last renewal of this handle found in order: equal again means no look at the rows. */
struct wi_lmdb_verified {
    char owner[WEIR_OWNER_SIZE]; /* "": nothing yet */
    uint64_t ownership_version;
    XXH128_hash_t held; /* of the keys and epochs, in the caller's order */
};

struct wi_lmdb_store {
    struct wi_lease_store base;
    const struct weir_env *env;
    struct wi_storage *leases;
    struct wi_storage *liveness; /* NULL: read-only, and no worker was ever here */
    MDB_dbi lease_rows;          /* in leases: lease key -> lease */
    MDB_dbi meta;                /* in leases: application, leader, counters */
    MDB_dbi workers;             /* in liveness: owner -> session */
    bool read_only;
    struct wi_lmdb_verified verified;
    pthread_mutex_t mutex; /* guards `verified` */
};

/* A lease row on its way through a transaction. 20 KiB. */
struct wi_lmdb_lease {
    struct wi_lease lease;
    struct weir_bytes state; /* of the pending checkpoint; in row's arena, or the caller's */
    struct wi_row row;
};

/* The table's counters on their way through a write transaction. */
struct wi_lmdb_counters {
    struct wi_table_counters counters;
    struct wi_row row;
};

/* --- rows: WEIR_ENOTFOUND, or what decoding and LMDB say --- */

/* True for errors that concern one row; others end the transaction. */
bool wi_lmdb_is_row_error(enum weir_error error);

enum weir_error wi_lmdb_get_lease(
    MDB_txn *txn, const struct wi_lmdb_store *store, const char *key, struct wi_lmdb_lease *ret);
enum weir_error wi_lmdb_put_lease(
    MDB_txn *txn, const struct wi_lmdb_store *store, struct wi_lmdb_lease *lease);
/* Make a new row; WEIR_EEXISTS if there is one, readable or not. */
enum weir_error wi_lmdb_add_lease(
    MDB_txn *txn, const struct wi_lmdb_store *store, const struct wi_lease *lease);

enum weir_error wi_lmdb_get_session(
    MDB_txn *txn,
    const struct wi_lmdb_store *store,
    const char *owner,
    struct wi_row *row,
    struct wi_session *ret);
enum weir_error wi_lmdb_put_session(
    MDB_txn *txn,
    const struct wi_lmdb_store *store,
    struct wi_row *row,
    struct wi_session *session);

/* These three give zeros where there is no row yet. */
enum weir_error wi_lmdb_get_leader(
    MDB_txn *txn, const struct wi_lmdb_store *store, struct wi_row *row, struct wi_leader *ret);
enum weir_error wi_lmdb_put_leader(
    MDB_txn *txn, const struct wi_lmdb_store *store, struct wi_row *row, struct wi_leader *leader);
enum weir_error wi_lmdb_get_application(
    MDB_txn *txn,
    const struct wi_lmdb_store *store,
    struct wi_row *row,
    struct wi_application *ret);
enum weir_error wi_lmdb_put_application(
    MDB_txn *txn,
    const struct wi_lmdb_store *store,
    struct wi_row *row,
    struct wi_application *application);
enum weir_error wi_lmdb_get_counters(
    MDB_txn *txn, const struct wi_lmdb_store *store, struct wi_lmdb_counters *ret);
enum weir_error wi_lmdb_put_counters(
    MDB_txn *txn, const struct wi_lmdb_store *store, struct wi_lmdb_counters *counters);

/* R12, in the transaction of the write. */
enum weir_error wi_lmdb_check_term(MDB_txn *txn, const struct wi_lmdb_store *store, uint64_t term);

/* Once in an environment's life: pages for later, so that a full disk does not end renewals. */
enum weir_error wi_lmdb_reserve_disk(struct wi_storage *storage);

/* --- owners --- */

/* Owners looked at so far in one operation: session and process, each once. */
struct wi_lmdb_view;
struct wi_lmdb_views {
    struct wi_lmdb_store *store;
    struct wi_lmdb_view *entries;
    size_t count;
    size_t capacity;
};

/* Outside of transactions: it looks at processes. "" gives the view of nobody. */
enum weir_error wi_lmdb_view(
    struct wi_lmdb_views *views, const char *owner, struct wi_owner_view *ret);
void wi_lmdb_views_free(struct wi_lmdb_views *views);

/* R9: the kernel's word. False if it cannot be had (foreign owner, no /proc). */
bool wi_lmdb_process_is_gone(const char *owner);

/* All workers, sorted, with their states, in a table without leases. */
enum weir_error wi_lmdb_list_workers(struct wi_lmdb_store *store, struct wi_lease_table *ret);
enum weir_error wi_lmdb_count_workers(struct wi_lmdb_store *store, size_t *ret);
/* Into a table with room for `capacity` workers; WEIR_ERANGE if there are more by now. */
enum weir_error wi_lmdb_fill_workers(
    struct wi_lmdb_store *store, size_t capacity, struct wi_lease_table *table);
/* Sessions as they are now. Allowed with the writer lock of `leases`: no lock, no allocation. */
enum weir_error wi_lmdb_has_live_worker(const struct wi_lmdb_store *store, bool *ret);
/* All sessions but those of live workers: unreadable ones too. */
enum weir_error wi_lmdb_drop_dead_workers(const struct wi_lmdb_store *store);

/* R3: declare a silent owner dead. */
struct wi_lmdb_fence {
    const char *owner; /* NULL: nothing to do for this item */
    uint64_t expected_counter;
};
/* results[i] becomes the outcome of fences[i]; it stays as it is where there is nothing to do. */
enum weir_error wi_lmdb_fence_all(
    struct wi_lmdb_store *store,
    const struct wi_lmdb_fence *fences,
    size_t count,
    enum weir_error *results);

/* --- the slots, by file --- */

/* lease_store_lmdb_list.c */
enum weir_error wi_lmdb_list(void *context, struct wi_lease_table *ret);
enum weir_error wi_lmdb_get(void *context, const char *lease_key, struct wi_lease *ret);
enum weir_error wi_lmdb_look_at_leader(void *context, struct wi_leader *ret);

/* lease_store_lmdb_leader.c */
enum weir_error wi_lmdb_create(
    void *context, uint64_t term, const struct wi_lease *leases, size_t count, size_t *ret_created);
enum weir_error wi_lmdb_remove(
    void *context, uint64_t term, const char *lease_key, uint64_t expected_epoch);
enum weir_error wi_lmdb_assign(
    void *context,
    uint64_t term,
    const struct wi_assignment *items,
    size_t count,
    enum weir_error *ret_results);
enum weir_error wi_lmdb_request_handoff(
    void *context,
    uint64_t term,
    const struct wi_handoff_request *items,
    size_t count,
    enum weir_error *ret_results);
enum weir_error wi_lmdb_revoke(
    void *context, uint64_t term, const char *lease_key, uint64_t expected_epoch);

/* lease_store_lmdb_owner.c */
enum weir_error wi_lmdb_checkpoint(
    void *context,
    const struct wi_checkpoint_update *items,
    size_t count,
    enum weir_error *ret_results);
enum weir_error wi_lmdb_prepare(
    void *context, const struct wi_checkpoint_update *item, struct weir_bytes state);
enum weir_error wi_lmdb_get_pending(
    void *context,
    const char *lease_key,
    struct weir_position *ret,
    uint8_t *ret_state,
    size_t *ret_length);
enum weir_error wi_lmdb_release(
    void *context, const struct wi_release *items, size_t count, enum weir_error *ret_results);
enum weir_error wi_lmdb_finish_shard(void *context, const struct wi_shard_finish *finish);

/* lease_store_lmdb_workers.c */
enum weir_error wi_lmdb_renew(
    void *context,
    const char *owner,
    const struct wi_held_lease *held,
    size_t count,
    enum weir_error *ret_results,
    struct wi_renew_answer *ret_answer);
enum weir_error wi_lmdb_put_worker(void *context, const struct wi_worker *worker);
enum weir_error wi_lmdb_remove_worker(void *context, const char *owner);
enum weir_error wi_lmdb_remove_dead_worker(
    void *context, uint64_t term, const char *owner, uint64_t expected_counter);
enum weir_error wi_lmdb_request_drain(void *context, const char *worker_name);

/* lease_store_lmdb_application.c */
enum weir_error wi_lmdb_open_application(
    void *context, const struct wi_application *wish, struct wi_application *ret);
enum weir_error wi_lmdb_reset(void *context, const struct weir_position *position);
enum weir_error wi_lmdb_take_leader(
    void *context,
    const char *owner,
    uint64_t expected_term,
    uint64_t expected_counter,
    uint64_t *ret_term);
enum weir_error wi_lmdb_release_leader(void *context, const char *owner, uint64_t term);

#endif

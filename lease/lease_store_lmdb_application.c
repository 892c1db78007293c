/* The application and its leader in the LMDB backend. */
#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "lease/lease.h"
#include "lease/lease_row.h"
#include "lease/lease_rules.h"
#include "lease/lease_store_lmdb.h"
#include "lease/session_rules.h"
#include "storage/storage.h"

/* --- application --- */

struct join_write {
    const struct wi_lmdb_store *store;
    const struct wi_application *wish;
    struct wi_application agreed;
};

/* Only then does it matter whether somebody lives. */
static bool
differs(const struct wi_application *agreed, const struct wi_application *wish)
{
    return strcmp(agreed->stream_url, wish->stream_url) != 0 ||
           agreed->lease_duration_ms != wish->lease_duration_ms;
}

/*
 * One agreement at a time, though sessions lie in another environment. Every join holds the leases
 * writer lock, also one that changes nothing, and looks for live workers while it holds it. A
 * worker registers first (put_worker, committed) and adopts what its second join returns. Let J be
 * a join that finds nobody alive and replaces the agreement. Of the two one has the lock first:
 * - J: the worker's join reads what J wrote, and adopts that.
 * - The worker: its session was committed before it took the lock, J looks after that, and a read
 *   transaction that begins later sees it: J finds it alive and replaces nothing.
 * A look at sessions before J has the lock, or an adoption without it, would let each miss the
 * other, and two workers would count with two lease durations (R1, R3).
 * Functions of one group commit run one after another, so the same holds for them.
 */
static enum weir_error
write_join(MDB_txn *txn, void *context)
{
    struct join_write *write = context;
    struct wi_application_facts facts = {.exists = false};
    bool changed = false;
    MDB_stat status;
    struct wi_row row;
    enum weir_error error = wi_lmdb_get_application(txn, write->store, &row, &write->agreed);

    if (error == WEIR_OK) {
        error = wi_error_from_lmdb(mdb_stat(txn, write->store->lease_rows, &status));
    }
    if (error != WEIR_OK) {
        return error;
    }
    facts.exists = write->agreed.stream_url[0] != '\0';
    facts.has_leases = status.ms_entries > 0;
    if (facts.exists && differs(&write->agreed, write->wish)) {
        error = wi_lmdb_has_live_worker(write->store, &facts.has_live_worker);
    }
    if (error == WEIR_OK) {
        error = wi_application_join(&write->agreed, write->wish, &facts, &changed);
    }
    return error == WEIR_OK && changed
               ? wi_lmdb_put_application(txn, write->store, &row, &write->agreed)
               : error;
}

enum weir_error
wi_lmdb_open_application(
    void *context, const struct wi_application *wish, struct wi_application *ret)
{
    const struct wi_lmdb_store *store = context;
    struct join_write write = {.store = store, .wish = wish};
    enum weir_error error =
        wi_storage_write(store->leases, WI_WRITE_RESERVE, write_join, &write, NULL);

    if (error == WEIR_OK) {
        *ret = write.agreed;
    }
    return error;
}

/* --- reset --- */

struct reset_write {
    const struct wi_lmdb_store *store;
    const struct weir_position *position;
};

static enum weir_error
write_reset(MDB_txn *txn, void *context)
{
    const struct reset_write *write = context;
    const struct wi_lmdb_store *store = write->store;
    struct wi_application application;
    struct wi_lmdb_counters table;
    struct wi_leader leader;
    struct wi_row application_row;
    struct wi_row leader_row;
    bool has_live_worker = false;
    enum weir_error error = wi_lmdb_get_application(txn, store, &application_row, &application);

    if (error == WEIR_OK && application.stream_url[0] == '\0') {
        error = WEIR_ENOTFOUND;
    }
    /* With the lock, as in write_join(): who registers later joins a table that is reset. */
    if (error == WEIR_OK) {
        error = wi_lmdb_has_live_worker(store, &has_live_worker);
    }
    if (error == WEIR_OK && has_live_worker) {
        error = WEIR_ESTATE;
    }
    if (error == WEIR_OK) {
        error = wi_lmdb_get_counters(txn, store, &table);
    }
    if (error == WEIR_OK) {
        error = wi_lmdb_get_leader(txn, store, &leader_row, &leader);
    }
    if (error != WEIR_OK) {
        return error;
    }
    application.initial_position = *write->position;
    leader.owner[0] = '\0';
    wi_table_note_reset(&table.counters);
    error = wi_error_from_lmdb(mdb_drop(txn, store->lease_rows, 0));
    if (error == WEIR_OK) {
        error = wi_lmdb_put_application(txn, store, &application_row, &application);
    }
    if (error == WEIR_OK) {
        error = wi_lmdb_put_leader(txn, store, &leader_row, &leader);
    }
    return error == WEIR_OK ? wi_lmdb_put_counters(txn, store, &table) : error;
}

enum weir_error
wi_lmdb_reset(void *context, const struct weir_position *position)
{
    struct wi_lmdb_store *store = context;
    struct reset_write write = {store, position};
    enum weir_error error;

    if (position->type < WEIR_TRIM_HORIZON || position->type >= WEIR_SHARD_END) {
        return WEIR_EINVAL;
    }
    /* Rows first: sessions without rows are harmless, rows without sessions are not asked for. */
    error = wi_storage_write(store->leases, WI_WRITE_RESERVE, write_reset, &write, NULL);
    if (error == WEIR_OK) {
        error = wi_lmdb_drop_dead_workers(store);
    }
    if (error == WEIR_OK) {
        wi_storage_wake(store->leases, 0);
    }
    return error;
}

/* --- leader --- */

struct leader_write {
    const struct wi_lmdb_store *store;
    struct wi_leader_take take;
    uint64_t term; /* taken, or to be released */
    enum weir_error (*apply)(struct wi_leader *leader, struct leader_write *write);
};

static enum weir_error
apply_take(struct wi_leader *leader, struct leader_write *write)
{
    enum weir_error error = wi_leader_apply_take(leader, &write->take);

    write->term = error == WEIR_OK ? leader->term : 0;
    return error;
}

static enum weir_error
apply_release(struct wi_leader *leader, struct leader_write *write)
{
    return wi_leader_apply_release(leader, write->take.owner, write->term);
}

static enum weir_error
write_leader(MDB_txn *txn, void *context)
{
    struct leader_write *write = context;
    struct wi_lmdb_counters table;
    struct wi_leader leader;
    struct wi_row row;
    enum weir_error error = wi_lmdb_get_leader(txn, write->store, &row, &leader);

    if (error == WEIR_OK) {
        error = write->apply(&leader, write);
    }
    if (error == WEIR_OK) {
        error = wi_lmdb_get_counters(txn, write->store, &table);
    }
    if (error != WEIR_OK) {
        return error;
    }
    wi_table_note_epoch(&table.counters, 0);
    error = wi_lmdb_put_leader(txn, write->store, &row, &leader);
    return error == WEIR_OK ? wi_lmdb_put_counters(txn, write->store, &table) : error;
}

static enum weir_error
change_leader(struct wi_lmdb_store *store, struct leader_write *write)
{
    enum weir_error error =
        wi_storage_write(store->leases, WI_WRITE_RESERVE, write_leader, write, NULL);

    if (error == WEIR_OK) {
        wi_storage_wake(store->leases, 0);
    }
    return error;
}

/* Judge by the row as it is now; fence its owner if it is taken for dead by its counter (R3). */
static enum weir_error
prepare_take(struct wi_lmdb_store *store, const struct wi_leader_take *take)
{
    struct wi_lmdb_views views = {.store = store};
    struct wi_owner_view present = {.registered = false};
    struct wi_owner_view caller = {.registered = false};
    struct wi_leader leader;
    enum weir_error result = WEIR_OK;
    bool fence = false;
    enum weir_error error = wi_lmdb_look_at_leader(store, &leader);

    if (error == WEIR_OK) {
        error = wi_lmdb_view(&views, leader.owner, &present);
    }
    if (error == WEIR_OK) {
        error = wi_lmdb_view(&views, take->owner, &caller);
    }
    if (error == WEIR_OK) {
        error = wi_leader_judge_take(&leader, take, &present, &caller, &fence);
    }
    if (error == WEIR_OK && fence) {
        const struct wi_lmdb_fence leader_fence = {leader.owner, take->expected_counter};
        error = wi_lmdb_fence_all(store, &leader_fence, 1, &result);
    }
    wi_lmdb_views_free(&views);
    return error == WEIR_OK ? result : error;
}

enum weir_error
wi_lmdb_take_leader(
    void *context,
    const char *owner,
    uint64_t expected_term,
    uint64_t expected_counter,
    uint64_t *ret_term)
{
    struct wi_lmdb_store *store = context;
    struct leader_write write = {
        .store = store, .take = {owner, expected_term, expected_counter}, .apply = apply_take};
    enum weir_error error = prepare_take(store, &write.take);

    if (error == WEIR_OK) {
        error = change_leader(store, &write);
    }
    if (error == WEIR_OK) {
        *ret_term = write.term;
    }
    return error;
}

enum weir_error
wi_lmdb_release_leader(void *context, const char *owner, uint64_t term)
{
    struct wi_lmdb_store *store = context;
    struct leader_write write = {
        .store = store, .take = {.owner = owner}, .term = term, .apply = apply_release};

    return change_leader(store, &write);
}

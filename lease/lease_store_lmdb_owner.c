/* What owners do to their leases in the LMDB backend. */
#include <lmdb.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/memory.h"
#include "lease/lease_rules.h"
#include "lease/lease_store.h"
#include "lease/lease_store_lmdb.h"
#include "lease/session_rules.h"
#include "storage/storage.h"

/* Nothing of a missing row is the caller's. */
static enum weir_error
get_held(
    MDB_txn *txn,
    const struct wi_lmdb_store *store,
    const char *lease_key,
    struct wi_lmdb_lease *row)
{
    enum weir_error error = wi_lmdb_get_lease(txn, store, lease_key, row);

    return error == WEIR_ENOTFOUND ? WEIR_ELEASELOST : error;
}

/* --- checkpoint --- */

struct checkpoint_write {
    const struct wi_lmdb_store *store;
    const struct wi_checkpoint_update *items;
    size_t count;
    enum weir_error *results;
};

/* Read, change, write: the path that runs once per checkpoint of every shard. No hint follows it.
 */
static enum weir_error
write_checkpoints(MDB_txn *txn, void *context)
{
    const struct checkpoint_write *write = context;
    struct wi_lmdb_lease row;

    for (size_t i = 0; i < write->count; i++) {
        const struct wi_checkpoint_update *item = &write->items[i];
        enum weir_error error = get_held(txn, write->store, item->lease_key, &row);
        if (error == WEIR_OK) {
            error = wi_lease_apply_checkpoint(&row.lease, item);
        }
        if (error == WEIR_OK) {
            error = wi_lmdb_put_lease(txn, write->store, &row);
        }
        if (error != WEIR_OK && !wi_lmdb_is_row_error(error)) {
            return error;
        }
        write->results[i] = error;
    }
    return WEIR_OK;
}

enum weir_error
wi_lmdb_checkpoint(
    void *context,
    const struct wi_checkpoint_update *items,
    size_t count,
    enum weir_error *ret_results)
{
    struct wi_lmdb_store *store = context;
    struct checkpoint_write write = {store, items, count, ret_results};

    return wi_storage_write(store->leases, WI_WRITE_RESERVE, write_checkpoints, &write, NULL);
}

/* --- two-phase checkpoint --- */

struct prepare_write {
    const struct wi_lmdb_store *store;
    const struct wi_checkpoint_update *item;
    struct weir_bytes state;
};

static enum weir_error
write_prepared(MDB_txn *txn, void *context)
{
    const struct prepare_write *write = context;
    struct wi_lmdb_lease row;
    enum weir_error error = get_held(txn, write->store, write->item->lease_key, &row);

    if (error == WEIR_OK) {
        error = wi_lease_apply_prepare(&row.lease, write->item, write->state.length);
    }
    if (error != WEIR_OK || !wi_lease_is_prepared(&row.lease, &write->item->position)) {
        return error;
    }
    row.state = write->state;
    return wi_lmdb_put_lease(txn, write->store, &row);
}

enum weir_error
wi_lmdb_prepare(void *context, const struct wi_checkpoint_update *item, struct weir_bytes state)
{
    struct wi_lmdb_store *store = context;
    struct prepare_write write = {store, item, state};

    return wi_storage_write(store->leases, WI_WRITE_DEFAULT, write_prepared, &write, NULL);
}

struct pending_read {
    const struct wi_lmdb_store *store;
    const char *lease_key;
    struct weir_position position;
    uint8_t *state;
    size_t length;
};

static enum weir_error
read_pending(MDB_txn *txn, void *context)
{
    struct pending_read *read = context;
    struct wi_lmdb_lease row;
    enum weir_error error = wi_lmdb_get_lease(txn, read->store, read->lease_key, &row);

    if (error != WEIR_OK) {
        return error;
    }
    if (!row.lease.has_pending) {
        return WEIR_ENOTFOUND;
    }
    read->position = row.lease.pending_checkpoint;
    read->length = row.state.length;
    if (row.state.length > 0) {
        memcpy(read->state, row.state.data, row.state.length);
    }
    return WEIR_OK;
}

enum weir_error
wi_lmdb_get_pending(
    void *context,
    const char *lease_key,
    struct weir_position *ret,
    uint8_t *ret_state,
    size_t *ret_length)
{
    struct wi_lmdb_store *store = context;
    struct pending_read read = {.store = store, .lease_key = lease_key, .state = ret_state};
    enum weir_error error = wi_storage_read(store->leases, read_pending, &read);

    if (error == WEIR_OK) {
        *ret = read.position;
        *ret_length = read.length;
    }
    return error;
}

/* --- release --- */

struct release_write {
    const struct wi_lmdb_store *store;
    const struct wi_release *items;
    const struct wi_owner_view *receivers; /* one per item */
    size_t count;
    enum weir_error *results;
    bool changed;
};

/* *ret_epoch: the new one, or 0 if the item was refused. */
static enum weir_error
write_release(MDB_txn *txn, const struct release_write *write, size_t i, uint64_t *ret_epoch)
{
    struct wi_lmdb_lease row;
    enum weir_error error = get_held(txn, write->store, write->items[i].lease_key, &row);

    *ret_epoch = 0;
    if (error == WEIR_OK) {
        error = wi_lease_apply_release(&row.lease, &write->items[i], &write->receivers[i]);
    }
    if (error == WEIR_OK) {
        error = wi_lmdb_put_lease(txn, write->store, &row);
    }
    if (error == WEIR_OK) {
        *ret_epoch = row.lease.epoch;
    }
    write->results[i] = error;
    return wi_lmdb_is_row_error(error) ? WEIR_OK : error;
}

static enum weir_error
write_releases(MDB_txn *txn, void *context)
{
    struct release_write *write = context;
    struct wi_lmdb_counters table;
    enum weir_error error = wi_lmdb_get_counters(txn, write->store, &table);

    write->changed = false;
    for (size_t i = 0; error == WEIR_OK && i < write->count; i++) {
        uint64_t epoch = 0;
        error = write_release(txn, write, i, &epoch);
        if (epoch != 0) {
            wi_table_note_epoch(&table.counters, epoch);
            write->changed = true;
        }
    }
    if (error == WEIR_OK && write->changed) {
        error = wi_lmdb_put_counters(txn, write->store, &table);
    }
    return error;
}

enum weir_error
wi_lmdb_release(
    void *context, const struct wi_release *items, size_t count, enum weir_error *ret_results)
{
    struct wi_lmdb_store *store = context;
    struct wi_lmdb_views views = {.store = store};
    struct wi_owner_view *receivers = wi_alloc_array(store->env, count, sizeof *receivers);
    struct release_write write = {store, items, receivers, count, ret_results, false};
    enum weir_error error = receivers == NULL ? WEIR_ENOMEM : WEIR_OK;

    for (size_t i = 0; error == WEIR_OK && i < count; i++) {
        error = wi_lmdb_view(&views, items[i].to, &receivers[i]);
    }
    if (error == WEIR_OK) {
        error = wi_storage_write(store->leases, WI_WRITE_RESERVE, write_releases, &write, NULL);
    }
    if (error == WEIR_OK && write.changed) {
        wi_storage_wake(store->leases, 0);
    }
    wi_lmdb_views_free(&views);
    wi_free(store->env, receivers);
    return error;
}

/* --- shard end --- */

struct finish_write {
    const struct wi_lmdb_store *store;
    const struct wi_shard_finish *finish;
};

/* Everything that can be refused is refused before the first write. */
static enum weir_error
check_finish(
    const struct wi_shard_finish *finish, uint64_t epoch_floor, struct wi_lmdb_lease *parent)
{
    enum weir_error error = wi_lease_apply_finish(&parent->lease, finish);
    struct wi_lease child;

    for (size_t i = 0; error == WEIR_OK && i < finish->child_count; i++) {
        error = wi_lease_create(&finish->children[i], epoch_floor, &child);
    }
    return error;
}

static enum weir_error
write_children(MDB_txn *txn, const struct finish_write *write, struct wi_lmdb_counters *table)
{
    enum weir_error error = WEIR_OK;
    struct wi_lease child;

    for (size_t i = 0; error == WEIR_OK && i < write->finish->child_count; i++) {
        error = wi_lease_create(&write->finish->children[i], table->counters.epoch_floor, &child);
        if (error == WEIR_OK) {
            error = wi_lmdb_add_lease(txn, write->store, &child);
        }
        if (error == WEIR_OK) {
            wi_table_note_epoch(&table->counters, child.epoch);
        }
        error = error == WEIR_EEXISTS ? WEIR_OK : error;
    }
    return error;
}

static enum weir_error
write_finish(MDB_txn *txn, void *context)
{
    const struct finish_write *write = context;
    struct wi_lmdb_counters table;
    struct wi_lmdb_lease parent;
    enum weir_error error = get_held(txn, write->store, write->finish->lease_key, &parent);

    if (error == WEIR_OK) {
        error = wi_lmdb_get_counters(txn, write->store, &table);
    }
    if (error == WEIR_OK) {
        error = check_finish(write->finish, table.counters.epoch_floor, &parent);
    }
    if (error == WEIR_OK) {
        error = write_children(txn, write, &table);
    }
    if (error == WEIR_OK) {
        error = wi_lmdb_put_lease(txn, write->store, &parent);
    }
    if (error == WEIR_OK) {
        wi_table_note_epoch(&table.counters, parent.lease.epoch);
        error = wi_lmdb_put_counters(txn, write->store, &table);
    }
    return error;
}

enum weir_error
wi_lmdb_finish_shard(void *context, const struct wi_shard_finish *finish)
{
    struct wi_lmdb_store *store = context;
    struct finish_write write = {store, finish};
    enum weir_error error =
        wi_storage_write(store->leases, WI_WRITE_RESERVE, write_finish, &write, NULL);

    if (error == WEIR_OK) {
        wi_storage_wake(store->leases, 0);
    }
    return error;
}

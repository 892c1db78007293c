/* What leaders and operators do to lease rows in the LMDB backend. */
#include <lmdb.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/memory.h"
#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_rules.h"
#include "lease/lease_store.h"
#include "lease/lease_store_lmdb.h"
#include "lease/session_rules.h"
#include "storage/storage.h"

/* After a commit that changed ownership or wishes; a hint, see docs/lease-table.md. */
static void
wake_after(const struct wi_lmdb_store *store, enum weir_error error, bool changed)
{
    if (error == WEIR_OK && changed) {
        wi_storage_wake(store->leases, 0);
    }
}

/* --- create and remove --- */

struct create_write {
    const struct wi_lmdb_store *store;
    uint64_t term;
    const struct wi_lease *leases;
    size_t count;
    size_t created;
};

static enum weir_error
check_new_leases(const struct create_write *write, uint64_t epoch_floor)
{
    enum weir_error error = WEIR_OK;
    struct wi_lease row;

    for (size_t i = 0; error == WEIR_OK && i < write->count; i++) {
        error = wi_lease_create(&write->leases[i], epoch_floor, &row);
    }
    return error;
}

static enum weir_error
write_created(MDB_txn *txn, void *context)
{
    struct create_write *write = context;
    struct wi_lmdb_counters table;
    struct wi_lease row;
    enum weir_error error = wi_lmdb_check_term(txn, write->store, write->term);

    write->created = 0;
    if (error == WEIR_OK) {
        error = wi_lmdb_get_counters(txn, write->store, &table);
    }
    if (error == WEIR_OK) {
        error = check_new_leases(write, table.counters.epoch_floor);
    }
    for (size_t i = 0; error == WEIR_OK && i < write->count; i++) {
        error = wi_lease_create(&write->leases[i], table.counters.epoch_floor, &row);
        if (error == WEIR_OK) {
            error = wi_lmdb_add_lease(txn, write->store, &row);
        }
        if (error == WEIR_OK) {
            wi_table_note_epoch(&table.counters, row.epoch);
            write->created++;
        }
        error = error == WEIR_EEXISTS ? WEIR_OK : error;
    }
    if (error == WEIR_OK && write->created > 0) {
        error = wi_lmdb_put_counters(txn, write->store, &table);
    }
    return error;
}

enum weir_error
wi_lmdb_create(
    void *context, uint64_t term, const struct wi_lease *leases, size_t count, size_t *ret_created)
{
    struct wi_lmdb_store *store = context;
    struct create_write write = {store, term, leases, count, 0};
    enum weir_error error =
        wi_storage_write(store->leases, WI_WRITE_DEFAULT, write_created, &write, NULL);

    wake_after(store, error, write.created > 0);
    if (error == WEIR_OK) {
        *ret_created = write.created;
    }
    return error;
}

struct row_write {
    const struct wi_lmdb_store *store;
    uint64_t term;
    const char *lease_key;
    uint64_t expected_epoch;
};

static enum weir_error
write_removed(MDB_txn *txn, void *context)
{
    const struct row_write *write = context;
    const struct wi_lmdb_store *store = write->store;
    struct wi_lmdb_counters table;
    struct wi_lmdb_lease row;
    MDB_val key;
    enum weir_error error = wi_lmdb_check_term(txn, store, write->term);

    if (error == WEIR_OK) {
        error = wi_lmdb_get_lease(txn, store, write->lease_key, &row);
    }
    if (error == WEIR_OK && row.lease.epoch != write->expected_epoch) {
        error = WEIR_ECONFLICT;
    }
    if (error == WEIR_OK) {
        error = wi_lmdb_get_counters(txn, store, &table);
    }
    if (error != WEIR_OK) {
        return error;
    }
    wi_table_note_removal(&table.counters, row.lease.epoch);
    key = (MDB_val){strlen(row.lease.lease_key), row.lease.lease_key};
    error = wi_error_from_lmdb(mdb_del(txn, store->lease_rows, &key, NULL));
    return error == WEIR_OK ? wi_lmdb_put_counters(txn, store, &table) : error;
}

enum weir_error
wi_lmdb_remove(void *context, uint64_t term, const char *lease_key, uint64_t expected_epoch)
{
    struct wi_lmdb_store *store = context;
    struct row_write write = {store, term, lease_key, expected_epoch};
    enum weir_error error =
        wi_storage_write(store->leases, WI_WRITE_RESERVE, write_removed, &write, NULL);

    wake_after(store, error, true);
    return error;
}

/* --- revoke --- */

static enum weir_error
write_revoked(MDB_txn *txn, void *context)
{
    const struct row_write *write = context;
    const struct wi_lmdb_store *store = write->store;
    struct wi_lmdb_counters table;
    struct wi_lmdb_lease row;
    enum weir_error error = wi_lmdb_check_term(txn, store, write->term);

    if (error == WEIR_OK) {
        error = wi_lmdb_get_lease(txn, store, write->lease_key, &row);
        error = error == WEIR_ENOTFOUND ? WEIR_ECONFLICT : error;
    }
    if (error == WEIR_OK) {
        error = wi_lease_apply_revocation(&row.lease, write->expected_epoch);
    }
    if (error == WEIR_OK) {
        error = wi_lmdb_get_counters(txn, store, &table);
    }
    if (error != WEIR_OK) {
        return error;
    }
    wi_table_note_epoch(&table.counters, row.lease.epoch);
    error = wi_lmdb_put_lease(txn, store, &row);
    return error == WEIR_OK ? wi_lmdb_put_counters(txn, store, &table) : error;
}

enum weir_error
wi_lmdb_revoke(void *context, uint64_t term, const char *lease_key, uint64_t expected_epoch)
{
    struct wi_lmdb_store *store = context;
    struct row_write write = {store, term, lease_key, expected_epoch};
    enum weir_error error =
        wi_storage_write(store->leases, WI_WRITE_RESERVE, write_revoked, &write, NULL);

    wake_after(store, error, true);
    return error;
}

/* --- hand-off --- */

struct handoff_write {
    const struct wi_lmdb_store *store;
    uint64_t term;
    const struct wi_handoff_request *items;
    const struct wi_owner_view *receivers; /* one per item */
    size_t count;
    enum weir_error *results;
    bool changed;
};

static enum weir_error
write_handoff(MDB_txn *txn, const struct handoff_write *write, size_t i)
{
    struct wi_lmdb_lease row;
    enum weir_error error = wi_lmdb_get_lease(txn, write->store, write->items[i].lease_key, &row);

    if (error != WEIR_OK) {
        write->results[i] = error == WEIR_ENOTFOUND ? WEIR_ECONFLICT : error;
        return wi_lmdb_is_row_error(error) ? WEIR_OK : error;
    }
    error = wi_lease_apply_handoff(&row.lease, &write->items[i], &write->receivers[i]);
    if (error == WEIR_OK) {
        error = wi_lmdb_put_lease(txn, write->store, &row);
    }
    write->results[i] = error;
    return wi_lmdb_is_row_error(error) ? WEIR_OK : error;
}

static enum weir_error
write_handoffs(MDB_txn *txn, void *context)
{
    struct handoff_write *write = context;
    struct wi_lmdb_counters table;
    enum weir_error error = wi_lmdb_check_term(txn, write->store, write->term);

    write->changed = false;
    if (error == WEIR_OK) {
        error = wi_lmdb_get_counters(txn, write->store, &table);
    }
    for (size_t i = 0; error == WEIR_OK && i < write->count; i++) {
        error = write_handoff(txn, write, i);
        write->changed = write->changed || write->results[i] == WEIR_OK;
    }
    if (error == WEIR_OK && write->changed) {
        wi_table_note_epoch(&table.counters, 0);
        error = wi_lmdb_put_counters(txn, write->store, &table);
    }
    return error;
}

enum weir_error
wi_lmdb_request_handoff(
    void *context,
    uint64_t term,
    const struct wi_handoff_request *items,
    size_t count,
    enum weir_error *ret_results)
{
    struct wi_lmdb_store *store = context;
    struct wi_lmdb_views views = {.store = store};
    struct wi_owner_view *receivers = wi_alloc_array(store->env, count, sizeof *receivers);
    struct handoff_write write = {store, term, items, receivers, count, ret_results, false};
    enum weir_error error = receivers == NULL ? WEIR_ENOMEM : WEIR_OK;

    for (size_t i = 0; error == WEIR_OK && i < count; i++) {
        error = wi_lmdb_view(&views, items[i].handoff.to, &receivers[i]);
    }
    if (error == WEIR_OK) {
        error = wi_storage_write(store->leases, WI_WRITE_DEFAULT, write_handoffs, &write, NULL);
    }
    wake_after(store, error, write.changed);
    wi_lmdb_views_free(&views);
    wi_free(store->env, receivers);
    return error;
}

/* --- assign: read, judge, fence, write --- */

/* What judging needs of a row. */
struct assign_plan {
    char owner[WEIR_OWNER_SIZE];
    uint64_t epoch;
    bool revoked;
};

struct assign_work {
    struct wi_lmdb_store *store;
    uint64_t term;
    const struct wi_assignment *items;
    struct assign_plan *plans;
    struct wi_lmdb_fence *fences;
    size_t count;
    enum weir_error *results;
    bool changed;
};

/* Rows as they are, so that nothing is fenced for an item that is refused anyway. */
static enum weir_error
read_plans(MDB_txn *txn, void *context)
{
    struct assign_work *work = context;
    struct wi_lmdb_lease row;
    enum weir_error error = wi_lmdb_check_term(txn, work->store, work->term);

    for (size_t i = 0; error == WEIR_OK && i < work->count; i++) {
        struct assign_plan *plan = &work->plans[i];
        enum weir_error result =
            wi_lmdb_get_lease(txn, work->store, work->items[i].lease_key, &row);
        if (result != WEIR_OK && !wi_lmdb_is_row_error(result)) {
            return result;
        }
        work->results[i] = result == WEIR_ENOTFOUND ? WEIR_ECONFLICT : result;
        if (result == WEIR_OK) {
            (void)wi_str_copy(plan->owner, sizeof plan->owner, wi_str(row.lease.owner));
            plan->epoch = row.lease.epoch;
            plan->revoked = row.lease.revoked;
        }
    }
    return error;
}

static enum weir_error
judge(struct assign_work *work, struct wi_lmdb_views *views, size_t i)
{
    const struct wi_assignment *item = &work->items[i];
    const struct assign_plan *plan = &work->plans[i];
    struct wi_lease lease = {.epoch = plan->epoch, .revoked = plan->revoked};
    struct wi_owner_view receiver;
    struct wi_owner_view owner;
    bool fence = false;
    enum weir_error error = wi_lmdb_view(views, plan->owner, &owner);

    if (error == WEIR_OK) {
        error = wi_lmdb_view(views, item->to, &receiver);
    }
    if (error != WEIR_OK) {
        return error;
    }
    (void)wi_str_copy(lease.owner, sizeof lease.owner, wi_str(plan->owner));
    work->results[i] = wi_lease_judge_assignment(&lease, item, &owner, &receiver, &fence);
    if (fence) {
        work->fences[i] = (struct wi_lmdb_fence){plan->owner, item->expected_counter};
    }
    return WEIR_OK;
}

static enum weir_error
judge_all(struct assign_work *work)
{
    struct wi_lmdb_views views = {.store = work->store};
    enum weir_error error = WEIR_OK;

    for (size_t i = 0; error == WEIR_OK && i < work->count; i++) {
        if (work->results[i] == WEIR_OK) {
            error = judge(work, &views, i);
        }
    }
    wi_lmdb_views_free(&views);
    return error;
}

/* *ret_epoch: the new one, or 0 if the item was refused. */
static enum weir_error
write_assignment(MDB_txn *txn, const struct assign_work *work, size_t i, uint64_t *ret_epoch)
{
    struct wi_lmdb_lease row;
    enum weir_error error = wi_lmdb_get_lease(txn, work->store, work->items[i].lease_key, &row);

    *ret_epoch = 0;
    if (error == WEIR_OK) {
        error = wi_lease_apply_assignment(&row.lease, &work->items[i]);
    }
    if (error == WEIR_OK) {
        error = wi_lmdb_put_lease(txn, work->store, &row);
    }
    if (error == WEIR_OK) {
        *ret_epoch = row.lease.epoch;
    }
    work->results[i] = error == WEIR_ENOTFOUND ? WEIR_ECONFLICT : error;
    return wi_lmdb_is_row_error(error) ? WEIR_OK : error;
}

/* Repeatable: which items are tried depends on fences and plans, results are written anew. */
static enum weir_error
write_assignments(MDB_txn *txn, void *context)
{
    struct assign_work *work = context;
    struct wi_lmdb_counters table;
    enum weir_error error = wi_lmdb_check_term(txn, work->store, work->term);

    work->changed = false;
    if (error == WEIR_OK) {
        error = wi_lmdb_get_counters(txn, work->store, &table);
    }
    for (size_t i = 0; error == WEIR_OK && i < work->count; i++) {
        uint64_t epoch = 0;
        if (work->plans[i].epoch == 0) {
            continue;
        }
        error = write_assignment(txn, work, i, &epoch);
        if (epoch != 0) {
            wi_table_note_epoch(&table.counters, epoch);
            work->changed = true;
        }
    }
    if (error == WEIR_OK && work->changed) {
        error = wi_lmdb_put_counters(txn, work->store, &table);
    }
    return error;
}

/* Judge and fence; plans of refused items get epoch 0, which no row has. */
static enum weir_error
prepare_assignments(struct assign_work *work)
{
    struct wi_lmdb_store *store = work->store;
    enum weir_error error = wi_storage_read(store->leases, read_plans, work);

    if (error == WEIR_OK) {
        error = judge_all(work);
    }
    if (error == WEIR_OK) {
        error = wi_lmdb_fence_all(store, work->fences, work->count, work->results);
    }
    for (size_t i = 0; error == WEIR_OK && i < work->count; i++) {
        if (work->results[i] != WEIR_OK) {
            work->plans[i].epoch = 0;
        }
    }
    return error;
}

enum weir_error
wi_lmdb_assign(
    void *context,
    uint64_t term,
    const struct wi_assignment *items,
    size_t count,
    enum weir_error *ret_results)
{
    struct wi_lmdb_store *store = context;
    struct assign_work work = {
        .store = store, .term = term, .items = items, .count = count, .results = ret_results};
    enum weir_error error = WEIR_ENOMEM;

    work.plans = wi_alloc_array(store->env, count, sizeof *work.plans);
    work.fences = wi_alloc_array(store->env, count, sizeof *work.fences);
    if (work.plans != NULL && work.fences != NULL) {
        error = prepare_assignments(&work);
    }
    if (error == WEIR_OK) {
        error = wi_storage_write(store->leases, WI_WRITE_RESERVE, write_assignments, &work, NULL);
    }
    wake_after(store, error, work.changed);
    wi_free(store->env, work.plans);
    wi_free(store->env, work.fences);
    return error;
}

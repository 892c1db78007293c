/* Reading the table in the LMDB backend. */
#include <lmdb.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_row.h"
#include "lease/lease_rules.h"
#include "lease/lease_store.h"
#include "lease/lease_store_lmdb.h"
#include "lease/lease_table.h"
#include "storage/storage.h"

#define LIST_ATTEMPTS_MAX 16  /* rows keep appearing while we allocate for those we saw */
#define LEASES_HEADROOM   16U /* rows that may appear without another attempt */
#define WORKERS_HEADROOM  8U

struct leases_read {
    const struct wi_lmdb_store *store;
    struct wi_lease_table *table;
    size_t capacity;
    size_t needed;
};

static enum weir_error
count_leases(MDB_txn *txn, void *context)
{
    struct leases_read *read = context;
    MDB_stat status;
    enum weir_error error = wi_error_from_lmdb(mdb_stat(txn, read->store->lease_rows, &status));

    if (error == WEIR_OK) {
        read->needed = status.ms_entries;
    }
    return error;
}

static enum weir_error
read_meta(MDB_txn *txn, const struct leases_read *read)
{
    struct wi_row row;
    enum weir_error error = wi_lmdb_get_leader(txn, read->store, &row, &read->table->leader);

    return error == WEIR_OK
               ? wi_lmdb_get_application(txn, read->store, &row, &read->table->application)
               : error;
}

/* The row goes to the next place of the array; a damaged one leaves that place to its successor. */
static void
take_lease(struct wi_lease_table *table, const MDB_val *key, const MDB_val *value)
{
    struct weir_str name = {key->mv_data, key->mv_size};
    struct weir_bytes state;
    struct wi_row row;
    enum weir_error error = wi_row_decode_lease(
        &row,
        name,
        (struct weir_bytes){value->mv_data, value->mv_size},
        &table->leases[table->lease_count],
        &state);

    if (error == WEIR_OK) {
        table->lease_count++;
    } else if (table->damaged_count++ == 0) {
        (void)wi_str_copy(table->first_damaged, sizeof table->first_damaged, name);
    }
}

static enum weir_error
read_leases(MDB_txn *txn, void *context)
{
    struct leases_read *read = context;
    MDB_cursor *cursor = NULL;
    MDB_val key = {0, NULL};
    MDB_val value = {0, NULL};
    enum weir_error error = count_leases(txn, read);
    int code;

    if (error == WEIR_OK && read->needed > read->capacity) {
        return WEIR_ERANGE;
    }
    if (error == WEIR_OK) {
        error = read_meta(txn, read);
    }
    if (error == WEIR_OK) {
        error = wi_error_from_lmdb(mdb_cursor_open(txn, read->store->lease_rows, &cursor));
    }
    if (error != WEIR_OK) {
        return error;
    }
    code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    for (size_t i = 0; code == 0 && i < read->needed; i++) {
        take_lease(read->table, &key, &value);
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return code == 0 || code == MDB_NOTFOUND ? WEIR_OK : wi_error_from_lmdb(code);
}

/*
 * Leases first, sessions second: every counter of the picture is then at least as new as the
 * ownership beside it, and a new owner, which registered before it got a lease, is never missing.
 * An observer that stamps the time after the call has returned (R3) has waited long enough in
 * either order; what it then does is conditional on epoch and counter.
 */
static enum weir_error
read_all(
    struct wi_lmdb_store *store,
    size_t lease_capacity,
    size_t worker_capacity,
    struct wi_lease_table *table)
{
    struct leases_read read = {.store = store, .table = table, .capacity = lease_capacity};
    enum weir_error error = wi_storage_read(store->leases, read_leases, &read);

    return error == WEIR_OK ? wi_lmdb_fill_workers(store, worker_capacity, table) : error;
}

static enum weir_error
list_unjoined(struct wi_lmdb_store *store, struct wi_lease_table *table)
{
    struct leases_read count = {.store = store};
    size_t worker_count = 0;
    uint32_t version = wi_storage_wake_word(store->leases);
    enum weir_error error = wi_storage_read(store->leases, count_leases, &count);

    if (error == WEIR_OK) {
        error = wi_lmdb_count_workers(store, &worker_count);
    }
    if (error == WEIR_OK) {
        error = wi_lease_table_new(
            store->env, count.needed + LEASES_HEADROOM, worker_count + WORKERS_HEADROOM, table);
    }
    if (error == WEIR_OK) {
        table->version = version;
        error =
            read_all(store, count.needed + LEASES_HEADROOM, worker_count + WORKERS_HEADROOM, table);
    }
    return error;
}

/* What the picture says of an owner; one without a session is looked up, once. */
static enum weir_error
join_owner(
    const struct wi_lease_table *table,
    struct wi_lmdb_views *absent,
    const char *owner,
    uint64_t *ret_counter,
    enum wi_owner_state *ret_state)
{
    const struct wi_worker *worker =
        owner[0] == '\0' ? NULL : wi_lease_table_find_worker(table, owner);
    struct wi_owner_view view;
    enum weir_error error;

    if (worker != NULL) {
        *ret_counter = worker->counter;
        *ret_state = worker->state;
        return WEIR_OK;
    }
    error = wi_lmdb_view(absent, owner, &view);
    if (error == WEIR_OK) {
        *ret_counter = view.counter;
        *ret_state = wi_owner_view_state(owner, &view);
    }
    return error;
}

static enum weir_error
join_all(struct wi_lmdb_store *store, struct wi_lease_table *table)
{
    struct wi_lmdb_views absent = {.store = store};
    struct wi_leader *leader = &table->leader;
    enum weir_error error =
        join_owner(table, &absent, leader->owner, &leader->counter, &leader->owner_state);

    for (size_t i = 0; error == WEIR_OK && i < table->lease_count; i++) {
        struct wi_lease *lease = &table->leases[i];
        error = join_owner(table, &absent, lease->owner, &lease->counter, &lease->owner_state);
    }
    wi_lmdb_views_free(&absent);
    return error;
}

enum weir_error
wi_lmdb_list(void *context, struct wi_lease_table *ret)
{
    struct wi_lmdb_store *store = context;
    struct wi_lease_table table = {.leases = NULL};
    enum weir_error error = WEIR_ERANGE;

    for (int attempt = 0; error == WEIR_ERANGE && attempt < LIST_ATTEMPTS_MAX; attempt++) {
        wi_lease_table_free(store->env, &table);
        error = list_unjoined(store, &table);
    }
    if (error == WEIR_OK) {
        error = join_all(store, &table);
    }
    if (error != WEIR_OK) {
        wi_lease_table_free(store->env, &table);
        return error == WEIR_ERANGE ? WEIR_EBUSY : error;
    }
    *ret = table;
    return WEIR_OK;
}

struct lease_read {
    const struct wi_lmdb_store *store;
    const char *lease_key;
    struct wi_lease lease;
};

static enum weir_error
read_lease(MDB_txn *txn, void *context)
{
    struct lease_read *read = context;
    struct wi_lmdb_lease row;
    enum weir_error error = wi_lmdb_get_lease(txn, read->store, read->lease_key, &row);

    if (error == WEIR_OK) {
        read->lease = row.lease;
    }
    return error;
}

enum weir_error
wi_lmdb_get(void *context, const char *lease_key, struct wi_lease *ret)
{
    struct wi_lmdb_store *store = context;
    struct wi_lmdb_views views = {.store = store};
    struct lease_read read = {.store = store, .lease_key = lease_key};
    struct wi_owner_view view;
    enum weir_error error = wi_storage_read(store->leases, read_lease, &read);

    if (error == WEIR_OK) {
        error = wi_lmdb_view(&views, read.lease.owner, &view);
    }
    if (error == WEIR_OK) {
        read.lease.counter = view.counter;
        read.lease.owner_state = wi_owner_view_state(read.lease.owner, &view);
        *ret = read.lease;
    }
    wi_lmdb_views_free(&views);
    return error;
}

struct leader_read {
    const struct wi_lmdb_store *store;
    struct wi_leader leader;
};

static enum weir_error
read_leader(MDB_txn *txn, void *context)
{
    struct leader_read *read = context;
    struct wi_row row;

    return wi_lmdb_get_leader(txn, read->store, &row, &read->leader);
}

enum weir_error
wi_lmdb_look_at_leader(void *context, struct wi_leader *ret)
{
    struct wi_lmdb_store *store = context;
    struct wi_lmdb_views views = {.store = store};
    struct leader_read read = {.store = store};
    struct wi_owner_view view;
    enum weir_error error = wi_storage_read(store->leases, read_leader, &read);

    if (error == WEIR_OK) {
        error = wi_lmdb_view(&views, read.leader.owner, &view);
    }
    if (error == WEIR_OK) {
        read.leader.counter = view.counter;
        read.leader.owner_state = wi_owner_view_state(read.leader.owner, &view);
        *ret = read.leader;
    }
    wi_lmdb_views_free(&views);
    return error;
}

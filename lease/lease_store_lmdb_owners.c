/* Owners in the LMDB backend: their sessions, the kernel's word on their processes, fencing. */
#include <lmdb.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/memory.h"
#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_row.h"
#include "lease/lease_rules.h"
#include "lease/lease_store.h"
#include "lease/lease_store_lmdb.h"
#include "lease/lease_table.h"
#include "lease/session_rules.h"
#include "storage/process.h"
#include "storage/storage.h"

#define VIEWS_MIN         8U
#define LIST_ATTEMPTS_MAX 16 /* workers keep registering while we allocate for those we saw */
#define WORKERS_HEADROOM  8U

struct wi_lmdb_view {
    char owner[WEIR_OWNER_SIZE];
    struct wi_owner_view view;
};

bool
wi_lmdb_process_is_gone(const char *owner)
{
    struct wi_process process;

    return wi_owner_process(wi_str(owner), &process) == WEIR_OK &&
           wi_process_look(&process) == WI_PROCESS_GONE;
}

/* --- one owner after another --- */

struct session_read {
    const struct wi_lmdb_store *store;
    const char *owner;
    struct wi_session session;
};

static enum weir_error
read_session(MDB_txn *txn, void *context)
{
    struct session_read *read = context;
    struct wi_row row;

    return wi_lmdb_get_session(txn, read->store, read->owner, &row, &read->session);
}

/* A session row that cannot be read counts as none: its owner's renewals fail on it too. */
static enum weir_error
look_at(struct wi_lmdb_store *store, const char *owner, struct wi_owner_view *ret)
{
    struct session_read read = {.store = store, .owner = owner};
    enum weir_error error = WEIR_ENOTFOUND;
    bool is_known;

    if (store->liveness != NULL && owner[0] != '\0') {
        error = wi_storage_read(store->liveness, read_session, &read);
    }
    is_known = error == WEIR_OK;
    if (!is_known && error != WEIR_ENOTFOUND && error != WEIR_ECORRUPT && error != WEIR_EVERSION) {
        return error;
    }
    *ret = wi_session_view(is_known ? &read.session : NULL, false);
    ret->process_gone = owner[0] != '\0' && !ret->fenced && wi_lmdb_process_is_gone(owner);
    return WEIR_OK;
}

static enum weir_error
keep_view(struct wi_lmdb_views *views, const char *owner, const struct wi_owner_view *view)
{
    struct wi_lmdb_view *entry;

    if (views->count == views->capacity) {
        size_t capacity = views->capacity == 0 ? VIEWS_MIN : views->capacity * 2;
        entry = wi_resize_array(views->store->env, views->entries, capacity, sizeof *entry);
        if (entry == NULL) {
            return WEIR_ENOMEM;
        }
        views->entries = entry;
        views->capacity = capacity;
    }
    entry = &views->entries[views->count++];
    (void)wi_str_copy(entry->owner, sizeof entry->owner, wi_str(owner));
    entry->view = *view;
    return WEIR_OK;
}

enum weir_error
wi_lmdb_view(struct wi_lmdb_views *views, const char *owner, struct wi_owner_view *ret)
{
    struct wi_owner_view view;
    enum weir_error error;

    if (owner[0] == '\0' || !wi_lease_text_is_valid(owner, WEIR_OWNER_SIZE)) {
        *ret = wi_session_view(NULL, false);
        return WEIR_OK;
    }
    for (size_t i = 0; i < views->count; i++) {
        if (strcmp(views->entries[i].owner, owner) == 0) {
            *ret = views->entries[i].view;
            return WEIR_OK;
        }
    }
    error = look_at(views->store, owner, &view);
    if (error == WEIR_OK) {
        error = keep_view(views, owner, &view);
    }
    if (error == WEIR_OK) {
        *ret = view;
    }
    return error;
}

void
wi_lmdb_views_free(struct wi_lmdb_views *views)
{
    wi_free(views->store->env, views->entries);
    views->entries = NULL;
    views->count = 0;
    views->capacity = 0;
}

/* --- all workers --- */

struct workers_read {
    const struct wi_lmdb_store *store;
    struct wi_lease_table *table;
    size_t capacity;
    size_t needed;
};

static enum weir_error
count_workers(MDB_txn *txn, void *context)
{
    struct workers_read *read = context;
    MDB_stat status;
    enum weir_error error = wi_error_from_lmdb(mdb_stat(txn, read->store->workers, &status));

    if (error == WEIR_OK) {
        read->needed = status.ms_entries;
    }
    return error;
}

static void
note_damaged_worker(struct wi_lease_table *table, const MDB_val *key)
{
    struct weir_str name = {key->mv_data, key->mv_size};

    if (table->damaged_count++ == 0) {
        (void)wi_str_copy(table->first_damaged, sizeof table->first_damaged, name);
    }
}

static enum weir_error
take_worker(struct workers_read *read, const MDB_val *key, const MDB_val *value)
{
    struct wi_lease_table *table = read->table;
    struct wi_session session;
    struct wi_row row;
    enum weir_error error = wi_row_decode_session(
        &row,
        (struct weir_str){key->mv_data, key->mv_size},
        (struct weir_bytes){value->mv_data, value->mv_size},
        &session);

    if (error != WEIR_OK) {
        note_damaged_worker(table, key);
        return WEIR_OK;
    }
    if (table->worker_count == read->capacity) {
        return WEIR_ERANGE;
    }
    /* Fenced is GONE already; the processes of the others are looked at after the transaction. */
    table->workers[table->worker_count++] = wi_session_worker(&session, false);
    return WEIR_OK;
}

static enum weir_error
read_workers(MDB_txn *txn, void *context)
{
    struct workers_read *read = context;
    MDB_cursor *cursor = NULL;
    MDB_val key = {0, NULL};
    MDB_val value = {0, NULL};
    enum weir_error error = count_workers(txn, read);
    int code;

    if (error == WEIR_OK && read->needed > read->capacity) {
        return WEIR_ERANGE;
    }
    if (error == WEIR_OK) {
        error = wi_error_from_lmdb(mdb_cursor_open(txn, read->store->workers, &cursor));
    }
    if (error != WEIR_OK) {
        return error;
    }
    code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    while (code == 0 && error == WEIR_OK) {
        error = take_worker(read, &key, &value);
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (error == WEIR_OK && code != MDB_NOTFOUND) {
        error = wi_error_from_lmdb(code);
    }
    return error;
}

enum weir_error
wi_lmdb_count_workers(struct wi_lmdb_store *store, size_t *ret)
{
    struct workers_read read = {.store = store};
    enum weir_error error =
        store->liveness == NULL ? WEIR_OK : wi_storage_read(store->liveness, count_workers, &read);

    if (error == WEIR_OK) {
        *ret = read.needed;
    }
    return error;
}

enum weir_error
wi_lmdb_fill_workers(struct wi_lmdb_store *store, size_t capacity, struct wi_lease_table *table)
{
    struct workers_read read = {.store = store, .table = table, .capacity = capacity};
    enum weir_error error =
        store->liveness == NULL ? WEIR_OK : wi_storage_read(store->liveness, read_workers, &read);

    for (size_t i = 0; error == WEIR_OK && i < table->worker_count; i++) {
        struct wi_worker *worker = &table->workers[i];
        if (worker->state == WI_OWNER_ALIVE && wi_lmdb_process_is_gone(worker->owner)) {
            worker->state = WI_OWNER_GONE;
        }
    }
    return error;
}

enum weir_error
wi_lmdb_list_workers(struct wi_lmdb_store *store, struct wi_lease_table *ret)
{
    struct wi_lease_table table = {.leases = NULL};
    enum weir_error error = WEIR_ERANGE;
    size_t capacity = 0;

    for (int attempt = 0; error == WEIR_ERANGE && attempt < LIST_ATTEMPTS_MAX; attempt++) {
        wi_lease_table_free(store->env, &table);
        error = wi_lmdb_count_workers(store, &capacity);
        capacity += WORKERS_HEADROOM;
        if (error == WEIR_OK) {
            error = wi_lease_table_new(store->env, 0, capacity, &table);
        }
        if (error == WEIR_OK) {
            error = wi_lmdb_fill_workers(store, capacity, &table);
        }
    }
    if (error != WEIR_OK) {
        wi_lease_table_free(store->env, &table);
        return error == WEIR_ERANGE ? WEIR_EBUSY : error;
    }
    *ret = table;
    return WEIR_OK;
}

/* --- the living and the dead --- */

struct sessions_walk {
    const struct wi_lmdb_store *store;
    bool drops_dead; /* else ends at the first live one */
    bool found_live;
};

static bool
is_live(const MDB_val *key, const MDB_val *value)
{
    struct wi_session session;
    struct wi_row row;
    enum weir_error error = wi_row_decode_session(
        &row,
        (struct weir_str){key->mv_data, key->mv_size},
        (struct weir_bytes){value->mv_data, value->mv_size},
        &session);

    return error == WEIR_OK && !session.fenced && !wi_lmdb_process_is_gone(session.worker.owner);
}

static enum weir_error
walk_sessions(MDB_txn *txn, void *context)
{
    struct sessions_walk *walk = context;
    MDB_cursor *cursor = NULL;
    MDB_val key = {0, NULL};
    MDB_val value = {0, NULL};
    int code = mdb_cursor_open(txn, walk->store->workers, &cursor);

    walk->found_live = false;
    if (code != 0) {
        return wi_error_from_lmdb(code);
    }
    code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    while (code == 0 && (walk->drops_dead || !walk->found_live)) {
        bool lives = is_live(&key, &value);

        walk->found_live = walk->found_live || lives;
        if (walk->drops_dead && !lives) {
            code = mdb_cursor_del(cursor, 0);
        }
        if (code == 0) {
            code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        }
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? WEIR_OK : wi_error_from_lmdb(code);
}

enum weir_error
wi_lmdb_has_live_worker(const struct wi_lmdb_store *store, bool *ret)
{
    struct sessions_walk walk = {.store = store};
    enum weir_error error =
        store->liveness == NULL ? WEIR_OK : wi_storage_read(store->liveness, walk_sessions, &walk);

    if (error == WEIR_OK) {
        *ret = walk.found_live;
    }
    return error;
}

enum weir_error
wi_lmdb_drop_dead_workers(const struct wi_lmdb_store *store)
{
    struct sessions_walk walk = {.store = store, .drops_dead = true};

    return store->liveness == NULL
               ? WEIR_OK
               : wi_storage_write(store->liveness, WI_WRITE_RESERVE, walk_sessions, &walk, NULL);
}

/* --- fencing --- */

struct fence_write {
    const struct wi_lmdb_store *store;
    const struct wi_lmdb_fence *fences;
    size_t count;
    enum weir_error *results;
};

/* A damaged session counts as none, as for look_at(): nobody renews it, and what could not be taken
 * from its owner would hold up every pass of a leader. One of a newer version is let alone. */
static enum weir_error
fence_one(MDB_txn *txn, const struct wi_lmdb_store *store, const struct wi_lmdb_fence *fence)
{
    struct wi_session session;
    struct wi_row row;
    enum weir_error error = wi_lmdb_get_session(txn, store, fence->owner, &row, &session);
    bool is_new = error == WEIR_ENOTFOUND || error == WEIR_ECORRUPT;

    if (is_new) {
        wi_row_init(&row);
    } else if (error != WEIR_OK) {
        return error == WEIR_EVERSION ? WEIR_ECONFLICT : error;
    }
    error = wi_session_fence(&session, is_new, fence->owner, fence->expected_counter);
    return error == WEIR_OK ? wi_lmdb_put_session(txn, store, &row, &session) : error;
}

/* An item of its own outcome: what concerns one row does not end the others. */
static enum weir_error
write_fences(MDB_txn *txn, void *context)
{
    struct fence_write *write = context;

    for (size_t i = 0; i < write->count; i++) {
        enum weir_error error;
        if (write->fences[i].owner == NULL) {
            continue;
        }
        error = fence_one(txn, write->store, &write->fences[i]);
        if (error != WEIR_OK && !wi_lmdb_is_row_error(error)) {
            return error;
        }
        write->results[i] = error;
    }
    return WEIR_OK;
}

enum weir_error
wi_lmdb_fence_all(
    struct wi_lmdb_store *store,
    const struct wi_lmdb_fence *fences,
    size_t count,
    enum weir_error *results)
{
    struct fence_write write = {store, fences, count, results};
    bool needed = false;

    for (size_t i = 0; !needed && i < count; i++) {
        needed = fences[i].owner != NULL;
    }
    if (!needed) {
        return WEIR_OK;
    }
    if (store->liveness == NULL) {
        return WEIR_EACCESS;
    }
    return wi_storage_write(store->liveness, WI_WRITE_RESERVE, write_fences, &write, NULL);
}

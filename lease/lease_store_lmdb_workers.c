/* Workers' sessions in the LMDB backend: registration, heartbeat, drain, removal. */
#include <lmdb.h>
#include <pthread.h>
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
#include "lease/session_rules.h"
#include "storage/process.h"
#include "storage/storage.h"

/* --- renew --- */

struct heartbeat_write {
    const struct wi_lmdb_store *store;
    const char *owner;
    struct wi_renew_answer answer;
};

static enum weir_error
write_heartbeat(MDB_txn *txn, void *context)
{
    struct heartbeat_write *write = context;
    struct wi_session session;
    struct wi_row row;
    enum weir_error error = wi_lmdb_get_session(txn, write->store, write->owner, &row, &session);

    if (error != WEIR_OK) {
        return error == WEIR_ENOTFOUND ? WEIR_ESESSIONLOST : error;
    }
    error = wi_session_renew(&session, &write->answer);
    return error == WEIR_OK ? wi_lmdb_put_session(txn, write->store, &row, &session) : error;
}

/* The keys and epochs, in order; equal digests mean the same leases. */
static XXH128_hash_t
digest_held(const struct wi_held_lease *held, size_t count)
{
    XXH128_hash_t digest = {0, 0};

    for (size_t i = 0; i < count; i++) {
        XXH128_hash_t key =
            XXH3_128bits_withSeed(held[i].lease_key, strlen(held[i].lease_key), held[i].epoch);
        const uint64_t chain[] = {digest.low64, digest.high64, key.low64, key.high64};
        digest = XXH3_128bits(chain, sizeof chain);
    }
    return digest;
}

struct verify_read {
    struct wi_lmdb_store *store;
    const char *owner;
    const struct wi_held_lease *held;
    size_t count;
    enum weir_error *results;
    XXH128_hash_t digest;
    uint64_t ownership_version; /* under which results hold */
    bool all_ok;
};

static bool
is_verified(const struct verify_read *read)
{
    struct wi_lmdb_store *store = read->store;
    const struct wi_lmdb_verified *verified = &store->verified;
    bool equal;

    pthread_mutex_lock(&store->mutex);
    equal = verified->ownership_version == read->ownership_version &&
            XXH128_isEqual(verified->held, read->digest) != 0 &&
            strcmp(verified->owner, read->owner) == 0;
    pthread_mutex_unlock(&store->mutex);
    return equal;
}

static void
keep_verified(const struct verify_read *read)
{
    struct wi_lmdb_verified verified = {
        .ownership_version = read->ownership_version, .held = read->digest};

    (void)wi_str_copy(verified.owner, sizeof verified.owner, wi_str(read->owner));
    pthread_mutex_lock(&read->store->mutex);
    read->store->verified = verified;
    pthread_mutex_unlock(&read->store->mutex);
}

static enum weir_error
verify_rows(MDB_txn *txn, struct verify_read *read)
{
    struct wi_lmdb_lease row;

    for (size_t i = 0; i < read->count; i++) {
        enum weir_error error = wi_lmdb_get_lease(txn, read->store, read->held[i].lease_key, &row);
        if (error == WEIR_OK) {
            error = wi_lease_check_renewal(&row.lease, read->owner, read->held[i].epoch);
        }
        if (error != WEIR_OK && !wi_lmdb_is_row_error(error)) {
            return error;
        }
        read->results[i] = error == WEIR_ENOTFOUND ? WEIR_ELEASELOST : error;
        read->all_ok = read->all_ok && error == WEIR_OK;
    }
    return WEIR_OK;
}

/* Ownership changes raise the table's ownership version in their own transaction, so an equal
 * version means that what was in order still is (R5: a revocation shows at the next renewal). */
static enum weir_error
verify(MDB_txn *txn, void *context)
{
    struct verify_read *read = context;
    struct wi_lmdb_counters table;
    enum weir_error error = wi_lmdb_get_counters(txn, read->store, &table);

    if (error != WEIR_OK) {
        return error;
    }
    read->ownership_version = table.counters.ownership_version;
    read->all_ok = true;
    if (is_verified(read)) {
        for (size_t i = 0; i < read->count; i++) {
            read->results[i] = WEIR_OK;
        }
        return WEIR_OK;
    }
    return verify_rows(txn, read);
}

enum weir_error
wi_lmdb_renew(
    void *context,
    const char *owner,
    const struct wi_held_lease *held,
    size_t count,
    enum weir_error *ret_results,
    struct wi_renew_answer *ret_answer)
{
    struct wi_lmdb_store *store = context;
    struct heartbeat_write heartbeat = {.store = store, .owner = owner};
    struct verify_read read = {
        .store = store, .owner = owner, .held = held, .count = count, .results = ret_results};
    enum weir_error error =
        store->liveness == NULL
            ? WEIR_EACCESS
            : wi_storage_write(
                  store->liveness, WI_WRITE_RESERVE, write_heartbeat, &heartbeat, NULL);

    if (error == WEIR_OK && count > 0) {
        read.digest = digest_held(held, count);
        error = wi_storage_read(store->leases, verify, &read);
    }
    if (error == WEIR_OK && read.all_ok) {
        keep_verified(&read);
    }
    if (error == WEIR_OK) {
        *ret_answer = heartbeat.answer;
    }
    return error;
}

/* --- registration --- */

struct worker_write {
    const struct wi_lmdb_store *store;
    const struct wi_worker *worker;
};

static enum weir_error
write_worker(MDB_txn *txn, void *context)
{
    const struct worker_write *write = context;
    struct wi_session session;
    struct wi_row row;
    enum weir_error error =
        wi_lmdb_get_session(txn, write->store, write->worker->owner, &row, &session);
    bool is_new = error == WEIR_ENOTFOUND;

    if (is_new) {
        wi_row_init(&row);
    } else if (error != WEIR_OK) {
        return error;
    }
    error = wi_session_put(&session, is_new, write->worker);
    return error == WEIR_OK ? wi_lmdb_put_session(txn, write->store, &row, &session) : error;
}

enum weir_error
wi_lmdb_put_worker(void *context, const struct wi_worker *worker)
{
    struct wi_lmdb_store *store = context;
    struct worker_write write = {store, worker};
    enum weir_error error =
        store->liveness == NULL
            ? WEIR_EACCESS
            : wi_storage_write(store->liveness, WI_WRITE_DEFAULT, write_worker, &write, NULL);

    if (error == WEIR_OK) {
        wi_storage_wake(store->leases, 0);
    }
    return error;
}

/* --- removal --- */

struct removal {
    const struct wi_lmdb_store *store;
    const char *owner;
    uint64_t term;
    uint64_t expected_counter;
    bool only_dead; /* else its own leave: whatever its counter says */
    bool process_gone;
};

/* WEIR_ECONFLICT if a readable lease row names the owner, or if the leader's term is over (R12). */
static enum weir_error
find_owned(MDB_txn *txn, void *context)
{
    const struct removal *removal = context;
    MDB_cursor *cursor = NULL;
    MDB_val key = {0, NULL};
    MDB_val value = {0, NULL};
    struct wi_lmdb_lease row;
    enum weir_error error = wi_lmdb_check_term(txn, removal->store, removal->term);
    int code;

    if (error == WEIR_OK) {
        error = wi_error_from_lmdb(mdb_cursor_open(txn, removal->store->lease_rows, &cursor));
    }
    if (error != WEIR_OK) {
        return error;
    }
    code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    while (code == 0 && error == WEIR_OK) {
        enum weir_error readable = wi_row_decode_lease(
            &row.row,
            (struct weir_str){key.mv_data, key.mv_size},
            (struct weir_bytes){value.mv_data, value.mv_size},
            &row.lease,
            &row.state);
        if (readable == WEIR_OK && strcmp(row.lease.owner, removal->owner) == 0) {
            error = WEIR_ECONFLICT;
        }
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (error == WEIR_OK && code != MDB_NOTFOUND) {
        error = wi_error_from_lmdb(code);
    }
    return error;
}

/* One that cannot be read may be removed all the same: it is of use to nobody. Not by a leader: he
 * saw no counter of it. */
static enum weir_error
check_session(MDB_txn *txn, const struct removal *removal)
{
    struct wi_owner_view view;
    struct wi_session session;
    struct wi_row row;
    enum weir_error error =
        wi_lmdb_get_session(txn, removal->store, removal->owner, &row, &session);
    bool is_readable = error == WEIR_OK;

    if (error != WEIR_OK && error != WEIR_ECORRUPT && error != WEIR_EVERSION) {
        return error;
    }
    if (!removal->only_dead || removal->process_gone) {
        return WEIR_OK;
    }
    view = wi_session_view(is_readable ? &session : NULL, false);
    return is_readable ? wi_session_check_removal(&view, removal->expected_counter) : error;
}

static enum weir_error
find_session(MDB_txn *txn, void *context)
{
    return check_session(txn, context);
}

static enum weir_error
write_removal(MDB_txn *txn, void *context)
{
    const struct removal *removal = context;
    char owner[WEIR_OWNER_SIZE];
    enum weir_error error = check_session(txn, removal);
    MDB_val key;

    if (error != WEIR_OK) {
        return error;
    }
    (void)wi_str_copy(owner, sizeof owner, wi_str(removal->owner));
    key = (MDB_val){strlen(owner), owner};
    return wi_error_from_lmdb(mdb_del(txn, removal->store->workers, &key, NULL));
}

/*
 * A lease given to it between the two steps is not lost: its owner then counts as missing. Neither
 * is anything lost if the leader's term ends between them: whose counter is still as the leader saw
 * it has not renewed since, and joins again if it lives.
 */
static enum weir_error
remove_session(struct wi_lmdb_store *store, struct removal *removal)
{
    enum weir_error error = store->liveness == NULL
                                ? WEIR_EACCESS
                                : wi_storage_read(store->liveness, find_session, removal);

    if (error == WEIR_OK) {
        error = wi_storage_read(store->leases, find_owned, removal);
    }
    if (error == WEIR_OK) {
        error = wi_storage_write(store->liveness, WI_WRITE_RESERVE, write_removal, removal, NULL);
    }
    if (error == WEIR_OK) {
        wi_storage_wake(store->leases, 0);
    }
    return error;
}

enum weir_error
wi_lmdb_remove_worker(void *context, const char *owner)
{
    struct wi_lmdb_store *store = context;
    struct removal removal = {.store = store, .owner = owner};

    return remove_session(store, &removal);
}

enum weir_error
wi_lmdb_remove_dead_worker(
    void *context, uint64_t term, const char *owner, uint64_t expected_counter)
{
    struct wi_lmdb_store *store = context;
    struct removal removal = {
        .store = store,
        .owner = owner,
        .term = term,
        .expected_counter = expected_counter,
        .only_dead = true,
        .process_gone = wi_lmdb_process_is_gone(owner)};

    return remove_session(store, &removal);
}

/* --- drain --- */

struct drain_write {
    const struct wi_lmdb_store *store;
    const struct wi_lease_table *table; /* workers that were there a moment ago */
    const char *worker_name;
    bool found;
};

static bool
is_meant(const struct wi_worker *worker, const char *worker_name)
{
    return worker->state == WI_OWNER_ALIVE &&
           wi_str_equal_z(wi_owner_name(wi_str(worker->owner)), worker_name);
}

static enum weir_error
write_drain(MDB_txn *txn, void *context)
{
    struct drain_write *write = context;
    struct wi_session session;
    struct wi_row row;

    write->found = false;
    for (size_t i = 0; i < write->table->worker_count; i++) {
        const struct wi_worker *worker = &write->table->workers[i];
        enum weir_error error;
        if (!is_meant(worker, write->worker_name)) {
            continue;
        }
        error = wi_lmdb_get_session(txn, write->store, worker->owner, &row, &session);
        if (error == WEIR_OK) {
            session.drain_requested = true;
            error = wi_lmdb_put_session(txn, write->store, &row, &session);
            write->found = true;
        }
        if (error != WEIR_OK && error != WEIR_ENOTFOUND) {
            return error;
        }
    }
    return write->found ? WEIR_OK : WEIR_ENOTFOUND;
}

enum weir_error
wi_lmdb_request_drain(void *context, const char *worker_name)
{
    struct wi_lmdb_store *store = context;
    struct wi_lease_table table = {.leases = NULL};
    struct drain_write write = {store, &table, worker_name, false};
    enum weir_error error = wi_lmdb_list_workers(store, &table);

    if (error == WEIR_OK && store->liveness == NULL) {
        error = WEIR_ENOTFOUND;
    }
    if (error == WEIR_OK) {
        error = wi_storage_write(store->liveness, WI_WRITE_DEFAULT, write_drain, &write, NULL);
    }
    if (error == WEIR_OK) {
        wi_storage_wake(store->leases, 0);
    }
    wi_lease_table_free(store->env, &table);
    return error;
}

/*
 * A window of ids that were seen: bounded by number and age, durable, shared by processes. Rows and
 * rules: docs/dedupe.md. A write transaction tests and adds, so one of several callers is first.
 */
#include <lmdb.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <xxhash.h>

#include <weir/dedupe.h>
#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/detail.h"
#include "core/memory.h"
#include "storage/storage.h"
#include "worker/dedupe_bytes.h"

#define FORMAT_VERSION     1U
#define ID_BYTES_MAX       256U
#define EVICTIONS_PER_ID   2U /* so that a window that was made smaller shrinks */
#define EVICTIONS_PER_CALL 16U
#define IDS_MAX            UINT64_C(1000000000)
#define AGE_MAX_MS         (INT64_C(366) * 24 * 3600 * 1000)
#define LOCK_PATIENCE_MS   5000
#define MAP_BYTES_INITIAL  (UINT64_C(1) << 20)
#define MAP_BYTES_MIN      (UINT64_C(64) << 20)
#define MAP_BYTES_PER_ID   512U

/* "ids": hash of the id -> time, number, checksum. "order": number -> time, hash, checksum. */
enum {
    HASH_SIZE = 16,
    ID_TIME = 0,
    ID_NUMBER = ID_TIME + WI_U64_BYTES,
    ID_CHECKSUM = ID_NUMBER + WI_U64_BYTES,
    ID_SIZE = ID_CHECKSUM + WI_U64_BYTES,
    ORDER_TIME = 0,
    ORDER_HASH = ORDER_TIME + WI_U64_BYTES,
    ORDER_CHECKSUM = ORDER_HASH + HASH_SIZE,
    ORDER_SIZE = ORDER_CHECKSUM + WI_U64_BYTES
};

struct weir_window {
    const struct weir_env *env;
    struct wi_storage *storage;
    uint64_t ids_max;
    int64_t age_max_ms;
    uint64_t seed; /* of the hashes; drawn once for each window, so that nobody can aim at it */
    MDB_dbi ids;
    MDB_dbi order;
    MDB_dbi meta;
    _Atomic uint64_t seen;
    _Atomic uint64_t dropped;
    _Atomic uint64_t overflow;
    _Atomic uint64_t size;
};

/* One entry of the window, whichever table it was read from. */
struct entry {
    unsigned char hash[HASH_SIZE];
    uint64_t number; /* in order of arrival */
    int64_t time_ms;
};

/* What one call carries into its transaction. Filled anew each time the transaction runs. */
struct addition {
    struct weir_window *window;
    const struct weir_bytes *ids;
    size_t count;
    int64_t now_ms;
    bool *seen;
    uint64_t dropped;
    uint64_t overflow;
    uint64_t size;
    uint64_t next_number;
};

/* --- rows --- */

/* The key is part of it: a row under another row's key is damaged too. */
static uint64_t
checksum(const MDB_val *key, const unsigned char *bytes, size_t size)
{
    return XXH3_64bits_withSeed(bytes, size, XXH3_64bits(key->mv_data, key->mv_size));
}

/* Look up a row of exactly `size` bytes whose last eight are its checksum. */
static enum weir_error
check_row(const MDB_val *key, const MDB_val *value, size_t size)
{
    const unsigned char *bytes = value->mv_data;
    size_t body = size - WI_U64_BYTES;

    WEIR_ASSERT(size > WI_U64_BYTES);
    return value->mv_size == size && wi_get_u64(bytes + body) == checksum(key, bytes, body)
               ? WEIR_OK
               : WEIR_ECORRUPT;
}

static enum weir_error
get_row(MDB_txn *txn, MDB_dbi database, MDB_val key, size_t size, const unsigned char **ret)
{
    MDB_val value = {0, NULL};
    enum weir_error error = wi_error_from_lmdb(mdb_get(txn, database, &key, &value));

    if (error == WEIR_OK) {
        error = check_row(&key, &value, size);
    }
    if (error == WEIR_OK) {
        *ret = value.mv_data;
    }
    return error;
}

/* Write `bytes` of `size`; its last eight become the checksum. */
static enum weir_error
put_row(MDB_txn *txn, MDB_dbi database, MDB_val key, unsigned char *bytes, size_t size)
{
    MDB_val value = {size, bytes};
    size_t body = size - WI_U64_BYTES;

    wi_put_u64(bytes + body, checksum(&key, bytes, body));
    return wi_error_from_lmdb(mdb_put(txn, database, &key, &value, 0));
}

static enum weir_error
delete_row(MDB_txn *txn, MDB_dbi database, MDB_val key)
{
    enum weir_error error = wi_error_from_lmdb(mdb_del(txn, database, &key, NULL));

    return error == WEIR_ENOTFOUND ? WEIR_ECORRUPT : error; /* the two tables disagree */
}

/* --- entries --- */

static void
hash_id(const struct weir_window *window, struct weir_bytes id, unsigned char ret[HASH_SIZE])
{
    XXH128_canonical_t canonical;

    _Static_assert(sizeof canonical.digest == HASH_SIZE, "XXH3-128");
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_withSeed(id.data, id.length, window->seed));
    memcpy(ret, canonical.digest, HASH_SIZE);
}

static enum weir_error
find_entry(
    const struct weir_window *window,
    MDB_txn *txn,
    const unsigned char hash[HASH_SIZE],
    struct entry *ret)
{
    const unsigned char *bytes = NULL;
    enum weir_error error = get_row(txn, window->ids, wi_mdb_val(hash, HASH_SIZE), ID_SIZE, &bytes);

    if (error == WEIR_OK) {
        memcpy(ret->hash, hash, HASH_SIZE);
        ret->time_ms = (int64_t)wi_get_u64(bytes + ID_TIME);
        ret->number = wi_get_u64(bytes + ID_NUMBER);
    }
    return error;
}

static enum weir_error
put_entry(const struct weir_window *window, MDB_txn *txn, const struct entry *entry)
{
    unsigned char number[WI_U64_BYTES];
    unsigned char id_row[ID_SIZE];
    unsigned char order_row[ORDER_SIZE];
    enum weir_error error = WEIR_OK;

    wi_put_u64(number, entry->number);
    wi_put_u64(id_row + ID_TIME, (uint64_t)entry->time_ms);
    memcpy(id_row + ID_NUMBER, number, sizeof number);
    wi_put_u64(order_row + ORDER_TIME, (uint64_t)entry->time_ms);
    memcpy(order_row + ORDER_HASH, entry->hash, HASH_SIZE);
    error = put_row(txn, window->ids, wi_mdb_val(entry->hash, HASH_SIZE), id_row, sizeof id_row);
    if (error == WEIR_OK) {
        error = put_row(
            txn, window->order, wi_mdb_val(number, sizeof number), order_row, sizeof order_row);
    }
    return error;
}

static enum weir_error
delete_entry(const struct weir_window *window, MDB_txn *txn, const struct entry *entry)
{
    unsigned char number[WI_U64_BYTES];
    enum weir_error error = delete_row(txn, window->ids, wi_mdb_val(entry->hash, HASH_SIZE));

    wi_put_u64(number, entry->number);
    return error == WEIR_OK ? delete_row(txn, window->order, wi_mdb_val(number, sizeof number))
                            : error;
}

/* The oldest (MDB_FIRST) or newest (MDB_LAST) entry; WEIR_ENOTFOUND in an empty window. */
static enum weir_error
edge_entry(const struct weir_window *window, MDB_txn *txn, MDB_cursor_op edge, struct entry *ret)
{
    MDB_cursor *cursor = NULL;
    MDB_val key = {0, NULL};
    MDB_val value = {0, NULL};
    const unsigned char *bytes = NULL;
    enum weir_error error = wi_error_from_lmdb(mdb_cursor_open(txn, window->order, &cursor));

    if (error != WEIR_OK) {
        return error;
    }
    error = wi_error_from_lmdb(mdb_cursor_get(cursor, &key, &value, edge));
    if (error == WEIR_OK && key.mv_size != WI_U64_BYTES) {
        error = WEIR_ECORRUPT;
    }
    if (error == WEIR_OK) {
        error = check_row(&key, &value, ORDER_SIZE);
    }
    if (error == WEIR_OK) {
        bytes = value.mv_data;
        ret->number = wi_get_u64(key.mv_data);
        ret->time_ms = (int64_t)wi_get_u64(bytes + ORDER_TIME);
        memcpy(ret->hash, bytes + ORDER_HASH, HASH_SIZE);
    }
    mdb_cursor_close(cursor);
    return error;
}

/* An entry of the future (the wall clock was set back) is not old. */
static bool
is_expired(const struct addition *addition, const struct entry *entry)
{
    return entry->time_ms < addition->now_ms &&
           (uint64_t)addition->now_ms - (uint64_t)entry->time_ms >
               (uint64_t)addition->window->age_max_ms;
}

/* --- the transaction of one call --- */

static enum weir_error
count_entries(const struct weir_window *window, MDB_txn *txn, uint64_t *ret)
{
    MDB_stat stat;
    enum weir_error error = wi_error_from_lmdb(mdb_stat(txn, window->order, &stat));

    if (error == WEIR_OK) {
        *ret = stat.ms_entries;
    }
    return error;
}

static enum weir_error
begin_addition(struct addition *addition, MDB_txn *txn)
{
    struct entry newest;
    enum weir_error error = count_entries(addition->window, txn, &addition->size);

    addition->dropped = 0;
    addition->overflow = 0;
    addition->next_number = 1;
    if (error != WEIR_OK) {
        return error;
    }
    error = edge_entry(addition->window, txn, MDB_LAST, &newest);
    if (error == WEIR_OK && newest.number == UINT64_MAX) {
        return WEIR_ECORRUPT;
    }
    if (error == WEIR_OK) {
        addition->next_number = newest.number + 1;
    }
    return error == WEIR_ENOTFOUND ? WEIR_OK : error;
}

/* One id: seen, or added; one that has expired but was not evicted yet counts as new. */
static enum weir_error
add_id(struct addition *addition, MDB_txn *txn, size_t i)
{
    const struct weir_window *window = addition->window;
    struct entry entry;
    enum weir_error error = WEIR_OK;

    hash_id(window, addition->ids[i], entry.hash);
    error = find_entry(window, txn, entry.hash, &entry);
    addition->seen[i] = error == WEIR_OK && !is_expired(addition, &entry);
    if (addition->seen[i]) {
        addition->dropped++;
        return WEIR_OK;
    }
    if (error == WEIR_OK) {
        error = delete_entry(window, txn, &entry);
        addition->size--;
    }
    if (error != WEIR_OK && error != WEIR_ENOTFOUND) {
        return error;
    }
    entry.time_ms = addition->now_ms;
    entry.number = addition->next_number++;
    addition->size++;
    return put_entry(window, txn, &entry);
}

/* Forget the oldest: those beyond ids_max, those beyond age_max_ms. At most so many in one call. */
static enum weir_error
evict(struct addition *addition, MDB_txn *txn)
{
    const struct weir_window *window = addition->window;
    size_t left = EVICTIONS_PER_ID * addition->count + EVICTIONS_PER_CALL;
    struct entry oldest;

    for (; left > 0; left--) {
        enum weir_error error = edge_entry(window, txn, MDB_FIRST, &oldest);
        bool is_old = error == WEIR_OK && is_expired(addition, &oldest);
        if (error != WEIR_OK) {
            return error == WEIR_ENOTFOUND ? WEIR_OK : error;
        }
        if (!is_old && addition->size <= window->ids_max) {
            return WEIR_OK;
        }
        error = delete_entry(window, txn, &oldest);
        if (error != WEIR_OK) {
            return error;
        }
        WEIR_ASSERT(addition->size > 0);
        addition->size--;
        addition->overflow += is_old ? 0 : 1;
    }
    return WEIR_OK;
}

static enum weir_error
add_in_transaction(MDB_txn *txn, void *context)
{
    struct addition *addition = context;
    enum weir_error error = begin_addition(addition, txn);

    for (size_t i = 0; error == WEIR_OK && i < addition->count; i++) {
        error = add_id(addition, txn, i);
    }
    return error == WEIR_OK ? evict(addition, txn) : error;
}

enum weir_error
weir_window_add(
    struct weir_window *window, const struct weir_bytes *ids, size_t count, bool *ret_seen)
{
    struct addition addition = {.window = window, .ids = ids, .count = count};
    enum weir_error error = WEIR_OK;

    if (window == NULL || ids == NULL || ret_seen == NULL || count == 0 ||
        count > WEIR_WINDOW_ADD_MAX) {
        return WEIR_EINVAL;
    }
    for (size_t i = 0; i < count; i++) {
        if (ids[i].data == NULL || ids[i].length == 0 || ids[i].length > ID_BYTES_MAX) {
            return WEIR_EINVAL;
        }
    }
    addition.seen = wi_alloc_array(window->env, count, sizeof *addition.seen);
    if (addition.seen == NULL) {
        return WEIR_ENOMEM;
    }
    addition.now_ms = window->env->clock.wall(window->env->clock.context).ms;
    error =
        wi_storage_write(window->storage, WI_WRITE_DEFAULT, add_in_transaction, &addition, NULL);
    if (error == WEIR_OK) {
        memcpy(ret_seen, addition.seen, count * sizeof *ret_seen);
        atomic_fetch_add(&window->seen, count);
        atomic_fetch_add(&window->dropped, addition.dropped);
        atomic_fetch_add(&window->overflow, addition.overflow);
        atomic_store(&window->size, addition.size);
    }
    wi_free(window->env, addition.seen);
    return error;
}

/* --- open and close --- */

static const char seed_key[] = "seed";

/* The seed that the first opener drew; it must not change, or no id would be found again. */
static enum weir_error
agree_on_seed(MDB_txn *txn, void *context)
{
    struct weir_window *window = context;
    unsigned char bytes[2 * WI_U64_BYTES];
    const unsigned char *found = NULL;
    MDB_val key = wi_mdb_val(seed_key, sizeof seed_key - 1);
    enum weir_error error = get_row(txn, window->meta, key, sizeof bytes, &found);

    if (error == WEIR_OK) {
        window->seed = wi_get_u64(found);
    }
    if (error == WEIR_ENOTFOUND) {
        wi_put_u64(bytes, window->seed);
        error = put_row(txn, window->meta, key, bytes, sizeof bytes);
    }
    return error;
}

static enum weir_error
open_databases(struct weir_window *window)
{
    enum weir_error error = wi_storage_database(window->storage, "ids", 0, &window->ids);

    if (error == WEIR_OK) {
        error = wi_storage_database(window->storage, "order", 0, &window->order);
    }
    if (error == WEIR_OK) {
        error = wi_storage_database(window->storage, "meta", 0, &window->meta);
    }
    return error;
}

static enum weir_error
open_storage(struct weir_window *window, const char *directory, struct weir_detail *detail)
{
    uint64_t bytes = window->ids_max * MAP_BYTES_PER_ID;
    struct wi_storage_options options = {
        .directory = directory,
        .kind = "window",
        .format_version = FORMAT_VERSION,
        .sync = WI_SYNC_FULL,
        .map_bytes_initial = MAP_BYTES_INITIAL,
        .map_bytes_max = bytes > MAP_BYTES_MIN ? bytes : MAP_BYTES_MIN,
        .databases_max = 3,
        .lock_patience_ms = LOCK_PATIENCE_MS,
    };
    enum weir_error error = wi_storage_open(window->env, &options, &window->storage, detail);

    if (error == WEIR_OK) {
        error = open_databases(window);
    }
    if (error != WEIR_OK) {
        return error;
    }
    window->seed = window->env->rng.next(window->env->rng.context);
    return wi_storage_write(window->storage, WI_WRITE_DEFAULT, agree_on_seed, window, detail);
}

static enum weir_error
check_options(
    const char *directory, const struct weir_window_options *options, struct weir_detail *detail)
{
    if (directory == NULL || directory[0] == '\0') {
        return wi_detail(detail, WEIR_EINVAL, "a window needs a directory of its own");
    }
    if (options->struct_size != sizeof *options) {
        return wi_detail(
            detail, WEIR_EINVAL, "options: start from WEIR_WINDOW_OPTIONS_INIT of this version");
    }
    if (options->ids_max < 1 || options->ids_max > IDS_MAX) {
        return wi_detail(detail, WEIR_EINVAL, "ids_max is outside [1, 10^9]");
    }
    if (options->age_max_ms < 1 || options->age_max_ms > AGE_MAX_MS) {
        return wi_detail(detail, WEIR_EINVAL, "age_max_ms is outside [1, 366 days]");
    }
    return WEIR_OK;
}

enum weir_error
weir_window_open(
    const struct weir_env *env,
    const char *directory,
    const struct weir_window_options *options,
    struct weir_window **ret,
    struct weir_detail *detail)
{
    static const struct weir_window_options defaults = WEIR_WINDOW_OPTIONS_INIT;
    struct weir_window *window = NULL;
    enum weir_error error = WEIR_EINVAL;

    options = options == NULL ? &defaults : options;
    if (env == NULL || ret == NULL) {
        return wi_detail(detail, WEIR_EINVAL, "a window needs an environment and a place for it");
    }
    error = check_options(directory, options, detail);
    if (error != WEIR_OK) {
        return error;
    }
    window = wi_alloc(env, sizeof *window);
    if (window == NULL) {
        return wi_detail(detail, WEIR_ENOMEM, "no memory for a window");
    }
    window->env = env;
    window->ids_max = options->ids_max;
    window->age_max_ms = options->age_max_ms;
    error = open_storage(window, directory, detail);
    if (error != WEIR_OK) {
        weir_window_close(window);
        return error;
    }
    *ret = window;
    return WEIR_OK;
}

void
weir_window_close(struct weir_window *window)
{
    if (window != NULL) {
        wi_storage_close(window->storage);
        wi_free(window->env, window);
    }
}

struct census {
    const struct weir_window *window;
    uint64_t size;
};

static enum weir_error
count_in_transaction(MDB_txn *txn, void *context)
{
    struct census *census = context;

    return count_entries(census->window, txn, &census->size);
}

void
weir_window_metrics_get(struct weir_window *window, struct weir_window_metrics *ret)
{
    struct census census = {.window = window};

    /* Other processes add too; if the read fails, what this one saw last has to do. */
    if (wi_storage_read(window->storage, count_in_transaction, &census) != WEIR_OK) {
        census.size = atomic_load(&window->size);
    }
    *ret = (struct weir_window_metrics){
        .seen = atomic_load(&window->seen),
        .dropped = atomic_load(&window->dropped),
        .overflow = atomic_load(&window->overflow),
        .size = census.size,
    };
}

#include "bench/bare_lmdb.h"

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bench/records.h"
#include "bench/shared.h"

#define MAP_BYTES  ((size_t)1 << 36)
#define FILE_MODE  (S_IRUSR | S_IWUSR)
#define SCAN_BATCH 1000
#define ROW_BYTES  200

/* What a consumer would be handed. */
struct view {
    uint64_t key;
    MDB_val data;
};

static bool
check(int error, const char *what, char failure[BENCH_TEXT_SIZE])
{
    if (error == MDB_SUCCESS) {
        return true;
    }
    (void)snprintf(failure, BENCH_TEXT_SIZE, "bare LMDB: %s: %s", what, mdb_strerror(error));
    return false;
}

static bool
open_database(struct bare *bare, char failure[BENCH_TEXT_SIZE])
{
    MDB_txn *txn = NULL;

    if (!check(mdb_txn_begin(bare->env, NULL, 0, &txn), "begin", failure)) {
        return false;
    }
    if (!check(mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &bare->dbi), "open", failure)) {
        mdb_txn_abort(txn);
        return false;
    }
    return check(mdb_txn_commit(txn), "commit", failure);
}

bool
bare_open(const char *directory, bool sync, struct bare *ret, char failure[BENCH_TEXT_SIZE])
{
    const unsigned flags = sync ? 0 : MDB_NOSYNC;

    *ret = (struct bare){NULL, 0};
    return check(mdb_env_create(&ret->env), "create", failure) &&
           check(mdb_env_set_mapsize(ret->env, MAP_BYTES), "map size", failure) &&
           check(mdb_env_open(ret->env, directory, flags, FILE_MODE), directory, failure) &&
           open_database(ret, failure);
}

void
bare_close(struct bare *bare)
{
    if (bare->env != NULL) {
        mdb_env_close(bare->env);
    }
}

/* One transaction of appends. */
static bool
append_batch(struct bare *bare, uint64_t first, MDB_val data, char failure[BENCH_TEXT_SIZE])
{
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    int error = mdb_txn_begin(bare->env, NULL, 0, &txn);

    if (error == MDB_SUCCESS) {
        error = mdb_cursor_open(txn, bare->dbi, &cursor);
    }
    for (uint64_t i = 0; error == MDB_SUCCESS && i < RECORDS_BATCH; i++) {
        uint64_t number = first + i;
        MDB_val key = {sizeof number, &number};
        error = mdb_cursor_put(cursor, &key, &data, MDB_APPEND);
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    if (error != MDB_SUCCESS) {
        mdb_txn_abort(txn);
        return check(error, "append", failure);
    }
    return check(mdb_txn_commit(txn), "commit", failure);
}

bool
bare_append(
    struct bare *bare, uint64_t records, uint32_t record_bytes, char failure[BENCH_TEXT_SIZE])
{
    static unsigned char data[RECORDS_BYTES_MAX];
    const MDB_val value = {record_bytes, data};
    bool ok = true;

    records_data(data);
    for (uint64_t done = 0; ok && done < records; done += RECORDS_BATCH) {
        ok = append_batch(bare, done, value, failure);
    }
    return ok;
}

/* Called through a pointer that the compiler cannot see through, as a processor would be. */
static void
process_nothing(const struct view *views, size_t count)
{
    (void)views;
    (void)count;
}

static void (*volatile process)(const struct view *views, size_t count) = process_nothing;

/* Views from *next on; moves *next behind them. */
static int
scan_batch(MDB_cursor *cursor, uint64_t *next, struct view *views, size_t *ret_count)
{
    MDB_val key = {sizeof *next, next};
    MDB_val data;
    size_t count = 0;
    int error = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);

    while (error == MDB_SUCCESS && count < SCAN_BATCH) {
        memcpy(&views[count].key, key.mv_data, sizeof views[count].key);
        views[count].data = data;
        count++;
        if (count < SCAN_BATCH) {
            error = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
        }
    }
    if (count > 0) {
        *next = views[count - 1].key + 1;
        process(views, count);
    }
    *ret_count = count;
    return error == MDB_NOTFOUND ? MDB_SUCCESS : error;
}

bool
bare_scan(struct bare *bare, uint64_t *ret_records, char failure[BENCH_TEXT_SIZE])
{
    static struct view views[SCAN_BATCH];
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    uint64_t next = 0;
    uint64_t records = 0;
    size_t count = 1;
    int error = mdb_txn_begin(bare->env, NULL, MDB_RDONLY, &txn);

    if (error == MDB_SUCCESS) {
        error = mdb_cursor_open(txn, bare->dbi, &cursor);
    }
    while (error == MDB_SUCCESS && count > 0) {
        error = scan_batch(cursor, &next, views, &count);
        records += count;
        mdb_txn_reset(txn);
        if (error == MDB_SUCCESS) {
            error = mdb_txn_renew(txn);
        }
        if (error == MDB_SUCCESS) {
            error = mdb_cursor_renew(txn, cursor);
        }
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    if (txn != NULL) {
        mdb_txn_abort(txn);
    }
    *ret_records = records;
    return check(error, "scan", failure);
}

bool
bare_update(struct bare *bare, uint64_t count, uint64_t stamp, char failure[BENCH_TEXT_SIZE])
{
    unsigned char row[ROW_BYTES] = {0};
    MDB_txn *txn = NULL;
    int error = mdb_txn_begin(bare->env, NULL, 0, &txn);

    memcpy(row, &stamp, sizeof stamp);
    for (uint64_t i = 0; error == MDB_SUCCESS && i < count; i++) {
        MDB_val key = {sizeof i, &i};
        MDB_val data = {sizeof row, row};
        error = mdb_put(txn, bare->dbi, &key, &data, 0);
    }
    if (error != MDB_SUCCESS) {
        mdb_txn_abort(txn);
        return check(error, "update", failure);
    }
    return check(mdb_txn_commit(txn), "commit", failure);
}

bool
bare_seek(struct bare *bare, uint64_t key, char failure[BENCH_TEXT_SIZE])
{
    MDB_val name = {sizeof key, &key};
    MDB_val data;
    MDB_txn *txn = NULL;
    int error = mdb_txn_begin(bare->env, NULL, MDB_RDONLY, &txn);

    if (error == MDB_SUCCESS) {
        error = mdb_get(txn, bare->dbi, &name, &data);
    }
    if (error == MDB_SUCCESS && data.mv_size > 0) {
        const volatile unsigned char *byte = data.mv_data;
        (void)*byte;
    }
    if (txn != NULL) {
        mdb_txn_abort(txn);
    }
    return check(error, "seek", failure);
}

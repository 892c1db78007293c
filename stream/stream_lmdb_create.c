/* The environment of an embedded stream: how it is opened, filled at first and marked deleted. */
#include <lmdb.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>

#include "core/clock.h"
#include "core/detail.h"
#include "core/hash_key.h"
#include "storage/storage.h"
#include "stream/stream_format.h"
#include "stream/stream_lmdb.h"

/* The same writer for longer than this means that it hangs. */
#define LOCK_PATIENCE_MS 5000

#define DATABASES 4U

/* The map may grow to this while a stream is made: 10,000 rows need about 4 MiB. */
#define CREATE_MAP_MAX ((uint64_t)1 << 30)

/* A new stream counts from its creation time in ms times 2^20, at most from here. */
#define CREATED_BITS   20
#define CREATED_MAX_MS ((int64_t)1 << 42)
#define FIRST_VERSION  1U

struct wi_storage_options
wi_stream_storage_options(const char *directory)
{
    return (struct wi_storage_options){
        .directory = directory,
        .kind = "stream",
        .format_version = WI_STREAM_FORMAT_VERSION,
        .sync = WI_SYNC_FULL,
        .map_bytes_initial = WI_STREAM_MAP_INITIAL,
        .map_bytes_max = CREATE_MAP_MAX,
        .databases_max = DATABASES,
        .must_exist = true,
        .lock_patience_ms = LOCK_PATIENCE_MS,
    };
}

/* A stream that is being deleted loses its files one by one, after its folder has been renamed. */
static bool
has_gone(const char *directory, const struct stat *before)
{
    struct stat now;

    return stat(directory, &now) != 0 || now.st_dev != before->st_dev ||
           now.st_ino != before->st_ino;
}

enum weir_error
wi_stream_storage_open(
    const struct weir_env *env,
    const struct wi_storage_options *options,
    struct wi_storage **ret_storage,
    struct wi_stream_tables *ret_tables,
    struct weir_detail *detail)
{
    struct wi_storage *storage = NULL;
    struct wi_stream_tables tables = {0};
    struct stat before = {0};
    const bool existed = stat(options->directory, &before) == 0;
    enum weir_error error = wi_storage_open(env, options, &storage, detail);

    if (error != WEIR_OK && existed && has_gone(options->directory, &before)) {
        return wi_detail(
            detail, WEIR_ENOTFOUND, "%s was deleted at this moment", options->directory);
    }
    if (error != WEIR_OK) {
        return error;
    }
    error = wi_storage_database(storage, "meta", 0, &tables.meta);
    if (error == WEIR_OK) {
        error = wi_storage_database(storage, "shards", 0, &tables.shards);
    }
    if (error == WEIR_OK) {
        error = wi_storage_database(storage, "records", 0, &tables.records);
    }
    if (error == WEIR_OK) {
        error = wi_storage_database(storage, "limits", 0, &tables.limits);
    }
    if (error != WEIR_OK) {
        wi_storage_close(storage);
        return wi_detail(
            detail,
            error == WEIR_ENOTFOUND ? WEIR_ECORRUPT : error,
            "%s: the tables of a stream are not there",
            options->directory);
    }
    *ret_storage = storage;
    *ret_tables = tables;
    return WEIR_OK;
}

struct format_call {
    const struct wi_stream_tables *tables;
    const struct weir_stream_create_options *options;
    struct wi_stream_meta meta;
};

static enum weir_error
write_first_rows(MDB_txn *txn, void *context)
{
    const struct format_call *call = context;
    enum weir_error error = wi_meta_write(txn, call->tables, &call->meta);

    for (uint32_t i = 0; i < call->options->shards && error == WEIR_OK; i++) {
        const struct wi_shard_row row = {
            .parents = {WI_SHARD_NONE, WI_SHARD_NONE},
            .children = {WI_SHARD_NONE, WI_SHARD_NONE},
            .range = wi_hash_range_even(i, call->options->shards),
            .start = call->meta.next_sequence - 1, /* taken by the shard itself */
            .created_ms = call->meta.created_ms,
        };

        error = wi_shard_write(txn, call->tables, i, &row);
    }
    return error;
}

/* docs/embedded-stream.md 3: above the numbers of an older stream of the same name. */
static uint64_t
first_sequence(int64_t created_ms)
{
    const int64_t bounded = created_ms < 0                ? 0
                            : created_ms > CREATED_MAX_MS ? CREATED_MAX_MS
                                                          : created_ms;

    return ((uint64_t)bounded << CREATED_BITS) + 2;
}

enum weir_error
wi_stream_lmdb_format(
    const struct weir_env *env,
    const char *directory,
    const struct weir_stream_create_options *options,
    struct weir_detail *detail)
{
    struct wi_storage_options storage_options = wi_stream_storage_options(directory);
    struct wi_storage *storage = NULL;
    struct wi_stream_tables tables = {0};
    const int64_t now_ms = wi_wall_now(env).ms;
    struct format_call call = {
        .tables = &tables,
        .options = options,
        .meta = {
            .kinesis_limits = options->kinesis_limits,
            .retention_ms = options->retention_ms,
            .record_bytes_max = options->record_bytes_max,
            .next_shard = options->shards,
            .next_sequence = first_sequence(now_ms),
            .shards_version = FIRST_VERSION,
            .last_arrival_ms = now_ms,
            .created_ms = now_ms,
            .identity = wi_random(env),
            .shard_rows = options->shards,
        }};

    storage_options.must_exist = false;
    enum weir_error error = wi_boot_find(&call.meta.boot, detail);
    if (error == WEIR_OK) {
        error = wi_stream_storage_open(env, &storage_options, &storage, &tables, detail);
    }
    if (error == WEIR_OK) {
        error = wi_storage_write(storage, WI_WRITE_DEFAULT, write_first_rows, &call, detail);
    }
    wi_storage_close(storage);
    return error;
}

struct meta_call {
    const struct wi_stream_tables *tables;
    struct wi_stream_meta meta;
};

static enum weir_error
read_meta(MDB_txn *txn, void *context)
{
    struct meta_call *call = context;

    return wi_meta_read_any(txn, call->tables, &call->meta);
}

static enum weir_error
set_deleted(MDB_txn *txn, void *context)
{
    struct meta_call *call = context;
    const enum weir_error error = wi_meta_read(txn, call->tables, &call->meta);

    if (error != WEIR_OK) {
        return error; /* WEIR_ENOTFOUND: somebody else was first */
    }
    call->meta.deleted = true;
    return wi_meta_write(txn, call->tables, &call->meta);
}

enum weir_error
wi_stream_lmdb_mark_deleted(
    const struct weir_env *env, const char *directory, struct weir_detail *detail)
{
    struct wi_storage_options options = wi_stream_storage_options(directory);
    struct wi_storage *storage = NULL;
    struct wi_stream_tables tables = {0};
    struct meta_call call = {.tables = &tables};
    enum weir_error error = wi_stream_storage_open(env, &options, &storage, &tables, detail);

    if (error == WEIR_OK) {
        error = wi_storage_write(storage, WI_WRITE_RESERVE, set_deleted, &call, detail);
    }
    if (error == WEIR_OK) {
        for (uint32_t slot = 0; slot < WI_WAKE_SLOTS; slot++) {
            wi_storage_wake(storage, slot);
        }
    }
    wi_storage_close(storage);
    return error;
}

enum weir_error
wi_stream_lmdb_is_deleted(const struct weir_env *env, const char *directory, bool *ret)
{
    struct wi_storage_options options = wi_stream_storage_options(directory);
    struct wi_storage *storage = NULL;
    struct wi_stream_tables tables = {0};
    struct meta_call call = {.tables = &tables};
    enum weir_error error = wi_stream_storage_open(env, &options, &storage, &tables, NULL);

    if (error == WEIR_OK) {
        error = wi_storage_read(storage, read_meta, &call);
    }
    wi_storage_close(storage);
    if (error == WEIR_OK) {
        *ret = call.meta.deleted;
    }
    return error;
}

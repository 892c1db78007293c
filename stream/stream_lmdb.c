/* The embedded stream as a stream source: open, close, describe, wait. */
#include "stream/stream_lmdb.h"

#include <lmdb.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/detail.h"
#include "core/memory.h"
#include "storage/storage.h"
#include "stream/partition_hash.h"
#include "stream/stream_format.h"
#include "stream/stream_source.h"

static void
close_stream(void *source)
{
    struct stream_lmdb *stream = source;

    if (stream == NULL) {
        return;
    }
    while (stream->idle_count > 0) {
        wi_put_context_free(stream, stream->idle[--stream->idle_count]);
    }
    if (stream->map != NULL) {
        WEIR_ASSERT(stream->map->references == 1);
        wi_shard_map_release(stream, stream->map);
    }
    EVP_MD_free(stream->md5);
    wi_storage_close(stream->storage);
    pthread_mutex_destroy(&stream->mutex);
    wi_free(stream->env, stream);
}

/* --- describe --- */

struct describe_call {
    const struct stream_lmdb *stream;
    struct wi_stream_meta meta;
    struct weir_shard *shards;
    size_t count;
    int64_t now_ms;
};

static struct weir_sequence_number
sequence_number(uint64_t value)
{
    return (struct weir_sequence_number){{0, 0, 0, value}};
}

/* A closed shard is left out once its closing is older than the retention: so are its records. */
static enum weir_error
describe_row(void *context, uint32_t number, const struct wi_shard_row *row)
{
    struct describe_call *call = context;

    if (row->closed && row->closed_ms < call->now_ms - call->meta.retention_ms) {
        return WEIR_OK;
    }
    if (call->count == call->meta.shard_rows) {
        return WEIR_ECORRUPT;
    }
    struct weir_shard *shard = &call->shards[call->count++];
    wi_shard_id_format(number, shard->shard_id);
    for (size_t i = 0; i < WEIR_PARENTS_MAX; i++) {
        if (row->parents[i] != WI_SHARD_NONE) {
            wi_shard_id_format(row->parents[i], shard->parent_shard_ids[i]);
        }
    }
    shard->range = row->range;
    shard->closed = row->closed;
    shard->starting_sequence_number = sequence_number(row->start);
    shard->ending_sequence_number = sequence_number(row->closed ? row->end : 0);
    return WEIR_OK;
}

static enum weir_error
read_description(MDB_txn *txn, void *context)
{
    struct describe_call *call = context;
    const struct stream_lmdb *stream = call->stream;
    enum weir_error error = wi_meta_read(txn, &stream->tables, &call->meta);

    wi_free(stream->env, call->shards); /* of a run before this one */
    call->shards = NULL;
    call->count = 0;
    if (error != WEIR_OK) {
        return error;
    }
    call->shards = wi_alloc_array(stream->env, call->meta.shard_rows, sizeof *call->shards);
    return call->shards == NULL ? WEIR_ENOMEM
                                : wi_shards_each(txn, &stream->tables, describe_row, call);
}

static enum weir_error
describe(void *source, struct weir_stream_description *ret, struct weir_detail *detail)
{
    const struct stream_lmdb *stream = source;
    struct describe_call call = {.stream = stream, .now_ms = wi_wall_now(stream->env).ms};
    const enum weir_error error = wi_storage_read(stream->storage, read_description, &call);

    if (error != WEIR_OK) {
        wi_free(stream->env, call.shards);
        return wi_detail(detail, error, "describe: %s", weir_error_text(error));
    }
    *ret = (struct weir_stream_description){call.meta.retention_ms, call.shards, call.count};
    return WEIR_OK;
}

/* --- versions and waiting --- */

static uint64_t
version(void *source)
{
    const struct stream_lmdb *stream = source;

    return wi_storage_version(stream->storage);
}

static uint32_t
wait_word(void *source, uint32_t seen, int64_t timeout_ms)
{
    const struct stream_lmdb *stream = source;

    return wi_storage_wake_wait(stream->storage, seen, timeout_ms);
}

static uint32_t
wake_word(void *source)
{
    const struct stream_lmdb *stream = source;

    return wi_storage_wake_word(stream->storage);
}

static uint32_t
slot_word(void *source, struct weir_str shard_id)
{
    const struct stream_lmdb *stream = source;
    uint32_t number = 0;

    return wi_shard_id_parse(shard_id, &number) == WEIR_OK
               ? wi_storage_wake_slot(stream->storage, number % WI_WAKE_SLOTS)
               : 0;
}

static void
interrupt(void *source)
{
    const struct stream_lmdb *stream = source;

    wi_storage_wake_interrupt(stream->storage);
}

static const struct wi_stream_source_ops lmdb_ops = {
    .close = close_stream,
    .describe = describe,
    .put = wi_embedded_put,
    .get = wi_embedded_get,
    .tail = wi_embedded_tail,
    .split = wi_embedded_split,
    .merge = wi_embedded_merge,
    .scale = wi_embedded_scale,
    .trim = wi_embedded_trim,
    .version = version,
    .wait = wait_word,
    .wake_word = wake_word,
    .slot_word = slot_word,
    .interrupt = interrupt,
    .fetch_is_local = true,
};

/* --- open --- */

static enum wi_storage_sync
sync_of(enum weir_durability durability)
{
    switch (durability) {
    case WEIR_DURABILITY_FULL:
        return WI_SYNC_FULL;
    case WEIR_DURABILITY_RELAXED:
        return WI_SYNC_RELAXED;
    case WEIR_DURABILITY_NONE:
        return WI_SYNC_NONE;
    }
    return WI_SYNC_FULL;
}

struct check_call {
    const struct wi_stream_tables *tables;
    struct wi_stream_meta meta;
};

static enum weir_error
read_meta(MDB_txn *txn, void *context)
{
    struct check_call *call = context;

    return wi_meta_read(txn, call->tables, &call->meta);
}

static enum weir_error
open_parts(
    struct stream_lmdb *stream,
    const char *directory,
    const struct weir_stream_options *options,
    struct weir_detail *detail)
{
    struct wi_storage_options storage_options = wi_stream_storage_options(directory);
    struct check_call call = {.tables = &stream->tables};
    enum weir_error error = wi_boot_find(&stream->boot, detail);

    if (error != WEIR_OK) {
        return error;
    }
    stream->md5 = wi_md5_fetch();
    if (stream->md5 == NULL) {
        return wi_detail(
            detail,
            WEIR_EUNSUPPORTED,
            "OpenSSL has no MD5 here, or no memory for it; partition keys need it");
    }
    storage_options.sync = sync_of(options->durability);
    storage_options.read_only = options->read_only;
    storage_options.map_bytes_max = options->map_bytes_max;
    error = wi_stream_storage_open(
        stream->env, &storage_options, &stream->storage, &stream->tables, detail);
    if (error != WEIR_OK) {
        return error;
    }
    error = wi_storage_read(stream->storage, read_meta, &call);
    return error == WEIR_OK ? WEIR_OK
                            : wi_detail(detail, error, "%s: %s", directory, weir_error_text(error));
}

enum weir_error
wi_stream_lmdb_open(
    const struct weir_env *env,
    const char *directory,
    const struct weir_stream_options *options,
    struct weir_stream *stream,
    struct weir_detail *detail)
{
    struct stream_lmdb *source = wi_alloc(env, sizeof *source);
    enum weir_error error = WEIR_OK;

    if (source == NULL) {
        return wi_detail(detail, WEIR_ENOMEM, "%s: no memory", directory);
    }
    source->env = env;
    source->read_only = options->read_only;
    pthread_mutex_init(&source->mutex, NULL);
    error = open_parts(source, directory, options, detail);
    if (error != WEIR_OK) {
        close_stream(source);
        return error;
    }
    stream->ops = &lmdb_ops;
    stream->source = source;
    return WEIR_OK;
}

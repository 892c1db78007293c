/* The open shards of an embedded stream in memory: which shard a hash key belongs to. */
#include <lmdb.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/hash_key.h"
#include "core/memory.h"
#include "storage/storage.h"
#include "stream/stream_format.h"
#include "stream/stream_lmdb.h"

struct map_call {
    const struct stream_lmdb *stream;
    struct wi_stream_meta meta;
    struct wi_open_shard *shards; /* as many as the meta row has rows */
    size_t count;
};

static enum weir_error
add_open_shard(void *context, uint32_t number, const struct wi_shard_row *row)
{
    struct map_call *call = context;

    if (row->closed) {
        return WEIR_OK;
    }
    if (call->count == call->meta.shard_rows) {
        return WEIR_ECORRUPT;
    }
    struct wi_open_shard *shard = &call->shards[call->count++];
    *shard = (struct wi_open_shard){row->range.start, row->range.end, number, ""};
    wi_shard_id_format(number, shard->shard_id);
    return WEIR_OK;
}

static enum weir_error
read_open_shards(MDB_txn *txn, void *context)
{
    struct map_call *call = context;
    const struct weir_env *env = call->stream->env;
    enum weir_error error = wi_meta_read(txn, &call->stream->tables, &call->meta);

    wi_free(env, call->shards); /* of a run before this one */
    call->shards = NULL;
    call->count = 0;
    if (error != WEIR_OK) {
        return error;
    }
    call->shards = wi_alloc_array(env, call->meta.shard_rows, sizeof *call->shards);
    if (call->shards == NULL) {
        return WEIR_ENOMEM;
    }
    return wi_shards_each(txn, &call->stream->tables, add_open_shard, call);
}

static int
compare_starts(const void *a, const void *b)
{
    const struct wi_open_shard *left = a;
    const struct wi_open_shard *right = b;

    return weir_hash_key_compare(left->start, right->start);
}

/* Every hash key must belong to exactly one open shard. */
static bool
covers_everything(const struct wi_open_shard *shards, size_t count)
{
    struct weir_hash_key next = WI_HASH_KEY_MIN;

    for (size_t i = 0; i < count; i++) {
        if (weir_hash_key_compare(shards[i].start, next) != 0 ||
            weir_hash_key_compare(shards[i].start, shards[i].end) > 0) {
            return false;
        }
        next = wi_hash_key_add(shards[i].end, (struct weir_hash_key){0, 1});
    }
    return count > 0 && weir_hash_key_compare(shards[count - 1].end, WI_HASH_KEY_MAX) == 0;
}

static enum weir_error
load(struct stream_lmdb *stream, struct wi_shard_map **ret)
{
    struct map_call call = {.stream = stream};
    struct wi_shard_map *map = NULL;
    enum weir_error error = wi_storage_read(stream->storage, read_open_shards, &call);

    if (error == WEIR_OK) {
        qsort(call.shards, call.count, sizeof *call.shards, compare_starts);
        error = covers_everything(call.shards, call.count) ? WEIR_OK : WEIR_ECORRUPT;
    }
    if (error == WEIR_OK) {
        map = wi_alloc(stream->env, sizeof *map);
        error = map == NULL ? WEIR_ENOMEM : WEIR_OK;
    }
    if (error != WEIR_OK) {
        wi_free(stream->env, call.shards);
        return error;
    }
    *map = (struct wi_shard_map){
        .version = call.meta.shards_version,
        .references = 1,
        .count = call.count,
        .record_bytes_max = call.meta.record_bytes_max,
        .kinesis_limits = call.meta.kinesis_limits,
        .shards = call.shards,
    };
    *ret = map;
    return WEIR_OK;
}

/* Under the mutex. */
static void
drop(struct stream_lmdb *stream, struct wi_shard_map *map)
{
    if (map != NULL && --map->references == 0) {
        wi_free(stream->env, map->shards);
        wi_free(stream->env, map);
    }
}

enum weir_error
wi_shard_map_acquire(struct stream_lmdb *stream, bool reload, struct wi_shard_map **ret)
{
    struct wi_shard_map *map = NULL;
    enum weir_error error = WEIR_OK;

    pthread_mutex_lock(&stream->mutex);
    if (stream->map != NULL && !reload) {
        map = stream->map;
        map->references++;
    }
    pthread_mutex_unlock(&stream->mutex);
    if (map == NULL) {
        error = load(stream, &map);
        if (error != WEIR_OK) {
            return error;
        }
        pthread_mutex_lock(&stream->mutex);
        drop(stream, stream->map);
        stream->map = map;
        map->references++;
        pthread_mutex_unlock(&stream->mutex);
    }
    WEIR_ASSERT(map->count > 0);
    *ret = map;
    return WEIR_OK;
}

void
wi_shard_map_release(struct stream_lmdb *stream, struct wi_shard_map *map)
{
    pthread_mutex_lock(&stream->mutex);
    drop(stream, map);
    pthread_mutex_unlock(&stream->mutex);
}

size_t
wi_shard_map_find(const struct wi_shard_map *map, struct weir_hash_key key)
{
    size_t low = 0; /* the shard sought is in [low, high) */
    size_t high = map->count;

    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        const struct weir_hash_key start = map->shards[middle].start;
        const bool below = key.high != start.high ? key.high < start.high : key.low < start.low;

        low = below ? low : middle;
        high = below ? middle : high;
    }
    return low;
}

/* Put: route, build blocks, then number and write them in one transaction. */
#include <lmdb.h>
#include <openssl/evp.h>
#include <openssl/types.h>
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
#include "stream/stream_lmdb.h"

/* How often blocks are made again because the shards or the tokens changed meanwhile. */
#define PUT_ATTEMPTS 64U

/* Most bytes of one put. */
#define PUT_BYTES_MAX ((size_t)1 << 30)

/* Work space above this is freed after the put that needed it. */
#define KEPT_BYTES_MAX ((size_t)4 * 1024 * 1024)

/* Odd, so that nonces of one context do not repeat. */
#define NONCE_STEP 0x9e3779b97f4a7c15U

/* Entries of one shard: order[first .. first + count - 1]. */
struct part {
    size_t slot; /* index in the shard map */
    size_t first;
    size_t count;
    size_t allowed; /* by the Kinesis limits */
};

struct built_block {
    struct wi_block_header header;
    uint32_t shard;
    size_t slot;
    size_t first; /* of its entries in `order` */
    size_t at;    /* offset in `bytes` */
    size_t size;
    uint64_t first_sequence; /* set inside the transaction */
};

struct wi_put_context {
    EVP_MD_CTX *md5;
    uint64_t nonce;
    size_t entry_capacity; /* of the next four arrays */
    struct weir_hash_key *keys;
    uint32_t *order; /* accepted entries, grouped by shard */
    struct part *parts;
    struct built_block *blocks;
    size_t order_count;
    size_t part_count;
    size_t block_count;
    uint32_t *counters; /* one for each open shard; all zero between uses */
    size_t counter_capacity;
    unsigned char *bytes;
    size_t byte_capacity;
};

/* One call of put. */
struct put_call {
    struct stream_lmdb *stream;
    const struct weir_put_entry *entries;
    size_t count;
    struct weir_put_result *results;
    struct wi_put_context *context;
    struct wi_shard_map *map;
    bool map_is_stale;
    bool needs_gap;   /* of sequence numbers: the first put of a boot, see stream_boot.c */
    uint64_t gap_end; /* on the disk; 0: not asked for */
};

void
wi_put_context_free(struct stream_lmdb *stream, struct wi_put_context *context)
{
    if (context == NULL) {
        return;
    }
    EVP_MD_CTX_free(context->md5);
    wi_free(stream->env, context->keys);
    wi_free(stream->env, context->order);
    wi_free(stream->env, context->parts);
    wi_free(stream->env, context->blocks);
    wi_free(stream->env, context->counters);
    wi_free(stream->env, context->bytes);
    wi_free(stream->env, context);
}

static struct wi_put_context *
context_take(struct stream_lmdb *stream)
{
    struct wi_put_context *context = NULL;

    pthread_mutex_lock(&stream->mutex);
    if (stream->idle_count > 0) {
        context = stream->idle[--stream->idle_count];
    }
    pthread_mutex_unlock(&stream->mutex);
    if (context != NULL) {
        return context;
    }
    context = wi_alloc(stream->env, sizeof *context);
    if (context == NULL) {
        return NULL;
    }
    context->md5 = EVP_MD_CTX_new();
    context->nonce = wi_random(stream->env);
    if (context->md5 == NULL) {
        wi_put_context_free(stream, context);
        return NULL;
    }
    return context;
}

static void
context_give_back(struct stream_lmdb *stream, struct wi_put_context *context)
{
    bool kept = false;

    if (context->byte_capacity > KEPT_BYTES_MAX) {
        wi_free(stream->env, context->bytes);
        context->bytes = NULL;
        context->byte_capacity = 0;
    }
    pthread_mutex_lock(&stream->mutex);
    if (stream->idle_count < WI_PUT_CONTEXTS_IDLE) {
        stream->idle[stream->idle_count++] = context;
        kept = true;
    }
    pthread_mutex_unlock(&stream->mutex);
    if (!kept) {
        wi_put_context_free(stream, context);
    }
}

static enum weir_error
reserve_entries(const struct weir_env *env, struct wi_put_context *context, size_t count)
{
    if (count <= context->entry_capacity) {
        return WEIR_OK;
    }
    context->entry_capacity = 0;
    void *keys = wi_resize_array(env, context->keys, count, sizeof *context->keys);
    context->keys = keys == NULL ? context->keys : keys;
    void *order = wi_resize_array(env, context->order, count, sizeof *context->order);
    context->order = order == NULL ? context->order : order;
    void *parts = wi_resize_array(env, context->parts, count, sizeof *context->parts);
    context->parts = parts == NULL ? context->parts : parts;
    void *blocks = wi_resize_array(env, context->blocks, count, sizeof *context->blocks);
    context->blocks = blocks == NULL ? context->blocks : blocks;
    if (keys == NULL || order == NULL || parts == NULL || blocks == NULL) {
        return WEIR_ENOMEM;
    }
    context->entry_capacity = count;
    return WEIR_OK;
}

static enum weir_error
reserve_counters(const struct weir_env *env, struct wi_put_context *context, size_t count)
{
    if (count > context->counter_capacity) {
        uint32_t *counters = wi_alloc_array(env, count, sizeof *counters);

        if (counters == NULL) {
            return WEIR_ENOMEM;
        }
        wi_free(env, context->counters);
        context->counters = counters;
        context->counter_capacity = count;
    }
    return WEIR_OK;
}

static bool
entry_is_valid(const struct weir_put_entry *entry, uint32_t record_bytes_max)
{
    const size_t key_length = entry->partition_key.length;

    return key_length >= 1 && key_length <= WEIR_PARTITION_KEY_MAX &&
           entry->partition_key.data != NULL && key_length <= record_bytes_max &&
           entry->data.length <= record_bytes_max - key_length &&
           (entry->data.data != NULL || entry->data.length == 0);
}

/* Check every entry and find its hash key; what is accepted goes to `order`, in order. */
static enum weir_error
accept_entries(struct put_call *call)
{
    struct wi_put_context *context = call->context;
    enum weir_error error = WEIR_OK;
    size_t bytes = 0;

    context->order_count = 0;
    for (size_t i = 0; i < call->count && error == WEIR_OK; i++) {
        const struct weir_put_entry *entry = &call->entries[i];

        if (!entry_is_valid(entry, call->map->record_bytes_max)) {
            call->results[i].error = WEIR_EINVAL;
            continue;
        }
        call->results[i].error = WEIR_OK;
        context->order[context->order_count++] = (uint32_t)i;
        bytes += wi_frame_size(entry);
        context->keys[i] = entry->explicit_hash_key;
        if (!entry->has_explicit_hash_key) {
            error = wi_partition_hash(
                call->stream->md5, context->md5, entry->partition_key, &context->keys[i]);
        }
    }
    return error == WEIR_OK && bytes > PUT_BYTES_MAX ? WEIR_EINVAL : error;
}

/* Group the accepted entries by shard, keeping their order: a counting sort over the shards that
 * are touched. Entries that the limits refuse are marked in their result. */
static void
group_by_shard(struct put_call *call)
{
    struct wi_put_context *context = call->context;
    uint32_t *counters = context->counters;
    size_t first = 0;

    context->part_count = 0;
    for (size_t i = 0; i < call->count; i++) {
        if (call->results[i].error == WEIR_OK) {
            const size_t slot = wi_shard_map_find(call->map, context->keys[i]);

            if (counters[slot]++ == 0) {
                context->parts[context->part_count++] = (struct part){.slot = slot};
            }
        }
    }
    for (size_t i = 0; i < context->part_count; i++) {
        struct part *part = &context->parts[i];

        part->first = first;
        part->count = counters[part->slot];
        first += part->count;
        counters[part->slot] = (uint32_t)part->first;
    }
    context->order_count = first;
    for (size_t i = 0; i < call->count; i++) {
        if (call->results[i].error == WEIR_OK) {
            const size_t slot = wi_shard_map_find(call->map, context->keys[i]);

            context->order[counters[slot]++] = (uint32_t)i;
        }
    }
    for (size_t i = 0; i < context->part_count; i++) {
        counters[context->parts[i].slot] = 0;
    }
}

/* How many entries from `order[first]` on fit into one block; at least one. */
static size_t
block_length(const struct put_call *call, size_t first, size_t end)
{
    size_t size = WI_BLOCK_HEADER_SIZE;
    size_t i = first;

    for (; i < end; i++) {
        size += WI_BLOCK_TABLE_ENTRY + wi_frame_size(&call->entries[call->context->order[i]]);
        if (i > first && size > WI_BLOCK_BYTES_MAX) {
            break;
        }
    }
    return i - first;
}

static void
build_block(struct put_call *call, struct built_block *block, size_t length)
{
    struct wi_put_context *context = call->context;
    struct wi_block_writer writer = {
        .block = context->bytes + block->at,
        .nonce = context->nonce,
        .shard = block->shard,
        .count = (uint32_t)length,
        .frames_at = 0,
    };

    context->nonce += NONCE_STEP;
    for (size_t i = 0; i < length; i++) {
        wi_block_add(&writer, &call->entries[context->order[block->first + i]]);
    }
    block->size = wi_block_finish(&writer, &block->header);
}

static enum weir_error
build_blocks(struct put_call *call)
{
    struct wi_put_context *context = call->context;
    size_t room = 0;
    size_t at = 0;

    for (size_t i = 0; i < context->order_count; i++) {
        room += (size_t)WI_BLOCK_HEADER_SIZE + WI_BLOCK_TABLE_ENTRY +
                wi_frame_size(&call->entries[context->order[i]]);
    }
    if (room > context->byte_capacity) {
        wi_free(call->stream->env, context->bytes);
        context->byte_capacity = 0;
        context->bytes = wi_resize(call->stream->env, NULL, room);
        if (context->bytes == NULL) {
            return WEIR_ENOMEM;
        }
        context->byte_capacity = room;
    }
    context->block_count = 0;
    for (size_t i = 0; i < context->part_count; i++) {
        const struct part *part = &context->parts[i];
        const size_t end = part->first + part->count;

        for (size_t first = part->first; first < end;) {
            const size_t length = block_length(call, first, end);
            struct built_block *block = &context->blocks[context->block_count++];

            *block = (struct built_block){
                .shard = call->map->shards[part->slot].number,
                .slot = part->slot,
                .first = first,
                .at = at,
            };
            build_block(call, block, length);
            at += block->size;
            first += length;
        }
    }
    WEIR_ASSERT(at <= context->byte_capacity);
    return WEIR_OK;
}

/* Take tokens for the entries of one part; part->allowed says how many got theirs. Those of a
 * shard that come after the first refused one are refused too, so that order is kept. */
static enum weir_error
take_tokens_of_part(
    MDB_txn *txn,
    const struct put_call *call,
    struct part *part,
    int64_t now_ms,
    struct wi_limits_row *ret)
{
    const uint32_t *order = call->context->order + part->first;
    const enum weir_error error = wi_limits_read(
        txn, &call->stream->tables, call->map->shards[part->slot].number, now_ms, ret);

    if (error != WEIR_OK) {
        return error;
    }
    for (part->allowed = 0; part->allowed < part->count; part->allowed++) {
        const struct weir_put_entry *entry = &call->entries[order[part->allowed]];

        if (!wi_limits_take_record(ret, entry->partition_key.length + entry->data.length)) {
            break;
        }
    }
    return WEIR_OK;
}

/* First see whether all shards have enough, then write: a refusal must leave nothing written. */
static enum weir_error
take_tokens(MDB_txn *txn, const struct put_call *call)
{
    const struct wi_put_context *context = call->context;
    const int64_t now_ms = wi_mono_ms(call->stream->env);
    struct wi_limits_row row;
    enum weir_error error = WEIR_OK;
    bool enough = true;

    for (size_t i = 0; i < context->part_count && error == WEIR_OK; i++) {
        error = take_tokens_of_part(txn, call, &context->parts[i], now_ms, &row);
        enough = enough && context->parts[i].allowed == context->parts[i].count;
    }
    if (error != WEIR_OK || !enough) {
        return error != WEIR_OK ? error : WEIR_ECONFLICT;
    }
    for (size_t i = 0; i < context->part_count && error == WEIR_OK; i++) {
        struct part *part = &context->parts[i];

        error = take_tokens_of_part(txn, call, part, now_ms, &row);
        if (error == WEIR_OK) {
            const uint32_t number = call->map->shards[part->slot].number;

            error = wi_limits_write(txn, &call->stream->tables, number, &row);
        }
    }
    return error;
}

static enum weir_error
write_block(
    MDB_txn *txn,
    const struct put_call *call,
    struct built_block *block,
    struct wi_stream_meta *meta)
{
    const struct wi_block_key key = {block->shard, meta->next_sequence};
    unsigned char key_bytes[WI_BLOCK_KEY_SIZE];
    unsigned char *bytes = call->context->bytes + block->at;
    MDB_val key_value = {sizeof key_bytes, key_bytes};
    MDB_val value = {block->size, bytes};

    block->first_sequence = meta->next_sequence;
    block->header.arrival_ms = meta->last_arrival_ms;
    meta->next_sequence += block->header.count;
    wi_block_key_encode(&key, key_bytes);
    wi_block_stamp(bytes, key_bytes, &block->header);
    return wi_error_from_lmdb(
        mdb_put(txn, call->stream->tables.records, &key_value, &value, MDB_NOOVERWRITE));
}

/* Inside the transaction. WEIR_ECONFLICT, before anything is written, asks for other blocks or for
 * a gap in the sequence numbers. */
static enum weir_error
write_put(MDB_txn *txn, void *context)
{
    struct put_call *call = context;
    const struct stream_lmdb *stream = call->stream;
    struct wi_stream_meta meta;
    enum weir_error error = wi_meta_read(txn, &stream->tables, &meta);

    if (error != WEIR_OK) {
        return error;
    }
    call->map_is_stale = meta.shards_version != call->map->version;
    call->needs_gap = !wi_boot_enter(stream, call->gap_end, &meta);
    if (call->map_is_stale || call->needs_gap) {
        return WEIR_ECONFLICT;
    }
    error = meta.kinesis_limits ? take_tokens(txn, call) : WEIR_OK;
    if (error != WEIR_OK) {
        return error;
    }
    if (meta.next_sequence > UINT64_MAX - WI_SEQUENCE_BOOT_GAP) {
        return WEIR_ELIMIT;
    }
    const int64_t now_ms = wi_wall_now(stream->env).ms;
    meta.last_arrival_ms = now_ms > meta.last_arrival_ms ? now_ms : meta.last_arrival_ms;
    for (size_t i = 0; i < call->context->block_count && error == WEIR_OK; i++) {
        error = write_block(txn, call, &call->context->blocks[i], &meta);
    }
    if (error == WEIR_OK) {
        error = wi_trim_a_little(txn, &stream->tables, &meta, call->context->block_count, now_ms);
    }
    return error == WEIR_OK ? wi_meta_write(txn, &stream->tables, &meta) : error;
}

static void
refuse_throttled(struct put_call *call)
{
    const struct wi_put_context *context = call->context;

    for (size_t i = 0; i < context->part_count; i++) {
        const struct part *part = &context->parts[i];

        for (size_t k = part->allowed; k < part->count; k++) {
            call->results[context->order[part->first + k]].error = WEIR_ETHROTTLED;
        }
    }
}

/* After WEIR_ECONFLICT: WEIR_OK if another attempt may succeed. */
static enum weir_error
settle(struct put_call *call, struct weir_detail *detail)
{
    struct stream_lmdb *stream = call->stream;
    enum weir_error error = WEIR_OK;

    if (call->map_is_stale) {
        wi_shard_map_release(stream, call->map);
        call->map = NULL;
        error = wi_shard_map_acquire(stream, true, &call->map);
        return error == WEIR_OK ? reserve_counters(stream->env, call->context, call->map->count)
                                : error;
    }
    if (call->needs_gap) {
        return wi_boot_add_gap(stream, &call->gap_end, detail);
    }
    refuse_throttled(call);
    return WEIR_OK;
}

/* Route, build and write until neither shards nor tokens change in between. */
static enum weir_error
write_until_settled(struct put_call *call, struct weir_detail *detail)
{
    for (unsigned i = 0; i < PUT_ATTEMPTS; i++) {
        enum weir_error error = WEIR_OK;

        group_by_shard(call);
        if (call->context->order_count == 0) {
            return WEIR_OK;
        }
        error = build_blocks(call);
        if (error == WEIR_OK) {
            error = wi_trim_and_write(call->stream, write_put, call, detail);
        }
        if (error != WEIR_ECONFLICT) {
            return error;
        }
        error = settle(call, detail);
        if (error != WEIR_OK) {
            return error;
        }
    }
    return wi_detail(
        detail, WEIR_EBUSY, "the shards changed %u times during one put", PUT_ATTEMPTS);
}

/* After the commit: tell the caller numbers and shards, and the readers that there is news. */
static void
publish(const struct put_call *call)
{
    const struct wi_put_context *context = call->context;

    for (size_t i = 0; i < context->block_count; i++) {
        const struct built_block *block = &context->blocks[i];
        const char *shard_id = call->map->shards[block->slot].shard_id;

        for (uint32_t k = 0; k < block->header.count; k++) {
            struct weir_put_result *result = &call->results[context->order[block->first + k]];

            memcpy(result->shard_id, shard_id, WI_SHARD_ID_LENGTH + 1);
            result->sequence_number =
                (struct weir_sequence_number){{0, 0, 0, block->first_sequence + k}};
        }
    }
    for (size_t i = 0; i < context->part_count; i++) {
        const uint32_t number = call->map->shards[context->parts[i].slot].number;

        wi_storage_wake(call->stream->storage, number % WI_WAKE_SLOTS);
    }
}

static enum weir_error
prepare(struct put_call *call)
{
    struct stream_lmdb *stream = call->stream;
    enum weir_error error = wi_shard_map_acquire(stream, false, &call->map);

    if (error == WEIR_OK) {
        error = reserve_entries(stream->env, call->context, call->count);
    }
    if (error == WEIR_OK) {
        error = reserve_counters(stream->env, call->context, call->map->count);
    }
    return error == WEIR_OK ? accept_entries(call) : error;
}

enum weir_error
wi_embedded_put(
    void *source,
    const struct weir_put_entry *entries,
    size_t count,
    struct weir_put_result *ret_results,
    struct weir_detail *detail)
{
    struct stream_lmdb *stream = source;
    struct put_call call = {
        .stream = stream, .entries = entries, .count = count, .results = ret_results};
    enum weir_error error = WEIR_OK;

    if (stream->read_only) {
        return wi_detail(detail, WEIR_ESTATE, "put: the stream was opened for reading only");
    }
    call.context = context_take(stream);
    if (call.context == NULL) {
        return wi_detail(detail, WEIR_ENOMEM, "put: no memory");
    }
    error = prepare(&call);
    if (error != WEIR_OK) {
        error = wi_detail(detail, error, "put of %zu records: %s", count, weir_error_text(error));
    } else {
        error = write_until_settled(&call, detail);
    }
    if (error == WEIR_OK && call.context->order_count > 0) {
        publish(&call);
    }
    wi_shard_map_release(stream, call.map);
    context_give_back(stream, call.context);
    return error;
}

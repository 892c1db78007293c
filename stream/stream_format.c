#include "stream/stream_format.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "core/check.h"

/* Offsets of the rows and of the block header: docs/embedded-stream.md 2. */
enum meta_offset {
    META_VERSION = 0,
    META_FLAGS = 4,
    META_RETENTION = 8,
    META_RECORD_MAX = 16,
    META_NEXT_SHARD = 20,
    META_NEXT_SEQUENCE = 24,
    META_SHARDS_VERSION = 32,
    META_LAST_ARRIVAL = 40,
    META_CREATED = 48,
    META_BOOT = 56,
    META_IDENTITY = 64,
    META_NEXT_TRIM = 72,
    META_TRIM_CURSOR = 80,
    META_SHARD_ROWS = 84
};

enum row_offset {
    ROW_VERSION = 0,
    ROW_FLAGS = 4,
    ROW_PARENTS = 8,
    ROW_CHILDREN = 16,
    ROW_RANGE = 24,
    ROW_START = 56,
    ROW_END = 64,
    ROW_CREATED = 72,
    ROW_CLOSED = 80,
    ROW_TRIMMED = 88
};

enum block_offset {
    BLOCK_CHECKSUM = 0,
    BLOCK_TABLE_CHECKSUM = 4,
    BLOCK_NONCE = 8,
    BLOCK_ARRIVAL = 16,
    BLOCK_COUNT = 24,
    BLOCK_FRAMES_BYTES = 28
};

#define ROW_CHECKSUM    120U /* of meta and shard rows: their last 8 bytes */
#define LIMITS_CHECKSUM 32U

#define META_FLAG_DELETED 1U
#define META_FLAG_LIMITS  2U
#define ROW_FLAG_CLOSED   1U

#define FRAME_KEY_LENGTH    4U
#define FRAME_FLAGS         6U
#define FRAME_FLAG_EXPLICIT 1U
#define FRAME_EXPLICIT_SIZE 16U

/* Odd numbers that spread a frame's place over 64 bits. */
#define SPREAD_INDEX 0x9e3779b97f4a7c15U
#define SPREAD_SHARD 0xc2b2ae3d27d4eb4fU
#define SPREAD_FINAL 0xff51afd7ed558ccdU

static_assert(ROW_CHECKSUM + 8 == WI_META_SIZE, "the checksum ends the row");
static_assert(ROW_CHECKSUM + 8 == WI_SHARD_ROW_SIZE, "the checksum ends the row");
static_assert(LIMITS_CHECKSUM + 8 == WI_LIMITS_ROW_SIZE, "the checksum ends the row");
static_assert(BLOCK_FRAMES_BYTES + 4 == WI_BLOCK_HEADER_SIZE, "the header has no gap");

/* The compiler makes one store or load of each loop. */
static void
store_u32(unsigned char *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
}

static void
store_u64(unsigned char *at, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
}

static void
store_i64(unsigned char *at, int64_t value)
{
    store_u64(at, (uint64_t)value);
}

static uint32_t
load_u32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t
load_u64(const unsigned char *at)
{
    return (uint64_t)load_u32(at) | (uint64_t)load_u32(at + 4) << 32;
}

static int64_t
load_i64(const unsigned char *at)
{
    return (int64_t)load_u64(at);
}

static void
store_hash_key(unsigned char *at, struct weir_hash_key key)
{
    store_u64(at, key.high);
    store_u64(at + 8, key.low);
}

static struct weir_hash_key
load_hash_key(const unsigned char *at)
{
    return (struct weir_hash_key){load_u64(at), load_u64(at + 8)};
}

/* Checksum of a row; `place` ties it to its key, so that a row under another key is found. */
static uint64_t
row_checksum(const unsigned char *bytes, size_t size, uint32_t place)
{
    return XXH3_64bits_withSeed(bytes, size, place);
}

/* Checksum, then version. A version with rows of another size stamps its environment so, which
 * wi_storage_open() refuses before a row is read. */
static enum weir_error
check_row(const unsigned char *bytes, size_t size, uint32_t place)
{
    if (size < sizeof(uint32_t)) {
        return WEIR_ECORRUPT;
    }
    const bool sound = size == WI_META_SIZE &&
                       load_u64(bytes + ROW_CHECKSUM) == row_checksum(bytes, ROW_CHECKSUM, place);

    if (sound && load_u32(bytes) != WI_STREAM_FORMAT_VERSION) {
        return WEIR_EVERSION;
    }
    return sound ? WEIR_OK : WEIR_ECORRUPT;
}

void
wi_meta_encode(const struct wi_stream_meta *meta, unsigned char ret[WI_META_SIZE])
{
    memset(ret, 0, WI_META_SIZE);
    store_u32(ret + META_VERSION, WI_STREAM_FORMAT_VERSION);
    store_u32(
        ret + META_FLAGS,
        (meta->deleted ? META_FLAG_DELETED : 0U) | (meta->kinesis_limits ? META_FLAG_LIMITS : 0U));
    store_i64(ret + META_RETENTION, meta->retention_ms);
    store_u32(ret + META_RECORD_MAX, meta->record_bytes_max);
    store_u32(ret + META_NEXT_SHARD, meta->next_shard);
    store_u64(ret + META_NEXT_SEQUENCE, meta->next_sequence);
    store_u64(ret + META_SHARDS_VERSION, meta->shards_version);
    store_i64(ret + META_LAST_ARRIVAL, meta->last_arrival_ms);
    store_i64(ret + META_CREATED, meta->created_ms);
    store_u64(ret + META_BOOT, meta->boot);
    store_u64(ret + META_IDENTITY, meta->identity);
    store_i64(ret + META_NEXT_TRIM, meta->next_trim_ms);
    store_u32(ret + META_TRIM_CURSOR, meta->trim_cursor);
    store_u32(ret + META_SHARD_ROWS, meta->shard_rows);
    store_u64(ret + ROW_CHECKSUM, row_checksum(ret, ROW_CHECKSUM, WI_SHARD_NONE));
}

enum weir_error
wi_meta_decode(const void *bytes, size_t size, struct wi_stream_meta *ret)
{
    const unsigned char *row = bytes;
    const enum weir_error error = check_row(row, size, WI_SHARD_NONE);

    if (error != WEIR_OK) {
        return error;
    }
    const uint32_t flags = load_u32(row + META_FLAGS);
    *ret = (struct wi_stream_meta){
        .deleted = (flags & META_FLAG_DELETED) != 0,
        .kinesis_limits = (flags & META_FLAG_LIMITS) != 0,
        .retention_ms = load_i64(row + META_RETENTION),
        .record_bytes_max = load_u32(row + META_RECORD_MAX),
        .next_shard = load_u32(row + META_NEXT_SHARD),
        .next_sequence = load_u64(row + META_NEXT_SEQUENCE),
        .shards_version = load_u64(row + META_SHARDS_VERSION),
        .last_arrival_ms = load_i64(row + META_LAST_ARRIVAL),
        .created_ms = load_i64(row + META_CREATED),
        .boot = load_u64(row + META_BOOT),
        .identity = load_u64(row + META_IDENTITY),
        .next_trim_ms = load_i64(row + META_NEXT_TRIM),
        .trim_cursor = load_u32(row + META_TRIM_CURSOR),
        .shard_rows = load_u32(row + META_SHARD_ROWS),
    };
    return WEIR_OK;
}

void
wi_shard_row_encode(
    uint32_t number, const struct wi_shard_row *row, unsigned char ret[WI_SHARD_ROW_SIZE])
{
    memset(ret, 0, WI_SHARD_ROW_SIZE);
    store_u32(ret + ROW_VERSION, WI_STREAM_FORMAT_VERSION);
    store_u32(ret + ROW_FLAGS, row->closed ? ROW_FLAG_CLOSED : 0U);
    for (size_t i = 0; i < 2; i++) {
        store_u32(ret + ROW_PARENTS + 4 * i, row->parents[i]);
        store_u32(ret + ROW_CHILDREN + 4 * i, row->children[i]);
    }
    store_hash_key(ret + ROW_RANGE, row->range.start);
    store_hash_key(ret + ROW_RANGE + 16, row->range.end);
    store_u64(ret + ROW_START, row->start);
    store_u64(ret + ROW_END, row->end);
    store_i64(ret + ROW_CREATED, row->created_ms);
    store_i64(ret + ROW_CLOSED, row->closed_ms);
    store_u64(ret + ROW_TRIMMED, row->trimmed_through);
    store_u64(ret + ROW_CHECKSUM, row_checksum(ret, ROW_CHECKSUM, number));
}

enum weir_error
wi_shard_row_decode(uint32_t number, const void *bytes, size_t size, struct wi_shard_row *ret)
{
    const unsigned char *row = bytes;
    const enum weir_error error = check_row(row, size, number);

    if (error != WEIR_OK) {
        return error;
    }
    *ret = (struct wi_shard_row){
        .closed = (load_u32(row + ROW_FLAGS) & ROW_FLAG_CLOSED) != 0,
        .parents = {load_u32(row + ROW_PARENTS), load_u32(row + ROW_PARENTS + 4)},
        .children = {load_u32(row + ROW_CHILDREN), load_u32(row + ROW_CHILDREN + 4)},
        .range = {load_hash_key(row + ROW_RANGE), load_hash_key(row + ROW_RANGE + 16)},
        .start = load_u64(row + ROW_START),
        .end = load_u64(row + ROW_END),
        .created_ms = load_i64(row + ROW_CREATED),
        .closed_ms = load_i64(row + ROW_CLOSED),
        .trimmed_through = load_u64(row + ROW_TRIMMED),
    };
    return WEIR_OK;
}

void
wi_limits_row_encode(
    uint32_t number, const struct wi_limits_row *row, unsigned char ret[WI_LIMITS_ROW_SIZE])
{
    store_i64(ret, row->updated_ms);
    store_i64(ret + 8, row->records_in);
    store_i64(ret + 16, row->bytes_in);
    store_i64(ret + 24, row->bytes_out);
    store_u64(ret + LIMITS_CHECKSUM, row_checksum(ret, LIMITS_CHECKSUM, number));
}

enum weir_error
wi_limits_row_decode(uint32_t number, const void *bytes, size_t size, struct wi_limits_row *ret)
{
    const unsigned char *row = bytes;

    if (size != WI_LIMITS_ROW_SIZE ||
        load_u64(row + LIMITS_CHECKSUM) != row_checksum(row, LIMITS_CHECKSUM, number)) {
        return WEIR_ECORRUPT;
    }
    *ret = (struct wi_limits_row){
        load_i64(row), load_i64(row + 8), load_i64(row + 16), load_i64(row + 24)};
    return WEIR_OK;
}

void
wi_shard_key_encode(uint32_t number, unsigned char ret[WI_SHARD_KEY_SIZE])
{
    for (unsigned i = 0; i < 4; i++) {
        ret[i] = (unsigned char)(number >> (24 - 8 * i));
    }
}

static uint32_t
load_big_u32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | (uint32_t)at[3];
}

enum weir_error
wi_shard_key_decode(const void *bytes, size_t size, uint32_t *ret)
{
    if (size != WI_SHARD_KEY_SIZE) {
        return WEIR_ECORRUPT;
    }
    *ret = load_big_u32(bytes);
    return WEIR_OK;
}

void
wi_block_key_encode(const struct wi_block_key *key, unsigned char ret[WI_BLOCK_KEY_SIZE])
{
    wi_shard_key_encode(key->shard, ret);
    wi_shard_key_encode((uint32_t)(key->first_sequence >> 32), ret + 4);
    wi_shard_key_encode((uint32_t)key->first_sequence, ret + 8);
}

enum weir_error
wi_block_key_decode(const void *bytes, size_t size, struct wi_block_key *ret)
{
    const unsigned char *key = bytes;

    if (size != WI_BLOCK_KEY_SIZE) {
        return WEIR_ECORRUPT;
    }
    ret->shard = load_big_u32(key);
    ret->first_sequence = (uint64_t)load_big_u32(key + 4) << 32 | load_big_u32(key + 8);
    return WEIR_OK;
}

static const char shard_id_prefix[] = "shardId-";
#define PREFIX_LENGTH (sizeof shard_id_prefix - 1)

void
wi_shard_id_format(uint32_t number, char ret[WI_SHARD_ID_LENGTH + 1])
{
    uint32_t rest = number;

    memcpy(ret, shard_id_prefix, PREFIX_LENGTH);
    for (size_t i = WI_SHARD_ID_LENGTH; i-- > PREFIX_LENGTH;) {
        ret[i] = (char)('0' + rest % 10);
        rest /= 10;
    }
    ret[WI_SHARD_ID_LENGTH] = '\0';
}

enum weir_error
wi_shard_id_parse(struct weir_str text, uint32_t *ret)
{
    uint64_t number = 0;

    if (text.length != WI_SHARD_ID_LENGTH ||
        memcmp(text.data, shard_id_prefix, PREFIX_LENGTH) != 0) {
        return WEIR_ENOTFOUND;
    }
    for (size_t i = PREFIX_LENGTH; i < WI_SHARD_ID_LENGTH; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return WEIR_ENOTFOUND;
        }
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (number >= WI_SHARD_NONE) {
        return WEIR_ENOTFOUND;
    }
    *ret = (uint32_t)number;
    return WEIR_OK;
}

size_t
wi_frame_size(const struct weir_put_entry *entry)
{
    return WI_FRAME_HEADER_SIZE + (entry->has_explicit_hash_key ? FRAME_EXPLICIT_SIZE : 0U) +
           entry->partition_key.length + entry->data.length;
}

/* Bytes after the checksum, tied to their place; the upper half is the best mixed one. */
static uint32_t
frame_checksum(const unsigned char *frame, size_t size, const struct wi_frame_place *place)
{
    const uint64_t bytes = XXH3_64bits(frame + sizeof(uint32_t), size - sizeof(uint32_t));
    const uint64_t spread =
        place->nonce + place->index * SPREAD_INDEX + place->shard * SPREAD_SHARD;

    return (uint32_t)(((bytes ^ spread) * SPREAD_FINAL) >> 32);
}

void
wi_block_add(struct wi_block_writer *writer, const struct weir_put_entry *entry)
{
    WEIR_ASSERT(writer->added < writer->count);

    unsigned char *table = writer->block + WI_BLOCK_HEADER_SIZE;
    unsigned char *frames = table + (size_t)writer->count * WI_BLOCK_TABLE_ENTRY;
    unsigned char *frame = frames + writer->frames_at;
    const size_t size = wi_frame_size(entry);
    const struct wi_frame_place place = {writer->nonce, writer->shard, writer->added};
    size_t at = WI_FRAME_HEADER_SIZE;

    frame[FRAME_KEY_LENGTH] = (unsigned char)entry->partition_key.length;
    frame[FRAME_KEY_LENGTH + 1] = (unsigned char)(entry->partition_key.length >> 8);
    frame[FRAME_FLAGS] = entry->has_explicit_hash_key ? FRAME_FLAG_EXPLICIT : 0;
    frame[FRAME_FLAGS + 1] = 0;
    if (entry->has_explicit_hash_key) {
        store_hash_key(frame + at, entry->explicit_hash_key);
        at += FRAME_EXPLICIT_SIZE;
    }
    memcpy(frame + at, entry->partition_key.data, entry->partition_key.length);
    at += entry->partition_key.length;
    if (entry->data.length > 0) {
        memcpy(frame + at, entry->data.data, entry->data.length);
    }
    store_u32(frame, frame_checksum(frame, size, &place));
    writer->frames_at += (uint32_t)size;
    store_u32(table + (size_t)writer->added * WI_BLOCK_TABLE_ENTRY, writer->frames_at);
    writer->added++;
}

static uint32_t
table_checksum(const unsigned char *table, uint32_t count)
{
    return (uint32_t)(XXH3_64bits(table, (size_t)count * WI_BLOCK_TABLE_ENTRY) >> 32);
}

size_t
wi_block_finish(struct wi_block_writer *writer, struct wi_block_header *ret)
{
    WEIR_ASSERT(writer->added == writer->count && writer->count > 0);

    const unsigned char *table = writer->block + WI_BLOCK_HEADER_SIZE;

    *ret = (struct wi_block_header){
        .table_checksum = table_checksum(table, writer->count),
        .nonce = writer->nonce,
        .count = writer->count,
        .frames_bytes = writer->frames_at,
    };
    return WI_BLOCK_HEADER_SIZE + (size_t)writer->count * WI_BLOCK_TABLE_ENTRY + writer->frames_at;
}

/* Header and key in one run of bytes, so that one checksum covers both. */
static uint32_t
header_checksum(const unsigned char *block, const unsigned char key[WI_BLOCK_KEY_SIZE])
{
    unsigned char bytes[WI_BLOCK_HEADER_SIZE - BLOCK_TABLE_CHECKSUM + WI_BLOCK_KEY_SIZE];

    memcpy(
        bytes, block + BLOCK_TABLE_CHECKSUM, WI_BLOCK_HEADER_SIZE - (size_t)BLOCK_TABLE_CHECKSUM);
    memcpy(bytes + WI_BLOCK_HEADER_SIZE - BLOCK_TABLE_CHECKSUM, key, WI_BLOCK_KEY_SIZE);
    return (uint32_t)(XXH3_64bits(bytes, sizeof bytes) >> 32);
}

void
wi_block_stamp(
    unsigned char *block,
    const unsigned char key[WI_BLOCK_KEY_SIZE],
    const struct wi_block_header *header)
{
    store_u32(block + BLOCK_TABLE_CHECKSUM, header->table_checksum);
    store_u64(block + BLOCK_NONCE, header->nonce);
    store_i64(block + BLOCK_ARRIVAL, header->arrival_ms);
    store_u32(block + BLOCK_COUNT, header->count);
    store_u32(block + BLOCK_FRAMES_BYTES, header->frames_bytes);
    store_u32(block + BLOCK_CHECKSUM, header_checksum(block, key));
}

enum weir_error
wi_block_header_decode(
    const unsigned char key[WI_BLOCK_KEY_SIZE],
    const void *block,
    size_t size,
    struct wi_block_header *ret)
{
    const unsigned char *header = block;

    if (size < WI_BLOCK_HEADER_SIZE ||
        load_u32(header + BLOCK_CHECKSUM) != header_checksum(header, key)) {
        return WEIR_ECORRUPT;
    }
    const struct wi_block_header found = {
        .table_checksum = load_u32(header + BLOCK_TABLE_CHECKSUM),
        .nonce = load_u64(header + BLOCK_NONCE),
        .arrival_ms = load_i64(header + BLOCK_ARRIVAL),
        .count = load_u32(header + BLOCK_COUNT),
        .frames_bytes = load_u32(header + BLOCK_FRAMES_BYTES),
    };
    const uint64_t table_bytes = (uint64_t)found.count * WI_BLOCK_TABLE_ENTRY;

    if (found.count == 0 || WI_BLOCK_HEADER_SIZE + table_bytes + found.frames_bytes != size) {
        return WEIR_ECORRUPT;
    }
    *ret = found;
    return WEIR_OK;
}

enum weir_error
wi_block_table_check(const struct wi_block_header *header, const unsigned char *table)
{
    uint32_t begin = 0;
    bool rising = true;

    if (table_checksum(table, header->count) != header->table_checksum) {
        return WEIR_ECORRUPT;
    }
    for (uint32_t i = 0; i < header->count; i++) {
        const uint32_t end = load_u32(table + (size_t)i * WI_BLOCK_TABLE_ENTRY);

        rising = rising && end > begin && end - begin >= WI_FRAME_HEADER_SIZE;
        begin = end;
    }
    return rising && begin == header->frames_bytes ? WEIR_OK : WEIR_ECORRUPT;
}

uint32_t
wi_block_frame_end(const unsigned char *table, uint32_t index)
{
    return load_u32(table + (size_t)index * WI_BLOCK_TABLE_ENTRY);
}

enum weir_error
wi_frame_decode(
    const unsigned char *frame,
    size_t size,
    const struct wi_frame_place *place,
    struct weir_record *ret)
{
    if (size < WI_FRAME_HEADER_SIZE || load_u32(frame) != frame_checksum(frame, size, place)) {
        return WEIR_ECORRUPT;
    }
    const size_t key_length = (size_t)frame[FRAME_KEY_LENGTH] | (size_t)frame[FRAME_KEY_LENGTH + 1]
                                                                    << 8;
    const bool is_explicit = (frame[FRAME_FLAGS] & FRAME_FLAG_EXPLICIT) != 0;
    const size_t key_at = WI_FRAME_HEADER_SIZE + (is_explicit ? FRAME_EXPLICIT_SIZE : 0U);

    if (key_at + key_length > size) {
        return WEIR_ECORRUPT;
    }
    ret->has_explicit_hash_key = is_explicit;
    ret->explicit_hash_key =
        is_explicit ? load_hash_key(frame + WI_FRAME_HEADER_SIZE) : (struct weir_hash_key){0, 0};
    ret->partition_key = (struct weir_str){(const char *)frame + key_at, key_length};
    ret->data = (struct weir_bytes){frame + key_at + key_length, size - key_at - key_length};
    return WEIR_OK;
}

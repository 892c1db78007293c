/* Retention: expired blocks go, then closed shards that nobody can need any more. */
#include <lmdb.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>

#include "core/clock.h"
#include "core/detail.h"
#include "storage/storage.h"
#include "stream/stream_format.h"
#include "stream/stream_lmdb.h"

/* What one put may do: more than it writes, so that deleting keeps up with writing. */
#define PUT_TRIM_STEPS       64U
#define PUT_TRIM_STEPS_BLOCK 2U
/* How soon puts look again once there is nothing to delete. */
#define PUT_TRIM_EVERY_MS 1000
/* What one transaction of weir_stream_trim() may do, and one that makes room. */
#define CALL_TRIM_STEPS 1024U

struct trim {
    MDB_txn *txn;
    const struct wi_stream_tables *tables;
    struct wi_stream_meta *meta;
    int64_t expired_ms; /* what arrived before this is expired */
    unsigned steps_left;
    uint64_t records_deleted;
    bool has_deleted; /* a block, or a shard */
    bool is_finished; /* every shard from the first one visited on has been seen */
};

/* One block of a shard, as far as trimming cares. */
struct old_block {
    uint64_t first_sequence;
    uint64_t count;
    int64_t arrival_ms;
    bool is_sound;
};

/* The block that the cursor moves to; WEIR_ENOTFOUND behind the shard's last one. */
static enum weir_error
look(MDB_cursor *cursor, uint32_t number, MDB_cursor_op move, struct old_block *ret)
{
    const struct wi_block_key wanted = {number, 0};
    struct wi_block_key found = {0};
    struct wi_block_header header = {0};
    unsigned char bytes[WI_BLOCK_KEY_SIZE];
    MDB_val key = {sizeof bytes, bytes};
    MDB_val value = {0, NULL};

    wi_block_key_encode(&wanted, bytes);
    enum weir_error error = wi_error_from_lmdb(mdb_cursor_get(cursor, &key, &value, move));
    if (error == WEIR_OK) {
        error = wi_block_key_decode(key.mv_data, key.mv_size, &found);
    }
    if (error != WEIR_OK || found.shard != number) {
        return error != WEIR_OK ? error : WEIR_ENOTFOUND;
    }
    memcpy(bytes, key.mv_data, sizeof bytes);
    ret->is_sound = wi_block_header_decode(bytes, value.mv_data, value.mv_size, &header) == WEIR_OK;
    ret->first_sequence = found.first_sequence;
    ret->count = ret->is_sound ? header.count : 0;
    ret->arrival_ms = header.arrival_ms;
    return WEIR_OK;
}

/* Whether the shard's first block is expired; a damaged one is as old as the next one. Leaves the
 * cursor on the first block. *ret_through: the last number that goes with it. */
static enum weir_error
first_is_expired(
    const struct trim *trim,
    MDB_cursor *cursor,
    uint32_t number,
    struct old_block *ret,
    uint64_t *ret_through)
{
    struct old_block next = {0};
    enum weir_error error = look(cursor, number, MDB_SET_RANGE, ret);

    if (error != WEIR_OK) {
        return error;
    }
    *ret_through = ret->first_sequence + ret->count - 1;
    if (!ret->is_sound) {
        error = look(cursor, number, MDB_NEXT, &next);
        if (error != WEIR_OK || !next.is_sound) {
            return error != WEIR_OK ? error : WEIR_ENOTFOUND;
        }
        *ret_through = next.first_sequence - 1;
        ret->arrival_ms = next.arrival_ms;
        error = look(cursor, number, MDB_SET_RANGE, &next);
    }
    if (error == WEIR_OK && ret->arrival_ms >= trim->expired_ms) {
        error = WEIR_ENOTFOUND;
    }
    return error;
}

/* Delete the shard's expired blocks; *ret_empty says whether none is left. */
static enum weir_error
trim_blocks(struct trim *trim, MDB_cursor *cursor, uint32_t number, struct wi_shard_row *row)
{
    struct old_block block = {0};
    uint64_t through = 0;
    const uint64_t trimmed_before = row->trimmed_through;
    enum weir_error error = WEIR_OK;

    while (error == WEIR_OK && trim->steps_left > 0) {
        error = first_is_expired(trim, cursor, number, &block, &through);
        if (error == WEIR_OK) {
            error = wi_error_from_lmdb(mdb_cursor_del(cursor, 0));
        }
        if (error == WEIR_OK) {
            row->trimmed_through = through;
            trim->records_deleted += block.count;
            trim->has_deleted = true;
            trim->steps_left--;
        }
    }
    if (error != WEIR_OK && error != WEIR_ENOTFOUND) {
        return error;
    }
    return row->trimmed_through == trimmed_before
               ? WEIR_OK
               : wi_shard_write(trim->txn, trim->tables, number, row);
}

/* A closed shard out of retention goes, with whatever damaged block may be left in it. */
static enum weir_error
trim_shard_row(
    struct trim *trim, MDB_cursor *cursor, uint32_t number, const struct wi_shard_row *row)
{
    struct old_block block = {0};
    enum weir_error error = WEIR_OK;

    if (!row->closed || row->closed_ms >= trim->expired_ms) {
        return WEIR_OK;
    }
    while (error == WEIR_OK && trim->steps_left > 0) {
        error = look(cursor, number, MDB_SET_RANGE, &block);
        if (error == WEIR_OK) {
            error = wi_error_from_lmdb(mdb_cursor_del(cursor, 0));
            trim->has_deleted = true;
            trim->steps_left--;
        }
    }
    if (error != WEIR_ENOTFOUND) {
        return error; /* WEIR_OK: the rest next time */
    }
    trim->has_deleted = true;
    trim->meta->shard_rows--;
    return wi_shard_delete(trim->txn, trim->tables, number);
}

/* The shard with the smallest number >= *number. */
static enum weir_error
next_shard(MDB_cursor *cursor, uint32_t *number, struct wi_shard_row *ret)
{
    unsigned char bytes[WI_SHARD_KEY_SIZE];
    MDB_val key = {sizeof bytes, bytes};
    MDB_val value = {0, NULL};

    wi_shard_key_encode(*number, bytes);
    enum weir_error error = wi_error_from_lmdb(mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE));
    if (error == WEIR_OK) {
        error = wi_shard_key_decode(key.mv_data, key.mv_size, number);
    }
    if (error == WEIR_OK) {
        error = wi_shard_row_decode(*number, value.mv_data, value.mv_size, ret);
    }
    return error;
}

/* Visit shards from the meta row's cursor on until the steps are used up or all have been seen;
 * then the cursor is 0. A shard whose row is damaged stays as it is. */
static enum weir_error
trim_shards(struct trim *trim, MDB_cursor *shards, MDB_cursor *records)
{
    struct wi_shard_row row;
    enum weir_error error = WEIR_OK;

    while (trim->steps_left > 0) {
        uint32_t number = trim->meta->trim_cursor;

        error = next_shard(shards, &number, &row);
        if (error == WEIR_ENOTFOUND) {
            trim->meta->trim_cursor = 0;
            trim->is_finished = true;
            return WEIR_OK;
        }
        if (error == WEIR_OK) {
            error = trim_blocks(trim, records, number, &row);
        }
        if (error == WEIR_OK && trim->steps_left > 0) {
            error = trim_shard_row(trim, records, number, &row);
        }
        if (error != WEIR_OK && error != WEIR_ECORRUPT && error != WEIR_EVERSION) {
            return error;
        }
        if (trim->steps_left == 0) {
            trim->meta->trim_cursor = number; /* it may have more */
            return WEIR_OK;
        }
        trim->meta->trim_cursor = number + 1;
        trim->steps_left--;
    }
    return WEIR_OK;
}

static enum weir_error
trim_in(struct trim *trim)
{
    MDB_cursor *shards = NULL;
    MDB_cursor *records = NULL;
    enum weir_error error =
        wi_error_from_lmdb(mdb_cursor_open(trim->txn, trim->tables->shards, &shards));

    if (error == WEIR_OK) {
        error = wi_error_from_lmdb(mdb_cursor_open(trim->txn, trim->tables->records, &records));
    }
    if (error == WEIR_OK) {
        error = trim_shards(trim, shards, records);
    }
    if (records != NULL) {
        mdb_cursor_close(records);
    }
    if (shards != NULL) {
        mdb_cursor_close(shards);
    }
    return error;
}

enum weir_error
wi_trim_a_little(
    MDB_txn *txn,
    const struct wi_stream_tables *tables,
    struct wi_stream_meta *meta,
    size_t blocks_written,
    int64_t now_ms)
{
    struct trim trim = {
        .txn = txn,
        .tables = tables,
        .meta = meta,
        .expired_ms = now_ms - meta->retention_ms,
        .steps_left = PUT_TRIM_STEPS + PUT_TRIM_STEPS_BLOCK * (unsigned)blocks_written,
    };
    enum weir_error error;

    if (now_ms < meta->next_trim_ms && meta->next_trim_ms - now_ms <= PUT_TRIM_EVERY_MS) {
        return WEIR_OK;
    }
    error = trim_in(&trim);
    /* What is left over is for the next put, not for the next second. */
    meta->next_trim_ms =
        trim.has_deleted && !trim.is_finished ? now_ms : now_ms + PUT_TRIM_EVERY_MS;
    return error;
}

/* What a transaction that only trims begins with. */
static enum weir_error
begin_trim(
    MDB_txn *txn,
    const struct stream_lmdb *stream,
    struct wi_stream_meta *ret_meta,
    struct trim *ret)
{
    const enum weir_error error = wi_meta_read(txn, &stream->tables, ret_meta);

    if (error == WEIR_OK) {
        *ret = (struct trim){
            .txn = txn,
            .tables = &stream->tables,
            .meta = ret_meta,
            .expired_ms = wi_wall_now(stream->env).ms - ret_meta->retention_ms,
            .steps_left = CALL_TRIM_STEPS,
        };
    }
    return error;
}

struct room_call {
    const struct stream_lmdb *stream;
    bool has_deleted;
};

static enum weir_error
trim_for_room(MDB_txn *txn, void *context)
{
    struct room_call *call = context;
    struct wi_stream_meta meta;
    struct trim trim = {.txn = NULL};
    enum weir_error error = begin_trim(txn, call->stream, &meta, &trim);

    if (error == WEIR_OK) {
        error = trim_in(&trim);
    }
    call->has_deleted = trim.has_deleted;
    return error == WEIR_OK ? wi_meta_write(txn, &call->stream->tables, &meta) : error;
}

/* Whether something was deleted. Looks once a second when there is nothing. */
static bool
make_room(struct stream_lmdb *stream)
{
    struct room_call call = {.stream = stream};
    const int64_t now_ms = wi_mono_ms(stream->env);

    if (now_ms < atomic_load(&stream->next_room_ms)) {
        return false;
    }
    if (wi_storage_write(stream->storage, WI_WRITE_RESERVE, trim_for_room, &call, NULL) ==
            WEIR_OK &&
        call.has_deleted) {
        return true;
    }
    atomic_store(&stream->next_room_ms, now_ms + PUT_TRIM_EVERY_MS);
    return false;
}

enum weir_error
wi_trim_and_write(
    struct stream_lmdb *stream, wi_storage_fn fn, void *context, struct weir_detail *detail)
{
    const enum weir_error error =
        wi_storage_write(stream->storage, WI_WRITE_DEFAULT, fn, context, detail);

    if (error != WEIR_EFULL || !make_room(stream)) {
        return error;
    }
    if (detail != NULL) {
        detail->text[0] = '\0';
    }
    return wi_storage_write(stream->storage, WI_WRITE_DEFAULT, fn, context, detail);
}

struct trim_call {
    const struct stream_lmdb *stream;
    uint32_t from; /* first shard of this transaction */
    uint32_t next; /* of the next one */
    bool is_finished;
    uint64_t records_deleted;
};

static enum weir_error
trim_once(MDB_txn *txn, void *context)
{
    struct trim_call *call = context;
    struct wi_stream_meta meta;
    struct trim trim = {.txn = NULL};
    enum weir_error error = begin_trim(txn, call->stream, &meta, &trim);

    if (error != WEIR_OK) {
        return error;
    }
    const uint32_t cursor_of_puts = meta.trim_cursor;
    meta.trim_cursor = call->from;
    error = trim_in(&trim);
    if (error != WEIR_OK) {
        return error;
    }
    call->next = meta.trim_cursor;
    call->is_finished = trim.is_finished;
    call->records_deleted = trim.records_deleted;
    meta.trim_cursor = cursor_of_puts;
    return wi_meta_write(txn, &call->stream->tables, &meta);
}

enum weir_error
wi_embedded_trim(void *source, uint64_t *ret_deleted, struct weir_detail *detail)
{
    struct stream_lmdb *stream = source;
    struct trim_call call = {.stream = stream};
    uint64_t deleted = 0;
    enum weir_error error = WEIR_OK;

    if (stream->read_only) {
        return wi_detail(detail, WEIR_ESTATE, "trim: the stream was opened for reading only");
    }
    do {
        call.from = call.next;
        error = wi_storage_write(stream->storage, WI_WRITE_RESERVE, trim_once, &call, detail);
        deleted += error == WEIR_OK ? call.records_deleted : 0;
    } while (error == WEIR_OK && !call.is_finished);
    if (error == WEIR_OK) {
        *ret_deleted = deleted;
    }
    return error;
}

/* Get: find the position, copy blocks out of the map, then check them and make the views. */
#include <lmdb.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "core/clock.h"
#include "core/sequence_number.h"
#include "storage/storage.h"
#include "stream/batch.h"
#include "stream/stream_blocks.h"
#include "stream/stream_format.h"
#include "stream/stream_lmdb.h"

/* One call of get; everything from `meta` on is found inside the transaction. */
struct get_call {
    const struct stream_lmdb *stream;
    uint32_t number;
    const struct weir_position *from;
    const struct weir_get_request *request;
    struct weir_batch *batch;
    struct wi_stream_meta meta;
    struct wi_shard_row row;
    uint64_t first;            /* smallest sequence number wanted */
    struct weir_position idle; /* where to go on if nothing is returned */
    size_t records_left;
    size_t bytes_left;
    bool taken; /* at least one record is in the batch */
    bool more;  /* a record follows those in the batch */
    int64_t more_arrival_ms;
    bool is_damaged; /* what follows is damaged, up to damage_end */
    uint64_t damage_end;
};

static struct weir_position
position_at(enum weir_position_type type, uint64_t sequence)
{
    return (struct weir_position){.type = type, .sequence_number = {{0, 0, 0, sequence}}};
}

/* The last number that a damaged block may have held: all numbers below the next block's. */
static enum weir_error
end_of_damage(MDB_cursor *cursor, const struct get_call *call, uint64_t *ret)
{
    struct wi_block_view next;
    const enum weir_error error = wi_block_move(cursor, call->number, MDB_NEXT, &next);

    if (error == WEIR_OK) {
        *ret = next.key.first_sequence - 1;
    } else if (error == WEIR_ENOTFOUND) {
        *ret = call->row.closed ? call->row.end : call->meta.next_sequence - 1;
    } else {
        return error;
    }
    return WEIR_OK;
}

/* --- where to begin --- */

/* Arrival times grow with the blocks, so the first block at or after the time is found by halving
 * the range of numbers. A damaged block counts as late enough: it will be reported, not skipped. */
static enum weir_error
resolve_timestamp(MDB_cursor *cursor, struct get_call *call)
{
    uint64_t low = call->row.start; /* blocks before arrived too early */
    uint64_t high = call->meta.next_sequence;
    struct wi_block_view block;
    enum weir_error error = WEIR_OK;

    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;

        error = wi_block_seek(cursor, call->number, middle, &block);
        if (error != WEIR_OK && error != WEIR_ENOTFOUND) {
            return error;
        }
        if (error == WEIR_OK && block.is_sound &&
            block.header.arrival_ms < call->from->timestamp_ms) {
            low = block.key.first_sequence + 1;
        } else {
            high = middle;
        }
    }
    error = wi_block_seek(cursor, call->number, low, &block);
    if (error == WEIR_OK) {
        call->first = block.key.first_sequence;
    } else if (error == WEIR_ENOTFOUND) {
        call->first = call->meta.next_sequence;
        error = WEIR_OK;
    }
    call->idle = call->from->timestamp_ms <= call->meta.last_arrival_ms
                     ? position_at(WEIR_AFTER_SEQUENCE_NUMBER, call->meta.next_sequence - 1)
                     : *call->from;
    return error;
}

/* Numbers beyond what the stream has given belong to something else; waiting for them would skip
 * records. Numbers of trimmed records are refused loudly. */
static enum weir_error
resolve_sequence_number(struct get_call *call)
{
    uint64_t number = 0;
    const bool after = call->from->type == WEIR_AFTER_SEQUENCE_NUMBER;

    if (wi_sequence_number_to_u64(&call->from->sequence_number, &number) != WEIR_OK ||
        number >= wi_next_sequence(&call->meta, call->stream->boot)) {
        return WEIR_EINVAL;
    }
    call->first = after ? number + 1 : number;
    call->idle = *call->from;
    return call->first <= call->row.trimmed_through ? WEIR_ETRIMMED : WEIR_OK;
}

static enum weir_error
resolve(MDB_cursor *cursor, struct get_call *call)
{
    const struct wi_shard_row *row = &call->row;
    const uint64_t before_start = row->start - 1;

    switch (call->from->type) {
    case WEIR_TRIM_HORIZON:
        call->first = row->start;
        call->idle = position_at(
            WEIR_AFTER_SEQUENCE_NUMBER,
            row->trimmed_through > before_start ? row->trimmed_through : before_start);
        return WEIR_OK;
    case WEIR_LATEST:
        call->first = call->meta.next_sequence;
        call->idle = position_at(WEIR_AFTER_SEQUENCE_NUMBER, call->meta.next_sequence - 1);
        return WEIR_OK;
    case WEIR_AT_TIMESTAMP:
        return resolve_timestamp(cursor, call);
    case WEIR_AT_SEQUENCE_NUMBER:
    case WEIR_AFTER_SEQUENCE_NUMBER:
        return resolve_sequence_number(call);
    case WEIR_SHARD_END:
        call->first = UINT64_MAX;
        call->idle = *call->from;
        return row->closed ? WEIR_OK : WEIR_EINVAL;
    }
    return WEIR_EINVAL;
}

/* --- copying --- */

/* How many frames of the block from index `from` on fit the limits; at least one in the first. The
 * table alone says how large they are: an explicit hash key counts as data. */
static uint32_t
frames_that_fit(
    const struct get_call *call,
    const struct wi_block_view *block,
    uint32_t from,
    size_t *ret_bytes)
{
    const unsigned char *table = block->bytes + WI_BLOCK_HEADER_SIZE;
    uint32_t begin = from == 0 ? 0 : wi_block_frame_end(table, from - 1);
    const uint32_t available = block->header.count - from;
    const size_t rest =
        block->header.frames_bytes - begin - (size_t)available * WI_FRAME_HEADER_SIZE;
    uint32_t count = 0;
    size_t bytes = 0;

    if (available <= call->records_left && rest <= call->bytes_left) {
        *ret_bytes = rest;
        return available;
    }
    while (count < available && count < call->records_left) {
        const uint32_t end = wi_block_frame_end(table, from + count);
        const size_t payload = end - begin - WI_FRAME_HEADER_SIZE;

        if (bytes + payload > call->bytes_left && (call->taken || count > 0)) {
            break;
        }
        bytes += payload;
        begin = end;
        count++;
    }
    *ret_bytes = bytes;
    return count;
}

static enum weir_error
copy_frames(struct get_call *call, const struct wi_block_view *block, uint32_t from, uint32_t count)
{
    const unsigned char *table = block->bytes + WI_BLOCK_HEADER_SIZE;
    const unsigned char *frames = table + (size_t)block->header.count * WI_BLOCK_TABLE_ENTRY;
    const uint32_t begin = from == 0 ? 0 : wi_block_frame_end(table, from - 1);
    const uint32_t end = wi_block_frame_end(table, from + count - 1);
    const size_t table_size = (size_t)count * WI_BLOCK_TABLE_ENTRY;
    struct wi_batch_span span = {
        .first_sequence = block->key.first_sequence + from,
        .nonce = block->header.nonce,
        .arrival_ms = block->header.arrival_ms,
        .frames_begin = begin,
        .first = from,
        .count = count,
    };
    size_t at = 0;
    enum weir_error error = wi_batch_extend(call->batch, table_size + (end - begin), &at);

    if (error != WEIR_OK) {
        return error;
    }
    span.table_at = at;
    span.frames_at = at + table_size;
    memcpy(call->batch->bytes + at, table + (size_t)from * WI_BLOCK_TABLE_ENTRY, table_size);
    memcpy(call->batch->bytes + span.frames_at, frames + begin, end - begin);
    return wi_batch_add_span(call->batch, &span);
}

/* Copy what is wanted of one sound block; sets call->more if something is left in it. */
static enum weir_error
take_block(struct get_call *call, const struct wi_block_view *block)
{
    const uint64_t key = block->key.first_sequence;
    const uint32_t from = call->first > key ? (uint32_t)(call->first - key) : 0;
    size_t bytes = 0;
    const uint32_t count = frames_that_fit(call, block, from, &bytes);
    enum weir_error error = WEIR_OK;

    if (count > 0) {
        error = copy_frames(call, block, from, count);
        call->taken = true;
        call->records_left -= count;
        call->bytes_left -= bytes < call->bytes_left ? bytes : call->bytes_left;
    }
    call->more = from + count < block->header.count;
    call->more_arrival_ms = block->header.arrival_ms;
    return error;
}

/* From the block that the cursor stands on, until the limits or the end of the shard. */
static enum weir_error
take_blocks(MDB_cursor *cursor, struct get_call *call, struct wi_block_view *block)
{
    enum weir_error error = WEIR_OK;

    while (error == WEIR_OK && !call->more) {
        if (call->records_left == 0 || (call->taken && call->bytes_left == 0)) {
            call->more = true;
            call->more_arrival_ms =
                block->is_sound ? block->header.arrival_ms : call->meta.last_arrival_ms;
            return WEIR_OK;
        }
        if (!block->is_sound ||
            wi_block_table_check(&block->header, block->bytes + WI_BLOCK_HEADER_SIZE) != WEIR_OK) {
            call->is_damaged = true;
            call->more = true;
            call->more_arrival_ms = call->meta.last_arrival_ms;
            return end_of_damage(cursor, call, &call->damage_end);
        }
        error = take_block(call, block);
        if (error == WEIR_OK && !call->more) {
            error = wi_block_move(cursor, call->number, MDB_NEXT, block);
        }
    }
    return error == WEIR_ENOTFOUND ? WEIR_OK : error;
}

/* Stand on the block that holds call->first, or else on the first one after it. */
static enum weir_error
find_first_block(MDB_cursor *cursor, const struct get_call *call, struct wi_block_view *ret)
{
    enum weir_error error = wi_block_seek(cursor, call->number, call->first, ret);
    struct wi_block_view before;

    if (error == WEIR_OK && ret->key.first_sequence == call->first) {
        return WEIR_OK;
    }
    if (error != WEIR_OK && error != WEIR_ENOTFOUND) {
        return error;
    }
    const enum weir_error error_before =
        wi_block_seek_before(cursor, call->number, call->first, &before);
    if (error_before == WEIR_OK) {
        const bool holds_first =
            before.is_sound ? call->first - before.key.first_sequence < before.header.count : true;
        uint64_t damage_end = 0;

        if (!before.is_sound) {
            const enum weir_error end_error = end_of_damage(cursor, call, &damage_end);

            if (end_error != WEIR_OK) {
                return end_error;
            }
        }
        if (holds_first && (before.is_sound || call->first <= damage_end)) {
            return wi_block_seek_before(cursor, call->number, call->first, ret);
        }
    } else if (error_before != WEIR_ENOTFOUND) {
        return error_before;
    }
    return wi_block_seek(cursor, call->number, call->first, ret);
}

static enum weir_error
read_shard(MDB_cursor *cursor, struct get_call *call)
{
    struct wi_block_view block;
    enum weir_error error = resolve(cursor, call);

    if (error != WEIR_OK || call->first >= call->meta.next_sequence) {
        return error;
    }
    error = find_first_block(cursor, call, &block);
    if (error == WEIR_OK) {
        error = take_blocks(cursor, call, &block);
    }
    return error == WEIR_ENOTFOUND ? WEIR_OK : error;
}

static enum weir_error
check_read_limit(MDB_txn *txn, const struct get_call *call)
{
    struct wi_limits_row row;
    const enum weir_error error = wi_limits_read(
        txn, &call->stream->tables, call->number, wi_mono_ms(call->stream->env), &row);

    return error == WEIR_OK && !wi_limits_may_read(&row) ? WEIR_ETHROTTLED : error;
}

/* Inside the transaction; may run again after a failure, so it starts from nothing. */
static enum weir_error
read_records(MDB_txn *txn, void *context)
{
    struct get_call *call = context;
    const struct wi_stream_tables *tables = &call->stream->tables;
    MDB_cursor *cursor = NULL;
    enum weir_error error = wi_meta_read(txn, tables, &call->meta);

    wi_batch_clear(call->batch);
    call->records_left = call->request->records_max;
    call->bytes_left = call->request->bytes_max;
    call->taken = false;
    call->more = false;
    call->is_damaged = false;
    if (error == WEIR_OK) {
        error = wi_shard_read(txn, tables, call->number, &call->row);
    }
    if (error == WEIR_OK && call->meta.kinesis_limits && !call->stream->read_only) {
        error = check_read_limit(txn, call);
    }
    if (error == WEIR_OK) {
        error = wi_error_from_lmdb(mdb_cursor_open(txn, tables->records, &cursor));
    }
    if (error != WEIR_OK) {
        return error;
    }
    error = read_shard(cursor, call);
    mdb_cursor_close(cursor);
    return error;
}

/* --- after the transaction --- */

/* Check the frames of one span and append their views. Stops at the first damaged one. */
static void
make_views(struct get_call *call, const struct wi_batch_span *span)
{
    struct weir_batch *batch = call->batch;
    const unsigned char *table = batch->bytes + span->table_at;
    const unsigned char *frame = batch->bytes + span->frames_at;
    struct wi_frame_place place = {span->nonce, call->number, span->first};
    uint32_t begin = span->frames_begin;

    for (uint32_t i = 0; i < span->count; i++) {
        struct weir_record *record = &batch->records[batch->record_count];
        const uint32_t end = wi_block_frame_end(table, i);

        if (wi_frame_decode(frame, end - begin, &place, record) != WEIR_OK) {
            call->is_damaged = true;
            call->damage_end = span->first_sequence + i;
            call->more = true;
            call->more_arrival_ms = span->arrival_ms;
            return;
        }
        record->sequence_number =
            (struct weir_sequence_number){{0, 0, 0, span->first_sequence + i}};
        record->sub_sequence_number = 0;
        record->arrival_ms = span->arrival_ms;
        record->replay_possible = false;
        batch->record_count++;
        frame += end - begin;
        begin = end;
        place.index++;
    }
}

static enum weir_error
make_all_views(struct get_call *call)
{
    struct weir_batch *batch = call->batch;
    const bool damage_follows = call->is_damaged;
    size_t count = 0;

    for (size_t i = 0; i < batch->span_count; i++) {
        count += batch->spans[i].count;
    }
    const enum weir_error error = wi_batch_reserve_records(batch, count);
    if (error != WEIR_OK) {
        return error;
    }
    call->is_damaged = false;
    for (size_t i = 0; i < batch->span_count && !call->is_damaged; i++) {
        make_views(call, &batch->spans[i]);
    }
    call->is_damaged = call->is_damaged || damage_follows;
    return WEIR_OK;
}

static void
fill_result(const struct get_call *call, struct weir_get_result *ret)
{
    const struct weir_batch *batch = call->batch;

    memset(ret, 0, sizeof *ret);
    if (call->is_damaged) {
        ret->next = position_at(WEIR_AT_SEQUENCE_NUMBER, call->damage_end);
    } else if (batch->record_count > 0) {
        ret->next.type = WEIR_AFTER_SEQUENCE_NUMBER;
        ret->next.sequence_number = batch->records[batch->record_count - 1].sequence_number;
    } else {
        ret->next = call->idle;
    }
    if (call->more) {
        const int64_t now_ms = wi_wall_now(call->stream->env).ms;

        ret->millis_behind_latest =
            now_ms > call->more_arrival_ms ? now_ms - call->more_arrival_ms : 0;
        return;
    }
    ret->at_shard_end = call->row.closed;
    for (size_t i = 0; i < WEIR_CHILDREN_MAX && call->row.closed; i++) {
        if (call->row.children[i] != WI_SHARD_NONE) {
            wi_shard_id_format(call->row.children[i], ret->child_shard_ids[i]);
        }
    }
}

/* --- Kinesis limit on what is read --- */

struct debit_call {
    const struct stream_lmdb *stream;
    uint32_t number;
    size_t bytes;
};

static enum weir_error
debit(MDB_txn *txn, void *context)
{
    const struct debit_call *call = context;
    const struct wi_stream_tables *tables = &call->stream->tables;
    struct wi_limits_row row;
    enum weir_error error =
        wi_limits_read(txn, tables, call->number, wi_mono_ms(call->stream->env), &row);

    if (error != WEIR_OK) {
        return error;
    }
    wi_limits_spend_read(&row, call->bytes);
    return wi_limits_write(txn, tables, call->number, &row);
}

static enum weir_error
debit_read(const struct get_call *call)
{
    struct debit_call debit_call = {call->stream, call->number, 0};

    for (size_t i = 0; i < call->batch->record_count; i++) {
        const struct weir_record *record = &call->batch->records[i];

        debit_call.bytes += record->partition_key.length + record->data.length;
    }
    if (debit_call.bytes == 0) {
        return WEIR_OK;
    }
    return wi_storage_write(call->stream->storage, WI_WRITE_RESERVE, debit, &debit_call, NULL);
}

enum weir_error
wi_embedded_get(
    void *source,
    const struct weir_get_request *request,
    struct weir_batch *batch,
    struct weir_get_result *ret)
{
    const struct stream_lmdb *stream = source;
    struct get_call call = {
        .stream = stream, .from = &request->from, .request = request, .batch = batch};
    enum weir_error error = wi_shard_id_parse(request->shard_id, &call.number);

    wi_batch_clear(batch);
    if (error == WEIR_OK) {
        error = wi_storage_read(stream->storage, read_records, &call);
    }
    if (error == WEIR_OK) {
        error = make_all_views(&call);
    }
    if (error == WEIR_OK && call.meta.kinesis_limits && !stream->read_only) {
        error = debit_read(&call);
    }
    if (error == WEIR_ETRIMMED) {
        memset(ret, 0, sizeof *ret);
        ret->next.type = WEIR_TRIM_HORIZON;
    }
    if (error != WEIR_OK) {
        wi_batch_clear(batch);
        return error;
    }
    fill_result(&call, ret);
    return call.is_damaged ? WEIR_ECORRUPT : WEIR_OK;
}

/* --- tail --- */

struct tail_call {
    const struct stream_lmdb *stream;
    uint32_t number;
    uint64_t newest;
    bool any;
};

static enum weir_error
read_tail(MDB_txn *txn, void *context)
{
    struct tail_call *call = context;
    const struct wi_stream_tables *tables = &call->stream->tables;
    MDB_cursor *cursor = NULL;
    struct wi_stream_meta meta;
    struct wi_shard_row row;
    struct wi_block_view block;
    enum weir_error error = wi_meta_read(txn, tables, &meta);

    if (error == WEIR_OK) {
        error = wi_shard_read(txn, tables, call->number, &row);
    }
    if (error == WEIR_OK) {
        error = wi_error_from_lmdb(mdb_cursor_open(txn, tables->records, &cursor));
    }
    if (error != WEIR_OK) {
        return error;
    }
    error = wi_block_seek_before(cursor, call->number, UINT64_MAX, &block);
    mdb_cursor_close(cursor);
    call->any = error == WEIR_OK;
    if (error == WEIR_ENOTFOUND) {
        call->newest = row.start;
        return WEIR_OK;
    }
    if (error == WEIR_OK) {
        /* A damaged block may end anywhere below the next number. */
        call->newest = block.is_sound ? block.key.first_sequence + block.header.count - 1
                       : row.closed   ? row.end
                                      : meta.next_sequence - 1;
    }
    return error;
}

enum weir_error
wi_embedded_tail(
    void *source, struct weir_str shard_id, struct weir_sequence_number *ret, bool *ret_any)
{
    const struct stream_lmdb *stream = source;
    struct tail_call call = {.stream = stream};
    enum weir_error error = wi_shard_id_parse(shard_id, &call.number);

    if (error == WEIR_OK) {
        error = wi_storage_read(stream->storage, read_tail, &call);
    }
    if (error == WEIR_OK) {
        *ret = wi_sequence_number_from_u64(call.newest);
        *ret_any = call.any;
    }
    return error;
}

/* Split, merge and scale: close shards and open their children, in one transaction. */
#include <lmdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/detail.h"
#include "core/hash_key.h"
#include "core/memory.h"
#include "storage/storage.h"
#include "stream/stream_format.h"
#include "stream/stream_lmdb.h"

/* An open shard while the plan is carried out. */
struct piece {
    uint32_t number;
    struct wi_shard_row row;
};

/* One call of split, merge or scale. */
struct reshard_call {
    const struct stream_lmdb *stream;
    struct wi_stream_meta meta;
    uint32_t numbers[2];            /* split: one; merge: two */
    const struct weir_hash_key *at; /* split: first key of the upper child, or NULL */
    uint32_t target;                /* scale */
    struct piece *pieces;           /* scale: open shards by range */
    size_t piece_count;
    size_t piece_capacity;
    bool needs_gap;     /* of sequence numbers: the first change of a boot, see stream_boot.c */
    uint64_t gap_end;   /* on the disk; 0: not asked for */
    const char *reason; /* of a failure */
};

/* --- steps; each leaves meta and rows consistent --- */

static enum weir_error
refuse(struct reshard_call *call, enum weir_error error, const char *reason)
{
    call->reason = reason;
    return error;
}

static enum weir_error
write_piece(MDB_txn *txn, const struct reshard_call *call, const struct piece *piece)
{
    return wi_shard_write(txn, &call->stream->tables, piece->number, &piece->row);
}

/* Give the shard its ending number, and write it. */
static enum weir_error
close_piece(
    MDB_txn *txn, struct reshard_call *call, struct piece *piece, const uint32_t children[2])
{
    WEIR_ASSERT(!piece->row.closed);
    piece->row.closed = true;
    piece->row.closed_ms = call->meta.last_arrival_ms;
    piece->row.end = call->meta.next_sequence++;
    memcpy(piece->row.children, children, sizeof piece->row.children);
    WEIR_ASSERT(piece->row.end > piece->row.start);
    return write_piece(txn, call, piece);
}

/* A new open shard; its starting number is taken by itself, no record gets it. */
static struct piece
new_piece(struct reshard_call *call, struct weir_hash_range range, const uint32_t parents[2])
{
    struct piece piece = {
        .number = call->meta.next_shard++,
        .row = {
            .parents = {parents[0], parents[1]},
            .children = {WI_SHARD_NONE, WI_SHARD_NONE},
            .range = range,
            .start = call->meta.next_sequence++,
            .created_ms = call->meta.last_arrival_ms,
        }};

    call->meta.shard_rows++;
    return piece;
}

/* Rows and numbers for so many new shards. */
static enum weir_error
check_room(struct reshard_call *call, uint32_t count)
{
    return call->meta.shard_rows > WEIR_SHARDS_MAX - count ||
                   call->meta.next_shard > WI_SHARD_NONE - WEIR_SHARDS_MAX
               ? refuse(call, WEIR_ELIMIT, "the stream has as many shards as it may have")
               : WEIR_OK;
}

/* Split `piece` at `at`: it becomes the lower child, *ret_upper the upper one. */
static enum weir_error
split_piece(
    MDB_txn *txn,
    struct reshard_call *call,
    struct piece *piece,
    struct weir_hash_key at,
    struct piece *ret_upper)
{
    const uint32_t parents[2] = {piece->number, WI_SHARD_NONE};
    const uint32_t children[2] = {call->meta.next_shard, call->meta.next_shard + 1};
    const struct weir_hash_range whole = piece->row.range;
    const struct weir_hash_range lower = {
        whole.start, wi_hash_key_sub(at, (struct weir_hash_key){0, 1})};
    const struct weir_hash_range upper = {at, whole.end};
    enum weir_error error = check_room(call, 2);

    if (error == WEIR_OK) {
        error = close_piece(txn, call, piece, children);
    }
    if (error == WEIR_OK) {
        *piece = new_piece(call, lower, parents);
        error = write_piece(txn, call, piece);
    }
    if (error == WEIR_OK) {
        *ret_upper = new_piece(call, upper, parents);
        error = write_piece(txn, call, ret_upper);
    }
    return error;
}

/* Merge `upper` into `piece`, which becomes the child of both. */
static enum weir_error
merge_pieces(MDB_txn *txn, struct reshard_call *call, struct piece *piece, struct piece *upper)
{
    const uint32_t parents[2] = {piece->number, upper->number};
    const uint32_t children[2] = {call->meta.next_shard, WI_SHARD_NONE};
    const struct weir_hash_range whole = {piece->row.range.start, upper->row.range.end};
    enum weir_error error = check_room(call, 1);

    if (error == WEIR_OK) {
        error = close_piece(txn, call, piece, children);
    }
    if (error == WEIR_OK) {
        error = close_piece(txn, call, upper, children);
    }
    if (error == WEIR_OK) {
        *piece = new_piece(call, whole, parents);
        error = write_piece(txn, call, piece);
    }
    return error;
}

/* --- frame of every change --- */

static enum weir_error
begin_change(MDB_txn *txn, struct reshard_call *call)
{
    const int64_t now_ms = wi_wall_now(call->stream->env).ms;
    const enum weir_error error = wi_meta_read(txn, &call->stream->tables, &call->meta);

    call->reason = NULL;
    if (error != WEIR_OK) {
        return refuse(call, error, "the stream is not there any more");
    }
    call->needs_gap = !wi_boot_enter(call->stream, call->gap_end, &call->meta);
    if (call->needs_gap) {
        return WEIR_ECONFLICT;
    }
    if (now_ms > call->meta.last_arrival_ms) {
        call->meta.last_arrival_ms = now_ms;
    }
    return call->meta.next_sequence > UINT64_MAX - WI_SEQUENCE_BOOT_GAP
               ? refuse(call, WEIR_ELIMIT, "sequence numbers are used up")
               : WEIR_OK;
}

static enum weir_error
end_change(MDB_txn *txn, struct reshard_call *call)
{
    call->meta.shards_version++;
    return wi_meta_write(txn, &call->stream->tables, &call->meta);
}

static enum weir_error
read_open_piece(MDB_txn *txn, struct reshard_call *call, uint32_t number, struct piece *ret)
{
    const enum weir_error error = wi_shard_read(txn, &call->stream->tables, number, &ret->row);

    ret->number = number;
    if (error != WEIR_OK) {
        return refuse(call, error, "no such shard");
    }
    return ret->row.closed ? refuse(call, WEIR_ESTATE, "the shard is closed") : WEIR_OK;
}

static enum weir_error
split_shard(MDB_txn *txn, void *context)
{
    struct reshard_call *call = context;
    struct piece piece = {0};
    struct piece upper = {0};
    enum weir_error error = begin_change(txn, call);

    if (error == WEIR_OK) {
        error = read_open_piece(txn, call, call->numbers[0], &piece);
    }
    if (error != WEIR_OK) {
        return error;
    }
    const struct weir_hash_key at =
        call->at == NULL ? wi_hash_range_midpoint(piece.row.range) : *call->at;
    if (weir_hash_key_compare(at, piece.row.range.start) <= 0 ||
        weir_hash_key_compare(at, piece.row.range.end) > 0) {
        return refuse(
            call,
            WEIR_EINVAL,
            "the upper child must begin after the shard's first hash key and "
            "not after its last one");
    }
    error = split_piece(txn, call, &piece, at, &upper);
    return error == WEIR_OK ? end_change(txn, call) : error;
}

static enum weir_error
merge_shards(MDB_txn *txn, void *context)
{
    struct reshard_call *call = context;
    struct piece a = {0};
    struct piece b = {0};
    enum weir_error error = begin_change(txn, call);

    if (error == WEIR_OK) {
        error = read_open_piece(txn, call, call->numbers[0], &a);
    }
    if (error == WEIR_OK) {
        error = read_open_piece(txn, call, call->numbers[1], &b);
    }
    if (error != WEIR_OK) {
        return error;
    }
    if (!wi_hash_range_is_adjacent(a.row.range, b.row.range)) {
        return refuse(call, WEIR_EINVAL, "the hash key ranges of the two shards do not touch");
    }
    error = weir_hash_key_compare(a.row.range.start, b.row.range.start) < 0
                ? merge_pieces(txn, call, &a, &b)
                : merge_pieces(txn, call, &b, &a);
    return error == WEIR_OK ? end_change(txn, call) : error;
}

/* --- scale --- */

static enum weir_error
add_open_piece(void *context, uint32_t number, const struct wi_shard_row *row)
{
    struct reshard_call *call = context;

    if (row->closed) {
        return WEIR_OK;
    }
    if (call->piece_count == call->piece_capacity) {
        return WEIR_ECORRUPT;
    }
    call->pieces[call->piece_count++] = (struct piece){number, *row};
    return WEIR_OK;
}

static int
compare_pieces(const void *a, const void *b)
{
    const struct piece *left = a;
    const struct piece *right = b;

    return weir_hash_key_compare(left->row.range.start, right->row.range.start);
}

/* The open shards by range, in an array with room for every piece that splitting can add. */
static enum weir_error
read_pieces(MDB_txn *txn, struct reshard_call *call)
{
    const struct weir_env *env = call->stream->env;
    const size_t capacity = (size_t)call->meta.shard_rows + call->target;

    wi_free(env, call->pieces); /* of a run before this one */
    call->piece_count = 0;
    call->piece_capacity = capacity;
    call->pieces = wi_alloc_array(env, capacity, sizeof *call->pieces);
    if (call->pieces == NULL) {
        return WEIR_ENOMEM;
    }
    const enum weir_error error = wi_shards_each(txn, &call->stream->tables, add_open_piece, call);
    if (error == WEIR_OK) {
        qsort(call->pieces, call->piece_count, sizeof *call->pieces, compare_pieces);
    }
    return error;
}

/* Split wherever a new shard begins inside an old one. The new pieces go to the end of the array;
 * they are sorted in afterwards. */
static enum weir_error
split_at_targets(MDB_txn *txn, struct reshard_call *call)
{
    const size_t old_count = call->piece_count;
    uint32_t target = 0;
    enum weir_error error = WEIR_OK;

    for (size_t i = 0; i < old_count; i++) {
        struct piece *piece = &call->pieces[i];

        for (; target < call->target; target++) {
            const struct weir_hash_key at = wi_hash_range_even(target, call->target).start;

            if (weir_hash_key_compare(at, piece->row.range.end) > 0) {
                break;
            }
            if (weir_hash_key_compare(at, piece->row.range.start) <= 0) {
                continue;
            }
            WEIR_ASSERT(call->piece_count < call->piece_capacity);
            struct piece *upper = &call->pieces[call->piece_count];
            error = split_piece(txn, call, piece, at, upper);
            if (error != WEIR_OK) {
                return error;
            }
            /* Go on with the upper part; the lower one is finished. */
            const struct piece lower = *piece;
            *piece = *upper;
            *upper = lower;
            call->piece_count++;
        }
    }
    qsort(call->pieces, call->piece_count, sizeof *call->pieces, compare_pieces);
    return WEIR_OK;
}

/* Merge pieces[first .. first + count - 1] pairwise until one is left, at `first`. */
static enum weir_error
merge_run(MDB_txn *txn, struct reshard_call *call, size_t first, size_t count)
{
    struct piece *run = call->pieces + first;
    size_t left = count;

    while (left > 1) {
        size_t kept = 0;

        for (size_t i = 0; i < left; i += 2) {
            const enum weir_error error =
                i + 1 < left ? merge_pieces(txn, call, &run[i], &run[i + 1]) : WEIR_OK;

            if (error != WEIR_OK) {
                return error;
            }
            run[kept++] = run[i];
        }
        left = kept;
    }
    return WEIR_OK;
}

static enum weir_error
merge_to_targets(MDB_txn *txn, struct reshard_call *call)
{
    enum weir_error error = WEIR_OK;
    size_t first = 0;

    for (uint32_t target = 0; target < call->target && error == WEIR_OK; target++) {
        const struct weir_hash_key end = wi_hash_range_even(target, call->target).end;
        size_t next = first;

        while (next < call->piece_count &&
               weir_hash_key_compare(call->pieces[next].row.range.start, end) <= 0) {
            next++;
        }
        if (next == first) {
            return WEIR_ECORRUPT; /* the open shards leave a hole */
        }
        error = merge_run(txn, call, first, next - first);
        first = next;
    }
    return error;
}

static enum weir_error
scale_shards(MDB_txn *txn, void *context)
{
    struct reshard_call *call = context;
    enum weir_error error = begin_change(txn, call);
    const uint32_t next_shard = call->meta.next_shard;

    if (error == WEIR_OK) {
        error = read_pieces(txn, call);
    }
    if (error == WEIR_OK) {
        error = split_at_targets(txn, call);
    }
    if (error == WEIR_OK) {
        error = merge_to_targets(txn, call);
    }
    if (error != WEIR_OK || call->meta.next_shard == next_shard) {
        return error; /* nothing to do is fine */
    }
    return end_change(txn, call);
}

/* --- slots --- */

static enum weir_error
change_shards(
    struct stream_lmdb *stream,
    wi_storage_fn change,
    struct reshard_call *call,
    const char *what,
    struct weir_detail *detail)
{
    if (stream->read_only) {
        return wi_detail(detail, WEIR_ESTATE, "%s: the stream was opened for reading only", what);
    }
    enum weir_error error =
        wi_storage_write(stream->storage, WI_WRITE_DEFAULT, change, call, detail);
    if (error == WEIR_ECONFLICT && call->needs_gap) {
        error = wi_boot_add_gap(stream, &call->gap_end, detail);
        if (error == WEIR_OK) {
            error = wi_storage_write(stream->storage, WI_WRITE_DEFAULT, change, call, detail);
        }
    }
    if (error != WEIR_OK) {
        return call->reason == NULL ? error
                                    : wi_detail(detail, error, "%s: %s", what, call->reason);
    }
    return WEIR_OK;
}

static enum weir_error
parse_shard(struct weir_str shard_id, const char *what, uint32_t *ret, struct weir_detail *detail)
{
    const enum weir_error error = wi_shard_id_parse(shard_id, ret);

    return error == WEIR_OK
               ? WEIR_OK
               : wi_detail(
                     detail,
                     error,
                     "%s: no shard %.*s",
                     what,
                     (int)(shard_id.length < WEIR_NAME_MAX ? shard_id.length : WEIR_NAME_MAX),
                     shard_id.data);
}

enum weir_error
wi_embedded_split(
    void *source,
    struct weir_str shard_id,
    const struct weir_hash_key *at,
    struct weir_detail *detail)
{
    struct stream_lmdb *stream = source;
    struct reshard_call call = {.stream = stream, .at = at};
    enum weir_error error = parse_shard(shard_id, "split", &call.numbers[0], detail);

    if (error == WEIR_OK) {
        error = change_shards(stream, split_shard, &call, "split", detail);
    }
    if (error == WEIR_OK) {
        wi_storage_wake(stream->storage, call.numbers[0] % WI_WAKE_SLOTS);
    }
    return error;
}

enum weir_error
wi_embedded_merge(void *source, struct weir_str a, struct weir_str b, struct weir_detail *detail)
{
    struct stream_lmdb *stream = source;
    struct reshard_call call = {.stream = stream};
    enum weir_error error = parse_shard(a, "merge", &call.numbers[0], detail);

    if (error == WEIR_OK) {
        error = parse_shard(b, "merge", &call.numbers[1], detail);
    }
    if (error == WEIR_OK) {
        error = change_shards(stream, merge_shards, &call, "merge", detail);
    }
    if (error == WEIR_OK) {
        wi_storage_wake(stream->storage, call.numbers[0] % WI_WAKE_SLOTS);
        wi_storage_wake(stream->storage, call.numbers[1] % WI_WAKE_SLOTS);
    }
    return error;
}

enum weir_error
wi_embedded_scale(void *source, uint32_t shards, struct weir_detail *detail)
{
    struct stream_lmdb *stream = source;
    struct reshard_call call = {.stream = stream, .target = shards};
    const enum weir_error error = change_shards(stream, scale_shards, &call, "scale", detail);

    wi_free(stream->env, call.pieces);
    for (uint32_t slot = 0; slot < WI_WAKE_SLOTS && error == WEIR_OK; slot++) {
        wi_storage_wake(stream->storage, slot);
    }
    return error;
}

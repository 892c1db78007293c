/*
 * The memory behind a get: records, and the bytes that their views point into. A backend appends
 * bytes while it reads and makes the views when the buffer no longer moves.
 */
#ifndef WI_STREAM_BATCH_H
#define WI_STREAM_BATCH_H

#include <weir/env.h>
#include <weir/stream.h>

/* Consecutive frames of one block, copied out of the map. */
struct wi_batch_span {
    size_t frames_at;        /* offset in bytes of frame `first` */
    size_t table_at;         /* offset in bytes of the table entries of the span */
    uint64_t first_sequence; /* of the record at index `first` */
    uint64_t nonce;
    int64_t arrival_ms;
    uint32_t frames_begin; /* where frame `first` begins in its block */
    uint32_t first;        /* index in the block of the span's first record */
    uint32_t count;
};

struct weir_batch {
    const struct weir_env *env;
    struct weir_record *records;
    size_t record_count;
    size_t record_capacity;
    unsigned char *bytes;
    size_t byte_count;
    size_t byte_capacity;
    struct wi_batch_span *spans;
    size_t span_count;
    size_t span_capacity;
};

/* Forget the contents, keep the memory. */
void wi_batch_clear(struct weir_batch *batch);

/* Append `size` uninitialised bytes; their offset goes to *ret_at. Moves the buffer. */
enum weir_error wi_batch_extend(struct weir_batch *batch, size_t size, size_t *ret_at);

/* Append a span. */
enum weir_error wi_batch_add_span(struct weir_batch *batch, const struct wi_batch_span *span);

/* Room for so many records; record_count stays as it is. */
enum weir_error wi_batch_reserve_records(struct weir_batch *batch, size_t count);

#endif

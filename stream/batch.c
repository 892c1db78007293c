#include "stream/batch.h"

#include <stddef.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/memory.h"

#define BYTES_MIN   ((size_t)16 * 1024)
#define RECORDS_MIN ((size_t)64)
#define SPANS_MIN   ((size_t)16)

enum weir_error
weir_batch_new(const struct weir_env *env, struct weir_batch **ret)
{
    struct weir_batch *batch = NULL;

    if (env == NULL || ret == NULL) {
        return WEIR_EINVAL;
    }
    batch = wi_alloc(env, sizeof *batch);
    if (batch == NULL) {
        return WEIR_ENOMEM;
    }
    *batch = (struct weir_batch){.env = env};
    *ret = batch;
    return WEIR_OK;
}

void
weir_batch_free(struct weir_batch *batch)
{
    if (batch == NULL) {
        return;
    }
    wi_free(batch->env, batch->records);
    wi_free(batch->env, batch->bytes);
    wi_free(batch->env, batch->spans);
    wi_free(batch->env, batch);
}

const struct weir_record *
weir_batch_records(const struct weir_batch *batch)
{
    return batch == NULL ? NULL : batch->records;
}

size_t
weir_batch_count(const struct weir_batch *batch)
{
    return batch == NULL ? 0 : batch->record_count;
}

void
wi_batch_clear(struct weir_batch *batch)
{
    batch->record_count = 0;
    batch->byte_count = 0;
    batch->span_count = 0;
}

/* The next capacity that holds `needed` things: doubling, so that a batch soon stops growing. */
static size_t
grown(size_t capacity, size_t needed, size_t least)
{
    size_t size = capacity < least ? least : capacity;

    while (size < needed) {
        size *= 2;
    }
    return size;
}

enum weir_error
wi_batch_extend(struct weir_batch *batch, size_t size, size_t *ret_at)
{
    const size_t needed = batch->byte_count + size;

    WEIR_ASSERT(needed >= size);
    if (needed > batch->byte_capacity) {
        const size_t capacity = grown(batch->byte_capacity, needed, BYTES_MIN);
        unsigned char *bytes = wi_resize(batch->env, batch->bytes, capacity);

        if (bytes == NULL) {
            return WEIR_ENOMEM;
        }
        batch->bytes = bytes;
        batch->byte_capacity = capacity;
    }
    *ret_at = batch->byte_count;
    batch->byte_count = needed;
    return WEIR_OK;
}

enum weir_error
wi_batch_add_span(struct weir_batch *batch, const struct wi_batch_span *span)
{
    if (batch->span_count == batch->span_capacity) {
        const size_t capacity = grown(batch->span_capacity, batch->span_count + 1, SPANS_MIN);
        struct wi_batch_span *spans =
            wi_resize_array(batch->env, batch->spans, capacity, sizeof *spans);

        if (spans == NULL) {
            return WEIR_ENOMEM;
        }
        batch->spans = spans;
        batch->span_capacity = capacity;
    }
    batch->spans[batch->span_count++] = *span;
    return WEIR_OK;
}

enum weir_error
wi_batch_reserve_records(struct weir_batch *batch, size_t count)
{
    if (count > batch->record_capacity) {
        const size_t capacity = grown(batch->record_capacity, count, RECORDS_MIN);
        struct weir_record *records =
            wi_resize_array(batch->env, batch->records, capacity, sizeof *records);

        if (records == NULL) {
            return WEIR_ENOMEM;
        }
        batch->records = records;
        batch->record_capacity = capacity;
    }
    return WEIR_OK;
}

/* weir_stream_get() of Kinesis: slots of shards, pacing, and what the caller is told. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "aws/kinesis_base64.h"
#include "aws/kinesis_page.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/mono.h"
#include "core/str.h"
#include "stream/batch.h"
#include "stream/stream_kinesis.h"
#include "stream/stream_kinesis_fanout.h"
#include "stream/stream_kinesis_pace.h"

/* Who asks for fewer records than this gets no page of many. */
#define FEW_RECORDS 100U

/* --- slots --- */

/* Index of the slot of a shard, or of where it belongs. Under the lock. */
static size_t
slot_place(const struct wi_kinesis_stream *stream, struct weir_str shard_id)
{
    size_t low = 0;
    size_t high = stream->slot_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (wi_str_compare(wi_str(stream->slots[middle]->shard_id), shard_id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static enum weir_error
insert_slot(struct wi_kinesis_stream *stream, size_t at, struct weir_str shard_id)
{
    struct wi_kinesis_slot *slot;

    if (stream->slot_count == WEIR_SHARDS_MAX) {
        return WEIR_ELIMIT;
    }
    if (stream->slot_count == stream->slot_capacity) {
        const size_t capacity = stream->slot_capacity == 0 ? 16 : stream->slot_capacity * 2;
        void *grown =
            wi_resize_array(stream->env, stream->slots, capacity, sizeof(struct wi_kinesis_slot *));

        if (grown == NULL) {
            return WEIR_ENOMEM;
        }
        stream->slots = grown;
        stream->slot_capacity = capacity;
    }
    slot = wi_alloc(stream->env, sizeof *slot);
    if (slot == NULL) {
        return WEIR_ENOMEM;
    }
    (void)wi_str_copy(slot->shard_id, sizeof slot->shard_id, shard_id);
    wi_kinesis_pace_init(&slot->pace, 1000 / stream->url.reads_per_second, stream->url.idle_ms);
    memmove(
        stream->slots + at + 1,
        stream->slots + at,
        (stream->slot_count - at) * sizeof(struct wi_kinesis_slot *));
    stream->slots[at] = slot;
    stream->slot_count++;
    return WEIR_OK;
}

/* Whether readers get less than a whole page because of what others hold. */
static bool
is_scarce(const struct wi_kinesis_stream *stream)
{
    return atomic_load(stream->pages_bytes) > WI_KINESIS_PAGES_BYTES_MAX - WI_KINESIS_PAGE_TEXT_MAX;
}

/* Take the pages of shards that are somebody else's by now, or whose processor hangs. Under the
 * lock, so the readers that stand in their slots are no other thread's. */
static void
sweep_unread(struct wi_kinesis_stream *stream)
{
    const struct weir_mono now = wi_mono_now(stream->env);

    if (!is_scarce(stream) || wi_mono_elapsed_ms(stream->swept, now) < WI_KINESIS_SWEEP_MS) {
        return;
    }
    stream->swept = now;
    for (size_t i = 0; i < stream->slot_count; i++) {
        struct wi_kinesis_reader *reader = stream->slots[i]->reader;

        if (reader == NULL ||
            wi_mono_elapsed_ms(stream->slots[i]->touched, now) < WI_KINESIS_UNREAD_MS) {
            continue;
        }
        if (wi_kinesis_reader_has_records(reader)) {
            wi_kinesis_reader_read_anew(reader);
        } else {
            wi_kinesis_reader_drop_page(reader); /* its place is behind the page */
        }
    }
}

/* The slot of a shard, for good, and its reader, which is this thread's until give_back(). */
static enum weir_error
check_out(
    struct wi_kinesis_stream *stream,
    struct weir_str shard_id,
    struct wi_kinesis_slot **ret_slot,
    struct wi_kinesis_reader **ret_reader)
{
    enum weir_error error = WEIR_OK;
    size_t at;

    pthread_mutex_lock(&stream->lock);
    at = slot_place(stream, shard_id);
    if (at == stream->slot_count || !wi_str_equal_z(shard_id, stream->slots[at]->shard_id)) {
        error = insert_slot(stream, at, shard_id);
    }
    if (error == WEIR_OK) {
        *ret_slot = stream->slots[at];
        *ret_reader = stream->slots[at]->reader;
        stream->slots[at]->reader = NULL;
        sweep_unread(stream);
    }
    pthread_mutex_unlock(&stream->lock);
    if (error == WEIR_OK && *ret_reader == NULL) {
        error = wi_kinesis_reader_new(stream, shard_id, ret_reader);
    }
    return error;
}

/* Of two threads that read one shard, the later one's reader stays. */
static void
give_back(
    struct wi_kinesis_stream *stream,
    struct wi_kinesis_slot *slot,
    struct wi_kinesis_reader *reader)
{
    const bool is_last = reader->at_end && !wi_kinesis_reader_has_records(reader);
    const bool is_empty =
        reader->page.count == 0 && reader->text.capacity > WI_KINESIS_PAGE_KEEP_BYTES;
    struct wi_kinesis_reader *other;

    if (reader->next.type != WEIR_LATEST) {
        wi_kinesis_reader_end_search(reader);
    }
    if (is_last || is_empty) {
        wi_kinesis_reader_drop_page(reader);
    }
    pthread_mutex_lock(&stream->lock);
    other = slot->reader;
    slot->reader = reader;
    slot->touched = wi_mono_now(stream->env);
    pthread_mutex_unlock(&stream->lock);
    wi_kinesis_reader_free(other);
}

uint32_t
wi_kinesis_slot_word(void *source, struct weir_str shard_id)
{
    struct wi_kinesis_stream *stream = source;
    uint32_t word = 0;
    size_t at;

    pthread_mutex_lock(&stream->lock);
    at = slot_place(stream, shard_id);
    if (at < stream->slot_count && wi_str_equal_z(shard_id, stream->slots[at]->shard_id)) {
        word = atomic_load(&stream->slots[at]->word);
    }
    pthread_mutex_unlock(&stream->lock);
    return word;
}

/* --- pace --- */

static int64_t
wait_of(struct wi_kinesis_stream *stream, struct wi_kinesis_slot *slot)
{
    int64_t wait_ms;

    pthread_mutex_lock(&stream->lock);
    wait_ms = wi_kinesis_pace_wait_ms(&slot->pace, wi_mono_now(stream->env));
    pthread_mutex_unlock(&stream->lock);
    return wait_ms;
}

size_t
wi_kinesis_page_data_bytes(const struct wi_kinesis_page *page)
{
    size_t bytes = 0;

    for (size_t i = 0; i < page->count; i++) {
        const struct wi_kinesis_record *record = &page->records[i];

        bytes +=
            record->data_is_raw ? record->data_length : wi_base64_decoded_max(record->data_length);
    }
    return bytes;
}

static void
note_pace(
    struct wi_kinesis_stream *stream,
    struct wi_kinesis_slot *slot,
    const struct wi_kinesis_reader *reader,
    struct weir_mono sent,
    enum weir_error error)
{
    const struct weir_mono now = wi_mono_now(stream->env);
    const bool is_tip = reader->page.count == 0 && reader->page.millis_behind <= 0;
    const size_t bytes = error == WEIR_OK ? wi_kinesis_page_data_bytes(&reader->page) : 0;

    pthread_mutex_lock(&stream->lock);
    if (error == WEIR_OK) {
        wi_kinesis_pace_read(&slot->pace, sent, now, bytes, is_tip);
    } else {
        /* Whatever went wrong, asking at once again does not mend it. */
        wi_kinesis_pace_refused(&slot->pace, now, wi_random(stream->env));
    }
    pthread_mutex_unlock(&stream->lock);
}

/* --- get --- */

/* Failures of rights, servers and networks are in the log of the client already. */
static bool
is_told(enum weir_error error)
{
    return error == WEIR_EACCESS || error == WEIR_ETIMEOUT || error == WEIR_EIO;
}

/* By GetRecords. */
static enum weir_error
fetch_page(
    struct wi_kinesis_stream *stream,
    struct wi_kinesis_slot *slot,
    struct wi_kinesis_reader *reader,
    struct weir_detail *detail)
{
    struct weir_mono sent = wi_mono_now(stream->env);
    enum weir_error error = wi_kinesis_reader_fetch(reader, detail);

    if (error == WEIR_EEXPIRED) {
        error = wi_kinesis_reader_fetch(reader, detail);
    }
    note_pace(stream, slot, reader, sent, error);
    if (error == WEIR_OK && reader->page.count == 0 && reader->next.type == WEIR_LATEST &&
        !reader->at_end) {
        error = wi_kinesis_resolve_latest(reader, detail);
    }
    return error;
}

/* Whether this read is one for a subscription. LATEST is looked for by GetRecords, until there is a
 * number, and a look at one record is not worth a subscription. */
static bool
uses_fan_out(const struct wi_kinesis_reader *reader)
{
    return reader->stream->url.consumer[0] != '\0' && !reader->is_look &&
           reader->next.type != WEIR_LATEST;
}

/* One page, as soon as the pace allows it: WEIR_ETHROTTLED says that it does not yet. */
static enum weir_error
fetch(
    struct wi_kinesis_stream *stream,
    struct wi_kinesis_slot *slot,
    struct wi_kinesis_reader *reader)
{
    struct weir_detail detail = {""};
    enum weir_error error = WEIR_OK;

    if (uses_fan_out(reader)) {
        error = wi_kinesis_fanout_fetch(reader, &slot->word, &detail);
    } else if (wait_of(stream, slot) > 0) {
        return WEIR_ETHROTTLED;
    } else {
        if (stream->url.consumer[0] != '\0') {
            error =
                wi_kinesis_fanout_find_consumer(stream, 0, &detail); /* what is wrong shows now */
        }
        if (error == WEIR_OK || error == WEIR_EBUSY) {
            error = fetch_page(stream, slot, reader, &detail);
        }
    }
    if (error == WEIR_ENOTFOUND) {
        atomic_store(&stream->is_suspect, true);
        atomic_fetch_add(&stream->version, 1);
    }
    if (error != WEIR_OK && error != WEIR_ETRIMMED) {
        wi_log(
            stream->env,
            error == WEIR_ETHROTTLED || is_told(error) ? WEIR_LOG_DEBUG : WEIR_LOG_WARN,
            "stream",
            "%s%s%s: %s",
            stream->shared == NULL ? "" : stream->url.stream_name,
            stream->shared == NULL ? "" : " ",
            reader->shard_id,
            detail.text[0] == '\0' ? weir_error_text(error) : detail.text);
    }
    return error;
}

/* What an earlier call was told counts no more: the shard may have been another worker's since, or
 * the page that said it is gone. Only what this call reads says that this is the tip, which ends
 * the marking of replays. Behind the end of a shard nothing comes. */
static void
forget_tip(struct wi_kinesis_reader *reader)
{
    if (!reader->at_end && reader->page.millis_behind <= 0) {
        reader->page.millis_behind = 1;
    }
}

/* Age of the oldest record that is not delivered yet. */
static int64_t
behind(const struct wi_kinesis_reader *reader)
{
    const struct wi_kinesis_page *page = &reader->page;
    int64_t age_ms;

    if (!wi_kinesis_reader_has_records(reader)) {
        return page->millis_behind > 0 ? page->millis_behind : 0;
    }
    age_ms = wi_wall_now(reader->stream->env).ms - page->records[reader->index].arrival_ms;
    return age_ms > 1 ? age_ms : 1;
}

static void
fill_result(
    struct wi_kinesis_stream *stream,
    struct wi_kinesis_slot *slot,
    const struct wi_kinesis_reader *reader,
    struct weir_get_result *ret)
{
    const bool has_more = wi_kinesis_reader_has_records(reader);

    *ret = (struct weir_get_result){.next = reader->next, .millis_behind_latest = behind(reader)};
    if (has_more) {
        return;
    }
    if (reader->at_end) {
        ret->at_shard_end = true;
        memcpy(ret->child_shard_ids, reader->page.child_shard_ids, sizeof ret->child_shard_ids);
        return;
    }
    if (uses_fan_out(reader)) {
        ret->retry_after_ms = wi_kinesis_fanout_wait_ms(reader);
        return;
    }
    /* Not 0: that would mean that somebody wakes the reader. */
    ret->retry_after_ms = wait_of(stream, slot);
    ret->retry_after_ms += ret->retry_after_ms == 0 ? 1 : 0;
}

enum weir_error
wi_kinesis_get(
    void *source,
    const struct weir_get_request *request,
    struct weir_batch *batch,
    struct weir_get_result *ret)
{
    struct wi_kinesis_stream *stream = source;
    struct wi_kinesis_slot *slot = NULL;
    struct wi_kinesis_reader *reader = NULL;
    enum weir_error error = WEIR_OK;

    wi_batch_clear(batch);
    if (weir_name_check(request->shard_id) != WEIR_OK) {
        return WEIR_ENOTFOUND; /* no shard has such an id */
    }
    if (request->from.type == WEIR_SHARD_END) {
        return WEIR_EINVAL;
    }
    error = check_out(stream, request->shard_id, &slot, &reader);
    if (error != WEIR_OK) {
        return error;
    }
    wi_kinesis_reader_place(reader, &request->from);
    reader->records_wanted =
        request->records_max < FEW_RECORDS ? request->records_max : WEIR_GET_RECORDS_MAX;
    reader->is_look = request->records_max == 1 && request->bytes_max == 1;
    forget_tip(reader);
    if (!wi_kinesis_reader_has_records(reader) && !reader->at_end) {
        error = fetch(stream, slot, reader);
    }
    if (error == WEIR_OK && wi_kinesis_reader_has_records(reader)) {
        error = wi_kinesis_reader_take(reader, request->records_max, request->bytes_max, batch);
        if (error == WEIR_ECORRUPT) {
            wi_kinesis_reader_read_anew(reader);
        }
    }
    if (error == WEIR_OK) {
        fill_result(stream, slot, reader, ret);
    } else if (error == WEIR_ETRIMMED) {
        *ret = (struct weir_get_result){.next = {.type = WEIR_TRIM_HORIZON}};
    } else if (error == WEIR_ETHROTTLED) {
        ret->next = request->from;
        ret->retry_after_ms = wait_of(stream, slot) + 1;
    }
    give_back(stream, slot, reader);
    return error;
}

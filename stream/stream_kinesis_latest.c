/*
 * LATEST as a number. An iterator LATEST stands behind the newest record and has no number until
 * the next one comes; a worker that crashed before that would leave LATEST in its lease, and the
 * next owner would skip what came in between (Java KCL does). So the newest record is looked for:
 * in the last minute, the last hour, and then from the oldest record on. If there is none, the
 * shard's own first number stands before all that will come.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "aws/kinesis_page.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/mono.h"
#include "core/str.h"
#include "stream/batch.h"
#include "stream/stream_kinesis.h"
#include "stream/stream_kinesis_pace.h"

/* How far back each search begins; 0 is the oldest record. */
static const int64_t search_ms[] = {60000, 3600000, 0};

/* What one call searches at most: pages, time, and refusals that are waited out. The next call goes
 * on there. */
#define SEARCH_PAGES_MAX    200U
#define SEARCH_MS           10000
#define SEARCH_REFUSALS_MAX 5U
/* The records of LATEST itself are looked for so often before anything is searched. */
#define PATIENCE 3U

static enum weir_error
begin_search(struct wi_kinesis_reader *reader)
{
    struct wi_kinesis_stream *stream = reader->stream;
    const int64_t least_ms = 1000 / stream->url.reads_per_second;
    struct wi_kinesis_search *search = wi_alloc(stream->env, sizeof *search);
    enum weir_error error =
        search == NULL ? WEIR_ENOMEM
                       : wi_kinesis_reader_new(stream, wi_str(reader->shard_id), &search->reader);

    if (error != WEIR_OK) {
        wi_free(stream->env, search);
        return error;
    }
    wi_kinesis_pace_init(&search->pace, least_ms, stream->url.idle_ms);
    search->pace.not_before = wi_mono_add_ms(wi_mono_now(stream->env), least_ms);
    reader->search = search;
    return WEIR_OK;
}

/* Take all records of the page and remember the last. */
static enum weir_error
note_page(struct wi_kinesis_search *search, struct weir_batch *batch)
{
    struct wi_kinesis_reader *reader = search->reader;
    enum weir_error error = WEIR_OK;

    while (error == WEIR_OK && wi_kinesis_reader_has_records(reader)) {
        wi_batch_clear(batch);
        error =
            wi_kinesis_reader_take(reader, WEIR_GET_RECORDS_MAX, reader->page.text.length, batch);
        search->any = reader->has_wanted;
        search->sequence_number = reader->next.sequence_number;
        search->sub_sequence_number = reader->next.sub_sequence_number;
    }
    if (error != WEIR_OK) {
        wi_kinesis_reader_read_anew(reader);
    }
    return error;
}

/* One page, when the limits of the shard allow it: others read it as well. */
static enum weir_error
read_page(struct wi_kinesis_search *search, struct weir_batch *batch, struct weir_detail *detail)
{
    struct wi_kinesis_reader *reader = search->reader;
    const struct weir_env *env = reader->stream->env;
    struct weir_mono sent;
    enum weir_error error;

    if (!wi_kinesis_pause(
            reader->stream, wi_kinesis_pace_wait_ms(&search->pace, wi_mono_now(env)))) {
        return WEIR_ECANCELED;
    }
    sent = wi_mono_now(env);
    error = wi_kinesis_reader_fetch(reader, detail);
    if (error == WEIR_ETRIMMED) {
        error = WEIR_OK; /* it looks for the newest record, not for the next */
    }
    if (error != WEIR_OK) {
        wi_kinesis_pace_refused(&search->pace, wi_mono_now(env), wi_random(env));
        return error;
    }
    wi_kinesis_pace_read(
        &search->pace, sent, wi_mono_now(env), wi_kinesis_page_data_bytes(&reader->page), false);
    return note_page(search, batch);
}

static void
place(struct wi_kinesis_search *search)
{
    struct weir_position from = {.type = WEIR_TRIM_HORIZON};

    if (search_ms[search->stage] > 0) {
        from.type = WEIR_AT_TIMESTAMP;
        from.timestamp_ms = wi_wall_now(search->reader->stream->env).ms - search_ms[search->stage];
    }
    wi_kinesis_reader_place(search->reader, &from);
    search->is_placed = true;
}

/* All pages from a place to the tip have been read: look further back if they had no record. */
static void
note_tip(struct wi_kinesis_search *search)
{
    const struct wi_kinesis_reader *reader = search->reader;

    if (!reader->at_end && (reader->page.count > 0 || reader->page.millis_behind > 0)) {
        return;
    }
    search->stage++;
    search->is_placed = false;
    search->is_done = search->any;
}

static bool
is_over(const struct wi_kinesis_search *search)
{
    return search->is_done || search->stage == WI_ARRAY_LENGTH(search_ms);
}

static enum weir_error
read_pages(struct wi_kinesis_search *search, struct weir_batch *batch, struct weir_detail *detail)
{
    const struct weir_env *env = search->reader->stream->env;
    const struct weir_mono deadline = wi_mono_add_ms(wi_mono_now(env), SEARCH_MS);
    unsigned refusals = 0;

    for (unsigned pages = 0; pages < SEARCH_PAGES_MAX && refusals < SEARCH_REFUSALS_MAX &&
                             !is_over(search) && wi_mono_before(wi_mono_now(env), deadline);
         pages++) {
        enum weir_error error;

        if (!search->is_placed) {
            place(search);
        }
        error = read_page(search, batch, detail);
        if (error == WEIR_ETHROTTLED || error == WEIR_EEXPIRED) {
            refusals++;
        } else if (error != WEIR_OK) {
            return error;
        } else {
            note_tip(search);
        }
    }
    return WEIR_OK;
}

/* Look for the shard's newest record, or its first number. Done, or to go on with the next call. */
static enum weir_error
find_newest(struct wi_kinesis_search *search, struct weir_detail *detail)
{
    struct wi_kinesis_stream *stream = search->reader->stream;
    struct wi_kinesis_family family = {.is_known = false};
    struct weir_batch *batch = NULL;
    enum weir_error error = weir_batch_new(stream->env, &batch);

    if (error == WEIR_OK) {
        error = read_pages(search, batch, detail);
    }
    if (error == WEIR_OK && is_over(search) && !search->any) {
        error = wi_kinesis_find_family(stream, search->reader->shard_id, &family);
        search->any = error == WEIR_OK && family.is_known;
        search->sequence_number = family.starting_sequence_number;
    }
    search->is_done = error == WEIR_OK && is_over(search);
    weir_batch_free(batch);
    wi_kinesis_reader_drop_page(search->reader);
    return error;
}

/* Read on at LATEST; true if something has come behind it: a record, or an empty page on the way to
 * one, of which Kinesis gives many. */
static bool
meets_news(struct wi_kinesis_reader *reader, struct weir_detail *detail, enum weir_error *error)
{
    *error = wi_kinesis_pause(reader->stream, 1000 / reader->stream->url.reads_per_second)
                 ? wi_kinesis_reader_fetch(reader, detail)
                 : WEIR_ECANCELED;
    return *error == WEIR_OK && (reader->page.count > 0 || reader->page.millis_behind > 0);
}

/* Read at LATEST for a while, and begin to search if nothing comes. */
static enum weir_error
wait_for_news(struct wi_kinesis_reader *reader, struct weir_detail *detail)
{
    enum weir_error error = WEIR_OK;

    for (unsigned i = 0; i < PATIENCE && error != WEIR_ETHROTTLED; i++) {
        if (meets_news(reader, detail, &error) || reader->at_end) {
            return error;
        }
        if (error != WEIR_OK && error != WEIR_ETHROTTLED) {
            return error;
        }
    }
    return begin_search(reader);
}

/* Nothing has come behind LATEST: what was found stands before it. */
static void
settle(struct wi_kinesis_reader *reader)
{
    const struct wi_kinesis_search *search = reader->search;

    if (reader->at_end) {
        return;
    }
    if (search->any) {
        wi_kinesis_reader_passed(reader, &search->sequence_number, search->sub_sequence_number);
    }
    wi_kinesis_reader_end_search(reader);
}

enum weir_error
wi_kinesis_resolve_latest(struct wi_kinesis_reader *reader, struct weir_detail *detail)
{
    enum weir_error error = WEIR_OK;

    WEIR_ASSERT(reader->next.type == WEIR_LATEST);
    WEIR_ASSERT(reader->page.count == 0);
    if (reader->search != NULL && reader->search->is_done) {
        /* Only the last look was missing: it has just been made. */
        if (reader->page.millis_behind <= 0) {
            settle(reader);
        }
        return WEIR_OK;
    }
    if (reader->search == NULL) {
        error = wait_for_news(reader, detail);
    }
    if (error != WEIR_OK || reader->search == NULL) {
        return error;
    }
    error = find_newest(reader->search, detail);
    if (error != WEIR_OK || !reader->search->is_done || meets_news(reader, detail, &error) ||
        error != WEIR_OK) {
        return error;
    }
    settle(reader);
    return WEIR_OK;
}

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
#include "core/str.h"
#include "stream/batch.h"
#include "stream/stream_kinesis.h"

/* How far back each search begins; 0 is the oldest record. */
static const int64_t search_ms[] = {60000, 3600000, 0};

/* Pages that one search reads at most. A shard with more has records all the time, and LATEST finds
 * one soon. */
#define SEARCH_PAGES_MAX 200U
/* The records of LATEST itself are looked for so often before anything is searched. */
#define PATIENCE 3U

/* What a search has found. */
struct newest {
    bool any;
    struct weir_sequence_number sequence_number;
    uint64_t sub_sequence_number;
};

/* Take all records of the page and remember the last. */
static enum weir_error
note_page(struct wi_kinesis_reader *search, struct weir_batch *batch, struct newest *newest)
{
    enum weir_error error = WEIR_OK;

    while (error == WEIR_OK && wi_kinesis_reader_has_records(search)) {
        wi_batch_clear(batch);
        error =
            wi_kinesis_reader_take(search, WEIR_GET_RECORDS_MAX, search->page.text.length, batch);
        newest->any = search->has_wanted;
        newest->sequence_number = search->next.sequence_number;
        newest->sub_sequence_number = search->next.sub_sequence_number;
    }
    return error;
}

/* The newest record at or after a position; WEIR_ELIMIT if there are too many pages. */
static enum weir_error
search_from(
    struct wi_kinesis_reader *search,
    const struct weir_position *from,
    struct weir_batch *batch,
    struct newest *newest,
    struct weir_detail *detail)
{
    const int64_t least_ms = 1000 / search->stream->url.reads_per_second;

    wi_kinesis_reader_place(search, from);
    for (unsigned pages = 0; pages < SEARCH_PAGES_MAX; pages++) {
        enum weir_error error = WEIR_OK;

        if (!wi_kinesis_pause(search->stream, least_ms)) {
            return WEIR_ECANCELED;
        }
        error = wi_kinesis_reader_fetch(search, detail);
        if (error == WEIR_OK) {
            error = note_page(search, batch, newest);
        }
        if (error != WEIR_OK) {
            return error;
        }
        if (search->at_end || (search->page.count == 0 && search->page.millis_behind <= 0)) {
            return WEIR_OK;
        }
    }
    return WEIR_ELIMIT;
}

static enum weir_error
search_newest(
    struct wi_kinesis_reader *search,
    struct weir_batch *batch,
    struct newest *newest,
    struct weir_detail *detail)
{
    const struct weir_env *env = search->stream->env;
    enum weir_error error = WEIR_OK;

    for (size_t i = 0; i < WI_ARRAY_LENGTH(search_ms) && error == WEIR_OK && !newest->any; i++) {
        struct weir_position from = {.type = WEIR_TRIM_HORIZON};

        if (search_ms[i] > 0) {
            from.type = WEIR_AT_TIMESTAMP;
            from.timestamp_ms = wi_wall_now(env).ms - search_ms[i];
        }
        error = search_from(search, &from, batch, newest, detail);
    }
    return error;
}

/* What is known of the shard's newest record, or its first number. */
static enum weir_error
find_newest(struct wi_kinesis_reader *reader, struct newest *newest, struct weir_detail *detail)
{
    struct wi_kinesis_family family;
    struct wi_kinesis_reader *search = NULL;
    struct weir_batch *batch = NULL;
    enum weir_error error =
        wi_kinesis_reader_new(reader->stream, wi_str(reader->shard_id), &search);

    if (error == WEIR_OK) {
        error = weir_batch_new(reader->stream->env, &batch);
    }
    if (error == WEIR_OK) {
        error = search_newest(search, batch, newest, detail);
    }
    if (error == WEIR_OK && !newest->any) {
        error = wi_kinesis_find_family(reader->stream, reader->shard_id, &family);
        newest->any = error == WEIR_OK && family.is_known;
        newest->sequence_number = family.starting_sequence_number;
    }
    weir_batch_free(batch);
    wi_kinesis_reader_free(search);
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

enum weir_error
wi_kinesis_resolve_latest(struct wi_kinesis_reader *reader, struct weir_detail *detail)
{
    struct newest newest = {.any = false};
    enum weir_error error = WEIR_OK;

    WEIR_ASSERT(reader->next.type == WEIR_LATEST);
    for (unsigned i = 0; i < PATIENCE; i++) {
        if (meets_news(reader, detail, &error) || error != WEIR_OK || reader->at_end) {
            return error;
        }
    }
    error = find_newest(reader, &newest, detail);
    if (error == WEIR_ELIMIT) {
        return WEIR_OK; /* busy: a record will come, and the iterator has not moved */
    }
    /* Nothing may have come behind LATEST since: then what was found stands before it. */
    if (error != WEIR_OK || meets_news(reader, detail, &error) || error != WEIR_OK) {
        return error;
    }
    if (newest.any && !reader->at_end) {
        wi_kinesis_reader_passed(reader, &newest.sequence_number, newest.sub_sequence_number);
    }
    return WEIR_OK;
}

/* One shard, read page by page: positions, iterators, GetRecords. */
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/cbor_reader.h"
#include "aws/kinesis_api.h"
#include "aws/kinesis_cbor.h"
#include "aws/kinesis_page.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/detail.h"
#include "core/memory.h"
#include "core/mono.h"
#include "core/sequence_number.h"
#include "core/str.h"
#include "stream/stream_kinesis.h"
#include "stream/stream_kinesis_fanout.h"

/* First guess of how much text a record takes. */
#define TEXT_PER_RECORD 2048U
/* What a reader may always ask for, however much others hold. */
#define TEXT_LEAST ((size_t)256 * 1024)
/* How far the clock of this host may be ahead of the one of Kinesis. */
#define CLOCK_MARGIN_MS 10000
/* An iterator that is older is not tried: it would be refused. */
#define ITERATOR_MS (WI_KINESIS_ITERATOR_MS - 30000)

enum weir_error
wi_kinesis_reader_new(
    struct wi_kinesis_stream *stream, struct weir_str shard_id, struct wi_kinesis_reader **ret)
{
    const struct weir_env *env = stream->env;
    struct wi_kinesis_reader *reader = wi_alloc(env, sizeof *reader);

    if (reader == NULL) {
        return WEIR_ENOMEM;
    }
    reader->stream = stream;
    (void)wi_str_copy(reader->shard_id, sizeof reader->shard_id, shard_id);
    reader->next.type = WEIR_SHARD_END; /* nobody asks for that */
    reader->text_per_record = TEXT_PER_RECORD;
    reader->records_ask = WI_KINESIS_GET_RECORDS_MAX;
    reader->records_wanted = WI_KINESIS_GET_RECORDS_MAX;
    wi_buffer_init(&reader->iterator, env);
    wi_buffer_init(&reader->text, env);
    reader->md5 = EVP_MD_CTX_new();
    if (reader->md5 == NULL) {
        wi_kinesis_reader_free(reader);
        return WEIR_ENOMEM;
    }
    *ret = reader;
    return WEIR_OK;
}

static void
free_reader(struct wi_kinesis_reader *reader)
{
    WEIR_ASSERT(reader->search == NULL);
    wi_kinesis_fanout_free(reader->fanout, reader->stream->env);
    wi_kinesis_reader_drop_page(reader);
    wi_buffer_free(&reader->iterator);
    EVP_MD_CTX_free(reader->md5);
    wi_free(reader->stream->env, reader->keys);
    wi_free(reader->stream->env, reader);
}

void
wi_kinesis_reader_end_search(struct wi_kinesis_reader *reader)
{
    if (reader->search != NULL) {
        free_reader(reader->search->reader);
        wi_free(reader->stream->env, reader->search);
        reader->search = NULL;
    }
}

void
wi_kinesis_reader_free(struct wi_kinesis_reader *reader)
{
    if (reader != NULL) {
        wi_kinesis_reader_end_search(reader);
        free_reader(reader);
    }
}

/* Both the text and the places of its records. */
size_t
wi_kinesis_reader_page_bytes(const struct wi_kinesis_reader *reader)
{
    return reader->text.capacity + reader->page.capacity * sizeof *reader->page.records;
}

void
wi_kinesis_reader_drop_page(struct wi_kinesis_reader *reader)
{
    atomic_fetch_sub(reader->stream->pages_bytes, wi_kinesis_reader_page_bytes(reader));
    wi_buffer_free(&reader->text);
    wi_free(reader->stream->env, reader->page.records);
    reader->page.text = WI_STR("");
    reader->page.records = NULL;
    reader->page.capacity = 0;
    reader->page.count = 0;
    reader->index = 0;
}

void
wi_kinesis_reader_read_anew(struct wi_kinesis_reader *reader)
{
    wi_kinesis_reader_drop_page(reader);
    wi_buffer_reset(&reader->iterator);
    reader->at_end = false; /* G1: with a record that is not read it is no end */
    reader->follows = false;
    reader->has_number = false;
}

/* --- positions --- */

/* The first user record at or after a position that has a number. */
static struct wi_kinesis_wanted
wanted_at(const struct weir_position *position)
{
    struct wi_kinesis_wanted wanted = {position->sequence_number, position->sub_sequence_number};

    if (position->type == WEIR_AT_SEQUENCE_NUMBER) {
        return wanted;
    }
    if (wanted.sub_sequence_number < UINT64_MAX) {
        wanted.sub_sequence_number++;
    } else if (wi_sequence_number_increment(&wanted.sequence_number) == WEIR_OK) {
        wanted.sub_sequence_number = 0;
    }
    return wanted;
}

static bool
is_numbered(const struct weir_position *position)
{
    return position->type == WEIR_AT_SEQUENCE_NUMBER ||
           position->type == WEIR_AFTER_SEQUENCE_NUMBER;
}

static int
compare_wanted(const struct wi_kinesis_wanted *a, const struct wi_kinesis_wanted *b)
{
    const int order = wi_sequence_number_compare(&a->sequence_number, &b->sequence_number);

    if (order != 0 || a->sub_sequence_number == b->sub_sequence_number) {
        return order;
    }
    return a->sub_sequence_number < b->sub_sequence_number ? -1 : 1;
}

/* Whether the reader stands at that position already. */
static bool
stands_at(const struct wi_kinesis_reader *reader, const struct weir_position *from)
{
    struct wi_kinesis_wanted wanted;

    if (is_numbered(from)) {
        wanted = wanted_at(from);
        return reader->has_wanted && compare_wanted(&wanted, &reader->wanted) == 0;
    }
    return !reader->has_wanted && reader->next.type == from->type &&
           (from->type != WEIR_AT_TIMESTAMP || reader->next.timestamp_ms == from->timestamp_ms);
}

/* Index of the page's first record at or above a number. */
static size_t
find_in_page(const struct wi_kinesis_page *page, const struct weir_sequence_number *sequence_number)
{
    size_t low = 0;
    size_t high = page->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (wi_sequence_number_compare(&page->records[middle].sequence_number, sequence_number) <
            0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Whether what is wanted stands in the page, so that nothing is between it and the page's begin. */
static bool
is_in_page(const struct wi_kinesis_page *page, const struct wi_kinesis_wanted *wanted)
{
    return page->count > 0 &&
           wi_sequence_number_compare(
               &wanted->sequence_number, &page->records[0].sequence_number) >= 0 &&
           wi_sequence_number_compare(
               &wanted->sequence_number, &page->records[page->count - 1].sequence_number) <= 0;
}

static void
begin_at(struct wi_kinesis_reader *reader, const struct weir_position *from)
{
    reader->page.count = 0;
    reader->index = 0;
    reader->at_end = false;
    reader->follows = false;
    reader->has_number = false;
    wi_buffer_reset(&reader->iterator);
    reader->latest_ms = 0;
    reader->has_wanted = is_numbered(from);
    reader->look_for_first = reader->has_wanted;
}

void
wi_kinesis_reader_place(struct wi_kinesis_reader *reader, const struct weir_position *from)
{
    struct wi_kinesis_wanted wanted = {.sub_sequence_number = 0};

    if (stands_at(reader, from)) {
        return;
    }
    if (is_numbered(from)) {
        wanted = wanted_at(from);
    }
    if (is_numbered(from) && is_in_page(&reader->page, &wanted)) {
        reader->index = find_in_page(&reader->page, &wanted.sequence_number);
    } else {
        begin_at(reader, from);
    }
    reader->has_wanted = is_numbered(from);
    reader->wanted = wanted;
    reader->next = *from;
}

void
wi_kinesis_reader_passed(
    struct wi_kinesis_reader *reader,
    const struct weir_sequence_number *sequence_number,
    uint64_t sub_sequence_number)
{
    reader->next = (struct weir_position){.type = WEIR_AFTER_SEQUENCE_NUMBER,
                                          .sequence_number = *sequence_number,
                                          .sub_sequence_number = sub_sequence_number};
    reader->wanted = wanted_at(&reader->next);
    reader->has_wanted = true;
}

bool
wi_kinesis_reader_has_records(const struct wi_kinesis_reader *reader)
{
    return reader->index < reader->page.count;
}

/* --- iterators --- */

/* Where the iterator must be taken. A record whose sub-sequence numbers are not all done is read
 * once more, and so is one that is done: only a number that Kinesis gave is one that it accepts. */
static enum weir_error
renew_iterator(struct wi_kinesis_reader *reader, struct weir_detail *detail)
{
    struct wi_kinesis_stream *stream = reader->stream;
    struct weir_position from = reader->next;
    enum weir_error error;

    if (reader->has_wanted) {
        from.type = WEIR_AT_SEQUENCE_NUMBER;
        from.sequence_number = reader->wanted.sequence_number;
        reader->look_for_first = true; /* retention has not stood still since it was delivered */
    } else if (from.type == WEIR_LATEST && reader->latest_ms == 0) {
        reader->latest_ms = wi_wall_now(stream->env).ms - CLOCK_MARGIN_MS;
    } else if (from.type == WEIR_LATEST) {
        from.type = WEIR_AT_TIMESTAMP; /* G1: what came since the first iterator was taken */
        from.timestamp_ms = reader->latest_ms;
    }
    error = wi_kinesis_get_shard_iterator(
        &stream->api, wi_str(reader->shard_id), &from, &reader->iterator, detail);
    if (error != WEIR_OK) {
        wi_buffer_reset(&reader->iterator);
        return error;
    }
    reader->iterator_since = wi_mono_now(stream->env);
    return WEIR_OK;
}

static bool
iterator_is_usable(const struct wi_kinesis_reader *reader)
{
    const struct weir_mono now = wi_mono_now(reader->stream->env);

    return reader->iterator.length > 0 &&
           wi_mono_elapsed_ms(reader->iterator_since, now) < ITERATOR_MS;
}

/* --- pages --- */

/* How many records to ask for, so that all pages together keep within their memory. */
static size_t
records_to_ask(const struct wi_kinesis_reader *reader)
{
    const size_t used = atomic_load(reader->stream->pages_bytes);
    const size_t own = wi_kinesis_reader_page_bytes(reader);
    const size_t others = used > own ? used - own : 0;
    const size_t left =
        others < WI_KINESIS_PAGES_BYTES_MAX ? WI_KINESIS_PAGES_BYTES_MAX - others : 0;
    const size_t most = left < WI_KINESIS_PAGE_TEXT_MAX ? left : WI_KINESIS_PAGE_TEXT_MAX;
    const size_t text = most > TEXT_LEAST ? most : TEXT_LEAST;
    size_t records = text / (reader->text_per_record + sizeof(struct wi_kinesis_record));

    if (records < 1) {
        return 1;
    }
    records = records < reader->records_ask ? records : reader->records_ask;
    return records < reader->records_wanted ? records : reader->records_wanted;
}

/* Ask for half as much after an answer that was too late or too large, and for more again after one
 * that came: a slow network, or a slow server, must not ask for the same page for ever. */
static void
learn_how_many(struct wi_kinesis_reader *reader, enum weir_error error)
{
    if ((error == WEIR_ETIMEOUT || error == WEIR_ELIMIT) && reader->records_ask > 1) {
        reader->records_ask /= 2;
    } else if (error == WEIR_OK && reader->records_ask <= WI_KINESIS_GET_RECORDS_MAX / 2) {
        reader->records_ask *= 2;
    }
}

static enum weir_error
reserve_places(struct wi_kinesis_reader *reader, size_t count)
{
    struct wi_kinesis_record *records;

    if (count <= reader->page.capacity) {
        return WEIR_OK;
    }
    records = wi_resize_array(
        reader->stream->env, reader->page.records, count, sizeof *reader->page.records);
    if (records == NULL) {
        return WEIR_ENOMEM;
    }
    reader->page.records = records;
    reader->page.capacity = count;
    return WEIR_OK;
}

/* A rough count of the records of an answer, never too small: each has one sequence number. Nobody
 * has promised how many an event may have. */
static size_t
count_records(struct weir_str text, bool is_event)
{
    static const char json[] = "{\"Data\":\"\",\"PartitionKey\":\"\",\"SequenceNumber\":\"0\"}";
    const size_t least = wi_cbor_is_map(text) ? WI_KINESIS_CBOR_RECORD_LEAST : sizeof json - 1;
    const size_t most = text.length / least + 1;

    return is_event || most < WI_KINESIS_GET_RECORDS_MAX ? most : WI_KINESIS_GET_RECORDS_MAX;
}

static enum weir_error
keep_iterator(struct wi_kinesis_reader *reader)
{
    const struct weir_str next = reader->page.next_iterator;

    reader->at_end = !reader->page.has_next;
    wi_buffer_reset(&reader->iterator);
    if (reader->at_end) {
        return WEIR_OK;
    }
    if (next.length > WI_KINESIS_TOKEN_MAX ||
        (!reader->page.is_cbor && memchr(next.data, '\\', next.length) != NULL)) {
        return WEIR_ECORRUPT;
    }
    wi_buffer_append_str(&reader->iterator, next);
    reader->iterator_since = wi_mono_now(reader->stream->env);
    return wi_buffer_error(&reader->iterator);
}

/* Where an event says to go on. Without such a number it must be the shard's end, and say so by
 * children: an event that lacks it for another reason must not end a shard. */
static enum weir_error
keep_continuation(struct wi_kinesis_reader *reader)
{
    const struct wi_kinesis_page *page = &reader->page;

    if (!page->has_continuation) {
        reader->at_end = page->child_shard_ids[0][0] != '\0';
        return reader->at_end ? WEIR_OK : WEIR_ECORRUPT;
    }
    reader->at_end = false;
    if (weir_sequence_number_parse(page->continuation, &reader->number) != WEIR_OK) {
        return WEIR_ECORRUPT;
    }
    reader->has_number = true;
    reader->number_since = wi_mono_now(reader->stream->env);
    return WEIR_OK;
}

/* The answer, in the encoding in which it came, which need not be the one that was asked for. */
static enum weir_error
read_answer(struct wi_kinesis_reader *reader)
{
    const struct weir_str text = wi_buffer_str(&reader->text);

    return wi_cbor_is_map(text)
               ? wi_kinesis_cbor_read(&reader->page, reader->text.data, reader->text.length)
               : wi_kinesis_page_read(&reader->page, text);
}

/* Retention may have taken what was to come. A reader that was at the tip and found nothing has
 * seen all there was; one that finds another record than the one it left off at has not. */
static enum weir_error
check_first(struct wi_kinesis_reader *reader)
{
    struct wi_kinesis_family family = {.is_known = false};
    const struct wi_kinesis_page *page = &reader->page;

    if (!reader->look_for_first || (page->count == 0 && page->millis_behind != 0)) {
        return WEIR_OK;
    }
    reader->look_for_first = false;
    if (page->count == 0 ||
        wi_sequence_number_compare(
            &page->records[0].sequence_number, &reader->wanted.sequence_number) <= 0) {
        return WEIR_OK;
    }
    if (wi_kinesis_find_family(reader->stream, reader->shard_id, &family) == WEIR_OK &&
        family.is_known &&
        wi_sequence_number_compare(
            &family.starting_sequence_number, &reader->wanted.sequence_number) >= 0) {
        return WEIR_OK; /* no record has the shard's first number */
    }
    return WEIR_ETRIMMED;
}

enum weir_error
wi_kinesis_reader_read(struct wi_kinesis_reader *reader, bool is_event)
{
    const struct weir_str text = wi_buffer_str(&reader->text);
    enum weir_error error = reserve_places(reader, count_records(text, is_event));

    if (error == WEIR_OK) {
        error = is_event ? wi_kinesis_page_read(&reader->page, text) : read_answer(reader);
    }
    if (error == WEIR_OK) {
        error = is_event ? keep_continuation(reader) : keep_iterator(reader);
    }
    if (error != WEIR_OK) {
        reader->page.count = 0;
        reader->at_end = false;
        wi_buffer_reset(&reader->iterator); /* the next try asks anew from the same place */
        return error;
    }
    if (reader->page.count > 0) {
        reader->text_per_record = text.length / reader->page.count + 1;
    }
    if (reader->has_wanted) {
        reader->index = find_in_page(&reader->page, &reader->wanted.sequence_number);
    }
    return check_first(reader);
}

/* What does not look like an answer of Kinesis is told as far as it is known. */
static enum weir_error
bad_answer(const struct wi_kinesis_page *page, struct weir_detail *detail)
{
    static const char text[] = "GetRecords: the answer is not one that Kinesis gives";

    if (page->wrong == NULL) {
        return wi_detail(detail, WEIR_ECORRUPT, "%s", text);
    }
    return wi_detail(
        detail,
        WEIR_ECORRUPT,
        "%s: byte %zu of %zu of CBOR: %s",
        text,
        page->wrong_at,
        page->text.length,
        page->wrong);
}

enum weir_error
wi_kinesis_reader_fetch(struct wi_kinesis_reader *reader, struct weir_detail *detail)
{
    struct wi_kinesis_stream *stream = reader->stream;
    const size_t before = wi_kinesis_reader_page_bytes(reader);
    enum weir_error error = WEIR_OK;

    WEIR_ASSERT(!wi_kinesis_reader_has_records(reader));
    reader->page.count = 0;
    reader->index = 0;
    reader->follows = false; /* a subscription begins anew behind this */
    reader->has_number = false;
    if (!iterator_is_usable(reader)) {
        error = renew_iterator(reader, detail);
    }
    if (error == WEIR_OK) {
        error = wi_kinesis_get_records(
            &stream->api,
            wi_buffer_str(&reader->iterator),
            records_to_ask(reader),
            &reader->text,
            detail);
        learn_how_many(reader, error);
    }
    if (error == WEIR_OK) {
        error = wi_kinesis_reader_read(reader, false);
        if (error == WEIR_ECORRUPT) {
            error = bad_answer(&reader->page, detail);
        }
    } else if (error == WEIR_EEXPIRED) {
        wi_buffer_reset(&reader->iterator); /* G1: from the last number, never from the start */
    }
    atomic_fetch_add(stream->pages_bytes, wi_kinesis_reader_page_bytes(reader));
    atomic_fetch_sub(stream->pages_bytes, before);
    return error;
}

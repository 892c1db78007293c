#include "aws/kinesis_cbor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/cbor_reader.h"
#include "aws/kinesis_page.h"
#include "core/check.h"
#include "core/sequence_number.h"
#include "core/str.h"

/* RFC 8949: the tag of a time since 1970. */
#define TAG_EPOCH     1U
#define MS_PER_SECOND 1000.0

/* Members that have come: of a record, of a child, of the page. */
enum {
    HAS_NUMBER = 1,
    HAS_DATA = 2,
    HAS_KEY = 4,
    HAS_ALL = HAS_NUMBER | HAS_DATA | HAS_KEY,
    HAS_ARRIVAL = 8,
    HAS_RECORDS = 16,
    HAS_ITERATOR = 32,
    HAS_BEHIND = 64,
    HAS_CHILDREN = 128
};

/* Note that a member has come; of two the reader would have to guess. */
static bool
note(struct wi_cbor_reader *reader, unsigned *has, unsigned member)
{
    if ((*has & member) != 0) {
        return wi_cbor_fail(reader, "a member that comes twice");
    }
    *has |= member;
    return true;
}

/* With a name that the compiler knows, and so its length, this is a comparison of words. */
static inline bool
is_name(struct weir_str text, struct weir_str name)
{
    return text.length == name.length && memcmp(text.data, name.data, name.length) == 0;
}

/* --- numbers --- */

/* The number of a token times `unit`, held within what can be computed with. */
static bool
number_of(
    struct wi_cbor_reader *reader, const struct wi_cbor_token *token, double unit, int64_t *ret)
{
    const int64_t most = WI_KINESIS_MS_MAX;

    switch (token->kind) {
    case WI_CBOR_UNSIGNED:
        *ret = token->number < (uint64_t)most ? (int64_t)token->number : most;
        return true;
    case WI_CBOR_NEGATIVE:
        *ret = 0;
        return true;
    case WI_CBOR_FLOAT:
        if (token->real != token->real) {
            break;
        }
        *ret = token->real <= 0                     ? 0
               : token->real >= (double)most / unit ? most
                                                    : (int64_t)(token->real * unit + 0.5);
        return true;
    case WI_CBOR_BYTES:
    case WI_CBOR_TEXT:
    case WI_CBOR_ARRAY:
    case WI_CBOR_MAP:
    case WI_CBOR_TAG:
    case WI_CBOR_BOOLEAN:
    case WI_CBOR_NULL:
    case WI_CBOR_BREAK:
        break;
    }
    return wi_cbor_fail(reader, "something else where a number belongs");
}

/* Kinesis and the SDKs write milliseconds as an integer, with or without the tag; a float is what
 * the tag means it to be, and what some emulators write: seconds. */
static bool
take_time(struct wi_cbor_reader *reader, int64_t *ret)
{
    struct wi_cbor_token token = {.kind = WI_CBOR_NULL};

    if (wi_cbor_take_null(reader)) {
        return true;
    }
    if (!wi_cbor_next(reader, &token)) {
        return false;
    }
    if (token.kind == WI_CBOR_TAG) {
        if (token.number != TAG_EPOCH) {
            return wi_cbor_fail(reader, "a time with a tag that is none of times");
        }
        if (!wi_cbor_next(reader, &token)) {
            return false;
        }
    }
    return number_of(reader, &token, MS_PER_SECOND, ret);
}

static bool
take_behind(struct wi_cbor_reader *reader, int64_t *ret)
{
    struct wi_cbor_token token = {.kind = WI_CBOR_NULL};

    return wi_cbor_take_null(reader) ||
           (wi_cbor_next(reader, &token) && number_of(reader, &token, 1, ret));
}

/* --- records --- */

static uint32_t
place_of(const struct wi_cbor_reader *reader, struct weir_str text)
{
    return (uint32_t)(text.data - reader->begin);
}

/* Bytes; or a text in base64, which kinesis-mock and kinesalite send and the SDKs for Java read. */
static bool
take_data(struct wi_cbor_reader *reader, struct wi_kinesis_record *record)
{
    struct wi_cbor_token token = {.kind = WI_CBOR_NULL};

    if (!wi_cbor_next(reader, &token)) {
        return false;
    }
    if (token.kind != WI_CBOR_BYTES && token.kind != WI_CBOR_TEXT) {
        return wi_cbor_fail(reader, "Data that is no string");
    }
    record->data_is_raw = token.kind == WI_CBOR_BYTES;
    record->data_at = place_of(reader, token.text);
    record->data_length = (uint32_t)token.text.length;
    return true;
}

static bool
take_number(struct wi_cbor_reader *reader, struct weir_sequence_number *ret)
{
    struct weir_str text = {NULL, 0};

    return wi_cbor_take_text(reader, &text) &&
           (wi_kinesis_number_parse(text, ret) == WEIR_OK ||
            wi_cbor_fail(reader, "a SequenceNumber that is none"));
}

static bool
take_partition_key(struct wi_cbor_reader *reader, struct wi_kinesis_record *record)
{
    struct weir_str text = {NULL, 0};

    if (!wi_cbor_take_text(reader, &text)) {
        return false;
    }
    record->key_at = place_of(reader, text);
    record->key_length = (uint32_t)text.length;
    return true;
}

static bool
take_record_member(struct wi_cbor_reader *reader, struct wi_kinesis_record *record, unsigned *has)
{
    struct weir_str name = {NULL, 0};

    if (!wi_cbor_take_text(reader, &name)) {
        return false;
    }
    if (is_name(name, WI_STR("Data"))) {
        return note(reader, has, HAS_DATA) && take_data(reader, record);
    }
    if (is_name(name, WI_STR("SequenceNumber"))) {
        return note(reader, has, HAS_NUMBER) && take_number(reader, &record->sequence_number);
    }
    if (is_name(name, WI_STR("PartitionKey"))) {
        return note(reader, has, HAS_KEY) && take_partition_key(reader, record);
    }
    if (is_name(name, WI_STR("ApproximateArrivalTimestamp"))) {
        return note(reader, has, HAS_ARRIVAL) && take_time(reader, &record->arrival_ms);
    }
    return wi_cbor_skip(reader);
}

static bool
take_record(struct wi_cbor_reader *reader, struct wi_kinesis_record *record)
{
    struct wi_cbor_items members = {0, false};
    unsigned has = 0;

    *record = (struct wi_kinesis_record){.arrival_ms = 0};
    if (!wi_cbor_enter(reader, WI_CBOR_MAP, &members)) {
        return false;
    }
    while (wi_cbor_more(reader, &members)) {
        if (!take_record_member(reader, record, &has)) {
            return false;
        }
    }
    return reader->wrong == NULL && ((has & HAS_ALL) == HAS_ALL ||
                                     wi_cbor_fail(reader, "a record without number, key or data"));
}

static bool
take_records(struct wi_cbor_reader *reader, struct wi_kinesis_page *page)
{
    struct wi_cbor_items records = {0, false};

    if (!wi_cbor_enter(reader, WI_CBOR_ARRAY, &records)) {
        return false;
    }
    while (wi_cbor_more(reader, &records)) {
        struct wi_kinesis_record *record = NULL;

        if (page->count == page->capacity) {
            return wi_cbor_fail(reader, "more records than were asked for");
        }
        record = &page->records[page->count];
        if (!take_record(reader, record)) {
            return false;
        }
        if (page->count > 0 && wi_sequence_number_compare(
                                   &record[-1].sequence_number, &record->sequence_number) >= 0) {
            return wi_cbor_fail(reader, "sequence numbers that do not grow"); /* G2 */
        }
        page->count++;
    }
    return reader->wrong == NULL;
}

/* --- the rest of the page --- */

/* One child: only its id matters here; ranges and parents come from ListShards. */
static bool
take_child(struct wi_cbor_reader *reader, struct wi_kinesis_page *page, size_t *count)
{
    struct wi_cbor_items members = {0, false};
    struct weir_str text = {NULL, 0};

    if (!wi_cbor_enter(reader, WI_CBOR_MAP, &members)) {
        return false;
    }
    while (wi_cbor_more(reader, &members)) {
        if (!wi_cbor_take_text(reader, &text)) {
            return false;
        }
        if (!is_name(text, WI_STR("ShardId"))) {
            if (!wi_cbor_skip(reader)) {
                return false;
            }
            continue;
        }
        if (!wi_cbor_take_text(reader, &text)) {
            return false;
        }
        if (weir_name_check(text) != WEIR_OK) {
            return wi_cbor_fail(reader, "a ShardId that is none");
        }
        if (*count < WEIR_CHILDREN_MAX) {
            (void)wi_str_copy(page->child_shard_ids[(*count)++], WEIR_NAME_SIZE, text);
        }
    }
    return reader->wrong == NULL;
}

static bool
take_children(struct wi_cbor_reader *reader, struct wi_kinesis_page *page)
{
    struct wi_cbor_items children = {0, false};
    size_t count = 0;

    if (wi_cbor_take_null(reader)) {
        return true;
    }
    if (!wi_cbor_enter(reader, WI_CBOR_ARRAY, &children)) {
        return false;
    }
    while (wi_cbor_more(reader, &children)) {
        if (!take_child(reader, page, &count)) {
            return false;
        }
    }
    return reader->wrong == NULL;
}

static bool
take_iterator(struct wi_cbor_reader *reader, struct wi_kinesis_page *page)
{
    if (wi_cbor_take_null(reader)) {
        return true;
    }
    if (!wi_cbor_take_text(reader, &page->next_iterator)) {
        return false;
    }
    page->has_next = page->next_iterator.length > 0;
    return true;
}

static bool
take_page_member(struct wi_cbor_reader *reader, struct wi_kinesis_page *page, unsigned *has)
{
    struct weir_str name = {NULL, 0};

    if (!wi_cbor_take_text(reader, &name)) {
        return false;
    }
    if (is_name(name, WI_STR("Records"))) {
        return note(reader, has, HAS_RECORDS) && take_records(reader, page);
    }
    if (is_name(name, WI_STR("NextShardIterator"))) {
        return note(reader, has, HAS_ITERATOR) && take_iterator(reader, page);
    }
    if (is_name(name, WI_STR("MillisBehindLatest"))) {
        return note(reader, has, HAS_BEHIND) && take_behind(reader, &page->millis_behind);
    }
    if (is_name(name, WI_STR("ChildShards"))) {
        return note(reader, has, HAS_CHILDREN) && take_children(reader, page);
    }
    return wi_cbor_skip(reader);
}

static bool
take_page(struct wi_cbor_reader *reader, struct wi_kinesis_page *page)
{
    struct wi_cbor_items members = {0, false};
    unsigned has = 0;

    if (!wi_cbor_enter(reader, WI_CBOR_MAP, &members)) {
        return false;
    }
    while (wi_cbor_more(reader, &members)) {
        if (!take_page_member(reader, page, &has)) {
            return false;
        }
    }
    if (reader->wrong != NULL) {
        return false;
    }
    if ((has & HAS_RECORDS) == 0) {
        return wi_cbor_fail(reader, "no Records");
    }
    return reader->p == reader->end || wi_cbor_fail(reader, "something behind the answer");
}

enum weir_error
wi_kinesis_cbor_read(struct wi_kinesis_page *page, char *bytes, size_t length)
{
    struct wi_cbor_reader reader;

    WEIR_ASSERT(length < UINT32_MAX);
    wi_cbor_init(&reader, bytes, length);
    wi_kinesis_page_begin(page, (struct weir_str){bytes, length});
    page->is_cbor = true;
    if (take_page(&reader, page)) {
        return WEIR_OK;
    }
    page->count = 0;
    WEIR_ASSERT(reader.wrong != NULL);
    page->wrong = reader.wrong;
    page->wrong_at = (size_t)(reader.p - reader.begin);
    return WEIR_ECORRUPT;
}

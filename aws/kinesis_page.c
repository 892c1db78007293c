#include "aws/kinesis_page.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/sequence_number.h"
#include "core/str.h"

/* Digits of a time that count; more would overflow 64 bits. */
#define TIME_DIGITS_MAX 18
/* From seconds to milliseconds: three decimal places. */
#define TIME_SHIFT_MS 3

/* A place in the text; `p` never passes `end`. */
struct scan {
    const char *p;
    const char *end;
    const char *begin;
};

static inline void
skip_space(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r')) {
        s->p++;
    }
}

/* Take `c`, after white space; false if something else stands there. */
static inline bool
take(struct scan *s, char c)
{
    skip_space(s);
    if (s->p == s->end || *s->p != c) {
        return false;
    }
    s->p++;
    return true;
}

static inline bool
next_is(struct scan *s, char c)
{
    skip_space(s);
    return s->p < s->end && *s->p == c;
}

/* The quote that ends a string is the first one with an even number of backslashes before it. */
static inline bool
ends_string(const char *begin, const char *quote)
{
    size_t backslashes = 0;

    while (quote > begin && quote[-1] == '\\') {
        quote--;
        backslashes++;
    }
    return backslashes % 2 == 0;
}

/* Read a string, as it stands between its quotes. */
static inline bool
take_string(struct scan *s, struct weir_str *ret)
{
    const char *begin;
    const char *quote;

    if (!take(s, '"')) {
        return false;
    }
    begin = s->p;
    for (;;) {
        quote = memchr(s->p, '"', (size_t)(s->end - s->p));
        if (quote == NULL) {
            return false;
        }
        s->p = quote + 1;
        if (ends_string(begin, quote)) {
            break;
        }
    }
    *ret = (struct weir_str){begin, (size_t)(quote - begin)};
    return true;
}

static inline bool
take_key(struct scan *s, struct weir_str *ret)
{
    if (!take_string(s, ret) || !take(s, ':')) {
        return false;
    }
    skip_space(s);
    return true;
}

/* Numbers, true, false and null, without looking at them closely. */
static bool
skip_scalar(struct scan *s)
{
    const char *begin = s->p;

    while (s->p < s->end && *s->p != ',' && *s->p != '}' && *s->p != ']' && *s->p > ' ') {
        s->p++;
    }
    return s->p > begin;
}

/* A value that nobody needs. Brackets are counted, not matched by kind. */
static bool
skip_value(struct scan *s)
{
    unsigned depth = 0;
    struct weir_str text;

    do {
        skip_space(s);
        if (s->p == s->end) {
            return false;
        }
        switch (*s->p) {
        case '{':
        case '[':
            s->p++;
            if (++depth > WI_KINESIS_DEPTH_MAX) {
                return false;
            }
            break;
        case '}':
        case ']':
            if (depth == 0) {
                return false;
            }
            s->p++;
            depth--;
            break;
        case ',':
        case ':':
            if (depth == 0) {
                return false;
            }
            s->p++;
            break;
        case '"':
            if (!take_string(s, &text)) {
                return false;
            }
            break;
        default:
            if (!skip_scalar(s)) {
                return false;
            }
            break;
        }
    } while (depth > 0);
    return true;
}

static bool
take_null(struct scan *s)
{
    if ((size_t)(s->end - s->p) >= 4 && memcmp(s->p, "null", 4) == 0) {
        s->p += 4;
        return true;
    }
    return false;
}

/* --- numbers --- */

/* The exponent of a number in scientific form, added to *shift. */
static bool
take_exponent(struct scan *s, int *shift)
{
    int exponent = 0;
    bool negative = false;

    if (s->p == s->end || (*s->p != 'e' && *s->p != 'E')) {
        return true;
    }
    s->p++;
    if (s->p < s->end && (*s->p == '+' || *s->p == '-')) {
        negative = *s->p++ == '-';
    }
    if (s->p == s->end || *s->p < '0' || *s->p > '9') {
        return false;
    }
    for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++) {
        exponent = exponent > TIME_DIGITS_MAX * 2 ? exponent : exponent * 10 + (*s->p - '0');
    }
    *shift += negative ? -exponent : exponent;
    return true;
}

/* Digits of a number, perhaps with a point, as an integer times 10^*shift. */
static bool
take_digits(struct scan *s, int *shift, int64_t *ret)
{
    const char *begin = s->p;
    int64_t value = 0;
    int digits = 0;
    bool after_point = false;

    for (; s->p < s->end; s->p++) {
        const int digit = *s->p - '0';

        if (*s->p == '.' && !after_point) {
            after_point = true;
            continue;
        }
        if (digit < 0 || digit > 9) {
            break;
        }
        if (digits == TIME_DIGITS_MAX) { /* what is finer does not count */
            *shift += after_point ? 0 : 1;
            continue;
        }
        value = value * 10 + digit;
        digits += value > 0 ? 1 : 0;
        *shift -= after_point ? 1 : 0;
    }
    *ret = value;
    return s->p > begin;
}

/* value * 10^shift, rounded to zero and held within 64 bits. */
static int64_t
scale(int64_t value, int shift)
{
    for (; shift < 0 && value > 0; shift++) {
        value /= 10;
    }
    for (; shift > 0 && value > 0 && value <= INT64_MAX / 10; shift--) {
        value *= 10;
    }
    return value;
}

/* A JSON number times 10^shift, held within [0, WI_KINESIS_MS_MAX]. No strtod(): the point of a
 * locale is not that of JSON. */
static bool
take_scaled(struct scan *s, int shift, int64_t *ret)
{
    int64_t value = 0;
    bool negative = false;

    if (s->p < s->end && *s->p == '-') {
        negative = true;
        s->p++;
    }
    if (!take_digits(s, &shift, &value) || !take_exponent(s, &shift)) {
        return false;
    }
    value = scale(value, shift);
    *ret = negative ? 0 : value < WI_KINESIS_MS_MAX ? value : WI_KINESIS_MS_MAX;
    return true;
}

/* --- the answer --- */

/* What a record must have. */
enum {
    HAS_NUMBER = 1,
    HAS_DATA = 2,
    HAS_KEY = 4,
    HAS_ALL = HAS_NUMBER | HAS_DATA | HAS_KEY
};

static uint32_t
place_of(const struct scan *s, struct weir_str text)
{
    return (uint32_t)(text.data - s->begin);
}

static bool
take_record_member(struct scan *s, struct wi_kinesis_record *record, unsigned *has)
{
    struct weir_str name;
    struct weir_str text;

    if (!take_key(s, &name)) {
        return false;
    }
    if (wi_str_equal(name, WI_STR("Data"))) {
        if (!take_string(s, &text)) {
            return false;
        }
        record->data_at = place_of(s, text);
        record->data_length = (uint32_t)text.length;
        *has |= HAS_DATA;
        return true;
    }
    if (wi_str_equal(name, WI_STR("SequenceNumber"))) {
        *has |= HAS_NUMBER;
        return take_string(s, &text) &&
               wi_kinesis_number_parse(text, &record->sequence_number) == WEIR_OK;
    }
    if (wi_str_equal(name, WI_STR("PartitionKey"))) {
        if (!take_string(s, &text)) {
            return false;
        }
        record->key_at = place_of(s, text);
        record->key_length = (uint32_t)text.length;
        record->key_is_escaped = text.length > 0 && memchr(text.data, '\\', text.length) != NULL;
        *has |= HAS_KEY;
        return true;
    }
    if (wi_str_equal(name, WI_STR("ApproximateArrivalTimestamp")) && !next_is(s, 'n')) {
        return take_scaled(s, TIME_SHIFT_MS, &record->arrival_ms);
    }
    return skip_value(s);
}

static bool
take_record(struct scan *s, struct wi_kinesis_record *record)
{
    unsigned has = 0;

    *record = (struct wi_kinesis_record){.arrival_ms = 0};
    if (!take(s, '{')) {
        return false;
    }
    do {
        if (!take_record_member(s, record, &has)) {
            return false;
        }
    } while (take(s, ','));
    return take(s, '}') && has == HAS_ALL;
}

static bool
take_records(struct scan *s, struct wi_kinesis_page *page)
{
    page->count = 0;
    if (!take(s, '[')) {
        return false;
    }
    if (take(s, ']')) {
        return true;
    }
    do {
        if (page->count == page->capacity || !take_record(s, &page->records[page->count])) {
            return false;
        }
        if (page->count > 0 && wi_sequence_number_compare(
                                   &page->records[page->count - 1].sequence_number,
                                   &page->records[page->count].sequence_number) >= 0) {
            return false; /* G2: order is the stream's promise; whoever breaks it is not believed */
        }
        page->count++;
    } while (take(s, ','));
    return take(s, ']');
}

/* One child: only its id matters here; ranges and parents come from ListShards. */
static bool
take_child(struct scan *s, struct wi_kinesis_page *page, size_t *count)
{
    struct weir_str name;
    struct weir_str text;

    if (!take(s, '{')) {
        return false;
    }
    if (take(s, '}')) {
        return true;
    }
    do {
        if (!take_key(s, &name)) {
            return false;
        }
        if (!wi_str_equal(name, WI_STR("ShardId"))) {
            if (!skip_value(s)) {
                return false;
            }
            continue;
        }
        if (!take_string(s, &text) || weir_name_check(text) != WEIR_OK) {
            return false;
        }
        if (*count < WEIR_CHILDREN_MAX) {
            (void)wi_str_copy(page->child_shard_ids[(*count)++], WEIR_NAME_SIZE, text);
        }
    } while (take(s, ','));
    return take(s, '}');
}

static bool
take_children(struct scan *s, struct wi_kinesis_page *page)
{
    size_t count = 0;

    if (take_null(s)) {
        return true;
    }
    if (!take(s, '[')) {
        return false;
    }
    if (take(s, ']')) {
        return true;
    }
    do {
        if (!take_child(s, page, &count)) {
            return false;
        }
    } while (take(s, ','));
    return take(s, ']');
}

/* A text that may be null or missing. */
static bool
take_optional(struct scan *s, struct weir_str *ret, bool *ret_any)
{
    struct weir_str text;

    *ret_any = false;
    if (take_null(s)) {
        return true;
    }
    if (!take_string(s, &text)) {
        return false;
    }
    *ret = text;
    *ret_any = text.length > 0;
    return true;
}

static bool
take_page_member(struct scan *s, struct wi_kinesis_page *page, bool *has_records)
{
    struct weir_str name;

    if (!take_key(s, &name)) {
        return false;
    }
    if (wi_str_equal(name, WI_STR("Records"))) {
        *has_records = true;
        return take_records(s, page);
    }
    if (wi_str_equal(name, WI_STR("NextShardIterator"))) {
        return take_optional(s, &page->next_iterator, &page->has_next);
    }
    if (wi_str_equal(name, WI_STR("ContinuationSequenceNumber"))) {
        return take_optional(s, &page->continuation, &page->has_continuation);
    }
    if (wi_str_equal(name, WI_STR("MillisBehindLatest")) && !next_is(s, 'n')) {
        return take_scaled(s, 0, &page->millis_behind);
    }
    if (wi_str_equal(name, WI_STR("ChildShards"))) {
        return take_children(s, page);
    }
    return skip_value(s);
}

static bool
take_page(struct scan *s, struct wi_kinesis_page *page)
{
    bool has_records = false;

    if (!take(s, '{')) {
        return false;
    }
    do {
        if (!take_page_member(s, page, &has_records)) {
            return false;
        }
    } while (take(s, ','));
    if (!take(s, '}') || !has_records) {
        return false;
    }
    skip_space(s);
    return s->p == s->end;
}

void
wi_kinesis_page_begin(struct wi_kinesis_page *page, struct weir_str text)
{
    page->text = text;
    page->is_cbor = false;
    page->wrong = NULL;
    page->count = 0;
    page->millis_behind = -1;
    page->next_iterator = (struct weir_str){NULL, 0};
    page->has_next = false;
    page->continuation = (struct weir_str){NULL, 0};
    page->has_continuation = false;
    memset(page->child_shard_ids, 0, sizeof page->child_shard_ids);
}

enum weir_error
wi_kinesis_page_read(struct wi_kinesis_page *page, struct weir_str text)
{
    struct scan s = {text.data, text.data + text.length, text.data};

    WEIR_ASSERT(text.length < UINT32_MAX);
    wi_kinesis_page_begin(page, text);
    if (text.length == 0 || !take_page(&s, page)) {
        page->count = 0;
        return WEIR_ECORRUPT;
    }
    return WEIR_OK;
}

/*
 * The answer of GetRecords, or an event of SubscribeToShard, read in one pass without a tree and
 * without an allocation: each record becomes an entry of places in the answer's text, which is
 * decoded when it is handed on (docs/adr/0009-get-records-by-a-scanner.md). Pure.
 *
 * The text is what some server sent: nothing in it is believed. The whole answer is read before the
 * first record of it is used, so a cut or damaged one changes nothing.
 */
#ifndef WI_AWS_KINESIS_PAGE_H
#define WI_AWS_KINESIS_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

/* Depth of values within values that are skipped. */
#define WI_KINESIS_DEPTH_MAX 32U

/* Largest time and age that an answer may have; what is beyond counts as this. */
#define WI_KINESIS_MS_MAX INT64_C(9000000000000000)

/* One record: where its parts stand in the text, quotes left out. */
struct wi_kinesis_record {
    struct weir_sequence_number sequence_number;
    int64_t arrival_ms; /* 0 if the answer has none */
    uint32_t key_at;
    uint32_t key_length;
    uint32_t data_at;
    uint32_t data_length;
    bool key_is_escaped; /* has a backslash: wi_kinesis_unescape() it */
    bool data_is_raw;    /* bytes, not base64 */
};

struct wi_kinesis_page {
    struct weir_str text;
    bool is_cbor;      /* text is as it is: no escapes */
    const char *wrong; /* what is wrong with it, static; NULL: nothing, or nobody can say */
    size_t wrong_at;   /* and where */
    struct wi_kinesis_record *records; /* the caller's array */
    size_t capacity;
    size_t count;
    int64_t millis_behind; /* -1 if the answer has none */
    struct weir_str next_iterator;
    bool has_next;                /* else the shard is closed and this is its end */
    struct weir_str continuation; /* of an event, likewise: the number where the next one goes on */
    bool has_continuation;
    char child_shard_ids[WEIR_CHILDREN_MAX][WEIR_NAME_SIZE];
};

/* Read the whole answer. `page` has its array; `text` must stay while the page is used and is
 * shorter than 4 GiB. WEIR_ECORRUPT: no JSON, a record without number or data, numbers that do not
 * grow, more records than the array holds. The page has count 0 then. */
WEIR_MUST_CHECK enum weir_error wi_kinesis_page_read(
    struct wi_kinesis_page *page, struct weir_str text);

/* What both readers of an answer share: an empty page, and a record's number. */
void wi_kinesis_page_begin(struct wi_kinesis_page *page, struct weir_str text);
WEIR_MUST_CHECK enum weir_error wi_kinesis_number_parse(
    struct weir_str text, struct weir_sequence_number *ret);

/* Replace the escapes of a JSON string; `to` has room for `text.length` bytes. Half a surrogate
 * pair becomes U+FFFD. WEIR_ECORRUPT for an escape that is none. */
WEIR_MUST_CHECK enum weir_error wi_kinesis_unescape(
    struct weir_str text, char *to, size_t *ret_length);

#endif

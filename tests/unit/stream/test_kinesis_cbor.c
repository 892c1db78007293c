/* Answers of GetRecords in CBOR: what they may look like, and what is refused. */
#include <cbor/encoding.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/cbor_reader.h"
#include "aws/kinesis_cbor.h"
#include "aws/kinesis_page.h"
#include "core/check.h"
#include "core/str.h"
#include "tests/support/weir_test.h"

#define RECORDS_MAX 4
#define BYTES_MAX   1024

#define NUMBER_1 "49680416106102969908160517421914973064508162944297598978"
#define NUMBER_2 "49680416106102969908160517421916181990327777573472305154"

struct fixture {
    struct wi_kinesis_record records[RECORDS_MAX];
    struct wi_kinesis_page page;
    unsigned char bytes[BYTES_MAX];
    size_t length;
};

/* --- writing --- */

static void
add(struct fixture *f, const void *bytes, size_t length)
{
    assert_true(length <= BYTES_MAX - f->length);
    memcpy(f->bytes + f->length, bytes, length);
    f->length += length;
}

static void
byte(struct fixture *f, unsigned char value)
{
    add(f, &value, 1);
}

static void
text(struct fixture *f, const char *value)
{
    f->length +=
        cbor_encode_string_start(strlen(value), f->bytes + f->length, BYTES_MAX - f->length);
    add(f, value, strlen(value));
}

static void
text_in_pieces(struct fixture *f, const char *first, const char *second)
{
    byte(f, 0x7f);
    text(f, first);
    text(f, "");
    text(f, second);
    byte(f, 0xff);
}

static void
data(struct fixture *f, const char *value)
{
    f->length +=
        cbor_encode_bytestring_start(strlen(value), f->bytes + f->length, BYTES_MAX - f->length);
    add(f, value, strlen(value));
}

static void
number(struct fixture *f, uint64_t value)
{
    f->length += cbor_encode_uint(value, f->bytes + f->length, BYTES_MAX - f->length);
}

static void
real(struct fixture *f, double value)
{
    f->length += cbor_encode_double(value, f->bytes + f->length, BYTES_MAX - f->length);
}

/* The bytes of a string of the program, zeros included. */
#define RAW(f, literal) add((f), "" literal, sizeof(literal) - 1)

static void
record(struct fixture *f, const char *sequence_number, const char *content)
{
    byte(f, 0xa3);
    text(f, "SequenceNumber");
    text(f, sequence_number);
    text(f, "PartitionKey");
    text(f, "k");
    text(f, "Data");
    data(f, content);
}

/* All that Kinesis says and something that it might say one day. */
static void
given_whole(struct fixture *f)
{
    f->length = 0;
    byte(f, 0xa6);
    text(f, "ChildShards");
    RAW(f, "\x81\xa2");
    text(f, "HashKeyRange");
    RAW(f, "\xbf\141a\x82\x01\xc1\xa0\141b\xf6\xff");
    text(f, "ShardId");
    text(f, "shardId-1");
    text(f, "Records");
    RAW(f, "\x82\xa5");
    text(f, "ApproximateArrivalTimestamp");
    byte(f, 0xc1);
    number(f, 1700000000123);
    text(f, "Data");
    RAW(f, "\x43\x00\xff\n");
    text(f, "EncryptionType");
    text(f, "NONE");
    text(f, "PartitionKey");
    text(f, "k\xc3\xa9\\n\"");
    text(f, "SequenceNumber");
    text(f, NUMBER_1);
    record(f, NUMBER_2, "");
    text(f, "MillisBehindLatest");
    number(f, 1048);
    text(f, "NextShardIterator");
    text(f, "AAA+/=");
    text(f, "later");
    RAW(f, "\xd9\xd9\xf7\x9f\xf9\x3c\x00\xf4\x20\x5f\x41x\xff\xff");
    text(f, "NoMore");
    byte(f, 0xf7);
}

/* --- reading --- */

/* A copy with nothing behind it, so that a sanitizer sees every byte too many. */
static enum weir_error
read_first(struct fixture *f, size_t length, char **ret_bytes)
{
    char *bytes = malloc(length > 0 ? length : 1);

    assert_non_null(bytes);
    memcpy(bytes, f->bytes, length);
    f->page = (struct wi_kinesis_page){.records = f->records, .capacity = RECORDS_MAX};
    *ret_bytes = bytes;
    return wi_kinesis_cbor_read(&f->page, bytes, length);
}

static void
assert_refused(struct fixture *f, const char *why)
{
    char *bytes = NULL;

    assert_int_equal(read_first(f, f->length, &bytes), WEIR_ECORRUPT);
    assert_int_equal(f->page.count, 0);
    assert_non_null(f->page.wrong);
    assert_string_equal(f->page.wrong, why);
    assert_true(f->page.wrong_at <= f->length);
    free(bytes);
}

static void
assert_place(const struct fixture *f, uint32_t at, uint32_t length, const char *right)
{
    assert_int_equal(length, strlen(right));
    assert_memory_equal(f->page.text.data + at, right, length);
}

static void
reads_every_member_in_any_order(void **state)
{
    struct fixture f;
    char *bytes = NULL;
    struct weir_sequence_number right;

    (void)state;
    given_whole(&f);
    assert_int_equal(read_first(&f, f.length, &bytes), WEIR_OK);
    assert_true(f.page.is_cbor);
    assert_int_equal(f.page.count, 2);
    assert_int_equal(f.page.millis_behind, 1048);
    assert_true(f.page.has_next);
    assert_true(wi_str_equal_z(f.page.next_iterator, "AAA+/="));
    assert_string_equal(f.page.child_shard_ids[0], "shardId-1");
    assert_int_equal(f.records[0].arrival_ms, 1700000000123);
    assert_int_equal(f.records[0].data_length, 3);
    assert_true(f.records[0].data_is_raw);
    assert_memory_equal(f.page.text.data + f.records[0].data_at, "\x00\xff\n", 3);
    assert_place(&f, f.records[0].key_at, f.records[0].key_length, "k\xc3\xa9\\n\"");
    assert_false(f.records[0].key_is_escaped);
    assert_int_equal(f.records[1].arrival_ms, 0);
    assert_int_equal(f.records[1].data_length, 0);
    assert_int_equal(weir_sequence_number_parse(WI_STR(NUMBER_2), &right), WEIR_OK);
    assert_int_equal(weir_sequence_number_compare(&right, &f.records[1].sequence_number), 0);
    free(bytes);
}

/* As Jackson writes: maps and arrays end by a break; strings may come in pieces. */
static void
reads_indefinite_lengths(void **state)
{
    struct fixture f = {.length = 0};
    char *bytes = NULL;

    (void)state;
    byte(&f, 0xbf);
    text_in_pieces(&f, "Rec", "ords");
    RAW(&f, "\x9f\xbf");
    text(&f, "Data");
    RAW(&f, "\x5f\x42on\x40\x58\001e\xff");
    text(&f, "PartitionKey");
    RAW(&f, "\x7f\xff");
    text(&f, "SequenceNumber");
    text_in_pieces(&f, "1", "23");
    byte(&f, 0xff);
    record(&f, "124", "two");
    byte(&f, 0xff);
    text(&f, "NextShardIterator");
    text_in_pieces(&f, "it", "r");
    text(&f, "ChildShards");
    RAW(&f, "\x9f\xff\xff");
    assert_int_equal(read_first(&f, f.length, &bytes), WEIR_OK);
    assert_int_equal(f.page.count, 2);
    assert_place(&f, f.records[0].data_at, f.records[0].data_length, "one");
    assert_int_equal(f.records[0].key_length, 0);
    assert_int_equal(f.records[0].sequence_number.word[3], 123);
    assert_place(&f, f.records[1].data_at, f.records[1].data_length, "two");
    assert_true(wi_str_equal_z(f.page.next_iterator, "itr"));
    free(bytes);
}

static int64_t
arrival_of(struct fixture *f)
{
    char *bytes = NULL;

    assert_int_equal(read_first(f, f->length, &bytes), WEIR_OK);
    free(bytes);
    return f->records[0].arrival_ms;
}

/* The page up to the time of its one record. */
static void
given_record_with_time(struct fixture *f)
{
    f->length = 0;
    byte(f, 0xa1);
    text(f, "Records");
    RAW(f, "\x81\xa4");
    text(f, "SequenceNumber");
    text(f, "7");
    text(f, "PartitionKey");
    text(f, "k");
    text(f, "Data");
    data(f, "d");
    text(f, "ApproximateArrivalTimestamp");
}

/* What Kinesis sends, what kinesis-mock sends, what kinesalite sends. */
static void
reads_times_of_every_server(void **state)
{
    struct fixture f;

    (void)state;
    given_record_with_time(&f);
    byte(&f, 0xc1);
    number(&f, 1795239289136);
    assert_int_equal(arrival_of(&f), 1795239289136);
    given_record_with_time(&f);
    number(&f, 1795239289136);
    assert_int_equal(arrival_of(&f), 1795239289136);
    given_record_with_time(&f);
    real(&f, 1795239289.136);
    assert_int_equal(arrival_of(&f), 1795239289136);
    given_record_with_time(&f);
    byte(&f, 0xf6);
    assert_int_equal(arrival_of(&f), 0);
}

static void
holds_times_within_what_can_be_computed_with(void **state)
{
    struct fixture f;

    (void)state;
    given_record_with_time(&f);
    number(&f, UINT64_MAX);
    assert_int_equal(arrival_of(&f), WI_KINESIS_MS_MAX);
    given_record_with_time(&f);
    RAW(&f, "\x3b\xff\xff\xff\xff\xff\xff\xff\xff");
    assert_int_equal(arrival_of(&f), 0);
    given_record_with_time(&f);
    real(&f, -1e300);
    assert_int_equal(arrival_of(&f), 0);
    given_record_with_time(&f);
    real(&f, 1e300);
    assert_int_equal(arrival_of(&f), WI_KINESIS_MS_MAX);
}

static void
refuses_times_that_are_none(void **state)
{
    struct fixture f;

    (void)state;
    given_record_with_time(&f);
    byte(&f, 0xc0);
    text(&f, "2026-11-21T00:00:00Z");
    assert_refused(&f, "a time with a tag that is none of times");
    given_record_with_time(&f);
    byte(&f, 0xc1);
    text(&f, "1795239289136");
    assert_refused(&f, "something else where a number belongs");
    given_record_with_time(&f);
    RAW(&f, "\xc1\xc1\x01");
    assert_refused(&f, "something else where a number belongs");
    given_record_with_time(&f);
    RAW(&f, "\xf9\x7e\x00"); /* not a number */
    assert_refused(&f, "something else where a number belongs");
}

static void
refuses_every_answer_that_was_cut(void **state)
{
    struct fixture f;

    (void)state;
    given_whole(&f);
    for (size_t length = 0; length < f.length; length++) {
        char *bytes = NULL;

        assert_int_equal(read_first(&f, length, &bytes), WEIR_ECORRUPT);
        assert_int_equal(f.page.count, 0);
        assert_non_null(f.page.wrong);
        free(bytes);
    }
}

#define ROW(literal, why) {literal, sizeof(literal) - 1, why}
static const struct {
    const char *bytes;
    size_t length;
    const char *why;
} strange[] = {
    ROW("\xa0", "no Records"),
    ROW("\xbf\xff", "no Records"),
    ROW("\x80", "something else where a map belongs"),
    ROW("\xc1\xa0", "something else where a map belongs"),
    ROW("\xa1\x01\x80", "something else where a text belongs"),
    ROW("\xa1\x47Records\xa0", "something else where a text belongs"),
    ROW("\xa1\x67Records\xa0", "something else where an array belongs"),
    ROW("\xa1\x67Records\xf6", "something else where an array belongs"),
    ROW("\xa1\x67Records\x81\x80", "something else where a map belongs"),
    ROW("\xa1\x67Records\x81\xa0", "a record without number, key or data"),
    ROW("\xa1\x67Records\x80\x00", "something behind the answer"),
    ROW("\xa2\x67Records\x80\x67Records\x80", "a member that comes twice"),
    ROW("\xa1\x67Records\x81\xa1\144Data\x07", "Data that is no string"),
    ROW("\xa1\x67Records\x81\xa1\144Data\xc2\x41x", "Data that is no string"),
    ROW("\xa1\x67Records\x81\xa2\144Data\x41x\144Data\x41x", "a member that comes twice"),
    ROW("\xa1\x67Records\x81\xa1\x6eSequenceNumber\x01", "something else where a text belongs"),
    ROW("\xa1\x67Records\x81\xa1\x6eSequenceNumber\x62-1", "a SequenceNumber that is none"),
    ROW("\xa1\x67Records\x81\xa1\x6eSequenceNumber\x60", "a SequenceNumber that is none"),
    ROW("\xa1\x71NextShardIterator\x00", "something else where a text belongs"),
    ROW("\xa1\153ChildShards\x81\xa1\x67ShardId\x64../x", "a ShardId that is none"),
    /* lengths and numbers of items that cannot be */
    ROW("\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
        "an array or map that says it has more than there is"),
    ROW("\xa1\x67Records\x9b\x80\x00\x00\x00\x00\x00\x00\x00",
        "an array or map that says it has more than there is"),
    ROW("\xa1\x7b\xff\xff\xff\xff\xff\xff\xff\xff", "it is cut"),
    ROW("\xa1\x61x\x5b\x7f\xff\xff\xff\xff\xff\xff\xff", "it is cut"),
    /* what is no CBOR: reserved bytes, a break in a wrong place, half a pair, pieces of
     * another kind, or within pieces */
    ROW("\xa1\x61x\x1c", "a byte that begins no item"),
    ROW("\xa1\x61x\xff", "a break where an item belongs"),
    ROW("\xa1\x61x\xc1\xff", "a break where an item belongs"),
    ROW("\xa1\x61x\xbf\x01\xff", "a break where an item belongs"),
    ROW("\xbf\x61x\xff", "a break where an item belongs"),
    ROW("\xff", "something else where a map belongs"),
    ROW("\xa1\x7f\x41x\xff", "a piece of a string that is of another kind"),
    ROW("\xa1\x7f\x7f\x61x\xff\xff", "a piece of a string that is of another kind"),
    ROW("\xa1\x7f\x01\xff", "a piece of a string that is of another kind"),
};
#undef ROW

static void
refuses_what_kinesis_does_not_say(void **state)
{
    struct fixture f;

    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(strange); i++) {
        f.length = 0;
        add(&f, strange[i].bytes, strange[i].length);
        assert_refused(&f, strange[i].why);
    }
}

static void
refuses_numbers_that_do_not_grow(void **state)
{
    struct fixture f = {.length = 0};

    (void)state;
    RAW(&f, "\xa1\x67Records\x82");
    record(&f, "2", "a");
    record(&f, "2", "b");
    assert_refused(&f, "sequence numbers that do not grow");
}

static void
refuses_more_records_than_there_is_room_for(void **state)
{
    static const char *const numbers[RECORDS_MAX + 1] = {"1", "2", "3", "4", "5"};
    struct fixture f = {.length = 0};

    (void)state;
    RAW(&f, "\xa1\x67Records\x9f");
    for (size_t i = 0; i < WI_ARRAY_LENGTH(numbers); i++) {
        record(&f, numbers[i], "d");
    }
    byte(&f, 0xff);
    assert_refused(&f, "more records than were asked for");
}

/* `depth` arrays, within each other, as a value that nobody needs. */
static void
given_depth(struct fixture *f, size_t depth)
{
    f->length = 0;
    RAW(f, "\xa2\x67Records\x80\x61x");
    for (size_t i = 0; i < depth; i++) {
        byte(f, i % 2 == 0 ? 0x81 : 0x9f);
    }
    byte(f, 0x01);
    for (size_t i = depth; i-- > 0;) {
        if (i % 2 == 1) {
            byte(f, 0xff);
        }
    }
}

static void
skips_values_within_values_to_a_depth(void **state)
{
    struct fixture f;
    char *bytes = NULL;

    (void)state;
    given_depth(&f, WI_CBOR_DEPTH_MAX);
    assert_int_equal(read_first(&f, f.length, &bytes), WEIR_OK);
    free(bytes);
    given_depth(&f, WI_CBOR_DEPTH_MAX + 1);
    assert_refused(&f, "values within values beyond any need");
}

static void
ends_a_shard_only_without_an_iterator(void **state)
{
    struct fixture f = {.length = 0};
    char *bytes = NULL;

    (void)state;
    RAW(&f, "\xa2\x67Records\x80\x71NextShardIterator\xf6");
    assert_int_equal(read_first(&f, f.length, &bytes), WEIR_OK);
    assert_false(f.page.has_next);
    free(bytes);
}

/* JSON never begins like a map. */
static void
tells_cbor_from_json(void **state)
{
    (void)state;
    assert_true(wi_cbor_is_map(WI_STR("\xa0")));
    assert_true(wi_cbor_is_map(WI_STR("\xbf\xff")));
    assert_false(wi_cbor_is_map(WI_STR("{\"Records\":[]}")));
    assert_false(wi_cbor_is_map(WI_STR(" {")));
    assert_false(wi_cbor_is_map(WI_STR("")));
    assert_false(wi_cbor_is_map(WI_STR("\xef\xbb\xbf{}")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_member_in_any_order),
        cmocka_unit_test(reads_indefinite_lengths),
        cmocka_unit_test(reads_times_of_every_server),
        cmocka_unit_test(holds_times_within_what_can_be_computed_with),
        cmocka_unit_test(refuses_times_that_are_none),
        cmocka_unit_test(refuses_every_answer_that_was_cut),
        cmocka_unit_test(refuses_what_kinesis_does_not_say),
        cmocka_unit_test(refuses_numbers_that_do_not_grow),
        cmocka_unit_test(refuses_more_records_than_there_is_room_for),
        cmocka_unit_test(skips_values_within_values_to_a_depth),
        cmocka_unit_test(ends_a_shard_only_without_an_iterator),
        cmocka_unit_test(tells_cbor_from_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

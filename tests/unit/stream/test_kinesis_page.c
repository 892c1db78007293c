/* Answers of GetRecords: what they may look like, and what is refused. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/kinesis_base64.h"
#include "aws/kinesis_page.h"
#include "core/check.h"
#include "core/str.h"
#include "tests/support/weir_test.h"

#define RECORDS_MAX 4

struct fixture {
    struct wi_kinesis_record records[RECORDS_MAX];
    struct wi_kinesis_page page;
};

static enum weir_error
read_text(struct fixture *f, const char *text)
{
    f->page = (struct wi_kinesis_page){.records = f->records, .capacity = RECORDS_MAX};
    return wi_kinesis_page_read(&f->page, wi_str(text));
}

static const char whole[] =
    " {\"ChildShards\":[{\"HashKeyRange\":{\"a\":[1,{\"b\":null}]},\"ShardId\":\"shardId-1\"}],"
    "\"EncryptionType\":\"NONE\", \"Records\" : [ {\"ApproximateArrivalTimestamp\": 1.7E9 , "
    "\"Data\":\"QQ==\",\"EncryptionType\":\"NONE\",\"PartitionKey\":\"k\\u00e9\\n\","
    "\"SequenceNumber"
    "\":\"49680416106102969908160517421914973064508162944297598978\"} , "
    "{\"SequenceNumber\":\"49680416106102969908160517421916181990327777573472305154\",\"Data\":"
    "\"\","
    "\"PartitionKey\":\"\\\"\",\"ApproximateArrivalTimestamp\":1795228142.704}],"
    "\"MillisBehindLatest\":1048,\"NextShardIterator\":\"AAA+/=\"} ";

static void
reads_every_member_in_any_order(void **state)
{
    struct fixture f;
    struct weir_sequence_number number;
    const struct weir_str text = WI_STR("49680416106102969908160517421916181990327777573472305154");

    (void)state;
    assert_int_equal(read_text(&f, whole), WEIR_OK);
    assert_int_equal(f.page.count, 2);
    assert_int_equal(f.page.millis_behind, 1048);
    assert_true(f.page.has_next);
    assert_true(wi_str_equal_z(f.page.next_iterator, "AAA+/="));
    assert_string_equal(f.page.child_shard_ids[0], "shardId-1");
    assert_int_equal(f.records[0].arrival_ms, 1700000000000);
    assert_int_equal(f.records[1].arrival_ms, 1795228142704);
    assert_true(f.records[0].key_is_escaped);
    assert_int_equal(weir_sequence_number_parse(text, &number), WEIR_OK);
    assert_int_equal(weir_sequence_number_compare(&number, &f.records[1].sequence_number), 0);
}

static void
reads_an_event_of_a_subscription(void **state)
{
    struct fixture f;

    (void)state;
    assert_int_equal(
        read_text(
            &f, "{\"Records\":[],\"ContinuationSequenceNumber\":\"7\",\"MillisBehindLatest\":3}"),
        WEIR_OK);
    assert_true(f.page.has_continuation && !f.page.has_next);
    assert_true(wi_str_equal_z(f.page.continuation, "7"));
    assert_int_equal(
        read_text(&f, "{\"Records\":[],\"ContinuationSequenceNumber\":null,\"ChildShards\":[]}"),
        WEIR_OK);
    assert_false(f.page.has_continuation);
    assert_int_equal(
        read_text(&f, "{\"Records\":[],\"ContinuationSequenceNumber\":7}"), WEIR_ECORRUPT);
    assert_int_equal(read_text(&f, whole), WEIR_OK);
    assert_false(f.page.has_continuation);
}

static void
refuses_every_answer_that_was_cut(void **state)
{
    struct fixture f;
    char text[sizeof whole];

    (void)state;
    for (size_t length = 0; length + 2 < sizeof whole; length++) {
        memcpy(text, whole, length);
        text[length] = '\0';
        assert_int_equal(read_text(&f, text), WEIR_ECORRUPT);
        assert_int_equal(f.page.count, 0);
    }
}

static void
refuses_what_kinesis_does_not_say(void **state)
{
    static const char *const texts[] = {
        "null",
        "[]",
        "{}",
        "{\"Records\":null}",
        "{\"Records\":[]}x",
        "{\"Records\":[{\"SequenceNumber\":\"1\",\"PartitionKey\":\"k\"}]}",
        "{\"Records\":[{\"SequenceNumber\":\"-1\",\"PartitionKey\":\"k\",\"Data\":\"\"}]}",
        "{\"Records\":[{\"SequenceNumber\":\"\",\"PartitionKey\":\"k\",\"Data\":\"\"}]}",
        "{\"Records\":[{\"SequenceNumber\":2,\"PartitionKey\":\"k\",\"Data\":\"\"}]}",
        /* numbers that do not grow */
        "{\"Records\":[{\"SequenceNumber\":\"2\",\"PartitionKey\":\"k\",\"Data\":\"\"},"
        "{\"SequenceNumber\":\"2\",\"PartitionKey\":\"k\",\"Data\":\"\"}]}",
        /* too deep, a child whose id is a path */
        "{\"Records\":[],\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
        "]}",
        "{\"Records\":[],\"ChildShards\":[{\"ShardId\":\"../x\"}]}",
        /* more records than asked for */
        "{\"Records\":[{\"SequenceNumber\":\"1\",\"PartitionKey\":\"k\",\"Data\":\"\"},"
        "{\"SequenceNumber\":\"2\",\"PartitionKey\":\"k\",\"Data\":\"\"},"
        "{\"SequenceNumber\":\"3\",\"PartitionKey\":\"k\",\"Data\":\"\"},"
        "{\"SequenceNumber\":\"4\",\"PartitionKey\":\"k\",\"Data\":\"\"},"
        "{\"SequenceNumber\":\"5\",\"PartitionKey\":\"k\",\"Data\":\"\"}]}",
    };
    struct fixture f;

    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(texts); i++) {
        assert_int_equal(read_text(&f, texts[i]), WEIR_ECORRUPT);
    }
}

/* Every byte at every place of a word of eight digits, of the place before it, and behind it. */
static void
takes_nothing_but_digits_for_a_number(void **state)
{
    struct weir_sequence_number number;
    char digits[26];

    (void)state;
    for (size_t at = 0; at < sizeof digits; at++) {
        memset(digits, '9', sizeof digits);
        for (unsigned byte = 0; byte <= UINT8_MAX; byte++) {
            const bool is_digit = byte >= '0' && byte <= '9';
            struct weir_str text = {digits, sizeof digits};

            digits[at] = (char)byte;
            assert_int_equal(
                wi_kinesis_number_parse(text, &number), is_digit ? WEIR_OK : WEIR_EINVAL);
        }
    }
}

static void
reads_numbers_of_every_length_as_the_core_does(void **state)
{
    struct fixture f;
    struct weir_sequence_number right;
    char digits[79];
    char text[256];

    (void)state;
    for (size_t length = 1; length <= 78; length++) {
        enum weir_error error;

        for (size_t i = 0; i < length; i++) {
            digits[i] = (char)('0' + (i * 7 + length) % 10);
        }
        digits[length] = '\0';
        error = weir_sequence_number_parse(wi_str(digits), &right);
        (void)snprintf(
            text,
            sizeof text,
            "{\"Records\":[{\"SequenceNumber\":\"%s\",\"PartitionKey\":\"k\",\"Data\":\"\"}]}",
            digits);
        assert_int_equal(read_text(&f, text), error == WEIR_OK ? WEIR_OK : WEIR_ECORRUPT);
        if (error == WEIR_OK) {
            assert_int_equal(
                weir_sequence_number_compare(&right, &f.records[0].sequence_number), 0);
        }
    }
}

static void
replaces_escapes(void **state)
{
    static const struct {
        const char *text;
        const char *right; /* NULL: refused */
    } rows[] = {
        {"a\\/b\\\\\\\"\\n", "a/b\\\"\n"},
        {"\\u00e9\\u20AC\\ud83d\\ude00", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\\ud83dx", "\xef\xbf\xbdx"},
        {"\\u12", NULL},
        {"\\x", NULL},
        {"\\", NULL},
    };
    char to[64];
    size_t length;

    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(rows); i++) {
        const enum weir_error error = wi_kinesis_unescape(wi_str(rows[i].text), to, &length);

        assert_int_equal(error, rows[i].right == NULL ? WEIR_ECORRUPT : WEIR_OK);
        if (rows[i].right != NULL) {
            assert_int_equal(length, strlen(rows[i].right));
            assert_memory_equal(to, rows[i].right, length);
        }
    }
}

static void
decodes_what_it_encodes(void **state)
{
    unsigned char bytes[100];
    unsigned char back[100];
    char text[136];
    size_t size = 0;

    (void)state;
    for (size_t length = 0; length <= sizeof bytes; length++) {
        for (size_t i = 0; i < length; i++) {
            bytes[i] = (unsigned char)(i * 151 + length);
        }
        wi_base64_encode((struct weir_bytes){bytes, length}, text);
        assert_int_equal(
            wi_base64_decode(
                (struct weir_str){text, wi_base64_encoded_length(length)}, back, &size),
            WEIR_OK);
        assert_int_equal(size, length);
        assert_memory_equal(bytes, back, length);
    }
}

static void
refuses_what_is_no_base64(void **state)
{
    static const char *const texts[] = {
        "A", "AA", "AAA", "A===", "====", "AA=A", "=AAA", "AA==AAAA", "AAA\n", "AA-_", "AAA\x80"};
    unsigned char to[16];
    size_t size;

    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(texts); i++) {
        assert_int_equal(wi_base64_decode(wi_str(texts[i]), to, &size), WEIR_EINVAL);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_member_in_any_order),
        cmocka_unit_test(reads_an_event_of_a_subscription),
        cmocka_unit_test(refuses_every_answer_that_was_cut),
        cmocka_unit_test(refuses_what_kinesis_does_not_say),
        cmocka_unit_test(reads_numbers_of_every_length_as_the_core_does),
        cmocka_unit_test(takes_nothing_but_digits_for_a_number),
        cmocka_unit_test(replaces_escapes),
        cmocka_unit_test(decodes_what_it_encodes),
        cmocka_unit_test(refuses_what_is_no_base64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

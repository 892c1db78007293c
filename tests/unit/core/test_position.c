/* Positions as text, and the order of checkpoints. */
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/position.h"
#include "core/str.h"
#include "tests/support/weir_test.h"

#define LAST_NUMBER "115792089237316195423570985008687907853269984665640564039457584007913129639935"
#define AFTER_LAST  ("AFTER_SEQUENCE_NUMBER:" LAST_NUMBER ":18446744073709551615")
#define AFTER_HUGE  ("AFTER_SEQUENCE_NUMBER:9" LAST_NUMBER)

static struct weir_position
position(const char *text)
{
    struct weir_position parsed = {.type = WEIR_LATEST};
    assert_int_equal(weir_position_parse(wi_str(text), &parsed), WEIR_OK);
    return parsed;
}

static void
assert_position(const struct weir_position *actual, const char *expected)
{
    char text[WEIR_POSITION_SIZE];
    assert_int_equal(weir_position_format(actual, text), strlen(expected));
    assert_string_equal(text, expected);
}

static void
reads_back_what_it_writes(void **state)
{
    static const char *const texts[] = {
        "TRIM_HORIZON",
        "LATEST",
        "SHARD_END",
        "AT_SEQUENCE_NUMBER:0",
        "AT_SEQUENCE_NUMBER:49590338271490256608559692538361571095921575989136588898",
        "AFTER_SEQUENCE_NUMBER:49590338271490256608559692538361571095921575989136588898:7",
        AFTER_LAST,
        "AT_TIMESTAMP:1970-01-01T00:00:00.000Z",
        "AT_TIMESTAMP:9999-12-31T23:59:59.999Z",
        "AT_TIMESTAMP:0000-01-01T00:00:00.000Z",
        "AT_TIMESTAMP:9223372036854775.807",
        "AT_TIMESTAMP:-9223372036854775.808"};
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(texts); i++) {
        struct weir_position parsed = position(texts[i]);
        assert_position(&parsed, texts[i]);
    }
}

static void
reads_timestamps_in_both_notations(void **state)
{
    (void)state;
    assert_int_equal(
        position("AT_TIMESTAMP:2023-11-14T23:13:20+01:00").timestamp_ms, INT64_C(1700000000000));
    assert_int_equal(position("AT_TIMESTAMP:1700000000").timestamp_ms, INT64_C(1700000000000));
    assert_int_equal(position("AT_TIMESTAMP:1700000000.25").timestamp_ms, INT64_C(1700000000250));
}

static void
leaves_members_that_the_type_does_not_use_at_zero(void **state)
{
    struct weir_position parsed = position("LATEST");
    (void)state;
    assert_int_equal(parsed.timestamp_ms, 0);
    assert_int_equal(parsed.sub_sequence_number, 0);
    assert_int_equal(position("AFTER_SEQUENCE_NUMBER:12").sub_sequence_number, 0);
    assert_int_equal(position("AFTER_SEQUENCE_NUMBER:12").sequence_number.word[3], 12);
}

static void
refuses_what_is_no_position(void **state)
{
    static const char *const texts[] = {
        "",
        ":",
        "latest",
        "LATEST ",
        " LATEST",
        "LATEST:",
        "LATEST:1",
        "TRIM_HORIZON:2024-01-01T00:00:00Z",
        "SHARD_END:1",
        "AT_SEQUENCE_NUMBER",
        "AT_SEQUENCE_NUMBER:",
        "AT_SEQUENCE_NUMBER:x",
        "AT_SEQUENCE_NUMBER:-1",
        "AT_SEQUENCE_NUMBER:1:",
        "AT_SEQUENCE_NUMBER:1:x",
        "AT_SEQUENCE_NUMBER:1:-2",
        "AT_SEQUENCE_NUMBER:1:2:3",
        "AT_SEQUENCE_NUMBER::2",
        "AFTER_SEQUENCE_NUMBER:1:18446744073709551616",
        AFTER_HUGE,
        "AFTER_SEQUENCE_NUMBER:TRIM_HORIZON",
        "AT_TIMESTAMP",
        "AT_TIMESTAMP:",
        "AT_TIMESTAMP:now",
        "AT_TIMESTAMP:2024-02-30T00:00:00Z",
        "AT_TIMESTAMP:1700000000s"};
    struct weir_position parsed = {.type = WEIR_SHARD_END, .timestamp_ms = 5};
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(texts); i++) {
        if (weir_position_parse(wi_str(texts[i]), &parsed) != WEIR_EINVAL) {
            fail_msg("accepted \"%s\"", texts[i]);
        }
    }
    assert_int_equal(weir_position_parse((struct weir_str){"LATEST\0", 7}, &parsed), WEIR_EINVAL);
    assert_true(parsed.type == WEIR_SHARD_END && parsed.timestamp_ms == 5);
}

static void
reads_at_most_the_length_of_the_view(void **state)
{
    struct weir_position parsed;
    (void)state;
    assert_int_equal(
        weir_position_parse((struct weir_str){"AT_SEQUENCE_NUMBER:1234", 21}, &parsed), WEIR_OK);
    assert_int_equal(parsed.sequence_number.word[3], 12);
}

/* A checkpoint may only go up in this list: it decides what is read again after a crash. */
static void
orders_checkpoints_from_nothing_processed_to_the_shard_end(void **state)
{
    static const char *const ascending[] = {
        "TRIM_HORIZON",
        "AT_TIMESTAMP:1",
        "AT_TIMESTAMP:2",
        "LATEST",
        "AT_SEQUENCE_NUMBER:0",
        "AFTER_SEQUENCE_NUMBER:0",
        "AT_SEQUENCE_NUMBER:9",
        "AFTER_SEQUENCE_NUMBER:9",
        "AT_SEQUENCE_NUMBER:10",
        "AFTER_SEQUENCE_NUMBER:10",
        "AT_SEQUENCE_NUMBER:10:1",
        "AFTER_SEQUENCE_NUMBER:10:1",
        "AFTER_SEQUENCE_NUMBER:10:18446744073709551615",
        "AT_SEQUENCE_NUMBER:11",
        AFTER_LAST,
        "SHARD_END"};
    (void)state;
    for (int i = 0; i < (int)WI_ARRAY_LENGTH(ascending); i++) {
        for (int j = 0; j < (int)WI_ARRAY_LENGTH(ascending); j++) {
            struct weir_position a = position(ascending[i]);
            struct weir_position b = position(ascending[j]);
            assert_int_equal(wi_checkpoint_compare(&a, &b), (i > j) - (i < j));
        }
    }
}

static void
compares_only_members_that_the_type_uses(void **state)
{
    struct weir_position a = {.type = WEIR_SHARD_END, .timestamp_ms = 1, .sub_sequence_number = 2};
    struct weir_position b = {.type = WEIR_SHARD_END};
    (void)state;
    assert_int_equal(wi_checkpoint_compare(&a, &b), 0);
    a.type = WEIR_AT_SEQUENCE_NUMBER;
    b = a;
    b.timestamp_ms = 77;
    assert_int_equal(wi_checkpoint_compare(&a, &b), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_what_it_writes),
        cmocka_unit_test(reads_timestamps_in_both_notations),
        cmocka_unit_test(leaves_members_that_the_type_does_not_use_at_zero),
        cmocka_unit_test(refuses_what_is_no_position),
        cmocka_unit_test(reads_at_most_the_length_of_the_view),
        cmocka_unit_test(orders_checkpoints_from_nothing_processed_to_the_shard_end),
        cmocka_unit_test(compares_only_members_that_the_type_uses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

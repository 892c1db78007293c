/* 128-bit hash keys and their ranges. */
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/hash_key.h"
#include "core/str.h"
#include "tests/support/weir_test.h"

#define LAST_KEY "340282366920938463463374607431768211455"

static const struct weir_hash_range everything = {{0, 0}, {UINT64_MAX, UINT64_MAX}};

static struct weir_hash_key
key(const char *text)
{
    struct weir_hash_key parsed = {0, 0};
    assert_int_equal(weir_hash_key_parse(wi_str(text), &parsed), WEIR_OK);
    return parsed;
}

static void
assert_key(struct weir_hash_key actual, const char *expected)
{
    char text[WEIR_HASH_KEY_SIZE];
    assert_int_equal(weir_hash_key_format(actual, text), strlen(expected));
    assert_string_equal(text, expected);
}

static void
reads_back_what_it_writes(void **state)
{
    static const char *const texts[] = {
        "0",
        "9",
        "10",
        "4294967295",
        "4294967296",
        "18446744073709551615",
        "18446744073709551616",
        "170141183460469231731687303715884105728",
        "340282366920938463463374607431768211454",
        LAST_KEY};
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(texts); i++) {
        assert_key(key(texts[i]), texts[i]);
    }
    assert_int_equal(weir_hash_key_compare(key(LAST_KEY), WI_HASH_KEY_MAX), 0);
    assert_key(key("000000000000000000000000000000000000042"), "42");
}

static void
refuses_what_is_no_hash_key(void **state)
{
    static const char *const texts[] = {
        "",
        " 1",
        "1 ",
        "-1",
        "+1",
        "0x10",
        "1e3",
        "1.0",
        "340282366920938463463374607431768211456",
        "999999999999999999999999999999999999999",
        "0340282366920938463463374607431768211455",
        "18446744073709551616x"};
    struct weir_hash_key parsed = {1, 2};
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(texts); i++) {
        assert_int_equal(weir_hash_key_parse(wi_str(texts[i]), &parsed), WEIR_EINVAL);
    }
    assert_int_equal(weir_hash_key_parse((struct weir_str){"1\0002", 3}, &parsed), WEIR_EINVAL);
    assert_int_equal(weir_hash_key_parse((struct weir_str){NULL, 0}, &parsed), WEIR_EINVAL);
    assert_true(parsed.high == 1 && parsed.low == 2);
}

static void
compares_the_high_word_first(void **state)
{
    (void)state;
    assert_int_equal(
        weir_hash_key_compare((struct weir_hash_key){0, UINT64_MAX}, (struct weir_hash_key){1, 0}),
        -1);
    assert_int_equal(
        weir_hash_key_compare((struct weir_hash_key){1, 0}, (struct weir_hash_key){0, UINT64_MAX}),
        1);
    assert_int_equal(
        weir_hash_key_compare((struct weir_hash_key){1, 1}, (struct weir_hash_key){1, 2}), -1);
    assert_int_equal(
        weir_hash_key_compare((struct weir_hash_key){1, 2}, (struct weir_hash_key){1, 2}), 0);
}

static void
adds_and_subtracts_with_carry_and_wraps(void **state)
{
    (void)state;
    assert_key(wi_hash_key_add(key("18446744073709551615"), key("1")), "18446744073709551616");
    assert_key(wi_hash_key_sub(key("18446744073709551616"), key("1")), "18446744073709551615");
    assert_key(wi_hash_key_add(WI_HASH_KEY_MAX, key("1")), "0");
    assert_key(wi_hash_key_sub(key("0"), key("1")), LAST_KEY);
}

static void
reads_an_md5_most_significant_byte_first(void **state)
{
    /* MD5 of the empty string: d41d8cd98f00b204e9800998ecf8427e. */
    static const unsigned char md5[WI_HASH_KEY_BYTES] = {
        0xd4,
        0x1d,
        0x8c,
        0xd9,
        0x8f,
        0x00,
        0xb2,
        0x04,
        0xe9,
        0x80,
        0x09,
        0x98,
        0xec,
        0xf8,
        0x42,
        0x7e};
    (void)state;
    assert_key(wi_hash_key_from_bytes(md5), "281949768489412648962353822266799178366");
}

static void
contains_both_ends_of_a_range(void **state)
{
    struct weir_hash_range range = {key("10"), key("20")};
    (void)state;
    assert_true(wi_hash_range_contains(range, key("10")));
    assert_true(wi_hash_range_contains(range, key("20")));
    assert_false(wi_hash_range_contains(range, key("9")));
    assert_false(wi_hash_range_contains(range, key("21")));
    assert_true(wi_hash_range_contains(everything, WI_HASH_KEY_MIN));
    assert_true(wi_hash_range_contains(everything, WI_HASH_KEY_MAX));
    assert_true(wi_hash_range_is_valid((struct weir_hash_range){key("7"), key("7")}));
    assert_false(wi_hash_range_is_valid((struct weir_hash_range){key("8"), key("7")}));
}

static void
knows_neighbours_in_either_order_but_not_across_the_ends(void **state)
{
    struct weir_hash_range low = {key("0"), key("18446744073709551615")};
    struct weir_hash_range high = {key("18446744073709551616"), WI_HASH_KEY_MAX};
    struct weir_hash_range gap = {key("18446744073709551617"), WI_HASH_KEY_MAX};
    struct weir_hash_range overlap = {key("18446744073709551615"), WI_HASH_KEY_MAX};
    (void)state;
    assert_true(wi_hash_range_is_adjacent(low, high));
    assert_true(wi_hash_range_is_adjacent(high, low));
    assert_false(wi_hash_range_is_adjacent(low, gap));
    assert_false(wi_hash_range_is_adjacent(low, overlap));
    assert_false(wi_hash_range_is_adjacent(low, low));
    /* The last key plus one is not the first key: both stand at an end. */
    assert_false(wi_hash_range_is_adjacent(
        (struct weir_hash_range){key("0"), key("5")},
        (struct weir_hash_range){key("9"), WI_HASH_KEY_MAX}));
}

static void
cuts_a_range_into_halves(void **state)
{
    (void)state;
    assert_key(wi_hash_range_midpoint(everything), "170141183460469231731687303715884105728");
    assert_key(wi_hash_range_midpoint((struct weir_hash_range){key("0"), key("1")}), "1");
    assert_key(wi_hash_range_midpoint((struct weir_hash_range){key("0"), key("2")}), "2");
    assert_key(wi_hash_range_midpoint((struct weir_hash_range){key("10"), key("19")}), "15");
    assert_key(wi_hash_range_midpoint((struct weir_hash_range){key("7"), key("7")}), "7");
    assert_key(
        wi_hash_range_midpoint((struct weir_hash_range){WI_HASH_KEY_MAX, WI_HASH_KEY_MAX}),
        LAST_KEY);
}

/* The size of a range minus one. */
static struct weir_hash_key
span(struct weir_hash_range range)
{
    return wi_hash_key_sub(range.end, range.start);
}

static void
assert_even_parts_cover_everything(uint32_t count)
{
    struct weir_hash_key one = {0, 1};
    struct weir_hash_key least = WI_HASH_KEY_MAX;
    struct weir_hash_key most = WI_HASH_KEY_MIN;
    struct weir_hash_key expected_start = WI_HASH_KEY_MIN;
    for (uint32_t i = 0; i < count; i++) {
        struct weir_hash_range range = wi_hash_range_even(i, count);
        if (weir_hash_key_compare(range.start, expected_start) != 0 ||
            !wi_hash_range_is_valid(range)) {
            fail_msg("part %u of %u", i, count);
        }
        expected_start = wi_hash_key_add(range.end, one);
        least = weir_hash_key_compare(span(range), least) < 0 ? span(range) : least;
        most = weir_hash_key_compare(span(range), most) > 0 ? span(range) : most;
    }
    assert_int_equal(weir_hash_key_compare(expected_start, WI_HASH_KEY_MIN), 0); /* it wrapped */
    assert_true(weir_hash_key_compare(wi_hash_key_sub(most, least), one) <= 0);
}

/* A hole would lose the records whose keys fall into it. */
static void
covers_every_key_once_with_any_number_of_even_parts(void **state)
{
    (void)state;
    for (uint32_t count = 1; count <= 10000; count = count < 256 ? count + 1 : count * 9 / 8) {
        assert_even_parts_cover_everything(count);
    }
    assert_even_parts_cover_everything(10000);
}

static void
cuts_even_parts_where_kinesis_does(void **state)
{
    (void)state;
    assert_key(wi_hash_range_even(0, 1).end, LAST_KEY);
    assert_key(wi_hash_range_even(1, 2).start, "170141183460469231731687303715884105728");
    assert_key(wi_hash_range_even(1, 3).start, "113427455640312821154458202477256070485");
    assert_key(wi_hash_range_even(1, 3).end, "226854911280625642308916404954512140969");
    assert_key(wi_hash_range_even(UINT32_MAX - 1, UINT32_MAX).end, LAST_KEY);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_what_it_writes),
        cmocka_unit_test(refuses_what_is_no_hash_key),
        cmocka_unit_test(compares_the_high_word_first),
        cmocka_unit_test(adds_and_subtracts_with_carry_and_wraps),
        cmocka_unit_test(reads_an_md5_most_significant_byte_first),
        cmocka_unit_test(contains_both_ends_of_a_range),
        cmocka_unit_test(knows_neighbours_in_either_order_but_not_across_the_ends),
        cmocka_unit_test(cuts_a_range_into_halves),
        cmocka_unit_test(covers_every_key_once_with_any_number_of_even_parts),
        cmocka_unit_test(cuts_even_parts_where_kinesis_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* 256-bit sequence numbers; those of Kinesis have 56 digits. */
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/sequence_number.h"
#include "core/str.h"
#include "tests/support/weir_test.h"

#define TWO_TO_64   "18446744073709551616"
#define TWO_TO_128  "340282366920938463463374607431768211456"
#define TWO_TO_192  "6277101735386680763835789423207666416102355444464034512896"
#define TWO_TO_256  "115792089237316195423570985008687907853269984665640564039457584007913129639936"
#define LAST_NUMBER "115792089237316195423570985008687907853269984665640564039457584007913129639935"
#define KINESIS_56  "49590338271490256608559692538361571095921575989136588898"
#define NINES_77    "99999999999999999999999999999999999999999999999999999999999999999999999999999"

static struct weir_sequence_number
number(const char *text)
{
    struct weir_sequence_number parsed = WI_SEQUENCE_NUMBER_ZERO;
    assert_int_equal(weir_sequence_number_parse(wi_str(text), &parsed), WEIR_OK);
    return parsed;
}

static void
assert_number(const struct weir_sequence_number *actual, const char *expected)
{
    char text[WEIR_SEQUENCE_NUMBER_SIZE];
    assert_int_equal(weir_sequence_number_format(actual, text), strlen(expected));
    assert_string_equal(text, expected);
}

static int
compare(const char *a, const char *b)
{
    struct weir_sequence_number number_a = number(a);
    struct weir_sequence_number number_b = number(b);
    return weir_sequence_number_compare(&number_a, &number_b);
}

static void
reads_back_what_it_writes(void **state)
{
    static const char *const texts[] = {
        "0",
        "1",
        "9",
        "10",
        "999999999",
        "1000000000",
        "1000000001",
        TWO_TO_64,
        TWO_TO_128,
        TWO_TO_192,
        KINESIS_56,
        NINES_77,
        LAST_NUMBER,
        "10000000000000000000000000000000000000000000000000000000"};
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(texts); i++) {
        struct weir_sequence_number parsed = number(texts[i]);
        assert_number(&parsed, texts[i]);
    }
}

static void
reads_every_number_of_digits(void **state)
{
    char text[WEIR_SEQUENCE_NUMBER_SIZE] = "";
    (void)state;
    for (size_t length = 1; length <= 77; length++) {
        text[length - 1] = (char)('0' + length % 9 + 1);
        struct weir_sequence_number parsed = number(text);
        assert_number(&parsed, text);
    }
}

static void
ignores_leading_zeros(void **state)
{
    (void)state;
    assert_int_equal(compare("0000000000000000000000000000000000000000042", "42"), 0);
    assert_int_equal(compare("000", "0"), 0);
}

static void
refuses_what_is_no_sequence_number(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "-1",
        "+1",
        "1 ",
        " 1",
        "1,000",
        "0x1f",
        "1e10",
        "SHARD_END",
        "4959033827149025660855969253836157109592157598913658889/",
        "4959033827149025660855969253836157109592157598913658889:",
        TWO_TO_256,
        "999999999999999999999999999999999999999999999999999999999999999999999999999999",
        "0000000000000000000000000000000000000000000000000000000000000000000000000000001"};
    struct weir_sequence_number parsed = {{1, 2, 3, 4}};
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(texts); i++) {
        assert_int_equal(weir_sequence_number_parse(wi_str(texts[i]), &parsed), WEIR_EINVAL);
    }
    assert_int_equal(
        weir_sequence_number_parse((struct weir_str){"1\0002", 3}, &parsed), WEIR_EINVAL);
    assert_int_equal(weir_sequence_number_parse((struct weir_str){NULL, 0}, &parsed), WEIR_EINVAL);
    assert_true(parsed.word[0] == 1 && parsed.word[3] == 4);
}

/* As text "9" is above "10", and as 64-bit numbers Kinesis' overflow: records would be lost. */
static void
compares_as_numbers_not_as_text(void **state)
{
    (void)state;
    assert_int_equal(compare("9", "10"), -1);
    assert_int_equal(compare(KINESIS_56, "9"), 1);
    assert_int_equal(compare(TWO_TO_64, "18446744073709551615"), 1);
    assert_int_equal(compare("18446744073709551615", TWO_TO_128), -1);
    assert_int_equal(compare(TWO_TO_192, TWO_TO_128), 1);
    assert_int_equal(compare(LAST_NUMBER, LAST_NUMBER), 0);
    assert_int_equal(
        compare("49590338271490256608559692538361571095921575989136588899", KINESIS_56), 1);
}

static void
increments_with_carry_through_all_words(void **state)
{
    static const char *const before_and_after[][2] = {
        {"0", "1"},
        {"18446744073709551615", TWO_TO_64},
        {"340282366920938463463374607431768211455", TWO_TO_128},
        {"6277101735386680763835789423207666416102355444464034512895", TWO_TO_192}};
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(before_and_after); i++) {
        struct weir_sequence_number value = number(before_and_after[i][0]);
        assert_int_equal(wi_sequence_number_increment(&value), WEIR_OK);
        assert_number(&value, before_and_after[i][1]);
    }
}

static void
refuses_to_count_beyond_256_bits(void **state)
{
    struct weir_sequence_number value = number(LAST_NUMBER);
    (void)state;
    assert_int_equal(wi_sequence_number_compare(&value, &WI_SEQUENCE_NUMBER_MAX), 0);
    assert_int_equal(wi_sequence_number_increment(&value), WEIR_ELIMIT);
    assert_int_equal(wi_sequence_number_add(&value, UINT64_MAX), WEIR_ELIMIT);
    assert_number(&value, LAST_NUMBER);
    assert_int_equal(wi_sequence_number_add(&value, 0), WEIR_OK);
    assert_number(&value, LAST_NUMBER);
}

static void
converts_to_64_bits_only_what_fits(void **state)
{
    struct weir_sequence_number value = wi_sequence_number_from_u64(UINT64_MAX);
    uint64_t small = 7;
    (void)state;
    assert_number(&value, "18446744073709551615");
    assert_int_equal(wi_sequence_number_to_u64(&value, &small), WEIR_OK);
    assert_true(small == UINT64_MAX);
    value = number(TWO_TO_64);
    assert_int_equal(wi_sequence_number_to_u64(&value, &small), WEIR_ERANGE);
    value = number(TWO_TO_192);
    assert_int_equal(wi_sequence_number_to_u64(&value, &small), WEIR_ERANGE);
    assert_true(small == UINT64_MAX);
}

static void
knows_zero(void **state)
{
    (void)state;
    assert_true(wi_sequence_number_is_zero(&WI_SEQUENCE_NUMBER_ZERO));
    for (size_t i = 0; i < 4; i++) {
        struct weir_sequence_number value = WI_SEQUENCE_NUMBER_ZERO;
        value.word[i] = 1;
        assert_false(wi_sequence_number_is_zero(&value));
    }
}

static void
keeps_the_order_in_bytes(void **state)
{
    static const char *const ascending[] = {
        "0", "1", "255", "256", TWO_TO_64, TWO_TO_128, KINESIS_56, TWO_TO_192, LAST_NUMBER};
    unsigned char previous[WI_SEQUENCE_NUMBER_BYTES];
    unsigned char bytes[WI_SEQUENCE_NUMBER_BYTES];
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(ascending); i++) {
        struct weir_sequence_number value = number(ascending[i]);
        wi_sequence_number_to_bytes(&value, bytes);
        assert_true(i == 0 || memcmp(previous, bytes, sizeof bytes) < 0);
        struct weir_sequence_number back = wi_sequence_number_from_bytes(bytes);
        assert_number(&back, ascending[i]);
        memcpy(previous, bytes, sizeof bytes);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_what_it_writes),
        cmocka_unit_test(reads_every_number_of_digits),
        cmocka_unit_test(ignores_leading_zeros),
        cmocka_unit_test(refuses_what_is_no_sequence_number),
        cmocka_unit_test(compares_as_numbers_not_as_text),
        cmocka_unit_test(increments_with_carry_through_all_words),
        cmocka_unit_test(refuses_to_count_beyond_256_bits),
        cmocka_unit_test(converts_to_64_bits_only_what_fits),
        cmocka_unit_test(knows_zero),
        cmocka_unit_test(keeps_the_order_in_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

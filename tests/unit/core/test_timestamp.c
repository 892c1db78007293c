/* RFC 3339 and epoch seconds, both ways. */
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/pcg.h"
#include "core/str.h"
#include "core/timestamp.h"
#include "tests/support/weir_test.h"

struct example {
    const char *text;
    int64_t ms;
};

static void
assert_reads(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t ms = 0;
        if (wi_timestamp_parse(wi_str(examples[i].text), &ms) != WEIR_OK || ms != examples[i].ms) {
            fail_msg("%s gave %lld", examples[i].text, (long long)ms);
        }
    }
}

static void
reads_rfc_3339(void **state)
{
    static const struct example examples[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:00z", 0},
        {"1970-01-01 00:00:00Z", 0},
        {"1969-12-31T23:59:59.999Z", -1},
        {"2024-02-29T12:00:00Z", INT64_C(1709208000000)},
        {"2000-02-29T23:59:59Z", INT64_C(951868799000)},
        {"2023-11-14T22:13:20.5Z", INT64_C(1700000000500)},
        {"2023-11-14T22:13:20.05Z", INT64_C(1700000000050)},
        {"2023-11-14T22:13:20.000000001Z", INT64_C(1700000000000)},
        {"2023-11-14T22:13:20.123999999999Z", INT64_C(1700000000123)},
        {"2016-12-31T23:59:60Z", INT64_C(1483228800000)},
        {"0000-01-01T00:00:00Z", INT64_C(-62167219200000)},
        {"0000-02-29T00:00:00Z", INT64_C(-62162121600000)},
        {"9999-12-31T23:59:59.999Z", INT64_C(253402300799999)},
    };
    (void)state;
    assert_reads(examples, WI_ARRAY_LENGTH(examples));
}

static void
applies_offsets_in_both_directions(void **state)
{
    static const struct example examples[] = {
        {"1970-01-01T01:00:00+01:00", 0},
        {"1969-12-31T16:00:00-08:00", 0},
        {"1970-01-01T05:30:00.250+05:30", 250},
        {"1970-01-01T00:00:00-00:00", 0},
        {"1970-01-01T23:59:00+23:59", 0},
        {"1969-12-31T00:01:00-23:59", 0},
        {"0000-01-01T00:00:00+23:59", INT64_C(-62167305540000)},
        {"9999-12-31T23:59:59.999-23:59", INT64_C(253402387139999)},
    };
    (void)state;
    assert_reads(examples, WI_ARRAY_LENGTH(examples));
}

/* Rounding up could skip a record that arrived within the millisecond. */
static void
reads_epoch_seconds_and_rounds_down(void **state)
{
    static const struct example examples[] = {
        {"0", 0},
        {"-0", 0},
        {"1", 1000},
        {"1.5", 1500},
        {"0001.25", 1250},
        {"0.0009999", 0},
        {"-0.0000001", -1},
        {"-0.0010000", -1},
        {"-1.5", -1500},
        {"-1.5001", -1501},
        {"9223372036854775.807", INT64_MAX},
        {"9223372036854775.8079", INT64_MAX},
        {"-9223372036854775.808", INT64_MIN},
        {"-9223372036854775.8070001", INT64_MIN},
    };
    (void)state;
    assert_reads(examples, WI_ARRAY_LENGTH(examples));
}

static void
assert_refuses(struct weir_str text)
{
    int64_t ms = 42;
    if (wi_timestamp_parse(text, &ms) != WEIR_EINVAL || ms != 42) {
        fail_msg("accepted \"%.*s\"", (int)text.length, text.data);
    }
}

static void
refuses_dates_that_do_not_exist(void **state)
{
    static const char *const texts[] = {
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "2024-04-31T00:00:00Z",
        "2024-00-10T00:00:00Z",
        "2024-13-10T00:00:00Z",
        "2024-01-00T00:00:00Z",
        "2024-01-32T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z",
        "2024-01-01T00:00:61Z",
        "2024-01-01T00:00:00+24:00",
        "2024-01-01T00:00:00+00:60"};
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(texts); i++) {
        assert_refuses(wi_str(texts[i]));
    }
}

static void
refuses_what_is_no_timestamp(void **state)
{
    static const char *const texts[] = {
        "",
        "-",
        ".",
        ".5",
        "1.",
        "1.-5",
        "--1",
        "+1",
        " 1",
        "1 ",
        "1e9",
        "0x10",
        "9223372036854776",
        "9223372036854775.808",
        "-9223372036854775.809",
        "-9223372036854775.8080001",
        "99999999999999999999999999999999999999",
        "2024-01-01",
        "2024-01-01T00:00Z",
        "2024-01-01T00:00:00",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00,5Z",
        "2024-01-01T00:00:00ZZ",
        "2024-01-01T00:00:00+0100",
        "2024-01-01T00:00:00+01:0",
        "-2024-01-01T00:00:00Z",
        "12024-01-01T00:00:00Z",
        "1700000000.0000000000000000000000000000000000000000000000000000000000000"};
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(texts); i++) {
        assert_refuses(wi_str(texts[i]));
    }
    assert_refuses((struct weir_str){NULL, 0});
    assert_refuses((struct weir_str){"1\0002", 3});
}

/* Each text that is cut short is refused, and never read beyond its end (sanitizers watch). */
static void
refuses_every_beginning_of_a_timestamp(void **state)
{
    static const char text[] = "2024-02-29T12:00:00.123+01:00";
    (void)state;
    for (size_t length = 5; length < sizeof text - 1; length++) {
        char exact[sizeof text];
        memcpy(exact, text, length);
        assert_refuses((struct weir_str){exact, length});
    }
}

static void
assert_round_trip(int64_t ms)
{
    char text[WI_TIMESTAMP_SIZE];
    int64_t back = 0;
    size_t length = wi_timestamp_format(ms, text);
    assert_int_equal(length, strlen(text));
    if (wi_timestamp_parse(wi_str(text), &back) != WEIR_OK || back != ms) {
        fail_msg("%lld became %s became %lld", (long long)ms, text, (long long)back);
    }
}

static void
reads_back_days_of_ten_thousand_years(void **state)
{
    /* Every 11th day: over the centuries that meets each day of the year, leap days too. */
    const int64_t step_ms = INT64_C(11) * 86400000;
    (void)state;
    for (int64_t ms = INT64_C(-62167219200000); ms < INT64_C(253402300800000); ms += step_ms) {
        assert_round_trip(ms);
    }
}

static void
reads_back_any_number(void **state)
{
    struct wi_pcg pcg;
    (void)state;
    wi_pcg_seed(&pcg, 1, 1);
    for (int i = 0; i < 20000; i++) {
        assert_round_trip((int64_t)(wi_pcg_next64(&pcg) >> (i % 24)));
        assert_round_trip(-(int64_t)(wi_pcg_next64(&pcg) >> (i % 24 + 1)));
    }
    assert_round_trip(INT64_MIN);
    assert_round_trip(INT64_MAX);
}

static void
writes_utc_with_milliseconds(void **state)
{
    char text[WI_TIMESTAMP_SIZE];
    (void)state;
    (void)wi_timestamp_format(INT64_C(1709208000005), text);
    assert_string_equal(text, "2024-02-29T12:00:00.005Z");
    (void)wi_timestamp_format(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
    (void)wi_timestamp_format(INT64_C(253402300800000), text);
    assert_string_equal(text, "253402300800.000");
    (void)wi_timestamp_format(INT64_C(-62167219200001), text);
    assert_string_equal(text, "-62167219200.001");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_rfc_3339),
        cmocka_unit_test(applies_offsets_in_both_directions),
        cmocka_unit_test(reads_epoch_seconds_and_rounds_down),
        cmocka_unit_test(refuses_dates_that_do_not_exist),
        cmocka_unit_test(refuses_what_is_no_timestamp),
        cmocka_unit_test(refuses_every_beginning_of_a_timestamp),
        cmocka_unit_test(reads_back_days_of_ten_thousand_years),
        cmocka_unit_test(reads_back_any_number),
        cmocka_unit_test(writes_utc_with_milliseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Durations and sizes as people write them. */
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/quantity.h"
#include "core/str.h"
#include "tests/support/weir_test.h"

static void
reads_durations_with_and_without_unit(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } examples[] = {
        {"0", 0},
        {"0d", 0},
        {"250", 250},
        {"500ms", 500},
        {"10s", 10000},
        {"3m", 180000},
        {"24h", 86400000},
        {"2d", 172800000},
        {"9223372036854775807ms", INT64_MAX},
        {"106751991167d", INT64_C(9223372036828800000)},
    };
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(examples); i++) {
        int64_t ms = -1;
        assert_int_equal(wi_duration_parse(wi_str(examples[i].text), &ms), WEIR_OK);
        assert_true(ms == examples[i].ms);
    }
}

static void
reads_sizes_with_and_without_unit(void **state)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } examples[] = {
        {"0", 0},
        {"1048576", 1048576},
        {"12B", 12},
        {"1KiB", 1024},
        {"64MiB", 67108864},
        {"16GiB", INT64_C(17179869184)},
        {"1TiB", INT64_C(1099511627776)},
    };
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(examples); i++) {
        int64_t bytes = -1;
        assert_int_equal(wi_size_parse(wi_str(examples[i].text), &bytes), WEIR_OK);
        assert_true(bytes == examples[i].bytes);
    }
}

static void
refuses_what_is_no_quantity(void **state)
{
    static const char *const texts[] = {
        "",
        "s",
        "ms",
        "-1s",
        "+1s",
        "1 s",
        " 1s",
        "1s ",
        "1.5s",
        "1S",
        "1sec",
        "1KB",
        "1kib",
        "1K",
        "1s1s",
        "106751991168d",
        "9223372036854775808",
        "99999999999999999999999999s",
        "8388608TiB",
        "0x10"};
    int64_t value = -1;
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(texts); i++) {
        assert_int_equal(wi_duration_parse(wi_str(texts[i]), &value), WEIR_EINVAL);
        assert_int_equal(wi_size_parse(wi_str(texts[i]), &value), WEIR_EINVAL);
    }
    assert_int_equal(wi_duration_parse((struct weir_str){NULL, 0}, &value), WEIR_EINVAL);
    assert_int_equal(wi_duration_parse((struct weir_str){"1s\0", 3}, &value), WEIR_EINVAL);
    assert_true(value == -1);
}

static void
does_not_mix_units_of_time_and_of_size(void **state)
{
    int64_t value;
    (void)state;
    assert_int_equal(wi_duration_parse(WI_STR("1KiB"), &value), WEIR_EINVAL);
    assert_int_equal(wi_size_parse(WI_STR("1s"), &value), WEIR_EINVAL);
}

static void
writes_the_largest_unit_that_is_exact(void **state)
{
    char text[WI_QUANTITY_SIZE];
    (void)state;
    assert_int_equal(wi_duration_format(86400000, text), 2);
    assert_string_equal(text, "1d");
    (void)wi_duration_format(90000, text);
    assert_string_equal(text, "90s");
    (void)wi_duration_format(1500, text);
    assert_string_equal(text, "1500ms");
    (void)wi_duration_format(0, text);
    assert_string_equal(text, "0ms");
    (void)wi_duration_format(INT64_MAX, text);
    assert_string_equal(text, "9223372036854775807ms");
    (void)wi_size_format(67108864, text);
    assert_string_equal(text, "64MiB");
    (void)wi_size_format(1025, text);
    assert_string_equal(text, "1025B");
    (void)wi_size_format(0, text);
    assert_string_equal(text, "0B");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_durations_with_and_without_unit),
        cmocka_unit_test(reads_sizes_with_and_without_unit),
        cmocka_unit_test(refuses_what_is_no_quantity),
        cmocka_unit_test(does_not_mix_units_of_time_and_of_size),
        cmocka_unit_test(writes_the_largest_unit_that_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

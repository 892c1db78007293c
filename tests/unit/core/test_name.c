/* Names become parts of paths and of lease keys. */
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/str.h"
#include "tests/support/weir_test.h"

static void
accepts_the_names_of_kinesis(void **state)
{
    static const char *const names[] = {
        "a", "orders", "Orders_2024.v1-eu", "shardId-000000000000", "...", ".hidden", "-", "0"};
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(names); i++) {
        assert_int_equal(weir_name_check(wi_str(names[i])), WEIR_OK);
    }
}

static void
accepts_128_characters_and_no_more(void **state)
{
    char name[WEIR_NAME_MAX + 1];
    (void)state;
    memset(name, 'x', sizeof name);
    assert_int_equal(weir_name_check((struct weir_str){name, WEIR_NAME_MAX}), WEIR_OK);
    assert_int_equal(weir_name_check((struct weir_str){name, WEIR_NAME_MAX + 1}), WEIR_EINVAL);
}

static void
refuses_names_that_could_leave_their_directory(void **state)
{
    static const char *const names[] = {
        "", ".", "..", "a/b", "../x", "a b", "a:b", "a\\b", "a\nb", "\xc3\xa4", "a*"};
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(names); i++) {
        assert_int_equal(weir_name_check(wi_str(names[i])), WEIR_EINVAL);
    }
    assert_int_equal(weir_name_check((struct weir_str){"a\0b", 3}), WEIR_EINVAL);
    assert_int_equal(weir_name_check((struct weir_str){NULL, 0}), WEIR_EINVAL);
}

static void
accepts_exactly_65_characters(void **state)
{
    int accepted = 0;
    (void)state;
    for (int c = 0; c < 256; c++) {
        char name[2] = {'a', (char)c};
        accepted += weir_name_check((struct weir_str){name, 2}) == WEIR_OK;
    }
    assert_int_equal(accepted, 26 + 26 + 10 + 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_the_names_of_kinesis),
        cmocka_unit_test(accepts_128_characters_and_no_more),
        cmocka_unit_test(refuses_names_that_could_leave_their_directory),
        cmocka_unit_test(accepts_exactly_65_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

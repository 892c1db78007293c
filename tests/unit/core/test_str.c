/* Views, numbers in text, and the growing buffer. */
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/str.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

static void
compares_views_by_length_and_bytes(void **state)
{
    struct weir_str nothing = {NULL, 0};
    (void)state;
    assert_true(wi_str_equal(WI_STR("shard"), wi_str("shard")));
    assert_false(wi_str_equal(WI_STR("shard"), WI_STR("shards")));
    assert_false(wi_str_equal((struct weir_str){"a\0b", 3}, (struct weir_str){"a\0c", 3}));
    assert_true(wi_str_equal_z(nothing, ""));
    assert_true(wi_str_equal_z(wi_str(NULL), ""));
    assert_true(wi_str_starts_with(WI_STR("weir:orders"), WI_STR("weir:")));
    assert_true(wi_str_starts_with(nothing, nothing));
    assert_false(wi_str_starts_with(WI_STR("we"), WI_STR("weir:")));
}

static void
orders_views_by_unsigned_bytes(void **state)
{
    (void)state;
    assert_int_equal(wi_str_compare(WI_STR("a"), WI_STR("b")), -1);
    assert_int_equal(wi_str_compare(WI_STR("b"), WI_STR("a")), 1);
    assert_int_equal(wi_str_compare(WI_STR("ab"), WI_STR("a")), 1);
    assert_int_equal(wi_str_compare(WI_STR("a"), WI_STR("ab")), -1);
    assert_int_equal(wi_str_compare(WI_STR("\xff"), WI_STR("a")), 1);
    assert_int_equal(wi_str_compare((struct weir_str){NULL, 0}, WI_STR("")), 0);
}

static void
cuts_at_the_first_separator(void **state)
{
    struct weir_str head = {NULL, 0};
    struct weir_str tail = {NULL, 0};
    (void)state;
    assert_true(wi_str_cut(WI_STR("a=b=c"), '=', &head, &tail));
    assert_true(wi_str_equal_z(head, "a"));
    assert_true(wi_str_equal_z(tail, "b=c"));
    assert_true(wi_str_cut(WI_STR("="), '=', &head, &tail));
    assert_true(head.length == 0 && tail.length == 0);
    assert_false(wi_str_cut(WI_STR("abc"), '=', &head, &tail));
    assert_false(wi_str_cut((struct weir_str){NULL, 0}, '=', &head, &tail));
}

static void
copies_and_terminates_whatever_the_room(void **state)
{
    char room[5] = "????";
    (void)state;
    assert_true(wi_str_copy(room, sizeof room, WI_STR("weir")));
    assert_string_equal(room, "weir");
    assert_false(wi_str_copy(room, sizeof room, WI_STR("weirs")));
    assert_string_equal(room, "weir");
    assert_false(wi_str_copy(room, 1, WI_STR("w")));
    assert_string_equal(room, "");
    assert_true(wi_str_copy(room, 1, (struct weir_str){NULL, 0}));
    assert_string_equal(room, "");
}

static void
duplicates_a_view_or_reports_that_memory_is_gone(void **state)
{
    struct test_env test;
    (void)state;
    test_env_init(&test);
    char *copy = wi_str_dup(&test.env, (struct weir_str){"orders-2024", 6});
    assert_string_equal(copy, "orders");
    wi_free(&test.env, copy);
    test.fail_at = 2;
    assert_null(wi_str_dup(&test.env, WI_STR("orders")));
    test_env_assert_no_leak(&test);
}

static void
reads_unsigned_numbers_strictly(void **state)
{
    static const char *const bad[] = {
        "",
        " 1",
        "1 ",
        "+1",
        "-1",
        "-0",
        "0x1",
        "1.0",
        "1e3",
        "18446744073709551616",
        "99999999999999999999",
        "184467440737095516150"};
    uint64_t value = 7;
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(bad); i++) {
        assert_int_equal(wi_str_to_u64(wi_str(bad[i]), &value), WEIR_EINVAL);
    }
    assert_true(value == 7);
    assert_int_equal(wi_str_to_u64(WI_STR("18446744073709551615"), &value), WEIR_OK);
    assert_true(value == UINT64_MAX);
    assert_int_equal(wi_str_to_u64(WI_STR("000000000000000000000000042"), &value), WEIR_OK);
    assert_true(value == 42);
    assert_int_equal(wi_str_to_u64((struct weir_str){"123", 2}, &value), WEIR_OK);
    assert_true(value == 12);
}

static void
reads_signed_numbers_up_to_both_ends(void **state)
{
    static const char *const bad[] = {
        "", "-", "--1", "+1", "- 1", "9223372036854775808", "-9223372036854775809"};
    int64_t value = 7;
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(bad); i++) {
        assert_int_equal(wi_str_to_i64(wi_str(bad[i]), &value), WEIR_EINVAL);
    }
    assert_true(value == 7);
    assert_int_equal(wi_str_to_i64(WI_STR("9223372036854775807"), &value), WEIR_OK);
    assert_true(value == INT64_MAX);
    assert_int_equal(wi_str_to_i64(WI_STR("-9223372036854775808"), &value), WEIR_OK);
    assert_true(value == INT64_MIN);
    assert_int_equal(wi_str_to_i64(WI_STR("-0"), &value), WEIR_OK);
    assert_true(value == 0);
    assert_int_equal(wi_str_to_i64((struct weir_str){NULL, 0}, &value), WEIR_EINVAL);
}

static void
hashes_equal_views_alike_and_spreads_the_low_bits(void **state)
{
    unsigned used[64] = {0};
    (void)state;
    assert_true(wi_str_hash(WI_STR("orders")) == wi_str_hash(wi_str("orders")));
    assert_true(wi_str_hash(WI_STR("a")) != wi_str_hash(WI_STR("b")));
    assert_true(wi_str_hash((struct weir_str){NULL, 0}) == wi_str_hash(WI_STR("")));
    for (unsigned i = 0; i < 6400; i++) {
        char digits[4] = {
            (char)('0' + i / 1000),
            (char)('0' + i / 100 % 10),
            (char)('0' + i / 10 % 10),
            (char)('0' + i % 10)};
        used[wi_str_hash((struct weir_str){digits, sizeof digits}) % 64]++;
    }
    for (size_t i = 0; i < WI_ARRAY_LENGTH(used); i++) {
        assert_in_range(used[i], 50, 150); /* 100 on average */
    }
}

static void
grows_a_buffer_by_text_views_and_formats(void **state)
{
    struct test_env test;
    struct wi_buffer buffer;
    (void)state;
    test_env_init(&test);
    wi_buffer_init(&buffer, &test.env);
    assert_string_equal(wi_buffer_text(&buffer), "");
    wi_buffer_append_z(&buffer, "shard");
    wi_buffer_append_str(&buffer, (struct weir_str){"Ids", 2});
    wi_buffer_printf(&buffer, "-%012d", 7);
    wi_buffer_append(&buffer, "", 1);
    wi_buffer_append(&buffer, NULL, 0);
    assert_int_equal(buffer.length, 21);
    assert_memory_equal(wi_buffer_text(&buffer), "shardId-000000000007\0", 22);
    assert_int_equal(wi_buffer_str(&buffer).length, 21);
    assert_int_equal(wi_buffer_error(&buffer), WEIR_OK);
    wi_buffer_free(&buffer);
    wi_buffer_free(&buffer);
    test_env_assert_no_leak(&test);
}

static void
keeps_all_bytes_of_a_large_buffer(void **state)
{
    struct test_env test;
    struct wi_buffer buffer;
    (void)state;
    test_env_init(&test);
    wi_buffer_init(&buffer, &test.env);
    for (int i = 0; i < 10000; i++) {
        wi_buffer_printf(&buffer, "%08d", i);
    }
    assert_int_equal(buffer.length, 80000);
    assert_memory_equal(wi_buffer_text(&buffer) + 79992, "00009999", 9);
    assert_true(test.allocations < 20);
    wi_buffer_free(&buffer);
    test_env_assert_no_leak(&test);
}

static void
has_room_for_what_is_known_to_come(void **state)
{
    struct test_env test;
    struct wi_buffer buffer;
    (void)state;
    test_env_init(&test);
    wi_buffer_init(&buffer, &test.env);
    wi_buffer_reserve(&buffer, 1000);
    assert_string_equal(wi_buffer_text(&buffer), "");
    assert_int_equal(buffer.capacity, 1001);
    for (int i = 0; i < 100; i++) {
        wi_buffer_printf(&buffer, "%010d", i);
    }
    wi_buffer_reserve(&buffer, 0);
    assert_int_equal(test.allocations, 1);
    assert_int_equal(buffer.length, 1000);
    assert_string_equal(wi_buffer_text(&buffer) + 990, "0000000099");
    test.fail_at = 2;
    wi_buffer_reserve(&buffer, 1);
    assert_int_equal(wi_buffer_error(&buffer), WEIR_ENOMEM);
    wi_buffer_reset(&buffer);
    wi_buffer_reserve(&buffer, WI_BUFFER_LENGTH_MAX + 1);
    assert_int_equal(wi_buffer_error(&buffer), WEIR_ENOMEM);
    wi_buffer_free(&buffer);
    test_env_assert_no_leak(&test);
}

static void
remembers_a_failed_allocation_until_it_is_reset(void **state)
{
    struct test_env test;
    struct wi_buffer buffer;
    (void)state;
    for (test_env_init(&test), test.fail_at = 1; test.fail_at <= 2; test.fail_at++) {
        wi_buffer_init(&buffer, &test.env);
        wi_buffer_append_z(&buffer, "kept");
        wi_buffer_printf(&buffer, "%01000d", 1);
        wi_buffer_append_z(&buffer, "not appended after the failure");
        assert_int_equal(wi_buffer_error(&buffer), WEIR_ENOMEM);
        assert_string_equal(wi_buffer_text(&buffer), test.fail_at == 1 ? "" : "kept");
        wi_buffer_reset(&buffer);
        wi_buffer_append_z(&buffer, "again");
        assert_int_equal(wi_buffer_error(&buffer), WEIR_OK);
        assert_string_equal(wi_buffer_text(&buffer), "again");
        wi_buffer_free(&buffer);
        test_env_assert_no_leak(&test);
        test.allocations = 0;
    }
}

static void
has_a_limit(void **state)
{
    struct test_env test;
    struct wi_buffer buffer;
    (void)state;
    test_env_init(&test);
    wi_buffer_init(&buffer, &test.env);
    wi_buffer_append(&buffer, "x", WI_BUFFER_LENGTH_MAX + 1);
    assert_int_equal(wi_buffer_error(&buffer), WEIR_ENOMEM);
    wi_buffer_reset(&buffer);
    wi_buffer_append_z(&buffer, "x");
    wi_buffer_append(&buffer, "x", WI_BUFFER_LENGTH_MAX);
    wi_buffer_append(&buffer, "x", SIZE_MAX);
    assert_int_equal(wi_buffer_error(&buffer), WEIR_ENOMEM);
    wi_buffer_free(&buffer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_views_by_length_and_bytes),
        cmocka_unit_test(orders_views_by_unsigned_bytes),
        cmocka_unit_test(cuts_at_the_first_separator),
        cmocka_unit_test(copies_and_terminates_whatever_the_room),
        cmocka_unit_test(duplicates_a_view_or_reports_that_memory_is_gone),
        cmocka_unit_test(reads_unsigned_numbers_strictly),
        cmocka_unit_test(reads_signed_numbers_up_to_both_ends),
        cmocka_unit_test(hashes_equal_views_alike_and_spreads_the_low_bits),
        cmocka_unit_test(grows_a_buffer_by_text_views_and_formats),
        cmocka_unit_test(keeps_all_bytes_of_a_large_buffer),
        cmocka_unit_test(has_room_for_what_is_known_to_come),
        cmocka_unit_test(remembers_a_failed_allocation_until_it_is_reset),
        cmocka_unit_test(has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Memory goes through the environment, and NULL means only one thing. */
#include <stdint.h>
#include <string.h>

#include "core/memory.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

static void
gives_zeros_from_the_environment(void **state)
{
    struct test_env test;
    (void)state;
    test_env_init(&test);
    unsigned char *bytes = wi_alloc(&test.env, 100);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(bytes[i], 0);
    }
    uint64_t *numbers = wi_alloc_array(&test.env, 3, sizeof *numbers);
    assert_true(numbers[0] == 0 && numbers[2] == 0);
    assert_int_equal(test.live, 2);
    wi_free(&test.env, bytes);
    wi_free(&test.env, numbers);
    test_env_assert_no_leak(&test);
}

static void
gives_a_block_for_size_0_so_that_null_means_no_memory(void **state)
{
    struct test_env test;
    (void)state;
    test_env_init(&test);
    void *none = wi_alloc(&test.env, 0);
    void *no_elements = wi_alloc_array(&test.env, 0, 8);
    void *no_size = wi_alloc_array(&test.env, 8, 0);
    assert_true(none != NULL && no_elements != NULL && no_size != NULL);
    none = wi_resize(&test.env, none, 0);
    assert_non_null(none);
    wi_free(&test.env, none);
    wi_free(&test.env, no_elements);
    wi_free(&test.env, no_size);
    wi_free(&test.env, NULL);
    test_env_assert_no_leak(&test);
}

static void
refuses_an_array_whose_size_overflows(void **state)
{
    struct test_env test;
    (void)state;
    test_env_init(&test);
    assert_null(wi_alloc_array(&test.env, SIZE_MAX / 8 + 1, 8));
    assert_null(wi_alloc_array(&test.env, SIZE_MAX, SIZE_MAX));
    assert_null(wi_resize_array(&test.env, NULL, SIZE_MAX / 2, 3));
    assert_int_equal(test.allocations, 0);
}

static void
keeps_the_content_when_growing_and_also_when_growing_fails(void **state)
{
    struct test_env test;
    (void)state;
    test_env_init(&test);
    test.fail_at = 3;
    char *text = wi_strdup(&test.env, "weir");
    text = wi_resize_array(&test.env, text, 10, 100);
    assert_string_equal(text, "weir");
    assert_null(wi_resize(&test.env, text, 100000));
    assert_string_equal(text, "weir");
    wi_free(&test.env, text);
    test_env_assert_no_leak(&test);
}

static void
copies_text_and_survives_every_allocation_failure(void **state)
{
    struct test_env test;
    (void)state;
    test_env_init(&test);
    char *copy = wi_strdup(&test.env, "");
    assert_string_equal(copy, "");
    wi_free(&test.env, copy);

    test_env_init(&test);
    test.fail_at = 1;
    assert_null(wi_strdup(&test.env, "weir"));
    test.fail_at = 2;
    assert_null(wi_alloc(&test.env, 10));
    test.fail_at = 3;
    assert_null(wi_alloc_array(&test.env, 10, 10));
    test_env_assert_no_leak(&test);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_zeros_from_the_environment),
        cmocka_unit_test(gives_a_block_for_size_0_so_that_null_means_no_memory),
        cmocka_unit_test(refuses_an_array_whose_size_overflows),
        cmocka_unit_test(keeps_the_content_when_growing_and_also_when_growing_fails),
        cmocka_unit_test(copies_text_and_survives_every_allocation_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

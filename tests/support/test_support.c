/* The helpers that all other tests rely on. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/test_dir.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

static void *
resize(struct test_env *test, void *memory, size_t size)
{
    return test->env.allocator.resize(test->env.allocator.context, memory, size);
}

static void
counts_blocks_and_refuses_the_chosen_allocation_only(void **state)
{
    struct test_env test;
    void *first;
    (void)state;
    test_env_init(&test);
    test.fail_at = 2;

    first = resize(&test, NULL, 10);
    assert_non_null(first);
    assert_false(test_env_has_failed(&test));
    assert_null(resize(&test, first, 20));
    assert_true(test_env_has_failed(&test));
    first = resize(&test, first, 30);
    assert_non_null(first);
    assert_int_equal(test.live, 1);

    assert_null(resize(&test, first, 0));
    assert_null(resize(&test, NULL, 0));
    test_env_assert_no_leak(&test);
    assert_int_equal(test.allocations, 3);
}

static void
moves_both_clocks_by_hand_only(void **state)
{
    struct test_env test;
    struct weir_clock *clock = &test.env.clock;
    (void)state;
    test_env_init(&test);

    assert_true(clock->mono(clock->context).ns == TEST_ENV_START_MONO_NS);
    test_env_advance_ms(&test, 1500);
    assert_true(clock->mono(clock->context).ns == TEST_ENV_START_MONO_NS + 1500000000);
    assert_true(clock->wall(clock->context).ms == TEST_ENV_START_WALL_MS + 1500);
}

static void
repeats_its_random_sequence_for_one_seed(void **state)
{
    struct test_env test;
    struct weir_rng *rng = &test.env.rng;
    uint64_t first;
    (void)state;
    test_env_init(&test);

    first = rng->next(rng->context);
    assert_true(first != rng->next(rng->context));
    test.rng_state = TEST_ENV_SEED;
    assert_true(first == rng->next(rng->context));
}

static void
keeps_the_last_log_line(void **state)
{
    struct test_env test;
    struct weir_logger *logger = &test.env.logger;
    (void)state;
    test_env_init(&test);

    logger->log(logger->context, WEIR_LOG_WARN, "worker", "the disk is full");
    assert_int_equal(test.log_lines, 1);
    assert_int_equal(test.last_log_level, WEIR_LOG_WARN);
    assert_string_equal(test.last_log, "worker: the disk is full");
}

static void
removes_a_folder_with_all_that_is_in_it(void **state)
{
    struct test_dir dir;
    struct stat status;
    char path[TEST_DIR_PATH_SIZE];
    char file[TEST_DIR_PATH_SIZE];
    FILE *stream;
    (void)state;
    test_dir_make(&dir);
    test_dir_join(&dir, "inner", path, sizeof path);
    assert_int_equal(mkdir(path, 0700), 0);
    test_dir_join(&dir, "inner/file", file, sizeof file);
    stream = fopen(file, "w");
    assert_non_null(stream);
    assert_int_equal(fclose(stream), 0);
    (void)snprintf(path, sizeof path, "%s", dir.path);

    test_dir_remove(&dir);
    assert_int_equal(stat(path, &status), -1);
    test_dir_remove(&dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_blocks_and_refuses_the_chosen_allocation_only),
        cmocka_unit_test(moves_both_clocks_by_hand_only),
        cmocka_unit_test(repeats_its_random_sequence_for_one_seed),
        cmocka_unit_test(keeps_the_last_log_line),
        cmocka_unit_test(removes_a_folder_with_all_that_is_in_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

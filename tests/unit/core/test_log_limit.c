/* Lines that would come again and again: told at once, then with a count, and bounded in number. */
#include <stdint.h>
#include <stdio.h>

#include <weir/env.h>

#include "core/log_limit.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

static void
tells_at_once_and_then_counts(void **state)
{
    struct wi_log_limit limit;
    struct test_env test;

    (void)state;
    test_env_init(&test);
    wi_log_limit_init(&limit, &test.env, "worker");
    for (int i = 1; i <= 5; i++) {
        wi_log_limited(&limit, WEIR_LOG_WARN, "fetch", "failed %d", i);
    }
    assert_int_equal(test.log_lines, 1);
    assert_string_equal(test.last_log, "worker: failed 1");
    test_env_advance_ms(&test, WI_LOG_LIMIT_INTERVAL_MS);
    wi_log_limited(&limit, WEIR_LOG_WARN, "fetch", "failed %d", 6);
    assert_int_equal(test.log_lines, 2);
    assert_string_equal(test.last_log, "worker: failed 6 (and 4 times before)");
    wi_log_limit_destroy(&limit);
}

static void
tells_kinds_apart(void **state)
{
    struct wi_log_limit limit;
    struct test_env test;

    (void)state;
    test_env_init(&test);
    wi_log_limit_init(&limit, &test.env, "worker");
    wi_log_limited(&limit, WEIR_LOG_WARN, "a", "of a");
    wi_log_limited(&limit, WEIR_LOG_WARN, "b", "of b");
    assert_int_equal(test.log_lines, 2);
    wi_log_limit_destroy(&limit);
}

/* A thousand shards that fail one way each do not fill the log. */
static void
bounds_the_kinds(void **state)
{
    struct wi_log_limit limit;
    struct test_env test;
    char kind[32];

    (void)state;
    test_env_init(&test);
    wi_log_limit_init(&limit, &test.env, "worker");
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(kind, sizeof kind, "shard %u", i);
        wi_log_limited(&limit, WEIR_LOG_WARN, kind, "failed");
    }
    assert_int_equal(test.log_lines, WI_LOG_LIMIT_KINDS_MAX);
    test_env_advance_ms(&test, WI_LOG_LIMIT_INTERVAL_MS);
    wi_log_limited(&limit, WEIR_LOG_WARN, "something new", "new");
    assert_int_equal(test.log_lines, WI_LOG_LIMIT_KINDS_MAX + 1);
    assert_string_equal(test.last_log, "worker: new");
    wi_log_limit_destroy(&limit);
}

/* What nobody wants to hear is not counted either: it would be told of later, at another level. */
static void
keeps_to_the_level(void **state)
{
    struct wi_log_limit limit;
    struct test_env test;

    (void)state;
    test_env_init(&test);
    test.env.logger.level = WEIR_LOG_ERROR;
    wi_log_limit_init(&limit, &test.env, "worker");
    wi_log_limited(&limit, WEIR_LOG_WARN, "a", "quiet");
    assert_int_equal(test.log_lines, 0);
    wi_log_limited(&limit, WEIR_LOG_ERROR, "a", "loud");
    assert_string_equal(test.last_log, "worker: loud");
    wi_log_limit_destroy(&limit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_at_once_and_then_counts),
        cmocka_unit_test(tells_kinds_apart),
        cmocka_unit_test(bounds_the_kinds),
        cmocka_unit_test(keeps_to_the_level),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The real environment: memory, clocks, randomness and lines on stderr. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>
#include <weir/version.h>

#include "core/clock.h"
#include "core/memory.h"
#include "core/mono.h"
#include "core/timestamp.h"
#include "tests/support/weir_test.h"

static void
gives_memory_that_keeps_its_content(void **state)
{
    const struct weir_env *env = weir_env_default();
    (void)state;
    char *text = wi_strdup(env, "weir");
    text = wi_resize(env, text, 100000);
    assert_string_equal(text, "weir");
    wi_free(env, text);
    wi_free(env, NULL);
    assert_null(env->allocator.resize(env->allocator.context, NULL, 0));
}

static void
has_a_monotonic_clock_that_does_not_go_back(void **state)
{
    const struct weir_env *env = weir_env_default();
    struct weir_mono last = wi_mono_now(env);
    (void)state;
    assert_true(last.ns > 0);
    for (int i = 0; i < 1000; i++) {
        struct weir_mono now = wi_mono_now(env);
        assert_false(wi_mono_before(now, last));
        last = now;
    }
}

static void
agrees_with_the_wall_clock_of_the_system(void **state)
{
    time_t before = time(NULL);
    int64_t ms = wi_wall_now(weir_env_default()).ms;
    (void)state;
    /* time() may lag behind by a tick of the kernel. */
    assert_in_range(ms, (uint64_t)before * 1000, ((uint64_t)time(NULL) + 2) * 1000);
}

static void
never_repeats_a_random_number(void **state)
{
    uint64_t seen[100];
    uint64_t ones = 0;
    uint64_t zeros = 0;
    (void)state;
    for (size_t i = 0; i < 100; i++) {
        seen[i] = wi_random(weir_env_default());
        ones |= seen[i];
        zeros |= ~seen[i];
        for (size_t j = 0; j < i; j++) {
            assert_true(seen[i] != seen[j]);
        }
    }
    assert_true(ones == UINT64_MAX && zeros == UINT64_MAX);
}

/* What the logger writes to stderr for one call. */
static void
capture(enum weir_log_level level, const char *message, char *text, size_t size)
{
    const struct weir_env *env = weir_env_default();
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    int real_stderr = dup(STDERR_FILENO);
    assert_true(real_stderr >= 0 && dup2(fds[1], STDERR_FILENO) >= 0);
    env->logger.log(env->logger.context, level, "worker", message);
    assert_true(dup2(real_stderr, STDERR_FILENO) >= 0);
    (void)close(real_stderr);
    (void)close(fds[1]);
    ssize_t length = read(fds[0], text, size - 1);
    (void)close(fds[0]);
    text[length < 0 ? 0 : length] = '\0';
}

static void
logs_time_level_component_pid_and_message_in_one_line(void **state)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    char text[4096];
    char rest[128];
    (void)state;
    for (int level = WEIR_LOG_ERROR; level <= WEIR_LOG_DEBUG; level++) {
        int64_t ms = 0;
        capture((enum weir_log_level)level, "shard is blocked", text, sizeof text);
        assert_int_equal(wi_timestamp_parse((struct weir_str){text, 24}, &ms), WEIR_OK);
        assert_true(ms > INT64_C(1700000000000));
        (void)snprintf(
            rest, sizeof rest, " %s worker %ld shard is blocked\n", names[level], (long)getpid());
        assert_string_equal(text + 24, rest);
    }
    assert_int_equal(weir_env_default()->logger.level, WEIR_LOG_WARN);
}

static void
ends_the_longest_line_with_a_line_break_too(void **state)
{
    char message[4000];
    char text[4096];
    (void)state;
    memset(message, 'x', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    capture(WEIR_LOG_ERROR, message, text, sizeof text);
    assert_true(strlen(text) < 2000);
    assert_string_equal(text + strlen(text) - 2, "x\n");
}

static void
knows_its_version(void **state)
{
    char text[32];
    (void)state;
    (void)snprintf(
        text, sizeof text, "%d.%d.%d", WEIR_VERSION_MAJOR, WEIR_VERSION_MINOR, WEIR_VERSION_PATCH);
    assert_string_equal(weir_version(), text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_memory_that_keeps_its_content),
        cmocka_unit_test(has_a_monotonic_clock_that_does_not_go_back),
        cmocka_unit_test(agrees_with_the_wall_clock_of_the_system),
        cmocka_unit_test(never_repeats_a_random_number),
        cmocka_unit_test(logs_time_level_component_pid_and_message_in_one_line),
        cmocka_unit_test(ends_the_longest_line_with_a_line_break_too),
        cmocka_unit_test(knows_its_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The checker as an object: settings, memory, what it says and when it stops. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>

#include "sim/checker.h"
#include "sim/history.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"
#include "tests/unit/sim/history_fixture.h"
#include "tests/unit/sim/history_model.h"

#define NS_PER_MS 1000000

static const struct wi_checker_settings no_bounds;

/* Worker 1 has shard 1 under epoch 2 with records 1 to 3, and was initialized. */
static const struct wi_history_event opening[] = {
    {.kind = WI_HISTORY_WORKER, .worker = 1},
    {.kind = WI_HISTORY_WORKER, .worker = 2},
    {.kind = WI_HISTORY_SHARD, .shard = 1},
    {.kind = WI_HISTORY_ROW, .shard = 1, .epoch = 1, .operation = WI_OPERATION_CREATE},
    {.kind = WI_HISTORY_PUT, .shard = 1, .first = 1, .key = 1},
    {.kind = WI_HISTORY_PUT, .shard = 1, .first = 2, .key = 2},
    {.kind = WI_HISTORY_PUT, .shard = 1, .first = 3, .key = 1},
    {.kind = WI_HISTORY_ROW, .shard = 1, .worker = 1, .epoch = 2, .operation = WI_OPERATION_ASSIGN},
    {.kind = WI_HISTORY_HOLD,
     .worker = 1,
     .shard = 1,
     .epoch = 2,
     .until_ns = 8000 * (int64_t)NS_PER_MS},
    {.kind = WI_HISTORY_INITIALIZE, .worker = 1, .shard = 1, .epoch = 2},
};

static struct wi_checker *
given_opening(const struct wi_checker_settings *settings)
{
    struct wi_checker *checker = NULL;
    struct wi_violation violation;

    assert_int_equal(wi_checker_new(weir_env_default(), settings, &checker), WEIR_OK);
    for (size_t i = 0; i < sizeof opening / sizeof opening[0]; i++) {
        assert_true(wi_checker_feed(checker, &opening[i], &violation));
    }
    return checker;
}

static void
refuses_bounds_out_of_range(void **state)
{
    struct wi_checker_settings settings = {.stop_ms = -1};
    struct wi_checker *checker = NULL;
    (void)state;

    assert_int_equal(wi_checker_new(weir_env_default(), &settings, &checker), WEIR_EINVAL);
    settings.stop_ms = INT64_MAX;
    assert_int_equal(wi_checker_new(weir_env_default(), &settings, &checker), WEIR_EINVAL);
    assert_null(checker);
    wi_checker_free(NULL);
}

static void
says_once_and_for_ever_what_is_broken(void **state)
{
    struct wi_checker *checker = given_opening(&no_bounds);
    const struct wi_history_event quiet = {.kind = WI_HISTORY_QUIET};
    const struct wi_history_event healed = {.kind = WI_HISTORY_HEALED};
    struct wi_violation first;
    struct wi_violation second;
    (void)state;

    assert_false(wi_checker_feed(checker, &quiet, &first));
    assert_string_equal(first.property, "G1");
    assert_string_equal(first.name, "no loss");
    assert_non_null(strstr(first.text, "record 1 and 3 in all"));
    assert_int_equal(first.event, sizeof opening / sizeof opening[0]);
    assert_false(wi_checker_feed(checker, &healed, &second));
    assert_string_equal(second.property, "G1");
    assert_int_equal(second.event, first.event);
    wi_checker_free(checker);
}

static void
names_every_property(void **state)
{
    static const char *const groups[] = {"G", "I", "L", "P"};
    static const unsigned sizes[] = {8, 16, 7, 14};
    (void)state;

    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        unsigned count = 0;

        for (const struct wi_property *p = wi_checker_properties(); p->property != NULL; p++) {
            assert_true(strlen(p->name) > 0 && strlen(p->formula) > 0);
            count += p->property[0] == groups[i][0] ? 1 : 0;
        }
        assert_int_equal(count, sizes[i]);
    }
}

static const struct wi_history_event wrong[] = {
    {.kind = WI_HISTORY_KINDS},
    {.kind = WI_HISTORY_SHARD},
    {.kind = WI_HISTORY_SHARD, .shard = 1},
    {.kind = WI_HISTORY_SHARD, .shard = 9, .parents = {9, 0}},
    {.kind = WI_HISTORY_SHARD, .shard = 9, .parents = {1, 1}},
    {.kind = WI_HISTORY_SHARD, .shard = WI_HISTORY_SHARDS_MAX + 1},
    {.kind = WI_HISTORY_WORKER},
    {.kind = WI_HISTORY_WORKER, .worker = WI_HISTORY_WORKERS_MAX + 1},
    {.kind = WI_HISTORY_PUT, .shard = 1, .key = 1},
    {.kind = WI_HISTORY_PUT, .shard = 1, .first = 4},
    {.kind = WI_HISTORY_PUT, .shard = 1, .first = 4, .key = WI_HISTORY_KEYS_MAX + 1},
    {.kind = WI_HISTORY_PUT, .shard = 2, .first = 4, .key = 1},
    {.kind = WI_HISTORY_TRIM, .shard = 1},
    {.kind = WI_HISTORY_GONE, .worker = 3},
    {.kind = WI_HISTORY_HANG, .worker = 1},
    {.kind = WI_HISTORY_DEAD_LETTER, .shard = 1, .first = 9},
    {.kind = WI_HISTORY_BEGIN, .worker = 1, .shard = 1, .epoch = 2, .first = 1, .last = 1},
    {.kind = WI_HISTORY_BEGIN,
     .worker = 1,
     .shard = 1,
     .epoch = 2,
     .last = 1,
     .count = 1,
     .attempt = 1},
    {.kind = WI_HISTORY_BEGIN,
     .worker = 1,
     .shard = 1,
     .epoch = 2,
     .first = 2,
     .last = 1,
     .count = 1,
     .attempt = 1},
    {.kind = WI_HISTORY_BEGIN,
     .worker = 1,
     .shard = 1,
     .epoch = 2,
     .first = 1,
     .last = 1,
     .count = 1},
    {.kind = WI_HISTORY_END, .worker = 1, .shard = 1},
    {.kind = WI_HISTORY_LEADER, .worker = 7, .epoch = 1},
    {.kind = WI_HISTORY_HEALED, .time_ns = -1},
};

static void
refuses_events_that_no_history_has(void **state)
{
    (void)state;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct wi_checker *checker = given_opening(&no_bounds);
        struct wi_violation violation = {.property = ""};

        assert_false(wi_checker_feed(checker, &wrong[i], &violation));
        assert_string_equal(violation.property, "H1");
        wi_checker_free(checker);
    }
}

static void
takes_the_largest_numbers(void **state)
{
    const struct wi_history_event events[] = {
        {.kind = WI_HISTORY_WORKER, .worker = WI_HISTORY_WORKERS_MAX},
        {.kind = WI_HISTORY_SHARD, .shard = WI_HISTORY_SHARDS_MAX},
        {.kind = WI_HISTORY_PUT,
         .shard = WI_HISTORY_SHARDS_MAX,
         .first = UINT64_MAX,
         .key = WI_HISTORY_KEYS_MAX,
         .time_ns = INT64_MAX},
    };
    struct wi_checker *checker = given_opening(&no_bounds);
    struct wi_violation violation;
    (void)state;

    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        assert_true(wi_checker_feed(checker, &events[i], &violation));
    }
    wi_checker_free(checker);
}

static void
bounds_of_zero_demand_nothing(void **state)
{
    struct wi_checker *checker = given_opening(&no_bounds);
    const struct wi_history_event events[] = {
        {.kind = WI_HISTORY_HEALED},
        {.kind = WI_HISTORY_GONE, .worker = 1},
        {.kind = WI_HISTORY_LEAVING, .worker = 2, .time_ns = 1},
        {.kind = WI_HISTORY_PUT, .shard = 1, .first = 9, .key = 1, .time_ns = INT64_MAX},
    };
    struct wi_violation violation;
    (void)state;

    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        assert_true(wi_checker_feed(checker, &events[i], &violation));
    }
    wi_checker_free(checker);
}

/* Nothing can be demanded of nobody: bounds count from the moment at which a worker is there. */
static void
demands_nothing_while_no_worker_could_do_it(void **state)
{
    const struct wi_checker_settings settings = {.crash_takeover_ms = 500, .hang_takeover_ms = 900};
    struct wi_checker *checker = given_opening(&settings);
    const int64_t day_ns = 86400000 * (int64_t)NS_PER_MS;
    struct wi_history_event events[] = {
        {.kind = WI_HISTORY_HEALED},
        {.kind = WI_HISTORY_GONE, .worker = 2},
        {.kind = WI_HISTORY_GONE, .worker = 1},
        {.kind = WI_HISTORY_WORKER, .worker = 3, .time_ns = day_ns},
        {.kind = WI_HISTORY_PUT, .shard = 1, .first = 4, .key = 1, .time_ns = day_ns},
        {.kind = WI_HISTORY_PUT, .shard = 1, .first = 5, .key = 1, .time_ns = day_ns},
    };
    struct wi_violation violation = {.property = ""};
    (void)state;
    events[4].time_ns += 500 * (int64_t)NS_PER_MS;
    events[5].time_ns += 501 * (int64_t)NS_PER_MS;

    for (size_t i = 0; i < 5; i++) {
        assert_true(wi_checker_feed(checker, &events[i], &violation));
    }
    assert_false(wi_checker_feed(checker, &events[5], &violation));
    assert_string_equal(violation.property, "L1");
    wi_checker_free(checker);
}

static void
survives_every_allocation_failure(void **state)
{
    struct history_model_result result;
    size_t failures = 0;
    bool failed = true;
    (void)state;
    history_model_run(3, 300, &result);

    for (size_t n = 1; failed; n++) {
        struct test_env test;
        struct wi_checker *checker = NULL;
        struct wi_violation violation = {.text = "no memory"};
        bool holds;

        test_env_init(&test);
        test.fail_at = n;
        holds = wi_checker_new(&test.env, &result.settings, &checker) == WEIR_OK;
        for (size_t i = 0; i < result.count && holds; i++) {
            holds = wi_checker_feed(checker, &result.events[i], &violation);
        }
        failed = test_env_has_failed(&test);
        assert_true(holds == !failed);
        assert_true(holds || strncmp(violation.text, "no memory", 9) == 0);
        wi_checker_free(checker);
        test_env_assert_no_leak(&test);
        failures++;
    }
    assert_true(failures > 20);
    free(result.events);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bounds_out_of_range),
        cmocka_unit_test(says_once_and_for_ever_what_is_broken),
        cmocka_unit_test(names_every_property),
        cmocka_unit_test(refuses_events_that_no_history_has),
        cmocka_unit_test(takes_the_largest_numbers),
        cmocka_unit_test(bounds_of_zero_demand_nothing),
        cmocka_unit_test(demands_nothing_while_no_worker_could_do_it),
        cmocka_unit_test(survives_every_allocation_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Whether and when a request is made again. */
#include <stdbool.h>
#include <stdint.h>

#include <weir/env.h>

#include "aws/aws_client.h"
#include "aws/aws_retry.h"
#include "core/mono.h"
#include "tests/support/weir_test.h"

static struct wi_aws_attempt attempt_of(enum wi_aws_class class)
{
    return (struct wi_aws_attempt){
        .class = class,
        .repeatable = true,
        .attempts = 1,
        .attempts_max = 3,
        .retry_after_ms = -1,
        .now = {1000000},
        .deadline = WI_MONO_NEVER,
        .random = UINT64_MAX / 2,
    };
}

static struct wi_aws_decision
decide(const struct wi_aws_attempt *attempt)
{
    struct wi_aws_retry retry = {.paid = 0};
    struct wi_aws_budget budget = {WI_AWS_BUDGET_MAX};

    return wi_aws_retry_decide(&retry, &budget, attempt);
}

static void
ends_on_what_repeating_cannot_change(void **state)
{
    static const enum wi_aws_class classes[] = {
        WI_AWS_OK,
        WI_AWS_CONDITION,
        WI_AWS_NOT_FOUND,
        WI_AWS_IN_USE,
        WI_AWS_EXPIRED,
        WI_AWS_DENIED,
        WI_AWS_INVALID,
        WI_AWS_OTHER};

    (void)state;
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        struct wi_aws_attempt attempt = attempt_of(classes[i]);
        assert_int_equal(decide(&attempt).step, WI_AWS_END);
    }
}

static void
repeats_what_may_pass_with_jitter_below_the_ceiling(void **state)
{
    static const enum wi_aws_class classes[] = {WI_AWS_THROTTLED, WI_AWS_SERVER, WI_AWS_NO_ANSWER};
    static const int64_t bases_ms[] = {
        WI_AWS_BACKOFF_THROTTLE_MS, WI_AWS_BACKOFF_BASE_MS, WI_AWS_BACKOFF_BASE_MS};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        for (uint64_t random = 0; random < 100; random++) {
            struct wi_aws_attempt attempt = attempt_of(classes[i]);
            struct wi_aws_decision decision;

            attempt.attempts = 2;
            attempt.random = random * 0x9e3779b97f4a7c15;
            decision = decide(&attempt);
            assert_int_equal(decision.step, WI_AWS_AGAIN);
            assert_in_range(decision.wait_ms, 0, 2 * bases_ms[i]);
        }
    }
}

/* The rule of the header: an attempt without an answer may have been carried out. */
static void
never_repeats_an_unknown_outcome_unless_allowed(void **state)
{
    static const enum wi_aws_class classes[] = {WI_AWS_SERVER, WI_AWS_NO_ANSWER};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct wi_aws_attempt attempt = attempt_of(classes[i]);

        attempt.outcome_unknown = true;
        assert_int_equal(decide(&attempt).step, WI_AWS_AGAIN);
        attempt.repeatable = false;
        assert_int_equal(decide(&attempt).step, WI_AWS_END);
        attempt.outcome_unknown = false;
        assert_int_equal(decide(&attempt).step, WI_AWS_AGAIN);
    }
}

static void
ends_at_the_last_attempt_the_deadline_and_a_shutdown(void **state)
{
    struct wi_aws_attempt attempt = attempt_of(WI_AWS_NO_ANSWER);

    (void)state;
    attempt.attempts = attempt.attempts_max;
    assert_int_equal(decide(&attempt).step, WI_AWS_END);

    attempt = attempt_of(WI_AWS_THROTTLED);
    attempt.retry_after_ms = 100;
    attempt.deadline = wi_mono_add_ms(attempt.now, 100);
    attempt.random = 0;
    assert_int_equal(decide(&attempt).step, WI_AWS_END);
    attempt.deadline = wi_mono_add_ms(attempt.now, 101);
    assert_int_equal(decide(&attempt).step, WI_AWS_AGAIN);

    attempt = attempt_of(WI_AWS_NO_ANSWER);
    attempt.canceled = true;
    assert_int_equal(decide(&attempt).step, WI_AWS_END);
}

static void
waits_as_long_as_the_service_asks_up_to_a_bound(void **state)
{
    struct wi_aws_attempt attempt = attempt_of(WI_AWS_THROTTLED);

    (void)state;
    attempt.retry_after_ms = 7000;
    assert_int_equal(decide(&attempt).wait_ms, 7000);
    attempt.retry_after_ms = INT64_MAX;
    assert_int_equal(decide(&attempt).wait_ms, WI_AWS_RETRY_AFTER_MAX_MS);
}

static void
mends_the_signature_once_each(void **state)
{
    struct wi_aws_retry retry = {.paid = 0};
    struct wi_aws_budget budget = {0};
    struct wi_aws_attempt attempt = attempt_of(WI_AWS_DENIED);

    (void)state;
    attempt.attempts = attempt.attempts_max;
    attempt.repeatable = false;
    attempt.expired_token = true;
    assert_int_equal(wi_aws_retry_decide(&retry, &budget, &attempt).step, WI_AWS_REFRESH);
    assert_int_equal(wi_aws_retry_decide(&retry, &budget, &attempt).step, WI_AWS_END);
    attempt.skewed = true;
    assert_int_equal(wi_aws_retry_decide(&retry, &budget, &attempt).step, WI_AWS_CORRECT);
    assert_int_equal(wi_aws_retry_decide(&retry, &budget, &attempt).step, WI_AWS_END);
}

/* When a service is down, the load falls to that of first attempts. */
static void
stops_repeating_when_the_budget_is_spent_and_earns_it_back(void **state)
{
    struct wi_aws_budget budget = {WI_AWS_BUDGET_MAX};
    const struct wi_aws_attempt failed = attempt_of(WI_AWS_NO_ANSWER);
    const struct wi_aws_attempt good = attempt_of(WI_AWS_OK);
    int repeated = 0;

    (void)state;
    for (;;) {
        struct wi_aws_retry retry = {.paid = 0};
        if (wi_aws_retry_decide(&retry, &budget, &failed).step != WI_AWS_AGAIN) {
            break;
        }
        repeated++;
    }
    assert_int_equal(repeated, WI_AWS_BUDGET_MAX / WI_AWS_BUDGET_TIMEOUT);
    assert_in_range(budget.tokens, 0, WI_AWS_BUDGET_TIMEOUT - 1);
    for (int i = 0; i < 2 * WI_AWS_BUDGET_MAX; i++) {
        struct wi_aws_retry retry = {.paid = 0};
        assert_int_equal(wi_aws_retry_decide(&retry, &budget, &good).step, WI_AWS_END);
    }
    assert_int_equal(budget.tokens, WI_AWS_BUDGET_MAX);
}

static void
gives_back_what_a_retry_that_helped_has_cost(void **state)
{
    struct wi_aws_budget budget = {100};
    struct wi_aws_retry retry = {.paid = 0};
    const struct wi_aws_attempt throttled = attempt_of(WI_AWS_THROTTLED);
    const struct wi_aws_attempt good = attempt_of(WI_AWS_OK);

    (void)state;
    assert_int_equal(wi_aws_retry_decide(&retry, &budget, &throttled).step, WI_AWS_AGAIN);
    assert_int_equal(budget.tokens, 100 - WI_AWS_BUDGET_RETRY);
    assert_int_equal(wi_aws_retry_decide(&retry, &budget, &good).step, WI_AWS_END);
    assert_int_equal(budget.tokens, 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_on_what_repeating_cannot_change),
        cmocka_unit_test(repeats_what_may_pass_with_jitter_below_the_ceiling),
        cmocka_unit_test(never_repeats_an_unknown_outcome_unless_allowed),
        cmocka_unit_test(ends_at_the_last_attempt_the_deadline_and_a_shutdown),
        cmocka_unit_test(waits_as_long_as_the_service_asks_up_to_a_bound),
        cmocka_unit_test(mends_the_signature_once_each),
        cmocka_unit_test(stops_repeating_when_the_budget_is_spent_and_earns_it_back),
        cmocka_unit_test(gives_back_what_a_retry_that_helped_has_cost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

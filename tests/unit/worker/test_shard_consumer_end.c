/* Rules S13 to S17 of docs/state-machines-consumer.md, "Shard consumer": how a life ends. */
#include "core/position.h"
#include "tests/support/weir_test.h"
#include "tests/unit/worker/consumer_fixture.h"

static void
assert_position(struct weir_position actual, struct weir_position expected)
{
    assert_int_equal(actual.type, expected.type);
    assert_int_equal(wi_checkpoint_compare(&actual, &expected), 0);
}

static struct wi_consumer_action
after_back_off(struct wi_consumer *consumer, int64_t now_ms)
{
    return step_at(consumer, WI_CONSUMER_STEP, now_ms + RETRY_CAP_MS);
}

/* S13, S14 */
static void
finishes_and_releases_a_shard_that_has_ended(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_at_shard_end(&consumer);

    assert_int_equal(
        ended_at(&consumer, WI_CONSUMER_CALL_RETURNED, WEIR_OK, 5).type, WI_CONSUMER_FINISH_SHARD);
    struct wi_consumer_action action = ended_at(&consumer, WI_CONSUMER_FINISHED, WEIR_OK, 6);
    assert_int_equal(action.type, WI_CONSUMER_RELEASE);
    assert_false(action.has_checkpoint);
    assert_position(action.handed_through, after(20));
    assert_int_equal(ended_at(&consumer, WI_CONSUMER_RELEASED, WEIR_OK, 7).type, WI_CONSUMER_DONE);
    assert_int_equal(consumer.reason, WI_SHUTDOWN_SHARD_END);
}

/* S13 */
static void
calls_shard_ended_for_a_shard_that_ends_with_an_empty_fetch(void **state)
{
    struct wi_consumer consumer;
    struct wi_consumer_event event = {
        .type = WI_CONSUMER_FETCHED,
        .now = at_ms(5),
        .deadline = at_ms(DEADLINE_MS),
        .next = after(10),
        .at_shard_end = true,
    };
    (void)state;
    given_fetching(&consumer, after(10));

    assert_int_equal(wi_consumer_step(&consumer, &event).type, WI_CONSUMER_CALL_SHARD_ENDED);
}

/* S13 */
static void
calls_shard_ended_again_after_a_back_off_until_it_succeeds(void **state)
{
    struct wi_consumer consumer;
    struct wi_consumer_action action;
    (void)state;
    given_at_shard_end(&consumer);

    action = ended_at(&consumer, WI_CONSUMER_CALL_RETURNED, WEIR_EPROCESSOR, 5);
    assert_true(wi_consumer_is_blocked(&consumer));
    if (action.type == WI_CONSUMER_WAIT) {
        action = after_back_off(&consumer, 5);
    }
    assert_int_equal(action.type, WI_CONSUMER_CALL_SHARD_ENDED);
    assert_int_equal(
        ended_at(&consumer, WI_CONSUMER_CALL_RETURNED, WEIR_OK, 2000).type,
        WI_CONSUMER_FINISH_SHARD);
}

/* S13 */
static void
hands_over_a_shard_whose_shard_ended_keeps_failing(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_at_shard_end(&consumer);
    (void)step_at(&consumer, WI_CONSUMER_STOP, 4);

    assert_int_equal(
        ended_at(&consumer, WI_CONSUMER_CALL_RETURNED, WEIR_EPROCESSOR, 5).type,
        WI_CONSUMER_CALL_SHUTDOWN_REQUESTED);
    struct wi_consumer_action action = ended_at(&consumer, WI_CONSUMER_CALL_RETURNED, WEIR_OK, 6);
    assert_int_equal(action.type, WI_CONSUMER_RELEASE);
    assert_position(action.checkpoint, after(20));
}

/* S2, S13 */
static void
tells_of_a_loss_after_a_failed_shard_ended_but_not_after_a_successful_one(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_at_shard_end(&consumer);
    (void)step_at(&consumer, WI_CONSUMER_LEASE_LOST, 4);
    assert_int_equal(
        ended_at(&consumer, WI_CONSUMER_CALL_RETURNED, WEIR_EPROCESSOR, 5).type,
        WI_CONSUMER_CALL_LEASE_LOST);

    given_at_shard_end(&consumer);
    (void)step_at(&consumer, WI_CONSUMER_LEASE_LOST, 4);
    assert_int_equal(
        ended_at(&consumer, WI_CONSUMER_CALL_RETURNED, WEIR_OK, 5).type, WI_CONSUMER_DONE);
}

/* S14 */
static void
writes_shard_end_again_until_it_stands(void **state)
{
    struct wi_consumer consumer;
    struct wi_consumer_action action;
    (void)state;
    given_at_shard_end(&consumer);
    (void)ended_at(&consumer, WI_CONSUMER_CALL_RETURNED, WEIR_OK, 5);
    (void)step_at(&consumer, WI_CONSUMER_STOP, 6);

    action = ended_at(&consumer, WI_CONSUMER_FINISHED, WEIR_ETIMEOUT, 7);
    if (action.type == WI_CONSUMER_WAIT) {
        action = after_back_off(&consumer, 7);
    }
    assert_int_equal(action.type, WI_CONSUMER_FINISH_SHARD);
    assert_int_equal(
        ended_at(&consumer, WI_CONSUMER_FINISHED, WEIR_OK, 2000).type, WI_CONSUMER_RELEASE);
}

/* S14, S2 */
static void
ends_without_a_release_when_finishing_is_refused(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_at_shard_end(&consumer);
    (void)ended_at(&consumer, WI_CONSUMER_CALL_RETURNED, WEIR_OK, 5);

    assert_int_equal(
        ended_at(&consumer, WI_CONSUMER_FINISHED, WEIR_ELEASELOST, 6).type, WI_CONSUMER_DONE);
    assert_int_equal(consumer.reason, WI_SHUTDOWN_LEASE_LOST);
}

/* S15, S16 */
static void
counts_the_batch_in_flight_and_releases_with_its_checkpoint(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_processing(&consumer);
    (void)step_at(&consumer, WI_CONSUMER_STOP, 1);
    (void)ended_at(&consumer, WI_CONSUMER_PROCESSED, WEIR_OK, 2);

    struct wi_consumer_action action =
        ended_at(&consumer, WI_CONSUMER_CALL_RETURNED, WEIR_EPROCESSOR, 3);

    assert_int_equal(action.type, WI_CONSUMER_RELEASE);
    assert_true(action.has_checkpoint);
    assert_position(action.checkpoint, after(20));
    assert_position(action.handed_through, after(20));
    assert_int_equal(ended_at(&consumer, WI_CONSUMER_RELEASED, WEIR_OK, 4).type, WI_CONSUMER_DONE);
    assert_int_equal(consumer.reason, WI_SHUTDOWN_STOP);
}

/* S15 */
static void
does_not_retry_a_batch_that_fails_while_stopping(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_processing(&consumer);
    (void)step_at(&consumer, WI_CONSUMER_STOP, 1);

    assert_int_equal(failed_at(&consumer, 4, 14, 2).type, WI_CONSUMER_CALL_SHUTDOWN_REQUESTED);
    struct wi_consumer_action action = ended_at(&consumer, WI_CONSUMER_CALL_RETURNED, WEIR_OK, 3);
    assert_position(action.checkpoint, after(14));
    assert_position(action.handed_through, after(20));
}

/* S15 */
static void
drops_a_batch_that_arrives_after_the_stop(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_fetching(&consumer, after(10));
    (void)step_at(&consumer, WI_CONSUMER_STOP, 1);

    assert_int_equal(
        fetched_at(&consumer, (struct batch){10, 11, false}, 2).type,
        WI_CONSUMER_CALL_SHUTDOWN_REQUESTED);
    struct wi_consumer_action action = ended_at(&consumer, WI_CONSUMER_CALL_RETURNED, WEIR_OK, 3);
    assert_int_equal(action.type, WI_CONSUMER_RELEASE);
    assert_false(action.has_checkpoint);
    assert_position(action.handed_through, after(10));
}

/* S15 */
static void
stops_a_blocked_shard_without_waiting_for_its_back_off(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_processing(&consumer);
    (void)failed_at(&consumer, 0, 0, 1);
    if (consumer.in_flight != WI_CONSUMER_WAIT) {
        (void)ended_at(&consumer, WI_CONSUMER_FETCHED, WEIR_EIO, 1);
    }

    assert_int_equal(
        step_at(&consumer, WI_CONSUMER_STOP, 1).type, WI_CONSUMER_CALL_SHUTDOWN_REQUESTED);
    assert_int_equal(
        ended_at(&consumer, WI_CONSUMER_CALL_RETURNED, WEIR_OK, 1).type, WI_CONSUMER_RELEASE);
}

/* S16 */
static void
releases_without_a_checkpoint_in_explicit_mode(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_processing(&consumer);
    consumer.settings = &explicit_settings;
    (void)step_at(&consumer, WI_CONSUMER_STOP, 1);
    (void)ended_at(&consumer, WI_CONSUMER_PROCESSED, WEIR_OK, 2);

    struct wi_consumer_action action = ended_at(&consumer, WI_CONSUMER_CALL_RETURNED, WEIR_OK, 3);

    assert_int_equal(action.type, WI_CONSUMER_RELEASE);
    assert_false(action.has_checkpoint);
}

/* S12, S16: the next owner would resolve LATEST anew, and skip what has come since. */
static void
puts_an_anchor_that_was_not_written_yet_into_the_release(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_fetching(&consumer, sentinel(WEIR_LATEST));
    consumer.settings = &explicit_settings;
    (void)step_at(&consumer, WI_CONSUMER_STOP, 1);
    (void)fetched_nothing_at(&consumer, after(70), 2);

    struct wi_consumer_action action = ended_at(&consumer, WI_CONSUMER_CALL_RETURNED, WEIR_OK, 3);

    assert_int_equal(action.type, WI_CONSUMER_RELEASE);
    assert_true(action.has_checkpoint);
    assert_position(action.checkpoint, after(70));
    assert_position(action.handed_through, sentinel(WEIR_LATEST));
}

static void
given_releasing(struct wi_consumer *consumer)
{
    given_processing(consumer);
    (void)step_at(consumer, WI_CONSUMER_STOP, 1);
    (void)ended_at(consumer, WI_CONSUMER_PROCESSED, WEIR_OK, 2);
    assert_int_equal(
        ended_at(consumer, WI_CONSUMER_CALL_RETURNED, WEIR_OK, 3).type, WI_CONSUMER_RELEASE);
}

/* S16 */
static void
releases_again_until_the_deadline(void **state)
{
    struct wi_consumer consumer;
    struct wi_consumer_action action;
    (void)state;
    given_releasing(&consumer);

    action = ended_at(&consumer, WI_CONSUMER_RELEASED, WEIR_EBUSY, 10);
    if (action.type == WI_CONSUMER_WAIT) {
        action = after_back_off(&consumer, 10);
    }
    assert_int_equal(action.type, WI_CONSUMER_RELEASE);
    assert_position(action.checkpoint, after(20));
    assert_int_equal(
        ended_at(&consumer, WI_CONSUMER_RELEASED, WEIR_ETIMEOUT, DEADLINE_MS).type,
        WI_CONSUMER_DONE);
}

/* S16 */
static void
releases_without_the_checkpoint_when_the_row_is_further(void **state)
{
    struct wi_consumer consumer;
    struct wi_consumer_action action;
    (void)state;
    given_releasing(&consumer);

    action = ended_at(&consumer, WI_CONSUMER_RELEASED, WEIR_EINVAL, 10);
    if (action.type == WI_CONSUMER_WAIT) {
        action = after_back_off(&consumer, 10);
    }
    assert_int_equal(action.type, WI_CONSUMER_RELEASE);
    assert_false(action.has_checkpoint);
}

/* S2 */
static void
lets_a_release_in_flight_end_when_the_lease_is_lost(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_releasing(&consumer);
    assert_int_equal(step_at(&consumer, WI_CONSUMER_LEASE_LOST, 5).type, WI_CONSUMER_WAIT);
    assert_int_equal(ended_at(&consumer, WI_CONSUMER_RELEASED, WEIR_OK, 6).type, WI_CONSUMER_DONE);
    assert_int_equal(consumer.reason, WI_SHUTDOWN_STOP);

    given_releasing(&consumer);
    (void)step_at(&consumer, WI_CONSUMER_LEASE_LOST, 5);
    assert_int_equal(ended_at(&consumer, WI_CONSUMER_RELEASED, WEIR_EIO, 6).type, WI_CONSUMER_DONE);
    assert_int_equal(consumer.reason, WI_SHUTDOWN_LEASE_LOST);
}

/* S2, S15 */
static void
makes_no_second_final_call_when_the_lease_is_lost_during_shutdown_requested(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_processing(&consumer);
    (void)step_at(&consumer, WI_CONSUMER_STOP, 1);
    (void)ended_at(&consumer, WI_CONSUMER_PROCESSED, WEIR_OK, 2);
    (void)step_at(&consumer, WI_CONSUMER_LEASE_LOST, 3);

    assert_int_equal(
        ended_at(&consumer, WI_CONSUMER_CALL_RETURNED, WEIR_OK, 4).type, WI_CONSUMER_DONE);
}

/* S2: a session that is over takes its leases with it. */
static void
ends_without_a_release_when_the_session_is_lost(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_at_shard_end(&consumer);

    (void)ended_at(&consumer, WI_CONSUMER_CALL_RETURNED, WEIR_OK, 5);
    assert_int_equal(
        ended_at(&consumer, WI_CONSUMER_FINISHED, WEIR_ESESSIONLOST, 6).type, WI_CONSUMER_DONE);
    assert_false(wi_consumer_is_blocked(&consumer));
}

/* S16: refused though nothing was in it: the row is tried again as it is. */
static void
releases_again_when_a_release_without_a_checkpoint_is_refused(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_waiting(&consumer, after(10));

    assert_int_equal(step_at(&consumer, WI_CONSUMER_STOP, 1).type, WI_CONSUMER_RELEASE);
    assert_int_equal(
        ended_at(&consumer, WI_CONSUMER_RELEASED, WEIR_EINVAL, 2).type, WI_CONSUMER_WAIT);
    assert_int_equal(after_back_off(&consumer, 2).type, WI_CONSUMER_RELEASE);
    assert_int_equal(
        ended_at(&consumer, WI_CONSUMER_RELEASED, WEIR_OK, 9000).type, WI_CONSUMER_DONE);
}

/* S17: years of failures do not begin to count anew. */
static void
counts_failures_and_attempts_without_overflow(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_processing(&consumer);
    consumer.failures = UINT32_MAX;
    consumer.attempt = UINT32_MAX;

    (void)failed_at(&consumer, 0, 10, 5);
    assert_int_equal(consumer.failures, UINT32_MAX);
    assert_int_equal(consumer.attempt, UINT32_MAX);
    assert_true(wi_consumer_is_blocked(&consumer));
}

/* S17 */
static void
backs_off_at_most_as_long_as_the_cap_says_and_differently_by_seed(void **state)
{
    struct weir_position start = after(10);
    struct wi_consumer consumer;
    int64_t sums[2] = {0, 0};
    (void)state;

    for (uint64_t seed = 0; seed < 2; seed++) {
        wi_consumer_init(&consumer, &automatic_settings, &start, seed);
        (void)step_at(&consumer, WI_CONSUMER_PARENTS_FINISHED, 0);
        for (int64_t i = 0; i < 20; i++) {
            int64_t now_ms = i * 2 * RETRY_CAP_MS;
            (void)ended_at(&consumer, WI_CONSUMER_INITIALIZED, WEIR_EPROCESSOR, now_ms);
            assert_true(consumer.not_before.ns >= at_ms(now_ms).ns);
            assert_true(consumer.not_before.ns <= at_ms(now_ms + RETRY_CAP_MS).ns);
            sums[seed] += consumer.not_before.ns - at_ms(now_ms).ns;
            if (consumer.in_flight == WI_CONSUMER_WAIT) {
                (void)after_back_off(&consumer, now_ms);
            }
        }
    }
    assert_true(sums[0] != sums[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finishes_and_releases_a_shard_that_has_ended),
        cmocka_unit_test(calls_shard_ended_for_a_shard_that_ends_with_an_empty_fetch),
        cmocka_unit_test(calls_shard_ended_again_after_a_back_off_until_it_succeeds),
        cmocka_unit_test(hands_over_a_shard_whose_shard_ended_keeps_failing),
        cmocka_unit_test(tells_of_a_loss_after_a_failed_shard_ended_but_not_after_a_successful_one),
        cmocka_unit_test(writes_shard_end_again_until_it_stands),
        cmocka_unit_test(ends_without_a_release_when_finishing_is_refused),
        cmocka_unit_test(counts_the_batch_in_flight_and_releases_with_its_checkpoint),
        cmocka_unit_test(does_not_retry_a_batch_that_fails_while_stopping),
        cmocka_unit_test(drops_a_batch_that_arrives_after_the_stop),
        cmocka_unit_test(stops_a_blocked_shard_without_waiting_for_its_back_off),
        cmocka_unit_test(releases_without_a_checkpoint_in_explicit_mode),
        cmocka_unit_test(puts_an_anchor_that_was_not_written_yet_into_the_release),
        cmocka_unit_test(releases_again_until_the_deadline),
        cmocka_unit_test(releases_without_the_checkpoint_when_the_row_is_further),
        cmocka_unit_test(lets_a_release_in_flight_end_when_the_lease_is_lost),
        cmocka_unit_test(
            makes_no_second_final_call_when_the_lease_is_lost_during_shutdown_requested),
        cmocka_unit_test(ends_without_a_release_when_the_session_is_lost),
        cmocka_unit_test(releases_again_when_a_release_without_a_checkpoint_is_refused),
        cmocka_unit_test(counts_failures_and_attempts_without_overflow),
        cmocka_unit_test(backs_off_at_most_as_long_as_the_cap_says_and_differently_by_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

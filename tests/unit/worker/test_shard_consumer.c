/* One test per rule of docs/state-machines-consumer.md, "Shard consumer"; ends of the life are in
 * test_shard_consumer_end.c. */
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/position.h"
#include "tests/support/weir_test.h"
#include "tests/unit/worker/consumer_fixture.h"
#include "worker/shard_consumer.h"

static void
assert_position(struct weir_position actual, struct weir_position expected)
{
    assert_int_equal(actual.type, expected.type);
    assert_int_equal(wi_checkpoint_compare(&actual, &expected), 0);
}

/* S1 */
static void
notes_events_but_acts_only_when_the_call_has_returned(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_processing(&consumer);

    struct wi_consumer_action action = step_at(&consumer, WI_CONSUMER_STOP, 10);

    assert_int_equal(action.type, WI_CONSUMER_WAIT);
    assert_true(action.until.ns == INT64_MAX);
    assert_int_equal(
        ended_at(&consumer, WI_CONSUMER_PROCESSED, WEIR_OK, 20).type,
        WI_CONSUMER_CALL_SHUTDOWN_REQUESTED);
}

/* S2 */
static void
reports_a_lost_lease_only_after_process_records_has_returned(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_processing(&consumer);
    assert_int_equal(step_at(&consumer, WI_CONSUMER_LEASE_LOST, 30).type, WI_CONSUMER_WAIT);

    assert_int_equal(
        ended_at(&consumer, WI_CONSUMER_PROCESSED, WEIR_OK, 40).type, WI_CONSUMER_CALL_LEASE_LOST);
    assert_int_equal(
        ended_at(&consumer, WI_CONSUMER_CALL_RETURNED, WEIR_OK, 50).type, WI_CONSUMER_DONE);
    assert_int_equal(consumer.reason, WI_SHUTDOWN_LEASE_LOST);
}

/* S2 */
static void
believes_the_lease_lost_at_the_deadline_also_when_it_moves_on_later(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_processing(&consumer);
    struct wi_consumer_event late = {
        .type = WI_CONSUMER_STEP, .now = at_ms(50), .deadline = at_ms(50)};
    assert_int_equal(wi_consumer_step(&consumer, &late).type, WI_CONSUMER_WAIT);

    assert_int_equal(
        ended_at(&consumer, WI_CONSUMER_PROCESSED, WEIR_OK, 60).type, WI_CONSUMER_CALL_LEASE_LOST);
}

/* S3 */
static void
waits_for_the_parents_until_it_is_told_that_they_are_finished(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_waiting(&consumer, sentinel(WEIR_TRIM_HORIZON));

    assert_int_equal(step_at(&consumer, WI_CONSUMER_WAKE, 5).type, WI_CONSUMER_WAIT);
    assert_int_equal(
        step_at(&consumer, WI_CONSUMER_PARENTS_FINISHED, 9).type, WI_CONSUMER_CALL_INITIALIZE);
}

/* S4 */
static void
releases_without_a_processor_call_when_stopped_while_waiting(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_waiting(&consumer, after(10));

    struct wi_consumer_action action = step_at(&consumer, WI_CONSUMER_STOP, 5);

    assert_int_equal(action.type, WI_CONSUMER_RELEASE);
    assert_false(action.has_checkpoint);
    assert_position(action.handed_through, after(10));
    assert_int_equal(ended_at(&consumer, WI_CONSUMER_RELEASED, WEIR_OK, 6).type, WI_CONSUMER_DONE);
}

/* S4 */
static void
ends_without_any_call_when_the_lease_is_lost_while_waiting(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_waiting(&consumer, after(10));

    assert_int_equal(step_at(&consumer, WI_CONSUMER_LEASE_LOST, 5).type, WI_CONSUMER_DONE);
    assert_int_equal(step_at(&consumer, WI_CONSUMER_STEP, 6).type, WI_CONSUMER_DONE);
}

/* S4 */
static void
makes_no_final_call_when_initialize_has_not_succeeded(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    for (int lost = 0; lost < 2; lost++) {
        given_waiting(&consumer, after(10));
        (void)step_at(&consumer, WI_CONSUMER_PARENTS_FINISHED, 0);
        (void)step_at(&consumer, lost ? WI_CONSUMER_LEASE_LOST : WI_CONSUMER_STOP, 1);

        assert_int_equal(
            ended_at(&consumer, WI_CONSUMER_INITIALIZED, WEIR_EPROCESSOR, 2).type,
            lost ? WI_CONSUMER_DONE : WI_CONSUMER_RELEASE);
    }
}

/* S5 */
static void
calls_initialize_again_after_a_back_off(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_waiting(&consumer, after(10));
    (void)step_at(&consumer, WI_CONSUMER_PARENTS_FINISHED, 0);

    struct wi_consumer_action action =
        ended_at(&consumer, WI_CONSUMER_INITIALIZED, WEIR_EFENCED, 1);
    if (action.type == WI_CONSUMER_WAIT) {
        assert_true(action.until.ns <= at_ms(1 + RETRY_BASE_MS).ns);
        assert_true(wi_consumer_is_blocked(&consumer));
        action = step_at(&consumer, WI_CONSUMER_STEP, 1 + RETRY_BASE_MS);
    }

    assert_int_equal(action.type, WI_CONSUMER_CALL_INITIALIZE);
    assert_int_equal(
        ended_at(&consumer, WI_CONSUMER_INITIALIZED, WEIR_OK, 300).type, WI_CONSUMER_FETCH);
    assert_false(wi_consumer_is_blocked(&consumer));
}

/* S5 */
static void
asks_a_processor_to_give_back_what_it_initialized_while_being_stopped(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_waiting(&consumer, after(10));
    (void)step_at(&consumer, WI_CONSUMER_PARENTS_FINISHED, 0);
    (void)step_at(&consumer, WI_CONSUMER_STOP, 1);

    assert_int_equal(
        ended_at(&consumer, WI_CONSUMER_INITIALIZED, WEIR_OK, 2).type,
        WI_CONSUMER_CALL_SHUTDOWN_REQUESTED);
}

/* S6 */
static void
waits_after_an_empty_fetch_until_it_is_woken_or_polls(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_fetching(&consumer, after(10));

    struct wi_consumer_action action = fetched_nothing_at(&consumer, after(10), 100);
    assert_int_equal(action.type, WI_CONSUMER_WAIT);
    assert_true(action.until.ns == at_ms(100 + IDLE_POLL_MS).ns);
    assert_int_equal(step_at(&consumer, WI_CONSUMER_STEP, 200).type, WI_CONSUMER_WAIT);

    action = step_at(&consumer, WI_CONSUMER_WAKE, 300);
    assert_int_equal(action.type, WI_CONSUMER_FETCH);
    assert_position(action.position, after(10));
    (void)fetched_nothing_at(&consumer, after(10), 400);
    assert_int_equal(
        step_at(&consumer, WI_CONSUMER_STEP, 400 + IDLE_POLL_MS).type, WI_CONSUMER_FETCH);
}

/* S6 */
/* S6: a stream that limits reads says when to come back, after records too. */
static void
fetches_no_sooner_than_the_stream_wants(void **state)
{
    struct wi_consumer consumer;
    struct wi_consumer_event event = {
        .type = WI_CONSUMER_FETCHED,
        .now = at_ms(10),
        .deadline = at_ms(DEADLINE_MS),
        .next = after(10),
        .retry_after_ms = 40};
    struct wi_consumer_action action;

    (void)state;
    given_fetching(&consumer, after(10));
    action = wi_consumer_step(&consumer, &event);
    assert_int_equal(action.type, WI_CONSUMER_WAIT);
    assert_int_equal(action.until.ns, at_ms(50).ns);
    assert_int_equal(step_at(&consumer, WI_CONSUMER_STEP, 50).type, WI_CONSUMER_FETCH);

    event.now = at_ms(60);
    event.count = 1;
    event.first = after(11);
    event.last = after(11);
    event.next = after(11);
    assert_int_equal(wi_consumer_step(&consumer, &event).type, WI_CONSUMER_CALL_PROCESS_RECORDS);
    action = step_at(&consumer, WI_CONSUMER_PROCESSED, 70);
    assert_int_equal(action.type, WI_CONSUMER_WAIT);
    assert_int_equal(action.until.ns, at_ms(100).ns);
}

static void
looks_again_at_once_when_woken_during_an_empty_fetch(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_fetching(&consumer, after(10));
    assert_int_equal(step_at(&consumer, WI_CONSUMER_WAKE, 5).type, WI_CONSUMER_WAIT);

    assert_int_equal(fetched_nothing_at(&consumer, after(10), 10).type, WI_CONSUMER_FETCH);
    assert_int_equal(fetched_nothing_at(&consumer, after(10), 20).type, WI_CONSUMER_WAIT);
}

/* S7 */
static void
goes_on_behind_the_batch_when_it_is_processed(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_processing(&consumer);

    struct wi_consumer_action action = ended_at(&consumer, WI_CONSUMER_PROCESSED, WEIR_OK, 5);

    assert_int_equal(action.type, WI_CONSUMER_FETCH);
    assert_position(action.position, after(20));
    assert_position(consumer.tracker.processed, after(20));
    action = fetched_at(&consumer, (struct batch){3, 21, false}, 6);
    assert_int_equal(action.attempt, 1);
}

/* Let the back-off of a failure that happened by `now_ms` pass; the next action. */
static struct wi_consumer_action
after_back_off(struct wi_consumer *consumer, int64_t now_ms)
{
    return step_at(consumer, WI_CONSUMER_STEP, now_ms + RETRY_CAP_MS);
}

/* S8 */
static void
tries_the_same_records_again_as_the_next_attempt(void **state)
{
    struct wi_consumer consumer;
    struct wi_consumer_action action;
    (void)state;
    given_processing(&consumer);

    for (uint32_t attempt = 2; attempt < 6; attempt++) {
        int64_t now_ms = (int64_t)attempt * 2 * RETRY_CAP_MS;
        action = failed_at(&consumer, 0, 0, now_ms);
        assert_true(wi_consumer_is_blocked(&consumer));
        if (action.type == WI_CONSUMER_WAIT) {
            action = after_back_off(&consumer, now_ms);
        }
        assert_int_equal(action.type, WI_CONSUMER_FETCH);
        assert_position(action.position, after(10));
        action = fetched_at(&consumer, (struct batch){10, 11, false}, now_ms + RETRY_CAP_MS);
        assert_int_equal(action.type, WI_CONSUMER_CALL_PROCESS_RECORDS);
        assert_int_equal(action.attempt, attempt);
    }
    assert_position(consumer.tracker.processed, after(10));
    (void)ended_at(&consumer, WI_CONSUMER_PROCESSED, WEIR_OK, 90000);
    assert_false(wi_consumer_is_blocked(&consumer));
}

/* S8 */
static void
starts_anew_with_the_record_that_failed_when_some_are_done(void **state)
{
    struct wi_consumer consumer;
    struct wi_consumer_action action;
    (void)state;
    given_processing(&consumer);

    action = failed_at(&consumer, 4, 14, 10);
    if (action.type == WI_CONSUMER_WAIT) {
        action = after_back_off(&consumer, 10);
    }

    assert_int_equal(action.type, WI_CONSUMER_FETCH);
    assert_position(action.position, after(14));
    assert_position(consumer.tracker.processed, after(14));
    action = fetched_at(&consumer, (struct batch){6, 15, false}, 2000);
    assert_int_equal(action.attempt, 1);
}

/* S9 */
static void
fetches_again_from_the_same_position_after_any_other_error(void **state)
{
    static const enum weir_error errors[] = {
        WEIR_EIO, WEIR_ETHROTTLED, WEIR_ENOTFOUND, WEIR_EINVAL, WEIR_ENOMEM};
    struct wi_consumer consumer;
    (void)state;
    given_fetching(&consumer, after(10));

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        int64_t now_ms = (int64_t)i * 2 * RETRY_CAP_MS;
        struct wi_consumer_action action =
            ended_at(&consumer, WI_CONSUMER_FETCHED, errors[i], now_ms);
        if (action.type == WI_CONSUMER_WAIT) {
            action = after_back_off(&consumer, now_ms);
        }
        assert_int_equal(action.type, WI_CONSUMER_FETCH);
        assert_position(action.position, after(10));
    }
}

/* S9: with the fetch budget used up by other shards this one must not fall asleep for long. */
static void
takes_a_fetch_that_found_no_memory_for_no_failure(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_fetching(&consumer, after(10));

    for (int64_t i = 1; i < 50; i++) {
        int64_t now_ms = i * 2 * RETRY_CAP_MS;
        (void)ended_at(&consumer, WI_CONSUMER_FETCHED, WEIR_EBUSY, now_ms);
        assert_true(consumer.not_before.ns <= at_ms(now_ms + RETRY_BASE_MS).ns);
        assert_false(wi_consumer_is_blocked(&consumer));
        if (consumer.in_flight == WI_CONSUMER_WAIT) {
            (void)after_back_off(&consumer, now_ms);
        }
    }
}

/* S10 */
static void
goes_on_at_the_horizon_when_records_were_trimmed(void **state)
{
    struct wi_consumer consumer;
    struct wi_consumer_event event = {
        .type = WI_CONSUMER_FETCHED,
        .now = at_ms(5),
        .deadline = at_ms(DEADLINE_MS),
        .error = WEIR_ETRIMMED,
        .next = {.type = WEIR_TRIM_HORIZON},
    };
    (void)state;
    given_fetching(&consumer, after(10));

    struct wi_consumer_action action = wi_consumer_step(&consumer, &event);

    assert_int_equal(action.type, WI_CONSUMER_FETCH);
    assert_position(action.position, sentinel(WEIR_TRIM_HORIZON));
    (void)wi_consumer_step(&consumer, &event); /* the horizon itself cannot be trimmed: an error */
    assert_true(wi_consumer_is_blocked(&consumer));
}

/* S10: the record that a row names may be the one that is gone. */
static void
goes_on_at_the_horizon_when_the_named_record_was_trimmed(void **state)
{
    struct wi_consumer consumer;
    struct weir_position record = after(10);
    struct wi_consumer_event event = {
        .type = WI_CONSUMER_FETCHED,
        .now = at_ms(5),
        .deadline = at_ms(DEADLINE_MS),
        .error = WEIR_ETRIMMED,
        .next = {.type = WEIR_TRIM_HORIZON},
    };
    (void)state;
    record.type = WEIR_AT_SEQUENCE_NUMBER;
    given_fetching(&consumer, record);

    assert_int_equal(wi_consumer_step(&consumer, &event).type, WI_CONSUMER_FETCH);
    assert_false(wi_consumer_is_blocked(&consumer));
}

/* S11 */
static void
processes_what_stands_before_damage_and_then_blocks_there(void **state)
{
    struct wi_consumer consumer;
    struct wi_consumer_event event = {
        .type = WI_CONSUMER_FETCHED,
        .now = at_ms(5),
        .deadline = at_ms(DEADLINE_MS),
        .error = WEIR_ECORRUPT,
        .count = 3,
        .first = after(11),
        .last = after(13),
        .next = {.type = WEIR_AT_SEQUENCE_NUMBER, .sequence_number = {{0, 0, 0, 14}}},
        .at_shard_end = true,
    };
    (void)state;
    given_fetching(&consumer, after(10));

    assert_int_equal(wi_consumer_step(&consumer, &event).type, WI_CONSUMER_CALL_PROCESS_RECORDS);
    struct wi_consumer_action action = ended_at(&consumer, WI_CONSUMER_PROCESSED, WEIR_OK, 6);
    assert_int_equal(action.type, WI_CONSUMER_FETCH);
    assert_position(action.position, after(13));
    (void)ended_at(&consumer, WI_CONSUMER_FETCHED, WEIR_ECORRUPT, 7);
    assert_true(wi_consumer_is_blocked(&consumer));
}

/* S12 */
static void
anchors_latest_before_it_waits_for_records(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_fetching(&consumer, sentinel(WEIR_LATEST));

    struct wi_consumer_action action = fetched_nothing_at(&consumer, after(70), 5);

    assert_int_equal(action.type, WI_CONSUMER_ANCHOR);
    assert_position(action.position, after(70));
    assert_int_equal(ended_at(&consumer, WI_CONSUMER_ANCHORED, WEIR_OK, 6).type, WI_CONSUMER_WAIT);
    assert_position(consumer.tracker.checkpoint, after(70));
    action = step_at(&consumer, WI_CONSUMER_WAKE, 7);
    assert_position(action.position, after(70));
}

/* S12: with LATEST still in the row, a crash during this batch would lose it. */
static void
anchors_just_before_records_that_came_with_the_first_answer(void **state)
{
    struct wi_consumer consumer;
    struct weir_position just_before = after(70);
    (void)state;
    just_before.sub_sequence_number = UINT64_MAX;
    given_fetching(&consumer, sentinel(WEIR_AT_TIMESTAMP));

    struct wi_consumer_action action = fetched_at(&consumer, (struct batch){5, 71, false}, 5);

    assert_int_equal(action.type, WI_CONSUMER_ANCHOR);
    assert_position(action.position, just_before);
    action = ended_at(&consumer, WI_CONSUMER_ANCHORED, WEIR_OK, 6);
    assert_int_equal(action.type, WI_CONSUMER_FETCH);
    assert_position(action.position, just_before);
    assert_int_equal(
        fetched_at(&consumer, (struct batch){5, 71, false}, 7).type,
        WI_CONSUMER_CALL_PROCESS_RECORDS);
}

/* S12 */
static void
anchors_between_user_records_and_across_word_borders(void **state)
{
    struct wi_consumer consumer;
    struct wi_consumer_event event = {
        .type = WI_CONSUMER_FETCHED,
        .now = at_ms(5),
        .deadline = at_ms(DEADLINE_MS),
        .count = 1,
        .first = {WEIR_AFTER_SEQUENCE_NUMBER, {{0, 1, 0, 0}}, 3, 0},
        .last = {WEIR_AFTER_SEQUENCE_NUMBER, {{0, 1, 0, 0}}, 3, 0},
        .next = {WEIR_AFTER_SEQUENCE_NUMBER, {{0, 1, 0, 0}}, 3, 0},
    };
    (void)state;
    given_fetching(&consumer, sentinel(WEIR_LATEST));
    struct wi_consumer_action action = wi_consumer_step(&consumer, &event);
    assert_true(action.position.sequence_number.word[1] == 1);
    assert_true(action.position.sub_sequence_number == 2);

    event.first.sub_sequence_number = 0;
    given_fetching(&consumer, sentinel(WEIR_LATEST));
    action = wi_consumer_step(&consumer, &event);
    assert_int_equal(action.type, WI_CONSUMER_ANCHOR);
    assert_true(action.position.sequence_number.word[1] == 0);
    assert_true(action.position.sequence_number.word[2] == UINT64_MAX);
    assert_true(action.position.sequence_number.word[3] == UINT64_MAX);
}

/* S12 */
static void
processes_record_zero_without_an_anchor_because_none_can_be_written(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_fetching(&consumer, sentinel(WEIR_LATEST));

    assert_int_equal(
        fetched_at(&consumer, (struct batch){1, 0, false}, 5).type,
        WI_CONSUMER_CALL_PROCESS_RECORDS);
    (void)failed_at(&consumer, 0, 0, 6);
    struct wi_consumer_action action = after_back_off(&consumer, 6);
    assert_int_equal(action.position.type, WEIR_AT_SEQUENCE_NUMBER);
}

/* S12 */
static void
needs_no_anchor_for_a_time_that_has_not_come(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_fetching(&consumer, sentinel(WEIR_AT_TIMESTAMP));

    assert_int_equal(
        fetched_nothing_at(&consumer, sentinel(WEIR_AT_TIMESTAMP), 5).type, WI_CONSUMER_WAIT);
    assert_int_equal(step_at(&consumer, WI_CONSUMER_WAKE, 6).type, WI_CONSUMER_FETCH);
}

/* S12 */
static void
writes_the_anchor_again_until_it_stands_or_the_lease_is_lost(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_fetching(&consumer, sentinel(WEIR_LATEST));
    (void)fetched_nothing_at(&consumer, after(70), 5);

    (void)ended_at(&consumer, WI_CONSUMER_ANCHORED, WEIR_ETIMEOUT, 6);
    struct wi_consumer_action action = after_back_off(&consumer, 6);
    assert_int_equal(action.type, WI_CONSUMER_ANCHOR);
    assert_position(action.position, after(70));
    assert_int_equal(
        ended_at(&consumer, WI_CONSUMER_ANCHORED, WEIR_ELEASELOST, 3000).type,
        WI_CONSUMER_CALL_LEASE_LOST);
}

/* S18 */
static void
never_waits_beyond_the_deadline(void **state)
{
    struct wi_consumer consumer;
    (void)state;
    given_waiting(&consumer, after(10));

    assert_true(step_at(&consumer, WI_CONSUMER_STEP, 1).until.ns == at_ms(DEADLINE_MS).ns);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notes_events_but_acts_only_when_the_call_has_returned),
        cmocka_unit_test(reports_a_lost_lease_only_after_process_records_has_returned),
        cmocka_unit_test(believes_the_lease_lost_at_the_deadline_also_when_it_moves_on_later),
        cmocka_unit_test(waits_for_the_parents_until_it_is_told_that_they_are_finished),
        cmocka_unit_test(releases_without_a_processor_call_when_stopped_while_waiting),
        cmocka_unit_test(ends_without_any_call_when_the_lease_is_lost_while_waiting),
        cmocka_unit_test(makes_no_final_call_when_initialize_has_not_succeeded),
        cmocka_unit_test(calls_initialize_again_after_a_back_off),
        cmocka_unit_test(asks_a_processor_to_give_back_what_it_initialized_while_being_stopped),
        cmocka_unit_test(waits_after_an_empty_fetch_until_it_is_woken_or_polls),
        cmocka_unit_test(fetches_no_sooner_than_the_stream_wants),
        cmocka_unit_test(looks_again_at_once_when_woken_during_an_empty_fetch),
        cmocka_unit_test(goes_on_behind_the_batch_when_it_is_processed),
        cmocka_unit_test(tries_the_same_records_again_as_the_next_attempt),
        cmocka_unit_test(starts_anew_with_the_record_that_failed_when_some_are_done),
        cmocka_unit_test(fetches_again_from_the_same_position_after_any_other_error),
        cmocka_unit_test(takes_a_fetch_that_found_no_memory_for_no_failure),
        cmocka_unit_test(goes_on_at_the_horizon_when_records_were_trimmed),
        cmocka_unit_test(goes_on_at_the_horizon_when_the_named_record_was_trimmed),
        cmocka_unit_test(processes_what_stands_before_damage_and_then_blocks_there),
        cmocka_unit_test(anchors_latest_before_it_waits_for_records),
        cmocka_unit_test(anchors_just_before_records_that_came_with_the_first_answer),
        cmocka_unit_test(anchors_between_user_records_and_across_word_borders),
        cmocka_unit_test(processes_record_zero_without_an_anchor_because_none_can_be_written),
        cmocka_unit_test(needs_no_anchor_for_a_time_that_has_not_come),
        cmocka_unit_test(writes_the_anchor_again_until_it_stands_or_the_lease_is_lost),
        cmocka_unit_test(never_waits_beyond_the_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The auditor of the demo: a verdict that cannot be "fail" is worth nothing, so each fault that it
 * looks for is planted once. Times are milliseconds. */
#include <string.h>

#include <weir/app.h>
#include <weir/error.h>
#include <weir/types.h>

#include "demo/audit.h"
#include "demo/history.h"
#include "demo/journal.h"
#include "demo/table.h"
#include "tests/integration/demo/demo_story_fixture.h"
#include "tests/support/weir_test.h"

static const struct story_owner first = {0, "shard-0", 1};
static const struct story_owner second = {1, "shard-0", 2};
static const struct story_owner child = {1, "shard-1", 1};

/* Two records, delivered to the first owner. */
static void
given_two_records(struct story *story)
{
    story_put(story, "shard-0", 10, 0, 100);
    story_put(story, "shard-0", 11, 1, 110);
    story_own(story, &first, 50);
    story_deliver(story, &first, 0, 101);
    story_deliver(story, &first, 1, 111);
}

static void
passes_when_nothing_is_wrong(void **state)
{
    struct story *story = *state;
    given_two_records(story);

    story_judge(story);

    assert_int_equal(story->verdict.reasons.count, 0);
    assert_int_equal(story->verdict.records_put, 2);
    assert_int_equal(story->verdict.records_processed, 2);
    assert_int_equal(story->verdict.redelivered, 0);
}

static void
finds_a_lost_record(void **state)
{
    struct story *story = *state;
    given_two_records(story);
    story_apply(story, &first, 1);

    story_judge_ledger_as_it_is(story);

    assert_int_equal(story->verdict.lost, 1);
    assert_true(story_has_reason(story, "lost"));
}

static void
finds_a_record_that_was_added_up_twice(void **state)
{
    struct story *story = *state;
    given_two_records(story);
    story_apply(story, &first, 0);

    story_judge(story);

    assert_int_equal(story->verdict.applied_twice, 1);
    assert_true(story_has_reason(story, "twice"));
}

static void
allows_redeliveries_after_a_crash(void **state)
{
    struct story *story = *state;
    given_two_records(story);
    story_own(story, &second, 200);
    story_redeliver(story, &second, 1, 201);

    story_judge(story);

    assert_int_equal(story->verdict.redelivered, 1);
    assert_int_equal(story->verdict.handoff_redelivered, 0);
    assert_int_equal(story->verdict.reasons.count, 0);
}

static void
finds_a_redelivery_after_a_hand_off(void **state)
{
    struct story *story = *state;
    given_two_records(story);
    story_note(story, &first, DEMO_SHUTDOWN_REQUESTED, WEIR_OK, 190);
    story_own(story, &second, 200);
    story_redeliver(story, &second, 1, 201);

    story_judge(story);

    assert_int_equal(story->verdict.handoff_redelivered, 1);
    assert_true(story_has_reason(story, "hand-off"));
}

static void
finds_a_redelivery_without_its_mark(void **state)
{
    struct story *story = *state;
    given_two_records(story);
    story_own(story, &second, 200);
    story_deliver(story, &second, 1, 201);

    story_judge(story);

    assert_int_equal(story->verdict.unmarked, 1);
    assert_true(story_has_reason(story, "not marked"));
}

static void
finds_a_sequence_number_that_goes_back(void **state)
{
    struct story *story = *state;
    given_two_records(story);
    story_redeliver(story, &first, 0, 120);

    story_judge(story);

    assert_int_equal(story->verdict.order_violations, 1);
    assert_true(story_has_reason(story, "order"));
}

static void
finds_a_delivery_to_an_owner_that_was_replaced(void **state)
{
    struct story *story = *state;
    story_put(story, "shard-0", 10, 0, 100);
    story_put(story, "shard-0", 11, 1, 110);
    story_own(story, &first, 50);
    story_own(story, &second, 60);
    story_deliver(story, &second, 0, 101);
    story_deliver(story, &first, 1, 111);

    story_judge(story);

    assert_int_equal(story->verdict.order_violations, 1);
}

static void
finds_a_key_whose_records_come_out_of_order(void **state)
{
    struct story *story = *state;
    story_put(story, "shard-0", 10, 0, 100);
    story_put(story, "shard-1", 11, 0, 110);
    story_own(story, &first, 50);
    story_own(story, &child, 50);
    story_deliver(story, &child, 1, 111);
    story_deliver(story, &first, 0, 120);

    story_judge(story);

    assert_int_equal(story->verdict.order_violations, 1);
}

static void
finds_a_child_that_begins_before_its_parent_is_finished(void **state)
{
    struct story *story = *state;
    struct weir_shard shard = {.shard_id = "shard-1", .parent_shard_ids = {"shard-0", ""}};
    story_put(story, "shard-0", 10, 0, 100);
    story_put(story, "shard-1", 11, 1, 110);
    demo_history_shard(&story->history, &shard);
    story_own(story, &first, 50);
    story_own(story, &child, 50);
    story_deliver(story, &child, 1, 111);
    story_deliver(story, &first, 0, 120);

    story_judge(story);

    assert_int_equal(story->verdict.order_violations, 1);
}

static void
finds_a_ledger_that_goes_back(void **state)
{
    struct story *story = *state;
    given_two_records(story);
    story_apply(story, &second, 0);
    story_apply(story, &first, 1);

    story_judge_ledger_as_it_is(story);

    assert_int_equal(story->verdict.order_violations, 1);
}

static void
finds_entries_of_an_owner_that_never_was(void **state)
{
    struct story *story = *state;
    given_two_records(story);
    story_redeliver(story, &second, 1, 130);

    story_judge(story);

    assert_int_equal(story->verdict.order_violations, 2); /* its record, and the end of its batch */
}

static void
finds_a_record_under_another_sequence_number(void **state)
{
    struct story *story = *state;
    given_two_records(story);
    story_own(story, &second, 200);
    story_note(story, &second, DEMO_RECORD, WEIR_OK, 210); /* record 0, sequence number 0 */

    story_judge(story);

    assert_int_equal(story->history.strangers, 1);
    assert_true(story_has_reason(story, "order"));
}

static void
finds_a_stale_checkpoint_that_was_accepted(void **state)
{
    struct story *story = *state;
    given_two_records(story);
    story_note(story, &first, DEMO_CHECKPOINT, WEIR_OK, 120);
    story_own(story, &second, 200);
    story_note(story, &first, DEMO_CHECKPOINT, WEIR_ELEASELOST, 210);
    story_note(story, &first, DEMO_CHECKPOINT, WEIR_OK, 220);

    story_judge(story);

    assert_int_equal(story->verdict.stale_attempts, 2);
    assert_int_equal(story->verdict.stale_checkpoints, 1);
    assert_true(story_has_reason(story, "stale"));
}

static void
wants_the_resumed_worker_to_have_tried(void **state)
{
    struct story *story = *state;
    given_two_records(story);
    story->deeds.resume_ns = 300 * STORY_MS;
    story->deeds.stopped_batches = 1;

    story_judge(story);

    assert_true(story_has_reason(story, "tried no checkpoint"));
}

static void
measures_a_failover_to_the_first_record_if_one_waits(void **state)
{
    struct story *story = *state;
    given_two_records(story);
    story->deeds.kill = (struct demo_blow){0, 200 * STORY_MS};
    story_own(story, &second, 210);
    story_redeliver(story, &second, 1, 500);

    story_judge(story);

    assert_int_equal(story->verdict.failover.count, 1);
    assert_int_equal(story->verdict.failover.ns[0], 300 * STORY_MS);
    assert_true(story_has_reason(story, "failover"));
}

static void
measures_a_failover_to_readiness_if_no_record_waits(void **state)
{
    struct story *story = *state;
    given_two_records(story);
    story->deeds.kill = (struct demo_blow){0, 200 * STORY_MS};
    story_own(story, &second, 210);
    story_put(story, "shard-0", 12, 0, 900);
    story_deliver(story, &second, 2, 901);

    story_judge(story);

    assert_int_equal(story->verdict.failover.ns[0], 10 * STORY_MS);
    assert_int_equal(story->verdict.reasons.count, 0);
}

static void
finds_a_shard_that_nobody_has_taken_over(void **state)
{
    struct story *story = *state;
    given_two_records(story);
    story->deeds.kill = (struct demo_blow){0, 200 * STORY_MS};

    story_judge(story);

    assert_true(story_has_reason(story, "nobody took over shard-0"));
}

static void
measures_a_hand_off_from_batch_to_batch_while_records_wait(void **state)
{
    struct story *story = *state;
    given_two_records(story);
    story_put(story, "shard-0", 12, 0, 111);
    story_note(story, &first, DEMO_SHUTDOWN_REQUESTED, WEIR_OK, 150);
    story_own(story, &second, 160);
    story_deliver(story, &second, 2, 170);

    story_judge(story);

    assert_int_equal(story->verdict.handoff.count, 1);
    assert_int_equal(story->verdict.handoff.ns[0], 58 * STORY_MS); /* 112 to 170 */
    assert_true(story_has_reason(story, "a hand-off took 58.0 ms"));
}

static void
leaves_the_wait_for_a_producer_out_of_a_hand_off(void **state)
{
    struct story *story = *state;
    given_two_records(story);
    story_note(story, &first, DEMO_SHUTDOWN_REQUESTED, WEIR_OK, 250);
    story_own(story, &second, 260);
    story_put(story, "shard-0", 12, 0, 400);
    story_deliver(story, &second, 2, 401);

    story_judge(story);

    assert_int_equal(story->verdict.handoff.ns[0], 10 * STORY_MS); /* 250 to 260 */
    assert_int_equal(story->verdict.reasons.count, 0);
}

static void
leaves_the_end_of_the_demo_out_of_the_hand_offs(void **state)
{
    struct story *story = *state;
    given_two_records(story);
    story->deeds.finish_ns = 200 * STORY_MS;
    story_note(story, &first, DEMO_SHUTDOWN_REQUESTED, WEIR_OK, 250);
    story_own(story, &second, 900);

    story_judge(story);

    assert_int_equal(story->verdict.handoff.count, 0);
}

static void
finds_a_table_that_goes_down(void **state)
{
    struct demo_table table = {.samples = 0};
    struct weir_app_shard shard = {.shard_id = "shard-0", .lease_epoch = 3};
    struct weir_app_description sample = {.shards = &shard, .shard_count = 1};
    (void)state;
    shard.checkpoint.type = WEIR_AFTER_SEQUENCE_NUMBER;
    shard.checkpoint.sequence_number.word[3] = 10;
    demo_table_check(&table, &sample);
    shard.checkpoint.sequence_number.word[3] = 12;
    demo_table_check(&table, &sample);
    shard.checkpoint.type = WEIR_SHARD_END;
    demo_table_check(&table, &sample);
    assert_int_equal(table.went_down, 0);

    shard.checkpoint.type = WEIR_AFTER_SEQUENCE_NUMBER;
    demo_table_check(&table, &sample);
    assert_int_equal(table.went_down, 1);
    shard.checkpoint.type = WEIR_SHARD_END;
    shard.lease_epoch = 2;
    demo_table_check(&table, &sample);

    assert_int_equal(table.went_down, 2);
}

#define STORY_TEST(test) cmocka_unit_test_setup_teardown(test, story_setup, story_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STORY_TEST(passes_when_nothing_is_wrong),
        STORY_TEST(finds_a_lost_record),
        STORY_TEST(finds_a_record_that_was_added_up_twice),
        STORY_TEST(allows_redeliveries_after_a_crash),
        STORY_TEST(finds_a_redelivery_after_a_hand_off),
        STORY_TEST(finds_a_redelivery_without_its_mark),
        STORY_TEST(finds_a_sequence_number_that_goes_back),
        STORY_TEST(finds_a_delivery_to_an_owner_that_was_replaced),
        STORY_TEST(finds_a_key_whose_records_come_out_of_order),
        STORY_TEST(finds_a_child_that_begins_before_its_parent_is_finished),
        STORY_TEST(finds_a_ledger_that_goes_back),
        STORY_TEST(finds_entries_of_an_owner_that_never_was),
        STORY_TEST(finds_a_record_under_another_sequence_number),
        STORY_TEST(finds_a_stale_checkpoint_that_was_accepted),
        STORY_TEST(wants_the_resumed_worker_to_have_tried),
        STORY_TEST(measures_a_failover_to_the_first_record_if_one_waits),
        STORY_TEST(measures_a_failover_to_readiness_if_no_record_waits),
        STORY_TEST(finds_a_shard_that_nobody_has_taken_over),
        STORY_TEST(measures_a_hand_off_from_batch_to_batch_while_records_wait),
        STORY_TEST(leaves_the_wait_for_a_producer_out_of_a_hand_off),
        STORY_TEST(leaves_the_end_of_the_demo_out_of_the_hand_offs),
        STORY_TEST(finds_a_table_that_goes_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

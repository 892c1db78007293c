/* Rules K1 to K6 of docs/state-machines-consumer.md, "Checkpoints". */
#include "core/pcg.h"
#include "core/position.h"
#include "tests/support/weir_test.h"
#include "worker/checkpoint_tracker.h"

static struct weir_position
after(uint64_t number)
{
    return (struct weir_position){.type = WEIR_AFTER_SEQUENCE_NUMBER,
                                  .sequence_number = {{0, 0, 0, number}}};
}

static void
given_tracker_at(struct wi_checkpoint_tracker *tracker, uint64_t number)
{
    struct weir_position checkpoint = after(number);
    wi_checkpoint_tracker_init(tracker, &checkpoint);
}

static void
deliver(struct wi_checkpoint_tracker *tracker, uint64_t number)
{
    struct weir_position last = after(number);
    wi_checkpoint_tracker_delivered(tracker, &last);
}

static void
process(struct wi_checkpoint_tracker *tracker, uint64_t number, uint64_t count)
{
    struct weir_position last = after(number);
    wi_checkpoint_tracker_processed(tracker, &last, count);
}

static enum weir_error
check(const struct wi_checkpoint_tracker *tracker, uint64_t number)
{
    struct weir_position wish = after(number);
    return wi_checkpoint_tracker_check(tracker, &wish);
}

/* K1 */
static void
starts_clean_at_the_rows_checkpoint(void **state)
{
    struct wi_checkpoint_tracker tracker;
    (void)state;
    given_tracker_at(&tracker, 10);

    assert_false(wi_checkpoint_tracker_is_dirty(&tracker));
    assert_int_equal(check(&tracker, 10), WEIR_OK);
}

/* K2 */
static void
is_not_taken_back_by_a_redelivery(void **state)
{
    struct wi_checkpoint_tracker tracker;
    (void)state;
    given_tracker_at(&tracker, 10);
    deliver(&tracker, 20);
    process(&tracker, 15, 5);

    deliver(&tracker, 12);
    process(&tracker, 12, 2);

    assert_int_equal(check(&tracker, 20), WEIR_OK);
    assert_true(tracker.processed.sequence_number.word[3] == 15);
}

/* K3 */
static void
refuses_sentinels(void **state)
{
    static const enum weir_position_type types[] = {
        WEIR_TRIM_HORIZON, WEIR_LATEST, WEIR_AT_TIMESTAMP, WEIR_AT_SEQUENCE_NUMBER, WEIR_SHARD_END};
    struct wi_checkpoint_tracker tracker;
    (void)state;
    given_tracker_at(&tracker, 10);
    deliver(&tracker, 20);

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct weir_position wish = after(15);
        wish.type = types[i];
        assert_int_equal(wi_checkpoint_tracker_check(&tracker, &wish), WEIR_EINVAL);
    }
}

/* K4, K5 */
static void
accepts_what_lies_between_checkpoint_and_delivered(void **state)
{
    struct wi_checkpoint_tracker tracker;
    (void)state;
    given_tracker_at(&tracker, 10);
    deliver(&tracker, 20);

    assert_int_equal(check(&tracker, 9), WEIR_EINVAL);
    assert_int_equal(check(&tracker, 10), WEIR_OK);
    assert_int_equal(check(&tracker, 20), WEIR_OK);
    assert_int_equal(check(&tracker, 21), WEIR_EINVAL);
}

/* K5 */
static void
refuses_everything_before_the_first_delivery(void **state)
{
    struct weir_position horizon = {.type = WEIR_TRIM_HORIZON};
    struct wi_checkpoint_tracker tracker;
    (void)state;
    wi_checkpoint_tracker_init(&tracker, &horizon);

    assert_int_equal(check(&tracker, 0), WEIR_EINVAL);
    assert_int_equal(check(&tracker, 1), WEIR_EINVAL);
}

/* K6 */
static void
is_dirty_until_what_is_processed_is_written(void **state)
{
    struct weir_position written = after(20);
    struct wi_checkpoint_tracker tracker;
    (void)state;
    given_tracker_at(&tracker, 10);
    deliver(&tracker, 20);
    assert_false(wi_checkpoint_tracker_is_dirty(&tracker));

    process(&tracker, 20, 10);
    assert_true(wi_checkpoint_tracker_is_dirty(&tracker));
    assert_true(tracker.processed_count == 10);
    wi_checkpoint_tracker_written(&tracker, &written);

    assert_false(wi_checkpoint_tracker_is_dirty(&tracker));
    assert_true(tracker.processed_count == 0);
    assert_int_equal(check(&tracker, 19), WEIR_EINVAL);
}

/* G4, K4: an answer that comes late does not take the checkpoint back. */
static void
never_lets_the_checkpoint_go_down(void **state)
{
    struct wi_checkpoint_tracker tracker;
    struct wi_pcg random;
    uint64_t highest = 0;
    (void)state;
    wi_pcg_seed(&random, 2, 2);
    given_tracker_at(&tracker, 0);

    for (int i = 0; i < 100000; i++) {
        uint64_t number = wi_pcg_below(&random, 1000);
        struct weir_position wish = after(number);
        deliver(&tracker, wi_pcg_below(&random, 1000));
        if (check(&tracker, number) == WEIR_OK) {
            assert_true(number >= highest);
            highest = number;
            wi_checkpoint_tracker_written(&tracker, &wish);
        }
        assert_true(wi_checkpoint_compare(&tracker.checkpoint, &tracker.delivered) <= 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_clean_at_the_rows_checkpoint),
        cmocka_unit_test(is_not_taken_back_by_a_redelivery),
        cmocka_unit_test(refuses_sentinels),
        cmocka_unit_test(accepts_what_lies_between_checkpoint_and_delivered),
        cmocka_unit_test(refuses_everything_before_the_first_delivery),
        cmocka_unit_test(is_dirty_until_what_is_processed_is_written),
        cmocka_unit_test(never_lets_the_checkpoint_go_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

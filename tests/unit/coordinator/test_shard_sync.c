#include <stdio.h>
#include <string.h>

#include "core/pcg.h"
#include "tests/unit/coordinator/shard_sync_fixture.h"

static const struct weir_position at_latest = {.type = WEIR_LATEST};
static const struct weir_position at_horizon = {.type = WEIR_TRIM_HORIZON};
static const struct weir_position at_time = {.type = WEIR_AT_TIMESTAMP, .timestamp_ms = 1234};

/* The keys to be created, in their order, with a space after each. */
static const char *
created_from(const struct weir_position *initial)
{
    static char text[SHARDS_MAX * 8];
    size_t length = 0;

    assert_int_equal(sync_from(initial), WEIR_OK);
    text[0] = '\0';
    for (size_t i = 0; i < fixture.plan.create_count; i++) {
        length += (size_t)snprintf(
            text + length, sizeof text - length, "%s ", fixture.plan.create[i].lease_key);
    }
    return text;
}

static enum weir_position_type
checkpoint_of(const char *key)
{
    for (size_t i = 0; i < fixture.plan.create_count; i++) {
        if (strcmp(fixture.plan.create[i].lease_key, key) == 0) {
            return fixture.plan.create[i].checkpoint.type;
        }
    }
    fail_msg("no lease is created for %s", key);
    return WEIR_SHARD_END;
}

/* The graph of the comment in Java KCL: 0+1 -> 6, 2+3 -> 7, 6+7 -> 8, 5 -> 9 and 10. */
static void
given_worked_example(void)
{
    given_shard("00", "", "", true);
    given_shard("01", "", "", true);
    given_shard("02", "", "", true);
    given_shard("03", "", "", true);
    given_shard("04", "", "", false);
    given_shard("05", "", "", true);
    given_shard("06", "00", "01", true);
    given_shard("07", "02", "03", true);
    given_shard("08", "06", "07", false);
    given_shard("09", "05", "", false);
    given_shard("10", "05", "", false);
    given_lease("04", WEIR_AFTER_SEQUENCE_NUMBER);
    given_lease("05", WEIR_AFTER_SEQUENCE_NUMBER);
    given_lease("07", WEIR_AFTER_SEQUENCE_NUMBER);
}

/* C33, C36, C37 */
static void
agrees_with_the_worked_example(void **state)
{
    (void)state;
    given_worked_example();

    assert_string_equal(created_from(&at_latest), "06 ");
    assert_string_equal(created_from(&at_horizon), "00 01 ");
    assert_int_equal(checkpoint_of("00"), WEIR_TRIM_HORIZON);
    assert_string_equal(created_from(&at_time), "00 01 ");
    assert_int_equal(checkpoint_of("01"), WEIR_AT_TIMESTAMP);
    assert_int_equal(fixture.plan.create[0].checkpoint.timestamp_ms, 1234);
}

/* C36 */
static void
begins_a_new_application_at_the_open_shards_for_latest(void **state)
{
    (void)state;
    given_shard("0", "gone", "", true);
    given_shard("1", "0", "", false);
    given_shard("2", "0", "", false);

    assert_string_equal(created_from(&at_latest), "1 2 ");
    assert_int_equal(checkpoint_of("1"), WEIR_LATEST);
}

/* C33, C36: children are created when their parents end. */
static void
begins_a_new_application_at_the_oldest_shards_for_trim_horizon(void **state)
{
    (void)state;
    given_shard("0", "gone", "", true);
    given_shard("1", "0", "", false);
    given_shard("2", "0", "", false);
    given_open("3", "");

    assert_string_equal(created_from(&at_horizon), "0 3 ");
    assert_string_equal(created_from(&at_time), "0 3 ");
    assert_int_equal(checkpoint_of("0"), WEIR_AT_TIMESTAMP);
}

/* C35: a new application with LATEST has no interest in what was before. */
static void
begins_a_new_application_at_latest_even_after_trimmed_parents(void **state)
{
    (void)state;
    given_shard("1", "gone", "", false);

    assert_string_equal(created_from(&at_latest), "1 ");
    assert_int_equal(checkpoint_of("1"), WEIR_LATEST);
}

/* C33 */
static void
leaves_children_of_an_unfinished_parent_to_its_owner(void **state)
{
    (void)state;
    given_shard("0", "", "", true);
    given_shard("1", "0", "", false);
    given_lease("0", WEIR_AFTER_SEQUENCE_NUMBER);

    assert_string_equal(created_from(&at_latest), "");
    assert_string_equal(created_from(&at_horizon), "");
}

/* C33: a merge waits for both. */
static void
leaves_a_merged_child_until_both_parents_are_finished(void **state)
{
    (void)state;
    given_shard("0", "", "", true);
    given_shard("1", "", "", true);
    given_shard("2", "0", "1", false);
    given_lease("0", WEIR_SHARD_END);
    given_lease("1", WEIR_TRIM_HORIZON);
    assert_string_equal(created_from(&at_latest), "");

    fixture.leases[1].checkpoint.type = WEIR_SHARD_END;
    assert_string_equal(created_from(&at_latest), "2 ");
    assert_int_equal(checkpoint_of("2"), WEIR_TRIM_HORIZON);
}

/* C34, KCL #442: a finished parent whose children have no leases. */
static void
creates_the_children_of_a_finished_parent(void **state)
{
    (void)state;
    given_shard("0", "", "", true);
    given_shard("1", "0", "", true);
    given_shard("2", "0", "", false);
    given_shard("3", "1", "", false);
    given_lease("0", WEIR_SHARD_END);

    assert_string_equal(created_from(&at_latest), "1 2 ");
    assert_int_equal(checkpoint_of("1"), WEIR_TRIM_HORIZON);
    assert_int_equal(checkpoint_of("2"), WEIR_TRIM_HORIZON);
}

/* C34: the parent is out of retention, but its finished lease still tells. */
static void
creates_the_children_of_a_finished_parent_that_is_not_listed(void **state)
{
    (void)state;
    given_shard("1", "0", "", false);
    given_lease("0", WEIR_SHARD_END);

    assert_string_equal(created_from(&at_time), "1 ");
    assert_int_equal(checkpoint_of("1"), WEIR_TRIM_HORIZON);
}

/* C35, #734: the fleet was down for longer than the retention. Nothing may be skipped. */
static void
reads_from_the_horizon_after_a_gap(void **state)
{
    (void)state;
    given_shard("5", "gone", "", true);
    given_shard("6", "5", "", false);
    given_open("7", "");
    given_lease("7", WEIR_LATEST);

    assert_string_equal(created_from(&at_latest), "5 ");
    assert_int_equal(checkpoint_of("5"), WEIR_TRIM_HORIZON);
    assert_string_equal(created_from(&at_time), "5 ");
    assert_int_equal(checkpoint_of("5"), WEIR_AT_TIMESTAMP);
}

/* C32: ancestors of shards that have leases are history. */
static void
does_not_go_back_behind_shards_that_have_leases(void **state)
{
    (void)state;
    given_shard("0", "gone", "", true);
    given_shard("1", "0", "", false);
    given_shard("2", "0", "", false);
    given_lease("1", WEIR_LATEST);
    given_lease("2", WEIR_LATEST);

    assert_string_equal(created_from(&at_latest), "");
    assert_string_equal(created_from(&at_horizon), "");
}

/* C37: 0 was left out, but 2 needs it. */
static void
completes_a_merge_one_side_of_which_has_a_lease(void **state)
{
    (void)state;
    given_shard("0", "", "", true);
    given_shard("1", "", "", true);
    given_shard("2", "0", "1", false);
    given_lease("1", WEIR_SHARD_END);

    assert_string_equal(created_from(&at_latest), "0 ");
    assert_int_equal(checkpoint_of("0"), WEIR_LATEST);
}

/* C36: a closed shard that nothing follows and that came before the application. */
static void
leaves_out_a_closed_leaf_for_latest(void **state)
{
    (void)state;
    given_shard("0", "", "", true);
    given_open("1", "");

    assert_string_equal(created_from(&at_latest), "1 ");
    assert_string_equal(created_from(&at_horizon), "0 1 ");
}

/* C39 */
static void
creates_parents_first_whatever_the_order_of_the_list(void **state)
{
    (void)state;
    given_shard("b", "a", "", false);
    given_shard("c", "gone", "", false);
    given_shard("a", "", "", true);
    given_lease("z", WEIR_SHARD_END);
    given_shard("d", "z", "", false);
    assert_string_equal(created_from(&at_horizon), "c a d ");

    fixture.shards[0].starting_sequence_number.word[3] = 0;
    fixture.shards[2].starting_sequence_number.word[3] = 1;
    assert_string_equal(created_from(&at_horizon), "a c d ");
}

/* C39 */
static void
refuses_a_list_with_a_cycle(void **state)
{
    (void)state;
    given_shard("a", "b", "", true);
    given_shard("b", "a", "", false);
    given_open("c", "");

    assert_int_equal(sync_from(&at_horizon), WEIR_ECORRUPT);
    assert_int_equal(fixture.plan.create_count, 0);
    fixture.shard_count = 0;
    given_shard("a", "a", "", false);
    assert_int_equal(sync_from(&at_latest), WEIR_ECORRUPT);
}

/* C32 */
static void
creates_one_lease_for_a_shard_that_is_listed_twice(void **state)
{
    (void)state;
    given_open("a", "");
    given_open("a", "");
    given_open("", "");

    assert_string_equal(created_from(&at_latest), "a ");
}

/* A reshard under way: the child of an open shard waits. */
static void
leaves_the_open_child_of_an_open_shard(void **state)
{
    (void)state;
    given_open("a", "");
    given_shard("b", "a", "", false);

    assert_string_equal(created_from(&at_latest), "a ");
}

static void
does_nothing_for_an_empty_list(void **state)
{
    (void)state;
    assert_string_equal(created_from(&at_latest), "");
    assert_true(fixture.plan.has_hole);
}

/* C38 */
static void
finds_the_first_hole_in_the_open_ranges(void **state)
{
    (void)state;
    given_open("a", "");
    given_open("b", "");
    given_shard("c", "", "", true);
    set_range(0, 0, 99);
    set_range(1, 200, UINT64_MAX);
    assert_int_equal(sync_from(&at_latest), WEIR_OK);
    assert_true(fixture.plan.has_hole);
    assert_int_equal(fixture.plan.hole.start.high, 100);
    assert_int_equal(fixture.plan.hole.start.low, 0);
    assert_int_equal(fixture.plan.hole.end.high, 199);
    assert_int_equal(fixture.plan.hole.end.low, UINT64_MAX);

    set_range(1, 100, UINT64_MAX - 1);
    assert_int_equal(sync_from(&at_latest), WEIR_OK);
    assert_true(fixture.plan.has_hole);
    assert_int_equal(fixture.plan.hole.start.high, UINT64_MAX);
}

/* C38: an overlap must not hide anything, nor be taken for a hole. */
static void
takes_an_overlap_for_a_reshard_under_way(void **state)
{
    (void)state;
    given_open("a", "");
    given_open("b", "");
    given_open("c", "");
    set_range(0, 0, 500);
    set_range(1, 10, 20);
    set_range(2, 400, UINT64_MAX);

    assert_int_equal(sync_from(&at_latest), WEIR_OK);
    assert_false(fixture.plan.has_hole);
}

/* I15 over random histories of splits and merges: run by sync and parents' ends alone, every shard
 * is read, each after its parents. */
static size_t
find_key(const char *key)
{
    for (size_t i = 0; i < fixture.lease_count; i++) {
        if (strcmp(fixture.leases[i].lease_key, key) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

static void
add_sorted(const struct wi_lease *lease)
{
    size_t at = fixture.lease_count++;

    assert_int_equal(find_key(lease->lease_key), SIZE_MAX);
    for (; at > 0 && strcmp(fixture.leases[at - 1].lease_key, lease->lease_key) > 0; at--) {
        fixture.leases[at] = fixture.leases[at - 1];
    }
    fixture.leases[at] = *lease;
}

static void
given_random_history(struct wi_pcg *pcg)
{
    char id[24];

    wi_shard_sync_plan_free(&fixture.test.env, &fixture.plan);
    setup_fixture(NULL);
    while (fixture.shard_count < SHARDS_MAX - 4) {
        size_t a = fixture.shard_count == 0 ? 0 : (size_t)wi_pcg_below(pcg, fixture.shard_count);
        size_t b = fixture.shard_count == 0 ? 0 : (size_t)wi_pcg_below(pcg, fixture.shard_count);
        bool is_root = fixture.shard_count < 3 || fixture.shards[a].closed;
        bool is_merge = !is_root && a != b && !fixture.shards[b].closed;

        (void)snprintf(id, sizeof id, "%03zu", fixture.shard_count);
        given_shard(
            id,
            is_root ? "" : fixture.shards[a].shard_id,
            is_merge ? fixture.shards[b].shard_id : "",
            false);
        fixture.shards[a].closed |= !is_root;
        fixture.shards[b].closed |= is_merge;
    }
}

static bool
parents_are_finished(const struct wi_lease *lease)
{
    for (size_t p = 0; p < WEIR_PARENTS_MAX; p++) {
        size_t parent = find_key(lease->parent_shard_ids[p]);

        if (parent != SIZE_MAX && fixture.leases[parent].checkpoint.type != WEIR_SHARD_END) {
            return false;
        }
    }
    return true;
}

/* A sync, and then some of the shards that may end do. */
static void
sync_and_read(struct wi_pcg *pcg)
{
    assert_int_equal(sync_from(&at_horizon), WEIR_OK);
    for (size_t i = 0; i < fixture.plan.create_count; i++) {
        add_sorted(&fixture.plan.create[i]);
    }
    for (size_t i = 0; i < fixture.lease_count; i++) {
        if (parents_are_finished(&fixture.leases[i]) && wi_pcg_below(pcg, 2) == 0) {
            fixture.leases[i].checkpoint.type = WEIR_SHARD_END;
        }
    }
}

static void
reaches_every_shard_of_random_histories(void **state)
{
    struct wi_pcg pcg;

    (void)state;
    wi_pcg_seed(&pcg, 5, 1);
    for (int round = 0; round < 100; round++) {
        given_random_history(&pcg);
        for (int pass = 0; pass < SHARDS_MAX; pass++) {
            sync_and_read(&pcg);
        }
        assert_int_equal(fixture.lease_count, fixture.shard_count);
    }
}

static void
describes_the_shard_in_its_lease(void **state)
{
    struct wi_lease lease;

    (void)state;
    given_shard("child", "left", "right", false);
    wi_lease_for_shard(&fixture.shards[0], &at_time, &lease);

    assert_string_equal(lease.lease_key, "child");
    assert_string_equal(lease.shard_id, "child");
    assert_string_equal(lease.parent_shard_ids[0], "left");
    assert_string_equal(lease.parent_shard_ids[1], "right");
    assert_string_equal(lease.owner, "");
    assert_int_equal(lease.owner_state, WI_OWNER_NONE);
    assert_int_equal(lease.range.end.high, UINT64_MAX);
    assert_int_equal(lease.checkpoint.type, WEIR_AT_TIMESTAMP);
}

static void
shard_sync_survives_every_allocation_failure(void **state)
{
    (void)state;
    given_worked_example();
    for (size_t n = 1;; n++) {
        enum weir_error error;

        test_env_init(&fixture.test);
        fixture.test.fail_at = n;
        error = sync_from(&at_horizon);
        if (!test_env_has_failed(&fixture.test)) {
            assert_int_equal(error, WEIR_OK);
            return;
        }
        assert_int_equal(error, WEIR_ENOMEM);
        assert_int_equal(fixture.plan.create_count, 0);
        test_env_assert_no_leak(&fixture.test);
    }
}

/* C54 */
static void
finds_an_open_shard_that_was_read_to_its_end(void **state)
{
    const struct weir_shard *found;

    (void)state;
    given_shard("00", "", "", true);
    given_shard("01", "00", "", false);
    given_lease("00", WEIR_SHARD_END);
    given_lease("01", WEIR_AFTER_SEQUENCE_NUMBER);
    given_lease("02", WEIR_SHARD_END);
    assert_null(wi_shard_of_another_stream(
        fixture.shards, fixture.shard_count, fixture.leases, fixture.lease_count));
    given_shard("02", "", "", false);
    found = wi_shard_of_another_stream(
        fixture.shards, fixture.shard_count, fixture.leases, fixture.lease_count);
    assert_non_null(found);
    assert_string_equal(found->shard_id, "02");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(agrees_with_the_worked_example),
        FIXTURE_TEST(begins_a_new_application_at_the_open_shards_for_latest),
        FIXTURE_TEST(begins_a_new_application_at_the_oldest_shards_for_trim_horizon),
        FIXTURE_TEST(begins_a_new_application_at_latest_even_after_trimmed_parents),
        FIXTURE_TEST(leaves_children_of_an_unfinished_parent_to_its_owner),
        FIXTURE_TEST(leaves_a_merged_child_until_both_parents_are_finished),
        FIXTURE_TEST(creates_the_children_of_a_finished_parent),
        FIXTURE_TEST(creates_the_children_of_a_finished_parent_that_is_not_listed),
        FIXTURE_TEST(reads_from_the_horizon_after_a_gap),
        FIXTURE_TEST(does_not_go_back_behind_shards_that_have_leases),
        FIXTURE_TEST(completes_a_merge_one_side_of_which_has_a_lease),
        FIXTURE_TEST(leaves_out_a_closed_leaf_for_latest),
        FIXTURE_TEST(creates_parents_first_whatever_the_order_of_the_list),
        FIXTURE_TEST(refuses_a_list_with_a_cycle),
        FIXTURE_TEST(creates_one_lease_for_a_shard_that_is_listed_twice),
        FIXTURE_TEST(leaves_the_open_child_of_an_open_shard),
        FIXTURE_TEST(does_nothing_for_an_empty_list),
        FIXTURE_TEST(finds_the_first_hole_in_the_open_ranges),
        FIXTURE_TEST(takes_an_overlap_for_a_reshard_under_way),
        FIXTURE_TEST(reaches_every_shard_of_random_histories),
        FIXTURE_TEST(describes_the_shard_in_its_lease),
        FIXTURE_TEST(shard_sync_survives_every_allocation_failure),
        FIXTURE_TEST(finds_an_open_shard_that_was_read_to_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the contract suites cannot reach through a store: limits, and rules seen alone. */
#include <string.h>

#include "lease/lease_rules.h"
#include "lease/session_rules.h"
#include "tests/support/weir_test.h"

static struct wi_lease
an_owned_lease(void)
{
    return (struct wi_lease){
        .lease_key = "k", .shard_id = "s", .owner = "w1", .epoch = 4, .replay_exact = true};
}

static const struct wi_owner_view alive = {.registered = true, .counter = 9};
static const struct wi_owner_view fenced = {.registered = true, .fenced = true, .counter = 9};
static const struct wi_owner_view gone = {.registered = true, .process_gone = true};
static const struct wi_owner_view missing = {.registered = false};

static void
judges_owners_by_fence_and_kernel(void **state)
{
    (void)state;
    assert_int_equal(wi_owner_view_state("", &alive), WI_OWNER_NONE);
    assert_int_equal(wi_owner_view_state("w1", &alive), WI_OWNER_ALIVE);
    assert_int_equal(wi_owner_view_state("w1", &fenced), WI_OWNER_GONE);
    assert_int_equal(wi_owner_view_state("w1", &gone), WI_OWNER_GONE);
    assert_int_equal(wi_owner_view_state("w1", &missing), WI_OWNER_ALIVE);
    assert_true(wi_owner_view_may_receive(&alive));
    assert_false(wi_owner_view_may_receive(&fenced));
    assert_false(wi_owner_view_may_receive(&gone));
    assert_false(wi_owner_view_may_receive(&missing));
}

/* Liveness was lost while the owner lives: it cannot renew any more, so 0 stands still for D. */
static void
fences_an_owner_without_a_session_by_counter_0(void **state)
{
    const struct wi_assignment seen = {"k", "w2", 4, 0};
    const struct wi_assignment unseen = {"k", "w2", 4, 9};
    struct wi_lease lease = an_owned_lease();
    struct wi_session session;
    bool fence = false;

    (void)state;
    assert_int_equal(
        wi_lease_judge_assignment(&lease, &unseen, &missing, &alive, &fence), WEIR_ECONFLICT);
    assert_int_equal(wi_lease_judge_assignment(&lease, &seen, &missing, &alive, &fence), WEIR_OK);
    assert_true(fence);
    assert_int_equal(wi_session_fence(&session, true, "w1", 1), WEIR_ECONFLICT);
    assert_int_equal(wi_session_fence(&session, true, "w1", 0), WEIR_OK);
    assert_true(session.fenced);
    assert_string_equal(session.worker.owner, "w1");
    assert_int_equal(wi_session_put(&session, false, &session.worker), WEIR_ESESSIONLOST);
}

static void
fences_only_where_the_counter_is_the_judge(void **state)
{
    const struct wi_assignment item = {"k", "w2", 4, 9};
    struct wi_lease lease = an_owned_lease();
    bool fence = true;

    (void)state;
    assert_int_equal(wi_lease_judge_assignment(&lease, &item, &alive, &alive, &fence), WEIR_OK);
    assert_true(fence);
    assert_int_equal(wi_lease_judge_assignment(&lease, &item, &gone, &alive, &fence), WEIR_OK);
    assert_false(fence);
    fence = true;
    lease.revoked = true;
    assert_int_equal(wi_lease_judge_assignment(&lease, &item, &alive, &alive, &fence), WEIR_OK);
    assert_false(fence);
    fence = true;
    lease.revoked = false;
    lease.owner[0] = '\0';
    assert_int_equal(wi_lease_judge_assignment(&lease, &item, &missing, &alive, &fence), WEIR_OK);
    assert_false(fence);
}

static void
counts_owner_switches_without_overflow(void **state)
{
    const struct wi_assignment item = {"k", "w2", 4, 0};
    struct wi_lease lease = an_owned_lease();

    (void)state;
    lease.owner_switches_since_checkpoint = UINT32_MAX;
    assert_int_equal(wi_lease_apply_assignment(&lease, &item), WEIR_OK);
    assert_int_equal(lease.owner_switches_since_checkpoint, UINT32_MAX);
    assert_int_equal(wi_lease_apply_assignment(&lease, &item), WEIR_ECONFLICT);
}

static void
checks_the_invariants_of_a_row(void **state)
{
    struct wi_lease lease = an_owned_lease();

    (void)state;
    assert_int_equal(wi_lease_check(&lease), WEIR_OK);
    lease.has_pending = true;
    lease.checkpoint.type = WEIR_LATEST;
    assert_int_equal(wi_lease_check(&lease), WEIR_EINVAL);
    lease = an_owned_lease();
    lease.owner[0] = '\0';
    assert_int_equal(wi_lease_check(&lease), WEIR_OK);
    lease.handoff.reason = WI_HANDOFF_DRAIN;
    assert_int_equal(wi_lease_check(&lease), WEIR_EINVAL);
    lease = an_owned_lease();
    memset(lease.owner, 'x', sizeof lease.owner);
    assert_int_equal(wi_lease_check(&lease), WEIR_EINVAL);
    lease = an_owned_lease();
    memset(lease.child_shard_ids[1], 'x', WEIR_NAME_SIZE);
    assert_int_equal(wi_lease_check(&lease), WEIR_EINVAL);
    lease = an_owned_lease();
    lease.handoff.timeout_ms = -1;
    assert_int_equal(wi_lease_check(&lease), WEIR_EINVAL);
    lease = an_owned_lease();
    memset(lease.handoff.to, 'x', sizeof lease.handoff.to);
    assert_int_equal(wi_lease_check(&lease), WEIR_EINVAL);
}

/* A sentinel once left cannot come back; AT_ stands below AFTER_ of the same record. */
static void
orders_checkpoints_as_places_in_the_shard(void **state)
{
    struct wi_checkpoint_update update = {"k", "w1", 4, {.type = WEIR_AT_SEQUENCE_NUMBER}};
    struct wi_lease lease = an_owned_lease();

    (void)state;
    lease.checkpoint.type = WEIR_LATEST;
    update.position.sequence_number.word[3] = 5;
    assert_int_equal(wi_lease_apply_checkpoint(&lease, &update), WEIR_OK);
    update.position.type = WEIR_AFTER_SEQUENCE_NUMBER;
    assert_int_equal(wi_lease_apply_checkpoint(&lease, &update), WEIR_OK);
    update.position.type = WEIR_AT_SEQUENCE_NUMBER;
    assert_int_equal(wi_lease_apply_checkpoint(&lease, &update), WEIR_EINVAL);
    update.position.type = WEIR_LATEST;
    assert_int_equal(wi_lease_apply_checkpoint(&lease, &update), WEIR_EINVAL);
    assert_int_equal(lease.checkpoint.type, WEIR_AFTER_SEQUENCE_NUMBER);
}

/* Reset also drops rows that cannot be read: only the highest epoch ever is safe to start above. */
static void
lifts_the_epoch_floor_with_removals_and_resets(void **state)
{
    struct wi_table_counters counters = {0, 0, 0};

    (void)state;
    wi_table_note_epoch(&counters, 8);
    wi_table_note_epoch(&counters, 3);
    assert_int_equal(counters.epoch_floor, 0);
    assert_int_equal(counters.epoch_highest, 8);
    wi_table_note_removal(&counters, 3);
    assert_int_equal(counters.epoch_floor, 3);
    wi_table_note_removal(&counters, 2);
    assert_int_equal(counters.epoch_floor, 3);
    wi_table_note_reset(&counters);
    assert_int_equal(counters.epoch_floor, 8);
    assert_int_equal(counters.ownership_version, 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_owners_by_fence_and_kernel),
        cmocka_unit_test(fences_an_owner_without_a_session_by_counter_0),
        cmocka_unit_test(fences_only_where_the_counter_is_the_judge),
        cmocka_unit_test(counts_owner_switches_without_overflow),
        cmocka_unit_test(checks_the_invariants_of_a_row),
        cmocka_unit_test(orders_checkpoints_as_places_in_the_shard),
        cmocka_unit_test(lifts_the_epoch_floor_with_removals_and_resets),
    };

    return cmocka_run_group_tests_name("lease rules", tests, NULL, NULL);
}

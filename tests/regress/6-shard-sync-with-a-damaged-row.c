/* `weir sim --seed 686`: an application at LATEST, one shard, whose row could not be read for a
 * while. The shard was split; the leader saw no lease for the parent, took the children for shards
 * of a new application and began them at LATEST: what they held by then was never processed. */
#include <stddef.h>

#include <weir/error.h>
#include <weir/types.h>

#include "coordinator/coordinator_sync.h"
#include "lease/lease.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

static const struct weir_shard shards[] = {
    {.shard_id = "parent", .closed = true},
    {.shard_id = "child", .parent_shard_ids = {"parent"}},
};

static enum weir_error
plan(enum weir_position_type initial, size_t damaged, size_t *ret_count)
{
    const struct wi_lease_table table = {
        .damaged_count = damaged, .application = {.initial_position = {.type = initial}}};
    const struct wi_lease *leases = NULL;
    struct wi_coordinator_sync sync;
    struct test_env test;
    enum weir_error error = WEIR_OK;

    test_env_init(&test);
    wi_coordinator_sync_init(&sync, &test.env, 1000);
    assert_int_equal(wi_coordinator_sync_take(&sync, shards, 2), WEIR_OK);
    error = wi_coordinator_sync_apply(&sync, &table);
    *ret_count = wi_coordinator_sync_batch(&sync, &leases);
    wi_coordinator_sync_reset(&sync);
    test_env_assert_no_leak(&test);
    return error;
}

static void
no_lease_is_created_at_latest_while_a_row_cannot_be_read(void **state)
{
    size_t count = 0;

    (void)state;
    assert_int_equal(plan(WEIR_LATEST, 0, &count), WEIR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(plan(WEIR_LATEST, 1, &count), WEIR_ECORRUPT);
    assert_int_equal(count, 0);
    assert_int_equal(plan(WEIR_AT_TIMESTAMP, 1, &count), WEIR_ECORRUPT);
    assert_int_equal(count, 0);
}

static void
the_horizon_is_safe_because_the_ancestor_is_planned_as_well(void **state)
{
    size_t count = 0;

    (void)state;
    assert_int_equal(plan(WEIR_TRIM_HORIZON, 1, &count), WEIR_OK);
    assert_int_equal(count, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_lease_is_created_at_latest_while_a_row_cannot_be_read),
        cmocka_unit_test(the_horizon_is_safe_because_the_ancestor_is_planned_as_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Bounds of one pass, the smallest settings, rows without an owner's row, and memory that runs out
 * while old leases are removed: C14, C24 to C26, C29, C31. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/coordinator_facts.h"
#include "coordinator/coordinator_plan.h"
#include "coordinator/coordinator_sync.h"
#include "coordinator/lease_search.h"
#include "core/memory.h"
#include "tests/unit/coordinator/coordinator_fixture.h"

#define MANY 10001U /* more than any bound */

/* A table that is larger than the fixture's, and its plan. */
struct large {
    struct test_env test;
    struct wi_lease_table table;
    struct wi_coordinator_facts facts;
    struct wi_coordinator_plan plan;
};

static void
given_large(struct large *large, size_t leases, size_t workers)
{
    memset(large, 0, sizeof *large);
    test_env_init(&large->test);
    large->table.leases = calloc(leases + 1, sizeof *large->table.leases);
    large->table.workers = calloc(workers + 1, sizeof *large->table.workers);
    assert_true(large->table.leases != NULL && large->table.workers != NULL);
    large->table.lease_count = leases;
    large->table.worker_count = workers;
    for (size_t i = 0; i < leases; i++) {
        struct wi_lease *lease = &large->table.leases[i];

        lease->epoch = 3;
        lease->checkpoint.type = WEIR_AFTER_SEQUENCE_NUMBER;
        (void)snprintf(lease->lease_key, sizeof lease->lease_key, "s%05zu", i);
        (void)snprintf(lease->shard_id, sizeof lease->shard_id, "s%05zu", i);
    }
    for (size_t i = 0; i < workers; i++) {
        struct wi_worker *worker = &large->table.workers[i];

        worker->state = WI_OWNER_ALIVE;
        (void)snprintf(worker->owner, sizeof worker->owner, "w%05zu", i);
    }
    assert_int_equal(
        wi_coordinator_facts_init(&large->facts, &large->test.env, DURATION_MS, TIMEOUT_MS),
        WEIR_OK);
}

static void
give_all_to(struct large *large, const char *owner)
{
    for (size_t i = 0; i < large->table.lease_count; i++) {
        struct wi_lease *lease = &large->table.leases[i];

        lease->owner_state = WI_OWNER_ALIVE;
        (void)snprintf(lease->owner, sizeof lease->owner, "%s", owner);
    }
}

static void
make_plan(struct large *large)
{
    struct wi_plan_input input = {
        .table = &large->table,
        .facts = &large->facts,
        .owner = "w00000",
        .handoff_timeout_ms = TIMEOUT_MS,
    };

    assert_int_equal(wi_coordinator_plan_make(&large->test.env, &input, &large->plan), WEIR_OK);
}

static void
free_large(struct large *large)
{
    wi_coordinator_plan_free(&large->test.env, &large->plan);
    wi_coordinator_facts_free(&large->facts);
    free(large->table.leases);
    free(large->table.workers);
    test_env_assert_no_leak(&large->test);
}

static void
note_at(struct large *large, int64_t ms)
{
    assert_int_equal(wi_coordinator_facts_note(&large->facts, &large->table, at_ms(ms)), WEIR_OK);
}

/* G7 */
static void
assigns_no_more_in_one_pass_than_the_bound(void **state)
{
    struct large large;

    (void)state;
    given_large(&large, MANY, 1);
    note_at(&large, 0);
    make_plan(&large);
    assert_int_equal(large.plan.assignment_count, WI_ASSIGNMENTS_MAX);
    free_large(&large);
}

/* G7 */
static void
asks_for_no_more_hand_offs_in_one_pass_than_the_bound(void **state)
{
    struct large large;

    (void)state;
    given_large(&large, MANY, 2);
    give_all_to(&large, "w00000");
    large.table.workers[0].draining = true;
    note_at(&large, 0);
    make_plan(&large);
    assert_int_equal(large.plan.handoff_count, WI_HANDOFFS_MAX);
    free_large(&large);
}

/* G7, C24 */
static void
revokes_no_more_in_one_pass_than_the_bound(void **state)
{
    struct large large;

    (void)state;
    given_large(&large, WI_SINGLES_MAX + 1, 2);
    give_all_to(&large, "w00000");
    for (size_t i = 0; i < large.table.lease_count; i++) {
        large.table.leases[i].handoff =
            (struct wi_handoff){.reason = WI_HANDOFF_BALANCE, .to = "w00001", .timeout_ms = 1};
    }
    note_at(&large, 0);
    large.table.workers[0].counter++;
    note_at(&large, 500);
    make_plan(&large);
    assert_int_equal(large.plan.revocations.count, WI_SINGLES_MAX);
    free_large(&large);
}

/* G7, C26 */
static void
removes_no_more_workers_in_one_pass_than_the_bound(void **state)
{
    struct large large;

    (void)state;
    given_large(&large, 0, WI_SINGLES_MAX + 1);
    for (size_t i = 0; i < large.table.worker_count; i++) {
        large.table.workers[i].state = WI_OWNER_GONE;
    }
    note_at(&large, 0);
    make_plan(&large);
    assert_int_equal(large.plan.dead_workers.count, WI_SINGLES_MAX);
    free_large(&large);
}

/* C24: whoever has no row cannot carry out a wish, nor be asked: expiry frees what it has. */
static void
leaves_the_overdue_lease_of_an_owner_without_a_row_alone(void **state)
{
    struct large large;

    (void)state;
    given_large(&large, 1, 1);
    give_all_to(&large, "stranger");
    large.table.leases[0].handoff =
        (struct wi_handoff){.reason = WI_HANDOFF_OPERATOR, .to = "w00000", .timeout_ms = 1};
    note_at(&large, 0);
    note_at(&large, 500);
    make_plan(&large);
    assert_int_equal(large.plan.revocations.count, 0);
    free_large(&large);
}

/* C14: the leader itself may be one of those whose rows are missing. */
static void
gives_a_finished_lease_to_a_worker_when_the_leader_has_no_row(void **state)
{
    struct large large;

    (void)state;
    given_large(&large, 1, 1);
    (void)snprintf(large.table.workers[0].owner, WEIR_OWNER_SIZE, "x");
    give_all_to(&large, "dead");
    large.table.leases[0].owner_state = WI_OWNER_GONE;
    large.table.leases[0].checkpoint.type = WEIR_SHARD_END;
    note_at(&large, 0);
    make_plan(&large);
    assert_int_equal(large.plan.assignment_count, 1);
    assert_string_equal(large.plan.assignments[0].to, "x");
    free_large(&large);
}

static void
finds_nobody_in_an_empty_table(void **state)
{
    (void)state;
    assert_int_equal(wi_worker_find(NULL, 0, "w"), SIZE_MAX);
    assert_int_equal(wi_lease_find(NULL, 0, "s"), SIZE_MAX);
}

/* G7, C25 */
static void
removes_no_more_leases_in_one_pass_than_the_bound(void **state)
{
    struct large large;
    struct weir_shard newest = {.shard_id = "t"};
    struct wi_coordinator_sync sync = {
        .env = &large.test.env, .shards = &newest, .shard_count = 1, .may_clean = true};
    struct wi_plan_singles singles = {0};

    (void)state;
    given_large(&large, WI_SINGLES_MAX + 1, 1);
    for (size_t i = 0; i < large.table.lease_count; i++) {
        large.table.leases[i].checkpoint.type = WEIR_SHARD_END;
    }
    note_at(&large, 0);
    sync.asked_at = at_ms(5);
    assert_int_equal(
        wi_coordinator_sync_clean(&sync, &large.table, &large.facts, &singles), WEIR_OK);
    assert_int_equal(singles.count, WI_SINGLES_MAX);
    wi_free(&large.test.env, singles.items);
    free_large(&large);
}

/* C29 */
static void
counts_failed_lists_without_overflow(void **state)
{
    struct wi_coordinator_sync sync = {.failures = UINT32_MAX};

    (void)state;
    wi_coordinator_sync_failed(&sync, at_ms(1));
    assert_int_equal(sync.failures, UINT32_MAX);
}

/* C29, C31: shorter than any look can be. */
static void
waits_at_least_a_millisecond(void **state)
{
    struct wi_coordinator_settings settings = {"me", 1, 1, SYNC_MS, false};

    (void)state;
    wi_coordinator_free(fixture.coordinator);
    assert_int_equal(
        wi_coordinator_new(&fixture.test.env, &settings, &fixture.coordinator), WEIR_OK);
    given_worker("b");
    given_worker("me");
    given_leader_row("b", 3);
    assert_int_equal(tick_at(0), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(0), WI_COORDINATOR_WAIT);
    assert_int_equal(fixture.action.until.ns, at_ms(1).ns);
    assert_int_equal(tick_at(1), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(result_at(WEIR_EIO, 1), WI_COORDINATOR_WAIT);
    assert_int_equal(fixture.action.until.ns, at_ms(2).ns);
}

/* A finished parent, out of retention, whose child has begun; the list says so. */
static void
given_old_lease(void)
{
    given_finished_lease("a", "me");
    given_lease("b", "me");
    memcpy(lease_row("a")->child_shard_ids[0], "b", 2);
    memcpy(lease_row("b")->parent_shard_ids[0], "a", 2);
    given_shard("b", "a", false);
    given_shard("a", "", true);
    given_leading();
    fixture.shard_count = 1;
    assert_int_equal(look_until(SYNC_MS, SYNC_MS, NULL), WI_COORDINATOR_LIST_SHARDS);
}

/* From the list on, until the lease goes: each failure is made up for. */
static bool
remove_with_failure_at(size_t n)
{
    enum wi_coordinator_action_type type;
    bool has_failed;
    int64_t now = SYNC_MS;

    fixture.test.fail_at = fixture.test.allocations + n;
    type = shards_at(now);
    for (unsigned i = 0; i < 40 && type != WI_COORDINATOR_REMOVE_LEASE; i++) {
        now += 10;
        heartbeats_but(NULL);
        if (type == WI_COORDINATOR_READ_TABLE) {
            type = table_at(now);
        } else if (type == WI_COORDINATOR_LIST_SHARDS) {
            type = shards_at(now);
        } else {
            type = tick_at(now);
        }
    }
    has_failed = test_env_has_failed(&fixture.test);
    assert_int_equal(type, WI_COORDINATOR_REMOVE_LEASE);
    return has_failed;
}

/* C25, C31 */
static void
removes_old_leases_though_memory_runs_out_at_times(void **state)
{
    bool has_failed = true;

    for (size_t n = 1; has_failed; n++) {
        (void)setup_fixture(state);
        given_old_lease();
        has_failed = remove_with_failure_at(n);
        (void)teardown_fixture(state);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(assigns_no_more_in_one_pass_than_the_bound),
        cmocka_unit_test(asks_for_no_more_hand_offs_in_one_pass_than_the_bound),
        cmocka_unit_test(revokes_no_more_in_one_pass_than_the_bound),
        cmocka_unit_test(removes_no_more_workers_in_one_pass_than_the_bound),
        cmocka_unit_test(leaves_the_overdue_lease_of_an_owner_without_a_row_alone),
        cmocka_unit_test(gives_a_finished_lease_to_a_worker_when_the_leader_has_no_row),
        cmocka_unit_test(finds_nobody_in_an_empty_table),
        cmocka_unit_test(removes_no_more_leases_in_one_pass_than_the_bound),
        cmocka_unit_test(counts_failed_lists_without_overflow),
        FIXTURE_TEST(waits_at_least_a_millisecond),
        cmocka_unit_test(removes_old_leases_though_memory_runs_out_at_times),
    };

    return cmocka_run_group_tests_name("coordinator limits", tests, NULL, NULL);
}

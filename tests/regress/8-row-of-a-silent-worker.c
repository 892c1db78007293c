/* `weir sim --seed 3393`: a worker without leases died beyond a network, where no kernel tells of
 * it. With no lease to take it for, its session was never fenced, and its row stayed. When the
 * whole fleet was told to leave, the workers that were left waited for somebody to give their
 * leases to the dead one, until their drain timeout was over. */
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>

#include "coordinator/coordinator_facts.h"
#include "coordinator/coordinator_plan.h"
#include "core/mono.h"
#include "lease/lease.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define D_MS INT64_C(453)

static void
the_row_of_a_worker_that_is_silent_and_owns_nothing_goes(void **state)
{
    struct wi_worker workers[] = {
        {.owner = "dead", .state = WI_OWNER_ALIVE}, {.owner = "leader", .state = WI_OWNER_ALIVE}};
    struct wi_lease_table table = {.workers = workers, .worker_count = 2};
    struct wi_coordinator_plan plan = {0};
    struct wi_coordinator_facts facts;
    struct wi_plan_input input = {
        .table = &table, .facts = &facts, .owner = "leader", .handoff_timeout_ms = D_MS};
    struct test_env test;

    (void)state;
    test_env_init(&test);
    assert_int_equal(wi_coordinator_facts_init(&facts, &test.env, D_MS, D_MS), WEIR_OK);
    for (int64_t ms = 0; ms <= D_MS; ms++) {
        workers[1].counter++;
        assert_int_equal(
            wi_coordinator_facts_note(&facts, &table, (struct weir_mono){ms * WI_NS_PER_MS}),
            WEIR_OK);
    }
    assert_int_equal(wi_coordinator_plan_make(&test.env, &input, &plan), WEIR_OK);
    assert_int_equal(plan.dead_workers.count, 1);
    assert_string_equal(plan.dead_workers.items[0].key, "dead");
    wi_coordinator_plan_free(&test.env, &plan);
    wi_coordinator_facts_free(&facts);
    test_env_assert_no_leak(&test);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_row_of_a_worker_that_is_silent_and_owns_nothing_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

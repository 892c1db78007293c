#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "coordinator/lease_take.h"
#include "lease/lease.h"
#include "tests/support/weir_test.h"
#include "tests/unit/coordinator/take_fixture.h"

#define SEEDS 200

/* T2 */
static void
takes_unowned_leases_at_first_sight(void **state)
{
    (void)state;
    given_leases("", 3);
    look_at(0);

    assert_int_equal(takes(), 3);
    assert_false(scene.plan.steals);
    assert_string_equal(scene.plan.takes[0].to, "me");
    assert_int_equal(
        scene.plan.takes[0].expected_counter, row(scene.plan.takes[0].lease_key)->counter);
    assert_int_equal(scene.plan.takes[0].expected_epoch, row(scene.plan.takes[0].lease_key)->epoch);
}

/* T2 */
static void
watches_an_owned_lease_for_a_full_duration(void **state)
{
    (void)state;
    given_leases("dead", 1);
    given_leases("me", 1);
    look_at(0);
    assert_int_equal(takes(), 0);
    renew_but("dead");
    look_at(D_MS - 1);
    assert_int_equal(takes(), 0);

    renew_but("dead");
    look_at(D_MS);
    assert_int_equal(takes(), 1);
    assert_string_equal(scene.plan.takes[0].lease_key, "s00");
}

/* T2: the kernel's word is enough (R9). */
static void
takes_what_the_kernel_calls_dead_at_once(void **state)
{
    (void)state;
    given_leases("dead", 1);
    scene.leases[0].owner_state = WI_OWNER_GONE;
    look_at(0);

    assert_int_equal(takes(), 1);
}

/* T1, KCL #54, #1247 */
static void
leaves_finished_leases_out(void **state)
{
    (void)state;
    given_finished("", 4);
    given_finished("other", 4);
    given_leases("other", 2);
    look_at(0);

    /* Two leases, two workers; of ten leases its share would be five. */
    assert_int_equal(takes(), 1);
    assert_true(scene.plan.steals);
    assert_int_equal(scene.leases[8].checkpoint.type, WEIR_TRIM_HORIZON);
    assert_true(strcmp(scene.plan.takes[0].lease_key, "s08") >= 0);
}

/* T3: an owner of nothing but expired leases has no share. */
static void
does_not_count_dead_workers(void **state)
{
    (void)state;
    given_leases("dead", 4);
    given_leases("me", 1);
    look_at(0);
    renew_but("dead");
    look_at(D_MS);

    assert_int_equal(takes(), 4);
    assert_int_equal(taken_from("dead"), 4);
}

/* T4 */
static void
takes_no_more_than_its_share_of_what_is_free(void **state)
{
    (void)state;
    given_leases("other", 2);
    given_leases("", 5);
    look_at(0);

    assert_int_equal(takes(), 4); /* of seven leases for two workers */
    assert_int_equal(taken_from(""), 4);
}

/* T4 */
static void
takes_one_where_there_are_more_workers_than_leases(void **state)
{
    (void)state;
    given_leases("a", 1);
    given_leases("b", 1);
    given_leases("", 1);
    look_at(0);

    assert_int_equal(takes(), 1);
    assert_int_equal(taken_from(""), 1);
}

/* T4: by lot, or all workers would reach for the same lease. */
static void
draws_by_the_generator(void **state)
{
    bool drawn[8] = {false};

    (void)state;
    given_leases("other", 7);
    given_leases("", 8);
    look_at(0);
    for (size_t i = 0; i < SEEDS; i++) {
        assert_int_equal(takes(), 8);
        drawn[strtoul(&scene.plan.takes[0].lease_key[1], NULL, 10) - 7] = true;
    }
    for (size_t i = 0; i < 8; i++) {
        assert_true(drawn[i]);
    }
}

/* T5, KCL #202 */
static void
keeps_to_leases_max(void **state)
{
    (void)state;
    given_leases("", 10);
    look_at(0);
    scene.leases_max = 3;

    assert_int_equal(takes(), 3);
    scene.leases_max = 10;
    assert_int_equal(takes(), 10);
}

/* T5, T8 */
static void
takes_nothing_when_it_is_full(void **state)
{
    (void)state;
    given_leases("me", 3);
    given_leases("", 3);
    scene.leases_max = 2;
    look_at(0);
    assert_int_equal(takes(), 0);

    renew_but("");
    look_at(WI_VERY_OLD_DURATIONS * D_MS);
    assert_int_equal(takes(), 0);
}

/* T6, T7 */
static void
steals_one_from_the_most_loaded_worker(void **state)
{
    (void)state;
    given_leases("a", 3);
    given_leases("b", 5);
    look_at(0);

    assert_int_equal(takes(), 1); /* its share is three */
    assert_int_equal(taken_from("b"), 1);
    assert_true(scene.plan.steals);
    assert_true(scene.plan.takes[0].expected_counter == WI_COUNTER_OF_A_STEAL);
}

/* T6 */
static void
does_not_steal_while_something_is_free(void **state)
{
    (void)state;
    given_leases("a", 8);
    given_leases("", 1);
    look_at(0);

    assert_int_equal(takes(), 1);
    assert_int_equal(taken_from(""), 1);
    assert_false(scene.plan.steals);
}

/* T6: one lease too few, and nobody above the share: stealing would only turn it round. */
static void
does_not_steal_to_trade_places(void **state)
{
    (void)state;
    given_leases("a", 3);
    given_leases("b", 3);
    given_leases("me", 2);
    look_at(0);

    assert_int_equal(takes(), 0);
}

/* T6: two too few, and nobody above the share: one moves. */
static void
steals_one_from_a_worker_at_its_share_if_two_are_missing(void **state)
{
    (void)state;
    given_leases("a", 3);
    given_leases("b", 3);
    given_leases("me", 1);
    look_at(0);

    assert_int_equal(takes(), 1);
}

/* T6: leases_max lowers what it wants, not what others may keep. */
static void
does_not_steal_beyond_leases_max(void **state)
{
    (void)state;
    given_leases("a", 9);
    given_leases("me", 2);
    scene.leases_max = 2;
    look_at(0);

    assert_int_equal(takes(), 0);
}

/* T6 */
static void
never_takes_its_own(void **state)
{
    (void)state;
    given_leases("me", 4);
    look_at(0);
    look_at(5 * D_MS);

    assert_int_equal(takes(), 0);
}

/* T8: nobody has taken them for so long that the shares cannot be right. */
static void
takes_very_old_leases_whatever_its_share(void **state)
{
    (void)state;
    given_leases("me", 5);
    given_leases("a", 2);
    given_leases("", 2);
    look_at(0);
    assert_int_equal(takes(), 0); /* its share is five of nine */
    renew_but("");
    look_at(WI_VERY_OLD_DURATIONS * D_MS - 1);
    assert_int_equal(takes(), 0);

    renew_but("");
    look_at(WI_VERY_OLD_DURATIONS * D_MS);
    assert_int_equal(takes(), 2);
    assert_int_equal(taken_from(""), 2);
    scene.leases_max = 6;
    assert_int_equal(takes(), 1);
}

/* --- the shuffle's leader ------------------------------------------------------------------- */

/* T11. OpenJDK 17: the sorted list b:2, java-1, java-2, weir-1@a, zeta becomes zeta, b:2, ... */
static void
the_leader_is_javas(void **state)
{
    const char *leader = "?";

    (void)state;
    assert_int_equal(wi_take_leader(&scene.test.env, &scene.table, &leader), WEIR_OK);
    assert_null(leader);
    given_leases("weir-1@a", 2);
    given_leases("zeta", 1);
    given_leases("", 2);
    given_leases("java-2", 1);
    given_finished("b:2", 3);
    given_leases("java-1", 2);
    given_leases("weir-1@a", 2);

    assert_int_equal(wi_take_leader(&scene.test.env, &scene.table, &leader), WEIR_OK);
    assert_string_equal(leader, "zeta");
}

static void
plans_survive_every_allocation_failure(void **state)
{
    enum weir_error error = WEIR_ENOMEM;

    (void)state;
    given_leases("", 3);
    look_at(0);
    for (size_t n = 1; error != WEIR_OK; n++) {
        const struct wi_take_input input = {
            .table = &scene.table,
            .seen = scene.seen,
            .now = at_ms(0),
            .owner = "me",
            .lease_duration_ms = D_MS};
        size_t live = scene.test.live;

        scene.test.allocations = 0;
        scene.test.fail_at = n;
        error = wi_take_plan_make(&scene.test.env, &input, &scene.random, &scene.plan);
        if (error != WEIR_OK) {
            assert_int_equal(error, WEIR_ENOMEM);
            assert_int_equal(scene.test.live, live);
        }
    }
    assert_int_equal(scene.plan.count, 3);
    scene.test.fail_at = 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(takes_unowned_leases_at_first_sight),
        SCENE_TEST(watches_an_owned_lease_for_a_full_duration),
        SCENE_TEST(takes_what_the_kernel_calls_dead_at_once),
        SCENE_TEST(leaves_finished_leases_out),
        SCENE_TEST(does_not_count_dead_workers),
        SCENE_TEST(takes_no_more_than_its_share_of_what_is_free),
        SCENE_TEST(takes_one_where_there_are_more_workers_than_leases),
        SCENE_TEST(draws_by_the_generator),
        SCENE_TEST(keeps_to_leases_max),
        SCENE_TEST(takes_nothing_when_it_is_full),
        SCENE_TEST(steals_one_from_the_most_loaded_worker),
        SCENE_TEST(does_not_steal_while_something_is_free),
        SCENE_TEST(does_not_steal_to_trade_places),
        SCENE_TEST(steals_one_from_a_worker_at_its_share_if_two_are_missing),
        SCENE_TEST(does_not_steal_beyond_leases_max),
        SCENE_TEST(never_takes_its_own),
        SCENE_TEST(takes_very_old_leases_whatever_its_share),
        SCENE_TEST(the_leader_is_javas),
        SCENE_TEST(plans_survive_every_allocation_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

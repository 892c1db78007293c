/* Whole fleets in virtual time, over many seeds: one leader per term, every lease owned within a
 * bound, counts even, no move too many, and then quiet (L1 to L3). */
#include <string.h>

#include "tests/support/weir_test.h"
#include "tests/unit/coordinator/coordinator_world.h"

#define SEEDS 32

static struct world world;

/* L2: unfinished leases per usable worker differ by at most one; nobody else has any. */
static void
check_balance(void)
{
    size_t least = SIZE_MAX;
    size_t most = 0;

    for (size_t w = 0; w < WORLD_WORKERS_MAX; w++) {
        size_t held = world_held(&world, w);

        if (world.workers[w].alive) {
            least = held < least ? held : least;
            most = held > most ? held : most;
        }
    }
    assert_true(most - least <= 1);
}

/* I15: what is open, and all that came before it, has a lease. */
static void
check_leases(void)
{
    for (size_t i = 0; i < world.shard_count; i++) {
        bool has_lease = false;

        for (size_t l = 0; l < world.seen.lease_count; l++) {
            has_lease |= strcmp(world.seen.leases[l].lease_key, world.shards[i].shard_id) == 0;
        }
        assert_true(has_lease);
    }
}

/* Nobody fails any more; draining workers have left, at least one stays. */
static void
calm_down(void)
{
    world.has_faults = false;
    world.has_splits = false;
    for (size_t w = 0; w < WORLD_WORKERS_MAX; w++) {
        world.workers[w].hangs_until_ms = 0;
    }
    if (world_usable(&world) == 0) {
        (void)world_join(&world);
        (void)world_join(&world);
    }
}

/* L1, L2, L3 after any history. */
static void
recovers_balances_and_comes_to_rest_after_any_faults(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        size_t changes;

        world_open(&world, seed);
        (void)world_join(&world);
        (void)world_join(&world);
        world.has_faults = true;
        world.has_splits = seed % 2 == 0;
        world_run(&world, 20 * WORLD_DURATION_MS);
        calm_down();
        world_run(&world, 3 * WORLD_DURATION_MS);
        assert_int_equal(world_homeless(&world), 0);
        world_run(&world, 3 * WORLD_DURATION_MS);
        check_balance();
        check_leases();
        changes = world.owner_changes;
        world_run(&world, 20 * WORLD_DURATION_MS);
        assert_int_equal(world.owner_changes, changes);
        world_close(&world);
    }
}

/* C18, C21: a join moves the share of the new worker, each lease once, and nothing else. */
static void
moves_each_lease_at_most_once_when_workers_join(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS / 4; seed++) {
        size_t changes;

        world_open(&world, seed);
        for (size_t workers = 1; workers <= 6; workers++) {
            changes = world.owner_changes;
            (void)world_join(&world);
            world_run(&world, 2 * WORLD_DURATION_MS);
            check_balance();
            if (workers > 1) {
                assert_int_equal(world.owner_changes - changes, WORLD_SHARDS_FIRST / workers);
            }
        }
        world_close(&world);
    }
}

/* G6, R9: with the kernel's word nobody waits for the lease duration; neither when the leader dies.
 */
static void
places_leases_of_a_crashed_worker_within_one_look(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS / 4; seed++) {
        world_open(&world, seed);
        (void)world_join(&world);
        (void)world_join(&world);
        (void)world_join(&world);
        world_run(&world, 2 * WORLD_DURATION_MS);
        world_crash(&world, seed % 3);
        world_run(&world, WORLD_DURATION_MS / 2);
        assert_int_equal(world_homeless(&world), 0);
        world_close(&world);
    }
}

/* G6: a hung worker's leases go after the lease duration, two looks, and the answers; if it led,
 * fencing it as leader frees its leases as well. */
static void
places_leases_of_a_hung_worker_after_the_lease_duration(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS / 4; seed++) {
        size_t hung = seed % 3;

        world_open(&world, seed);
        (void)world_join(&world);
        (void)world_join(&world);
        (void)world_join(&world);
        world_run(&world, 2 * WORLD_DURATION_MS);
        assert_int_not_equal(world_held(&world, hung), 0);
        world.workers[hung].hangs_until_ms = INT64_MAX;
        world_run(&world, WORLD_DURATION_MS + WORLD_DURATION_MS / 2 + 100);
        assert_int_equal(world_held(&world, hung), 0);
        world_close(&world);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recovers_balances_and_comes_to_rest_after_any_faults),
        cmocka_unit_test(moves_each_lease_at_most_once_when_workers_join),
        cmocka_unit_test(places_leases_of_a_crashed_worker_within_one_look),
        cmocka_unit_test(places_leases_of_a_hung_worker_after_the_lease_duration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

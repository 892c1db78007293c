/* C53: balance by weighted load, and inputs of the largest size. */
#include <stdlib.h>
#include <string.h>

#include "coordinator/assignment.h"
#include "core/pcg.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define WORKERS_MAX 1000
#define LEASES_MAX  100000
#define ROUNDS      300

static struct test_env test;

/* Too large for a stack. */
static struct wi_assign_worker workers[WORKERS_MAX];
static struct wi_assign_lease leases[LEASES_MAX];
static size_t target[LEASES_MAX];
static uint64_t load[WORKERS_MAX];
static size_t count[WORKERS_MAX];
static struct wi_assign_input input;

static void
given(size_t worker_count, size_t lease_count)
{
    memset(workers, 0, sizeof workers);
    memset(leases, 0, sizeof leases);
    for (size_t i = 0; i < lease_count; i++) {
        leases[i] = (struct wi_assign_lease){.worker = WI_NO_WORKER, .load = 1};
    }
    input = (struct wi_assign_input){
        .workers = workers,
        .worker_count = worker_count,
        .leases = leases,
        .lease_count = lease_count,
        .settings = {.by_load = true, .load_moves_max = SIZE_MAX},
    };
    test_env_init(&test);
}

/* Returns how many leases leave a worker that may keep them. */
static size_t
assign(void)
{
    size_t moves = 0;

    assert_int_equal(wi_assign(&test.env, &input, target), WEIR_OK);
    test_env_assert_no_leak(&test);
    memset(load, 0, sizeof load);
    memset(count, 0, sizeof count);
    for (size_t i = 0; i < input.lease_count; i++) {
        size_t from = leases[i].worker;

        if (target[i] != WI_NO_WORKER) {
            load[target[i]] += leases[i].load;
            count[target[i]]++;
        }
        moves += from != WI_NO_WORKER && !workers[from].draining && target[i] != from ? 1 : 0;
    }
    return moves;
}

static void
accept_plan(void)
{
    for (size_t i = 0; i < input.lease_count; i++) {
        leases[i].worker = target[i];
    }
}

static void
spreads_hot_leases_over_workers(void **state)
{
    (void)state;
    given(2, 6);
    leases[0].load = 500;
    for (size_t i = 1; i < 6; i++) {
        leases[i].load = 100;
    }
    assign();

    assert_int_equal(load[0], 500);
    assert_int_equal(load[1], 500);
}

static void
moves_one_lease_when_one_is_enough(void **state)
{
    (void)state;
    given(2, 4);
    for (size_t i = 0; i < 4; i++) {
        leases[i] = (struct wi_assign_lease){.worker = 0, .load = 10 * (i + 1)};
    }
    leases[0].worker = 1;
    assert_int_equal(assign(), 1);

    assert_int_equal(load[0], 50);
    assert_int_equal(load[1], 50);
}

static void
leaves_loads_within_ten_percent_alone(void **state)
{
    (void)state;
    given(2, 4);
    leases[0] = (struct wi_assign_lease){.worker = 0, .load = 1000};
    leases[1] = (struct wi_assign_lease){.worker = 0, .load = 80};
    leases[2] = (struct wi_assign_lease){.worker = 1, .load = 900};
    leases[3] = (struct wi_assign_lease){.worker = 1, .load = 20};

    assert_int_equal(assign(), 0);
}

/* A single hot shard cannot be cut; the others must not be shuffled because of it. */
static void
does_not_shuffle_around_a_lease_that_is_hotter_than_the_mean(void **state)
{
    (void)state;
    given(3, 22);
    leases[0] = (struct wi_assign_lease){.worker = 0, .load = 1000};
    for (size_t i = 1; i < 22; i++) {
        leases[i] = (struct wi_assign_lease){.worker = 1 + i % 2, .load = 10};
    }
    leases[1].load = 4;
    leases[2].load = 5;
    leases[3] = (struct wi_assign_lease){.worker = 1, .load = 5};
    assert_int_equal(assign(), 0);
}

static void
stops_at_the_bound_on_moves_but_places_everything(void **state)
{
    (void)state;
    given(4, 40);
    for (size_t i = 0; i < 40; i++) {
        leases[i] = (struct wi_assign_lease){.worker = i < 30 ? 0 : WI_NO_WORKER, .load = 10};
    }
    input.settings.load_moves_max = 3;
    assert_int_equal(assign(), 3);

    assert_int_equal(count[0] + count[1] + count[2] + count[3], 40);
}

static void
honours_bounds_and_draining_workers(void **state)
{
    (void)state;
    given(3, 12);
    workers[0].leases_max = 2;
    workers[1].draining = true;
    for (size_t i = 0; i < 12; i++) {
        leases[i].worker = i < 8 ? i % 2 : WI_NO_WORKER;
    }
    assign();

    assert_int_equal(count[0], 2);
    assert_int_equal(count[1], 0);
    assert_int_equal(count[2], 10);
}

static void
leaves_homeless_what_nobody_has_room_for(void **state)
{
    (void)state;
    given(2, 5);
    workers[0].leases_max = 1;
    workers[1].leases_max = 2;
    assign();

    assert_int_equal(count[0], 1);
    assert_int_equal(count[1], 2);
    given(0, 3);
    assign();
    assert_int_equal(target[0], WI_NO_WORKER);
}

/* One unknown load: all are compared by count. */
static void
goes_by_count_if_one_load_is_not_known(void **state)
{
    (void)state;
    given(2, 4);
    leases[0].load = 1000;
    leases[3].load = 0;
    assign();

    assert_int_equal(count[0], 2);
    assert_int_equal(count[1], 2);
}

static void
survives_loads_whose_sum_overflows(void **state)
{
    (void)state;
    given(2, 4);
    for (size_t i = 0; i < 4; i++) {
        leases[i] = (struct wi_assign_lease){.worker = 0, .load = UINT64_MAX};
    }
    assert_int_equal(assign(), 2);
    assert_int_equal(count[1], 2);
}

/* Many leases of like size: everybody ends within a tenth of the mean, and stays there. */
static void
is_balanced_and_stable_for_random_loads(void **state)
{
    struct wi_pcg pcg;

    (void)state;
    wi_pcg_seed(&pcg, 99, 1);
    for (int round = 0; round < ROUNDS; round++) {
        size_t worker_count = 1 + (size_t)wi_pcg_below(&pcg, 12);
        uint64_t sum = 0;

        given(worker_count, 60 * worker_count);
        for (size_t i = 0; i < input.lease_count; i++) {
            leases[i].worker = (size_t)wi_pcg_below(&pcg, 1 + wi_pcg_below(&pcg, worker_count));
            leases[i].load = 1000 + wi_pcg_below(&pcg, 3000);
            sum += leases[i].load;
        }
        assign();
        for (size_t w = 0; w < worker_count; w++) {
            assert_true(load[w] * 10 * worker_count <= sum * 11);
            assert_true(load[w] * 10 * worker_count >= sum * 9 - 10 * worker_count);
        }
        accept_plan();
        assert_int_equal(assign(), 0);
    }
}

/* Any loads, bounds and fixed leases: applied again and again, plans come to rest. */
static void
comes_to_rest_for_any_input(void **state)
{
    struct wi_pcg pcg;

    (void)state;
    wi_pcg_seed(&pcg, 100, 1);
    for (int round = 0; round < ROUNDS; round++) {
        given(1 + (size_t)wi_pcg_below(&pcg, 10), (size_t)wi_pcg_below(&pcg, 80));
        for (size_t w = 0; w < input.worker_count; w++) {
            workers[w].draining = wi_pcg_below(&pcg, 5) == 0;
            workers[w].leases_max = (uint32_t)wi_pcg_below(&pcg, 20);
        }
        for (size_t i = 0; i < input.lease_count; i++) {
            leases[i].worker = (size_t)wi_pcg_below(&pcg, input.worker_count);
            leases[i].fixed = wi_pcg_below(&pcg, 5) == 0;
            leases[i].load = 1 + (wi_pcg_next64(&pcg) >> wi_pcg_below(&pcg, 64)) / 2;
        }
        assign();
        accept_plan();
        for (size_t i = 0; i < input.lease_count; i++) {
            assert_true(!leases[i].fixed || target[i] == leases[i].worker);
        }
        assert_int_equal(assign(), 0);
    }
}

/* 100,000 leases, 1,000 workers, by count and by load: a fraction of a second each. */
static void
is_quick_for_the_largest_fleet(void **state)
{
    struct wi_pcg pcg;

    (void)state;
    wi_pcg_seed(&pcg, 101, 1);
    for (int by_load = 0; by_load < 2; by_load++) {
        given(WORKERS_MAX, LEASES_MAX);
        for (size_t i = 0; i < LEASES_MAX; i++) {
            leases[i].worker = i % 5 == 0 ? WI_NO_WORKER : (size_t)wi_pcg_below(&pcg, 500);
            leases[i].load = 1000 + wi_pcg_below(&pcg, 3000);
        }
        input.settings = (struct wi_assign_settings){by_load == 1, 1000};
        assign();
        if (by_load == 0) {
            assert_int_equal(count[0], 100);
            assert_int_equal(count[WORKERS_MAX - 1], 100);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spreads_hot_leases_over_workers),
        cmocka_unit_test(moves_one_lease_when_one_is_enough),
        cmocka_unit_test(leaves_loads_within_ten_percent_alone),
        cmocka_unit_test(does_not_shuffle_around_a_lease_that_is_hotter_than_the_mean),
        cmocka_unit_test(stops_at_the_bound_on_moves_but_places_everything),
        cmocka_unit_test(honours_bounds_and_draining_workers),
        cmocka_unit_test(leaves_homeless_what_nobody_has_room_for),
        cmocka_unit_test(goes_by_count_if_one_load_is_not_known),
        cmocka_unit_test(survives_loads_whose_sum_overflows),
        cmocka_unit_test(is_balanced_and_stable_for_random_loads),
        cmocka_unit_test(comes_to_rest_for_any_input),
        cmocka_unit_test(is_quick_for_the_largest_fleet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

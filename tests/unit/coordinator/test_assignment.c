#include <string.h>

#include "coordinator/assignment.h"
#include "core/pcg.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define WORKERS_MAX 20
#define LEASES_MAX  120
#define ROUNDS      4000

static struct test_env test;

/* One call of wi_assign(), and its result. */
struct scene {
    struct wi_assign_worker workers[WORKERS_MAX];
    struct wi_assign_lease leases[LEASES_MAX];
    size_t target[LEASES_MAX];
    size_t count[WORKERS_MAX]; /* leases of each worker in the result */
    struct wi_assign_input input;
};

static void
given(struct scene *scene, size_t workers, size_t leases)
{
    memset(scene, 0, sizeof *scene);
    scene->input = (struct wi_assign_input){
        .workers = scene->workers,
        .worker_count = workers,
        .leases = scene->leases,
        .lease_count = leases,
    };
    for (size_t i = 0; i < leases; i++) {
        scene->leases[i].worker = WI_NO_WORKER;
    }
    test_env_init(&test);
}

static void
assign(struct scene *scene)
{
    assert_int_equal(wi_assign(&test.env, &scene->input, scene->target), WEIR_OK);
    test_env_assert_no_leak(&test);
    memset(scene->count, 0, sizeof scene->count);
    for (size_t i = 0; i < scene->input.lease_count; i++) {
        if (scene->target[i] != WI_NO_WORKER) {
            assert_true(scene->target[i] < scene->input.worker_count);
            scene->count[scene->target[i]]++;
        }
    }
}

/* Leases that leave a worker that may keep them. */
static size_t
moves_in(const struct scene *scene)
{
    size_t moves = 0;

    for (size_t i = 0; i < scene->input.lease_count; i++) {
        size_t from = scene->leases[i].worker;

        moves += from != WI_NO_WORKER && !scene->workers[from].draining && scene->target[i] != from
                     ? 1
                     : 0;
    }
    return moves;
}

static void
accept_plan(struct scene *scene)
{
    for (size_t i = 0; i < scene->input.lease_count; i++) {
        scene->leases[i].worker = scene->target[i];
    }
}

/* C50 */
static void
spreads_unowned_leases_evenly(void **state)
{
    struct scene scene;

    (void)state;
    given(&scene, 3, 11);
    assign(&scene);

    assert_int_equal(scene.count[0], 4);
    assert_int_equal(scene.count[1], 4);
    assert_int_equal(scene.count[2], 3);
}

/* C52: a worker joins: it gets its share, and nothing else moves. */
static void
moves_only_what_a_new_worker_needs(void **state)
{
    struct scene scene;

    (void)state;
    given(&scene, 4, 64);
    for (size_t i = 0; i < 64; i++) {
        scene.leases[i].worker = i % 3;
    }
    assign(&scene);

    assert_int_equal(scene.count[3], 16);
    assert_int_equal(moves_in(&scene), 16);
}

/* C52: five leases on two workers stay 3 and 2, whichever worker has the third. */
static void
leaves_the_odd_lease_where_it_is(void **state)
{
    struct scene scene;

    (void)state;
    given(&scene, 2, 5);
    for (size_t i = 0; i < 5; i++) {
        scene.leases[i].worker = i < 2 ? 0 : 1;
    }
    assign(&scene);

    assert_int_equal(moves_in(&scene), 0);
    assert_int_equal(scene.count[1], 3);
}

/* C50 */
static void
empties_a_draining_worker(void **state)
{
    struct scene scene;

    (void)state;
    given(&scene, 3, 9);
    scene.workers[1].draining = true;
    for (size_t i = 0; i < 9; i++) {
        scene.leases[i].worker = i % 3;
    }
    assign(&scene);

    assert_int_equal(scene.count[1], 0);
    assert_int_equal(moves_in(&scene), 0);
    assert_true(scene.count[0] == 5 || scene.count[2] == 5);
}

/* C50: nobody can take it. */
static void
has_nobody_for_the_leases_of_the_last_worker(void **state)
{
    struct scene scene;

    (void)state;
    given(&scene, 1, 2);
    scene.workers[0].draining = true;
    scene.leases[0].worker = 0;
    assign(&scene);
    assert_int_equal(scene.target[0], WI_NO_WORKER);
    assert_int_equal(scene.target[1], WI_NO_WORKER);

    given(&scene, 0, 1);
    assign(&scene);
    assert_int_equal(scene.target[0], WI_NO_WORKER);
}

/* C51 */
static void
never_exceeds_leases_max(void **state)
{
    struct scene scene;

    (void)state;
    given(&scene, 2, 10);
    scene.workers[0].leases_max = 2;
    scene.workers[1].leases_max = 5;
    assign(&scene);

    assert_int_equal(scene.count[0], 2);
    assert_int_equal(scene.count[1], 5);
}

/* C51: the bound was lowered; with room elsewhere the excess moves, without it stays. */
static void
moves_what_is_above_the_bound_if_there_is_room(void **state)
{
    struct scene scene;

    (void)state;
    given(&scene, 2, 6);
    scene.workers[0].leases_max = 1;
    scene.workers[1].leases_max = 3;
    for (size_t i = 0; i < 6; i++) {
        scene.leases[i].worker = 0;
    }
    assign(&scene);

    assert_int_equal(scene.count[1], 3);
    assert_int_equal(scene.count[0], 3);
    accept_plan(&scene);
    assign(&scene);
    assert_int_equal(moves_in(&scene), 0);
}

/* C50: fixed leases count, and stay. */
static void
counts_fixed_leases_but_leaves_them(void **state)
{
    struct scene scene;

    (void)state;
    given(&scene, 2, 8);
    for (size_t i = 0; i < 8; i++) {
        scene.leases[i].worker = i < 6 ? 0 : 1;
        scene.leases[i].fixed = i < 5;
    }
    assign(&scene);

    assert_int_equal(scene.count[0], 5);
    assert_int_equal(scene.target[5], 1);
    assert_int_equal(moves_in(&scene), 1);
}

/* A lease that is fixed where nobody has it takes no part. */
static void
leaves_a_fixed_unowned_lease_alone(void **state)
{
    struct scene scene;

    (void)state;
    given(&scene, 1, 2);
    scene.leases[0].fixed = true;
    assign(&scene);

    assert_int_equal(scene.target[0], WI_NO_WORKER);
    assert_int_equal(scene.target[1], 0);
}

/* ---- properties over random inputs ---- */

static size_t
limit_of(const struct scene *scene, size_t worker)
{
    size_t limit = scene->workers[worker].leases_max;

    if (scene->workers[worker].draining) {
        return 0;
    }
    return limit == 0 ? LEASES_MAX : limit;
}

static size_t
fixed_on(const struct scene *scene, size_t worker)
{
    size_t fixed = 0;

    for (size_t i = 0; i < scene->input.lease_count; i++) {
        fixed += scene->leases[i].worker == worker && scene->leases[i].fixed ? 1 : 0;
    }
    return fixed;
}

static size_t
had(const struct scene *scene, size_t worker)
{
    size_t count = 0;

    for (size_t i = 0; i < scene->input.lease_count; i++) {
        count += scene->leases[i].worker == worker ? 1 : 0;
    }
    return count;
}

static void
given_random(struct scene *scene, struct wi_pcg *pcg)
{
    size_t workers = (size_t)wi_pcg_below(pcg, WORKERS_MAX + 1);
    size_t leases = (size_t)wi_pcg_below(pcg, LEASES_MAX + 1);
    bool has_bounds = wi_pcg_below(pcg, 2) == 0;
    bool has_fixed = wi_pcg_below(pcg, 2) == 0;
    uint64_t skew = 1 + wi_pcg_below(pcg, WORKERS_MAX + 1);

    given(scene, workers, leases);
    for (size_t w = 0; w < workers; w++) {
        scene->workers[w].draining = wi_pcg_below(pcg, 5) == 0;
        scene->workers[w].leases_max = has_bounds ? (uint32_t)wi_pcg_below(pcg, 12) : 0;
    }
    for (size_t i = 0; i < leases; i++) {
        size_t worker = (size_t)wi_pcg_below(pcg, skew);

        scene->leases[i].worker = worker < workers ? worker : WI_NO_WORKER;
        scene->leases[i].fixed = has_fixed && wi_pcg_below(pcg, 4) == 0;
        scene->leases[i].load = 1 + wi_pcg_below(pcg, 1000);
    }
}

/* Fixed leases stay; nobody is filled above the bound; what is homeless is so for want of room. */
static void
check_bounds(const struct scene *scene)
{
    bool has_room = false;

    for (size_t w = 0; w < scene->input.worker_count; w++) {
        size_t before = had(scene, w);

        has_room |= scene->count[w] < limit_of(scene, w);
        assert_true(scene->count[w] <= limit_of(scene, w) || scene->count[w] <= before);
    }
    for (size_t i = 0; i < scene->input.lease_count; i++) {
        const struct wi_assign_lease *lease = &scene->leases[i];
        bool is_over = scene->target[i] != WI_NO_WORKER &&
                       scene->count[scene->target[i]] > limit_of(scene, scene->target[i]);

        if (lease->fixed) {
            assert_int_equal(scene->target[i], lease->worker);
        } else if (scene->target[i] == WI_NO_WORKER || is_over) {
            assert_false(has_room);
        } else {
            assert_false(scene->workers[scene->target[i]].draining);
        }
    }
}

/* C50: no lease could go from a to b and make counts more even. */
static void
check_balance(const struct scene *scene)
{
    for (size_t a = 0; a < scene->input.worker_count; a++) {
        bool can_give = !scene->workers[a].draining && scene->count[a] > fixed_on(scene, a);

        for (size_t b = 0; b < scene->input.worker_count && can_give; b++) {
            bool can_take = scene->count[b] < limit_of(scene, b);

            assert_true(!can_take || scene->count[a] <= scene->count[b] + 1);
        }
    }
}

/* The common level: the fewest leases of a worker that could have more and could have fewer. */
static size_t
level_of(const struct scene *scene)
{
    size_t level = SIZE_MAX;

    for (size_t w = 0; w < scene->input.worker_count; w++) {
        size_t count = scene->count[w];

        if (count < limit_of(scene, w) && count > fixed_on(scene, w) && count < level) {
            level = count;
        }
    }
    return level;
}

/* Whether the worker may have one lease more than the level. */
static bool
may_be_above(const struct scene *scene, size_t worker, size_t level)
{
    return level != SIZE_MAX && level < limit_of(scene, worker) &&
           fixed_on(scene, worker) <= level &&
           (scene->count[worker] == level || scene->count[worker] == level + 1);
}

/* The fewest moves that any plan needs whose sorted counts are those of this one: leases above the
 * common level go, but for one at as many workers as end up one above it. */
static size_t
fewest_moves(const struct scene *scene)
{
    size_t level = level_of(scene);
    size_t moves = 0;
    size_t places = 0;  /* one above the level */
    size_t keepers = 0; /* workers that could save a move by having such a place */

    for (size_t w = 0; w < scene->input.worker_count; w++) {
        bool may_keep = may_be_above(scene, w, level);
        size_t base = may_keep ? level : scene->count[w];
        size_t before = had(scene, w);

        if (!scene->workers[w].draining) {
            moves += before > base ? before - base : 0;
            places += may_keep && scene->count[w] > level ? 1 : 0;
            keepers += may_keep && before > level ? 1 : 0;
        }
    }
    return moves - (places < keepers ? places : keepers);
}

/* C50 to C52 */
static void
is_balanced_minimal_and_stable_for_random_inputs(void **state)
{
    struct wi_pcg pcg;
    struct scene scene;

    (void)state;
    wi_pcg_seed(&pcg, 4711, 1);
    for (int round = 0; round < ROUNDS; round++) {
        given_random(&scene, &pcg);
        assign(&scene);
        check_bounds(&scene);
        check_balance(&scene);
        assert_int_equal(moves_in(&scene), fewest_moves(&scene));

        accept_plan(&scene);
        assign(&scene);
        assert_int_equal(moves_in(&scene), 0);
    }
}

/* C50: what is decided once stays decided while single workers come and go: nothing moves that
 * neither leaves a worker that goes nor goes to one that came. */
static void
moves_nothing_between_workers_that_stay(void **state)
{
    struct wi_pcg pcg;
    struct scene scene;

    (void)state;
    wi_pcg_seed(&pcg, 4712, 1);
    given(&scene, 8, 100);
    scene.workers[7].draining = true;
    for (int round = 0; round < ROUNDS; round++) {
        size_t changed = (size_t)wi_pcg_below(&pcg, 8);

        assign(&scene);
        accept_plan(&scene);
        scene.workers[changed].draining = !scene.workers[changed].draining;
        assign(&scene);
        for (size_t i = 0; i < scene.input.lease_count; i++) {
            size_t from = scene.leases[i].worker;

            assert_true(
                scene.target[i] == from || from == WI_NO_WORKER || from == changed ||
                scene.target[i] == changed);
        }
    }
}

static void
gives_the_same_plan_for_the_same_input(void **state)
{
    struct wi_pcg pcg;
    struct scene scene;
    size_t first[LEASES_MAX];

    (void)state;
    wi_pcg_seed(&pcg, 4713, 1);
    for (int round = 0; round < 200; round++) {
        given_random(&scene, &pcg);
        scene.input.settings = (struct wi_assign_settings){round % 2 == 0, 10};
        assign(&scene);
        memcpy(first, scene.target, sizeof first);
        assign(&scene);
        assert_memory_equal(first, scene.target, scene.input.lease_count * sizeof first[0]);
    }
}

static void
assignment_survives_every_allocation_failure(void **state)
{
    struct scene scene;

    (void)state;
    for (size_t n = 1;; n++) {
        enum weir_error error;

        given(&scene, 3, 9);
        for (size_t i = 0; i < 9; i++) {
            scene.leases[i].load = 1;
        }
        scene.input.settings = (struct wi_assign_settings){true, 10};
        test.fail_at = n;
        error = wi_assign(&test.env, &scene.input, scene.target);
        test_env_assert_no_leak(&test);
        if (!test_env_has_failed(&test)) {
            assert_int_equal(error, WEIR_OK);
            return;
        }
        assert_int_equal(error, WEIR_ENOMEM);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spreads_unowned_leases_evenly),
        cmocka_unit_test(moves_only_what_a_new_worker_needs),
        cmocka_unit_test(leaves_the_odd_lease_where_it_is),
        cmocka_unit_test(empties_a_draining_worker),
        cmocka_unit_test(has_nobody_for_the_leases_of_the_last_worker),
        cmocka_unit_test(never_exceeds_leases_max),
        cmocka_unit_test(moves_what_is_above_the_bound_if_there_is_room),
        cmocka_unit_test(counts_fixed_leases_but_leaves_them),
        cmocka_unit_test(leaves_a_fixed_unowned_lease_alone),
        cmocka_unit_test(is_balanced_minimal_and_stable_for_random_inputs),
        cmocka_unit_test(moves_nothing_between_workers_that_stay),
        cmocka_unit_test(gives_the_same_plan_for_the_same_input),
        cmocka_unit_test(assignment_survives_every_allocation_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Signs of life in a table without sessions. */
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>

#include "core/mono.h"
#include "core/str.h"
#include "lease/lease_watch_dynamodb.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define D_MS INT64_C(10000)

struct scene {
    struct test_env test;
    struct wi_dynamodb_watch watch;
    int64_t at_ms;
};

static struct scene *
given_scene(struct scene *scene)
{
    test_env_init(&scene->test);
    scene->watch = (struct wi_dynamodb_watch){.env = &scene->test.env};
    scene->at_ms = 1000;
    return scene;
}

static void
end_scene(struct scene *scene)
{
    wi_dynamodb_watch_free(&scene->watch);
    test_env_assert_no_leak(&scene->test);
}

static struct wi_dynamodb_worker
java_row(int64_t updated_s)
{
    return (struct wi_dynamodb_worker){.worker = {.owner = "java", .state = WI_OWNER_ALIVE},
                                       .updated_s = updated_s};
}

/* One listing: a worker row, and a lease of it at `counter` (0: it has none). */
static struct wi_worker
listed(struct scene *scene, struct wi_dynamodb_worker row, uint64_t counter)
{
    const struct wi_dynamodb_watch_time time = {
        .now = {scene->at_ms * WI_NS_PER_MS}, .wall_s = 2000, .lease_duration_ms = D_MS};
    struct wi_lease lease = {.lease_key = "shard-a", .counter = counter};

    assert_int_equal(wi_dynamodb_watch_begin(&scene->watch, 1, 1), WEIR_OK);
    if (counter > 0) {
        memcpy(lease.owner, row.worker.owner, sizeof lease.owner);
        wi_dynamodb_watch_lease(&scene->watch, &lease, time.now);
    }
    wi_dynamodb_watch_worker(&scene->watch, &time, &row);
    wi_dynamodb_watch_end(&scene->watch);
    return row.worker;
}

/* Its row changes every 30 s only: in between it counts as live, for as long as Java's own leader
 * would say so. */
static void
lets_a_java_worker_without_leases_live_between_its_reports(void **state)
{
    struct scene scene;
    uint64_t before = listed(given_scene(&scene), java_row(1990), 0).counter;

    (void)state;
    for (int i = 0; i < 23; i++) {
        uint64_t after;
        scene.at_ms += 2500;
        after = listed(&scene, java_row(1990), 0).counter;
        assert_true(after != before);
        before = after;
    }
    scene.at_ms += 2500;
    assert_int_equal(listed(&scene, java_row(1990), 0).counter, before);
    assert_int_not_equal(listed(&scene, java_row(1991), 0).counter, before);
    end_scene(&scene);
}

/* Java KCL gives leases to a dead worker again and again while its row is young. */
static void
gives_nothing_to_a_worker_that_let_its_leases_expire(void **state)
{
    struct scene scene;
    uint64_t before = 0;

    (void)state;
    (void)listed(given_scene(&scene), java_row(1990), 5);
    scene.at_ms += 2500;
    before = listed(&scene, java_row(1990), 6).counter;
    for (int i = 0; i < 5; i++) {
        scene.at_ms += 2500;
        assert_int_equal(listed(&scene, java_row(1990), 6).counter, before);
    }
    scene.at_ms += 2500; /* its lease has been taken: its row alone does not bring it back */
    assert_int_equal(listed(&scene, java_row(1990), 0).counter, before);
    scene.at_ms += 2500;
    assert_int_not_equal(listed(&scene, java_row(1999), 0).counter, before);
    end_scene(&scene);
}

static void
takes_renewals_for_signs_of_life(void **state)
{
    struct scene scene;
    struct wi_dynamodb_worker row = {
        .worker = {.owner = "weir", .counter = 3, .state = WI_OWNER_ALIVE}, .is_ours = true};
    uint64_t before = listed(given_scene(&scene), row, 5).counter;

    (void)state;
    assert_int_equal(before, 3);
    scene.at_ms += 2500;
    assert_int_equal(listed(&scene, row, 5).counter, before);
    assert_int_equal(listed(&scene, row, 6).counter, before + 1);
    row.worker.counter = 4;
    assert_int_equal(listed(&scene, row, 6).counter, before + 3);
    end_scene(&scene);
}

/* Not for leases: whose owner is dead is for their counters to say. */
static void
forgets_rows_that_nobody_lives_behind(void **state)
{
    struct scene scene;
    struct wi_dynamodb_worker row = {
        .worker = {.owner = "weir", .counter = 3, .state = WI_OWNER_ALIVE}, .is_ours = true};

    (void)state;
    assert_int_equal(listed(given_scene(&scene), row, 0).state, WI_OWNER_ALIVE);
    scene.at_ms += WI_DYNAMODB_FORGET_MS - 1;
    assert_int_equal(listed(&scene, row, 0).state, WI_OWNER_ALIVE);
    scene.at_ms += 1;
    assert_int_equal(listed(&scene, row, 5).state, WI_OWNER_ALIVE);
    scene.at_ms += 1;
    assert_int_equal(listed(&scene, row, 0).state, WI_OWNER_GONE);
    assert_int_equal(listed(&scene, java_row(2000 - 86400), 0).state, WI_OWNER_ALIVE);
    scene.at_ms += WI_DYNAMODB_REPORT_LIFE_MS;
    assert_int_equal(listed(&scene, java_row(2000 - 86400), 0).state, WI_OWNER_GONE);
    end_scene(&scene);
}

/* What a leader judged by is a counter of listings; the row itself must stand still too. */
static void
knows_a_row_that_is_as_it_was_listed(void **state)
{
    struct scene scene;
    struct wi_dynamodb_worker row = {
        .worker = {.owner = "weir", .counter = 3, .state = WI_OWNER_ALIVE}, .is_ours = true};
    const struct wi_dynamodb_worker java = java_row(7);
    uint64_t counter;

    (void)state;
    (void)listed(given_scene(&scene), row, 0);
    assert_false(wi_dynamodb_watch_shows(&scene.watch, &java, 0));
    row.worker.counter = 4;
    counter = listed(&scene, row, 0).counter;
    assert_int_equal(counter, 5);
    assert_true(wi_dynamodb_watch_shows(&scene.watch, &row, counter));
    assert_false(wi_dynamodb_watch_shows(&scene.watch, &row, counter - 1));
    row.worker.counter = 5;
    assert_false(wi_dynamodb_watch_shows(&scene.watch, &row, counter));
    counter = listed(&scene, java, 0).counter;
    assert_true(wi_dynamodb_watch_shows(&scene.watch, &java, counter));
    row = java_row(8);
    assert_false(wi_dynamodb_watch_shows(&scene.watch, &row, counter));
    end_scene(&scene);
}

static void
survives_every_allocation_failure(void **state)
{
    struct scene scene;

    (void)state;
    for (size_t n = 1;; n++) {
        enum weir_error error = WEIR_OK;

        given_scene(&scene)->test.fail_at = n;
        error = wi_dynamodb_watch_begin(&scene.watch, 3, 3);
        end_scene(&scene);
        if (!test_env_has_failed(&scene.test)) {
            assert_int_equal(error, WEIR_OK);
            break;
        }
        assert_int_equal(error, WEIR_ENOMEM);
    }
}

/* Worker rows of weir are written at renewals, a quarter of the lease duration apart. */
static void
a_row_of_weir_speaks_for_its_worker_for_the_lease_duration(void **state)
{
    struct wi_dynamodb_worker row = java_row(2000);

    (void)state;
    assert_true(wi_dynamodb_has_reported(&row, 2059999, 300000));
    assert_false(wi_dynamodb_has_reported(&row, 2060000, 300000));
    row.is_ours = true;
    assert_true(wi_dynamodb_has_reported(&row, 2059999, D_MS));
    assert_false(wi_dynamodb_has_reported(&row, 2060000, D_MS));
    assert_true(wi_dynamodb_has_reported(&row, 2299999, 300000));
    assert_false(wi_dynamodb_has_reported(&row, 2300000, 300000));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_a_java_worker_without_leases_live_between_its_reports),
        cmocka_unit_test(gives_nothing_to_a_worker_that_let_its_leases_expire),
        cmocka_unit_test(takes_renewals_for_signs_of_life),
        cmocka_unit_test(forgets_rows_that_nobody_lives_behind),
        cmocka_unit_test(knows_a_row_that_is_as_it_was_listed),
        cmocka_unit_test(survives_every_allocation_failure),
        cmocka_unit_test(a_row_of_weir_speaks_for_its_worker_for_the_lease_duration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

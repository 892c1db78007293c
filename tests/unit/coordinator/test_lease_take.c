#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/lease_take.h"
#include "core/mono.h"
#include "lease/lease_expiry.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define D_MS        1000
#define LEASES_MAX  64
#define WORKERS_MAX 9
#define SEEDS       200

/* What worker "me" has seen of a table, and what it would take. Times are milliseconds. */
static struct scene {
    struct test_env test;
    struct wi_lease_expiry *seen;
    struct wi_lease_table table;
    struct wi_lease leases[LEASES_MAX];
    struct wi_pcg random;
    struct wi_take_plan plan;
    uint32_t leases_max;
    int64_t now_ms;
} scene;

static int
setup(void **state)
{
    (void)state;
    memset(&scene, 0, sizeof scene);
    test_env_init(&scene.test);
    wi_pcg_seed(&scene.random, 1, 1);
    scene.table.leases = scene.leases;
    return wi_lease_expiry_new(&scene.test.env, &scene.seen) == WEIR_OK ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    wi_take_plan_free(&scene.test.env, &scene.plan);
    wi_lease_expiry_free(scene.seen);
    test_env_assert_no_leak(&scene.test);
    return 0;
}

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static struct weir_mono
at_ms(int64_t ms)
{
    return wi_mono_add_ms((struct weir_mono){1}, ms);
}

static void
set_owner(struct wi_lease *lease, const char *owner)
{
    (void)snprintf(lease->owner, sizeof lease->owner, "%s", owner);
    lease->owner_state = owner[0] == '\0' ? WI_OWNER_NONE : WI_OWNER_ALIVE;
    lease->counter++;
    lease->epoch++;
}

static void
given_leases(const char *owner, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct wi_lease *lease = &scene.leases[scene.table.lease_count];

        (void)snprintf(
            lease->lease_key, sizeof lease->lease_key, "s%02zu", scene.table.lease_count);
        set_owner(lease, owner);
        scene.table.lease_count++;
    }
}

static void
given_finished(const char *owner, size_t count)
{
    given_leases(owner, count);
    for (size_t i = 0; i < count; i++) {
        scene.leases[scene.table.lease_count - 1 - i].checkpoint.type = WEIR_SHARD_END;
    }
}

/* A read of the table at `ms`. */
static void
look_at(int64_t ms)
{
    scene.now_ms = ms;
    wi_lease_expiry_begin(scene.seen);
    for (size_t i = 0; i < scene.table.lease_count; i++) {
        const struct wi_lease *lease = &scene.leases[i];

        if (lease->checkpoint.type != WEIR_SHARD_END) {
            assert_int_equal(
                wi_lease_expiry_observe(
                    scene.seen, lease->lease_key, lease->epoch, lease->counter, at_ms(ms)),
                WEIR_OK);
        }
    }
}

/* Renewals of everybody but `silent`. */
static void
renew_but(const char *silent)
{
    for (size_t i = 0; i < scene.table.lease_count; i++) {
        scene.leases[i].counter += strcmp(scene.leases[i].owner, silent) != 0 ? 1 : 0;
    }
}

static size_t
takes_of(const char *owner)
{
    const struct wi_take_input input = {.table = &scene.table,
                                        .seen = scene.seen,
                                        .now = at_ms(scene.now_ms),
                                        .owner = owner,
                                        .lease_duration_ms = D_MS,
                                        .leases_max = scene.leases_max};

    wi_take_plan_free(&scene.test.env, &scene.plan);
    assert_int_equal(
        wi_take_plan_make(&scene.test.env, &input, &scene.random, &scene.plan), WEIR_OK);
    return scene.plan.count;
}

static size_t
takes(void)
{
    return takes_of("me");
}

static struct wi_lease *
row(const char *key)
{
    for (size_t i = 0; i < scene.table.lease_count; i++) {
        if (strcmp(scene.leases[i].lease_key, key) == 0) {
            return &scene.leases[i];
        }
    }
    fail_msg("no lease %s", key);
    return &scene.leases[0];
}

/* How many of the takes are from this owner. */
static size_t
taken_from(const char *owner)
{
    size_t count = 0;

    for (size_t i = 0; i < scene.plan.count; i++) {
        count += strcmp(row(scene.plan.takes[i].lease_key)->owner, owner) == 0 ? 1 : 0;
    }
    return count;
}

static size_t
held_by(const char *owner)
{
    size_t count = 0;

    for (size_t i = 0; i < scene.table.lease_count; i++) {
        count += strcmp(scene.leases[i].owner, owner) == 0 &&
                         scene.leases[i].checkpoint.type != WEIR_SHARD_END
                     ? 1
                     : 0;
    }
    return count;
}

static void
carry_out(const char *owner)
{
    for (size_t i = 0; i < scene.plan.count; i++) {
        set_owner(row(scene.plan.takes[i].lease_key), owner);
    }
}

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
    assert_int_equal(
        scene.plan.takes[0].expected_epoch, row(scene.plan.takes[0].lease_key)->epoch);
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
keeps_to_leases_max_and_says_what_is_left_over(void **state)
{
    (void)state;
    given_leases("", 10);
    look_at(0);
    scene.leases_max = 3;

    assert_int_equal(takes(), 3);
    assert_int_equal(scene.plan.spill_over, 7);
    scene.leases_max = 10;
    assert_int_equal(takes(), 10);
    assert_int_equal(scene.plan.spill_over, 0);
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
    assert_int_equal(scene.plan.spill_over, 4);
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

/* --- fleets --------------------------------------------------------------------------------- */

/* Passes of every worker, in turn, until nobody takes anything; the moves that this took. */
static size_t
settle(size_t workers)
{
    size_t moves = 0;
    size_t quiet = 0;

    for (size_t pass = 0; quiet < workers; pass++) {
        char name[8];

        assert_true(pass < 1000 * WORKERS_MAX); /* ping-pong */
        (void)snprintf(name, sizeof name, "w%zu", pass % workers);
        renew_but("");
        look_at(scene.now_ms + 1);
        quiet = takes_of(name) == 0 ? quiet + 1 : 0;
        moves += scene.plan.count;
        carry_out(name);
    }
    return moves;
}

/* T4, T6: whatever the numbers, a fleet evens out, and then nothing moves any more. */
static void
a_fleet_evens_out_and_then_stays_put(void **state)
{
    (void)state;
    for (size_t leases = 1; leases <= 40; leases += 3) {
        for (size_t workers = 1; workers <= WORKERS_MAX; workers++) {
            size_t least = LEASES_MAX;
            size_t most = 0;

            scene.table.lease_count = 0;
            memset(scene.leases, 0, sizeof scene.leases);
            given_leases("w0", leases);
            scene.now_ms += 10 * D_MS;
            assert_true(settle(workers) <= leases * workers);
            assert_int_equal(settle(workers), 0);
            for (size_t i = 0; i < workers; i++) {
                char name[8];
                size_t held = 0;

                (void)snprintf(name, sizeof name, "w%zu", i);
                held = held_by(name);
                least = held < least ? held : least;
                most = held > most ? held : most;
            }
            /* With one too few, nobody steals from a worker at its share: 2.x's own rounding. */
            assert_true(most <= (leases + workers - 1) / workers + 1);
            assert_true(leases < workers || least >= 1);
        }
    }
}

/* Java KCL 2.x counts finished leases and takes them; weir does neither. They do not fight. */
static size_t
java_takes(const char *owner, size_t workers)
{
    size_t mine = 0;
    size_t theirs = 0;
    size_t share = (scene.table.lease_count + workers - 1) / workers;
    size_t need = 0;

    for (size_t i = 0; i < scene.table.lease_count; i++) {
        mine += strcmp(scene.leases[i].owner, owner) == 0 ? 1 : 0;
    }
    theirs = held_by("weir"); /* all that weir has is unfinished */
    need = share > mine ? share - mine : 0;
    for (size_t i = 0; i < scene.table.lease_count && need > 0; i++) {
        if (scene.leases[i].owner[0] == '\0') {
            set_owner(&scene.leases[i], owner);
            return 1;
        }
    }
    if (need > 0 && theirs >= share && (theirs > share || need > 1)) {
        for (size_t i = 0; i < scene.table.lease_count; i++) {
            if (strcmp(scene.leases[i].owner, "weir") == 0) {
                set_owner(&scene.leases[i], owner);
                return 1;
            }
        }
    }
    return 0;
}

/* T1 */
static void
finished_leases_cause_no_ping_pong_with_java(void **state)
{
    (void)state;
    for (size_t finished = 0; finished <= 12; finished++) {
        for (size_t open = 1; open <= 12; open++) {
            size_t quiet = 0;

            scene.table.lease_count = 0;
            memset(scene.leases, 0, sizeof scene.leases);
            given_leases("java", open);
            given_finished(finished % 2 == 0 ? "java" : "", finished);
            scene.now_ms += 10 * D_MS;
            for (size_t pass = 0; quiet < 2; pass++) {
                size_t moved = 0;

                assert_true(pass < 200);
                moved = java_takes("java", 2);
                renew_but("");
                look_at(scene.now_ms + 1);
                moved += takes_of("weir");
                carry_out("weir");
                quiet = moved == 0 ? quiet + 1 : 0;
            }
            assert_true(open == 1 || held_by("weir") > 0);
        }
    }
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
        const struct wi_take_input input = {.table = &scene.table,
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
        SCENE_TEST(keeps_to_leases_max_and_says_what_is_left_over),
        SCENE_TEST(takes_nothing_when_it_is_full),
        SCENE_TEST(steals_one_from_the_most_loaded_worker),
        SCENE_TEST(does_not_steal_while_something_is_free),
        SCENE_TEST(does_not_steal_to_trade_places),
        SCENE_TEST(steals_one_from_a_worker_at_its_share_if_two_are_missing),
        SCENE_TEST(does_not_steal_beyond_leases_max),
        SCENE_TEST(never_takes_its_own),
        SCENE_TEST(takes_very_old_leases_whatever_its_share),
        SCENE_TEST(a_fleet_evens_out_and_then_stays_put),
        SCENE_TEST(finished_leases_cause_no_ping_pong_with_java),
        SCENE_TEST(the_leader_is_javas),
        SCENE_TEST(plans_survive_every_allocation_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

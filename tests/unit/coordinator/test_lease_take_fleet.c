#include <stdio.h>
#include <string.h>

#include "tests/support/weir_test.h"
#include "tests/unit/coordinator/take_fixture.h"

#define WORKERS_MAX 9
#define PASSES_MAX  9000U

/* Passes of every worker, in turn, until nobody takes anything; the moves that this took. */
static size_t
settle(size_t workers)
{
    size_t moves = 0;
    size_t quiet = 0;

    for (size_t pass = 0; quiet < workers; pass++) {
        char name[24];

        assert_true(pass < PASSES_MAX); /* ping-pong */
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
                char name[24];
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_fleet_evens_out_and_then_stays_put),
        SCENE_TEST(finished_leases_cause_no_ping_pong_with_java),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

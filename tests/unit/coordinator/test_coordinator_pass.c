/* The order of a pass, conflicts, failures, waiting, and no memory: C27 to C31. */
#include <stdio.h>
#include <string.h>

#include "core/mono.h"
#include "tests/unit/coordinator/coordinator_fixture.h"

/* Something to do for every step: assign s1, list shards, move s4, revoke s5, remove b. */
static void
given_work_for_every_step(void)
{
    given_worker("b");
    given_worker("c");
    given_worker("me");
    given_lease("s1", "");
    for (char key[] = "s2"; key[1] <= '6'; key[1]++) {
        given_lease(key, "me");
    }
    given_wish("s5", "c");
    lease_row("s5")->handoff.timeout_ms = 1;
    given_gone("b");
    given_leader_row("me", TERM);
    for (size_t i = 0; i < fixture.table.lease_count; i++) {
        given_shard(fixture.leases[i].shard_id, "", false);
    }
}

/* C27 */
static void
recovers_before_everything_else(void **state)
{
    enum weir_error results[] = {WEIR_OK, WEIR_OK, WEIR_OK};

    (void)state;
    given_work_for_every_step();
    assert_int_equal(table_at(0), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(10), WI_COORDINATOR_ASSIGN);
    lease_row("s1")->epoch = 4;
    (void)memcpy(lease_row("s1")->owner, "c", 2);
    lease_row("s1")->owner_state = WI_OWNER_ALIVE;
    assert_int_equal(results_at(results, 11), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(12), WI_COORDINATOR_LIST_SHARDS);
    assert_int_equal(shards_at(13), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(14), WI_COORDINATOR_REQUEST_HANDOFF);
    assert_int_equal(fixture.action.count, 1);
    given_wish("s6", "c");
    assert_int_equal(results_at(results, 15), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(16), WI_COORDINATOR_REVOKE);
    assert_string_equal(fixture.action.lease_key, "s5");
    lease_row("s5")->revoked = true;
    assert_int_equal(result_at(WEIR_OK, 17), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(18), WI_COORDINATOR_REMOVE_WORKER);
    assert_string_equal(fixture.action.owner, "b");
}

/* C27: a picture that arrives unasked is as good as another. */
static void
acts_on_a_table_that_nobody_asked_for(void **state)
{
    (void)state;
    given_leading();
    given_lease("s1", "");

    assert_int_equal(table_at(3), WI_COORDINATOR_ASSIGN);
    assert_int_equal(table_at(4), WI_COORDINATOR_WAIT);
    assert_string_equal(fixture.leases[0].lease_key, "s1");
    assert_int_equal(tick_at(500), WI_COORDINATOR_WAIT);
}

/* C28: s1 cannot be assigned for a reason that the table does not show. */
static void
goes_on_with_the_other_steps_after_a_conflict(void **state)
{
    enum weir_error conflicts[] = {WEIR_ECONFLICT, WEIR_ENOTFOUND};

    (void)state;
    given_worker("b");
    given_leading();
    given_gone("b");
    given_lease("s1", "");
    assert_int_equal(table_at(10), WI_COORDINATOR_ASSIGN);
    assert_int_equal(results_at(conflicts, 10), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(10), WI_COORDINATOR_REMOVE_WORKER);
    assert_int_equal(result_at(WEIR_ECONFLICT, 10), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(10), WI_COORDINATOR_WAIT);
    assert_int_equal(fixture.action.until.ns, at_ms(20).ns);

    assert_int_equal(tick_at(20), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(20), WI_COORDINATOR_ASSIGN);
}

/* C28, C29: the same conflict again and again is met less and less often. */
static void
waits_longer_at_each_repeated_conflict(void **state)
{
    enum weir_error conflict[] = {WEIR_ECONFLICT};
    int64_t now = 0;

    (void)state;
    given_leading();
    given_lease("s1", "");
    given_shard("s1", "", false);
    for (int64_t wait = 10; wait < LOOK_MS; wait *= 2) {
        assert_int_equal(table_at(now), WI_COORDINATOR_ASSIGN);
        assert_int_equal(results_at(conflict, now), WI_COORDINATOR_READ_TABLE);
        assert_int_equal(table_at(now), WI_COORDINATOR_WAIT);
        assert_int_equal(fixture.action.until.ns, at_ms(now + wait).ns);
        now += wait;
        assert_int_equal(tick_at(now), WI_COORDINATOR_READ_TABLE);
    }
}

/* C28: one of several was of use. */
static void
reads_at_once_when_a_part_has_changed(void **state)
{
    enum weir_error results[] = {WEIR_ECONFLICT, WEIR_OK};

    (void)state;
    given_leading();
    given_lease("s1", "");
    given_lease("s2", "");
    assert_int_equal(table_at(10), WI_COORDINATOR_ASSIGN);
    assert_int_equal(results_at(results, 11), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(12), WI_COORDINATOR_ASSIGN);
}

/* C29, C30 */
static void
backs_off_after_a_failed_write(void **state)
{
    static const enum weir_error failures[] = {WEIR_EBUSY, WEIR_ETIMEOUT, WEIR_EFULL, WEIR_EIO};
    enum weir_error results[] = {WEIR_OK, WEIR_ECORRUPT};
    int64_t now = 100;
    int64_t wait = 10;

    (void)state;
    given_leading();
    given_lease("s1", "");
    given_lease("s2", "");
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        assert_int_equal(table_at(now), WI_COORDINATOR_ASSIGN);
        assert_int_equal(result_at(failures[i], now), WI_COORDINATOR_WAIT);
        assert_int_equal(fixture.action.until.ns, at_ms(now + wait).ns);
        now += wait;
        wait *= 2;
        assert_int_equal(tick_at(now), WI_COORDINATOR_READ_TABLE);
    }
    assert_int_equal(table_at(now), WI_COORDINATOR_ASSIGN);
    assert_int_equal(results_at(results, now), WI_COORDINATOR_WAIT);
    assert_int_equal(fixture.action.until.ns, at_ms(now + wait).ns);
    assert_int_equal(wi_coordinator_last_pass(fixture.coordinator).ns, 0);
}

/* C29 */
static void
backs_off_after_a_failed_read_and_begins_anew(void **state)
{
    (void)state;
    given_leading();
    assert_int_equal(tick_at(LOOK_MS), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(result_at(WEIR_ECORRUPT, LOOK_MS), WI_COORDINATOR_WAIT);
    assert_int_equal(tick_at(LOOK_MS + 9), WI_COORDINATOR_WAIT);
    assert_int_equal(tick_at(LOOK_MS + 10), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(result_at(WEIR_ENOTFOUND, LOOK_MS + 10), WI_COORDINATOR_WAIT);
    assert_int_equal(fixture.action.until.ns, at_ms(LOOK_MS + 30).ns);
}

/* C30 */
static void
tells_when_the_last_pass_succeeded(void **state)
{
    (void)state;
    given_leading();
    assert_int_equal(wi_coordinator_last_pass(fixture.coordinator).ns, 0);
    table_at(100);
    assert_int_equal(wi_coordinator_last_pass(fixture.coordinator).ns, at_ms(100).ns);
    given_lease("s1", "");
    assert_int_equal(table_at(200), WI_COORDINATOR_ASSIGN);
    assert_int_equal(wi_coordinator_last_pass(fixture.coordinator).ns, at_ms(100).ns);
    assert_int_equal(result_at(WEIR_OK, 210), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(wi_coordinator_last_pass(fixture.coordinator).ns, at_ms(210).ns);
}

/* C31 */
static void
looks_at_least_four_times_per_lease_duration_as_leader(void **state)
{
    (void)state;
    given_leading();
    assert_int_equal(table_at(1000), WI_COORDINATOR_WAIT);

    assert_int_equal(fixture.action.until.ns, at_ms(1000 + LOOK_MS).ns);
}

/* Act out one pass with work for every step; every allocation of it fails once. */
static void
run_with_failure_at(size_t n)
{
    enum weir_error results[ROWS_MAX] = {WEIR_OK};
    int64_t now = 1;

    fixture.test.fail_at = fixture.test.allocations + n;
    (void)table_at(now);
    for (int steps = 0; steps < 100; steps++) {
        now += 10;
        switch (fixture.action.type) {
        case WI_COORDINATOR_WAIT:
            tick_at(now);
            break;
        case WI_COORDINATOR_READ_TABLE:
            table_at(now);
            break;
        case WI_COORDINATOR_LIST_SHARDS:
            shards_at(now);
            break;
        case WI_COORDINATOR_ASSIGN:
        case WI_COORDINATOR_REQUEST_HANDOFF:
            assert_true(fixture.action.count >= 1);
            results_at(results, now);
            break;
        case WI_COORDINATOR_TAKE_LEADER:
        case WI_COORDINATOR_RELEASE_LEADER:
        case WI_COORDINATOR_CREATE_LEASES:
        case WI_COORDINATOR_REVOKE:
        case WI_COORDINATOR_REMOVE_LEASE:
        case WI_COORDINATOR_REMOVE_WORKER:
            result_at(WEIR_OK, now);
            break;
        }
    }
    assert_true(wi_mono_before(at_ms(500), wi_coordinator_last_pass(fixture.coordinator)));
}

/* C31: no half of a plan, and everything is made up for. */
static void
a_pass_survives_every_allocation_failure(void **state)
{
    bool has_failed = true;

    for (size_t n = 1; has_failed; n++) {
        (void)setup_fixture(state);
        given_worker("b");
        given_worker("me");
        given_leader_row("me", TERM);
        given_finished_lease("s0", "me");
        given_lease("s1", "");
        given_lease("s2", "me");
        given_lease("s3", "me");
        given_lease("s4", "b");
        given_shard("s2", "", false);
        given_shard("s9", "", false);
        run_with_failure_at(n);
        has_failed = test_env_has_failed(&fixture.test);
        (void)teardown_fixture(state);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(recovers_before_everything_else),
        FIXTURE_TEST(acts_on_a_table_that_nobody_asked_for),
        FIXTURE_TEST(goes_on_with_the_other_steps_after_a_conflict),
        FIXTURE_TEST(waits_longer_at_each_repeated_conflict),
        FIXTURE_TEST(reads_at_once_when_a_part_has_changed),
        FIXTURE_TEST(backs_off_after_a_failed_write),
        FIXTURE_TEST(backs_off_after_a_failed_read_and_begins_anew),
        FIXTURE_TEST(tells_when_the_last_pass_succeeded),
        FIXTURE_TEST(looks_at_least_four_times_per_lease_duration_as_leader),
        cmocka_unit_test(a_pass_survives_every_allocation_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Which leases are placed, and which workers are forgotten: C10 to C14, C21, C26. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/coordinator/coordinator_fixture.h"

/* How the items of the last action's kind ended, all the same. */
static enum wi_coordinator_action_type
all_at(enum weir_error result, int64_t ms)
{
    enum weir_error results[ROWS_MAX];

    for (size_t i = 0; i < ROWS_MAX; i++) {
        results[i] = result;
    }
    return results_at(results, ms);
}

static void
set_owner(const char *key, const char *owner)
{
    struct wi_lease *lease = lease_row(key);

    (void)snprintf(lease->owner, sizeof lease->owner, "%s", owner);
    lease->owner_state = owner[0] == '\0' ? WI_OWNER_NONE : WI_OWNER_ALIVE;
    lease->epoch++;
    lease->handoff = (struct wi_handoff){0};
    lease->revoked = false;
}

/* C11 */
static void
assigns_all_unowned_leases_in_one_write(void **state)
{
    (void)state;
    given_worker("b");
    given_leading();
    given_lease("s1", "");
    given_lease("s2", "");
    given_lease("s3", "me");

    assert_int_equal(table_at(10), WI_COORDINATOR_ASSIGN);
    assert_int_equal(fixture.action.count, 2);
    assert_int_equal(fixture.action.term, TERM);
    assert_string_equal(receiver_of("s1"), "b");
    assert_string_equal(receiver_of("s2"), "b");
    assert_int_equal(fixture.action.assignments[0].expected_epoch, 3);
    assert_int_equal(all_at(WEIR_OK, 11), WI_COORDINATOR_READ_TABLE);
}

/* C11, R9: no waiting when the kernel has said it. */
static void
assigns_leases_of_a_dead_owner_at_once(void **state)
{
    (void)state;
    given_worker("b");
    given_lease("s1", "b");
    given_lease("s2", "me");
    given_leading();
    given_gone("b");
    given_wish("s1", "me");

    assert_int_equal(table_at(10), WI_COORDINATOR_ASSIGN);
    assert_int_equal(fixture.action.count, 1);
    assert_string_equal(receiver_of("s1"), "me");
}

/* C11, C12, R3 */
static void
assigns_leases_of_a_silent_owner_after_the_lease_duration(void **state)
{
    (void)state;
    given_worker("b");
    given_lease("s1", "b")->counter = 5;
    given_lease("s2", "me");
    given_leading();
    assert_int_equal(look_until(250, 500, NULL), WI_COORDINATOR_WAIT);

    assert_int_equal(look_until(750, 1250, "b"), WI_COORDINATOR_WAIT);
    assert_int_equal(fixture.action.until.ns, at_ms(1500).ns);
    heartbeats_but("b");
    assert_int_equal(table_at(1499), WI_COORDINATOR_WAIT);
    assert_int_equal(table_at(1500), WI_COORDINATOR_ASSIGN);
    assert_string_equal(receiver_of("s1"), "me");
    assert_int_equal(fixture.action.assignments[0].expected_counter, worker_row("b")->counter);
}

/* C10: a worker that has stood still receives nothing, though it owns nothing that could expire. */
static void
gives_nothing_to_a_silent_worker(void **state)
{
    (void)state;
    given_worker("b");
    given_lease("s1", "me");
    given_leading();
    assert_int_equal(look_until(250, 500, NULL), WI_COORDINATOR_WAIT);
    assert_int_equal(look_until(750, 1250, "b"), WI_COORDINATOR_WAIT);
    given_lease("s2", "");
    given_lease("s3", "");
    heartbeats_but("b");

    assert_int_equal(table_at(1500), WI_COORDINATOR_ASSIGN);
    assert_string_equal(receiver_of("s2"), "me");
    assert_string_equal(receiver_of("s3"), "me");
}

/* C12: stores with a counter per lease; the store refuses to fence an owner in its own favour. */
static void
never_replaces_a_live_owner_by_itself(void **state)
{
    (void)state;
    given_lease("s1", "me");
    given_leading();
    for (int64_t ms = 250; ms <= 2000; ms += LOOK_MS) {
        worker_row("me")->counter++;
        assert_int_equal(table_at(ms), WI_COORDINATOR_WAIT);
    }
}

/* C13 */
static void
leaves_leases_that_nobody_can_take(void **state)
{
    (void)state;
    given_worker("me")->max_leases = 1;
    given_lease("s1", "me");
    given_leading();
    given_lease("s2", "");
    assert_int_equal(table_at(10), WI_COORDINATOR_WAIT);

    given_worker("b");
    assert_int_equal(table_at(20), WI_COORDINATOR_ASSIGN);
    assert_string_equal(receiver_of("s2"), "b");
}

/* C14 */
static void
takes_over_a_finished_lease_of_a_dead_owner(void **state)
{
    (void)state;
    given_worker("b");
    given_finished_lease("s1", "b");
    given_finished_lease("s2", "");
    given_leading();
    assert_int_equal(look_until(250, 3000, "b"), WI_COORDINATOR_WAIT);
    given_gone("b");

    assert_int_equal(table_at(3250), WI_COORDINATOR_ASSIGN);
    assert_int_equal(fixture.action.count, 1);
    assert_string_equal(receiver_of("s1"), "me");
}

/* C14: the leader leaves, so somebody else gets it. */
static void
gives_a_finished_lease_to_the_first_usable_worker(void **state)
{
    (void)state;
    given_worker("b");
    given_worker("c");
    given_worker("z");
    given_finished_lease("s1", "b");
    given_lease("s2", "me");
    given_leading();
    given_gone("b");
    worker_row("me")->draining = true;

    assert_int_equal(table_at(10), WI_COORDINATOR_ASSIGN);
    assert_string_equal(receiver_of("s1"), "c");
}

/* C14: nobody is there to release it. */
static void
leaves_a_finished_lease_when_nobody_is_usable(void **state)
{
    (void)state;
    given_worker("b");
    given_finished_lease("s1", "b");
    given_leading();
    given_gone("b");
    worker_row("me")->draining = true;

    assert_int_equal(table_at(10), WI_COORDINATOR_WAIT);
}

/* C21: leases of owners that the table does not know are none of our business until they expire. */
static void
leaves_the_leases_of_unknown_owners_until_they_expire(void **state)
{
    (void)state;
    given_lease("s1", "stranger");
    given_lease("s2", "me");
    given_leading();
    assert_int_equal(look_until(250, 750, NULL), WI_COORDINATOR_WAIT);

    assert_int_equal(look_until(1000, 2000, NULL), WI_COORDINATOR_ASSIGN);
    assert_string_equal(receiver_of("s1"), "me");
}

/* C26 */
static void
removes_dead_workers_that_own_nothing(void **state)
{
    (void)state;
    given_worker("b");
    given_worker("c");
    given_worker("d");
    given_lease("s1", "d");
    given_lease("s2", "me");
    given_leading();
    given_gone("b");
    given_gone("c");
    given_gone("d");
    assert_int_equal(table_at(10), WI_COORDINATOR_ASSIGN);
    assert_int_equal(all_at(WEIR_EBUSY, 11), WI_COORDINATOR_WAIT);
    set_owner("s1", "me");

    assert_int_equal(table_at(30), WI_COORDINATOR_REMOVE_WORKER);
    assert_string_equal(fixture.action.owner, "b");
    assert_int_equal(result_at(WEIR_OK, 31), WI_COORDINATOR_REMOVE_WORKER);
    assert_string_equal(fixture.action.owner, "c");
    assert_int_equal(result_at(WEIR_ENOTFOUND, 32), WI_COORDINATOR_REMOVE_WORKER);
    assert_string_equal(fixture.action.owner, "d");
    assert_int_equal(result_at(WEIR_OK, 33), WI_COORDINATOR_READ_TABLE);
}

/* C26: beyond a network there is no word of a kernel. */
static void
removes_a_silent_worker_that_owns_nothing(void **state)
{
    (void)state;
    given_worker("b");
    given_worker("c");
    given_lease("s1", "me");
    given_lease("s2", "c");
    given_leading();
    assert_int_equal(look_until(250, 500, NULL), WI_COORDINATOR_WAIT);
    assert_int_equal(look_until(750, 1250, "b"), WI_COORDINATOR_WAIT);
    heartbeats_but("b");
    assert_int_equal(table_at(1499), WI_COORDINATOR_WAIT);

    assert_int_equal(table_at(1500), WI_COORDINATOR_REMOVE_WORKER);
    assert_string_equal(fixture.action.owner, "b");
    assert_int_equal(fixture.action.expected_counter, worker_row("b")->counter);
    assert_true(fixture.action.expected_counter > 0);
    assert_true(fixture.action.term > 0);
    assert_int_equal(result_at(WEIR_ECONFLICT, 1501), WI_COORDINATOR_READ_TABLE);
    worker_row("b")->counter++;
    assert_int_equal(table_at(1502), WI_COORDINATOR_WAIT);
}

/* C26: whether its own renewals are accepted is not for the leader to judge. */
static void
does_not_remove_the_leader_itself(void **state)
{
    (void)state;
    given_worker("b");
    given_lease("s1", "b");
    given_leading();

    assert_int_equal(look_until(250, 2000, "me"), WI_COORDINATOR_WAIT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(assigns_all_unowned_leases_in_one_write),
        FIXTURE_TEST(assigns_leases_of_a_dead_owner_at_once),
        FIXTURE_TEST(assigns_leases_of_a_silent_owner_after_the_lease_duration),
        FIXTURE_TEST(gives_nothing_to_a_silent_worker),
        FIXTURE_TEST(never_replaces_a_live_owner_by_itself),
        FIXTURE_TEST(leaves_leases_that_nobody_can_take),
        FIXTURE_TEST(takes_over_a_finished_lease_of_a_dead_owner),
        FIXTURE_TEST(gives_a_finished_lease_to_the_first_usable_worker),
        FIXTURE_TEST(leaves_a_finished_lease_when_nobody_is_usable),
        FIXTURE_TEST(leaves_the_leases_of_unknown_owners_until_they_expire),
        FIXTURE_TEST(removes_dead_workers_that_own_nothing),
        FIXTURE_TEST(removes_a_silent_worker_that_owns_nothing),
        FIXTURE_TEST(does_not_remove_the_leader_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

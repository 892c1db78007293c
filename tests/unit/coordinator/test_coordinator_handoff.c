/* Draining, balance, wishes that come to nothing, and wishes that are overdue: C18 to C24. */
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

/* C18 */
static void
asks_for_hand_offs_when_a_worker_joins(void **state)
{
    (void)state;
    given_lease("s1", "me");
    given_lease("s2", "me");
    given_lease("s3", "me");
    given_leading();
    given_worker("b");

    assert_int_equal(table_at(10), WI_COORDINATOR_REQUEST_HANDOFF);
    assert_int_equal(fixture.action.count, 1);
    assert_string_equal(receiver_of("s3"), "b");
    assert_int_equal(fixture.action.handoffs[0].handoff.reason, WI_HANDOFF_BALANCE);
    assert_int_equal(fixture.action.handoffs[0].handoff.timeout_ms, TIMEOUT_MS);
    assert_int_equal(fixture.action.handoffs[0].expected_epoch, 3);
    assert_int_equal(fixture.action.term, TERM);
}

/* C18 */
static void
moves_everything_away_from_a_draining_worker(void **state)
{
    (void)state;
    given_worker("b");
    given_leading();
    given_lease("s1", "b");
    given_lease("s2", "b")->pinned = true;
    worker_row("b")->draining = true;

    assert_int_equal(table_at(10), WI_COORDINATOR_REQUEST_HANDOFF);
    assert_int_equal(fixture.action.count, 2);
    assert_string_equal(receiver_of("s1"), "me");
    assert_string_equal(receiver_of("s2"), "me");
    assert_int_equal(fixture.action.handoffs[0].handoff.reason, WI_HANDOFF_DRAIN);
}

/* C19 */
static void
waits_with_a_draining_worker_while_all_others_are_full(void **state)
{
    (void)state;
    given_worker("b");
    given_worker("me")->max_leases = 1;
    given_lease("s1", "b");
    given_lease("s2", "me");
    given_leading();
    worker_row("b")->draining = true;

    assert_int_equal(table_at(10), WI_COORDINATOR_WAIT);
}

/* C19 */
static void
asks_draining_workers_to_release_when_nobody_is_left(void **state)
{
    (void)state;
    given_worker("b");
    given_lease("s1", "b");
    given_lease("s2", "me");
    given_leading();
    worker_row("b")->draining = true;
    worker_row("me")->draining = true;

    assert_int_equal(table_at(10), WI_COORDINATOR_REQUEST_HANDOFF);
    assert_int_equal(fixture.action.count, 2);
    assert_string_equal(receiver_of("s1"), "");
    assert_string_equal(receiver_of("s2"), "");
    given_wish("s1", "");
    given_wish("s2", "");
    assert_int_equal(all_at(WEIR_OK, 11), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(12), WI_COORDINATOR_WAIT);
}

/* C20, C21 */
static void
asks_only_once_and_counts_a_lease_where_it_goes(void **state)
{
    (void)state;
    for (char key[] = "s1"; key[1] <= '6'; key[1]++) {
        given_lease(key, "me");
    }
    given_leading();
    given_worker("b");
    assert_int_equal(table_at(10), WI_COORDINATOR_REQUEST_HANDOFF);
    assert_int_equal(fixture.action.count, 3);
    given_wish("s4", "b");
    given_wish("s5", "b");
    given_wish("s6", "b");
    assert_int_equal(all_at(WEIR_OK, 11), WI_COORDINATOR_READ_TABLE);

    assert_int_equal(table_at(12), WI_COORDINATOR_WAIT);
    set_owner("s5", "b");
    assert_int_equal(table_at(13), WI_COORDINATOR_WAIT);
    set_owner("s4", "b");
    set_owner("s6", "b");
    assert_int_equal(table_at(14), WI_COORDINATOR_WAIT);
}

/* C21: while moves are under way an unowned lease goes where the others will leave room. */
static void
places_leases_by_what_pending_moves_will_leave(void **state)
{
    (void)state;
    given_worker("b");
    given_lease("s1", "me");
    given_lease("s2", "me");
    given_lease("s3", "b");
    given_lease("s4", "b");
    given_leading();
    given_wish("s1", "b");
    given_wish("s2", "b");
    given_lease("s5", "");

    assert_int_equal(table_at(10), WI_COORDINATOR_ASSIGN);
    assert_string_equal(receiver_of("s5"), "me");
}

/* C22 */
static void
leaves_pinned_leases_where_they_are(void **state)
{
    (void)state;
    given_lease("s1", "me")->pinned = true;
    given_lease("s2", "me")->pinned = true;
    given_lease("s3", "me");
    given_lease("s4", "me");
    given_leading();
    given_worker("b");

    assert_int_equal(table_at(10), WI_COORDINATOR_REQUEST_HANDOFF);
    assert_int_equal(fixture.action.count, 2);
    assert_string_equal(receiver_of("s3"), "b");
    assert_string_equal(receiver_of("s4"), "b");
}

/* C23 */
static void
replaces_a_wish_whose_receiver_has_gone(void **state)
{
    (void)state;
    given_worker("c");
    given_lease("s1", "me");
    given_lease("s2", "me");
    given_lease("s3", "c");
    given_leading();
    given_worker("b");
    assert_int_equal(table_at(10), WI_COORDINATOR_REQUEST_HANDOFF);
    assert_string_equal(receiver_of("s2"), "b");
    given_wish("s2", "b");
    assert_int_equal(all_at(WEIR_OK, 10), WI_COORDINATOR_READ_TABLE);
    given_gone("b");
    given_worker("d");

    assert_int_equal(table_at(20), WI_COORDINATOR_REQUEST_HANDOFF);
    assert_int_equal(fixture.action.count, 1);
    assert_string_equal(receiver_of("s2"), "d");
}

/* C23: with nobody else to go to, the lease is best where it is. */
static void
withdraws_a_wish_that_has_lost_its_point(void **state)
{
    (void)state;
    given_worker("b");
    given_lease("s1", "me");
    given_lease("s2", "me");
    given_lease("s3", "b");
    given_leading();
    given_wish("s2", "b");
    worker_row("b")->draining = true;

    assert_int_equal(table_at(10), WI_COORDINATOR_REQUEST_HANDOFF);
    assert_int_equal(fixture.action.count, 2);
    assert_string_equal(receiver_of("s3"), "me");
    assert_string_equal(receiver_of("s2"), "");
    assert_int_equal(fixture.action.handoffs[0].handoff.reason, WI_HANDOFF_NONE);
}

/* C23: no owner hands anything to itself. */
static void
withdraws_a_wish_for_the_owner_itself(void **state)
{
    (void)state;
    given_lease("s1", "me");
    given_leading();
    given_wish("s1", "me");

    assert_int_equal(table_at(10), WI_COORDINATOR_REQUEST_HANDOFF);
    assert_int_equal(fixture.action.handoffs[0].handoff.reason, WI_HANDOFF_NONE);
}

/* C24, R5 */
static void
revokes_a_lease_whose_hand_off_is_overdue(void **state)
{
    (void)state;
    given_worker("b");
    given_leading();
    given_lease("s1", "b");
    given_lease("s2", "b");
    assert_int_equal(table_at(0), WI_COORDINATOR_REQUEST_HANDOFF);
    given_wish("s2", "me");
    assert_int_equal(all_at(WEIR_OK, 0), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(100), WI_COORDINATOR_WAIT);
    assert_int_equal(look_until(250, 3000, NULL), WI_COORDINATOR_WAIT);
    assert_int_equal(fixture.action.until.ns, at_ms(3100).ns);

    heartbeats_but(NULL);
    assert_int_equal(table_at(3100), WI_COORDINATOR_REVOKE);
    assert_string_equal(fixture.action.lease_key, "s2");
    assert_int_equal(fixture.action.expected_epoch, 3);
    assert_int_equal(fixture.action.term, TERM);
    assert_int_equal(result_at(WEIR_OK, 3110), WI_COORDINATOR_READ_TABLE);
}

/* C11, R5: the owner's session goes on; the lease is taken when it cannot believe any more. */
static void
assigns_a_revoked_lease_after_the_lease_duration(void **state)
{
    (void)state;
    given_worker("b");
    given_leading();
    given_lease("s1", "b");
    given_lease("s2", "b");
    given_wish("s2", "me");
    lease_row("s2")->revoked = true;
    assert_int_equal(look_until(250, 1000, NULL), WI_COORDINATOR_WAIT);
    heartbeats_but(NULL);
    assert_int_equal(table_at(1249), WI_COORDINATOR_WAIT);

    assert_int_equal(table_at(1250), WI_COORDINATOR_ASSIGN);
    assert_int_equal(fixture.action.count, 1);
    assert_string_equal(receiver_of("s2"), "me");
}

/* C11: an owner that is silent, too, may have renewed after the last look; its renewals verify
 * rows, so only the time since the revocation counts. */
static void
does_not_take_a_revoked_lease_because_its_owner_is_silent(void **state)
{
    (void)state;
    given_worker("b");
    given_lease("s1", "b");
    given_lease("s2", "me");
    given_leading();
    assert_int_equal(look_until(250, 500, NULL), WI_COORDINATOR_WAIT);
    lease_row("s1")->revoked = true;

    assert_int_equal(look_until(750, 1500, "b"), WI_COORDINATOR_WAIT);
    heartbeats_but("b");
    assert_int_equal(table_at(1749), WI_COORDINATOR_WAIT);
    assert_int_equal(table_at(1750), WI_COORDINATOR_ASSIGN);
    assert_string_equal(receiver_of("s1"), "me");
}

/* C24: a new wish, or a new epoch, has a time of its own. */
static void
gives_each_wish_its_own_time(void **state)
{
    (void)state;
    given_worker("b");
    given_worker("c");
    given_lease("s1", "b");
    given_lease("s2", "c");
    given_leading();
    given_wish("s1", "me");
    assert_int_equal(look_until(250, 2000, NULL), WI_COORDINATOR_WAIT);
    lease_row("s1")->handoff.timeout_ms = TIMEOUT_MS + 1;

    assert_int_equal(look_until(2250, 5000, NULL), WI_COORDINATOR_WAIT);
    assert_int_equal(look_until(5250, 6000, NULL), WI_COORDINATOR_REVOKE);
}

/* C24: a wish from outside that states no time gets that of the settings. */
static void
gives_a_wish_without_a_time_the_usual_one(void **state)
{
    (void)state;
    given_worker("b");
    given_lease("s1", "b");
    given_leading();
    given_wish("s1", "me");
    lease_row("s1")->handoff.timeout_ms = -5;

    assert_int_equal(look_until(250, 3000, NULL), WI_COORDINATOR_WAIT);
    assert_int_equal(look_until(3250, 3250, NULL), WI_COORDINATOR_REVOKE);
}

/* C21: the owner's renewals fail already; a new wish would never be heard. */
static void
asks_nothing_more_of_the_owner_of_a_revoked_lease(void **state)
{
    (void)state;
    given_worker("b");
    given_worker("c");
    given_leading();
    given_lease("s1", "b");
    given_lease("s2", "b");
    given_lease("s3", "me");
    given_wish("s2", "c");
    lease_row("s2")->revoked = true;
    worker_row("c")->draining = true;

    assert_int_equal(look_until(250, 1000, NULL), WI_COORDINATOR_WAIT);
    assert_int_equal(look_until(1250, 1250, NULL), WI_COORDINATOR_ASSIGN);
}

/* C21: a store with a counter per lease: the lease is renewed, the heartbeat is missing. */
static void
leaves_renewed_leases_of_a_silent_worker_alone(void **state)
{
    (void)state;
    given_worker("b");
    given_lease("s1", "b");
    given_lease("s2", "me");
    given_leading();
    for (int64_t ms = 250; ms <= 3000; ms += LOOK_MS) {
        heartbeats_but("b");
        lease_row("s1")->counter = (uint64_t)ms;
        assert_int_equal(table_at(ms), WI_COORDINATOR_WAIT);
    }
}

/* C24, C31: only wishes that stand are waited for. */
static void
forgets_the_time_of_a_wish_that_has_gone(void **state)
{
    (void)state;
    given_worker("b");
    given_leading();
    given_lease("s1", "me");
    given_lease("s2", "me");
    given_lease("s3", "b");
    given_wish("s1", "b");
    lease_row("s1")->handoff.timeout_ms = 500;
    assert_int_equal(table_at(0), WI_COORDINATOR_WAIT);
    given_wish("s1", "b");
    assert_int_equal(table_at(100), WI_COORDINATOR_WAIT);
    heartbeats_but(NULL);

    assert_int_equal(table_at(400), WI_COORDINATOR_WAIT);
    assert_int_equal(fixture.action.until.ns, at_ms(400 + LOOK_MS).ns);
}

/* C24: it would only cost the owner its work. */
static void
does_not_revoke_when_nobody_else_could_take_the_lease(void **state)
{
    (void)state;
    given_worker("b");
    given_lease("s1", "b");
    given_lease("s2", "me");
    given_leading();
    worker_row("b")->draining = true;
    worker_row("me")->draining = true;
    given_wish("s1", "");
    given_wish("s2", "");

    assert_int_equal(look_until(250, 9000, NULL), WI_COORDINATOR_WAIT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(asks_for_hand_offs_when_a_worker_joins),
        FIXTURE_TEST(moves_everything_away_from_a_draining_worker),
        FIXTURE_TEST(waits_with_a_draining_worker_while_all_others_are_full),
        FIXTURE_TEST(asks_draining_workers_to_release_when_nobody_is_left),
        FIXTURE_TEST(asks_only_once_and_counts_a_lease_where_it_goes),
        FIXTURE_TEST(places_leases_by_what_pending_moves_will_leave),
        FIXTURE_TEST(leaves_pinned_leases_where_they_are),
        FIXTURE_TEST(replaces_a_wish_whose_receiver_has_gone),
        FIXTURE_TEST(withdraws_a_wish_that_has_lost_its_point),
        FIXTURE_TEST(withdraws_a_wish_for_the_owner_itself),
        FIXTURE_TEST(revokes_a_lease_whose_hand_off_is_overdue),
        FIXTURE_TEST(assigns_a_revoked_lease_after_the_lease_duration),
        FIXTURE_TEST(does_not_take_a_revoked_lease_because_its_owner_is_silent),
        FIXTURE_TEST(gives_each_wish_its_own_time),
        FIXTURE_TEST(gives_a_wish_without_a_time_the_usual_one),
        FIXTURE_TEST(asks_nothing_more_of_the_owner_of_a_revoked_lease),
        FIXTURE_TEST(leaves_renewed_leases_of_a_silent_worker_alone),
        FIXTURE_TEST(forgets_the_time_of_a_wish_that_has_gone),
        FIXTURE_TEST(does_not_revoke_when_nobody_else_could_take_the_lease),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Who leads, and when a coordinator leaves: C1 to C8. */
#include <string.h>

#include "core/mono.h"
#include "tests/unit/coordinator/coordinator_fixture.h"

static enum wi_coordinator_state
state_now(void)
{
    return wi_coordinator_state(fixture.coordinator);
}

static void
reads_the_table_first(void **state)
{
    (void)state;
    assert_int_equal(state_now(), WI_COORDINATOR_FOLLOWING);
    assert_int_equal(tick_at(5), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(tick_at(6), WI_COORDINATOR_WAIT);
    assert_true(wi_mono_is_never(fixture.action.until));
}

/* C1 */
static void
takes_the_lead_at_once_when_nobody_has_it(void **state)
{
    (void)state;
    given_worker("me");
    given_leader_row("", 4);

    assert_int_equal(table_at(0), WI_COORDINATOR_TAKE_LEADER);
    assert_int_equal(fixture.action.expected_term, 4);
    assert_int_equal(state_now(), WI_COORDINATOR_TAKING);
    assert_int_equal(taken_at(5, 1), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(state_now(), WI_COORDINATOR_LEADING);
}

/* C1, R9 */
static void
takes_the_lead_at_once_from_a_dead_leader(void **state)
{
    (void)state;
    given_worker("me");
    given_worker("other");
    given_leader_row("other", 4);
    assert_int_equal(table_at(0), WI_COORDINATOR_WAIT);

    given_gone("other");
    assert_int_equal(table_at(10), WI_COORDINATOR_TAKE_LEADER);
}

/* C2, R3 */
static void
takes_the_lead_from_a_leader_that_is_silent_for_the_lease_duration(void **state)
{
    (void)state;
    given_worker("me");
    given_leader_row("other", 4);
    assert_int_equal(table_at(100), WI_COORDINATOR_WAIT);
    fixture.table.leader.counter = 2;
    assert_int_equal(table_at(300), WI_COORDINATOR_WAIT);

    assert_int_equal(table_at(1299), WI_COORDINATOR_WAIT);
    assert_int_equal(fixture.action.until.ns, at_ms(1300).ns);
    assert_int_equal(table_at(1300), WI_COORDINATOR_TAKE_LEADER);
    assert_int_equal(fixture.action.expected_term, 4);
    assert_int_equal(fixture.action.expected_counter, 2);
}

/* C3, R10: the answer was lost, the row tells. */
static void
leads_when_the_row_names_it_already(void **state)
{
    (void)state;
    given_worker("me");
    given_leader_row("", 4);
    assert_int_equal(table_at(0), WI_COORDINATOR_TAKE_LEADER);
    assert_int_equal(result_at(WEIR_ETIMEOUT, 5), WI_COORDINATOR_WAIT);
    assert_int_equal(state_now(), WI_COORDINATOR_FOLLOWING);
    assert_int_equal(tick_at(15), WI_COORDINATOR_READ_TABLE);

    given_leader_row("me", 5);
    assert_int_equal(table_at(20), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(state_now(), WI_COORDINATOR_LEADING);
    assert_int_equal(table_at(21), WI_COORDINATOR_LIST_SHARDS);
    assert_int_equal(fixture.action.term, 5);
}

/* C4 */
static void
reads_at_once_when_somebody_else_was_first(void **state)
{
    (void)state;
    given_worker("me");
    given_leader_row("", 4);
    assert_int_equal(table_at(0), WI_COORDINATOR_TAKE_LEADER);
    assert_int_equal(result_at(WEIR_ECONFLICT, 1), WI_COORDINATOR_READ_TABLE);

    given_leader_row("other", 5);
    assert_int_equal(table_at(2), WI_COORDINATOR_WAIT);
    assert_int_equal(state_now(), WI_COORDINATOR_FOLLOWING);
}

/* C4, C29: a store that refuses for no visible reason is not asked in a tight loop. */
static void
backs_off_when_the_row_does_not_explain_the_refusal(void **state)
{
    int64_t now = 0;

    (void)state;
    given_worker("me");
    given_leader_row("", 4);
    assert_int_equal(table_at(now), WI_COORDINATOR_TAKE_LEADER);
    assert_int_equal(result_at(WEIR_ECONFLICT, now), WI_COORDINATOR_READ_TABLE);
    for (int64_t wait = 10; wait < LOOK_MS; wait *= 2) {
        assert_int_equal(table_at(now), WI_COORDINATOR_TAKE_LEADER);
        assert_int_equal(result_at(WEIR_ECONFLICT, now), WI_COORDINATOR_WAIT);
        assert_int_equal(fixture.action.until.ns, at_ms(now + wait).ns);
        now += wait;
        assert_int_equal(tick_at(now), WI_COORDINATOR_READ_TABLE);
    }
    assert_int_equal(table_at(now), WI_COORDINATOR_TAKE_LEADER);
    assert_int_equal(result_at(WEIR_ECONFLICT, now), WI_COORDINATOR_WAIT);
    assert_int_equal(fixture.action.until.ns, at_ms(now + LOOK_MS).ns);
}

/* C5 */
static void
does_not_take_the_lead_once_it_was_declared_dead(void **state)
{
    (void)state;
    given_worker("me");
    given_gone("me");
    given_leader_row("", 4);

    assert_int_equal(table_at(0), WI_COORDINATOR_WAIT);
    given_leader_row("me", 5);
    fixture.table.leader.owner_state = WI_OWNER_GONE;
    assert_int_equal(table_at(1), WI_COORDINATOR_WAIT);
    assert_int_equal(state_now(), WI_COORDINATOR_FOLLOWING);
}

/* C6 */
static void
follows_when_another_owner_or_term_is_in_the_row(void **state)
{
    (void)state;
    given_leading();
    given_leader_row("other", TERM + 1);
    assert_int_equal(table_at(10), WI_COORDINATOR_WAIT);
    assert_int_equal(state_now(), WI_COORDINATOR_FOLLOWING);

    given_leader_row("", TERM + 1);
    assert_int_equal(table_at(20), WI_COORDINATOR_TAKE_LEADER);
    assert_int_equal(taken_at(TERM + 2, 20), WI_COORDINATOR_READ_TABLE);
    given_leader_row("me", TERM + 2);
    assert_int_equal(table_at(20), WI_COORDINATOR_LIST_SHARDS);
}

/* C6: its own name under another term is a term of which it knows nothing yet. */
static void
begins_anew_under_another_term_of_its_own(void **state)
{
    (void)state;
    given_leading();
    given_leader_row("me", TERM + 1);

    assert_int_equal(table_at(10), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(10), WI_COORDINATOR_LIST_SHARDS);
    assert_int_equal(fixture.action.term, TERM + 1);
}

/* C6, R12 */
static void
follows_when_a_write_is_refused_because_of_its_term(void **state)
{
    (void)state;
    given_leading();
    given_lease("s", "");
    assert_int_equal(table_at(10), WI_COORDINATOR_ASSIGN);
    assert_int_equal(fixture.action.term, TERM);
    assert_int_equal(result_at(WEIR_ECONFLICT, 11), WI_COORDINATOR_READ_TABLE);

    given_leader_row("other", TERM + 1);
    assert_int_equal(table_at(12), WI_COORDINATOR_WAIT);
    assert_int_equal(state_now(), WI_COORDINATOR_FOLLOWING);
}

/* C7 */
static void
stops_at_once_when_it_leaves_and_somebody_leads(void **state)
{
    (void)state;
    given_worker("me");
    given_lease("s", "me");
    given_leader_row("other", 4);
    assert_int_equal(table_at(0), WI_COORDINATOR_WAIT);

    assert_int_equal(leave_at(1), WI_COORDINATOR_WAIT);
    assert_true(wi_mono_is_never(fixture.action.until));
    assert_int_equal(state_now(), WI_COORDINATOR_STOPPED);
    assert_int_equal(table_at(2), WI_COORDINATOR_WAIT);
    assert_int_equal(tick_at(9000), WI_COORDINATOR_WAIT);
}

/* C7: it has seen nothing yet. */
static void
reads_the_table_before_it_stops(void **state)
{
    (void)state;
    given_leader_row("other", 4);

    assert_int_equal(leave_at(0), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(result_at(WEIR_EIO, 1), WI_COORDINATOR_WAIT);
    assert_int_equal(tick_at(11), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(12), WI_COORDINATOR_WAIT);
    assert_int_equal(state_now(), WI_COORDINATOR_STOPPED);
}

/* C7 */
static void
does_not_take_the_lead_while_it_leaves_if_another_worker_can(void **state)
{
    (void)state;
    given_worker("me");
    given_worker("other");
    given_lease("s", "me");
    given_leader_row("", 4);

    assert_int_equal(leave_at(0), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(1), WI_COORDINATOR_WAIT);
    assert_int_equal(state_now(), WI_COORDINATOR_STOPPED);
}

/* C7 */
static void
stops_at_once_when_it_has_nothing_to_leave_behind(void **state)
{
    (void)state;
    given_worker("me");
    given_finished_lease("s", "me");
    given_leader_row("", 4);

    assert_int_equal(leave_at(0), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(1), WI_COORDINATOR_WAIT);
    assert_int_equal(state_now(), WI_COORDINATOR_STOPPED);
}

/* C7, C8, C19: the last worker gives its leases back itself. */
static void
takes_the_lead_to_give_its_leases_away_when_it_is_the_last(void **state)
{
    (void)state;
    given_worker("me")->draining = true;
    given_worker("tired")->draining = true;
    given_lease("s", "me");
    given_leader_row("", 4);
    assert_int_equal(leave_at(0), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(1), WI_COORDINATOR_TAKE_LEADER);
    assert_int_equal(taken_at(5, 1), WI_COORDINATOR_READ_TABLE);
    given_leader_row("me", 5);
    given_shard("s", "", false);
    assert_int_equal(table_at(1), WI_COORDINATOR_LIST_SHARDS);
    assert_int_equal(shards_at(1), WI_COORDINATOR_READ_TABLE);

    assert_int_equal(table_at(1), WI_COORDINATOR_REQUEST_HANDOFF);
    assert_string_equal(receiver_of("s"), "");
    assert_int_equal(fixture.action.handoffs[0].handoff.reason, WI_HANDOFF_DRAIN);
}

/* C8 */
static void
leads_until_its_own_leases_are_gone(void **state)
{
    (void)state;
    given_worker("other");
    given_lease("s", "me");
    given_finished_lease("t", "me");
    given_shard("s", "", false);
    given_shard("t", "", true);
    given_leading();

    assert_int_equal(leave_at(10), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(11), WI_COORDINATOR_REQUEST_HANDOFF);
    assert_string_equal(receiver_of("s"), "other");
    given_wish("s", "other");
    assert_int_equal(result_at(WEIR_OK, 12), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(13), WI_COORDINATOR_WAIT);
    (void)memcpy(lease_row("s")->owner, "other", sizeof "other");
    lease_row("s")->handoff.reason = WI_HANDOFF_NONE;

    assert_int_equal(table_at(20), WI_COORDINATOR_RELEASE_LEADER);
    assert_int_equal(fixture.action.term, TERM);
    assert_int_equal(state_now(), WI_COORDINATOR_LEADING);
    assert_int_equal(result_at(WEIR_OK, 21), WI_COORDINATOR_WAIT);
    assert_int_equal(state_now(), WI_COORDINATOR_STOPPED);
}

/* C8, C29 */
static void
releases_the_lead_again_after_a_failure(void **state)
{
    (void)state;
    given_leading();
    assert_int_equal(leave_at(10), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(10), WI_COORDINATOR_RELEASE_LEADER);
    assert_int_equal(result_at(WEIR_ETIMEOUT, 20), WI_COORDINATOR_WAIT);
    assert_int_equal(tick_at(30), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(30), WI_COORDINATOR_RELEASE_LEADER);
    assert_int_equal(result_at(WEIR_ECONFLICT, 30), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(30), WI_COORDINATOR_RELEASE_LEADER);
    assert_int_equal(result_at(WEIR_ECONFLICT, 30), WI_COORDINATOR_WAIT);

    given_leader_row("other", TERM + 1);
    assert_int_equal(table_at(60), WI_COORDINATOR_WAIT);
    assert_int_equal(state_now(), WI_COORDINATOR_STOPPED);
}

/* C30: what the alarm of every worker looks at. */
static void
tells_when_the_leader_was_last_seen_at_work(void **state)
{
    (void)state;
    given_worker("me");
    given_leader_row("other", 4);
    assert_int_equal(wi_coordinator_last_pass(fixture.coordinator).ns, 0);
    table_at(100);
    assert_int_equal(wi_coordinator_last_pass(fixture.coordinator).ns, 0);
    fixture.table.leader.counter++;
    table_at(200);
    table_at(300);

    assert_int_equal(wi_coordinator_last_pass(fixture.coordinator).ns, at_ms(200).ns);
}

/* C31 */
static void
looks_at_least_four_times_per_lease_duration_as_follower(void **state)
{
    (void)state;
    given_worker("me");
    given_leader_row("other", 4);
    assert_int_equal(table_at(0), WI_COORDINATOR_WAIT);
    assert_int_equal(fixture.action.until.ns, at_ms(LOOK_MS).ns);

    assert_int_equal(tick_at(LOOK_MS - 1), WI_COORDINATOR_WAIT);
    assert_int_equal(fixture.action.until.ns, at_ms(LOOK_MS).ns);
    assert_int_equal(tick_at(LOOK_MS), WI_COORDINATOR_READ_TABLE);
}

static void
ignores_events_that_nobody_asked_for(void **state)
{
    (void)state;
    given_worker("me");
    given_leader_row("", 4);
    assert_int_equal(tick_at(0), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(shards_at(0), WI_COORDINATOR_WAIT);
    assert_int_equal(table_at(0), WI_COORDINATOR_TAKE_LEADER);
    assert_int_equal(table_at(1), WI_COORDINATOR_WAIT);
    assert_int_equal(leave_at(1), WI_COORDINATOR_WAIT);
    assert_int_equal(result_at(WEIR_ECONFLICT, 2), WI_COORDINATOR_READ_TABLE);
    given_leader_row("other", 5);
    assert_int_equal(table_at(3), WI_COORDINATOR_WAIT);
    assert_int_equal(result_at(WEIR_EIO, 4), WI_COORDINATOR_WAIT);
    assert_int_equal(state_now(), WI_COORDINATOR_STOPPED);
}

static void
coordinator_survives_every_allocation_failure(void **state)
{
    struct wi_coordinator_settings settings = {"me", 1000, 1000, 1000, false};
    struct wi_coordinator *coordinator = NULL;
    struct test_env test;

    (void)state;
    for (size_t n = 1;; n++) {
        enum weir_error error;

        test_env_init(&test);
        test.fail_at = n;
        error = wi_coordinator_new(&test.env, &settings, &coordinator);
        if (!test_env_has_failed(&test)) {
            assert_int_equal(error, WEIR_OK);
            break;
        }
        assert_int_equal(error, WEIR_ENOMEM);
        test_env_assert_no_leak(&test);
    }
    wi_coordinator_free(coordinator);
    wi_coordinator_free(NULL);
    test_env_assert_no_leak(&test);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(reads_the_table_first),
        FIXTURE_TEST(takes_the_lead_at_once_when_nobody_has_it),
        FIXTURE_TEST(takes_the_lead_at_once_from_a_dead_leader),
        FIXTURE_TEST(takes_the_lead_from_a_leader_that_is_silent_for_the_lease_duration),
        FIXTURE_TEST(leads_when_the_row_names_it_already),
        FIXTURE_TEST(reads_at_once_when_somebody_else_was_first),
        FIXTURE_TEST(backs_off_when_the_row_does_not_explain_the_refusal),
        FIXTURE_TEST(does_not_take_the_lead_once_it_was_declared_dead),
        FIXTURE_TEST(follows_when_another_owner_or_term_is_in_the_row),
        FIXTURE_TEST(begins_anew_under_another_term_of_its_own),
        FIXTURE_TEST(follows_when_a_write_is_refused_because_of_its_term),
        FIXTURE_TEST(stops_at_once_when_it_leaves_and_somebody_leads),
        FIXTURE_TEST(reads_the_table_before_it_stops),
        FIXTURE_TEST(does_not_take_the_lead_while_it_leaves_if_another_worker_can),
        FIXTURE_TEST(stops_at_once_when_it_has_nothing_to_leave_behind),
        FIXTURE_TEST(takes_the_lead_to_give_its_leases_away_when_it_is_the_last),
        FIXTURE_TEST(leads_until_its_own_leases_are_gone),
        FIXTURE_TEST(releases_the_lead_again_after_a_failure),
        FIXTURE_TEST(tells_when_the_leader_was_last_seen_at_work),
        FIXTURE_TEST(looks_at_least_four_times_per_lease_duration_as_follower),
        FIXTURE_TEST(ignores_events_that_nobody_asked_for),
        cmocka_unit_test(coordinator_survives_every_allocation_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

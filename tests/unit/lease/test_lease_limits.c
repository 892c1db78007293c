/* Rows and settings just beyond what can be: each condition of the checks decides alone. */
#include <stdio.h>
#include <string.h>

#include "lease/lease_rules.h"
#include "lease/session_rules.h"
#include "tests/support/weir_test.h"

static struct wi_lease
an_owned_lease(void)
{
    return (struct wi_lease){
        .lease_key = "k", .shard_id = "s", .owner = "w1", .epoch = 4, .replay_exact = true};
}

static void
takes_text_only_if_it_is_there_and_ends(void **state)
{
    char endless[8];

    (void)state;
    memset(endless, 'x', sizeof endless);
    assert_true(wi_lease_text_is_valid("a", 2));
    assert_false(wi_lease_text_is_valid(NULL, 2));
    assert_false(wi_lease_text_is_valid("", 1));
    assert_false(wi_lease_text_is_valid(endless, sizeof endless));
}

/* An int that some other program, or another version, may have put there. */
static void
set_type(struct weir_position *position, int type)
{
    memcpy(&position->type, &type, sizeof type);
}

static enum weir_error
check_types(int checkpoint, int pending, int replay)
{
    struct wi_lease lease = an_owned_lease();

    lease.has_pending = true;
    set_type(&lease.checkpoint, checkpoint);
    set_type(&lease.pending_checkpoint, pending);
    set_type(&lease.replay_through, replay);
    return wi_lease_check(&lease);
}

static void
knows_the_types_of_positions(void **state)
{
    (void)state;
    assert_int_equal(check_types(WEIR_TRIM_HORIZON, WEIR_TRIM_HORIZON, WEIR_TRIM_HORIZON), WEIR_OK);
    assert_int_equal(check_types(WEIR_SHARD_END, WEIR_SHARD_END, WEIR_SHARD_END), WEIR_OK);
    assert_int_equal(check_types(-1, WEIR_SHARD_END, WEIR_TRIM_HORIZON), WEIR_EINVAL);
    assert_int_equal(
        check_types(WEIR_SHARD_END + 1, WEIR_SHARD_END, WEIR_TRIM_HORIZON), WEIR_EINVAL);
    assert_int_equal(
        check_types(WEIR_TRIM_HORIZON, WEIR_SHARD_END + 1, WEIR_TRIM_HORIZON), WEIR_EINVAL);
    assert_int_equal(
        check_types(WEIR_TRIM_HORIZON, WEIR_TRIM_HORIZON, WEIR_SHARD_END + 1), WEIR_EINVAL);
}

static void
knows_the_reasons_of_hand_offs(void **state)
{
    const int reasons[] = {-1, WI_HANDOFF_OPERATOR + 1};
    struct wi_lease lease = an_owned_lease();

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        memcpy(&lease.handoff.reason, &reasons[i], sizeof reasons[i]);
        assert_int_equal(wi_lease_check(&lease), WEIR_EINVAL);
    }
    lease.handoff.reason = WI_HANDOFF_OPERATOR;
    assert_int_equal(wi_lease_check(&lease), WEIR_OK);
    memset(lease.handoff.to, 'x', sizeof lease.handoff.to);
    assert_int_equal(wi_lease_check(&lease), WEIR_EINVAL);
}

static void
takes_no_endless_parent(void **state)
{
    struct wi_lease lease = an_owned_lease();

    (void)state;
    memset(lease.parent_shard_ids[0], 'x', WEIR_NAME_SIZE);
    assert_int_equal(wi_lease_check(&lease), WEIR_EINVAL);
}

/* R3: a session that is fenced already may be fenced by anybody who saw anything. */
static void
fences_a_session_by_what_was_seen_of_it(void **state)
{
    struct wi_session session = {.worker = {.owner = "w1", .counter = 5}};

    (void)state;
    assert_int_equal(wi_session_fence(&session, false, "w1", 4), WEIR_ECONFLICT);
    assert_false(session.fenced);
    assert_int_equal(wi_session_fence(&session, false, "w1", 5), WEIR_OK);
    assert_true(session.fenced);
    assert_int_equal(wi_session_fence(&session, false, "w1", 4), WEIR_OK);
}

static bool
may_be_removed(bool fenced, bool process_gone, uint64_t counter)
{
    const struct wi_owner_view view = {
        .registered = true, .fenced = fenced, .process_gone = process_gone, .counter = 5};

    return wi_session_check_removal(&view, counter) == WEIR_OK;
}

/* R3, R9 */
static void
removes_a_worker_that_is_gone_or_as_seen(void **state)
{
    (void)state;
    assert_true(may_be_removed(false, false, 5));
    assert_false(may_be_removed(false, false, 4));
    assert_false(may_be_removed(false, false, 6));
    assert_true(may_be_removed(true, false, 4));
    assert_true(may_be_removed(false, true, 4));
}

/* R12 */
static void
takes_the_lead_only_after_the_term_that_was_seen(void **state)
{
    const struct wi_leader_take take = {.owner = "w2", .expected_term = 3};
    struct wi_leader leader = {.owner = "w1", .term = 4};

    (void)state;
    assert_int_equal(wi_leader_apply_take(&leader, &take), WEIR_ECONFLICT);
    assert_string_equal(leader.owner, "w1");
    leader.term = 3;
    assert_int_equal(wi_leader_apply_take(&leader, &take), WEIR_OK);
    assert_int_equal(leader.term, 4);
}

/* The last epoch is no reason to stop: the lease stays where it is. */
static void
changes_no_owner_after_the_last_epoch(void **state)
{
    const struct wi_owner_view gone = {.registered = true, .process_gone = true};
    const struct wi_owner_view free_worker = {.registered = true};
    const struct wi_assignment take = {"k", "w2", WI_NUMBER_LAST, 0};
    const struct wi_release release = {.owner = "w1", .epoch = WI_NUMBER_LAST, .to = ""};
    struct wi_lease lease = an_owned_lease();
    bool fence = false;

    (void)state;
    lease.epoch = WI_NUMBER_LAST;
    assert_int_equal(wi_lease_check(&lease), WEIR_OK);
    assert_int_equal(
        wi_lease_judge_assignment(&lease, &take, &gone, &free_worker, &fence), WEIR_ECONFLICT);
    assert_int_equal(wi_lease_apply_assignment(&lease, &take), WEIR_ECONFLICT);
    assert_int_equal(wi_lease_apply_release(&lease, &release, &free_worker), WEIR_ECORRUPT);
    assert_string_equal(lease.owner, "w1");
    lease.epoch = WI_NUMBER_LAST + 1;
    assert_int_equal(wi_lease_check(&lease), WEIR_EINVAL);
}

static void
counts_no_further_than_the_last_counter_and_term(void **state)
{
    const struct wi_owner_view nobody = {.registered = false};
    const struct wi_owner_view caller = {.registered = true};
    const struct wi_leader_take take = {.owner = "w2", .expected_term = WI_NUMBER_LAST};
    struct wi_session session = {.worker = {.owner = "w1", .counter = WI_NUMBER_LAST - 1}};
    struct wi_leader leader = {.owner = "w1", .term = WI_NUMBER_LAST};
    struct wi_renew_answer answer;
    bool fence = false;

    (void)state;
    assert_int_equal(wi_session_renew(&session, &answer), WEIR_OK);
    assert_int_equal(wi_session_renew(&session, &answer), WEIR_ESESSIONLOST);
    assert_true(session.worker.counter == WI_NUMBER_LAST);
    assert_int_equal(wi_leader_judge_take(&leader, &take, &nobody, &caller, &fence), WEIR_ECORRUPT);
    assert_int_equal(wi_leader_apply_take(&leader, &take), WEIR_ECORRUPT);
    assert_string_equal(leader.owner, "w1");
    assert_false(fence);
}

static enum weir_error
check_application(const char *url, int64_t duration_ms, int type)
{
    struct wi_application application = {.lease_duration_ms = duration_ms};

    (void)snprintf(application.stream_url, sizeof application.stream_url, "%s", url);
    set_type(&application.initial_position, type);
    return wi_application_check(&application);
}

static void
knows_the_settings_of_an_application(void **state)
{
    (void)state;
    assert_int_equal(check_application("weir:s", 1, WEIR_TRIM_HORIZON), WEIR_OK);
    assert_int_equal(check_application("", 1, WEIR_TRIM_HORIZON), WEIR_EINVAL);
    assert_int_equal(check_application("weir:s", 0, WEIR_TRIM_HORIZON), WEIR_EINVAL);
    assert_int_equal(
        check_application("weir:s", WI_LEASE_DURATION_MS_MAX, WEIR_TRIM_HORIZON), WEIR_OK);
    assert_int_equal(
        check_application("weir:s", WI_LEASE_DURATION_MS_MAX + 1, WEIR_TRIM_HORIZON), WEIR_EINVAL);
    assert_int_equal(check_application("weir:s", 1, -1), WEIR_EINVAL);
    assert_int_equal(check_application("weir:s", 1, WEIR_SHARD_END), WEIR_EINVAL);
}

static bool
reads_several(const char *url)
{
    struct wi_application application = {.lease_duration_ms = 1};

    (void)snprintf(application.stream_url, sizeof application.stream_url, "%s", url);
    return wi_application_reads_several(&application);
}

/* What is remembered of several streams stays the same whatever their list is, and is no stream's.
 */
static void
tells_an_application_of_several_streams_by_its_url(void **state)
{
    (void)state;
    assert_true(reads_several("kinesis:*?region=r"));
    assert_false(reads_several("kinesis:s?region=r"));
    assert_false(reads_several("weir:s"));
    assert_false(reads_several(""));
}

static void
changes_the_lease_duration_only_to_another_one(void **state)
{
    const struct wi_application_facts idle = {.exists = true};
    struct wi_application agreed = {"weir:s", 10, {.type = WEIR_LATEST}};
    struct wi_application wish = agreed;
    bool changed = true;

    (void)state;
    assert_int_equal(wi_application_join(&agreed, &wish, &idle, &changed), WEIR_OK);
    assert_false(changed);
    wish.lease_duration_ms = 20;
    assert_int_equal(wi_application_join(&agreed, &wish, &idle, &changed), WEIR_OK);
    assert_true(changed);
    assert_int_equal(agreed.lease_duration_ms, 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_text_only_if_it_is_there_and_ends),
        cmocka_unit_test(knows_the_types_of_positions),
        cmocka_unit_test(knows_the_reasons_of_hand_offs),
        cmocka_unit_test(takes_no_endless_parent),
        cmocka_unit_test(fences_a_session_by_what_was_seen_of_it),
        cmocka_unit_test(takes_the_lead_only_after_the_term_that_was_seen),
        cmocka_unit_test(removes_a_worker_that_is_gone_or_as_seen),
        cmocka_unit_test(changes_no_owner_after_the_last_epoch),
        cmocka_unit_test(counts_no_further_than_the_last_counter_and_term),
        cmocka_unit_test(knows_the_settings_of_an_application),
        cmocka_unit_test(tells_an_application_of_several_streams_by_its_url),
        cmocka_unit_test(changes_the_lease_duration_only_to_another_one),
    };

    return cmocka_run_group_tests_name("lease limits", tests, NULL, NULL);
}

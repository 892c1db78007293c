#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "coordinator/coordinator_step.h"
#include "coordinator/coordinator_sync.h"
#include "coordinator/lease_taker.h"
#include "core/mono.h"
#include "lease/lease.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define D_MS     INT64_C(1000)
#define PASS_MS  (WI_TAKER_SPANS * (D_MS + WI_TAKER_EPSILON_MS))
#define SYNC_MS  600000
#define ROWS_MAX 16

/* A taker for worker "me", the picture of the table that it is shown, and its last action. Times
 * are milliseconds. */
static struct scene {
    struct test_env test;
    struct wi_taker *taker;
    struct wi_coordinator_action action;
    struct wi_lease_table table;
    struct wi_lease leases[ROWS_MAX];
    struct weir_shard shards[ROWS_MAX];
    size_t shard_count;
} scene;

static enum weir_error
open_taker(void)
{
    const struct wi_taker_settings settings = {
        .owner = "me",
        .lease_duration_ms = D_MS,
        .handoff_timeout_ms = 3000,
        .shard_sync_interval_ms = SYNC_MS,
        .seed = 7};

    return wi_taker_new(&scene.test.env, &settings, &scene.taker);
}

static int
setup(void **state)
{
    (void)state;
    memset(&scene, 0, sizeof scene);
    test_env_init(&scene.test);
    scene.table.leases = scene.leases;
    scene.table.leader.everyone_takes = true;
    return open_taker() == WEIR_OK ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    wi_taker_free(scene.taker);
    test_env_assert_no_leak(&scene.test);
    return 0;
}

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static struct weir_mono
at_ms(int64_t ms)
{
    return wi_mono_add_ms((struct weir_mono){1}, ms);
}

static struct wi_lease *
given_lease(const char *owner)
{
    struct wi_lease *lease = &scene.leases[scene.table.lease_count];

    (void)snprintf(lease->lease_key, sizeof lease->lease_key, "s%02zu", scene.table.lease_count);
    (void)snprintf(lease->shard_id, sizeof lease->shard_id, "s%02zu", scene.table.lease_count);
    (void)snprintf(lease->owner, sizeof lease->owner, "%s", owner);
    lease->owner_state = owner[0] == '\0' ? WI_OWNER_NONE : WI_OWNER_ALIVE;
    lease->epoch = 1;
    scene.table.lease_count++;
    return lease;
}

/* Every lease has such a shard; `more` shards have no lease yet. */
static void
given_shards(size_t more)
{
    size_t count = scene.table.lease_count + more;

    for (size_t i = 0; i < count; i++) {
        struct weir_shard *shard = &scene.shards[i];

        (void)snprintf(shard->shard_id, sizeof shard->shard_id, "s%02zu", i);
        shard->range.start.high = i == 0 ? 0 : UINT64_MAX / count * i + 1;
        shard->range.end.high = i + 1 == count ? UINT64_MAX : UINT64_MAX / count * (i + 1);
        shard->range.end.low = UINT64_MAX;
    }
    scene.shard_count = count;
}

static enum wi_coordinator_action_type
step(const struct wi_coordinator_event *event)
{
    scene.action = wi_taker_step(scene.taker, event);
    return scene.action.type;
}

static enum wi_coordinator_action_type
table_at(int64_t ms)
{
    const struct wi_coordinator_event event = {
        .type = WI_COORDINATOR_TABLE, .now = at_ms(ms), .table = &scene.table};

    return step(&event);
}

static enum wi_coordinator_action_type
tick_at(int64_t ms)
{
    const struct wi_coordinator_event event = {.type = WI_COORDINATOR_TICK, .now = at_ms(ms)};

    return step(&event);
}

static enum wi_coordinator_action_type
result_at(enum weir_error error, int64_t ms)
{
    static const enum weir_error results[ROWS_MAX];
    const struct wi_coordinator_event event = {
        .type = WI_COORDINATOR_RESULT, .now = at_ms(ms), .error = error, .results = results};

    return step(&event);
}

static enum wi_coordinator_action_type
shards_at(int64_t ms)
{
    const struct wi_coordinator_event event = {
        .type = WI_COORDINATOR_SHARDS,
        .now = at_ms(ms),
        .shards = scene.shards,
        .shard_count = scene.shard_count};

    return step(&event);
}

/* It has seen a table in which nothing is to do for it, and waits for the next pass. */
static void
given_quiet_follower(void)
{
    /* The shuffle puts the last of three first. */
    given_lease("b");
    given_lease("me");
    given_lease("n");
    assert_int_equal(tick_at(0), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(0), WI_COORDINATOR_WAIT);
    assert_false(wi_taker_leads(scene.taker));
}

/* T9 */
static void
a_pass_comes_every_two_spans(void **state)
{
    (void)state;
    given_quiet_follower();
    assert_int_equal(scene.action.until.ns, at_ms(PASS_MS).ns);
    given_lease("");
    assert_int_equal(table_at(PASS_MS - 1), WI_COORDINATOR_WAIT); /* unasked: a hint */
    assert_int_equal(tick_at(PASS_MS - 1), WI_COORDINATOR_WAIT);

    assert_int_equal(tick_at(PASS_MS), WI_COORDINATOR_READ_TABLE);
    scene.leases[0].counter++;
    scene.leases[1].counter++;
    scene.leases[2].counter++;
    assert_int_equal(table_at(PASS_MS), WI_COORDINATOR_ASSIGN);
    assert_int_equal(scene.action.count, 1);
    assert_int_equal(scene.action.term, 0);
    assert_string_equal(scene.action.assignments[0].lease_key, "s03");
    assert_string_equal(scene.action.assignments[0].to, "me");
}

/* T2, T9: pictures between passes count for who is dead. */
static void
unasked_pictures_are_seen(void **state)
{
    (void)state;
    given_quiet_follower();
    scene.leases[0].counter++;
    assert_int_equal(table_at(100), WI_COORDINATOR_WAIT);
    scene.leases[1].counter += 2;
    scene.leases[2].counter += 2;
    assert_int_equal(tick_at(PASS_MS), WI_COORDINATOR_READ_TABLE);

    assert_int_equal(table_at(PASS_MS), WI_COORDINATOR_ASSIGN);
    assert_string_equal(scene.action.assignments[0].lease_key, "s00");
}

/* T10 */
static void
reads_the_table_after_a_take_and_goes_on_there(void **state)
{
    (void)state;
    given_lease("");
    given_lease("n");
    assert_int_equal(table_at(0), WI_COORDINATOR_ASSIGN);
    assert_int_equal(result_at(WEIR_OK, 1), WI_COORDINATOR_READ_TABLE);
    (void)snprintf(scene.leases[0].owner, sizeof scene.leases[0].owner, "me");
    scene.leases[0].epoch++;

    assert_int_equal(table_at(2), WI_COORDINATOR_LIST_SHARDS); /* "me" leads, the first of two */
    assert_true(wi_taker_leads(scene.taker));
}

/* T10: somebody else was first; there is another pass. */
static void
does_not_take_again_what_was_refused(void **state)
{
    (void)state;
    given_lease("");
    given_lease("b");
    given_lease("n");
    given_lease("me");
    assert_int_equal(table_at(0), WI_COORDINATOR_ASSIGN);
    assert_int_equal(result_at(WEIR_ECONFLICT, 1), WI_COORDINATOR_READ_TABLE);

    assert_int_equal(table_at(2), WI_COORDINATOR_WAIT);
    assert_int_equal(scene.action.until.ns, at_ms(PASS_MS).ns);
}

/* T11: whoever the shuffle names syncs shards, and nobody else. */
static void
the_shuffles_leader_creates_leases(void **state)
{
    (void)state;
    given_lease("me");
    given_shards(2);
    assert_int_equal(table_at(0), WI_COORDINATOR_LIST_SHARDS);
    assert_int_equal(shards_at(1), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(2), WI_COORDINATOR_CREATE_LEASES);
    assert_int_equal(scene.action.count, 2);
    assert_string_equal(scene.action.leases[0].lease_key, "s01");

    given_lease("");
    given_lease("");
    assert_int_equal(result_at(WEIR_OK, 3), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(4), WI_COORDINATOR_ASSIGN); /* at once: they are nobody's */
    assert_int_equal(scene.action.count, 2);
}

/* T11: without an owner nobody is named, and creating twice does no harm. */
static void
everybody_syncs_while_nothing_has_an_owner(void **state)
{
    (void)state;
    given_shards(1);
    assert_int_equal(table_at(0), WI_COORDINATOR_LIST_SHARDS);
    assert_true(wi_taker_leads(scene.taker));
}

/* T11, C40 */
static void
the_shuffles_leader_removes_old_leases(void **state)
{
    (void)state;
    given_lease("me");
    given_lease("")->checkpoint.type = WEIR_SHARD_END;
    (void)snprintf(
        scene.leases[1].child_shard_ids[0], sizeof scene.leases[1].child_shard_ids[0], "s00");
    scene.leases[0].checkpoint.type = WEIR_AFTER_SEQUENCE_NUMBER;
    given_shards(0);
    scene.shard_count = 1;
    scene.shards[0].range.end.high = UINT64_MAX;
    assert_int_equal(table_at(0), WI_COORDINATOR_LIST_SHARDS);
    assert_int_equal(shards_at(1), WI_COORDINATOR_READ_TABLE);

    assert_int_equal(table_at(2), WI_COORDINATOR_REMOVE_LEASE);
    assert_string_equal(scene.action.lease_key, "s01");
    assert_int_equal(scene.action.expected_epoch, 1);
    assert_int_equal(result_at(WEIR_ECONFLICT, 3), WI_COORDINATOR_WAIT);
}

/* T11 */
static void
a_list_that_fails_does_not_keep_it_from_taking(void **state)
{
    (void)state;
    given_lease("me");
    assert_int_equal(table_at(0), WI_COORDINATOR_LIST_SHARDS);
    assert_int_equal(result_at(WEIR_EIO, 1), WI_COORDINATOR_WAIT);
    assert_int_equal(wi_taker_last_pass(scene.taker).ns, 0);
    given_lease("");
    assert_int_equal(tick_at(PASS_MS), WI_COORDINATOR_READ_TABLE);
    scene.leases[0].counter++;
    assert_int_equal(table_at(PASS_MS), WI_COORDINATOR_ASSIGN);
}

/* T12 */
static void
takes_nothing_when_it_leaves(void **state)
{
    const struct wi_coordinator_event leave = {.type = WI_COORDINATOR_LEAVE, .now = at_ms(1)};

    (void)state;
    given_quiet_follower();
    assert_false(wi_taker_has_left(scene.taker));
    assert_int_equal(step(&leave), WI_COORDINATOR_WAIT);
    assert_true(wi_taker_has_left(scene.taker));
    given_lease("");
    assert_int_equal(table_at(PASS_MS), WI_COORDINATOR_WAIT);
    assert_int_equal(scene.action.until.ns, WI_MONO_NEVER.ns);
}

/* T12: what is under way is waited for. */
static void
leaves_after_the_action_in_flight(void **state)
{
    const struct wi_coordinator_event leave = {.type = WI_COORDINATOR_LEAVE, .now = at_ms(1)};

    (void)state;
    given_lease("");
    assert_int_equal(table_at(0), WI_COORDINATOR_ASSIGN);
    assert_int_equal(step(&leave), WI_COORDINATOR_WAIT);
    assert_false(wi_taker_has_left(scene.taker));
    assert_int_equal(result_at(WEIR_OK, 2), WI_COORDINATOR_WAIT);
    assert_true(wi_taker_has_left(scene.taker));
}

/* T13: with a long lease duration passes are rarer than looks. */
static void
looks_at_the_table_once_a_minute(void **state)
{
    const struct wi_taker_settings settings = {
        .owner = "me",
        .lease_duration_ms = 100000,
        .handoff_timeout_ms = 3000,
        .shard_sync_interval_ms = SYNC_MS};

    (void)state;
    wi_taker_free(scene.taker);
    assert_int_equal(wi_taker_new(&scene.test.env, &settings, &scene.taker), WEIR_OK);
    given_quiet_follower();
    assert_int_equal(scene.action.until.ns, at_ms(WI_TAKER_LOOK_MS).ns);
    given_lease("");
    assert_int_equal(tick_at(WI_TAKER_LOOK_MS), WI_COORDINATOR_READ_TABLE);

    assert_int_equal(table_at(WI_TAKER_LOOK_MS), WI_COORDINATOR_WAIT); /* no pass yet */
}

/* T14 */
static void
a_take_without_an_answer_is_cleared_up_by_a_read(void **state)
{
    (void)state;
    given_lease("");
    assert_int_equal(table_at(0), WI_COORDINATOR_ASSIGN);
    assert_int_equal(result_at(WEIR_ETIMEOUT, 10), WI_COORDINATOR_WAIT);
    assert_true(wi_mono_before(scene.action.until, at_ms(PASS_MS)));
    assert_int_equal(tick_at(100), WI_COORDINATOR_READ_TABLE);

    assert_int_equal(table_at(101), WI_COORDINATOR_ASSIGN); /* it did not come about */
}

/* T14: pictures do not cut the wait short. */
static void
backs_off_from_a_table_that_cannot_be_read(void **state)
{
    int64_t now_ms = 0;

    (void)state;
    for (int i = 0; i < 20; i++) {
        int64_t before_ms = now_ms;

        assert_int_equal(tick_at(now_ms), WI_COORDINATOR_READ_TABLE);
        assert_int_equal(result_at(WEIR_EIO, now_ms), WI_COORDINATOR_WAIT);
        now_ms = (scene.action.until.ns - at_ms(0).ns) / 1000000;
        assert_true(now_ms > before_ms && now_ms <= before_ms + 5000);
        given_shards(0);
        assert_int_equal(table_at(before_ms), WI_COORDINATOR_WAIT);
    }
    assert_true(now_ms > 50000);
}

/* T11: a list is asked for when it is due, not in each pass. */
static void
lists_no_more_often_than_is_due(void **state)
{
    (void)state;
    given_lease("me");
    given_shards(0);
    assert_int_equal(table_at(0), WI_COORDINATOR_LIST_SHARDS);
    assert_int_equal(shards_at(1), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(2), WI_COORDINATOR_WAIT);
    scene.leases[0].counter++;
    assert_int_equal(tick_at(PASS_MS), WI_COORDINATOR_READ_TABLE);

    assert_int_equal(table_at(PASS_MS), WI_COORDINATOR_WAIT);
    assert_true(wi_taker_leads(scene.taker));
}

/* More leases than one action creates. */
static void
creates_many_leases_one_batch_after_the_other(void **state)
{
    const size_t count = WI_CREATE_MAX + 1;
    struct weir_shard *shards = test_calloc(count, sizeof *shards);
    struct wi_coordinator_event listed = {
        .type = WI_COORDINATOR_SHARDS, .now = at_ms(1), .shards = shards, .shard_count = count};

    (void)state;
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(shards[i].shard_id, sizeof shards[i].shard_id, "s%05zu", i);
        shards[i].range.end = (struct weir_hash_key){UINT64_MAX, UINT64_MAX};
    }
    assert_int_equal(table_at(0), WI_COORDINATOR_LIST_SHARDS);
    assert_int_equal(step(&listed), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(2), WI_COORDINATOR_CREATE_LEASES);
    assert_int_equal(scene.action.count, WI_CREATE_MAX);
    assert_int_equal(result_at(WEIR_OK, 3), WI_COORDINATOR_CREATE_LEASES);
    assert_int_equal(scene.action.count, 1);

    assert_int_equal(result_at(WEIR_OK, 4), WI_COORDINATOR_READ_TABLE);
    test_free(shards);
}

/* C43: with a row that cannot be read, nobody begins at LATEST. */
static void
creates_nothing_that_a_damaged_row_may_forbid(void **state)
{
    (void)state;
    given_lease("me");
    given_shards(1);
    scene.table.damaged_count = 1;
    scene.table.application.initial_position.type = WEIR_LATEST;
    assert_int_equal(table_at(0), WI_COORDINATOR_LIST_SHARDS);
    assert_int_equal(shards_at(1), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(2), WI_COORDINATOR_WAIT);
    assert_true(wi_mono_before(scene.action.until, at_ms(PASS_MS))); /* and lists anew before */

    scene.table.damaged_count = 0;
    scene.leases[0].counter++;
    assert_int_equal(tick_at(PASS_MS), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(PASS_MS), WI_COORDINATOR_LIST_SHARDS);
    assert_int_equal(shards_at(PASS_MS + 1), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(PASS_MS + 2), WI_COORDINATOR_CREATE_LEASES);
}

/* What nobody asked for changes nothing. */
static void
takes_no_answer_without_a_question(void **state)
{
    (void)state;
    given_quiet_follower();
    given_shards(3);
    assert_int_equal(result_at(WEIR_EIO, 1), WI_COORDINATOR_WAIT);
    assert_int_equal(shards_at(2), WI_COORDINATOR_WAIT);
    assert_int_equal(scene.action.until.ns, at_ms(PASS_MS).ns);
    wi_taker_free(NULL);
}

/* A picture may have been taken before the action. */
static void
looks_at_no_picture_while_an_action_is_under_way(void **state)
{
    (void)state;
    given_lease("");
    given_lease("n");
    assert_int_equal(table_at(0), WI_COORDINATOR_ASSIGN);
    assert_int_equal(table_at(1), WI_COORDINATOR_WAIT);
    assert_int_equal(scene.action.until.ns, WI_MONO_NEVER.ns); /* for the answer */

    assert_int_equal(result_at(WEIR_OK, 2), WI_COORDINATOR_READ_TABLE);
}

/* The list of shards is copied and planned: each failure ends the pass, and the next one creates.
 */
static void
syncs_survive_every_allocation_failure(void **state)
{
    bool has_failed = true;

    (void)state;
    given_lease("me");
    given_shards(1);
    for (size_t n = 1; has_failed; n++) {
        wi_taker_free(scene.taker);
        assert_int_equal(open_taker(), WEIR_OK);
        assert_int_equal(table_at(0), WI_COORDINATOR_LIST_SHARDS);
        scene.test.allocations = 0;
        scene.test.fail_at = n;
        if (shards_at(1) == WI_COORDINATOR_READ_TABLE) {
            (void)table_at(2);
        }
        has_failed = scene.test.allocations >= n;
        scene.test.fail_at = 0;
        assert_int_equal(
            scene.action.type, has_failed ? WI_COORDINATOR_WAIT : WI_COORDINATOR_CREATE_LEASES);
    }
}

static void
new_survives_every_allocation_failure(void **state)
{
    enum weir_error error = WEIR_ENOMEM;

    (void)state;
    wi_taker_free(scene.taker);
    scene.taker = NULL;
    for (size_t n = 1; error != WEIR_OK; n++) {
        test_env_init(&scene.test);
        scene.test.fail_at = n;
        error = open_taker();
        if (error != WEIR_OK) {
            assert_int_equal(error, WEIR_ENOMEM);
            assert_int_equal(scene.test.live, 0);
        }
    }
    scene.test.fail_at = 0;
}

/* A pass that finds no memory is a pass that failed: nothing is lost, and it is made again. */
static void
passes_survive_every_allocation_failure(void **state)
{
    bool has_taken = false;

    (void)state;
    given_lease("");
    given_lease("b");
    for (size_t n = 1; !has_taken; n++) {
        wi_taker_free(scene.taker);
        scene.test.fail_at = 0;
        assert_int_equal(open_taker(), WEIR_OK);
        scene.test.allocations = 0;
        scene.test.fail_at = n;
        has_taken = table_at(0) == WI_COORDINATOR_ASSIGN;
        scene.test.fail_at = 0;
        if (!has_taken) {
            assert_int_equal(scene.action.type, WI_COORDINATOR_WAIT);
            assert_int_equal(tick_at(5000), WI_COORDINATOR_READ_TABLE);
            assert_int_equal(table_at(5000), WI_COORDINATOR_ASSIGN);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_pass_comes_every_two_spans),
        SCENE_TEST(unasked_pictures_are_seen),
        SCENE_TEST(reads_the_table_after_a_take_and_goes_on_there),
        SCENE_TEST(does_not_take_again_what_was_refused),
        SCENE_TEST(the_shuffles_leader_creates_leases),
        SCENE_TEST(everybody_syncs_while_nothing_has_an_owner),
        SCENE_TEST(the_shuffles_leader_removes_old_leases),
        SCENE_TEST(a_list_that_fails_does_not_keep_it_from_taking),
        SCENE_TEST(takes_nothing_when_it_leaves),
        SCENE_TEST(leaves_after_the_action_in_flight),
        SCENE_TEST(looks_at_the_table_once_a_minute),
        SCENE_TEST(a_take_without_an_answer_is_cleared_up_by_a_read),
        SCENE_TEST(backs_off_from_a_table_that_cannot_be_read),
        SCENE_TEST(lists_no_more_often_than_is_due),
        SCENE_TEST(creates_many_leases_one_batch_after_the_other),
        SCENE_TEST(creates_nothing_that_a_damaged_row_may_forbid),
        SCENE_TEST(takes_no_answer_without_a_question),
        SCENE_TEST(looks_at_no_picture_while_an_action_is_under_way),
        SCENE_TEST(syncs_survive_every_allocation_failure),
        SCENE_TEST(new_survives_every_allocation_failure),
        SCENE_TEST(passes_survive_every_allocation_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* <weir/app.h> on a real lease table: move, release, drain, reset. */
#include <string.h>

#include "core/str.h"
#include "tests/support/weir_test.h"
#include "tests/unit/worker/app_fixture.h"

static enum weir_error
move_shard(struct app_fixture *fixture, size_t i, const char *worker_id, struct weir_detail *detail)
{
    return weir_app_move(
        fixture->env, fixture->dir.path, "app1", wi_str(fixture->shard_ids[i]), worker_id, detail);
}

static void
asks_the_owner_to_hand_a_shard_over(void **state)
{
    struct app_fixture *fixture = *state;
    const char *from = given_worker(fixture, "w1", true);
    const char *to = given_worker(fixture, "w2", true);
    struct wi_lease row;
    given_owned(fixture, 0, from);

    assert_int_equal(move_shard(fixture, 0, "w2", NULL), WEIR_OK);

    row = row_of(fixture, 0);
    assert_string_equal(row.owner, from);
    assert_int_equal(row.handoff.reason, WI_HANDOFF_OPERATOR);
    assert_string_equal(row.handoff.to, to);
    assert_true(row.handoff.timeout_ms > 0);
}

static void
asks_the_owner_to_give_a_shard_back(void **state)
{
    struct app_fixture *fixture = *state;
    given_owned(fixture, 0, given_worker(fixture, "w1", true));

    assert_int_equal(move_shard(fixture, 0, NULL, NULL), WEIR_OK);

    assert_int_equal(row_of(fixture, 0).handoff.reason, WI_HANDOFF_OPERATOR);
    assert_string_equal(row_of(fixture, 0).handoff.to, "");
}

static void
gives_a_shard_at_once_when_there_is_nobody_to_ask(void **state)
{
    struct app_fixture *fixture = *state;
    const char *dead = given_worker(fixture, "w1", false);
    const char *to = given_worker(fixture, "w2", true);

    assert_int_equal(move_shard(fixture, 0, "w2", NULL), WEIR_OK);
    assert_string_equal(row_of(fixture, 0).owner, to);
    assert_int_equal(row_of(fixture, 0).handoff.reason, WI_HANDOFF_NONE);
    (void)dead;
}

static void
leaves_a_shard_where_it_is_and_takes_an_earlier_wish_back(void **state)
{
    struct app_fixture *fixture = *state;
    const char *owner = given_worker(fixture, "w1", true);
    given_owned(fixture, 0, owner);

    assert_int_equal(move_shard(fixture, 0, "w1", NULL), WEIR_OK);
    assert_int_equal(row_of(fixture, 0).handoff.reason, WI_HANDOFF_NONE);
    assert_int_equal(move_shard(fixture, 0, NULL, NULL), WEIR_OK);
    assert_int_equal(move_shard(fixture, 0, "w1", NULL), WEIR_OK);
    assert_int_equal(row_of(fixture, 0).handoff.reason, WI_HANDOFF_NONE);
    assert_string_equal(row_of(fixture, 0).owner, owner);
}

static void
refuses_a_move_that_makes_no_sense_and_says_why(void **state)
{
    struct app_fixture *fixture = *state;
    const char *owner = given_worker(fixture, "w1", true);
    struct wi_shard_finish finish = {.lease_key = fixture->shard_ids[1], .owner = owner};
    struct weir_detail detail = {.text = ""};
    (void)given_worker(fixture, "gone", false);

    assert_int_equal(move_shard(fixture, 0, "w9", &detail), WEIR_ENOTFOUND);
    assert_non_null(strstr(detail.text, "w9"));
    assert_int_equal(move_shard(fixture, 0, "gone", &detail), WEIR_ENOTFOUND);
    assert_int_equal(move_shard(fixture, 0, NULL, &detail), WEIR_ESTATE);
    assert_non_null(strstr(detail.text, fixture->shard_ids[0]));
    assert_int_equal(
        weir_app_move(fixture->env, fixture->dir.path, "app1", WI_STR("no"), "w1", &detail),
        WEIR_ENOTFOUND);
    given_owned(fixture, 1, owner);
    finish.epoch = row_of(fixture, 1).epoch;
    assert_int_equal(fixture->store->ops->finish_shard(fixture->store->store, &finish), WEIR_OK);
    assert_int_equal(move_shard(fixture, 1, "w1", &detail), WEIR_ESTATE);
}

static void
refuses_a_name_that_two_live_workers_share(void **state)
{
    struct app_fixture *fixture = *state;
    struct weir_detail detail = {.text = ""};
    (void)given_worker(fixture, "w1", true);
    (void)given_worker(fixture, "w1", true);

    assert_int_equal(move_shard(fixture, 0, "w1", &detail), WEIR_ECONFLICT);
    assert_non_null(strstr(detail.text, "w1"));
}

static void
asks_a_worker_to_leave(void **state)
{
    struct app_fixture *fixture = *state;
    const char *owner = given_worker(fixture, "w1", true);
    struct wi_renew_answer answer = {.drain_requested = false};
    enum weir_error result = WEIR_OK;

    assert_int_equal(weir_app_drain(fixture->env, fixture->dir.path, "app1", "w1", NULL), WEIR_OK);

    assert_int_equal(
        fixture->store->ops->renew(fixture->store->store, owner, NULL, 0, &result, &answer),
        WEIR_OK);
    assert_true(answer.drain_requested);
    assert_int_equal(
        weir_app_drain(fixture->env, fixture->dir.path, "app1", "w2", NULL), WEIR_ENOTFOUND);
    assert_int_equal(
        weir_app_drain(fixture->env, fixture->dir.path, "app1", NULL, NULL), WEIR_EINVAL);
}

static void
resets_only_without_live_workers_and_to_a_place_that_every_shard_has(void **state)
{
    struct app_fixture *fixture = *state;
    struct weir_position position = {.type = WEIR_LATEST};
    struct weir_detail detail = {.text = ""};
    struct weir_app_description description;

    assert_int_equal(
        weir_app_reset(fixture->env, fixture->dir.path, "app1", &position, NULL), WEIR_OK);
    assert_int_equal(
        weir_app_describe(fixture->env, fixture->dir.path, "app1", &description, NULL), WEIR_OK);
    assert_int_equal(description.shard_count, 0);
    weir_app_description_free(fixture->env, &description);
    (void)given_worker(fixture, "w1", true);
    assert_int_equal(
        weir_app_reset(fixture->env, fixture->dir.path, "app1", &position, &detail), WEIR_ESTATE);
    assert_non_null(strstr(detail.text, "app1"));
    position.type = WEIR_AFTER_SEQUENCE_NUMBER;
    assert_int_equal(
        weir_app_reset(fixture->env, fixture->dir.path, "app1", &position, NULL), WEIR_EINVAL);
}

#define APP_TEST(test) cmocka_unit_test_setup_teardown(test, app_setup, app_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        APP_TEST(asks_the_owner_to_hand_a_shard_over),
        APP_TEST(asks_the_owner_to_give_a_shard_back),
        APP_TEST(gives_a_shard_at_once_when_there_is_nobody_to_ask),
        APP_TEST(leaves_a_shard_where_it_is_and_takes_an_earlier_wish_back),
        APP_TEST(refuses_a_move_that_makes_no_sense_and_says_why),
        APP_TEST(refuses_a_name_that_two_live_workers_share),
        APP_TEST(asks_a_worker_to_leave),
        APP_TEST(resets_only_without_live_workers_and_to_a_place_that_every_shard_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* <weir/app.h> on a real lease table: looking. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <weir/stream.h>

#include "core/str.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"
#include "tests/unit/worker/app_fixture.h"

static struct weir_app_description
description_of(struct app_fixture *fixture)
{
    struct weir_app_description description;
    assert_int_equal(
        weir_app_describe(fixture->env, fixture->dir.path, "app1", &description, NULL), WEIR_OK);
    return description;
}

static void
append_name(void *context, const char *name)
{
    char *names = context;
    (void)snprintf(names + strlen(names), 64 - strlen(names), "%s;", name);
}

static void
lists_applications_and_none_in_a_missing_directory(void **state)
{
    struct app_fixture *fixture = *state;
    char names[64] = "";

    assert_int_equal(
        weir_app_list(fixture->env, fixture->dir.path, append_name, names, NULL), WEIR_OK);
    assert_string_equal(names, "app1;");
    assert_int_equal(
        weir_app_list(fixture->env, "missing-directory", append_name, names, NULL), WEIR_OK);
    assert_string_equal(names, "app1;");
    assert_int_equal(weir_app_list(fixture->env, NULL, append_name, names, NULL), WEIR_EINVAL);
}

static void
describes_an_application_that_nobody_works_for(void **state)
{
    struct app_fixture *fixture = *state;
    struct weir_app_description description = description_of(fixture);

    assert_string_equal(description.stream, "orders");
    assert_string_equal(description.leader, "");
    assert_true(description.lease_duration_ms == APP_LEASE_DURATION_MS);
    assert_true(description.failover_bound_ms == 13500);
    assert_int_equal(description.shard_count, 2);
    assert_int_equal(description.worker_count, 0);
    assert_int_equal(description.damaged_rows, 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(description.shards[i].state, WEIR_SHARD_UNASSIGNED);
        assert_string_equal(description.shards[i].owner, "");
        assert_true(description.shards[i].millis_behind_latest == 0);
    }
    weir_app_description_free(fixture->env, &description);
    weir_app_description_free(fixture->env, NULL);
}

static void
describes_who_works_on_what(void **state)
{
    struct app_fixture *fixture = *state;
    const char *alive = given_worker(fixture, "w1", true);
    const char *dead = given_worker(fixture, "w2", false);
    struct weir_app_description description;
    given_owned(fixture, 0, alive);
    (void)dead;

    description = description_of(fixture);

    assert_int_equal(description.worker_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct weir_app_worker *worker = &description.workers[i];
        bool is_w1 = strcmp(worker->worker_id, "w1") == 0;
        assert_int_equal(worker->pid, getpid());
        assert_int_equal(worker->alive, is_w1);
        assert_int_equal(worker->leases, is_w1 ? 1 : 0);
    }
    for (size_t i = 0; i < 2; i++) {
        const struct weir_app_shard *shard = &description.shards[i];
        bool is_owned = strcmp(shard->shard_id, fixture->shard_ids[0]) == 0;
        assert_int_equal(shard->state, is_owned ? WEIR_SHARD_PROCESSING : WEIR_SHARD_UNASSIGNED);
        assert_string_equal(shard->owner, is_owned ? "w1" : "");
    }
    weir_app_description_free(fixture->env, &description);
}

static void
shows_a_hand_off_and_the_end_of_a_shard(void **state)
{
    struct app_fixture *fixture = *state;
    const char *owner = given_worker(fixture, "w1", true);
    struct wi_shard_finish finish = {.lease_key = fixture->shard_ids[1], .owner = owner};
    struct weir_app_description description;
    given_owned(fixture, 0, owner);
    given_owned(fixture, 1, owner);
    finish.epoch = row_of(fixture, 1).epoch;
    assert_int_equal(
        weir_app_move(
            fixture->env, fixture->dir.path, "app1", wi_str(fixture->shard_ids[0]), NULL, NULL),
        WEIR_OK);
    assert_int_equal(fixture->store->ops->finish_shard(fixture->store->store, &finish), WEIR_OK);

    description = description_of(fixture);

    assert_int_equal(description.shards[0].state, WEIR_SHARD_SHUTDOWN_REQUESTED);
    assert_int_equal(description.shards[1].state, WEIR_SHARD_SHUTDOWN_COMPLETE);
    assert_int_equal(description.shards[1].checkpoint.type, WEIR_SHARD_END);
    weir_app_description_free(fixture->env, &description);
}

/* The wall clock of a test environment decides how old a record is. */
static void
says_how_old_the_first_record_behind_the_checkpoint_is(void **state)
{
    struct app_fixture *fixture = *state;
    struct weir_app_description description;
    struct test_env test;
    int64_t oldest_ms = 0;
    given_records(fixture, 20);
    test_env_init(&test);
    test.env.clock.mono = weir_env_default()->clock.mono;
    test.wall.ms = weir_env_default()->clock.wall(NULL).ms + 5000;

    assert_int_equal(
        weir_app_describe(&test.env, fixture->dir.path, "app1", &description, NULL), WEIR_OK);

    for (size_t i = 0; i < description.shard_count; i++) {
        int64_t behind_ms = description.shards[i].millis_behind_latest;
        oldest_ms = behind_ms > oldest_ms ? behind_ms : oldest_ms;
    }
    assert_true(oldest_ms >= 5000);
    weir_app_description_free(&test.env, &description);
    test_env_assert_no_leak(&test);
}

static void
describes_the_table_also_when_the_stream_is_gone(void **state)
{
    struct app_fixture *fixture = *state;
    struct weir_app_description description;
    assert_int_equal(weir_stream_delete(fixture->env, fixture->dir.path, "orders", NULL), WEIR_OK);

    description = description_of(fixture);

    assert_int_equal(description.shard_count, 2);
    assert_true(description.shards[0].millis_behind_latest == -1);
    weir_app_description_free(fixture->env, &description);
}

static void
says_which_application_does_not_exist(void **state)
{
    struct app_fixture *fixture = *state;
    struct weir_app_description description;
    struct weir_detail detail = {.text = ""};
    struct weir_position horizon = {.type = WEIR_TRIM_HORIZON};

    assert_int_equal(
        weir_app_describe(fixture->env, fixture->dir.path, "app2", &description, &detail),
        WEIR_ENOTFOUND);
    assert_non_null(strstr(detail.text, "app2"));
    assert_int_equal(
        weir_app_describe(fixture->env, fixture->dir.path, "../app1", &description, &detail),
        WEIR_EINVAL);
    assert_int_equal(
        weir_app_drain(fixture->env, fixture->dir.path, "app2", "w1", &detail), WEIR_ENOTFOUND);
    assert_int_equal(
        weir_app_reset(fixture->env, fixture->dir.path, "app2", &horizon, &detail), WEIR_ENOTFOUND);
    assert_int_equal(
        weir_app_move(fixture->env, fixture->dir.path, "app2", WI_STR("s"), NULL, &detail),
        WEIR_ENOTFOUND);
}

static void
survives_every_allocation_failure(void **state)
{
    struct app_fixture *fixture = *state;
    enum weir_error error = WEIR_EINTERNAL;
    given_records(fixture, 5);

    for (size_t n = 1; n < 1000; n++) {
        struct weir_app_description description = {.shards = NULL};
        struct test_env test;
        test_env_init(&test);
        test.env.clock = weir_env_default()->clock;
        test.fail_at = n;
        error = weir_app_describe(&test.env, fixture->dir.path, "app1", &description, NULL);
        weir_app_description_free(&test.env, &description);
        assert_int_equal(test.live, 0);
        if (!test_env_has_failed(&test)) {
            break;
        }
        assert_true(error == WEIR_ENOMEM || error == WEIR_OK); /* without the stream it goes on */
    }
    assert_int_equal(error, WEIR_OK);
}

static void
names_every_state(void **state)
{
    (void)state;
    assert_string_equal(weir_shard_state_name(WEIR_SHARD_UNASSIGNED), "unassigned");
    assert_string_equal(
        weir_shard_state_name(WEIR_SHARD_WAITING_ON_PARENT_SHARDS), "waiting_on_parent_shards");
    assert_string_equal(weir_shard_state_name(WEIR_SHARD_PROCESSING), "processing");
    assert_string_equal(weir_shard_state_name(WEIR_SHARD_SHUTDOWN_REQUESTED), "shutdown_requested");
    assert_string_equal(weir_shard_state_name(WEIR_SHARD_SHUTDOWN_COMPLETE), "shutdown_complete");
}

#define APP_TEST(test) cmocka_unit_test_setup_teardown(test, app_setup, app_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        APP_TEST(lists_applications_and_none_in_a_missing_directory),
        APP_TEST(describes_an_application_that_nobody_works_for),
        APP_TEST(describes_who_works_on_what),
        APP_TEST(shows_a_hand_off_and_the_end_of_a_shard),
        APP_TEST(says_how_old_the_first_record_behind_the_checkpoint_is),
        APP_TEST(describes_the_table_also_when_the_stream_is_gone),
        APP_TEST(says_which_application_does_not_exist),
        APP_TEST(survives_every_allocation_failure),
        cmocka_unit_test(names_every_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Shards that end, split and merge; and where a new application begins. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/integration/worker/crew.h"
#include "tests/support/weir_test.h"

#define RECORDS UINT64_C(10)

static struct weir_str
name_of(uint32_t shard, char text[WEIR_NAME_SIZE])
{
    int length = snprintf(text, WEIR_NAME_SIZE, "shardId-%012u", shard);

    return (struct weir_str){text, (size_t)length};
}

static void
merge(struct crew *crew, uint32_t a, uint32_t b)
{
    char texts[2][WEIR_NAME_SIZE];

    assert_int_equal(
        weir_stream_merge(crew->stream, name_of(a, texts[0]), name_of(b, texts[1]), NULL), WEIR_OK);
}

static void
split(struct crew *crew, uint32_t shard)
{
    char text[WEIR_NAME_SIZE];

    assert_int_equal(weir_stream_split(crew->stream, name_of(shard, text), NULL, NULL), WEIR_OK);
}

/* --- the end of a shard --- */

static enum weir_error
hold_the_end_of_shard_1(struct crew *crew, struct crew_call *call)
{
    if (call->entry->kind == CREW_SHARD_ENDED && call->entry->shard == 1) {
        crew_wait_at_gate(crew);
    }
    return WEIR_OK;
}

static bool
parent_0_is_finished(struct crew *crew, void *context)
{
    (void)context;
    return crew_shard(crew, 0).state == WEIR_SHARD_SHUTDOWN_COMPLETE;
}

static bool
child_waits(struct crew *crew, void *context)
{
    (void)context;
    return crew_shard(crew, 2).state == WEIR_SHARD_WAITING_ON_PARENT_SHARDS;
}

/* DESIGN G2, 4.7. */
static void
starts_the_child_of_a_merge_after_both_parents(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");

    crew->answer = hold_the_end_of_shard_1;
    crew_put(crew, CREW_SHARD(0, 2), 0, RECORDS);
    crew_put(crew, CREW_SHARD(1, 2), RECORDS, RECORDS);
    merge(crew, 0, 1);
    crew_put(crew, 0, 2 * RECORDS, RECORDS);
    crew_start(crew, 0, &options);
    options.worker_id = "w1";
    crew_start(crew, 1, &options);
    crew_wait_processed(crew, 0, 2 * RECORDS);
    crew_wait(crew, parent_0_is_finished, NULL);
    crew_wait(crew, child_waits, NULL);
    assert_int_equal(crew_count(crew, CREW_INITIALIZE, CREW_ANY, 2), 0);
    crew_open_gate(crew);
    crew_wait_processed(crew, 2 * RECORDS, RECORDS);
    assert_int_equal(crew_shard(crew, 1).checkpoint.type, WEIR_SHARD_END);
    assert_int_equal(crew_count(crew, CREW_SHARD_ENDED, CREW_ANY, CREW_ANY), 2);
    assert_int_equal(crew_stop(crew, 0), WEIR_OK);
    assert_int_equal(crew_stop(crew, 1), WEIR_OK);
    crew_check_protocol(crew, true);
}

/* Under load, and with shards that were still empty. */
static void
follows_splits_and_merges_while_it_runs(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");
    uint64_t put = 0;

    crew_start(crew, 0, &options);
    options.worker_id = "w1";
    crew_start(crew, 1, &options);
    for (unsigned round = 0; round < 4; round++) {
        crew_put(crew, CREW_SHARD(0, 2), put, RECORDS);
        crew_put(crew, CREW_SHARD(1, 2), put + RECORDS, RECORDS);
        put += 2 * RECORDS;
        if (round == 0) {
            split(crew, 0);
        } else if (round == 1) {
            merge(crew, 2, 3);
        } else if (round == 2) {
            assert_int_equal(weir_stream_scale(crew->stream, 4, NULL), WEIR_OK);
        }
    }
    crew_wait_processed(crew, 0, put);
    crew_wait_balanced(crew, 2);
    assert_int_equal(crew_stop(crew, 0), WEIR_OK);
    assert_int_equal(crew_stop(crew, 1), WEIR_OK);
    for (uint64_t value = 0; value < put; value++) {
        assert_int_equal(crew_deliveries(crew, value), 1);
    }
    crew_check_protocol(crew, true);
}

/* --- where to begin (ADR 6) --- */

static bool
has_an_owner(struct crew *crew, void *context)
{
    struct weir_app_description description = {.leader = ""};
    bool is_anchored = false;

    (void)context;
    if (crew_count(crew, CREW_INITIALIZE, CREW_ANY, CREW_ANY) > 0 &&
        weir_app_describe(&crew->env, crew->dir.path, "crew", &description, NULL) == WEIR_OK) {
        is_anchored = description.shard_count == 1 &&
                      description.shards[0].checkpoint.type == WEIR_AFTER_SEQUENCE_NUMBER;
        weir_app_description_free(&crew->env, &description);
    }
    return is_anchored;
}

static void
sees_everything_since_its_start_at_latest_though_the_first_owner_was_killed(void **state)
{
    struct crew *crew = *state;
    static const char *const latest[] = {
        "initial_position=LATEST", "checkpoint_interval_ms=0", "hold=1", NULL};
    static const char *const next[] = {"initial_position=LATEST", NULL};
    pid_t pid;

    crew_put(crew, 0, 0, RECORDS);
    pid = crew_spawn(crew, 0, latest);
    crew_wait(crew, has_an_owner, NULL);
    crew_put(crew, 0, 100, RECORDS);
    crew_wait_count(crew, CREW_RECORD, 0, 0, 1);
    crew_kill(crew, pid);
    crew_put(crew, 0, 200, RECORDS);
    pid = crew_spawn(crew, 1, next);
    crew_wait_processed(crew, 100, RECORDS);
    crew_wait_processed(crew, 200, RECORDS);
    crew_kill(crew, pid);
    for (uint64_t value = 0; value < RECORDS; value++) {
        assert_int_equal(crew_deliveries(crew, value), 0);
    }
    assert_true(crew_delivery(crew, 100, 1).replay_possible);
}

static int64_t
wall_ms(struct crew *crew)
{
    return crew->env.clock.wall(crew->env.clock.context).ms;
}

static bool
time_has_passed(struct crew *crew, void *context)
{
    const int64_t *since_ms = context;

    return wall_ms(crew) > *since_ms;
}

static void
begins_at_a_timestamp(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");
    int64_t last_ms;

    options.initial_position.type = WEIR_AT_TIMESTAMP;
    options.checkpoint_interval_ms = 0;
    crew_put(crew, 0, 0, RECORDS);
    last_ms = wall_ms(crew);
    crew_wait(crew, time_has_passed, &last_ms);
    options.initial_position.timestamp_ms = wall_ms(crew);
    crew_put(crew, 0, 100, RECORDS);
    crew_start(crew, 0, &options);
    crew_wait_processed(crew, 100, RECORDS);
    assert_int_equal(crew_stop(crew, 0), WEIR_OK);
    /* Explicit mode, and no checkpoint of the processor's: the next one starts there again. */
    crew_start(crew, 1, &options);
    crew_wait_count(crew, CREW_PROCESSED, 1, 0, 1);
    assert_int_equal(crew_stop(crew, 1), WEIR_OK);
    for (uint64_t i = 0; i < RECORDS; i++) {
        assert_int_equal(crew_deliveries(crew, i), 0);
        assert_int_equal(crew_deliveries(crew, 100 + i), 2);
    }
    crew_check_protocol(crew, true);
}

static void
refuses_to_move_a_finished_shard(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");
    char text[WEIR_NAME_SIZE];

    crew_start(crew, 0, &options);
    crew_put(crew, 0, 0, RECORDS);
    crew_wait_processed(crew, 0, RECORDS);
    split(crew, 0);
    crew_wait(crew, parent_0_is_finished, NULL);
    assert_int_equal(
        weir_app_move(&crew->env, crew->dir.path, "crew", name_of(0, text), "w0", NULL),
        WEIR_ESTATE);
    crew_put(crew, 0, 100, RECORDS);
    crew_wait_processed(crew, 100, RECORDS);
    assert_int_equal(crew_stop(crew, 0), WEIR_OK);
    crew_check_protocol(crew, true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            starts_the_child_of_a_merge_after_both_parents, crew_setup_2, crew_teardown),
        cmocka_unit_test_setup_teardown(
            follows_splits_and_merges_while_it_runs, crew_setup_2, crew_teardown),
        cmocka_unit_test_setup_teardown(
            sees_everything_since_its_start_at_latest_though_the_first_owner_was_killed,
            crew_setup_1,
            crew_teardown),
        cmocka_unit_test_setup_teardown(begins_at_a_timestamp, crew_setup_1, crew_teardown),
        cmocka_unit_test_setup_teardown(
            refuses_to_move_a_finished_shard, crew_setup_1, crew_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

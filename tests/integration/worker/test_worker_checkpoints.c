/* Checkpoints of all kinds over restarts, and those that are refused. */
#include <signal.h>
#include <string.h>

#include "tests/integration/worker/crew.h"
#include "tests/support/weir_test.h"

#define RECORDS UINT64_C(10)
/* What the checkpointing answers note for the test. */
#define RESULTS 8U

struct notes {
    enum weir_error results[RESULTS];
    struct weir_position position;
    uint8_t state[WEIR_CHECKPOINT_STATE_MAX];
    size_t length;
    int64_t time_left_ms;
};

static void
run_until_processed(struct crew *crew, const struct weir_worker_options *options, uint64_t first)
{
    crew_start(crew, 0, options);
    crew_wait_processed(crew, first, RECORDS);
    assert_int_equal(crew_stop(crew, 0), WEIR_OK);
}

/* --- explicit --- */

static enum weir_error
checkpoint_the_fourth(struct crew *crew, struct crew_call *call)
{
    struct notes *notes = crew->context;

    if (call->entry->kind != CREW_PROCESSED || call->input->count <= 3) {
        return WEIR_OK;
    }
    notes->results[0] = weir_checkpoint(call->checkpointer, &call->input->records[3]);
    notes->results[1] = weir_checkpoint(call->checkpointer, &call->input->records[3]);
    notes->results[2] = weir_checkpoint(call->checkpointer, &call->input->records[2]);
    notes->results[3] = weir_checkpoint(NULL, NULL);
    notes->results[4] = weir_checkpoint_at(call->checkpointer, NULL, 0);
    notes->position = weir_checkpoint_last(call->checkpointer);
    notes->time_left_ms = weir_lease_time_left_ms(call->checkpointer);
    return WEIR_OK;
}

static void
starts_after_an_explicit_checkpoint(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");
    struct notes notes = {.length = 0};

    options.checkpoint_interval_ms = 0;
    crew->answer = checkpoint_the_fourth;
    crew->context = &notes;
    crew_put(crew, 0, 0, RECORDS);
    run_until_processed(crew, &options, 0);
    assert_int_equal(notes.results[0], WEIR_OK);
    assert_int_equal(notes.results[1], WEIR_OK);
    assert_int_equal(notes.results[2], WEIR_EINVAL); /* below the last one */
    assert_int_equal(notes.results[3], WEIR_EINVAL);
    assert_int_equal(notes.results[4], WEIR_EINVAL);
    assert_int_equal(notes.position.sequence_number.word[3], crew_delivery(crew, 3, 0).sequence);
    assert_in_range(notes.time_left_ms, 1, CREW_LEASE_MS);
    crew_put(crew, 0, RECORDS, 1);
    crew_start(crew, 1, &options);
    crew_wait_processed(crew, RECORDS, 1);
    assert_int_equal(crew_stop(crew, 1), WEIR_OK);
    for (uint64_t value = 0; value < RECORDS; value++) {
        assert_int_equal(crew_deliveries(crew, value), value < 4 ? 1 : 2);
        assert_false(value < 4 ? false : !crew_delivery(crew, value, 1).replay_possible);
    }
}

/* In batches of one: the next record is in the stream, but it was not delivered. */
static enum weir_error
checkpoint_beyond(struct crew *crew, struct crew_call *call)
{
    struct notes *notes = crew->context;
    struct weir_sequence_number beyond;

    if (call->entry->kind == CREW_PROCESSED) {
        beyond = call->input->records[0].sequence_number;
        beyond.word[3]++;
        notes->results[0] = weir_checkpoint_at(call->checkpointer, &beyond, 0);
        notes->results[1] = weir_checkpoint_prepare(
            call->checkpointer, NULL, (struct weir_bytes){NULL, WEIR_CHECKPOINT_STATE_MAX + 1});
    }
    return WEIR_OK;
}

static void
refuses_a_checkpoint_beyond_what_was_delivered(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");
    struct weir_worker_metrics metrics = {.struct_size = sizeof metrics};
    struct notes notes = {.length = 0};

    options.checkpoint_interval_ms = 0;
    options.batch_records_max = 1;
    crew->answer = checkpoint_beyond;
    crew->context = &notes;
    crew_put(crew, 0, 0, 2);
    crew_start(crew, 0, &options);
    crew_wait_processed(crew, 0, 2);
    weir_worker_metrics_get(crew->workers[0].worker, &metrics);
    assert_true(metrics.checkpoints_refused >= 1);
    assert_int_equal(metrics.checkpoints_written, 0);
    assert_int_equal(crew_stop(crew, 0), WEIR_OK);
    assert_int_equal(notes.results[0], WEIR_EINVAL);
    assert_int_equal(notes.results[1], WEIR_EINVAL);
    assert_int_not_equal(crew_shard(crew, 0).checkpoint.type, WEIR_AFTER_SEQUENCE_NUMBER);
}

/* --- in two phases --- */

static enum weir_error
prepare_or_commit(struct crew *crew, struct crew_call *call)
{
    struct notes *notes = crew->context;
    const struct weir_bytes bytes = {"half done", 9};

    if (call->entry->kind == CREW_INITIALIZE) {
        notes->results[call->journal->worker] = weir_checkpoint_pending(
            call->checkpointer, &notes->position, notes->state, &notes->length);
    } else if (call->entry->kind == CREW_PROCESSED && call->journal->worker == 0) {
        notes->results[4] =
            weir_checkpoint_prepare(call->checkpointer, &call->input->records[0], bytes);
    } else if (call->entry->kind == CREW_PROCESSED && call->journal->worker == 1) {
        notes->results[5] = weir_checkpoint(call->checkpointer, NULL);
    }
    return WEIR_OK;
}

static void
finds_a_prepared_checkpoint_until_one_that_reaches_it_is_written(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");
    struct notes notes = {.length = 0};

    options.checkpoint_interval_ms = 0;
    crew->answer = prepare_or_commit;
    crew->context = &notes;
    crew_put(crew, 0, 0, RECORDS);
    run_until_processed(crew, &options, 0);
    assert_int_equal(notes.results[0], WEIR_ENOTFOUND);
    assert_int_equal(notes.results[4], WEIR_OK);
    crew_start(crew, 1, &options);
    crew_wait_count(crew, CREW_PROCESSED, 1, 0, 1);
    assert_int_equal(crew_stop(crew, 1), WEIR_OK);
    assert_int_equal(notes.results[1], WEIR_OK);
    assert_int_equal(notes.length, 9);
    assert_memory_equal(notes.state, "half done", 9);
    assert_true(crew_deliveries(crew, 0) == 2);
    assert_int_equal(notes.results[5], WEIR_OK);
    crew_start(crew, 2, &options);
    crew_wait_count(crew, CREW_INITIALIZE, 2, 0, 1);
    assert_int_equal(crew_stop(crew, 2), WEIR_OK);
    assert_int_equal(notes.results[2], WEIR_ENOTFOUND);
    assert_int_equal(crew_deliveries(crew, RECORDS - 1), 2);
}

/* --- automatic --- */

static void
starts_after_an_automatic_checkpoint_when_the_owner_was_killed(void **state)
{
    struct crew *crew = *state;
    static const char *const plain[] = {"checkpoint_interval_ms=20", NULL};
    static const char *const by_count[] = {
        "checkpoint_interval_ms=3600000", "checkpoint_records=1", NULL};
    pid_t pid;

    for (uint64_t round = 0; round < 2; round++) {
        uint64_t first = RECORDS * round;

        pid = crew_spawn(crew, (uint32_t)round, round == 0 ? plain : by_count);
        crew_put(crew, 0, first, RECORDS);
        crew_wait_processed(crew, first, RECORDS);
        crew_wait_checkpoint(crew, 0, crew_delivery(crew, first + RECORDS - 1, 0).sequence);
        crew_kill(crew, pid);
    }
    pid = crew_spawn(crew, 2, plain);
    crew_put(crew, 0, 100, 1);
    crew_wait_processed(crew, 100, 1);
    crew_kill(crew, pid);
    for (uint64_t value = 0; value < 2 * RECORDS; value++) {
        assert_int_equal(crew_deliveries(crew, value), 1);
    }
}

/* --- after the lease --- */

static enum weir_error
checkpoint_after_the_gate(struct crew *crew, struct crew_call *call)
{
    struct notes *notes = crew->context;

    if (call->entry->kind == CREW_PROCESSED && call->journal->worker == 0) {
        crew_wait_at_gate(crew);
        if (weir_lease_time_left_ms(call->checkpointer) > 0) {
            return WEIR_OK; /* the one that it keeps */
        }
        notes->results[0] = weir_checkpoint(call->checkpointer, NULL);
        notes->results[1] =
            weir_checkpoint_prepare(call->checkpointer, NULL, (struct weir_bytes){"x", 1});
        notes->time_left_ms = weir_lease_time_left_ms(call->checkpointer);
    }
    return WEIR_OK;
}

/* A hand-off that the owner does not answer is revoked (R5): the other one takes the leases while
 * the first still processes. */
static void
refuses_a_checkpoint_after_the_lease_was_lost(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");
    struct notes notes = {.time_left_ms = -1};

    options.lease_duration_ms = 500;
    options.handoff_timeout_ms = 10;
    options.checkpoint_interval_ms = 0;
    crew->answer = checkpoint_after_the_gate;
    crew->context = &notes;
    crew_start(crew, 0, &options);
    for (uint64_t i = 0; i < 2; i++) {
        crew_put(crew, CREW_SHARD(i, 2), RECORDS * i, RECORDS);
    }
    crew_wait_count(crew, CREW_BATCH, 0, CREW_ANY, 2);
    options.worker_id = "w1";
    crew_start(crew, 1, &options);
    crew_wait_count(crew, CREW_PROCESSED, 1, CREW_ANY, 1);
    crew_open_gate(crew);
    crew_wait_count(crew, CREW_LEASE_LOST, 0, CREW_ANY, 1);
    crew_wait_processed(crew, 0, 2 * RECORDS);
    assert_int_equal(crew_stop(crew, 0), WEIR_OK);
    assert_int_equal(crew_stop(crew, 1), WEIR_OK);
    assert_int_equal(crew_count(crew, CREW_LEASE_LOST, CREW_ANY, CREW_ANY), 1);
    assert_int_equal(notes.results[0], WEIR_ELEASELOST);
    assert_int_equal(notes.results[1], WEIR_ELEASELOST);
    assert_int_equal(notes.time_left_ms, 0);
    crew_check_protocol(crew, true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            starts_after_an_explicit_checkpoint, crew_setup_1, crew_teardown),
        cmocka_unit_test_setup_teardown(
            refuses_a_checkpoint_beyond_what_was_delivered, crew_setup_1, crew_teardown),
        cmocka_unit_test_setup_teardown(
            finds_a_prepared_checkpoint_until_one_that_reaches_it_is_written,
            crew_setup_1,
            crew_teardown),
        cmocka_unit_test_setup_teardown(
            starts_after_an_automatic_checkpoint_when_the_owner_was_killed,
            crew_setup_1,
            crew_teardown),
        cmocka_unit_test_setup_teardown(
            refuses_a_checkpoint_after_the_lease_was_lost, crew_setup_2, crew_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

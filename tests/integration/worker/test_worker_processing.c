/* Processors that fail or hang, and the shards beside theirs. */
#include <stdatomic.h>
#include <stdlib.h>

#include "tests/integration/worker/crew.h"
#include "tests/support/weir_test.h"

#define RECORDS UINT64_C(10)

/* --- failures --- */

/* The first two calls fail as a whole, the third in the middle. */
static enum weir_error
fail_three_times(struct crew *crew, struct crew_call *call)
{
    if (call->entry->kind != CREW_PROCESSED ||
        crew_count(crew, CREW_PROCESSED, CREW_ANY, call->entry->shard) >= 3) {
        return WEIR_OK;
    }
    *call->ret_processed = call->entry->attempt == 3 ? 4 : 0;
    return WEIR_EPROCESSOR;
}

static void
delivers_a_failed_batch_again_from_the_record_that_failed(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");

    crew->answer = fail_three_times;
    crew_put(crew, 0, 100, RECORDS);
    crew_start(crew, 0, &options);
    crew_wait_processed(crew, 100, RECORDS);
    assert_int_equal(crew_stop(crew, 0), WEIR_OK);

    for (uint64_t value = 100; value < 100 + RECORDS; value++) {
        size_t deliveries = value < 104 ? 3 : 4;
        assert_int_equal(crew_deliveries(crew, value), deliveries);
        for (size_t n = 0; n < 3; n++) {
            assert_int_equal(crew_delivery(crew, value, n).attempt, n + 1);
        }
    }
    assert_int_equal(crew_delivery(crew, 104, 3).attempt, 1);
    crew_check_protocol(crew, true);
}

static enum weir_error
fail_shard_0_until_the_gate_opens(struct crew *crew, struct crew_call *call)
{
    bool open;

    pthread_mutex_lock(&crew->lock);
    open = crew->gate_open;
    pthread_mutex_unlock(&crew->lock);
    return call->entry->kind == CREW_PROCESSED && call->entry->shard == 0 && !open ? WEIR_EPROCESSOR
                                                                                   : WEIR_OK;
}

static bool
one_shard_is_blocked(struct crew *crew, void *context)
{
    struct weir_worker_metrics metrics = {.struct_size = sizeof metrics};

    (void)context;
    weir_worker_metrics_get(crew->workers[0].worker, &metrics);
    return metrics.shards_blocked == 1 && metrics.batches_failed > 3;
}

static void
goes_on_with_other_shards_while_one_fails(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");

    crew->answer = fail_shard_0_until_the_gate_opens;
    crew_put(crew, CREW_SHARD(0, 4), 0, 1);
    crew_start(crew, 0, &options);
    crew_wait_count(crew, CREW_PROCESSED, 0, 0, 3);
    crew_wait(crew, one_shard_is_blocked, NULL);
    crew_put(crew, CREW_SHARD(1, 4), 100, RECORDS);
    crew_put(crew, CREW_SHARD(3, 4), 200, RECORDS);
    crew_wait_processed(crew, 100, RECORDS);
    crew_wait_processed(crew, 200, RECORDS);
    crew_open_gate(crew);
    crew_wait_processed(crew, 0, 1);
    assert_int_equal(crew_stop(crew, 0), WEIR_OK);
    crew_check_protocol(crew, true);
}

static enum weir_error
fail_calls_beside_process(struct crew *crew, struct crew_call *call)
{
    bool is_beside = call->entry->kind == CREW_INITIALIZE || call->entry->kind == CREW_SHARD_ENDED;
    enum crew_kind kind = (enum crew_kind)call->entry->kind;

    return is_beside && crew_count(crew, kind, CREW_ANY, call->entry->shard) < 2 ? WEIR_EPROCESSOR
                                                                                 : WEIR_OK;
}

static void
calls_initialize_and_shard_ended_again_after_a_failure(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");

    crew->answer = fail_calls_beside_process;
    crew_put(crew, 0, 0, 1);
    assert_int_equal(
        weir_stream_split(crew->stream, (struct weir_str){"shardId-000000000000", 20}, NULL, NULL),
        WEIR_OK);
    crew_put(crew, 0, 1, 1);
    crew_start(crew, 0, &options);
    crew_wait_processed(crew, 0, 2);
    assert_int_equal(crew_stop(crew, 0), WEIR_OK);
    assert_int_equal(crew_count(crew, CREW_INITIALIZE, 0, 0), 3);
    assert_int_equal(crew_count(crew, CREW_SHARD_ENDED, 0, 0), 3);
    crew_check_protocol(crew, true);
}

/* --- processors that hang --- */

static enum weir_error
hang_in_shard_0(struct crew *crew, struct crew_call *call)
{
    if (call->entry->kind == CREW_PROCESSED && call->entry->shard == 0) {
        crew_wait_at_gate(crew);
    }
    return WEIR_OK;
}

/* Whether the worker's heartbeat has gone on for longer than a lease lasts. */
static bool
two_leases_have_passed(struct crew *crew, void *context)
{
    const int64_t *since_ns = context;

    (void)crew;
    return crew_now_ns() - *since_ns > INT64_C(2) * 500 * 1000000;
}

/* Two workers: if the one lost its lease, the other would take the shard. */
static void
keeps_the_lease_of_a_hung_processor_and_delays_no_other_shard(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");
    int64_t since_ns;

    options.lease_duration_ms = 500;
    crew->answer = hang_in_shard_0;
    crew_start(crew, 0, &options);
    options.worker_id = "w1";
    crew_start(crew, 1, &options);
    crew_wait_balanced(crew, 2);
    crew_put(crew, CREW_SHARD(0, 4), 0, 1);
    crew_wait_count(crew, CREW_BATCH, CREW_ANY, 0, 1);
    since_ns = crew_now_ns();
    for (uint64_t i = 1; i < 4; i++) {
        crew_put(crew, CREW_SHARD(i, 4), 100 * i, RECORDS);
        crew_wait_processed(crew, 100 * i, RECORDS);
    }
    crew_wait(crew, two_leases_have_passed, &since_ns);
    assert_int_equal(crew_count(crew, CREW_INITIALIZE, CREW_ANY, 0), 1);
    assert_int_equal(crew_count(crew, CREW_LEASE_LOST, CREW_ANY, 0), 0);
    crew_open_gate(crew);
    crew_wait_processed(crew, 0, 1);
    assert_int_equal(crew_stop(crew, 0), WEIR_OK);
    assert_int_equal(crew_stop(crew, 1), WEIR_OK);
    assert_int_equal(crew_deliveries(crew, 0), 1);
    crew_check_protocol(crew, true);
}

/* The metrics say what happened. */
static void
counts_what_it_does(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");
    struct weir_worker_metrics metrics = {.struct_size = sizeof metrics};

    crew_put(crew, CREW_SHARD(2, 4), 0, RECORDS);
    crew_start(crew, 0, &options);
    crew_wait_processed(crew, 0, RECORDS);
    crew_wait_checkpoint(crew, 2, crew_delivery(crew, RECORDS - 1, 0).sequence);
    crew_wait_balanced(crew, 1);
    weir_worker_metrics_get(crew->workers[0].worker, &metrics);
    assert_int_equal(metrics.leases_acquired, 4);
    assert_int_equal(metrics.leases_held, 4);
    assert_int_equal(metrics.records_delivered, RECORDS);
    assert_int_equal(metrics.records_processed, RECORDS);
    assert_int_equal(metrics.is_leader, 1);
    assert_true(metrics.fetches > 0);
    assert_true(metrics.last_assignment_pass_age_ms >= 0);
    assert_int_equal(metrics.leases_lost, 0);
    assert_int_equal(crew_stop(crew, 0), WEIR_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            delivers_a_failed_batch_again_from_the_record_that_failed, crew_setup_1, crew_teardown),
        cmocka_unit_test_setup_teardown(
            goes_on_with_other_shards_while_one_fails, crew_setup_4, crew_teardown),
        cmocka_unit_test_setup_teardown(
            calls_initialize_and_shard_ended_again_after_a_failure, crew_setup_1, crew_teardown),
        cmocka_unit_test_setup_teardown(
            keeps_the_lease_of_a_hung_processor_and_delays_no_other_shard,
            crew_setup_4,
            crew_teardown),
        cmocka_unit_test_setup_teardown(counts_what_it_does, crew_setup_4, crew_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

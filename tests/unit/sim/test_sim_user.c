/* Users' own processors in the simulator: the public checkpointer in virtual time, transactions of
 * the sink, crashes in the middle of a call, and a ledger that finds what is missing. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/checkpointer.h>
#include <weir/env.h>
#include <weir/error.h>
#include <weir/processor.h>
#include <weir/sim.h>
#include <weir/types.h>

#include "tests/support/weir_test.h"

#define SEEDS            60
#define ERRORS_MAX       1000
#define INITIALIZE_FAILS 10 /* every so many calls */

/* What a fleet of processors under test has seen. */
struct fleet {
    bool forgets;  /* the bug: acknowledges before the commit is known to be there */
    bool prepares; /* two-phase checkpoints */
    unsigned workers;
    unsigned states;
    unsigned initialized;
    unsigned failed_to_initialize;
    unsigned committed[ERRORS_MAX];
    unsigned checkpointed[ERRORS_MAX];
    unsigned found_pending;
    struct weir_sim_sink *sink;
};

struct worker {
    struct fleet *fleet;
    struct weir_sim_sink *sink;
};

struct shard {
    char shard_id[WEIR_NAME_SIZE];
};

static void
name_record(char key[WEIR_SIM_KEY_SIZE], const struct weir_record *record)
{
    char number[WEIR_SEQUENCE_NUMBER_SIZE];

    (void)weir_sequence_number_format(&record->sequence_number, number);
    (void)snprintf(key, WEIR_SIM_KEY_SIZE, "record-%s", number);
}

/* The same as a worker gives: names, not an identity. */
static void
check_context(const struct weir_shard_context *shard)
{
    const struct weir_str *stream = &shard->token.stream;
    const struct weir_str *shard_id = &shard->token.shard_id;

    assert_int_equal(
        weir_name_check((struct weir_str){shard->worker_id, strlen(shard->worker_id)}), WEIR_OK);
    assert_int_equal(shard->stream.length, stream->length);
    assert_memory_equal(shard->stream.data, stream->data, stream->length);
    assert_int_equal(shard->shard_id.length, shard_id->length);
    assert_memory_equal(shard->shard_id.data, shard_id->data, shard_id->length);
    assert_int_equal(strlen(shard->shard->shard_id), shard_id->length);
}

static enum weir_error
initialize(
    void *context,
    const struct weir_shard_context *shard,
    struct weir_checkpointer *checkpointer,
    void **ret_state)
{
    struct worker *worker = context;
    struct shard *state = calloc(1, sizeof *state);
    struct weir_position position;
    unsigned char bytes[WEIR_CHECKPOINT_STATE_MAX];
    size_t length = 0;

    assert_non_null(state);
    assert_null(*ret_state); /* also when the call before has failed */
    check_context(shard);
    if (++worker->fleet->initialized % INITIALIZE_FAILS == 0) {
        free(state);
        worker->fleet->failed_to_initialize++;
        *ret_state = worker; /* what a failed call has left there is of no use to anybody */
        return WEIR_EPROCESSOR;
    }
    memcpy(state->shard_id, shard->shard->shard_id, sizeof state->shard_id);
    if (worker->fleet->prepares &&
        weir_checkpoint_pending(checkpointer, &position, bytes, &length) == WEIR_OK) {
        assert_int_equal(length, strlen(state->shard_id));
        assert_memory_equal(bytes, state->shard_id, length);
        worker->fleet->found_pending++;
    }
    worker->fleet->states++;
    *ret_state = state;
    return WEIR_OK;
}

/* One key per record: a record that comes again sets the same key again. */
static enum weir_error
apply(struct worker *worker, const struct weir_process_input *input)
{
    struct weir_sim_transaction *txn = NULL;
    char key[WEIR_SIM_KEY_SIZE];
    uint32_t once = 1;
    enum weir_error error = weir_sim_sink_begin(worker->sink, &txn);

    for (size_t i = 0; i < input->count && error == WEIR_OK; i++) {
        name_record(key, &input->records[i]);
        error = weir_sim_sink_put(txn, key, &once, sizeof once);
    }
    if (error != WEIR_OK) {
        weir_sim_sink_abort(txn);
        return error;
    }
    error = weir_sim_sink_commit(txn);
    worker->fleet->committed[error]++;
    return worker->fleet->forgets ? WEIR_OK : error;
}

static enum weir_error
process_records(
    void *context,
    void *state,
    const struct weir_process_input *input,
    struct weir_checkpointer *checkpointer,
    size_t *ret_processed) /* NOLINT(readability-non-const-parameter): the slot's type */
{
    struct worker *worker = context;
    const struct shard *shard = state;
    const struct weir_record *last = &input->records[input->count - 1];
    enum weir_error error = apply(worker, input);

    (void)ret_processed;
    assert_true(weir_lease_time_left_ms(checkpointer) >= 0);
    if (error == WEIR_OK && worker->fleet->prepares) {
        error = weir_checkpoint_prepare(
            checkpointer, last, (struct weir_bytes){shard->shard_id, strlen(shard->shard_id)});
    }
    if (error == WEIR_OK) {
        error = weir_checkpoint(checkpointer, NULL);
        worker->fleet->checkpointed[error]++;
    }
    return error == WEIR_ELEASELOST ? WEIR_OK : error;
}

static void
destroy(void *context, void *state)
{
    struct worker *worker = context;

    worker->fleet->states--;
    free(state);
}

static enum weir_error
start_worker(void *context, struct weir_sim_sink *sink, struct weir_processor *ret)
{
    struct fleet *fleet = context;
    struct worker *worker = calloc(1, sizeof *worker);

    assert_non_null(worker);
    *worker = (struct worker){fleet, sink};
    fleet->workers++;
    ret->context = worker;
    ret->initialize = initialize;
    ret->process_records = process_records;
    ret->destroy = destroy;
    return WEIR_OK;
}

static void
end_worker(void *context, struct weir_processor *processor)
{
    struct fleet *fleet = context;

    fleet->workers--;
    free(processor->context);
}

static uint32_t
applied(void *context, struct weir_sim_transaction *sink, const struct weir_sim_entry *entry)
{
    char key[WEIR_SIM_KEY_SIZE];
    uint32_t count = 0;

    (void)context;
    name_record(key, &entry->record);
    (void)!weir_sim_sink_get(sink, key, &count, sizeof count, NULL);
    return count;
}

static struct weir_sim_verdict
run(struct fleet *fleet, uint64_t seed)
{
    const struct weir_sim_application application = {
        .struct_size = sizeof application,
        .context = fleet,
        .explicit_checkpoints = true,
        .worker_start = start_worker,
        .worker_end = end_worker,
        .applied = applied};
    struct weir_sim_options options = WEIR_SIM_OPTIONS_INIT;
    struct weir_sim_verdict verdict;

    options.application = &application;
    fleet->initialized = 0;
    assert_int_equal(weir_sim_run(weir_env_default(), seed, &options, &verdict, NULL), WEIR_OK);
    assert_int_equal(fleet->workers, 0);
    assert_int_equal(fleet->states, 0);
    return verdict;
}

static void
a_sound_processor_holds_and_meets_every_answer(void **state)
{
    struct fleet fleet = {.prepares = true};

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct weir_sim_verdict verdict = run(&fleet, seed);

        if (verdict.failed) {
            print_message("seed %u: %s: %s\n", (unsigned)seed, verdict.property, verdict.text);
        }
        assert_false(verdict.failed);
    }
    assert_true(fleet.committed[WEIR_OK] > 1000);
    assert_true(fleet.committed[WEIR_EIO] > 0);
    assert_true(fleet.committed[WEIR_ETIMEOUT] > 0);
    assert_true(fleet.committed[WEIR_ECANCELED] > 0);
    assert_true(fleet.checkpointed[WEIR_OK] > 1000);
    assert_true(fleet.checkpointed[WEIR_ELEASELOST] > 0);
    assert_true(fleet.found_pending > 0);
    assert_true(fleet.failed_to_initialize > 0);
}

static void
the_same_seed_is_the_same_run(void **state)
{
    struct fleet fleet = {.prepares = true};

    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct weir_sim_verdict first = run(&fleet, seed);
        struct weir_sim_verdict second = run(&fleet, seed);

        assert_true(first.trace_hash == second.trace_hash);
        assert_true(first.steps == second.steps);
    }
}

static void
the_ledger_finds_what_was_acknowledged_and_is_not_there(void **state)
{
    struct fleet fleet = {.forgets = true};
    struct weir_sim_verdict verdict = {.failed = false};

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS && !verdict.failed; seed++) {
        verdict = run(&fleet, seed);
    }
    assert_true(verdict.failed);
    assert_string_equal(verdict.property, "U2");
    assert_non_null(strstr(verdict.text, "is done and was applied 0 times"));
}

/* --- the sink -------------------------------------------------------------------------------- */

/* Two transactions that read and write one key, in worker_start, where no time passes. */
static enum weir_error
try_transactions(void *context, struct weir_sim_sink *sink, struct weir_processor *ret)
{
    struct fleet *fleet = context;
    struct weir_sim_transaction *first = NULL;
    struct weir_sim_transaction *second = NULL;
    uint32_t value = 0;
    char long_key[WEIR_SIM_KEY_SIZE + 1];

    memset(long_key, 'k', WEIR_SIM_KEY_SIZE);
    long_key[WEIR_SIM_KEY_SIZE] = '\0';
    ret->process_records = process_records;
    if (fleet->sink != NULL) {
        return WEIR_EPROCESSOR; /* the first worker only; then the run ends */
    }
    fleet->sink = sink;
    assert_int_equal(weir_sim_sink_begin(sink, &first), WEIR_OK);
    assert_int_equal(weir_sim_sink_begin(sink, &second), WEIR_OK);
    assert_int_equal(weir_sim_sink_get(first, "n", &value, sizeof value, NULL), WEIR_ENOTFOUND);
    assert_int_equal(weir_sim_sink_get(second, "n", &value, sizeof value, NULL), WEIR_ENOTFOUND);
    value = 5;
    assert_int_equal(weir_sim_sink_put(first, "n", &value, sizeof value), WEIR_OK);
    assert_int_equal(weir_sim_sink_get(first, "n", &value, sizeof value, NULL), WEIR_OK);
    assert_int_equal(weir_sim_sink_get(second, "n", &value, sizeof value, NULL), WEIR_ENOTFOUND);
    assert_int_equal(weir_sim_sink_put(second, "n", &value, sizeof value), WEIR_OK);
    assert_int_equal(weir_sim_sink_get(first, long_key, NULL, 0, NULL), WEIR_EINVAL);
    assert_int_equal(weir_sim_sink_put(first, "n", NULL, 1), WEIR_EINVAL);
    assert_int_equal(weir_sim_sink_commit(first), WEIR_OK);
    assert_int_equal(weir_sim_sink_commit(second), WEIR_ECONFLICT);
    assert_int_equal(weir_sim_sink_begin(sink, &first), WEIR_OK);
    value = 0;
    assert_int_equal(weir_sim_sink_get(first, "n", &value, sizeof value, NULL), WEIR_OK);
    assert_int_equal(value, 5);
    weir_sim_sink_abort(first);
    weir_sim_sink_abort(NULL);
    return WEIR_EPROCESSOR;
}

static void
transactions_are_serializable_and_a_worker_that_does_not_start_fails_the_run(void **state)
{
    struct fleet fleet = {.sink = NULL};
    const struct weir_sim_application application = {
        .struct_size = sizeof application, .context = &fleet, .worker_start = try_transactions};
    struct weir_sim_options options = WEIR_SIM_OPTIONS_INIT;
    struct weir_sim_verdict verdict;

    (void)state;
    options.application = &application;
    assert_int_equal(weir_sim_run(weir_env_default(), 1, &options, &verdict, NULL), WEIR_OK);
    assert_true(verdict.failed);
    assert_string_equal(verdict.property, "U1");
    assert_non_null(strstr(verdict.text, "WEIR_EPROCESSOR"));
}

static enum weir_error
start_without_size(void *context, struct weir_sim_sink *sink, struct weir_processor *ret)
{
    (void)context, (void)sink;
    *ret = (struct weir_processor){.process_records = process_records};
    return WEIR_OK;
}

static void
a_processor_without_its_size_fails_the_run(void **state)
{
    const struct weir_sim_application application = {
        .struct_size = sizeof application, .worker_start = start_without_size};
    struct weir_sim_options options = WEIR_SIM_OPTIONS_INIT;
    struct weir_sim_verdict verdict;

    (void)state;
    options.application = &application;
    assert_int_equal(weir_sim_run(weir_env_default(), 1, &options, &verdict, NULL), WEIR_OK);
    assert_true(verdict.failed);
    assert_string_equal(verdict.property, "U1");
    assert_non_null(strstr(verdict.text, "WEIR_EINVAL"));
}

static void
an_application_without_workers_is_refused(void **state)
{
    const struct weir_sim_application application = WEIR_SIM_APPLICATION_INIT;
    struct weir_sim_options options = WEIR_SIM_OPTIONS_INIT;
    struct weir_sim_verdict verdict;

    (void)state;
    options.application = &application;
    assert_int_equal(weir_sim_run(weir_env_default(), 1, &options, &verdict, NULL), WEIR_EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_processor_holds_and_meets_every_answer),
        cmocka_unit_test(the_same_seed_is_the_same_run),
        cmocka_unit_test(the_ledger_finds_what_was_acknowledged_and_is_not_there),
        cmocka_unit_test(
            transactions_are_serializable_and_a_worker_that_does_not_start_fails_the_run),
        cmocka_unit_test(a_processor_without_its_size_fails_the_run),
        cmocka_unit_test(an_application_without_workers_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

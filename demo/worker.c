#include "demo/worker.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <weir/checkpointer.h>
#include <weir/env.h>
#include <weir/error.h>
#include <weir/processor.h>
#include <weir/types.h>
#include <weir/worker.h>

#include "cli/cli.h"
#include "demo/board.h"
#include "demo/journal.h"
#include "demo/payload.h"
#include "demo/sink.h"

#define ERRNO_TEXT   128
#define NS_PER_MS    INT64_C(1000000)
#define DURATION_MAX 64
/* The processor checkpoints by itself this often, beside weir's automatic checkpoints: so that a
 * worker that was stopped tries it with a lease that is gone. */
#define CHECKPOINT_EVERY_NS (250 * NS_PER_MS)
/* How often weir checkpoints by itself. What is delivered in between comes again after a kill -9,
 * and the sink drops it. */
#define CHECKPOINT_INTERVAL_MS 100
/* A worker that cannot begin because the table is busy tries again. */
#define BUSY_TRIES  20
#define BUSY_NAP_NS (100 * NS_PER_MS)
/* How often the leader looks for new shards. */
#define SHARD_SYNC_MS 500

/* The process. */
struct demo_worker {
    const struct weir_env *env;
    struct demo_sink sink;
    struct demo_place *place;
    int journal;
    uint32_t number;
};

/* One shard in the hands of the process. */
struct demo_shard {
    int64_t checkpoint_ns;   /* time of the last explicit checkpoint */
    struct demo_entry blank; /* what all entries about the shard have in common */
    struct demo_entry entries[DEMO_BATCH_MAX];
};

static struct demo_entry
blank_entry(const struct demo_worker *worker, const struct weir_token *token)
{
    struct demo_entry entry;

    memset(&entry, 0, sizeof entry);
    entry.worker = worker->number;
    entry.lease_epoch = token->lease_epoch;
    demo_shard_id_copy(entry.shard_id, token->shard_id);
    return entry;
}

/* Write one entry about something that began at `begin_ns` and has just ended. */
static bool
note(
    const struct demo_worker *worker,
    const struct demo_shard *shard,
    enum demo_event event,
    int64_t begin_ns,
    struct demo_entry entry)
{
    entry.event = event;
    entry.begin_ns = begin_ns;
    entry.end_ns = demo_now_ns(worker->env);
    entry.worker = shard->blank.worker;
    entry.lease_epoch = shard->blank.lease_epoch;
    memcpy(entry.shard_id, shard->blank.shard_id, sizeof entry.shard_id);
    return demo_journal_append(worker->journal, &entry, 1);
}

/* Write, before anything is done about them, that the records were handed over. */
static bool
note_records(
    const struct demo_worker *worker,
    struct demo_shard *shard,
    const struct weir_process_input *input,
    int64_t begin_ns)
{
    for (size_t i = 0; i < input->count; i++) {
        const struct weir_record *record = &input->records[i];
        struct demo_entry *entry = &shard->entries[i];
        struct demo_payload payload;
        if (!demo_payload_parse(record->data, &payload)) {
            return false;
        }
        *entry = shard->blank;
        entry->event = DEMO_RECORD;
        entry->begin_ns = begin_ns;
        entry->end_ns = begin_ns;
        entry->put_index = payload.put_index;
        entry->sequence_number = record->sequence_number;
        entry->attempt = input->token.attempt;
        entry->replay_possible = record->replay_possible ? 1 : 0;
    }
    return demo_journal_append(worker->journal, shard->entries, input->count);
}

/* Wait while the demo asks for it, see board.h. After SIGCONT the time may be long over: then
 * go on at once. */
static void
hold_if_asked(const struct demo_worker *worker)
{
    const struct timespec nap = {.tv_nsec = NS_PER_MS};

    if (atomic_load(&worker->place->hold) == 0) {
        return;
    }
    atomic_fetch_add(&worker->place->holding, 1);
    for (int i = 0; i < DEMO_HOLD_MAX_MS && atomic_load(&worker->place->hold) != 0; i++) {
        (void)nanosleep(&nap, NULL);
    }
    atomic_fetch_sub(&worker->place->holding, 1);
}

static enum weir_error
initialize(
    void *context,
    const struct weir_shard_context *input,
    struct weir_checkpointer *checkpointer,
    void **ret_state)
{
    struct demo_worker *worker = context;
    const int64_t begin_ns = demo_now_ns(worker->env);
    struct demo_shard *shard = malloc(sizeof *shard);
    enum weir_error error;

    (void)checkpointer;
    if (shard == NULL) {
        return WEIR_ENOMEM;
    }
    shard->checkpoint_ns = begin_ns;
    shard->blank = blank_entry(worker, &input->token);
    error = demo_sink_acquire(&worker->sink, input);
    if (error == WEIR_OK &&
        !note(worker, shard, DEMO_INITIALIZE, begin_ns, (struct demo_entry){.event = 0})) {
        error = WEIR_EIO;
    }
    if (error != WEIR_OK) {
        free(shard);
        return error;
    }
    atomic_fetch_add(&worker->place->shards, 1);
    *ret_state = shard;
    return WEIR_OK;
}

/* A careless processor: it checkpoints now and then without a look at what the sink has answered.
 * When the lease is gone weir has to refuse it. */
static void
checkpoint_now_and_then(
    const struct demo_worker *worker,
    struct demo_shard *shard,
    struct weir_checkpointer *checkpointer)
{
    const int64_t begin_ns = demo_now_ns(worker->env);
    enum weir_error error;

    if (begin_ns - shard->checkpoint_ns < CHECKPOINT_EVERY_NS) {
        return;
    }
    shard->checkpoint_ns = begin_ns;
    error = weir_checkpoint(checkpointer, NULL);
    (void)note(
        worker, shard, DEMO_CHECKPOINT, begin_ns, (struct demo_entry){.error = (uint32_t)error});
}

static enum weir_error
process_batch(
    struct demo_worker *worker,
    struct demo_shard *shard,
    const struct weir_process_input *input,
    struct weir_checkpointer *checkpointer)
{
    const int64_t begin_ns = demo_now_ns(worker->env);
    enum weir_error error;

    if (input->count > DEMO_BATCH_MAX || !note_records(worker, shard, input, begin_ns)) {
        return WEIR_EPROCESSOR;
    }
    hold_if_asked(worker);
    error = demo_sink_apply(&worker->sink, input, worker->number);
    if (error == WEIR_OK || error == WEIR_EFENCED) {
        checkpoint_now_and_then(worker, shard, checkpointer);
    }
    (void)note(
        worker,
        shard,
        DEMO_BATCH_END,
        begin_ns,
        (struct demo_entry){.error = (uint32_t)error, .count = (uint32_t)input->count});
    return error;
}

static enum weir_error
process_records(
    void *context,
    void *state,
    const struct weir_process_input *input,
    struct weir_checkpointer *checkpointer,
    size_t *ret_processed)
{
    struct demo_worker *worker = context;
    enum weir_error error;

    *ret_processed = 0; /* the sink takes all of a batch or nothing */
    atomic_fetch_add(&worker->place->batches, 1);
    error = process_batch(worker, state, input, checkpointer);
    atomic_fetch_sub(&worker->place->batches, 1);
    return error;
}

static void
note_event(const struct demo_worker *worker, const struct demo_shard *shard, enum demo_event event)
{
    (void)note(worker, shard, event, demo_now_ns(worker->env), (struct demo_entry){.event = 0});
}

static void
lease_lost(void *context, void *state)
{
    note_event(context, state, DEMO_LEASE_LOST);
}

static enum weir_error
shard_ended(void *context, void *state, struct weir_checkpointer *checkpointer)
{
    (void)checkpointer;
    note_event(context, state, DEMO_SHARD_ENDED);
    return WEIR_OK;
}

static enum weir_error
shutdown_requested(void *context, void *state, struct weir_checkpointer *checkpointer)
{
    /* Nothing is buffered here, and the final checkpoint is weir's business. */
    (void)checkpointer;
    note_event(context, state, DEMO_SHUTDOWN_REQUESTED);
    return WEIR_OK;
}

static void
destroy(void *context, void *state)
{
    struct demo_worker *worker = context;

    atomic_fetch_sub(&worker->place->shards, 1);
    free(state);
}

static enum weir_error
run_once(
    struct demo_worker *worker,
    const struct weir_worker_options *options,
    struct weir_detail *detail)
{
    const struct weir_processor processor = {
        .struct_size = sizeof processor,
        .context = worker,
        .initialize = initialize,
        .process_records = process_records,
        .lease_lost = lease_lost,
        .shard_ended = shard_ended,
        .shutdown_requested = shutdown_requested,
        .destroy = destroy};
    struct weir_worker *handle = NULL;
    enum weir_error error = weir_worker_new(worker->env, options, &processor, &handle, detail);

    if (error == WEIR_OK) {
        error = weir_worker_run(handle, detail);
        weir_worker_free(handle);
    }
    return error;
}

/* Three workers that begin at once make one table; on a slow disk some of them find it busy. */
static int
run_worker(struct demo_worker *worker, const struct weir_worker_options *options)
{
    const struct timespec nap = {.tv_nsec = BUSY_NAP_NS};
    struct weir_detail detail = {""};
    enum weir_error error = run_once(worker, options, &detail);

    for (int i = 0; i < BUSY_TRIES && error == WEIR_EBUSY; i++) {
        (void)nanosleep(&nap, NULL);
        error = run_once(worker, options, &detail);
    }
    return error == WEIR_OK ? CLI_OK : cli_fail_error(error, &detail, "demo worker");
}

/* Open what the processes share, run, close. */
static int
run(const char *folder, struct demo_worker *worker, const struct weir_worker_options *options)
{
    char text[ERRNO_TEXT];
    struct demo_board *board = NULL;
    enum weir_error error;
    int status;

    worker->journal = demo_journal_create(folder, worker->number);
    if (worker->journal >= 0) {
        board = demo_board_open(folder, false);
    }
    if (board == NULL) {
        status = cli_fail(
            "demo worker: files in '%s': %s", folder, cli_errno_text(errno, text, sizeof text));
        goto out;
    }
    worker->place = &board->places[worker->number];
    error = demo_sink_open(folder, &worker->sink);
    if (error != WEIR_OK) {
        status = cli_fail_error(error, NULL, "demo worker: sink");
        goto out;
    }
    status = run_worker(worker, options);
out:
    demo_sink_close(&worker->sink);
    demo_board_close(board);
    if (worker->journal >= 0) {
        (void)close(worker->journal);
    }
    return status;
}

enum {
    NUMBER,
    FOLDER,
    LEASE_DURATION,
    OPTION_COUNT
};

static const struct cli_option worker_options[OPTION_COUNT] = {
    [NUMBER] = {"number", CLI_VALUE, "N", "which worker of the demo this is, from 1"},
    [FOLDER] = {"folder", CLI_VALUE, "DIR", "where sink, board and journals are"},
    [LEASE_DURATION] = {"lease-duration", CLI_VALUE, "TIME", "as `weir worker`"},
};

static const struct cli_command worker_command = {
    .name = "demo worker",
    .operands = "",
    .summary = "One worker process of a demo. `weir demo` starts it; it is of no use by itself.",
    .options = worker_options,
    .option_count = OPTION_COUNT,
};

int
demo_worker_run(int argc, char **argv, struct cli *cli)
{
    struct weir_worker_options options = WEIR_WORKER_OPTIONS_INIT;
    struct demo_worker worker = {.env = weir_env_default()};
    struct weir_env env = *weir_env_default();
    struct cli_arguments a;
    char id[WEIR_NAME_SIZE];
    uint64_t number;
    int status;

    if (!cli_arguments_parse(&worker_command, argc, argv, cli, &a, &status)) {
        return status;
    }
    if (a.value[NUMBER] == NULL || !cli_parse_count(a.value[NUMBER], DEMO_WORKERS_MAX, &number) ||
        number == 0) {
        return cli_usage(worker_command.name, "--number is missing or not 1 to 8");
    }
    if (a.value[FOLDER] == NULL) {
        return cli_usage(worker_command.name, "--folder is missing");
    }
    if (a.value[LEASE_DURATION] != NULL &&
        !cli_parse_duration(a.value[LEASE_DURATION], &options.lease_duration_ms)) {
        return cli_usage(worker_command.name, "--lease-duration is no time");
    }
    (void)snprintf(id, sizeof id, "worker-%u", (unsigned)number);
    env.logger.level = WEIR_LOG_INFO;
    worker.env = &env;
    worker.number = (uint32_t)number - 1;
    options.data_directory = cli->data;
    options.application = DEMO_APPLICATION;
    options.stream = DEMO_STREAM;
    options.worker_id = id;
    options.batch_records_max = DEMO_BATCH_MAX;
    options.checkpoint_interval_ms = CHECKPOINT_INTERVAL_MS;
    options.shard_sync_interval_ms = SHARD_SYNC_MS;
    return run(a.value[FOLDER], &worker, &options);
}

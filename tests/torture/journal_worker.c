/* The record processor of the torture run: slow at random, failing at random, writing its journal.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <weir/checkpointer.h>
#include <weir/env.h>
#include <weir/error.h>
#include <weir/processor.h>
#include <weir/types.h>
#include <weir/worker.h>

#include "tests/torture/journal.h"

#define BATCH_MAX 200U
/* One batch in so many fails somewhere in the middle. */
#define FAILURE_RATE 60U
/* In explicit mode one batch in so many is checkpointed, and each at the tip of a shard. */
#define CHECKPOINT_RATE 3U
#define PAUSE_US_MAX    3000U

struct torturer {
    int journal;
    uint32_t worker;
    bool explicit_checkpoints;
    _Atomic uint64_t random;
};

struct shard_state {
    uint32_t shard;
    uint64_t epoch;
};

int64_t
boot_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint32_t
shard_number(const char *shard_id, size_t length)
{
    uint32_t number = 0;

    for (size_t i = 0; i < length; i++) {
        if (shard_id[i] >= '0' && shard_id[i] <= '9') {
            number = number * 10 + (uint32_t)(shard_id[i] - '0');
        }
    }
    return number;
}

static uint64_t
next_random(struct torturer *torturer)
{
    uint64_t x = (torturer->random += UINT64_C(0x9e3779b97f4a7c15));

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static void
write_entries(const struct torturer *torturer, const struct entry *entries, size_t count)
{
    size_t size = count * sizeof *entries;

    if (write(torturer->journal, entries, size) != (ssize_t)size) {
        abort(); /* without its journal the run proves nothing */
    }
}

static struct entry
entry_of(const struct torturer *torturer, const struct shard_state *state, enum entry_kind kind)
{
    return (struct entry){.kind = (uint32_t)kind,
                          .shard = state->shard,
                          .worker = torturer->worker,
                          .epoch = state->epoch,
                          .time_ns = boot_ns()};
}

static void
write_one(const struct torturer *torturer, const struct shard_state *state, enum entry_kind kind)
{
    struct entry entry = entry_of(torturer, state, kind);

    write_entries(torturer, &entry, 1);
}

static enum weir_error
initialize(
    void *context,
    const struct weir_shard_context *shard,
    struct weir_checkpointer *checkpointer,
    void **ret_state)
{
    struct torturer *torturer = context;
    struct shard_state *state = calloc(1, sizeof *state);
    struct entry entry;

    (void)checkpointer;
    if (state == NULL) {
        return WEIR_ENOMEM;
    }
    state->shard = shard_number(shard->token.shard_id.data, shard->token.shard_id.length);
    state->epoch = shard->token.lease_epoch;
    entry = entry_of(torturer, state, ENTRY_INITIALIZE);
    if (shard->checkpoint.type == WEIR_AFTER_SEQUENCE_NUMBER) {
        entry.sequence = shard->checkpoint.sequence_number.word[3];
    }
    write_entries(torturer, &entry, 1);
    *ret_state = state;
    return WEIR_OK;
}

static void
checkpoint(
    struct torturer *torturer,
    const struct shard_state *state,
    struct weir_checkpointer *checkpointer,
    const struct weir_record *record)
{
    struct entry entry = entry_of(torturer, state, ENTRY_CHECKPOINT);

    entry.index = (uint64_t)weir_checkpoint(checkpointer, record);
    entry.sequence = record == NULL ? 0 : record->sequence_number.word[3];
    write_entries(torturer, &entry, 1);
}

static void
write_begin(
    struct torturer *torturer,
    const struct shard_state *state,
    const struct weir_process_input *input)
{
    struct entry entries[BATCH_MAX + 1];

    entries[0] = entry_of(torturer, state, ENTRY_BEGIN);
    entries[0].count = (uint32_t)input->count;
    for (size_t i = 0; i < input->count; i++) {
        struct payload payload;

        memcpy(&payload, input->records[i].data.data, sizeof payload);
        entries[i + 1] = entries[0];
        entries[i + 1].kind = ENTRY_RECORD;
        entries[i + 1].index = payload.index;
        entries[i + 1].sequence = input->records[i].sequence_number.word[3];
    }
    write_entries(torturer, entries, input->count + 1);
}

static enum weir_error
process_records(
    void *context,
    void *shard_state,
    const struct weir_process_input *input,
    struct weir_checkpointer *checkpointer,
    size_t *ret_processed)
{
    struct torturer *torturer = context;
    const struct shard_state *state = shard_state;
    struct timespec pause = {0, (long)(next_random(torturer) % PAUSE_US_MAX) * 1000};
    bool fails = next_random(torturer) % FAILURE_RATE == 0;
    size_t done = fails ? next_random(torturer) % input->count : input->count;
    struct entry end;

    write_begin(torturer, state, input);
    nanosleep(&pause, NULL);
    end = entry_of(torturer, state, ENTRY_END);
    end.count = (uint32_t)done;
    write_entries(torturer, &end, 1);
    if (torturer->explicit_checkpoints && done > 0 &&
        (input->millis_behind_latest == 0 || next_random(torturer) % CHECKPOINT_RATE == 0)) {
        checkpoint(torturer, state, checkpointer, &input->records[done - 1]);
    }
    *ret_processed = done;
    return fails ? WEIR_EPROCESSOR : WEIR_OK;
}

static void
lease_lost(void *context, void *state)
{
    write_one(context, state, ENTRY_LEASE_LOST);
}

static enum weir_error
shard_ended(void *context, void *state, struct weir_checkpointer *checkpointer)
{
    (void)checkpointer;
    write_one(context, state, ENTRY_SHARD_ENDED);
    return WEIR_OK;
}

static enum weir_error
shutdown_requested(void *context, void *state, struct weir_checkpointer *checkpointer)
{
    struct torturer *torturer = context;

    if (torturer->explicit_checkpoints) {
        checkpoint(torturer, state, checkpointer, NULL);
    }
    write_one(torturer, state, ENTRY_SHUTDOWN);
    return WEIR_OK;
}

static void
destroy(void *context, void *state)
{
    (void)context;
    free(state);
}

/* worker NUMBER DATA JOURNAL LEASE_MS SEED */
int
worker_main(int argc, char **argv)
{
    struct torturer torturer = {.journal = -1};
    struct weir_worker_options options = WEIR_WORKER_OPTIONS_INIT;
    struct weir_processor processor = WEIR_PROCESSOR_INIT;
    struct weir_worker *worker = NULL;
    struct weir_detail detail = {{0}};
    enum weir_error error = WEIR_OK;
    char name[32];

    if (argc != 7) {
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    torturer.worker = (uint32_t)strtoul(argv[2], NULL, 10);
    torturer.random = strtoull(argv[6], NULL, 10);
    torturer.explicit_checkpoints = torturer.worker % 2 == 1;
    torturer.journal = open(argv[4], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    (void)snprintf(name, sizeof name, "w%u", torturer.worker);
    options.data_directory = argv[3];
    options.application = "torture";
    options.stream = "torture";
    options.worker_id = name;
    options.lease_duration_ms = strtoll(argv[5], NULL, 10);
    options.checkpoint_interval_ms = torturer.explicit_checkpoints ? 0 : 100;
    options.batch_records_max = BATCH_MAX;
    options.retry_base_ms = 1;
    options.retry_cap_ms = 20;
    processor = (struct weir_processor){sizeof processor,
                                        &torturer,
                                        initialize,
                                        process_records,
                                        lease_lost,
                                        shard_ended,
                                        shutdown_requested,
                                        destroy};
    error = weir_worker_new(weir_env_default(), &options, &processor, &worker, &detail);
    if (error == WEIR_OK) {
        error = weir_worker_run(worker, &detail);
    }
    weir_worker_free(worker);
    if (error != WEIR_OK) {
        (void)fprintf(stderr, "worker %u: %s\n", torturer.worker, detail.text);
    }
    return error == WEIR_OK ? 0 : 1;
}

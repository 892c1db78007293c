/* The built-in processor: slow at random, failing at random, writing its journal. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <weir/checkpointer.h>
#include <weir/env.h>
#include <weir/error.h>
#include <weir/processor.h>
#include <weir/types.h>
#include <weir/worker.h>

#include "chaos/base.h"
#include "chaos/chaos.h"
#include "chaos/control.h"
#include "chaos/journal.h"
#include "chaos/place.h"

#define BATCH_MAX 200U
/* One batch in so many fails somewhere in the middle. */
#define FAILURE_RATE 60U
/* In explicit mode one batch in so many is checkpointed, and each at the tip of a shard. */
#define CHECKPOINT_RATE 3U
#define PAUSE_US_MAX    3000U
/* A broken processor takes its time between acknowledging and writing. */
#define BROKEN_PAUSE_MS 15
/* The leader looks for new shards this often. */
#define SHARD_SYNC_MS 500
#define ARGUMENTS     7

struct chaotic {
    struct chaos_seat *seat;
    int journal;
    uint32_t worker;
    bool explicit_checkpoints;
    enum chaos_broken broken;
    _Atomic uint64_t random; /* callbacks of several shards draw from it */
};

struct held_shard {
    uint32_t shard;
    uint64_t epoch;
    struct chaos_entry entries[BATCH_MAX + 1];
};

static uint64_t
draw(struct chaotic *chaotic, uint64_t bound)
{
    uint64_t state = atomic_fetch_add(&chaotic->random, UINT64_C(0x9e3779b97f4a7c15));

    return chaos_random_below(&state, bound);
}

static void
write_entries(const struct chaotic *chaotic, const struct chaos_entry *entries, size_t count)
{
    if (!chaos_journal_append(chaotic->journal, entries, count)) {
        abort(); /* without its journal the run proves nothing */
    }
}

static struct chaos_entry
entry_of(const struct chaotic *chaotic, const struct held_shard *held, enum chaos_entry_kind kind)
{
    return (struct chaos_entry){.kind = (uint16_t)kind,
                                .shard = held->shard,
                                .worker = chaotic->worker,
                                .epoch = held->epoch,
                                .time_ns = chaos_now_ns()};
}

static void
write_one(const struct chaotic *chaotic, const struct held_shard *held, enum chaos_entry_kind kind)
{
    const struct chaos_entry entry = entry_of(chaotic, held, kind);

    write_entries(chaotic, &entry, 1);
}

static enum weir_error
initialize(
    void *context,
    const struct weir_shard_context *shard,
    struct weir_checkpointer *checkpointer,
    void **ret_state)
{
    struct chaotic *chaotic = context;
    struct held_shard *held = calloc(1, sizeof *held);
    struct chaos_entry entry;

    (void)checkpointer;
    if (held == NULL) {
        return WEIR_ENOMEM;
    }
    held->shard = chaos_shard_number(shard->token.shard_id.data, shard->token.shard_id.length);
    held->epoch = shard->token.lease_epoch;
    entry = entry_of(chaotic, held, CHAOS_ENTRY_INITIALIZE);
    if (shard->checkpoint.type == WEIR_AFTER_SEQUENCE_NUMBER) {
        entry.sequence = shard->checkpoint.sequence_number.word[3];
    }
    write_entries(chaotic, &entry, 1);
    *ret_state = held;
    return WEIR_OK;
}

static void
checkpoint(
    struct chaotic *chaotic,
    const struct held_shard *held,
    struct weir_checkpointer *checkpointer,
    const struct weir_record *record)
{
    const int64_t begin_ns = chaos_now_ns();
    const enum weir_error error = weir_checkpoint(checkpointer, record);
    struct chaos_entry entry = entry_of(chaotic, held, CHAOS_ENTRY_CHECKPOINT);

    entry.begin_ns = begin_ns;
    entry.error = (uint16_t)error;
    entry.sequence = record == NULL ? 0 : record->sequence_number.word[3];
    write_entries(chaotic, &entry, 1);
}

/* False: somebody else has put records into the stream. */
static bool
write_begin(
    struct chaotic *chaotic, struct held_shard *held, const struct weir_process_input *input)
{
    struct chaos_entry *entries = held->entries;

    entries[0] = entry_of(chaotic, held, CHAOS_ENTRY_BEGIN);
    entries[0].count = (uint32_t)input->count;
    entries[0].attempt = input->token.attempt;
    for (size_t i = 0; i < input->count; i++) {
        const struct weir_record *record = &input->records[i];
        struct chaos_payload payload = {0, 0, 0};

        if (record->data.length == sizeof payload) {
            memcpy(&payload, record->data.data, sizeof payload);
        }
        if (payload.magic != CHAOS_PAYLOAD_MAGIC) {
            return false;
        }
        entries[i + 1] = entries[0];
        entries[i + 1].kind = CHAOS_ENTRY_RECORD;
        entries[i + 1].index = payload.index;
        entries[i + 1].error = (uint16_t)payload.key;
        entries[i + 1].sequence = record->sequence_number.word[3];
    }
    write_entries(chaotic, entries, input->count + 1);
    return true;
}

/* What the run has asked this seat for. */
static void
obey(struct chaotic *chaotic)
{
    const uint32_t hang_ms = atomic_exchange(&chaotic->seat->hang_ms, 0);

    if (atomic_exchange(&chaotic->seat->crash, 0) != 0) {
        abort();
    }
    if (hang_ms > 0) {
        chaos_sleep_ms(hang_ms);
    }
}

static void
write_end(struct chaotic *chaotic, const struct held_shard *held, size_t done)
{
    struct chaos_entry end = entry_of(chaotic, held, CHAOS_ENTRY_END);

    end.begin_ns = held->entries[0].time_ns;
    end.count = (uint32_t)done;
    write_entries(chaotic, &end, 1);
}

static enum weir_error
process_records(
    void *context,
    void *state,
    const struct weir_process_input *input,
    struct weir_checkpointer *checkpointer,
    size_t *ret_processed)
{
    struct chaotic *chaotic = context;
    struct held_shard *held = state;
    const struct timespec pause = {0, (long)draw(chaotic, PAUSE_US_MAX) * 1000};
    const bool fails = draw(chaotic, FAILURE_RATE) == 0;
    const size_t done = fails ? draw(chaotic, input->count) : input->count;

    if (!write_begin(chaotic, held, input)) {
        return WEIR_EPROCESSOR;
    }
    obey(chaotic);
    if (chaotic->broken == CHAOS_ACKNOWLEDGE_BEFORE_WRITE) {
        checkpoint(chaotic, held, checkpointer, NULL);
        chaos_sleep_ms(BROKEN_PAUSE_MS);
    }
    (void)nanosleep(&pause, NULL);
    write_end(chaotic, held, done);
    if (chaotic->explicit_checkpoints && done > 0 &&
        (input->millis_behind_latest == 0 || draw(chaotic, CHECKPOINT_RATE) == 0)) {
        checkpoint(chaotic, held, checkpointer, &input->records[done - 1]);
    }
    *ret_processed = done;
    return fails ? WEIR_EPROCESSOR : WEIR_OK;
}

static void
lease_lost(void *context, void *state)
{
    write_one(context, state, CHAOS_ENTRY_LEASE_LOST);
}

static enum weir_error
shard_ended(void *context, void *state, struct weir_checkpointer *checkpointer)
{
    (void)checkpointer;
    write_one(context, state, CHAOS_ENTRY_SHARD_ENDED);
    return WEIR_OK;
}

static enum weir_error
shutdown_requested(void *context, void *state, struct weir_checkpointer *checkpointer)
{
    struct chaotic *chaotic = context;

    if (chaotic->explicit_checkpoints) {
        checkpoint(chaotic, state, checkpointer, NULL);
    }
    write_one(chaotic, state, CHAOS_ENTRY_SHUTDOWN);
    return WEIR_OK;
}

static void
destroy(void *context, void *state)
{
    write_one(context, state, CHAOS_ENTRY_DESTROY);
    free(state);
}

static int
run(struct chaotic *chaotic, const struct weir_worker_options *options)
{
    const struct weir_processor processor = {
        .struct_size = sizeof processor,
        .context = chaotic,
        .initialize = initialize,
        .process_records = process_records,
        .lease_lost = lease_lost,
        .shard_ended = shard_ended,
        .shutdown_requested = shutdown_requested,
        .destroy = destroy};
    struct weir_worker *worker = NULL;
    struct weir_detail detail = {""};
    enum weir_error error =
        weir_worker_new(weir_env_default(), options, &processor, &worker, &detail);

    if (error == WEIR_OK) {
        error = weir_worker_run(worker, &detail);
    }
    weir_worker_free(worker);
    if (error != WEIR_OK) {
        (void)fprintf(
            stderr,
            "worker %u: %s\n",
            chaotic->worker,
            *detail.text == '\0' ? weir_error_text(error) : detail.text);
    }
    return error == WEIR_OK ? 0 : 1;
}

/* @worker WORK NUMBER SEAT LEASE_MS SEED BROKEN */
int
chaos_worker_main(int argc, char **argv)
{
    static const struct rlimit no_core = {0, 0};
    struct chaotic chaotic = {.journal = -1};
    struct weir_worker_options options = WEIR_WORKER_OPTIONS_INIT;
    struct chaos_control *control = NULL;
    char path[CHAOS_PATH_SIZE];
    char data[CHAOS_PATH_SIZE];
    char id[32];
    unsigned long seat;
    int status;

    if (argc != ARGUMENTS) {
        return 2;
    }
    seat = strtoul(argv[3], NULL, 10);
    chaos_place_file(argv[1], "control", path);
    control = seat < CHAOS_SEATS_MAX ? chaos_control_open(path) : NULL;
    chaotic.worker = (uint32_t)strtoul(argv[2], NULL, 10);
    chaos_place_numbered(argv[1], "journal", chaotic.worker, path);
    chaotic.journal = control == NULL ? -1 : chaos_journal_create(path);
    if (chaotic.journal < 0) {
        return 2;
    }
    (void)setrlimit(RLIMIT_CORE, &no_core);
    chaotic.seat = &control->seats[seat];
    chaotic.random = strtoull(argv[5], NULL, 10);
    chaotic.broken = strcmp(argv[6], "0") == 0 ? CHAOS_SOUND : CHAOS_ACKNOWLEDGE_BEFORE_WRITE;
    chaotic.explicit_checkpoints = chaotic.worker % 2 == 1;
    chaos_place_data(argv[1], data);
    (void)snprintf(id, sizeof id, "w%u", chaotic.worker);
    options.data_directory = data;
    options.application = CHAOS_APPLICATION;
    options.stream = CHAOS_STREAM;
    options.worker_id = id;
    options.lease_duration_ms = strtoll(argv[4], NULL, 10);
    options.checkpoint_interval_ms = chaotic.explicit_checkpoints ? 0 : 100;
    options.batch_records_max = BATCH_MAX;
    options.retry_base_ms = 1;
    options.retry_cap_ms = 20;
    options.shard_sync_interval_ms = SHARD_SYNC_MS;
    status = run(&chaotic, &options);
    chaos_control_close(control);
    return status;
}

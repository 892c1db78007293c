/* The worker that is measured: weir's own, with a processor that does next to nothing. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/checkpointer.h>
#include <weir/env.h>
#include <weir/error.h>
#include <weir/processor.h>
#include <weir/worker.h>

#include "bench/clock.h"
#include "bench/fleet.h"
#include "bench/roles.h"
#include "bench/shared.h"

#define ID_SIZE 32

/* Context of the processor. */
struct processing {
    const struct role *role;
    struct weir_worker *worker;
};

static enum weir_error
initialize(
    void *context,
    const struct weir_shard_context *shard,
    struct weir_checkpointer *checkpointer,
    void **ret_state)
{
    const struct processing *processing = context;

    (void)checkpointer;
    *ret_state = &processing->role->shared->shard[fleet_shard_index(shard->shard->shard_id)];
    return WEIR_OK;
}

/* The same for all kinds: count, and stop when everything has been seen. */
static void
count(const struct processing *processing, size_t records)
{
    struct bench_slot *slot = processing->role->slot;
    const uint64_t before = atomic_fetch_add(&slot->done, records);

    if (before == 0) {
        slot->first_ns = bench_now_ns();
    }
    if (slot->records > 0 && before + records >= slot->records) {
        weir_worker_stop(processing->worker);
    }
}

static enum weir_error
process_count(
    void *context,
    void *state,
    const struct weir_process_input *input,
    struct weir_checkpointer *checkpointer,
    size_t *ret_processed)
{
    (void)state;
    (void)checkpointer;
    *ret_processed = input->count;
    count(context, input->count);
    return WEIR_OK;
}

/* Order and age of the records of one shard. */
static void
note_record(struct bench_shard *shard, const struct bench_payload *payload, int64_t now_ns)
{
    const uint64_t expected = shard->next_index;

    if (payload->index < expected) {
        shard->duplicates++;
        return;
    }
    shard->missing += payload->index - expected;
    shard->next_index = payload->index + 1;
    if (now_ns - payload->sent_ns > shard->wait_ns) {
        shard->wait_ns = now_ns - payload->sent_ns;
    }
}

/* Who has the shard since when. */
static void
note_owner(struct bench_shard *shard, uint_fast32_t owner, int64_t now_ns)
{
    if (shard->owner == owner) {
        return;
    }
    if (shard->owner != 0) {
        shard->handover_ns = now_ns - shard->last_ns;
    }
    shard->first_ns = now_ns;
    shard->owner = owner;
    shard->moves++;
}

static enum weir_error
process_track(
    void *context,
    void *state,
    const struct weir_process_input *input,
    struct weir_checkpointer *checkpointer,
    size_t *ret_processed)
{
    const struct processing *processing = context;
    struct bench_shard *shard = state;
    const int64_t now_ns = bench_now_ns();

    (void)checkpointer;
    *ret_processed = input->count;
    note_owner(shard, (uint_fast32_t)(processing->role->index + 1), now_ns);
    for (size_t i = 0; i < input->count; i++) {
        struct bench_payload payload;
        if (input->records[i].data.length == sizeof payload) {
            memcpy(&payload, input->records[i].data.data, sizeof payload);
            note_record(shard, &payload, now_ns);
        }
    }
    shard->last_ns = now_ns;
    count(processing, input->count);
    return WEIR_OK;
}

static enum weir_error
process_latency(
    void *context,
    void *state,
    const struct weir_process_input *input,
    struct weir_checkpointer *checkpointer,
    size_t *ret_processed)
{
    const struct processing *processing = context;
    struct bench_shared *shared = processing->role->shared;
    const int64_t now_ns = bench_now_ns();

    (void)state;
    (void)checkpointer;
    *ret_processed = input->count;
    for (size_t i = 0; i < input->count; i++) {
        struct bench_payload payload;
        if (input->records[i].data.length == sizeof payload) {
            const uint_fast32_t at = atomic_fetch_add(&shared->sample_count, 1);
            memcpy(&payload, input->records[i].data.data, sizeof payload);
            shared->sample_ns[at % BENCH_SAMPLES_MAX] = now_ns - payload.sent_ns;
        }
    }
    count(processing, input->count);
    return WEIR_OK;
}

static void
choose(struct weir_processor *processor, enum bench_processor kind)
{
    switch (kind) {
    case BENCH_COUNT:
        processor->process_records = process_count;
        return;
    case BENCH_TRACK:
        processor->process_records = process_track;
        return;
    case BENCH_LATENCY:
        processor->process_records = process_latency;
        return;
    }
}

bool
role_worker(const struct role *role)
{
    const struct weir_env *env = weir_env_default();
    const struct bench_slot *slot = role->slot;
    struct weir_worker_options options = WEIR_WORKER_OPTIONS_INIT;
    struct weir_processor processor = WEIR_PROCESSOR_INIT;
    struct processing processing = {role, NULL};
    struct weir_detail detail = {""};
    char id[ID_SIZE];
    enum weir_error error;

    role_begin(role);
    (void)snprintf(id, sizeof id, "w%zu", role->index);
    options.data_directory = slot->directory;
    options.application = slot->application;
    options.stream = slot->stream;
    options.worker_id = id;
    if (slot->lease_duration_ms > 0) {
        options.lease_duration_ms = slot->lease_duration_ms;
    }
    processor.context = &processing;
    processor.initialize = initialize;
    choose(&processor, slot->processor);
    error = weir_worker_new(env, &options, &processor, &processing.worker, &detail);
    if (error == WEIR_OK) {
        error = weir_worker_run(processing.worker, &detail);
    }
    weir_worker_free(processing.worker);
    role_end(role);
    return error == WEIR_OK || role_fail(role, error, &detail);
}

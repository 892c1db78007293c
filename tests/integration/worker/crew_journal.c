#include "tests/integration/worker/crew_journal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct life {
    uint32_t shard;
    uint64_t epoch;
};

int64_t
crew_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint64_t
crew_value(const struct weir_record *record)
{
    uint64_t value = 0;

    memcpy(&value, record->data.data, sizeof value);
    return value;
}

static uint32_t
shard_number(struct weir_str shard_id)
{
    uint32_t number = 0;

    for (size_t i = 0; i < shard_id.length; i++) {
        if (shard_id.data[i] >= '0' && shard_id.data[i] <= '9') {
            number = number * 10 + (uint32_t)(shard_id.data[i] - '0');
        }
    }
    return number;
}

static struct crew_entry
entry_of(const struct crew_journal *journal, const struct life *life, enum crew_kind kind)
{
    return (struct crew_entry){.kind = (uint32_t)kind,
                               .worker = journal->worker,
                               .shard = life->shard,
                               .epoch = life->epoch,
                               .time_ns = crew_now_ns()};
}

static enum weir_error
answer(struct crew_journal *journal, struct crew_call *call)
{
    return journal->answer == NULL ? WEIR_OK : journal->answer(journal->context, call);
}

static enum weir_error
initialize(
    void *context,
    const struct weir_shard_context *shard,
    struct weir_checkpointer *checkpointer,
    void **ret_state)
{
    struct crew_journal *journal = context;
    struct life *life = calloc(1, sizeof *life);
    struct crew_entry entry;
    struct crew_call call = {.journal = journal, .entry = &entry, .checkpointer = checkpointer};

    if (life == NULL) {
        return WEIR_ENOMEM;
    }
    *life = (struct life){shard_number(shard->token.shard_id), shard->token.lease_epoch};
    entry = entry_of(journal, life, CREW_INITIALIZE);
    entry.sequence = shard->checkpoint.sequence_number.word[3];
    entry.error = (int32_t)answer(journal, &call);
    journal->record(journal->context, &entry);
    if (entry.error != WEIR_OK) {
        free(life);
        return (enum weir_error)entry.error;
    }
    *ret_state = life;
    return WEIR_OK;
}

static void
record_batch(
    struct crew_journal *journal, const struct life *life, const struct weir_process_input *input)
{
    struct crew_entry entry = entry_of(journal, life, CREW_BATCH);

    entry.count = (uint32_t)input->count;
    entry.attempt = input->token.attempt;
    entry.at_shard_end = input->at_shard_end;
    journal->record(journal->context, &entry);
    entry.kind = CREW_RECORD;
    for (size_t i = 0; i < input->count; i++) {
        entry.sequence = input->records[i].sequence_number.word[3];
        entry.replay_possible = input->records[i].replay_possible;
        entry.value = crew_value(&input->records[i]);
        journal->record(journal->context, &entry);
    }
}

static enum weir_error
process_records(
    void *context,
    void *state,
    const struct weir_process_input *input,
    struct weir_checkpointer *checkpointer,
    size_t *ret_processed)
{
    struct crew_journal *journal = context;
    struct crew_entry entry = entry_of(journal, state, CREW_PROCESSED);
    struct crew_call call = {
        .journal = journal,
        .entry = &entry,
        .input = input,
        .checkpointer = checkpointer,
        .ret_processed = ret_processed};

    entry.attempt = input->token.attempt;
    record_batch(journal, state, input);
    entry.error = (int32_t)answer(journal, &call);
    entry.count = (uint32_t)(entry.error == WEIR_OK ? input->count : *ret_processed);
    entry.time_ns = crew_now_ns();
    journal->record(journal->context, &entry);
    return (enum weir_error)entry.error;
}

static void
lease_lost(void *context, void *state)
{
    struct crew_journal *journal = context;
    struct crew_entry entry = entry_of(journal, state, CREW_LEASE_LOST);

    journal->record(journal->context, &entry);
}

static enum weir_error
final_call(
    struct crew_journal *journal,
    const struct life *life,
    enum crew_kind kind,
    struct weir_checkpointer *checkpointer)
{
    struct crew_entry entry = entry_of(journal, life, kind);
    struct crew_call call = {.journal = journal, .entry = &entry, .checkpointer = checkpointer};

    entry.error = (int32_t)answer(journal, &call);
    journal->record(journal->context, &entry);
    return (enum weir_error)entry.error;
}

static enum weir_error
shard_ended(void *context, void *state, struct weir_checkpointer *checkpointer)
{
    return final_call(context, state, CREW_SHARD_ENDED, checkpointer);
}

static enum weir_error
shutdown_requested(void *context, void *state, struct weir_checkpointer *checkpointer)
{
    return final_call(context, state, CREW_SHUTDOWN, checkpointer);
}

static void
destroy(void *context, void *state)
{
    struct crew_journal *journal = context;
    struct crew_entry entry = entry_of(journal, state, CREW_DESTROY);

    journal->record(journal->context, &entry);
    free(state);
}

struct weir_processor
crew_processor(struct crew_journal *journal)
{
    return (struct weir_processor){sizeof(struct weir_processor),
                                   journal,
                                   initialize,
                                   process_records,
                                   lease_lost,
                                   shard_ended,
                                   shutdown_requested,
                                   destroy};
}

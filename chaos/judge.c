/* One pass over the ledger in order of time. */
#include "chaos/judge.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chaos/base.h"
#include "chaos/fault.h"
#include "chaos/journal.h"
#include "chaos/ledger.h"

/* A call so soon after SIGCONT may have been checked before SIGSTOP. */
#define EXCUSE_NS (50 * CHAOS_NS_PER_MS)

struct delivery {
    uint64_t done_epoch;
    size_t previous; /* index of the put before it with the same key; SIZE_MAX: none */
    uint32_t count;
    uint32_t rank; /* among the puts of its shard, from 1 */
    int64_t last_ns;
};

/* One shard as the pass goes along. */
struct shard_state {
    uint64_t *sequences; /* of its puts, ascending */
    uint32_t put_count;
    uint32_t next_rank;     /* what must come next under this epoch */
    uint64_t epoch;         /* newest that was initialized */
    int64_t initialized_ns; /* then */
    uint64_t ordered_epoch; /* the last epoch that ended with shutdown_requested */
};

struct pass {
    const struct chaos_ledger *ledger;
    struct chaos_verdict *verdict;
    struct delivery *deliveries;
    struct shard_state *shards;
};

/* --- preparation ----------------------------------------------------------------------------- */

static int
by_sequence(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* How many of the shard's puts have a sequence number up to this one. */
static uint32_t
rank_of(const struct shard_state *shard, uint64_t sequence)
{
    uint32_t low = 0;
    uint32_t high = shard->put_count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (shard->sequences[middle] <= sequence) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void
prepare_shards(struct pass *pass)
{
    const struct chaos_ledger *ledger = pass->ledger;

    for (size_t i = 0; i < ledger->put_count; i++) {
        if (ledger->puts[i].shard != CHAOS_NONE) {
            pass->shards[ledger->puts[i].shard].put_count++;
        }
    }
    for (size_t i = 0; i < CHAOS_LEDGER_SHARDS; i++) {
        struct shard_state *shard = &pass->shards[i];

        if (shard->put_count > 0) {
            shard->sequences = chaos_zeroed(shard->put_count, sizeof *shard->sequences);
            shard->put_count = 0;
        }
    }
    for (size_t i = 0; i < ledger->put_count; i++) {
        if (ledger->puts[i].shard != CHAOS_NONE) {
            struct shard_state *shard = &pass->shards[ledger->puts[i].shard];

            shard->sequences[shard->put_count++] = ledger->puts[i].sequence;
        }
    }
    for (size_t i = 0; i < CHAOS_LEDGER_SHARDS; i++) {
        struct shard_state *shard = &pass->shards[i];

        if (shard->put_count > 1) {
            qsort(shard->sequences, shard->put_count, sizeof *shard->sequences, by_sequence);
        }
    }
}

static void
prepare_deliveries(struct pass *pass)
{
    const struct chaos_ledger *ledger = pass->ledger;
    size_t last_of_key[CHAOS_KEYS];

    memset(last_of_key, 0xff, sizeof last_of_key);
    for (size_t i = 0; i < ledger->put_count; i++) {
        const struct chaos_put *put = &ledger->puts[i];
        struct delivery *delivery = &pass->deliveries[i];

        delivery->previous = SIZE_MAX;
        if (put->shard == CHAOS_NONE) {
            continue;
        }
        delivery->rank = rank_of(&pass->shards[put->shard], put->sequence);
        if (put->time_ns != 0 && put->key < CHAOS_KEYS) {
            delivery->previous = last_of_key[put->key];
            last_of_key[put->key] = i;
        }
    }
}

/* --- the pass -------------------------------------------------------------------------------- */

static const struct chaos_shard *
shard_of(const struct chaos_ledger *ledger, uint32_t number)
{
    for (size_t i = 0; i < ledger->shard_count; i++) {
        if (ledger->shards[i].number == number) {
            return &ledger->shards[i];
        }
    }
    return NULL;
}

static void
check_parents(struct pass *pass, const struct chaos_entry *entry)
{
    const struct chaos_shard *shard = shard_of(pass->ledger, entry->shard);

    for (size_t i = 0; shard != NULL && i < 2; i++) {
        const uint32_t parent = shard->parents[i];
        const struct shard_state *state = parent == CHAOS_NONE ? NULL : &pass->shards[parent];

        if (state != NULL && state->put_count > 0 && state->next_rank != state->put_count + 1U) {
            chaos_violate(
                pass->verdict,
                CHAOS_CHILD,
                entry->time_ns,
                entry->shard,
                "worker %u began shard %u while %u records of its parent %u were to come",
                entry->worker,
                entry->shard,
                state->put_count + 1U - state->next_rank,
                parent);
        }
    }
}

/* Whether a stop of the worker ended shortly before: the check of its deadline was before it. */
static bool
is_excused(const struct pass *pass, const struct chaos_entry *entry)
{
    for (size_t i = 0; i < pass->ledger->fault_count; i++) {
        const struct chaos_fault *fault = &pass->ledger->faults[i];

        if (fault->kind == CHAOS_FAULT_STOP && fault->worker == entry->worker &&
            fault->begin_ns <= entry->time_ns + EXCUSE_NS &&
            entry->time_ns <= fault->end_ns + EXCUSE_NS) {
            pass->verdict->late_calls_excused++;
            return true;
        }
    }
    return false;
}

static void
check_initialize(struct pass *pass, const struct chaos_entry *entry)
{
    struct shard_state *shard = &pass->shards[entry->shard];

    if (entry->epoch < shard->epoch) {
        if (!is_excused(pass, entry)) {
            chaos_violate(
                pass->verdict,
                CHAOS_STALE_CALL,
                entry->time_ns,
                entry->shard,
                "worker %u initialized shard %u under epoch %" PRIu64 " after %" PRIu64,
                entry->worker,
                entry->shard,
                entry->epoch,
                shard->epoch);
        }
        return;
    }
    if (pass->ledger->has_callbacks) {
        check_parents(pass, entry);
    }
    shard->epoch = entry->epoch;
    shard->initialized_ns = entry->time_ns;
    shard->next_rank = rank_of(shard, entry->sequence) + 1;
}

/* Order per key (I8): the record before it with the same key is done, or comes earlier in the
 * batch. */
static void
check_key_order(struct pass *pass, const struct chaos_entry *batch, uint32_t position)
{
    const struct chaos_entry *records = batch + 1;
    const size_t previous = pass->deliveries[records[position].index].previous;

    if (previous == SIZE_MAX || pass->verdict->done_ns[previous] != 0) {
        return;
    }
    for (uint32_t i = position; i > 0; i--) {
        if (records[i - 1].index == previous) {
            return;
        }
    }
    chaos_violate(
        pass->verdict,
        CHAOS_ORDER,
        batch->time_ns,
        batch->shard,
        "record %" PRIu64 " of shard %u came before record %zu of the same key was processed",
        records[position].index,
        batch->shard,
        previous);
}

/* Returns whether it had been handed over before. */
static bool
check_delivery(struct pass *pass, const struct chaos_entry *record)
{
    struct delivery *delivery = &pass->deliveries[record->index];
    const struct shard_state *shard = &pass->shards[record->shard];
    const bool again = delivery->count++ > 0;

    pass->verdict->deliveries++;
    delivery->last_ns = record->time_ns;
    if (pass->verdict->done_ns[record->index] != 0 && delivery->done_epoch < record->epoch &&
        delivery->done_epoch == shard->ordered_epoch && pass->ledger->has_callbacks) {
        chaos_violate(
            pass->verdict,
            CHAOS_PLANNED,
            record->time_ns,
            record->shard,
            "record %" PRIu64 " of shard %u came again after an orderly hand-over",
            record->index,
            record->shard);
    }
    return again;
}

static void
note_again(struct pass *pass, const struct chaos_entry *batch, uint32_t count)
{
    struct chaos_verdict *verdict = pass->verdict;

    if (count == 0) {
        return;
    }
    verdict->redelivered += count;
    verdict->again = chaos_grown(verdict->again, verdict->again_count, sizeof *verdict->again);
    verdict->again[verdict->again_count++] =
        (struct chaos_again){batch->time_ns, batch->shard, batch->worker, count};
}

static void
check_gap(struct pass *pass, const struct chaos_entry *batch, uint32_t position)
{
    const uint32_t expected = pass->shards[batch->shard].next_rank + position;
    const uint32_t rank = pass->deliveries[batch[1 + position].index].rank;

    if (rank != expected) {
        chaos_violate(
            pass->verdict,
            CHAOS_GAP,
            batch->time_ns,
            batch->shard,
            "worker %u was handed record number %u of shard %u where number %u was due",
            batch->worker,
            rank,
            batch->shard,
            expected);
    }
}

static bool
is_of_batch(const struct pass *pass, const struct chaos_entry *batch)
{
    const struct chaos_entry *end = pass->ledger->entries + pass->ledger->entry_count;

    for (uint32_t i = 1; i <= batch->count; i++) {
        if (batch + i >= end || batch[i].kind != CHAOS_ENTRY_RECORD ||
            batch[i].worker != batch->worker || batch[i].shard != batch->shard) {
            return false;
        }
    }
    return true;
}

/* Batches of one epoch follow one another without gap, from the checkpoint on (I7). A command's
 * lines come without the time of the call: only their own order counts. */
static void
check_begin(struct pass *pass, const struct chaos_entry *batch)
{
    struct shard_state *shard = &pass->shards[batch->shard];
    const bool current = batch->epoch == shard->epoch;
    uint32_t again = 0;

    if (!is_of_batch(pass, batch)) {
        chaos_violate(
            pass->verdict, CHAOS_INCIDENT, batch->time_ns, batch->shard, "a journal is damaged");
        return;
    }
    if (pass->ledger->has_callbacks && !current && !is_excused(pass, batch)) {
        chaos_violate(
            pass->verdict,
            CHAOS_STALE_CALL,
            batch->time_ns,
            batch->shard,
            "worker %u was handed records of shard %u under epoch %" PRIu64
            ", %.1f ms after %" PRIu64,
            batch->worker,
            batch->shard,
            batch->epoch,
            (double)(batch->time_ns - shard->initialized_ns) / 1e6,
            shard->epoch);
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        if (current && pass->ledger->has_callbacks) {
            check_gap(pass, batch, i);
        }
        check_key_order(pass, batch, i);
        again += check_delivery(pass, &batch[1 + i]) ? 1 : 0;
    }
    note_again(pass, batch, again);
}

static void
check_end(struct pass *pass, const struct chaos_entry *end)
{
    const struct chaos_entry *begin = chaos_ledger_batch(pass->ledger, end);
    struct shard_state *shard = &pass->shards[end->shard];

    if (begin == NULL || !is_of_batch(pass, begin)) {
        return;
    }
    for (uint32_t i = 0; i < end->count && i < begin->count; i++) {
        const uint64_t index = begin[i + 1].index;

        if (pass->verdict->done_ns[index] == 0) {
            pass->verdict->done_ns[index] = end->time_ns;
            pass->deliveries[index].done_epoch = end->epoch;
        }
    }
    if (end->epoch == shard->epoch) {
        shard->next_rank += end->count;
    }
}

static void
check_checkpoint(struct pass *pass, const struct chaos_entry *entry)
{
    const struct shard_state *shard = &pass->shards[entry->shard];

    pass->verdict->checkpoints++;
    if (entry->error != 0) {
        pass->verdict->checkpoints_refused++;
    } else if (entry->epoch < shard->epoch && entry->begin_ns > shard->initialized_ns) {
        chaos_violate(
            pass->verdict,
            CHAOS_STALE_WRITE,
            entry->time_ns,
            entry->shard,
            "a checkpoint of worker %u for shard %u under epoch %" PRIu64
            " was accepted after epoch %" PRIu64 " had begun",
            entry->worker,
            entry->shard,
            entry->epoch,
            shard->epoch);
    }
}

static void
check_entry(struct pass *pass, const struct chaos_entry *entry)
{
    struct shard_state *shard = &pass->shards[entry->shard];

    switch ((enum chaos_entry_kind)entry->kind) {
    case CHAOS_ENTRY_INITIALIZE:
        check_initialize(pass, entry);
        break;
    case CHAOS_ENTRY_BEGIN:
        check_begin(pass, entry);
        break;
    case CHAOS_ENTRY_END:
        check_end(pass, entry);
        break;
    case CHAOS_ENTRY_CHECKPOINT:
        check_checkpoint(pass, entry);
        break;
    case CHAOS_ENTRY_SHUTDOWN:
        shard->ordered_epoch = entry->epoch;
        break;
    case CHAOS_ENTRY_LEASE_LOST:
        if (shard->ordered_epoch == entry->epoch) {
            shard->ordered_epoch = 0; /* the hand-over did not come off */
        }
        break;
    case CHAOS_ENTRY_RECORD:
    case CHAOS_ENTRY_SHARD_ENDED:
    case CHAOS_ENTRY_DESTROY:
    case CHAOS_ENTRY_PUT_INTENT:
    case CHAOS_ENTRY_PUT:
    case CHAOS_ENTRY_PUT_REFUSED:
        break;
    }
}

static void
check_lost(struct pass *pass)
{
    struct chaos_verdict *verdict = pass->verdict;

    for (size_t i = 0; i < pass->ledger->put_count; i++) {
        const struct chaos_put *put = &pass->ledger->puts[i];
        const struct delivery *delivery = &pass->deliveries[i];

        if (put->time_ns == 0) {
            verdict->records_unknown += delivery->count > 0 ? 1 : 0;
            continue;
        }
        verdict->records_put++;
        if (verdict->done_ns[i] != 0 || pass->ledger->healed_ns == 0) {
            continue;
        }
        verdict->lost = chaos_grown(verdict->lost, verdict->lost_count, sizeof *verdict->lost);
        verdict->lost[verdict->lost_count++] =
            (struct chaos_lost){put->shard, i, put->time_ns, delivery->last_ns};
        chaos_violate(
            verdict,
            CHAOS_LOSS,
            delivery->last_ns != 0 ? delivery->last_ns : put->time_ns,
            put->shard,
            "record %zu (shard %u, sequence number ...%" PRIu64 ") was acknowledged and never "
            "processed%s",
            i,
            put->shard,
            put->sequence,
            delivery->count > 0 ? ": it was handed over, then skipped" : "");
    }
}

void
chaos_judge(const struct chaos_ledger *ledger, struct chaos_verdict *ret)
{
    struct pass pass = {.ledger = ledger, .verdict = ret};

    *ret = (struct chaos_verdict){.pass = false};
    ret->done_ns = chaos_zeroed(ledger->put_count, sizeof *ret->done_ns);
    pass.deliveries = chaos_zeroed(ledger->put_count, sizeof *pass.deliveries);
    pass.shards = chaos_zeroed(CHAOS_LEDGER_SHARDS, sizeof *pass.shards);
    prepare_shards(&pass);
    prepare_deliveries(&pass);
    for (size_t i = 0; i < ledger->entry_count; i++) {
        check_entry(&pass, &ledger->entries[i]);
    }
    check_lost(&pass);
    chaos_judge_rows(ledger, ret);
    chaos_judge_incidents(ledger, ret);
    chaos_judge_spans(ledger, ret);
    chaos_judge_times(ledger, ret);
    chaos_verdict_sort(ret);
    ret->pass = ret->violation_count == 0 && ret->records_put > 0;
    for (size_t i = 0; i < CHAOS_LEDGER_SHARDS; i++) {
        free(pass.shards[i].sequences);
    }
    free(pass.shards);
    free(pass.deliveries);
}

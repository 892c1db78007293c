/* The checker: one pass over the history in order of time, then the takeovers. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/torture/journal.h"
#include "tests/torture/ledger.h"

/* Examples printed of each kind of violation. */
#define EXAMPLES 3U
/* A takeover is late only beyond what a busy machine of two cores explains. */
#define SLACK_MS 2000

struct delivery {
    int64_t done_ns; /* first successful end; 0: never */
    uint64_t done_epoch;
    uint32_t done_worker;
    uint32_t count;
    size_t previous; /* index of the put before it with the same key; SIZE_MAX: none */
    uint32_t rank;   /* among the puts of its shard, from 1 */
};

/* One shard as the pass goes along. */
struct shard_state {
    uint64_t epoch; /* newest that was initialized */
    int64_t initialized_ns;
    uint32_t next_rank;     /* the batch that must come next under this epoch */
    uint64_t ordered_epoch; /* the last epoch that ended with shutdown_requested */
    uint32_t worker;
    uint32_t put_count;
    uint64_t *sequences; /* of its puts, ascending; part of those of the pass */
    int64_t last_done_ns;
};

struct pass {
    const struct ledger *ledger;
    struct verdict *verdict;
    struct delivery *deliveries;
    struct shard_state *shards;
    uint64_t *sequences; /* of all puts, shard after shard */
};

static void
report(uint64_t *counter, const char *what, const struct entry *entry)
{
    if ((*counter)++ < EXAMPLES) {
        (void)fprintf(
            stderr,
            "%s: shard %u epoch %" PRIu64 " worker %u sequence %" PRIu64 " index %" PRIu64 "\n",
            what,
            entry->shard,
            entry->epoch,
            entry->worker,
            entry->sequence,
            entry->index);
    }
}

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
        uint32_t middle = low + (high - low) / 2;

        if (shard->sequences[middle] <= sequence) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void
prepare(struct pass *pass)
{
    const struct ledger *ledger = pass->ledger;
    size_t last_of_key[KEYS];
    size_t used = 0;

    memset(last_of_key, 0xff, sizeof last_of_key);
    for (size_t i = 0; i < ledger->put_count; i++) {
        const struct put *put = &ledger->puts[i];

        pass->deliveries[i].previous = last_of_key[put->key];
        last_of_key[put->key] = i;
        pass->shards[put->shard].put_count++;
    }
    for (size_t i = 0; i < SHARDS_MAX; i++) {
        pass->shards[i].sequences = &pass->sequences[used];
        used += pass->shards[i].put_count;
        pass->shards[i].put_count = 0;
    }
    for (size_t i = 0; i < ledger->put_count; i++) {
        struct shard_state *shard = &pass->shards[ledger->puts[i].shard];

        shard->sequences[shard->put_count++] = ledger->puts[i].sequence;
    }
    for (size_t i = 0; i < SHARDS_MAX; i++) {
        qsort(pass->shards[i].sequences, pass->shards[i].put_count, sizeof(uint64_t), by_sequence);
    }
    for (size_t i = 0; i < ledger->put_count; i++) {
        const struct put *put = &ledger->puts[i];

        pass->deliveries[i].rank = rank_of(&pass->shards[put->shard], put->sequence);
    }
}

/* --- the pass -------------------------------------------------------------------------------- */

static void
check_initialize(struct pass *pass, const struct entry *entry)
{
    struct shard_state *shard = &pass->shards[entry->shard];

    if (entry->epoch < shard->epoch) {
        report(&pass->verdict->stale_starts, "initialized under a stale epoch", entry);
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        uint32_t parent = pass->ledger->parents[entry->shard][i];
        const struct shard_state *state = parent == UINT32_MAX ? NULL : &pass->shards[parent];

        if (state != NULL && state->put_count > 0 && state->next_rank != state->put_count + 1U) {
            report(
                &pass->verdict->child_violations, "a child began before its parent ended", entry);
        }
    }
    shard->epoch = entry->epoch;
    shard->worker = entry->worker;
    shard->initialized_ns = entry->time_ns;
    shard->next_rank = rank_of(shard, entry->sequence) + 1;
}

/* Order per key (I8): the record before it with the same key is done, or comes earlier in the
 * batch. */
static void
check_key_order(
    struct pass *pass, const struct entry *batch, const struct entry *records, uint32_t position)
{
    size_t previous = pass->deliveries[records[position].index].previous;

    if (previous == SIZE_MAX) {
        return;
    }
    if (pass->deliveries[previous].done_ns != 0 &&
        pass->deliveries[previous].done_ns <= batch->time_ns) {
        return;
    }
    for (uint32_t i = position; i > 0; i--) {
        if (records[i - 1].index == previous) {
            return;
        }
    }
    report(&pass->verdict->order_violations, "a record before its predecessor", &records[position]);
}

static void
check_delivery(struct pass *pass, const struct entry *record)
{
    struct delivery *delivery = &pass->deliveries[record->index];
    const struct shard_state *shard = &pass->shards[record->shard];

    pass->verdict->deliveries++;
    if (delivery->count++ > 0) {
        pass->verdict->redelivered++;
    }
    if (delivery->done_ns != 0 && delivery->done_epoch < record->epoch &&
        delivery->done_epoch == shard->ordered_epoch) {
        report(&pass->verdict->handoff_redelivered, "came again after a hand-over", record);
    }
}

/* Batches of one epoch follow one another without gap, from the checkpoint on (I7). */
static void
check_begin(struct pass *pass, const struct entry *batch)
{
    const struct entry *records = batch + 1;
    struct shard_state *shard = &pass->shards[batch->shard];
    bool current = batch->epoch == shard->epoch;

    if (!current) {
        report(&pass->verdict->stale_starts, "process_records under a stale epoch", batch);
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        uint32_t rank = pass->deliveries[records[i].index].rank;

        if (current && rank != shard->next_rank + i) {
            report(&pass->verdict->gap_violations, "a gap or a step back", &records[i]);
        }
        check_key_order(pass, batch, records, i);
        check_delivery(pass, &records[i]);
    }
}

/* The records that this END reports: those of the last BEGIN of the same worker, shard and epoch.
 */
static const struct entry *
begin_of(const struct pass *pass, const struct entry *end)
{
    const struct entry *entry = end;

    while (entry > pass->ledger->entries) {
        entry--;
        if (entry->kind == ENTRY_BEGIN && entry->shard == end->shard &&
            entry->worker == end->worker && entry->epoch == end->epoch) {
            return entry;
        }
    }
    return NULL;
}

static void
check_end(struct pass *pass, const struct entry *end)
{
    const struct entry *begin = begin_of(pass, end);
    struct shard_state *shard = &pass->shards[end->shard];

    if (begin == NULL) {
        return;
    }
    for (uint32_t i = 0; i < end->count; i++) {
        struct delivery *delivery = &pass->deliveries[begin[i + 1].index];

        if (delivery->done_ns == 0) {
            delivery->done_ns = end->time_ns;
            delivery->done_epoch = end->epoch;
            delivery->done_worker = end->worker;
        }
    }
    if (end->epoch == shard->epoch) {
        shard->next_rank += end->count;
    }
}

static void
check_entry(struct pass *pass, const struct entry *entry)
{
    struct shard_state *shard = &pass->shards[entry->shard];

    switch ((enum entry_kind)entry->kind) {
    case ENTRY_INITIALIZE:
        check_initialize(pass, entry);
        break;
    case ENTRY_BEGIN:
        check_begin(pass, entry);
        break;
    case ENTRY_END:
        check_end(pass, entry);
        break;
    case ENTRY_CHECKPOINT:
        if (entry->index == 0 && entry->epoch < shard->epoch) {
            report(
                &pass->verdict->stale_checkpoints_accepted,
                "a stale checkpoint was accepted",
                entry);
        }
        break;
    case ENTRY_SHUTDOWN:
        shard->ordered_epoch = entry->epoch;
        break;
    case ENTRY_LEASE_LOST:
        if (shard->ordered_epoch == entry->epoch) {
            shard->ordered_epoch = 0; /* the hand-over did not come off */
        }
        break;
    case ENTRY_RECORD:
    case ENTRY_SHARD_ENDED:
        break;
    }
}

static void
check_lost(struct pass *pass)
{
    for (size_t i = 0; i < pass->ledger->put_count; i++) {
        if (pass->deliveries[i].done_ns == 0 && pass->verdict->lost++ < EXAMPLES) {
            (void)fprintf(
                stderr,
                "lost: index %zu shard %u sequence %" PRIu64 "\n",
                i,
                pass->ledger->puts[i].shard,
                pass->ledger->puts[i].sequence);
        }
    }
}

/* --- takeovers ------------------------------------------------------------------------------- */

static bool
is_after(const struct entry *entry, const struct entry *owner)
{
    return entry->shard == owner->shard && entry->epoch > owner->epoch &&
           entry->kind == ENTRY_INITIALIZE;
}

/* Hangs and crashes that may have hit the leader or the next owner as well: each is allowed a bound
 * of its own. A stop counts for as long as it may have gone unnoticed. */
static int64_t
faults_around(const struct ledger *ledger, const struct fault *fault, int64_t taken_ns)
{
    int64_t before_ns = 2 * ledger->lease_duration_ms * 1000000;
    int64_t count = 1;

    for (size_t i = 0; i < ledger->fault_count; i++) {
        const struct fault *other = &ledger->faults[i];
        bool hits =
            other->kind == FAULT_KILL || other->kind == FAULT_STOP || other->kind == FAULT_DRAIN;

        if (hits && other != fault && other->time_ns > fault->time_ns - before_ns &&
            other->time_ns < taken_ns) {
            count++;
        }
    }
    return count;
}

/* A crash is seen by the kernel's word, a hang when the lease has run out. */
static int64_t
bound_ms(const struct ledger *ledger, const struct fault *fault, int64_t faults)
{
    int64_t hang_ms = ledger->lease_duration_ms + ledger->lease_duration_ms / 4 + SLACK_MS;

    return fault->kind == FAULT_KILL && faults == 1 ? SLACK_MS : hang_ms * faults;
}

/* The fault hit `owner`, which had the shard: when did somebody else go on? */
static void
check_takeover(
    struct pass *pass,
    const struct fault *fault,
    const struct entry *owner,
    const struct entry *end)
{
    struct verdict *verdict = pass->verdict;
    const struct entry *entry = owner;
    int64_t took_ms = 0;
    int64_t faults = 0;

    while (entry < end && !is_after(entry, owner)) {
        entry++;
    }
    if (entry == end) {
        return; /* the shard was not taken again: its loss, if any, is counted elsewhere */
    }
    took_ms = (entry->time_ns - fault->time_ns) / 1000000;
    faults = faults_around(pass->ledger, fault, entry->time_ns);
    verdict->takeovers++;
    if (faults == 1 && fault->kind == FAULT_KILL && took_ms > verdict->kill_takeover_max_ms) {
        verdict->kill_takeover_max_ms = took_ms;
    }
    if (faults == 1 && fault->kind == FAULT_STOP && took_ms > verdict->stop_takeover_max_ms) {
        verdict->stop_takeover_max_ms = took_ms;
    }
    if (took_ms > bound_ms(pass->ledger, fault, faults)) {
        report(&verdict->takeover_violations, "taken over too late", owner);
    }
}

/* The continuation of a stop, or INT64_MAX. */
static int64_t
continued_ns(const struct ledger *ledger, const struct fault *stop)
{
    for (const struct fault *f = stop; f < ledger->faults + ledger->fault_count; f++) {
        if (f->worker == stop->worker && (f->kind == FAULT_CONTINUE || f->kind == FAULT_KILL)) {
            return f->time_ns;
        }
    }
    return INT64_MAX;
}

/* The shards that a worker had when the fault hit it: its last INITIALIZE of each without an end.
 */
static void
check_fault(struct pass *pass, const struct fault *fault)
{
    const struct ledger *ledger = pass->ledger;
    const struct entry *end = ledger->entries + ledger->entry_count;
    const struct entry *owned[SHARDS_MAX] = {NULL};

    if (fault->kind == FAULT_STOP &&
        continued_ns(ledger, fault) - fault->time_ns < ledger->lease_duration_ms * 1000000) {
        return; /* it woke up in time: nothing had to be taken over */
    }
    for (const struct entry *e = ledger->entries; e < end && e->time_ns < fault->time_ns; e++) {
        if (e->kind == ENTRY_INITIALIZE) {
            owned[e->shard] = e->worker == fault->worker ? e : NULL;
        } else if (
            owned[e->shard] != NULL && e->worker == fault->worker &&
            (e->kind == ENTRY_LEASE_LOST || e->kind == ENTRY_SHARD_ENDED ||
             e->kind == ENTRY_SHUTDOWN)) {
            owned[e->shard] = NULL;
        }
    }
    for (size_t i = 0; i < SHARDS_MAX; i++) {
        if (owned[i] != NULL) {
            check_takeover(pass, fault, owned[i], end);
        }
    }
}

void
ledger_check(const struct ledger *ledger, struct verdict *ret)
{
    struct pass pass = {.ledger = ledger, .verdict = ret};

    pass.deliveries = calloc(ledger->put_count + 1, sizeof *pass.deliveries);
    pass.shards = calloc(SHARDS_MAX, sizeof *pass.shards);
    pass.sequences = calloc(ledger->put_count + 1, sizeof *pass.sequences);
    if (pass.deliveries == NULL || pass.shards == NULL || pass.sequences == NULL) {
        abort();
    }
    prepare(&pass);
    for (size_t i = 0; i < ledger->entry_count; i++) {
        check_entry(&pass, &ledger->entries[i]);
    }
    check_lost(&pass);
    for (size_t i = 0; i < ledger->fault_count; i++) {
        if (ledger->faults[i].kind == FAULT_KILL || ledger->faults[i].kind == FAULT_STOP) {
            check_fault(&pass, &ledger->faults[i]);
        }
    }
    free(pass.sequences);
    free(pass.shards);
    free(pass.deliveries);
}

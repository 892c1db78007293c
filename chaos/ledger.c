#include "chaos/ledger.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chaos/base.h"
#include "chaos/fault.h"
#include "chaos/journal.h"

/* An index beyond this is no record of a run: some other program wrote it. */
#define PUTS_MAX ((size_t)1 << 31)

static struct chaos_put *
put_at(struct chaos_ledger *ledger, uint64_t index)
{
    if (index >= PUTS_MAX) {
        return NULL;
    }
    while (ledger->put_count <= index) {
        ledger->puts = chaos_grown(ledger->puts, ledger->put_count, sizeof *ledger->puts);
        ledger->puts[ledger->put_count++] = (struct chaos_put){.shard = CHAOS_NONE};
    }
    return &ledger->puts[index];
}

static void
add_put(struct chaos_ledger *ledger, const struct chaos_entry *entry)
{
    struct chaos_put *put;

    if (entry->kind == CHAOS_ENTRY_PUT_REFUSED) {
        ledger->puts_refused++;
        return;
    }
    put = put_at(ledger, entry->index + entry->count - 1);
    if (put != NULL && entry->kind == CHAOS_ENTRY_PUT && entry->shard < CHAOS_LEDGER_SHARDS) {
        *put = (struct chaos_put){.key = entry->attempt,
                                  .shard = entry->shard,
                                  .sequence = entry->sequence,
                                  .time_ns = entry->time_ns};
    }
}

void
chaos_ledger_add(struct chaos_ledger *ledger, const struct chaos_entry *entry)
{
    if (entry->kind >= CHAOS_ENTRY_PUT_INTENT) {
        add_put(ledger, entry);
        return;
    }
    if (entry->shard >= CHAOS_LEDGER_SHARDS) {
        return;
    }
    if (entry->kind == CHAOS_ENTRY_RECORD && ledger->has_callbacks &&
        put_at(ledger, entry->index) == NULL) {
        return;
    }
    ledger->entries = chaos_grown(ledger->entries, ledger->entry_count, sizeof *ledger->entries);
    ledger->entries[ledger->entry_count++] = *entry;
}

size_t
chaos_ledger_fault(
    struct chaos_ledger *ledger, enum chaos_fault_kind kind, uint32_t worker, uint32_t shard)
{
    const int64_t now_ns = chaos_now_ns();

    ledger->faults = chaos_grown(ledger->faults, ledger->fault_count, sizeof *ledger->faults);
    ledger->faults[ledger->fault_count] = (struct chaos_fault){
        .kind = kind, .worker = worker, .shard = shard, .begin_ns = now_ns, .end_ns = now_ns};
    return ledger->fault_count++;
}

void
chaos_ledger_incident(struct chaos_ledger *ledger, const char *property, const char *format, ...)
{
    struct chaos_incident *incident;
    va_list arguments;

    ledger->incidents =
        chaos_grown(ledger->incidents, ledger->incident_count, sizeof *ledger->incidents);
    incident = &ledger->incidents[ledger->incident_count++];
    incident->time_ns = chaos_now_ns();
    incident->property = property;
    va_start(arguments, format);
    (void)vsnprintf(incident->text, sizeof incident->text, format, arguments);
    va_end(arguments);
}

/* Records stand behind the BEGIN of their batch: the same time, the order of the file. */
static int
by_time(const void *a, const void *b)
{
    const struct chaos_entry *x = a;
    const struct chaos_entry *y = b;

    if (x->time_ns != y->time_ns) {
        return x->time_ns < y->time_ns ? -1 : 1;
    }
    if (x->worker != y->worker) {
        return x->worker < y->worker ? -1 : 1;
    }
    return x->order < y->order ? -1 : x->order > y->order;
}

static int
rows_by_time(const void *a, const void *b)
{
    const struct chaos_row *x = a;
    const struct chaos_row *y = b;

    return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

/* A command does not say when it got a shard: the table does. */
static void
add_initializations(struct chaos_ledger *ledger)
{
    uint64_t *epochs = chaos_zeroed(CHAOS_LEDGER_SHARDS, sizeof *epochs);

    for (size_t i = 0; i < ledger->row_count; i++) {
        const struct chaos_row *row = &ledger->rows[i];

        if (row->worker != 0 && row->epoch > epochs[row->shard]) {
            const struct chaos_entry entry = {
                .kind = CHAOS_ENTRY_INITIALIZE,
                .shard = row->shard,
                .worker = row->worker,
                .epoch = row->epoch,
                .sequence = row->checkpoint == UINT64_MAX ? 0 : row->checkpoint,
                .time_ns = row->time_ns};

            epochs[row->shard] = row->epoch;
            chaos_ledger_add(ledger, &entry);
        }
    }
    free(epochs);
}

/* What commands say about records has no index: find the put by shard and sequence number. A
 * record without one was put by a call whose outcome is not known. */
struct place_of_put {
    uint64_t sequence;
    uint32_t shard;
    uint32_t index;
};

static int
by_place(const void *a, const void *b)
{
    const struct place_of_put *x = a;
    const struct place_of_put *y = b;

    if (x->shard != y->shard) {
        return x->shard < y->shard ? -1 : 1;
    }
    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

static struct place_of_put *
places_of_puts(const struct chaos_ledger *ledger, size_t *ret_count)
{
    struct place_of_put *places = chaos_zeroed(ledger->put_count, sizeof *places);
    size_t count = 0;

    for (size_t i = 0; i < ledger->put_count; i++) {
        if (ledger->puts[i].shard != CHAOS_NONE) {
            places[count++] =
                (struct place_of_put){ledger->puts[i].sequence, ledger->puts[i].shard, (uint32_t)i};
        }
    }
    qsort(places, count, sizeof *places, by_place);
    *ret_count = count;
    return places;
}

static void
add_unknown_put(struct chaos_ledger *ledger, struct chaos_entry *entry)
{
    struct chaos_put *put = put_at(ledger, ledger->put_count);

    if (put != NULL) {
        entry->index = ledger->put_count - 1;
        *put = (struct chaos_put){.shard = entry->shard, .sequence = entry->sequence};
    }
}

static void
find_indexes(struct chaos_ledger *ledger)
{
    size_t count = 0;
    struct place_of_put *places = places_of_puts(ledger, &count);

    for (size_t i = 0; i < ledger->entry_count; i++) {
        struct chaos_entry *entry = &ledger->entries[i];
        const struct place_of_put key = {entry->sequence, entry->shard, 0};
        const struct place_of_put *found = NULL;

        if (entry->kind != CHAOS_ENTRY_RECORD) {
            continue;
        }
        found = bsearch(&key, places, count, sizeof *places, by_place);
        if (found != NULL) {
            entry->index = found->index;
            continue;
        }
        add_unknown_put(ledger, entry);
        free(places);
        places = places_of_puts(ledger, &count);
    }
    free(places);
}

/* Records that came although their put was not acknowledged have a place in their shard, too. */
static void
place_unacknowledged(struct chaos_ledger *ledger)
{
    for (size_t i = 0; i < ledger->entry_count; i++) {
        const struct chaos_entry *entry = &ledger->entries[i];

        if (entry->kind == CHAOS_ENTRY_RECORD && ledger->puts[entry->index].time_ns == 0) {
            ledger->puts[entry->index].shard = entry->shard;
            ledger->puts[entry->index].sequence = entry->sequence;
            ledger->puts[entry->index].key = entry->error;
        }
    }
}

void
chaos_ledger_seal(struct chaos_ledger *ledger)
{
    if (ledger->row_count > 0) {
        qsort(ledger->rows, ledger->row_count, sizeof *ledger->rows, rows_by_time);
    }
    if (!ledger->has_callbacks) {
        add_initializations(ledger);
        find_indexes(ledger);
    }
    place_unacknowledged(ledger);
    if (ledger->entry_count > 0) {
        qsort(ledger->entries, ledger->entry_count, sizeof *ledger->entries, by_time);
    }
}

const struct chaos_entry *
chaos_ledger_batch(const struct chaos_ledger *ledger, const struct chaos_entry *end)
{
    const struct chaos_entry *found = NULL;
    size_t low = 0;
    size_t high = (size_t)(end - ledger->entries);

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (ledger->entries[middle].time_ns < end->begin_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (const struct chaos_entry *e = ledger->entries + low;
         e < end && e->time_ns == end->begin_ns;
         e++) {
        if (e->kind == CHAOS_ENTRY_BEGIN && e->worker == end->worker && e->shard == end->shard &&
            e->order < end->order) {
            found = e;
        }
    }
    return found;
}

/* Entries between a batch and its end, at most: other shards' of the same worker, other workers'.
 */
#define LOOK_BACK 200000U

/* The BEGIN of an END in the order of arrival, or NULL. */
static const struct chaos_entry *
batch_of(const struct chaos_ledger *ledger, size_t end)
{
    const struct chaos_entry *last = &ledger->entries[end];

    for (size_t i = end; i > 0 && end - i < LOOK_BACK; i--) {
        const struct chaos_entry *entry = &ledger->entries[i - 1];

        if (entry->kind == CHAOS_ENTRY_BEGIN && entry->worker == last->worker &&
            entry->shard == last->shard && entry->time_ns == last->begin_ns) {
            return entry;
        }
    }
    return NULL;
}

bool
chaos_ledger_is_processed(const struct chaos_ledger *ledger)
{
    bool *done = chaos_zeroed(ledger->put_count, sizeof *done);
    bool all = true;

    for (size_t i = 0; i < ledger->entry_count; i++) {
        const struct chaos_entry *batch =
            ledger->entries[i].kind == CHAOS_ENTRY_END ? batch_of(ledger, i) : NULL;

        for (uint32_t r = 1; batch != NULL && r <= ledger->entries[i].count; r++) {
            done[batch[r].index] = true;
        }
    }
    for (size_t i = 0; all && i < ledger->put_count; i++) {
        all = ledger->puts[i].time_ns == 0 || done[i];
    }
    free(done);
    return all;
}

void
chaos_ledger_free(struct chaos_ledger *ledger)
{
    free(ledger->puts);
    free(ledger->entries);
    free(ledger->faults);
    free(ledger->lives);
    free(ledger->rows);
    free(ledger->shards);
    free(ledger->incidents);
    memset(ledger, 0, sizeof *ledger);
}

const struct chaos_life *
chaos_ledger_life(const struct chaos_ledger *ledger, uint32_t worker)
{
    for (size_t i = 0; i < ledger->life_count; i++) {
        if (ledger->lives[i].worker == worker) {
            return &ledger->lives[i];
        }
    }
    return NULL;
}

#include "chaos/history.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "chaos/base.h"
#include "chaos/journal.h"
#include "chaos/judge.h"
#include "chaos/ledger.h"
#include "chaos/outcome.h"
#include "chaos/run.h"
#include "sim/checker.h"
#include "sim/history.h"
#include "sim/history_text.h"

/* Numbers of histories begin at 1. */
#define SHARD(number) ((number) + 1)

void
chaos_history_add(struct chaos_history *history, const struct wi_history_event *event)
{
    history->events = chaos_grown(history->events, history->count, sizeof *history->events);
    history->events[history->count++] = *event;
}

void
chaos_history_free(struct chaos_history *history)
{
    free(history->events);
    *history = (struct chaos_history){.count = 0};
}

/* --- what the journals say ------------------------------------------------------------------- */

static enum wi_history_kind
kind_of(const struct chaos_entry *entry)
{
    static const enum wi_history_kind kinds[] = {
        [CHAOS_ENTRY_INITIALIZE] = WI_HISTORY_INITIALIZE,
        [CHAOS_ENTRY_BEGIN] = WI_HISTORY_BEGIN,
        [CHAOS_ENTRY_RECORD] = WI_HISTORY_KINDS,
        [CHAOS_ENTRY_END] = WI_HISTORY_END,
        [CHAOS_ENTRY_CHECKPOINT] = WI_HISTORY_CHECKPOINT,
        [CHAOS_ENTRY_LEASE_LOST] = WI_HISTORY_LEASE_LOST,
        [CHAOS_ENTRY_SHARD_ENDED] = WI_HISTORY_SHARD_ENDED,
        [CHAOS_ENTRY_SHUTDOWN] = WI_HISTORY_SHUTDOWN,
        [CHAOS_ENTRY_DESTROY] = WI_HISTORY_DESTROY};

    return entry->kind < sizeof kinds / sizeof *kinds ? kinds[entry->kind] : WI_HISTORY_KINDS;
}

static void
add_calls(const struct chaos_ledger *ledger, struct chaos_history *history)
{
    for (size_t i = 0; i < ledger->entry_count; i++) {
        const struct chaos_entry *entry = &ledger->entries[i];
        const struct chaos_entry *batch =
            entry->kind == CHAOS_ENTRY_END ? chaos_ledger_batch(ledger, entry) : NULL;
        struct wi_history_event event = {
            .kind = kind_of(entry),
            .time_ns = entry->time_ns - ledger->begin_ns,
            .worker = entry->worker,
            .shard = SHARD(entry->shard),
            .epoch = entry->epoch};

        if (event.kind == WI_HISTORY_BEGIN) {
            event.first = entry[1].sequence;
            event.last = entry[entry->count].sequence;
            event.count = entry->count;
            event.attempt = entry->attempt;
        } else if (event.kind == WI_HISTORY_END && batch != NULL) {
            event.count = entry->count;
            event.last = entry->count == 0 ? 0 : batch[entry->count].sequence;
            event.error = entry->count < batch->count ? WEIR_EPROCESSOR : WEIR_OK;
        } else if (event.kind == WI_HISTORY_INITIALIZE) {
            event.last = entry->sequence;
        } else if (event.kind == WI_HISTORY_CHECKPOINT) {
            event.last = entry->sequence;
            event.error = (enum weir_error)entry->error;
            event.until_ns = entry->begin_ns - ledger->begin_ns;
        }
        /* A checkpoint of "all that is done" names no place. */
        if (event.kind != WI_HISTORY_KINDS &&
            (event.kind != WI_HISTORY_CHECKPOINT || entry->sequence != 0)) {
            chaos_history_add(history, &event);
        }
    }
}

/* --- what can be read ------------------------------------------------------------------------ */

struct readable {
    uint64_t sequence;
    int64_t time_ns;
    uint32_t shard;
    uint32_t key;
};

static int
latest_first(const void *a, const void *b)
{
    const struct readable *x = a;
    const struct readable *y = b;

    if (x->shard != y->shard) {
        return x->shard < y->shard ? -1 : 1;
    }
    return x->sequence > y->sequence ? -1 : x->sequence < y->sequence;
}

/* A record can be read before its put is acknowledged: at the latest when it is handed over, or
 * when one behind it is. */
static void
add_puts(const struct chaos_ledger *ledger, struct chaos_history *history)
{
    struct readable *readable = chaos_zeroed(ledger->put_count, sizeof *readable);
    size_t count = 0;

    for (size_t i = 0; i < ledger->put_count; i++) {
        const struct chaos_put *put = &ledger->puts[i];

        readable[i].shard = put->shard;
        readable[i].sequence = put->sequence;
        readable[i].key = put->key + 1;
        readable[i].time_ns = put->time_ns == 0 ? INT64_MAX : put->time_ns;
    }
    for (size_t i = 0; i < ledger->entry_count; i++) {
        const struct chaos_entry *entry = &ledger->entries[i];

        if (entry->kind == CHAOS_ENTRY_RECORD && entry->time_ns < readable[entry->index].time_ns) {
            readable[entry->index].time_ns = entry->time_ns;
        }
    }
    for (size_t i = 0; i < ledger->put_count; i++) {
        if (readable[i].shard != CHAOS_NONE) {
            readable[count++] = readable[i];
        }
    }
    qsort(readable, count, sizeof *readable, latest_first);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && readable[i - 1].shard == readable[i].shard &&
            readable[i - 1].time_ns < readable[i].time_ns) {
            readable[i].time_ns = readable[i - 1].time_ns;
        }
    }
    for (size_t i = count; i > 0; i--) {
        const struct wi_history_event event = {
            .kind = WI_HISTORY_PUT,
            .time_ns = readable[i - 1].time_ns - ledger->begin_ns,
            .shard = SHARD(readable[i - 1].shard),
            .first = readable[i - 1].sequence,
            .key = readable[i - 1].key};

        chaos_history_add(history, &event);
    }
    free(readable);
}

/* A shard is there before everything that is about it. */
static void
add_shards(const struct chaos_ledger *ledger, struct chaos_history *history)
{
    int64_t *first_ns = chaos_zeroed(CHAOS_LEDGER_SHARDS + 1, sizeof *first_ns);

    for (size_t i = 0; i < history->count; i++) {
        const struct wi_history_event *event = &history->events[i];
        const size_t place = event->shard; /* 0: of none */

        if (first_ns[place] == 0 || event->time_ns < first_ns[place]) {
            first_ns[place] = event->time_ns;
        }
    }
    for (size_t i = 0; i < ledger->shard_count; i++) {
        const struct chaos_shard *shard = &ledger->shards[i];
        const bool first = shard->parents[0] == CHAOS_NONE;
        const int64_t seen_ns = shard->seen_ns - ledger->begin_ns;
        const int64_t used_ns = first_ns[SHARD(shard->number)];
        const struct wi_history_event event = {
            .kind = WI_HISTORY_SHARD,
            .time_ns = first ? 0 : (used_ns != 0 && used_ns < seen_ns ? used_ns : seen_ns),
            .shard = SHARD(shard->number),
            .parents = {
                first ? 0 : SHARD(shard->parents[0]),
                shard->parents[1] == CHAOS_NONE ? 0 : SHARD(shard->parents[1])}};

        chaos_history_add(history, &event);
    }
    free(first_ns);
}

/* --- processes and faults -------------------------------------------------------------------- */

static void
add_lives(const struct chaos_ledger *ledger, struct chaos_history *history)
{
    for (size_t i = 0; i < ledger->life_count; i++) {
        const struct chaos_life *life = &ledger->lives[i];
        struct wi_history_event event = {
            .kind = WI_HISTORY_WORKER,
            .time_ns = life->begin_ns - ledger->begin_ns,
            .worker = life->worker};
        int64_t last_ns = life->end_ns;
        int64_t first_ns = life->begin_ns;

        for (size_t e = 0; e < ledger->entry_count; e++) {
            const struct chaos_entry *entry = &ledger->entries[e];

            if (entry->worker == life->worker) {
                last_ns = entry->time_ns > last_ns ? entry->time_ns : last_ns;
                first_ns = entry->time_ns < first_ns ? entry->time_ns : first_ns;
            }
        }
        event.time_ns = first_ns - ledger->begin_ns;
        chaos_history_add(history, &event);
        if (life->end_ns != 0) {
            event.kind = WI_HISTORY_GONE;
            event.time_ns = last_ns - ledger->begin_ns;
            chaos_history_add(history, &event);
        }
    }
}

static void
add_faults(const struct chaos_ledger *ledger, struct chaos_history *history)
{
    for (size_t i = 0; i < ledger->fault_count; i++) {
        const struct chaos_fault *fault = &ledger->faults[i];
        struct wi_history_event event = {
            .kind = WI_HISTORY_FAULT,
            .time_ns = fault->begin_ns - ledger->begin_ns,
            .worker = fault->worker,
            .fault = (uint32_t)fault->kind + 1,
            .on = true};

        chaos_history_add(history, &event);
        event.on = false;
        event.time_ns = fault->end_ns - ledger->begin_ns;
        chaos_history_add(history, &event);
    }
}

static void
add_ends(const struct chaos_ledger *ledger, struct chaos_history *history)
{
    struct wi_history_event event = {
        .kind = WI_HISTORY_HEALED, .time_ns = ledger->healed_ns - ledger->begin_ns};

    if (ledger->healed_ns != 0) {
        chaos_history_add(history, &event);
    }
    if (ledger->quiet_ns != 0) {
        event.kind = WI_HISTORY_QUIET;
        event.time_ns = INT64_MAX; /* the last of all */
        chaos_history_add(history, &event);
    }
}

/* --- order ----------------------------------------------------------------------------------- */

/* Of one instant: what is there, who is there, what can be read, what is done with it. */
static int
rank_of(enum wi_history_kind kind)
{
    static const int ranks[WI_HISTORY_KINDS] = {
        [WI_HISTORY_SHARD] = -5,
        [WI_HISTORY_WORKER] = -4,
        [WI_HISTORY_FAULT] = -3,
        [WI_HISTORY_PUT] = -2,
        [WI_HISTORY_GONE] = 1,
        [WI_HISTORY_HEALED] = 2};

    return ranks[kind];
}

struct sortable {
    const struct wi_history_event *event;
    size_t order;
};

static int
by_time(const void *a, const void *b)
{
    const struct sortable *x = a;
    const struct sortable *y = b;
    const int rank_x = rank_of(x->event->kind);
    const int rank_y = rank_of(y->event->kind);

    if (x->event->time_ns != y->event->time_ns) {
        return x->event->time_ns < y->event->time_ns ? -1 : 1;
    }
    if (rank_x != rank_y) {
        return rank_x < rank_y ? -1 : 1;
    }
    return x->order < y->order ? -1 : x->order > y->order;
}

static void
sort(const struct chaos_history *history, struct chaos_history *ret)
{
    struct sortable *sortables = chaos_zeroed(history->count, sizeof *sortables);

    for (size_t i = 0; i < history->count; i++) {
        sortables[i] = (struct sortable){&history->events[i], i};
    }
    qsort(sortables, history->count, sizeof *sortables, by_time);
    for (size_t i = 0; i < history->count; i++) {
        chaos_history_add(ret, sortables[i].event);
    }
    free(sortables);
}

void
chaos_history_make(
    const struct chaos_ledger *ledger,
    const struct chaos_verdict *verdict,
    struct chaos_history *ret)
{
    struct chaos_history raw = {.count = 0};
    struct chaos_history sorted = {.count = 0};

    (void)verdict;
    *ret = (struct chaos_history){.count = 0};
    add_calls(ledger, &raw);
    add_puts(ledger, &raw);
    add_shards(ledger, &raw);
    add_lives(ledger, &raw);
    add_faults(ledger, &raw);
    add_ends(ledger, &raw);
    sort(&raw, &sorted);
    chaos_history_add_rows(ledger, &sorted, ret);
    chaos_history_free(&raw);
    chaos_history_free(&sorted);
}

/* --- what is done with it -------------------------------------------------------------------- */

bool
chaos_history_write(
    const struct chaos_ledger *ledger, const struct chaos_verdict *verdict, const char *path)
{
    struct chaos_history history;
    char line[WI_HISTORY_LINE_SIZE];
    FILE *file = fopen(path, "we");
    bool whole = file != NULL;

    if (file == NULL) {
        return false;
    }
    chaos_history_make(ledger, verdict, &history);
    whole = fputs("# weir chaos: rows and holds are those that the callbacks prove\n", file) >= 0;
    for (size_t i = 0; whole && i < history.count; i++) {
        const size_t length = wi_history_format(&history.events[i], line);

        whole = fwrite(line, 1, length, file) == length && fputc('\n', file) == '\n';
    }
    chaos_history_free(&history);
    return fclose(file) == 0 && whole;
}

void
chaos_history_check(
    const struct chaos_run *run, const struct chaos_ledger *ledger, struct chaos_verdict *verdict)
{
    const struct wi_checker_settings settings = {.lease_duration_ms = 0};
    struct wi_violation found = {.property = ""};
    struct wi_checker *checker = NULL;
    struct chaos_history history;
    bool holds = true;

    if (!ledger->has_callbacks || verdict->late_calls_excused > 0 ||
        wi_checker_new(run->options->env, &settings, &checker) != WEIR_OK) {
        return;
    }
    chaos_history_make(ledger, verdict, &history);
    for (size_t i = 0; holds && i < history.count; i++) {
        const struct wi_history_event *event = &history.events[i];

        holds = wi_checker_feed(checker, event, &found);
        if (!holds) {
            chaos_violate(
                verdict,
                CHAOS_CHECKER,
                event->time_ns + ledger->begin_ns,
                event->shard == 0 ? CHAOS_NONE : event->shard - 1,
                "%s: %s",
                found.name,
                found.text);
            verdict->pass = false;
        }
        verdict->checked_events += holds ? 1 : 0;
    }
    chaos_history_free(&history);
    wi_checker_free(checker);
}

/* Who had which shard when, how long nobody had, and whether that was too long. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "chaos/base.h"
#include "chaos/fault.h"
#include "chaos/journal.h"
#include "chaos/judge.h"
#include "chaos/ledger.h"

/* A takeover is late only beyond what a busy machine of two cores explains. */
#define SLACK_MS 2000
#define NO_SPAN  SIZE_MAX

/* --- spans ----------------------------------------------------------------------------------- */

struct spans {
    const struct chaos_ledger *ledger;
    struct chaos_verdict *verdict;
    size_t *current; /* by shard: the span of the newest epoch, NO_SPAN: none */
    size_t again;    /* how many of verdict->again have been looked at */
};

static void
end_span(struct spans *spans, struct chaos_span *span, int64_t time_ns, enum chaos_span_end end)
{
    const struct chaos_life *life = chaos_ledger_life(spans->ledger, span->worker);

    if (span->end != CHAOS_SPAN_OPEN) {
        return;
    }
    if (life != NULL && life->end_ns != 0 && life->end_ns < time_ns) {
        time_ns = life->end_ns;
        end = CHAOS_SPAN_DIED;
    }
    span->end = end;
    span->end_ns = time_ns < span->begin_ns ? span->begin_ns : time_ns;
}

static void
begin_span(struct spans *spans, const struct chaos_entry *entry)
{
    struct chaos_verdict *verdict = spans->verdict;
    const size_t before = spans->current[entry->shard];

    if (before != NO_SPAN) {
        if (verdict->spans[before].epoch >= entry->epoch) {
            return; /* a stale owner, or a second try under the same epoch */
        }
        end_span(spans, &verdict->spans[before], entry->time_ns, CHAOS_SPAN_LOST);
    }
    verdict->spans = chaos_grown(verdict->spans, verdict->span_count, sizeof *verdict->spans);
    spans->current[entry->shard] = verdict->span_count;
    verdict->spans[verdict->span_count++] = (struct chaos_span){.shard = entry->shard,
                                                                .worker = entry->worker,
                                                                .epoch = entry->epoch,
                                                                .begin_ns = entry->time_ns,
                                                                .end_ns = entry->time_ns};
}

/* What a batch adds to the span it belongs to. */
static void
add_batch(struct spans *spans, struct chaos_span *span, const struct chaos_entry *batch)
{
    const struct chaos_verdict *verdict = spans->verdict;

    if (span->first_ns == 0) {
        span->first_ns = batch->time_ns;
    }
    span->records += batch->count;
    while (spans->again < verdict->again_count &&
           verdict->again[spans->again].time_ns <= batch->time_ns) {
        const struct chaos_again *again = &verdict->again[spans->again++];

        if (again->shard == span->shard && again->worker == span->worker) {
            span->redelivered += again->count;
        }
    }
}

static void
take_entry(struct spans *spans, const struct chaos_entry *entry)
{
    const size_t index = spans->current[entry->shard];
    struct chaos_span *span = index == NO_SPAN ? NULL : &spans->verdict->spans[index];

    if (entry->kind == CHAOS_ENTRY_INITIALIZE) {
        begin_span(spans, entry);
        return;
    }
    if (span == NULL || span->epoch != entry->epoch || span->worker != entry->worker) {
        return;
    }
    if (entry->kind == CHAOS_ENTRY_BEGIN) {
        add_batch(spans, span, entry);
    } else if (entry->kind == CHAOS_ENTRY_SHUTDOWN) {
        end_span(spans, span, entry->time_ns, CHAOS_SPAN_HANDED);
    } else if (entry->kind == CHAOS_ENTRY_SHARD_ENDED) {
        end_span(spans, span, entry->time_ns, CHAOS_SPAN_FINISHED);
    } else if (entry->kind == CHAOS_ENTRY_LEASE_LOST) {
        end_span(spans, span, entry->time_ns, CHAOS_SPAN_LOST);
    }
}

void
chaos_judge_spans(const struct chaos_ledger *ledger, struct chaos_verdict *verdict)
{
    struct spans spans = {.ledger = ledger, .verdict = verdict};

    spans.current = chaos_zeroed(CHAOS_LEDGER_SHARDS, sizeof *spans.current);
    for (size_t i = 0; i < CHAOS_LEDGER_SHARDS; i++) {
        spans.current[i] = NO_SPAN;
    }
    for (size_t i = 0; i < ledger->entry_count; i++) {
        take_entry(&spans, &ledger->entries[i]);
    }
    for (size_t i = 0; i < verdict->span_count; i++) {
        struct chaos_span *span = &verdict->spans[i];

        if (span->end == CHAOS_SPAN_OPEN) {
            end_span(&spans, span, ledger->end_ns, CHAOS_SPAN_OPEN);
        }
    }
    free(spans.current);
}

/* --- gaps and takeovers ---------------------------------------------------------------------- */

static bool
hits(enum chaos_fault_kind kind)
{
    return kind == CHAOS_FAULT_KILL || kind == CHAOS_FAULT_CRASH || kind == CHAOS_FAULT_STOP ||
           kind == CHAOS_FAULT_DRAIN || kind == CHAOS_FAULT_FULL_DISK ||
           kind == CHAOS_FAULT_SLOW_DISK || kind == CHAOS_FAULT_HANG;
}

/*
 * How long the shard may stand still from `begin_ns` to `end_ns`. Faults around may have hit the
 * leader or the next owner as well: each is allowed a bound of its own, and a disk its time.
 */
static int64_t
bound_ms(const struct chaos_ledger *ledger, int64_t begin_ns, int64_t end_ns, bool died)
{
    const int64_t hang_ms = ledger->lease_duration_ms + ledger->lease_duration_ms / 4 + SLACK_MS;
    const int64_t before_ns = 2 * ledger->lease_duration_ms * CHAOS_NS_PER_MS;
    int64_t count = 0;
    int64_t disk_ms = 0;

    for (size_t i = 0; i < ledger->fault_count; i++) {
        const struct chaos_fault *fault = &ledger->faults[i];

        if (!hits(fault->kind) || fault->end_ns < begin_ns - before_ns ||
            fault->begin_ns > end_ns) {
            continue;
        }
        count++;
        if (fault->kind == CHAOS_FAULT_FULL_DISK || fault->kind == CHAOS_FAULT_SLOW_DISK) {
            disk_ms += (fault->end_ns - fault->begin_ns) / CHAOS_NS_PER_MS;
        }
    }
    count = count == 0 ? 1 : count;
    return (died && count == 1 ? SLACK_MS : hang_ms * count) + disk_ms;
}

/* The stop of its worker in which the span ended, or NULL. */
static const struct chaos_fault *
stop_at_end(const struct chaos_ledger *ledger, const struct chaos_span *span)
{
    for (size_t i = 0; i < ledger->fault_count; i++) {
        const struct chaos_fault *fault = &ledger->faults[i];

        if (fault->kind == CHAOS_FAULT_STOP && fault->worker == span->worker &&
            fault->begin_ns < span->end_ns && fault->end_ns >= span->end_ns &&
            fault->begin_ns >= span->begin_ns) {
            return fault;
        }
    }
    return NULL;
}

static void
add_time(struct chaos_times *times, int64_t ns)
{
    times->ms = chaos_grown(times->ms, times->count, sizeof *times->ms);
    times->ms[times->count++] = (double)ns / (double)CHAOS_NS_PER_MS;
}

static void
add_gap(struct chaos_verdict *verdict, uint32_t shard, int64_t begin_ns, int64_t end_ns)
{
    if (end_ns > begin_ns) {
        verdict->gaps = chaos_grown(verdict->gaps, verdict->gap_count, sizeof *verdict->gaps);
        verdict->gaps[verdict->gap_count++] = (struct chaos_gap){shard, begin_ns, end_ns};
    }
}

static void
check_bound(
    const struct chaos_ledger *ledger,
    struct chaos_verdict *verdict,
    const struct chaos_span *span,
    int64_t begin_ns,
    int64_t end_ns)
{
    const int64_t took_ms = (end_ns - begin_ns) / CHAOS_NS_PER_MS;
    const int64_t most_ms = bound_ms(ledger, begin_ns, end_ns, span->end == CHAOS_SPAN_DIED);

    if (took_ms > most_ms) {
        chaos_violate(
            verdict,
            CHAOS_LATE,
            begin_ns,
            span->shard,
            "shard %u of worker %u was taken over after %" PRId64 " ms, the bound is %" PRId64
            " ms",
            span->shard,
            span->worker,
            took_ms,
            most_ms);
    }
}

static void
take_gap(
    const struct chaos_ledger *ledger,
    struct chaos_verdict *verdict,
    const struct chaos_span *span,
    const struct chaos_span *next)
{
    const struct chaos_fault *stop = stop_at_end(ledger, span);

    if (span->end == CHAOS_SPAN_HANDED) {
        add_time(&verdict->handoff, next->begin_ns - span->end_ns);
    } else if (span->end == CHAOS_SPAN_DIED && stop == NULL) {
        add_time(&verdict->failover, next->begin_ns - span->end_ns);
        check_bound(ledger, verdict, span, span->end_ns, next->begin_ns);
    } else if (stop != NULL) {
        add_time(&verdict->hang, next->begin_ns - stop->begin_ns);
        check_bound(ledger, verdict, span, stop->begin_ns, next->begin_ns);
        add_gap(verdict, span->shard, stop->begin_ns, next->begin_ns);
        return;
    }
    add_gap(verdict, span->shard, span->end_ns, next->begin_ns);
}

void
chaos_judge_times(const struct chaos_ledger *ledger, struct chaos_verdict *verdict)
{
    size_t *last = chaos_zeroed(CHAOS_LEDGER_SHARDS, sizeof *last); /* index + 1; 0: none */

    for (size_t i = 0; i < verdict->span_count; i++) {
        const struct chaos_span *span = &verdict->spans[i];

        if (last[span->shard] != 0) {
            take_gap(ledger, verdict, &verdict->spans[last[span->shard] - 1], span);
        }
        last[span->shard] = i + 1;
    }
    for (size_t i = 0; i < CHAOS_LEDGER_SHARDS; i++) {
        const struct chaos_span *span = last[i] == 0 ? NULL : &verdict->spans[last[i] - 1];

        if (span != NULL && (span->end == CHAOS_SPAN_DIED || span->end == CHAOS_SPAN_LOST)) {
            add_gap(verdict, span->shard, span->end_ns, ledger->end_ns);
        }
    }
    free(last);
}

static int
by_size(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;

    return *x < *y ? -1 : *x > *y;
}

double
chaos_times_quantile(struct chaos_times *times, double p)
{
    if (times->count == 0) {
        return 0;
    }
    qsort(times->ms, times->count, sizeof *times->ms, by_size);
    return times->ms[(size_t)(p * (double)(times->count - 1) + 0.5)];
}

#include "demo/audit.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "demo/history.h"
#include "demo/journal.h"
#include "demo/sink.h"

#define NS_PER_MS INT64_C(1000000)

void
demo_reasons_add(struct demo_reasons *reasons, const char *format, ...)
{
    va_list arguments;

    if (reasons->count == DEMO_REASONS_MAX) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(reasons->text[reasons->count], DEMO_REASON_SIZE, format, arguments);
    va_end(arguments);
    reasons->count++;
}

bool
demo_audit_begin(struct demo_audit *audit)
{
    audit->applied = calloc(audit->history->put_count + 1, sizeof *audit->applied);
    return audit->applied != NULL;
}

void
demo_audit_ledger(void *context, const struct demo_ledger_entry *entry, const uint32_t *put_indices)
{
    struct demo_audit *audit = context;
    const uint32_t shard = demo_history_find(audit->history, entry->shard_id);

    if (shard == DEMO_NONE) {
        audit->verdict->order_violations++;
        return;
    }
    if (audit->ledger[shard].any &&
        (entry->lease_epoch < audit->ledger[shard].lease_epoch ||
         weir_sequence_number_compare(&entry->first, &audit->ledger[shard].last) <= 0)) {
        audit->verdict->order_violations++;
    }
    audit->ledger[shard].any = true;
    audit->ledger[shard].lease_epoch = entry->lease_epoch;
    audit->ledger[shard].last = entry->last;
    for (uint32_t i = 0; i < entry->count; i++) {
        if (put_indices[i] >= audit->history->put_count) {
            audit->verdict->order_violations++;
        } else if (audit->applied[put_indices[i]] < UINT8_MAX) {
            audit->applied[put_indices[i]]++;
        }
    }
}

/* --- Order. --- */

/* State of one pass over all deliveries in the order of their time. */
struct order_pass {
    struct demo_audit *audit;
    const struct demo_entry **deliveries; /* sorted */
    size_t count;
    uint32_t *span_of_put; /* of the record's last delivery, or DEMO_NONE */
    uint64_t *put_of_key; /* 1 + the last record of the key that was delivered for the first time */
    struct weir_sequence_number last[DEMO_SPANS_MAX]; /* of each span */
    bool any[DEMO_SPANS_MAX];
    uint64_t epoch_of_shard[DEMO_SHARDS_MAX]; /* the highest so far */
};

/* By time, then as they stand in their journal; entries of one batch have one time. */
static int
compare_deliveries(const void *a, const void *b)
{
    const struct demo_entry *one = *(const struct demo_entry *const *)a;
    const struct demo_entry *other = *(const struct demo_entry *const *)b;

    if (one->begin_ns != other->begin_ns) {
        return one->begin_ns < other->begin_ns ? -1 : 1;
    }
    if (one->worker != other->worker) {
        return one->worker < other->worker ? -1 : 1;
    }
    return one < other ? -1 : 1;
}

static bool
has_child_begun(const struct order_pass *pass, uint32_t shard)
{
    const struct demo_history *history = pass->audit->history;

    for (uint32_t i = 0; i < history->shard_count; i++) {
        const struct demo_lane *lane = &history->shards[i];
        if ((lane->parents[0] == shard || lane->parents[1] == shard) &&
            pass->epoch_of_shard[i] > 0) {
            return true;
        }
    }
    return false;
}

static void
check_first_delivery(
    struct order_pass *pass, const struct demo_entry *entry, const struct demo_span *span)
{
    const struct demo_put *put = &pass->audit->history->puts[entry->put_index];
    uint64_t *last = &pass->put_of_key[pass->audit->index->packages[put->package].key];

    if (entry->put_index + 1 < *last || has_child_begun(pass, span->shard)) {
        pass->audit->verdict->order_violations++;
    }
    *last = entry->put_index + 1;
}

static void
check_redelivery(
    struct order_pass *pass, const struct demo_entry *entry, const struct demo_span *span)
{
    const struct demo_span *before =
        &pass->audit->history->spans[pass->span_of_put[entry->put_index]];
    struct demo_verdict *verdict = pass->audit->verdict;

    verdict->redelivered++;
    if (before == span) {
        return; /* a retry of the same owner */
    }
    verdict->unmarked += entry->replay_possible == 0 ? 1 : 0;
    verdict->handoff_redelivered += before->end == DEMO_SPAN_HANDED_OVER ? 1 : 0;
}

static void
check_delivery(struct order_pass *pass, const struct demo_entry *entry)
{
    struct demo_history *history = pass->audit->history;
    const uint32_t shard = demo_history_find(history, entry->shard_id);
    const struct demo_span *span =
        shard == DEMO_NONE ? NULL : demo_history_span(history, shard, entry->lease_epoch);
    size_t number;

    if (span == NULL || entry->put_index >= history->put_count) {
        return; /* counted as a stranger */
    }
    number = (size_t)(span - history->spans);
    /* A batch that failed comes again from its beginning or from inside: only then. */
    if (pass->any[number] && entry->attempt == 1 &&
        weir_sequence_number_compare(&entry->sequence_number, &pass->last[number]) <= 0) {
        pass->audit->verdict->order_violations++;
    }
    pass->any[number] = true;
    pass->last[number] = entry->sequence_number;
    if (entry->lease_epoch < pass->epoch_of_shard[shard]) {
        pass->audit->verdict->order_violations++;
    } else {
        pass->epoch_of_shard[shard] = entry->lease_epoch;
    }
    if (pass->span_of_put[entry->put_index] == DEMO_NONE) {
        check_first_delivery(pass, entry, span);
    } else {
        check_redelivery(pass, entry, span);
    }
    pass->span_of_put[entry->put_index] = (uint32_t)number;
}

static size_t
count_entries(const struct demo_journal *journals)
{
    size_t count = 0;

    for (size_t i = 0; i < DEMO_WORKERS_MAX; i++) {
        count += journals[i].count;
    }
    return count;
}

static void
collect_deliveries(struct order_pass *pass)
{
    for (size_t i = 0; i < DEMO_WORKERS_MAX; i++) {
        const struct demo_journal *journal = &pass->audit->journals[i];
        for (size_t j = 0; j < journal->count; j++) {
            if (journal->entries[j].event == DEMO_RECORD) {
                pass->deliveries[pass->count++] = &journal->entries[j];
            }
        }
    }
    qsort(pass->deliveries, pass->count, sizeof *pass->deliveries, compare_deliveries);
}

bool
demo_audit_order(struct demo_audit *audit)
{
    const size_t puts = audit->history->put_count;
    struct order_pass *pass = calloc(1, sizeof *pass);
    bool whole = false;

    if (pass == NULL) {
        return false;
    }
    pass->audit = audit;
    pass->deliveries = calloc(count_entries(audit->journals) + 1, sizeof *pass->deliveries);
    pass->span_of_put = calloc(puts + 1, sizeof *pass->span_of_put);
    pass->put_of_key = calloc(audit->index->key_count + 1, sizeof *pass->put_of_key);
    if (pass->deliveries == NULL || pass->span_of_put == NULL || pass->put_of_key == NULL) {
        goto out;
    }
    for (size_t i = 0; i < puts; i++) {
        pass->span_of_put[i] = DEMO_NONE;
    }
    collect_deliveries(pass);
    for (size_t i = 0; i < pass->count; i++) {
        check_delivery(pass, pass->deliveries[i]);
    }
    audit->verdict->order_violations += audit->history->strangers;
    whole = true;
out:
    free(pass->put_of_key);
    free(pass->span_of_put);
    free((void *)pass->deliveries);
    free(pass);
    return whole;
}

/* --- Times. --- */

static void
add_time(struct demo_times *times, int64_t ns)
{
    if (times->count < DEMO_TIMES_MAX) {
        times->ns[times->count++] = ns;
    }
}

int64_t
demo_times_max(const struct demo_times *times)
{
    int64_t most = 0;

    for (size_t i = 0; i < times->count; i++) {
        most = times->ns[i] > most ? times->ns[i] : most;
    }
    return most;
}

/* When the shard was processed again: its first record was handed over, if one waited when the new
 * owner was ready; else the new owner was ready, and the wait for a producer is not weir's. */
static int64_t
resumed_ns(const struct demo_history *history, const struct demo_span *next)
{
    if (next->first_begin_ns != 0 &&
        history->puts[next->first_put].acked_ns <= next->initialized_ns) {
        return next->first_begin_ns;
    }
    return next->initialized_ns;
}

/* When the shard stood still: the old owner's last batch returned, if a record waited at the next
 * owner by then; else the first such record came, or the old owner was told to stop. */
static int64_t
stood_still_ns(
    const struct demo_history *history, const struct demo_span *span, const struct demo_span *next)
{
    int64_t ns = span->end_ns;

    if (next->first_begin_ns != 0 && history->puts[next->first_put].acked_ns < ns) {
        ns = history->puts[next->first_put].acked_ns;
    }
    return span->last_end_ns > ns ? span->last_end_ns : ns;
}

/* How long the shards that a worker had at a moment were without an owner that worked. */
static void
measure_blow(
    struct demo_audit *audit,
    const struct demo_blow *blow,
    const char *what,
    struct demo_times *ret)
{
    const struct demo_history *history = audit->history;

    for (uint32_t i = 0; blow->at_ns != 0 && i < history->span_count; i++) {
        const struct demo_span *span = &history->spans[i];
        const struct demo_span *next;
        if (span->worker != blow->worker || span->initialized_ns > blow->at_ns ||
            (span->end != DEMO_SPAN_OPEN && span->end_ns < blow->at_ns)) {
            continue;
        }
        next = demo_history_next(history, span);
        if (next != NULL && next->initialized_ns > blow->at_ns) {
            add_time(ret, resumed_ns(history, next) - blow->at_ns);
        } else if (next == NULL) {
            demo_reasons_add(
                &audit->verdict->reasons,
                "nobody took over %s after the %s",
                history->shards[span->shard].id,
                what);
        }
    }
}

void
demo_audit_times(struct demo_audit *audit)
{
    const struct demo_history *history = audit->history;
    const struct demo_deeds *deeds = audit->deeds;

    measure_blow(audit, &deeds->kill, "kill -9", &audit->verdict->failover);
    measure_blow(audit, &deeds->stop, "SIGSTOP", &audit->verdict->hang);
    for (uint32_t i = 0; i < history->span_count; i++) {
        const struct demo_span *span = &history->spans[i];
        const struct demo_span *next = demo_history_next(history, span);
        if (span->end == DEMO_SPAN_HANDED_OVER && next != NULL &&
            (deeds->finish_ns == 0 || span->end_ns < deeds->finish_ns)) {
            const int64_t pause = resumed_ns(history, next) - stood_still_ns(history, span, next);
            add_time(&audit->verdict->handoff, pause > 0 ? pause : 0);
        }
    }
}

/* --- Checkpoints. --- */

/* Whether the shard had a newer owner when the call began. */
static bool
is_stale(const struct demo_history *history, const struct demo_entry *entry)
{
    for (uint32_t i = 0; i < history->span_count; i++) {
        const struct demo_span *span = &history->spans[i];
        if (span->lease_epoch > entry->lease_epoch && span->initialize_ns < entry->begin_ns &&
            strncmp(history->shards[span->shard].id, entry->shard_id, DEMO_SHARD_ID_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

void
demo_audit_checkpoints(struct demo_audit *audit)
{
    for (size_t i = 0; i < DEMO_WORKERS_MAX; i++) {
        const struct demo_journal *journal = &audit->journals[i];
        for (size_t j = 0; j < journal->count; j++) {
            const struct demo_entry *entry = &journal->entries[j];
            if (entry->event == DEMO_CHECKPOINT && is_stale(audit->history, entry)) {
                audit->verdict->stale_attempts++;
                audit->verdict->stale_checkpoints += entry->error == WEIR_OK ? 1 : 0;
            }
        }
    }
}

/* --- Reasons. --- */

static void
reason_if(struct demo_verdict *verdict, uint64_t count, const char *what)
{
    if (count > 0) {
        demo_reasons_add(&verdict->reasons, "%llu %s", (unsigned long long)count, what);
    }
}

static void
reason_if_slow(
    struct demo_verdict *verdict, const struct demo_times *times, int64_t most_ms, const char *what)
{
    const int64_t longest = demo_times_max(times);

    if (longest > most_ms * NS_PER_MS) {
        demo_reasons_add(
            &verdict->reasons,
            "%s took %.1f ms, more than %lld ms",
            what,
            (double)longest / (double)NS_PER_MS,
            (long long)most_ms);
    }
}

static void
count_records(struct demo_audit *audit)
{
    struct demo_verdict *verdict = audit->verdict;

    verdict->records_put = audit->history->put_count;
    for (size_t i = 0; i < audit->history->put_count; i++) {
        verdict->records_processed += audit->applied[i] > 0 ? 1 : 0;
        verdict->applied_twice += audit->applied[i] > 1 ? 1 : 0;
    }
    verdict->lost = verdict->records_put - verdict->records_processed;
}

void
demo_audit_end(struct demo_audit *audit)
{
    struct demo_verdict *verdict = audit->verdict;
    const struct demo_deeds *deeds = audit->deeds;

    count_records(audit);
    reason_if(verdict, verdict->lost, "records are lost");
    reason_if(verdict, verdict->applied_twice, "records were added up twice");
    reason_if(verdict, verdict->order_violations, "violations of order");
    reason_if(verdict, verdict->stale_checkpoints, "checkpoints of a stale owner were accepted");
    reason_if(verdict, verdict->handoff_redelivered, "records came again after a hand-off");
    reason_if(verdict, verdict->unmarked, "redeliveries were not marked as possible replays");
    reason_if_slow(verdict, &verdict->failover, DEMO_FAILOVER_MAX_MS, "a failover");
    reason_if_slow(verdict, &verdict->handoff, DEMO_HANDOFF_MAX_MS, "a hand-off");
    if (deeds->failover_bound_ms > 0) {
        reason_if_slow(
            verdict,
            &verdict->hang,
            deeds->failover_bound_ms + DEMO_FAILOVER_MAX_MS,
            "the take-over from the hung worker");
    }
    if (deeds->stopped_batches > 0 && deeds->resume_ns != 0 && verdict->stale_attempts == 0) {
        demo_reasons_add(&verdict->reasons, "the resumed worker has tried no checkpoint");
    }
    if (!verdict->totals_match) {
        demo_reasons_add(&verdict->reasons, "the totals differ from those of the file");
    }
    if (verdict->elapsed_ms > DEMO_RUN_MAX_MS) {
        demo_reasons_add(
            &verdict->reasons,
            "it took %lld s, more than %d s",
            (long long)(verdict->elapsed_ms / 1000),
            DEMO_RUN_MAX_MS / 1000);
    }
    free(audit->applied);
    audit->applied = NULL;
}

/* What process_records is handed, in which order, and what it says. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

#include "core/check.h"
#include "sim/checker_parts.h"
#include "sim/checker_state.h"
#include "sim/history.h"

/* The records of a batch in the window. */
struct span {
    size_t first;
    size_t end;
};

/* I13: batches only within a life, one at a time. */
static bool
i13_one_at_a_time(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_consumer *consumer)
{
    if (consumer != NULL && consumer->initialized && !consumer->in_batch &&
        !consumer->shard_ended && !consumer->shut_down && !consumer->lease_lost) {
        return true;
    }
    return wi_check_break(
        checker,
        "I13",
        "shard %" PRIu32 ": worker %" PRIu32 " began a batch under epoch %" PRIu64 " %s",
        event->shard,
        event->worker,
        event->epoch,
        consumer == NULL || !consumer->initialized ? "before initialize had said OK"
        : consumer->in_batch                       ? "inside another"
                                                   : "after the final call");
}

/*
 * I7, G2 order: the first batch of an epoch begins with the record after the checkpoint it started
 * at, each other one with the record after what was processed before; a batch leaves out nothing.
 * Trimmed and dead-lettered records may be missing. LATEST is a place before the first batch.
 */
static bool
i7_contiguous(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard,
    const struct wi_check_consumer *consumer,
    struct span *ret)
{
    const struct wi_check_window *window = &shard->window;
    size_t next = wi_check_window_after(window, consumer->position);
    size_t first = wi_check_window_after(window, event->first - 1);
    size_t end = wi_check_window_after(window, event->last);
    size_t dead = 0;

    while (next < first && (window->items[next].flags & WI_RECORD_DEAD) != 0) {
        next++;
    }
    for (size_t i = first; i < end; i++) {
        dead += (window->items[i].flags & WI_RECORD_DEAD) != 0 ? 1 : 0;
    }
    *ret = (struct span){first, end};
    if (consumer->unresolved || event->first <= consumer->position || next < first) {
        return wi_check_break(
            checker,
            "I7",
            "shard %" PRIu32 ": worker %" PRIu32 " was handed %" PRIu64 " under epoch %" PRIu64
            "; it %s %" PRIu64,
            shard->number,
            event->worker,
            event->first,
            event->epoch,
            consumer->unresolved ? "has no place in the row yet, after" : "had processed through",
            consumer->position);
    }
    if (event->first <= shard->forgotten) {
        return true; /* fetched before it was trimmed, or after a reset */
    }
    if (first == end || window->items[first].sequence != event->first ||
        window->items[end - 1].sequence != event->last || event->count > end - first ||
        event->count < end - first - dead) {
        return wi_check_break(
            checker,
            "I7",
            "shard %" PRIu32 ": a batch of %" PRIu32 " records %" PRIu64 " to %" PRIu64
            "; %zu were put there",
            shard->number,
            event->count,
            event->first,
            event->last,
            end - first);
    }
    return true;
}

/* I7: attempt 1, and one more each time that the same record comes again. */
static bool
i7_attempt(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_consumer *consumer)
{
    bool again = consumer->failed && (consumer->partial || event->first == consumer->first);

    if (event->attempt == (again ? consumer->attempt + 1 : 1) ||
        (consumer->partial && event->attempt == 1)) {
        return true;
    }
    return wi_check_break(
        checker,
        "I7",
        "shard %" PRIu32 ": record %" PRIu64 " came as attempt %" PRIu32 " after attempt %" PRIu32,
        event->shard,
        event->first,
        event->attempt,
        again ? consumer->attempt : 0);
}

/* The record of the same key before this one, and the shard that it is in; NULL if there is none.
 */
static const struct wi_check_record *
previous_of_key(
    const struct wi_checker *checker,
    const struct wi_check_record *record,
    const struct wi_check_shard **ret_shard)
{
    const struct wi_check_shard *shard = wi_check_shard_of(checker, record->previous_shard);

    *ret_shard = shard;
    return shard == NULL ? NULL : wi_check_window_at(&shard->window, record->previous_rank);
}

/*
 * I8, G2, P10 order per key: for r1 < r2 of one key, parents before children: the first END that
 * has processed r1 stands before the first BEGIN that holds r2, or both are in one batch. It is
 * enough to ask for the record just before r2: the same was asked for that one. Unless nobody
 * wants that one, because its shard was closed before the application started at the tip: then
 * the one before it is asked for.
 */
static bool
i8_order_per_key(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard,
    const struct wi_check_record *record)
{
    const struct wi_check_shard *other = NULL;
    const struct wi_check_record *previous = previous_of_key(checker, record, &other);

    while (previous != NULL && checker->settings.starts_at_tip && !other->row.existed) {
        previous = previous_of_key(checker, previous, &other);
    }
    if (previous == NULL || (previous->flags & (WI_RECORD_DONE | WI_RECORD_DEAD)) != 0 ||
        (other == shard && previous->sequence >= event->first)) {
        return true;
    }
    return wi_check_break(
        checker,
        "I8",
        "shard %" PRIu32 ": record %" PRIu64 " was handed out before record %" PRIu64
        " of shard %" PRIu32 ", which has the same key, was processed",
        shard->number,
        record->sequence,
        previous->sequence,
        other->number);
}

/* I12 bounded duplicates: records that an earlier owner had processed come again at most
 * redelivered_max times in one epoch. */
static bool
i12_bounded_duplicates(
    struct wi_checker *checker,
    const struct wi_check_shard *shard,
    const struct wi_check_consumer *consumer)
{
    uint32_t limit = checker->settings.redelivered_max;

    if (limit == 0 || consumer->redelivered <= limit) {
        return true;
    }
    return wi_check_break(
        checker,
        "I12",
        "shard %" PRIu32 ": %" PRIu32 " processed records came again under epoch %" PRIu64
        ", at most %" PRIu32 " may",
        shard->number,
        consumer->redelivered,
        consumer->epoch,
        limit);
}

bool
wi_check_begin_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard)
{
    struct wi_check_consumer *consumer = wi_check_consumer_of(shard, event->worker, event->epoch);
    struct span span;

    if (!i13_one_at_a_time(checker, event, consumer) || !wi_check_in_hold(checker, event, shard) ||
        !i7_contiguous(checker, event, shard, consumer, &span) ||
        !i7_attempt(checker, event, consumer)) {
        return false;
    }
    for (size_t i = span.first; i < span.end; i++) {
        struct wi_check_record *record = &shard->window.items[i];

        if ((record->flags & WI_RECORD_BEGUN) == 0 &&
            !i8_order_per_key(checker, event, shard, record)) {
            return false;
        }
        record->flags |= WI_RECORD_BEGUN;
        consumer->redelivered += (record->flags & WI_RECORD_DONE) != 0 ? 1 : 0;
    }
    consumer->in_batch = true;
    consumer->first = event->first;
    consumer->last = event->last;
    consumer->attempt = event->attempt;
    if (event->last > consumer->delivered) {
        consumer->delivered = event->last;
    }
    wi_check_progress(checker, shard);
    return i12_bounded_duplicates(checker, shard, consumer);
}

/* I13: END ends a batch; what it says lies within the batch, and OK means all of it. */
static bool
i13_end_of_batch(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_consumer *consumer)
{
    if (consumer == NULL || !consumer->in_batch) {
        return wi_check_break(
            checker,
            "I13",
            "shard %" PRIu32 ": worker %" PRIu32 " ended a batch under epoch %" PRIu64
            " that had not begun",
            event->shard,
            event->worker,
            event->epoch);
    }
    if (event->error == WEIR_OK ? event->last == consumer->last
                                : event->last == 0 || (event->last >= consumer->first &&
                                                       event->last <= consumer->last)) {
        return true;
    }
    return wi_check_break(
        checker,
        "I13",
        "shard %" PRIu32 ": a batch from %" PRIu64 " to %" PRIu64 " was processed through %" PRIu64,
        event->shard,
        consumer->first,
        consumer->last,
        event->last);
}

/* Records from the batch's first one through `last` are processed. */
static void
note_processed(struct wi_check_shard *shard, uint64_t first, uint64_t last)
{
    size_t end = wi_check_window_after(&shard->window, last);

    for (size_t i = wi_check_window_after(&shard->window, first - 1); i < end; i++) {
        struct wi_check_record *record = &shard->window.items[i];

        if ((record->flags & (WI_RECORD_DONE | WI_RECORD_DEAD)) == 0) {
            WEIR_ASSERT(shard->undone > 0);
            shard->undone--;
        }
        record->flags |= WI_RECORD_DONE;
    }
}

bool
wi_check_end_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard)
{
    struct wi_check_consumer *consumer = wi_check_consumer_of(shard, event->worker, event->epoch);

    if (!i13_end_of_batch(checker, event, consumer)) {
        return false;
    }
    consumer->in_batch = false;
    consumer->failed = event->error != WEIR_OK;
    consumer->partial = consumer->failed && event->last != 0;
    if (event->last != 0) {
        consumer->position = event->last;
        note_processed(shard, consumer->first, event->last);
    }
    wi_check_progress(checker, shard);
    return true;
}

/* I13: only within a batch, and about its records. */
bool
wi_check_processed_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard)
{
    struct wi_check_consumer *consumer = wi_check_consumer_of(shard, event->worker, event->epoch);

    if (consumer == NULL || !consumer->in_batch || event->last > consumer->last) {
        return wi_check_break(
            checker,
            "I13",
            "shard %" PRIu32 ": worker %" PRIu32 " processed through %" PRIu64
            " under epoch %" PRIu64 ", which is not within its batch",
            event->shard,
            event->worker,
            event->last,
            event->epoch);
    }
    if (event->last >= consumer->first) {
        note_processed(shard, consumer->first, event->last);
    }
    return true;
}

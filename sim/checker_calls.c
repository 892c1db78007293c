/* The life of a record processor: initialize, ..., one final call, destroy; its checkpoints. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

#include "sim/checker_parts.h"
#include "sim/checker_state.h"
#include "sim/history.h"

/* I9, P5 parent before child: a shard is started after every parent has ended, or has neither row
 * nor place in the list. */
static bool
i9_parent_before_child(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard)
{
    return wi_check_parents_finished(checker, shard)
               ? true
               : wi_check_break(
                     checker,
                     "I9",
                     "shard %" PRIu32 " was started by worker %" PRIu32
                     " before its parents had ended",
                     shard->number,
                     event->worker);
}

/* I7, P11 the start: a processor starts at the checkpoint that the row held when its worker got it,
 * and never on a finished shard. */
static bool
i7_starts_at_checkpoint(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard)
{
    if (shard->row.epoch != event->epoch ||
        (!shard->row.finished && shard->row.checkpoint == event->last)) {
        return true;
    }
    return wi_check_break(
        checker,
        "I7",
        "shard %" PRIu32 ": worker %" PRIu32 " started at %" PRIu64 ", the row is at %s%" PRIu64,
        shard->number,
        event->worker,
        event->last,
        shard->row.finished ? "SHARD_END, before that " : "",
        shard->row.checkpoint);
}

/*
 * I13 callback protocol, per (worker, shard, epoch): initialize until it says OK; then batches one
 * at a time; then exactly one of lease_lost, shard_ended that says OK, shutdown_requested; then
 * destroy; then nothing. In one process no two lives of a shard overlap. Here: a life may begin.
 */
static bool
i13_may_begin(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard)
{
    const struct wi_check_consumer *same = wi_check_consumer_of(shard, event->worker, event->epoch);

    if (same == NULL ? event->epoch <= shard->life_epoch : same->initialized || same->destroyed) {
        return wi_check_break(
            checker,
            "I13",
            "shard %" PRIu32 ": worker %" PRIu32 " initialized a second life under epoch %" PRIu64,
            shard->number,
            event->worker,
            event->epoch);
    }
    for (const struct wi_check_consumer *c = shard->consumers; c != NULL; c = c->next) {
        if (c->worker == event->worker && c != same && c->initialized && !c->destroyed) {
            return wi_check_break(
                checker,
                "I13",
                "shard %" PRIu32 ": worker %" PRIu32 " has it under epochs %" PRIu64 " and %" PRIu64
                " at once",
                shard->number,
                event->worker,
                c->epoch,
                event->epoch);
        }
    }
    return true;
}

/* A call of which the history said at its begin that it succeeds has returned an error. */
static bool
is_taken_back(const struct wi_history_event *event, const struct wi_check_consumer *consumer)
{
    return event->error != WEIR_OK && consumer != NULL && !consumer->destroyed &&
           !consumer->in_batch && !consumer->shut_down && !consumer->lease_lost;
}

bool
wi_check_initialize_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard)
{
    struct wi_check_consumer *consumer = wi_check_consumer_of(shard, event->worker, event->epoch);

    if (is_taken_back(event, consumer) && consumer->initialized &&
        consumer->delivered == consumer->start) {
        consumer->initialized = false;
        return true;
    }
    if (!wi_check_in_hold(checker, event, shard) || !i13_may_begin(checker, event, shard) ||
        !i9_parent_before_child(checker, event, shard) ||
        !i7_starts_at_checkpoint(checker, event, shard)) {
        return false;
    }
    if (consumer == NULL) {
        consumer = wi_check_consumer_add(checker, shard, event->worker, event->epoch);
    }
    if (consumer == NULL) {
        return wi_check_break(checker, "H1", "no memory is left for a processor");
    }
    consumer->initialized = event->error == WEIR_OK;
    consumer->start = event->last;
    consumer->position = event->last;
    consumer->delivered = event->last;
    consumer->accepted = event->last;
    consumer->unresolved = shard->row.unresolved;
    shard->life_epoch = event->epoch;
    wi_check_taken_over(checker, shard);
    wi_check_progress(checker, shard);
    return true;
}

/* P5 parents end when they end: shard_ended comes after the last record of a closed shard. */
static bool
p5_at_the_end(
    struct wi_checker *checker,
    const struct wi_check_shard *shard,
    const struct wi_check_consumer *consumer)
{
    const struct wi_check_window *window = &shard->window;
    size_t next = wi_check_window_after(window, consumer->position);

    while (next < window->tail && (window->items[next].flags & WI_RECORD_DEAD) != 0) {
        next++;
    }
    if (shard->closed && (next == window->tail || consumer->unresolved)) {
        return true;
    }
    return wi_check_break(
        checker,
        "P5",
        "shard %" PRIu32 ": shard_ended at %" PRIu64 "; the shard %s %" PRIu64,
        shard->number,
        consumer->position,
        shard->closed ? "ends at" : "is open, it is at",
        shard->tip);
}

/* I13: one final call, outside a batch. */
static bool
i13_may_end(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_consumer *consumer)
{
    if (consumer != NULL && consumer->initialized && !consumer->in_batch &&
        !consumer->shard_ended && !consumer->shut_down && !consumer->lease_lost &&
        !consumer->destroyed) {
        return true;
    }
    return wi_check_break(
        checker,
        "I13",
        "shard %" PRIu32 ": worker %" PRIu32 " made a final call under epoch %" PRIu64 " %s",
        event->shard,
        event->worker,
        event->epoch,
        consumer == NULL || !consumer->initialized ? "to a processor that is not initialized"
        : consumer->in_batch                       ? "inside process_records"
                                                   : "after another");
}

bool
wi_check_final_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard)
{
    struct wi_check_consumer *consumer = wi_check_consumer_of(shard, event->worker, event->epoch);
    bool lost = event->kind == WI_HISTORY_LEASE_LOST;
    bool ended = event->kind == WI_HISTORY_SHARD_ENDED;

    if (ended && is_taken_back(event, consumer) && consumer->shard_ended) {
        consumer->shard_ended = false;
        return true;
    }
    if (!i13_may_end(checker, event, consumer) ||
        (lost ? !wi_check_renewed(checker, event, shard)
              : !wi_check_in_hold(checker, event, shard)) ||
        (ended && !p5_at_the_end(checker, shard, consumer))) {
        return false;
    }
    consumer->lease_lost = lost;
    consumer->shard_ended = ended && event->error == WEIR_OK;
    consumer->shut_down = event->kind == WI_HISTORY_SHUTDOWN;
    return true;
}

/* I13: destroy comes last, once, and not without the final call if there was a life. */
bool
wi_check_destroy_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard)
{
    struct wi_check_consumer *consumer = wi_check_consumer_of(shard, event->worker, event->epoch);

    if (consumer == NULL && event->epoch < shard->row.epoch_highest) {
        return true; /* never initialized, and forgotten since */
    }
    if (consumer != NULL && !consumer->destroyed && !consumer->in_batch &&
        (!consumer->initialized || consumer->shard_ended || consumer->shut_down ||
         consumer->lease_lost)) {
        consumer->destroyed = true;
        return true;
    }
    return wi_check_break(
        checker,
        "I13",
        "shard %" PRIu32 ": worker %" PRIu32 " destroyed a processor under epoch %" PRIu64 " %s",
        shard->number,
        event->worker,
        event->epoch,
        consumer == NULL || consumer->destroyed ? "that is not there"
        : consumer->in_batch                    ? "inside process_records"
                                                : "without a final call");
}

/* I14, G8 no stale success: checkpoint(v) = OK returns after a row at or above v was accepted under
 * the epoch, or was there at its start. */
static bool
i14_no_stale_success(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_consumer *consumer)
{
    if (event->error != WEIR_OK || event->last <= consumer->accepted) {
        return true;
    }
    return wi_check_break(
        checker,
        "I14",
        "shard %" PRIu32 ": worker %" PRIu32 " was told that checkpoint %" PRIu64
        " is written; under epoch %" PRIu64 " the table has %" PRIu64,
        event->shard,
        event->worker,
        event->last,
        event->epoch,
        consumer->accepted);
}

bool
wi_check_checkpoint_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard)
{
    struct wi_check_consumer *consumer = wi_check_consumer_of(shard, event->worker, event->epoch);

    if (consumer == NULL || consumer->destroyed) {
        return wi_check_break(
            checker,
            "I13",
            "shard %" PRIu32 ": worker %" PRIu32 " made a checkpoint under epoch %" PRIu64
            " outside a processor's life",
            shard->number,
            event->worker,
            event->epoch);
    }
    if (!i14_no_stale_success(checker, event, consumer)) {
        return false;
    }
    if (event->error != WEIR_EINVAL) {
        consumer->checkpoint_failed = event->error != WEIR_OK;
    }
    return true;
}

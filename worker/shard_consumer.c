/* Rules S1 to S18 of docs/state-machines-consumer.md, "Shard consumer". */
#include "worker/shard_consumer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/backoff.h"
#include "core/check.h"
#include "core/mono.h"
#include "core/pcg.h"
#include "core/sequence_number.h"
#include "worker/checkpoint_tracker.h"

#define BIT(state) (1U << (state))

/* The whole machine at a glance: from each state, the states that may follow. */
static const unsigned allowed[] = {
    [WI_CONSUMER_WAITING_ON_PARENT_SHARDS] =
        BIT(WI_CONSUMER_INITIALIZING) | BIT(WI_CONSUMER_SHUTTING_DOWN),
    [WI_CONSUMER_INITIALIZING] = BIT(WI_CONSUMER_PROCESSING) | BIT(WI_CONSUMER_SHUTTING_DOWN),
    [WI_CONSUMER_PROCESSING] = BIT(WI_CONSUMER_SHUTDOWN_REQUESTED) | BIT(WI_CONSUMER_SHUTTING_DOWN),
    [WI_CONSUMER_SHUTDOWN_REQUESTED] = BIT(WI_CONSUMER_SHUTTING_DOWN),
    [WI_CONSUMER_SHUTTING_DOWN] = BIT(WI_CONSUMER_SHUTDOWN_COMPLETE),
    [WI_CONSUMER_SHUTDOWN_COMPLETE] = 0,
};
_Static_assert(WI_ARRAY_LENGTH(allowed) == WI_CONSUMER_STATES, "one row for each state");

/* Which event ends which action; WAIT and DONE are ended by none. */
static const enum wi_consumer_event_type ended_by[] = {
    [WI_CONSUMER_WAIT] = WI_CONSUMER_STEP,
    [WI_CONSUMER_CALL_INITIALIZE] = WI_CONSUMER_INITIALIZED,
    [WI_CONSUMER_FETCH] = WI_CONSUMER_FETCHED,
    [WI_CONSUMER_ANCHOR] = WI_CONSUMER_ANCHORED,
    [WI_CONSUMER_CALL_PROCESS_RECORDS] = WI_CONSUMER_PROCESSED,
    [WI_CONSUMER_CALL_LEASE_LOST] = WI_CONSUMER_CALL_RETURNED,
    [WI_CONSUMER_CALL_SHARD_ENDED] = WI_CONSUMER_CALL_RETURNED,
    [WI_CONSUMER_CALL_SHUTDOWN_REQUESTED] = WI_CONSUMER_CALL_RETURNED,
    [WI_CONSUMER_FINISH_SHARD] = WI_CONSUMER_FINISHED,
    [WI_CONSUMER_RELEASE] = WI_CONSUMER_RELEASED,
    [WI_CONSUMER_DONE] = WI_CONSUMER_STEP,
};

static void
move(struct wi_consumer *c, enum wi_consumer_state next)
{
    WEIR_ASSERT((allowed[c->state] & BIT(next)) != 0);
    c->state = next;
}

/* --- positions --- */

static bool
is_unresolved(const struct weir_position *position)
{
    return position->type == WEIR_LATEST || position->type == WEIR_AT_TIMESTAMP;
}

static bool
is_numbered(const struct weir_position *position)
{
    return position->type == WEIR_AT_SEQUENCE_NUMBER ||
           position->type == WEIR_AFTER_SEQUENCE_NUMBER;
}

/* The place just before a record, as a checkpoint: the next owner starts with that record. The very
 * first number there is has no place before it; then the record itself is named, for fetches. */
static struct weir_position
just_before(const struct weir_position *record)
{
    struct weir_position place = {
        .type = WEIR_AFTER_SEQUENCE_NUMBER,
        .sequence_number = record->sequence_number,
        .sub_sequence_number = record->sub_sequence_number,
    };

    if (place.sub_sequence_number > 0) {
        place.sub_sequence_number--;
        return place;
    }
    if (wi_sequence_number_is_zero(&place.sequence_number)) {
        place.type = WEIR_AT_SEQUENCE_NUMBER;
        return place;
    }
    for (size_t i = WI_ARRAY_LENGTH(place.sequence_number.word); i > 0; i--) {
        if (place.sequence_number.word[i - 1]-- > 0) {
            break;
        }
    }
    place.sub_sequence_number = UINT64_MAX;
    return place;
}

/* --- note: events become facts --- */

/* Wait as after `failures` failures in a row: exponential, full jitter (S17). */
static void
back_off(struct wi_consumer *c, struct weir_mono now, uint32_t failures)
{
    WEIR_ASSERT(c->settings->retry_base_ms >= 0);
    c->not_before = wi_mono_add_ms(
        now,
        wi_backoff_ms(
            failures,
            c->settings->retry_base_ms,
            c->settings->retry_cap_ms,
            wi_pcg_next64(&c->random)));
}

static void
fail(struct wi_consumer *c, struct weir_mono now)
{
    if (c->failures < UINT32_MAX) {
        c->failures++;
    }
    back_off(c, now, c->failures);
}

/* True if the action succeeded; else its next try waits. */
static bool
succeeded(struct wi_consumer *c, const struct wi_consumer_event *event)
{
    if (event->error != WEIR_OK) {
        fail(c, event->now);
        return false;
    }
    c->failures = 0;
    return true;
}

/* The same for a write to the lease's row, which may be refused for good (S2). */
static bool
was_written(struct wi_consumer *c, const struct wi_consumer_event *event)
{
    if (event->error == WEIR_ELEASELOST || event->error == WEIR_ESESSIONLOST) {
        c->lease_lost = true;
        return false;
    }
    return succeeded(c, event);
}

/* The first fetch says what LATEST or AT_TIMESTAMP means: pin it down in the table before anything
 * is processed, or the next owner resolves it anew and skips records (S12). Records that came with
 * the answer are read again after that. */
static void
note_resolved(struct wi_consumer *c, const struct wi_consumer_event *event)
{
    WEIR_ASSERT(is_unresolved(&c->fetch_from));
    WEIR_ASSERT(!c->needs_anchor);
    c->anchor = event->count > 0 ? just_before(&event->first) : event->next;
    c->needs_anchor = c->anchor.type == WEIR_AFTER_SEQUENCE_NUMBER;
    c->fetch_from = c->anchor;
}

static void
note_empty_fetch(struct wi_consumer *c, const struct wi_consumer_event *event)
{
    WEIR_ASSERT(event->error == WEIR_OK);
    WEIR_ASSERT(event->count == 0);
    c->fetch_from = event->next;
    c->at_shard_end = event->at_shard_end;
    c->attempt = 1;
    c->failures = 0;
    c->poll_at = wi_mono_add_ms(
        event->now, event->retry_after_ms > 0 ? event->retry_after_ms : c->settings->idle_poll_ms);
}

static void
note_fetched(struct wi_consumer *c, const struct wi_consumer_event *event)
{
    bool is_damaged = event->error == WEIR_ECORRUPT;

    WEIR_ASSERT(c->batch_count == 0);
    c->poll_at = wi_mono_add_ms(event->now, event->retry_after_ms); /* S6 */
    if (event->error == WEIR_ETRIMMED && event->at_shard_end) {     /* S10: the shard is gone */
        c->at_shard_end = true;
        c->failures = 0;
        return;
    }
    if (event->error == WEIR_ETRIMMED && is_numbered(&c->fetch_from)) { /* S10 */
        c->fetch_from = event->next;
        c->attempt = 1;
        return;
    }
    if (event->error == WEIR_EBUSY) { /* S9: the fetch did not even begin */
        back_off(c, event->now, 1);
        return;
    }
    if (event->error != WEIR_OK && !(is_damaged && event->count > 0)) { /* S9, S11 */
        fail(c, event->now);
        return;
    }
    if (is_unresolved(&c->fetch_from)) {
        note_resolved(c, event);
    }
    if (event->count == 0) {
        note_empty_fetch(c, event);
        return;
    }
    if (c->needs_anchor) {
        return;
    }
    /* A batch that has failed keeps its count of failures until it is through. */
    c->failures = c->attempt > 1 ? c->failures : 0;
    c->batch_count = event->count;
    c->batch_last = event->last;
    c->batch_next = is_damaged ? event->last : event->next;
    c->batch_at_shard_end = !is_damaged && event->at_shard_end;
}

static void
note_anchored(struct wi_consumer *c, const struct wi_consumer_event *event)
{
    WEIR_ASSERT(c->needs_anchor);
    WEIR_ASSERT(c->anchor.type == WEIR_AFTER_SEQUENCE_NUMBER);
    if (was_written(c, event)) {
        c->needs_anchor = false;
        wi_checkpoint_tracker_init(&c->tracker, &c->anchor);
    }
}

static void
note_processed(struct wi_consumer *c, const struct wi_consumer_event *event)
{
    WEIR_ASSERT(c->batch_count > 0);
    WEIR_ASSERT(event->error == WEIR_OK || event->processed <= c->batch_count);
    if (event->error == WEIR_OK) { /* S7 */
        wi_checkpoint_tracker_processed(&c->tracker, &c->batch_last, c->batch_count);
        c->fetch_from = c->batch_next;
        c->at_shard_end = c->batch_at_shard_end;
        c->attempt = 1;
        c->failures = 0;
    } else if (event->processed > 0) { /* S8: the next try starts with another record */
        wi_checkpoint_tracker_processed(&c->tracker, &event->processed_through, event->processed);
        c->fetch_from = event->processed_through;
        c->attempt = 1;
        c->failures = 0;
        fail(c, event->now);
    } else {
        c->attempt += c->attempt < UINT32_MAX ? 1 : 0;
        fail(c, event->now);
    }
    c->batch_count = 0;
}

static void
note_released(struct wi_consumer *c, const struct wi_consumer_event *event)
{
    WEIR_ASSERT(!c->released);
    if (event->error == WEIR_EINVAL) {
        /* The row is further than the final checkpoint: the next try goes without (S16). */
        c->needs_anchor = false;
        if (wi_checkpoint_tracker_is_dirty(&c->tracker)) {
            wi_checkpoint_tracker_written(&c->tracker, &c->tracker.processed);
        }
    }
    c->released = was_written(c, event);
}

/* The action in flight has ended. */
static void
note_result(struct wi_consumer *c, const struct wi_consumer_event *event)
{
    enum wi_consumer_action_type ended = c->in_flight;

    WEIR_ASSERT(ended != WI_CONSUMER_WAIT);
    WEIR_ASSERT(ended_by[ended] == event->type);
    c->in_flight = WI_CONSUMER_WAIT;
    switch (ended) {
    case WI_CONSUMER_CALL_INITIALIZE:
        c->initialized = succeeded(c, event);
        break;
    case WI_CONSUMER_FETCH:
        note_fetched(c, event);
        break;
    case WI_CONSUMER_ANCHOR:
        note_anchored(c, event);
        break;
    case WI_CONSUMER_CALL_PROCESS_RECORDS:
        note_processed(c, event);
        break;
    case WI_CONSUMER_CALL_SHARD_ENDED:
        c->final_call_made = succeeded(c, event);
        break;
    case WI_CONSUMER_FINISH_SHARD:
        c->shard_finished = was_written(c, event);
        break;
    case WI_CONSUMER_RELEASE:
        note_released(c, event);
        break;
    case WI_CONSUMER_CALL_LEASE_LOST:
    case WI_CONSUMER_CALL_SHUTDOWN_REQUESTED:
    case WI_CONSUMER_WAIT:
    case WI_CONSUMER_DONE:
        break;
    }
}

static void
note(struct wi_consumer *c, const struct wi_consumer_event *event)
{
    switch (event->type) {
    case WI_CONSUMER_STEP:
        break;
    case WI_CONSUMER_PARENTS_FINISHED:
        c->parents_finished = true;
        break;
    case WI_CONSUMER_WAKE:
        c->wake = true;
        break;
    case WI_CONSUMER_STOP:
        c->stop_requested = true;
        break;
    case WI_CONSUMER_LEASE_LOST:
        c->lease_lost = true;
        break;
    case WI_CONSUMER_INITIALIZED:
    case WI_CONSUMER_ANCHORED:
    case WI_CONSUMER_FETCHED:
    case WI_CONSUMER_PROCESSED:
    case WI_CONSUMER_CALL_RETURNED:
    case WI_CONSUMER_FINISHED:
    case WI_CONSUMER_RELEASED:
        note_result(c, event);
        break;
    }
    if (!wi_mono_before(event->now, event->deadline)) { /* S2 */
        c->lease_lost = true;
    }
}

/* --- decide: facts become the one next action --- */

static struct wi_consumer_action
wait_until(const struct wi_consumer_event *event, struct weir_mono until)
{
    return (struct wi_consumer_action){.type = WI_CONSUMER_WAIT,
                                       .until = wi_mono_earlier(until, event->deadline)}; /* S18 */
}

static struct wi_consumer_action
start(struct wi_consumer *c, enum wi_consumer_action_type type)
{
    WEIR_ASSERT(c->in_flight == WI_CONSUMER_WAIT);
    WEIR_ASSERT(type != WI_CONSUMER_WAIT && type != WI_CONSUMER_DONE);
    c->in_flight = type;
    return (struct wi_consumer_action){.type = type};
}

/* Start what may have failed before, unless its back-off still runs. */
static struct wi_consumer_action
start_or_back_off(
    struct wi_consumer *c, const struct wi_consumer_event *event, enum wi_consumer_action_type type)
{
    return wi_mono_before(event->now, c->not_before) ? wait_until(event, c->not_before)
                                                     : start(c, type);
}

static struct wi_consumer_action
complete(struct wi_consumer *c)
{
    move(c, WI_CONSUMER_SHUTDOWN_COMPLETE);
    return (struct wi_consumer_action){.type = WI_CONSUMER_DONE};
}

/* The final checkpoint: what is processed, in automatic mode; a position that LATEST was resolved
 * to, in both, because the next owner would resolve it anew (S12, S16). */
static struct wi_consumer_action
release(struct wi_consumer *c, const struct wi_consumer_event *event)
{
    struct wi_consumer_action action = start_or_back_off(c, event, WI_CONSUMER_RELEASE);

    if (action.type != WI_CONSUMER_RELEASE) {
        return action;
    }
    action.handed_through = c->tracker.delivered;
    if (c->reason == WI_SHUTDOWN_SHARD_END) {
        return action;
    }
    if (c->needs_anchor) {
        action.has_checkpoint = true;
        action.checkpoint = c->anchor;
    } else if (c->settings->automatic_checkpoints && wi_checkpoint_tracker_is_dirty(&c->tracker)) {
        action.has_checkpoint = true;
        action.checkpoint = c->tracker.processed;
    }
    return action;
}

/* Finish what the reason asks for; a lost lease ends all of it, with at most one call. */
static struct wi_consumer_action
decide_shutting_down(struct wi_consumer *c, const struct wi_consumer_event *event)
{
    WEIR_ASSERT(c->reason != WI_SHUTDOWN_NONE);
    if (c->released) {
        return complete(c);
    }
    if (c->lease_lost) {
        c->reason = WI_SHUTDOWN_LEASE_LOST;
        if (!c->initialized || c->final_call_made) {
            return complete(c);
        }
        c->final_call_made = true;
        return start(c, WI_CONSUMER_CALL_LEASE_LOST);
    }
    WEIR_ASSERT(c->final_call_made || !c->initialized);
    if (c->reason == WI_SHUTDOWN_SHARD_END && !c->shard_finished) {
        return start_or_back_off(c, event, WI_CONSUMER_FINISH_SHARD);
    }
    return release(c, event);
}

static struct wi_consumer_action
shut_down(
    struct wi_consumer *c, const struct wi_consumer_event *event, enum wi_shutdown_reason reason)
{
    c->reason = reason;
    c->failures = 0;
    c->not_before = event->now;
    move(c, WI_CONSUMER_SHUTTING_DOWN);
    return decide_shutting_down(c, event);
}

/* Entered for a stop: one call, then the belief in the lease is dropped before the release (R6). */
static struct wi_consumer_action
decide_shutdown_requested(struct wi_consumer *c, const struct wi_consumer_event *event)
{
    WEIR_ASSERT(c->stop_requested);
    WEIR_ASSERT(c->initialized);
    if (c->final_call_made || c->lease_lost) {
        return shut_down(c, event, c->lease_lost ? WI_SHUTDOWN_LEASE_LOST : WI_SHUTDOWN_STOP);
    }
    c->final_call_made = true;
    return start(c, WI_CONSUMER_CALL_SHUTDOWN_REQUESTED);
}

/* Read on, unless the last read found nothing and no news has come since (S6). */
static struct wi_consumer_action
fetch(struct wi_consumer *c, const struct wi_consumer_event *event)
{
    struct wi_consumer_action action;

    if (!c->wake && wi_mono_before(event->now, c->poll_at)) {
        return wait_until(event, c->poll_at);
    }
    action = start_or_back_off(c, event, WI_CONSUMER_FETCH);
    if (action.type == WI_CONSUMER_FETCH) {
        c->wake = false;
        c->poll_at = event->now;
        action.position = c->fetch_from;
    }
    return action;
}

/* Hand the batch in memory to the record processor. */
static struct wi_consumer_action
process(struct wi_consumer *c)
{
    struct wi_consumer_action action = start(c, WI_CONSUMER_CALL_PROCESS_RECORDS);

    WEIR_ASSERT(c->batch_count > 0);
    WEIR_ASSERT(!c->needs_anchor);
    wi_checkpoint_tracker_delivered(&c->tracker, &c->batch_last);
    action.attempt = c->attempt;
    return action;
}

/* Feed the record processor one batch at a time; a lost lease outranks every other fact. */
static struct wi_consumer_action
decide_processing(struct wi_consumer *c, const struct wi_consumer_event *event)
{
    struct wi_consumer_action action;

    WEIR_ASSERT(c->initialized);
    if (c->lease_lost) {
        return shut_down(c, event, WI_SHUTDOWN_LEASE_LOST);
    }
    if (c->final_call_made) { /* shard_ended has returned OK */
        return shut_down(c, event, WI_SHUTDOWN_SHARD_END);
    }
    if (c->stop_requested) {
        move(c, WI_CONSUMER_SHUTDOWN_REQUESTED);
        return decide_shutdown_requested(c, event);
    }
    if (c->needs_anchor) {
        action = start_or_back_off(c, event, WI_CONSUMER_ANCHOR);
        action.position = c->anchor;
        return action;
    }
    if (c->batch_count > 0) {
        return process(c);
    }
    return c->at_shard_end ? start_or_back_off(c, event, WI_CONSUMER_CALL_SHARD_ENDED)
                           : fetch(c, event);
}

static struct wi_consumer_action
decide_initializing(struct wi_consumer *c, const struct wi_consumer_event *event)
{
    WEIR_ASSERT(c->parents_finished);
    if (c->lease_lost) {
        return shut_down(c, event, WI_SHUTDOWN_LEASE_LOST);
    }
    if (c->initialized) {
        move(c, WI_CONSUMER_PROCESSING);
        return decide_processing(c, event);
    }
    if (c->stop_requested) {
        return shut_down(c, event, WI_SHUTDOWN_STOP);
    }
    return start_or_back_off(c, event, WI_CONSUMER_CALL_INITIALIZE);
}

static struct wi_consumer_action
decide_waiting_on_parent_shards(struct wi_consumer *c, const struct wi_consumer_event *event)
{
    WEIR_ASSERT(!c->initialized);
    if (c->lease_lost) {
        return shut_down(c, event, WI_SHUTDOWN_LEASE_LOST);
    }
    if (c->stop_requested) {
        return shut_down(c, event, WI_SHUTDOWN_STOP);
    }
    if (!c->parents_finished) {
        return wait_until(event, WI_MONO_NEVER);
    }
    move(c, WI_CONSUMER_INITIALIZING);
    return decide_initializing(c, event);
}

static struct wi_consumer_action
decide(struct wi_consumer *c, const struct wi_consumer_event *event)
{
    WEIR_ASSERT(c->in_flight == WI_CONSUMER_WAIT);
    switch (c->state) {
    case WI_CONSUMER_WAITING_ON_PARENT_SHARDS:
        return decide_waiting_on_parent_shards(c, event);
    case WI_CONSUMER_INITIALIZING:
        return decide_initializing(c, event);
    case WI_CONSUMER_PROCESSING:
        return decide_processing(c, event);
    case WI_CONSUMER_SHUTDOWN_REQUESTED:
        return decide_shutdown_requested(c, event);
    case WI_CONSUMER_SHUTTING_DOWN:
        return decide_shutting_down(c, event);
    case WI_CONSUMER_SHUTDOWN_COMPLETE:
    case WI_CONSUMER_STATES:
        break;
    }
    WEIR_ASSERT(c->state == WI_CONSUMER_SHUTDOWN_COMPLETE);
    return (struct wi_consumer_action){.type = WI_CONSUMER_DONE};
}

/* --- the three functions of the header --- */

void
wi_consumer_init(
    struct wi_consumer *consumer,
    const struct wi_consumer_settings *settings,
    const struct weir_position *checkpoint,
    uint64_t random_seed)
{
    WEIR_ASSERT(settings->idle_poll_ms > 0);
    WEIR_ASSERT(checkpoint->type != WEIR_SHARD_END);
    *consumer = (struct wi_consumer){
        .settings = settings,
        .state = WI_CONSUMER_WAITING_ON_PARENT_SHARDS,
        .in_flight = WI_CONSUMER_WAIT,
        .fetch_from = *checkpoint,
        .attempt = 1,
    };
    wi_checkpoint_tracker_init(&consumer->tracker, checkpoint);
    wi_pcg_seed(&consumer->random, random_seed, 0);
}

struct wi_consumer_action
wi_consumer_step(struct wi_consumer *consumer, const struct wi_consumer_event *event)
{
    WEIR_ASSERT(consumer->state < WI_CONSUMER_STATES);
    note(consumer, event);
    if (consumer->in_flight != WI_CONSUMER_WAIT) { /* S1 */
        return (struct wi_consumer_action){.type = WI_CONSUMER_WAIT, .until = WI_MONO_NEVER};
    }
    return decide(consumer, event);
}

bool
wi_consumer_is_blocked(const struct wi_consumer *consumer)
{
    WEIR_ASSERT(consumer->state < WI_CONSUMER_STATES);
    return consumer->failures > 0 && consumer->state != WI_CONSUMER_SHUTDOWN_COMPLETE;
}

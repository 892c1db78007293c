/* The checker: takes events, asks the parts. */
#include "sim/checker.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

#include "core/check.h"
#include "core/memory.h"
#include "sim/checker_parts.h"
#include "sim/checker_state.h"
#include "sim/history.h"

#define BOUND_MS_MAX INT64_C(1000000000) /* eleven days */

/* What an event of a kind must name. */
enum need {
    NEED_SHARD = 1,   /* one that exists */
    NEED_WORKER = 2,  /* one that has joined */
    NEED_RUNNING = 4, /* and whose process has not ended, nor stands still */
    NEED_EPOCH = 8,
    NEED_FIRST = 16,
    NEED_RANGE = 32, /* first <= last, count and attempt are there */
    NEED_LAST = 64,
    NEED_KEY = 128
};

#define NEED_CALL ((unsigned)NEED_SHARD | NEED_WORKER | NEED_RUNNING | NEED_EPOCH)

static const unsigned needs[WI_HISTORY_KINDS] = {
    [WI_HISTORY_PUT] = (unsigned)NEED_SHARD | NEED_FIRST | NEED_KEY,
    [WI_HISTORY_SHARD] = 0,
    [WI_HISTORY_CLOSE] = NEED_SHARD,
    [WI_HISTORY_TRIM] = (unsigned)NEED_SHARD | NEED_LAST,
    [WI_HISTORY_ROW] = NEED_SHARD,
    [WI_HISTORY_ROW_DELETED] = NEED_SHARD,
    [WI_HISTORY_REFUSED] = (unsigned)NEED_SHARD | NEED_WORKER,
    [WI_HISTORY_LEADER] = 0,
    [WI_HISTORY_HOLD] = NEED_CALL,
    [WI_HISTORY_DROP] = NEED_CALL,
    [WI_HISTORY_INITIALIZE] = NEED_CALL,
    [WI_HISTORY_BEGIN] = NEED_CALL | NEED_RANGE,
    [WI_HISTORY_END] = NEED_CALL,
    [WI_HISTORY_LEASE_LOST] = NEED_CALL,
    [WI_HISTORY_SHARD_ENDED] = NEED_CALL,
    [WI_HISTORY_SHUTDOWN] = NEED_CALL,
    [WI_HISTORY_DESTROY] = NEED_CALL,
    [WI_HISTORY_CHECKPOINT] = NEED_CALL,
    [WI_HISTORY_EFFECT] = (unsigned)NEED_SHARD | NEED_EPOCH,
    [WI_HISTORY_DEAD_LETTER] = (unsigned)NEED_SHARD | NEED_FIRST,
    [WI_HISTORY_WORKER] = 0,
    [WI_HISTORY_FAULT] = 0,
    [WI_HISTORY_HEALED] = 0,
    [WI_HISTORY_QUIET] = 0,
    [WI_HISTORY_UNLISTED] = NEED_SHARD,
    [WI_HISTORY_LEAVING] = NEED_WORKER,
    [WI_HISTORY_GONE] = NEED_WORKER,
    [WI_HISTORY_HANG] = NEED_WORKER,
    [WI_HISTORY_PROCESSED] = NEED_CALL | NEED_LAST,
};

enum weir_error
wi_checker_new(
    const struct weir_env *env, const struct wi_checker_settings *settings, struct wi_checker **ret)
{
    const int64_t bounds[] = {
        settings->lease_duration_ms,
        settings->crash_takeover_ms,
        settings->hang_takeover_ms,
        settings->balance_ms,
        settings->progress_ms,
        settings->reshard_ms,
        settings->stop_ms,
    };
    struct wi_checker *checker;

    for (size_t i = 0; i < WI_ARRAY_LENGTH(bounds); i++) {
        if (bounds[i] < 0 || bounds[i] > BOUND_MS_MAX) {
            return WEIR_EINVAL;
        }
    }
    checker = wi_alloc(env, sizeof *checker);
    if (checker == NULL) {
        return WEIR_ENOMEM;
    }
    *checker = (struct wi_checker){
        .env = env,
        .settings = *settings,
        .healed_ns = WI_CHECK_NEVER,
        .membership_ns = WI_CHECK_NEVER,
        .hang_ns = WI_CHECK_NEVER,
        .disturbed_ns = WI_CHECK_NEVER,
    };
    *ret = checker;
    return WEIR_OK;
}

void
wi_checker_free(struct wi_checker *checker)
{
    if (checker != NULL) {
        wi_check_state_free(checker);
        wi_free(checker->env, checker);
    }
}

/* Does the event lack a number that its kind needs? */
static bool
lacks_numbers(const struct wi_history_event *event)
{
    unsigned need = needs[event->kind];

    return ((need & NEED_EPOCH) != 0 && event->epoch == 0) ||
           ((need & NEED_FIRST) != 0 && event->first == 0) ||
           ((need & NEED_LAST) != 0 && event->last == 0) ||
           ((need & NEED_KEY) != 0 && event->key == 0);
}

static bool
is_no_batch(const struct wi_history_event *event)
{
    return (needs[event->kind] & NEED_RANGE) != 0 &&
           (event->first == 0 || event->last < event->first || event->count == 0 ||
            event->attempt == 0);
}

/* What is wrong with the numbers of the event itself; NULL: nothing. */
static const char *
flaw_of_numbers(const struct wi_history_event *event)
{
    if (event->worker > WI_HISTORY_WORKERS_MAX || event->writer > WI_HISTORY_WORKERS_MAX) {
        return "the number of a worker is too large";
    }
    if (event->shard > WI_HISTORY_SHARDS_MAX || event->key > WI_HISTORY_KEYS_MAX) {
        return "the number of a shard or key is too large";
    }
    if ((event->kind == WI_HISTORY_SHARD && event->shard == 0) ||
        (event->kind == WI_HISTORY_WORKER && event->worker == 0)) {
        return "its number is missing";
    }
    if (lacks_numbers(event)) {
        return "epoch, sequence number or key is missing";
    }
    return is_no_batch(event) ? "a batch needs first, last, count and attempt" : NULL;
}

/* The same of the worker that it names. */
static const char *
flaw_of_worker(const struct wi_history_event *event, const struct wi_check_worker *worker)
{
    unsigned need = needs[event->kind];
    bool makes_one = event->kind == WI_HISTORY_WORKER || event->kind == WI_HISTORY_FAULT;

    if (worker == NULL) {
        return (need & NEED_WORKER) != 0 || (event->worker != 0 && !makes_one)
                   ? "there is no such worker"
                   : NULL;
    }
    if ((need & NEED_WORKER) != 0 && worker->gone && event->kind != WI_HISTORY_REFUSED) {
        return "the worker's process has ended";
    }
    return (need & NEED_RUNNING) != 0 && worker->hanging ? "the worker stands still" : NULL;
}

/* The same of what was there before. */
static const char *
flaw_of_place(const struct wi_checker *checker, const struct wi_history_event *event)
{
    if ((needs[event->kind] & NEED_SHARD) != 0 &&
        wi_check_shard_of(checker, event->shard) == NULL) {
        return "there is no such shard";
    }
    if (event->time_ns < checker->now_ns) {
        return "time goes back";
    }
    return checker->quiet ? "an event after QUIET"
                          : flaw_of_worker(event, wi_check_worker_of(checker, event->worker));
}

/* H1: the event can stand here. */
static bool
h1_history(struct wi_checker *checker, const struct wi_history_event *event)
{
    const char *flaw =
        (unsigned)event->kind >= WI_HISTORY_KINDS ? "no such kind" : flaw_of_numbers(event);

    if (flaw == NULL) {
        flaw = flaw_of_place(checker, event);
    }
    return flaw == NULL ? true : wi_check_break(checker, "H1", "%s", flaw);
}

/* Events of the table and of beliefs. */
static bool
feed_lease(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard)
{
    if (event->kind == WI_HISTORY_ROW) {
        return wi_check_row_event(checker, event, shard);
    }
    if (event->kind == WI_HISTORY_ROW_DELETED) {
        return wi_check_row_deleted_event(checker, event, shard);
    }
    if (event->kind == WI_HISTORY_REFUSED) {
        return wi_check_refused_event(checker, event, shard);
    }
    if (event->kind == WI_HISTORY_LEADER) {
        return wi_check_leader_event(checker, event);
    }
    return event->kind == WI_HISTORY_HOLD ? wi_check_hold_event(checker, event, shard)
                                          : wi_check_drop_event(checker, event, shard);
}

/* Events of workers and of faults. */
static bool
feed_world(struct wi_checker *checker, const struct wi_history_event *event)
{
    struct wi_check_worker *worker = wi_check_worker_of(checker, event->worker);

    if (event->kind == WI_HISTORY_WORKER) {
        return wi_check_worker_event(checker, event);
    }
    if (event->kind == WI_HISTORY_LEAVING) {
        return wi_check_leaving_event(checker, worker);
    }
    if (event->kind == WI_HISTORY_GONE) {
        return wi_check_gone_event(checker, worker);
    }
    if (event->kind == WI_HISTORY_HANG) {
        return wi_check_hang_event(checker, event, worker);
    }
    return event->kind == WI_HISTORY_FAULT ? wi_check_fault_event(checker, event)
                                           : wi_check_healed_event(checker);
}

/* Events of the stream. */
static bool
feed_stream(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard)
{
    if (event->kind == WI_HISTORY_PUT) {
        return wi_check_put_event(checker, event, shard);
    }
    if (event->kind == WI_HISTORY_SHARD) {
        return wi_check_shard_event(checker, event, shard);
    }
    if (event->kind == WI_HISTORY_TRIM) {
        return wi_check_trim_event(checker, event, shard);
    }
    if (event->kind == WI_HISTORY_CLOSE) {
        shard->closed = true;
    } else {
        shard->unlisted = true;
        wi_check_refresh_children(checker, shard);
    }
    return true;
}

static bool
feed(struct wi_checker *checker, const struct wi_history_event *event)
{
    struct wi_check_shard *shard = wi_check_shard_of(checker, event->shard);

    switch (event->kind) {
    case WI_HISTORY_PUT:
    case WI_HISTORY_SHARD:
    case WI_HISTORY_TRIM:
    case WI_HISTORY_CLOSE:
    case WI_HISTORY_UNLISTED:
        return feed_stream(checker, event, shard);
    case WI_HISTORY_ROW:
    case WI_HISTORY_ROW_DELETED:
    case WI_HISTORY_REFUSED:
    case WI_HISTORY_LEADER:
    case WI_HISTORY_HOLD:
    case WI_HISTORY_DROP:
        return feed_lease(checker, event, shard);
    case WI_HISTORY_INITIALIZE:
        return wi_check_initialize_event(checker, event, shard);
    case WI_HISTORY_BEGIN:
        return wi_check_begin_event(checker, event, shard);
    case WI_HISTORY_END:
        return wi_check_end_event(checker, event, shard);
    case WI_HISTORY_PROCESSED:
        return wi_check_processed_event(checker, event, shard);
    case WI_HISTORY_LEASE_LOST:
    case WI_HISTORY_SHARD_ENDED:
    case WI_HISTORY_SHUTDOWN:
        return wi_check_final_event(checker, event, shard);
    case WI_HISTORY_DESTROY:
        return wi_check_destroy_event(checker, event, shard);
    case WI_HISTORY_CHECKPOINT:
        return wi_check_checkpoint_event(checker, event, shard);
    case WI_HISTORY_EFFECT:
        return wi_check_effect_event(checker, event, shard);
    case WI_HISTORY_DEAD_LETTER:
        return wi_check_dead_letter_event(checker, event, shard);
    case WI_HISTORY_WORKER:
    case WI_HISTORY_LEAVING:
    case WI_HISTORY_GONE:
    case WI_HISTORY_HANG:
    case WI_HISTORY_FAULT:
    case WI_HISTORY_HEALED:
        return feed_world(checker, event);
    case WI_HISTORY_QUIET:
        return wi_check_quiet_event(checker);
    case WI_HISTORY_KINDS:
        break;
    }
    return wi_check_break(checker, "H1", "no such kind");
}

bool
wi_checker_feed(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    struct wi_violation *ret_violation)
{
    bool holds = false;

    if (!checker->broken && h1_history(checker, event)) {
        checker->now_ns = event->time_ns;
        holds = wi_check_time(checker) && feed(checker, event);
    }
    if (!holds) {
        WEIR_ASSERT(checker->broken);
        *ret_violation = checker->violation;
        return false;
    }
    checker->event++;
    return true;
}

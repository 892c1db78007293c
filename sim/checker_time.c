/*
 * What must happen before long: liveness. Everything here is demanded only after HEALED, while at
 * least one worker could do it, and within the bounds of the settings. A timer runs for each thing
 * that is to happen; lists are in order of time, so one look at the head of each is enough.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/check.h"
#include "sim/checker_parts.h"
#include "sim/checker_state.h"
#include "sim/history.h"

static int64_t
later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static struct wi_check_timers *
orphans_of(struct wi_checker *checker, const struct wi_check_shard *shard)
{
    return shard->crashed ? &checker->crashed : &checker->hung;
}

/* --- timers of a shard ----------------------------------------------------------------------- */

static void
run_if(
    const struct wi_checker *checker,
    struct wi_check_timers *timers,
    struct wi_check_timer *timer,
    bool wanted)
{
    if (!wanted) {
        wi_check_timer_stop(timers, timer);
    } else if (!timer->running) {
        wi_check_timer_start(timers, timer, checker->now_ns);
    }
}

void
wi_check_refresh(struct wi_checker *checker, struct wi_check_shard *shard)
{
    bool could = !shard->orphaned.running && wi_check_is_startable(checker, shard);
    bool is_early = checker->settings.starts_at_time && shard->row.unresolved;
    bool is_child = shard->parents[0] != 0 || shard->parents[1] != 0;

    run_if(
        checker,
        &checker->stalled,
        &shard->stalled,
        could && !is_early && shard->undone > 0 && shard->row.owner != 0);
    run_if(
        checker, &checker->waiting, &shard->waiting, could && is_child && shard->life_epoch == 0);
}

void
wi_check_refresh_children(struct wi_checker *checker, const struct wi_check_shard *shard)
{
    for (struct wi_check_shard *child = wi_check_next_child(checker, shard, NULL); child != NULL;
         child = wi_check_next_child(checker, shard, child)) {
        wi_check_refresh(checker, child);
    }
}

void
wi_check_progress(struct wi_checker *checker, struct wi_check_shard *shard)
{
    wi_check_timer_stop(&checker->stalled, &shard->stalled);
    wi_check_refresh(checker, shard);
}

void
wi_check_taken_over(struct wi_checker *checker, struct wi_check_shard *shard)
{
    wi_check_timer_stop(orphans_of(checker, shard), &shard->orphaned);
    wi_check_refresh(checker, shard);
}

/* The owner has ended or stands still: somebody else must take over. The shorter bound holds for a
 * process that has ended, if nothing else was wrong lately. */
static void
orphan(struct wi_checker *checker, struct wi_check_shard *shard, bool crashed)
{
    int64_t lately_ns = checker->settings.hang_takeover_ms * WI_CHECK_NS_PER_MS;
    bool calm =
        checker->hanging == 0 && checker->healed_ns != WI_CHECK_NEVER &&
        (checker->hang_ns == WI_CHECK_NEVER || checker->now_ns - checker->hang_ns > lately_ns);

    wi_check_timer_stop(orphans_of(checker, shard), &shard->orphaned);
    shard->crashed = crashed && calm;
    wi_check_timer_start(orphans_of(checker, shard), &shard->orphaned, checker->now_ns);
    wi_check_refresh(checker, shard);
}

/* --- faults and members ---------------------------------------------------------------------- */

static void
disturb(struct wi_checker *checker)
{
    checker->disturbed_ns = checker->now_ns;
    checker->balance_checked = false;
}

void
wi_check_membership_changed(struct wi_checker *checker)
{
    checker->membership_ns = checker->now_ns;
    disturb(checker);
}

static bool
is_usable(const struct wi_check_worker *worker)
{
    return !worker->gone && !worker->hanging && !worker->leaving;
}

bool
wi_check_worker_event(struct wi_checker *checker, const struct wi_history_event *event)
{
    struct wi_check_worker *worker = wi_check_worker_of(checker, event->worker);

    if (worker != NULL) {
        return wi_check_break(
            checker, "H1", "worker %" PRIu32 " joined already: R8", event->worker);
    }
    worker = wi_check_worker_add(checker, event->worker);
    if (worker == NULL) {
        return wi_check_break(checker, "H1", "no memory is left for a worker");
    }
    worker->healthy_ns = checker->now_ns;
    checker->usable++;
    wi_check_membership_changed(checker);
    return true;
}

bool
wi_check_leaving_event(struct wi_checker *checker, struct wi_check_worker *worker)
{
    checker->usable -= is_usable(worker) ? 1 : 0;
    worker->leaving = true;
    run_if(checker, &checker->leaving, &worker->leaving_timer, worker->rows > 0);
    wi_check_membership_changed(checker);
    return true;
}

/* Every shard that `worker` owns is without somebody who works on it. */
static void
orphan_all(struct wi_checker *checker, const struct wi_check_worker *worker, bool crashed)
{
    for (uint32_t i = 1; i <= checker->shards_capacity && worker->unfinished > 0; i++) {
        struct wi_check_shard *shard = wi_check_shard_of(checker, i);

        if (shard != NULL && shard->row.owner == worker->number && !shard->row.finished) {
            orphan(checker, shard, crashed);
        }
    }
}

bool
wi_check_gone_event(struct wi_checker *checker, struct wi_check_worker *worker)
{
    checker->usable -= is_usable(worker) ? 1 : 0;
    if (worker->hanging) {
        WEIR_ASSERT(checker->hanging > 0);
        checker->hanging--;
        checker->hang_ns = checker->now_ns;
        worker->hanging = false;
    }
    worker->gone = true;
    wi_check_timer_stop(&checker->leaving, &worker->leaving_timer);
    wi_check_membership_changed(checker);
    orphan_all(checker, worker, true);
    return true;
}

/* From now on nobody can say who notices a crash, and when: the longer bound holds. */
static void
lengthen_bounds(struct wi_checker *checker)
{
    while (checker->crashed.first != NULL) {
        orphan(checker, wi_check_shard_of(checker, checker->crashed.first->number), false);
    }
}

bool
wi_check_hang_event(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    struct wi_check_worker *worker)
{
    if (event->on == worker->hanging) {
        return wi_check_break(
            checker,
            "H1",
            "worker %" PRIu32 " %s already",
            worker->number,
            event->on ? "stands still" : "goes on");
    }
    checker->usable -= is_usable(worker) ? 1 : 0;
    worker->hanging = event->on;
    checker->usable += is_usable(worker) ? 1 : 0;
    checker->hang_ns = checker->now_ns;
    worker->healthy_ns = checker->now_ns;
    wi_check_membership_changed(checker);
    if (event->on) {
        checker->hanging++;
        wi_check_timer_stop(&checker->leaving, &worker->leaving_timer);
        lengthen_bounds(checker);
        orphan_all(checker, worker, false);
        return true;
    }
    WEIR_ASSERT(checker->hanging > 0);
    checker->hanging--;
    run_if(checker, &checker->leaving, &worker->leaving_timer, worker->leaving && worker->rows > 0);
    for (uint32_t i = 1; i <= checker->shards_capacity && worker->unfinished > 0; i++) {
        struct wi_check_shard *shard = wi_check_shard_of(checker, i);

        if (shard != NULL && shard->row.owner == worker->number) {
            wi_check_taken_over(checker, shard);
        }
    }
    return true;
}

bool
wi_check_fault_event(struct wi_checker *checker, const struct wi_history_event *event)
{
    if (!event->on && checker->faults > 0) {
        checker->faults--;
    }
    if (event->on) {
        checker->faults++;
        checker->healed_ns = WI_CHECK_NEVER;
    }
    disturb(checker);
    return true;
}

bool
wi_check_healed_event(struct wi_checker *checker)
{
    checker->faults = 0;
    checker->healed_ns = checker->now_ns;
    disturb(checker);
    return true;
}

/* --- rows ------------------------------------------------------------------------------------ */

/* Add `row` to what its owner owns, or take it away. */
static void
count_row(struct wi_checker *checker, const struct wi_check_row *row, bool add)
{
    struct wi_check_worker *owner = wi_check_worker_of(checker, row->owner);

    if (owner == NULL || !row->exists) {
        return;
    }
    if (add) {
        owner->rows++;
        owner->unfinished += row->finished ? 0 : 1;
    } else {
        WEIR_ASSERT(owner->rows > 0);
        owner->rows--;
        owner->unfinished -= row->finished ? 0 : 1;
    }
    run_if(
        checker,
        &checker->leaving,
        &owner->leaving_timer,
        owner->leaving && !owner->gone && !owner->hanging && owner->rows > 0);
}

/* Instant from which on leases do not move any more; INT64_MAX: not demanded. */
static int64_t
settled_ns(const struct wi_checker *checker)
{
    if (checker->healed_ns == WI_CHECK_NEVER || checker->settings.balance_ms == 0 ||
        checker->hanging > 0) {
        return INT64_MAX;
    }
    return later(checker->healed_ns, checker->disturbed_ns) +
           checker->settings.balance_ms * WI_CHECK_NS_PER_MS;
}

/* L3 quiet: later than balance_ms after the last change of workers, leader, faults and leases, no
 * unfinished lease changes its owner. */
static bool
l3_no_ping_pong(
    struct wi_checker *checker,
    const struct wi_check_shard *shard,
    const struct wi_check_row *before)
{
    if (before->owner == shard->row.owner || shard->row.finished ||
        checker->now_ns <= settled_ns(checker)) {
        return true;
    }
    return wi_check_break(
        checker,
        "L3",
        "shard %" PRIu32 " went from worker %" PRIu32 " to %" PRIu32
        " although nothing had changed for %" PRId64 " ms",
        shard->number,
        before->owner,
        shard->row.owner,
        (checker->now_ns - checker->disturbed_ns) / WI_CHECK_NS_PER_MS);
}

/* The lease went from one owner to another, or to nobody. */
static void
owner_changed(struct wi_checker *checker, struct wi_check_shard *shard)
{
    const struct wi_check_worker *owner = wi_check_worker_of(checker, shard->row.owner);

    if (owner != NULL && (owner->gone || owner->hanging)) {
        orphan(checker, shard, owner->gone);
    } else if (owner == NULL || !wi_check_is_startable(checker, shard)) {
        wi_check_timer_stop(orphans_of(checker, shard), &shard->orphaned);
    }
    checker->balance_checked = false;
}

bool
wi_check_row_changed(
    struct wi_checker *checker, struct wi_check_shard *shard, const struct wi_check_row *before)
{
    const struct wi_check_row *row = &shard->row;
    bool fewer_or_more = row->exists != before->exists || row->finished != before->finished;

    if (!l3_no_ping_pong(checker, shard, before)) {
        return false;
    }
    if (row->owner != before->owner || fewer_or_more) {
        count_row(checker, before, false);
        count_row(checker, row, true);
        if (!row->exists || row->finished) {
            wi_check_timer_stop(orphans_of(checker, shard), &shard->orphaned);
        } else {
            owner_changed(checker, shard);
        }
        run_if(
            checker,
            &checker->unowned,
            &shard->unowned,
            row->exists && !row->finished && row->owner == 0);
        wi_check_progress(checker, shard);
    }
    if (fewer_or_more) {
        disturb(checker);
        wi_check_refresh_children(checker, shard);
    }
    return true;
}

/* --- the demands ----------------------------------------------------------------------------- */

/* The first of `timers`, if it has run for longer than bound_ms, counted from `floor_ns` at the
 * earliest; else 0. A bound of 0 is none. */
static uint32_t
overdue(
    const struct wi_checker *checker,
    const struct wi_check_timers *timers,
    int64_t bound_ms,
    int64_t floor_ns)
{
    int64_t since_ns;

    if (timers->first == NULL || bound_ms == 0) {
        return 0;
    }
    since_ns = later(later(timers->first->since_ns, checker->healed_ns), floor_ns);
    return checker->now_ns - since_ns > bound_ms * WI_CHECK_NS_PER_MS ? timers->first->number : 0;
}

static bool
demand(struct wi_checker *checker, const char *property, uint32_t number, const char *what)
{
    return number == 0 || wi_check_break(checker, property, "number %" PRIu32 ": %s", number, what);
}

/* L1, G6 takeover: the owner crashed (hung) at t => another worker initializes the shard before
 * t + crash_takeover_ms (hang_takeover_ms); t is not before HEALED, nor before the last change of
 * members. A shard whose parents have not ended is assigned by then. */
static bool
l1_takeover(struct wi_checker *checker)
{
    const struct wi_checker_settings *settings = &checker->settings;
    int64_t floor_ns = checker->membership_ns;

    return demand(
               checker,
               "L1",
               overdue(checker, &checker->crashed, settings->crash_takeover_ms, floor_ns),
               "the shard was not taken over in time from a worker that crashed") &&
           demand(
               checker,
               "L1",
               overdue(checker, &checker->hung, settings->hang_takeover_ms, floor_ns),
               "the shard was not taken over in time from a worker that hung or crashed");
}

/* P4 nothing stays unowned: an unfinished lease without owner gets one within the lease duration,
 * or within the time that it takes to see that the leader hangs. */
static bool
p4_no_unowned(struct wi_checker *checker)
{
    const struct wi_checker_settings *settings = &checker->settings;
    int64_t bound_ms = later(settings->lease_duration_ms, settings->hang_takeover_ms);

    return demand(
        checker,
        "P4",
        overdue(checker, &checker->unowned, bound_ms, checker->membership_ns),
        "the shard has had no owner for too long");
}

/* L4, P8 progress: while a shard that could be read has records that are not processed, a batch of
 * it begins or ends, or its checkpoint moves, at least every progress_ms. */
static bool
l4_progress(struct wi_checker *checker)
{
    return demand(
        checker,
        "L4",
        overdue(checker, &checker->stalled, checker->settings.progress_ms, WI_CHECK_NEVER),
        "the shard has records to process, and nothing happened for too long");
}

/* L6 reshard: a child whose parents have ended is initialized within reshard_ms. */
static bool
l6_reshard(struct wi_checker *checker)
{
    return demand(
        checker,
        "L6",
        overdue(checker, &checker->waiting, checker->settings.reshard_ms, checker->membership_ns),
        "the shard was not started in time after its parents had ended");
}

/* P7 a graceful stop is short: LEAVING => within stop_ms the worker owns nothing. */
static bool
p7_graceful_stop(struct wi_checker *checker)
{
    return demand(
        checker,
        "P7",
        overdue(checker, &checker->leaving, checker->settings.stop_ms, checker->membership_ns),
        "the worker leaves, and still owns leases after the time for it");
}

/* Unfinished leases of the usable worker that has fewest. */
static uint32_t
fewest_leases(const struct wi_checker *checker)
{
    uint32_t fewest = UINT32_MAX;

    for (uint32_t i = 1; i <= checker->workers_capacity; i++) {
        const struct wi_check_worker *worker = wi_check_worker_of(checker, i);

        if (worker != NULL && is_usable(worker) && worker->unfinished < fewest) {
            fewest = worker->unfinished;
        }
    }
    return fewest;
}

/* L2 balance: balance_ms after the last change, no worker that stays has an unfinished lease that
 * is not pinned, and two unfinished leases more than another. */
static bool
l2_balance(struct wi_checker *checker)
{
    uint32_t fewest = 0;

    if (checker->balance_checked || checker->now_ns <= settled_ns(checker)) {
        return true;
    }
    checker->balance_checked = true;
    fewest = fewest_leases(checker);
    for (uint32_t i = 1; i <= checker->shards_capacity; i++) {
        const struct wi_check_shard *shard = wi_check_shard_of(checker, i);
        const struct wi_check_worker *owner = NULL;

        if (shard == NULL || !shard->row.exists || shard->row.finished || shard->row.pinned) {
            continue;
        }
        owner = wi_check_worker_of(checker, shard->row.owner);
        if (owner != NULL && is_usable(owner) && owner->unfinished > fewest + 1) {
            return wi_check_break(
                checker,
                "L2",
                "one worker has %" PRIu32 " leases, another %" PRIu32,
                owner->unfinished,
                fewest);
        }
    }
    return true;
}

bool
wi_check_time(struct wi_checker *checker)
{
    if (checker->healed_ns == WI_CHECK_NEVER) {
        return true;
    }
    return p7_graceful_stop(checker) &&
           (checker->usable == 0 ||
            (l1_takeover(checker) && p4_no_unowned(checker) && l4_progress(checker) &&
             l6_reshard(checker) && l2_balance(checker)));
}

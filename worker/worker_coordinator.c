/* Drives the coordinator engine, or the one that takes leases by 2.x's rules: hands it pictures of
 * the table, carries out its actions as jobs. */
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "coordinator/coordinator_runtime.h"
#include "coordinator/coordinator_step.h"
#include "coordinator/lease_taker.h"
#include "coordinator/shard_sync.h"
#include "core/log.h"
#include "core/log_limit.h"
#include "core/metrics.h"
#include "core/mono.h"
#include "worker/io_pool.h"
#include "worker/worker_runtime.h"

/* How often somebody who waits for 3.x's rules is told why they do not come. */
#define UPGRADE_WORD_MS INT64_C(600000)

static void handle_action(struct weir_worker *worker, struct wi_coordinator_action action);

static struct wi_coordinator_place
place_of(struct weir_worker *worker)
{
    return (struct wi_coordinator_place){.env = worker->env,
                                         .store = worker->store,
                                         .stream = worker->stream,
                                         .owner = worker->owner};
}

static enum weir_error
new_coordinator(struct weir_worker *worker, struct wi_coordinator **ret)
{
    const struct wi_coordinator_settings settings = {
        .owner = worker->owner,
        .lease_duration_ms = worker->application.lease_duration_ms,
        .handoff_timeout_ms = worker->options.handoff_timeout_ms,
        .shard_sync_interval_ms = worker->options.shard_sync_interval_ms,
        .balance_by_load = false};

    return wi_coordinator_new(worker->env, &settings, ret);
}

static enum weir_error
new_taker(struct weir_worker *worker, struct wi_taker **ret)
{
    const struct wi_taker_settings settings = {
        .owner = worker->owner,
        .lease_duration_ms = worker->application.lease_duration_ms,
        .handoff_timeout_ms = worker->options.handoff_timeout_ms,
        .shard_sync_interval_ms = worker->options.shard_sync_interval_ms,
        .leases_max = (uint32_t)worker->options.leases_max,
        .seed = worker->env->rng.next(worker->env->rng.context)};

    return wi_taker_new(worker->env, &settings, ret);
}

/* The engine, whichever it is, begins by looking at the table. */
static void
begin(struct weir_worker *worker)
{
    worker->coordinator_until = WI_MONO_NEVER;
    worker->coordinator_wants_table = true;
    worker->coordinator_wants_since = wi_worker_now(worker);
    worker->table_wanted = true;
    worker->full_table_wanted = true;
    worker->leave_told = false;
}

static void
free_engine(struct weir_worker *worker)
{
    wi_coordinator_free(worker->coordinator);
    wi_taker_free(worker->taker);
    worker->coordinator = NULL;
    worker->taker = NULL;
}

enum weir_error
wi_worker_coordinator_start(struct weir_worker *worker)
{
    free_engine(worker);
    begin(worker);
    worker->coordinator_wants_since = (struct weir_mono){0};
    return new_coordinator(worker, &worker->coordinator);
}

void
wi_worker_coordinator_free(struct weir_worker *worker)
{
    struct wi_coordinator_place place = place_of(worker);

    /* Of an action that has ended, but that nobody will collect any more. */
    wi_coordinator_outcome_free(&place, &worker->coordinator_job.outcome);
    free_engine(worker);
}

static bool
has_engine(const struct weir_worker *worker)
{
    return worker->coordinator != NULL || worker->taker != NULL;
}

static bool
is_leading(const struct weir_worker *worker)
{
    if (worker->taker != NULL) {
        return wi_taker_leads(worker->taker);
    }
    return worker->coordinator != NULL &&
           wi_coordinator_state(worker->coordinator) == WI_COORDINATOR_LEADING;
}

/* ADR 11: a leader assigns, or everyone takes; the table says which, and may say something else at
 * any time. The leases go on as they are: who holds one holds it under either. True: the engine is
 * another one now. */
static bool
follow_rules(struct weir_worker *worker)
{
    bool takes = worker->table.leader.everyone_takes;
    struct wi_coordinator *coordinator = NULL;
    struct wi_taker *taker = NULL;
    enum weir_error error = WEIR_OK;

    if (takes == (worker->taker != NULL)) {
        return false;
    }
    error = takes ? new_taker(worker, &taker) : new_coordinator(worker, &coordinator);
    if (error != WEIR_OK) {
        wi_log(
            worker->env,
            WEIR_LOG_ERROR,
            "coordinator",
            "no memory to follow the application's rules; the next read of the table tries again");
        return false;
    }
    free_engine(worker);
    worker->coordinator = coordinator;
    worker->taker = taker;
    begin(worker);
    wi_log(
        worker->env,
        WEIR_LOG_INFO,
        "coordinator",
        takes ? "%s takes leases for itself: workers of Java KCL 2.x may be here"
              : "%s is given leases by a leader",
        worker->worker_id);
    return true;
}

/* Java KCL's shuffle leader watches whether all workers know 3.x, and then ends 2.x's rules for
 * all. weir leaves that to Java KCL, and says so: otherwise somebody waits for it in vain. */
static void
warn_of_waiting(struct weir_worker *worker, bool leads)
{
    struct weir_mono now = wi_worker_now(worker);

    if (leads && worker->table.leader.ends_soon &&
        !wi_mono_before(now, worker->next_upgrade_word)) {
        worker->next_upgrade_word = wi_mono_add_ms(now, UPGRADE_WORD_MS);
        wi_log(
            worker->env,
            WEIR_LOG_WARN,
            "coordinator",
            "the application's move to Java KCL 3.x waits: the worker that 2.x's shuffle names "
            "decides it, and that is %s, which does not; start or stop a worker to change the name",
            worker->owner);
    }
}

static void
note_leadership(struct weir_worker *worker)
{
    bool leads = is_leading(worker);
    struct weir_mono last = worker->taker != NULL ? wi_taker_last_pass(worker->taker)
                                                  : wi_coordinator_last_pass(worker->coordinator);

    atomic_store(&worker->last_pass_ns, last.ns);
    warn_of_waiting(worker, leads);
    if (leads != worker->was_leader) {
        wi_log(
            worker->env,
            WEIR_LOG_INFO,
            "coordinator",
            "%s %s",
            worker->worker_id,
            leads ? "leads" : "leads no more");
        worker->was_leader = leads;
        wi_counter_set(&worker->is_leader, leads ? 1 : 0);
        if (leads) {
            wi_worker_watch_update(worker);
        }
    }
}

static void
step(struct weir_worker *worker, const struct wi_coordinator_event *event)
{
    struct wi_coordinator_action action = worker->taker != NULL
                                              ? wi_taker_step(worker->taker, event)
                                              : wi_coordinator_step(worker->coordinator, event);

    note_leadership(worker);
    handle_action(worker, action);
}

static void
coordinator_run(struct wi_job *job)
{
    struct wi_coordinator_job *run = (struct wi_coordinator_job *)job;
    struct wi_coordinator_place place = place_of(run->worker);

    wi_coordinator_execute(&place, &run->action, &run->outcome);
}

/* C54. Nothing is done about it: what was read of which stream is for somebody to say who knows. */
static void
warn_of_another_stream(struct weir_worker *worker, const struct wi_coordinator_job *run)
{
    const struct weir_stream_description *list = &run->outcome.description;
    const struct weir_shard *shard = NULL;

    if (run->outcome.has_description && worker->has_table &&
        wi_mono_before(worker->table_started, run->submitted)) {
        shard = wi_shard_of_another_stream(
            list->shards, list->shard_count, worker->table.leases, worker->table.lease_count);
    }
    if (shard != NULL) {
        wi_log_limited(
            &worker->shared.complaints,
            WEIR_LOG_ERROR,
            shard->shard_id,
            "%s is open, but its lease says that it was read to its end: the stream was deleted "
            "and made anew. The shard is not read: stop all workers, and weir app reset",
            shard->shard_id);
    }
}

static void
coordinator_done(struct wi_job *job)
{
    struct wi_coordinator_job *run = (struct wi_coordinator_job *)job;
    struct weir_worker *worker = run->worker;
    struct wi_coordinator_outcome outcome = run->outcome;
    struct wi_coordinator_place place = place_of(worker);
    struct wi_coordinator_event event =
        wi_coordinator_outcome_event(&outcome, wi_worker_now(worker));

    warn_of_another_stream(worker, run);
    memset(&run->outcome, 0, sizeof run->outcome);
    if (weir_error_class(outcome.error) != WEIR_CLASS_OK &&
        weir_error_class(outcome.error) != WEIR_CLASS_CONTENTION) {
        wi_log_limited(
            &worker->shared.complaints,
            WEIR_LOG_WARN,
            weir_error_text(outcome.error),
            "a pass of the coordinator failed: %s",
            weir_error_text(outcome.error));
    }
    if (worker->joined) {
        step(worker, &event);
    }
    wi_coordinator_outcome_free(&place, &outcome);
}

static void
handle_action(struct weir_worker *worker, struct wi_coordinator_action action)
{
    struct wi_coordinator_job *run = &worker->coordinator_job;

    worker->coordinator_until = WI_MONO_NEVER;
    switch (action.type) {
    case WI_COORDINATOR_WAIT:
        worker->coordinator_until = action.until;
        return;
    case WI_COORDINATOR_READ_TABLE:
        worker->coordinator_wants_table = true;
        worker->coordinator_wants_since = wi_worker_now(worker);
        worker->table_wanted = true;
        worker->full_table_wanted |=
            is_leading(worker) || worker->taker != NULL || worker->phase == WI_WORKER_DRAINING;
        return;
    case WI_COORDINATOR_LIST_SHARDS:
    case WI_COORDINATOR_TAKE_LEADER:
    case WI_COORDINATOR_RELEASE_LEADER:
    case WI_COORDINATOR_CREATE_LEASES:
    case WI_COORDINATOR_ASSIGN:
    case WI_COORDINATOR_REQUEST_HANDOFF:
    case WI_COORDINATOR_REVOKE:
    case WI_COORDINATOR_REMOVE_LEASE:
    case WI_COORDINATOR_REMOVE_WORKER:
        break;
    }
    run->worker = worker;
    run->job.run = coordinator_run;
    run->job.done = coordinator_done;
    run->action = action;
    run->submitted = wi_worker_now(worker);
    wi_io_pool_submit(worker->io, WI_IO_NORMAL, &run->job);
}

static bool
is_free(const struct weir_worker *worker)
{
    return has_engine(worker) && !worker->coordinator_job.job.busy;
}

/* A picture of the table is there, read from `started` on. While an action is in flight the engine
 * gets the next one; and one that was begun before the engine asked may not show its last write. */
void
wi_worker_coordinator_table(struct weir_worker *worker, struct weir_mono started)
{
    struct wi_coordinator_event event = {
        .type = WI_COORDINATOR_TABLE, .now = wi_worker_now(worker), .table = &worker->table};

    if (!is_free(worker) || follow_rules(worker) ||
        (worker->coordinator_wants_table &&
         wi_mono_before(started, worker->coordinator_wants_since))) {
        return;
    }
    worker->coordinator_wants_table = false;
    step(worker, &event);
}

void
wi_worker_coordinator_table_failed(struct weir_worker *worker, enum weir_error error)
{
    struct wi_coordinator_event event = {
        .type = WI_COORDINATOR_RESULT, .now = wi_worker_now(worker), .error = error};

    if (is_free(worker) && worker->coordinator_wants_table) {
        worker->coordinator_wants_table = false;
        step(worker, &event);
    }
}

/* Time has passed, or this worker leaves. */
void
wi_worker_coordinator_tick(struct weir_worker *worker)
{
    struct wi_coordinator_event event = {.type = WI_COORDINATOR_TICK, .now = wi_worker_now(worker)};

    if (!is_free(worker) || worker->coordinator_wants_table) {
        return;
    }
    if (worker->phase == WI_WORKER_DRAINING && !worker->leave_told) {
        worker->leave_told = true;
        event.type = WI_COORDINATOR_LEAVE;
        step(worker, &event);
    } else if (!wi_mono_before(event.now, worker->coordinator_until)) {
        step(worker, &event);
    }
}

bool
wi_worker_coordinator_has_left(const struct weir_worker *worker)
{
    if (worker->taker != NULL) {
        return wi_taker_has_left(worker->taker);
    }
    return worker->coordinator == NULL ||
           wi_coordinator_state(worker->coordinator) == WI_COORDINATOR_STOPPED;
}

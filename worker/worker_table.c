/* Reads of the lease table, and the consumers that start and stop because of them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/log.h"
#include "core/log_limit.h"
#include "core/memory.h"
#include "core/metrics.h"
#include "core/mono.h"
#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_store.h"
#include "storage/process.h"
#include "worker/io_pool.h"
#include "worker/past_leases.h"
#include "worker/processor_pool.h"
#include "worker/runner_actions.h"
#include "worker/scheduler.h"
#include "worker/shard_runner.h"
#include "worker/worker_runtime.h"

/* A read, or a write because of what it showed, that failed is repeated after that. */
#define TABLE_RETRY_MS 50

/* --- runners -------------------------------------------------------------------------------- */

static enum weir_error
insert_runner(struct weir_worker *worker, struct wi_runner *runner)
{
    size_t at = worker->runner_count;

    if (worker->runner_count == worker->runner_capacity) {
        size_t capacity = worker->runner_capacity == 0 ? 16 : worker->runner_capacity * 2;
        void *grown =
            wi_resize_array(worker->env, worker->runners, capacity, sizeof(struct wi_runner *));

        if (grown == NULL) {
            return WEIR_ENOMEM;
        }
        worker->runners = grown;
        worker->runner_capacity = capacity;
    }
    while (at > 0 &&
           strcmp(worker->runners[at - 1]->lease.lease_key, runner->lease.lease_key) > 0) {
        worker->runners[at] = worker->runners[at - 1];
        at--;
    }
    worker->runners[at] = runner;
    worker->runner_count++;
    return WEIR_OK;
}

void
wi_worker_start_lease(
    struct weir_worker *worker, const struct wi_lease *lease, struct weir_mono verified)
{
    struct wi_runner *runner = NULL;
    enum weir_error error = wi_runner_new(&worker->shared, lease, verified, &runner);

    if (error == WEIR_OK) {
        error = insert_runner(worker, runner);
    }
    if (error != WEIR_OK) {
        wi_runner_free(runner);
        wi_log(
            worker->env, WEIR_LOG_ERROR, "worker", "%s: no memory to start it", lease->lease_key);
        worker->table_wanted = true;
        worker->full_table_wanted = true;
        return;
    }
    if (wi_parents_are_finished(&worker->table, lease)) {
        runner->told_parents_finished = true;
        atomic_fetch_or(&runner->facts, (unsigned)WI_FACT_PARENTS_FINISHED);
    }
    wi_counter_add(&worker->leases_acquired, 1);
    wi_log(
        worker->env,
        WEIR_LOG_INFO,
        "worker",
        "%s epoch %llu: acquired",
        lease->lease_key,
        (unsigned long long)lease->epoch);
    if (wi_processor_pool_add(worker->pool, &runner->runnable) != WEIR_OK) {
        wi_log(worker->env, WEIR_LOG_ERROR, "worker", "%s: no memory to run", lease->lease_key);
        runner->runnable.state = WI_RUN_DONE;
    }
}

static void
read_not_before(struct weir_worker *worker, struct weir_mono at)
{
    if (wi_mono_before(worker->table_not_before, at)) {
        worker->table_not_before = at;
    }
}

/* --- leases in which this worker does not believe any more ---------------------------------- */

static void
release_run(struct wi_job *job)
{
    struct wi_release_job *release = (struct wi_release_job *)job;
    const struct wi_lease_store *store = release->worker->store;

    release->error =
        store->ops->release(store->store, release->items, release->count, release->results);
}

/* A refusal means that the row has moved on, which is what was wanted. */
static bool
release_failed(const struct wi_release_job *release)
{
    if (release->error != WEIR_OK) {
        return true;
    }
    for (size_t i = 0; i < release->count; i++) {
        if (release->results[i] != WEIR_OK &&
            weir_error_class(release->results[i]) != WEIR_CLASS_CONTENTION) {
            return true;
        }
    }
    return false;
}

/* The next reading shows which leases are still to be given back. */
static void
release_done(struct wi_job *job)
{
    struct wi_release_job *release = (struct wi_release_job *)job;
    struct weir_worker *worker = release->worker;

    if (release_failed(release)) {
        read_not_before(worker, wi_mono_add_ms(wi_worker_now(worker), TABLE_RETRY_MS));
    }
    release->count = 0;
    worker->table_wanted = true;
    worker->full_table_wanted = true;
}

static bool
release_room(struct weir_worker *worker)
{
    struct wi_release_job *release = &worker->release_job;

    if (release->leases == NULL) {
        release->leases = wi_alloc_array(worker->env, WI_GIVE_BACK_MAX, sizeof *release->leases);
    }
    if (release->items == NULL) {
        release->items = wi_alloc_array(worker->env, WI_GIVE_BACK_MAX, sizeof *release->items);
    }
    if (release->results == NULL) {
        release->results = wi_alloc_array(worker->env, WI_GIVE_BACK_MAX, sizeof *release->results);
    }
    return release->leases != NULL && release->items != NULL && release->results != NULL;
}

/* Whom a wish in the row names; else nobody. */
static const char *
receiver_of(const struct wi_lease *lease)
{
    return lease->handoff.reason != WI_HANDOFF_NONE ? lease->handoff.to : "";
}

/* The table calls the lease this worker's, but it has given up its belief under this epoch, or
 * never began: give it back, so that a new epoch begins. */
static void
give_back(
    struct weir_worker *worker,
    const struct wi_lease *lease,
    const struct weir_position *handed_through)
{
    struct wi_release_job *release = &worker->release_job;
    struct wi_lease *copy = NULL;

    if (release->job.busy || release->count == WI_GIVE_BACK_MAX) {
        return; /* release_done() wants the table again */
    }
    if (!release_room(worker)) {
        read_not_before(worker, wi_mono_add_ms(wi_worker_now(worker), TABLE_RETRY_MS));
        worker->table_wanted = true;
        worker->full_table_wanted = true;
        return;
    }
    copy = &release->leases[release->count];
    *copy = *lease;
    release->items[release->count++] = (struct wi_release){.lease_key = copy->lease_key,
                                                           .owner = copy->owner,
                                                           .epoch = copy->epoch,
                                                           .to = receiver_of(copy),
                                                           .handed_through = *handed_through};
}

static void
submit_give_backs(struct weir_worker *worker)
{
    struct wi_release_job *release = &worker->release_job;

    if (!release->job.busy && release->count > 0) {
        release->worker = worker;
        release->job.run = release_run;
        release->job.done = release_done;
        wi_io_pool_submit(worker->io, WI_IO_NORMAL, &release->job);
    }
}

static void
start_or_give_back(struct weir_worker *worker, const struct wi_lease *lease)
{
    struct weir_position handed_through = wi_past_leases_handed_through(&worker->past, lease);

    switch (wi_past_leases_judge(&worker->past, lease)) {
    case WI_PAST_NEW:
        if (worker->store->ops->claim != NULL) {
            wi_worker_claim(worker, lease);
        } else {
            wi_worker_start_lease(worker, lease, worker->table_started);
        }
        break;
    case WI_PAST_OVER:
        give_back(worker, lease, &handed_through);
        break;
    case WI_PAST_OUT_OF_DATE:
        break;
    }
}

/* A lease that this worker has and does not want: finished, wished away, or it drains. */
static void
give_back_unused(struct weir_worker *worker, const struct wi_lease *lease)
{
    struct weir_position handed_through = wi_past_leases_handed_through(&worker->past, lease);

    if (wi_past_leases_judge(&worker->past, lease) != WI_PAST_OUT_OF_DATE) {
        give_back(worker, lease, &handed_through);
    }
}

/* --- applying a picture of the table -------------------------------------------------------- */

/* What the table asks of a consumer that runs. `lease` is NULL if its row is gone. */
static void
apply_to_runner(struct wi_runner *runner, enum wi_schedule_type type, const struct wi_lease *lease)
{
    if (type == WI_SCHEDULE_PARENTS_FINISHED) {
        runner->told_parents_finished = true;
        wi_runner_tell(runner, WI_FACT_PARENTS_FINISHED);
        return;
    }
    runner->told_to_stop = true;
    if (type == WI_SCHEDULE_STOP && lease != NULL) {
        wi_runner_stop(runner, receiver_of(lease));
    } else {
        wi_runner_tell(runner, WI_FACT_LEASE_LOST);
    }
}

static void
apply_item(struct weir_worker *worker, const struct wi_schedule_item *item)
{
    const struct wi_lease *lease =
        item->lease == SIZE_MAX ? NULL : &worker->table.leases[item->lease];

    if (item->consumer != SIZE_MAX) {
        apply_to_runner(worker->runners[item->consumer], item->type, lease);
        return;
    }
    WEIR_ASSERT(lease != NULL);
    if (item->type == WI_SCHEDULE_START) {
        start_or_give_back(worker, lease);
    } else {
        give_back_unused(worker, lease);
    }
}

static void
apply_table(struct weir_worker *worker)
{
    size_t runners = worker->runner_count;
    size_t count = 0;
    struct wi_running_consumer *running = wi_alloc_array(worker->env, runners + 1, sizeof *running);
    struct wi_schedule_item *items =
        wi_alloc_array(worker->env, runners + worker->table.lease_count + 1, sizeof *items);
    struct wi_schedule_input input = {
        .table = &worker->table,
        .owner = worker->owner,
        .running = running,
        .running_count = runners,
        .draining = worker->phase == WI_WORKER_DRAINING};

    if (running == NULL || items == NULL) {
        worker->table_wanted = true;
        worker->full_table_wanted = true;
        goto out;
    }
    for (size_t i = 0; i < runners; i++) {
        const struct wi_runner *runner = worker->runners[i];

        running[i] = (struct wi_running_consumer){.lease_key = runner->lease.lease_key,
                                                  .epoch = runner->lease.epoch,
                                                  .parents_finished = runner->told_parents_finished,
                                                  .stopping = runner->told_to_stop};
    }
    wi_schedule(&input, items, &count);
    /* Starts move the runners' indices, so they come last. */
    for (size_t i = 0; i < count; i++) {
        if (items[i].consumer != SIZE_MAX) {
            apply_item(worker, &items[i]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (items[i].consumer == SIZE_MAX) {
            apply_item(worker, &items[i]);
        }
    }
    submit_give_backs(worker);
    wi_worker_submit_claims(worker);
    wi_past_leases_forget(&worker->past, &worker->table);
out:
    wi_free(worker->env, running);
    wi_free(worker->env, items);
}

/* --- reading -------------------------------------------------------------------------------- */

static void
table_run(struct wi_job *job)
{
    struct wi_table_job *read = (struct wi_table_job *)job;
    const struct wi_lease_store *store = read->worker->store;

    read->started = wi_worker_now(read->worker);
    read->error = read->leader_only ? store->ops->get_leader(store->store, &read->leader)
                                    : store->ops->list(store->store, &read->table);
}

static void
report_damage(struct weir_worker *worker)
{
    if (worker->table.damaged_count > 0) {
        wi_log(
            worker->env,
            WEIR_LOG_ERROR,
            "worker",
            "%zu lease rows cannot be read (the first: %s); they are left alone",
            worker->table.damaged_count,
            worker->table.first_damaged);
    }
}

/* A name is a label: two workers that share one do no harm, but nobody can tell them apart. */
static void
report_namesake(struct weir_worker *worker)
{
    struct wi_process self = {.pid = 0};

    if (worker->namesakes_looked_for || wi_process_self(&self) != WEIR_OK) {
        return;
    }
    worker->namesakes_looked_for = true;
    for (size_t i = 0; i < worker->table.worker_count; i++) {
        const struct weir_str owner = wi_str(worker->table.workers[i].owner);
        struct wi_process process = {.pid = 0};

        if (wi_str_equal_z(wi_owner_name(owner), worker->worker_id) &&
            wi_owner_process(owner, &process) == WEIR_OK && process.pid != self.pid &&
            wi_process_look(&process) != WI_PROCESS_GONE) {
            wi_log(
                worker->env,
                WEIR_LOG_WARN,
                "worker",
                "process %d is a live worker called %s, too: give each worker an id of its own",
                (int)process.pid,
                worker->worker_id);
        }
    }
}

/* Whoever wanted the read still wants it; a wish for a hand-over, for instance, is told once. */
static void
want_again(struct weir_worker *worker, const struct wi_table_job *read, struct weir_mono now)
{
    worker->table_wanted = true;
    worker->full_table_wanted |= !read->leader_only;
    read_not_before(worker, wi_mono_add_ms(now, TABLE_RETRY_MS));
}

static void
table_done(struct wi_job *job)
{
    struct wi_table_job *read = (struct wi_table_job *)job;
    struct weir_worker *worker = read->worker;

    read_not_before(
        worker,
        wi_next_table_read(
            read->started, wi_worker_now(worker), worker->application.lease_duration_ms));
    if (read->error != WEIR_OK) {
        wi_log_limited(
            &worker->shared.complaints,
            WEIR_LOG_WARN,
            "table",
            "the lease table cannot be read: %s",
            weir_error_text(read->error));
        want_again(worker, read, wi_worker_now(worker));
    }
    if (!worker->joined) {
        wi_lease_table_free(worker->env, &read->table);
        return; /* the session was lost meanwhile; joining again reads anew */
    }
    if (read->error != WEIR_OK) {
        wi_worker_coordinator_table_failed(worker, read->error);
        return;
    }
    if (read->leader_only) {
        worker->table.leader = read->leader;
        wi_worker_coordinator_table(worker, read->started);
        return;
    }
    wi_lease_table_free(worker->env, &worker->table);
    worker->table = read->table;
    memset(&read->table, 0, sizeof read->table);
    worker->has_table = true;
    worker->table_started = read->started;
    report_damage(worker);
    report_namesake(worker);
    apply_table(worker);
    wi_worker_coordinator_table(worker, read->started);
    wi_worker_watch_update(worker);
}

/* Begin a read if one is wanted and may begin now. */
void
wi_worker_read_table(struct weir_worker *worker)
{
    struct wi_table_job *read = &worker->table_job;
    struct weir_mono now = wi_worker_now(worker);

    if (atomic_exchange(&worker->table_hint, false)) {
        worker->table_wanted = true;
        worker->full_table_wanted = true;
    }
    if (!worker->table_wanted || read->job.busy || wi_mono_before(now, worker->table_not_before)) {
        return;
    }
    read->worker = worker;
    read->job.run = table_run;
    read->job.done = table_done;
    read->leader_only =
        worker->has_table && !worker->full_table_wanted &&
        wi_table_is_current(&worker->table, worker->store->ops->version(worker->store->store));
    worker->table_wanted = false;
    worker->full_table_wanted = false;
    wi_io_pool_submit(worker->io, WI_IO_NORMAL, &read->job);
}

/* Without memory for its epoch the runner stays: the worker could not tell an old picture of the
 * table from a new one. */
static bool
remember_past(struct weir_worker *worker, const struct wi_runner *runner)
{
    return wi_past_leases_remember(
               &worker->past,
               runner->lease.lease_key,
               runner->lease.epoch,
               &runner->engine.tracker.delivered) == WEIR_OK;
}

/* Free the runners that are done. */
void
wi_worker_reap(struct weir_worker *worker)
{
    size_t kept = 0;
    uint64_t blocked = 0;

    for (size_t i = 0; i < worker->runner_count; i++) {
        struct wi_runner *runner = worker->runners[i];

        if (wi_processor_pool_is_done(worker->pool, &runner->runnable) && runner->holds == 0 &&
            remember_past(worker, runner)) {
            wi_processor_pool_remove(worker->pool, &runner->runnable);
            wi_runner_free(runner);
            worker->table_wanted = true; /* all of it: the row may still name this worker (H14), */
            worker->full_table_wanted = true; /* or the lease may be this worker's again by now */
            continue;
        }
        blocked += atomic_load(&runner->blocked) ? 1 : 0;
        worker->runners[kept++] = runner;
    }
    worker->runner_count = kept;
    wi_counter_set(&worker->leases_held, kept);
    wi_counter_set(&worker->shards_blocked, blocked);
}

/* The drain took too long: everybody releases to nobody. */
void
wi_worker_stop_all(struct weir_worker *worker)
{
    for (size_t i = 0; i < worker->runner_count; i++) {
        if (!worker->runners[i]->told_to_stop) {
            worker->runners[i]->told_to_stop = true;
            wi_runner_stop(worker->runners[i], "");
        }
    }
}

bool
wi_worker_owns_nothing(const struct weir_worker *worker)
{
    if (worker->runner_count > 0 || !worker->has_table) {
        return false;
    }
    for (size_t i = 0; i < worker->table.lease_count; i++) {
        if (strcmp(worker->table.leases[i].owner, worker->owner) == 0) {
            return false;
        }
    }
    return true;
}

void
wi_worker_table_free(struct weir_worker *worker)
{
    for (size_t i = 0; i < worker->runner_count; i++) {
        if (worker->runners[i]->runnable.state != WI_RUN_DONE) {
            wi_runner_finish(worker->runners[i]); /* aborted: its state goes all the same */
        }
        wi_runner_free(worker->runners[i]);
    }
    worker->runner_count = 0;
    wi_free(worker->env, worker->runners);
    wi_past_leases_free(&worker->past);
    wi_worker_claim_free(worker);
    wi_free(worker->env, worker->release_job.leases);
    wi_free(worker->env, worker->release_job.items);
    wi_free(worker->env, worker->release_job.results);
    wi_lease_table_free(worker->env, &worker->table);
    wi_lease_table_free(worker->env, &worker->table_job.table);
}

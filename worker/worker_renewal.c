/* Renewals on their own lane, and automatic checkpoints of all shards in one write. */
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>

#include "core/log.h"
#include "core/log_limit.h"
#include "core/memory.h"
#include "core/metrics.h"
#include "core/mono.h"
#include "lease/lease_store.h"
#include "worker/io_pool.h"
#include "worker/lease_renewer.h"
#include "worker/shard_runner.h"
#include "worker/throughput.h"
#include "worker/worker_runtime.h"

/* Looks for a stopped writer in one lease duration. */
#define LOOKS_PER_DURATION 8

/* --- renewals ------------------------------------------------------------------------------- */

static void
renew_run(struct wi_job *job)
{
    struct wi_renew_job *renew = (struct wi_renew_job *)job;
    const struct wi_lease_store *store = renew->worker->store;

    memset(&renew->answer, 0, sizeof renew->answer);
    renew->error = store->ops->renew(
        store->store,
        renew->worker->owner,
        renew->held,
        renew->count,
        renew->results,
        &renew->answer);
}

static void
note_renewal(struct weir_worker *worker, const struct wi_renew_job *renew)
{
    if (renew->error == WEIR_OK) {
        worker->expiry_told = false;
        return;
    }
    wi_counter_add(&worker->renewals_failed, 1);
    wi_log_limited(
        &worker->shared.complaints,
        WEIR_LOG_WARN,
        "renewal",
        "a renewal failed: %s",
        weir_error_text(renew->error));
}

static void
renew_done(struct wi_job *job)
{
    struct wi_renew_job *renew = (struct wi_renew_job *)job;
    struct weir_worker *worker = renew->worker;
    struct weir_mono now = wi_worker_now(worker);

    wi_lease_renewer_answered(&worker->renewer, renew->error, now);
    atomic_store_explicit(
        &worker->shared.session_deadline_ns, worker->renewer.deadline.ns, memory_order_release);
    for (size_t i = 0; i < renew->count; i++) {
        struct wi_runner *runner = renew->runners[i];

        runner->holds--;
        if (renew->error != WEIR_OK) {
            continue;
        }
        if (renew->results[i] == WEIR_OK) {
            atomic_store_explicit(&runner->verified_ns, renew->sent.ns, memory_order_release);
        } else if (renew->results[i] == WEIR_ELEASELOST && !runner->told_to_stop) {
            worker->table_wanted = true; /* the table decides (R10): one read before giving up */
            worker->full_table_wanted = true;
        }
    }
    note_renewal(worker, renew);
    if (renew->error == WEIR_ESESSIONLOST) {
        wi_worker_session_lost(worker);
    } else if (renew->error == WEIR_OK && renew->answer.drain_requested) {
        wi_worker_begin_drain(worker);
    }
}

static bool
renew_room(struct weir_worker *worker, struct wi_renew_job *renew)
{
    size_t capacity = worker->runner_count + 16;
    void *runners = NULL;
    void *held = NULL;
    void *results = NULL;

    if (worker->runner_count <= renew->capacity && renew->capacity > 0) {
        return true;
    }
    runners = wi_resize_array(worker->env, renew->runners, capacity, sizeof(struct wi_runner *));
    renew->runners = runners != NULL ? runners : renew->runners;
    held = wi_resize_array(worker->env, renew->held, capacity, sizeof *renew->held);
    renew->held = held != NULL ? held : renew->held;
    results = wi_resize_array(worker->env, renew->results, capacity, sizeof *renew->results);
    renew->results = results != NULL ? results : renew->results;
    if (runners == NULL || held == NULL || results == NULL) {
        return false;
    }
    renew->capacity = capacity;
    return true;
}

/* Send a renewal if one is due. Only what is in memory decides: nothing else can delay it. */
void
wi_worker_renew(struct weir_worker *worker)
{
    struct wi_renew_job *renew = &worker->renew_job;
    struct weir_mono now = wi_worker_now(worker);

    if (renew->job.busy || !wi_lease_renewer_is_due(&worker->renewer, now)) {
        return;
    }
    renew->count = 0;
    if (renew_room(worker, renew)) {
        for (size_t i = 0; i < worker->runner_count; i++) {
            struct wi_runner *runner = worker->runners[i];

            if (strcmp(runner->lease.owner, worker->owner) == 0) {
                runner->holds++;
                wi_throughput_note(&runner->throughput, runner->bytes_processed, now);
                renew->runners[renew->count] = runner;
                renew->held[renew->count++] =
                    (struct wi_held_lease){.lease_key = runner->lease.lease_key,
                                           .epoch = runner->lease.epoch,
                                           .has_throughput = runner->throughput.is_known,
                                           .bytes_per_second = runner->throughput.bytes_per_second};
            }
        }
    }
    renew->worker = worker;
    renew->job.run = renew_run;
    renew->job.done = renew_done;
    renew->sent = now;
    wi_lease_renewer_sent(&worker->renewer, now);
    wi_io_pool_submit(worker->io, WI_IO_URGENT, &renew->job);
}

/* --- stopped writers ---------------------------------------------------------------------------
 */

/* A stopped process holds a writer lock of the table: nobody can checkpoint or renew, not even the
 * dead can be replaced. After half a lease duration it is ended (docs/adr/0004), which turns a hang
 * into a crash. Looked for by time and not after a failure: renewals may go on while the leases are
 * blocked, and the other way round. */
void
wi_worker_evict_stopped_writer(struct weir_worker *worker)
{
    const struct wi_lease_store *store = worker->store;
    struct weir_mono now = wi_worker_now(worker);
    int64_t duration_ms = worker->application.lease_duration_ms;
    int32_t pid = 0;

    if (!worker->options.evict_stopped_writers || store->ops->stopped_writer == NULL) {
        worker->next_look = WI_MONO_NEVER;
        return;
    }
    if (wi_mono_before(now, worker->next_look)) {
        return;
    }
    worker->next_look = wi_mono_add_ms(now, duration_ms / LOOKS_PER_DURATION);
    pid = store->ops->stopped_writer(store->store);
    if (pid != worker->stopped_pid) {
        worker->stopped_pid = pid;
        worker->stopped_since = now;
    } else if (
        pid > 0 && wi_mono_elapsed_ms(worker->stopped_since, now) >= duration_ms / 2 &&
        kill(pid, SIGKILL) == 0) {
        wi_log(
            worker->env,
            WEIR_LOG_ERROR,
            "worker",
            "ended stopped process %d: it blocked the lease table for every worker",
            (int)pid);
        worker->stopped_pid = 0;
    }
}

/* --- automatic checkpoints ------------------------------------------------------------------ */

static void
flush_run(struct wi_job *job)
{
    struct wi_flush_job *flush = (struct wi_flush_job *)job;
    const struct wi_lease_store *store = flush->worker->store;

    flush->error = store->ops->checkpoint(store->store, flush->items, flush->count, flush->results);
}

static void
flush_done(struct wi_job *job)
{
    struct wi_flush_job *flush = (struct wi_flush_job *)job;
    struct weir_worker *worker = flush->worker;

    for (size_t i = 0; i < flush->count; i++) {
        struct wi_runner *runner = flush->runners[i];

        runner->holds--;
        wi_runner_checkpoint_done(
            runner,
            &flush->items[i].position,
            flush->error == WEIR_OK ? flush->results[i] : flush->error);
    }
    if (flush->error != WEIR_OK) {
        wi_log_limited(
            &worker->shared.complaints,
            WEIR_LOG_WARN,
            "checkpoints",
            "automatic checkpoints failed: %s; they are tried again",
            weir_error_text(flush->error));
    }
}

static bool
flush_room(struct weir_worker *worker, struct wi_flush_job *flush)
{
    size_t capacity = worker->runner_count + 16;
    void *runners = NULL;
    void *items = NULL;
    void *results = NULL;

    if (worker->runner_count <= flush->capacity && flush->capacity > 0) {
        return true;
    }
    runners = wi_resize_array(worker->env, flush->runners, capacity, sizeof(struct wi_runner *));
    flush->runners = runners != NULL ? runners : flush->runners;
    items = wi_resize_array(worker->env, flush->items, capacity, sizeof *flush->items);
    flush->items = items != NULL ? items : flush->items;
    results = wi_resize_array(worker->env, flush->results, capacity, sizeof *flush->results);
    flush->results = results != NULL ? results : flush->results;
    if (runners == NULL || items == NULL || results == NULL) {
        return false;
    }
    flush->capacity = capacity;
    return true;
}

static void
collect_due(struct weir_worker *worker, struct wi_flush_job *flush)
{
    for (size_t i = 0; i < worker->runner_count; i++) {
        struct wi_runner *runner = worker->runners[i];
        struct wi_checkpoint_update *item = &flush->items[flush->count];

        if (wi_runner_checkpoint_due(runner, &item->position)) {
            item->lease_key = runner->lease.lease_key;
            item->owner = runner->lease.owner;
            item->epoch = runner->lease.epoch;
            runner->holds++;
            flush->runners[flush->count++] = runner;
        }
    }
}

/* Write the automatic checkpoints that are due: one write for all shards of this worker. */
void
wi_worker_flush(struct weir_worker *worker)
{
    struct wi_flush_job *flush = &worker->flush_job;
    struct weir_mono now = wi_worker_now(worker);
    bool hinted = atomic_load(&worker->flush_hint);

    if (!worker->shared.settings.automatic_checkpoints || flush->job.busy ||
        (!hinted && wi_mono_before(now, worker->next_flush))) {
        return;
    }
    atomic_store(&worker->flush_hint, false);
    worker->next_flush = wi_mono_add_ms(now, worker->options.checkpoint_interval_ms);
    flush->count = 0;
    if (!flush_room(worker, flush)) {
        return;
    }
    collect_due(worker, flush);
    if (flush->count == 0) {
        return;
    }
    flush->worker = worker;
    flush->job.run = flush_run;
    flush->job.done = flush_done;
    wi_io_pool_submit(worker->io, WI_IO_NORMAL, &flush->job);
}

void
wi_worker_renewal_free(struct weir_worker *worker)
{
    wi_free(worker->env, worker->renew_job.runners);
    wi_free(worker->env, worker->renew_job.held);
    wi_free(worker->env, worker->renew_job.results);
    wi_free(worker->env, worker->flush_job.runners);
    wi_free(worker->env, worker->flush_job.items);
    wi_free(worker->env, worker->flush_job.results);
}

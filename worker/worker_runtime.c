/* The control loop of a worker: joining, timers, draining, leaving. */
#include "worker/worker_runtime.h"

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>

#include "core/detail.h"
#include "core/log.h"
#include "core/mono.h"
#include "core/str.h"
#include "lease/lease.h"
#include "storage/process.h"
#include "worker/io_pool.h"
#include "worker/lease_renewer.h"
#include "worker/processor_pool.h"
#include "worker/shard_runner.h"

#define EVENTS_MAX   16
#define EVENT_WAKE   UINT64_MAX
#define EVENT_SIGNAL (UINT64_MAX - 1)
/* Rows and hints of this protocol version; a worker of another one says so in its row. */
#define PROTOCOL_VERSION 1U
/* The table refused the note that this worker drains, or a row to join with: try again then. */
#define DRAIN_RETRY_MS 100
#define JOIN_RETRY_MS  500

struct weir_mono
wi_worker_now(const struct weir_worker *worker)
{
    return worker->env->clock.mono(worker->env->clock.context);
}

/* Wake the loop. Any thread, and signal handlers: one write, and none while one is pending. */
void
wi_worker_notify(void *argument)
{
    struct weir_worker *worker = argument;
    const uint64_t one = 1;

    if (!atomic_exchange(&worker->wake_pending, true)) {
        ssize_t written = write(worker->wake_fd, &one, sizeof one);

        (void)written; /* it can only fail when the counter is full: then the loop is awake */
    }
}

static void
request_flush(void *argument)
{
    struct weir_worker *worker = argument;

    if (!atomic_exchange(&worker->flush_hint, true)) {
        wi_worker_notify(worker);
    }
}

/* --- joining -------------------------------------------------------------------------------- */

static struct wi_worker
worker_row(const struct weir_worker *worker, bool draining)
{
    struct wi_worker row = {
        .max_leases = (uint32_t)worker->options.leases_max,
        .protocol_version = PROTOCOL_VERSION,
        .draining = draining,
        .state = WI_OWNER_ALIVE};

    memcpy(row.owner, worker->owner, sizeof row.owner);
    return row;
}

/* It has registered but cannot start: nobody is to give it leases. */
static void
leave_at_once(struct weir_worker *worker)
{
    enum weir_error error = worker->store->ops->remove_worker(worker->store->store, worker->owner);

    if (error != WEIR_OK) {
        wi_log(worker->env, WEIR_LOG_WARN, "worker", "its row stays: %s", weir_error_text(error));
    }
}

/* Between weir_worker_new() and now, or while this worker was taken for dead, the fleet may have
 * agreed on another lease duration. From its registration on it cannot any more: this join comes
 * after it, so either it sees the new agreement or whoever wants one sees this worker. */
static enum weir_error
adopt_agreement(struct weir_worker *worker, struct weir_mono sent)
{
    struct wi_application wish = worker->application;
    enum weir_error error =
        worker->store->ops->open_application(worker->store->store, &wish, &worker->application);

    if (error != WEIR_OK) {
        return error;
    }
    wi_lease_renewer_init(&worker->renewer, worker->application.lease_duration_ms, sent);
    atomic_store(&worker->shared.hold_ms, worker->renewer.hold_ms);
    atomic_store(&worker->shared.session_deadline_ns, worker->renewer.deadline.ns);
    return wi_worker_coordinator_start(worker);
}

enum weir_error
wi_worker_join(struct weir_worker *worker)
{
    struct wi_process self;
    struct wi_worker row;
    struct weir_mono sent = {0};
    enum weir_error error = wi_process_self(&self);

    if (error != WEIR_OK) {
        return error;
    }
    wi_owner_format(
        wi_str(worker->worker_id),
        &self,
        worker->env->rng.next(worker->env->rng.context),
        worker->owner);
    row = worker_row(worker, false);
    sent = wi_worker_now(worker);
    error = worker->store->ops->put_worker(worker->store->store, &row);
    if (error != WEIR_OK) {
        return error;
    }
    error = adopt_agreement(worker, sent);
    if (error != WEIR_OK) {
        leave_at_once(worker);
        return error;
    }
    worker->joined = true;
    worker->expiry_told = false;
    worker->drain_written = false;
    wi_log(worker->env, WEIR_LOG_INFO, "worker", "joined as %s", worker->owner);
    return WEIR_OK;
}

/* Declared dead: every lease is gone. Come back as somebody new (R8). */
void
wi_worker_session_lost(struct weir_worker *worker)
{
    wi_log(
        worker->env,
        WEIR_LOG_WARN,
        "worker",
        "%s was silent for too long and lost its leases; it joins again",
        worker->owner);
    for (size_t i = 0; i < worker->runner_count; i++) {
        struct wi_runner *runner = worker->runners[i];

        runner->told_to_stop = true;
        atomic_store(&runner->verified_ns, WI_LEASE_LOST_WITH_ITS_SESSION.ns);
        wi_runner_tell(runner, WI_FACT_LEASE_LOST);
    }
    worker->joined = false; /* rejoin() sees it, once no job uses the old identity any more */
}

static void
rejoin(struct weir_worker *worker)
{
    enum weir_error error = WEIR_OK;

    if (worker->joined || worker->coordinator_job.job.busy || worker->member_job.job.busy ||
        worker->renew_job.job.busy) {
        return;
    }
    if (worker->phase == WI_WORKER_DRAINING || /* nothing is left to hand over */
        wi_mono_before(wi_worker_now(worker), worker->next_join)) {
        return;
    }
    error = wi_worker_join(worker);
    if (error != WEIR_OK) {
        worker->next_join = wi_mono_add_ms(wi_worker_now(worker), JOIN_RETRY_MS);
        wi_log(worker->env, WEIR_LOG_ERROR, "worker", "cannot join: %s", weir_error_text(error));
    }
}

/* --- draining ------------------------------------------------------------------------------- */

void
wi_worker_begin_drain(struct weir_worker *worker)
{
    if (worker->phase != WI_WORKER_RUNNING) {
        return;
    }
    worker->phase = WI_WORKER_DRAINING;
    worker->drain_until = wi_mono_add_ms(wi_worker_now(worker), worker->options.drain_timeout_ms);
    worker->table_wanted = true;
    worker->full_table_wanted = true;
    wi_log(worker->env, WEIR_LOG_INFO, "worker", "%s drains", worker->worker_id);
}

static void
member_run(struct wi_job *job)
{
    struct wi_member_job *member = (struct wi_member_job *)job;
    const struct wi_lease_store *store = member->worker->store;

    member->error = member->leaves ? store->ops->remove_worker(store->store, member->row.owner)
                                   : store->ops->put_worker(store->store, &member->row);
}

/* While its row is there, the fleet counts on a worker that drains, until its process ends. */
static bool
may_leave_later(const struct weir_worker *worker, enum weir_error error)
{
    return weir_error_class(error) == WEIR_CLASS_TRANSIENT &&
           wi_mono_before(wi_worker_now(worker), worker->drain_until);
}

static void
member_done(struct wi_job *job)
{
    struct wi_member_job *member = (struct wi_member_job *)job;
    struct weir_worker *worker = member->worker;

    if (member->leaves && member->error == WEIR_ECONFLICT) {
        worker->table_wanted = true; /* a lease was handed to it at the last moment */
        worker->full_table_wanted = true;
        worker->has_table = false;
        return;
    }
    if (member->error != WEIR_OK) {
        worker->drain_retry = wi_mono_add_ms(wi_worker_now(worker), DRAIN_RETRY_MS);
        wi_log(
            worker->env,
            WEIR_LOG_WARN,
            "worker",
            "its row cannot be changed: %s",
            weir_error_text(member->error));
    }
    if (!member->leaves) {
        worker->drain_written = member->error == WEIR_OK;
    } else if (!may_leave_later(worker, member->error)) {
        worker->phase = WI_WORKER_ENDED;
    }
}

static void
submit_member_job(struct weir_worker *worker, bool leaves)
{
    struct wi_member_job *member = &worker->member_job;

    member->worker = worker;
    member->job.run = member_run;
    member->job.done = member_done;
    member->row = worker_row(worker, true);
    member->leaves = leaves;
    wi_io_pool_submit(worker->io, WI_IO_NORMAL, &member->job);
}

/* The drain has taken too long, and hand-overs to nobody do not come to an end either. */
static void
give_up_drain(struct weir_worker *worker, struct weir_mono now)
{
    struct weir_mono last =
        wi_mono_add_ms(worker->drain_until, worker->application.lease_duration_ms);

    if (!wi_mono_before(now, worker->drain_until)) {
        wi_worker_stop_all(worker);
    }
    if (!wi_mono_before(now, last)) {
        wi_log(worker->env, WEIR_LOG_ERROR, "worker", "the drain took too long; leaving");
        atomic_store(&worker->abort_requested, true);
    }
}

/* Tell the fleet, wait until nothing is owned any more, and see that it ends. */
static void
drive_drain(struct weir_worker *worker)
{
    give_up_drain(worker, wi_worker_now(worker));
    if (!worker->joined) {
        worker->phase = worker->runner_count == 0 ? WI_WORKER_ENDED : worker->phase;
        return;
    }
    if (worker->member_job.job.busy) {
        return;
    }
    if (!worker->drain_written) {
        if (!wi_mono_before(wi_worker_now(worker), worker->drain_retry)) {
            worker->drain_written = true;
            submit_member_job(worker, false);
        }
    } else if (
        wi_worker_owns_nothing(worker) && wi_worker_coordinator_has_left(worker) &&
        !wi_mono_before(wi_worker_now(worker), worker->drain_retry)) {
        submit_member_job(worker, true);
    }
}

/* --- timers --------------------------------------------------------------------------------- */

/* Runners step and find that their deadline has passed (R2). */
static bool
everyone(struct wi_runnable *runnable, void *context)
{
    (void)context;
    return runnable->state != WI_RUN_DONE;
}

static void
check_deadline(struct weir_worker *worker, struct weir_mono now)
{
    if (!worker->expiry_told && !wi_mono_before(now, worker->renewer.deadline)) {
        worker->expiry_told = true;
        wi_log(
            worker->env,
            WEIR_LOG_ERROR,
            "worker",
            "no renewal was accepted in time: it gives up its leases");
        wi_processor_pool_each(worker->pool, everyone, NULL);
    }
}

/* R11: better no process than one that works on somebody else's shard. */
static void
check_strict(struct weir_worker *worker, struct weir_mono now)
{
    int64_t slack_ms = worker->application.lease_duration_ms / 10;

    if (!worker->options.strict) {
        return;
    }
    for (size_t i = 0; i < worker->runner_count; i++) {
        const struct wi_runner *runner = worker->runners[i];

        if (atomic_load(&runner->in_call_since_ns) != 0 &&
            wi_mono_before(wi_mono_add_ms(wi_runner_deadline(runner), slack_ms), now)) {
            wi_log(
                worker->env,
                WEIR_LOG_ERROR,
                "worker",
                "%s: still in process_records after the lease ended; strict: aborting",
                runner->lease.lease_key);
            abort();
        }
    }
}

/* When check_strict() has to look next. */
static struct weir_mono
next_of_strict(const struct weir_worker *worker)
{
    int64_t slack_ms = worker->application.lease_duration_ms / 10;
    struct weir_mono next = WI_MONO_NEVER;

    for (size_t i = 0; i < worker->runner_count && worker->options.strict; i++) {
        const struct wi_runner *runner = worker->runners[i];

        if (atomic_load(&runner->in_call_since_ns) != 0) {
            next = wi_mono_earlier(next, wi_mono_add_ms(wi_runner_deadline(runner), slack_ms + 1));
        }
    }
    return next;
}

/* DESIGN 4.4: a fleet without assignment passes is loud about it, on every worker. */
static void
check_passes(struct weir_worker *worker, struct weir_mono now)
{
    const int64_t quiet_ms = 4 * worker->application.lease_duration_ms;
    struct weir_mono last = {atomic_load(&worker->last_pass_ns)};

    if (worker->next_alarm.ns == 0) {
        worker->next_alarm = wi_mono_add_ms(now, quiet_ms);
    }
    if (wi_mono_before(now, worker->next_alarm)) {
        return;
    }
    worker->next_alarm = wi_mono_add_ms(now, quiet_ms);
    if (wi_mono_before(wi_mono_add_ms(last, quiet_ms), now)) {
        wi_log(
            worker->env,
            WEIR_LOG_ERROR,
            "coordinator",
            "no assignment pass is known to have succeeded for %lld ms",
            (long long)wi_mono_elapsed_ms(last, now));
    }
}

/* First everybody is to release to nobody, then the worker leaves with what it has. */
static struct weir_mono
next_of_drain(const struct weir_worker *worker, struct weir_mono now)
{
    if (worker->joined && !worker->member_job.job.busy &&
        (!worker->drain_written || wi_mono_before(now, worker->drain_retry))) {
        return worker->drain_retry;
    }
    return wi_mono_before(now, worker->drain_until)
               ? worker->drain_until
               : wi_mono_add_ms(worker->drain_until, worker->application.lease_duration_ms);
}

static struct weir_mono
next_timer(const struct weir_worker *worker, struct weir_mono pool_next, struct weir_mono now)
{
    struct weir_mono next = wi_mono_add_ms(now, WI_LOST_WAKE_MS);

    next = wi_mono_earlier(next, pool_next);
    next = wi_mono_earlier(next, next_of_strict(worker));
    next = wi_mono_earlier(next, wi_lease_renewer_wake(&worker->renewer));
    if (worker->options.evict_stopped_writers) {
        next = wi_mono_earlier(next, worker->next_look);
    }
    if (!worker->expiry_told) {
        next = wi_mono_earlier(next, worker->renewer.deadline);
    }
    if (worker->joined && !worker->coordinator_wants_table && !worker->coordinator_job.job.busy) {
        next = wi_mono_earlier(next, worker->coordinator_until);
    }
    if (worker->table_wanted && !worker->table_job.job.busy) {
        next = wi_mono_earlier(next, worker->table_not_before);
    }
    if (worker->shared.settings.automatic_checkpoints && !worker->flush_job.job.busy &&
        worker->runner_count > 0) {
        next = wi_mono_earlier(next, worker->next_flush);
    }
    if (worker->phase == WI_WORKER_DRAINING) {
        next = wi_mono_earlier(next, next_of_drain(worker, now));
    }
    return next;
}

/* --- the loop ------------------------------------------------------------------------------- */

static void
wait_for_events(struct weir_worker *worker, struct weir_mono until)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t wait_ms = wi_mono_until_ms(wi_worker_now(worker), until);
    int count = 0;
    uint64_t drained = 0;

    count = epoll_wait(worker->epoll_fd, events, EVENTS_MAX, (int)wait_ms);
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 == EVENT_WAKE) {
            ssize_t got = read(worker->wake_fd, &drained, sizeof drained);

            (void)got;
            atomic_store(&worker->wake_pending, false);
        } else if (events[i].data.u64 == EVENT_SIGNAL) {
            wi_worker_read_signals(worker);
        } else {
            /* Later events of this round may name descriptors by an index that has moved: they are
             * level-triggered and come again. */
            wi_worker_watch_died(worker, (size_t)events[i].data.u64);
            break;
        }
    }
}

static struct weir_mono
turn(struct weir_worker *worker)
{
    struct weir_mono now = wi_worker_now(worker);
    struct weir_mono pool_next = {0};

    check_deadline(worker, now); /* after a stop this is the first thing that runs */
    wi_io_pool_collect(worker->io);
    if (atomic_load(&worker->stop_requested) || atomic_load(&worker->stream_deleted)) {
        wi_worker_begin_drain(worker);
    }
    rejoin(worker);
    if (worker->joined) {
        wi_worker_renew(worker);
        wi_worker_coordinator_tick(worker);
    }
    wi_worker_evict_stopped_writer(worker);
    wi_worker_reap(worker);
    wi_worker_read_table(worker);
    wi_worker_flush(worker);
    if (worker->phase == WI_WORKER_DRAINING) {
        drive_drain(worker);
    }
    now = wi_worker_now(worker);
    check_strict(worker, now);
    check_passes(worker, now);
    pool_next = wi_processor_pool_tick(worker->pool, now);
    return next_timer(worker, pool_next, now);
}

static enum weir_error
open_descriptors(struct weir_worker *worker, sigset_t *ret_old_mask)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = EVENT_WAKE};
    sigset_t mask;

    sigemptyset(&mask);
    if (worker->options.handle_signals) {
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
    }
    pthread_sigmask(SIG_BLOCK, &mask, ret_old_mask); /* before any thread starts */
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (worker->epoll_fd < 0 ||
        epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->wake_fd, &event) != 0) {
        return WEIR_ELIMIT;
    }
    if (worker->options.handle_signals) {
        worker->signal_fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
        event.data.u64 = EVENT_SIGNAL;
        if (worker->signal_fd < 0 ||
            epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->signal_fd, &event) != 0) {
            return WEIR_ELIMIT;
        }
    }
    return WEIR_OK;
}

static enum weir_error
start(struct weir_worker *worker)
{
    const struct wi_processor_pool_settings settings = {
        .threads_max = (size_t)worker->options.processor_threads_max,
        .run = wi_runner_run,
        .notify = wi_worker_notify,
        .context = worker};
    enum weir_error error = wi_io_pool_new(worker->env, wi_worker_notify, worker, &worker->io);

    if (error == WEIR_OK) {
        error = wi_processor_pool_new(worker->env, &settings, &worker->pool);
    }
    if (error == WEIR_OK) {
        worker->shared.pool = worker->pool;
        worker->shared.request_flush = request_flush;
        worker->shared.context = worker;
        error = wi_worker_join(worker);
    }
    if (error == WEIR_OK) {
        error = wi_worker_watch_start(worker);
        if (error != WEIR_OK) {
            leave_at_once(worker);
        }
    }
    return error;
}

/* Threads first, then what they use. */
static void
stop(struct weir_worker *worker)
{
    wi_worker_watch_stop(worker);
    wi_processor_pool_free(worker->pool);
    wi_io_pool_free(worker->io);
    worker->pool = NULL;
    worker->io = NULL;
    wi_worker_coordinator_free(worker);
    wi_worker_renewal_free(worker);
    wi_worker_table_free(worker);
    if (worker->signal_fd >= 0) {
        close(worker->signal_fd);
    }
    if (worker->epoll_fd >= 0) {
        close(worker->epoll_fd);
    }
    worker->signal_fd = -1;
    worker->epoll_fd = -1;
    worker->phase = WI_WORKER_ENDED; /* also after an abort: it runs once */
}

enum weir_error
wi_worker_loop(struct weir_worker *worker, struct weir_detail *detail)
{
    sigset_t old_mask;
    enum weir_error error = open_descriptors(worker, &old_mask);

    if (error == WEIR_OK) {
        error = start(worker);
    }
    if (error != WEIR_OK) {
        error = wi_detail(
            detail, error, "worker %s cannot start: %s", worker->worker_id, weir_error_text(error));
        goto out;
    }
    while (worker->phase != WI_WORKER_ENDED && !atomic_load(&worker->abort_requested)) {
        wait_for_events(worker, turn(worker));
    }
    if (atomic_load(&worker->abort_requested)) {
        error = wi_detail(detail, WEIR_ECANCELED, "worker %s was aborted", worker->worker_id);
    } else if (atomic_load(&worker->stream_deleted)) {
        error = wi_detail(
            detail, WEIR_ENOTFOUND, "stream %s was deleted", weir_stream_name(worker->stream));
    }
out:
    if (atomic_load(&worker->abort_requested)) {
        /* One more signal ends a process whose callback never returns. */
        pthread_sigmask(SIG_SETMASK, &old_mask, NULL);
    }
    stop(worker);
    pthread_sigmask(SIG_SETMASK, &old_mask, NULL);
    return error;
}

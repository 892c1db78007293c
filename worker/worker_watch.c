/* What says "look again" to the loop: wake words of stream and table, and pidfds of processes. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/types.h>
#include <unistd.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "core/log.h"
#include "core/memory.h"
#include "core/mono.h"
#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_store.h"
#include "storage/process.h"
#include "stream/stream_source.h"
#include "worker/processor_pool.h"
#include "worker/shard_runner.h"
#include "worker/worker_runtime.h"

/* Signals within this time are one request: timeout(1) signals its child and then its whole group,
 * and so does a terminal together with what runs in it. */
#define SIGNAL_REPEAT_MS 250

/* The shard that a stream begins with. */
#define FIRST_SHARD "shardId-000000000000"

/* --- stream: consumers whose shard was written to run again ---------------------------------- */

struct wake_context {
    struct weir_stream *stream;
    bool everyone;
};

static bool
wants_wake(struct wi_runnable *runnable, void *argument)
{
    struct wi_runner *runner = (struct wi_runner *)runnable;
    const struct wake_context *context = argument;
    struct weir_str shard_id = wi_str(runner->shard.shard_id);

    if (runnable->state == WI_RUN_DONE) {
        return false;
    }
    if (!context->everyone &&
        wi_stream_slot_word(context->stream, shard_id) == atomic_load(&runner->slot_seen)) {
        return false;
    }
    atomic_fetch_or_explicit(&runner->facts, (unsigned)WI_FACT_WAKE, memory_order_release);
    return true;
}

/* Whether somebody has deleted the stream. Cheap while it has its first shard. */
static bool
is_deleted(struct weir_stream *stream)
{
    struct weir_stream_description description = {0};
    struct weir_sequence_number number;
    bool any = false;
    enum weir_error error = wi_stream_tail(stream, WI_STR(FIRST_SHARD), &number, &any);

    if (error == WEIR_ENOTFOUND) {
        error = weir_stream_describe(stream, &description, NULL);
        weir_stream_description_free(stream, &description);
    }
    return error == WEIR_ENOTFOUND;
}

/* After a commit, but not after each: at most once in WI_LOST_WAKE_MS. */
static void
look_for_deletion(struct weir_worker *worker, struct weir_mono *next, bool *is_changed)
{
    struct weir_mono now = wi_worker_now(worker);

    if (*is_changed && !wi_mono_before(now, *next)) {
        *is_changed = false;
        *next = wi_mono_add_ms(now, WI_LOST_WAKE_MS);
        if (is_deleted(worker->stream)) {
            atomic_store(&worker->stream_deleted, true);
            wi_worker_notify(worker);
        }
    }
}

/* Who dies between a commit and its wake-up leaves a new version, but may leave it next to the
 * wake-up of another put, which hides it: so some time after a wake-up of few, all look. */
static void *
stream_watcher_main(void *argument)
{
    struct weir_worker *worker = argument;
    struct wake_context context = {.stream = worker->stream};
    struct weir_mono next_look = {0};
    struct weir_mono all_look_at = WI_MONO_NEVER;
    bool is_changed = true;
    uint32_t seen = worker->stream_word_seen;
    uint64_t version = worker->stream_version_seen;

    while (!atomic_load(&worker->watchers_stop)) {
        uint32_t word = wi_stream_wait_word(worker->stream, seen, WI_LOST_WAKE_MS);
        uint64_t new_version = weir_stream_version(worker->stream);

        const struct weir_mono now = wi_worker_now(worker);
        const bool is_news = word != seen || new_version != version;
        const bool is_due = !wi_mono_before(now, all_look_at);

        context.everyone = word == seen || is_due;
        if (is_news || is_due) {
            wi_processor_pool_each(worker->pool, wants_wake, &context);
            all_look_at = context.everyone
                              ? WI_MONO_NEVER
                              : wi_mono_earlier(all_look_at, wi_mono_add_ms(now, WI_LOST_WAKE_MS));
        }
        is_changed = is_changed || is_news;
        look_for_deletion(worker, &next_look, &is_changed);
        seen = word;
        version = new_version;
    }
    return NULL;
}

/* --- table: the loop reads it again ---------------------------------------------------------- */

static void *
table_watcher_main(void *argument)
{
    struct weir_worker *worker = argument;
    const struct wi_lease_store *store = worker->store;
    uint32_t seen = worker->table_version_seen;

    while (!atomic_load(&worker->watchers_stop)) {
        uint32_t version = store->ops->wait(store->store, seen, WI_LOST_WAKE_MS);

        if (version != seen) {
            seen = version;
            atomic_store(&worker->table_hint, true);
            wi_worker_notify(worker);
        }
    }
    return NULL;
}

enum weir_error
wi_worker_watch_start(struct weir_worker *worker)
{
    worker->watched = wi_alloc_array(worker->env, WI_WATCHED_MAX, sizeof *worker->watched);
    if (worker->watched == NULL) {
        return WEIR_ENOMEM;
    }
    /* Not by the threads themselves: one that begins after the first read of the table, or the
     * first fetch, would never tell of a change between that and its begin. */
    worker->stream_word_seen = wi_stream_wake_word(worker->stream);
    worker->stream_version_seen = weir_stream_version(worker->stream);
    worker->table_version_seen = worker->store->ops->version(worker->store->store);
    if (pthread_create(&worker->stream_watcher, NULL, stream_watcher_main, worker) != 0) {
        return WEIR_ELIMIT;
    }
    if (pthread_create(&worker->table_watcher, NULL, table_watcher_main, worker) != 0) {
        atomic_store(&worker->watchers_stop, true);
        wi_stream_interrupt(worker->stream);
        pthread_join(worker->stream_watcher, NULL);
        return WEIR_ELIMIT;
    }
    worker->watchers_running = true;
    return WEIR_OK;
}

void
wi_worker_watch_stop(struct weir_worker *worker)
{
    if (worker->watchers_running) {
        atomic_store(&worker->watchers_stop, true);
        wi_stream_interrupt(worker->stream);
        worker->store->ops->interrupt(worker->store->store);
        pthread_join(worker->stream_watcher, NULL);
        pthread_join(worker->table_watcher, NULL);
        worker->watchers_running = false;
    }
    for (size_t i = 0; i < worker->watched_count; i++) {
        close(worker->watched[i].fd);
    }
    worker->watched_count = 0;
    wi_free(worker->env, worker->watched);
    worker->watched = NULL;
}

/* --- processes: the kernel's word that one is gone (R9) -------------------------------------- */

static bool
matters(const struct weir_worker *worker, const char *owner)
{
    if (strcmp(owner, worker->owner) == 0 || owner[0] == '\0') {
        return false;
    }
    return worker->was_leader || strcmp(owner, worker->table.leader.owner) == 0;
}

static size_t
find_watched(const struct weir_worker *worker, const char *owner)
{
    for (size_t i = 0; i < worker->watched_count; i++) {
        if (strcmp(worker->watched[i].owner, owner) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

static void
watch(struct weir_worker *worker, const struct wi_worker *row)
{
    struct wi_watched *watched = &worker->watched[worker->watched_count];
    struct epoll_event event = {.events = EPOLLIN};
    struct wi_process process;
    enum weir_error error = wi_owner_process(wi_str(row->owner), &process);

    if (error != WEIR_OK || worker->watched_count == WI_WATCHED_MAX) {
        return;
    }
    error = wi_process_open_fd(&process, &watched->fd);
    if (error == WEIR_ENOTFOUND) {
        worker->table_wanted = true; /* it died between the read and now */
        worker->full_table_wanted = true;
        return;
    }
    if (error != WEIR_OK) {
        return; /* no pidfd to be had: the counter will tell */
    }
    (void)wi_str_copy(watched->owner, sizeof watched->owner, wi_str(row->owner));
    event.data.u64 = worker->watched_count;
    if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, watched->fd, &event) != 0) {
        close(watched->fd);
        return;
    }
    worker->watched_count++;
}

static void
unwatch(struct weir_worker *worker, size_t index)
{
    struct wi_watched *last = &worker->watched[worker->watched_count - 1];
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = index};

    close(worker->watched[index].fd);
    if (last != &worker->watched[index]) {
        worker->watched[index] = *last;
        (void)epoll_ctl(worker->epoll_fd, EPOLL_CTL_MOD, last->fd, &event);
    }
    worker->watched_count--;
}

static bool
is_listed_alive(const struct weir_worker *worker, const char *owner)
{
    for (size_t i = 0; i < worker->table.worker_count; i++) {
        if (strcmp(worker->table.workers[i].owner, owner) == 0) {
            return worker->table.workers[i].state == WI_OWNER_ALIVE;
        }
    }
    return false;
}

void
wi_worker_watch_update(struct weir_worker *worker)
{
    for (size_t i = worker->watched_count; i > 0; i--) {
        const char *owner = worker->watched[i - 1].owner;

        if (!matters(worker, owner) || !is_listed_alive(worker, owner)) {
            unwatch(worker, i - 1);
        }
    }
    for (size_t i = 0; i < worker->table.worker_count; i++) {
        const struct wi_worker *row = &worker->table.workers[i];

        if (row->state == WI_OWNER_ALIVE && !row->elsewhere && matters(worker, row->owner) &&
            find_watched(worker, row->owner) == SIZE_MAX) {
            watch(worker, row);
        }
    }
}

void
wi_worker_watch_died(struct weir_worker *worker, size_t index)
{
    if (index >= worker->watched_count) {
        return;
    }
    wi_log(
        worker->env,
        WEIR_LOG_INFO,
        "worker",
        "process of %s is gone",
        worker->watched[index].owner);
    unwatch(worker, index);
    worker->table_wanted = true;
    worker->full_table_wanted = true;
    worker->table_not_before.ns = 0; /* failover does not wait for the pacing of reads */
}

/* --- signals --------------------------------------------------------------------------------- */

void
wi_worker_read_signals(struct weir_worker *worker)
{
    struct signalfd_siginfo info;

    while (read(worker->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        struct weir_mono now = wi_worker_now(worker);
        bool is_repeated = wi_mono_elapsed_ms(worker->signalled, now) < SIGNAL_REPEAT_MS;

        if (atomic_exchange(&worker->stop_requested, true) && !is_repeated) {
            atomic_store(&worker->abort_requested, true);
        }
        worker->signalled = now;
    }
}

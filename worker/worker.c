/* Public API of the worker. */
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/processor.h>
#include <weir/stream.h>
#include <weir/types.h>
#include <weir/worker.h>

#include "core/check.h"
#include "core/detail.h"
#include "core/log.h"
#include "core/log_limit.h"
#include "core/memory.h"
#include "core/metrics.h"
#include "core/mono.h"
#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_store.h"
#include "lease/session_rules.h"
#include "stream/stream_kinesis_url.h"
#include "stream/stream_source.h"
#include "worker/fetch_budget.h"
#include "worker/shard_consumer.h"
#include "worker/shard_runner.h"
#include "worker/worker_options.h"
#include "worker/worker_runtime.h"

/* struct weir_processor as the first version had it. */
#define FIRST_PROCESSOR_SIZE (offsetof(struct weir_processor, destroy) + sizeof(void (*)(void)))

/* HOST-PID: enough of a label; the identity is made at each start (R8). */
static void
default_worker_id(char text[WEIR_NAME_SIZE])
{
    char host[WEIR_NAME_SIZE - 16] = "worker";

    (void)gethostname(host, sizeof host - 1);
    host[sizeof host - 1] = '\0';
    for (char *c = host; *c != '\0'; c++) {
        struct weir_str one = {c, 1};

        if (*c != '.' && weir_name_check(one) != WEIR_OK) {
            *c = '-';
        }
    }
    (void)snprintf(text, WEIR_NAME_SIZE, "%s-%ld", host, (long)getpid());
}

static enum weir_error
copy_string(struct weir_worker *worker, size_t slot, const char **text)
{
    worker->strings[slot] = wi_strdup(worker->env, *text);
    *text = worker->strings[slot];
    return *text == NULL ? WEIR_ENOMEM : WEIR_OK;
}

static enum weir_error
copy_options(struct weir_worker *worker, const struct weir_worker_options *options)
{
    struct weir_worker_options *copy = &worker->options;
    enum weir_error error = WEIR_OK;

    memcpy(
        copy, options, options->struct_size < sizeof *copy ? options->struct_size : sizeof *copy);
    if (copy->data_directory == NULL) {
        copy->data_directory = "./weir-data";
    }
    default_worker_id(worker->worker_id);
    if (copy->worker_id != NULL) {
        (void)wi_str_copy(worker->worker_id, sizeof worker->worker_id, wi_str(copy->worker_id));
    }
    copy->worker_id = worker->worker_id;
    error = copy_string(worker, 0, &copy->data_directory);
    if (error == WEIR_OK) {
        error = copy_string(worker, 1, &copy->application);
    }
    if (error == WEIR_OK) {
        error = copy_string(worker, 2, &copy->stream);
    }
    return error == WEIR_OK && copy->table != NULL ? copy_string(worker, 3, &copy->table) : error;
}

static enum weir_error
open_stream(struct weir_worker *worker, struct weir_detail *detail)
{
    struct weir_stream_options options = WEIR_STREAM_OPTIONS_INIT;

    if (wi_kinesis_url_is_any(worker->options.stream)) {
        return wi_detail(
            detail, WEIR_EINVAL, "name the streams, with commas between: kinesis:A,B?region=R");
    }
    return weir_stream_open(
        worker->env,
        worker->options.data_directory,
        worker->options.stream,
        &options,
        &worker->stream,
        detail);
}

/* A writer that holds the table's lock for longer than this is reported. */
static int64_t
lock_patience_ms(const struct weir_worker_options *options)
{
    int64_t patience_ms = options->lease_duration_ms / 4;

    return patience_ms > 2000 ? 2000 : patience_ms;
}

static bool
is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* Where the options say that it is. */
static enum weir_error
open_store(struct weir_worker *worker, struct weir_detail *detail)
{
    const struct wi_lease_store_dynamodb_options dynamodb = {.url = worker->options.table};
    const struct wi_lease_store_lmdb_options lmdb = {
        .data_directory = worker->options.data_directory,
        .application = worker->options.application,
        .lock_patience_ms = lock_patience_ms(&worker->options)};

    return is_set(worker->options.table)
               ? wi_lease_store_open_dynamodb(worker->env, &dynamodb, &worker->store, detail)
               : wi_lease_store_open_lmdb(worker->env, &lmdb, &worker->store, detail);
}

/* Leases of one stream have other keys than those of several, and nothing turns them into each
 * other. */
static enum weir_error
refuse_application(
    const struct weir_worker *worker, const struct wi_application *wish, struct weir_detail *detail)
{
    const char *name = worker->options.application;

    if (wi_application_reads_several(wish)) {
        return wi_detail(
            detail,
            WEIR_ECONFLICT,
            "application %s reads one stream, or streams of another region than %s: several "
            "streams need an application of their own",
            name,
            wish->stream_url);
    }
    return wi_detail(
        detail,
        WEIR_ECONFLICT,
        "application %s reads another stream than %s, or several: choose another application name",
        name,
        wish->stream_url);
}

static enum weir_error
open_table(struct weir_worker *worker, struct weir_detail *detail)
{
    struct wi_application wish = {
        .lease_duration_ms = worker->options.lease_duration_ms,
        .initial_position = worker->options.initial_position};
    enum weir_error error = open_store(worker, detail);

    if (error != WEIR_OK) {
        return error;
    }
    (void)wi_str_copy(
        wish.stream_url, sizeof wish.stream_url, wi_str(wi_stream_url(worker->stream)));
    error = worker->store->ops->open_application(worker->store->store, &wish, &worker->application);
    if (error == WEIR_ECONFLICT) {
        return refuse_application(worker, &wish, detail);
    }
    if (error != WEIR_OK) {
        return wi_detail(
            detail,
            error,
            "application %s cannot be opened: %s",
            worker->options.application,
            weir_error_text(error));
    }
    if (worker->application.lease_duration_ms != wish.lease_duration_ms) {
        wi_log(
            worker->env,
            WEIR_LOG_WARN,
            "worker",
            "the fleet uses a lease duration of %lld ms; this worker adopts it",
            (long long)worker->application.lease_duration_ms);
    }
    return WEIR_OK;
}

/* Stream and table; without memory they may fail without a word. */
static enum weir_error
open_places(struct weir_worker *worker, struct weir_detail *detail)
{
    struct weir_detail own = {{0}};
    enum weir_error error = open_stream(worker, &own);

    if (error == WEIR_OK) {
        error = open_table(worker, &own);
    }
    if (error != WEIR_OK) {
        error =
            wi_detail(detail, error, "%s", own.text[0] != '\0' ? own.text : weir_error_text(error));
    }
    return error;
}

/* A smaller struct_size than that of the first version: it was never set, and no slot is there. */
static enum weir_error
check_processor(const struct weir_processor *processor, struct weir_detail *detail)
{
    if (processor->struct_size < FIRST_PROCESSOR_SIZE) {
        return wi_detail(
            detail, WEIR_EINVAL, "a processor without struct_size: start from WEIR_PROCESSOR_INIT");
    }
    if (processor->process_records == NULL) {
        return wi_detail(detail, WEIR_EINVAL, "a processor needs process_records");
    }
    return WEIR_OK;
}

static void
prepare_shared(struct weir_worker *worker, const struct weir_processor *processor)
{
    const struct weir_worker_options *options = &worker->options;
    struct wi_runner_shared *shared = &worker->shared;

    shared->env = worker->env;
    shared->stream = worker->stream;
    shared->store = worker->store;
    memcpy(
        &shared->processor,
        processor,
        processor->struct_size < sizeof *processor ? processor->struct_size : sizeof *processor);
    shared->settings =
        (struct wi_consumer_settings){.automatic_checkpoints = options->checkpoint_interval_ms > 0,
                                      .retry_base_ms = options->retry_base_ms,
                                      .retry_cap_ms = options->retry_cap_ms,
                                      .idle_poll_ms = WI_IDLE_POLL_MS};
    shared->worker_id = worker->worker_id;
    shared->batch_records_max = (size_t)options->batch_records_max;
    shared->checkpoint_records = (uint64_t)options->checkpoint_records;
    wi_fetch_budget_init(
        &shared->budget, (uint64_t)options->buffer_bytes_max, (uint64_t)options->batch_bytes_max);
}

enum weir_error
weir_worker_new(
    const struct weir_env *env,
    const struct weir_worker_options *options,
    const struct weir_processor *processor,
    struct weir_worker **ret,
    struct weir_detail *detail)
{
    struct weir_worker *worker = NULL;
    enum weir_error error = WEIR_OK;

    if (env == NULL || options == NULL || processor == NULL || ret == NULL) {
        return wi_detail(detail, WEIR_EINVAL, "a worker needs options and a processor");
    }
    error = check_processor(processor, detail);
    if (error == WEIR_OK) {
        error = wi_worker_options_check(options, detail);
    }
    if (error != WEIR_OK) {
        return error;
    }
    worker = wi_alloc(env, sizeof *worker);
    if (worker == NULL) {
        return wi_detail(detail, WEIR_ENOMEM, "no memory for a worker");
    }
    worker->env = env;
    worker->past.env = env;
    worker->epoll_fd = -1;
    worker->signal_fd = -1;
    worker->options = (struct weir_worker_options)WEIR_WORKER_OPTIONS_INIT;
    pthread_mutex_init(&worker->shared.budget_lock, NULL);
    wi_log_limit_init(&worker->shared.complaints, worker->env, "worker");
    worker->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    error = worker->wake_fd < 0 ? WEIR_ELIMIT : copy_options(worker, options);
    if (error != WEIR_OK) {
        error = wi_detail(detail, error, "a worker cannot be made: %s", weir_error_text(error));
        goto out;
    }
    error = open_places(worker, detail);
    if (error != WEIR_OK) {
        goto out;
    }
    prepare_shared(worker, processor);
    *ret = worker;
    worker = NULL;
out:
    weir_worker_free(worker);
    return error;
}

enum weir_error
weir_worker_run(struct weir_worker *worker, struct weir_detail *detail)
{
    if (worker == NULL || worker->phase != WI_WORKER_RUNNING) {
        return wi_detail(detail, WEIR_ESTATE, "a worker runs once: make a new one");
    }
    return wi_worker_loop(worker, detail);
}

void
weir_worker_stop(struct weir_worker *worker)
{
    if (worker != NULL && !atomic_exchange(&worker->stop_requested, true)) {
        wi_worker_notify(worker);
    }
}

void
weir_worker_abort(struct weir_worker *worker)
{
    if (worker != NULL && !atomic_exchange(&worker->abort_requested, true)) {
        wi_worker_notify(worker);
    }
}

void
weir_worker_free(struct weir_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    wi_lease_store_close(worker->store);
    weir_stream_close(worker->stream);
    if (worker->wake_fd >= 0) {
        close(worker->wake_fd);
    }
    wi_log_limit_destroy(&worker->shared.complaints);
    pthread_mutex_destroy(&worker->shared.budget_lock);
    for (size_t i = 0; i < WI_ARRAY_LENGTH(worker->strings); i++) {
        wi_free(worker->env, worker->strings[i]);
    }
    wi_free(worker->env, worker);
}

void
weir_worker_metrics_get(struct weir_worker *worker, struct weir_worker_metrics *ret)
{
    const struct wi_runner_metrics *counts = &worker->shared.metrics;
    struct weir_mono last = {atomic_load(&worker->last_pass_ns)};
    struct weir_worker_metrics metrics = {
        .struct_size = ret->struct_size,
        .leases_held = wi_counter_read(&worker->leases_held),
        .leases_acquired = wi_counter_read(&worker->leases_acquired),
        .leases_lost = wi_counter_read(&counts->leases_lost),
        .leases_handed_over = wi_counter_read(&counts->leases_handed_over),
        .records_delivered = wi_counter_read(&counts->records_delivered),
        .records_processed = wi_counter_read(&counts->records_processed),
        .batches_failed = wi_counter_read(&counts->batches_failed),
        .shards_blocked = wi_counter_read(&worker->shards_blocked),
        .checkpoints_written = wi_counter_read(&counts->checkpoints_written),
        .checkpoints_refused = wi_counter_read(&counts->checkpoints_refused),
        .renewals_failed = wi_counter_read(&worker->renewals_failed),
        .fetches = wi_counter_read(&counts->fetches),
        .is_leader = wi_counter_read(&worker->is_leader),
        .last_assignment_pass_age_ms =
            last.ns == 0 ? -1 : wi_mono_elapsed_ms(last, wi_worker_now(worker))};

    memcpy(ret, &metrics, ret->struct_size < sizeof metrics ? ret->struct_size : sizeof metrics);
}

/* Looking at applications: their lease tables and, for the lag, their streams. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/app.h>
#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "coordinator/lease_taker.h"
#include "core/detail.h"
#include "core/memory.h"
#include "core/shard_key.h"
#include "core/str.h"
#include "core/stream_names.h"
#include "lease/lease.h"
#include "lease/lease_store.h"
#include "lease/session_rules.h"
#include "storage/process.h"
#include "worker/app_table.h"
#include "worker/scheduler.h"

#define PASS_MS 1000 /* one pass of the leader, for the failover bound */

const char *
weir_shard_state_name(enum weir_shard_state state)
{
    switch (state) {
    case WEIR_SHARD_UNASSIGNED:
        return "unassigned";
    case WEIR_SHARD_WAITING_ON_PARENT_SHARDS:
        return "waiting_on_parent_shards";
    case WEIR_SHARD_PROCESSING:
        return "processing";
    case WEIR_SHARD_SHUTDOWN_REQUESTED:
        return "shutdown_requested";
    case WEIR_SHARD_SHUTDOWN_COMPLETE:
        return "shutdown_complete";
    }
    return "unknown";
}

enum weir_error
weir_app_list(
    const struct weir_env *env,
    const char *data_directory,
    weir_app_list_fn each,
    void *context,
    struct weir_detail *detail)
{
    enum weir_error error = WEIR_EINVAL;

    if (env == NULL || data_directory == NULL || each == NULL) {
        return wi_detail(detail, WEIR_EINVAL, "a list needs a directory and a function to call");
    }
    error = wi_lease_store_each_application(env, data_directory, each, context);
    return error == WEIR_OK ? WEIR_OK
                            : wi_detail(
                                  detail,
                                  error,
                                  "the applications of %s cannot be listed: %s",
                                  data_directory,
                                  weir_error_text(error));
}

/* --- describe --- */

/* The label of an owner; "" of nobody. */
static void
copy_label(char ret[WEIR_NAME_SIZE], const char *owner)
{
    (void)wi_str_copy(ret, WEIR_NAME_SIZE, wi_owner_name(wi_str(owner)));
}

static enum weir_shard_state
state_of(const struct wi_lease_table *table, const struct wi_lease *lease)
{
    if (lease->checkpoint.type == WEIR_SHARD_END) {
        return WEIR_SHARD_SHUTDOWN_COMPLETE;
    }
    if (lease->owner[0] == '\0') {
        return WEIR_SHARD_UNASSIGNED;
    }
    if (lease->handoff.reason != WI_HANDOFF_NONE || lease->revoked) {
        return WEIR_SHARD_SHUTDOWN_REQUESTED;
    }
    return wi_parents_are_finished(table, lease) ? WEIR_SHARD_PROCESSING
                                                 : WEIR_SHARD_WAITING_ON_PARENT_SHARDS;
}

/* Age of the first record behind the checkpoint; 0 if there is none; -1 if nobody can say. Records
 * that are gone already count no more: the oldest one kept is the first. */
static int64_t
millis_behind(
    const struct weir_env *env,
    struct weir_stream *stream,
    struct weir_batch *batch,
    const struct wi_lease *lease)
{
    struct weir_position from = lease->checkpoint;
    struct weir_get_result result = {0};
    enum weir_error error = WEIR_OK;
    int64_t age_ms = 0;

    if (from.type == WEIR_SHARD_END) {
        return 0;
    }
    if (stream == NULL) {
        return -1;
    }
    error = weir_stream_get(
        stream,
        &(struct weir_get_request){
            .shard_id = wi_str(lease->shard_id), .from = from, .records_max = 1, .bytes_max = 1},
        batch,
        &result);
    if (error == WEIR_ETRIMMED) {
        from = (struct weir_position){.type = WEIR_TRIM_HORIZON};
        error = weir_stream_get(
            stream,
            &(struct weir_get_request){.shard_id = wi_str(lease->shard_id),
                                       .from = from,
                                       .records_max = 1,
                                       .bytes_max = 1},
            batch,
            &result);
    }
    if (error != WEIR_OK) {
        return -1;
    }
    if (weir_batch_count(batch) == 0) {
        return 0;
    }
    age_ms = env->clock.wall(env->clock.context).ms - weir_batch_records(batch)[0].arrival_ms;
    return age_ms > 0 ? age_ms : 1; /* unread, whatever the clocks say: 0 is the tip */
}

/* Without the stream the description is still worth having: every lag is -1 then. */
static enum weir_error
describe_shards(
    const struct wi_app *app, const char *data_directory, struct weir_app_description *description)
{
    struct weir_stream_options options = WEIR_STREAM_OPTIONS_INIT;
    struct weir_stream *stream = NULL;
    struct weir_batch *batch = NULL;
    enum weir_error error = weir_batch_new(app->env, &batch);

    if (error != WEIR_OK) {
        return error;
    }
    options.read_only = true;
    if (weir_stream_open(
            app->env, data_directory, app->table.application.stream_url, &options, &stream, NULL) !=
        WEIR_OK) {
        stream = NULL;
    }
    for (size_t i = 0; i < app->table.lease_count; i++) {
        const struct wi_lease *lease = &app->table.leases[i];
        struct weir_app_shard *shard = &description->shards[i];
        (void)wi_str_copy(shard->shard_id, sizeof shard->shard_id, wi_str(lease->shard_id));
        shard->state = state_of(&app->table, lease);
        copy_label(shard->owner, lease->owner);
        shard->lease_epoch = lease->epoch;
        shard->checkpoint = lease->checkpoint;
        shard->millis_behind_latest = millis_behind(app->env, stream, batch, lease);
    }
    weir_stream_close(stream);
    weir_batch_free(batch);
    return WEIR_OK;
}

static uint64_t
count_leases(const struct wi_lease_table *table, const char *owner)
{
    uint64_t count = 0;

    for (size_t i = 0; i < table->lease_count; i++) {
        count += strcmp(table->leases[i].owner, owner) == 0;
    }
    return count;
}

static void
describe_worker(
    const struct wi_lease_table *table, const struct wi_worker *worker, struct weir_app_worker *ret)
{
    struct wi_process process = {.pid = 0};

    copy_label(ret->worker_id, worker->owner);
    ret->leases = count_leases(table, worker->owner);
    ret->draining = worker->draining;
    ret->alive = worker->state == WI_OWNER_ALIVE;
    if (wi_owner_process(wi_str(worker->owner), &process) == WEIR_OK) {
        enum wi_process_state state = wi_process_look(&process);
        ret->pid = process.pid;
        ret->alive = state == WI_PROCESS_UNKNOWN ? ret->alive : state != WI_PROCESS_GONE;
    }
}

/* Of an application of several streams those that have leases, which are sorted by stream. */
static void
name_streams(const struct wi_lease_table *table, char ret[WEIR_NAME_SIZE])
{
    struct wi_stream_names names;
    struct weir_str last = {"", 0};

    wi_stream_names_init(&names);
    for (size_t i = 0; i < table->lease_count; i++) {
        const struct weir_str key = wi_str(table->leases[i].lease_key);

        if (!wi_str_equal(wi_shard_key_stream(key), last)) {
            wi_stream_names_add(&names, wi_shard_key_stream_name(key));
            last = wi_shard_key_stream(key);
        }
    }
    memcpy(ret, names.text, sizeof names.text);
}

/* A hang right after a taker's pass: the next one sees the last renewal, the one after takes. */
static int64_t
failover_bound_ms(const struct wi_lease_table *table)
{
    int64_t duration_ms = table->application.lease_duration_ms;

    return table->leader.everyone_takes
               ? INT64_C(2) * WI_TAKER_SPANS * (duration_ms + WI_TAKER_EPSILON_MS) + PASS_MS
               : duration_ms + duration_ms / 4 + PASS_MS;
}

static enum weir_error
describe_table(
    const struct wi_app *app, const char *data_directory, struct weir_app_description *description)
{
    const struct wi_lease_table *table = &app->table;
    const struct wi_application *application = &table->application;
    struct weir_str url = wi_str(application->stream_url);
    struct weir_str scheme;

    (void)wi_str_cut(url, ':', &scheme, &url);
    (void)wi_str_cut(url, '?', &url, &scheme);
    (void)wi_str_copy(description->stream, sizeof description->stream, url);
    if (wi_application_reads_several(application)) {
        name_streams(table, description->stream);
    }
    copy_label(description->leader, table->leader.owner);
    description->lease_duration_ms = application->lease_duration_ms;
    description->failover_bound_ms = failover_bound_ms(table);
    description->damaged_rows = table->damaged_count;
    description->shard_count = table->lease_count;
    description->worker_count = table->worker_count;
    description->shards = wi_alloc_array(app->env, table->lease_count, sizeof *description->shards);
    description->workers =
        wi_alloc_array(app->env, table->worker_count, sizeof *description->workers);
    if (description->shards == NULL || description->workers == NULL) {
        return WEIR_ENOMEM;
    }
    for (size_t i = 0; i < table->worker_count; i++) {
        describe_worker(table, &table->workers[i], &description->workers[i]);
    }
    return describe_shards(app, data_directory, description);
}

enum weir_error
weir_app_describe(
    const struct weir_env *env,
    const char *data_directory,
    const char *application,
    struct weir_app_description *ret,
    struct weir_detail *detail)
{
    struct weir_app_description description = {.shards = NULL};
    struct wi_app app;
    enum weir_error error = WEIR_EINVAL;

    if (ret == NULL) {
        return wi_detail(detail, WEIR_EINVAL, "a description needs a place for it");
    }
    error = wi_app_open(env, data_directory, application, true, &app, detail);
    if (error != WEIR_OK) {
        return error;
    }
    error = describe_table(&app, data_directory, &description);
    wi_app_close(&app);
    if (error != WEIR_OK) {
        weir_app_description_free(env, &description);
        return wi_detail(detail, error, "no memory for the description");
    }
    *ret = description;
    return WEIR_OK;
}

void
weir_app_description_free(const struct weir_env *env, struct weir_app_description *description)
{
    if (description != NULL) {
        wi_free(env, description->shards);
        wi_free(env, description->workers);
        *description = (struct weir_app_description){.shards = NULL};
    }
}

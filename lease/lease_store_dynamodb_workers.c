/* The application that weir's workers agree on, worker rows, reset. */
#include <cJSON.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/dynamodb_api.h"
#include "aws/dynamodb_item.h"
#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_row_dynamodb.h"
#include "lease/lease_rules.h"
#include "lease/lease_store.h"
#include "lease/lease_store_dynamodb.h"
#include "lease/lease_watch_dynamodb.h"
#include "lease/session_rules.h"
#include "storage/process.h"

#define MS_PER_S 1000

/* --- application ---------------------------------------------------------------------------- */

/* By the wall clock, which works without having watched the table for a while. */
static bool
is_live(struct wi_dynamodb_store *store, const struct wi_worker *row)
{
    struct wi_dynamodb_worker worker;

    return row->state == WI_OWNER_ALIVE &&
           wi_dynamodb_get_worker(store, row->owner, &worker) == WEIR_OK &&
           wi_dynamodb_has_reported(
               &worker, wi_dynamodb_wall_ms(store), wi_dynamodb_lease_duration_ms(store));
}

static bool
has_live_worker(struct wi_dynamodb_store *store, const struct wi_lease_table *table)
{
    for (size_t i = 0; i < table->worker_count; i++) {
        if (is_live(store, &table->workers[i])) {
            return true;
        }
    }
    return false;
}

static enum weir_error
write_state(struct wi_dynamodb_store *store, const struct wi_application *application)
{
    struct wi_dynamodb_write write;
    enum weir_error error = WEIR_OK;

    wi_dynamodb_write_init(&write, store->env, false);
    wi_dynamodb_state_agree(&write, application);
    error = wi_dynamodb_update_row(store, wi_dynamodb_states(store), WI_DYNAMODB_STATE_KEY, &write);
    wi_dynamodb_write_free(&write);
    return error;
}

static void
adopt(struct wi_dynamodb_store *store, const struct wi_application *application)
{
    pthread_mutex_lock(&store->mutex);
    store->application = *application;
    pthread_mutex_unlock(&store->mutex);
}

/* Whether leases of Java workers, who tell weir no URL, have the form that this application's have:
 * nobody turns leases of one stream into those of several, or back. */
static enum weir_error
check_streams(const struct wi_dynamodb_store *store, const struct wi_application *wish)
{
    const bool wants_several = wi_application_reads_several(wish);

    return (wants_several && store->reads_one) || (!wants_several && store->reads_several)
               ? WEIR_ECONFLICT
               : WEIR_OK;
}

enum weir_error
wi_dynamodb_open_application(
    void *context, const struct wi_application *wish, struct wi_application *ret)
{
    struct wi_dynamodb_store *store = context;
    struct wi_dynamodb_state state;
    struct wi_application agreed;
    struct wi_lease_table table;
    struct wi_application_facts facts;
    enum weir_error error = wi_application_check(wish);
    bool changed = false;

    if (error != WEIR_OK) {
        return error;
    }
    error = wi_dynamodb_check_rights(store);
    if (error == WEIR_OK) {
        error = wi_dynamodb_get_state(store, &state);
    }
    if (error == WEIR_OK && !state.has_application) {
        adopt(store, wish); /* says where rows of Java at AT_TIMESTAMP begin */
    }
    if (error == WEIR_OK) {
        error = wi_dynamodb_list(store, &table);
    }
    if (error != WEIR_OK) {
        return error;
    }
    facts =
        (struct wi_application_facts){.exists = state.has_application,
                                      .has_live_worker = has_live_worker(store, &table),
                                      .has_leases = table.lease_count + table.damaged_count > 0};
    if (state.mode == WI_DYNAMODB_MODE_2X && facts.has_leases) {
        facts.has_live_worker = true; /* workers have no rows there that could say otherwise */
    }
    wi_lease_table_free(store->env, &table);
    agreed = state.application;
    error = check_streams(store, wish);
    if (error == WEIR_OK) {
        error = wi_application_join(&agreed, wish, &facts, &changed);
    }
    if (error == WEIR_OK && changed && state.mode != WI_DYNAMODB_MODE_NONE) {
        error = write_state(store, &agreed); /* workers of 2.x must not find such a row */
    }
    if (error == WEIR_OK) {
        adopt(store, &agreed);
        *ret = agreed;
    }
    return error;
}

/* --- workers -------------------------------------------------------------------------------- */

enum weir_error
wi_dynamodb_put_worker(void *context, const struct wi_worker *worker)
{
    struct wi_dynamodb_store *store = context;
    struct wi_dynamodb_write write;
    struct weir_mono sent = wi_dynamodb_now(store);
    enum weir_error error = WEIR_OK;
    bool has_row = false;

    if (!wi_lease_text_is_valid(worker->owner, sizeof worker->owner)) {
        return WEIR_EINVAL;
    }
    error = wi_dynamodb_follow_move(store);
    if (error != WEIR_OK) {
        return error;
    }
    has_row = wi_dynamodb_mode(store) != WI_DYNAMODB_MODE_2X;
    if (has_row) {
        wi_dynamodb_write_init(&write, store->env, false);
        wi_dynamodb_worker_report(
            &write,
            worker,
            store->host,
            wi_dynamodb_wall_ms(store) / MS_PER_S,
            atomic_load(&store->is_single),
            true);
        error = wi_dynamodb_update_row(store, wi_dynamodb_workers(store), worker->owner, &write);
        wi_dynamodb_write_free(&write);
    }
    if (error == WEIR_ENOTFOUND && wi_dynamodb_mode(store) != WI_DYNAMODB_MODE_3X) {
        has_row = false; /* Java KCL 3.x has not made the table for it yet */
        error = WEIR_OK;
    }
    if (error != WEIR_OK) {
        return error;
    }
    pthread_mutex_lock(&store->mutex);
    store->has_row = has_row;
    store->has_left = false;
    store->self = *worker;
    memcpy(store->owner, worker->owner, sizeof store->owner);
    store->reported = sent;
    pthread_mutex_unlock(&store->mutex);
    wi_dynamodb_raise_hint(store);
    return WEIR_OK;
}

/* By the index, and then by the row itself: the index may be late either way. A lease that it does
 * not show yet expires, as that of a dead worker. */
static enum weir_error
owns_a_lease(struct wi_dynamodb_store *store, const char *owner, bool *ret)
{
    struct wi_dynamodb_request request;
    struct wi_dynamodb_lease row;
    const cJSON *item = NULL;
    enum weir_error error = WEIR_OK;

    *ret = false;
    wi_dynamodb_request_init(&request, store->env);
    wi_dynamodb_build_query(
        &request, &store->leases, WI_DYNAMODB_OWNER_INDEX, WI_DYNAMODB_LEASE_OWNER, owner, NULL);
    wi_dynamodb_perform(&store->dynamodb, &request, 1);
    error = request.error;
    cJSON_ArrayForEach(item, request.items)
    {
        const char *key = wi_dynamodb_text(item, WI_DYNAMODB_LEASE_KEY);

        if (error == WEIR_OK && !*ret && key != NULL) {
            enum weir_error found = wi_dynamodb_get_lease(store, key, &row);

            /* A finished lease that Java's leader gave it is nothing to give back. */
            *ret = found == WEIR_OK && strcmp(row.lease.owner, owner) == 0 &&
                   (row.is_ours || row.lease.checkpoint.type != WEIR_SHARD_END);
        }
    }
    wi_dynamodb_request_free(&request);
    return error;
}

static enum weir_error
delete_worker(struct wi_dynamodb_store *store, const struct wi_dynamodb_worker *worker)
{
    struct wi_dynamodb_request request;
    struct wi_dynamodb_write write;
    bool is_self = false;
    enum weir_error error = WEIR_OK;

    pthread_mutex_lock(&store->mutex);
    is_self = strcmp(store->owner, worker->worker.owner) == 0;
    pthread_mutex_unlock(&store->mutex);
    wi_dynamodb_request_init(&request, store->env);
    wi_dynamodb_write_init(&write, store->env, false);
    if (!is_self) {
        wi_dynamodb_worker_require_silent(&write, worker);
    }
    wi_dynamodb_build_delete(&request, wi_dynamodb_workers(store), worker->worker.owner, &write);
    wi_dynamodb_perform(&store->dynamodb, &request, 1);
    error = request.error;
    wi_dynamodb_write_free(&write);
    wi_dynamodb_request_free(&request);
    return error;
}

/* True: this worker has no row, and will write none. What it owned by the last listing was let go;
 * a lease that says otherwise expires, as that of a dead worker. */
static bool
leave_without_row(struct wi_dynamodb_store *store, const char *owner)
{
    bool has_left = false;

    pthread_mutex_lock(&store->mutex);
    if (strcmp(store->owner, owner) == 0) {
        store->has_left = true;
        has_left = !store->has_row;
    }
    pthread_mutex_unlock(&store->mutex);
    return has_left;
}

/* `worker`: its row as just read. */
static enum weir_error
remove_row(struct wi_dynamodb_store *store, const struct wi_dynamodb_worker *worker)
{
    enum weir_error error = WEIR_OK;
    bool owns = false;

    if (wi_dynamodb_mode(store) == WI_DYNAMODB_MODE_3X) {
        /* By the index, which 2.x does not have. */
        error = owns_a_lease(store, worker->worker.owner, &owns);
    }
    if (error == WEIR_OK && owns) {
        error = WEIR_ECONFLICT;
    }
    if (error == WEIR_OK) {
        error = delete_worker(store, worker);
    }
    if (error == WEIR_OK) {
        wi_dynamodb_raise_hint(store);
    }
    return error;
}

enum weir_error
wi_dynamodb_remove_worker(void *context, const char *owner)
{
    struct wi_dynamodb_store *store = context;
    struct wi_dynamodb_worker worker;
    enum weir_error error = WEIR_OK;

    if (leave_without_row(store, owner)) {
        return WEIR_OK;
    }
    error = wi_dynamodb_get_worker(store, owner, &worker);
    return error == WEIR_OK ? remove_row(store, &worker) : error;
}

/* The counter that callers were told is one of listings, not of the row: it must be the last one's,
 * and the row as that listing found it. */
enum weir_error
wi_dynamodb_remove_dead_worker(
    void *context, uint64_t term, const char *owner, uint64_t expected_counter)
{
    struct wi_dynamodb_store *store = context;
    struct wi_dynamodb_worker worker;
    bool is_as_seen = false;
    enum weir_error error = wi_dynamodb_check_term(store, term);

    if (error == WEIR_OK) {
        error = wi_dynamodb_get_worker(store, owner, &worker);
    }
    if (error != WEIR_OK) {
        return error;
    }
    pthread_mutex_lock(&store->mutex);
    is_as_seen = wi_dynamodb_watch_shows(&store->watch, &worker, expected_counter);
    pthread_mutex_unlock(&store->mutex);
    return is_as_seen || wi_dynamodb_process_is_gone(store, &worker) ? remove_row(store, &worker)
                                                                     : WEIR_ECONFLICT;
}

enum weir_error
wi_dynamodb_request_drain(void *context, const char *worker_name)
{
    struct wi_dynamodb_store *store = context;
    struct wi_lease_table table;
    enum weir_error error = wi_dynamodb_list(store, &table);
    enum weir_error found = WEIR_ENOTFOUND;

    if (error != WEIR_OK) {
        return error;
    }
    for (size_t i = 0; i < table.worker_count && error == WEIR_OK; i++) {
        const struct wi_worker *worker = &table.workers[i];
        struct wi_dynamodb_write write;

        if (worker->state != WI_OWNER_ALIVE ||
            !wi_str_equal_z(wi_owner_name(wi_str(worker->owner)), worker_name)) {
            continue;
        }
        wi_dynamodb_write_init(&write, store->env, false);
        wi_dynamodb_worker_request_drain(&write);
        error = wi_dynamodb_update_row(store, wi_dynamodb_workers(store), worker->owner, &write);
        wi_dynamodb_write_free(&write);
        /* A worker of Java KCL, or one that has just left. */
        found = error == WEIR_OK ? WEIR_OK : found;
        error = error == WEIR_ECONFLICT ? WEIR_OK : error;
    }
    wi_lease_table_free(store->env, &table);
    if (error == WEIR_OK && found == WEIR_OK) {
        wi_dynamodb_raise_hint(store);
    }
    return error == WEIR_OK ? found : error;
}

/* --- reset ---------------------------------------------------------------------------------- */

/* Raise the floor above every epoch, and begin at `position`, before a row goes. */
static enum weir_error
begin_reset(
    struct wi_dynamodb_store *store,
    const struct wi_lease_table *table,
    const struct weir_position *position)
{
    struct wi_application application = table->application;
    struct wi_dynamodb_write write;
    uint64_t highest = 0;
    enum weir_error error = WEIR_OK;

    for (size_t i = 0; i < table->lease_count; i++) {
        highest = table->leases[i].epoch > highest ? table->leases[i].epoch : highest;
    }
    wi_dynamodb_write_init(&write, store->env, false);
    wi_dynamodb_state_lift_floor(&write, highest);
    error = wi_dynamodb_update_row(store, wi_dynamodb_states(store), WI_DYNAMODB_STATE_KEY, &write);
    wi_dynamodb_write_free(&write);
    if (error == WEIR_OK || error == WEIR_ECONFLICT) {
        application.initial_position = *position;
        error = write_state(store, &application);
        adopt(store, &application);
    }
    return error;
}

static enum weir_error
delete_row(struct wi_dynamodb_store *store, const struct wi_dynamodb_table *table, const char *key)
{
    struct wi_dynamodb_request request;
    enum weir_error error = WEIR_OK;

    wi_dynamodb_request_init(&request, store->env);
    wi_dynamodb_build_delete(&request, table, key, NULL);
    wi_dynamodb_perform(&store->dynamodb, &request, 1);
    error = request.error;
    wi_dynamodb_request_free(&request);
    return error;
}

static enum weir_error
delete_rows(struct wi_dynamodb_store *store, const struct wi_lease_table *table)
{
    enum weir_error error = WEIR_OK;

    for (size_t i = 0; i < table->lease_count && error == WEIR_OK; i++) {
        error = delete_row(store, &store->leases, table->leases[i].lease_key);
    }
    for (size_t i = 0; i < table->worker_count && error == WEIR_OK; i++) {
        error = delete_row(store, wi_dynamodb_workers(store), table->workers[i].owner);
    }
    if (error == WEIR_OK && table->leader.owner[0] != '\0') {
        error = delete_row(store, wi_dynamodb_states(store), WI_DYNAMODB_LEADER_KEY);
    }
    return error;
}

enum weir_error
wi_dynamodb_reset(void *context, const struct weir_position *position)
{
    struct wi_dynamodb_store *store = context;
    struct wi_dynamodb_state state;
    struct wi_lease_table table;
    enum weir_error error = WEIR_OK;

    if (position->type < WEIR_TRIM_HORIZON || position->type >= WEIR_SHARD_END) {
        return WEIR_EINVAL;
    }
    if (wi_dynamodb_mode(store) != WI_DYNAMODB_MODE_3X) {
        return WEIR_EUNSUPPORTED; /* workers of 2.x do not say that they live */
    }
    error = wi_dynamodb_get_state(store, &state);
    if (error == WEIR_OK && !state.has_application) {
        error = WEIR_ENOTFOUND;
    }
    if (error == WEIR_OK) {
        error = wi_dynamodb_list(store, &table);
    }
    if (error != WEIR_OK) {
        return error;
    }
    error = has_live_worker(store, &table) ? WEIR_ESTATE : begin_reset(store, &table, position);
    if (error == WEIR_OK) {
        error = delete_rows(store, &table);
    }
    wi_lease_table_free(store->env, &table);
    if (error == WEIR_OK) {
        wi_dynamodb_raise_hint(store);
    }
    return error;
}

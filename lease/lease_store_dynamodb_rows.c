/* What several files of the DynamoDB backend need. */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/dynamodb_api.h"
#include "aws/dynamodb_item.h"
#include "core/memory.h"
#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_row_dynamodb.h"
#include "lease/lease_rules.h"
#include "lease/lease_store_dynamodb.h"
#include "lease/lease_watch_dynamodb.h"
#include "storage/process.h"

#define MS_PER_S 1000

struct weir_mono
wi_dynamodb_now(const struct wi_dynamodb_store *store)
{
    return store->env->clock.mono(store->env->clock.context);
}

int64_t
wi_dynamodb_wall_ms(const struct wi_dynamodb_store *store)
{
    return store->env->clock.wall(store->env->clock.context).ms;
}

struct wi_dynamodb_request *
wi_dynamodb_requests_new(struct wi_dynamodb_store *store, size_t count)
{
    struct wi_dynamodb_request *requests = wi_alloc_array(store->env, count, sizeof *requests);

    for (size_t i = 0; requests != NULL && i < count; i++) {
        wi_dynamodb_request_init(&requests[i], store->env);
    }
    return requests;
}

void
wi_dynamodb_requests_free(
    struct wi_dynamodb_store *store, struct wi_dynamodb_request *requests, size_t count)
{
    for (size_t i = 0; requests != NULL && i < count; i++) {
        wi_dynamodb_request_free(&requests[i]);
    }
    wi_free(store->env, requests);
}

void
wi_dynamodb_raise_hint(struct wi_dynamodb_store *store)
{
    pthread_mutex_lock(&store->mutex);
    store->version++;
    (void)pthread_cond_broadcast(&store->changed);
    pthread_mutex_unlock(&store->mutex);
}

struct weir_position
wi_dynamodb_initial(struct wi_dynamodb_store *store)
{
    struct weir_position initial;

    pthread_mutex_lock(&store->mutex);
    initial = store->application.initial_position;
    pthread_mutex_unlock(&store->mutex);
    return initial;
}

int64_t
wi_dynamodb_lease_duration_ms(struct wi_dynamodb_store *store)
{
    int64_t duration_ms;

    pthread_mutex_lock(&store->mutex);
    duration_ms = store->application.lease_duration_ms;
    pthread_mutex_unlock(&store->mutex);
    return duration_ms;
}

/* Read one row with `table`'s key; the request keeps it. */
static enum weir_error
get_row(
    struct wi_dynamodb_store *store,
    const struct wi_dynamodb_table *table,
    const char *key,
    struct wi_dynamodb_request *request)
{
    wi_dynamodb_build_get(request, table, key, true);
    wi_dynamodb_perform(&store->dynamodb, request, 1);
    if (request->error == WEIR_OK && request->item == NULL) {
        return WEIR_ENOTFOUND;
    }
    return request->error;
}

enum weir_error
wi_dynamodb_get_lease(
    struct wi_dynamodb_store *store, const char *lease_key, struct wi_dynamodb_lease *ret)
{
    const struct weir_position initial = wi_dynamodb_initial(store);
    struct wi_dynamodb_request request;
    enum weir_error error = WEIR_OK;

    if (lease_key[0] == '\0') {
        return WEIR_ENOTFOUND; /* DynamoDB knows no empty keys */
    }
    wi_dynamodb_request_init(&request, store->env);
    error = get_row(store, &store->leases, lease_key, &request);
    if (error == WEIR_OK && wi_dynamodb_row_kind(request.item) != WI_DYNAMODB_ROW_LEASE) {
        error = WEIR_ENOTFOUND;
    }
    if (error == WEIR_OK) {
        error = wi_dynamodb_lease_read(request.item, &initial, ret);
    }
    wi_dynamodb_request_free(&request);
    return error;
}

enum weir_error
wi_dynamodb_get_worker(
    struct wi_dynamodb_store *store, const char *owner, struct wi_dynamodb_worker *ret)
{
    struct wi_dynamodb_request request;
    enum weir_error error = WEIR_OK;

    if (owner[0] == '\0') {
        return WEIR_ENOTFOUND;
    }
    wi_dynamodb_request_init(&request, store->env);
    error = get_row(store, wi_dynamodb_workers(store), owner, &request);
    if (error == WEIR_OK && atomic_load(&store->is_single) &&
        wi_dynamodb_row_kind(request.item) != WI_DYNAMODB_ROW_WORKER) {
        error = WEIR_ENOTFOUND;
    }
    if (error == WEIR_OK) {
        error = wi_dynamodb_worker_read(request.item, wi_dynamodb_workers(store)->key, ret);
    }
    wi_dynamodb_request_free(&request);
    return error;
}

enum weir_error
wi_dynamodb_get_state(struct wi_dynamodb_store *store, struct wi_dynamodb_state *ret)
{
    struct wi_dynamodb_request request;
    enum weir_error error = WEIR_OK;

    wi_dynamodb_request_init(&request, store->env);
    error = get_row(store, wi_dynamodb_states(store), WI_DYNAMODB_STATE_KEY, &request);
    if (error == WEIR_OK || error == WEIR_ENOTFOUND) {
        wi_dynamodb_state_read(request.item, ret);
        error = WEIR_OK;
    }
    wi_dynamodb_request_free(&request);
    return error;
}

bool
wi_dynamodb_process_is_gone(
    const struct wi_dynamodb_store *store, const struct wi_dynamodb_worker *worker)
{
    struct wi_process process;

    /* A pid means something in its own namespace of its own boot only. */
    return worker->is_ours && worker->host[0] != '\0' && strcmp(worker->host, store->host) == 0 &&
           wi_owner_process(wi_str(worker->worker.owner), &process) == WEIR_OK &&
           wi_process_look(&process) == WI_PROCESS_GONE;
}

/* What Java KCL's leader calls a live worker, by the wall clock; weir's workers say for themselves
 * when they leave, and their leases when they are dead. */
static bool
has_reported(const struct wi_dynamodb_store *store, const struct wi_dynamodb_worker *worker)
{
    int64_t age_ms = wi_dynamodb_wall_ms(store) - worker->updated_s * MS_PER_S;

    return worker->is_ours ||
           (age_ms < WI_DYNAMODB_REPORT_LIFE_MS && age_ms > -WI_DYNAMODB_REPORT_LIFE_MS);
}

/* Under 2.x's rules a worker takes for itself and needs no row for that. */
static bool
is_taking_for(struct wi_dynamodb_store *store, const char *owner)
{
    bool is = false;

    pthread_mutex_lock(&store->mutex);
    is = store->mode != WI_DYNAMODB_MODE_3X && owner[0] != '\0' && strcmp(store->owner, owner) == 0;
    pthread_mutex_unlock(&store->mutex);
    return is;
}

enum weir_error
wi_dynamodb_view(struct wi_dynamodb_store *store, const char *owner, struct wi_owner_view *ret)
{
    struct wi_dynamodb_worker worker;
    enum weir_error error = WEIR_OK;

    *ret = (struct wi_owner_view){.registered = is_taking_for(store, owner)};
    if (ret->registered) {
        return WEIR_OK;
    }
    error = wi_dynamodb_get_worker(store, owner, &worker);
    if (error == WEIR_ENOTFOUND || error == WEIR_ECORRUPT) {
        return WEIR_OK;
    }
    if (error == WEIR_OK) {
        ret->registered = has_reported(store, &worker);
        ret->process_gone = wi_dynamodb_process_is_gone(store, &worker);
        ret->counter = worker.worker.counter;
    }
    return error;
}

enum weir_error
wi_dynamodb_update_row(
    struct wi_dynamodb_store *store,
    const struct wi_dynamodb_table *table,
    const char *key,
    const struct wi_dynamodb_write *write)
{
    struct wi_dynamodb_request request;
    enum weir_error error = WEIR_OK;

    wi_dynamodb_request_init(&request, store->env);
    wi_dynamodb_build_update(&request, table, key, write, false);
    wi_dynamodb_perform(&store->dynamodb, &request, 1);
    error = request.error;
    wi_dynamodb_request_free(&request);
    return error;
}

/* Which tables an application has, and making them. */
#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/dynamodb_api.h"
#include "aws/dynamodb_item.h"
#include "core/detail.h"
#include "core/log.h"
#include "core/mono.h"
#include "lease/lease_row_dynamodb.h"
#include "lease/lease_store_dynamodb.h"

/* Java KCL 3.0 to 3.4 keep what is no lease in tables of their own. */
#define STATES_SUFFIX  "-CoordinatorState"
#define STATES_KEY     "key"
#define WORKERS_SUFFIX "-WorkerMetricStats"
#define WORKERS_KEY    "wid"
#define MIGRATED       "TABLE_MIGRATION_STATUS_COMPLETE"
#define MIGRATING      "TABLE_MIGRATION_STATUS_PENDING"
/* How long a new table or index may take. An index on a table with rows takes minutes. */
#define TABLE_WAIT_MS  INT64_C(60000)
#define INDEX_WAIT_MS  INT64_C(600000)
#define LOOK_MS        INT64_C(1000)
#define LOOK_FIRST_MS  INT64_C(50)
#define LAYOUT_LOOK_MS INT64_C(60000)

static const struct wi_dynamodb_index owner_index = {
    WI_DYNAMODB_OWNER_INDEX, WI_DYNAMODB_LEASE_OWNER};

/* The request's own words are better than the code's. */
static enum weir_error
fail(
    const struct wi_dynamodb_request *request,
    enum weir_error error,
    const char *table,
    struct weir_detail *detail)
{
    const char *why = request->call.detail.text;

    return wi_detail(
        detail,
        error,
        "DynamoDB table %s: %s",
        table,
        why[0] != '\0' ? why : weir_error_text(error));
}

/* WEIR_ENOTFOUND without a detail if there is no such table. */
static enum weir_error
describe(
    struct wi_dynamodb_store *store,
    const struct wi_dynamodb_table *table,
    struct wi_dynamodb_description *ret,
    struct weir_detail *detail)
{
    struct wi_dynamodb_request request;
    enum weir_error error = WEIR_OK;

    wi_dynamodb_request_init(&request, store->env);
    wi_dynamodb_build_describe(&request, table);
    wi_dynamodb_perform(&store->dynamodb, &request, 1);
    error = request.error;
    if (error == WEIR_OK) {
        error = wi_dynamodb_read_description(request.answer, owner_index.name, ret);
    }
    if (error != WEIR_OK && error != WEIR_ENOTFOUND) {
        error = fail(&request, error, table->name, detail);
    }
    wi_dynamodb_request_free(&request);
    return error;
}

static enum weir_error
request_table(
    struct wi_dynamodb_store *store,
    const struct wi_dynamodb_table *table,
    bool adds_index,
    struct weir_detail *detail)
{
    struct wi_dynamodb_request request;
    enum weir_error error = WEIR_OK;

    wi_dynamodb_request_init(&request, store->env);
    if (adds_index) {
        wi_dynamodb_build_add_index(&request, table, &owner_index);
    } else {
        wi_dynamodb_build_create(&request, table, &owner_index);
    }
    wi_dynamodb_perform(&store->dynamodb, &request, 1);
    error = request.error == WEIR_EEXISTS ? WEIR_OK : request.error; /* somebody else does it */
    if (error != WEIR_OK) {
        error = fail(&request, error, table->name, detail);
    }
    wi_dynamodb_request_free(&request);
    return error;
}

static void
pause(struct wi_dynamodb_store *store, int64_t ms)
{
    if (store->http->ops->pause != NULL) {
        store->http->ops->pause(store->http->http, ms);
    }
}

/* Until the table can be used, and its index. */
static enum weir_error
wait_until_active(
    struct wi_dynamodb_store *store,
    const struct wi_dynamodb_table *table,
    bool with_index,
    int64_t timeout_ms,
    struct weir_detail *detail)
{
    struct weir_mono until = wi_mono_add_ms(wi_dynamodb_now(store), timeout_ms);
    int64_t pause_ms = LOOK_FIRST_MS;

    for (;;) {
        struct wi_dynamodb_description found = {.is_active = false};
        enum weir_error error = describe(store, table, &found, detail);

        if (error != WEIR_OK && error != WEIR_ENOTFOUND) {
            return error;
        }
        if (error == WEIR_OK && found.is_active && (found.is_index_active || !with_index)) {
            return WEIR_OK;
        }
        if (!wi_mono_before(wi_dynamodb_now(store), until)) {
            return wi_detail(
                detail,
                WEIR_ETIMEOUT,
                "DynamoDB table %s or its index %s is still not active after %lld s: try again "
                "later",
                table->name,
                owner_index.name,
                (long long)(timeout_ms / LOOK_MS));
        }
        pause(store, pause_ms);
        pause_ms = pause_ms * 2 < LOOK_MS ? pause_ms * 2 : LOOK_MS;
    }
}

static enum weir_error
check_schema(
    const struct wi_dynamodb_table *table,
    const struct wi_dynamodb_description *found,
    struct weir_detail *detail)
{
    if (strcmp(found->hash_key, table->key) == 0 && !found->has_range_key) {
        return WEIR_OK;
    }
    return wi_detail(
        detail,
        WEIR_EINVAL,
        "DynamoDB table %s is no lease table: its key is not `%s` alone; name another table",
        table->name,
        table->key);
}

static enum weir_error
open_lease_table(
    struct wi_dynamodb_store *store,
    bool create,
    struct wi_dynamodb_description *ret,
    struct weir_detail *detail)
{
    const struct wi_dynamodb_table *table = &store->leases;
    enum weir_error error = describe(store, table, ret, detail);

    if (error == WEIR_ENOTFOUND && !create) {
        return wi_detail(
            detail,
            WEIR_ESTATE,
            "there is no DynamoDB table %s: create it, or say create=if-missing",
            table->name);
    }
    if (error == WEIR_ENOTFOUND) {
        error = request_table(store, table, false, detail);
        if (error == WEIR_OK) {
            error = wait_until_active(store, table, true, TABLE_WAIT_MS, detail);
        }
        *ret = (struct wi_dynamodb_description){
            .is_active = true, .has_index = true, .is_index_active = true};
        return error;
    }
    if (error == WEIR_OK) {
        error = check_schema(table, ret, detail);
    }
    if (error == WEIR_OK && !ret->is_active) {
        error = wait_until_active(store, table, false, TABLE_WAIT_MS, detail);
    }
    return error;
}

/* Under 3.x's rules a worker learns from the index what it was given. */
static enum weir_error
open_index(
    struct wi_dynamodb_store *store,
    bool create,
    const struct wi_dynamodb_description *found,
    struct weir_detail *detail)
{
    const struct wi_dynamodb_table *table = &store->leases;
    enum weir_error error = WEIR_OK;

    if (!found->has_index && !create) {
        return wi_detail(
            detail,
            WEIR_ESTATE,
            "DynamoDB table %s has no index %s: create it, or say create=if-missing",
            table->name,
            owner_index.name);
    }
    if (!found->has_index) {
        error = request_table(store, table, true, detail);
    }
    if (error == WEIR_OK && !found->is_index_active) {
        error = wait_until_active(store, table, true, INDEX_WAIT_MS, detail);
    }
    return error;
}

/* --- layout --------------------------------------------------------------------------------- */

static void
name_tables(struct wi_dynamodb_store *store)
{
    (void)snprintf(
        store->state_name, sizeof store->state_name, "%s" STATES_SUFFIX, store->lease_name);
    (void)snprintf(
        store->worker_name, sizeof store->worker_name, "%s" WORKERS_SUFFIX, store->lease_name);
    store->leases = (struct wi_dynamodb_table){store->lease_name, WI_DYNAMODB_LEASE_KEY};
    store->own_states = (struct wi_dynamodb_table){store->state_name, STATES_KEY};
    store->own_workers = (struct wi_dynamodb_table){store->worker_name, WORKERS_KEY};
}

static enum weir_error
read_table_migration(
    struct wi_dynamodb_store *store, char *ret, size_t size, struct weir_detail *detail)
{
    struct wi_dynamodb_request request;
    enum weir_error error = WEIR_OK;

    wi_dynamodb_request_init(&request, store->env);
    wi_dynamodb_build_get(&request, &store->own_states, WI_DYNAMODB_TABLE_MIGRATION_KEY, true);
    wi_dynamodb_perform(&store->dynamodb, &request, 1);
    error = request.error;
    if (error == WEIR_OK) {
        wi_dynamodb_table_migration_read(request.item, ret, size);
    } else {
        error = fail(&request, error, store->own_states.name, detail);
    }
    wi_dynamodb_request_free(&request);
    return error;
}

static enum weir_error
find_layout(struct wi_dynamodb_store *store, struct weir_detail *detail)
{
    struct wi_dynamodb_description found;
    char migration[64] = "";
    enum weir_error error = WEIR_OK;

    error = describe(store, &store->own_states, &found, detail);
    if (error == WEIR_OK) {
        error = read_table_migration(store, migration, sizeof migration, detail);
    } else if (error == WEIR_ENOTFOUND) {
        atomic_store(&store->is_single, true);
        return WEIR_OK;
    }
    if (error != WEIR_OK) {
        return error;
    }
    atomic_store(&store->is_single, strcmp(migration, MIGRATED) == 0);
    if (strcmp(migration, MIGRATING) == 0) {
        return wi_detail(
            detail,
            WEIR_EUNSUPPORTED,
            "application %s is being moved from three DynamoDB tables into one by Java KCL: start "
            "this worker when that is complete",
            store->lease_name);
    }
    return WEIR_OK;
}

/* --- rules of the fleet --------------------------------------------------------------------- */

static enum weir_error
create_state(struct wi_dynamodb_store *store)
{
    struct wi_dynamodb_request request;
    struct wi_dynamodb_write write;
    enum weir_error error = WEIR_OK;

    wi_dynamodb_request_init(&request, store->env);
    wi_dynamodb_write_init(&write, store->env, true);
    wi_dynamodb_state_create(
        &write, wi_dynamodb_states(store)->key, "weir", wi_dynamodb_wall_ms(store));
    wi_dynamodb_build_put(&request, wi_dynamodb_states(store), &write);
    wi_dynamodb_perform(&store->dynamodb, &request, 1);
    error = request.error == WEIR_ECONFLICT ? WEIR_OK : request.error;
    wi_dynamodb_write_free(&write);
    wi_dynamodb_request_free(&request);
    return error;
}

/* A page is enough to tell: an application has a lease, or none; of many streams, or of one. */
static enum weir_error
look_at_leases(struct wi_dynamodb_store *store, bool *ret_any)
{
    const struct weir_position initial = {.type = WEIR_AT_TIMESTAMP};
    struct wi_dynamodb_request request;
    struct wi_dynamodb_lease row;
    const cJSON *item = NULL;
    enum weir_error error = WEIR_OK;

    *ret_any = false;
    wi_dynamodb_request_init(&request, store->env);
    wi_dynamodb_build_scan(&request, &store->leases, NULL, 0, 1);
    wi_dynamodb_perform(&store->dynamodb, &request, 1);
    error = request.error;
    cJSON_ArrayForEach(item, request.items)
    {
        if (wi_dynamodb_row_kind(item) == WI_DYNAMODB_ROW_LEASE) {
            *ret_any = true;
            if (wi_dynamodb_lease_read(item, &initial, &row) == WEIR_OK) {
                store->reads_several |= row.has_stream;
                store->reads_one |= !row.has_stream;
            }
        }
    }
    wi_dynamodb_request_free(&request);
    return error;
}

/* What the table says about its rules; `ret_is_new`: nothing yet, and it has no leases. */
static enum weir_error
check_mode(struct wi_dynamodb_store *store, bool *ret_is_new, struct weir_detail *detail)
{
    struct wi_dynamodb_state state;
    bool any = false;
    enum weir_error error = wi_dynamodb_get_state(store, &state);

    if (error == WEIR_OK) {
        error = look_at_leases(store, &any);
    }
    if (error != WEIR_OK) {
        return wi_detail(
            detail,
            error,
            "DynamoDB table %s cannot be read: %s",
            store->lease_name,
            weir_error_text(error));
    }
    *ret_is_new = state.mode == WI_DYNAMODB_MODE_NONE && !any;
    pthread_mutex_lock(&store->mutex);
    wi_dynamodb_note_mode(store, *ret_is_new ? WI_DYNAMODB_MODE_3X : state.mode, any);
    pthread_mutex_unlock(&store->mutex);
    return WEIR_OK;
}

/* A new application begins under 3.x's rules. */
static enum weir_error
begin_application(struct wi_dynamodb_store *store, struct weir_detail *detail)
{
    enum weir_error error = create_state(store);

    return error == WEIR_OK ? WEIR_OK
                            : wi_detail(
                                  detail,
                                  error,
                                  "DynamoDB table %s cannot be written: %s",
                                  wi_dynamodb_states(store)->name,
                                  weir_error_text(error));
}

enum weir_error
wi_dynamodb_open_tables(struct wi_dynamodb_store *store, bool create, struct weir_detail *detail)
{
    struct wi_dynamodb_description found = {.is_active = false};
    enum weir_error error = WEIR_OK;
    bool is_new = false;

    name_tables(store);
    error = open_lease_table(store, create, &found, detail);
    if (error == WEIR_OK) {
        error = find_layout(store, detail);
    }
    if (error == WEIR_OK) {
        error = check_mode(store, &is_new, detail);
    }
    if (error == WEIR_OK && wi_dynamodb_mode(store) == WI_DYNAMODB_MODE_3X) {
        error = open_index(store, create, &found, detail);
    }
    if (error == WEIR_OK && is_new) {
        error = begin_application(store, detail);
    }
    return error;
}

/* --- changes of the layout ------------------------------------------------------------------ */

static bool
is_look_due(struct wi_dynamodb_store *store, bool is_single)
{
    bool is_due = false;

    pthread_mutex_lock(&store->mutex);
    is_due = (!is_single || store->mode == WI_DYNAMODB_MODE_2X) &&
             !wi_mono_before(
                 wi_dynamodb_now(store), wi_mono_add_ms(store->layout_looked, LAYOUT_LOOK_MS));
    if (is_due) {
        store->layout_looked = wi_dynamodb_now(store);
    }
    pthread_mutex_unlock(&store->mutex);
    return is_due;
}

/* The lock that this worker may hold is not the one that Java's next leader takes. */
static void
note_move(struct wi_dynamodb_store *store)
{
    if (atomic_exchange(&store->has_moved, true)) {
        return;
    }
    wi_log(
        store->env,
        WEIR_LOG_ERROR,
        "lease",
        "Java KCL moves application %s from three DynamoDB tables into one: this worker gives up "
        "its leases, and joins again when that is complete",
        store->lease_name);
    pthread_mutex_lock(&store->mutex);
    store->lock.held = false;
    pthread_mutex_unlock(&store->mutex);
    wi_dynamodb_raise_hint(store);
}

/* Of three tables: whether they are still in use. */
static enum weir_error
look_at_move(struct wi_dynamodb_store *store)
{
    char migration[64] = "";
    enum weir_error error = read_table_migration(store, migration, sizeof migration, NULL);

    if (error == WEIR_OK &&
        (strcmp(migration, MIGRATING) == 0 || strcmp(migration, MIGRATED) == 0)) {
        error = WEIR_EUNSUPPORTED;
    }
    return error;
}

enum weir_error
wi_dynamodb_look_at_layout(struct wi_dynamodb_store *store)
{
    const bool is_single = atomic_load(&store->is_single);
    enum weir_error error = WEIR_OK;

    if (atomic_load(&store->has_moved)) {
        return WEIR_EUNSUPPORTED;
    }
    if (is_look_due(store, is_single)) {
        error = is_single ? find_layout(store, NULL) : look_at_move(store);
    }
    if (error == WEIR_EUNSUPPORTED) {
        note_move(store);
    }
    return error;
}

enum weir_error
wi_dynamodb_follow_move(struct wi_dynamodb_store *store)
{
    struct wi_dynamodb_state state;
    enum weir_error error = WEIR_OK;

    if (!atomic_load(&store->has_moved)) {
        return WEIR_OK;
    }
    error = find_layout(store, NULL);
    if (error == WEIR_OK) {
        error = wi_dynamodb_get_state(store, &state);
    }
    if (error == WEIR_OK) {
        pthread_mutex_lock(&store->mutex);
        wi_dynamodb_note_mode(store, state.mode, true);
        store->lock.was_read = false; /* it is another row */
        pthread_mutex_unlock(&store->mutex);
        atomic_store(&store->has_moved, false);
    }
    return error;
}

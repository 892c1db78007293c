/* What an operator may do to an application: move a shard, drain a worker, reset. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <weir/app.h>
#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/detail.h"
#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_store.h"
#include "storage/process.h"
#include "worker/app_table.h"

#define HANDOFF_TIMEOUT_MS 30000 /* of an operator's wish: the default of a worker's own */
#define MOVE_TRIES_MAX     5     /* the row may change hands between looking and asking */

static const struct wi_lease *
find_shard(const struct wi_lease_table *table, struct weir_str shard_id)
{
    for (size_t i = 0; i < table->lease_count; i++) {
        if (wi_str_equal_z(shard_id, table->leases[i].shard_id)) {
            return &table->leases[i];
        }
    }
    return NULL;
}

/* The live worker of that name. Two process starts may share a name: then the wish is ambiguous. */
static enum weir_error
find_worker(
    const struct wi_lease_table *table,
    const char *worker_id,
    const char **ret,
    struct weir_detail *detail)
{
    const char *found = NULL;

    for (size_t i = 0; i < table->worker_count; i++) {
        const struct wi_worker *worker = &table->workers[i];
        bool is_named = wi_str_equal_z(wi_owner_name(wi_str(worker->owner)), worker_id);
        if (!is_named || worker->state != WI_OWNER_ALIVE) {
            continue;
        }
        if (found != NULL) {
            return wi_detail(
                detail,
                WEIR_ECONFLICT,
                "several live workers are called \"%s\"; give each a name of its own",
                worker_id);
        }
        found = worker->owner;
    }
    if (found == NULL) {
        return wi_detail(detail, WEIR_ENOTFOUND, "no live worker is called \"%s\"", worker_id);
    }
    *ret = found;
    return WEIR_OK;
}

/* Nobody has to be asked: give the lease to `to` at once. */
static enum weir_error
assign(const struct wi_app *app, const struct wi_lease *lease, const char *to)
{
    struct wi_assignment item = {
        .lease_key = lease->lease_key,
        .to = to,
        .expected_epoch = lease->epoch,
        .expected_counter = lease->counter,
    };
    enum weir_error result = WEIR_EINTERNAL;
    enum weir_error error = app->store->ops->assign(app->store->store, 0, &item, 1, &result);

    return error == WEIR_OK ? result : error;
}

/* Ask the owner; reason NONE takes an earlier wish back. */
static enum weir_error
request_handoff(
    const struct wi_app *app,
    const struct wi_lease *lease,
    enum wi_handoff_reason reason,
    const char *to)
{
    struct wi_handoff_request item = {
        .lease_key = lease->lease_key,
        .expected_epoch = lease->epoch,
        .handoff = {.reason = reason, .timeout_ms = HANDOFF_TIMEOUT_MS},
    };
    enum weir_error result = WEIR_EINTERNAL;
    enum weir_error error = WEIR_OK;

    WEIR_ASSERT(strlen(to) < sizeof item.handoff.to);
    (void)wi_str_copy(item.handoff.to, sizeof item.handoff.to, wi_str(to));
    error = app->store->ops->request_handoff(app->store->store, 0, &item, 1, &result);
    return error == WEIR_OK ? result : error;
}

/* What moving means for this row as it stands in the picture. */
static enum weir_error
move_lease(
    const struct wi_app *app,
    const struct wi_lease *lease,
    const char *worker_id,
    struct weir_detail *detail)
{
    bool has_owner = lease->owner[0] != '\0' && lease->owner_state != WI_OWNER_GONE;
    const char *to = "";
    enum weir_error error = WEIR_OK;

    if (lease->checkpoint.type == WEIR_SHARD_END) {
        return wi_detail(
            detail, WEIR_ESTATE, "shard %s is finished: nothing to move", lease->shard_id);
    }
    if (worker_id != NULL) {
        error = find_worker(&app->table, worker_id, &to, detail);
    } else if (!has_owner) {
        error = wi_detail(
            detail,
            WEIR_ESTATE,
            "shard %s has no owner to ask; the leader assigns it",
            lease->shard_id);
    }
    if (error != WEIR_OK) {
        return error;
    }
    if (!has_owner) {
        return assign(app, lease, to);
    }
    if (strcmp(to, lease->owner) == 0) {
        return lease->handoff.reason == WI_HANDOFF_NONE
                   ? WEIR_OK
                   : request_handoff(app, lease, WI_HANDOFF_NONE, "");
    }
    return request_handoff(app, lease, WI_HANDOFF_OPERATOR, to);
}

static enum weir_error
try_to_move(
    struct wi_app *app, struct weir_str shard_id, const char *worker_id, struct weir_detail *detail)
{
    const struct wi_lease *lease = find_shard(&app->table, shard_id);

    if (lease == NULL) {
        return wi_detail(
            detail,
            WEIR_ENOTFOUND,
            "the application has no lease for shard \"%.*s\"",
            (int)(shard_id.length < WEIR_NAME_MAX ? shard_id.length : WEIR_NAME_MAX),
            shard_id.data == NULL ? "" : shard_id.data);
    }
    return move_lease(app, lease, worker_id, detail);
}

enum weir_error
weir_app_move(
    const struct weir_env *env,
    const char *data_directory,
    const char *application,
    struct weir_str shard_id,
    const char *worker_id,
    struct weir_detail *detail)
{
    struct weir_detail reason = {.text = ""};
    struct wi_app app;
    enum weir_error error = wi_app_open(env, data_directory, application, false, &app, detail);

    if (error != WEIR_OK) {
        return error;
    }
    for (int tries = 0; tries < MOVE_TRIES_MAX; tries++) {
        error = try_to_move(&app, shard_id, worker_id, &reason);
        if (error != WEIR_ECONFLICT || reason.text[0] != '\0') {
            break;
        }
        error = wi_app_read(&app, &reason);
        if (error != WEIR_OK) {
            break;
        }
        error = WEIR_ECONFLICT;
    }
    wi_app_close(&app);
    if (error == WEIR_OK || reason.text[0] != '\0') {
        return error == WEIR_OK ? WEIR_OK : wi_detail(detail, error, "%s", reason.text);
    }
    return wi_detail(detail, error, "the shard cannot be moved: %s", weir_error_text(error));
}

enum weir_error
weir_app_drain(
    const struct weir_env *env,
    const char *data_directory,
    const char *application,
    const char *worker_id,
    struct weir_detail *detail)
{
    struct wi_app app;
    enum weir_error error = WEIR_EINVAL;

    if (worker_id == NULL) {
        return wi_detail(detail, WEIR_EINVAL, "say which worker is to leave");
    }
    error = wi_app_open(env, data_directory, application, false, &app, detail);
    if (error != WEIR_OK) {
        return error;
    }
    error = app.store->ops->request_drain(app.store->store, worker_id);
    wi_app_close(&app);
    if (error == WEIR_ENOTFOUND) {
        return wi_detail(detail, error, "no live worker is called \"%s\"", worker_id);
    }
    return error == WEIR_OK
               ? WEIR_OK
               : wi_detail(detail, error, "the worker cannot be asked: %s", weir_error_text(error));
}

enum weir_error
weir_app_reset(
    const struct weir_env *env,
    const char *data_directory,
    const char *application,
    const struct weir_position *position,
    struct weir_detail *detail)
{
    struct wi_app app;
    enum weir_error error = WEIR_EINVAL;

    if (position == NULL || (position->type != WEIR_TRIM_HORIZON && position->type != WEIR_LATEST &&
                             position->type != WEIR_AT_TIMESTAMP)) {
        return wi_detail(
            detail,
            WEIR_EINVAL,
            "an application is reset to TRIM_HORIZON, LATEST or AT_TIMESTAMP:time; a sequence "
            "number belongs to one shard");
    }
    error = wi_app_open(env, data_directory, application, false, &app, detail);
    if (error != WEIR_OK) {
        return error;
    }
    error = app.store->ops->reset(app.store->store, position);
    wi_app_close(&app);
    if (error == WEIR_ESTATE) {
        return wi_detail(
            detail, error, "workers of \"%s\" are alive: stop them first", application);
    }
    return error == WEIR_OK
               ? WEIR_OK
               : wi_detail(
                     detail, error, "the application cannot be reset: %s", weir_error_text(error));
}

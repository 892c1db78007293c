#include "worker/app_table.h"

#include <stdbool.h>
#include <stddef.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/detail.h"
#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_store.h"

#define LOCK_PATIENCE_MS 3000

enum weir_error
wi_app_read(struct wi_app *app, struct weir_detail *detail)
{
    enum weir_error error = WEIR_OK;

    WEIR_ASSERT(app->store != NULL);
    wi_lease_table_free(app->env, &app->table);
    app->table = (struct wi_lease_table){0};
    error = app->store->ops->list(app->store->store, &app->table);
    return error == WEIR_OK
               ? WEIR_OK
               : wi_detail(
                     detail, error, "the lease table cannot be read: %s", weir_error_text(error));
}

void
wi_app_close(struct wi_app *app)
{
    wi_lease_table_free(app->env, &app->table);
    wi_lease_store_close(app->store);
}

/* The application is named by the URL of its table. */
static enum weir_error
open_dynamodb(
    const struct weir_env *env, const char *url, struct wi_app *ret, struct weir_detail *detail)
{
    const struct wi_lease_store_dynamodb_options options = {.url = url};
    struct wi_app app = {.env = env};
    enum weir_error error = wi_lease_store_open_dynamodb(env, &options, &app.store, detail);

    if (error == WEIR_OK) {
        error = wi_app_read(&app, detail);
    }
    if (error == WEIR_OK) {
        *ret = app;
    } else {
        wi_app_close(&app);
    }
    return error;
}

enum weir_error
wi_app_open(
    const struct weir_env *env,
    const char *data_directory,
    const char *application,
    bool read_only,
    struct wi_app *ret,
    struct weir_detail *detail)
{
    struct wi_lease_store_lmdb_options options = {
        .data_directory = data_directory,
        .application = application,
        .must_exist = true,
        .read_only = read_only,
        .lock_patience_ms = LOCK_PATIENCE_MS,
    };
    struct wi_app app = {.env = env};
    enum weir_error error = WEIR_EINVAL;

    if (env != NULL && wi_lease_store_is_dynamodb(application)) {
        return open_dynamodb(env, application, ret, detail);
    }
    if (env == NULL || data_directory == NULL || weir_name_check(wi_str(application)) != WEIR_OK) {
        return wi_detail(
            detail,
            WEIR_EINVAL,
            "an application has a name of 1 to %d of a-z A-Z 0-9 _ . -",
            WEIR_NAME_MAX);
    }
    error = wi_lease_store_open_lmdb(env, &options, &app.store, detail);
    if (error == WEIR_ENOTFOUND) {
        return wi_detail(
            detail,
            WEIR_ENOTFOUND,
            "there is no application \"%s\" in %s; `weir app ls` lists them",
            application,
            data_directory);
    }
    if (error != WEIR_OK) {
        return error;
    }
    error = wi_app_read(&app, detail);
    if (error != WEIR_OK) {
        wi_app_close(&app);
        return error;
    }
    *ret = app;
    return WEIR_OK;
}

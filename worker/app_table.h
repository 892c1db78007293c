/* An application's lease table, opened for a moment by the functions of <weir/app.h>. */
#ifndef WI_WORKER_APP_TABLE_H
#define WI_WORKER_APP_TABLE_H

#include <stdbool.h>

#include <weir/env.h>
#include <weir/error.h>

#include "lease/lease_store.h"

struct wi_app {
    const struct weir_env *env;
    struct wi_lease_store *store;
    struct wi_lease_table table; /* the last picture */
};

/* Open the table of an application that exists and read it. WEIR_EINVAL, WEIR_ENOTFOUND, and what
 * opening and reading may return, with a detail. */
WEIR_MUST_CHECK enum weir_error wi_app_open(
    const struct weir_env *env,
    const char *data_directory,
    const char *application,
    bool read_only,
    struct wi_app *ret,
    struct weir_detail *detail);

/* Replace the picture by a new one. */
WEIR_MUST_CHECK enum weir_error wi_app_read(struct wi_app *app, struct weir_detail *detail);

/* Close what wi_app_open() has opened. */
void wi_app_close(struct wi_app *app);

#endif

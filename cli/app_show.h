/** What `weir app` prints. */
#ifndef WI_CLI_APP_SHOW_H
#define WI_CLI_APP_SHOW_H

#include <stdbool.h>

#include <weir/app.h>
#include <weir/types.h>

#include "cli/cli.h"

/** The description for machines (DESIGN 7.1). Exit status. */
int cli_app_show_json(const char *application, const struct weir_app_description *description);

/** The description for people; with both tables also its head. Exit status. */
int cli_app_show(
    const char *application,
    const struct weir_app_description *description,
    bool workers,
    bool shards);

/** What a reset changes or has changed (`executed`). Exit status. */
int cli_app_show_reset(
    const struct cli *cli,
    const char *application,
    const struct weir_app_description *description,
    const struct weir_position *to,
    bool executed);

#endif

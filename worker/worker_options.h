/* Checks of struct weir_worker_options; its table of properties is in worker_options.c. */
#ifndef WI_WORKER_WORKER_OPTIONS_H
#define WI_WORKER_WORKER_OPTIONS_H

#include <weir/worker.h>

#include "core/config.h"

/* The one table: names, ranges, defaults and descriptions of the options. */
const struct wi_config_table *wi_worker_options_table(void);

/* Every option in its range, names well formed, and options that belong together in order.
 * WEIR_EINVAL: the detail names the option and what is allowed. */
WEIR_MUST_CHECK enum weir_error wi_worker_options_check(
    const struct weir_worker_options *options, struct weir_detail *detail);

#endif

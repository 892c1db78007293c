/** Workers that live: what they keep others from doing. */
#ifndef WI_CLI_LIVING_H
#define WI_CLI_LIVING_H

#include <stdbool.h>

#include <weir/app.h>

#include "cli/cli.h"

/** A worker of the application that lives, or NULL. */
const char *cli_living_worker(const struct weir_app_description *description);

/** Who reads a stream. */
struct cli_stream_reader {
    char application[WEIR_NAME_SIZE];
    char worker_id[WEIR_NAME_SIZE];
};

/**
 * Look for an application of the data directory that reads `stream` (a name or a URL) and has a
 * living worker. What cannot be looked at gives a warning and is taken for none.
 * @param ret set if the result is true
 */
bool cli_stream_is_read(const struct cli *cli, const char *stream, struct cli_stream_reader *ret);

#endif

/** Streams as the commands use them. */
#ifndef WI_CLI_STREAM_USE_H
#define WI_CLI_STREAM_USE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/stream.h>

#include "cli/cli.h"

/** False, with *ret_status, after a line about a name that no stream can have. */
bool cli_stream_name_usable(const char *command, const char *name, int *ret_status);

/** Open a stream; false after a line about what went wrong. `options` NULL means defaults. */
bool cli_stream_use(
    const struct cli *cli,
    const char *name,
    const struct weir_stream_options *options,
    struct weir_stream **ret);

/** The same to read only: works without permission to write as well. */
bool cli_stream_use_to_read(const struct cli *cli, const char *name, struct weir_stream **ret);

/**
 * Print the description of a stream: for machines, as a table, or, if `done` is not NULL
 * ("created"), as one line about what has been done.
 */
int cli_stream_show(const struct cli *cli, const char *name, const char *done);

/** Report a failed call on a shard of a stream; returns CLI_FAILED. */
int cli_fail_shard(
    const struct cli *cli,
    enum weir_error error,
    const struct weir_detail *detail,
    const char *stream,
    const char *shard_id);

/** 1 to 10000. */
bool cli_parse_shard_count(const char *text, uint32_t *ret);

#endif

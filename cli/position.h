/** Positions on the command line: --from and --to. */
#ifndef WI_CLI_POSITION_H
#define WI_CLI_POSITION_H

#include <weir/env.h>
#include <weir/types.h>

/** An option whose value is a position. */
struct cli_position_option {
    const char *command; /**< "get" */
    const char *name;    /**< "from" */
    const char *allowed; /**< what a line about a wrong value names: "TRIM_HORIZON, LATEST" */
};

/**
 * Read a position to begin at: any but SHARD_END, and no AT_TIMESTAMP more than a minute after the
 * wall clock of `env`, as records until then would be skipped.
 * @param ret set if the result is CLI_OK
 * @return CLI_OK, or CLI_USAGE after a line about what is wrong
 */
int cli_parse_position(
    const struct weir_env *env,
    const struct cli_position_option *option,
    const char *text,
    struct weir_position *ret);

#endif

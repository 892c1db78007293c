/** The commands of the program `weir`; main.c dispatches to them. */
#ifndef WI_CLI_COMMANDS_H
#define WI_CLI_COMMANDS_H

#include "cli/cli.h"

/*
 * Each command gets its own words: argv[0] is the last word of its name ("put", "create"). --data,
 * --json and --help may stand anywhere behind; cli_arguments_parse() reads them. The exit status is
 * CLI_OK, CLI_FAILED or CLI_USAGE; a command that fails has written its one line with cli_fail() or
 * cli_usage() before it returns.
 */
int wi_cmd_stream(int argc, char **argv, struct cli *cli);
int wi_cmd_put(int argc, char **argv, struct cli *cli);
int wi_cmd_get(int argc, char **argv, struct cli *cli);
int wi_cmd_worker(int argc, char **argv, struct cli *cli);
int wi_cmd_app(int argc, char **argv, struct cli *cli);

/** In the program as soon as cli/cmd_demo.c exists (WEIR_HAVE_DEMO). */
int wi_cmd_demo(int argc, char **argv, struct cli *cli);

/** In the program as soon as cli/cmd_bench.c exists (WEIR_HAVE_BENCH). */
int wi_cmd_bench(int argc, char **argv, struct cli *cli);

/** In the program as soon as cli/cmd_chaos.c exists (WEIR_HAVE_CHAOS). */
int wi_cmd_chaos(int argc, char **argv, struct cli *cli);

/** In the program as soon as cli/cmd_sim.c exists (WEIR_HAVE_SIM). */
int wi_cmd_sim(int argc, char **argv, struct cli *cli);

#endif

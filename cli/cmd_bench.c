/* weir bench: the budgets of the project, measured on this machine. */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"
#include "cli/cli.h"
#include "cli/commands.h"

/* Room for the system's words. */
#define TEXT_SIZE 128
#define NAMES_MAX 64

enum {
    LIST,
    QUICK,
    STRICT,
    OPTION_COUNT
};

static const struct cli_option options_table[OPTION_COUNT] = {
    [LIST] = {"list", CLI_FLAG, NULL, "only name the lines"},
    [QUICK] = {"quick", CLI_FLAG, NULL, "fewer repetitions: less than a minute in all"},
    [STRICT] = {"strict", CLI_FLAG, NULL, "exit status 1 also if a budget is missed"},
};

static const struct cli_command bench_command = {
    .name = "bench",
    .operands = "[NAME...]",
    .summary =
        "Measure this machine: each budget of weir beside its limit, which is bare LMDB or a\n"
        "peer's server, in the same run. Without names: all lines, in less than four minutes.",
    .options = options_table,
    .option_count = OPTION_COUNT,
    .operands_min = 0,
    .operands_max = CLI_OPERANDS_MAX,
    .more = "The bench works in a new folder below the data directory, on whose disk the figures\n"
            "depend, and removes it. `weir bench --list` names the lines.",
};

static int
list(const struct cli *cli)
{
    for (size_t i = 0; bench_line_name(i) != NULL; i++) {
        if (cli->json) {
            printf("{\"name\":\"%s\",\"help\":\"%s\"}\n", bench_line_name(i), bench_line_help(i));
        } else {
            printf("%-24s  %s\n", bench_line_name(i), bench_line_help(i));
        }
    }
    return CLI_OK;
}

static int
check_name(const char *name)
{
    const char *names[NAMES_MAX];
    const char *nearest;
    size_t count = 0;

    for (; count < NAMES_MAX && bench_line_name(count) != NULL; count++) {
        names[count] = bench_line_name(count);
        if (strcmp(name, names[count]) == 0) {
            return CLI_OK;
        }
    }
    nearest = cli_nearest(name, names, count);
    return cli_usage(
        bench_command.name,
        "unknown line '%s'%s%s: `weir bench --list` names them",
        name,
        nearest == NULL ? "" : ": did you mean ",
        nearest == NULL ? "" : nearest);
}

static int
run(const struct cli *cli, const struct bench_options *options)
{
    char text[TEXT_SIZE];

    switch (bench_run(options)) {
    case BENCH_DONE:
        return CLI_OK;
    case BENCH_MISSED:
        return cli_fail("a budget was missed: see the lines that say FAIL");
    case BENCH_FAILED:
        return cli_fail("a line could not be measured: its note says why");
    case BENCH_INTERRUPTED:
        return cli_fail("interrupted: its processes are ended and its folder is removed");
    case BENCH_NO_DIRECTORY:
        break;
    }
    return cli_fail(
        "cannot work in %s: %s: name another directory with --data",
        cli->data,
        cli_errno_text(errno, text, sizeof text));
}

int
wi_cmd_bench(int argc, char **argv, struct cli *cli)
{
    struct cli_arguments a;
    struct bench_options options = {.env = cli->env};
    int status;

    if (argc > 1 && strcmp(argv[1], BENCH_ROLE_WORD) == 0) {
        return bench_role_run(argc, argv);
    }
    if (!cli_arguments_parse(&bench_command, argc, argv, cli, &a, &status)) {
        return status;
    }
    if (a.value[LIST] != NULL) {
        return list(cli);
    }
    for (size_t i = 0; i < a.operand_count; i++) {
        status = check_name(a.operand[i]);
        if (status != CLI_OK) {
            return status;
        }
    }
    options.directory = cli->data;
    options.names = a.operand;
    options.name_count = a.operand_count;
    options.json = cli->json;
    options.quick = a.value[QUICK] != NULL;
    options.strict = a.value[STRICT] != NULL;
    return run(cli, &options);
}

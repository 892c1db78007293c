/* The program `weir`: settings, then the command. */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/version.h>

#include "cli/cli.h"
#include "cli/commands.h"

#define DATA_DEFAULT "./weir-data"

static int cmd_version(int argc, char **argv, struct cli *cli);
static int cmd_help(int argc, char **argv, struct cli *cli);

/* In the order in which `weir --help` shows them. */
static const struct cli_member commands[] = {
    {"stream", wi_cmd_stream, "create, ls, describe, rm, split, merge, scale, trim streams"},
    {"put", wi_cmd_put, "put the lines of stdin into a stream"},
    {"get", wi_cmd_get, "print the records of a stream"},
    {"worker", wi_cmd_worker, "join an application and print the records it is given"},
    {"app", wi_cmd_app, "ls, describe, reset, move, drain, release: look after applications"},
#ifdef WEIR_HAVE_DEMO
    {"demo", wi_cmd_demo, "watch a fleet of workers survive what happens to it"},
#endif
#ifdef WEIR_HAVE_CHAOS
    {"chaos", wi_cmd_chaos, "do everything to a fleet that can happen to one, and judge"},
#endif
#ifdef WEIR_HAVE_SIM
    {"sim", wi_cmd_sim, "run simulated fleets through every fault, seed by seed, and judge"},
#endif
#ifdef WEIR_HAVE_BENCH
    {"bench", wi_cmd_bench, "measure this machine"},
#endif
    {"version", cmd_version, "print the version"},
    {"help", cmd_help, "this text, or that of a command: weir help put"},
};

static const struct cli_group program = {
    .name = "",
    .head = "Streams of records, and fleets of workers that process them.",
    .foot =
        "Each command has a --help. The data directory is that of --data, else of the variable\n"
        "WEIR_DATA, else " DATA_DEFAULT ". --json gives output for machines.\n"
        "Exit status: 0 done, 1 the operation failed, 2 wrong usage.\n\n"
        "  weir stream create orders\n"
        "  seq 10 | weir put orders\n"
        "  weir worker --app billing --stream orders --print",
    .members = commands,
    .count = sizeof commands / sizeof *commands,
};

static int
cmd_version(int argc, char **argv, struct cli *cli)
{
    static const struct cli_command command = {
        .name = "version", .operands = "", .summary = "Print the version of weir."};
    struct cli_arguments arguments;
    int status;

    if (!cli_arguments_parse(&command, argc, argv, cli, &arguments, &status)) {
        return status;
    }
    if (cli->json) {
        printf("{\"version\":\"%s\"}\n", weir_version());
    } else {
        printf("weir %s\n", weir_version());
    }
    return CLI_OK;
}

static int
cmd_help(int argc, char **argv, struct cli *cli)
{
    char help[] = "--help";
    const struct cli_member *command;

    if (argc < 2 || argv[1][0] == '-' || strcmp(argv[1], "help") == 0) {
        cli_group_help(&program);
        return CLI_OK;
    }
    command = cli_group_find(&program, argv[1]);
    if (command == NULL) {
        return CLI_USAGE;
    }
    if (argc > 2 && argv[2][0] != '-') {
        /* weir help stream create */
        return command->run(3, (char *[]){argv[1], argv[2], help, NULL}, cli);
    }
    return command->run(2, (char *[]){argv[1], help, NULL}, cli);
}

/* `weir --version` is `weir version`: people try both. */
static int
run(int argc, char **argv, struct cli *cli)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        return cmd_version(1, argv, cli);
    }
    return cli_group_run(&program, argc, argv, cli);
}

/* A file opened later must not become stdout or stderr by accident: close(1) and a data file would
 * fill with text. What was closed reads as empty and refuses writes. */
static bool
keep_standard_files(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDONLY) != fd) {
            return false;
        }
    }
    return true;
}

static void
log_nothing(void *context, enum weir_log_level level, const char *component, const char *message)
{
    (void)context;
    (void)level;
    (void)component;
    (void)message;
}

int
main(int argc, char **argv)
{
    struct weir_env env = *weir_env_default();
    const char *data = getenv("WEIR_DATA"); /* NOLINT(concurrency-mt-unsafe): one thread yet */
    struct cli cli = {&env, data == NULL || *data == '\0' ? DATA_DEFAULT : data, false};
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    env.logger.log = log_nothing;
    /* A closed pipe and a file that may not grow are errors of write(2), not a sudden death. */
    if (!keep_standard_files() || sigaction(SIGPIPE, &ignore, NULL) != 0 ||
        sigaction(SIGXFSZ, &ignore, NULL) != 0) {
        (void)fputs("weir: cannot open /dev/null instead of a closed standard file\n", stderr);
        return CLI_FAILED;
    }
    return cli_finish_stdout(run(argc, argv, &cli));
}

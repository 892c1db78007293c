/* weir chaos: real processes, faults from a seed, a ledger, a verdict. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>

#include "chaos/chaos.h"
#include "chaos/fault.h"
#include "cli/cli.h"
#include "cli/commands.h"

#define SECONDS_DEFAULT 60
#define MINUTES_MAX     (CHAOS_SECONDS_MAX / 60)
#define BROKEN_NAME     "acknowledge-before-write"
#define MORE_SIZE       2048

enum {
    SEED,
    SECONDS,
    MINUTES,
    WORKERS,
    SHARDS,
    RATE,
    LEASE_DURATION,
    FAULTS,
    PROCESSOR,
    REPORT,
    HISTORY,
    KEEP,
    BROKEN,
    OPTION_COUNT
};

static const struct cli_option options_table[OPTION_COUNT] = {
    [SEED] = {"seed", CLI_VALUE, "N", "of the schedule; default: a random one"},
    [SECONDS] = {"seconds", CLI_VALUE, "S", "how long faults are made; default 60"},
    [MINUTES] = {"minutes", CLI_VALUE, "M", "the same in minutes"},
    [WORKERS] = {"workers", CLI_VALUE, "N", "processes of the fleet, 2 to 32; default 4"},
    [SHARDS] = {"shards", CLI_VALUE, "N", "of the stream at first, 1 to 64; default 6"},
    [RATE] = {"rate", CLI_VALUE, "N", "records per second; default 1000"},
    [LEASE_DURATION] = {"lease-duration", CLI_VALUE, "DURATION", "200ms to 60s; default 1s"},
    [FAULTS] = {"faults", CLI_VALUE, "KINDS", "kill,stop,... or all or none; default all"},
    [PROCESSOR] = {"processor", CLI_VALUE, "COMMAND", "a worker of your own instead"},
    [REPORT] = {"report", CLI_VALUE, "FILE", "write a report, one HTML file"},
    [HISTORY] = {"history", CLI_VALUE, "FILE", "write the history, one JSON object a line"},
    [KEEP] = {"keep", CLI_FLAG, NULL, "leave data, journals and logs, and say where"},
    [BROKEN] = {"broken", CLI_VALUE, "HOW", BROKEN_NAME ": see the verdict fail"},
};

static const struct cli_command chaos_command = {
    .name = "chaos",
    .operands = "",
    .summary = "Do everything to a fleet of real processes that can happen to one, keep a ledger "
               "of every\n"
               "put, delivery, checkpoint and change of owner, and give a verdict.",
    .options = options_table,
    .option_count = OPTION_COUNT,
    .operands_min = 0,
    .operands_max = 0,
    .more =
        "Kinds of faults: kill, crash, stop, hang, producer, join, drain, split, merge, scale,\n"
        "full-disk, slow-disk, clock. Works in a new folder below --data, else below $TMPDIR,\n"
        "and removes it. The contract of --processor is in weir-chaos(1).\n\n"
        "  weir chaos --seconds 30 --report chaos.html",
};

/* A number of an option between two bounds; false after a line. */
static bool
read_number(
    const struct cli_arguments *a, size_t option, uint64_t least, uint64_t most, uint32_t *ret)
{
    uint64_t number = 0;

    if (a->value[option] == NULL) {
        return true;
    }
    if (!cli_parse_count(a->value[option], most, &number) || number < least) {
        (void)cli_usage(
            chaos_command.name,
            "--%s '%s': a number from %" PRIu64 " to %" PRIu64,
            options_table[option].name,
            a->value[option],
            least,
            most);
        return false;
    }
    *ret = (uint32_t)number;
    return true;
}

static bool
read_faults(const struct cli_arguments *a, struct chaos_options *options)
{
    const char *names[CHAOS_FAULT_KINDS];
    const char *word = NULL;
    const char *nearest;
    char text[64];
    size_t length = 0;

    if (a->value[FAULTS] == NULL ||
        chaos_faults_parse(a->value[FAULTS], &options->faults, &word, &length)) {
        return true;
    }
    for (uint32_t kind = 0; kind < CHAOS_FAULT_KINDS; kind++) {
        names[kind] = chaos_fault_info(kind)->name;
    }
    (void)snprintf(text, sizeof text, "%.*s", (int)(length < 60 ? length : 60), word);
    nearest = cli_nearest(text, names, CHAOS_FAULT_KINDS);
    (void)cli_usage(
        chaos_command.name,
        "--faults '%s' is no kind of fault%s%s: see --help",
        text,
        nearest == NULL ? "" : ": did you mean ",
        nearest == NULL ? "" : nearest);
    return false;
}

static bool
read_seconds(const struct cli_arguments *a, struct chaos_options *options)
{
    uint32_t minutes = 0;

    if (a->value[SECONDS] != NULL && a->value[MINUTES] != NULL) {
        (void)cli_usage(chaos_command.name, "--seconds and --minutes: give one of them");
        return false;
    }
    if (!read_number(a, SECONDS, 1, CHAOS_SECONDS_MAX, &options->seconds) ||
        !read_number(a, MINUTES, 1, MINUTES_MAX, &minutes)) {
        return false;
    }
    options->seconds = minutes > 0 ? minutes * 60 : options->seconds;
    return true;
}

static bool
read_seed(const struct cli_arguments *a, struct chaos_options *options)
{
    if (a->value[SEED] == NULL) {
        options->seed = options->env->rng.next(options->env->rng.context) >> 32;
        return true;
    }
    if (!cli_parse_count(a->value[SEED], UINT64_MAX, &options->seed)) {
        (void)cli_usage(chaos_command.name, "--seed '%s': a number", a->value[SEED]);
        return false;
    }
    return true;
}

static bool
read_lease_duration(const struct cli_arguments *a, struct chaos_options *options)
{
    if (a->value[LEASE_DURATION] == NULL) {
        return true;
    }
    if (!cli_parse_duration(a->value[LEASE_DURATION], &options->lease_duration_ms) ||
        options->lease_duration_ms < CHAOS_LEASE_MIN ||
        options->lease_duration_ms > CHAOS_LEASE_MAX) {
        (void)cli_usage(
            chaos_command.name, "--lease-duration '%s': 200ms to 60s", a->value[LEASE_DURATION]);
        return false;
    }
    return true;
}

static bool
read_processor(const struct cli_arguments *a, struct chaos_options *options)
{
    options->processor = a->value[PROCESSOR];
    if (options->processor != NULL && *options->processor == '\0') {
        (void)cli_usage(chaos_command.name, "--processor '': a command for the shell");
        return false;
    }
    if (a->value[BROKEN] != NULL) {
        if (strcmp(a->value[BROKEN], BROKEN_NAME) != 0 || options->processor != NULL) {
            (void)cli_usage(
                chaos_command.name,
                "--broken '%s': only " BROKEN_NAME ", of the built-in processor",
                a->value[BROKEN]);
            return false;
        }
        options->broken = CHAOS_ACKNOWLEDGE_BEFORE_WRITE;
    }
    for (uint32_t kind = 0; options->processor != NULL && kind < CHAOS_FAULT_KINDS; kind++) {
        if (chaos_fault_info(kind)->needs_builtin) {
            options->faults &= ~(1U << kind);
        }
    }
    return true;
}

static int
run(const struct chaos_options *options)
{
    char failure[CHAOS_FAILURE_SIZE] = "";

    switch (chaos_run(options, failure)) {
    case CHAOS_PASS:
        return CLI_OK;
    case CHAOS_FAIL:
        return cli_fail(
            "chaos: the verdict is fail: the same schedule again: --seed %" PRIu64 "%s%s",
            options->seed,
            *failure == '\0' ? "" : "; ",
            failure);
    case CHAOS_INTERRUPTED:
        return cli_fail("chaos: interrupted: its processes are ended and its folder is removed");
    case CHAOS_IMPOSSIBLE:
    case CHAOS_UNWRITTEN:
        break;
    }
    return cli_fail("chaos: %s", failure);
}

int
wi_cmd_chaos(int argc, char **argv, struct cli *cli)
{
    struct cli_arguments a;
    const char *data = cli->data;
    struct chaos_options options = {
        .env = cli->env,
        .seconds = SECONDS_DEFAULT,
        .workers = 4,
        .shards = 6,
        .rate = 1000,
        .lease_duration_ms = 1000,
        .faults = CHAOS_FAULTS_ALL};
    int status;

    if (argc > 1 && strcmp(argv[1], CHAOS_WORKER_WORD) == 0) {
        return chaos_worker_main(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], CHAOS_PRODUCER_WORD) == 0) {
        return chaos_producer_main(argc - 1, argv + 1);
    }
    if (!cli_arguments_parse(&chaos_command, argc, argv, cli, &a, &status)) {
        return status;
    }
    if (!read_seed(&a, &options) || !read_seconds(&a, &options) ||
        !read_number(&a, WORKERS, 2, CHAOS_WORKERS_MAX, &options.workers) ||
        !read_number(&a, SHARDS, 1, CHAOS_SHARDS_MAX, &options.shards) ||
        !read_number(&a, RATE, 1, CHAOS_RATE_MAX, &options.rate) ||
        !read_lease_duration(&a, &options) || !read_faults(&a, &options) ||
        !read_processor(&a, &options)) {
        return CLI_USAGE;
    }
    /* WEIR_DATA and the default name data that are meant to last: a run has its own. */
    options.directory = cli->data == data ? NULL : cli->data;
    options.report = a.value[REPORT];
    options.history = a.value[HISTORY];
    options.keep = a.value[KEEP] != NULL;
    options.json = cli->json;
    return run(&options);
}

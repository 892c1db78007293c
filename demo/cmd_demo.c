/* weir demo: a fleet of workers, and what happens to it. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/stream.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "demo/board.h"
#include "demo/demo.h"
#include "demo/files.h"
#include "demo/fleet.h"
#include "demo/history.h"
#include "demo/journal.h"
#include "demo/packages.h"
#include "demo/sink.h"
#include "demo/table.h"
#include "demo/worker.h"

#define RATE_DEFAULT           2500
#define RATE_MAX               100000
#define LEASE_DURATION_DEFAULT 2000
#define LEASE_DURATION_MIN     200
#define LEASE_DURATION_MAX     10000
#define SHARDS                 4
#define DATA_DEFAULT           "./weir-data"
/* For the size of the demo's own files. */
#define RUN_SECONDS      45
#define RECORD_BYTES     512
#define FOLDER_BYTES_MIN ((uint64_t)32 << 20)

enum {
    PACKAGES,
    RATE,
    LEASE_DURATION,
    KEEP,
    OPTION_COUNT
};

static const struct cli_option options_table[OPTION_COUNT] = {
    [PACKAGES] = {"packages", CLI_VALUE, "FILE", "package index (apt-cache dumpavail, or dpkg's)"},
    [RATE] = {"rate", CLI_VALUE, "N", "records per second while things happen (2500)"},
    [LEASE_DURATION] = {"lease-duration", CLI_VALUE, "TIME", "200ms to 10s (2s)"},
    [KEEP] = {"keep", CLI_FLAG, NULL, "leave the data directory, to look at"},
};

static const struct cli_command demo_command = {
    .name = "demo",
    .operands = "",
    .summary =
        "Put this machine's Debian package index through a stream of 4 shards, and let 3\n"
        "worker processes add up the installed size per section, while a leader is killed,\n"
        "shards are split and merged, a worker is added, one is stopped past its lease, and\n"
        "one is drained. Then compare: nothing lost, order kept, totals equal.",
    .options = options_table,
    .option_count = OPTION_COUNT,
    .operands_min = 0,
    .operands_max = 0,
    .more = "The data directory is a temporary one unless --data names another, missing or empty;\n"
            "it is removed at the end, but for --keep or a verdict of FAIL.\n"
            "It takes about 15 seconds. Exit status: 0 PASS, 1 FAIL.",
};

static int
parse(const struct cli_arguments *a, struct demo_settings *settings)
{
    const char *name = demo_command.name;

    settings->packages = a->value[PACKAGES];
    settings->keep = a->value[KEEP] != NULL;
    settings->rate = RATE_DEFAULT;
    settings->lease_duration_ms = LEASE_DURATION_DEFAULT;
    if (a->value[RATE] != NULL &&
        (!cli_parse_count(a->value[RATE], RATE_MAX, &settings->rate) || settings->rate == 0)) {
        return cli_usage(name, "--rate '%s' is not 1 to %d", a->value[RATE], RATE_MAX);
    }
    if (a->value[LEASE_DURATION] != NULL &&
        (!cli_parse_duration(a->value[LEASE_DURATION], &settings->lease_duration_ms) ||
         settings->lease_duration_ms < LEASE_DURATION_MIN ||
         settings->lease_duration_ms > LEASE_DURATION_MAX)) {
        return cli_usage(
            name, "--lease-duration '%s' is not 200ms to 10s", a->value[LEASE_DURATION]);
    }
    return CLI_OK;
}

/* Whether --data was given, here or before the word `demo`. WEIR_DATA names a directory with
 * somebody's data in it; the demo wants one of its own. */
static bool
is_data_given(const struct cli *cli, const char *before)
{
    const char *environment = getenv("WEIR_DATA"); /* NOLINT(concurrency-mt-unsafe): one thread */

    return cli->data != before || (strcmp(cli->data, DATA_DEFAULT) != 0 &&
                                   (environment == NULL || strcmp(cli->data, environment) != 0));
}

/* The stream, the sink and the board, before the first worker starts. */
static int
prepare(struct demo *demo)
{
    struct weir_stream_create_options create = WEIR_STREAM_CREATE_OPTIONS_INIT;
    struct weir_stream_options open = WEIR_STREAM_OPTIONS_INIT;
    struct demo_sink sink = {.mdb = NULL};
    struct weir_detail detail = {""};
    enum weir_error error;

    create.shards = SHARDS;
    /* Nobody pulls the plug here, and some hundred syncs per second for puts would make the lease
     * table, which does sync, wait for its turn. */
    open.durability = WEIR_DURABILITY_NONE;
    error = weir_stream_create(demo->env, demo->files.data, DEMO_STREAM, &create, &detail);
    if (error == WEIR_OK) {
        error = weir_stream_open(
            demo->env, demo->files.data, DEMO_STREAM, &open, &demo->stream, &detail);
    }
    if (error != WEIR_OK) {
        return cli_fail_error(error, &detail, "demo: stream");
    }
    error = demo_sink_open(demo->files.folder, &sink);
    demo_sink_close(&sink);
    if (error != WEIR_OK) {
        return cli_fail_error(error, NULL, "demo: sink");
    }
    demo->board = demo_board_open(demo->files.folder, true);
    if (demo->board == NULL) {
        return cli_fail("demo: a file in '%s' cannot be made", demo->files.folder);
    }
    demo->producer.stream = demo->stream;
    demo->producer.index = &demo->index;
    demo->producer.history = &demo->history;
    demo->producer.rate = demo->settings.rate;
    return CLI_OK;
}

static void
tell_beginning(struct demo *demo)
{
    char count[CLI_VALUE_SIZE];

    demo_tell(
        demo,
        "%s packages in %zu sections, from %s",
        cli_format_count(demo->index.count, count),
        demo->index.section_count,
        demo->index.source);
    if (demo->index.skipped > 0) {
        demo_tell(demo, "%zu stanzas without a usable name are left out", demo->index.skipped);
    }
    demo_tell(
        demo,
        "data directory %s: leases durable, puts not synced%s",
        demo->files.data,
        demo->files.in_memory ? "; sink and journals in memory" : "");
    demo_tell(
        demo,
        "put at %llu per second, in as many whole rounds as it takes",
        (unsigned long long)demo->settings.rate);
}

/* What sink and journals may grow to: a record takes less than this in all of them together. */
static uint64_t
folder_bytes(const struct demo *demo)
{
    const uint64_t records = demo->settings.rate * RUN_SECONDS + demo->index.count;

    return FOLDER_BYTES_MIN + records * RECORD_BYTES;
}

/* Everything between the first file and the last. */
static int
play(struct demo *demo)
{
    int status = demo_packages_load(&demo->index, demo->settings.packages);

    if (status == CLI_OK && !cli_stopped()) {
        status = demo_files_make(&demo->files, demo->settings.data, folder_bytes(demo));
    }
    if (status == CLI_OK && !cli_stopped()) {
        status = prepare(demo);
    }
    if (status != CLI_OK || cli_stopped()) {
        return status;
    }
    tell_beginning(demo);
    demo_play(demo);
    demo_screen_close(demo);
    if (cli_stopped() || demo->stdout_error != 0) {
        return CLI_OK;
    }
    demo_judge(demo);
    return demo_report(demo);
}

/* Free, end and remove what there is. */
static void
clean_up(struct demo *demo, bool keep)
{
    demo_fleet_end(&demo->fleet);
    demo_screen_close(demo);
    if (demo->stream != NULL) {
        weir_stream_description_free(demo->stream, &demo->shards);
        weir_stream_close(demo->stream);
    }
    demo_table_free(&demo->table, demo->env);
    for (size_t i = 0; i < DEMO_WORKERS_MAX; i++) {
        demo_journal_close(&demo->journals[i]);
    }
    demo_history_free(&demo->history);
    demo_board_close(demo->board);
    demo_packages_free(&demo->index);
    if (keep) {
        demo_files_keep(&demo->files);
    } else {
        demo_files_remove(&demo->files);
    }
}

/* SIGHUP, when the terminal is closed, is SIGTERM to us. */
static void
on_hangup(int signal_number)
{
    (void)signal_number;
    (void)raise(SIGTERM);
}

/* Whoever closed the pipe has seen enough; any other failure of stdout is one. */
static int
end_unheard(int stdout_error)
{
    clearerr(stdout);
    return stdout_error == EPIPE ? CLI_OK : cli_fail_stdout(stdout_error);
}

static int
run(const struct cli *cli, const struct demo_settings *settings)
{
    struct demo *demo = calloc(1, sizeof *demo);
    struct sigaction action = {.sa_handler = on_hangup};
    int stdout_error;
    bool keep;
    int status;

    if (demo == NULL) {
        return cli_fail_error(WEIR_ENOMEM, NULL, "demo");
    }
    cli_stop_on_signals();
    (void)sigaction(SIGHUP, &action, NULL);
    demo->settings = *settings;
    demo->cli = cli;
    demo->env = cli->env;
    demo->start_ns = demo_now_ns(demo->env);
    for (size_t i = 0; i < DEMO_WORKERS_MAX; i++) {
        demo->journals[i].fd = -1;
    }
    demo_screen_open(&demo->screen, cli->json);
    status = play(demo);
    keep = settings->keep || (demo->verdict.reasons.count > 0 && !cli_stopped());
    stdout_error = demo->stdout_error;
    clean_up(demo, keep);
    free(demo);
    if (cli_stopped()) {
        return cli_fail("demo: interrupted; its processes and files are gone");
    }
    return stdout_error == 0 ? status : end_unheard(stdout_error);
}

int
wi_cmd_demo(int argc, char **argv, struct cli *cli)
{
    struct demo_settings settings = {.data = NULL};
    const char *before = cli->data;
    struct cli_arguments a;
    int status;

    if (argc > 1 && strcmp(argv[1], DEMO_WORKER_WORD) == 0) {
        return demo_worker_run(argc - 1, argv + 1, cli);
    }
    if (!cli_arguments_parse(&demo_command, argc, argv, cli, &a, &status)) {
        return status;
    }
    status = parse(&a, &settings);
    if (status != CLI_OK) {
        return status;
    }
    settings.data = is_data_given(cli, before) ? cli->data : NULL;
    return run(cli, &settings);
}

/* weir worker --print: a member of a fleet whose record processor prints. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/processor.h>
#include <weir/types.h>
#include <weir/worker.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/position.h"
#include "cli/print_processor.h"
#include "cli/start_log.h"
#include "cli/stream_probe.h"
#include "cli/stream_use.h"

/* The command's own options; those of the library follow them in the table. */
enum {
    APP,
    STREAM,
    PRINT,
    ID,
    FROM,
    LOG_LEVEL,
    OWN_COUNT
};

static const struct cli_option options_table[] = {
    [APP] = {"app", CLI_VALUE, "APP", "application: names the lease table; required"},
    [STREAM] = {"stream", CLI_VALUE, "NAME", "stream to read; required"},
    [PRINT] = {"print", CLI_FLAG, NULL, "print one line of JSON per record; required"},
    [ID] = {"id", CLI_VALUE, "ID", "name of this worker (HOST-PID)"},
    [FROM] =
        {"from", CLI_VALUE, "POSITION", "where shards without checkpoint begin (TRIM_HORIZON)"},
    [LOG_LEVEL] = {"log-level", CLI_VALUE, "LEVEL", "error, warn, info or debug, on stderr (warn)"},
    {"lease-duration",
     CLI_VALUE,
     "TIME",
     "silence after which a hung worker loses its leases (10s)"},
    {"handoff-timeout", CLI_VALUE, "TIME", "a planned move that takes longer is revoked (30s)"},
    {"drain-timeout", CLI_VALUE, "TIME", "how long SIGTERM waits for hand-offs (30s)"},
    {"checkpoint-interval", CLI_VALUE, "TIME", "latest checkpoint; --print writes one per batch"},
    {"checkpoint-records", CLI_VALUE, "N", "the same by records"},
    {"batch-records-max", CLI_VALUE, "N", "records per batch (1000)"},
    {"batch-bytes-max", CLI_VALUE, "SIZE", "bytes per batch (1MiB)"},
    {"buffer-bytes-max", CLI_VALUE, "SIZE", "one budget for all batches in memory (64MiB)"},
    {"processor-threads-max", CLI_VALUE, "N", "shards that print at the same time (64)"},
    {"leases-max", CLI_VALUE, "N", "most leases of this worker (0: no bound)"},
    {"retry-base", CLI_VALUE, "TIME", "first back-off of a failed batch (100ms)"},
    {"retry-cap", CLI_VALUE, "TIME", "longest back-off (30s)"},
    {"shard-sync-interval", CLI_VALUE, "TIME", "how often the leader looks for new shards (10s)"},
    {"strict", CLI_BOOLEAN, NULL, "abort when a batch runs on after the lease is lost"},
    {"evict-stopped-writers", CLI_BOOLEAN, NULL, "end a stopped process that blocks all (true)"},
    {"handle-signals", CLI_BOOLEAN, NULL, "SIGTERM and SIGINT drain, a second one aborts (true)"},
    {"table", CLI_VALUE, "URL", "lease table: dynamodb:TABLE?region=R (in the data directory)"},
};

#define OPTION_COUNT (sizeof options_table / sizeof *options_table)

static const struct cli_command worker_command = {
    .name = "worker",
    .operands = "",
    .summary =
        "Join an application: take a share of its shards and print their records. Only what\n"
        "stdout has accepted is checkpointed. SIGTERM and SIGINT drain; a second one aborts.",
    .options = options_table,
    .option_count = OPTION_COUNT,
    .operands_min = 0,
    .operands_max = 0,
    .more = "POSITION: TRIM_HORIZON, LATEST, AT_TIMESTAMP:t with t in RFC 3339 or epoch seconds.\n"
            "One value of --lease-duration holds for all workers of an application.",
};

/* Room for the name of an option as the library has it. */
#define OPTION_NAME_SIZE 64

/* Hand one option to the library under its own name: "lease-duration" is "lease_duration_ms". */
static int
set_option(struct weir_worker_options *options, const struct cli_option *option, const char *value)
{
    char name[OPTION_NAME_SIZE];
    struct weir_detail detail = {""};
    const bool is_time = option->value != NULL && strcmp(option->value, "TIME") == 0;

    (void)snprintf(name, sizeof name, "%s%s", option->name, is_time ? "_ms" : "");
    for (char *c = name; *c != '\0'; c++) {
        if (*c == '-') {
            *c = '_';
        }
    }
    if (weir_worker_option_set(options, name, value, &detail) == WEIR_OK) {
        return CLI_OK;
    }
    return cli_usage(
        worker_command.name,
        "--%s '%s' is not allowed%s%s",
        option->name,
        value,
        *detail.text == '\0' ? "" : ": ",
        detail.text);
}

static int
parse_names(const struct cli_arguments *a)
{
    static const int names[] = {APP, ID};
    const char *command = worker_command.name;

    if (a->value[APP] == NULL || a->value[STREAM] == NULL) {
        return cli_usage(
            command, "--%s is missing", a->value[APP] == NULL ? "app APP" : "stream NAME");
    }
    if (a->value[PRINT] == NULL) {
        return cli_usage(
            command, "--print is missing: it is what this worker can do; others are written in C");
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *name = a->value[names[i]];
        if (name != NULL && weir_name_check(cli_str(name)) != WEIR_OK) {
            return cli_usage(
                command,
                "--%s '%s' is no name: use 1 to 128 letters, digits, '_', '.', '-'",
                options_table[names[i]].name,
                name);
        }
    }
    return CLI_OK;
}

static int
parse_log_level(const char *text, enum weir_log_level *ret)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    static const enum weir_log_level levels[] = {
        WEIR_LOG_ERROR, WEIR_LOG_WARN, WEIR_LOG_INFO, WEIR_LOG_DEBUG};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = levels[i];
            return CLI_OK;
        }
    }
    return cli_usage(
        worker_command.name, "--log-level '%s' is none of error, warn, info, debug", text);
}

static int
parse(const struct cli_arguments *a, struct weir_worker_options *options, struct weir_env *env)
{
    static const struct cli_position_option from = {
        "worker", "from", "TRIM_HORIZON, LATEST, AT_TIMESTAMP:t"};
    int status = parse_names(a);

    options->application = a->value[APP];
    options->stream = a->value[STREAM];
    options->worker_id = a->value[ID];
    if (status == CLI_OK) {
        (void)cli_stream_name_usable(worker_command.name, a->value[STREAM], &status);
    }
    if (status == CLI_OK && a->value[LOG_LEVEL] != NULL) {
        status = parse_log_level(a->value[LOG_LEVEL], &env->logger.level);
    }
    if (status == CLI_OK && a->value[FROM] != NULL) {
        status = cli_parse_position(env, &from, a->value[FROM], &options->initial_position);
    }
    for (size_t i = OWN_COUNT; status == CLI_OK && i < OPTION_COUNT; i++) {
        if (a->value[i] != NULL) {
            status = set_option(options, &options_table[i], a->value[i]);
        }
    }
    /* The processor checkpoints what it has printed, and nothing else may. */
    options->checkpoint_interval_ms = 0;
    options->checkpoint_records = 0;
    return status;
}

static int
fail_print(int error_number)
{
    char text[OPTION_NAME_SIZE];

    return cli_fail(
        "cannot write to stdout: %s: the worker stopped; what is not printed is not checkpointed "
        "and comes again",
        cli_errno_text(error_number, text, sizeof text));
}

static int
fail_worker(
    const struct cli *cli,
    const struct weir_worker_options *options,
    enum weir_error error,
    const struct weir_detail *detail)
{
    if (error == WEIR_ENOTFOUND) {
        return cli_fail_stream(cli, error, detail, options->stream);
    }
    if (error == WEIR_ECANCELED) {
        return cli_fail(
            "the worker was aborted before it had handed over its shards: others take them");
    }
    if (error == WEIR_EINVAL && *detail->text != '\0') {
        return cli_usage(worker_command.name, "%s", detail->text);
    }
    return cli_fail_error(error, detail, "worker");
}

/* Where lines of the log go, and when no more. */
struct worker_log {
    struct weir_logger next;
    struct print_processor *print;
};

/* Once stdout has failed the one line about that is enough: whatever follows follows from it. */
static void
write_log(void *context, enum weir_log_level level, const char *component, const char *message)
{
    const struct worker_log *log = context;

    if (atomic_load(&log->print->error) == 0) {
        log->next.log(log->next.context, level, component, message);
    }
}

/* Everything that can fail for good is asked for before the worker is one of its fleet. */
static enum weir_error
open_worker(
    const struct weir_env *env,
    const struct weir_worker_options *options,
    struct cli_start_log *start,
    const struct weir_processor *processor,
    struct weir_worker **ret,
    struct weir_detail *detail)
{
    enum weir_error error = cli_stream_probe(env, options->data_directory, options->stream, detail);

    if (error == WEIR_OK) {
        cli_start_log_forget(start);
        detail->text[0] = '\0';
        error = weir_worker_new(env, options, processor, ret, detail);
    }
    if (error == WEIR_OK) {
        cli_start_log_open(start);
    } else {
        cli_start_log_explain(start, error, detail);
    }
    return error;
}

static int
run(const struct cli *cli,
    const struct weir_env *logging,
    const struct weir_worker_options *options)
{
    struct print_processor print;
    struct weir_processor processor;
    struct worker_log log = {logging->logger, &print};
    const struct weir_logger logger = {&log, logging->logger.level, write_log};
    struct cli_start_log start;
    struct weir_env env = *logging;
    struct weir_detail detail = {""};
    enum weir_error error;
    int status = CLI_OK;

    if (!cli_print_processor_init(&print, STDOUT_FILENO, &processor)) {
        return cli_fail_error(WEIR_ENOMEM, NULL, "worker");
    }
    cli_start_log_init(&start, &logger);
    env.logger.context = &start;
    env.logger.log = cli_start_log_write;
    error = open_worker(&env, options, &start, &processor, &print.worker, &detail);
    if (error == WEIR_OK) {
        error = weir_worker_run(print.worker, &detail);
        weir_worker_free(print.worker);
    }
    if (atomic_load(&print.error) != 0) {
        status = fail_print(atomic_load(&print.error));
    } else if (error != WEIR_OK) {
        status = fail_worker(cli, options, error, &detail);
    }
    cli_print_processor_close(&print);
    return status;
}

int
wi_cmd_worker(int argc, char **argv, struct cli *cli)
{
    struct weir_worker_options options = WEIR_WORKER_OPTIONS_INIT;
    struct weir_env env = *weir_env_default();
    struct cli_arguments a;
    int status;

    if (!cli_arguments_parse(&worker_command, argc, argv, cli, &a, &status)) {
        return status;
    }
    status = parse(&a, &options, &env);
    if (status != CLI_OK) {
        return status;
    }
    options.data_directory = cli->data;
    return run(cli, &env, &options);
}

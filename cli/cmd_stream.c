/* weir stream create|ls|describe|rm|split|merge|scale|trim */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/json_tree.h"
#include "cli/living.h"
#include "cli/stream_use.h"

enum {
    SHARDS,
    RETENTION,
    RECORD_BYTES_MAX,
    KINESIS_LIMITS,
    CREATE_COUNT
};

static const struct cli_option create_options[CREATE_COUNT] = {
    [SHARDS] = {"shards", CLI_VALUE, "N", "how many shards, 1 to 10000 (4)"},
    [RETENTION] = {"retention", CLI_VALUE, "TIME", "how long records are kept (24h)"},
    [RECORD_BYTES_MAX] =
        {"record-bytes-max", CLI_VALUE, "SIZE", "largest record with its key (1MiB)"},
    [KINESIS_LIMITS] = {"kinesis-limits", CLI_FLAG, NULL, "throttle each shard as Kinesis does"},
};

static const struct cli_command create_command = {
    .name = "stream create",
    .operands = "NAME",
    .summary = "Create a stream.",
    .options = create_options,
    .option_count = CREATE_COUNT,
    .operands_min = 1,
    .operands_max = 1};

/* The bounds of weir_stream_create(). */
#define RETENTION_MIN_MS     INT64_C(1000)
#define RETENTION_MAX_MS     (INT64_C(366) * 86400000)
#define RECORD_BYTES_MAX_MAX (UINT64_C(16) << 20)

static int
parse_create(const struct cli_arguments *a, struct weir_stream_create_options *options)
{
    const char *name = create_command.name;
    const char *shards = a->value[SHARDS];
    const char *retention = a->value[RETENTION];
    const char *bytes = a->value[RECORD_BYTES_MAX];
    uint64_t number;

    if (shards != NULL && !cli_parse_shard_count(shards, &options->shards)) {
        return cli_usage(name, "--shards '%s' is not a number from 1 to 10000", shards);
    }
    if (retention != NULL &&
        (!cli_parse_duration(retention, &options->retention_ms) ||
         options->retention_ms < RETENTION_MIN_MS || options->retention_ms > RETENTION_MAX_MS)) {
        return cli_usage(
            name,
            "--retention '%s' is not a time from 1s to 366d: give a number and a unit, such as 24h",
            retention);
    }
    if (bytes != NULL) {
        if (!cli_parse_size(bytes, &number) || number == 0 || number > RECORD_BYTES_MAX_MAX) {
            return cli_usage(
                name, "--record-bytes-max '%s' is not a size from 1 to 16MiB, such as 1MiB", bytes);
        }
        options->record_bytes_max = (uint32_t)number;
    }
    options->kinesis_limits = a->value[KINESIS_LIMITS] != NULL;
    return CLI_OK;
}

static int
create(int argc, char **argv, struct cli *cli)
{
    struct weir_stream_create_options options = WEIR_STREAM_CREATE_OPTIONS_INIT;
    struct weir_detail detail = {""};
    struct cli_arguments a;
    const char *name;
    enum weir_error error;
    int status;

    if (!cli_arguments_parse(&create_command, argc, argv, cli, &a, &status)) {
        return status;
    }
    name = a.operand[0];
    status = parse_create(&a, &options);
    if (status != CLI_OK || !cli_stream_name_usable(create_command.name, name, &status)) {
        return status;
    }
    error = weir_stream_create(cli->env, cli->data, name, &options, &detail);
    if (error == WEIR_EEXISTS) {
        return cli_fail(
            "stream '%s' exists in %s: choose another name, or delete it with `weir stream rm %s`",
            name,
            cli->data,
            name);
    }
    if (error == WEIR_ENOTFOUND) {
        /* It is the directory that is not there and cannot be made. */
        return cli_fail_error(error, &detail, cli->data);
    }
    if (error != WEIR_OK) {
        return cli_fail_stream(cli, error, &detail, name);
    }
    return cli_stream_show(cli, name, "created");
}

/* Whether there is a stream of that name, be it one that cannot be opened. */
static bool
exists(const struct cli *cli, const char *name)
{
    struct weir_stream_options options = WEIR_STREAM_OPTIONS_INIT;
    struct weir_stream *stream = NULL;
    enum weir_error error;

    options.read_only = true;
    error = weir_stream_open(
        cli->env, cli->data, name, cli_stream_is_kinesis(name) ? NULL : &options, &stream, NULL);
    weir_stream_close(stream);
    return error != WEIR_ENOTFOUND;
}

static int
rm(int argc, char **argv, struct cli *cli)
{
    enum {
        FORCE,
        COUNT
    };
    static const struct cli_option table[COUNT] = {
        [FORCE] = {"force", CLI_FLAG, NULL, "also a stream that living workers read"},
    };
    static const struct cli_command command = {
        .name = "stream rm",
        .operands = "NAME",
        .summary = "Delete a stream and all its records. There is no way back.",
        .options = table,
        .option_count = COUNT,
        .operands_min = 1,
        .operands_max = 1};
    struct cli_stream_reader reader;
    struct weir_detail detail = {""};
    struct cli_arguments a;
    enum weir_error error;
    int status;

    if (!cli_arguments_parse(&command, argc, argv, cli, &a, &status) ||
        !cli_stream_name_usable(command.name, a.operand[0], &status)) {
        return status;
    }
    if (a.value[FORCE] == NULL && cli_stream_is_read(cli, a.operand[0], &reader) &&
        exists(cli, a.operand[0])) {
        return cli_fail(
            "stream '%s' is not deleted: worker '%s' of application '%s' reads it: stop its "
            "workers first, with `weir app drain %s %s`, or delete it with --force",
            a.operand[0],
            reader.worker_id,
            reader.application,
            reader.application,
            reader.worker_id);
    }
    error = weir_stream_delete(cli->env, cli->data, a.operand[0], &detail);
    if (error != WEIR_OK) {
        return cli_fail_stream(cli, error, &detail, a.operand[0]);
    }
    if (cli->json) {
        return cli_json_print_names("stream", a.operand[0], "deleted");
    }
    printf("deleted stream %s\n", a.operand[0]);
    return CLI_OK;
}

/* Prints one name of `stream ls`. */
static void
print_name(void *context, const char *name)
{
    const struct cli *cli = context;

    if (cli->json) {
        (void)cli_json_print_names("stream", name, NULL);
    } else {
        printf("%s\n", name);
    }
}

static int
ls(int argc, char **argv, struct cli *cli)
{
    static const struct cli_command command = {
        .name = "stream ls", .operands = "", .summary = "List the streams of the data directory."};
    struct weir_detail detail = {""};
    struct cli_arguments a;
    enum weir_error error;
    int status;

    if (!cli_arguments_parse(&command, argc, argv, cli, &a, &status)) {
        return status;
    }
    error = weir_stream_list(cli->env, cli->data, print_name, cli, &detail);
    return error == WEIR_OK ? CLI_OK : cli_fail_error(error, &detail, cli->data);
}

static int
describe(int argc, char **argv, struct cli *cli)
{
    static const struct cli_command command = {
        .name = "stream describe",
        .operands = "NAME",
        .summary = "Show the shards of a stream: parents before children.",
        .operands_min = 1,
        .operands_max = 1};
    struct cli_arguments a;
    int status;

    if (!cli_arguments_parse(&command, argc, argv, cli, &a, &status) ||
        !cli_stream_name_usable(command.name, a.operand[0], &status)) {
        return status;
    }
    return cli_stream_show(cli, a.operand[0], NULL);
}

static int
split(int argc, char **argv, struct cli *cli)
{
    enum {
        AT,
        COUNT
    };
    static const struct cli_option table[COUNT] = {
        [AT] = {"at", CLI_VALUE, "HASHKEY", "first hash key of the upper child (the middle)"},
    };
    static const struct cli_command command = {
        .name = "stream split",
        .operands = "NAME SHARD",
        .summary = "Split an open shard in two.",
        .options = table,
        .option_count = COUNT,
        .operands_min = 2,
        .operands_max = 2};
    struct weir_hash_key at;
    struct weir_stream *stream;
    struct weir_detail detail = {""};
    struct cli_arguments a;
    enum weir_error error;
    int status;

    if (!cli_arguments_parse(&command, argc, argv, cli, &a, &status) ||
        !cli_stream_name_usable(command.name, a.operand[0], &status)) {
        return status;
    }
    if (a.value[AT] != NULL && weir_hash_key_parse(cli_str(a.value[AT]), &at) != WEIR_OK) {
        return cli_usage(
            command.name, "--at '%s' is not a hash key: a number below 2^128", a.value[AT]);
    }
    if (!cli_stream_use(cli, a.operand[0], NULL, &stream)) {
        return CLI_FAILED;
    }
    error =
        weir_stream_split(stream, cli_str(a.operand[1]), a.value[AT] == NULL ? NULL : &at, &detail);
    weir_stream_close(stream);
    if (error != WEIR_OK) {
        return cli_fail_shard(cli, error, &detail, a.operand[0], a.operand[1]);
    }
    return cli_stream_show(cli, a.operand[0], "split a shard of");
}

static int
merge(int argc, char **argv, struct cli *cli)
{
    static const struct cli_command command = {
        .name = "stream merge",
        .operands = "NAME SHARD SHARD",
        .summary = "Merge two open shards whose hash keys are neighbours.",
        .operands_min = 3,
        .operands_max = 3};
    struct weir_stream *stream;
    struct weir_detail detail = {""};
    struct cli_arguments a;
    enum weir_error error;
    int status;

    if (!cli_arguments_parse(&command, argc, argv, cli, &a, &status) ||
        !cli_stream_name_usable(command.name, a.operand[0], &status)) {
        return status;
    }
    if (!cli_stream_use(cli, a.operand[0], NULL, &stream)) {
        return CLI_FAILED;
    }
    error = weir_stream_merge(stream, cli_str(a.operand[1]), cli_str(a.operand[2]), &detail);
    weir_stream_close(stream);
    if (error != WEIR_OK) {
        char both[2 * WEIR_NAME_SIZE];
        (void)snprintf(both, sizeof both, "%s' or '%s", a.operand[1], a.operand[2]);
        return cli_fail_shard(cli, error, &detail, a.operand[0], both);
    }
    return cli_stream_show(cli, a.operand[0], "merged shards of");
}

static int
scale(int argc, char **argv, struct cli *cli)
{
    enum {
        SCALE_SHARDS,
        COUNT
    };
    static const struct cli_option table[COUNT] = {
        [SCALE_SHARDS] =
            {"shards", CLI_VALUE, "N", "how many open shards there shall be; required"},
    };
    static const struct cli_command command = {
        .name = "stream scale",
        .operands = "NAME",
        .summary = "Split and merge until N open shards of about equal range exist.",
        .options = table,
        .option_count = COUNT,
        .operands_min = 1,
        .operands_max = 1};
    struct weir_stream *stream;
    struct weir_detail detail = {""};
    struct cli_arguments a;
    uint32_t shards;
    enum weir_error error;
    int status;

    if (!cli_arguments_parse(&command, argc, argv, cli, &a, &status) ||
        !cli_stream_name_usable(command.name, a.operand[0], &status)) {
        return status;
    }
    if (a.value[SCALE_SHARDS] == NULL) {
        return cli_usage(command.name, "--shards N is missing");
    }
    if (!cli_parse_shard_count(a.value[SCALE_SHARDS], &shards)) {
        return cli_usage(
            command.name, "--shards '%s' is not a number from 1 to 10000", a.value[SCALE_SHARDS]);
    }
    if (!cli_stream_use(cli, a.operand[0], NULL, &stream)) {
        return CLI_FAILED;
    }
    error = weir_stream_scale(stream, shards, &detail);
    weir_stream_close(stream);
    if (error != WEIR_OK) {
        return cli_fail_stream(cli, error, &detail, a.operand[0]);
    }
    return cli_stream_show(cli, a.operand[0], "scaled");
}

static int
show_trim(const struct cli *cli, const char *name, uint64_t deleted)
{
    char count[CLI_VALUE_SIZE];
    cJSON *root;

    if (!cli->json) {
        printf(
            "trimmed stream %s: %s record%s deleted\n",
            name,
            cli_format_count(deleted, count),
            deleted == 1 ? "" : "s");
        return CLI_OK;
    }
    root = cJSON_CreateObject();
    return cli_json_print(
        root,
        cJSON_AddStringToObject(root, "stream", name) != NULL &&
            cli_json_add_integer(root, "records_deleted", (int64_t)deleted));
}

static int
trim(int argc, char **argv, struct cli *cli)
{
    static const struct cli_command command = {
        .name = "stream trim",
        .operands = "NAME",
        .summary =
            "Delete the records that are older than the retention, as puts do a little at a time.",
        .operands_min = 1,
        .operands_max = 1};
    struct weir_stream *stream;
    struct weir_detail detail = {""};
    struct cli_arguments a;
    uint64_t deleted = 0;
    enum weir_error error;
    int status;

    if (!cli_arguments_parse(&command, argc, argv, cli, &a, &status) ||
        !cli_stream_name_usable(command.name, a.operand[0], &status)) {
        return status;
    }
    if (!cli_stream_use(cli, a.operand[0], NULL, &stream)) {
        return CLI_FAILED;
    }
    error = weir_stream_trim(stream, &deleted, &detail);
    status = error == WEIR_OK ? show_trim(cli, weir_stream_name(stream), deleted)
                              : cli_fail_stream(cli, error, &detail, a.operand[0]);
    weir_stream_close(stream);
    return status;
}

int
wi_cmd_stream(int argc, char **argv, struct cli *cli)
{
    static const struct cli_member members[] = {
        {"create", create, "create a stream"},
        {"ls", ls, "list streams"},
        {"describe", describe, "show the shards of a stream"},
        {"rm", rm, "delete a stream and its records"},
        {"split", split, "split an open shard in two"},
        {"merge", merge, "merge two neighbouring shards"},
        {"scale", scale, "split and merge to a number of shards"},
        {"trim", trim, "delete records older than the retention"},
    };
    static const struct cli_group group = {
        .name = "stream",
        .head = "Create and look after streams.",
        .foot = "Names: 1 to 128 of letters, digits, '_', '.', '-'.",
        .members = members,
        .count = sizeof members / sizeof *members,
    };

    return cli_group_run(&group, argc, argv, cli);
}

/* weir app ls|describe|reset|move|drain|release */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <weir/app.h>
#include <weir/error.h>
#include <weir/types.h>

#include "cli/app_show.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/json_tree.h"
#include "cli/living.h"
#include "cli/position.h"

/* False, with *ret_status, after a line about a name that nothing can have. */
static bool
name_usable(const char *command, const char *what, const char *name, int *ret_status)
{
    if (weir_name_check(cli_str(name)) == WEIR_OK) {
        return true;
    }
    *ret_status = cli_usage(
        command, "'%s' is no %s: use 1 to 128 letters, digits, '_', '.', '-'", name, what);
    return false;
}

/* Every command on an application takes it. */
#define TABLE_OPTION                                                                               \
    {"table",                                                                                      \
     CLI_VALUE,                                                                                    \
     "URL",                                                                                        \
     "lease table, such as dynamodb:TABLE?region=R (that of APP in the data directory)"}

/* What the library calls the application: its name, or where its table is. */
static const char *
place_of(const struct cli_arguments *a, size_t table_option)
{
    return a->value[table_option] != NULL ? a->value[table_option] : a->operand[0];
}

/* Report a failed call on an application; returns CLI_FAILED. */
static int
fail_app(
    const struct cli *cli,
    enum weir_error error,
    const struct weir_detail *detail,
    const char *application)
{
    if (error == WEIR_ENOTFOUND && *detail->text == '\0') {
        return cli_fail(
            "application '%s' does not exist in %s: see `weir app ls`; the first worker creates it",
            application,
            cli->data);
    }
    return cli_fail_error(error, detail, application);
}

/* A description of the application, or false after a line on stderr. */
static bool
describe_app(
    const struct cli *cli, const char *application, struct weir_app_description *description)
{
    struct weir_detail detail = {""};
    const enum weir_error error =
        weir_app_describe(cli->env, cli->data, application, description, &detail);

    if (error != WEIR_OK) {
        (void)fail_app(cli, error, &detail, application);
        return false;
    }
    if (description->damaged_rows > 0) {
        cli_warn(
            "%zu rows of the lease table of '%s' are damaged and left out",
            description->damaged_rows,
            application);
    }
    return true;
}

static void
print_name(void *context, const char *name)
{
    const struct cli *cli = context;

    if (cli->json) {
        (void)cli_json_print_names("app", name, NULL);
    } else {
        printf("%s\n", name);
    }
}

static int
ls(int argc, char **argv, struct cli *cli)
{
    static const struct cli_command command = {
        .name = "app ls",
        .operands = "",
        .summary = "List the applications of the data directory."};
    struct weir_detail detail = {""};
    struct cli_arguments a;
    enum weir_error error;
    int status;

    if (!cli_arguments_parse(&command, argc, argv, cli, &a, &status)) {
        return status;
    }
    error = weir_app_list(cli->env, cli->data, print_name, cli, &detail);
    return error == WEIR_OK ? CLI_OK : cli_fail_error(error, &detail, cli->data);
}

static int
describe(int argc, char **argv, struct cli *cli)
{
    enum {
        SHARDS,
        WORKERS,
        TABLE,
        COUNT
    };
    static const struct cli_option table[COUNT] = {
        [SHARDS] = {"shards", CLI_FLAG, NULL, "only the table of shards"},
        [WORKERS] = {"workers", CLI_FLAG, NULL, "only the table of workers"},
        [TABLE] = TABLE_OPTION,
    };
    static const struct cli_command command = {
        .name = "app describe",
        .operands = "APP",
        .summary = "Show the leader, the workers and the shards of an application, and how long a\n"
                   "failover takes at most.",
        .options = table,
        .option_count = COUNT,
        .operands_min = 1,
        .operands_max = 1,
        .more = "--json always gives the whole description."};
    struct weir_app_description description = {.shards = NULL};
    struct cli_arguments a;
    int status;

    if (!cli_arguments_parse(&command, argc, argv, cli, &a, &status) ||
        !name_usable(command.name, "application", a.operand[0], &status)) {
        return status;
    }
    if (!describe_app(cli, place_of(&a, TABLE), &description)) {
        return CLI_FAILED;
    }
    if (cli->json) {
        status = cli_app_show_json(a.operand[0], &description);
    } else {
        const bool only = a.value[SHARDS] != NULL || a.value[WORKERS] != NULL;
        status = cli_app_show(
            a.operand[0],
            &description,
            !only || a.value[WORKERS] != NULL,
            !only || a.value[SHARDS] != NULL);
    }
    weir_app_description_free(cli->env, &description);
    return status;
}

static int
reset_to(
    const struct cli *cli, const char *application, const struct weir_position *to, bool execute)
{
    struct weir_app_description description = {.shards = NULL};
    struct weir_detail detail = {""};
    const char *living;
    enum weir_error error;
    int status;

    if (!describe_app(cli, application, &description)) {
        return CLI_FAILED;
    }
    living = cli_living_worker(&description);
    if (living != NULL) {
        status = cli_fail(
            "application '%s' is not reset: worker '%s' is alive: stop it first, with "
            "`weir app drain %s %s`",
            application,
            living,
            application,
            living);
        weir_app_description_free(cli->env, &description);
        return status;
    }
    if (execute) {
        error = weir_app_reset(cli->env, cli->data, application, to, &detail);
        if (error != WEIR_OK) {
            weir_app_description_free(cli->env, &description);
            return fail_app(cli, error, &detail, application);
        }
    }
    status = cli_app_show_reset(cli, application, &description, to, execute);
    weir_app_description_free(cli->env, &description);
    return status;
}

static int
reset(int argc, char **argv, struct cli *cli)
{
    enum {
        TO,
        EXECUTE,
        TABLE,
        COUNT
    };
    static const struct cli_option table[COUNT] = {
        [TO] = {"to", CLI_VALUE, "POSITION", "where all shards begin again; required"},
        [EXECUTE] = {"execute", CLI_FLAG, NULL, "do it; without this only show what would change"},
        [TABLE] = TABLE_OPTION,
    };
    static const struct cli_command command = {
        .name = "app reset",
        .operands = "APP",
        .summary =
            "Forget every checkpoint of an application that has no living worker, and begin\n"
            "again at a position.",
        .options = table,
        .option_count = COUNT,
        .operands_min = 1,
        .operands_max = 1,
        .more =
            "POSITION: TRIM_HORIZON, LATEST, AT_TIMESTAMP:t with t in RFC 3339 or epoch seconds."};
    static const struct cli_position_option option = {
        "app reset", "to", "TRIM_HORIZON, LATEST, AT_TIMESTAMP:t"};
    struct weir_position to;
    struct cli_arguments a;
    int status;

    if (!cli_arguments_parse(&command, argc, argv, cli, &a, &status) ||
        !name_usable(command.name, "application", a.operand[0], &status)) {
        return status;
    }
    if (a.value[TO] == NULL) {
        return cli_usage(command.name, "--to POSITION is missing, such as --to TRIM_HORIZON");
    }
    status = cli_parse_position(cli->env, &option, a.value[TO], &to);
    return status != CLI_OK ? status
                            : reset_to(cli, place_of(&a, TABLE), &to, a.value[EXECUTE] != NULL);
}

/* Ask for a move; `worker_id` NULL gives the shard back to the leader. */
static int
move_shard(
    const struct cli *cli, const char *application, const char *shard_id, const char *worker_id)
{
    struct weir_detail detail = {""};
    const enum weir_error error =
        weir_app_move(cli->env, cli->data, application, cli_str(shard_id), worker_id, &detail);
    cJSON *root;
    bool whole;

    if (error != WEIR_OK) {
        return fail_app(cli, error, &detail, application);
    }
    if (!cli->json) {
        printf(
            "asked for: shard %s of %s goes to %s\n",
            shard_id,
            application,
            worker_id == NULL ? "whom the leader chooses" : worker_id);
        return CLI_OK;
    }
    root = cJSON_CreateObject();
    whole = cJSON_AddStringToObject(root, "app", application) != NULL &&
            cJSON_AddStringToObject(root, "shard_id", shard_id) != NULL &&
            (worker_id == NULL || cJSON_AddStringToObject(root, "worker_id", worker_id) != NULL) &&
            cJSON_AddTrueToObject(root, "requested") != NULL;
    return cli_json_print(root, whole);
}

static int
move(int argc, char **argv, struct cli *cli)
{
    static const struct cli_option table[] = {TABLE_OPTION};
    static const struct cli_command command = {
        .name = "app move",
        .operands = "APP SHARD WORKER",
        .options = table,
        .option_count = 1,
        .summary =
            "Hand a shard over to a worker, without loss or repetition. The balancer leaves it\n"
            "there.",
        .operands_min = 3,
        .operands_max = 3};
    struct cli_arguments a;
    int status;

    if (!cli_arguments_parse(&command, argc, argv, cli, &a, &status) ||
        !name_usable(command.name, "application", a.operand[0], &status) ||
        !name_usable(command.name, "shard", a.operand[1], &status) ||
        !name_usable(command.name, "worker", a.operand[2], &status)) {
        return status;
    }
    return move_shard(cli, place_of(&a, 0), a.operand[1], a.operand[2]);
}

static int
release(int argc, char **argv, struct cli *cli)
{
    static const struct cli_option table[] = {TABLE_OPTION};
    static const struct cli_command command = {
        .name = "app release",
        .operands = "APP SHARD",
        .options = table,
        .option_count = 1,
        .summary = "Ask the owner of a shard to give it back; the leader finds a worker for it.",
        .operands_min = 2,
        .operands_max = 2};
    struct cli_arguments a;
    int status;

    if (!cli_arguments_parse(&command, argc, argv, cli, &a, &status) ||
        !name_usable(command.name, "application", a.operand[0], &status) ||
        !name_usable(command.name, "shard", a.operand[1], &status)) {
        return status;
    }
    return move_shard(cli, place_of(&a, 0), a.operand[1], NULL);
}

static int
drain(int argc, char **argv, struct cli *cli)
{
    static const struct cli_option table[] = {TABLE_OPTION};
    static const struct cli_command command = {
        .name = "app drain",
        .operands = "APP WORKER",
        .options = table,
        .option_count = 1,
        .summary = "Ask a worker to hand everything over and to stop, as SIGTERM does.",
        .operands_min = 2,
        .operands_max = 2};
    struct weir_detail detail = {""};
    struct cli_arguments a;
    enum weir_error error;
    cJSON *root;
    int status;

    if (!cli_arguments_parse(&command, argc, argv, cli, &a, &status) ||
        !name_usable(command.name, "application", a.operand[0], &status) ||
        !name_usable(command.name, "worker", a.operand[1], &status)) {
        return status;
    }
    error = weir_app_drain(cli->env, cli->data, place_of(&a, 0), a.operand[1], &detail);
    if (error != WEIR_OK) {
        return fail_app(cli, error, &detail, a.operand[0]);
    }
    if (!cli->json) {
        printf("asked for: worker %s of %s drains\n", a.operand[1], a.operand[0]);
        return CLI_OK;
    }
    root = cJSON_CreateObject();
    return cli_json_print(
        root,
        cJSON_AddStringToObject(root, "app", a.operand[0]) != NULL &&
            cJSON_AddStringToObject(root, "worker_id", a.operand[1]) != NULL &&
            cJSON_AddTrueToObject(root, "requested") != NULL);
}

int
wi_cmd_app(int argc, char **argv, struct cli *cli)
{
    static const struct cli_member members[] = {
        {"ls", ls, "list applications"},
        {"describe", describe, "show leader, workers, shards and the bound of failover"},
        {"reset", reset, "begin again at a position (a dry run without --execute)"},
        {"move", move, "hand a shard over to a worker"},
        {"drain", drain, "ask a worker to hand everything over and to stop"},
        {"release", release, "ask the owner of a shard to give it back"},
    };
    static const struct cli_group group = {
        .name = "app",
        .head = "Look after applications: fleets of workers that share a lease table.",
        .foot = "An application comes to exist with its first worker (`weir worker --app APP`).",
        .members = members,
        .count = sizeof members / sizeof *members,
    };

    return cli_group_run(&group, argc, argv, cli);
}

#include "cli/stream_use.h"

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "cli/cli.h"
#include "cli/json_tree.h"
#include "cli/output.h"

#define SHARDS_MAX 10000
/* Room for "100.0%". */
#define SHARE_SIZE 16
/* Room for both parents. */
#define PARENTS_SIZE ((size_t)WEIR_PARENTS_MAX * (WEIR_NAME_SIZE + 1))

static const char *
bare_name(const char *url)
{
    return strncmp(url, "weir:", strlen("weir:")) == 0 ? url + strlen("weir:") : url;
}

bool
cli_stream_name_usable(const char *command, const char *name, int *ret_status)
{
    /* What stands behind the scheme is looked at by the library, which says what is wrong. */
    if (cli_stream_is_kinesis(name)) {
        return true;
    }
    if (weir_name_check(cli_str(bare_name(name))) == WEIR_OK) {
        return true;
    }
    *ret_status = cli_usage(
        command, "'%s' is no stream name: use 1 to 128 letters, digits, '_', '.', '-'", name);
    return false;
}

bool
cli_parse_shard_count(const char *text, uint32_t *ret)
{
    uint64_t number;

    if (!cli_parse_count(text, SHARDS_MAX, &number) || number == 0) {
        return false;
    }
    *ret = (uint32_t)number;
    return true;
}

bool
cli_stream_use(
    const struct cli *cli,
    const char *name,
    const struct weir_stream_options *options,
    struct weir_stream **ret)
{
    struct weir_detail detail = {""};
    const enum weir_error error =
        weir_stream_open(cli->env, cli->data, name, options, ret, &detail);

    if (error != WEIR_OK) {
        (void)cli_fail_stream(cli, error, &detail, name);
    }
    return error == WEIR_OK;
}

bool
cli_stream_use_to_read(const struct cli *cli, const char *name, struct weir_stream **ret)
{
    struct weir_stream_options options = WEIR_STREAM_OPTIONS_INIT;

    if (weir_stream_open(cli->env, cli->data, name, NULL, ret, NULL) == WEIR_OK) {
        return true;
    }
    options.read_only = true;
    return cli_stream_use(cli, name, &options, ret);
}

int
cli_fail_shard(
    const struct cli *cli,
    enum weir_error error,
    const struct weir_detail *detail,
    const char *stream,
    const char *shard_id)
{
    if (error == WEIR_ENOTFOUND) {
        return cli_fail(
            "shard '%s' does not exist in stream '%s': see `weir stream describe %s`",
            shard_id,
            stream,
            stream);
    }
    return cli_fail_stream(cli, error, detail, stream);
}

static bool
add_shard(cJSON *shards, const struct weir_shard *shard)
{
    char text[WEIR_SEQUENCE_NUMBER_SIZE];
    char key[WEIR_HASH_KEY_SIZE];
    cJSON *object = cJSON_CreateObject();
    cJSON *parents;

    if (object == NULL || !cJSON_AddItemToArray(shards, object)) {
        cJSON_Delete(object);
        return false;
    }
    (void)cJSON_AddStringToObject(object, "shard_id", shard->shard_id);
    parents = cJSON_AddArrayToObject(object, "parent_shard_ids");
    for (size_t i = 0; i < WEIR_PARENTS_MAX; i++) {
        if (shard->parent_shard_ids[i][0] != '\0' &&
            !cli_json_append_string(parents, shard->parent_shard_ids[i])) {
            return false;
        }
    }
    (void)weir_hash_key_format(shard->range.start, key);
    (void)cJSON_AddStringToObject(object, "starting_hash_key", key);
    (void)weir_hash_key_format(shard->range.end, key);
    (void)cJSON_AddStringToObject(object, "ending_hash_key", key);
    (void)weir_sequence_number_format(&shard->starting_sequence_number, text);
    if (cJSON_AddStringToObject(object, "starting_sequence_number", text) == NULL) {
        return false;
    }
    if (!shard->closed) {
        return true;
    }
    (void)weir_sequence_number_format(&shard->ending_sequence_number, text);
    return cJSON_AddStringToObject(object, "ending_sequence_number", text) != NULL;
}

static int
show_json(const char *name, const struct weir_stream_description *description)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *shards = NULL;
    bool whole = cJSON_AddStringToObject(root, "stream", name) != NULL &&
                 cli_json_add_integer(root, "retention_ms", description->retention_ms);

    if (whole) {
        shards = cJSON_AddArrayToObject(root, "shards");
        whole = shards != NULL;
    }
    for (size_t i = 0; whole && i < description->shard_count; i++) {
        whole = add_shard(shards, &description->shards[i]);
    }
    return cli_json_print(root, whole);
}

/* The hash keys of a shard as a share of all. */
static const char *
share_of(struct weir_hash_range range, char text[SHARE_SIZE])
{
    const double all = 18446744073709551616.0; /* 2^64: the high words say enough */
    const double share = ((double)range.end.high - (double)range.start.high) / all;

    (void)snprintf(text, SHARE_SIZE, "%.1f%%", share * 100);
    return text;
}

static const char *
parents_of(const struct weir_shard *shard, char text[PARENTS_SIZE])
{
    const bool two = shard->parent_shard_ids[1][0] != '\0';

    (void)snprintf(
        text,
        PARENTS_SIZE,
        "%s%s%s",
        shard->parent_shard_ids[0],
        two ? " " : "",
        shard->parent_shard_ids[1]);
    return text;
}

static size_t
open_shards(const struct weir_stream_description *description)
{
    size_t count = 0;

    for (size_t i = 0; i < description->shard_count; i++) {
        count += description->shards[i].closed ? 0 : 1;
    }
    return count;
}

static int
show_table(const char *name, const struct weir_stream_description *description)
{
    static const char *const heading[] = {
        "SHARD", "STATE", "SHARE", "STARTING HASH KEY", "ENDING HASH KEY", "PARENTS"};
    struct table table = {.columns = sizeof heading / sizeof *heading};
    char retention[CLI_VALUE_SIZE];
    const size_t open = open_shards(description);

    printf(
        "stream %s: %zu open shard%s, %zu closed, retention %s\n\n",
        name,
        open,
        open == 1 ? "" : "s",
        description->shard_count - open,
        cli_format_duration(description->retention_ms, retention));
    cli_table_add(&table, heading);
    for (size_t i = 0; i < description->shard_count; i++) {
        const struct weir_shard *shard = &description->shards[i];
        char start[WEIR_HASH_KEY_SIZE];
        char end[WEIR_HASH_KEY_SIZE];
        char share[SHARE_SIZE];
        char parents[PARENTS_SIZE];
        (void)weir_hash_key_format(shard->range.start, start);
        (void)weir_hash_key_format(shard->range.end, end);
        cli_table_add(
            &table,
            (const char *const[]){shard->shard_id,
                                  shard->closed ? "closed" : "open",
                                  share_of(shard->range, share),
                                  start,
                                  end,
                                  parents_of(shard, parents)});
    }
    return cli_table_print(&table) ? CLI_OK : cli_fail_error(WEIR_ENOMEM, NULL, name);
}

int
cli_stream_show(const struct cli *cli, const char *name, const char *done)
{
    struct weir_stream *stream;
    struct weir_stream_description description = {0};
    struct weir_detail detail = {""};
    enum weir_error error;
    int status = CLI_OK;

    if (!cli_stream_use_to_read(cli, name, &stream)) {
        return CLI_FAILED;
    }
    error = weir_stream_describe(stream, &description, &detail);
    if (error != WEIR_OK) {
        status = cli_fail_stream(cli, error, &detail, name);
    } else if (cli->json) {
        status = show_json(weir_stream_name(stream), &description);
    } else if (done != NULL) {
        const size_t open = open_shards(&description);
        printf("%s stream %s: %zu open shard%s\n", done, name, open, open == 1 ? "" : "s");
    } else {
        status = show_table(weir_stream_name(stream), &description);
    }
    if (error == WEIR_OK) {
        weir_stream_description_free(stream, &description);
    }
    weir_stream_close(stream);
    return status;
}

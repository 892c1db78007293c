/* weir get: print the records of a stream. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/json_line.h"
#include "cli/output.h"
#include "cli/position.h"
#include "cli/shard_readers.h"
#include "cli/stream_use.h"

/* What one call of the library reads at most. */
#define GET_RECORDS ((size_t)1000)
#define GET_BYTES   ((size_t)1 << 20)
/* How long a signal may stay unnoticed while no record comes. */
#define WAIT_MS 250
/* Back-off after a throttled read. */
#define THROTTLED_MS 100

/* One run of the command. */
struct get {
    const struct cli *cli;
    const char *name;
    struct weir_stream *stream;
    struct weir_batch *batch;
    struct shard_readers readers;
    struct json_line out;
    struct weir_position from;
    const char *shard_id; /* --shard, or NULL */
    uint64_t left;        /* records to --limit */
    bool follow;
};

/* How reading goes on. */
enum progress {
    PROGRESS_RECORDS, /* something was printed */
    PROGRESS_NONE,    /* at the tip, or finished */
    PROGRESS_OVER,    /* --limit, a signal, or nobody reads */
    PROGRESS_FAILED   /* a line on stderr says why */
};

enum {
    SHARD,
    FROM,
    LIMIT,
    FOLLOW,
    OPTION_COUNT
};

static const struct cli_option options_table[OPTION_COUNT] = {
    [SHARD] = {"shard", CLI_VALUE, "SHARD", "this shard only"},
    [FROM] = {"from", CLI_VALUE, "POSITION", "where to begin (TRIM_HORIZON)"},
    [LIMIT] = {"limit", CLI_VALUE, "N", "stop after N records"},
    [FOLLOW] = {"follow", CLI_FLAG, NULL, "wait for more, until SIGINT or SIGTERM"},
};

static const struct cli_command get_command = {
    .name = "get",
    .operands = "NAME",
    .summary = "Print the records of a stream, one line each, shard by shard in order.",
    .options = options_table,
    .option_count = OPTION_COUNT,
    .operands_min = 1,
    .operands_max = 1,
    .more = "POSITION: TRIM_HORIZON (the oldest record), LATEST (only what comes from now on),\n"
            "AT_SEQUENCE_NUMBER:n, AFTER_SEQUENCE_NUMBER:n, AT_TIMESTAMP:t with t in RFC 3339 or\n"
            "epoch seconds. Without --json the data of each record is printed and a newline.\n"
            "--follow goes on with the children of a shard that is split or merged.",
};

/* Print the records of the batch, as far as --limit allows. */
static enum progress
print_batch(struct get *g, const struct shard_reader *reader)
{
    const struct weir_record *records = weir_batch_records(g->batch);
    const size_t count = weir_batch_count(g->batch);
    int error;

    g->out.length = 0;
    for (size_t i = 0; i < count && g->left > 0; i++, g->left--) {
        if (g->cli->json) {
            cli_json_line_record(
                &g->out, weir_stream_name(g->stream), reader->shard_id, &records[i], NULL);
        } else {
            cli_json_line_raw(&g->out, records[i].data.data, records[i].data.length);
            cli_json_line_raw(&g->out, "\n", 1);
        }
    }
    error = g->out.failed ? ENOMEM : cli_write_all(STDOUT_FILENO, g->out.data, g->out.length);
    if (error == EPIPE || error == EINTR) {
        return PROGRESS_OVER;
    }
    if (error != 0) {
        (void)cli_fail_stdout(error);
        return PROGRESS_FAILED;
    }
    if (g->left == 0 || cli_stopped()) {
        return PROGRESS_OVER;
    }
    return count > 0 ? PROGRESS_RECORDS : PROGRESS_NONE;
}

static enum progress
fail_read(const struct get *g, const struct shard_reader *reader, enum weir_error error)
{
    char position[WEIR_POSITION_SIZE];

    if (error == WEIR_ETRIMMED) {
        (void)weir_position_format(&reader->position, position);
        (void)cli_fail(
            "shard '%s' of stream '%s': records from %s on are older than the retention and gone: "
            "begin with --from TRIM_HORIZON",
            reader->shard_id,
            g->name,
            position);
    } else if (error == WEIR_ECORRUPT) {
        (void)cli_fail(
            "shard '%s' of stream '%s': the record after those printed is damaged (%s): begin "
            "behind it with --from",
            reader->shard_id,
            g->name,
            weir_error_name(error));
    } else {
        (void)cli_fail_shard(g->cli, error, NULL, g->name, reader->shard_id);
    }
    return PROGRESS_FAILED;
}

/* One call of the library for one shard. */
static enum progress
read_once(struct get *g, struct shard_reader *reader)
{
    struct weir_get_result result;
    const size_t wanted = g->left < GET_RECORDS ? (size_t)g->left : GET_RECORDS;
    enum progress progress;
    const enum weir_error error = weir_stream_get(
        g->stream,
        &(struct weir_get_request){.shard_id = cli_str(reader->shard_id),
                                   .from = reader->position,
                                   .records_max = wanted,
                                   .bytes_max = GET_BYTES},
        g->batch,
        &result);

    if (error == WEIR_ETHROTTLED) {
        (void)weir_stream_wait(g->stream, weir_stream_version(g->stream), THROTTLED_MS);
        return cli_stopped() ? PROGRESS_OVER : PROGRESS_RECORDS;
    }
    if (error != WEIR_OK && error != WEIR_ECORRUPT) {
        return fail_read(g, reader, error);
    }
    progress = print_batch(g, reader);
    if (error != WEIR_OK) {
        return progress == PROGRESS_RECORDS || progress == PROGRESS_NONE
                   ? fail_read(g, reader, error)
                   : progress;
    }
    reader->position = result.next;
    reader->finished = result.at_shard_end;
    return progress;
}

/* Read a shard to its end or its tip. */
static enum progress
read_shard(struct get *g, struct shard_reader *reader)
{
    enum progress all = PROGRESS_NONE;

    while (!reader->finished) {
        const enum progress progress = read_once(g, reader);
        if (progress == PROGRESS_RECORDS) {
            all = progress;
        } else {
            return progress == PROGRESS_NONE ? all : progress;
        }
    }
    return all;
}

static bool
is_child_of_a_reader(const struct get *g, const struct weir_shard *shard)
{
    for (size_t i = 0; i < WEIR_PARENTS_MAX; i++) {
        if (cli_shard_readers_find(&g->readers, shard->parent_shard_ids[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* Read the shards that are wanted and not yet read; `from` is where they begin. */
static bool
add_shards(struct get *g, const struct weir_position *from)
{
    struct weir_stream_description description = {0};
    struct weir_detail detail = {""};
    const enum weir_error error = weir_stream_describe(g->stream, &description, &detail);
    bool enough_memory = true;

    if (error != WEIR_OK) {
        (void)cli_fail_stream(g->cli, error, &detail, g->name);
        return false;
    }
    for (size_t i = 0; enough_memory && i < description.shard_count; i++) {
        const struct weir_shard *shard = &description.shards[i];
        const bool wanted = g->shard_id == NULL || strcmp(shard->shard_id, g->shard_id) == 0 ||
                            (g->follow && is_child_of_a_reader(g, shard));
        if (wanted && cli_shard_readers_find(&g->readers, shard->shard_id) == NULL) {
            enough_memory = cli_shard_readers_add(&g->readers, shard, from);
        }
    }
    weir_stream_description_free(g->stream, &description);
    if (!enough_memory) {
        (void)cli_fail_error(WEIR_ENOMEM, NULL, g->name);
        return false;
    }
    if (g->readers.first == NULL) {
        (void)cli_fail_shard(
            g->cli, WEIR_ENOTFOUND, NULL, g->name, g->shard_id == NULL ? "" : g->shard_id);
        return false;
    }
    return true;
}

/* One pass over all shards: each as far as it goes, children once their parents are finished. */
static enum progress
read_shards(struct get *g)
{
    enum progress all = PROGRESS_NONE;

    for (struct shard_reader *r = g->readers.first; r != NULL; r = r->next) {
        enum progress progress = PROGRESS_NONE;
        if (!g->follow || cli_shard_reader_may_read(r)) {
            progress = read_shard(g, r);
        }
        if (progress == PROGRESS_OVER || progress == PROGRESS_FAILED) {
            return progress;
        }
        if (progress == PROGRESS_RECORDS || r->finished) {
            all = PROGRESS_RECORDS;
        }
    }
    return all;
}

/* Whether a shard has ended whose children may not be known yet. */
static size_t
finished_count(const struct get *g)
{
    size_t count = 0;

    for (const struct shard_reader *r = g->readers.first; r != NULL; r = r->next) {
        count += r->finished ? 1 : 0;
    }
    return count;
}

/* Children begin with their first record, unless a position of the user's is still to come. */
static struct weir_position
position_of_children(const struct get *g)
{
    struct weir_position from = g->from;

    if (from.type == WEIR_LATEST) {
        from.type = WEIR_TRIM_HORIZON;
    }
    return from;
}

/* Read, wait, read again, until a signal or --limit. */
static enum progress
follow(struct get *g)
{
    const struct weir_position children = position_of_children(g);
    size_t finished = 0;

    cli_stop_on_signals();
    while (!cli_stopped()) {
        const uint64_t version = weir_stream_version(g->stream);
        const enum progress progress = read_shards(g);
        const size_t finished_now = finished_count(g);
        if (progress == PROGRESS_OVER || progress == PROGRESS_FAILED) {
            return progress;
        }
        if (finished_now > finished) {
            finished = finished_now;
            if (!add_shards(g, &children)) {
                return PROGRESS_FAILED;
            }
        } else {
            (void)weir_stream_wait(g->stream, version, WAIT_MS);
        }
    }
    return PROGRESS_OVER;
}

static int
parse(const struct cli_arguments *a, struct get *g)
{
    static const struct cli_position_option from = {
        "get",
        "from",
        "TRIM_HORIZON, LATEST, AT_SEQUENCE_NUMBER:n, AFTER_SEQUENCE_NUMBER:n, AT_TIMESTAMP:t"};

    g->left = UINT64_MAX;
    if (a->value[LIMIT] != NULL && !cli_parse_count(a->value[LIMIT], UINT64_MAX, &g->left)) {
        return cli_usage(get_command.name, "--limit '%s' is not a number", a->value[LIMIT]);
    }
    g->name = a->operand[0];
    g->shard_id = a->value[SHARD];
    g->follow = a->value[FOLLOW] != NULL;
    return a->value[FROM] == NULL
               ? CLI_OK
               : cli_parse_position(g->cli->env, &from, a->value[FROM], &g->from);
}

static int
get(struct get *g)
{
    enum progress progress = PROGRESS_FAILED;

    if (weir_batch_new(g->cli->env, &g->batch) != WEIR_OK) {
        return cli_fail_error(WEIR_ENOMEM, NULL, g->name);
    }
    if (add_shards(g, &g->from)) {
        progress = g->left == 0 ? PROGRESS_OVER : g->follow ? follow(g) : read_shards(g);
    }
    cli_shard_readers_free(&g->readers);
    cli_json_line_free(&g->out);
    weir_batch_free(g->batch);
    return progress == PROGRESS_FAILED ? CLI_FAILED : CLI_OK;
}

int
wi_cmd_get(int argc, char **argv, struct cli *cli)
{
    struct get g = {.cli = cli, .from = {.type = WEIR_TRIM_HORIZON}};
    struct cli_arguments a;
    int status;

    if (!cli_arguments_parse(&get_command, argc, argv, cli, &a, &status)) {
        return status;
    }
    status = parse(&a, &g);
    if (status != CLI_OK || !cli_stream_name_usable(get_command.name, a.operand[0], &status)) {
        return status;
    }
    if (!cli_stream_use_to_read(cli, g.name, &g.stream)) {
        return CLI_FAILED;
    }
    status = get(&g);
    weir_stream_close(g.stream);
    return status;
}

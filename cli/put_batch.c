#include "cli/put_batch.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "cli/cli.h"
#include "cli/json_line.h"
#include "cli/output.h"

/* Back-off between attempts, doubled from the first to the cap. */
#define BACKOFF_FIRST_MS 10
#define BACKOFF_CAP_MS   1000
/* Attempts in a row that may pass without one accepted record: some ten minutes. */
#define FRUITLESS_MAX 600
/* Attempts while somebody else blocks the stream; each waits inside the library as well. */
#define BUSY_MAX 5
/* How often the progress is shown. */
#define PROGRESS_NS INT64_C(200000000)

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  1e9

bool
cli_put_batch_open(struct put_batch *batch, const struct cli *cli, struct weir_stream *stream)
{
    const struct weir_clock *clock = &cli->env->clock;

    *batch = (struct put_batch){
        .cli = cli,
        .stream = stream,
        .items = malloc(PUT_BATCH_RECORDS * sizeof *batch->items),
        .entries = malloc(PUT_BATCH_RECORDS * sizeof *batch->entries),
        .results = malloc(PUT_BATCH_RECORDS * sizeof *batch->results),
        .places = malloc(PUT_BATCH_RECORDS * sizeof *batch->places),
        .started = clock->mono(clock->context),
        .terminal = isatty(STDERR_FILENO) == 1,
    };
    batch->shown = batch->started;
    if (batch->items == NULL || batch->entries == NULL || batch->results == NULL ||
        batch->places == NULL) {
        cli_put_batch_close(batch);
        return false;
    }
    return true;
}

void
cli_put_batch_close(struct put_batch *batch)
{
    free(batch->items);
    free(batch->entries);
    free(batch->results);
    free(batch->places);
    cli_json_line_free(&batch->out);
    *batch = (struct put_batch){.cli = NULL};
}

void
cli_put_batch_add(struct put_batch *batch, struct weir_str key, struct weir_bytes data)
{
    batch->items[batch->count++] = (struct put_item){.entry = {.partition_key = key, .data = data}};
    batch->bytes += key.length + data.length;
}

void
cli_put_batch_refuse(struct put_batch *batch, const char *reason)
{
    batch->items[batch->count++] =
        (struct put_item){.result = {.error = WEIR_EINVAL}, .refusal = reason, .settled = true};
}

bool
cli_put_batch_full(const struct put_batch *batch)
{
    return batch->count == PUT_BATCH_RECORDS || batch->bytes >= PUT_BATCH_BYTES;
}

static void
pause_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000 * NS_PER_MS)};

    while (nanosleep(&left, &left) != 0) {
    }
}

/* One call of the library for all items that are not settled. *ret_pending: how many are left. */
static enum weir_error
put_once(
    struct put_batch *batch, size_t *ret_accepted, size_t *ret_pending, struct weir_detail *detail)
{
    size_t tried = 0;
    size_t accepted = 0;
    size_t pending = 0;
    enum weir_error error;

    for (size_t i = 0; i < batch->count; i++) {
        if (!batch->items[i].settled) {
            batch->places[tried] = i;
            batch->entries[tried++] = batch->items[i].entry;
        }
    }
    *ret_accepted = 0;
    *ret_pending = tried;
    if (tried == 0) {
        return WEIR_OK;
    }
    error = weir_stream_put(batch->stream, batch->entries, tried, batch->results, detail);
    if (error != WEIR_OK) {
        return error;
    }
    for (size_t i = 0; i < tried; i++) {
        struct put_item *item = &batch->items[batch->places[i]];
        item->result = batch->results[i];
        item->settled = item->result.error != WEIR_ETHROTTLED;
        accepted += item->result.error == WEIR_OK ? 1 : 0;
        pending += item->settled ? 0 : 1;
    }
    *ret_accepted = accepted;
    *ret_pending = pending;
    return WEIR_OK;
}

/* Until every item is settled, or an error that waiting does not mend. */
static enum weir_error
put_all(struct put_batch *batch, struct weir_detail *detail)
{
    int64_t backoff_ms = BACKOFF_FIRST_MS;
    unsigned fruitless = 0;
    unsigned busy = 0;

    for (;;) {
        size_t accepted;
        size_t pending;
        const enum weir_error error = put_once(batch, &accepted, &pending, detail);
        if (error == WEIR_OK && pending == 0) {
            return WEIR_OK;
        }
        if (error == WEIR_EBUSY ? ++busy == BUSY_MAX : error != WEIR_OK) {
            return error;
        }
        if (accepted > 0) {
            fruitless = 0;
            backoff_ms = BACKOFF_FIRST_MS;
        } else if (++fruitless == FRUITLESS_MAX) {
            return WEIR_ETHROTTLED;
        }
        pause_ms(backoff_ms);
        backoff_ms = backoff_ms * 2 > BACKOFF_CAP_MS ? BACKOFF_CAP_MS : backoff_ms * 2;
    }
}

static const char *
refusal_of(const struct put_item *item)
{
    if (item->refusal != NULL) {
        return item->refusal;
    }
    if (item->result.error != WEIR_EINVAL) {
        return weir_error_text(item->result.error);
    }
    if (item->entry.partition_key.length > WEIR_PARTITION_KEY_MAX) {
        return "its partition key is longer than 1024 bytes";
    }
    return "it is larger than the stream allows (`weir stream create --record-bytes-max`)";
}

static void
report_json(struct put_batch *batch, const struct put_item *item)
{
    struct json_line *out = &batch->out;
    char number[WEIR_SEQUENCE_NUMBER_SIZE];

    if (item->result.error == WEIR_OK) {
        cli_json_line_raw(out, "{\"shard_id\":", 12);
        cli_json_line_text(out, cli_str(item->result.shard_id));
        cli_json_line_raw(out, ",\"sequence_number\":", 19);
        (void)weir_sequence_number_format(&item->result.sequence_number, number);
        cli_json_line_text(out, cli_str(number));
    } else {
        cli_json_line_raw(out, "{\"error\":", 9);
        cli_json_line_text(out, cli_str(weir_error_name(item->result.error)));
        cli_json_line_raw(out, ",\"message\":", 11);
        cli_json_line_text(out, cli_str(refusal_of(item)));
    }
    cli_json_line_raw(out, "}\n", 2);
}

/* Tell what became of each line, in order; without --json only if `each`. 0, or the errno value of
 * a failed write. */
static int
report(struct put_batch *batch, bool each)
{
    int error = 0;

    for (size_t i = 0; i < batch->count; i++) {
        const struct put_item *item = &batch->items[i];
        const bool accepted = item->result.error == WEIR_OK;
        batch->accepted += accepted ? 1 : 0;
        batch->refused += accepted ? 0 : 1;
        if (batch->cli->json) {
            report_json(batch, item);
        } else if (!accepted && each) {
            (void)cli_fail(
                "line %llu was not put: %s",
                (unsigned long long)batch->lines + i + 1,
                refusal_of(item));
        }
    }
    if (batch->cli->json) {
        error = batch->out.failed
                    ? ENOMEM
                    : cli_write_all(STDOUT_FILENO, batch->out.data, batch->out.length);
        batch->out.length = 0;
    }
    batch->lines += batch->count;
    batch->count = 0;
    batch->bytes = 0;
    return error;
}

static struct weir_mono
now(const struct put_batch *batch)
{
    const struct weir_clock *clock = &batch->cli->env->clock;

    return clock->mono(clock->context);
}

static void
show_progress(struct put_batch *batch)
{
    char count[CLI_VALUE_SIZE];
    const struct weir_mono t = now(batch);

    if (batch->terminal && t.ns - batch->shown.ns >= PROGRESS_NS) {
        batch->shown = t;
        (void)fprintf(stderr, "\r%s records", cli_format_count(batch->accepted, count));
    }
}

/* One line for all records that are left, which also says where to go on. */
static void
fail_rest(const struct put_batch *batch, enum weir_error error, const struct weir_detail *detail)
{
    char accepted[CLI_VALUE_SIZE];
    char lines[CLI_VALUE_SIZE];

    (void)cli_format_count(batch->accepted, accepted);
    (void)cli_format_count(batch->lines, lines);
    if (error == WEIR_ENOTFOUND) {
        (void)cli_fail(
            "stream '%s' was deleted; put so far: %s of %s lines",
            weir_stream_name(batch->stream),
            accepted,
            lines);
        return;
    }
    (void)cli_fail(
        "%s; put so far: %s of %s lines",
        detail->text[0] == '\0' ? weir_error_text(error) : detail->text,
        accepted,
        lines);
}

bool
cli_put_batch_flush(struct put_batch *batch)
{
    struct weir_detail detail = {""};
    enum weir_error error;
    int write_error;

    if (batch->count == 0) {
        return true;
    }
    error = put_all(batch, &detail);
    for (size_t i = 0; error != WEIR_OK && i < batch->count; i++) {
        if (!batch->items[i].settled) {
            batch->items[i].result.error = error;
        }
    }
    write_error = report(batch, error == WEIR_OK);
    if (error != WEIR_OK) {
        fail_rest(batch, error, &detail);
        return false;
    }
    if (write_error != 0) {
        (void)cli_fail_stdout(write_error);
        return false;
    }
    show_progress(batch);
    return true;
}

int
cli_put_batch_summary(struct put_batch *batch)
{
    char accepted[CLI_VALUE_SIZE];
    char refused[CLI_VALUE_SIZE];

    if (batch->terminal) {
        (void)fprintf(
            stderr,
            "\r%s records in %.1f s\n",
            cli_format_count(batch->accepted, accepted),
            (double)(now(batch).ns - batch->started.ns) / NS_PER_S);
    }
    if (batch->refused == 0) {
        return CLI_OK;
    }
    if (batch->cli->json) {
        return cli_fail(
            "%s of %s records were refused: the lines with \"error\" say why",
            cli_format_count(batch->refused, refused),
            cli_format_count(batch->lines, accepted));
    }
    return CLI_FAILED;
}

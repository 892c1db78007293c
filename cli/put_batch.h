/** Records on their way into a stream: one call of the library for many lines. */
#ifndef WI_CLI_PUT_BATCH_H
#define WI_CLI_PUT_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "cli/cli.h"
#include "cli/json_line.h"

/** Most lines and bytes that one call puts. */
#define PUT_BATCH_RECORDS ((size_t)500)
#define PUT_BATCH_BYTES   ((size_t)1 << 20)

/** The fate of one line of the batch. */
struct put_item {
    struct weir_put_entry entry;
    struct weir_put_result result;
    const char *refusal; /**< why it is not even tried, or NULL */
    bool settled;        /**< result is final */
};

/** Lines that are put together. */
struct put_batch {
    const struct cli *cli;
    struct weir_stream *stream;
    struct put_item *items;
    struct weir_put_entry *entries;  /**< scratch: those of the items that are still to be put */
    struct weir_put_result *results; /**< their results */
    size_t *places;                  /**< and their places in `items` */
    size_t count;
    size_t bytes;
    struct json_line out;
    struct weir_mono started;
    struct weir_mono shown; /**< when the progress was last shown */
    uint64_t lines;         /**< lines of the batches before this one */
    uint64_t accepted;
    uint64_t refused;
    bool terminal; /**< stderr is one: show progress and a summary */
};

/** False if memory runs out. */
bool cli_put_batch_open(struct put_batch *batch, const struct cli *cli, struct weir_stream *stream);

/** Free the memory. */
void cli_put_batch_close(struct put_batch *batch);

/** Add a record; its bytes must live until the next flush. The batch must not be full. */
void cli_put_batch_add(struct put_batch *batch, struct weir_str key, struct weir_bytes data);

/** Add a line that cannot be put; `reason` is static. The batch must not be full. */
void cli_put_batch_refuse(struct put_batch *batch, const char *reason);

/** Whether it has to be flushed before more is added. */
bool cli_put_batch_full(const struct put_batch *batch);

/**
 * Put what is there, throttled records again and again, and report each line in order.
 * @return false after a line on stderr: nothing more can be put
 */
bool cli_put_batch_flush(struct put_batch *batch);

/** The last word: exit status, and a summary if stderr is a terminal. */
int cli_put_batch_summary(struct put_batch *batch);

#endif

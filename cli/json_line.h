/** Lines of JSON, built fast: the format of records (DESIGN 7.1) without a tree in between. */
#ifndef WI_CLI_JSON_LINE_H
#define WI_CLI_JSON_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/types.h>

/**
 * Bytes that grow. Start with all members zero. When memory runs out `failed` is set and appending
 * does nothing, so that one check at the end is enough.
 */
struct json_line {
    char *data;
    size_t length;
    size_t capacity;
    bool failed;
};

/** What `worker --print` says beside the record itself. */
struct json_delivery {
    uint64_t lease_epoch;
    uint32_t attempt;
    const char *worker_id;
};

/** Free the bytes; the line is empty then. */
void cli_json_line_free(struct json_line *line);

/** Append bytes as they are. */
void cli_json_line_raw(struct json_line *line, const void *data, size_t length);

/** Append a string in quotes, escaped. `text` is UTF-8. */
void cli_json_line_text(struct json_line *line, struct weir_str text);

/**
 * Append one record and a newline. Data is text ("data") if it is UTF-8 without control characters
 * other than tab, line feed and carriage return; else "data_base64". The key is treated alike.
 * @param delivery NULL for `get`
 */
void cli_json_line_record(
    struct json_line *line,
    const char *stream,
    const char *shard_id,
    const struct weir_record *record,
    const struct json_delivery *delivery);

/** Whether `data` is shown as text; see cli_json_line_record(). */
bool cli_json_is_text(struct weir_bytes data);

#endif

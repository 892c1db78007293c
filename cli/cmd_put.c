/* weir put: one record per line of stdin. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/line_reader.h"
#include "cli/put_batch.h"
#include "cli/stream_use.h"

/* A line longer than any stream can take is not even read into memory. */
#define LINE_MAX_BYTES ((size_t)16 << 20)
/* Kinesis takes 256 characters as a partition key; so many bytes are never more. */
#define KINESIS_KEY_BYTES ((size_t)256)

/* Where the partition key of a line comes from. */
struct key_rule {
    const char *key;       /* --key, or NULL */
    uint64_t field;        /* --key-field, counted from 1; 0: none */
    const char *delimiter; /* --delimiter, or NULL: blanks */
    size_t line_bytes_max; /* of a key that is the line */
};

enum {
    KEY,
    KEY_FIELD,
    DELIMITER,
    DURABILITY,
    OPTION_COUNT
};

static const struct cli_option options_table[OPTION_COUNT] = {
    [KEY] = {"key", CLI_VALUE, "K", "partition key of all records"},
    [KEY_FIELD] = {"key-field", CLI_VALUE, "N", "field N of the line, from 1, is its key"},
    [DELIMITER] =
        {"delimiter", CLI_VALUE, "C", "character between fields (blanks: spaces and tabs)"},
    [DURABILITY] =
        {"durability", CLI_VALUE, "LEVEL", "full, relaxed or none: what survives (full)"},
};

static const struct cli_command put_command = {
    .name = "put",
    .operands = "NAME",
    .summary =
        "Put each line of stdin into a stream, without its newline, as one record. Without a\n"
        "key option the line is its own partition key (of a long line, the first 1024 bytes).",
    .options = options_table,
    .option_count = OPTION_COUNT,
    .operands_min = 1,
    .operands_max = 1,
    .more =
        "What is available is put at once, up to 500 records or 1 MiB together. Records of a\n"
        "throttled shard are put again until they are accepted. A record that is refused gives\n"
        "one line on stderr, or {\"error\",\"message\"} with --json; the others go on, and the\n"
        "exit status is 1.\n\n"
        "--durability full: an acknowledged record survives power loss. relaxed: the newest may\n"
        "be lost in a power failure. none: a power failure may destroy the whole stream.",
};

static bool
parse_durability(const char *text, enum weir_durability *ret)
{
    static const char *const names[] = {"full", "relaxed", "none"};
    static const enum weir_durability values[] = {
        WEIR_DURABILITY_FULL, WEIR_DURABILITY_RELAXED, WEIR_DURABILITY_NONE};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = values[i];
            return true;
        }
    }
    return false;
}

/* One character, of one or more bytes; \t is what a shell cannot easily write. */
static const char *
parse_delimiter(const char *text)
{
    const size_t length = strlen(text);

    if (strcmp(text, "\\t") == 0) {
        return "\t";
    }
    if (length == 0) {
        return NULL;
    }
    for (size_t i = 1; i < length; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80) {
            return NULL;
        }
    }
    return text;
}

static int
parse_key_rule(const struct cli_arguments *a, struct key_rule *rule)
{
    const char *name = put_command.name;

    *rule = (struct key_rule){.key = a->value[KEY]};
    if (rule->key != NULL && a->value[KEY_FIELD] != NULL) {
        return cli_usage(name, "--key and --key-field exclude each other");
    }
    if (rule->key != NULL && (*rule->key == '\0' || strlen(rule->key) > WEIR_PARTITION_KEY_MAX)) {
        return cli_usage(name, "--key needs 1 to %d bytes", WEIR_PARTITION_KEY_MAX);
    }
    if (a->value[KEY_FIELD] != NULL &&
        (!cli_parse_count(a->value[KEY_FIELD], LINE_MAX_BYTES, &rule->field) || rule->field == 0)) {
        return cli_usage(
            name, "--key-field '%s' is not the number of a field, from 1", a->value[KEY_FIELD]);
    }
    if (a->value[DELIMITER] == NULL) {
        return CLI_OK;
    }
    if (rule->field == 0) {
        return cli_usage(name, "--delimiter is for --key-field, which is missing");
    }
    rule->delimiter = parse_delimiter(a->value[DELIMITER]);
    if (rule->delimiter == NULL) {
        return cli_usage(
            name, "--delimiter '%s' is not one character (\\t is a tab)", a->value[DELIMITER]);
    }
    return CLI_OK;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Field `n` between runs of blanks; "" if there is none. */
static struct weir_str
blank_field(struct weir_bytes line, uint64_t n)
{
    const char *text = line.data;
    size_t at = 0;

    for (;;) {
        size_t start;
        while (at < line.length && is_blank(text[at])) {
            at++;
        }
        start = at;
        while (at < line.length && !is_blank(text[at])) {
            at++;
        }
        if (--n == 0 || at == line.length) {
            return (struct weir_str){text + start, n == 0 ? at - start : 0};
        }
    }
}

/* Where the delimiter stands in [at, length), or length. */
static size_t
find_delimiter(const char *text, size_t at, size_t length, const char *delimiter)
{
    const size_t size = strlen(delimiter);

    while (at < length) {
        const char *found = memchr(text + at, delimiter[0], length - at);
        if (found == NULL) {
            return length;
        }
        at = (size_t)(found - text);
        if (length - at >= size && memcmp(found, delimiter, size) == 0) {
            return at;
        }
        at++;
    }
    return length;
}

/* Field `n` between delimiters; "" if there is none. */
static struct weir_str
delimited_field(struct weir_bytes line, uint64_t n, const char *delimiter)
{
    const char *text = line.data;
    size_t start = 0;

    for (;;) {
        const size_t end = find_delimiter(text, start, line.length, delimiter);
        if (--n == 0) {
            return (struct weir_str){text + start, end - start};
        }
        if (end == line.length) {
            return (struct weir_str){text, 0};
        }
        start = end + strlen(delimiter);
    }
}

/* The line as its own key: as much as a key can hold, without half a character at its end. */
static struct weir_str
whole_line_key(struct weir_bytes line, size_t bytes_max)
{
    const char *text = line.data;
    size_t length = line.length;

    if (length > bytes_max) {
        length = bytes_max;
        while (length > bytes_max - 4 && ((unsigned char)text[length] & 0xc0) == 0x80) {
            length--;
        }
    }
    return (struct weir_str){text, length};
}

static struct weir_str
key_of(const struct key_rule *rule, struct weir_bytes line)
{
    if (rule->key != NULL) {
        return cli_str(rule->key);
    }
    if (rule->field == 0) {
        return whole_line_key(line, rule->line_bytes_max);
    }
    return rule->delimiter == NULL ? blank_field(line, rule->field)
                                   : delimited_field(line, rule->field, rule->delimiter);
}

/* Put one line into the batch, or the reason why it cannot be put. */
static void
add_line(struct put_batch *batch, const struct key_rule *rule, struct weir_bytes line)
{
    const struct weir_str key = key_of(rule, line);

    if (key.length > 0) {
        cli_put_batch_add(batch, key, line);
    } else if (rule->field == 0) {
        cli_put_batch_refuse(batch, "the line is empty and so is its key: give one with --key");
    } else {
        cli_put_batch_refuse(batch, "the field of --key-field is missing or empty");
    }
}

/* Put all lines; false after a line on stderr about what ended it. */
static bool
put_lines(struct line_reader *reader, const struct key_rule *rule, struct put_batch *batch)
{
    for (;;) {
        struct weir_bytes line;
        int error;
        switch (cli_lines_next(reader, &line)) {
        case LINE_WHOLE:
            add_line(batch, rule, line);
            break;
        case LINE_TOO_LONG:
            cli_put_batch_refuse(batch, "the line is longer than any record may be (16 MiB)");
            break;
        case LINE_END:
            return cli_put_batch_flush(batch);
        case LINE_MORE:
            /* The input pauses, or memory is needed again: what is there goes out now. */
            if (!cli_lines_ready(reader) && !cli_put_batch_flush(batch)) {
                return false;
            }
            error = cli_lines_fill(reader);
            if (error != 0) {
                char text[CLI_VALUE_SIZE * 4];
                (void)cli_put_batch_flush(batch);
                (void)cli_fail(
                    "cannot read stdin: %s: the lines before it have been put",
                    cli_errno_text(error, text, sizeof text));
                return false;
            }
            break;
        }
        if (cli_put_batch_full(batch) && !cli_put_batch_flush(batch)) {
            return false;
        }
    }
}

static int
put_stdin(struct cli *cli, struct weir_stream *stream, const struct key_rule *rule)
{
    struct put_batch batch;
    struct line_reader reader;
    int status = CLI_FAILED;

    if (!cli_lines_open(&reader, STDIN_FILENO, LINE_MAX_BYTES)) {
        return cli_fail_error(WEIR_ENOMEM, NULL, "stdin");
    }
    if (!cli_put_batch_open(&batch, cli, stream)) {
        cli_lines_close(&reader);
        return cli_fail_error(WEIR_ENOMEM, NULL, "put");
    }
    if (put_lines(&reader, rule, &batch)) {
        status = cli_put_batch_summary(&batch);
    }
    cli_put_batch_close(&batch);
    cli_lines_close(&reader);
    return status;
}

int
wi_cmd_put(int argc, char **argv, struct cli *cli)
{
    struct weir_stream_options options = WEIR_STREAM_OPTIONS_INIT;
    struct cli_arguments a;
    struct key_rule rule;
    struct weir_stream *stream;
    int status;

    if (!cli_arguments_parse(&put_command, argc, argv, cli, &a, &status)) {
        return status;
    }
    status = parse_key_rule(&a, &rule);
    if (status != CLI_OK) {
        return status;
    }
    if (a.value[DURABILITY] != NULL &&
        !parse_durability(a.value[DURABILITY], &options.durability)) {
        return cli_usage(
            put_command.name,
            "--durability '%s' is none of full, relaxed, none",
            a.value[DURABILITY]);
    }
    if (!cli_stream_name_usable(put_command.name, a.operand[0], &status)) {
        return status;
    }
    if (!cli_stream_use(cli, a.operand[0], &options, &stream)) {
        return CLI_FAILED;
    }
    rule.line_bytes_max =
        cli_stream_is_kinesis(a.operand[0]) ? KINESIS_KEY_BYTES : WEIR_PARTITION_KEY_MAX;
    status = put_stdin(cli, stream, &rule);
    weir_stream_close(stream);
    return status;
}

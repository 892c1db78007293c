#include "cli/json_line.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/types.h>

#define CAPACITY_FIRST 4096
/* Room for a 64-bit number in decimal. */
#define NUMBER_SIZE 24
/* A byte takes at most this many as "\u00XX". */
#define ESCAPED_MAX 6
/* Place of '=' behind the 64 characters of base64. */
#define PADDING 64

void
cli_json_line_free(struct json_line *line)
{
    free(line->data);
    *line = (struct json_line){.data = NULL};
}

/* Room for `more` bytes, or NULL. The caller adds to length what it has used. */
static char *
reserve(struct json_line *line, size_t more)
{
    size_t capacity = line->capacity == 0 ? CAPACITY_FIRST : line->capacity;
    char *data;

    if (line->failed || more > SIZE_MAX / 4 || line->length > SIZE_MAX / 4) {
        line->failed = true;
        return NULL;
    }
    if (line->length + more <= line->capacity) {
        return line->data + line->length;
    }
    while (capacity < line->length + more) {
        capacity *= 2;
    }
    data = realloc(line->data, capacity);
    if (data == NULL) {
        line->failed = true;
        return NULL;
    }
    line->data = data;
    line->capacity = capacity;
    return data + line->length;
}

void
cli_json_line_raw(struct json_line *line, const void *data, size_t length)
{
    char *out = reserve(line, length);

    if (out != NULL && length > 0) {
        memcpy(out, data, length);
        line->length += length;
    }
}

static void
add(struct json_line *line, const char *text)
{
    cli_json_line_raw(line, text, strlen(text));
}

static void
add_number(struct json_line *line, uint64_t value)
{
    char digits[NUMBER_SIZE];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    cli_json_line_raw(line, digits + at, sizeof digits - at);
}

/* Numbers that a double cannot hold exactly are strings. */
static void
add_integer(struct json_line *line, uint64_t value)
{
    const bool exact = value <= UINT64_C(1) << 53;

    if (!exact) {
        add(line, "\"");
    }
    add_number(line, value);
    if (!exact) {
        add(line, "\"");
    }
}

/* Write byte c as a JSON string has it; returns where to go on. */
static char *
put_escaped(char *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};

    *out++ = '\\';
    if (c == '"' || c == '\\') {
        *out++ = (char)c;
    } else if (c < sizeof letters && letters[c] != '\0') {
        *out++ = letters[c];
    } else {
        *out++ = 'u';
        *out++ = '0';
        *out++ = '0';
        *out++ = hex[c >> 4];
        *out++ = hex[c & 0xf];
    }
    return out;
}

static bool
needs_escape(unsigned char c)
{
    return c < ' ' || c == '"' || c == '\\' || c == 0x7f;
}

void
cli_json_line_text(struct json_line *line, struct weir_str text)
{
    char *start = text.length > SIZE_MAX / ESCAPED_MAX / 4
                      ? reserve(line, SIZE_MAX)
                      : reserve(line, text.length * ESCAPED_MAX + 2);
    char *out = start;

    if (out == NULL) {
        return;
    }
    *out++ = '"';
    for (size_t i = 0; i < text.length; i++) {
        const unsigned char c = (unsigned char)text.data[i];
        if (needs_escape(c)) {
            out = put_escaped(out, c);
        } else {
            *out++ = (char)c;
        }
    }
    *out++ = '"';
    line->length += (size_t)(out - start);
}

/* Length of the UTF-8 sequence at p, of which `left` bytes are there; 0 if it is none. */
static size_t
utf8_length(const unsigned char *p, size_t left)
{
    size_t length;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;

    if (p[0] < 0x80) {
        return 1;
    }
    if (p[0] < 0xc2 || p[0] > 0xf4) {
        return 0;
    }
    length = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    /* No overlong forms, no surrogates, nothing above U+10FFFF. */
    low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : low;
    high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : high;
    if (length > left || p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

bool
cli_json_is_text(struct weir_bytes data)
{
    const unsigned char *p = data.data;
    size_t i = 0;

    while (i < data.length) {
        size_t length;
        if (p[i] < ' ' && p[i] != '\t' && p[i] != '\n' && p[i] != '\r') {
            return false;
        }
        length = utf8_length(p + i, data.length - i);
        if (length == 0) {
            return false;
        }
        i += length;
    }
    return true;
}

static void
add_base64(struct json_line *line, struct weir_bytes data)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    const unsigned char *p = data.data;
    char *start = data.length > SIZE_MAX / 8 ? reserve(line, SIZE_MAX)
                                             : reserve(line, data.length / 3 * 4 + 6);
    char *out = start;

    if (out == NULL) {
        return;
    }
    *out++ = '"';
    for (size_t i = 0; i < data.length; i += 3) {
        const size_t left = data.length - i;
        const unsigned bits = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) |
                              (left > 2 ? (unsigned)p[i + 2] : 0);
        *out++ = alphabet[bits >> 18];
        *out++ = alphabet[bits >> 12 & 63];
        *out++ = alphabet[left > 1 ? bits >> 6 & 63 : PADDING];
        *out++ = alphabet[left > 2 ? bits & 63 : PADDING];
    }
    *out++ = '"';
    line->length += (size_t)(out - start);
}

/* ,"name":"text" or ,"name_base64":"..." */
static void
add_bytes(struct json_line *line, const char *name, struct weir_bytes data)
{
    const bool text = cli_json_is_text(data);

    add(line, ",\"");
    add(line, name);
    add(line, text ? "\":" : "_base64\":");
    if (text) {
        cli_json_line_text(line, (struct weir_str){data.data, data.length});
    } else {
        add_base64(line, data);
    }
}

void
cli_json_line_record(
    struct json_line *line,
    const char *stream,
    const char *shard_id,
    const struct weir_record *record,
    const struct json_delivery *delivery)
{
    char sequence_number[WEIR_SEQUENCE_NUMBER_SIZE];

    (void)weir_sequence_number_format(&record->sequence_number, sequence_number);
    /* Names of streams, shards and workers hold nothing that needs an escape. */
    add(line, "{\"stream\":\"");
    add(line, stream);
    add(line, "\",\"shard_id\":\"");
    add(line, shard_id);
    add(line, "\",\"sequence_number\":\"");
    add(line, sequence_number);
    add(line, "\",\"sub_sequence_number\":");
    add_integer(line, record->sub_sequence_number);
    add_bytes(
        line,
        "partition_key",
        (struct weir_bytes){record->partition_key.data, record->partition_key.length});
    add(line, ",\"arrival_ms\":");
    add(line, record->arrival_ms < 0 ? "-" : "");
    add_number(
        line,
        record->arrival_ms < 0 ? 0 - (uint64_t)record->arrival_ms : (uint64_t)record->arrival_ms);
    add_bytes(line, "data", record->data);
    if (delivery != NULL) {
        add(line, ",\"lease_epoch\":");
        add_number(line, delivery->lease_epoch);
        add(line, ",\"attempt\":");
        add_number(line, delivery->attempt);
        add(line,
            record->replay_possible ? ",\"replay_possible\":true" : ",\"replay_possible\":false");
        add(line, ",\"worker_id\":\"");
        add(line, delivery->worker_id);
        add(line, "\"");
    }
    add(line, "}\n");
}

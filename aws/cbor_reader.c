#include "aws/cbor_reader.h"

#include <cbor/callbacks.h>
#include <cbor/data.h>
#include <cbor/streaming.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/types.h>

#include "core/check.h"

/* First bytes: texts are of major type 3, maps of 5; a break; null and undefined. */
#define TEXT_FIRST     0x60U
#define TEXT_OF_BYTE   0x78U /* its length is the next byte; below, the length is in the first */
#define TEXT_LAST      0x7fU
#define MAP_FIRST      0xa0U
#define MAP_LAST       0xbfU
#define BREAK_BYTE     0xffU
#define NULL_BYTE      0xf6U
#define UNDEFINED_BYTE 0xf7U

/* --- libcbor's callbacks: each makes one token --- */

static void
set(void *context, enum wi_cbor_kind kind, uint64_t number)
{
    struct wi_cbor_token *token = context;

    token->kind = kind;
    token->is_indefinite = false;
    token->number = number;
}

static void
on_uint8(void *context, uint8_t value)
{
    set(context, WI_CBOR_UNSIGNED, value);
}

static void
on_uint16(void *context, uint16_t value)
{
    set(context, WI_CBOR_UNSIGNED, value);
}

static void
on_uint32(void *context, uint32_t value)
{
    set(context, WI_CBOR_UNSIGNED, value);
}

static void
on_uint64(void *context, uint64_t value)
{
    set(context, WI_CBOR_UNSIGNED, value);
}

static void
on_negint8(void *context, uint8_t value)
{
    set(context, WI_CBOR_NEGATIVE, value);
}

static void
on_negint16(void *context, uint16_t value)
{
    set(context, WI_CBOR_NEGATIVE, value);
}

static void
on_negint32(void *context, uint32_t value)
{
    set(context, WI_CBOR_NEGATIVE, value);
}

static void
on_negint64(void *context, uint64_t value)
{
    set(context, WI_CBOR_NEGATIVE, value);
}

static void
set_string(void *context, enum wi_cbor_kind kind, cbor_data data, size_t length)
{
    struct wi_cbor_token *token = context;

    set(context, kind, length);
    token->text = (struct weir_str){(const char *)data, length};
}

static void
on_bytes(void *context, cbor_data data, size_t length)
{
    set_string(context, WI_CBOR_BYTES, data, length);
}

static void
on_text(void *context, cbor_data data, size_t length)
{
    set_string(context, WI_CBOR_TEXT, data, length);
}

static void
set_indefinite(void *context, enum wi_cbor_kind kind)
{
    struct wi_cbor_token *token = context;

    set(context, kind, 0);
    token->is_indefinite = true;
}

static void
on_bytes_start(void *context)
{
    set_indefinite(context, WI_CBOR_BYTES);
}

static void
on_text_start(void *context)
{
    set_indefinite(context, WI_CBOR_TEXT);
}

static void
on_indefinite_array(void *context)
{
    set_indefinite(context, WI_CBOR_ARRAY);
}

static void
on_array(void *context, size_t count)
{
    set(context, WI_CBOR_ARRAY, count);
}

static void
on_indefinite_map(void *context)
{
    set_indefinite(context, WI_CBOR_MAP);
}

static void
on_map(void *context, size_t count)
{
    set(context, WI_CBOR_MAP, count);
}

static void
on_tag(void *context, uint64_t value)
{
    set(context, WI_CBOR_TAG, value);
}

static void
on_float(void *context, float value)
{
    struct wi_cbor_token *token = context;

    set(context, WI_CBOR_FLOAT, 0);
    token->real = (double)value;
}

static void
on_double(void *context, double value)
{
    struct wi_cbor_token *token = context;

    set(context, WI_CBOR_FLOAT, 0);
    token->real = value;
}

static void
on_null(void *context)
{
    set(context, WI_CBOR_NULL, 0);
}

static void
on_boolean(void *context, bool value)
{
    set(context, WI_CBOR_BOOLEAN, value ? 1 : 0);
}

static void
on_break(void *context)
{
    set(context, WI_CBOR_BREAK, 0);
}

static const struct cbor_callbacks callbacks = {
    .uint8 = on_uint8,
    .uint16 = on_uint16,
    .uint32 = on_uint32,
    .uint64 = on_uint64,
    .negint8 = on_negint8,
    .negint16 = on_negint16,
    .negint32 = on_negint32,
    .negint64 = on_negint64,
    .byte_string_start = on_bytes_start,
    .byte_string = on_bytes,
    .string = on_text,
    .string_start = on_text_start,
    .indef_array_start = on_indefinite_array,
    .array_start = on_array,
    .indef_map_start = on_indefinite_map,
    .map_start = on_map,
    .tag = on_tag,
    .float2 = on_float,
    .float4 = on_float,
    .float8 = on_double,
    .undefined = on_null,
    .null = on_null,
    .boolean = on_boolean,
    .indef_break = on_break,
};

/* --- reading --- */

void
wi_cbor_init(struct wi_cbor_reader *reader, char *bytes, size_t length)
{
    WEIR_ASSERT(bytes != NULL || length == 0);
    reader->begin = bytes;
    reader->p = bytes;
    reader->end = bytes + length;
    reader->wrong = NULL;
}

bool
wi_cbor_is_map(struct weir_str bytes)
{
    const unsigned char first = bytes.length > 0 ? (unsigned char)bytes.data[0] : 0;

    return first >= MAP_FIRST && first <= MAP_LAST;
}

bool
wi_cbor_fail(struct wi_cbor_reader *reader, const char *wrong)
{
    if (reader->wrong == NULL) {
        reader->wrong = wrong;
    }
    return false;
}

static size_t
bytes_left(const struct wi_cbor_reader *reader)
{
    return (size_t)(reader->end - reader->p);
}

static bool
next_byte_is(const struct wi_cbor_reader *reader, unsigned char byte)
{
    return reader->p < reader->end && (unsigned char)*reader->p == byte;
}

static bool
advance(struct wi_cbor_reader *reader, struct cbor_decoder_result result)
{
    if (result.status != CBOR_DECODER_FINISHED) {
        return wi_cbor_fail(
            reader,
            result.status == CBOR_DECODER_NEDATA ? "it is cut" : "a byte that begins no item");
    }
    WEIR_ASSERT(result.read > 0 && result.read <= bytes_left(reader));
    reader->p += result.read;
    return true;
}

/* One item as libcbor sees it; of a string in pieces the start alone. */
static bool
decode(struct wi_cbor_reader *reader, struct wi_cbor_token *ret)
{
    return advance(
        reader, cbor_stream_decode((cbor_data)reader->p, bytes_left(reader), &callbacks, ret));
}

/* The pieces of a string, moved together at the place of the first one; they only ever move
 * towards the front, so nothing that is still to be read is overwritten. */
static bool
join(struct wi_cbor_reader *reader, struct wi_cbor_token *string)
{
    struct wi_cbor_token piece = {.kind = WI_CBOR_NULL};
    char *const begin = reader->p;
    char *to = begin;

    while (!next_byte_is(reader, BREAK_BYTE)) {
        if (!decode(reader, &piece)) {
            return false;
        }
        if (piece.kind != string->kind || piece.is_indefinite) {
            return wi_cbor_fail(reader, "a piece of a string that is of another kind");
        }
        memmove(to, piece.text.data, piece.text.length);
        to += piece.text.length;
    }
    reader->p++;
    string->text = (struct weir_str){begin, (size_t)(to - begin)};
    string->number = string->text.length;
    string->is_indefinite = false;
    return true;
}

bool
wi_cbor_next(struct wi_cbor_reader *reader, struct wi_cbor_token *ret)
{
    if (!decode(reader, ret)) {
        return false;
    }
    if (ret->is_indefinite && (ret->kind == WI_CBOR_BYTES || ret->kind == WI_CBOR_TEXT)) {
        return join(reader, ret);
    }
    return true;
}

/* A text of up to 255 bytes, whole and within the answer. Names of members, keys and numbers are
 * such, eight of the eleven items of a record, and libcbor takes three times as long for one. */
static inline bool
take_short_text(struct wi_cbor_reader *reader, struct weir_str *ret)
{
    const size_t left = bytes_left(reader);
    const unsigned char first = left > 1 ? (unsigned char)reader->p[0] : 0;
    size_t head = 1;
    size_t length = (size_t)first - TEXT_FIRST;

    if (first == TEXT_OF_BYTE) {
        head = 2;
        length = (unsigned char)reader->p[1];
    } else if (first < TEXT_FIRST || first > TEXT_OF_BYTE) {
        return false;
    }
    if (length > left - head) {
        return false;
    }
    *ret = (struct weir_str){reader->p + head, length};
    reader->p += head + length;
    return true;
}

bool
wi_cbor_take_text(struct wi_cbor_reader *reader, struct weir_str *ret)
{
    struct wi_cbor_token token = {.kind = WI_CBOR_NULL};

    if (take_short_text(reader, ret)) {
        return true;
    }
    if (!wi_cbor_next(reader, &token)) {
        return false;
    }
    if (token.kind != WI_CBOR_TEXT) {
        return wi_cbor_fail(reader, "something else where a text belongs");
    }
    *ret = token.text;
    return true;
}

/* Every item has a byte at least, so a number of items that cannot come is told at once. */
static bool
count_items(
    struct wi_cbor_reader *reader, const struct wi_cbor_token *token, struct wi_cbor_items *ret)
{
    const size_t least = token->kind == WI_CBOR_MAP ? 2 : 1;

    *ret = (struct wi_cbor_items){token->number, token->is_indefinite};
    return ret->left <= bytes_left(reader) / least ||
           wi_cbor_fail(reader, "an array or map that says it has more than there is");
}

bool
wi_cbor_enter(struct wi_cbor_reader *reader, enum wi_cbor_kind kind, struct wi_cbor_items *ret)
{
    struct wi_cbor_token token = {.kind = WI_CBOR_NULL};

    if (!wi_cbor_next(reader, &token)) {
        return false;
    }
    if (token.kind != kind) {
        return wi_cbor_fail(
            reader,
            kind == WI_CBOR_MAP ? "something else where a map belongs"
                                : "something else where an array belongs");
    }
    return count_items(reader, &token, ret);
}

bool
wi_cbor_more(struct wi_cbor_reader *reader, struct wi_cbor_items *items)
{
    if (!items->is_indefinite) {
        const bool any = items->left > 0;

        items->left -= any ? 1 : 0;
        return any;
    }
    if (next_byte_is(reader, BREAK_BYTE)) {
        reader->p++;
        return false;
    }
    return reader->p < reader->end || wi_cbor_fail(reader, "it is cut");
}

bool
wi_cbor_take_null(struct wi_cbor_reader *reader)
{
    if (!next_byte_is(reader, NULL_BYTE) && !next_byte_is(reader, UNDEFINED_BYTE)) {
        return false;
    }
    reader->p++;
    return true;
}

bool
wi_cbor_next_is_text(const struct wi_cbor_reader *reader)
{
    return reader->p < reader->end && (unsigned char)*reader->p >= TEXT_FIRST &&
           (unsigned char)*reader->p <= TEXT_LAST;
}

/* An item with its tags, which must have one. */
static bool
next_untagged(struct wi_cbor_reader *reader, struct wi_cbor_token *token)
{
    do {
        if (!wi_cbor_next(reader, token)) {
            return false;
        }
    } while (token->kind == WI_CBOR_TAG);
    return token->kind != WI_CBOR_BREAK || wi_cbor_fail(reader, "a break where an item belongs");
}

/* One array or map whose items are being skipped, one by one: a pair of a map is two. */
struct level {
    struct wi_cbor_items items;
    bool is_map;
    bool value_is_due; /* the key of a pair has been skipped */
};

/* Whether the value of a pair, another item, or another pair follows on this level. */
static bool
level_has_more(struct wi_cbor_reader *reader, struct level *level)
{
    if (level->value_is_due) {
        level->value_is_due = false;
        return true;
    }
    if (!wi_cbor_more(reader, &level->items)) {
        return false;
    }
    level->value_is_due = level->is_map;
    return true;
}

bool
wi_cbor_skip(struct wi_cbor_reader *reader)
{
    struct level levels[WI_CBOR_DEPTH_MAX];
    struct wi_cbor_token token = {.kind = WI_CBOR_NULL};
    size_t depth = 0;

    do {
        if (!next_untagged(reader, &token)) {
            return false;
        }
        if (token.kind == WI_CBOR_ARRAY || token.kind == WI_CBOR_MAP) {
            if (depth == WI_CBOR_DEPTH_MAX) {
                return wi_cbor_fail(reader, "values within values beyond any need");
            }
            levels[depth] = (struct level){.is_map = token.kind == WI_CBOR_MAP};
            if (!count_items(reader, &token, &levels[depth].items)) {
                return false;
            }
            depth++;
        }
        while (depth > 0 && !level_has_more(reader, &levels[depth - 1])) {
            depth--;
        }
    } while (depth > 0 && reader->wrong == NULL);
    return reader->wrong == NULL;
}

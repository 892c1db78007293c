#include "aws/dynamodb_item.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/str.h"

#define CONDITION_MAX  512U
#define BASE64_GROUP   4U
#define BASE64_BYTES   3U
#define BITS_PER_DIGIT 6U
#define BITS_PER_BYTE  8U
#define DIGIT_MASK     0x3fU
#define BYTE_MASK      0xffU
#define NO_DIGIT       64U

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* --- items that came ------------------------------------------------------------------------ */

static const cJSON *
value_of(const cJSON *item, const char *name, const char *type)
{
    const cJSON *attribute = cJSON_GetObjectItemCaseSensitive(item, name);

    return cJSON_IsObject(attribute) ? cJSON_GetObjectItemCaseSensitive(attribute, type) : NULL;
}

static const char *
text_of(const cJSON *value)
{
    return cJSON_GetStringValue(value);
}

const char *
wi_dynamodb_text(const cJSON *item, const char *name)
{
    return text_of(value_of(item, name, "S"));
}

const char *
wi_dynamodb_number(const cJSON *item, const char *name)
{
    return text_of(value_of(item, name, "N"));
}

bool
wi_dynamodb_has(const cJSON *item, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(item, name) != NULL;
}

bool
wi_dynamodb_u64(const cJSON *item, const char *name, uint64_t *ret)
{
    const char *text = wi_dynamodb_number(item, name);

    return text != NULL && wi_str_to_u64(wi_str(text), ret) == WEIR_OK;
}

bool
wi_dynamodb_i64(const cJSON *item, const char *name, int64_t *ret)
{
    const char *text = wi_dynamodb_number(item, name);

    return text != NULL && wi_str_to_i64(wi_str(text), ret) == WEIR_OK;
}

const cJSON *
wi_dynamodb_texts(const cJSON *item, const char *name)
{
    const cJSON *value = value_of(item, name, "SS");

    return cJSON_IsArray(value) ? value : NULL;
}

static unsigned
digit_value(char digit)
{
    const char *place = digit == '\0' ? NULL : strchr(digits, digit);

    return place == NULL ? NO_DIGIT : (unsigned)(place - digits);
}

/* Four digits make up to three bytes; the number of '=' at the end says how many fewer. */
static bool
decode_group(const char *group, size_t padding, uint8_t ret[BASE64_BYTES])
{
    uint32_t bits = 0;

    for (size_t i = 0; i < BASE64_GROUP; i++) {
        unsigned value = i >= BASE64_GROUP - padding ? 0 : digit_value(group[i]);

        if (value == NO_DIGIT) {
            return false;
        }
        bits = bits << BITS_PER_DIGIT | value;
    }
    for (size_t i = 0; i < BASE64_BYTES; i++) {
        ret[i] = (uint8_t)(bits >> (BITS_PER_BYTE * (BASE64_BYTES - 1 - i)) & BYTE_MASK);
    }
    return true;
}

static size_t
padding_of(const char *text, size_t length)
{
    if (length < BASE64_GROUP || text[length - 1] != '=') {
        return 0;
    }
    return text[length - 2] == '=' ? 2 : 1;
}

bool
wi_dynamodb_bytes(
    const cJSON *item, const char *name, uint8_t *ret, size_t size, size_t *ret_length)
{
    const char *text = text_of(value_of(item, name, "B"));
    size_t length = text == NULL ? 1 : strlen(text);
    size_t padding = 0;
    size_t count = 0;

    if (text == NULL || length % BASE64_GROUP != 0) {
        return false;
    }
    padding = padding_of(text, length);
    if (length / BASE64_GROUP * BASE64_BYTES - padding > size) {
        return false;
    }
    for (size_t i = 0; i < length; i += BASE64_GROUP) {
        bool is_last = i + BASE64_GROUP == length;
        size_t missing = is_last ? padding : 0;
        uint8_t bytes[BASE64_BYTES];

        if (!decode_group(text + i, missing, bytes)) {
            return false;
        }
        memcpy(ret + count, bytes, BASE64_BYTES - missing);
        count += BASE64_BYTES - missing;
    }
    *ret_length = count;
    return true;
}

/* --- JSON ----------------------------------------------------------------------------------- */

static void
append_character(struct wi_buffer *buffer, unsigned char character)
{
    switch (character) {
    case '"':
        wi_buffer_append_z(buffer, "\\\"");
        break;
    case '\\':
        wi_buffer_append_z(buffer, "\\\\");
        break;
    default:
        if (character < ' ') {
            wi_buffer_printf(buffer, "\\u%04x", (unsigned)character);
        } else {
            wi_buffer_append(buffer, &character, 1);
        }
        break;
    }
}

void
wi_json_append_text(struct wi_buffer *buffer, struct weir_str text)
{
    wi_buffer_append_z(buffer, "\"");
    for (size_t i = 0; i < text.length; i++) {
        append_character(buffer, (unsigned char)text.data[i]);
    }
    wi_buffer_append_z(buffer, "\"");
}

/* --- a write in the making ------------------------------------------------------------------ */

void
wi_dynamodb_write_init(struct wi_dynamodb_write *write, const struct weir_env *env, bool is_put)
{
    *write = (struct wi_dynamodb_write){.is_put = is_put};
    wi_buffer_init(&write->set, env);
    wi_buffer_init(&write->remove, env);
    wi_buffer_init(&write->condition, env);
    wi_buffer_init(&write->values, env);
}

void
wi_dynamodb_write_free(struct wi_dynamodb_write *write)
{
    wi_buffer_free(&write->set);
    wi_buffer_free(&write->remove);
    wi_buffer_free(&write->condition);
    wi_buffer_free(&write->values);
}

enum weir_error
wi_dynamodb_write_error(const struct wi_dynamodb_write *write)
{
    bool is_whole =
        wi_buffer_error(&write->set) == WEIR_OK && wi_buffer_error(&write->remove) == WEIR_OK &&
        wi_buffer_error(&write->condition) == WEIR_OK && wi_buffer_error(&write->values) == WEIR_OK;

    return is_whole ? WEIR_OK : WEIR_ENOMEM;
}

static void
separate(struct wi_buffer *buffer, const char *separator)
{
    if (buffer->length > 0) {
        wi_buffer_append_z(buffer, separator);
    }
}

/* Begin a new value: its place in the JSON of values, and its number. */
static unsigned
begin_value(struct wi_dynamodb_write *write)
{
    separate(&write->values, ",");
    wi_buffer_printf(&write->values, "\":v%u\":", write->value_count);
    return write->value_count++;
}

/* Where the JSON of an attribute's value goes; its name is written before it. */
static struct wi_buffer *
begin_set(struct wi_dynamodb_write *write, const char *name)
{
    separate(&write->set, ",");
    if (write->is_put) {
        wi_buffer_printf(&write->set, "\"%s\":", name);
        return &write->set;
    }
    wi_buffer_printf(&write->set, "%s=:v%u", name, begin_value(write));
    return &write->values;
}

static void
append_typed_text(struct wi_buffer *buffer, const char *text)
{
    wi_buffer_append_z(buffer, "{\"S\":");
    wi_json_append_text(buffer, wi_str(text));
    wi_buffer_append_z(buffer, "}");
}

void
wi_dynamodb_set_text(struct wi_dynamodb_write *write, const char *name, const char *text)
{
    append_typed_text(begin_set(write, name), text);
}

void
wi_dynamodb_set_u64(struct wi_dynamodb_write *write, const char *name, uint64_t value)
{
    wi_buffer_printf(begin_set(write, name), "{\"N\":\"%" PRIu64 "\"}", value);
}

void
wi_dynamodb_set_i64(struct wi_dynamodb_write *write, const char *name, int64_t value)
{
    wi_buffer_printf(begin_set(write, name), "{\"N\":\"%" PRId64 "\"}", value);
}

void
wi_dynamodb_set_json(struct wi_dynamodb_write *write, const char *name, const char *json)
{
    wi_buffer_append_z(begin_set(write, name), json);
}

static void
append_base64(struct wi_buffer *buffer, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i += BASE64_BYTES) {
        size_t left = length - i < BASE64_BYTES ? length - i : BASE64_BYTES;
        char group[BASE64_GROUP] = {'=', '=', '=', '='};
        uint32_t bits = 0;

        for (size_t j = 0; j < BASE64_BYTES; j++) {
            bits = bits << BITS_PER_BYTE | (j < left ? bytes[i + j] : 0U);
        }
        for (size_t j = 0; j <= left; j++) {
            group[j] = digits[bits >> (BITS_PER_DIGIT * (BASE64_GROUP - 1 - j)) & DIGIT_MASK];
        }
        wi_buffer_append(buffer, group, sizeof group);
    }
}

void
wi_dynamodb_set_bytes(struct wi_dynamodb_write *write, const char *name, struct weir_bytes bytes)
{
    struct wi_buffer *buffer = begin_set(write, name);

    wi_buffer_append_z(buffer, "{\"B\":\"");
    append_base64(buffer, bytes.data, bytes.length);
    wi_buffer_append_z(buffer, "\"}");
}

void
wi_dynamodb_set_texts(
    struct wi_dynamodb_write *write,
    const char *name,
    const char (*texts)[WEIR_NAME_SIZE],
    size_t count)
{
    struct wi_buffer *buffer = NULL;

    for (size_t i = 0; i < count; i++) {
        if (texts[i][0] == '\0') {
            continue;
        }
        if (buffer == NULL) {
            buffer = begin_set(write, name);
            wi_buffer_append_z(buffer, "{\"SS\":[");
        } else {
            wi_buffer_append_z(buffer, ",");
        }
        wi_json_append_text(buffer, wi_str(texts[i]));
    }
    if (buffer != NULL) {
        wi_buffer_append_z(buffer, "]}");
    }
}

static unsigned
value_u64(struct wi_dynamodb_write *write, uint64_t value)
{
    unsigned number = begin_value(write);

    wi_buffer_printf(&write->values, "{\"N\":\"%" PRIu64 "\"}", value);
    return number;
}

void
wi_dynamodb_increase(struct wi_dynamodb_write *write, const char *name, uint64_t by)
{
    WEIR_ASSERT(!write->is_put);
    separate(&write->set, ",");
    wi_buffer_printf(&write->set, "%s=%s+:v%u", name, name, value_u64(write, by));
}

void
wi_dynamodb_begin_number(struct wi_dynamodb_write *write, const char *name, uint64_t first)
{
    WEIR_ASSERT(!write->is_put);
    separate(&write->set, ",");
    wi_buffer_printf(&write->set, "%s=if_not_exists(%s,:v%u)", name, name, value_u64(write, first));
}

void
wi_dynamodb_remove(struct wi_dynamodb_write *write, const char *name)
{
    WEIR_ASSERT(!write->is_put);
    separate(&write->remove, ",");
    wi_buffer_append_z(&write->remove, name);
}

unsigned
wi_dynamodb_value_text(struct wi_dynamodb_write *write, const char *text)
{
    unsigned number = begin_value(write);

    append_typed_text(&write->values, text);
    return number;
}

void
wi_dynamodb_require(struct wi_dynamodb_write *write, const char *format, ...)
{
    char text[CONDITION_MAX];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    WEIR_ASSERT(length > 0 && (size_t)length < sizeof text);
    separate(&write->condition, " AND ");
    wi_buffer_printf(&write->condition, "(%s)", text);
}

void
wi_dynamodb_require_text(
    struct wi_dynamodb_write *write, const char *name, const char *relation, const char *text)
{
    wi_dynamodb_require(write, "%s %s :v%u", name, relation, wi_dynamodb_value_text(write, text));
}

void
wi_dynamodb_require_u64(
    struct wi_dynamodb_write *write, const char *name, const char *relation, uint64_t value)
{
    wi_dynamodb_require(write, "%s %s :v%u", name, relation, value_u64(write, value));
}

void
wi_dynamodb_require_absent(struct wi_dynamodb_write *write, const char *name)
{
    wi_dynamodb_require(write, "attribute_not_exists(%s)", name);
}

void
wi_dynamodb_require_present(struct wi_dynamodb_write *write, const char *name)
{
    wi_dynamodb_require(write, "attribute_exists(%s)", name);
}

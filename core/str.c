#include "core/str.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/memory.h"

struct weir_str
wi_str(const char *text)
{
    return text == NULL ? WI_STR("") : (struct weir_str){text, strlen(text)};
}

/* memcmp() that accepts NULL for nothing. */
static int
compare_bytes(const char *a, const char *b, size_t length)
{
    return length == 0 ? 0 : memcmp(a, b, length);
}

bool
wi_str_equal(struct weir_str a, struct weir_str b)
{
    return a.length == b.length && compare_bytes(a.data, b.data, a.length) == 0;
}

bool
wi_str_equal_z(struct weir_str a, const char *b)
{
    return wi_str_equal(a, wi_str(b));
}

bool
wi_str_starts_with(struct weir_str text, struct weir_str prefix)
{
    return text.length >= prefix.length &&
           compare_bytes(text.data, prefix.data, prefix.length) == 0;
}

int
wi_str_compare(struct weir_str a, struct weir_str b)
{
    size_t common = a.length < b.length ? a.length : b.length;
    int order = compare_bytes(a.data, b.data, common);
    if (order != 0) {
        return order < 0 ? -1 : 1;
    }
    return (a.length > b.length) - (a.length < b.length);
}

bool
wi_str_cut(struct weir_str text, char at, struct weir_str *ret_head, struct weir_str *ret_tail)
{
    const char *found = text.length == 0 ? NULL : memchr(text.data, at, text.length);
    if (found == NULL) {
        return false;
    }
    size_t head_length = (size_t)(found - text.data);
    *ret_head = (struct weir_str){text.data, head_length};
    *ret_tail = (struct weir_str){found + 1, text.length - head_length - 1};
    return true;
}

bool
wi_str_copy(char *to, size_t size, struct weir_str from)
{
    WEIR_ASSERT(size > 0);
    size_t length = from.length < size ? from.length : size - 1;
    if (length > 0) {
        memcpy(to, from.data, length);
    }
    to[length] = '\0';
    return length == from.length;
}

char *
wi_str_dup(const struct weir_env *env, struct weir_str text)
{
    WEIR_ASSERT(text.length < SIZE_MAX);
    char *copy = wi_resize(env, NULL, text.length + 1);
    if (copy != NULL) {
        (void)wi_str_copy(copy, text.length + 1, text);
    }
    return copy;
}

enum weir_error
wi_str_to_u64(struct weir_str text, uint64_t *ret)
{
    uint64_t value = 0;
    if (text.length == 0) {
        return WEIR_EINVAL;
    }
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (c < '0' || c > '9') {
            return WEIR_EINVAL;
        }
        uint64_t digit = (uint64_t)(c - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return WEIR_EINVAL;
        }
        value = value * 10 + digit;
    }
    *ret = value;
    return WEIR_OK;
}

enum weir_error
wi_str_to_i64(struct weir_str text, int64_t *ret)
{
    bool negative = text.length > 0 && text.data[0] == '-';
    uint64_t magnitude;
    if (negative) {
        text = (struct weir_str){text.data + 1, text.length - 1};
    }
    enum weir_error error = wi_str_to_u64(text, &magnitude);
    if (error != WEIR_OK) {
        return error;
    }
    if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return WEIR_EINVAL;
    }
    if (!negative) {
        *ret = (int64_t)magnitude;
    } else {
        /* In two steps, since the magnitude of INT64_MIN is no int64_t. */
        *ret = magnitude == 0 ? 0 : -(int64_t)(magnitude - 1) - 1;
    }
    return WEIR_OK;
}

uint64_t
wi_str_hash(struct weir_str text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a ... */
    for (size_t i = 0; i < text.length; i++) {
        hash = (hash ^ (unsigned char)text.data[i]) * UINT64_C(0x100000001b3);
    }
    hash ^= hash >> 32; /* ... and a last mix, since tables use the low bits */
    return hash * UINT64_C(0x9e3779b97f4a7c15);
}

void
wi_buffer_init(struct wi_buffer *buffer, const struct weir_env *env)
{
    *buffer = (struct wi_buffer){.env = env};
}

void
wi_buffer_free(struct wi_buffer *buffer)
{
    if (buffer->data != NULL) {
        wi_free(buffer->env, buffer->data);
    }
    wi_buffer_init(buffer, buffer->env);
}

void
wi_buffer_reset(struct wi_buffer *buffer)
{
    buffer->length = 0;
    buffer->failed = false;
    if (buffer->data != NULL) {
        buffer->data[0] = '\0';
    }
}

/* False, and the failure is noted, if there is no memory. */
static bool
set_capacity(struct wi_buffer *buffer, size_t capacity)
{
    char *data = wi_resize(buffer->env, buffer->data, capacity);

    if (data == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

/* Whether `length` more bytes and a zero may be there, and how much room that is. */
static bool
fits(struct wi_buffer *buffer, size_t length, size_t *ret_needed)
{
    if (buffer->failed || length > WI_BUFFER_LENGTH_MAX - buffer->length) {
        buffer->failed = true;
        return false;
    }
    *ret_needed = buffer->length + length + 1;
    return true;
}

/* Room for `length` more bytes and the final zero; false, and the failure is noted, if there is
 * none. */
static bool
reserve(struct wi_buffer *buffer, size_t length)
{
    size_t needed = 0;
    size_t capacity = buffer->capacity < 64 ? 64 : buffer->capacity;

    if (!fits(buffer, length, &needed)) {
        return false;
    }
    if (needed <= buffer->capacity) {
        return true;
    }
    while (capacity < needed) {
        capacity *= 2; /* ends: needed is at most WI_BUFFER_LENGTH_MAX + 1 */
    }
    return set_capacity(buffer, capacity);
}

void
wi_buffer_reserve(struct wi_buffer *buffer, size_t length)
{
    size_t needed = 0;

    if (fits(buffer, length, &needed) && needed > buffer->capacity &&
        set_capacity(buffer, needed)) {
        buffer->data[buffer->length] = '\0';
    }
}

void
wi_buffer_append(struct wi_buffer *buffer, const void *data, size_t length)
{
    WEIR_ASSERT(buffer->length <= WI_BUFFER_LENGTH_MAX);
    if (!reserve(buffer, length)) {
        return;
    }
    if (length > 0) {
        memcpy(buffer->data + buffer->length, data, length);
    }
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
}

void
wi_buffer_append_z(struct wi_buffer *buffer, const char *text)
{
    wi_buffer_append(buffer, text, strlen(text));
}

void
wi_buffer_append_str(struct wi_buffer *buffer, struct weir_str text)
{
    wi_buffer_append(buffer, text.data, text.length);
}

void
wi_buffer_printf(struct wi_buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    WEIR_ASSERT(length >= 0);
    if (!reserve(buffer, (size_t)length)) {
        return;
    }
    va_start(arguments, format);
    int written = vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    WEIR_ASSERT(written == length);
    buffer->length += (size_t)length;
}

enum weir_error
wi_buffer_error(const struct wi_buffer *buffer)
{
    return buffer->failed ? WEIR_ENOMEM : WEIR_OK;
}

const char *
wi_buffer_text(const struct wi_buffer *buffer)
{
    return buffer->data == NULL ? "" : buffer->data;
}

struct weir_str
wi_buffer_str(const struct wi_buffer *buffer)
{
    return (struct weir_str){wi_buffer_text(buffer), buffer->length};
}

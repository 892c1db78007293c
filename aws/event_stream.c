#include "aws/event_stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/str.h"

#define WORD_BYTES    4U
#define PRELUDE_BYTES 12U /* two lengths and their checksum */
#define LEAST_BYTES   (PRELUDE_BYTES + WORD_BYTES)
/* Memory of a message that is larger than this is given back before the next one. */
#define KEEP_BYTES ((size_t)1024 * 1024)

/* Types of header values. */
enum {
    HEADER_TRUE = 0,
    HEADER_FALSE = 1,
    HEADER_BYTE = 2,
    HEADER_SHORT = 3,
    HEADER_INTEGER = 4,
    HEADER_LONG = 5,
    HEADER_BYTES = 6, /* a length of two bytes before them */
    HEADER_TEXT = 7,  /* likewise */
    HEADER_TIMESTAMP = 8,
    HEADER_UUID = 9,
    HEADER_TYPES
};

static const unsigned char fixed_bytes[HEADER_TYPES] = {
    [HEADER_BYTE] = 1,
    [HEADER_SHORT] = 2,
    [HEADER_INTEGER] = 4,
    [HEADER_LONG] = 8,
    [HEADER_BYTES] = 2, /* the length */
    [HEADER_TEXT] = 2,
    [HEADER_TIMESTAMP] = 8,
    [HEADER_UUID] = 16,
};

struct header {
    struct weir_str name;
    unsigned type;
    struct weir_str value;
};

static uint32_t
word_at(const void *data, size_t at)
{
    const unsigned char *p = (const unsigned char *)data + at;

    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t
checksum(const char *data, size_t length)
{
    WEIR_ASSERT(length <= LEAST_BYTES + WI_EVENT_HEADERS_MAX + WI_EVENT_PAYLOAD_MAX);
    return (uint32_t)crc32(0, (const unsigned char *)data, (unsigned)length);
}

/* Take `length` bytes from the front. */
static bool
take(struct weir_str *from, size_t length, struct weir_str *ret)
{
    if (length > from->length) {
        return false;
    }
    *ret = (struct weir_str){from->data, length};
    from->data += length;
    from->length -= length;
    return true;
}

static bool
take_byte(struct weir_str *from, unsigned *ret)
{
    struct weir_str byte;

    if (!take(from, 1, &byte)) {
        return false;
    }
    *ret = (unsigned char)byte.data[0];
    return true;
}

static bool
take_header(struct weir_str *from, struct header *ret)
{
    unsigned name_length = 0;

    if (!take_byte(from, &name_length) || name_length == 0 ||
        !take(from, name_length, &ret->name) || !take_byte(from, &ret->type) ||
        ret->type >= HEADER_TYPES || !take(from, fixed_bytes[ret->type], &ret->value)) {
        return false;
    }
    if (ret->type == HEADER_BYTES || ret->type == HEADER_TEXT) {
        const unsigned char *length = (const unsigned char *)ret->value.data;

        return take(from, (size_t)length[0] << 8 | length[1], &ret->value);
    }
    return true;
}

static bool
headers_are_good(struct weir_str headers)
{
    struct header header;

    while (headers.length > 0) {
        if (!take_header(&headers, &header)) {
            return false;
        }
    }
    return true;
}

struct weir_str
wi_event_header(const struct wi_event_message *message, const char *name)
{
    struct weir_str headers = {message->headers.data, message->headers.length};
    struct header header;

    while (headers.length > 0 && take_header(&headers, &header)) {
        if (header.type == HEADER_TEXT && wi_str_equal_z(header.name, name)) {
            return header.value;
        }
    }
    return WI_STR("");
}

void
wi_event_stream_init(struct wi_event_stream *stream, const struct weir_env *env)
{
    *stream = (struct wi_event_stream){.error = WEIR_OK};
    wi_buffer_init(&stream->message, env);
}

void
wi_event_stream_free(struct wi_event_stream *stream)
{
    wi_buffer_free(&stream->message);
}

/* Move bytes to the message until it has `length` of them; false: there are too few. */
static bool
fill(struct wi_event_stream *stream, struct weir_bytes *bytes, size_t length)
{
    const size_t missing = length - stream->message.length;
    const size_t taken = missing < bytes->length ? missing : bytes->length;

    WEIR_ASSERT(stream->message.length <= length);
    if (taken > 0) {
        wi_buffer_append(&stream->message, bytes->data, taken);
        bytes->data = (const char *)bytes->data + taken;
        bytes->length -= taken;
    }
    stream->error = wi_buffer_error(&stream->message);
    return stream->error == WEIR_OK && taken == missing;
}

static void
read_prelude(struct wi_event_stream *stream)
{
    const char *data = stream->message.data;
    const size_t total = word_at(data, 0);
    const size_t headers = word_at(data, WORD_BYTES);

    if (checksum(data, PRELUDE_BYTES - WORD_BYTES) != word_at(data, PRELUDE_BYTES - WORD_BYTES) ||
        headers > WI_EVENT_HEADERS_MAX || total < LEAST_BYTES + headers ||
        total - LEAST_BYTES - headers > WI_EVENT_PAYLOAD_MAX) {
        stream->error = WEIR_ECORRUPT;
        return;
    }
    stream->total = total;
}

static void
read_message(struct wi_event_stream *stream, struct wi_event_message *ret)
{
    const char *data = stream->message.data;
    const size_t end = stream->total - WORD_BYTES;
    const struct weir_str headers = {data + PRELUDE_BYTES, word_at(data, WORD_BYTES)};

    if (checksum(data, end) != word_at(data, end) || !headers_are_good(headers)) {
        stream->error = WEIR_ECORRUPT;
        return;
    }
    ret->headers = (struct weir_bytes){headers.data, headers.length};
    ret->payload =
        (struct weir_bytes){headers.data + headers.length, end - PRELUDE_BYTES - headers.length};
}

enum weir_error
wi_event_stream_next(
    struct wi_event_stream *stream,
    struct weir_bytes *bytes,
    bool *ret_any,
    struct wi_event_message *ret)
{
    *ret_any = false;
    if (stream->error != WEIR_OK) {
        return stream->error;
    }
    if (stream->total > 0 && stream->message.length == stream->total) {
        stream->total = 0; /* the message before, which the caller is done with */
        if (stream->message.capacity > KEEP_BYTES) {
            wi_buffer_free(&stream->message);
        }
        wi_buffer_reset(&stream->message);
    }
    if (stream->total == 0 && fill(stream, bytes, PRELUDE_BYTES)) {
        read_prelude(stream);
    }
    if (stream->total > 0 && stream->error == WEIR_OK && fill(stream, bytes, stream->total)) {
        read_message(stream, ret);
        *ret_any = stream->error == WEIR_OK;
    }
    return stream->error;
}

bool
wi_event_stream_is_inside(const struct wi_event_stream *stream)
{
    return stream->message.length > 0 && stream->message.length != stream->total;
}

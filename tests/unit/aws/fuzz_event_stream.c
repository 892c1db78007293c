/* Bytes of anybody as an event stream: in pieces and at once they say the same, and with checksums
 * made right, so that more than the first four bytes is looked at, every view stays inside. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/event_stream.h"
#include "core/check.h"

#define PIECE_BYTES 7U
#define MENDED_MAX  4096U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
look_at(const struct wi_event_message *message)
{
    const struct weir_str type = wi_event_header(message, ":event-type");

    WEIR_ASSERT(message->headers.length <= WI_EVENT_HEADERS_MAX);
    WEIR_ASSERT(message->payload.length <= WI_EVENT_PAYLOAD_MAX);
    WEIR_ASSERT(type.length <= message->headers.length);
}

/* Read all of it in pieces; how many messages, and what ended it. */
static enum weir_error
read_all(const uint8_t *data, size_t size, size_t piece_max, size_t *ret_count)
{
    struct wi_event_stream stream;
    enum weir_error error = WEIR_OK;

    *ret_count = 0;
    wi_event_stream_init(&stream, weir_env_default());
    for (size_t at = 0; at < size && error == WEIR_OK;) {
        const size_t left = size - at;
        struct weir_bytes piece = {data + at, left < piece_max ? left : piece_max};

        at += piece.length;
        while (error == WEIR_OK && piece.length > 0) {
            struct wi_event_message message;
            bool any = false;

            error = wi_event_stream_next(&stream, &piece, &any, &message);
            if (any) {
                look_at(&message);
                ++*ret_count;
            }
        }
    }
    wi_event_stream_free(&stream);
    return error;
}

static void
put_word(uint8_t *to, size_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        to[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

/* The same bytes as headers and payload of a message that is right otherwise. */
static void
read_mended(const uint8_t *data, size_t size)
{
    static uint8_t message[MENDED_MAX];
    const size_t length = size < MENDED_MAX - 16 ? size : MENDED_MAX - 16;
    const size_t headers = length == 0 ? 0 : data[0] % (length + 1);
    size_t count = 0;
    enum weir_error error;

    put_word(message, length + 16);
    put_word(message + 4, headers);
    put_word(message + 8, crc32(0, message, 8));
    if (length > 0) {
        memcpy(message + 12, data, length);
    }
    put_word(message + 12 + length, crc32(0, message, (unsigned)length + 12));
    error = read_all(message, length + 16, SIZE_MAX, &count);
    WEIR_ASSERT(error == WEIR_OK ? count == 1 : error == WEIR_ECORRUPT);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t at_once = 0;
    size_t in_pieces = 0;
    const enum weir_error error = read_all(data, size, SIZE_MAX, &at_once);

    WEIR_ASSERT(read_all(data, size, PIECE_BYTES, &in_pieces) == error);
    WEIR_ASSERT(at_once == in_pieces);
    read_mended(data, size);
    return 0;
}

/*
 * The framing of application/vnd.amazon.eventstream, read as its bytes come. Pure.
 *
 *   total length      4 bytes, big-endian: of the whole message
 *   headers length    4
 *   CRC32             4: of the two above
 *   headers           each: length of name 1, name, type 1, value
 *   payload
 *   CRC32             4: of all above
 *
 * The bytes are what some server sent: nothing in them is believed before its checksum fits, and a
 * length is checked before memory is spent on it.
 */
#ifndef WI_AWS_EVENT_STREAM_H
#define WI_AWS_EVENT_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/str.h"

/* Largest parts of a message, as AWS gives them. */
#define WI_EVENT_HEADERS_MAX ((size_t)128 * 1024)
#define WI_EVENT_PAYLOAD_MAX ((size_t)24 * 1024 * 1024)

struct wi_event_stream {
    struct wi_buffer message; /* what has come of the present one */
    size_t total;             /* its length; 0: not known yet */
    enum weir_error error;    /* stays */
};

/* Views into the stream's memory, until it is asked for the next message. */
struct wi_event_message {
    struct weir_bytes headers; /* well-formed */
    struct weir_bytes payload;
};

void wi_event_stream_init(struct wi_event_stream *stream, const struct weir_env *env);
void wi_event_stream_free(struct wi_event_stream *stream);

/* Take bytes from the front of `bytes` up to the end of a message. *ret_any is false if they did
 * not complete one; `bytes` is empty then. WEIR_ECORRUPT: a checksum, a length or a header is
 * wrong; there is no way on in this stream, and later calls say the same. WEIR_ENOMEM likewise. */
WEIR_MUST_CHECK enum weir_error wi_event_stream_next(
    struct wi_event_stream *stream,
    struct weir_bytes *bytes,
    bool *ret_any,
    struct wi_event_message *ret);

/* Whether a message has begun and not ended: a stream that ends here was cut. */
bool wi_event_stream_is_inside(const struct wi_event_stream *stream);

/* The value of a header that is a text, or "". */
struct weir_str wi_event_header(const struct wi_event_message *message, const char *name);

#endif

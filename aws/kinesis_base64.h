/* Base64 of record data (RFC 4648, section 4, with padding). Pure. */
#ifndef WI_AWS_KINESIS_BASE64_H
#define WI_AWS_KINESIS_BASE64_H

#include <stddef.h>

#include <weir/error.h>
#include <weir/types.h>

/* Most bytes that text of this length can stand for. */
static inline size_t
wi_base64_decoded_max(size_t text_length)
{
    return text_length / 4 * 3;
}

/* Length of the text for so many bytes, without a final zero. */
static inline size_t
wi_base64_encoded_length(size_t size)
{
    return (size + 2) / 3 * 4;
}

/* Decode into `to`, which has room for wi_base64_decoded_max() bytes. WEIR_EINVAL for any character
 * that does not belong, padding in the middle, or a length that is no multiple of four. */
WEIR_MUST_CHECK enum weir_error wi_base64_decode(
    struct weir_str text, unsigned char *to, size_t *ret_size);

/* Encode into `to`, which has room for wi_base64_encoded_length() characters. */
void wi_base64_encode(struct weir_bytes bytes, char *to);

#endif

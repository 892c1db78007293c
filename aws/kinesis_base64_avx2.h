/* The many whole groups of a base64 text, 32 characters at a time where the processor can. Pure. */
#ifndef WI_AWS_KINESIS_BASE64_AVX2_H
#define WI_AWS_KINESIS_BASE64_AVX2_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Decode from the front of a text of `length` characters as many as go in whole steps, perhaps
 * none: their number, a multiple of 32, always less than length - 4. `to` has room for
 * length / 4 * 3 bytes; it may be the text itself. Sets *ret_bad if a character does not belong,
 * and leaves it alone if all do.
 */
size_t wi_base64_decode_wide(
    const unsigned char *from, size_t length, unsigned char *to, bool *ret_bad);

#endif

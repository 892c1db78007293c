#include "aws/kinesis_base64.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/kinesis_base64_avx2.h"

#define BAD 0x80U

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The value of each character, or BAD; '=' is BAD as well. */
static const uint8_t values[256] = {
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, 62,  BAD, BAD, BAD, 63,  52,  53,  54,  55,  56,  57,  58,  59,  60,
    61,  BAD, BAD, BAD, BAD, BAD, BAD, BAD, 0,   1,   2,   3,   4,   5,   6,   7,   8,   9,   10,
    11,  12,  13,  14,  15,  16,  17,  18,  19,  20,  21,  22,  23,  24,  25,  BAD, BAD, BAD, BAD,
    BAD, BAD, 26,  27,  28,  29,  30,  31,  32,  33,  34,  35,  36,  37,  38,  39,  40,  41,  42,
    43,  44,  45,  46,  47,  48,  49,  50,  51,  BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD};

/* The last four characters, which may end in one or two '='. */
static enum weir_error
decode_last(const unsigned char *from, unsigned char *to, size_t *ret_size)
{
    const size_t size = from[3] != '=' ? 3 : from[2] != '=' ? 2 : 1;
    const uint32_t a = values[from[0]];
    const uint32_t b = values[from[1]];
    const uint32_t c = size > 1 ? values[from[2]] : 0;
    const uint32_t d = size > 2 ? values[from[3]] : 0;
    const uint32_t word = a << 18 | b << 12 | c << 6 | d;

    if (((a | b | c | d) & BAD) != 0) {
        return WEIR_EINVAL;
    }
    to[0] = (unsigned char)(word >> 16);
    if (size > 1) {
        to[1] = (unsigned char)(word >> 8);
    }
    if (size > 2) {
        to[2] = (unsigned char)word;
    }
    *ret_size = size;
    return WEIR_OK;
}

enum weir_error
wi_base64_decode(struct weir_str text, unsigned char *to, size_t *ret_size)
{
    const unsigned char *from = (const unsigned char *)text.data;
    bool is_bad = false;
    size_t last = 0;
    uint32_t bad = 0;
    size_t at = 0;

    if (text.length % 4 != 0) {
        return WEIR_EINVAL;
    }
    if (text.length == 0) {
        *ret_size = 0;
        return WEIR_OK;
    }
    at = wi_base64_decode_wide(from, text.length, to, &is_bad);
    for (to += at / 4 * 3; at + 4 < text.length; at += 4, to += 3) {
        const uint32_t a = values[from[at]];
        const uint32_t b = values[from[at + 1]];
        const uint32_t c = values[from[at + 2]];
        const uint32_t d = values[from[at + 3]];
        const uint32_t word = a << 18 | b << 12 | c << 6 | d;

        bad |= a | b | c | d;
        to[0] = (unsigned char)(word >> 16);
        to[1] = (unsigned char)(word >> 8);
        to[2] = (unsigned char)word;
    }
    if (is_bad || (bad & BAD) != 0 || decode_last(from + at, to, &last) != WEIR_OK) {
        return WEIR_EINVAL;
    }
    *ret_size = at / 4 * 3 + last;
    return WEIR_OK;
}

void
wi_base64_encode(struct weir_bytes bytes, char *to)
{
    const unsigned char *from = bytes.data;
    size_t left = bytes.length;

    for (; left >= 3; left -= 3, from += 3) {
        const uint32_t word = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];

        *to++ = letters[word >> 18];
        *to++ = letters[word >> 12 & 63];
        *to++ = letters[word >> 6 & 63];
        *to++ = letters[word & 63];
    }
    if (left > 0) {
        const uint32_t word = (uint32_t)from[0] << 16 | (left > 1 ? (uint32_t)from[1] << 8 : 0);

        *to++ = letters[word >> 18];
        *to++ = letters[word >> 12 & 63];
        to[0] = letters[word >> 6 & 63];
        to[1] = '=';
        if (left == 1) {
            to[0] = '=';
        }
    }
}

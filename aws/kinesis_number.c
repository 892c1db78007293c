/* Sequence numbers from text. One is read for each record, so this is a part of what consuming
 * costs: eight digits are one word, and four words of 16 digits make the number. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/kinesis_page.h"
#include "core/check.h"

/* Most digits that are read here; what is longer takes the slow way. */
#define CHUNK_DIGITS 16U
#define CHUNKS_MAX   4U
#define CHUNK_BASE   UINT64_C(10000000000000000)

#define EIGHT      8U
#define EIGHT_BASE UINT64_C(100000000)

/* A byte in each of the eight bytes of a word. */
#define ALL_BYTES(byte) (UINT64_C(0x0101010101010101) * (byte))

/* A product of two words. */
__extension__ typedef unsigned __int128 wi_wide; /* NOLINT(readability-identifier-naming) */

/* Eight digits as a number: neighbours are joined to pairs, pairs to fours, and these. */
static inline bool
read_eight(const char *text, uint64_t *ret)
{
    uint64_t word = 0;

    memcpy(&word, text, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    word ^= ALL_BYTES('0');
    /* What is above 9 gets, or has, the highest bit of its byte; a carry comes only from such. */
    if (((word | (word + ALL_BYTES(0x80 - 10))) & ALL_BYTES(0x80)) != 0) {
        return false;
    }
    word = (word & UINT64_C(0x00ff00ff00ff00ff)) * 10 + (word >> 8 & UINT64_C(0x00ff00ff00ff00ff));
    word =
        (word & UINT64_C(0x0000ffff0000ffff)) * 100 + (word >> 16 & UINT64_C(0x0000ffff0000ffff));
    *ret = (word & UINT64_C(0x00000000ffffffff)) * 10000 + (word >> 32);
    return true;
}

/* Up to 16 digits. */
static inline bool
read_chunk(const char *text, size_t digits, uint64_t *ret)
{
    uint64_t value = 0;
    size_t at = 0;

    for (; at < digits % EIGHT; at++) {
        const unsigned digit = (unsigned)(unsigned char)text[at] - '0';

        if (digit > 9) {
            return false;
        }
        value = value * 10 + digit;
    }
    for (; at < digits; at += EIGHT) {
        uint64_t eight = 0;

        if (!read_eight(text + at, &eight)) {
            return false;
        }
        value = value * EIGHT_BASE + eight;
    }
    *ret = value;
    return true;
}

enum weir_error
wi_kinesis_number_parse(struct weir_str text, struct weir_sequence_number *ret)
{
    uint64_t word[4] = {0};
    size_t at = 0;

    if (text.length == 0 || text.length > (size_t)CHUNK_DIGITS * CHUNKS_MAX) {
        return weir_sequence_number_parse(text, ret);
    }
    /* After so many chunks the number has at most as many words. */
    for (size_t words = 1; at < text.length; words++) {
        const size_t left = text.length - at;
        const size_t digits = left % CHUNK_DIGITS == 0 ? CHUNK_DIGITS : left % CHUNK_DIGITS;
        uint64_t chunk = 0;
        wi_wide carry;

        if (!read_chunk(text.data + at, digits, &chunk)) {
            return WEIR_EINVAL;
        }
        carry = chunk;
        for (size_t i = 0; i < words; i++) {
            carry += (wi_wide)word[3 - i] * CHUNK_BASE;
            word[3 - i] = (uint64_t)carry;
            carry >>= 64;
        }
        WEIR_ASSERT(carry == 0);
        at += digits;
    }
    memcpy(ret->word, word, sizeof ret->word);
    return WEIR_OK;
}

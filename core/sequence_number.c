#include "core/sequence_number.h"

#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"

/* 2^256 - 1 has 78 digits. Every number below 2^256 can be written and read back. */
#define DIGITS_MAX 78
_Static_assert(WEIR_SEQUENCE_NUMBER_SIZE > DIGITS_MAX, "a sequence number and its final zero");
_Static_assert(
    sizeof(struct weir_sequence_number) == WI_SEQUENCE_NUMBER_BYTES, "256 bits without padding");

/* Long division and multiplication work on 32-bit words, most significant first, and on nine
 * decimal digits at a time. */
#define WORDS        8
#define CHUNK_DIGITS 9
#define CHUNK        UINT32_C(1000000000)

static void
to_words(const struct weir_sequence_number *number, uint32_t words[WORDS])
{
    for (size_t i = 0; i < WORDS / 2; i++) {
        words[2 * i] = (uint32_t)(number->word[i] >> 32);
        words[2 * i + 1] = (uint32_t)number->word[i];
    }
}

static struct weir_sequence_number
from_words(const uint32_t words[WORDS])
{
    struct weir_sequence_number number;
    for (size_t i = 0; i < WORDS / 2; i++) {
        number.word[i] = (uint64_t)words[2 * i] << 32 | words[2 * i + 1];
    }
    return number;
}

/* Divide the words from *first on by CHUNK in place, move *first past leading zeros, and return
 * the remainder. */
static uint32_t
divide_by_chunk(uint32_t words[WORDS], size_t *first)
{
    uint64_t rest = 0;
    for (size_t i = *first; i < WORDS; i++) {
        uint64_t dividend = rest << 32 | words[i];
        words[i] = (uint32_t)(dividend / CHUNK);
        rest = dividend % CHUNK;
    }
    while (*first < WORDS && words[*first] == 0) {
        (*first)++;
    }
    return (uint32_t)rest;
}

/* words = words * factor + addend; false if that is 2^256 or more. */
static bool
multiply_add(uint32_t words[WORDS], uint32_t factor, uint32_t addend)
{
    uint64_t carry = addend;
    for (size_t i = WORDS; i-- > 0;) {
        uint64_t product = (uint64_t)words[i] * factor + carry;
        words[i] = (uint32_t)product;
        carry = product >> 32;
    }
    return carry == 0;
}

int
weir_sequence_number_compare(
    const struct weir_sequence_number *a, const struct weir_sequence_number *b)
{
    return wi_sequence_number_compare(a, b);
}

size_t
weir_sequence_number_format(
    const struct weir_sequence_number *number, char text[WEIR_SEQUENCE_NUMBER_SIZE])
{
    uint32_t words[WORDS];
    char reversed[DIGITS_MAX + CHUNK_DIGITS];
    size_t first = 0;
    size_t length = 0;
    to_words(number, words);
    do {
        uint32_t chunk = divide_by_chunk(words, &first);
        WEIR_ASSERT(length <= DIGITS_MAX);
        for (int digit = 0; digit < CHUNK_DIGITS; digit++) {
            reversed[length++] = (char)('0' + chunk % 10);
            chunk /= 10;
        }
    } while (first < WORDS);
    while (length > 1 && reversed[length - 1] == '0') {
        length--;
    }
    WEIR_ASSERT(length <= DIGITS_MAX);
    for (size_t i = 0; i < length; i++) {
        text[i] = reversed[length - 1 - i];
    }
    text[length] = '\0';
    return length;
}

enum weir_error
weir_sequence_number_parse(struct weir_str text, struct weir_sequence_number *ret)
{
    uint32_t words[WORDS] = {0};
    uint32_t chunk = 0;
    uint32_t factor = 1;
    if (text.length == 0 || text.length > DIGITS_MAX) {
        return WEIR_EINVAL;
    }
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (c < '0' || c > '9') {
            return WEIR_EINVAL;
        }
        chunk = chunk * 10 + (uint32_t)(c - '0');
        factor *= 10;
        if (factor == CHUNK || i + 1 == text.length) {
            if (!multiply_add(words, factor, chunk)) {
                return WEIR_EINVAL;
            }
            chunk = 0;
            factor = 1;
        }
    }
    *ret = from_words(words);
    return WEIR_OK;
}

struct weir_sequence_number
wi_sequence_number_from_u64(uint64_t value)
{
    return (struct weir_sequence_number){{0, 0, 0, value}};
}

enum weir_error
wi_sequence_number_to_u64(const struct weir_sequence_number *number, uint64_t *ret)
{
    if ((number->word[0] | number->word[1] | number->word[2]) != 0) {
        return WEIR_ERANGE;
    }
    *ret = number->word[3];
    return WEIR_OK;
}

enum weir_error
wi_sequence_number_add(struct weir_sequence_number *number, uint64_t value)
{
    struct weir_sequence_number sum = *number;
    uint64_t carry = value;
    for (size_t i = 4; i-- > 0 && carry != 0;) {
        sum.word[i] += carry;
        carry = sum.word[i] < carry ? 1 : 0;
    }
    if (carry != 0) {
        return WEIR_ELIMIT;
    }
    *number = sum;
    return WEIR_OK;
}

enum weir_error
wi_sequence_number_increment(struct weir_sequence_number *number)
{
    return wi_sequence_number_add(number, 1);
}

void
wi_sequence_number_to_bytes(
    const struct weir_sequence_number *number, unsigned char bytes[WI_SEQUENCE_NUMBER_BYTES])
{
    for (size_t i = 0; i < WI_SEQUENCE_NUMBER_BYTES; i++) {
        bytes[i] = (unsigned char)(number->word[i / 8] >> (56 - 8 * (i % 8)));
    }
}

struct weir_sequence_number
wi_sequence_number_from_bytes(const unsigned char bytes[WI_SEQUENCE_NUMBER_BYTES])
{
    struct weir_sequence_number number = WI_SEQUENCE_NUMBER_ZERO;
    for (size_t i = 0; i < WI_SEQUENCE_NUMBER_BYTES; i++) {
        number.word[i / 8] = number.word[i / 8] << 8 | bytes[i];
    }
    return number;
}

#include "core/hash_key.h"

#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"

/* 2^128 - 1 has 39 digits. */
#define DIGITS_MAX 39
_Static_assert(WEIR_HASH_KEY_SIZE == DIGITS_MAX + 1, "a hash key and its final zero");

/* The 32-bit words of a hash key, most significant first: what long division works on. */
#define WORDS 4

static void
to_words(struct weir_hash_key key, uint32_t words[WORDS])
{
    words[0] = (uint32_t)(key.high >> 32);
    words[1] = (uint32_t)key.high;
    words[2] = (uint32_t)(key.low >> 32);
    words[3] = (uint32_t)key.low;
}

static struct weir_hash_key
from_words(const uint32_t words[WORDS])
{
    return (struct weir_hash_key){(uint64_t)words[0] << 32 | words[1],
                                  (uint64_t)words[2] << 32 | words[3]};
}

/* Divide (head, words) by `divisor` in place and return the remainder; head < divisor, so the
 * quotient fits into the words. */
static uint32_t
divide(uint32_t head, uint32_t words[WORDS], uint32_t divisor)
{
    uint64_t rest = head;
    WEIR_ASSERT(head < divisor);
    for (int i = 0; i < WORDS; i++) {
        uint64_t dividend = rest << 32 | words[i];
        words[i] = (uint32_t)(dividend / divisor);
        rest = dividend % divisor;
    }
    return (uint32_t)rest;
}

/* words = words * 10 + digit; false if that is 2^128 or more. */
static bool
append_digit(uint32_t words[WORDS], uint32_t digit)
{
    uint64_t carry = digit;
    for (int i = WORDS - 1; i >= 0; i--) {
        uint64_t product = (uint64_t)words[i] * 10 + carry;
        words[i] = (uint32_t)product;
        carry = product >> 32;
    }
    return carry == 0;
}

int
weir_hash_key_compare(struct weir_hash_key a, struct weir_hash_key b)
{
    if (a.high != b.high) {
        return a.high < b.high ? -1 : 1;
    }
    return (a.low > b.low) - (a.low < b.low);
}

size_t
weir_hash_key_format(struct weir_hash_key key, char text[WEIR_HASH_KEY_SIZE])
{
    uint32_t words[WORDS];
    char reversed[DIGITS_MAX];
    size_t length = 0;
    to_words(key, words);
    do {
        WEIR_ASSERT(length < DIGITS_MAX);
        reversed[length++] = (char)('0' + divide(0, words, 10));
    } while ((words[0] | words[1] | words[2] | words[3]) != 0);
    for (size_t i = 0; i < length; i++) {
        text[i] = reversed[length - 1 - i];
    }
    text[length] = '\0';
    return length;
}

enum weir_error
weir_hash_key_parse(struct weir_str text, struct weir_hash_key *ret)
{
    uint32_t words[WORDS] = {0};
    if (text.length == 0 || text.length > DIGITS_MAX) {
        return WEIR_EINVAL;
    }
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (c < '0' || c > '9' || !append_digit(words, (uint32_t)(c - '0'))) {
            return WEIR_EINVAL;
        }
    }
    *ret = from_words(words);
    return WEIR_OK;
}

struct weir_hash_key
wi_hash_key_from_bytes(const unsigned char bytes[WI_HASH_KEY_BYTES])
{
    struct weir_hash_key key = {0, 0};
    for (int i = 0; i < 8; i++) {
        key.high = key.high << 8 | bytes[i];
        key.low = key.low << 8 | bytes[i + 8];
    }
    return key;
}

struct weir_hash_key
wi_hash_key_add(struct weir_hash_key a, struct weir_hash_key b)
{
    uint64_t low = a.low + b.low;
    return (struct weir_hash_key){a.high + b.high + (low < a.low ? 1 : 0), low};
}

struct weir_hash_key
wi_hash_key_sub(struct weir_hash_key a, struct weir_hash_key b)
{
    return (struct weir_hash_key){a.high - b.high - (a.low < b.low ? 1 : 0), a.low - b.low};
}

bool
wi_hash_range_is_valid(struct weir_hash_range range)
{
    return weir_hash_key_compare(range.start, range.end) <= 0;
}

bool
wi_hash_range_contains(struct weir_hash_range range, struct weir_hash_key key)
{
    return weir_hash_key_compare(range.start, key) <= 0 &&
           weir_hash_key_compare(key, range.end) <= 0;
}

/* Whether `upper` begins right after the end of `lower`. Nothing comes after the last key. */
static bool
follows(struct weir_hash_range upper, struct weir_hash_range lower)
{
    struct weir_hash_key one = {0, 1};
    return weir_hash_key_compare(lower.end, WI_HASH_KEY_MAX) != 0 &&
           weir_hash_key_compare(wi_hash_key_add(lower.end, one), upper.start) == 0;
}

bool
wi_hash_range_is_adjacent(struct weir_hash_range a, struct weir_hash_range b)
{
    return follows(a, b) || follows(b, a);
}

struct weir_hash_key
wi_hash_range_midpoint(struct weir_hash_range range)
{
    WEIR_ASSERT(wi_hash_range_is_valid(range));
    if (weir_hash_key_compare(range.start, range.end) == 0) {
        return range.start;
    }
    struct weir_hash_key span = wi_hash_key_sub(range.end, range.start);
    struct weir_hash_key half = {span.high >> 1, span.high << 63 | span.low >> 1};
    struct weir_hash_key one = {0, 1};
    return wi_hash_key_add(wi_hash_key_add(range.start, half), one);
}

/* index * 2^128 / count, rounded down; index < count. */
static struct weir_hash_key
even_start(uint32_t index, uint32_t count)
{
    uint32_t words[WORDS] = {0};
    (void)divide(index, words, count);
    return from_words(words);
}

struct weir_hash_range
wi_hash_range_even(uint32_t index, uint32_t count)
{
    WEIR_ASSERT(index < count);
    struct weir_hash_range range = {even_start(index, count), WI_HASH_KEY_MAX};
    if (index + 1 < count) {
        struct weir_hash_key one = {0, 1};
        range.end = wi_hash_key_sub(even_start(index + 1, count), one);
    }
    return range;
}

#include "aws/kinesis_base64_avx2.h"

#include <stdbool.h>
#include <stddef.h>

#if defined(__x86_64__)

#include <immintrin.h>

/* Characters of one step, the bytes that they stand for, and the bytes that a step writes. */
#define STEP_CHARACTERS 32U
#define STEP_BYTES      24U
#define STEP_WRITES     32U
/* What a step writes too much must lie within the room of the groups that come after it. */
#define LEFT_LEAST (STEP_WRITES / 3 * 4 + 4)

_Static_assert(LEFT_LEAST / 4 * 3 >= STEP_WRITES, "a step writes within the room of the text");

#define WITH_AVX2 __attribute__((target("avx2")))

/* Both lanes alike: 16 entries that a nibble chooses from. */
#define TABLE(...) _mm256_broadcastsi128_si256(_mm_setr_epi8(__VA_ARGS__))

/* Classes of characters by their high nibble, a bit each: 2, 3, 4 and 6, 5 and 7, all others. Each
 * low nibble has the bits of those classes in which it does not belong; of the others, in all. */
enum {
    SIGNS = 1,   /* '+' and '/': low nibbles 11 and 15 */
    DIGITS = 2,  /* 0 to 9 */
    FIRSTS = 4,  /* 'A' to 'O', 'a' to 'o': all but 0 */
    SECONDS = 8, /* 'P' to 'Z', 'p' to 'z': 0 to 10 */
    OTHERS = 16,
    NOT_0 = OTHERS | SIGNS | FIRSTS,
    NOT_1_TO_9 = OTHERS | SIGNS,
    NOT_10 = OTHERS | SIGNS | DIGITS,
    NOT_11_15 = OTHERS | DIGITS | SECONDS,
    NOT_12_TO_14 = OTHERS | SIGNS | DIGITS | SECONDS
};

/* From a character to its value: what is added to those of a high nibble. '/' is not where '+' is:
 * it takes the place below. */
enum {
    FROM_SLASH = 63 - '/',
    FROM_PLUS = 62 - '+',
    FROM_DIGIT = 52 - '0',
    FROM_UPPER = 0 - 'A',
    FROM_LOWER = 26 - 'a'
};

/* 32 characters as values of six bits; the bits of `bad` grow by those that do not belong. */
WITH_AVX2 static inline __m256i
values_of(__m256i characters, __m256i *bad)
{
    const __m256i low_classes = TABLE(
        NOT_0,
        NOT_1_TO_9,
        NOT_1_TO_9,
        NOT_1_TO_9,
        NOT_1_TO_9,
        NOT_1_TO_9,
        NOT_1_TO_9,
        NOT_1_TO_9,
        NOT_1_TO_9,
        NOT_1_TO_9,
        NOT_10,
        NOT_11_15,
        NOT_12_TO_14,
        NOT_12_TO_14,
        NOT_12_TO_14,
        NOT_11_15);
    const __m256i high_classes = TABLE(
        OTHERS,
        OTHERS,
        SIGNS,
        DIGITS,
        FIRSTS,
        SECONDS,
        FIRSTS,
        SECONDS,
        OTHERS,
        OTHERS,
        OTHERS,
        OTHERS,
        OTHERS,
        OTHERS,
        OTHERS,
        OTHERS);
    const __m256i additions = TABLE(
        0,
        FROM_SLASH,
        FROM_PLUS,
        FROM_DIGIT,
        FROM_UPPER,
        FROM_UPPER,
        FROM_LOWER,
        FROM_LOWER,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0);
    const __m256i nibble = _mm256_set1_epi8(0x0F);
    const __m256i low = _mm256_and_si256(characters, nibble);
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(characters, 4), nibble);
    const __m256i is_slash = _mm256_cmpeq_epi8(characters, _mm256_set1_epi8('/')); /* -1 */

    *bad = _mm256_or_si256(
        *bad,
        _mm256_and_si256(
            _mm256_shuffle_epi8(low_classes, low), _mm256_shuffle_epi8(high_classes, high)));
    return _mm256_add_epi8(
        characters, _mm256_shuffle_epi8(additions, _mm256_add_epi8(high, is_slash)));
}

/* 32 values of six bits as 24 bytes, with eight zeros behind them. */
WITH_AVX2 static inline __m256i
packed(__m256i values)
{
    /* Two values to twelve bits, two of those to 24, in each word of 32 bits. */
    const __m256i twelves = _mm256_maddubs_epi16(values, _mm256_set1_epi32(0x01400140));
    const __m256i words = _mm256_madd_epi16(twelves, _mm256_set1_epi32(0x00011000));
    /* The three bytes of each word, the highest first; then the two lanes beside each other. */
    const __m256i lanes =
        _mm256_shuffle_epi8(words, TABLE(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1));

    return _mm256_permutevar8x32_epi32(lanes, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7));
}

WITH_AVX2 static size_t
decode(const unsigned char *from, size_t length, unsigned char *to, bool *ret_bad)
{
    __m256i bad = _mm256_setzero_si256();
    size_t at = 0;

    for (; length - at >= LEFT_LEAST; at += STEP_CHARACTERS, to += STEP_BYTES) {
        const __m256i characters = _mm256_loadu_si256((const __m256i_u *)(from + at));

        _mm256_storeu_si256((__m256i_u *)to, packed(values_of(characters, &bad)));
    }
    if (_mm256_testz_si256(bad, bad) == 0) {
        *ret_bad = true;
    }
    return at;
}

size_t
wi_base64_decode_wide(const unsigned char *from, size_t length, unsigned char *to, bool *ret_bad)
{
    return __builtin_cpu_supports("avx2") ? decode(from, length, to, ret_bad) : 0;
}

#else

size_t
wi_base64_decode_wide(const unsigned char *from, size_t length, unsigned char *to, bool *ret_bad)
{
    (void)from, (void)length, (void)to, (void)ret_bad;
    return 0;
}

#endif

#include "stream/partition_hash.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/hash_key.h"

/* Fewer keys than this are cheaper one by one. */
#define LANES_WORTHWHILE 3U

#define BLOCK_WORDS  16U
#define BLOCK_BYTES  64U
#define LENGTH_WORD  14U /* of the message's length in bits */
#define PADDING_BYTE 0x80U
#define BITS         8U

/* Makes of a word one of every lane. */
#define LANES __attribute__((vector_size(4 * WI_MD5_LANES)))

/* The sines of RFC 1321. */
static const uint32_t sines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

static const uint32_t initial_state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};

/* a = b + ((a + mixed + message word + sine) rotated left); `mixed` is the round's function of the
 * other three. */
static inline void
step(
    LANES uint32_t *a,
    const LANES uint32_t *b,
    const LANES uint32_t *mixed,
    const LANES uint32_t *word_and_sine,
    unsigned rotation)
{
    const LANES uint32_t sum = *a + *mixed + *word_and_sine;

    *a = *b + ((sum << rotation) | (sum >> (32U - rotation)));
}

/* The message word of a step, with its sine added. */
static inline LANES uint32_t *
input(LANES uint32_t *ret, const LANES uint32_t words[BLOCK_WORDS], unsigned word, unsigned sine)
{
    *ret = words[word % BLOCK_WORDS] + sines[sine];
    return ret;
}

/* The four rounds of RFC 1321, 3.4, on all lanes. */
static void
transform(LANES uint32_t state[4], const LANES uint32_t words[BLOCK_WORDS])
{
    LANES uint32_t a = state[0];
    LANES uint32_t b = state[1];
    LANES uint32_t c = state[2];
    LANES uint32_t d = state[3];
    LANES uint32_t mixed;
    LANES uint32_t in;

    for (unsigned i = 0; i < 16; i += 4) {
        mixed = d ^ (b & (c ^ d));
        step(&a, &b, &mixed, input(&in, words, i, i), 7);
        mixed = c ^ (a & (b ^ c));
        step(&d, &a, &mixed, input(&in, words, i + 1, i + 1), 12);
        mixed = b ^ (d & (a ^ b));
        step(&c, &d, &mixed, input(&in, words, i + 2, i + 2), 17);
        mixed = a ^ (c & (d ^ a));
        step(&b, &c, &mixed, input(&in, words, i + 3, i + 3), 22);
    }
    for (unsigned i = 16; i < 32; i += 4) {
        mixed = c ^ (d & (b ^ c));
        step(&a, &b, &mixed, input(&in, words, 5 * i + 1, i), 5);
        mixed = b ^ (c & (a ^ b));
        step(&d, &a, &mixed, input(&in, words, 5 * i + 6, i + 1), 9);
        mixed = a ^ (b & (d ^ a));
        step(&c, &d, &mixed, input(&in, words, 5 * i + 11, i + 2), 14);
        mixed = d ^ (a & (c ^ d));
        step(&b, &c, &mixed, input(&in, words, 5 * i + 16, i + 3), 20);
    }
    for (unsigned i = 32; i < 48; i += 4) {
        mixed = b ^ c ^ d;
        step(&a, &b, &mixed, input(&in, words, 3 * i + 5, i), 4);
        mixed = a ^ b ^ c;
        step(&d, &a, &mixed, input(&in, words, 3 * i + 8, i + 1), 11);
        mixed = d ^ a ^ b;
        step(&c, &d, &mixed, input(&in, words, 3 * i + 11, i + 2), 16);
        mixed = c ^ d ^ a;
        step(&b, &c, &mixed, input(&in, words, 3 * i + 14, i + 3), 23);
    }
    for (unsigned i = 48; i < 64; i += 4) {
        mixed = c ^ (b | ~d);
        step(&a, &b, &mixed, input(&in, words, 7 * i, i), 6);
        mixed = b ^ (a | ~c);
        step(&d, &a, &mixed, input(&in, words, 7 * i + 7, i + 1), 10);
        mixed = a ^ (d | ~b);
        step(&c, &d, &mixed, input(&in, words, 7 * i + 14, i + 2), 15);
        mixed = d ^ (c | ~a);
        step(&b, &c, &mixed, input(&in, words, 7 * i + 21, i + 3), 21);
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

static uint32_t
load_u32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Pad each key to one block and spread it over the lanes. */
static void
spread(const struct wi_hash_task *tasks, size_t count, LANES uint32_t words[BLOCK_WORDS])
{
    uint32_t columns[BLOCK_WORDS][WI_MD5_LANES] = {{0}};

    for (size_t lane = 0; lane < count; lane++) {
        const struct weir_str key = tasks[lane].key;
        const size_t used = (key.length + 1 + 3) / 4;
        unsigned char block[BLOCK_BYTES] = {0};

        memcpy(block, key.data, key.length);
        block[key.length] = PADDING_BYTE;
        for (size_t i = 0; i < used; i++) {
            columns[i][lane] = load_u32(block + 4 * i);
        }
        columns[LENGTH_WORD][lane] = (uint32_t)key.length * BITS;
    }
    memcpy(words, columns, sizeof columns);
}

static uint64_t
byte_swapped(uint32_t first, uint32_t second)
{
    uint64_t ret = 0;

    for (unsigned i = 0; i < 4; i++) {
        ret |= (uint64_t)(first >> (8 * i) & 0xff) << (56 - 8 * i);
        ret |= (uint64_t)(second >> (8 * i) & 0xff) << (24 - 8 * i);
    }
    return ret;
}

static void
hash_in_lanes(const struct wi_hash_task *tasks, size_t count)
{
    LANES uint32_t words[BLOCK_WORDS];
    LANES uint32_t state[4];
    const LANES uint32_t zero = {0};
    uint32_t digest[4][WI_MD5_LANES];

    spread(tasks, count, words);
    for (unsigned i = 0; i < 4; i++) {
        state[i] = zero + initial_state[i];
    }
    transform(state, words);
    memcpy(digest, state, sizeof digest);
    for (size_t lane = 0; lane < count; lane++) {
        *tasks[lane].ret = (struct weir_hash_key){byte_swapped(digest[0][lane], digest[1][lane]),
                                                  byte_swapped(digest[2][lane], digest[3][lane])};
    }
}

static enum weir_error
hash_alone(const struct wi_partition_hasher *hasher, const struct wi_hash_task *task)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    if (EVP_DigestInit_ex2(hasher->context, hasher->md5, NULL) != 1 ||
        EVP_DigestUpdate(hasher->context, task->key.data, task->key.length) != 1 ||
        EVP_DigestFinal_ex(hasher->context, digest, NULL) != 1) {
        return WEIR_EINTERNAL;
    }
    *task->ret = wi_hash_key_from_bytes(digest);
    return WEIR_OK;
}

enum weir_error
wi_partition_hash_add(
    struct wi_partition_hasher *hasher, struct weir_str key, struct weir_hash_key *ret)
{
    const struct wi_hash_task task = {key, ret};

    if (key.length > WI_MD5_LANE_KEY_MAX) {
        return hash_alone(hasher, &task);
    }
    hasher->waiting[hasher->waiting_count++] = task;
    if (hasher->waiting_count == WI_MD5_LANES) {
        hasher->waiting_count = 0;
        hash_in_lanes(hasher->waiting, WI_MD5_LANES);
    }
    return WEIR_OK;
}

enum weir_error
wi_partition_hash_finish(struct wi_partition_hasher *hasher)
{
    const size_t count = hasher->waiting_count;
    enum weir_error error = WEIR_OK;

    hasher->waiting_count = 0;
    if (count >= LANES_WORTHWHILE) {
        hash_in_lanes(hasher->waiting, count);
        return WEIR_OK;
    }
    for (size_t i = 0; i < count && error == WEIR_OK; i++) {
        error = hash_alone(hasher, &hasher->waiting[i]);
    }
    return error;
}

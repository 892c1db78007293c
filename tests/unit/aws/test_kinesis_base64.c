/* Base64 of record data: wide steps and single groups give the same, for good text and for bad. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/kinesis_base64.h"
#include "tests/support/weir_test.h"

#define SIZE_MAX_TRIED 400U /* bytes: many wide steps, and every length behind them */
#define TEXT_MAX       ((SIZE_MAX_TRIED + 2) / 3 * 4)
#define CANARY         0xA5
#define CANARIES       64U

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Bytes in which every value of six bits comes, and no two texts are alike. */
static void
fill(unsigned char *bytes, size_t size, uint32_t seed)
{
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525U + 1013904223U;
        bytes[i] = (unsigned char)(seed >> 24);
    }
}

/* The definition, a character at a time: nothing of the code under test. */
static size_t
text_of(const unsigned char *bytes, size_t size, char *text)
{
    size_t length = 0;

    for (size_t bit = 0; bit < size * 8; bit += 6) {
        const size_t at = bit / 8;
        const unsigned pair = (unsigned)bytes[at] << 8 | (at + 1 < size ? bytes[at + 1] : 0U);

        text[length++] = letters[pair >> (10 - bit % 8) & 63];
    }
    while (length % 4 != 0) {
        text[length++] = '=';
    }
    return length;
}

static void
gives_back_bytes_of_every_length_and_writes_no_more(void **state)
{
    unsigned char bytes[SIZE_MAX_TRIED];
    unsigned char decoded[SIZE_MAX_TRIED + 2 + CANARIES];
    unsigned char canaries[CANARIES];
    char text[TEXT_MAX];

    (void)state;
    memset(canaries, CANARY, sizeof canaries);
    for (size_t size = 0; size <= SIZE_MAX_TRIED; size++) {
        size_t decoded_size = SIZE_MAX;
        size_t length;

        fill(bytes, size, (uint32_t)size);
        length = text_of(bytes, size, text);
        memset(decoded, CANARY, sizeof decoded);
        assert_int_equal(
            wi_base64_decode((struct weir_str){text, length}, decoded, &decoded_size), WEIR_OK);
        assert_int_equal(decoded_size, size);
        assert_memory_equal(decoded, bytes, size);
        assert_memory_equal(decoded + wi_base64_decoded_max(length), canaries, sizeof canaries);
    }
}

/* What has escapes is first written to where its bytes will stand. */
static void
decodes_a_text_in_its_own_place(void **state)
{
    unsigned char bytes[SIZE_MAX_TRIED];
    char text[TEXT_MAX];

    (void)state;
    for (size_t size = 0; size <= SIZE_MAX_TRIED; size++) {
        size_t decoded_size = SIZE_MAX;
        size_t length;

        fill(bytes, size, ~(uint32_t)size);
        length = text_of(bytes, size, text);
        assert_int_equal(
            wi_base64_decode((struct weir_str){text, length}, (unsigned char *)text, &decoded_size),
            WEIR_OK);
        assert_int_equal(decoded_size, size);
        assert_memory_equal(text, bytes, size);
    }
}

static bool
is_letter(unsigned char character)
{
    return memchr(letters, character, sizeof letters - 1) != NULL;
}

/* Whether it may stand there if all else is as it was: padding belongs to the end. */
static bool
belongs(unsigned char character, size_t at, size_t length)
{
    return is_letter(character) || (character == '=' && at + 1 == length);
}

static void
refuses_every_foreign_character_wherever_it_stands(void **state)
{
    enum {
        SIZE = 120 /* text of 160: wide steps, single groups, the last one */
    };
    unsigned char bytes[SIZE];
    unsigned char decoded[SIZE];
    char text[SIZE / 3 * 4];
    size_t length;

    (void)state;
    fill(bytes, sizeof bytes, 7);
    length = text_of(bytes, sizeof bytes, text);
    for (size_t at = 0; at < length; at++) {
        const char before = text[at];

        for (unsigned value = 0; value <= UINT8_MAX; value++) {
            size_t size = 0;

            text[at] = (char)value;
            assert_int_equal(
                wi_base64_decode((struct weir_str){text, length}, decoded, &size),
                belongs((unsigned char)value, at, length) ? WEIR_OK : WEIR_EINVAL);
        }
        text[at] = before;
    }
}

static void
refuses_every_length_that_is_no_multiple_of_four(void **state)
{
    unsigned char decoded[TEXT_MAX];
    char text[TEXT_MAX];

    (void)state;
    memset(text, 'A', sizeof text);
    for (size_t length = 0; length <= sizeof text; length++) {
        size_t size = 0;

        assert_int_equal(
            wi_base64_decode((struct weir_str){text, length}, decoded, &size),
            length % 4 == 0 ? WEIR_OK : WEIR_EINVAL);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_bytes_of_every_length_and_writes_no_more),
        cmocka_unit_test(decodes_a_text_in_its_own_place),
        cmocka_unit_test(refuses_every_foreign_character_wherever_it_stands),
        cmocka_unit_test(refuses_every_length_that_is_no_multiple_of_four),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

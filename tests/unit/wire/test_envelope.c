#include <string.h>

#include "core/str.h"
#include "tests/support/weir_test.h"
#include "wire/envelope.h"

#define PAYLOAD "payload of a row"
#define SIZE    (WI_ENVELOPE_HEADER_SIZE + sizeof PAYLOAD)

static void
given_sealed(unsigned char envelope[SIZE])
{
    memcpy(envelope + WI_ENVELOPE_HEADER_SIZE, PAYLOAD, sizeof PAYLOAD);
    wi_envelope_seal(envelope, sizeof PAYLOAD, WI_STR("key"));
}

static enum weir_error
open_as(const unsigned char *envelope, size_t length, const char *key)
{
    struct weir_bytes payload = {NULL, 0};

    return wi_envelope_open((struct weir_bytes){envelope, length}, wi_str(key), &payload);
}

static void
gives_back_what_was_sealed(void **state)
{
    unsigned char envelope[SIZE];
    struct weir_bytes payload = {NULL, 0};

    (void)state;
    given_sealed(envelope);
    assert_int_equal(
        wi_envelope_open((struct weir_bytes){envelope, SIZE}, WI_STR("key"), &payload), WEIR_OK);
    assert_int_equal(payload.length, sizeof PAYLOAD);
    assert_memory_equal(payload.data, PAYLOAD, sizeof PAYLOAD);
}

static void
notices_every_flipped_bit(void **state)
{
    unsigned char envelope[SIZE];

    (void)state;
    for (size_t bit = 0; bit < SIZE * 8; bit++) {
        given_sealed(envelope);
        envelope[bit / 8] ^= (unsigned char)(1U << bit % 8);
        assert_int_not_equal(open_as(envelope, SIZE, "key"), WEIR_OK);
    }
}

static void
notices_every_shortened_length(void **state)
{
    unsigned char envelope[SIZE];

    (void)state;
    given_sealed(envelope);
    for (size_t length = 0; length < SIZE; length++) {
        assert_int_equal(open_as(envelope, length, "key"), WEIR_ECORRUPT);
    }
}

/* A value that was copied under another key is whole, and wrong all the same. */
static void
belongs_to_its_key(void **state)
{
    unsigned char envelope[SIZE];

    (void)state;
    given_sealed(envelope);
    assert_int_equal(open_as(envelope, SIZE, "key"), WEIR_OK);
    assert_int_equal(open_as(envelope, SIZE, "kez"), WEIR_ECORRUPT);
    assert_int_equal(open_as(envelope, SIZE, ""), WEIR_ECORRUPT);
}

static void
tells_a_newer_format_from_damage(void **state)
{
    unsigned char envelope[SIZE];

    (void)state;
    given_sealed(envelope);
    envelope[0] = WI_ENVELOPE_VERSION + 1;
    assert_int_equal(open_as(envelope, SIZE, "key"), WEIR_EVERSION);
    envelope[0] = 0;
    assert_int_equal(open_as(envelope, SIZE, "key"), WEIR_ECORRUPT);
}

static void
holds_an_empty_and_the_longest_payload_but_no_longer_one(void **state)
{
    static unsigned char envelope[WI_ENVELOPE_SIZE_MAX + 1];

    (void)state;
    wi_envelope_seal(envelope, 0, WI_STR("key"));
    assert_int_equal(open_as(envelope, WI_ENVELOPE_HEADER_SIZE, "key"), WEIR_OK);
    wi_envelope_seal(envelope, WI_ENVELOPE_PAYLOAD_MAX, WI_STR("key"));
    assert_int_equal(open_as(envelope, WI_ENVELOPE_SIZE_MAX, "key"), WEIR_OK);
    wi_envelope_seal(envelope, WI_ENVELOPE_PAYLOAD_MAX + 1, WI_STR("key"));
    assert_int_equal(open_as(envelope, WI_ENVELOPE_SIZE_MAX + 1, "key"), WEIR_ECORRUPT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_was_sealed),
        cmocka_unit_test(notices_every_flipped_bit),
        cmocka_unit_test(notices_every_shortened_length),
        cmocka_unit_test(belongs_to_its_key),
        cmocka_unit_test(tells_a_newer_format_from_damage),
        cmocka_unit_test(holds_an_empty_and_the_longest_payload_but_no_longer_one),
    };

    return cmocka_run_group_tests_name("envelope", tests, NULL, NULL);
}

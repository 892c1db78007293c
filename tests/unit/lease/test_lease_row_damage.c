/* Rows of every kind with values that cannot be, under a sound checksum: WEIR_ECORRUPT. */
#include <string.h>

#include "core/str.h"
#include "lease/lease_row.h"
#include "tests/support/weir_test.h"

#define LONG_TEXT 400U

/* Protobuf bytes to append to a good message: the last value of a field counts. */
struct damage {
    const char *bytes;
    size_t length;
};

static const struct weir_str key = {"w1", 2};

/* Seal the message with more bytes at its end. */
static void
damage(struct wi_row_bytes *bytes, const void *data, size_t length)
{
    memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
    wi_envelope_seal(bytes->data, bytes->length - WI_ENVELOPE_HEADER_SIZE, key);
}

/* A text in field `tag` that is too long for any place. */
static void
damage_text(struct wi_row_bytes *bytes, unsigned char tag)
{
    unsigned char field[3 + LONG_TEXT];

    memset(field, 'x', sizeof field);
    field[0] = tag;
    field[1] = (LONG_TEXT & 0x7fU) | 0x80U;
    field[2] = LONG_TEXT >> 7U;
    damage(bytes, field, sizeof field);
}

static struct weir_bytes
bytes_of(const struct wi_row_bytes *bytes)
{
    return (struct weir_bytes){bytes->data, bytes->length};
}

static void
a_lease(struct wi_row_bytes *ret)
{
    struct wi_lease lease = {.lease_key = "w1", .shard_id = "s", .epoch = 1, .has_pending = true};
    struct wi_row row;

    wi_row_init(&row);
    assert_int_equal(wi_row_encode_lease(&row, &lease, (struct weir_bytes){NULL, 0}, ret), WEIR_OK);
}

static enum weir_error
decode_lease(const struct wi_row_bytes *bytes)
{
    struct weir_bytes state;
    struct wi_lease lease;
    struct wi_row row;

    return wi_row_decode_lease(&row, key, bytes_of(bytes), &lease, &state);
}

static void
a_lease_with_a_bad_position_or_text_is_refused(void **state)
{
    static const struct damage bad[] = {
        {"\xa2\x01\x02\x08\x06", 5}, /* replay through type 6 */
        {"\x62\x02\x08\x06", 4},     /* pending checkpoint of type 6 */
        {"\x5a\x02\x08\x06", 4},     /* checkpoint of type 6 */
    };
    static const unsigned char texts[] = {0x0a, 0x12, 0x1a, 0x22, 0x4a, 0x7a};
    struct wi_row_bytes bytes;

    (void)state;
    a_lease(&bytes);
    assert_int_equal(decode_lease(&bytes), WEIR_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        a_lease(&bytes);
        damage(&bytes, bad[i].bytes, bad[i].length);
        assert_int_equal(decode_lease(&bytes), WEIR_ECORRUPT);
    }
    for (size_t i = 0; i < sizeof texts; i++) {
        a_lease(&bytes);
        damage_text(&bytes, texts[i]);
        assert_int_equal(decode_lease(&bytes), WEIR_ECORRUPT);
    }
}

static void
more_application_bytes_than_a_row_has_room_for_are_refused(void **state)
{
    static const unsigned char large[WI_PENDING_STATE_MAX + 1];
    struct wi_lease lease = {.lease_key = "w1", .shard_id = "s", .epoch = 1};
    struct wi_row_bytes bytes;
    struct wi_row row;

    (void)state;
    wi_row_init(&row);
    assert_int_equal(
        wi_row_encode_lease(&row, &lease, (struct weir_bytes){large, sizeof large}, &bytes),
        WEIR_ELIMIT);
}

static enum weir_error
decode_session(const struct wi_row_bytes *bytes, struct weir_str wanted)
{
    struct wi_session session;
    struct wi_row row;

    return wi_row_decode_session(&row, wanted, bytes_of(bytes), &session);
}

static void
a_session_of_nobody_or_of_another_is_refused(void **state)
{
    struct wi_session session = {.worker = {.owner = "w1"}};
    struct wi_row_bytes bytes;
    struct wi_row row;

    (void)state;
    wi_row_init(&row);
    assert_int_equal(wi_row_encode_session(&row, &session, &bytes), WEIR_OK);
    assert_int_equal(decode_session(&bytes, key), WEIR_OK);
    damage(&bytes, "\x0a\x02w2", 4);
    assert_int_equal(decode_session(&bytes, key), WEIR_ECORRUPT);
    damage(&bytes, "\x0a\x00", 2);
    assert_int_equal(decode_session(&bytes, key), WEIR_ECORRUPT);
    damage_text(&bytes, 0x0a);
    assert_int_equal(decode_session(&bytes, key), WEIR_ECORRUPT);
}

static void
a_leader_without_an_end_is_refused(void **state)
{
    struct wi_leader leader = {.owner = "w1", .term = 1};
    struct wi_row_bytes bytes;
    struct wi_row row;

    (void)state;
    wi_row_init(&row);
    assert_int_equal(wi_row_encode_leader(&row, key, &leader, &bytes), WEIR_OK);
    damage_text(&bytes, 0x0a);
    assert_int_equal(wi_row_decode_leader(&row, key, bytes_of(&bytes), &leader), WEIR_ECORRUPT);
}

static enum weir_error
decode_application(const struct wi_row_bytes *bytes)
{
    struct wi_application application;
    struct wi_row row;

    return wi_row_decode_application(&row, key, bytes_of(bytes), &application);
}

/* stream_url has room for more than LONG_TEXT: twice as much. */
static void
damage_url(struct wi_row_bytes *bytes)
{
    static unsigned char field[3 + sizeof(((struct wi_application *)NULL)->stream_url)];
    const size_t length = sizeof field - 3;

    memset(field, 'x', sizeof field);
    field[0] = 0x0a;
    field[1] = (unsigned char)((length & 0x7fU) | 0x80U);
    field[2] = (unsigned char)(length >> 7U);
    damage(bytes, field, sizeof field);
}

static void
an_application_with_settings_that_cannot_be_is_refused(void **state)
{
    static const struct damage bad[] = {
        {"\x0a\x00", 2},         /* no stream */
        {"\x1a\x02\x08\x06", 4}, /* initial position of type 6 */
        {"\x10\x00", 2},         /* a lease duration of 0 */
    };
    struct wi_application application = {"weir:s", 10, {.type = WEIR_LATEST}};
    struct wi_row_bytes bytes;
    struct wi_row row;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        wi_row_init(&row);
        assert_int_equal(wi_row_encode_application(&row, key, &application, &bytes), WEIR_OK);
        assert_int_equal(decode_application(&bytes), WEIR_OK);
        damage(&bytes, bad[i].bytes, bad[i].length);
        assert_int_equal(decode_application(&bytes), WEIR_ECORRUPT);
    }
    wi_row_init(&row);
    assert_int_equal(wi_row_encode_application(&row, key, &application, &bytes), WEIR_OK);
    damage_url(&bytes);
    assert_int_equal(decode_application(&bytes), WEIR_ECORRUPT);
}

static void
a_floor_above_the_highest_epoch_is_refused(void **state)
{
    const struct wi_table_counters good = {1, 2, 3};
    struct wi_table_counters counters;
    struct wi_row_bytes bytes;
    struct wi_row row;

    (void)state;
    wi_row_init(&row);
    assert_int_equal(wi_row_encode_counters(&row, key, &good, &bytes), WEIR_OK);
    damage(&bytes, "\x10\x04", 2);
    assert_int_equal(wi_row_decode_counters(&row, key, bytes_of(&bytes), &counters), WEIR_ECORRUPT);
}

/* Numbers from which nothing can grow: they would end every worker that counts on. */
static void
numbers_without_a_next_one_are_refused(void **state)
{
    struct wi_lease lease = {.lease_key = "w1", .shard_id = "s", .epoch = UINT64_MAX};
    struct wi_session session = {.worker = {.owner = "w1", .counter = UINT64_MAX}};
    struct wi_leader leader = {.owner = "w1", .term = UINT64_MAX};
    struct wi_row_bytes bytes;
    struct wi_row row;

    (void)state;
    wi_row_init(&row);
    assert_int_equal(
        wi_row_encode_lease(&row, &lease, (struct weir_bytes){NULL, 0}, &bytes), WEIR_OK);
    assert_int_equal(decode_lease(&bytes), WEIR_ECORRUPT);
    wi_row_init(&row);
    assert_int_equal(wi_row_encode_session(&row, &session, &bytes), WEIR_OK);
    assert_int_equal(decode_session(&bytes, key), WEIR_ECORRUPT);
    wi_row_init(&row);
    assert_int_equal(wi_row_encode_leader(&row, key, &leader, &bytes), WEIR_OK);
    assert_int_equal(wi_row_decode_leader(&row, key, bytes_of(&bytes), &leader), WEIR_ECORRUPT);
}

static void
a_lease_duration_that_nobody_could_count_is_refused(void **state)
{
    static const int64_t bad[] = {
        WI_LEASE_DURATION_MS_MAX + 1, INT64_MAX / 8 + 1, INT64_MAX, INT64_MIN};
    struct wi_application application = {"weir:s", 10, {.type = WEIR_LATEST}};
    struct wi_row_bytes bytes;
    struct wi_row row;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        application.lease_duration_ms = bad[i];
        wi_row_init(&row);
        assert_int_equal(wi_row_encode_application(&row, key, &application, &bytes), WEIR_OK);
        assert_int_equal(decode_application(&bytes), WEIR_ECORRUPT);
    }
    application.lease_duration_ms = WI_LEASE_DURATION_MS_MAX;
    wi_row_init(&row);
    assert_int_equal(wi_row_encode_application(&row, key, &application, &bytes), WEIR_OK);
    assert_int_equal(decode_application(&bytes), WEIR_OK);
}

/* A flipped bit anywhere, in every kind of row. */
static void
no_kind_of_row_is_read_with_a_wrong_checksum(void **state)
{
    struct wi_application application;
    struct wi_table_counters counters;
    struct wi_leader leader;
    struct wi_row_bytes bytes;
    struct wi_row row;

    (void)state;
    a_lease(&bytes);
    bytes.data[bytes.length - 1] ^= 1U;
    assert_int_not_equal(decode_lease(&bytes), WEIR_OK);
    assert_int_not_equal(decode_session(&bytes, key), WEIR_OK);
    assert_int_not_equal(wi_row_decode_leader(&row, key, bytes_of(&bytes), &leader), WEIR_OK);
    assert_int_not_equal(
        wi_row_decode_application(&row, key, bytes_of(&bytes), &application), WEIR_OK);
    assert_int_not_equal(wi_row_decode_counters(&row, key, bytes_of(&bytes), &counters), WEIR_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_with_a_bad_position_or_text_is_refused),
        cmocka_unit_test(more_application_bytes_than_a_row_has_room_for_are_refused),
        cmocka_unit_test(a_session_of_nobody_or_of_another_is_refused),
        cmocka_unit_test(a_leader_without_an_end_is_refused),
        cmocka_unit_test(an_application_with_settings_that_cannot_be_is_refused),
        cmocka_unit_test(a_floor_above_the_highest_epoch_is_refused),
        cmocka_unit_test(numbers_without_a_next_one_are_refused),
        cmocka_unit_test(a_lease_duration_that_nobody_could_count_is_refused),
        cmocka_unit_test(no_kind_of_row_is_read_with_a_wrong_checksum),
    };

    return cmocka_run_group_tests_name("lease row: damage", tests, NULL, NULL);
}

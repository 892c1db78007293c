#include <string.h>

#include "core/str.h"
#include "lease/lease_row.h"
#include "tests/support/weir_test.h"

/* Field 127, varint 5: of some newer version. */
static const unsigned char newer_field[] = {0xf8, 0x07, 5};

/* Every member different from its default. */
static struct wi_lease
a_full_lease(void)
{
    struct wi_lease lease = {
        .lease_key = "orders:shard-1",
        .shard_id = "shard-1",
        .parent_shard_ids = {"shard-0", "shard-9"},
        .child_shard_ids = {"shard-2", "shard-3"},
        .range = {{1, 2}, {3, 4}},
        .owner = "w1@boot",
        .epoch = UINT64_MAX - 1,
        .checkpoint = {WEIR_AFTER_SEQUENCE_NUMBER, {{0xa1, 2, 3, UINT64_MAX}}, 7, 0},
        .has_pending = true,
        .pending_checkpoint = {WEIR_AFTER_SEQUENCE_NUMBER, {{0xa2, 0, 0, 0}}, 0, 0},
        .handoff = {WI_HANDOFF_OPERATOR, "w2@boot", INT64_MAX},
        .revoked = true,
        .pinned = true,
        .replay_exact = true,
        .replay_through = {WEIR_AT_TIMESTAMP, {{0}}, 0, INT64_MIN},
        .owner_switches_since_checkpoint = UINT32_MAX,
        .throughput_bytes_per_second = UINT64_MAX};

    return lease;
}

static void
encode(struct wi_lease lease, struct weir_bytes state, struct wi_row_bytes *ret)
{
    struct wi_row row;

    wi_row_init(&row);
    assert_int_equal(wi_row_encode_lease(&row, &lease, state, ret), WEIR_OK);
}

static struct weir_bytes
bytes_of(const struct wi_row_bytes *bytes)
{
    return (struct weir_bytes){bytes->data, bytes->length};
}

static enum weir_error
decode(const struct wi_row_bytes *bytes, struct wi_lease *ret)
{
    struct weir_bytes state;
    struct wi_row row;

    return wi_row_decode_lease(&row, WI_STR("orders:shard-1"), bytes_of(bytes), ret, &state);
}

/* Seal whatever payload the message now has. */
static void
append(struct wi_row_bytes *bytes, const void *data, size_t length)
{
    memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
    wi_envelope_seal(
        bytes->data, bytes->length - WI_ENVELOPE_HEADER_SIZE, WI_STR("orders:shard-1"));
}

static void
keeps_every_member_of_a_lease(void **state)
{
    struct wi_lease lease = a_full_lease();
    struct wi_row_bytes bytes;
    struct weir_bytes pending;
    struct wi_lease found;
    struct wi_row row;

    (void)state;
    encode(lease, (struct weir_bytes){"abc", 3}, &bytes);
    assert_int_equal(
        wi_row_decode_lease(&row, WI_STR("orders:shard-1"), bytes_of(&bytes), &found, &pending),
        WEIR_OK);
    assert_memory_equal(&found, &lease, sizeof lease);
    assert_int_equal(pending.length, 3);
    assert_memory_equal(pending.data, "abc", 3);
}

/* A fleet of two versions: the older must not erase what the newer wrote. */
static void
carries_fields_of_a_newer_version_through_a_rewrite(void **state)
{
    struct wi_row_bytes bytes;
    struct weir_bytes pending;
    struct wi_lease lease;
    struct wi_row row;

    (void)state;
    encode(a_full_lease(), (struct weir_bytes){NULL, 0}, &bytes);
    append(&bytes, newer_field, sizeof newer_field);
    assert_int_equal(
        wi_row_decode_lease(&row, WI_STR("orders:shard-1"), bytes_of(&bytes), &lease, &pending),
        WEIR_OK);
    lease.epoch = 5;
    lease.owner[0] = '\0';
    lease.checkpoint.sub_sequence_number = 8;
    assert_int_equal(wi_row_encode_lease(&row, &lease, pending, &bytes), WEIR_OK);
    assert_memory_equal(
        bytes.data + bytes.length - sizeof newer_field, newer_field, sizeof newer_field);
}

static void
drops_application_bytes_with_their_pending_checkpoint(void **state)
{
    struct wi_lease lease = a_full_lease();
    struct wi_row_bytes bytes;
    struct weir_bytes pending = {NULL, 1};
    struct wi_lease found;
    struct wi_row row;

    (void)state;
    lease.has_pending = false;
    encode(lease, (struct weir_bytes){"abc", 3}, &bytes);
    assert_int_equal(
        wi_row_decode_lease(&row, WI_STR("orders:shard-1"), bytes_of(&bytes), &found, &pending),
        WEIR_OK);
    assert_int_equal(pending.length, 0);
    assert_false(found.has_pending);
}

/* Each as protobuf bytes behind a good message: the last value of a field counts. */
static void
refuses_values_that_cannot_be(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } bad[] = {
        {"\x50\x00", 2},                             /* epoch 0 */
        {"\x70\x09", 2},                             /* hand-off reason 9 */
        {"\x0a\x01x", 3},                            /* another row's key */
        {"\x12\x00", 2},                             /* no shard id */
        {"\x1a\x01x", 3},                            /* a third parent */
        {"\x22\x01x", 3},                            /* a third child */
        {"\x5a\x02\x08\x06", 4},                     /* checkpoint of type 6 */
        {"\x29\xff\xff\xff\xff\xff\xff\xff\xff", 9}, /* range starts behind its end */
        {"\x4a\x00", 2},                             /* revoked without an owner */
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct wi_row_bytes bytes;
        struct wi_lease lease;
        encode(a_full_lease(), (struct weir_bytes){NULL, 0}, &bytes);
        append(&bytes, bad[i].bytes, bad[i].length);
        assert_int_equal(decode(&bytes, &lease), WEIR_ECORRUPT);
    }
}

static void
refuses_text_that_is_longer_than_its_place(void **state)
{
    static const unsigned char tags[] = {0x0a, 0x12, 0x1a, 0x22, 0x4a};
    unsigned char field[3 + 400];

    (void)state;
    memset(field, 'x', sizeof field);
    field[1] = 0x90; /* 400 as a varint */
    field[2] = 0x03;
    for (size_t i = 0; i < sizeof tags; i++) {
        struct wi_row_bytes bytes;
        struct wi_lease lease;
        field[0] = tags[i];
        encode(a_full_lease(), (struct weir_bytes){NULL, 0}, &bytes);
        append(&bytes, field, sizeof field);
        assert_int_equal(decode(&bytes, &lease), WEIR_ECORRUPT);
    }
}

/* A doubtful position must never be taken for the start of the shard (G1). */
static void
refuses_a_row_without_a_checkpoint(void **state)
{
    static const unsigned char payload[] = {0x0a, 1, 'k', 0x12, 1, 's', 0x50, 1};
    struct wi_row_bytes bytes = {.length = WI_ENVELOPE_HEADER_SIZE + sizeof payload};
    struct weir_bytes pending;
    struct wi_lease lease;
    struct wi_row row;

    (void)state;
    memcpy(bytes.data + WI_ENVELOPE_HEADER_SIZE, payload, sizeof payload);
    wi_envelope_seal(bytes.data, sizeof payload, WI_STR("k"));
    assert_int_equal(
        wi_row_decode_lease(&row, WI_STR("k"), bytes_of(&bytes), &lease, &pending), WEIR_ECORRUPT);
}

static void
refuses_to_write_a_row_that_nobody_would_read(void **state)
{
    static unsigned char unknown[WI_ENVELOPE_PAYLOAD_MAX - 1100];
    struct wi_row_bytes bytes;
    struct weir_bytes pending;
    struct wi_lease lease;
    struct wi_row row;
    static const unsigned char state_bytes[WI_PENDING_STATE_MAX];

    (void)state;
    unknown[0] = 0xfa; /* field 127, bytes */
    unknown[1] = 0x07;
    unknown[2] = (unsigned char)(((sizeof unknown - 4) & 0x7fU) | 0x80U);
    unknown[3] = (unsigned char)((sizeof unknown - 4) >> 7U);
    encode(a_full_lease(), (struct weir_bytes){NULL, 0}, &bytes);
    append(&bytes, unknown, sizeof unknown);
    assert_int_equal(
        wi_row_decode_lease(&row, WI_STR("orders:shard-1"), bytes_of(&bytes), &lease, &pending),
        WEIR_OK);
    pending = (struct weir_bytes){state_bytes, sizeof state_bytes};
    assert_int_equal(wi_row_encode_lease(&row, &lease, pending, &bytes), WEIR_ELIMIT);
}

static void
keeps_every_member_of_the_other_rows(void **state)
{
    struct wi_session session = {
        {"w1", 3, 4, 5, true, WI_OWNER_ALIVE}, .fenced = true, .drain_requested = true};
    struct wi_leader leader = {.owner = "w1", .term = 9};
    struct wi_application application = {"weir:s", 10, {.type = WEIR_LATEST}};
    struct wi_table_counters counters = {7, 8, 9};
    struct wi_session found_session;
    struct wi_leader found_leader;
    struct wi_application found_application;
    struct wi_table_counters found_counters;
    struct weir_str key = WI_STR("key");
    struct wi_row_bytes bytes;
    struct wi_row row;

    (void)state;
    wi_row_init(&row);
    assert_int_equal(wi_row_encode_session(&row, &session, &bytes), WEIR_OK);
    assert_int_equal(
        wi_row_decode_session(&row, WI_STR("w1"), bytes_of(&bytes), &found_session), WEIR_OK);
    assert_memory_equal(&found_session, &session, sizeof session);
    wi_row_init(&row);
    assert_int_equal(wi_row_encode_leader(&row, key, &leader, &bytes), WEIR_OK);
    assert_int_equal(wi_row_decode_leader(&row, key, bytes_of(&bytes), &found_leader), WEIR_OK);
    assert_memory_equal(&found_leader, &leader, sizeof leader);
    wi_row_init(&row);
    assert_int_equal(wi_row_encode_application(&row, key, &application, &bytes), WEIR_OK);
    assert_int_equal(
        wi_row_decode_application(&row, key, bytes_of(&bytes), &found_application), WEIR_OK);
    assert_memory_equal(&found_application, &application, sizeof application);
    wi_row_init(&row);
    assert_int_equal(wi_row_encode_counters(&row, key, &counters, &bytes), WEIR_OK);
    assert_int_equal(wi_row_decode_counters(&row, key, bytes_of(&bytes), &found_counters), WEIR_OK);
    assert_memory_equal(&found_counters, &counters, sizeof counters);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_every_member_of_a_lease),
        cmocka_unit_test(carries_fields_of_a_newer_version_through_a_rewrite),
        cmocka_unit_test(drops_application_bytes_with_their_pending_checkpoint),
        cmocka_unit_test(refuses_values_that_cannot_be),
        cmocka_unit_test(refuses_text_that_is_longer_than_its_place),
        cmocka_unit_test(refuses_a_row_without_a_checkpoint),
        cmocka_unit_test(refuses_to_write_a_row_that_nobody_would_read),
        cmocka_unit_test(keeps_every_member_of_the_other_rows),
    };

    return cmocka_run_group_tests_name("lease row", tests, NULL, NULL);
}

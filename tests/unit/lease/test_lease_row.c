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
assert_same_position(const struct weir_position *a, const struct weir_position *b)
{
    assert_int_equal(a->type, b->type);
    assert_memory_equal(&a->sequence_number, &b->sequence_number, sizeof a->sequence_number);
    assert_int_equal(a->sub_sequence_number, b->sub_sequence_number);
    assert_int_equal(a->timestamp_ms, b->timestamp_ms);
}

static void
assert_same_texts(const struct wi_lease *a, const struct wi_lease *b)
{
    assert_string_equal(a->lease_key, b->lease_key);
    assert_string_equal(a->shard_id, b->shard_id);
    assert_string_equal(a->owner, b->owner);
    assert_string_equal(a->handoff.to, b->handoff.to);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(a->parent_shard_ids[i], b->parent_shard_ids[i]);
        assert_string_equal(a->child_shard_ids[i], b->child_shard_ids[i]);
    }
}

static void
assert_same_values(const struct wi_lease *a, const struct wi_lease *b)
{
    assert_memory_equal(&a->range, &b->range, sizeof a->range);
    assert_int_equal(a->epoch, b->epoch);
    assert_same_position(&a->checkpoint, &b->checkpoint);
    assert_int_equal(a->has_pending, b->has_pending);
    assert_same_position(&a->pending_checkpoint, &b->pending_checkpoint);
    assert_int_equal(a->handoff.reason, b->handoff.reason);
    assert_int_equal(a->handoff.timeout_ms, b->handoff.timeout_ms);
    assert_int_equal(a->revoked, b->revoked);
    assert_int_equal(a->pinned, b->pinned);
    assert_int_equal(a->replay_exact, b->replay_exact);
    assert_same_position(&a->replay_through, &b->replay_through);
    assert_int_equal(a->owner_switches_since_checkpoint, b->owner_switches_since_checkpoint);
    assert_int_equal(a->throughput_bytes_per_second, b->throughput_bytes_per_second);
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
    assert_same_values(&found, &lease);
    assert_same_texts(&found, &lease);
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
keeps_every_member_of_a_session(void **state)
{
    struct wi_session session = {
        {"w1", 3, 4, 5, true, WI_OWNER_ALIVE, false}, .fenced = true, .drain_requested = true};
    struct wi_session found;
    struct wi_row_bytes bytes;
    struct wi_row row;

    (void)state;
    wi_row_init(&row);
    assert_int_equal(wi_row_encode_session(&row, &session, &bytes), WEIR_OK);
    assert_int_equal(
        wi_row_decode_session(&row, WI_STR("w2"), bytes_of(&bytes), &found), WEIR_ECORRUPT);
    assert_int_equal(wi_row_decode_session(&row, WI_STR("w1"), bytes_of(&bytes), &found), WEIR_OK);
    assert_string_equal(found.worker.owner, "w1");
    assert_int_equal(found.worker.counter, 3);
    assert_int_equal(found.worker.max_leases, 4);
    assert_int_equal(found.worker.protocol_version, 5);
    assert_true(found.worker.draining);
    assert_true(found.fenced);
    assert_true(found.drain_requested);
}

static void
keeps_every_member_of_the_meta_rows(void **state)
{
    struct wi_leader leader = {.owner = "w1", .term = 9};
    struct wi_application application = {"weir:s", 10, {.type = WEIR_LATEST}};
    struct wi_table_counters counters = {7, 8, 9};
    struct weir_str key = WI_STR("key");
    struct wi_row_bytes bytes;
    struct wi_row row;

    (void)state;
    wi_row_init(&row);
    assert_int_equal(wi_row_encode_leader(&row, key, &leader, &bytes), WEIR_OK);
    leader = (struct wi_leader){.term = 0};
    assert_int_equal(wi_row_decode_leader(&row, key, bytes_of(&bytes), &leader), WEIR_OK);
    assert_string_equal(leader.owner, "w1");
    assert_int_equal(leader.term, 9);
    wi_row_init(&row);
    assert_int_equal(wi_row_encode_application(&row, key, &application, &bytes), WEIR_OK);
    application = (struct wi_application){.lease_duration_ms = 0};
    assert_int_equal(wi_row_decode_application(&row, key, bytes_of(&bytes), &application), WEIR_OK);
    assert_string_equal(application.stream_url, "weir:s");
    assert_int_equal(application.lease_duration_ms, 10);
    assert_int_equal(application.initial_position.type, WEIR_LATEST);
    wi_row_init(&row);
    assert_int_equal(wi_row_encode_counters(&row, key, &counters, &bytes), WEIR_OK);
    counters = (struct wi_table_counters){0};
    assert_int_equal(wi_row_decode_counters(&row, key, bytes_of(&bytes), &counters), WEIR_OK);
    assert_int_equal(counters.ownership_version, 7);
    assert_int_equal(counters.epoch_floor, 8);
    assert_int_equal(counters.epoch_highest, 9);
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
        cmocka_unit_test(keeps_every_member_of_a_session),
        cmocka_unit_test(keeps_every_member_of_the_meta_rows),
    };

    return cmocka_run_group_tests_name("lease row", tests, NULL, NULL);
}

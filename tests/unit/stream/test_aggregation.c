/* Aggregated records of KPL. What protobuf-c packs is what must be read. */
#include <protobuf-c/protobuf-c.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/hash_key.h"
#include "core/str.h"
#include "stream/aggregation.h"
#include "tests/support/weir_test.h"
#include "wire/kpl.pb-c.h"

#define BLOB_SIZE 4096
#define KEYS_MAX  8

/* A message packed by protobuf-c, and what was read of it. */
struct packed {
    unsigned char bytes[BLOB_SIZE];
    size_t length;
    struct wi_aggregate aggregate;
    struct wi_aggregate_key keys[KEYS_MAX];
    struct wi_aggregate_key hashes[KEYS_MAX];
};

/* User records "d0", "d1", ... with the explicit hash keys given; `hash_keys` are their texts. */
static void
pack(struct packed *packed, const char *const *hash_keys, size_t count)
{
    static char key[] = "key";
    char *partition_keys[] = {key};
    char *explicit_keys[KEYS_MAX];
    char data[KEYS_MAX][3];
    Kpl__Record records[KEYS_MAX];
    Kpl__Record *list[KEYS_MAX];
    Kpl__AggregatedRecord message;

    kpl__aggregated_record__init(&message);
    for (size_t i = 0; i < count; i++) {
        data[i][0] = 'd';
        data[i][1] = (char)('0' + i);
        explicit_keys[i] = strdup(hash_keys[i]);
        kpl__record__init(&records[i]);
        records[i].has_explicit_hash_key_index = 1;
        records[i].explicit_hash_key_index = i;
        records[i].data = (ProtobufCBinaryData){2, (uint8_t *)data[i]};
        list[i] = &records[i];
    }
    message.n_partition_key_table = 1;
    message.partition_key_table = partition_keys;
    message.n_explicit_hash_key_table = count;
    message.explicit_hash_key_table = explicit_keys;
    message.n_records = count;
    message.records = list;
    packed->length = kpl__aggregated_record__pack(&message, packed->bytes);
    for (size_t i = 0; i < count; i++) {
        free(explicit_keys[i]);
    }
}

static enum weir_error
read_packed(struct packed *packed)
{
    enum weir_error error =
        wi_aggregate_check((struct weir_bytes){packed->bytes, packed->length}, &packed->aggregate);

    if (error != WEIR_OK) {
        return error;
    }
    assert_true(packed->aggregate.partition_key_count <= KEYS_MAX);
    assert_true(packed->aggregate.hash_key_count <= KEYS_MAX);
    packed->aggregate.partition_keys = packed->keys;
    packed->aggregate.hash_keys = packed->hashes;
    return wi_aggregate_keys(&packed->aggregate);
}

static void
reads_what_protobuf_packs(void **state)
{
    static const char *const hash_keys[] = {"0", "17", "340282366920938463463374607431768211455"};
    struct packed packed;
    struct wi_user_record record;
    size_t cursor = 0;

    (void)state;
    pack(&packed, hash_keys, 3);
    assert_int_equal(read_packed(&packed), WEIR_OK);
    assert_int_equal(packed.aggregate.record_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(wi_aggregate_next(&packed.aggregate, &cursor, &record));
        assert_int_equal(record.data.length, 2);
        assert_int_equal(((const char *)record.data.data)[1], '0' + (int)i);
        assert_true(wi_str_equal_z(packed.keys[record.partition_key].text, "key"));
    }
    assert_int_equal(
        weir_hash_key_compare(wi_aggregate_hash(&packed.aggregate, &record), WI_HASH_KEY_MAX), 0);
    assert_false(wi_aggregate_next(&packed.aggregate, &cursor, &record));
}

static void
survives_every_message_that_was_cut_or_bent(void **state)
{
    static const char *const hash_keys[] = {"0", "17"};
    struct packed packed;
    struct packed bent;
    bool is_read = false;

    (void)state;
    pack(&packed, hash_keys, 2);
    for (size_t i = 0; i < packed.length; i++) {
        bent = packed;
        bent.length = i;
        is_read |= read_packed(&bent) == WEIR_OK; /* cut between two fields it is a message */
        for (unsigned bit = 0; bit < 8; bit++) {
            bent = packed;
            bent.bytes[i] ^= (unsigned char)(1U << bit);
            is_read |= read_packed(&bent) == WEIR_OK;
        }
    }
    assert_true(is_read); /* a flipped bit of the data is no damage that can be seen */
}

static void
refuses_indices_that_point_nowhere_and_keys_that_are_none(void **state)
{
    static const char *const no_number[] = {"x"};
    static const char *const too_large[] = {"340282366920938463463374607431768211456"};
    /* records only; their tables are missing */
    static const unsigned char no_table[] = {0x1a, 0x04, 0x08, 0x00, 0x1a, 0x00};
    static const unsigned char no_data[] = {0x0a, 0x01, 'k', 0x1a, 0x02, 0x08, 0x00};
    static const unsigned char group[] = {0x0b};
    struct wi_aggregate aggregate;
    struct packed packed;

    (void)state;
    pack(&packed, no_number, 1);
    assert_int_equal(read_packed(&packed), WEIR_ECORRUPT);
    pack(&packed, too_large, 1);
    assert_int_equal(read_packed(&packed), WEIR_ECORRUPT);
    assert_int_equal(
        wi_aggregate_check((struct weir_bytes){no_table, sizeof no_table}, &aggregate),
        WEIR_ECORRUPT);
    assert_int_equal(
        wi_aggregate_check((struct weir_bytes){no_data, sizeof no_data}, &aggregate),
        WEIR_ECORRUPT);
    assert_int_equal(
        wi_aggregate_check((struct weir_bytes){group, sizeof group}, &aggregate), WEIR_ECORRUPT);
}

/* Heads of fields that no message of protobuf has, and indices beyond every table. */
static void
refuses_fields_that_are_none(void **state)
{
    static const unsigned char endless[] = {
        0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01};
    static const unsigned char cut_tag[] = {0x80};
    static const unsigned char large_tag[] = {0x80, 0x80, 0x80, 0x80, 0x10, 0x00};
    static const unsigned char key_index[] = {
        0x0a, 0x01, 'k', 0x1a, 0x07, 0x08, 0xc0, 0x84, 0x3d, 0x1a, 0x01, 'd'};
    static const unsigned char hash_index[] = {
        0x0a, 0x01, 'k', 0x1a, 0x09, 0x08, 0x00, 0x10, 0xc0, 0x84, 0x3d, 0x1a, 0x01, 'd'};
    static const struct weir_bytes bodies[] = {
        {endless, sizeof endless},
        {cut_tag, sizeof cut_tag},
        {large_tag, sizeof large_tag},
        {key_index, sizeof key_index},
        {hash_index, sizeof hash_index}};
    struct wi_aggregate aggregate;

    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(bodies); i++) {
        assert_int_equal(wi_aggregate_check(bodies[i], &aggregate), WEIR_ECORRUPT);
    }
}

/* A table costs memory for each key, however short. */
static void
refuses_more_keys_than_an_aggregate_can_have(void **state)
{
    static const unsigned char tags[] = {0x0a, 0x12}; /* partition keys, explicit hash keys */
    const size_t size = 2 * ((size_t)WI_AGGREGATE_KEYS_MAX + 1);
    unsigned char *body = calloc(1, size);
    struct wi_aggregate aggregate;

    (void)state;
    assert_non_null(body);
    for (size_t kind = 0; kind < sizeof tags; kind++) {
        for (size_t i = 0; i < size; i += 2) {
            body[i] = tags[kind];
        }
        assert_int_equal(
            wi_aggregate_check((struct weir_bytes){body, size}, &aggregate), WEIR_ECORRUPT);
        assert_int_equal(
            wi_aggregate_check((struct weir_bytes){body, size - 2}, &aggregate), WEIR_OK);
    }
    free(body);
}

/* Without an explicit hash key the partition key's hash decides, which the caller has computed. */
static void
takes_the_hash_of_the_partition_key(void **state)
{
    static const unsigned char body[] = {0x0a, 0x01, 'k', 0x1a, 0x05, 0x08, 0x00, 0x1a, 0x01, 'd'};
    struct packed packed = {.length = sizeof body};
    struct wi_user_record record;
    size_t cursor = 0;

    (void)state;
    memcpy(packed.bytes, body, sizeof body);
    assert_int_equal(read_packed(&packed), WEIR_OK);
    packed.keys[0].hash = (struct weir_hash_key){0, 7};
    packed.keys[0].has_hash = true;
    assert_true(wi_aggregate_next(&packed.aggregate, &cursor, &record));
    assert_false(record.has_hash_key);
    assert_int_equal(
        weir_hash_key_compare(
            wi_aggregate_hash(&packed.aggregate, &record), (struct weir_hash_key){0, 7}),
        0);
}

static void
knows_magic_and_trailer(void **state)
{
    unsigned char blob[21] = {0xf3, 0x89, 0x9a, 0xc2, 'b'};
    struct weir_bytes body;
    struct weir_bytes digest;

    (void)state;
    assert_true(wi_aggregate_split((struct weir_bytes){blob, 21}, &body, &digest));
    assert_int_equal(body.length, 1);
    assert_ptr_equal(digest.data, blob + 5);
    assert_false(wi_aggregate_split((struct weir_bytes){blob, 20}, &body, &digest));
    blob[3] = 0;
    assert_false(wi_aggregate_split((struct weir_bytes){blob, 21}, &body, &digest));
}

/* Shard [0, 99] is the lower child of [0, 199]. */
static const struct weir_hash_range parent = {{0, 0}, {0, 199}};
static const struct wi_aggregate_evidence child = {{{0, 0}, {0, 99}}, &parent, 1};
/* The same shard, of whose parents the upper one alone is known. */
static const struct weir_hash_range upper_parent = {{0, 50}, {0, 199}};
static const struct wi_aggregate_evidence merged = {{{0, 0}, {0, 99}}, &upper_parent, 1};

static bool
is_resent_to(
    const struct wi_aggregate_evidence *evidence,
    const char *const *hash_keys,
    size_t count,
    const char *outer_key)
{
    struct packed packed;

    pack(&packed, hash_keys, count);
    assert_int_equal(read_packed(&packed), WEIR_OK);
    return wi_aggregate_is_resent(&packed.aggregate, wi_str(outer_key), evidence);
}

static bool
is_resent(const char *const *hash_keys, size_t count, const char *outer_key)
{
    return is_resent_to(&child, hash_keys, count, outer_key);
}

/* The four conditions under which KPL puts the others again; without one of them all are kept. */
static void
leaves_out_only_what_kpl_puts_again(void **state)
{
    static const char *const stale[] = {"5", "150", "7"};
    static const char *const first_elsewhere[] = {"150", "5"};
    static const char *const outside_of_the_parent[] = {"5", "250"};

    (void)state;
    assert_true(is_resent(stale, 3, "a"));
    assert_false(is_resent(stale, 3, "key"));
    assert_false(is_resent(first_elsewhere, 2, "a"));
    assert_false(is_resent(outside_of_the_parent, 2, "a"));
    assert_false(is_resent_to(&merged, stale, 3, "a"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_protobuf_packs),
        cmocka_unit_test(survives_every_message_that_was_cut_or_bent),
        cmocka_unit_test(refuses_indices_that_point_nowhere_and_keys_that_are_none),
        cmocka_unit_test(refuses_fields_that_are_none),
        cmocka_unit_test(refuses_more_keys_than_an_aggregate_can_have),
        cmocka_unit_test(takes_the_hash_of_the_partition_key),
        cmocka_unit_test(knows_magic_and_trailer),
        cmocka_unit_test(leaves_out_only_what_kpl_puts_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

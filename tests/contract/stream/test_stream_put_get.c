/* Contract of streams: what is put is got, byte for byte, in order and once. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "tests/contract/stream/stream_fixture.h"
#include "tests/support/weir_test.h"

#define KEYS   7U
#define ROUNDS 12U

static void
returns_what_was_put_in_order(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    put_text(f, "a", "first");
    put_many(f, "b", 3);
    put_text(f, "c", "");

    read_records(f, shard_id(0), at_horizon(), 5);
    assert_text(f, 0, "first");
    assert_text(f, 1, "0");
    assert_text(f, 3, "2");
    assert_text(f, 4, "");
    assert_string_equal(f->records[1].key, "b");
    assert_int_equal(f->result.millis_behind_latest, 0);
    assert_int_equal(f->result.next.type, WEIR_AFTER_SEQUENCE_NUMBER);
}

static void
the_numbers_that_put_tells_are_those_that_get_gives(void **state)
{
    struct stream_fixture *f = *state;
    struct weir_put_entry entries[10];
    struct weir_put_result results[10];
    struct weir_sequence_number first;

    given_shards(f, 1);
    first = put_text(f, "k", "first");
    for (size_t i = 0; i < 10; i++) {
        entries[i] = (struct weir_put_entry){.partition_key = {"k", 1}, .data = {"d", 1}};
    }
    assert_int_equal(weir_stream_put(f->stream, entries, 10, results, &f->detail), WEIR_OK);
    read_records(f, shard_id(0), at_horizon(), 11);
    assert_number(&f->records[0].sequence_number, &first);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(results[i].error, WEIR_OK);
        assert_string_equal(results[i].shard_id, shard_id(0).data);
        assert_number(&f->records[i + 1].sequence_number, &results[i].sequence_number);
    }
}

/* Read all of shard 0, `page` records at a time; the last one must have that number. */
static void
page_through(
    struct stream_fixture *f, size_t page, size_t expected, struct weir_sequence_number last)
{
    struct weir_position from = at_horizon();
    struct weir_sequence_number number = {{0}};
    size_t total = 0;

    while (total < expected) {
        get_some(f, shard_id(0), from, page);
        assert_in_range(weir_batch_count(f->batch), 1, page);
        for (size_t i = 0; i < weir_batch_count(f->batch); i++) {
            const struct weir_record *record = &weir_batch_records(f->batch)[i];

            assert_true(weir_sequence_number_compare(&number, &record->sequence_number) < 0);
            number = record->sequence_number;
        }
        total += weir_batch_count(f->batch);
        from = f->result.next;
    }
    assert_int_equal(total, expected);
    assert_number(&number, &last);
    assert_int_equal(get(f, shard_id(0), from, page), WEIR_OK);
    assert_int_equal(weir_batch_count(f->batch), 0);
}

/* Every page size, so that pages end before, at and inside blocks; where each read is a request,
 * some of them. */
static void
pages_through_a_shard_without_loss_or_repetition(void **state)
{
    struct stream_fixture *f = *state;
    const size_t step = f->is_kinesis ? 17 : 1;

    given_shards(f, 1);
    for (size_t i = 0; i < 10; i++) {
        put_many(f, "key", 1 + i * 7);
    }
    const struct weir_sequence_number last = put_text(f, "key", "last");
    for (size_t page = f->is_kinesis ? 3 : 1; page < 150; page += step) {
        page_through(f, page, 10 + 7 * 45 + 1, last);
    }
}

static size_t
count_within(struct stream_fixture *f, size_t bytes_max)
{
    assert_int_equal(
        get_with(
            f,
            &(struct weir_get_request){.shard_id = shard_id(0),
                                       .from = at_horizon(),
                                       .records_max = 10,
                                       .bytes_max = bytes_max}),
        WEIR_OK);
    return weir_batch_count(f->batch);
}

static void
limits_the_bytes_but_returns_at_least_one_record(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    for (size_t i = 0; i < 3; i++) {
        put_text(f, "k", "123456789");
    }
    assert_int_equal(count_within(f, 20), 2);
    assert_int_equal(count_within(f, 19), 1);
    assert_int_equal(count_within(f, 0), 1);
    assert_int_equal(count_within(f, SIZE_MAX), 3);
}

static void
keeps_every_byte_of_keys_and_data(void **state)
{
    static const char key[] = "\"\\/\t\x7f\xc3\xa9\xf0\x9f\x98\x80";
    struct stream_fixture *f = *state;
    struct weir_put_result result;
    char data[256];

    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (char)i;
    }
    given_shards(f, 1);
    for (size_t length = 0; length <= sizeof data; length += length < 4 ? 1 : 63) {
        const struct weir_put_entry entry = {
            .partition_key = {key, strlen(key)}, .data = {data, length}};

        assert_int_equal(weir_stream_put(f->stream, &entry, 1, &result, &f->detail), WEIR_OK);
        assert_int_equal(result.error, WEIR_OK);
        get_some(f, shard_id(0), at_number(result.sequence_number), 1);
        const struct weir_record *record = weir_batch_records(f->batch);
        assert_int_equal(record->partition_key.length, strlen(key));
        assert_memory_equal(record->partition_key.data, key, strlen(key));
        assert_int_equal(record->data.length, length);
        assert_memory_equal(record->data.data, data, length);
        assert_int_equal(record->sub_sequence_number, 0);
    }
}

/* --- several shards --- */

/* Put ROUNDS records of each of KEYS keys; the results have the shard of each. */
static void
put_rounds(struct stream_fixture *f, struct weir_put_result results[ROUNDS][KEYS])
{
    static char text[ROUNDS][KEYS][8];
    struct weir_put_entry entries[KEYS];
    const char *keys[KEYS] = {"a", "b", "c", "d", "e", "f", "g"};

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned key = 0; key < KEYS; key++) {
            const int length = snprintf(text[round][key], sizeof text[0][0], "%u", round);

            entries[key] = (struct weir_put_entry){.partition_key = {keys[key], 1},
                                                   .data = {text[round][key], (size_t)length}};
        }
        assert_int_equal(
            weir_stream_put(f->stream, entries, KEYS, results[round], &f->detail), WEIR_OK);
    }
}

/* Of how many records the shard was told; those of one key must come as 0, 1, 2, ... */
static size_t
check_shard(struct stream_fixture *f, uint32_t shard, struct weir_put_result results[ROUNDS][KEYS])
{
    unsigned next[KEYS] = {0};
    size_t expected = 0;
    char text[8];

    for (size_t key = 0; key < KEYS; key++) {
        assert_string_equal(results[0][key].shard_id, results[ROUNDS - 1][key].shard_id);
        expected += strcmp(results[0][key].shard_id, shard_id(shard).data) == 0 ? ROUNDS : 0;
    }
    read_records(f, shard_id(shard), at_horizon(), expected);
    for (size_t i = 0; i < f->count; i++) {
        const unsigned key = (unsigned)(f->records[i].key[0] - 'a');

        assert_true(key < KEYS);
        assert_number(&f->records[i].sequence_number, &results[next[key]][key].sequence_number);
        (void)snprintf(text, sizeof text, "%u", next[key]++);
        assert_text(f, i, text);
    }
    return expected;
}

static void
keeps_the_order_of_each_key(void **state)
{
    struct stream_fixture *f = *state;
    struct weir_put_result results[ROUNDS][KEYS];
    size_t total = 0;
    size_t used = 0;

    given_shards(f, 4);
    put_rounds(f, results);
    for (uint32_t shard = 0; shard < 4; shard++) {
        const size_t count = check_shard(f, shard, results);

        total += count;
        used += count > 0 ? 1 : 0;
    }
    assert_int_equal(total, (size_t)ROUNDS * KEYS);
    assert_true(used > 1);
}

static void
hash_keys_at_both_ends_find_their_shards(void **state)
{
    const struct weir_hash_key most = {UINT64_MAX, UINT64_MAX};
    struct stream_fixture *f = *state;

    given_shards(f, 3);
    const struct weir_hash_key middle = find_shard(f, shard_id(1).data).range.start;
    const struct weir_hash_key below = find_shard(f, shard_id(0).data).range.end;

    assert_string_equal(
        put_at_hash(f, (struct weir_hash_key){0, 0}, "low").shard_id, shard_id(0).data);
    assert_string_equal(put_at_hash(f, below, "below").shard_id, shard_id(0).data);
    assert_string_equal(put_at_hash(f, middle, "middle").shard_id, shard_id(1).data);
    assert_string_equal(put_at_hash(f, most, "high").shard_id, shard_id(2).data);
    read_records(f, shard_id(2), at_horizon(), 1);
    assert_text(f, 0, "high");
}

static void
a_record_says_its_explicit_hash_key(void **state)
{
    const struct weir_hash_key most = {UINT64_MAX, UINT64_MAX};
    struct stream_fixture *f = *state;

    fixture_needs(f, STREAM_KEEPS_HASH_KEYS);
    given_shards(f, 3);
    put_at_hash(f, most, "high");
    get_some(f, shard_id(2), at_horizon(), 1);
    assert_true(weir_batch_records(f->batch)[0].has_explicit_hash_key);
    assert_int_equal(
        weir_hash_key_compare(weir_batch_records(f->batch)[0].explicit_hash_key, most), 0);
}

/* MD5("a") is 0cc175b9c0f1b6a831c399e269772661: the first of 16 shards. MD5("b") begins with 92. */
static void
partition_keys_go_where_their_md5_says(void **state)
{
    const struct weir_put_entry entries[] = {
        {.partition_key = {"a", 1}, .data = {"x", 1}},
        {.partition_key = {"b", 1}, .data = {"y", 1}}};
    struct weir_put_result results[2];
    struct stream_fixture *f = *state;

    given_shards(f, 16);
    assert_int_equal(weir_stream_put(f->stream, entries, 2, results, &f->detail), WEIR_OK);
    assert_string_equal(results[0].shard_id, shard_id(0).data);
    assert_string_equal(results[1].shard_id, shard_id(9).data);
    read_records(f, shard_id(9), at_horizon(), 1);
    assert_text(f, 0, "y");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_TEST(returns_what_was_put_in_order),
        STREAM_TEST(the_numbers_that_put_tells_are_those_that_get_gives),
        STREAM_TEST(pages_through_a_shard_without_loss_or_repetition),
        STREAM_TEST(limits_the_bytes_but_returns_at_least_one_record),
        STREAM_TEST(keeps_every_byte_of_keys_and_data),
        STREAM_TEST(keeps_the_order_of_each_key),
        STREAM_TEST(hash_keys_at_both_ends_find_their_shards),
        STREAM_TEST(a_record_says_its_explicit_hash_key),
        STREAM_TEST(partition_keys_go_where_their_md5_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The embedded stream beyond the contract: its numbers, its clock, and its positions. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "tests/contract/stream/stream_fixture.h"
#include "tests/support/weir_test.h"

/* docs/embedded-stream.md: the numbers of a stream follow each other, whatever the page. */
static void
numbers_follow_each_other(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    for (size_t i = 0; i < 10; i++) {
        put_many(f, "key", 1 + i * 7);
    }
    for (size_t page = 1; page < 70; page++) {
        struct weir_position from = at_horizon();
        size_t total = 0;
        uint64_t last = 0;

        do {
            assert_int_equal(get(f, shard_id(0), from, page), WEIR_OK);
            for (size_t i = 0; i < weir_batch_count(f->batch); i++) {
                const uint64_t number = low_word(weir_batch_records(f->batch)[i].sequence_number);

                assert_true(total == 0 || number == last + 1);
                last = number;
                total++;
            }
            from = f->result.next;
        } while (weir_batch_count(f->batch) > 0);
        assert_int_equal(total, 10 + 7 * 45);
    }
}

static void
refuses_a_number_that_was_never_given(void **state)
{
    struct stream_fixture *f = *state;
    struct weir_sequence_number other;

    given_shards(f, 1);
    const uint64_t last = low_word(put_text(f, "k", "a"));

    assert_int_equal(get(f, shard_id(0), after_number(low_number(last)), 1), WEIR_OK);
    assert_int_equal(get(f, shard_id(0), after_number(low_number(last + 1)), 1), WEIR_EINVAL);
    assert_int_equal(get(f, shard_id(0), at_number(low_number(UINT64_MAX)), 1), WEIR_EINVAL);
    assert_int_equal(
        weir_sequence_number_parse(
            (struct weir_str){"49590338271490256608559692538361571095921575989136588898", 56},
            &other),
        WEIR_OK);
    assert_int_equal(get(f, shard_id(0), after_number(other), 1), WEIR_EINVAL);
    assert_int_equal(get(f, shard_id(0), after_number(low_number(0)), 1), WEIR_OK);
    assert_record(f, 0, "a");
}

/* Clocks step back; arrival times must not, or halving would miss records. */
static void
arrival_times_never_go_down(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    const int64_t start = f->test.wall.ms;
    put_text(f, "k", "a");
    f->test.wall.ms -= 100000;
    put_text(f, "k", "b");

    assert_int_equal(get(f, shard_id(0), at_horizon(), 10), WEIR_OK);
    assert_int_equal(weir_batch_records(f->batch)[0].arrival_ms, start);
    assert_int_equal(weir_batch_records(f->batch)[1].arrival_ms, start);
}

/* The end is told with the last record, and again to who asks behind it. */
static void
shard_end_is_a_position_of_a_closed_shard(void **state)
{
    const struct weir_position end = {.type = WEIR_SHARD_END};
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    put_text(f, "k", "a");
    assert_int_equal(get(f, shard_id(0), end, 10), WEIR_EINVAL);
    assert_int_equal(weir_stream_split(f->stream, shard_id(0), NULL, &f->detail), WEIR_OK);
    assert_int_equal(get(f, shard_id(0), at_horizon(), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(f->batch), 1);
    assert_true(f->result.at_shard_end);
    assert_int_equal(get(f, shard_id(0), end, 10), WEIR_OK);
    assert_int_equal(weir_batch_count(f->batch), 0);
    assert_true(f->result.at_shard_end);
    assert_string_equal(f->result.child_shard_ids[0], shard_id(1).data);
    assert_string_equal(f->result.child_shard_ids[1], shard_id(2).data);
}

static void
split_goes_down_to_one_hash_key(void **state)
{
    const struct weir_hash_key first = {0, 0};
    const struct weir_hash_key second = {0, 1};
    const struct weir_hash_key last = {UINT64_MAX, UINT64_MAX};
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    assert_int_equal(weir_stream_split(f->stream, shard_id(0), &second, &f->detail), WEIR_OK);
    assert_int_equal(weir_stream_split(f->stream, shard_id(1), NULL, &f->detail), WEIR_EINVAL);
    assert_int_equal(weir_stream_split(f->stream, shard_id(2), &last, &f->detail), WEIR_OK);
    assert_int_equal(count_shards(f, false), 3);
    assert_string_equal(put_at_hash(f, last, "last").shard_id, shard_id(4).data);
    assert_string_equal(put_at_hash(f, first, "first").shard_id, shard_id(1).data);
}

/* What docs/embedded-stream.md says of the ids of shards. */
static void
shards_are_numbered_in_their_order(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    assert_int_equal(weir_stream_split(f->stream, shard_id(0), NULL, &f->detail), WEIR_OK);
    assert_string_equal(
        put_at_hash(f, (struct weir_hash_key){0, 0}, "low").shard_id, shard_id(1).data);
    assert_string_equal(
        put_at_hash(f, (struct weir_hash_key){(uint64_t)1 << 63, 0}, "high").shard_id,
        shard_id(2).data);
    assert_int_equal(weir_stream_merge(f->stream, shard_id(2), shard_id(1), &f->detail), WEIR_OK);
    assert_string_equal(
        put_at_hash(f, (struct weir_hash_key){0, 0}, "low").shard_id, shard_id(3).data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_LMDB_TEST(numbers_follow_each_other),
        STREAM_LMDB_TEST(refuses_a_number_that_was_never_given),
        STREAM_LMDB_TEST(arrival_times_never_go_down),
        STREAM_LMDB_TEST(shard_end_is_a_position_of_a_closed_shard),
        STREAM_LMDB_TEST(split_goes_down_to_one_hash_key),
        STREAM_LMDB_TEST(shards_are_numbered_in_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

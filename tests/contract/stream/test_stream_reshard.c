/* Contract of streams: split, merge, scale, and what a reader of a closed shard sees. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "stream/shard_graph.h"
#include "tests/contract/stream/stream_fixture.h"
#include "tests/support/weir_test.h"

/* A shard that has not ended after so many reads does not end. */
#define BATCHES_MAX 500U

static const struct weir_hash_key lowest = {0, 0};
static const struct weir_hash_key highest = {UINT64_MAX, UINT64_MAX};

static void
assert_str(struct weir_str text, const char *expected)
{
    assert_int_equal(text.length, strlen(expected));
    assert_memory_equal(text.data, expected, text.length);
}

/* Parents stand before their children, are closed, and end below them. */
static void
assert_parents_are_sound(const struct weir_stream_description *d, size_t i)
{
    for (size_t k = 0; k < WEIR_PARENTS_MAX; k++) {
        const char *id = d->shards[i].parent_shard_ids[k];
        const size_t parent = wi_shard_find(d->shards, i, (struct weir_str){id, strlen(id)});

        assert_true(id[0] == '\0' || parent != SIZE_MAX);
        if (parent != SIZE_MAX) {
            assert_true(d->shards[parent].closed);
            assert_true(
                weir_sequence_number_compare(
                    &d->shards[parent].ending_sequence_number,
                    &d->shards[i].starting_sequence_number) < 0);
        }
    }
}

/* Open shards cover every hash key once. */
static void
assert_shards_are_sound(struct stream_fixture *f, size_t open_expected)
{
    struct weir_stream_description d;
    struct weir_hash_range where;
    size_t open = 0;

    assert_int_equal(weir_stream_describe(f->stream, &d, &f->detail), WEIR_OK);
    struct weir_hash_range *ranges = calloc(d.shard_count, sizeof *ranges);
    for (size_t i = 0; i < d.shard_count; i++) {
        if (!d.shards[i].closed) {
            ranges[open++] = d.shards[i].range;
        }
        assert_parents_are_sound(&d, i);
    }
    assert_int_equal(open, open_expected);
    assert_int_equal(wi_ranges_audit(ranges, open, &where), WI_RANGE_COMPLETE);
    free(ranges);
    weir_stream_description_free(f->stream, &d);
}

static void
split(struct stream_fixture *f, struct weir_str shard, const struct weir_hash_key *at)
{
    f->detail.text[0] = '\0';
    const enum weir_error error = weir_stream_split(f->stream, shard, at, &f->detail);

    assert_string_equal(f->detail.text, "");
    assert_int_equal(error, WEIR_OK);
}

static void
a_new_stream_divides_the_hash_keys(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 5);
    assert_shards_are_sound(f, 5);
    assert_int_equal(count_shards(f, true), 5);
    for (uint32_t i = 0; i < 5; i++) {
        const struct weir_shard shard = find_shard(f, shard_id(i).data);
        const uint64_t width = shard.range.end.high - shard.range.start.high;

        assert_true(width >= UINT64_MAX / 5 - 1 && width <= UINT64_MAX / 5 + 1);
        assert_false(shard.closed);
        assert_string_equal(shard.parent_shard_ids[0], "");
    }
}

static void
split_closes_the_parent_and_opens_two_children(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    put_text(f, "k", "old");
    split(f, shard_id(0), NULL);
    const struct weir_put_result low = put_at_hash(f, lowest, "low");
    const struct weir_put_result middle =
        put_at_hash(f, (struct weir_hash_key){(uint64_t)1 << 63, 0}, "middle");

    assert_shards_are_sound(f, 2);
    assert_str(child_of(f, shard_id(0), 0), low.shard_id);
    assert_str(child_of(f, shard_id(0), 1), middle.shard_id);
    assert_true(find_shard(f, shard_id(0).data).closed);
    read_to_end(f, shard_id(0), at_horizon(), 1);
    assert_text(f, 0, "old");
    read_records(f, child_of(f, shard_id(0), 1), at_horizon(), 1);
    assert_text(f, 0, "middle");
}

static void
numbers_grow_from_a_parent_to_its_children(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    const struct weir_sequence_number last = put_text(f, "k", "old");
    split(f, shard_id(0), NULL);
    const struct weir_sequence_number start =
        find_shard(f, child_of(f, shard_id(0), 0).data).starting_sequence_number;
    const struct weir_sequence_number first = put_at_hash(f, lowest, "new").sequence_number;

    assert_true(weir_sequence_number_compare(&last, &start) < 0);
    assert_true(weir_sequence_number_compare(&start, &first) < 0);
}

static void
the_ending_number_of_a_shard_stands_behind_its_records(void **state)
{
    struct stream_fixture *f = *state;

    fixture_needs(f, STREAM_TELLS_END);
    given_shards(f, 1);
    const struct weir_sequence_number last = put_text(f, "k", "old");
    split(f, shard_id(0), NULL);
    const struct weir_shard parent = find_shard(f, shard_id(0).data);
    const struct weir_shard child = find_shard(f, child_of(f, shard_id(0), 0).data);

    assert_true(weir_sequence_number_compare(&last, &parent.ending_sequence_number) <= 0);
    assert_true(
        weir_sequence_number_compare(
            &parent.ending_sequence_number, &child.starting_sequence_number) < 0);
}

static void
the_end_of_a_shard_names_the_children(void **state)
{
    struct stream_fixture *f = *state;

    fixture_needs(f, STREAM_TELLS_CHILDREN);
    given_shards(f, 2);
    split(f, shard_id(0), NULL);
    read_to_end(f, shard_id(0), at_horizon(), 0);
    assert_str(child_of(f, shard_id(0), 0), f->result.child_shard_ids[0]);
    assert_str(child_of(f, shard_id(0), 1), f->result.child_shard_ids[1]);

    const struct weir_str upper = child_of(f, shard_id(0), 1);
    assert_int_equal(weir_stream_merge(f->stream, upper, shard_id(1), &f->detail), WEIR_OK);
    assert_shards_are_sound(f, 2);
    read_to_end(f, upper, at_horizon(), 0);
    assert_str(child_of(f, upper, 0), f->result.child_shard_ids[0]);
    assert_string_equal(f->result.child_shard_ids[1], "");
    read_to_end(f, shard_id(1), at_horizon(), 0);
    assert_str(child_of(f, upper, 0), f->result.child_shard_ids[0]);
    assert_string_equal(f->result.child_shard_ids[1], "");
}

/* Kinesis wants two hash keys in each child at least. */
static void
split_checks_the_hash_key(void **state)
{
    const struct weir_hash_key third = {0, 2};
    const struct weir_hash_key below = {0, 1};
    const struct weir_hash_key last_but_one = {UINT64_MAX, UINT64_MAX - 1};
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    assert_int_equal(weir_stream_split(f->stream, shard_id(0), &lowest, &f->detail), WEIR_EINVAL);
    split(f, shard_id(0), &third);
    assert_int_equal(weir_stream_split(f->stream, shard_id(0), &highest, &f->detail), WEIR_ESTATE);
    const struct weir_str low = child_of(f, shard_id(0), 0);
    const struct weir_str high = child_of(f, shard_id(0), 1);
    assert_int_equal(weir_stream_split(f->stream, low, &third, &f->detail), WEIR_EINVAL);
    assert_int_equal(weir_stream_split(f->stream, high, &third, &f->detail), WEIR_EINVAL);
    assert_int_equal(weir_stream_split(f->stream, high, &below, &f->detail), WEIR_EINVAL);
    split(f, high, &last_but_one);
    assert_shards_are_sound(f, 3);
    assert_str(child_of(f, high, 1), put_at_hash(f, highest, "last").shard_id);
    assert_str(low, put_at_hash(f, lowest, "first").shard_id);
}

static void
merge_needs_two_open_neighbours(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 4);
    assert_int_equal(
        weir_stream_merge(f->stream, shard_id(0), shard_id(2), &f->detail), WEIR_EINVAL);
    assert_int_equal(
        weir_stream_merge(f->stream, shard_id(1), shard_id(1), &f->detail), WEIR_EINVAL);
    assert_int_equal(
        weir_stream_merge(f->stream, shard_id(0), shard_id(3), &f->detail), WEIR_EINVAL);
    assert_int_equal(weir_stream_merge(f->stream, shard_id(2), shard_id(1), &f->detail), WEIR_OK);
    assert_int_equal(
        weir_stream_merge(f->stream, shard_id(2), shard_id(3), &f->detail), WEIR_ESTATE);
    assert_int_equal(
        weir_stream_merge(f->stream, shard_id(0), shard_id(1), &f->detail), WEIR_ESTATE);
    assert_shards_are_sound(f, 3);
    const struct weir_shard child = find_shard(f, child_of(f, shard_id(1), 0).data);
    assert_str(child_of(f, shard_id(2), 0), child.shard_id);
    assert_int_equal(
        weir_hash_key_compare(child.range.start, find_shard(f, shard_id(1).data).range.start), 0);
    assert_int_equal(
        weir_hash_key_compare(child.range.end, find_shard(f, shard_id(2).data).range.end), 0);
    read_to_end(f, shard_id(1), at_horizon(), 0);
}

/* An empty shard that is closed must say so whatever position its reader has. */
static void
an_empty_closed_shard_is_at_its_end(void **state)
{
    const struct weir_position end = {.type = WEIR_SHARD_END};
    struct stream_fixture *f = *state;

    fixture_needs(f, STREAM_EMPTY_TIMES);
    fixture_needs(f, STREAM_TELLS_CHILDREN);
    given_shards(f, 1);
    assert_int_equal(get(f, shard_id(0), at_latest(), 10), WEIR_OK);
    assert_false(f->result.at_shard_end);
    const struct weir_position positions[] = {
        f->result.next, at_horizon(), at_latest(), at_timestamp(0)};
    assert_int_equal(get(f, shard_id(0), end, 10), WEIR_EINVAL);
    split(f, shard_id(0), NULL);

    for (size_t i = 0; i < sizeof positions / sizeof positions[0]; i++) {
        read_to_end(f, shard_id(0), positions[i], 0);
        assert_int_equal(f->result.millis_behind_latest, 0);
        assert_str(child_of(f, shard_id(0), 0), f->result.child_shard_ids[0]);
        fixture_reopen(f);
        read_to_end(f, shard_id(0), positions[i], 0);
        assert_str(child_of(f, shard_id(0), 1), f->result.child_shard_ids[1]);
    }
}

static void
the_end_of_a_closed_shard_comes_after_its_last_record(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    put_text(f, "k", "a");
    const struct weir_sequence_number last = put_text(f, "k", "b");
    split(f, shard_id(0), NULL);

    get_some(f, shard_id(0), at_horizon(), 1);
    assert_record(f, 0, "a");
    assert_false(f->result.at_shard_end);
    get_some(f, shard_id(0), f->result.next, 1);
    assert_record(f, 0, "b");
    if (!f->is_kinesis) { /* Kinesis may say so with an answer of its own */
        assert_true(f->result.at_shard_end);
    }
    read_to_end(f, shard_id(0), f->result.next, 0);
    read_to_end(f, shard_id(0), after_number(last), 0);
    read_to_end(f, shard_id(0), at_latest(), 0);
    read_to_end(f, shard_id(0), at_number(last), 1);
    fixture_reopen(f);
    read_to_end(f, shard_id(0), after_number(last), 0);
    read_to_end(f, shard_id(0), at_horizon(), 2);
}

/* What a batch has no room for comes before the end as well. */
static void
the_end_of_a_closed_shard_waits_for_small_batches(void **state)
{
    struct stream_fixture *f = *state;
    struct weir_get_request request = {
        .shard_id = {"shardId-000000000000", 20},
        .from = at_horizon(),
        .records_max = WEIR_GET_RECORDS_MAX,
        .bytes_max = 3};

    given_shards(f, 1);
    put_many(f, "k", 8);
    split(f, shard_id(0), NULL);
    f->count = 0;
    for (size_t i = 0; i < BATCHES_MAX && !f->result.at_shard_end; i++) {
        assert_int_equal(get_with(f, &request), WEIR_OK);
        assert_in_range(weir_batch_count(f->batch), 0, 1);
        keep_batch(f);
        assert_true(f->count == 8 || !f->result.at_shard_end);
        request.from = f->result.next;
        pass_ms(f, f->result.retry_after_ms);
    }
    assert_true(f->result.at_shard_end);
    assert_text(f, 7, "7");
}

/* A reader that waits at the tip while its shard is split gets what came before, and the end. */
static void
a_reader_at_the_tip_meets_the_end(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    put_text(f, "k", "a");
    read_records(f, shard_id(0), at_horizon(), 1);
    const struct weir_position tip = f->result.next;
    put_text(f, "k", "b");
    split(f, shard_id(0), NULL);
    put_text(f, "k", "c");
    read_to_end(f, shard_id(0), tip, 1);
    assert_text(f, 0, "b");
}

/* --- scale --- */

static void
assert_even(struct stream_fixture *f, uint32_t shards)
{
    struct weir_stream_description d;

    assert_shards_are_sound(f, shards);
    assert_int_equal(weir_stream_describe(f->stream, &d, &f->detail), WEIR_OK);
    for (size_t k = 0; k < d.shard_count; k++) {
        const uint64_t width = d.shards[k].range.end.high - d.shards[k].range.start.high;

        assert_true(
            d.shards[k].closed || shards == 1 ||
            (width >= UINT64_MAX / shards - 1 && width <= UINT64_MAX / shards + 1));
    }
    weir_stream_description_free(f->stream, &d);
}

/* Kinesis scales by no more than a factor of two at once. */
static void
scale_divides_the_hash_keys_evenly(void **state)
{
    static const uint32_t targets[] = {8, 4, 2, 1, 2, 2, 1, 3, 7, 64, 64, 5, 100, 1};
    struct stream_fixture *f = *state;
    const size_t count = f->is_kinesis ? 7 : sizeof targets / sizeof targets[0];
    size_t puts = 0;

    fixture_needs(f, STREAM_SCALES);
    given_shards(f, 4);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(weir_stream_scale(f->stream, targets[i], &f->detail), WEIR_OK);
        assert_even(f, targets[i]);
        put_text(f, "key", "value");
        puts++;
    }
    assert_int_equal(puts, count);
    assert_int_equal(weir_stream_scale(f->stream, 0, &f->detail), WEIR_EINVAL);
    assert_int_equal(weir_stream_scale(f->stream, 10001, &f->detail), WEIR_EINVAL);
}

static void
scale_to_the_same_number_changes_nothing(void **state)
{
    struct stream_fixture *f = *state;

    fixture_needs(f, STREAM_SCALES);
    given_shards(f, 8);
    assert_int_equal(weir_stream_scale(f->stream, 8, &f->detail), WEIR_OK);
    assert_int_equal(count_shards(f, true), 8);
    assert_int_equal(weir_stream_scale(f->stream, 4, &f->detail), WEIR_OK);
    assert_int_equal(count_shards(f, true), 12);
}

/* --- several handles --- */

/* A handle that does not know of a split yet must not write to the closed parent. */
static void
a_put_after_another_handles_split_lands_in_the_children(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    put_text(f, "k", "fills the shard map");
    fixture_open_second(f);
    assert_int_equal(weir_stream_split(f->second, shard_id(0), NULL, &f->detail), WEIR_OK);

    const struct weir_put_result result = put_at_hash(f, lowest, "x");
    assert_str(child_of(f, shard_id(0), 0), result.shard_id);
    read_to_end(f, shard_id(0), at_horizon(), 1);
    read_records(f, child_of(f, shard_id(0), 0), at_horizon(), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_TEST(a_new_stream_divides_the_hash_keys),
        STREAM_TEST(split_closes_the_parent_and_opens_two_children),
        STREAM_TEST(numbers_grow_from_a_parent_to_its_children),
        STREAM_TEST(the_ending_number_of_a_shard_stands_behind_its_records),
        STREAM_TEST(the_end_of_a_shard_names_the_children),
        STREAM_TEST(split_checks_the_hash_key),
        STREAM_TEST(merge_needs_two_open_neighbours),
        STREAM_TEST(an_empty_closed_shard_is_at_its_end),
        STREAM_TEST(the_end_of_a_closed_shard_comes_after_its_last_record),
        STREAM_TEST(the_end_of_a_closed_shard_waits_for_small_batches),
        STREAM_TEST(a_reader_at_the_tip_meets_the_end),
        STREAM_TEST(scale_divides_the_hash_keys_evenly),
        STREAM_TEST(scale_to_the_same_number_changes_nothing),
        STREAM_TEST(a_put_after_another_handles_split_lands_in_the_children),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

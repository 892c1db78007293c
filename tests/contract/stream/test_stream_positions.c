/* Contract of streams: wherever a reader begins, nothing is skipped and nothing comes twice. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "tests/contract/stream/stream_fixture.h"
#include "tests/support/weir_test.h"

/* Where a read is a request, fewer. */
#define TIMED_RECORDS         50U
#define TIMED_RECORDS_KINESIS 8U
#define TIMED_STEP_MS         10

static void
begins_at_or_after_a_sequence_number(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    put_text(f, "k", "a");
    const struct weir_sequence_number b = put_text(f, "k", "b");
    put_text(f, "k", "c");

    get_some(f, shard_id(0), at_number(b), 1);
    assert_record(f, 0, "b");
    get_some(f, shard_id(0), after_number(b), 1);
    assert_record(f, 0, "c");
    read_records(f, shard_id(0), at_number(b), 2);
    read_records(f, shard_id(0), after_number(b), 1);
}

/* A batch that failed is read again, and a reader of another place may come in between. */
static void
gives_the_same_records_again(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    put_many(f, "k", 20);
    for (size_t i = 0; i < 3; i++) {
        get_some(f, shard_id(0), at_horizon(), 4);
        assert_record(f, 0, "0");
        const struct weir_position fifth = f->result.next;
        const size_t count = weir_batch_count(f->batch);

        assert_in_range(count, 1, 4);
        read_records(f, shard_id(0), fifth, 20 - count);
        get_some(f, shard_id(0), at_number(f->records[0].sequence_number), 1);
        assert_int_equal(weir_batch_count(f->batch), 1);
        assert_record(f, 0, f->records[0].text);
        get_some(f, shard_id(0), fifth, 1);
        assert_record(f, 0, f->records[0].text);
    }
}

/* A checkpoint is taken up by another process. */
static void
a_position_is_good_for_another_handle(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    put_many(f, "k", 6);
    get_some(f, shard_id(0), at_horizon(), 2);
    const struct weir_position next = f->result.next;
    const size_t count = weir_batch_count(f->batch);

    assert_int_equal(next.type, WEIR_AFTER_SEQUENCE_NUMBER);
    assert_number(&next.sequence_number, &weir_batch_records(f->batch)[count - 1].sequence_number);
    fixture_reopen(f);
    read_records(f, shard_id(0), next, 6 - count);
}

/* A checkpoint of another stream must not make the reader wait while records pass by. */
static void
refuses_a_number_beyond_any_that_was_given(void **state)
{
    const struct weir_sequence_number largest = {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    const struct weir_sequence_number last = put_text(f, "k", "a");

    assert_int_not_equal(get(f, shard_id(0), after_number(largest), 1), WEIR_OK);
    assert_int_not_equal(get(f, shard_id(0), at_number(largest), 1), WEIR_OK);
    assert_int_equal(get(f, shard_id(0), after_number(last), 1), WEIR_OK);
    assert_int_equal(weir_batch_count(f->batch), 0);
    get_some(f, shard_id(0), at_number(last), 1);
    assert_record(f, 0, "a");
}

static void
a_number_beyond_any_that_was_given_is_a_wrong_argument(void **state)
{
    const struct weir_sequence_number largest = {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
    struct stream_fixture *f = *state;

    fixture_needs(f, STREAM_JUDGES_NUMBERS);
    given_shards(f, 1);
    assert_int_equal(get(f, shard_id(0), after_number(largest), 1), WEIR_EINVAL);
    put_text(f, "k", "a");
    assert_int_equal(get(f, shard_id(0), after_number(largest), 1), WEIR_EINVAL);
    assert_int_equal(get(f, shard_id(0), at_number(largest), 1), WEIR_EINVAL);
}

static void
latest_is_resolved_to_a_place_that_skips_nothing(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    put_text(f, "k", "old");
    assert_int_equal(get(f, shard_id(0), at_latest(), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(f->batch), 0);
    assert_int_equal(f->result.next.type, WEIR_AFTER_SEQUENCE_NUMBER);
    const struct weir_position next = f->result.next;
    put_text(f, "k", "new");

    read_records(f, shard_id(0), next, 1);
    assert_text(f, 0, "new");
    fixture_reopen(f);
    read_records(f, shard_id(0), next, 1);
}

/* From each of the positions, an empty shard gives nothing, and then its first record. */
static void
read_first_from(struct stream_fixture *f, const struct weir_position *from, size_t count)
{
    struct weir_position next[2];

    given_shards(f, 1);
    assert_in_range(count, 1, sizeof next / sizeof next[0]);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(get(f, shard_id(0), from[i], 10), WEIR_OK);
        assert_int_equal(weir_batch_count(f->batch), 0);
        assert_false(f->result.at_shard_end);
        assert_int_equal(f->result.millis_behind_latest, 0);
        next[i] = f->result.next;
    }
    put_text(f, "k", "first");
    for (size_t i = 0; i < count; i++) {
        read_records(f, shard_id(0), next[i], 1);
        assert_text(f, 0, "first");
    }
}

static void
an_empty_shard_is_read_from_its_first_record(void **state)
{
    const struct weir_position from[] = {at_horizon()};

    read_first_from(*state, from, 1);
}

static void
an_empty_shard_is_read_from_latest_and_from_a_time(void **state)
{
    const struct weir_position from[] = {at_latest(), at_timestamp(0)};

    fixture_needs(*state, STREAM_EMPTY_TIMES);
    read_first_from(*state, from, 2);
}

/* Describe gives the starting number; reading AT or AFTER it must not skip the first record. */
static void
the_starting_number_is_a_safe_position(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    const struct weir_sequence_number start =
        find_shard(f, shard_id(0).data).starting_sequence_number;

    assert_int_equal(get(f, shard_id(0), at_number(start), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(f->batch), 0);
    const struct weir_position next = f->result.next;
    const struct weir_sequence_number first = put_text(f, "k", "first");

    assert_true(weir_sequence_number_compare(&start, &first) < 0);
    read_records(f, shard_id(0), next, 1);
    read_records(f, shard_id(0), at_number(start), 1);
    read_records(f, shard_id(0), after_number(start), 1);
    assert_text(f, 0, "first");
}

/* --- times --- */

/* The record that a time stands for is the first that came then or later. */
static void
assert_found(struct stream_fixture *f, int64_t ms)
{
    size_t first = 0;

    while (first < f->count && f->records[first].arrival_ms < ms) {
        first++;
    }
    if (first < f->count) {
        get_some(f, shard_id(0), at_timestamp(ms), 1);
        assert_record(f, 0, f->records[first].text);
    } else {
        assert_int_equal(get(f, shard_id(0), at_timestamp(ms), 1), WEIR_OK);
        assert_int_equal(weir_batch_count(f->batch), 0);
    }
}

static void
finds_records_by_arrival_time(void **state)
{
    struct stream_fixture *f = *state;
    fixture_needs(f, STREAM_EMPTY_TIMES);
    const unsigned count = f->is_kinesis ? TIMED_RECORDS_KINESIS : TIMED_RECORDS;

    given_shards(f, 2);
    const int64_t start = f->test.env.clock.wall(f->test.env.clock.context).ms;
    for (unsigned i = 0; i < count; i++) {
        const char text[3] = {(char)('a' + i % 26), (char)('0' + i / 26), '\0'};

        pass_ms(f, TIMED_STEP_MS);
        put_at_hash(f, (struct weir_hash_key){0, 0}, text);
    }
    pass_ms(f, TIMED_STEP_MS);
    read_records(f, shard_id(0), at_horizon(), count);
    for (size_t i = 0; i < count; i++) {
        const int64_t arrival_ms = f->records[i].arrival_ms;

        assert_true(arrival_ms >= start + TIMED_STEP_MS);
        if (fixture_has(f, STREAM_OWN_CLOCK)) {
            assert_int_equal(arrival_ms, start + TIMED_STEP_MS * (int64_t)(i + 1));
        }
        assert_found(f, arrival_ms - 1);
        assert_found(f, arrival_ms);
        assert_found(f, arrival_ms + 1);
    }
    assert_found(f, start - 1);
    assert_int_equal(get(f, shard_id(1), at_timestamp(start), 1), WEIR_OK);
    assert_int_equal(weir_batch_count(f->batch), 0);
}

static void
a_timestamp_in_the_future_waits_for_its_time(void **state)
{
    struct stream_fixture *f = *state;

    fixture_needs(f, STREAM_FUTURE_TIMESTAMPS);
    given_shards(f, 1);
    const int64_t later = f->test.wall.ms + 1000;

    assert_int_equal(get(f, shard_id(0), at_timestamp(later), 10), WEIR_OK);
    put_text(f, "k", "too early");
    assert_int_equal(get(f, shard_id(0), f->result.next, 10), WEIR_OK);
    assert_int_equal(weir_batch_count(f->batch), 0);
    pass_ms(f, 1000);
    put_text(f, "k", "in time");
    assert_int_equal(get(f, shard_id(0), f->result.next, 10), WEIR_OK);
    assert_record(f, 0, "in time");
}

static void
says_how_far_behind_the_reader_is(void **state)
{
    struct stream_fixture *f = *state;

    fixture_needs(f, STREAM_TELLS_BEHIND);
    given_shards(f, 1);
    put_text(f, "k", "a");
    pass_ms(f, 100);
    put_text(f, "k", "b");
    pass_ms(f, 50);

    get_some(f, shard_id(0), at_horizon(), 1);
    assert_record(f, 0, "a");
    assert_true(f->result.millis_behind_latest >= 50);
    if (fixture_has(f, STREAM_OWN_CLOCK)) {
        assert_int_equal(f->result.millis_behind_latest, 50);
    }
    get_some(f, shard_id(0), f->result.next, 1);
    assert_record(f, 0, "b");
    assert_int_equal(f->result.millis_behind_latest, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_TEST(begins_at_or_after_a_sequence_number),
        STREAM_TEST(gives_the_same_records_again),
        STREAM_TEST(a_position_is_good_for_another_handle),
        STREAM_TEST(refuses_a_number_beyond_any_that_was_given),
        STREAM_TEST(a_number_beyond_any_that_was_given_is_a_wrong_argument),
        STREAM_TEST(latest_is_resolved_to_a_place_that_skips_nothing),
        STREAM_TEST(an_empty_shard_is_read_from_its_first_record),
        STREAM_TEST(an_empty_shard_is_read_from_latest_and_from_a_time),
        STREAM_TEST(the_starting_number_is_a_safe_position),
        STREAM_TEST(finds_records_by_arrival_time),
        STREAM_TEST(a_timestamp_in_the_future_waits_for_its_time),
        STREAM_TEST(says_how_far_behind_the_reader_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

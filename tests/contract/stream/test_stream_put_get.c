/* Contract of streams: what is put is got, in order, once, from wherever one begins. */
#include <stdlib.h>
#include <string.h>

#include "tests/contract/stream/stream_fixture.h"
#include "tests/support/weir_test.h"

static const struct stream_backend embedded = {"embedded", weir_stream_create, weir_stream_open};

static struct stream_fixture f;

static void
given_stream(uint32_t shards)
{
    fixture_init(&f, &embedded);
    f.create.shards = shards;
    fixture_start(&f);
}

static void
returns_what_was_put_in_order(void **state)
{
    (void)state;
    given_stream(1);
    put_text(&f, "a", "first");
    put_many(&f, "b", 3);
    put_text(&f, "c", "");

    assert_int_equal(get(&f, 0, at_horizon(), 100), WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), 5);
    assert_record(&f, 0, "first");
    assert_record(&f, 1, "0");
    assert_record(&f, 3, "2");
    assert_record(&f, 4, "");
    assert_memory_equal(weir_batch_records(f.batch)[1].partition_key.data, "b", 1);
    assert_int_equal(f.result.millis_behind_latest, 0);
    assert_int_equal(f.result.next.type, WEIR_AFTER_SEQUENCE_NUMBER);
    fixture_end(&f);
}

/* Every page size, so that pages end before, at and inside blocks. */
static void
pages_through_a_shard_without_loss_or_repetition(void **state)
{
    (void)state;
    given_stream(1);
    for (size_t i = 0; i < 10; i++) {
        put_many(&f, "key", 1 + i * 7);
    }
    for (size_t page = 1; page < 70; page++) {
        struct weir_position from = at_horizon();
        size_t total = 0;
        uint64_t last = 0;

        do {
            assert_int_equal(get(&f, 0, from, page), WEIR_OK);
            for (size_t i = 0; i < weir_batch_count(f.batch); i++) {
                const uint64_t number = low_word(weir_batch_records(f.batch)[i].sequence_number);

                assert_true(total == 0 || number == last + 1);
                last = number;
                total++;
            }
            from = f.result.next;
        } while (weir_batch_count(f.batch) > 0);
        assert_int_equal(total, 10 + 7 * 45);
    }
    fixture_end(&f);
}

static void
limits_the_bytes_but_returns_at_least_one_record(void **state)
{
    struct weir_position from = at_horizon();
    (void)state;
    given_stream(1);
    put_text(&f, "k", "123456789");
    put_text(&f, "k", "123456789");
    put_text(&f, "k", "123456789");

    assert_int_equal(
        weir_stream_get(
            f.stream,
            &(struct weir_get_request){
                .shard_id = shard_id(0), .from = from, .records_max = 10, .bytes_max = 20},
            f.batch,
            &f.result),
        WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), 2);
    assert_int_equal(
        weir_stream_get(
            f.stream,
            &(struct weir_get_request){
                .shard_id = shard_id(0), .from = from, .records_max = 10, .bytes_max = 19},
            f.batch,
            &f.result),
        WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), 1);
    assert_int_equal(
        weir_stream_get(
            f.stream,
            &(struct weir_get_request){
                .shard_id = shard_id(0), .from = from, .records_max = 10, .bytes_max = 0},
            f.batch,
            &f.result),
        WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), 1);
    fixture_end(&f);
}

static void
begins_at_or_after_a_sequence_number(void **state)
{
    (void)state;
    given_stream(1);
    put_text(&f, "k", "a");
    const uint64_t b = put_text(&f, "k", "b");
    put_text(&f, "k", "c");

    assert_int_equal(get(&f, 0, at_number(b), 1), WEIR_OK);
    assert_record(&f, 0, "b");
    assert_int_equal(get(&f, 0, after_number(b), 1), WEIR_OK);
    assert_record(&f, 0, "c");
    fixture_end(&f);
}

/* A checkpoint of another stream must not make the reader wait while records pass by. */
static void
refuses_a_number_that_was_never_given(void **state)
{
    struct weir_position from = after_number(0);
    (void)state;
    given_stream(1);
    const uint64_t last = put_text(&f, "k", "a");

    assert_int_equal(get(&f, 0, after_number(last), 1), WEIR_OK);
    assert_int_equal(get(&f, 0, after_number(last + 1), 1), WEIR_EINVAL);
    assert_int_equal(get(&f, 0, at_number(UINT64_MAX), 1), WEIR_EINVAL);
    assert_int_equal(
        weir_sequence_number_parse(
            (struct weir_str){"49590338271490256608559692538361571095921575989136588898", 56},
            &from.sequence_number),
        WEIR_OK);
    assert_int_equal(get(&f, 0, from, 1), WEIR_EINVAL);
    assert_int_equal(get(&f, 0, after_number(0), 1), WEIR_OK);
    assert_record(&f, 0, "a");
    fixture_end(&f);
}

static void
latest_is_resolved_to_a_place_that_skips_nothing(void **state)
{
    (void)state;
    given_stream(1);
    put_text(&f, "k", "old");
    assert_int_equal(get(&f, 0, at_latest(), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), 0);
    assert_int_equal(f.result.next.type, WEIR_AFTER_SEQUENCE_NUMBER);
    const struct weir_position next = f.result.next;
    put_text(&f, "k", "new");

    assert_int_equal(get(&f, 0, next, 10), WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), 1);
    assert_record(&f, 0, "new");
    fixture_end(&f);
}

static void
an_empty_shard_is_read_from_its_first_record(void **state)
{
    const struct weir_position from[] = {at_horizon(), at_latest(), at_timestamp(0)};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        given_stream(1);
        assert_int_equal(get(&f, 0, from[i], 10), WEIR_OK);
        assert_int_equal(weir_batch_count(f.batch), 0);
        assert_false(f.result.at_shard_end);
        const struct weir_position next = f.result.next;
        put_text(&f, "k", "first");
        assert_int_equal(get(&f, 0, next, 10), WEIR_OK);
        assert_record(&f, 0, "first");
        fixture_end(&f);
    }
}

/* Describe gives the starting number; reading AT or AFTER it must not skip the first record. */
static void
the_starting_number_is_a_safe_position(void **state)
{
    struct weir_stream_description description;
    (void)state;
    given_stream(1);
    assert_int_equal(weir_stream_describe(f.stream, &description, &f.detail), WEIR_OK);
    const uint64_t start = low_word(description.shards[0].starting_sequence_number);
    weir_stream_description_free(f.stream, &description);

    assert_int_equal(get(&f, 0, at_number(start), 10), WEIR_OK);
    put_text(&f, "k", "first");
    assert_int_equal(get(&f, 0, f.result.next, 10), WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), 1);
    assert_int_equal(get(&f, 0, after_number(start), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), 1);
    fixture_end(&f);
}

static void
finds_records_by_arrival_time(void **state)
{
    (void)state;
    given_stream(2);
    const int64_t start = f.test.wall.ms;
    for (int i = 0; i < 50; i++) {
        char text[8] = {(char)('a' + i % 26), (char)('0' + i / 26), '\0'};

        test_env_advance_ms(&f.test, 10);
        put_at_hash(&f, (struct weir_hash_key){0, 0}, text);
    }
    assert_int_equal(get(&f, 0, at_timestamp(start), 1), WEIR_OK);
    assert_record(&f, 0, "a0");
    assert_int_equal(get(&f, 0, at_timestamp(start + 20), 1), WEIR_OK);
    assert_record(&f, 0, "b0");
    assert_int_equal(get(&f, 0, at_timestamp(start + 21), 1), WEIR_OK);
    assert_record(&f, 0, "c0");
    assert_int_equal(get(&f, 0, at_timestamp(start + 500), 1), WEIR_OK);
    assert_record(&f, 0, "x1");
    assert_int_equal(get(&f, 0, at_timestamp(start + 501), 1), WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), 0);
    assert_int_equal(get(&f, 1, at_timestamp(start), 1), WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), 0);
    fixture_end(&f);
}

static void
a_timestamp_in_the_future_waits_for_its_time(void **state)
{
    (void)state;
    given_stream(1);
    const int64_t later = f.test.wall.ms + 1000;

    assert_int_equal(get(&f, 0, at_timestamp(later), 10), WEIR_OK);
    put_text(&f, "k", "too early");
    assert_int_equal(get(&f, 0, f.result.next, 10), WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), 0);
    test_env_advance_ms(&f.test, 1000);
    put_text(&f, "k", "in time");
    assert_int_equal(get(&f, 0, f.result.next, 10), WEIR_OK);
    assert_record(&f, 0, "in time");
    fixture_end(&f);
}

/* Clocks step back; arrival times must not, or halving would miss records. */
static void
arrival_times_never_go_down(void **state)
{
    (void)state;
    given_stream(1);
    const int64_t start = f.test.wall.ms;
    put_text(&f, "k", "a");
    f.test.wall.ms -= 100000;
    put_text(&f, "k", "b");

    assert_int_equal(get(&f, 0, at_horizon(), 10), WEIR_OK);
    assert_int_equal(weir_batch_records(f.batch)[0].arrival_ms, start);
    assert_int_equal(weir_batch_records(f.batch)[1].arrival_ms, start);
    fixture_end(&f);
}

static void
says_how_far_behind_the_reader_is(void **state)
{
    (void)state;
    given_stream(1);
    put_text(&f, "k", "a");
    test_env_advance_ms(&f.test, 1000);
    put_text(&f, "k", "b");
    test_env_advance_ms(&f.test, 500);

    assert_int_equal(get(&f, 0, at_horizon(), 1), WEIR_OK);
    assert_int_equal(f.result.millis_behind_latest, 500);
    assert_int_equal(get(&f, 0, f.result.next, 1), WEIR_OK);
    assert_int_equal(f.result.millis_behind_latest, 0);
    fixture_end(&f);
}

static void
hash_keys_at_both_ends_find_their_shards(void **state)
{
    const struct weir_hash_key most = {UINT64_MAX, UINT64_MAX};
    (void)state;
    given_stream(3);

    assert_string_equal(
        put_at_hash(&f, (struct weir_hash_key){0, 0}, "low").shard_id, shard_id(0).data);
    assert_string_equal(put_at_hash(&f, most, "high").shard_id, shard_id(2).data);
    assert_int_equal(get(&f, 2, at_horizon(), 1), WEIR_OK);
    assert_true(weir_batch_records(f.batch)[0].has_explicit_hash_key);
    assert_int_equal(
        weir_hash_key_compare(weir_batch_records(f.batch)[0].explicit_hash_key, most), 0);
    fixture_end(&f);
}

/* MD5("a") is 0cc175b9c0f1b6a831c399e269772661: the first of 16 shards. MD5("b") begins with 92. */
static void
partition_keys_go_where_their_md5_says(void **state)
{
    const struct weir_put_entry entries[] = {
        {.partition_key = {"a", 1}, .data = {"x", 1}},
        {.partition_key = {"b", 1}, .data = {"y", 1}}};
    struct weir_put_result results[2];
    (void)state;
    given_stream(16);

    assert_int_equal(weir_stream_put(f.stream, entries, 2, results, &f.detail), WEIR_OK);
    assert_string_equal(results[0].shard_id, shard_id(0).data);
    assert_string_equal(results[1].shard_id, shard_id(9).data);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(returns_what_was_put_in_order),
        cmocka_unit_test(pages_through_a_shard_without_loss_or_repetition),
        cmocka_unit_test(limits_the_bytes_but_returns_at_least_one_record),
        cmocka_unit_test(begins_at_or_after_a_sequence_number),
        cmocka_unit_test(refuses_a_number_that_was_never_given),
        cmocka_unit_test(latest_is_resolved_to_a_place_that_skips_nothing),
        cmocka_unit_test(an_empty_shard_is_read_from_its_first_record),
        cmocka_unit_test(the_starting_number_is_a_safe_position),
        cmocka_unit_test(finds_records_by_arrival_time),
        cmocka_unit_test(a_timestamp_in_the_future_waits_for_its_time),
        cmocka_unit_test(arrival_times_never_go_down),
        cmocka_unit_test(says_how_far_behind_the_reader_is),
        cmocka_unit_test(hash_keys_at_both_ends_find_their_shards),
        cmocka_unit_test(partition_keys_go_where_their_md5_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

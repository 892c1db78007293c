/* Contract of streams: arguments, bounds, and the optional limits of Kinesis. */
#include <stdlib.h>
#include <string.h>

#include "tests/contract/stream/stream_fixture.h"
#include "tests/support/weir_test.h"

#define RECORD_MAX 2000U

static const struct stream_backend embedded = {"embedded", weir_stream_create, weir_stream_open};

static struct stream_fixture f;
static char bytes[4 * 1024 * 1024];

static void
given_stream(uint32_t record_bytes_max, bool kinesis_limits)
{
    fixture_init(&f, &embedded);
    memset(bytes, 'x', sizeof bytes);
    f.create.record_bytes_max = record_bytes_max;
    f.create.kinesis_limits = kinesis_limits;
    fixture_start(&f);
}

static enum weir_error
put_sizes(size_t key_length, size_t data_length)
{
    const struct weir_put_entry entry = {
        .partition_key = {bytes, key_length}, .data = {bytes, data_length}};
    struct weir_put_result result;

    assert_int_equal(weir_stream_put(f.stream, &entry, 1, &result, &f.detail), WEIR_OK);
    return result.error;
}

static void
accepts_keys_and_records_up_to_their_bounds(void **state)
{
    (void)state;
    given_stream(RECORD_MAX, false);

    assert_int_equal(put_sizes(1, 0), WEIR_OK);
    assert_int_equal(put_sizes(0, 10), WEIR_EINVAL);
    assert_int_equal(put_sizes(WEIR_PARTITION_KEY_MAX, 1), WEIR_OK);
    assert_int_equal(put_sizes(WEIR_PARTITION_KEY_MAX + 1, 1), WEIR_EINVAL);
    assert_int_equal(put_sizes(100, RECORD_MAX - 100), WEIR_OK);
    assert_int_equal(put_sizes(100, RECORD_MAX - 99), WEIR_EINVAL);
    assert_int_equal(get(&f, 0, at_horizon(), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), 3);
    assert_int_equal(weir_batch_records(f.batch)[2].data.length, RECORD_MAX - 100);
    fixture_end(&f);
}

/* A large record is a block of its own between small ones. */
static void
keeps_records_larger_than_a_block(void **state)
{
    (void)state;
    given_stream(sizeof bytes, false);
    put_text(&f, "k", "before");
    assert_int_equal(put_sizes(1, sizeof bytes - 1), WEIR_OK);
    put_text(&f, "k", "after");

    assert_int_equal(get(&f, 0, at_horizon(), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), 3);
    assert_record(&f, 0, "before");
    assert_int_equal(weir_batch_records(f.batch)[1].data.length, sizeof bytes - 1);
    assert_record(&f, 2, "after");
    fixture_end(&f);
}

/* One bad record must not take the good ones of its call with it. */
static void
refuses_single_records_of_a_call(void **state)
{
    const struct weir_put_entry entries[] = {
        {.partition_key = {"a", 1}, .data = {"1", 1}},
        {.partition_key = {"", 0}, .data = {"2", 1}},
        {.partition_key = {"a", 1}, .data = {"3", 1}}};
    struct weir_put_result results[3];
    (void)state;
    given_stream(RECORD_MAX, false);

    assert_int_equal(weir_stream_put(f.stream, entries, 3, results, &f.detail), WEIR_OK);
    assert_int_equal(results[0].error, WEIR_OK);
    assert_int_equal(results[1].error, WEIR_EINVAL);
    assert_int_equal(results[2].error, WEIR_OK);
    assert_int_equal(get(&f, 0, at_horizon(), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), 2);
    assert_record(&f, 1, "3");
    fixture_end(&f);
}

static void
puts_and_gets_at_most_ten_thousand_records(void **state)
{
    struct weir_put_entry *entries = calloc(WEIR_PUT_RECORDS_MAX + 1, sizeof *entries);
    struct weir_put_result *results = calloc(WEIR_PUT_RECORDS_MAX + 1, sizeof *results);
    (void)state;
    given_stream(RECORD_MAX, false);
    for (size_t i = 0; i <= WEIR_PUT_RECORDS_MAX; i++) {
        entries[i] = (struct weir_put_entry){.partition_key = {"k", 1}, .data = {"d", 1}};
    }

    assert_int_equal(
        weir_stream_put(f.stream, entries, WEIR_PUT_RECORDS_MAX + 1, results, &f.detail),
        WEIR_EINVAL);
    assert_int_equal(weir_stream_put(f.stream, entries, 0, results, &f.detail), WEIR_EINVAL);
    assert_int_equal(
        weir_stream_put(f.stream, entries, WEIR_PUT_RECORDS_MAX, results, &f.detail), WEIR_OK);
    assert_int_equal(get(&f, 0, at_horizon(), WEIR_GET_RECORDS_MAX + 1), WEIR_EINVAL);
    assert_int_equal(get(&f, 0, at_horizon(), 0), WEIR_EINVAL);
    assert_int_equal(get(&f, 0, at_horizon(), WEIR_GET_RECORDS_MAX), WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), WEIR_PUT_RECORDS_MAX);
    fixture_end(&f);
    free(results);
    free(entries);
}

static void
refuses_options_out_of_range(void **state)
{
    const struct weir_stream_create_options good = WEIR_STREAM_CREATE_OPTIONS_INIT;
    struct weir_stream_create_options bad[] = {good, good, good, good, good, good, good};
    (void)state;
    fixture_init(&f, &embedded);
    bad[0].shards = 0;
    bad[1].shards = 10001;
    bad[2].retention_ms = 999;
    bad[3].retention_ms = (int64_t)367 * 86400000;
    bad[4].record_bytes_max = 0;
    bad[5].record_bytes_max = 16U * 1024 * 1024 + 1;
    bad[6].struct_size = 1;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(
            weir_stream_create(&f.test.env, f.dir.path, "s", &bad[i], &f.detail), WEIR_EINVAL);
        assert_true(f.detail.text[0] != '\0');
    }
    assert_int_equal(
        weir_stream_create(&f.test.env, f.dir.path, "..", &good, &f.detail), WEIR_EINVAL);
    assert_int_equal(
        weir_stream_create(&f.test.env, f.dir.path, "a/b", &good, &f.detail), WEIR_EINVAL);
    fixture_end(&f);
}

static void
knows_unknown_shards(void **state)
{
    const struct weir_position from = at_horizon();
    const char *ids[] = {"", "x", "shardId-000000000009", "shardId-999999999999"};
    (void)state;
    given_stream(RECORD_MAX, false);

    for (size_t i = 0; i < 4; i++) {
        const struct weir_str id = {ids[i], strlen(ids[i])};

        assert_int_equal(
            weir_stream_get(
                f.stream,
                &(struct weir_get_request){
                    .shard_id = id, .from = from, .records_max = 1, .bytes_max = 1},
                f.batch,
                &f.result),
            WEIR_ENOTFOUND);
        assert_int_equal(weir_stream_split(f.stream, id, NULL, &f.detail), WEIR_ENOTFOUND);
        assert_int_equal(weir_stream_merge(f.stream, shard_id(0), id, &f.detail), WEIR_ENOTFOUND);
    }
    fixture_end(&f);
}

/* Puts `count` records of one byte; returns how many were accepted, which must be the first. */
static size_t
accepted_of(size_t count)
{
    static struct weir_put_entry entries[2000];
    static struct weir_put_result results[2000];
    size_t accepted = 0;

    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct weir_put_entry){.partition_key = {"k", 1}, .data = {"d", 1}};
    }
    assert_int_equal(weir_stream_put(f.stream, entries, count, results, &f.detail), WEIR_OK);
    while (accepted < count && results[accepted].error == WEIR_OK) {
        accepted++;
    }
    for (size_t i = accepted; i < count; i++) {
        assert_int_equal(results[i].error, WEIR_ETHROTTLED);
    }
    return accepted;
}

static void
throttles_a_thousand_records_a_second(void **state)
{
    (void)state;
    given_stream(RECORD_MAX, true);

    assert_int_equal(accepted_of(1500), 1000);
    assert_int_equal(accepted_of(1), 0);
    test_env_advance_ms(&f.test, 10);
    assert_int_equal(accepted_of(11), 10);
    fixture_reopen(&f);
    assert_int_equal(accepted_of(1), 0);
    test_env_advance_ms(&f.test, 5000);
    assert_int_equal(accepted_of(2000), 1000);
    fixture_end(&f);
}

static void
throttles_bytes_in_and_out(void **state)
{
    (void)state;
    given_stream(WEIR_RECORD_BYTES_DEFAULT, true);
    const size_t half = (size_t)512 * 1024;

    assert_int_equal(put_sizes(1, half - 1), WEIR_OK);
    assert_int_equal(put_sizes(1, half - 1), WEIR_OK);
    assert_int_equal(put_sizes(1, 1), WEIR_ETHROTTLED);
    test_env_advance_ms(&f.test, 1000);
    assert_int_equal(put_sizes(1, 2 * half - 1), WEIR_OK);
    test_env_advance_ms(&f.test, 1000);
    assert_int_equal(put_sizes(1, 2 * half - 1), WEIR_OK);

    assert_int_equal(get(&f, 0, at_horizon(), 100), WEIR_OK); /* 3 MiB of 2 per second */
    assert_int_equal(weir_batch_count(f.batch), 4);
    assert_int_equal(get(&f, 0, at_horizon(), 100), WEIR_ETHROTTLED);
    test_env_advance_ms(&f.test, 501);
    assert_int_equal(get(&f, 0, at_horizon(), 1), WEIR_OK);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_keys_and_records_up_to_their_bounds),
        cmocka_unit_test(keeps_records_larger_than_a_block),
        cmocka_unit_test(refuses_single_records_of_a_call),
        cmocka_unit_test(puts_and_gets_at_most_ten_thousand_records),
        cmocka_unit_test(refuses_options_out_of_range),
        cmocka_unit_test(knows_unknown_shards),
        cmocka_unit_test(throttles_a_thousand_records_a_second),
        cmocka_unit_test(throttles_bytes_in_and_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

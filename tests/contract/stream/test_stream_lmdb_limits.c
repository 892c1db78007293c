/* The embedded stream beyond the contract: exact bounds, and the optional limits of Kinesis. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/stream.h>

#include "tests/contract/stream/stream_fixture.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define RECORD_MAX 2000U

static char bytes[4 * 1024 * 1024];

static void
given_limits(struct stream_fixture *f, uint32_t record_bytes_max, bool kinesis_limits)
{
    memset(bytes, 'x', sizeof bytes);
    f->create.record_bytes_max = record_bytes_max;
    f->create.kinesis_limits = kinesis_limits;
    fixture_start(f);
}

static enum weir_error
put_sizes(struct stream_fixture *f, size_t key_length, size_t data_length)
{
    const struct weir_put_entry entry = {
        .partition_key = {bytes, key_length}, .data = {bytes, data_length}};
    struct weir_put_result result;

    assert_int_equal(weir_stream_put(f->stream, &entry, 1, &result, &f->detail), WEIR_OK);
    return result.error;
}

static void
accepts_keys_and_records_up_to_their_bounds(void **state)
{
    struct stream_fixture *f = *state;
    given_limits(f, RECORD_MAX, false);

    assert_int_equal(put_sizes(f, 1, 0), WEIR_OK);
    assert_int_equal(put_sizes(f, 0, 10), WEIR_EINVAL);
    assert_int_equal(put_sizes(f, WEIR_PARTITION_KEY_MAX, 1), WEIR_OK);
    assert_int_equal(put_sizes(f, WEIR_PARTITION_KEY_MAX + 1, 1), WEIR_EINVAL);
    assert_int_equal(put_sizes(f, 100, RECORD_MAX - 100), WEIR_OK);
    assert_int_equal(put_sizes(f, 100, RECORD_MAX - 99), WEIR_EINVAL);
    assert_int_equal(get(f, shard_id(0), at_horizon(), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(f->batch), 3);
    assert_int_equal(weir_batch_records(f->batch)[2].data.length, RECORD_MAX - 100);
}

/* A large record is a block of its own between small ones. */
static void
keeps_records_larger_than_a_block(void **state)
{
    struct stream_fixture *f = *state;
    given_limits(f, sizeof bytes, false);
    put_text(f, "k", "before");
    assert_int_equal(put_sizes(f, 1, sizeof bytes - 1), WEIR_OK);
    put_text(f, "k", "after");

    assert_int_equal(get(f, shard_id(0), at_horizon(), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(f->batch), 3);
    assert_record(f, 0, "before");
    assert_int_equal(weir_batch_records(f->batch)[1].data.length, sizeof bytes - 1);
    assert_record(f, 2, "after");
}

/* Puts `count` records of one byte; returns how many were accepted, which must be the first. */
static size_t
accepted_of(struct stream_fixture *f, size_t count)
{
    static struct weir_put_entry entries[2000];
    static struct weir_put_result results[2000];
    size_t accepted = 0;

    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct weir_put_entry){.partition_key = {"k", 1}, .data = {"d", 1}};
    }
    assert_int_equal(weir_stream_put(f->stream, entries, count, results, &f->detail), WEIR_OK);
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
    struct stream_fixture *f = *state;
    given_limits(f, RECORD_MAX, true);

    assert_int_equal(accepted_of(f, 1500), 1000);
    assert_int_equal(accepted_of(f, 1), 0);
    test_env_advance_ms(&f->test, 10);
    assert_int_equal(accepted_of(f, 11), 10);
    fixture_reopen(f);
    assert_int_equal(accepted_of(f, 1), 0);
    test_env_advance_ms(&f->test, 5000);
    assert_int_equal(accepted_of(f, 2000), 1000);
}

static void
throttles_bytes_in_and_out(void **state)
{
    struct stream_fixture *f = *state;
    given_limits(f, WEIR_RECORD_BYTES_DEFAULT, true);
    const size_t half = (size_t)512 * 1024;

    assert_int_equal(put_sizes(f, 1, half - 1), WEIR_OK);
    assert_int_equal(put_sizes(f, 1, half - 1), WEIR_OK);
    assert_int_equal(put_sizes(f, 1, 1), WEIR_ETHROTTLED);
    test_env_advance_ms(&f->test, 1000);
    assert_int_equal(put_sizes(f, 1, 2 * half - 1), WEIR_OK);
    test_env_advance_ms(&f->test, 1000);
    assert_int_equal(put_sizes(f, 1, 2 * half - 1), WEIR_OK);

    assert_int_equal(get(f, shard_id(0), at_horizon(), 100), WEIR_OK); /* 3 MiB of 2 per second */
    assert_int_equal(weir_batch_count(f->batch), 4);
    assert_int_equal(get(f, shard_id(0), at_horizon(), 100), WEIR_ETHROTTLED);
    test_env_advance_ms(&f->test, 501);
    assert_int_equal(get(f, shard_id(0), at_horizon(), 1), WEIR_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_LMDB_TEST(accepts_keys_and_records_up_to_their_bounds),
        STREAM_LMDB_TEST(keeps_records_larger_than_a_block),
        STREAM_LMDB_TEST(throttles_a_thousand_records_a_second),
        STREAM_LMDB_TEST(throttles_bytes_in_and_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Contract of streams: arguments, and the bounds of keys, records and calls. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/stream.h>

#include "tests/contract/stream/stream_fixture.h"
#include "tests/support/weir_test.h"

/* Kinesis counts characters. */
#define KINESIS_KEY_MAX 256U
/* Key and data; more than one page of an LMDB, as much as Kinesis takes by default. */
#define RECORD_MAX ((size_t)WEIR_RECORD_BYTES_DEFAULT)
/* Of one call: more than one request of Kinesis, and all that one call takes. */
#define MANY_KINESIS 1200U
#define MANY         WEIR_PUT_RECORDS_MAX

static char bytes[RECORD_MAX + 1];

static enum weir_error
put_sizes(struct stream_fixture *f, size_t key_length, size_t data_length)
{
    const struct weir_put_entry entry = {
        .partition_key = {bytes, key_length}, .data = {bytes, data_length}};
    struct weir_put_result result;

    memset(bytes, 'x', sizeof bytes);
    assert_int_equal(weir_stream_put(f->stream, &entry, 1, &result, &f->detail), WEIR_OK);
    return result.error;
}

static void
accepts_keys_up_to_their_bound(void **state)
{
    struct stream_fixture *f = *state;
    const size_t most = f->is_kinesis ? KINESIS_KEY_MAX : WEIR_PARTITION_KEY_MAX;

    given_shards(f, 1);
    assert_int_equal(put_sizes(f, 0, 10), WEIR_EINVAL);
    assert_int_equal(put_sizes(f, 1, 0), WEIR_OK);
    assert_int_equal(put_sizes(f, most, 1), WEIR_OK);
    assert_int_equal(put_sizes(f, most + 1, 1), WEIR_EINVAL);
    assert_int_equal(put_sizes(f, RECORD_MAX, 1), WEIR_EINVAL);
    read_records(f, shard_id(0), at_horizon(), 2);
    get_some(f, shard_id(0), at_number(f->records[1].sequence_number), 1);
    assert_int_equal(weir_batch_records(f->batch)[0].partition_key.length, most);
    assert_memory_equal(weir_batch_records(f->batch)[0].partition_key.data, bytes, most);
}

static void
keeps_the_largest_record_between_small_ones(void **state)
{
    struct stream_fixture *f = *state;
    const char key[] = "k";

    given_shards(f, 1);
    put_text(f, "k", "before");
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)(i * 7 + i / 251);
    }
    const struct weir_put_entry entry = {
        .partition_key = {key, 1}, .data = {bytes, RECORD_MAX - 1}};
    struct weir_put_result result;
    assert_int_equal(weir_stream_put(f->stream, &entry, 1, &result, &f->detail), WEIR_OK);
    assert_int_equal(result.error, WEIR_OK);
    put_text(f, "k", "after");

    read_records(f, shard_id(0), at_horizon(), 3);
    assert_text(f, 0, "before");
    assert_text(f, 2, "after");
    get_some(f, shard_id(0), at_number(result.sequence_number), 1);
    assert_int_equal(weir_batch_records(f->batch)[0].data.length, RECORD_MAX - 1);
    assert_memory_equal(weir_batch_records(f->batch)[0].data.data, bytes, RECORD_MAX - 1);
}

/* One bad record must not take the good ones of its call with it. */
static void
refuses_single_records_of_a_call(void **state)
{
    const struct weir_put_entry entries[] = {
        {.partition_key = {"a", 1}, .data = {"1", 1}},
        {.partition_key = {"", 0}, .data = {"2", 1}},
        {.partition_key = {"a", 1}, .data = {"3", 1}},
        {.partition_key = {bytes, WEIR_PARTITION_KEY_MAX + 1}, .data = {"4", 1}}};
    struct stream_fixture *f = *state;
    struct weir_put_result results[4];

    memset(bytes, 'x', sizeof bytes);
    given_shards(f, 1);
    assert_int_equal(weir_stream_put(f->stream, entries, 4, results, &f->detail), WEIR_OK);
    assert_int_equal(results[0].error, WEIR_OK);
    assert_int_equal(results[1].error, WEIR_EINVAL);
    assert_int_equal(results[2].error, WEIR_OK);
    assert_int_equal(results[3].error, WEIR_EINVAL);
    read_records(f, shard_id(0), at_horizon(), 2);
    assert_text(f, 0, "1");
    assert_text(f, 1, "3");

    assert_int_equal(weir_stream_put(f->stream, &entries[1], 1, results, &f->detail), WEIR_OK);
    assert_int_equal(results[0].error, WEIR_EINVAL);
    read_records(f, shard_id(0), after_number(f->records[1].sequence_number), 0);
}

/* What is too large is refused alone, too. */
static void
refuses_a_record_beyond_its_bound(void **state)
{
    struct stream_fixture *f = *state;
    const struct weir_put_entry entries[] = {
        {.partition_key = {"a", 1}, .data = {"1", 1}},
        {.partition_key = {"a", 1}, .data = {bytes, RECORD_MAX + 1}},
        {.partition_key = {"a", 1}, .data = {"3", 1}}};
    struct weir_put_result results[3];

    given_shards(f, 1);
    assert_int_equal(weir_stream_put(f->stream, entries, 3, results, &f->detail), WEIR_OK);
    assert_int_equal(results[0].error, WEIR_OK);
    assert_int_equal(results[1].error, WEIR_EINVAL);
    assert_int_equal(results[2].error, WEIR_OK);
    read_records(f, shard_id(0), at_horizon(), 2);
    assert_text(f, 1, "3");
}

static void
puts_and_gets_many_records_of_one_call(void **state)
{
    struct stream_fixture *f = *state;
    const size_t count = f->is_kinesis ? MANY_KINESIS : MANY;

    given_shards(f, 1);
    put_many(f, "k", count);
    read_records(f, shard_id(0), at_horizon(), count);
    assert_text(f, 0, "0");
    assert_text(f, count - 1, f->is_kinesis ? "1199" : "9999");
}

static void
refuses_counts_out_of_range(void **state)
{
    static struct weir_put_entry entries[WEIR_PUT_RECORDS_MAX + 1];
    static struct weir_put_result results[WEIR_PUT_RECORDS_MAX + 1];
    struct stream_fixture *f = *state;

    for (size_t i = 0; i <= WEIR_PUT_RECORDS_MAX; i++) {
        entries[i] = (struct weir_put_entry){.partition_key = {"k", 1}, .data = {"d", 1}};
    }
    given_shards(f, 1);
    assert_int_equal(
        weir_stream_put(f->stream, entries, WEIR_PUT_RECORDS_MAX + 1, results, &f->detail),
        WEIR_EINVAL);
    assert_int_equal(weir_stream_put(f->stream, entries, 0, results, &f->detail), WEIR_EINVAL);
    read_records(f, shard_id(0), at_horizon(), 0);
    put_text(f, "k", "d");
    assert_int_equal(get(f, shard_id(0), at_horizon(), WEIR_GET_RECORDS_MAX + 1), WEIR_EINVAL);
    assert_int_equal(get(f, shard_id(0), at_horizon(), 0), WEIR_EINVAL);
    read_records(f, shard_id(0), at_horizon(), 1);
}

static void
refuses_options_out_of_range(void **state)
{
    struct stream_fixture *f = *state;
    const struct weir_stream_create_options good = WEIR_STREAM_CREATE_OPTIONS_INIT;
    struct weir_stream_create_options bad[] = {good, good, good, good, good, good, good};
    struct weir_stream *stream = NULL;

    bad[0].shards = 0;
    bad[1].shards = 10001;
    bad[2].retention_ms = 999;
    bad[3].retention_ms = (int64_t)367 * 86400000;
    bad[4].record_bytes_max = 0;
    bad[5].record_bytes_max = 16U * 1024 * 1024 + 1;
    bad[6].struct_size = 1;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        f->detail.text[0] = '\0';
        assert_int_equal(
            weir_stream_create(&f->test.env, f->dir.path, f->url, &bad[i], &f->detail),
            WEIR_EINVAL);
        assert_true(f->detail.text[0] != '\0');
    }
    assert_int_equal(
        weir_stream_open(&f->test.env, f->dir.path, f->url, NULL, &stream, &f->detail),
        WEIR_ENOTFOUND);
}

static void
refuses_names_that_are_none(void **state)
{
    static const char *const names[2][4] = {
        {"", "..", "a/b", "a b"}, {"kinesis:", "kinesis:..", "kinesis:a/b", "kinesis:a b"}};
    struct stream_fixture *f = *state;
    struct weir_stream *stream = NULL;

    for (size_t i = 0; i < 4; i++) {
        const char *name = names[f->is_kinesis ? 1 : 0][i];

        assert_int_equal(
            weir_stream_create(&f->test.env, f->dir.path, name, &f->create, &f->detail),
            WEIR_EINVAL);
        assert_int_equal(
            weir_stream_open(&f->test.env, f->dir.path, name, NULL, &stream, &f->detail),
            WEIR_EINVAL);
        assert_int_equal(
            weir_stream_delete(&f->test.env, f->dir.path, name, &f->detail), WEIR_EINVAL);
    }
}

static void
knows_unknown_shards(void **state)
{
    static const char *const ids[] = {
        "", "x", "a/b", "shardId-000000000009", "shardId-999999999999"};
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        const struct weir_str id = {ids[i], strlen(ids[i])};

        assert_int_equal(get(f, id, at_horizon(), 1), WEIR_ENOTFOUND);
        assert_int_equal(weir_stream_split(f->stream, id, NULL, &f->detail), WEIR_ENOTFOUND);
        assert_int_equal(weir_stream_merge(f->stream, shard_id(0), id, &f->detail), WEIR_ENOTFOUND);
        assert_int_equal(weir_stream_merge(f->stream, id, shard_id(0), &f->detail), WEIR_ENOTFOUND);
    }
    assert_int_equal(count_shards(f, true), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_TEST(accepts_keys_up_to_their_bound),
        STREAM_TEST(keeps_the_largest_record_between_small_ones),
        STREAM_TEST(refuses_single_records_of_a_call),
        STREAM_TEST(refuses_a_record_beyond_its_bound),
        STREAM_TEST(puts_and_gets_many_records_of_one_call),
        STREAM_TEST(refuses_counts_out_of_range),
        STREAM_TEST(refuses_options_out_of_range),
        STREAM_TEST(refuses_names_that_are_none),
        STREAM_TEST(knows_unknown_shards),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

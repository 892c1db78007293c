/*
 * What a stream promises, on a server that speaks Kinesis: WEIR_KINESIS_ENDPOINT names it
 * (test_kinesis_stream.sh starts one). The suite in tests/contract/stream counts with numbers of 64
 * bits and a clock of its own, which a Kinesis has not.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/weir.h>

#include "tests/support/weir_test.h"

#define URL_SIZE    256
#define PATIENCE    100
#define SKIPPED     77
#define RECORDS_MAX 1000

struct fixture {
    char url[URL_SIZE];
    struct weir_stream *stream;
    struct weir_batch *batch;
    struct weir_get_result result;
    struct weir_detail detail;
};

static const struct weir_str shard_0 = {"shardId-000000000000", 20};
static const struct weir_str shard_1 = {"shardId-000000000001", 20};

static void
pause_ms(int64_t ms)
{
    const struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000};

    (void)nanosleep(&time, NULL);
}

static void
given_stream(struct fixture *f, const char *name, uint32_t shards)
{
    struct weir_stream_create_options options = WEIR_STREAM_CREATE_OPTIONS_INIT;

    memset(f, 0, sizeof *f);
    options.shards = shards;
    (void)snprintf(
        f->url,
        sizeof f->url,
        "kinesis:%s?region=us-east-1&endpoint=%s&reads_per_second=100&idle=20ms",
        name,
        getenv("WEIR_KINESIS_ENDPOINT"));
    assert_int_equal(
        weir_stream_create(weir_env_default(), ".", f->url, &options, &f->detail), WEIR_OK);
    assert_int_equal(
        weir_stream_open(weir_env_default(), ".", f->url, NULL, &f->stream, &f->detail), WEIR_OK);
    assert_int_equal(weir_batch_new(weir_env_default(), &f->batch), WEIR_OK);
}

static void
end_stream(struct fixture *f)
{
    weir_batch_free(f->batch);
    weir_stream_close(f->stream);
}

static struct weir_put_result
put(struct fixture *f, const char *key, const char *data, size_t length)
{
    const struct weir_put_entry entry = {
        .partition_key = {key, strlen(key)}, .data = {data, length}};
    struct weir_put_result result;

    assert_int_equal(weir_stream_put(f->stream, &entry, 1, &result, &f->detail), WEIR_OK);
    assert_int_equal(result.error, WEIR_OK);
    return result;
}

/* One get, once its time has come. */
static enum weir_error
get(struct fixture *f, struct weir_str shard_id, struct weir_position from, size_t records_max)
{
    enum weir_error error = WEIR_ETHROTTLED;

    for (int i = 0; i < PATIENCE && error == WEIR_ETHROTTLED; i++) {
        error = weir_stream_get(
            f->stream,
            &(struct weir_get_request){
                .shard_id = shard_id, .from = from, .records_max = records_max, .bytes_max = 100},
            f->batch,
            &f->result);
        if (error == WEIR_ETHROTTLED) {
            pause_ms(f->result.retry_after_ms);
        }
    }
    return error;
}

/* Read on until a record comes or the shard ends. */
static void
get_some(struct fixture *f, struct weir_str shard_id, struct weir_position from)
{
    for (int i = 0; i < PATIENCE; i++) {
        assert_int_equal(get(f, shard_id, from, RECORDS_MAX), WEIR_OK);
        if (weir_batch_count(f->batch) > 0 || f->result.at_shard_end) {
            return;
        }
        from = f->result.next;
        pause_ms(f->result.retry_after_ms);
    }
    fail_msg("nothing came");
}

static void
assert_first(const struct fixture *f, const char *data)
{
    const struct weir_record *record = weir_batch_records(f->batch);

    assert_true(weir_batch_count(f->batch) > 0);
    assert_int_equal(record->data.length, strlen(data));
    assert_memory_equal(record->data.data, data, strlen(data));
}

static struct weir_position
at(enum weir_position_type type, const struct weir_put_result *where)
{
    return (struct weir_position){.type = type, .sequence_number = where->sequence_number};
}

static void
begins_at_every_kind_of_position(void **state)
{
    struct fixture f;
    struct weir_put_result one;
    struct weir_position latest = {.type = WEIR_LATEST};

    (void)state;
    given_stream(&f, "positions", 1);
    one = put(&f, "k", "one", 3);
    assert_string_equal(one.shard_id, shard_0.data);
    (void)put(&f, "k", "two", 3);
    get_some(&f, shard_0, (struct weir_position){.type = WEIR_TRIM_HORIZON});
    assert_first(&f, "one");
    get_some(&f, shard_0, at(WEIR_AT_SEQUENCE_NUMBER, &one));
    assert_first(&f, "one");
    get_some(&f, shard_0, at(WEIR_AFTER_SEQUENCE_NUMBER, &one));
    assert_first(&f, "two");
    get_some(&f, shard_0, (struct weir_position){.type = WEIR_AT_TIMESTAMP, .timestamp_ms = 1});
    assert_first(&f, "one");
    assert_int_equal(get(&f, shard_0, latest, RECORDS_MAX), WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), 0);
    assert_int_equal(f.result.next.type, WEIR_AFTER_SEQUENCE_NUMBER);
    (void)put(&f, "k", "three", 5);
    get_some(&f, shard_0, f.result.next);
    assert_first(&f, "three");
    end_stream(&f);
}

static void
keeps_every_byte_of_keys_and_data(void **state)
{
    static const char key[] = "\"\\/\t\xc3\xa9\xf0\x9f\x98\x80";
    struct fixture f;
    char data[256];
    const struct weir_record *record;

    (void)state;
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (char)i;
    }
    given_stream(&f, "bytes", 1);
    (void)put(&f, key, data, sizeof data);
    (void)put(&f, "k", "next", 4);
    /* One record is returned even if it is larger than bytes_max. */
    get_some(&f, shard_0, (struct weir_position){.type = WEIR_TRIM_HORIZON});
    record = weir_batch_records(f.batch);
    assert_int_equal(weir_batch_count(f.batch), 1);
    assert_int_equal(record->data.length, sizeof data);
    assert_memory_equal(record->data.data, data, sizeof data);
    assert_int_equal(record->partition_key.length, strlen(key));
    assert_memory_equal(record->partition_key.data, key, strlen(key));
    assert_true(record->arrival_ms > INT64_C(1500000000000));
    get_some(&f, shard_0, f.result.next);
    assert_first(&f, "next");
    end_stream(&f);
}

static void
puts_by_explicit_hash_key(void **state)
{
    struct fixture f;
    struct weir_put_entry entries[2] = {
        {.partition_key = {"k", 1}, .data = {"low", 3}, .has_explicit_hash_key = true},
        {.partition_key = {"k", 1},
         .data = {"high", 4},
         .explicit_hash_key = {UINT64_MAX, UINT64_MAX},
         .has_explicit_hash_key = true},
    };
    struct weir_put_result results[2];

    (void)state;
    given_stream(&f, "hash-keys", 2);
    assert_int_equal(weir_stream_put(f.stream, entries, 2, results, &f.detail), WEIR_OK);
    assert_string_equal(results[0].shard_id, shard_0.data);
    assert_string_equal(results[1].shard_id, shard_1.data);
    get_some(&f, shard_1, (struct weir_position){.type = WEIR_TRIM_HORIZON});
    assert_first(&f, "high");
    end_stream(&f);
}

static void
splits_and_merges_with_closed_parents(void **state)
{
    struct fixture f;
    struct weir_stream_description description;
    const struct weir_str children[2] = {
        {"shardId-000000000001", 20}, {"shardId-000000000002", 20}};

    (void)state;
    given_stream(&f, "family", 1);
    (void)put(&f, "k", "old", 3);
    assert_int_equal(weir_stream_split(f.stream, shard_0, NULL, &f.detail), WEIR_OK);
    assert_int_equal(weir_stream_split(f.stream, shard_0, NULL, &f.detail), WEIR_ESTATE);
    assert_int_equal(weir_stream_merge(f.stream, children[0], children[1], &f.detail), WEIR_OK);
    assert_int_equal(weir_stream_describe(f.stream, &description, &f.detail), WEIR_OK);
    assert_int_equal(description.shard_count, 4);
    assert_string_equal(description.shards[0].shard_id, shard_0.data);
    assert_true(description.shards[0].closed);
    assert_string_equal(description.shards[1].parent_shard_ids[0], shard_0.data);
    assert_false(description.shards[3].closed);
    assert_string_not_equal(description.shards[3].parent_shard_ids[1], "");
    assert_int_equal(description.retention_ms, 86400000);
    weir_stream_description_free(f.stream, &description);

    get_some(&f, shard_0, (struct weir_position){.type = WEIR_TRIM_HORIZON});
    assert_first(&f, "old");
    while (!f.result.at_shard_end) {
        get_some(&f, shard_0, f.result.next);
    }
    assert_string_equal(f.result.child_shard_ids[0], children[0].data);
    assert_string_equal(f.result.child_shard_ids[1], children[1].data);
    end_stream(&f);
}

static void
tells_what_is_not_there(void **state)
{
    struct fixture f;
    struct weir_stream *other = NULL;
    struct weir_stream_description description;

    (void)state;
    given_stream(&f, "gone", 1);
    assert_int_equal(
        weir_stream_create(weir_env_default(), ".", f.url, NULL, &f.detail), WEIR_EEXISTS);
    assert_int_equal(
        get(&f, shard_1, (struct weir_position){.type = WEIR_TRIM_HORIZON}, 1), WEIR_ENOTFOUND);
    assert_int_equal(weir_stream_delete(weir_env_default(), ".", f.url, &f.detail), WEIR_OK);
    assert_int_equal(weir_stream_describe(f.stream, &description, NULL), WEIR_ENOTFOUND);
    assert_int_equal(
        weir_stream_open(weir_env_default(), ".", f.url, NULL, &other, &f.detail), WEIR_ENOTFOUND);
    end_stream(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_at_every_kind_of_position),
        cmocka_unit_test(keeps_every_byte_of_keys_and_data),
        cmocka_unit_test(puts_by_explicit_hash_key),
        cmocka_unit_test(splits_and_merges_with_closed_parents),
        cmocka_unit_test(tells_what_is_not_there),
    };

    if (getenv("WEIR_KINESIS_ENDPOINT") == NULL) {
        (void)fprintf(stderr, "WEIR_KINESIS_ENDPOINT names no server\n");
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

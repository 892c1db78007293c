#include "tests/contract/stream/stream_fixture.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/weir_test.h"

void
fixture_init(struct stream_fixture *fixture, const struct stream_backend *backend)
{
    const struct weir_stream_create_options create = WEIR_STREAM_CREATE_OPTIONS_INIT;
    const struct weir_stream_options open = WEIR_STREAM_OPTIONS_INIT;

    memset(fixture, 0, sizeof *fixture);
    fixture->backend = backend;
    fixture->create = create;
    fixture->create.shards = 1;
    fixture->open = open;
    fixture->open.durability = WEIR_DURABILITY_NONE;
    test_env_init(&fixture->test);
    test_dir_make(&fixture->dir);
}

static void
open_stream(struct stream_fixture *fixture)
{
    assert_int_equal(
        fixture->backend->open(
            &fixture->test.env,
            fixture->dir.path,
            FIXTURE_STREAM,
            &fixture->open,
            &fixture->stream,
            &fixture->detail),
        WEIR_OK);
}

void
fixture_start(struct stream_fixture *fixture)
{
    assert_int_equal(
        fixture->backend->create(
            &fixture->test.env,
            fixture->dir.path,
            FIXTURE_STREAM,
            &fixture->create,
            &fixture->detail),
        WEIR_OK);
    open_stream(fixture);
    assert_int_equal(weir_batch_new(&fixture->test.env, &fixture->batch), WEIR_OK);
}

void
fixture_reopen(struct stream_fixture *fixture)
{
    weir_stream_close(fixture->stream);
    fixture->stream = NULL;
    open_stream(fixture);
}

void
fixture_end(struct stream_fixture *fixture)
{
    weir_batch_free(fixture->batch);
    weir_stream_close(fixture->stream);
    test_dir_remove(&fixture->dir);
    test_env_assert_no_leak(&fixture->test);
}

struct weir_str
shard_id(uint32_t number)
{
    static char text[4][32];
    static unsigned next;
    char *id = text[next++ % 4];

    (void)snprintf(id, sizeof text[0], "shardId-%012u", number);
    return (struct weir_str){id, strlen(id)};
}

static struct weir_put_entry
entry_of(const char *key, const char *data)
{
    return (struct weir_put_entry){.partition_key = {key, strlen(key)},
                                   .data = {data, strlen(data)}};
}

uint64_t
put_text(struct stream_fixture *fixture, const char *key, const char *data)
{
    const struct weir_put_entry entry = entry_of(key, data);
    struct weir_put_result result;

    assert_int_equal(
        weir_stream_put(fixture->stream, &entry, 1, &result, &fixture->detail), WEIR_OK);
    assert_int_equal(result.error, WEIR_OK);
    return low_word(result.sequence_number);
}

void
put_many(struct stream_fixture *fixture, const char *key, size_t count)
{
    static char data[FIXTURE_RECORDS][8];
    static struct weir_put_entry entries[FIXTURE_RECORDS];
    static struct weir_put_result results[FIXTURE_RECORDS];

    assert_true(count <= FIXTURE_RECORDS);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(data[i], sizeof data[i], "%u", (unsigned)(i % 1000000));
        entries[i] = entry_of(key, data[i]);
    }
    assert_int_equal(
        weir_stream_put(fixture->stream, entries, count, results, &fixture->detail), WEIR_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(results[i].error, WEIR_OK);
    }
}

struct weir_put_result
put_at_hash(struct stream_fixture *fixture, struct weir_hash_key hash_key, const char *data)
{
    struct weir_put_entry entry = entry_of("key", data);
    struct weir_put_result result;

    entry.explicit_hash_key = hash_key;
    entry.has_explicit_hash_key = true;
    assert_int_equal(
        weir_stream_put(fixture->stream, &entry, 1, &result, &fixture->detail), WEIR_OK);
    assert_int_equal(result.error, WEIR_OK);
    return result;
}

struct weir_position
at_horizon(void)
{
    return (struct weir_position){.type = WEIR_TRIM_HORIZON};
}

struct weir_position
at_latest(void)
{
    return (struct weir_position){.type = WEIR_LATEST};
}

struct weir_position
at_timestamp(int64_t ms)
{
    return (struct weir_position){.type = WEIR_AT_TIMESTAMP, .timestamp_ms = ms};
}

struct weir_position
at_number(uint64_t number)
{
    return (struct weir_position){.type = WEIR_AT_SEQUENCE_NUMBER,
                                  .sequence_number = {{0, 0, 0, number}}};
}

struct weir_position
after_number(uint64_t number)
{
    return (struct weir_position){.type = WEIR_AFTER_SEQUENCE_NUMBER,
                                  .sequence_number = {{0, 0, 0, number}}};
}

enum weir_error
get(struct stream_fixture *fixture, uint32_t shard, struct weir_position from, size_t records_max)
{
    return weir_stream_get(
        fixture->stream,
        &(struct weir_get_request){.shard_id = shard_id(shard),
                                   .from = from,
                                   .records_max = records_max,
                                   .bytes_max = FIXTURE_BYTES_MAX},
        fixture->batch,
        &fixture->result);
}

uint64_t
low_word(struct weir_sequence_number number)
{
    assert_int_equal(number.word[0] | number.word[1] | number.word[2], 0);
    return number.word[3];
}

void
assert_record(const struct stream_fixture *fixture, size_t i, const char *data)
{
    const struct weir_record *record = &weir_batch_records(fixture->batch)[i];

    assert_true(i < weir_batch_count(fixture->batch));
    assert_int_equal(record->data.length, strlen(data));
    assert_memory_equal(record->data.data, data, strlen(data));
}

size_t
count_shards(struct stream_fixture *fixture, bool all)
{
    struct weir_stream_description description;
    size_t count = 0;

    assert_int_equal(
        weir_stream_describe(fixture->stream, &description, &fixture->detail), WEIR_OK);
    for (size_t i = 0; i < description.shard_count; i++) {
        count += all || !description.shards[i].closed ? 1 : 0;
    }
    weir_stream_description_free(fixture->stream, &description);
    return count;
}

/*
 * What only Kinesis does, on a server that speaks it: WEIR_TEST_KINESIS names one
 * (test_kinesis_stream.sh starts a kinesis-mock). What every stream promises is shown there by
 * tests/contract/stream/kinesis.sh.
 */
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "stream/stream_source.h"
#include "tests/contract/stream/stream_fixture.h"
#include "tests/support/weir_test.h"

#define SKIPPED        77
#define CHARACTERS_MAX 256U
#define DIGEST_BYTES   16U
/* Six of them are more than one PutRecords takes. */
#define LARGE_BYTES    ((size_t)1000 * 1000)
#define LARGE_RECORDS  6U
#define DAY_MS         INT64_C(86400000)
#define FIRST_SENSE_MS INT64_C(1500000000000) /* no record is older */

static enum weir_error
put_key(struct stream_fixture *f, const char *key, size_t length)
{
    const struct weir_put_entry entry = {.partition_key = {key, length}, .data = {"d", 1}};
    struct weir_put_result result;

    assert_int_equal(weir_stream_put(f->stream, &entry, 1, &result, &f->detail), WEIR_OK);
    return result.error;
}

/* Kinesis counts characters, and knows none that are not UTF-8. */
static void
keys_are_characters(void **state)
{
    struct stream_fixture *f = *state;
    char key[2 * (CHARACTERS_MAX + 1)];

    for (size_t i = 0; i < sizeof key; i += 2) {
        key[i] = '\xc3';
        key[i + 1] = '\xa9';
    }
    given_shards(f, 1);
    assert_int_equal(put_key(f, key, sizeof key), WEIR_EINVAL);
    assert_int_equal(put_key(f, key, sizeof key - 1), WEIR_EINVAL);
    assert_int_equal(put_key(f, "\xff", 1), WEIR_EINVAL);
    assert_int_equal(put_key(f, key, sizeof key - 2), WEIR_OK);
    get_some(f, shard_id(0), at_horizon(), 10);
    assert_int_equal(weir_batch_count(f->batch), 1);
    assert_int_equal(weir_batch_records(f->batch)[0].partition_key.length, sizeof key - 2);
    assert_true(weir_batch_records(f->batch)[0].arrival_ms > FIRST_SENSE_MS);
}

static void
puts_more_bytes_than_one_request_takes(void **state)
{
    static char bytes[LARGE_BYTES];
    struct stream_fixture *f = *state;
    struct weir_put_entry entries[LARGE_RECORDS];
    struct weir_put_result results[LARGE_RECORDS];

    memset(bytes, 'x', sizeof bytes);
    for (size_t i = 0; i < LARGE_RECORDS; i++) {
        entries[i] =
            (struct weir_put_entry){.partition_key = {"k", 1}, .data = {bytes, sizeof bytes - i}};
    }
    given_shards(f, 1);
    assert_int_equal(
        weir_stream_put(f->stream, entries, LARGE_RECORDS, results, &f->detail), WEIR_OK);
    for (size_t i = 0; i < LARGE_RECORDS; i++) {
        assert_int_equal(results[i].error, WEIR_OK);
        get_some(f, shard_id(0), at_number(results[i].sequence_number), 1);
        assert_int_equal(weir_batch_records(f->batch)[0].data.length, sizeof bytes - i);
    }
}

static void
is_opened_by_its_arn_too(void **state)
{
    struct stream_fixture *f = *state;
    char url[FIXTURE_URL_SIZE];

    given_shards(f, 1);
    put_text(f, "k", "a");
    (void)snprintf(
        url,
        sizeof url,
        "kinesis:arn:aws:kinesis:us-east-1:000000000000:stream/%s?endpoint=%s",
        f->name,
        getenv("WEIR_TEST_KINESIS"));
    assert_int_equal(
        weir_stream_open(&f->test.env, f->dir.path, url, NULL, &f->second, &f->detail), WEIR_OK);
    assert_string_equal(weir_stream_name(f->second), f->name);
    assert_string_equal(wi_stream_url(f->second), wi_stream_url(f->stream));
    weir_stream_close(f->stream);
    f->stream = f->second;
    f->second = NULL;
    read_records(f, shard_id(0), at_horizon(), 1);
    assert_int_equal(count_shards(f, true), 1);
}

/* docs/kinesis.md: there is no such time, and to wait for it is not what Kinesis does. */
static void
refuses_a_timestamp_in_the_future(void **state)
{
    struct stream_fixture *f = *state;
    const int64_t now = f->test.env.clock.wall(f->test.env.clock.context).ms;

    given_shards(f, 1);
    put_text(f, "k", "a"); /* kinesis-mock does not look at the time if there is none */
    assert_int_equal(get(f, shard_id(0), at_timestamp(now + DAY_MS), 1), WEIR_EINVAL);
}

static void
tells_what_kinesis_cannot_do(void **state)
{
    struct stream_fixture *f = *state;
    struct weir_sequence_number number;
    uint64_t deleted = 0;
    bool any = false;

    given_shards(f, 1);
    put_text(f, "k", "a");
    assert_int_equal(weir_stream_trim(f->stream, &deleted, &f->detail), WEIR_EUNSUPPORTED);
    assert_int_equal(wi_stream_tail(f->stream, shard_id(0), &number, &any), WEIR_EUNSUPPORTED);
    assert_false(wi_stream_fetch_is_local(f->stream));
}

/* Put an aggregate of "x" and "z" with the key "a" and "y" with the key "b". */
static struct weir_sequence_number
put_aggregate(struct stream_fixture *f)
{
    static const unsigned char head[] = {
        0xf3, 0x89, 0x9a, 0xc2, 0x0a, 1, 'a', 0x0a, 1, 'b', /* magic, keys */
        0x1a, 5,    8,    0,    0x1a, 1, 'x',               /* records: key, data */
        0x1a, 5,    8,    1,    0x1a, 1, 'y',               /* */
        0x1a, 5,    8,    0,    0x1a, 1, 'z'};
    unsigned char blob[sizeof head + DIGEST_BYTES];
    const struct weir_put_entry entry = {.partition_key = {"a", 1}, .data = {blob, sizeof blob}};
    struct weir_put_result result;

    memcpy(blob, head, sizeof head);
    assert_int_equal(
        EVP_Digest(head + 4, sizeof head - 4, blob + sizeof head, NULL, EVP_md5(), NULL), 1);
    assert_int_equal(weir_stream_put(f->stream, &entry, 1, &result, &f->detail), WEIR_OK);
    assert_int_equal(result.error, WEIR_OK);
    return result.sequence_number;
}

static void
assert_user_record(
    const struct stream_fixture *f,
    size_t i,
    const char *text,
    uint64_t sub_sequence_number,
    struct weir_sequence_number number)
{
    const struct weir_record *record = &weir_batch_records(f->batch)[i];

    assert_record(f, i, text);
    assert_int_equal(record->sub_sequence_number, sub_sequence_number);
    assert_number(&record->sequence_number, &number);
}

/* A checkpoint may stand inside, and another worker goes on there. */
static void
takes_an_aggregate_apart(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    const struct weir_sequence_number first = put_aggregate(f);
    const struct weir_sequence_number second = put_aggregate(f);

    get_some(f, shard_id(0), at_horizon(), 2);
    assert_int_equal(weir_batch_count(f->batch), 2);
    assert_user_record(f, 0, "x", 0, first);
    assert_user_record(f, 1, "y", 1, first);
    const struct weir_position next = f->result.next;
    assert_int_equal(next.sub_sequence_number, 1);
    fixture_reopen(f);
    get_some(f, shard_id(0), next, 2);
    assert_user_record(f, 0, "z", 2, first);
    get_some(f, shard_id(0), f->result.next, 10);
    assert_user_record(f, weir_batch_count(f->batch) - 1, "z", 2, second);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_TEST(keys_are_characters),
        STREAM_TEST(puts_more_bytes_than_one_request_takes),
        STREAM_TEST(is_opened_by_its_arn_too),
        STREAM_TEST(refuses_a_timestamp_in_the_future),
        STREAM_TEST(tells_what_kinesis_cannot_do),
        STREAM_TEST(takes_an_aggregate_apart),
    };

    if (getenv("WEIR_TEST_KINESIS") == NULL) {
        (void)fprintf(stderr, "WEIR_TEST_KINESIS names no server\n");
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The Kinesis stream against a service with a script: positions, iterators, retention, limits. */
#include <string.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/str.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"
#include "tests/unit/stream/kinesis_service.h"

#define STEPS(array) (array), WI_ARRAY_LENGTH(array)

/* Base64 of "A", "B", "C". */
#define A "QQ=="
#define B "Qg=="
#define C "Qw=="

#define LIST                                                                                       \
    "{\"Shards\":[{\"ShardId\":\"shardId-000000000000\",\"HashKeyRange\":{\"StartingHashKey\":"    \
    "\"0\",\"EndingHashKey\":\"340282366920938463463374607431768211455\"},"                        \
    "\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"1\"}}]}"

/* User records A, B, C with the explicit hash keys 5, 2^127 + 5, 7, by KPL; the same with a wrong
 * MD5.
 */
#define AGGREGATE                                                                                  \
    "84mawgoBaxIBNRInMTcwMTQxMTgzNDYwNDY5MjMxNzMxNjg3MzAzNzE1ODg0MTA1NzMzEgE3GgcIAB"               \
    "AAGgFBGgcIABABGgFCGgcIABACGgFDX+iKcSiQfOvDEg5cYLKpoA=="
#define NO_AGGREGATE                                                                               \
    "84mawgoBaxIBNRInMTcwMTQxMTgzNDYwNDY5MjMxNzMxNjg3MzAzNzE1ODg0MTA1NzMzEgE3GgcIAB"               \
    "AAGgFBGgcIABABGgFCGgcIABACGgFDMDAwMDAwMDAwMDAwMDAwMA=="

/* A parent that was split in the middle, and its children; the lower one is shard 0 here. */
#define FAMILY                                                                                     \
    "{\"Shards\":[{\"ShardId\":\"parent\",\"HashKeyRange\":{\"StartingHashKey\":\"0\","            \
    "\"EndingHashKey\":\"340282366920938463463374607431768211455\"},\"SequenceNumberRange\":{"     \
    "\"StartingSequenceNumber\":\"1\",\"EndingSequenceNumber\":\"2\"}},{\"ShardId\":"              \
    "\"shardId-000000000000\",\"ParentShardId\":\"parent\",\"HashKeyRange\":{\"StartingHashKey\":" \
    "\"0\",\"EndingHashKey\":\"170141183460469231731687303715884105727\"},"                        \
    "\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"3\"}}]}"
#define KPL_RECORD(number, data)                                                                   \
    "{\"SequenceNumber\":\"" number "\",\"PartitionKey\":\"a\",\"Data\":\"" data "\"}"

static void
assert_data(const struct kinesis_service *service, const char *text)
{
    const struct weir_record *records = weir_batch_records(service->batch);

    assert_int_equal(weir_batch_count(service->batch), strlen(text));
    for (size_t i = 0; i < strlen(text); i++) {
        assert_int_equal(records[i].data.length, 1);
        assert_memory_equal(records[i].data.data, text + i, 1);
    }
}

static void
reads_on_with_the_iterator_of_the_answer(void **state)
{
    static const struct service_step steps[] = {
        {"GetShardIterator", "TRIM_HORIZON", 200, ITERATOR("i1")},
        {"GetRecords", "\"i1\"", 200, PAGE("i2", "500", RECORD("10", A) "," RECORD("20", B))},
        {"GetRecords", "\"i2\"", 200, PAGE("i3", "0", RECORD("30", C))},
    };
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_OK);
    assert_data(&service, "AB");
    assert_int_equal(service.result.millis_behind_latest, 500);
    assert_true(service.result.retry_after_ms > 0);
    assert_int_equal(weir_batch_records(service.batch)[0].arrival_ms, 1699999999500);
    assert_int_equal(get_from(&service, service.result.next, 10), WEIR_OK);
    assert_data(&service, "C");
    end_service(&service);
}

/* A page is larger than a batch: no request for what is in memory, forward or back. */
static void
cuts_a_page_into_batches_and_goes_back_in_it(void **state)
{
    static const struct service_step steps[] = {
        {"GetShardIterator", NULL, 200, ITERATOR("i1")},
        {"GetRecords",
         NULL,
         200,
         PAGE("i2", "0", RECORD("10", A) "," RECORD("20", B) "," RECORD("30", C))},
    };
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 2), WEIR_OK);
    assert_data(&service, "AB");
    assert_int_equal(service.result.retry_after_ms, 0);
    assert_int_equal(get_from(&service, service.result.next, 2), WEIR_OK);
    assert_data(&service, "C");
    assert_int_equal(get_from(&service, after(10, 0), 1), WEIR_OK);
    assert_data(&service, "B");
    /* The place just before a record, as an anchor has it. */
    assert_int_equal(get_from(&service, after(9, UINT64_MAX), 1), WEIR_OK);
    assert_data(&service, "A");
    end_service(&service);
}

/* The rest of a page may be delivered long after Kinesis said that it was the last one. */
static void
is_at_the_tip_only_while_an_answer_says_so(void **state)
{
    static const struct service_step steps[] = {
        {"GetShardIterator", NULL, 200, ITERATOR("i1")},
        {"GetRecords", NULL, 200, PAGE("i2", "0", RECORD("10", A) "," RECORD("20", B))},
        {"GetRecords", NULL, 200, PAGE("i3", "0", "")},
    };
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 1), WEIR_OK);
    assert_int_equal(get_from(&service, service.result.next, 10), WEIR_OK);
    assert_data(&service, "B");
    assert_true(service.result.millis_behind_latest > 0);
    assert_int_equal(get_from(&service, service.result.next, 10), WEIR_OK);
    assert_int_equal(service.result.millis_behind_latest, 0);
    end_service(&service);
}

/* G1: never the initial position, never AFTER a number that may be only half done. */
static void
renews_an_expired_iterator_from_the_last_number(void **state)
{
    static const struct service_step steps[] = {
        {"GetShardIterator", "LATEST", 200, ITERATOR("i1")},
        {"GetRecords", NULL, 200, PAGE("i2", "0", RECORD("10", A))},
        {"GetRecords", "\"i2\"", 400, FAILURE("ExpiredIteratorException")},
        {"GetShardIterator",
         "\"StartingSequenceNumber\":\"10\",\"ShardIteratorType\":\"AT_SEQUENCE_NUMBER\"",
         200,
         ITERATOR("i3")},
        {"GetRecords", "\"i3\"", 200, PAGE("i4", "0", RECORD("10", A) "," RECORD("20", B))},
    };
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(get_from(&service, latest(), 10), WEIR_OK);
    assert_int_equal(get_from(&service, service.result.next, 10), WEIR_OK);
    assert_data(&service, "B");
    end_service(&service);
}

static void
tells_that_retention_took_what_was_to_come(void **state)
{
    static const struct service_step steps[] = {
        {"GetShardIterator", "AT_SEQUENCE_NUMBER", 200, ITERATOR("i1")},
        {"GetRecords", NULL, 200, PAGE("i2", "0", RECORD("30", C))},
        {"ListShards", NULL, 200, LIST},
        {"GetShardIterator", "TRIM_HORIZON", 200, ITERATOR("i3")},
        {"GetRecords", NULL, 200, PAGE("i4", "0", RECORD("30", C))},
    };
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(get_from(&service, after(10, 0), 10), WEIR_ETRIMMED);
    assert_int_equal(service.result.next.type, WEIR_TRIM_HORIZON);
    assert_int_equal(get_from(&service, service.result.next, 10), WEIR_OK);
    assert_data(&service, "C");
    end_service(&service);
}

/* The processor hung for longer than the retention, and the reader outlived it: Kinesis begins at
 * the oldest record without a word. */
static void
tells_that_retention_took_records_while_nobody_read(void **state)
{
    static const struct service_step steps[] = {
        {"GetShardIterator", "TRIM_HORIZON", 200, ITERATOR("i1")},
        {"GetRecords", NULL, 200, PAGE("i2", "500", RECORD("10", A))},
        {"GetShardIterator", "AT_SEQUENCE_NUMBER", 200, ITERATOR("i3")},
        {"GetRecords", "\"i3\"", 200, PAGE("i4", "500", "")},
        {"GetRecords", "\"i4\"", 200, PAGE("i5", "0", RECORD("30", C))},
        {"ListShards", NULL, 200, LIST},
    };
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_OK);
    test_env_advance_ms(&service.test, (int64_t)25 * 3600 * 1000);
    assert_int_equal(get_from(&service, service.result.next, 10), WEIR_OK);
    assert_data(&service, "");
    assert_int_equal(get_from(&service, service.result.next, 10), WEIR_ETRIMMED);
    assert_int_equal(service.result.next.type, WEIR_TRIM_HORIZON);
    end_service(&service);
}

/* A shard that was idle for longer than the retention has lost nothing. */
static void
does_not_cry_over_an_idle_shard(void **state)
{
    static const struct service_step steps[] = {
        {"GetShardIterator", NULL, 200, ITERATOR("i1")},
        {"GetRecords", NULL, 200, PAGE("i2", "0", "")},
        {"GetRecords", NULL, 200, PAGE("i3", "0", RECORD("30", C))},
    };
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(get_from(&service, after(10, 0), 10), WEIR_OK);
    assert_data(&service, "");
    assert_int_equal(get_from(&service, service.result.next, 10), WEIR_OK);
    assert_data(&service, "C");
    end_service(&service);
}

static void
ends_a_closed_shard_with_its_children(void **state)
{
    static const struct service_step steps[] = {
        {"GetShardIterator", NULL, 200, ITERATOR("i1")},
        {"GetRecords",
         NULL,
         200,
         "{\"NextShardIterator\":null,\"MillisBehindLatest\":0,\"Records\":[" RECORD(
             "10", A) "],\"ChildShards\":[{\"ShardId\":\"shardId-000000000001\",\"ParentShards\":["
                      "\"x\"]},"
                      "{\"ShardId\":\"shardId-000000000002\"}]}"},
    };
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_OK);
    assert_data(&service, "A");
    assert_true(service.result.at_shard_end);
    assert_string_equal(service.result.child_shard_ids[0], "shardId-000000000001");
    assert_string_equal(service.result.child_shard_ids[1], "shardId-000000000002");
    assert_int_equal(get_from(&service, service.result.next, 10), WEIR_OK);
    assert_true(service.result.at_shard_end);
    end_service(&service);
}

/* G1: the damaged record is the last one of the shard, so the end stood in the same answer. */
static void
does_not_end_a_shard_before_a_record_that_cannot_be_read(void **state)
{
    static const char last[] = "{\"NextShardIterator\":null,\"MillisBehindLatest\":0,"
                               "\"Records\":[" RECORD("10", A) "," RECORD("20", "?") "]}";
    static const struct service_step steps[] = {
        {"GetShardIterator", NULL, 200, ITERATOR("i1")},
        {"GetRecords", NULL, 200, last},
        {"GetShardIterator", "AT_SEQUENCE_NUMBER", 200, ITERATOR("i2")},
        {"GetRecords", "\"i2\"", 200, last},
    };
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_OK);
    assert_data(&service, "A");
    assert_false(service.result.at_shard_end);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(get_from(&service, after(10, 0), 10), WEIR_ECORRUPT);
        assert_int_equal(weir_batch_count(service.batch), 0);
    }
    end_service(&service);
}

static void
slows_down_when_it_is_refused(void **state)
{
    static const struct service_step steps[] = {
        {"GetShardIterator", NULL, 200, ITERATOR("i1")},
        {"GetRecords", NULL, 400, FAILURE("ProvisionedThroughputExceededException")},
    };
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_ETHROTTLED);
    assert_true(service.result.retry_after_ms > 0);
    assert_int_equal(service.result.next.type, WEIR_TRIM_HORIZON);
    end_service(&service);
}

/* What LATEST means must outlive the process that asked first. */
static void
gives_latest_a_number_when_nothing_comes(void **state)
{
    static const struct service_step steps[] = {
        {"GetShardIterator", "LATEST", 200, ITERATOR("i1")},
        {"GetRecords", "\"i1\"", 200, PAGE("i2", "0", "")},
        {"GetRecords", "\"i2\"", 200, PAGE("i3", "0", "")},
        {"GetRecords", "\"i3\"", 200, PAGE("i4", "0", "")},
        {"GetRecords", "\"i4\"", 200, PAGE("i5", "0", "")},
        {"GetShardIterator", "AT_TIMESTAMP", 200, ITERATOR("t1")},
        {"GetRecords", "\"t1\"", 200, PAGE("t2", "0", RECORD("10", A) "," RECORD("20", B))},
        {"GetRecords", "\"t2\"", 200, PAGE("t3", "0", "")},
        {"GetRecords", "\"i5\"", 200, PAGE("i6", "0", "")},
        {"GetRecords", "\"i6\"", 200, PAGE("i7", "0", RECORD("30", C))},
    };
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(get_from(&service, latest(), 10), WEIR_OK);
    assert_data(&service, "");
    assert_int_equal(service.result.next.type, WEIR_AFTER_SEQUENCE_NUMBER);
    assert_int_equal(service.result.next.sequence_number.word[3], 20);
    assert_int_equal(get_from(&service, service.result.next, 10), WEIR_OK);
    assert_data(&service, "C");
    end_service(&service);
}

static void
changes_nothing_by_an_answer_that_is_none(void **state)
{
    static const struct service_step steps[] = {
        {"GetShardIterator", NULL, 200, ITERATOR("i1")},
        {"GetRecords", NULL, 200, "{\"NextShardIterator\":\"i2\",\"Records\":[" RECORD("10", A)},
        {"GetShardIterator", "TRIM_HORIZON", 200, ITERATOR("i3")},
        {"GetRecords", "\"i3\"", 200, PAGE("i4", "0", RECORD("10", "?") "," RECORD("20", B))},
    };
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_ECORRUPT);
    /* Data that is no base64 is not passed by either. */
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_ECORRUPT);
    assert_int_equal(weir_batch_count(service.batch), 0);
    end_service(&service);
}

/* A batch may end inside an aggregate, and a checkpoint may stand there. */
static void
takes_an_aggregate_apart_and_goes_on_inside_it(void **state)
{
    static const struct service_step steps[] = {
        {"GetShardIterator", NULL, 200, ITERATOR("i1")},
        {"GetRecords", NULL, 200, PAGE("i2", "0", RECORD("10", AGGREGATE) "," RECORD("20", A))},
        {"ListShards", NULL, 200, LIST},
    };
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 2), WEIR_OK);
    assert_data(&service, "AB");
    assert_int_equal(weir_batch_records(service.batch)[1].sub_sequence_number, 1);
    assert_true(weir_batch_records(service.batch)[1].has_explicit_hash_key);
    assert_int_equal(service.result.next.sub_sequence_number, 1);
    assert_int_equal(get_from(&service, service.result.next, 2), WEIR_OK);
    assert_data(&service, "CA");
    assert_int_equal(get_from(&service, after(10, 0), 1), WEIR_OK);
    assert_data(&service, "B");
    end_service(&service);
}

static void
delivers_a_malformed_aggregate_as_it_is(void **state)
{
    static const struct service_step steps[] = {
        {"GetShardIterator", NULL, 200, ITERATOR("i1")},
        {"GetRecords", NULL, 200, PAGE("i2", "0", RECORD("10", NO_AGGREGATE))},
    };
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(service.batch), 1);
    assert_memory_equal(weir_batch_records(service.batch)[0].data.data, "\xf3\x89\x9a\xc2", 4);
    end_service(&service);
}

/* KPL counts A and C as put and puts B again: Java KCL drops all three. */
static void
keeps_what_belongs_to_the_child_of_a_split(void **state)
{
    static const struct service_step steps[] = {
        {"GetShardIterator", NULL, 200, ITERATOR("i1")},
        {"GetRecords", NULL, 200, PAGE("i2", "0", KPL_RECORD("10", AGGREGATE))},
        {"ListShards", NULL, 200, FAMILY},
    };
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_OK);
    assert_data(&service, "AC");
    assert_int_equal(weir_batch_records(service.batch)[1].sub_sequence_number, 2);
    end_service(&service);
}

static void
puts_and_tells_what_was_refused(void **state)
{
    static const struct service_step steps[] = {
        {"PutRecords",
         "{\"Data\":\"QQ==\",\"PartitionKey\":\"a\\\"\\\\\"},{\"Data\":\"Qg==\","
         "\"PartitionKey\":\"b\",\"ExplicitHashKey\":\"7\"}",
         200,
         "{\"FailedRecordCount\":1,\"Records\":[{\"ShardId\":\"shardId-000000000000\","
         "\"SequenceNumber\":\"10\"},{\"ErrorCode\":\"ProvisionedThroughputExceededException\","
         "\"ErrorMessage\":\"x\"}]}"},
    };
    const struct weir_put_entry entries[] = {
        {.partition_key = WI_STR("a\"\\"), .data = {"A", 1}},
        {.partition_key = WI_STR("\xff"), .data = {"X", 1}},
        {.partition_key = WI_STR("b"),
         .data = {"B", 1},
         .explicit_hash_key = {0, 7},
         .has_explicit_hash_key = true},
    };
    struct weir_put_result results[3];
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(weir_stream_put(&service.stream, entries, 3, results, NULL), WEIR_OK);
    assert_int_equal(results[0].error, WEIR_OK);
    assert_int_equal(results[0].sequence_number.word[3], 10);
    assert_int_equal(results[1].error, WEIR_EINVAL);
    assert_int_equal(results[2].error, WEIR_ETHROTTLED);
    end_service(&service);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_on_with_the_iterator_of_the_answer),
        cmocka_unit_test(cuts_a_page_into_batches_and_goes_back_in_it),
        cmocka_unit_test(is_at_the_tip_only_while_an_answer_says_so),
        cmocka_unit_test(renews_an_expired_iterator_from_the_last_number),
        cmocka_unit_test(tells_that_retention_took_what_was_to_come),
        cmocka_unit_test(tells_that_retention_took_records_while_nobody_read),
        cmocka_unit_test(does_not_cry_over_an_idle_shard),
        cmocka_unit_test(ends_a_closed_shard_with_its_children),
        cmocka_unit_test(does_not_end_a_shard_before_a_record_that_cannot_be_read),
        cmocka_unit_test(slows_down_when_it_is_refused),
        cmocka_unit_test(gives_latest_a_number_when_nothing_comes),
        cmocka_unit_test(changes_nothing_by_an_answer_that_is_none),
        cmocka_unit_test(takes_an_aggregate_apart_and_goes_on_inside_it),
        cmocka_unit_test(delivers_a_malformed_aggregate_as_it_is),
        cmocka_unit_test(keeps_what_belongs_to_the_child_of_a_split),
        cmocka_unit_test(puts_and_tells_what_was_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

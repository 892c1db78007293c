/* What the Kinesis stream sends: requests of a put, the bounds of records, the order of a merge. */
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/stream.h>

#include "core/check.h"
#include "core/str.h"
#include "tests/support/weir_test.h"
#include "tests/unit/stream/kinesis_service.h"

#define STEPS(array) (array), WI_ARRAY_LENGTH(array)

#define MEGABYTE ((size_t)1000 * 1000)

#define STORED "{\"ShardId\":\"shardId-000000000000\",\"SequenceNumber\":\"10\"}"
#define STORED_5                                                                                   \
    "{\"FailedRecordCount\":0,\"Records\":[" STORED "," STORED "," STORED "," STORED "," STORED "]}"
#define STORED_1 "{\"FailedRecordCount\":0,\"Records\":[" STORED "]}"

/* The description of a stream that takes records of so many KiB. */
#define TAKES(kib)                                                                                 \
    "{\"StreamDescriptionSummary\":{\"StreamARN\":\"arn:aws:kinesis:r:1:stream/s\","               \
    "\"StreamStatus\":\"ACTIVE\",\"RetentionPeriodHours\":24,\"StreamCreationTimestamp\":1.7E9,"   \
    "\"OpenShardCount\":1,\"MaxRecordSizeInKiB\":" kib "}}"

#define HALVES                                                                                     \
    "{\"Shards\":[{\"ShardId\":\"shardId-000000000000\",\"HashKeyRange\":{\"StartingHashKey\":"    \
    "\"0\",\"EndingHashKey\":\"170141183460469231731687303715884105727\"},"                        \
    "\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"1\"}},"                                 \
    "{\"ShardId\":\"shardId-000000000001\",\"HashKeyRange\":{\"StartingHashKey\":"                 \
    "\"170141183460469231731687303715884105728\","                                                 \
    "\"EndingHashKey\":\"340282366920938463463374607431768211455\"},"                              \
    "\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"2\"}}]}"

static char bytes[2 * MEGABYTE];

/* Put `count` records of so many bytes, of which five go into one request. */
static enum weir_error
put_bytes(
    struct kinesis_service *service, size_t length, size_t count, struct weir_put_result *results)
{
    struct weir_put_entry entries[6];

    assert_in_range(count, 1, WI_ARRAY_LENGTH(entries));
    memset(bytes, 'x', sizeof bytes);
    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct weir_put_entry){.partition_key = WI_STR("k"),
                                             .data = {.data = bytes, .length = length}};
    }
    return weir_stream_put(&service->stream, entries, count, results, NULL);
}

/* An error means that nothing was written. What was written by the first request must be told, or
 * the caller puts it again. */
static void
tells_what_was_written_before_a_request_failed(void **state)
{
    static const struct service_step steps[] = {
        {"PutRecords", NULL, 200, STORED_5},
        {"PutRecords", NULL, 400, FAILURE("ResourceNotFoundException")},
        {"PutRecords", NULL, 400, FAILURE("ResourceNotFoundException")},
    };
    struct weir_put_result results[6];
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(put_bytes(&service, MEGABYTE, 6, results), WEIR_OK);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(results[i].error, WEIR_OK);
    }
    assert_int_equal(results[5].error, WEIR_ETHROTTLED);
    assert_int_equal(put_bytes(&service, MEGABYTE, 1, results), WEIR_ENOTFOUND);
    end_service(&service);
}

/* Kinesis would refuse the whole request. */
static void
refuses_records_beyond_the_bound_of_the_stream(void **state)
{
    static const struct service_step steps[] = {
        {"DescribeStreamSummary", NULL, 200, TAKES("1024")},
        {"DescribeStreamSummary", NULL, 200, TAKES("1024.5e9")},
    };
    struct weir_put_result results[1];
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(put_bytes(&service, (size_t)1024 * 1024 + 1, 1, results), WEIR_OK);
        assert_int_equal(results[0].error, WEIR_EINVAL);
    }
    end_service(&service);
}

static void
learns_that_the_stream_takes_larger_records(void **state)
{
    static const struct service_step steps[] = {
        {"DescribeStreamSummary", NULL, 200, TAKES("2048")},
        {"PutRecords", NULL, 200, STORED_1},
        {"PutRecords", NULL, 200, STORED_1},
    };
    struct weir_put_result results[1];
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(put_bytes(&service, 2 * MEGABYTE, 1, results), WEIR_OK);
        assert_int_equal(results[0].error, WEIR_OK);
    }
    end_service(&service);
}

/* Kinesis takes no other order. */
static void
merges_with_the_lower_shard_first(void **state)
{
    static const struct service_step steps[] = {
        {"ListShards", NULL, 200, HALVES},
        {"ListShards", NULL, 200, HALVES},
        {"MergeShards",
         "\"ShardToMerge\":\"shardId-000000000000\","
         "\"AdjacentShardToMerge\":\"shardId-000000000001\"",
         200,
         "{}"},
        {"DescribeStreamSummary", NULL, 200, SUMMARY},
    };
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(
        weir_stream_merge(
            &service.stream, WI_STR("shardId-000000000001"), WI_STR("shardId-000000000000"), NULL),
        WEIR_OK);
    end_service(&service);
}

/* An empty list would say that retention has taken every shard. */
static void
lists_anew_when_the_token_has_expired(void **state)
{
    static const char first[] = "{\"NextToken\":\"t\",\"Shards\":[]}";
    static const struct service_step steps[] = {
        {"ListShards", "\"StreamName\":\"s\"", 200, first},
        {"ListShards", "\"NextToken\":\"t\"", 400, FAILURE("ExpiredNextTokenException")},
        {"ListShards", "\"StreamName\":\"s\"", 200, HALVES},
        {"ListShards", NULL, 200, first},
        {"ListShards", NULL, 400, FAILURE("ExpiredNextTokenException")},
        {"ListShards", NULL, 200, first},
        {"ListShards", NULL, 400, FAILURE("ExpiredNextTokenException")},
        {"ListShards", NULL, 200, first},
        {"ListShards", NULL, 400, FAILURE("ExpiredNextTokenException")},
    };
    struct weir_stream_description description = {0};
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(weir_stream_describe(&service.stream, &description, NULL), WEIR_OK);
    assert_int_equal(description.shard_count, 2);
    weir_stream_description_free(&service.stream, &description);
    assert_int_equal(weir_stream_describe(&service.stream, &description, NULL), WEIR_EEXPIRED);
    end_service(&service);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_was_written_before_a_request_failed),
        cmocka_unit_test(refuses_records_beyond_the_bound_of_the_stream),
        cmocka_unit_test(learns_that_the_stream_takes_larger_records),
        cmocka_unit_test(merges_with_the_lower_shard_first),
        cmocka_unit_test(lists_anew_when_the_token_has_expired),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

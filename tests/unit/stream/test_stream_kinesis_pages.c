/* The memory of pages of the Kinesis stream: who has no use for it gives it back. */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/str.h"
#include "stream/stream_kinesis.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"
#include "tests/unit/stream/kinesis_service.h"

#define STEPS(array) (array), WI_ARRAY_LENGTH(array)

static size_t
pages_bytes(const struct kinesis_service *service)
{
    const struct wi_kinesis_stream *stream = service->stream.source;

    return atomic_load(stream->pages_bytes);
}

/* Somebody reads another shard, when all pages together have so many bytes more. */
static void
read_beside(struct kinesis_service *service, int64_t after_ms, size_t bytes)
{
    const struct wi_kinesis_stream *stream = service->stream.source;
    struct weir_get_result result;

    test_env_advance_ms(&service->test, after_ms);
    atomic_fetch_add(stream->pages_bytes, bytes);
    assert_int_equal(
        weir_stream_get(
            &service->stream,
            &(struct weir_get_request){.shard_id = WI_STR("shardId-000000000001"),
                                       .from = horizon(),
                                       .records_max = 10,
                                       .bytes_max = 1000000},
            service->batch,
            &result),
        WEIR_OK);
    atomic_fetch_sub(stream->pages_bytes, bytes);
}

static void
keeps_no_page_of_a_shard_that_has_ended(void **state)
{
    static const char last[] =
        "{\"NextShardIterator\":null,\"MillisBehindLatest\":0,\"Records\":[" RECORD(
            "10", "QQ==") "," RECORD("20", "Qg==") "],\"ChildShards\":[{\"ShardId\":\"c\"}]}";
    static const struct service_step steps[] = {
        {"GetShardIterator", "TRIM_HORIZON", 200, ITERATOR("i1")},
        {"GetRecords", "\"i1\"", 200, last},
        {"GetShardIterator", "AT_SEQUENCE_NUMBER", 200, ITERATOR("i2")},
        {"GetRecords", "\"i2\"", 200, last},
    };
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 1), WEIR_OK);
    assert_false(service.result.at_shard_end);
    assert_true(pages_bytes(&service) > 0);
    assert_int_equal(get_from(&service, service.result.next, 1), WEIR_OK);
    assert_int_equal(pages_bytes(&service), 0);
    assert_int_equal(get_from(&service, service.result.next, 1), WEIR_OK);
    assert_true(service.result.at_shard_end);
    assert_string_equal(service.result.child_shard_ids[0], "c");
    assert_int_equal(service.result.millis_behind_latest, 0);
    /* A batch that failed is read again. */
    assert_int_equal(get_from(&service, after(10, 0), 1), WEIR_OK);
    assert_int_equal(weir_batch_count(service.batch), 1);
    assert_int_equal(service.result.next.sequence_number.word[3], 20);
    assert_true(service.result.at_shard_end);
    end_service(&service);
}

static void
gives_up_a_page_that_nobody_reads_when_memory_is_scarce(void **state)
{
    static const char beside[] = PAGE("b2", "0", "");
    static const struct service_step steps[] = {
        {"GetShardIterator", "TRIM_HORIZON", 200, ITERATOR("i1")},
        {"GetRecords",
         "\"i1\"",
         200,
         PAGE("i2", "0", RECORD("10", "QQ==") "," RECORD("20", "Qg==") "," RECORD("30", "Qw=="))},
        {"GetShardIterator", "shardId-000000000001", 200, ITERATOR("b1")},
        {"GetRecords", NULL, 200, beside},
        {"GetRecords", NULL, 200, beside},
        {"GetRecords", NULL, 200, beside},
        {"GetShardIterator", "\"StartingSequenceNumber\":\"20\"", 200, ITERATOR("i3")},
        {"GetRecords",
         "\"i3\"",
         200,
         PAGE("i4", "0", RECORD("20", "Qg==") "," RECORD("30", "Qw=="))},
    };
    struct kinesis_service service;
    size_t held;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 1), WEIR_OK);
    read_beside(&service, 100000, 0); /* there is enough for all */
    assert_int_equal(get_from(&service, after(10, 0), 1), WEIR_OK);
    assert_int_equal(service.result.next.sequence_number.word[3], 20);
    held = pages_bytes(&service);
    read_beside(&service, 58000, WI_KINESIS_PAGES_BYTES_MAX);
    assert_int_equal(pages_bytes(&service), held);
    read_beside(&service, 2000, WI_KINESIS_PAGES_BYTES_MAX);
    assert_true(pages_bytes(&service) < held);
    assert_int_equal(get_from(&service, after(20, 0), 1), WEIR_OK);
    assert_int_equal(weir_batch_count(service.batch), 1);
    assert_int_equal(service.result.next.sequence_number.word[3], 30);
    end_service(&service);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_no_page_of_a_shard_that_has_ended),
        cmocka_unit_test(gives_up_a_page_that_nobody_reads_when_memory_is_scarce),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Enhanced fan-out against a service with a script: where subscriptions begin, and what their
 * events say of the shard. */
#include <stdint.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "core/check.h"
#include "stream/stream_source.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"
#include "tests/unit/stream/kinesis_service.h"

#define STEPS(array) (array), WI_ARRAY_LENGTH(array)
#define URL          "kinesis:s?region=r&endpoint=http://127.0.0.1:1&fan_out=c"

#define LIST                                                                                       \
    "{\"Shards\":[{\"ShardId\":\"shardId-000000000000\",\"HashKeyRange\":{\"StartingHashKey\":"    \
    "\"0\",\"EndingHashKey\":\"340282366920938463463374607431768211455\"},"                        \
    "\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"1\"}}]}"

/* Events and ends come when they come: read on until there is something to tell. */
static enum weir_error
get_next(struct kinesis_service *service, struct weir_position from)
{
    const struct wi_stream_source_ops *ops = service->stream.ops;
    enum weir_error error = WEIR_OK;

    test_env_advance_ms(&service->test, 20000); /* the next call is allowed */
    for (int i = 0; i < 10 && error == WEIR_OK; i++) {
        const uint32_t seen = ops->wake_word(service->stream.source);

        error = get_now(service, from, 10);
        if (weir_batch_count(service->batch) > 0) {
            break;
        }
        if (error == WEIR_OK) {
            (void)ops->wait(service->stream.source, seen, 10000);
        }
    }
    return error;
}

static void
goes_on_at_the_continuation_number(void **state)
{
    static const struct service_step steps[] = {
        {"DescribeStreamConsumer", NULL, 200, CONSUMER},
        {"SubscribeToShard", "TRIM_HORIZON", 200, EVENT("15", "0", RECORD("10", "QQ=="))},
        {"SubscribeToShard", "\"15\"", 200, EVENT("35", "0", RECORD("30", "Qw=="))},
    };
    struct kinesis_service service;

    (void)state;
    given_service_at(&service, URL, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(service.batch), 1);
    assert_int_equal(get_next(&service, service.result.next), WEIR_OK);
    assert_int_equal(service.result.next.sequence_number.word[3], 30);
    end_service(&service);
}

/* Nobody has said that nothing has come since: replays are marked until somebody does. */
static void
is_at_the_tip_only_while_an_event_says_so(void **state)
{
    static const struct service_step steps[] = {
        {"DescribeStreamConsumer", NULL, 200, CONSUMER},
        {"SubscribeToShard", "TRIM_HORIZON", 200, EVENT("15", "0", RECORD("10", "QQ=="))},
    };
    struct kinesis_service service;

    (void)state;
    given_service_at(&service, URL, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_OK);
    assert_int_equal(service.result.millis_behind_latest, 0);
    assert_int_equal(get_now(&service, service.result.next, 10), WEIR_OK);
    assert_int_equal(weir_batch_count(service.batch), 0);
    assert_true(service.result.millis_behind_latest > 0);
    end_service(&service);
}

/* The processor hung for longer than the retention: an old continuation number would begin at the
 * oldest record without a word. */
static void
tells_that_retention_took_records_while_nobody_read(void **state)
{
    static const struct service_step steps[] = {
        {"DescribeStreamConsumer", NULL, 200, CONSUMER},
        {"SubscribeToShard", "TRIM_HORIZON", 200, EVENT("15", "0", RECORD("10", "QQ=="))},
        {"SubscribeToShard", "\"10\"", 200, EVENT("35", "0", RECORD("30", "Qw=="))},
        {"ListShards", NULL, 200, LIST},
    };
    struct kinesis_service service;

    (void)state;
    given_service_at(&service, URL, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(service.batch), 1);
    test_env_advance_ms(&service.test, (int64_t)25 * 3600 * 1000);
    assert_int_equal(get_next(&service, service.result.next), WEIR_ETRIMMED);
    assert_int_equal(service.result.next.type, WEIR_TRIM_HORIZON);
    end_service(&service);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on_at_the_continuation_number),
        cmocka_unit_test(is_at_the_tip_only_while_an_event_says_so),
        cmocka_unit_test(tells_that_retention_took_records_while_nobody_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

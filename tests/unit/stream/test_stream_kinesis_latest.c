/* LATEST of Kinesis as a number: what is found counts only if nothing came meanwhile. */
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "core/check.h"
#include "tests/support/weir_test.h"
#include "tests/unit/stream/kinesis_service.h"

#define STEPS(array) (array), WI_ARRAY_LENGTH(array)

#define THROTTLED FAILURE("ProvisionedThroughputExceededException")

/* What is read before anything is searched. */
#define NOTHING_COMES                                                                              \
    {"GetShardIterator", "LATEST", 200, ITERATOR("i1")},                                           \
        {"GetRecords", "\"i1\"", 200, PAGE("i2", "0", "")},                                        \
        {"GetRecords", "\"i2\"", 200, PAGE("i3", "0", "")},                                        \
        {"GetRecords", "\"i3\"", 200, PAGE("i4", "0", "")},                                        \
    {                                                                                              \
        "GetRecords", "\"i4\"", 200, PAGE("i5", "0", "")                                           \
    }

/* The record that the search found came behind LATEST: it was not there in the pages before. */
static void
delivers_a_record_that_comes_while_the_newest_is_looked_for(void **state)
{
    static const struct service_step steps[] = {
        NOTHING_COMES,
        {"GetShardIterator", "AT_TIMESTAMP", 200, ITERATOR("t1")},
        {"GetRecords", "\"t1\"", 200, PAGE("t2", "0", RECORD("10", "QQ=="))},
        {"GetRecords", "\"t2\"", 200, PAGE("t3", "0", "")},
        {"GetRecords", "\"i5\"", 200, PAGE("i6", "900", "")},
        {"GetRecords", "\"i6\"", 200, PAGE("i7", "0", RECORD("10", "QQ=="))},
    };
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(get_from(&service, latest(), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(service.batch), 0);
    assert_int_equal(service.result.next.type, WEIR_LATEST);
    assert_int_equal(service.result.millis_behind_latest, 900);
    assert_int_equal(get_from(&service, service.result.next, 10), WEIR_OK);
    assert_int_equal(weir_batch_count(service.batch), 1);
    assert_int_equal(service.result.next.sequence_number.word[3], 10);
    end_service(&service);
}

/* Other applications read the shard as well. */
static void
waits_out_refusals_while_it_searches(void **state)
{
    static const struct service_step steps[] = {
        {"GetShardIterator", "LATEST", 200, ITERATOR("i1")},
        {"GetRecords", "\"i1\"", 200, PAGE("i2", "0", "")},
        {"GetRecords", "\"i2\"", 400, THROTTLED}, /* enough of patience */
        {"GetShardIterator", "AT_TIMESTAMP", 200, ITERATOR("t1")},
        {"GetRecords", "\"t1\"", 400, THROTTLED},
        {"GetRecords", "\"t1\"", 200, PAGE("t2", "0", RECORD("10", "QQ=="))},
        {"GetRecords", "\"t2\"", 400, THROTTLED},
        {"GetRecords", "\"t2\"", 200, PAGE("t3", "0", "")},
        {"GetRecords", "\"i2\"", 400, THROTTLED}, /* the last look */
        {"GetRecords", "\"i2\"", 200, PAGE("i3", "0", "")},
    };
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(get_from(&service, latest(), 10), WEIR_ETHROTTLED);
    assert_int_equal(get_from(&service, latest(), 10), WEIR_OK);
    assert_int_equal(service.result.next.type, WEIR_AFTER_SEQUENCE_NUMBER);
    assert_int_equal(service.result.next.sequence_number.word[3], 10);
    end_service(&service);
}

/* A search that takes too long for one call does not begin anew with the next. */
static void
goes_on_where_a_search_was_left_off(void **state)
{
    static const struct service_step steps[] = {
        NOTHING_COMES,
        {"GetShardIterator", "AT_TIMESTAMP", 200, ITERATOR("t1")},
        {"GetRecords", "\"t1\"", 200, PAGE("t2", "500", RECORD("10", "QQ=="))},
        {"GetRecords", "\"t2\"", 400, THROTTLED},
        {"GetRecords", "\"t2\"", 400, THROTTLED},
        {"GetRecords", "\"t2\"", 400, THROTTLED},
        {"GetRecords", "\"t2\"", 400, THROTTLED},
        {"GetRecords", "\"t2\"", 400, THROTTLED},
        {"GetRecords", "\"i5\"", 200, PAGE("i6", "0", "")},
        {"GetRecords", "\"t2\"", 200, PAGE("t3", "0", "")},
        {"GetRecords", "\"i6\"", 200, PAGE("i7", "0", "")},
    };
    struct kinesis_service service;

    (void)state;
    given_service(&service, STEPS(steps));
    assert_int_equal(get_from(&service, latest(), 10), WEIR_OK);
    assert_int_equal(service.result.next.type, WEIR_LATEST);
    assert_true(service.result.retry_after_ms > 0);
    assert_int_equal(get_from(&service, latest(), 10), WEIR_OK);
    assert_int_equal(service.result.next.type, WEIR_AFTER_SEQUENCE_NUMBER);
    assert_int_equal(service.result.next.sequence_number.word[3], 10);
    end_service(&service);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivers_a_record_that_comes_while_the_newest_is_looked_for),
        cmocka_unit_test(waits_out_refusals_while_it_searches),
        cmocka_unit_test(goes_on_where_a_search_was_left_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

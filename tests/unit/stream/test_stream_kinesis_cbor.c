/* GetRecords in CBOR: what is asked, what is delivered, and what happens where it is not known. */
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "core/check.h"
#include "tests/support/weir_test.h"
#include "tests/unit/stream/kinesis_service.h"

#define STEPS(array) (array), WI_ARRAY_LENGTH(array)

#define URL "kinesis:s?region=r&endpoint=http://127.0.0.1:1&reads_per_second=1000&encoding=cbor"

#define ASKED_JSON(iterator) "{\"ShardIterator\":\"" iterator "\",\"Limit\":"
/* {"ShardIterator": iterator, "Limit": ...}; an iterator of two characters. */
#define ASKED_CBOR(iterator) "\xa2\x6dShardIterator\x62" iterator "\x65Limit"

/* A page of one record at number 10: data "A" and a zero, key "\"; iterator "i2". */
#define CBOR_RECORD                                                                                \
    "\xa4\144Data\102A~\x6cPartitionKey\x61\\\x6eSequenceNumber\x62\061\060\x78"                   \
    "\033ApproximateArrivalTimestamp\xc1\x1b~~\x01\x8b\xcf\xe5\x66~"
#define CBOR_PAGE                                                                                  \
    "\xa3\x71NextShardIterator\x62i2\x72MillisBehindLatest~\x67Records\x81" CBOR_RECORD
#define CBOR_EXPIRED "\xa1\x66__type\x78\030ExpiredIteratorException"
/* Data as text, as kinesis-mock and kinesalite send it: "A" at 20; and one whose text is no base64.
 */
#define CBOR_TEXT_PAGE                                                                             \
    "\xa2\x71NextShardIterator\x62i2\x67Records\x81\xa3\144Data\x64QQ==\x6cPartitionKey\x61k\x6e"  \
    "SequenceNumber\x62\062\060"
#define CBOR_NO_BASE64                                                                             \
    "\xa1\x67Records\x81\xa3\144Data\x65QQ\\/=\x6cPartitionKey\x61k\x6eSequenceNumber\x62\062\060"
#define CBOR_BAD_PAGE "\xa1\x67Records\x81\xa1\144Data\x07"

#define CBOR_STEP(status, bytes, asked)     {"GetRecords" IN_CBOR, asked, status, bytes}
#define JSON_STEP(operation, asked, answer) {operation, asked, 200, answer}

static void
delivers_bytes_as_they_are(void **state)
{
    static const struct service_step steps[] = {
        JSON_STEP("GetShardIterator", "TRIM_HORIZON", ITERATOR("i1")),
        CBOR_STEP(200, CBOR_PAGE, ASKED_CBOR("i1")),
        CBOR_STEP(400, CBOR_EXPIRED, ASKED_CBOR("i2")),
        JSON_STEP("GetShardIterator", "\"10\"", ITERATOR("i3")),
        CBOR_STEP(200, CBOR_PAGE, ASKED_CBOR("i3")),
    };
    struct kinesis_service service;
    const struct weir_record *record;

    (void)state;
    given_service_at(&service, URL, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(service.batch), 1);
    record = weir_batch_records(service.batch);
    assert_int_equal(record->data.length, 2);
    assert_memory_equal(record->data.data, "A\0", 2);
    assert_int_equal(record->partition_key.length, 1);
    assert_memory_equal(record->partition_key.data, "\\", 1);
    assert_int_equal(record->sequence_number.word[3], 10);
    assert_int_equal(record->arrival_ms, INT64_C(0x018bcfe56600));
    /* The error of an expired iterator is told apart in CBOR too; nothing comes twice. */
    assert_int_equal(get_from(&service, service.result.next, 10), WEIR_OK);
    assert_int_equal(weir_batch_count(service.batch), 0);
    end_service(&service);
}

static void
goes_on_in_json_where_cbor_is_not_known(void **state)
{
    static const struct service_step steps[] = {
        JSON_STEP("GetShardIterator", NULL, ITERATOR("i1")),
        CBOR_STEP(404, "<UnknownOperationException/>", NULL),
        JSON_STEP("GetRecords", ASKED_JSON("i1"), PAGE("i2", "0", RECORD("10", "QQ=="))),
        JSON_STEP("GetRecords", ASKED_JSON("i2"), PAGE("i3", "0", RECORD("20", "QQ=="))),
    };
    struct kinesis_service service;

    (void)state;
    given_service_at(&service, URL, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(service.batch), 1);
    assert_int_equal(service.test.last_log_level, WEIR_LOG_WARN);
    assert_non_null(strstr(service.test.last_log, "asked in JSON from now on"));
    service.test.log_lines = 0;
    assert_int_equal(get_from(&service, service.result.next, 10), WEIR_OK);
    assert_int_equal(weir_batch_count(service.batch), 1);
    assert_int_equal(service.test.log_lines, 0);
    end_service(&service);
}

static void
reads_an_answer_in_json_and_asks_for_no_other(void **state)
{
    static const struct service_step steps[] = {
        JSON_STEP("GetShardIterator", NULL, ITERATOR("i1")),
        CBOR_STEP(200, PAGE("i2", "0", RECORD("10", "QQ==")), ASKED_CBOR("i1")),
        JSON_STEP("GetRecords", ASKED_JSON("i2"), PAGE("i3", "0", "")),
    };
    struct kinesis_service service;

    (void)state;
    given_service_at(&service, URL, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(service.batch), 1);
    assert_non_null(strstr(service.test.last_log, "the answer came in JSON"));
    assert_int_equal(get_from(&service, service.result.next, 10), WEIR_OK);
    end_service(&service);
}

/* Throttling and the like say nothing of the encoding. */
static void
keeps_to_cbor_after_other_errors(void **state)
{
    static const struct service_step steps[] = {
        JSON_STEP("GetShardIterator", NULL, ITERATOR("i1")),
        CBOR_STEP(400, FAILURE("ProvisionedThroughputExceededException"), NULL),
        CBOR_STEP(500, "", NULL),
        CBOR_STEP(200, CBOR_PAGE, ASKED_CBOR("i1")),
    };
    struct kinesis_service service;

    (void)state;
    given_service_at(&service, URL, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_ETHROTTLED);
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_ETIMEOUT);
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(service.batch), 1);
    end_service(&service);
}

static void
takes_data_in_base64_too(void **state)
{
    static const struct service_step steps[] = {
        JSON_STEP("GetShardIterator", NULL, ITERATOR("i1")),
        CBOR_STEP(200, CBOR_NO_BASE64, ASKED_CBOR("i1")),
        JSON_STEP("GetShardIterator", "TRIM_HORIZON", ITERATOR("i1")),
        CBOR_STEP(200, CBOR_TEXT_PAGE, ASKED_CBOR("i1")),
    };
    struct kinesis_service service;
    const struct weir_record *record;

    (void)state;
    given_service_at(&service, URL, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_ECORRUPT);
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(service.batch), 1);
    record = weir_batch_records(service.batch);
    assert_int_equal(record->data.length, 1);
    assert_memory_equal(record->data.data, "A", 1);
    end_service(&service);
}

static void
tells_what_is_wrong_with_an_answer(void **state)
{
    static const struct service_step steps[] = {
        JSON_STEP("GetShardIterator", NULL, ITERATOR("i1")),
        CBOR_STEP(200, CBOR_BAD_PAGE, ASKED_CBOR("i1")),
        JSON_STEP("GetShardIterator", "TRIM_HORIZON", ITERATOR("i1")),
        CBOR_STEP(200, CBOR_PAGE, ASKED_CBOR("i1")),
    };
    struct kinesis_service service;

    (void)state;
    given_service_at(&service, URL, STEPS(steps));
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_ECORRUPT);
    assert_non_null(strstr(service.test.last_log, "of CBOR: Data that is no string"));
    assert_int_equal(get_from(&service, horizon(), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(service.batch), 1);
    end_service(&service);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivers_bytes_as_they_are),
        cmocka_unit_test(goes_on_in_json_where_cbor_is_not_known),
        cmocka_unit_test(reads_an_answer_in_json_and_asks_for_no_other),
        cmocka_unit_test(keeps_to_cbor_after_other_errors),
        cmocka_unit_test(takes_data_in_base64_too),
        cmocka_unit_test(tells_what_is_wrong_with_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

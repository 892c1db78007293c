/* A Kinesis that answers from a script: what is asked is checked, what is answered is given. */
#ifndef WI_TESTS_UNIT_STREAM_KINESIS_SERVICE_H
#define WI_TESTS_UNIT_STREAM_KINESIS_SERVICE_H

#include <stddef.h>

#include <weir/stream.h>

#include "aws/http.h"
#include "stream/stream_source.h"
#include "tests/support/test_env.h"

#define SERVICE_TEXT_SIZE 4096

/* One request: which operation, what its body must contain, and the answer. It must be in JSON,
 * unless the operation ends in IN_CBOR; '~' in the answer stands for a zero then. The answer of
 * SubscribeToShard is one event. */
#define IN_CBOR " in CBOR"
struct service_step {
    const char *operation;
    const char *contains; /* NULL: anything */
    int status;
    const char *answer;
};

struct kinesis_service {
    struct test_env test;
    struct wi_http http;
    const struct service_step *steps;
    size_t step_count;
    size_t asked;
    struct weir_stream stream;
    struct weir_batch *batch;
    struct weir_get_result result; /* of the last get */
};

/* Open `kinesis:s` with credentials that nobody checks. The script follows the request that opening
 * makes. */
void given_service(
    struct kinesis_service *service, const struct service_step *steps, size_t step_count);
/* The same for another URL. */
void given_service_at(
    struct kinesis_service *service,
    const char *url,
    const struct service_step *steps,
    size_t step_count);
/* Open several streams; the script begins with the requests that opening makes. The service ends by
 * itself if that fails. */
enum weir_error given_streams(
    struct kinesis_service *service,
    const char *url,
    const struct service_step *steps,
    size_t step_count,
    struct weir_detail *detail);
/* Every step was asked for, and nothing leaks. */
void end_service(struct kinesis_service *service);

/* Get from shard 0; time passes first, so that no pace stands in the way. */
enum weir_error get_from(
    struct kinesis_service *service, struct weir_position from, size_t records_max);
/* The same at once. */
enum weir_error get_now(
    struct kinesis_service *service, struct weir_position from, size_t records_max);

struct weir_position horizon(void);
struct weir_position latest(void);
struct weir_position after(uint64_t number, uint64_t sub);

#define SUMMARY                                                                                    \
    "{\"StreamDescriptionSummary\":{\"StreamARN\":\"arn:aws:kinesis:r:1:stream/s\","               \
    "\"StreamStatus\":\"ACTIVE\",\"RetentionPeriodHours\":24,\"StreamCreationTimestamp\":1.7E9,"   \
    "\"OpenShardCount\":1}}"
#define ITERATOR(name) "{\"ShardIterator\":\"" name "\"}"
#define RECORD(number, data)                                                                       \
    "{\"SequenceNumber\":\"" number "\",\"PartitionKey\":\"k\",\"Data\":\"" data                   \
    "\",\"ApproximateArrivalTimestamp\":1699999999.5}"
#define PAGE(next, behind, records)                                                                \
    "{\"NextShardIterator\":\"" next "\",\"MillisBehindLatest\":" behind ",\"Records\":[" records  \
    "]}"
#define EVENT(number, behind, records)                                                             \
    "{\"ContinuationSequenceNumber\":\"" number "\",\"MillisBehindLatest\":" behind                \
    ",\"Records\":[" records "]}"
#define CONSUMER                                                                                   \
    "{\"ConsumerDescription\":{\"ConsumerARN\":\"arn:aws:kinesis:r:1:stream/s/consumer/c:1\","     \
    "\"ConsumerStatus\":\"ACTIVE\"}}"
#define FAILURE(type) "{\"__type\":\"" type "\",\"message\":\"no\"}"

#endif

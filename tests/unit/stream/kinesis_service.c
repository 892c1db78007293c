#include "tests/unit/stream/kinesis_service.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "aws/http.h"
#include "aws/kinesis_api.h"
#include "core/str.h"
#include "stream/stream_kinesis.h"
#include "stream/stream_kinesis_set.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

static void
close_nothing(void *http)
{
    (void)http;
}

static void
interrupt_nothing(void *http)
{
    (void)http;
}

static const char *
header(const struct wi_http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, name) == 0) {
            return request->headers[i].value;
        }
    }
    return "";
}

static void
put_word(unsigned char *to, size_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        to[i] = (unsigned char)(value >> (24 - 8 * i));
    }
}

/* The answer as an event of a subscription, which ends behind it. */
static void
stream_event(struct wi_http_exchange *exchange, const struct service_step *step)
{
    static const char headers[] = "\x0d:message-type\x07\0\x05"
                                  "event"
                                  "\x0b:event-type\x07\0\x15SubscribeToShardEvent";
    const size_t payload = strlen(step->answer);
    const size_t length = 16 + (sizeof headers - 1) + payload;
    unsigned char *message = malloc(length);

    assert_non_null(message);
    put_word(message, length);
    put_word(message + 4, sizeof headers - 1);
    put_word(message + 8, crc32(0, message, 8));
    memcpy(message + 12, headers, sizeof headers - 1);
    memcpy(message + 12 + (sizeof headers - 1), step->answer, payload);
    put_word(message + length - 4, crc32(0, message, (unsigned)(length - 4)));
    (void)exchange->request.stream(
        exchange->request.stream_context, (struct weir_bytes){message, length});
    free(message);
}

static void
answer_one(struct kinesis_service *service, struct wi_http_exchange *exchange)
{
    static const struct service_step opening = {"DescribeStreamSummary", NULL, 200, SUMMARY};
    const struct service_step *step = &opening;
    const char *target = strchr(header(&exchange->request, "X-Amz-Target"), '.');
    char *body;
    char operation[SERVICE_TEXT_SIZE];
    bool is_cbor;
    const struct weir_str text = {exchange->request.body.data, exchange->request.body.length};

    if (service->asked > 0) {
        assert_true(service->asked <= service->step_count);
        step = &service->steps[service->asked - 1];
    }
    service->asked++;
    is_cbor = strstr(step->operation, IN_CBOR) != NULL;
    assert_non_null(target);
    assert_string_equal(
        header(&exchange->request, "Content-Type"),
        is_cbor ? WI_KINESIS_CBOR_TYPE : WI_KINESIS_CONTENT_TYPE);
    (void)snprintf(operation, sizeof operation, "%s%s", target + 1, is_cbor ? IN_CBOR : "");
    assert_string_equal(operation, step->operation);
    body = strndup(text.data, text.length);
    assert_non_null(body);
    if (step->contains != NULL && strstr(body, step->contains) == NULL) {
        fail_msg("%s has no %s", body, step->contains);
    }
    free(body);
    wi_buffer_reset(&exchange->body);
    if (exchange->request.stream != NULL && step->status == 200) {
        stream_event(exchange, step);
    } else {
        wi_buffer_append_z(&exchange->body, step->answer);
    }
    for (size_t i = 0; is_cbor && i < exchange->body.length; i++) {
        exchange->body.data[i] = (char)(exchange->body.data[i] == '~' ? 0 : exchange->body.data[i]);
    }
    exchange->failure = WI_HTTP_ANSWERED;
    exchange->error = WEIR_OK;
    exchange->status = step->status;
    exchange->retry_after_ms = -1;
}

static void
answer(void *context, struct wi_http_exchange *const *exchanges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        answer_one(context, exchanges[i]);
    }
}

static const struct wi_http_ops canned_ops = {
    .close = close_nothing, .perform = answer, .interrupt = interrupt_nothing};

void
given_service(struct kinesis_service *service, const struct service_step *steps, size_t step_count)
{
    given_service_at(
        service,
        "kinesis:s?region=r&endpoint=http://127.0.0.1:1&reads_per_second=1000",
        steps,
        step_count);
}

static void
init_service(struct kinesis_service *service, const struct service_step *steps, size_t step_count)
{
    memset(service, 0, sizeof *service);
    setenv("AWS_ACCESS_KEY_ID", "id", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    test_env_init(&service->test);
    service->http = (struct wi_http){&canned_ops, service, &service->test.env};
    service->steps = steps;
    service->step_count = step_count;
    service->stream.env = &service->test.env;
}

enum weir_error
given_streams(
    struct kinesis_service *service,
    const char *url,
    const struct service_step *steps,
    size_t step_count,
    struct weir_detail *detail)
{
    enum weir_error error;

    init_service(service, steps, step_count);
    service->asked = 1;
    error = wi_stream_kinesis_set_open_with(
        &service->test.env, url, &service->http, &service->stream, detail);
    if (error == WEIR_OK) {
        assert_int_equal(weir_batch_new(&service->test.env, &service->batch), WEIR_OK);
    } else {
        assert_int_equal(service->asked, step_count + 1);
        test_env_assert_no_leak(&service->test);
    }
    return error;
}

void
given_service_at(
    struct kinesis_service *service,
    const char *url,
    const struct service_step *steps,
    size_t step_count)
{
    init_service(service, steps, step_count);
    assert_int_equal(
        wi_stream_kinesis_open_with(
            &service->test.env, url, &service->http, &service->stream, NULL),
        WEIR_OK);
    assert_int_equal(weir_batch_new(&service->test.env, &service->batch), WEIR_OK);
}

void
end_service(struct kinesis_service *service)
{
    assert_int_equal(service->asked, service->step_count + 1);
    weir_batch_free(service->batch);
    service->stream.ops->close(service->stream.source);
    test_env_assert_no_leak(&service->test);
}

enum weir_error
get_from(struct kinesis_service *service, struct weir_position from, size_t records_max)
{
    test_env_advance_ms(&service->test, 20000);
    return get_now(service, from, records_max);
}

enum weir_error
get_now(struct kinesis_service *service, struct weir_position from, size_t records_max)
{
    return weir_stream_get(
        &service->stream,
        &(struct weir_get_request){.shard_id = WI_STR("shardId-000000000000"),
                                   .from = from,
                                   .records_max = records_max,
                                   .bytes_max = 1000000},
        service->batch,
        &service->result);
}

struct weir_position
horizon(void)
{
    return (struct weir_position){.type = WEIR_TRIM_HORIZON};
}

struct weir_position
latest(void)
{
    return (struct weir_position){.type = WEIR_LATEST};
}

struct weir_position
after(uint64_t number, uint64_t sub)
{
    return (struct weir_position){.type = WEIR_AFTER_SEQUENCE_NUMBER,
                                  .sequence_number = {{0, 0, 0, number}},
                                  .sub_sequence_number = sub};
}

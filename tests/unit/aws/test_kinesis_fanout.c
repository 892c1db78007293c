/* Consumers and subscriptions by canned answers: what each message means, and what is refused. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/http.h"
#include "aws/kinesis_api.h"
#include "aws/kinesis_fanout.h"
#include "core/check.h"
#include "core/str.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define STREAM_ARN   "arn:aws:kinesis:r:1:stream/s"
#define CONSUMER_ARN STREAM_ARN "/consumer/c:1"
#define ANSWER_MAX   2048

/* A service that gives one answer, and what was asked and taken. */
struct service {
    struct test_env test;
    struct wi_http http;
    struct wi_kinesis_api api;
    int status;
    unsigned char answer[ANSWER_MAX];
    size_t answer_length;
    size_t piece_bytes; /* how a stream comes */
    bool asked_for_http2;
    char body[ANSWER_MAX];
    char taken[ANSWER_MAX]; /* events, one behind the other */
    size_t events_max;      /* the next one is refused */
    size_t events;
    struct weir_detail detail;
};

static void
stream_answer(const struct service *service, struct wi_http_exchange *exchange)
{
    for (size_t at = 0; at < service->answer_length && exchange->error == WEIR_OK;) {
        const size_t left = service->answer_length - at;
        const struct weir_bytes piece = {
            service->answer + at, left < service->piece_bytes ? left : service->piece_bytes};

        at += piece.length;
        if (!exchange->request.stream(exchange->request.stream_context, piece)) {
            exchange->error = WEIR_ECANCELED;
            exchange->failure = WI_HTTP_OUTCOME_UNKNOWN;
        }
    }
}

static void
answer(void *context, struct wi_http_exchange *const *exchanges, size_t count)
{
    struct service *service = context;
    struct wi_http_exchange *exchange;
    struct weir_str body;

    if (count == 0) { /* it could not be signed */
        return;
    }
    assert_int_equal(count, 1);
    exchange = exchanges[0];
    body = (struct weir_str){exchange->request.body.data, exchange->request.body.length};
    (void)wi_str_copy(service->body, sizeof service->body, body);
    service->asked_for_http2 = exchange->request.http2;
    exchange->failure = WI_HTTP_ANSWERED;
    exchange->error = WEIR_OK;
    exchange->status = service->status;
    exchange->retry_after_ms = -1;
    wi_buffer_reset(&exchange->body);
    if (exchange->request.stream != NULL && service->status == 200) {
        stream_answer(service, exchange);
    } else {
        wi_buffer_append(&exchange->body, service->answer, service->answer_length);
        exchange->error = wi_buffer_error(&exchange->body);
    }
}

static void
do_nothing(void *http)
{
    (void)http;
}

static const struct wi_http_ops canned_ops = {
    .close = do_nothing, .perform = answer, .interrupt = do_nothing};

static enum weir_error
open_service(struct service *service)
{
    static const struct wi_aws_options options = {
        .service = WI_KINESIS_SERVICE,
        .target_prefix = WI_KINESIS_TARGET,
        .content_type = WI_KINESIS_CONTENT_TYPE,
        .region = "r",
        .endpoint = "https://127.0.0.1:1"};

    setenv("AWS_ACCESS_KEY_ID", "id", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    service->http = (struct wi_http){&canned_ops, service, &service->test.env};
    service->api.env = &service->test.env;
    service->status = 200;
    service->piece_bytes = SIZE_MAX;
    service->events_max = SIZE_MAX;
    return wi_aws_client_open(
        &service->test.env, &service->http, &options, &service->api.client, NULL);
}

static void
given_service(struct service *service)
{
    memset(service, 0, sizeof *service);
    test_env_init(&service->test);
    assert_int_equal(open_service(service), WEIR_OK);
}

static void
end_service(struct service *service)
{
    wi_aws_client_close(service->api.client);
    test_env_assert_no_leak(&service->test);
}

static void
given_text(struct service *service, int status, const char *text)
{
    service->status = status;
    service->answer_length = strlen(text);
    memcpy(service->answer, text, service->answer_length);
}

static void
put_word(unsigned char *to, size_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        to[i] = (unsigned char)(value >> (24 - 8 * i));
    }
}

static size_t
put_header(unsigned char *to, const char *name, const char *value)
{
    const size_t name_length = strlen(name);
    const size_t length = strlen(value);

    to[0] = (unsigned char)name_length;
    memcpy(to + 1, name, name_length);
    to[name_length + 1] = 7;
    to[name_length + 2] = 0;
    to[name_length + 3] = (unsigned char)length;
    memcpy(to + name_length + 4, value, length);
    return name_length + 4 + length;
}

/* Append a message: of a kind, of a type by that name, with a payload. */
static void
add_message(
    struct service *service,
    const char *kind,
    const char *type_name,
    const char *type,
    const char *payload)
{
    unsigned char *message = service->answer + service->answer_length;
    size_t length = 12;
    size_t headers;

    WEIR_ASSERT(service->answer_length + strlen(payload) + 200 < ANSWER_MAX);
    length += put_header(message + length, ":message-type", kind);
    length += put_header(message + length, type_name, type);
    headers = length - 12;
    for (size_t i = 0; payload[i] != '\0'; i++) {
        message[length++] = (unsigned char)payload[i];
    }
    length += 4;
    put_word(message, length);
    put_word(message + 4, headers);
    put_word(message + 8, crc32(0, message, 8));
    put_word(message + length - 4, crc32(0, message, (unsigned)(length - 4)));
    service->answer_length += length;
}

static void
add_event(struct service *service, const char *payload)
{
    add_message(service, "event", ":event-type", "SubscribeToShardEvent", payload);
}

static bool
take(void *context, struct weir_bytes event)
{
    struct service *service = context;
    const size_t length = strlen(service->taken);

    if (service->events == service->events_max) {
        return false;
    }
    WEIR_ASSERT(length + event.length < sizeof service->taken);
    memcpy(service->taken + length, event.data, event.length);
    service->events++;
    return true;
}

static enum weir_error
subscribe(struct service *service, struct weir_position from)
{
    return wi_kinesis_subscribe(
        &service->api,
        &(struct wi_kinesis_subscribe){.consumer_arn = CONSUMER_ARN,
                                       .shard_id = WI_STR("shardId-1"),
                                       .from = &from,
                                       .quiet_timeout_ms = 1000,
                                       .take = take,
                                       .context = service},
        &service->detail);
}

static struct weir_position
horizon(void)
{
    return (struct weir_position){.type = WEIR_TRIM_HORIZON};
}

static void
asks_for_a_consumer_by_name_or_by_arn(void **state)
{
    static const char active[] = "{\"ConsumerDescription\":{\"ConsumerARN\":\"" CONSUMER_ARN
                                 "\",\"ConsumerStatus\":\"ACTIVE\"}}";
    static const char created[] =
        "{\"Consumer\":{\"ConsumerARN\":\"" CONSUMER_ARN "\",\"ConsumerStatus\":\"CREATING\"}}";
    struct service service;
    struct wi_kinesis_consumer consumer = {.is_active = false};

    (void)state;
    given_service(&service);
    given_text(&service, 200, active);
    assert_int_equal(
        wi_kinesis_describe_consumer(&service.api, STREAM_ARN, "c", &consumer, NULL), WEIR_OK);
    assert_string_equal(service.body, "{\"StreamARN\":\"" STREAM_ARN "\",\"ConsumerName\":\"c\"}");
    assert_true(consumer.is_active);
    assert_string_equal(consumer.arn, CONSUMER_ARN);
    assert_int_equal(
        wi_kinesis_describe_consumer(&service.api, "", CONSUMER_ARN, &consumer, NULL), WEIR_OK);
    assert_string_equal(service.body, "{\"ConsumerARN\":\"" CONSUMER_ARN "\"}");
    given_text(&service, 200, created);
    assert_int_equal(
        wi_kinesis_register_consumer(&service.api, STREAM_ARN, "c", &consumer, NULL), WEIR_OK);
    assert_false(consumer.is_active);
    given_text(&service, 200, "{\"Consumer\":{\"ConsumerStatus\":\"ACTIVE\"}}");
    assert_int_equal(
        wi_kinesis_register_consumer(&service.api, STREAM_ARN, "c", &consumer, NULL),
        WEIR_ECORRUPT);
    end_service(&service);
}

static void
takes_events_in_turn_however_they_come(void **state)
{
    struct service service;

    (void)state;
    for (size_t piece_bytes = 1; piece_bytes < 300; piece_bytes += 37) {
        given_service(&service);
        service.piece_bytes = piece_bytes;
        add_message(&service, "event", ":event-type", "initial-response", "{}");
        add_event(&service, "one ");
        add_message(&service, "event", ":event-type", "SomethingNew", "{}");
        add_event(&service, "two");
        assert_int_equal(subscribe(&service, horizon()), WEIR_OK);
        assert_string_equal(service.taken, "one two");
        assert_true(service.asked_for_http2);
        end_service(&service);
    }
}

static void
begins_at_every_kind_of_position(void **state)
{
    static const struct {
        struct weir_position from;
        const char *expected;
    } cases[] = {
        {{.type = WEIR_TRIM_HORIZON}, "{\"Type\":\"TRIM_HORIZON\"}}"},
        {{.type = WEIR_LATEST}, "{\"Type\":\"LATEST\"}}"},
        {{.type = WEIR_AT_TIMESTAMP, .timestamp_ms = 1700000000007},
         "{\"Type\":\"AT_TIMESTAMP\",\"Timestamp\":1700000000.007}}"},
        {{.type = WEIR_AT_SEQUENCE_NUMBER, .sequence_number.word = {0, 0, 0, 42}},
         "{\"Type\":\"AT_SEQUENCE_NUMBER\",\"SequenceNumber\":\"42\"}}"},
        {{.type = WEIR_AFTER_SEQUENCE_NUMBER, .sequence_number.word = {0, 0, 0, 42}},
         "{\"Type\":\"AFTER_SEQUENCE_NUMBER\",\"SequenceNumber\":\"42\"}}"},
    };
    static const char begin[] =
        "{\"ConsumerARN\":\"" CONSUMER_ARN "\",\"ShardId\":\"shardId-1\",\"StartingPosition\":";
    struct service service;

    (void)state;
    given_service(&service);
    for (size_t i = 0; i < WI_ARRAY_LENGTH(cases); i++) {
        assert_int_equal(subscribe(&service, cases[i].from), WEIR_OK);
        assert_memory_equal(service.body, begin, sizeof begin - 1);
        assert_string_equal(service.body + sizeof begin - 1, cases[i].expected);
    }
    end_service(&service);
}

static void
tells_exceptions_apart(void **state)
{
    static const struct {
        const char *type;
        enum weir_error expected;
    } cases[] = {
        {"ResourceInUseException", WEIR_EBUSY},
        {"ResourceNotFoundException", WEIR_ENOTFOUND},
        {"InternalFailureException", WEIR_ETIMEOUT},
        {"KMSThrottlingException", WEIR_ETHROTTLED},
        {"KMSAccessDeniedException", WEIR_EACCESS},
        {"KMSDisabledException", WEIR_EACCESS},
        {"KMSInvalidStateException", WEIR_EACCESS},
        {"KMSNotFoundException", WEIR_EACCESS},
        {"KMSOptInRequired", WEIR_EACCESS},
        {"LimitExceededException", WEIR_ETHROTTLED},
        {"", WEIR_EIO},
    };
    struct service service;

    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(cases); i++) {
        given_service(&service);
        add_event(&service, "one");
        add_message(
            &service, "exception", ":exception-type", cases[i].type, "{\"message\":\"why\"}");
        add_event(&service, "never");
        assert_int_equal(subscribe(&service, horizon()), cases[i].expected);
        assert_string_equal(service.taken, "one");
        assert_non_null(strstr(service.detail.text, "why"));
        end_service(&service);
    }
    given_service(&service);
    add_message(&service, "error", ":error-code", "InternalFailure", "");
    assert_int_equal(subscribe(&service, horizon()), WEIR_ETIMEOUT);
    end_service(&service);
}

static void
refuses_what_is_no_event_stream(void **state)
{
    struct service service;

    (void)state;
    given_service(&service);
    given_text(&service, 200, "{\"this\":\"is JSON\"}");
    assert_int_equal(subscribe(&service, horizon()), WEIR_ECORRUPT);
    service.answer_length = 0;
    add_event(&service, "one");
    add_message(&service, "rumour", ":event-type", "SubscribeToShardEvent", "two");
    assert_int_equal(subscribe(&service, horizon()), WEIR_ECORRUPT);
    assert_string_equal(service.taken, "one");
    service.answer_length = 0;
    add_event(&service, "cut");
    service.answer_length--;
    assert_int_equal(subscribe(&service, horizon()), WEIR_EIO);
    assert_string_equal(service.taken, "one");
    end_service(&service);
}

static void
ends_when_it_is_refused_by_either_side(void **state)
{
    struct service service;

    (void)state;
    given_service(&service);
    service.events_max = 1;
    add_event(&service, "one");
    add_event(&service, "two");
    assert_int_equal(subscribe(&service, horizon()), WEIR_ECANCELED);
    assert_string_equal(service.taken, "one");
    given_text(&service, 400, "{\"__type\":\"ResourceInUseException\",\"message\":\"taken\"}");
    assert_int_equal(subscribe(&service, horizon()), WEIR_EBUSY);
    assert_non_null(strstr(service.detail.text, "taken"));
    end_service(&service);
}

static void
survives_every_allocation_failure(void **state)
{
    (void)state;
    for (size_t at = 1;; at++) {
        struct service service;
        struct wi_kinesis_consumer consumer;
        enum weir_error error;

        given_service(&service);
        given_text(&service, 200, "{\"Consumer\":{\"ConsumerARN\":\"a\",\"ConsumerStatus\":\"\"}}");
        service.test.fail_at = service.test.allocations + at;
        error = wi_kinesis_register_consumer(&service.api, STREAM_ARN, "c", &consumer, NULL);
        if (error == WEIR_OK) {
            service.answer_length = 0;
            add_event(&service, "one");
            error = subscribe(&service, horizon());
        }
        assert_true(error == WEIR_OK ? service.events == 1 : error == WEIR_ENOMEM);
        end_service(&service);
        if (!test_env_has_failed(&service.test)) {
            return;
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_for_a_consumer_by_name_or_by_arn),
        cmocka_unit_test(takes_events_in_turn_however_they_come),
        cmocka_unit_test(begins_at_every_kind_of_position),
        cmocka_unit_test(tells_exceptions_apart),
        cmocka_unit_test(refuses_what_is_no_event_stream),
        cmocka_unit_test(ends_when_it_is_refused_by_either_side),
        cmocka_unit_test(survives_every_allocation_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

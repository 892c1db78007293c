#include "aws/kinesis_fanout.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/aws_error.h"
#include "aws/event_stream.h"
#include "aws/kinesis_api.h"
#include "aws/kinesis_json.h"
#include "core/check.h"
#include "core/detail.h"
#include "core/str.h"

#define MS_PER_SECOND 1000
#define ARN_PREFIX    "arn:"
#define SUBSCRIBE     "SubscribeToShard"

/* --- consumers --- */

static void
append_member(struct wi_buffer *body, const char *name, const char *value)
{
    wi_buffer_append_z(body, name);
    wi_json_append_string(body, wi_str(value));
}

static enum weir_error
read_consumer(const cJSON *consumer, struct wi_kinesis_consumer *ret)
{
    const char *arn = wi_json_text(consumer, "ConsumerARN");
    const char *status = wi_json_text(consumer, "ConsumerStatus");

    if (arn == NULL || status == NULL || arn[0] == '\0' ||
        !wi_str_copy(ret->arn, sizeof ret->arn, wi_str(arn))) {
        return WEIR_ECORRUPT;
    }
    ret->is_active = strcmp(status, "ACTIVE") == 0;
    return WEIR_OK;
}

/* Send `body`, which is freed; the answer has a consumer in `member`. */
static enum weir_error
ask_for_consumer(
    struct wi_kinesis_api *api,
    const struct wi_kinesis_request *request,
    struct wi_buffer *body,
    const char *member,
    struct wi_kinesis_consumer *ret,
    struct weir_detail *detail)
{
    struct wi_kinesis_consumer found = {.is_active = false};
    cJSON *answer = NULL;
    enum weir_error error = wi_kinesis_ask(api, request, &answer, detail);

    if (error == WEIR_OK) {
        error = read_consumer(cJSON_GetObjectItemCaseSensitive(answer, member), &found) == WEIR_OK
                    ? WEIR_OK
                    : wi_kinesis_bad_answer(request->operation, detail);
    }
    if (error == WEIR_OK) {
        *ret = found;
    }
    cJSON_Delete(answer);
    wi_buffer_free(body);
    return error;
}

enum weir_error
wi_kinesis_describe_consumer(
    struct wi_kinesis_api *api,
    const char *stream_arn,
    const char *consumer,
    struct wi_kinesis_consumer *ret,
    struct weir_detail *detail)
{
    struct wi_buffer body;
    const struct wi_kinesis_request request = {
        .operation = "DescribeStreamConsumer", .body = &body, .repeatable = true};

    wi_buffer_init(&body, api->env);
    if (wi_str_starts_with(wi_str(consumer), WI_STR(ARN_PREFIX))) {
        append_member(&body, "{\"ConsumerARN\":", consumer);
    } else {
        append_member(&body, "{\"StreamARN\":", stream_arn);
        append_member(&body, ",\"ConsumerName\":", consumer);
    }
    wi_buffer_append_z(&body, "}");
    return ask_for_consumer(api, &request, &body, "ConsumerDescription", ret, detail);
}

enum weir_error
wi_kinesis_register_consumer(
    struct wi_kinesis_api *api,
    const char *stream_arn,
    const char *name,
    struct wi_kinesis_consumer *ret,
    struct weir_detail *detail)
{
    struct wi_buffer body;
    const struct wi_kinesis_request request = {
        .operation = "RegisterStreamConsumer", .body = &body, .repeatable = true};

    wi_buffer_init(&body, api->env);
    append_member(&body, "{\"StreamARN\":", stream_arn);
    append_member(&body, ",\"ConsumerName\":", name);
    wi_buffer_append_z(&body, "}");
    return ask_for_consumer(api, &request, &body, "Consumer", ret, detail);
}

/* --- subscriptions --- */

/* One subscription on its way. */
struct subscription {
    const struct wi_kinesis_subscribe *subscribe;
    struct wi_event_stream events;
    enum weir_error error; /* why we ended it; WEIR_OK: we did not */
    struct weir_detail detail;
};

static void
append_position(struct wi_buffer *body, const struct weir_position *from)
{
    char number[WEIR_SEQUENCE_NUMBER_SIZE];
    const bool is_after = from->type == WEIR_AFTER_SEQUENCE_NUMBER;

    wi_buffer_append_z(body, ",\"StartingPosition\":{\"Type\":");
    switch (from->type) {
    case WEIR_TRIM_HORIZON:
        wi_buffer_append_z(body, "\"TRIM_HORIZON\"}}");
        return;
    case WEIR_LATEST:
        wi_buffer_append_z(body, "\"LATEST\"}}");
        return;
    case WEIR_AT_TIMESTAMP:
        wi_buffer_printf(
            body,
            "\"AT_TIMESTAMP\",\"Timestamp\":%" PRId64 ".%03d}}",
            from->timestamp_ms / MS_PER_SECOND,
            (int)(from->timestamp_ms % MS_PER_SECOND));
        return;
    case WEIR_AT_SEQUENCE_NUMBER:
    case WEIR_AFTER_SEQUENCE_NUMBER:
        (void)weir_sequence_number_format(&from->sequence_number, number);
        wi_buffer_printf(
            body,
            "\"%s_SEQUENCE_NUMBER\",\"SequenceNumber\":\"%s\"}}",
            is_after ? "AFTER" : "AT",
            number);
        return;
    case WEIR_SHARD_END:
        break;
    }
    WEIR_ASSERT(!"nobody subscribes to what is behind a shard");
}

/* An exception in the stream means what it would mean as an answer. */
static void
note_exception(
    struct subscription *s,
    struct weir_str type,
    struct weir_str message,
    struct weir_bytes payload)
{
    const struct weir_str body = {payload.data, payload.length};
    struct wi_aws_error found;
    char name[WI_AWS_ERROR_SIZE] = "";
    enum wi_aws_class class;

    (void)wi_str_copy(name, sizeof name, type);
    wi_aws_error_parse(name, body, &found);
    if (found.message[0] == '\0') {
        (void)wi_str_copy(found.message, sizeof found.message, message);
    }
    class = wi_aws_error_class(found.type, 0);
    s->error = class == WI_AWS_IN_USE ? WEIR_EBUSY : wi_aws_class_error(class, SUBSCRIBE);
    s->error = wi_detail(
        &s->detail, s->error, SUBSCRIBE ": %s: %s (in the stream)", found.type, found.message);
}

/* One message: an event, the answer's head, or an exception. False ends the subscription. */
static bool
take_message(struct subscription *s, const struct wi_event_message *message)
{
    const struct weir_str kind = wi_event_header(message, ":message-type");

    if (wi_str_equal_z(kind, "exception")) {
        note_exception(
            s, wi_event_header(message, ":exception-type"), WI_STR(""), message->payload);
        return false;
    }
    if (wi_str_equal_z(kind, "error")) {
        note_exception(
            s,
            wi_event_header(message, ":error-code"),
            wi_event_header(message, ":error-message"),
            message->payload);
        return false;
    }
    if (!wi_str_equal_z(kind, "event")) {
        s->error = wi_kinesis_bad_answer(SUBSCRIBE, &s->detail);
        return false;
    }
    /* initial-response says nothing; other events may come to exist, and have no records. */
    if (wi_str_equal_z(wi_event_header(message, ":event-type"), "SubscribeToShardEvent") &&
        !s->subscribe->take(s->subscribe->context, message->payload)) {
        s->error = WEIR_ECANCELED;
        return false;
    }
    return true;
}

static bool
take_piece(void *context, struct weir_bytes piece)
{
    struct subscription *s = context;

    while (piece.length > 0) {
        struct wi_event_message message;
        bool any = false;

        s->error = wi_event_stream_next(&s->events, &piece, &any, &message);
        if (s->error != WEIR_OK) {
            s->error =
                s->error == WEIR_ECORRUPT ? wi_kinesis_bad_answer(SUBSCRIBE, &s->detail) : s->error;
            return false;
        }
        if (any && !take_message(s, &message)) {
            return false;
        }
    }
    return true;
}

/* What became of it; `error` is the exchange's word. */
static enum weir_error
outcome(struct subscription *s, enum weir_error error, struct weir_detail *detail)
{
    if (s->error != WEIR_OK) {
        return wi_detail(
            detail,
            s->error,
            "%s",
            s->detail.text[0] != '\0' ? s->detail.text : weir_error_text(s->error));
    }
    if (error == WEIR_OK && wi_event_stream_is_inside(&s->events)) {
        return wi_detail(detail, WEIR_EIO, SUBSCRIBE ": the answer ends inside of an event");
    }
    return error;
}

enum weir_error
wi_kinesis_subscribe(
    struct wi_kinesis_api *api,
    const struct wi_kinesis_subscribe *subscribe,
    struct weir_detail *detail)
{
    struct subscription s = {.subscribe = subscribe};
    const struct wi_aws_streaming streaming = {
        .take = take_piece,
        .context = &s,
        .quiet_timeout_ms = subscribe->quiet_timeout_ms,
        .canceled = subscribe->canceled};
    struct wi_buffer body;
    struct wi_buffer answer;
    const struct wi_kinesis_request request = {
        .operation = SUBSCRIBE,
        .body = &body,
        .streaming = &streaming,
        .attempt_timeout_ms = WI_KINESIS_SUBSCRIPTION_MS,
        .attempts_max = 1};
    enum weir_error error;

    wi_buffer_init(&body, api->env);
    wi_buffer_init(&answer, api->env);
    wi_event_stream_init(&s.events, api->env);
    append_member(&body, "{\"ConsumerARN\":", subscribe->consumer_arn);
    wi_buffer_append_z(&body, ",\"ShardId\":");
    wi_json_append_string(&body, subscribe->shard_id);
    append_position(&body, subscribe->from);
    error = wi_kinesis_send(api, &request, &answer, detail);
    error = outcome(&s, error, detail);
    wi_event_stream_free(&s.events);
    wi_buffer_free(&answer);
    wi_buffer_free(&body);
    return error;
}

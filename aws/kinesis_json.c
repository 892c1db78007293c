#include "aws/kinesis_json.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/aws_error.h"
#include "aws/kinesis_api.h"
#include "core/detail.h"
#include "core/str.h"

void
wi_json_append_string(struct wi_buffer *body, struct weir_str text)
{
    size_t done = 0;

    wi_buffer_append(body, "\"", 1);
    for (size_t i = 0; i < text.length; i++) {
        const unsigned char c = (unsigned char)text.data[i];

        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        wi_buffer_append(body, text.data + done, i - done);
        wi_buffer_printf(body, c == '"' || c == '\\' ? "\\%c" : "\\u%04x", c);
        done = i + 1;
    }
    wi_buffer_append(body, text.data + done, text.length - done);
    wi_buffer_append(body, "\"", 1);
}

void
wi_kinesis_append_stream(const struct wi_kinesis_api *api, struct wi_buffer *body)
{
    const bool by_arn = api->stream_arn[0] != '\0';

    wi_buffer_append_z(body, by_arn ? "\"StreamARN\":" : "\"StreamName\":");
    wi_json_append_string(body, wi_str(by_arn ? api->stream_arn : api->stream_name));
}

/* ResourceInUse is the one class whose reaction depends on the service: wait until it is done. */
static enum weir_error
error_of(const struct wi_aws_call *call)
{
    return call->class == WI_AWS_IN_USE ? WEIR_EBUSY : call->error;
}

/* The request is well formed, so who cannot read it does not know its encoding. Services of AWS say
 * UnknownOperation then, with no name that is understood; others have words of their own. */
static bool
refuses_content_type(const struct wi_aws_call *call)
{
    return call->status / 100 == 4 &&
           (call->class == WI_AWS_OTHER || wi_aws_error_is_unreadable(call->type));
}

enum weir_error
wi_kinesis_send(
    struct wi_kinesis_api *api,
    const struct wi_kinesis_request *request,
    struct wi_buffer *answer,
    struct weir_detail *detail)
{
    struct wi_aws_call call;
    const struct weir_str body = wi_buffer_str(request->body);
    enum weir_error error = wi_buffer_error(request->body);

    if (error != WEIR_OK) {
        return wi_detail(detail, error, "%s: no memory for the request", request->operation);
    }
    wi_aws_call_init(&call, api->env);
    call.operation = request->operation;
    call.body = (struct weir_bytes){body.data, body.length};
    call.content_type = request->content_type;
    call.repeatable = request->repeatable;
    call.bulk = request->bulk;
    call.streaming = request->streaming;
    call.attempt_timeout_ms = request->attempt_timeout_ms;
    call.attempts_max = request->attempts_max;
    call.answer = *answer; /* its memory is used again */
    wi_buffer_init(answer, api->env);
    wi_aws_perform(api->client, &call);
    error = request->content_type != NULL && refuses_content_type(&call) ? WEIR_EUNSUPPORTED
                                                                         : error_of(&call);
    if (error != WEIR_OK) {
        error = wi_detail(detail, error, "%s", call.detail.text);
    }
    *answer = call.answer;
    wi_buffer_init(&call.answer, api->env);
    wi_aws_call_free(&call);
    return error;
}

enum weir_error
wi_kinesis_bad_answer(const char *operation, struct weir_detail *detail)
{
    return wi_detail(
        detail, WEIR_ECORRUPT, "%s: the answer is not one that Kinesis gives", operation);
}

enum weir_error
wi_kinesis_ask(
    struct wi_kinesis_api *api,
    const struct wi_kinesis_request *request,
    cJSON **ret,
    struct weir_detail *detail)
{
    struct wi_buffer answer;
    cJSON *object = NULL;
    enum weir_error error;

    wi_buffer_init(&answer, api->env);
    error = wi_kinesis_send(api, request, &answer, detail);
    if (error != WEIR_OK) {
        goto out;
    }
    object = cJSON_ParseWithLength(wi_buffer_text(&answer), answer.length);
    if (!cJSON_IsObject(object)) {
        error = wi_kinesis_bad_answer(request->operation, detail);
        goto out;
    }
    *ret = object;
    object = NULL;
out:
    cJSON_Delete(object);
    wi_buffer_free(&answer);
    return error;
}

const char *
wi_json_text(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

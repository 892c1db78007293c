/* What the requests of Kinesis share: text as JSON, calls, members of answers. */
#ifndef WI_AWS_KINESIS_JSON_H
#define WI_AWS_KINESIS_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/kinesis_api.h"
#include "core/str.h"

/* Append a JSON string with its quotes. */
void wi_json_append_string(struct wi_buffer *body, struct weir_str text);

/* Append `"StreamName":"..."` or `"StreamARN":"..."`. */
void wi_kinesis_append_stream(const struct wi_kinesis_api *api, struct wi_buffer *body);

/* How a request is sent. */
struct wi_kinesis_request {
    const char *operation;
    const struct wi_buffer *body;
    const char *content_type; /* NULL: JSON */
    bool repeatable;          /* doing it twice is doing it once, or is the lesser evil */
    bool bulk;                /* megabytes of answer are expected */
    const struct wi_aws_streaming *streaming; /* NULL: the answer is collected */
    int64_t attempt_timeout_ms;               /* 0: the client's */
    uint32_t attempts_max;                    /* 0: the client's */
};

/* Send it; the answer's text goes to `answer`, an initialised buffer. WEIR_EUNSUPPORTED: the
 * service does not know the content type, which was given. */
WEIR_MUST_CHECK enum weir_error wi_kinesis_send(
    struct wi_kinesis_api *api,
    const struct wi_kinesis_request *request,
    struct wi_buffer *answer,
    struct weir_detail *detail);

/* Send it and read the answer as a JSON object, which the caller deletes. */
WEIR_MUST_CHECK enum weir_error wi_kinesis_ask(
    struct wi_kinesis_api *api,
    const struct wi_kinesis_request *request,
    cJSON **ret,
    struct weir_detail *detail);

/* The text of a member that is a string; NULL if there is none. */
const char *wi_json_text(const cJSON *object, const char *name);

/* An answer that is none: WEIR_ECORRUPT, and a detail that says whose. */
enum weir_error wi_kinesis_bad_answer(const char *operation, struct weir_detail *detail);

#endif
